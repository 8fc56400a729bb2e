/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan on its way; private to lib/graph.
 *
 *     plan.c: programs of groups ──► levels.c: what waits for what ──► place.c: where operands are
 *
 * Threads: values.
 */
#ifndef HG_LIB_GRAPH_PLANNER_H
#define HG_LIB_GRAPH_PLANNER_H

#include "lib/graph/arena.h"
#include "lib/graph/plan.h"

struct hg_graph_planner {
    struct hg_graph_plan *plan;
    const struct hg_plan_options *options;
    struct hg_error *error;
    struct hg_lowered *lowered; /* by launch */
    uint32_t *writer;           /* by node: the launch that puts it into memory, UINT32_MAX */
    uint32_t *piece;            /* by node: its piece of the arena, UINT32_MAX */
    uint64_t *reads_shared;     /* by launch: outputs in whose memory it reads, as bits */
    struct hg_arena_piece *pieces;
    uint32_t piece_count;
    uint32_t piece_capacity;
    uint32_t delayed[HG_GRAPH_OUTPUTS_MAX]; /* by output: the piece that is copied to it at the end,
                                               UINT32_MAX */
};

static inline const struct hg_ir_node *hg_planner_node(const struct hg_graph_planner *planner,
                                                       uint32_t index)
{
    return &planner->plan->ir->nodes[index];
}

/* levels.c: fills in who writes and who reads what, and launches' levels; launches are in an order
 * in which they can run. */
void hg_planner_assign_levels(struct hg_graph_planner *planner);
/* True if output INDEX, which is in the memory of inputs, may be stored while the graph runs:
 * those who read them do so before, or at their own lane. */
bool hg_planner_may_store(const struct hg_graph_planner *planner, uint32_t index);
/* place.c: operands of launches, copies at the end, the arena; launches in the order of levels.
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_planner_place(struct hg_graph_planner *planner);

#endif
