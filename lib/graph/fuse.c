/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grouping, in one pass over the nodes: a node joins the group that computes its latest input if
 * the rules allow it, and groups that it brings together become one. rules.def has the rules.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/graph/fuse.h"

void hg_fusion_fini(struct hg_fusion *fusion)
{
    hg_free(HG_TAG_GRAPH, fusion->nodes);
    hg_free(HG_TAG_GRAPH, fusion->groups);
    *fusion = (struct hg_fusion){0};
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

static bool reduces(const struct hg_ir_node *node)
{
    return hg_graph_kind_info((enum hg_graph_kind)node->kind)->class == HG_GRAPH_REDUCE;
}

struct hg_access hg_fusion_access(const struct hg_ir *ir, uint32_t user, unsigned i)
{
    const struct hg_ir_node *node = &ir->nodes[user];
    if (reads_by_offsets(node) || node->kind == HG_GRAPH_KIND_MATMUL) {
        return (struct hg_access){HG_ACCESS_STRIDED, 0};
    }
    if (reduces(node)) {
        return (struct hg_access){HG_ACCESS_LANE, 0};
    }
    return hg_access_of(&ir->nodes[node->inputs[i]].shape, &node->shape);
}

static bool is_source(const struct hg_ir *ir, uint32_t index)
{
    uint8_t kind = ir->nodes[index].kind;
    return kind == HG_GRAPH_KIND_INPUT || kind == HG_GRAPH_KIND_LITERAL;
}

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

static bool has_rule(const struct hg_fusion *fusion, enum hg_fusion_rule rule)
{
    return (fusion->rules >> rule & 1u) != 0;
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

static void decide(struct hg_group *group, uint64_t rows, uint64_t cols)
{
    group->decided = true;
    group->rows = rows;
    group->cols = cols;
}

/* A reduction's rows and the elements of one. */
static void reduce_extent(const struct hg_ir *ir, uint32_t index, uint64_t *rows, uint64_t *cols)
{
    const struct hg_ir_shape *from = &ir->nodes[ir->nodes[index].inputs[0]].shape;
    *rows = ir->nodes[index].elements;
    *cols = from->rank == 0 ? 1 : from->size[from->rank - 1];
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
    joined->reduces |= reduces(&fusion->ir->nodes[index]);
    joined->node_count += 1u + fusion->ir->nodes[index].parts;
    joined->read_count += fusion->ir->nodes[index].input_count;
    joined->first = index < joined->first ? index : joined->first;
    joined->last = index > joined->last ? index : joined->last;
}

/* ---- joining --------------------------------------------------------------------------------- */

/* Whether a value of GROUP at LEVEL can be read by lanes (or rows) with ACCESS. */
static bool register_readable(const struct hg_group *group, uint8_t level, bool by_lanes,
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
        if (is_source(ir, base) || fusion->nodes[base].group != number) {
            if (level == HG_FUSED_ROW && access.kind != HG_ACCESS_LANE &&
                access.kind != HG_ACCESS_SCALAR) {
                return "an input is not one value per row";
            }
            continue;
        }
        if (!register_readable(group, fusion->nodes[base].level, level == HG_FUSED_LANE, &access)) {
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
    reduce_extent(fusion->ir, index, &rows, &cols);
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

struct choice {
    enum hg_fusion_rule rule;
    enum hg_fused_level level;
    const char *reason; /* against it; NULL: it fits */
};

/* What the rules say, in their order; the first that fits is taken. */
static struct choice try_group(const struct hg_fusion *fusion, uint32_t index, uint32_t number)
{
    const struct hg_ir_node *node = &fusion->ir->nodes[index];
    const struct hg_group *group = &fusion->groups[number];
    struct choice choice = {HG_FUSION_RULE_COUNT, HG_FUSED_LANE, "it has another number of lanes"};
    if (node->kind == HG_GRAPH_KIND_MATMUL) {
        choice.reason = "a product starts a program";
        return choice;
    }
    if (reduces(node)) {
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
static bool reads_match(struct hg_fusion *fusion, uint32_t a, uint32_t b)
{
    const struct hg_ir *ir = fusion->ir;
    struct hg_group joined = fusion->groups[b];
    if (!joined.decided && fusion->groups[a].decided) {
        decide(&joined, fusion->groups[a].rows, fusion->groups[a].cols);
    }
    for (uint32_t i = fusion->groups[b].first; i <= fusion->groups[b].last; i++) {
        const struct hg_ir_node *node = &ir->nodes[i];
        for (unsigned k = 0; fusion->nodes[i].group == b && k < node->input_count; k++) {
            uint32_t base = hg_ir_base(ir, node->inputs[k]);
            struct hg_access access = hg_fusion_access(ir, i, k);
            bool per_row = fusion->nodes[base].level == HG_FUSED_ROW;
            if (fusion->nodes[base].group == a && per_row && reduces(node)) {
                return false;
            }
            if (fusion->nodes[base].group == a &&
                !register_readable(&joined, fusion->nodes[base].level,
                                   reduces(node) || fusion->nodes[i].level == HG_FUSED_LANE,
                                   &access)) {
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

static bool can_merge(struct hg_fusion *fusion, uint32_t a, uint32_t b, uint32_t end)
{
    const struct hg_group *x = &fusion->groups[a];
    const struct hg_group *y = &fusion->groups[b];
    return has_rule(fusion, HG_FUSION_RULE_MERGE) && !x->product && !y->product &&
           x->lanes == y->lanes && !fails_before_reductions(x, y) &&
           (!x->decided || !y->decided || (x->rows == y->rows && x->cols == y->cols)) &&
           x->node_count + y->node_count < fusion->limit && !needed_between(fusion, a, b, end) &&
           reads_match(fusion, a, b);
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
        decide(into, from->rows, from->cols);
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
        if (group != HG_GROUP_NONE && group < into && can_merge(fusion, group, into, index) &&
            register_readable(&fusion->groups[into], fusion->nodes[base].level,
                              reduces(node) || fusion->nodes[index].level == HG_FUSED_LANE,
                              &access)) {
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
        decide(group, node->shape.size[0], node->shape.size[1]);
    } else if (reduces(node)) {
        uint64_t rows;
        uint64_t cols;
        reduce_extent(fusion->ir, index, &rows, &cols);
        group->lanes = rows * cols;
        decide(group, rows, cols);
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
    struct choice choice = try_group(fusion, index, latest);
    if (choice.reason == NULL && fusion->groups[latest].node_count >= fusion->limit) {
        choice.reason = "the program before it is full";
    }
    if (choice.reason == NULL && !has_rule(fusion, choice.rule)) {
        choice.reason = "fusion is off";
    }
    if (choice.reason != NULL) {
        return start_group(fusion, index, choice.reason);
    }
    put(fusion, index, latest, choice.level, choice.rule);
    const struct hg_ir_node *node = &fusion->ir->nodes[index];
    if (reduces(node)) {
        uint64_t rows;
        uint64_t cols;
        reduce_extent(fusion->ir, index, &rows, &cols);
        decide(&fusion->groups[latest], rows, cols);
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
                decide(group, group->lanes / row, row);
            }
        }
    }
    for (uint32_t i = 0; i < fusion->group_count; i++) {
        struct hg_group *group = &fusion->groups[i];
        if (!group->decided) {
            decide(group, 1, group->lanes);
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
        bool computes = fusion->nodes[i].needed && !is_source(ir, i) &&
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
