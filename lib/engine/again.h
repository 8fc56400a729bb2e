/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls by name that come again with the same buffers: a few slots of a session, each with the
 * request as it came and a repeat (engine.h). A request is kept when it is the second in a row that
 * falls into its slot.
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

/* The slot of REQUEST, which TASK asks for; NULL if such calls are not kept: they have a deadline,
 * measure times or keep a repeat of their own; or there is no memory. */
struct hg_again_slot *hg_again_slot_of(struct hg_session *session,
                                       const struct hg_execute_request *request,
                                       const struct hg_task *task);
/* Runs what SLOT holds, if that is REQUEST; false if nothing happened. */
bool hg_again_run(struct hg_session *session, const struct hg_again_slot *slot,
                  const struct hg_execute_request *request, struct hg_task *task);
/* REQUEST, not what SLOT holds, is about to be prepared: what to note it in, or NULL. */
struct hg_repeat *hg_again_begin(struct hg_again_slot *slot,
                                 const struct hg_execute_request *request);
/* It was prepared and has run: keeps REQUEST if its repeat was noted. */
void hg_again_end(struct hg_again_slot *slot, const struct hg_execute_request *request);

#endif
