/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From groups to launches: a program for each, their order and dependencies (levels.c), and where
 * every operand is (place.c). Launches have levels; those of one level depend only on earlier ones
 * and may run at the same time.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/graph/planner.h"

/* ---- programs -------------------------------------------------------------------------------- */

static void drop_launches(struct hg_graph_plan *plan)
{
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        hg_program_unref(&plan->launches[i].program);
    }
    plan->launch_count = 0;
}

static enum hg_status lower_groups(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    /* Every output may need a copy at the end. */
    size_t room = (size_t)plan->fusion.group_count + plan->ir->output_count + 1;
    plan->launches = hg_calloc(HG_TAG_GRAPH, room, sizeof *plan->launches);
    planner->lowered = hg_calloc(HG_TAG_GRAPH, room, sizeof *planner->lowered);
    if (plan->launches == NULL || planner->lowered == NULL) {
        return hg_fail(planner->error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's launches");
    }
    for (uint32_t i = 0; i < plan->fusion.group_count; i++) {
        if (plan->fusion.groups[i].dead) {
            continue;
        }
        struct hg_plan_launch *launch = &plan->launches[plan->launch_count];
        enum hg_status status =
            hg_lower_group(&plan->fusion, i, planner->options,
                           &planner->lowered[plan->launch_count], &launch->program, planner->error);
        if (status != HG_OK) {
            return status;
        }
        launch->group = i;
        memcpy(launch->params, planner->lowered[plan->launch_count].params, sizeof launch->params);
        plan->launch_count++;
    }
    return HG_OK;
}

/* Fuses less where a program becomes too large; a single node always fits. */
static enum hg_status fuse_and_lower(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    uint32_t limit = HG_FUSION_LIMIT;
    for (;; limit /= 2) {
        enum hg_status status =
            hg_fuse(plan->ir, limit, planner->options->rules, &plan->fusion, planner->error);
        if (status == HG_OK) {
            status = lower_groups(planner);
        }
        if (status != HG_INTERNAL || limit == 1) {
            return status;
        }
        *planner->error = (struct hg_error)HG_ERROR_INIT; /* nothing failed yet */
        drop_launches(plan);
        hg_free(HG_TAG_GRAPH, plan->launches);
        hg_free(HG_TAG_GRAPH, planner->lowered);
        plan->launches = NULL;
        planner->lowered = NULL;
        hg_fusion_fini(&plan->fusion);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum hg_status plan_launches(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    size_t nodes = (size_t)plan->ir->count + 1;
    enum hg_status status = fuse_and_lower(planner);
    if (status != HG_OK) {
        return status;
    }
    planner->writer = hg_malloc(HG_TAG_GRAPH, nodes * sizeof *planner->writer);
    planner->piece = hg_malloc(HG_TAG_GRAPH, nodes * sizeof *planner->piece);
    planner->reads_shared =
        hg_calloc(HG_TAG_GRAPH, (size_t)plan->launch_count + 1, sizeof *planner->reads_shared);
    if (planner->writer == NULL || planner->piece == NULL || planner->reads_shared == NULL) {
        return hg_fail(planner->error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's plan");
    }
    memset(planner->writer, 0xff, nodes * sizeof *planner->writer);
    memset(planner->piece, 0xff, nodes * sizeof *planner->piece);
    memset(planner->delayed, 0xff, sizeof planner->delayed);
    hg_planner_assign_levels(planner);
    return hg_planner_place(planner);
}

enum hg_status hg_graph_plan(const struct hg_graph *graph, const struct hg_graph_binding *bindings,
                             uint32_t count, const struct hg_plan_options *options,
                             struct hg_graph_plan **plan, struct hg_error *error)
{
    struct hg_graph_plan *made = hg_calloc(HG_TAG_GRAPH, 1, sizeof *made);
    if (made == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's plan");
    }
    struct hg_graph_planner planner = {.plan = made, .options = options, .error = error};
    enum hg_status status = hg_ir_bind(graph, bindings, count, &made->ir, error);
    if (status == HG_OK) {
        status = plan_launches(&planner);
    }
    hg_free(HG_TAG_GRAPH, planner.lowered);
    hg_free(HG_TAG_GRAPH, planner.writer);
    hg_free(HG_TAG_GRAPH, planner.piece);
    hg_free(HG_TAG_GRAPH, planner.reads_shared);
    hg_free(HG_TAG_GRAPH, planner.pieces);
    if (status != HG_OK) {
        hg_graph_plan_destroy(&made);
        return status;
    }
    *plan = made;
    return HG_OK;
}

void hg_graph_plan_destroy(struct hg_graph_plan **plan)
{
    if (*plan == NULL) {
        return;
    }
    drop_launches(*plan);
    hg_free(HG_TAG_GRAPH, (*plan)->launches);
    hg_fusion_fini(&(*plan)->fusion);
    hg_ir_destroy(&(*plan)->ir);
    hg_free(HG_TAG_GRAPH, *plan);
    *plan = NULL;
}

void hg_graph_plan_output(const struct hg_graph_plan *plan, uint32_t index,
                          struct hg_graph_binding *output)
{
    HG_REQUIRE(index < plan->ir->output_count);
    const struct hg_ir_node *node = &plan->ir->nodes[plan->ir->outputs[index]];
    output->type = (enum hg_dtype)node->type;
    output->shape = node->shape;
}
