/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grouping, in one pass over the nodes: a node joins the group that computes its latest input if
 * the rules allow it, and groups that it brings together become one. rules.def has the rules.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/graph/guard.h"

void hg_fusion_fini(struct hg_fusion *fusion)
{
    hg_free(HG_TAG_GRAPH, fusion->nodes);
    hg_free(HG_TAG_GRAPH, fusion->groups);
    *fusion = (struct hg_fusion){0};
}

/* ---- what is needed -------------------------------------------------------------------------- */

static void mark_needed(struct hg_fusion *fusion)
{
    const struct hg_ir *ir = fusion->ir;
    for (uint32_t i = 0; i < ir->output_count; i++) {
        fusion->nodes[hg_ir_base(ir, ir->outputs[i])].needed = true;
    }
    for (uint32_t i = ir->count; i-- > 0;) {
        const struct hg_ir_node *node = &ir->nodes[i];
        if (!fusion->nodes[i].needed) {
            continue;
        }
        for (unsigned k = 0; k < node->input_count; k++) {
            uint32_t input = node->inputs[k];
            bool transposed = false;
            if (node->kind == HG_GRAPH_KIND_MATMUL) {
                input = hg_fusion_operand(ir, node, k, &transposed);
            }
            fusion->nodes[hg_ir_base(ir, input)].needed = true;
        }
    }
}

/* ---- groups ---------------------------------------------------------------------------------- */

static struct hg_group *new_group(struct hg_fusion *fusion, uint32_t node, const char *reason)
{
    if (fusion->group_count == fusion->group_capacity) {
        uint32_t capacity = fusion->group_capacity == 0 ? 16 : 2 * fusion->group_capacity;
        struct hg_group *groups =
            hg_realloc(HG_TAG_GRAPH, fusion->groups, capacity * sizeof *groups);
        if (groups == NULL) {
            return NULL;
        }
        fusion->groups = groups;
        fusion->group_capacity = capacity;
    }
    struct hg_group *group = &fusion->groups[fusion->group_count++];
    *group = (struct hg_group){.root = node, .first = node, .last = node, .reason = reason};
    return group;
}

static void put(struct hg_fusion *fusion, uint32_t index, uint32_t group, enum hg_fused_level level,
                enum hg_fusion_rule rule)
{
    struct hg_group *joined = &fusion->groups[group];
    fusion->nodes[index].group = group;
    fusion->nodes[index].level = (uint8_t)level;
    fusion->nodes[index].rule = (uint8_t)rule;
    /* A FOLD is an instruction or two for each of its parts. */
    joined->takes |= fusion->ir->nodes[index].kind == HG_GRAPH_KIND_TAKE;
    joined->reduces |= hg_ir_reduces(&fusion->ir->nodes[index]);
    joined->node_count += 1u + fusion->ir->nodes[index].parts;
    joined->read_count += fusion->ir->nodes[index].input_count;
    joined->first = index < joined->first ? index : joined->first;
    joined->last = index > joined->last ? index : joined->last;
}

/* A's nodes become B's, which runs later. */
static void merge(struct hg_fusion *fusion, uint32_t a, uint32_t b)
{
    struct hg_group *from = &fusion->groups[a];
    struct hg_group *into = &fusion->groups[b];
    for (uint32_t i = from->first; i <= from->last; i++) {
        if (fusion->nodes[i].group == a) {
            fusion->nodes[i].group = b;
        }
    }
    if (from->decided && !into->decided) {
        hg_group_decide(into, from->rows, from->cols);
    }
    into->takes |= from->takes;
    into->reduces |= from->reduces;
    into->node_count += from->node_count;
    into->read_count += from->read_count;
    into->first = from->first < into->first ? from->first : into->first;
    into->last = from->last > into->last ? from->last : into->last;
    from->dead = true;
}

/* ---- the pass -------------------------------------------------------------------------------- */

/* The latest group that computes an input. */
static uint32_t latest_group(const struct hg_fusion *fusion, uint32_t index)
{
    const struct hg_ir *ir = fusion->ir;
    const struct hg_ir_node *node = &ir->nodes[index];
    uint32_t latest = HG_GROUP_NONE;
    for (unsigned i = 0; i < node->input_count; i++) {
        uint32_t group = fusion->nodes[hg_ir_base(ir, node->inputs[i])].group;
        if (group != HG_GROUP_NONE && (latest == HG_GROUP_NONE || group > latest)) {
            latest = group;
        }
    }
    return latest;
}

static void merge_inputs(struct hg_fusion *fusion, uint32_t index, uint32_t into)
{
    const struct hg_ir *ir = fusion->ir;
    const struct hg_ir_node *node = &ir->nodes[index];
    for (unsigned i = 0; i < node->input_count; i++) {
        uint32_t base = hg_ir_base(ir, node->inputs[i]);
        uint32_t group = fusion->nodes[base].group;
        struct hg_access access = hg_fusion_access(ir, index, i);
        if (group != HG_GROUP_NONE && group < into &&
            hg_fusion_can_merge(fusion, group, into, index) &&
            hg_fusion_is_readable(
                &fusion->groups[into], fusion->nodes[base].level,
                hg_ir_reduces(node) || fusion->nodes[index].level == HG_FUSED_LANE, &access)) {
            merge(fusion, group, into);
        }
    }
}

static bool start_group(struct hg_fusion *fusion, uint32_t index, const char *reason)
{
    const struct hg_ir_node *node = &fusion->ir->nodes[index];
    struct hg_group *group = new_group(fusion, index, reason);
    if (group == NULL) {
        return false;
    }
    group->lanes = node->elements;
    enum hg_fused_level level = HG_FUSED_LANE;
    if (node->kind == HG_GRAPH_KIND_MATMUL) {
        group->product = true;
        hg_group_decide(group, node->shape.size[0], node->shape.size[1]);
    } else if (hg_ir_reduces(node)) {
        uint64_t rows;
        uint64_t cols;
        hg_fusion_extent(fusion->ir, index, &rows, &cols);
        group->lanes = rows * cols;
        hg_group_decide(group, rows, cols);
        level = HG_FUSED_ROW;
    }
    put(fusion, index, fusion->group_count - 1, level, HG_FUSION_RULE_COUNT);
    return true;
}

static bool place(struct hg_fusion *fusion, uint32_t index)
{
    uint32_t latest = latest_group(fusion, index);
    if (latest == HG_GROUP_NONE) {
        return start_group(fusion, index, "nothing before it is computed");
    }
    struct hg_fusion_choice choice = hg_fusion_try(fusion, index, latest);
    if (choice.reason == NULL && fusion->groups[latest].node_count >= fusion->limit) {
        choice.reason = "the program before it is full";
    }
    if (choice.reason == NULL && !hg_fusion_has_rule(fusion, choice.rule)) {
        choice.reason = "fusion is off";
    }
    if (choice.reason != NULL) {
        return start_group(fusion, index, choice.reason);
    }
    put(fusion, index, latest, choice.level, choice.rule);
    const struct hg_ir_node *node = &fusion->ir->nodes[index];
    if (hg_ir_reduces(node)) {
        uint64_t rows;
        uint64_t cols;
        hg_fusion_extent(fusion->ir, index, &rows, &cols);
        hg_group_decide(&fusion->groups[latest], rows, cols);
    }
    merge_inputs(fusion, index, latest);
    return true;
}

/* Elements of a row as reading input I of node INDEX would have it; 0 if it does not care. */
static uint64_t row_of_read(const struct hg_ir *ir, uint32_t index, unsigned i)
{
    const struct hg_ir_node *node = &ir->nodes[index];
    struct hg_access access = hg_fusion_access(ir, index, i);
    if (access.kind == HG_ACCESS_MOD || access.kind == HG_ACCESS_DIV) {
        return access.period;
    }
    if (access.kind != HG_ACCESS_STRIDED) {
        return 0;
    }
    unsigned last = node->shape.rank;
    while (last > 0 && node->shape.size[last - 1] == 1) {
        last--;
    }
    return last > 0 ? node->shape.size[last - 1] : 0;
}

/* Without a reduction, how operands are read says what a row is: the program then fits all lengths,
 * and offsets need fewer divisions. */
static void decide_by_reads(struct hg_fusion *fusion)
{
    const struct hg_ir *ir = fusion->ir;
    for (uint32_t i = 0; i < ir->count; i++) {
        uint32_t number = fusion->nodes[i].group;
        for (unsigned k = 0; number != HG_GROUP_NONE && k < ir->nodes[i].input_count; k++) {
            struct hg_group *group = &fusion->groups[number];
            uint64_t row = row_of_read(ir, i, k);
            if (!group->decided && row != 0 && group->lanes % row == 0) {
                hg_group_decide(group, group->lanes / row, row);
            }
        }
    }
    for (uint32_t i = 0; i < fusion->group_count; i++) {
        struct hg_group *group = &fusion->groups[i];
        if (!group->decided) {
            hg_group_decide(group, 1, group->lanes);
        }
    }
}

enum hg_status hg_fuse(const struct hg_ir *ir, uint32_t limit, uint32_t rules,
                       struct hg_fusion *fusion, struct hg_error *error)
{
    *fusion = (struct hg_fusion){.ir = ir, .limit = limit, .rules = rules};
    fusion->nodes = hg_calloc(HG_TAG_GRAPH, (size_t)ir->count + 1, sizeof *fusion->nodes);
    bool enough = fusion->nodes != NULL;
    for (uint32_t i = 0; enough && i < ir->count; i++) {
        fusion->nodes[i].group = HG_GROUP_NONE;
    }
    if (enough) {
        mark_needed(fusion);
    }
    for (uint32_t i = 0; enough && i < ir->count; i++) {
        bool computes = fusion->nodes[i].needed && !hg_ir_is_source(ir, i) &&
                        ir->nodes[i].kind != HG_GRAPH_KIND_RESHAPE;
        enough = !computes || place(fusion, i);
    }
    if (!enough) {
        hg_fusion_fini(fusion);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's plan");
    }
    decide_by_reads(fusion);
    hg_fusion_assign_segments(fusion);
    return HG_OK;
}
