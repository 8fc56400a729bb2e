/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls by name or handle that come again with the same buffers: a few slots of a session, each
 * with the request as it came and a repeat (engine.h). A request is kept when it is the second in a
 * row that falls into its slot.
 *
 * Threads: the session's.
 */
#ifndef HG_LIB_ENGINE_AGAIN_H
#define HG_LIB_ENGINE_AGAIN_H

#include <stdint.h>

#include "lib/engine/engine.h"

struct hg_again_slot;

/* All zeros: nothing yet. */
struct hg_again {
    struct hg_again_slot *slots; /* NULL before the first call */
};

void hg_again_fini(struct hg_again *again);

/* What a call says: a prepared one its handle and no name. */
struct hg_again_call {
    uint64_t handle; /* 0: of none */
    struct hg_execute_request request;
};

/* Prepares REQUEST and runs or queues it; what runs here is noted in REPEAT, if that is not NULL.
 */
typedef enum hg_submitted hg_again_fn(struct hg_session *session, const void *request,
                                      struct hg_repeat *repeat, struct hg_task *task);

/* Repeats CALL if it is held; else has EXECUTE do REQUEST, which is what CALL says, and keeps what
 * is noted. Calls that have a deadline, measure times or keep a repeat of their own go to EXECUTE
 * at once. */
enum hg_submitted hg_again_execute(struct hg_session *session, const struct hg_again_call *call,
                                   hg_again_fn *execute, const void *request, struct hg_task *task);

#endif
