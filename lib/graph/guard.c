/* SPDX-License-Identifier: Apache-2.0 */
/* The guards of the rules of fusion: how nodes read, which group may compute a node, which may be
 * one. */
#include "lib/graph/guard.h"

#include "lib/base/check.h"

const struct hg_fusion_rule_info *hg_fusion_rule_info(enum hg_fusion_rule rule)
{
    static const struct hg_fusion_rule_info rules[HG_FUSION_RULE_COUNT] = {
#define HG_FUSION_RULE(id, pattern, guard, result, why) {pattern, guard, result, why},
#include "lib/graph/rules.def"
#undef HG_FUSION_RULE
    };
    HG_REQUIRE(rule < HG_FUSION_RULE_COUNT);
    return &rules[rule];
}

/* ---- how nodes read -------------------------------------------------------------------------- */

uint32_t hg_fusion_operand(const struct hg_ir *ir, const struct hg_ir_node *product, unsigned index,
                           bool *transposed)
{
    const struct hg_ir_node *node = &ir->nodes[product->inputs[index]];
    *transposed = node->kind == HG_GRAPH_KIND_TRANSPOSE && node->shape.rank == 2;
    return *transposed ? node->inputs[0] : product->inputs[index];
}

static bool reads_by_offsets(const struct hg_ir_node *node)
{
    return node->kind == HG_GRAPH_KIND_TRANSPOSE || node->kind == HG_GRAPH_KIND_TAKE ||
           node->kind == HG_GRAPH_KIND_CONCATENATE || node->kind == HG_GRAPH_KIND_FOLD;
}

struct hg_access hg_fusion_access(const struct hg_ir *ir, uint32_t user, unsigned i)
{
    const struct hg_ir_node *node = &ir->nodes[user];
    if (reads_by_offsets(node) || node->kind == HG_GRAPH_KIND_MATMUL) {
        return (struct hg_access){HG_ACCESS_STRIDED, 0};
    }
    if (hg_ir_reduces(node)) {
        return (struct hg_access){HG_ACCESS_LANE, 0};
    }
    return hg_access_of(&ir->nodes[node->inputs[i]].shape, &node->shape);
}

void hg_fusion_extent(const struct hg_ir *ir, uint32_t index, uint64_t *rows, uint64_t *cols)
{
    const struct hg_ir_shape *from = &ir->nodes[ir->nodes[index].inputs[0]].shape;
    *rows = ir->nodes[index].elements;
    *cols = from->rank == 0 ? 1 : from->size[from->rank - 1];
}

/* ---- joining --------------------------------------------------------------------------------- */

bool hg_fusion_is_readable(const struct hg_group *group, uint8_t level, bool by_lanes,
                           const struct hg_access *access)
{
    if (level == HG_FUSED_LANE) {
        return by_lanes && access->kind == HG_ACCESS_LANE;
    }
    if (!by_lanes) {
        return access->kind == HG_ACCESS_LANE ||
               (access->kind == HG_ACCESS_SCALAR && group->rows == 1);
    }
    return (access->kind == HG_ACCESS_DIV && access->period == group->cols) ||
           (access->kind == HG_ACCESS_SCALAR && group->rows == 1) ||
           (access->kind == HG_ACCESS_LANE && group->cols == 1);
}

/* Why node INDEX cannot be computed by GROUP at LEVEL; NULL if it can. */
static const char *refusal(const struct hg_fusion *fusion, uint32_t index, uint32_t number,
                           enum hg_fused_level level)
{
    const struct hg_ir *ir = fusion->ir;
    const struct hg_ir_node *node = &ir->nodes[index];
    const struct hg_group *group = &fusion->groups[number];
    for (unsigned i = 0; i < node->input_count; i++) {
        uint32_t base = hg_ir_base(ir, node->inputs[i]);
        struct hg_access access = hg_fusion_access(ir, index, i);
        if (hg_ir_is_source(ir, base) || fusion->nodes[base].group != number) {
            if (level == HG_FUSED_ROW && access.kind != HG_ACCESS_LANE &&
                access.kind != HG_ACCESS_SCALAR) {
                return "an input is not one value per row";
            }
            continue;
        }
        if (!hg_fusion_is_readable(group, fusion->nodes[base].level, level == HG_FUSED_LANE,
                                   &access)) {
            return access.kind == HG_ACCESS_STRIDED ? "it reads elements that other lanes compute"
                                                    : "an input has lanes of another shape";
        }
    }
    return NULL;
}

/* Whether INDEX, a reduction, may end a segment of GROUP. */
static const char *reduce_refusal(const struct hg_fusion *fusion, uint32_t index, uint32_t number)
{
    const struct hg_group *group = &fusion->groups[number];
    uint32_t base = hg_ir_base(fusion->ir, fusion->ir->nodes[index].inputs[0]);
    uint64_t rows;
    uint64_t cols;
    hg_fusion_extent(fusion->ir, index, &rows, &cols);
    if (group->product) {
        return "it reduces rows of a product, whose tiles are no whole rows";
    }
    if (fusion->nodes[base].level != HG_FUSED_LANE || rows * cols != group->lanes) {
        return "it folds a value per row";
    }
    if (group->decided && (group->rows != rows || group->cols != cols)) {
        return "its rows have another length";
    }
    return NULL;
}

struct hg_fusion_choice hg_fusion_try(const struct hg_fusion *fusion, uint32_t index,
                                      uint32_t number)
{
    const struct hg_ir_node *node = &fusion->ir->nodes[index];
    const struct hg_group *group = &fusion->groups[number];
    struct hg_fusion_choice choice = {HG_FUSION_RULE_COUNT, HG_FUSED_LANE,
                                      "it has another number of lanes"};
    if (node->kind == HG_GRAPH_KIND_MATMUL) {
        choice.reason = "a product starts a program";
        return choice;
    }
    if (hg_ir_reduces(node)) {
        choice.rule = HG_FUSION_RULE_REDUCE_LANES;
        choice.level = HG_FUSED_ROW;
        choice.reason = reduce_refusal(fusion, index, number);
        return choice;
    }
    if (node->elements == group->lanes) {
        choice.rule = group->product ? HG_FUSION_RULE_EPILOGUE : HG_FUSION_RULE_MAP_LANES;
        choice.reason = refusal(fusion, index, number, HG_FUSED_LANE);
    }
    if (choice.reason != NULL && group->decided && node->elements == group->rows &&
        !reads_by_offsets(node)) {
        choice.rule = HG_FUSION_RULE_MAP_ROWS;
        choice.level = HG_FUSED_ROW;
        choice.reason = refusal(fusion, index, number, HG_FUSED_ROW);
    }
    return choice;
}

/* ---- bringing groups together ---------------------------------------------------------------- */

/* True if a group between A and B needs what A computes: B cannot take A's work then. */
static bool needed_between(const struct hg_fusion *fusion, uint32_t a, uint32_t b, uint32_t end)
{
    const struct hg_ir *ir = fusion->ir;
    for (uint32_t i = fusion->groups[a].first; i < end; i++) {
        uint32_t group = fusion->nodes[i].group;
        if (group == HG_GROUP_NONE || group <= a || group >= b) {
            continue;
        }
        const struct hg_ir_node *node = &ir->nodes[i];
        for (unsigned k = 0; k < node->input_count; k++) {
            bool transposed;
            uint32_t input = node->kind == HG_GRAPH_KIND_MATMUL
                                 ? hg_fusion_operand(ir, node, k, &transposed)
                                 : node->inputs[k];
            if (fusion->nodes[hg_ir_base(ir, input)].group == a) {
                return true;
            }
        }
    }
    return false;
}

/* True if B reads A's values as it could from registers. */
static bool reads_match(const struct hg_fusion *fusion, uint32_t a, uint32_t b)
{
    const struct hg_ir *ir = fusion->ir;
    struct hg_group joined = fusion->groups[b];
    if (!joined.decided && fusion->groups[a].decided) {
        hg_group_decide(&joined, fusion->groups[a].rows, fusion->groups[a].cols);
    }
    for (uint32_t i = fusion->groups[b].first; i <= fusion->groups[b].last; i++) {
        const struct hg_ir_node *node = &ir->nodes[i];
        for (unsigned k = 0; fusion->nodes[i].group == b && k < node->input_count; k++) {
            uint32_t base = hg_ir_base(ir, node->inputs[k]);
            struct hg_access access = hg_fusion_access(ir, i, k);
            bool per_row = fusion->nodes[base].level == HG_FUSED_ROW;
            if (fusion->nodes[base].group == a && per_row && hg_ir_reduces(node)) {
                return false;
            }
            if (fusion->nodes[base].group == a &&
                !hg_fusion_is_readable(
                    &joined, fusion->nodes[base].level,
                    hg_ir_reduces(node) || fusion->nodes[i].level == HG_FUSED_LANE, &access)) {
                return false;
            }
        }
    }
    return true;
}

/* A lane that fails ends what is computed for lanes above it: segments of one program would have to
 * wait for each other. */
static bool fails_before_reductions(const struct hg_group *x, const struct hg_group *y)
{
    return (x->takes && y->reduces) || (x->reduces && y->takes);
}

bool hg_fusion_can_merge(const struct hg_fusion *fusion, uint32_t a, uint32_t b, uint32_t end)
{
    const struct hg_group *x = &fusion->groups[a];
    const struct hg_group *y = &fusion->groups[b];
    return hg_fusion_has_rule(fusion, HG_FUSION_RULE_MERGE) && !x->product && !y->product &&
           x->lanes == y->lanes && !fails_before_reductions(x, y) &&
           (!x->decided || !y->decided || (x->rows == y->rows && x->cols == y->cols)) &&
           x->node_count + y->node_count < fusion->limit && !needed_between(fusion, a, b, end) &&
           reads_match(fusion, a, b);
}
