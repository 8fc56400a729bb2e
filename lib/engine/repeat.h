/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a call gets into a repeat (engine.h).
 *
 * Threads: the session's.
 */
#ifndef HG_LIB_ENGINE_REPEAT_H
#define HG_LIB_ENGINE_REPEAT_H

#include "lib/engine/graph_repeat.h"
#include "lib/engine/steps.h"

/* Keeps what PREPARED, with `op`, did in place, if that can be done again without being prepared:
 * one launch, no temporaries, no buffer that others may have. */
void hg_repeat_note(struct hg_repeat *repeat, const struct hg_prepared *prepared);
/* The same of a graph's run: takes GRAPH, which may be NULL: then it is not kept. */
void hg_repeat_note_graph(struct hg_repeat *repeat, const struct hg_prepared *prepared,
                          struct hg_graph_repeat *graph);
/* Forgets what it holds. */
void hg_repeat_clear(struct hg_repeat *repeat);

#endif
