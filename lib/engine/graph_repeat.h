/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a graph's run in place had found, kept to be run again (repeat.c): its launches with their
 * operands, and what it said of its outputs. It depends on nothing but the content of the graph and
 * its buffers: neither the graph nor its plan has to be there any more.
 *
 * Threads: the session's.
 */
#ifndef HG_LIB_ENGINE_GRAPH_REPEAT_H
#define HG_LIB_ENGINE_GRAPH_REPEAT_H

#include "lib/engine/graph_run.h"

/* A buffer that a call uses. */
struct hg_repeat_use {
    struct hg_buffer *buffer; /* valid while its id stands for it */
    uint64_t id;
    uint64_t handle; /* of its operand: never another buffer's */
    bool writes;
};

struct hg_graph_repeat;

/* Keeps what PREPARED, whose script is of PLAN, did: RESULT is what it said. NULL: it is too large,
 * made buffers or used such as others may have, or memory ran out. */
struct hg_graph_repeat *hg_graph_repeat_create(struct hg_prepared *prepared,
                                               const struct hg_known_graph *known,
                                               const struct hg_ready_plan *plan,
                                               const struct hg_graph_result *result);
/* NULLs *GRAPH (may be NULL). */
void hg_graph_repeat_destroy(struct hg_graph_repeat **graph);
/* What its run says, but for times. */
const struct hg_graph_result *hg_graph_repeat_result(const struct hg_graph_repeat *graph);
const struct hg_repeat_use *hg_graph_repeat_uses(const struct hg_graph_repeat *graph,
                                                 uint32_t *count);

/* Runs it; its buffers were found to be free, and its memory is charged. */
HG_MUST_CHECK enum hg_repeated hg_graph_repeat_run(struct hg_engine *engine,
                                                   struct hg_graph_repeat *graph,
                                                   uint64_t *ready_ticks, struct hg_error *error);

#endif
