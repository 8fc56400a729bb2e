/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests whose work ended on a worker, on their way back to the loop.
 *
 * Threads: hg_completion_push from any thread, the rest from the loop's.
 */
#ifndef HG_DAEMON_COMPLETION_H
#define HG_DAEMON_COMPLETION_H

#include <stdatomic.h>

#include "daemon/loop.h"
#include "daemon/request.h"

struct hg_completions {
    /* A stack that is only ever taken whole, so there is no ABA. push: release, take: acquire. */
    _Atomic(struct hg_request *) top;
    struct hg_wake *wake;
};

HG_MUST_CHECK enum hg_status hg_completions_init(struct hg_completions *completions,
                                                 struct hg_loop *loop, hg_loop_fn *fn,
                                                 void *context, struct hg_error *error);
/* Nothing may be pushed any more. */
void hg_completions_fini(struct hg_completions *completions);
void hg_completion_push(struct hg_completions *completions, struct hg_request *request);
/* Takes all, oldest first, linked by `next`. */
struct hg_request *hg_completions_take(struct hg_completions *completions);

#endif
