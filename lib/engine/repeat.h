/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a call gets into a repeat (engine.h): noted when it is prepared, confirmed when it ran.
 *
 *     hg_steps_prepare ──► note ──► hg_work_start runs it in place ──► confirm
 *
 * Threads: the session's.
 */
#ifndef HG_LIB_ENGINE_REPEAT_H
#define HG_LIB_ENGINE_REPEAT_H

#include "lib/engine/steps.h"

/* Takes down what PREPARED, ready but for its start, is about to do, if that can be done again
 * without being prepared: one launch, nothing charged, no buffer that others may have. */
void hg_repeat_note(struct hg_repeat *repeat, const struct hg_prepared *prepared,
                    const struct hg_op *op, const struct hg_steps *steps);
/* What was noted last ran in place, with success. */
void hg_repeat_confirm(struct hg_repeat *repeat);

#endif
