/* SPDX-License-Identifier: Apache-2.0 */
/* What has to wait for what: levels of launches, and outputs in the memory of inputs. */
#include "lib/base/check.h"
#include "lib/graph/planner.h"

/* ---- levels ---------------------------------------------------------------------------------- */

static void find_writers(struct hg_graph_planner *planner)
{
    for (uint32_t i = 0; i < planner->plan->launch_count; i++) {
        const struct hg_lowered *lowered = &planner->lowered[i];
        for (unsigned k = 0; k < lowered->operand_count; k++) {
            if (lowered->operands[k].writes) {
                planner->writer[lowered->operands[k].node] = i;
            }
        }
    }
}

static bool uses(const struct hg_lowered *lowered, uint32_t node)
{
    unsigned k = 0;
    while (k < lowered->operand_count && lowered->operands[k].node != node) {
        k++;
    }
    return k < lowered->operand_count;
}

_Static_assert(HG_GRAPH_OUTPUTS_MAX <= 64, "sets of outputs are bits of a word");

/* Which output is in the memory of INPUT, a node; UINT32_MAX if none is, or it is no input. */
static uint32_t output_in(const struct hg_graph_planner *planner, uint32_t input)
{
    const struct hg_ir_node *node = hg_planner_node(planner, input);
    const uint32_t *shared = planner->options->shared;
    return node->kind == HG_GRAPH_KIND_INPUT && shared != NULL ? shared[node->bits] : UINT32_MAX;
}

static void find_readers(struct hg_graph_planner *planner)
{
    const struct hg_graph_plan *plan = planner->plan;
    for (uint32_t i = 0; planner->options->shared != NULL && i < plan->ir->count; i++) {
        uint32_t output = output_in(planner, i);
        for (uint32_t k = 0; output != UINT32_MAX && k < plan->launch_count; k++) {
            planner->reads_shared[k] |= uses(&planner->lowered[k], i) ? UINT64_C(1) << output : 0;
        }
    }
}

/* What takes an input's place waits for the others that read the input. */
static uint32_t level_after_readers(const struct hg_graph_planner *planner, uint32_t launch)
{
    const struct hg_graph_plan *plan = planner->plan;
    uint32_t level = 0;
    for (uint32_t i = 0; i < plan->ir->output_count; i++) {
        uint32_t stored = hg_ir_base(plan->ir, plan->ir->outputs[i]);
        if (planner->writer[stored] != launch) {
            continue;
        }
        for (uint32_t k = 0; k < plan->launch_count; k++) {
            bool reader = k != launch && (planner->reads_shared[k] >> i & 1u) != 0;
            if (reader && plan->launches[k].level >= level) {
                level = plan->launches[k].level + 1;
            }
        }
    }
    return level;
}

static uint32_t level_after_writers(const struct hg_graph_planner *planner, uint32_t launch)
{
    const struct hg_lowered *lowered = &planner->lowered[launch];
    uint32_t level = 0;
    for (unsigned k = 0; k < lowered->operand_count; k++) {
        uint32_t writer = planner->writer[lowered->operands[k].node];
        if (writer != UINT32_MAX && writer != launch) {
            HG_REQUIRE(writer < launch);
            uint32_t after = planner->plan->launches[writer].level + 1;
            level = after > level ? after : level;
        }
    }
    return level;
}

/*
 * The least levels that satisfy everybody, from below. Launches are in an order in which they can
 * run, so only an output that waits for a later launch needs another round. False if that does not
 * end: what waits for readers has one that needs its result.
 */
static bool find_levels(struct hg_graph_planner *planner, bool wait_for_readers)
{
    struct hg_graph_plan *plan = planner->plan;
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        plan->launches[i].level = 0;
    }
    bool changed = true;
    for (uint32_t round = 0; changed && round < plan->ir->output_count + 2; round++) {
        changed = false;
        for (uint32_t i = 0; i < plan->launch_count; i++) {
            uint32_t level = level_after_writers(planner, i);
            uint32_t after = wait_for_readers ? level_after_readers(planner, i) : 0;
            level = after > level ? after : level;
            if (level > plan->launches[i].level) {
                plan->launches[i].level = level;
                changed = true;
            }
        }
    }
    return !changed;
}

void hg_planner_assign_levels(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    find_writers(planner);
    find_readers(planner);
    if (!find_levels(planner, true)) {
        bool found = find_levels(planner, false);
        HG_REQUIRE(found); /* launches are in an order in which they can run */
    }
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        if (plan->launches[i].level >= plan->level_count) {
            plan->level_count = plan->launches[i].level + 1;
        }
    }
}

/* ---- outputs in the memory of inputs ----------------------------------------------------------
 */

/* The last segment that runs lanes. */
static uint16_t last_lane_segment(const struct hg_fusion *fusion, uint32_t number)
{
    uint16_t last = 0;
    for (uint32_t i = fusion->groups[number].first; i <= fusion->groups[number].last; i++) {
        const struct hg_fused_node *node = &fusion->nodes[i];
        if (node->group == number && node->level == HG_FUSED_LANE && node->segment > last) {
            last = node->segment;
        }
    }
    return last;
}

/* Whose memory NODE's input K is read from: products read transposed matrices where they are. */
static uint32_t read_from(const struct hg_ir *ir, const struct hg_ir_node *node, unsigned k)
{
    bool transposed;
    return hg_ir_base(ir, node->kind == HG_GRAPH_KIND_MATMUL
                              ? hg_fusion_operand(ir, node, k, &transposed)
                              : node->inputs[k]);
}

/* True if USER, which reads the input that OUTPUT shares its memory with, does so before OUTPUT's
 * node is stored there, or at its own lane only. */
static bool reads_in_time(const struct hg_graph_planner *planner, uint32_t user, uint32_t input,
                          uint32_t stored)
{
    const struct hg_graph_plan *plan = planner->plan;
    const struct hg_fused_node *reader = &plan->fusion.nodes[user];
    const struct hg_fused_node *writer = &plan->fusion.nodes[stored];
    uint32_t launch = planner->writer[stored];
    if (reader->group != writer->group) {
        for (uint32_t i = 0; i < plan->launch_count; i++) {
            if (plan->launches[i].group == reader->group) {
                return plan->launches[i].level < plan->launches[launch].level;
            }
        }
        return true;
    }
    const struct hg_ir_node *node = hg_planner_node(planner, user);
    for (unsigned k = 0; k < node->input_count; k++) {
        struct hg_access access = hg_fusion_access(plan->ir, user, k);
        if (read_from(plan->ir, node, k) == input && access.kind != HG_ACCESS_LANE) {
            return false;
        }
    }
    if (writer->level == HG_FUSED_ROW) {
        /* Row by row, segment by segment, in the order of the nodes. */
        bool first = reader->available < writer->available ||
                     (reader->available == writer->available && user <= stored);
        return reader->level == HG_FUSED_ROW && reader->segment == reader->available && first;
    }
    /* A reduction reads at its segment's end, after what the segment stores. */
    bool before =
        reader->level == HG_FUSED_LANE ? user <= stored : reader->segment < writer->segment;
    return before && writer->segment == last_lane_segment(&plan->fusion, writer->group);
}

static bool reads(const struct hg_ir *ir, uint32_t user, uint32_t input)
{
    const struct hg_ir_node *node = &ir->nodes[user];
    for (unsigned k = 0; k < node->input_count; k++) {
        if (read_from(ir, node, k) == input) {
            return true;
        }
    }
    return false;
}

/* True if everybody who reads INPUT has done so before STORED is put into its place, or does so at
 * its own lane. */
static bool is_read_in_time(const struct hg_graph_planner *planner, uint32_t input, uint32_t stored)
{
    const struct hg_ir *ir = planner->plan->ir;
    for (uint32_t user = input; user < ir->count; user++) {
        if (planner->plan->fusion.nodes[user].group != HG_GROUP_NONE && reads(ir, user, input) &&
            !reads_in_time(planner, user, input, stored)) {
            return false;
        }
    }
    return true;
}

bool hg_planner_may_store(const struct hg_graph_planner *planner, uint32_t index)
{
    const struct hg_ir *ir = planner->plan->ir;
    const uint32_t stored = hg_ir_base(ir, ir->outputs[index]);
    for (uint32_t i = 0; planner->options->shared != NULL && i < ir->count; i++) {
        if (output_in(planner, i) == index && !is_read_in_time(planner, i, stored)) {
            return false;
        }
    }
    return true;
}
