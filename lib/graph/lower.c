/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One group as one program: per segment the code of its rows, then that of its lanes, which ends
 * with the reductions.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/graph/lower.h"

static const struct hg_ir_node *node_at(const struct hg_lowerer *lowerer, uint32_t index)
{
    return &lowerer->fusion->ir->nodes[index];
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint8_t lower_matmul(struct hg_lowerer *lowerer, const struct hg_ir_node *node)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    enum hg_dtype type = (enum hg_dtype)node->type;
    bool transposed[2];
    uint8_t slots[2];
    for (unsigned i = 0; i < 2; i++) {
        uint32_t from = hg_fusion_operand(ir, node, i, &transposed[i]);
        slots[i] = hg_lower_slot(lowerer, hg_ir_base(ir, from), UINT32_MAX, false);
    }
    uint64_t m = node->shape.size[0];
    uint64_t n = node->shape.size[1];
    uint64_t k = ir->nodes[node->inputs[0]].shape.size[1];
    struct hg_mma mma = {.a = hg_addr_slot(slots[0], HG_LANE_NONE),
                         .b = hg_addr_slot(slots[1], HG_LANE_NONE)};
    mma.flags = (uint8_t)((transposed[0] ? HG_MMA_TRANS_A : 0u) |
                          (transposed[1] ? HG_MMA_TRANS_B : 0u) | (n == 1 ? HG_MMA_ORDER_DOT : 0u));
    uint64_t lda = transposed[0] ? m : k;
    uint64_t ldb = transposed[1] ? k : n;
    if (m <= HG_MMA_IMMEDIATE_MAX && n <= HG_MMA_IMMEDIATE_MAX && k <= HG_MMA_IMMEDIATE_MAX &&
        m != 0 && n != 0 && k != 0) {
        mma.m = (uint32_t)m;
        mma.n = (uint32_t)n;
        mma.k = (uint32_t)k;
        mma.lda = (uint32_t)lda;
        mma.ldb = (uint32_t)ldb;
    } else {
        mma.flags |= HG_MMA_PARAMS;
        mma.m = HG_PARAM_ROWS;
        mma.n = HG_PARAM_COLS;
        mma.k = HG_PARAM_FIRST;
        mma.lda = HG_PARAM_FIRST + 1;
        mma.ldb = HG_PARAM_FIRST + 2;
        lowerer->lowered->params[HG_PARAM_FIRST] = k;
        lowerer->lowered->params[HG_PARAM_FIRST + 1] = lda;
        lowerer->lowered->params[HG_PARAM_FIRST + 2] = ldb;
        lowerer->param_count = 3;
    }
    uint8_t sum = hg_build_mma(&lowerer->builder, type, &mma);
    bool half = hg_dtype_in(type, HG_DT_HALF);
    return half ? hg_build_convert(&lowerer->builder, type, HG_F32, sum) : sum;
}

static uint8_t lower_node(struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_ir_node *node = node_at(lowerer, index);
    switch (node->kind) {
    case HG_GRAPH_KIND_MATMUL:
        return lower_matmul(lowerer, node);
    case HG_GRAPH_KIND_TRANSPOSE:
        return hg_lower_transpose(lowerer, node);
    case HG_GRAPH_KIND_TAKE:
        return hg_lower_take(lowerer, node);
    case HG_GRAPH_KIND_CONCATENATE:
        return hg_lower_concatenate(lowerer, node);
    case HG_GRAPH_KIND_FOLD:
        return hg_lower_slices(lowerer, node);
    case HG_GRAPH_KIND_IOTA:
        return hg_lower_iota(lowerer, node);
    default:
        return hg_lower_map(lowerer, index);
    }
}

/* ---- a segment ------------------------------------------------------------------------------- */

/* A value of an earlier segment that is kept in memory. */
static bool is_reloaded(const struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_fused_node *fused = &lowerer->fusion->nodes[index];
    return fused->level == HG_FUSED_LANE && fused->segment < lowerer->segment && fused->in_memory;
}

static bool is_root(const struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_fused_node *fused = &lowerer->fusion->nodes[index];
    if (hg_ir_reduces(node_at(lowerer, index))) {
        return fused->segment == lowerer->segment;
    }
    return fused->level == HG_FUSED_LANE && fused->segment == lowerer->segment && fused->in_memory;
}

/* Marks the per-lane nodes that this segment computes; gives whether there are any. */
static bool mark_wanted(struct hg_lowerer *lowerer)
{
    const struct hg_group *group = lowerer->group;
    bool any = false;
    memset(lowerer->wanted, 0, group->last - group->first + 1u);
    for (uint32_t i = group->last + 1; i-- > group->first;) {
        bool *wanted = &lowerer->wanted[i - group->first];
        *wanted = *wanted || (hg_lower_is_own(lowerer, i) && is_root(lowerer, i));
        if (!*wanted || is_reloaded(lowerer, i)) {
            continue;
        }
        any = true;
        const struct hg_ir_node *node = node_at(lowerer, i);
        for (unsigned k = 0; node->kind != HG_GRAPH_KIND_MATMUL && k < node->input_count; k++) {
            uint32_t base = hg_ir_base(lowerer->fusion->ir, node->inputs[k]);
            if (hg_lower_is_own(lowerer, base) &&
                lowerer->fusion->nodes[base].level == HG_FUSED_LANE) {
                lowerer->wanted[base - group->first] = true;
            }
        }
    }
    return any;
}

static enum hg_opcode reduce_op(const struct hg_ir_node *node)
{
    switch (node->kind) {
    case HG_GRAPH_KIND_SUM:
        return HG_OP_REDUCE_ADD;
    case HG_GRAPH_KIND_PROD:
        return HG_OP_REDUCE_MUL;
    case HG_GRAPH_KIND_AMIN:
        return HG_OP_REDUCE_MIN;
    default:
        return HG_OP_REDUCE_MAX;
    }
}

static void lower_lane(struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_group *group = lowerer->group;
    const struct hg_ir_node *node = node_at(lowerer, index);
    uint8_t *held = &lowerer->registers[index - group->first];
    if (is_reloaded(lowerer, index)) {
        uint8_t slot = hg_lower_slot(lowerer, index, UINT32_MAX, false);
        *held = hg_build_load(&lowerer->builder, (enum hg_dtype)node->type,
                              hg_addr_slot(slot, HG_LANE_STRIDE));
        return;
    }
    *held = lower_node(lowerer, index);
    if (lowerer->fusion->nodes[index].in_memory &&
        lowerer->fusion->nodes[index].segment == lowerer->segment) {
        hg_lower_put(lowerer, index, *held);
    }
}

/* Computes the segment's lanes; what is per lane ends with it. */
static void lower_lanes(struct hg_lowerer *lowerer, const struct hg_key *key)
{
    const struct hg_group *group = lowerer->group;
    hg_build_blocks_begin(&lowerer->builder, key);
    for (uint32_t i = group->first; i <= group->last; i++) {
        if (lowerer->wanted[i - group->first] && !hg_ir_reduces(node_at(lowerer, i))) {
            lower_lane(lowerer, i);
        }
    }
    /* Nothing stands between reductions: they read before the first of them. */
    for (uint32_t i = group->first; i <= group->last; i++) {
        if (lowerer->wanted[i - group->first] && hg_ir_reduces(node_at(lowerer, i))) {
            lowerer->registers[i - group->first] = hg_lower_input(lowerer, i, 0);
        }
    }
    for (uint32_t i = group->first; i <= group->last; i++) {
        const struct hg_ir_node *node = node_at(lowerer, i);
        uint8_t *held = &lowerer->registers[i - group->first];
        if (lowerer->wanted[i - group->first] && hg_ir_reduces(node)) {
            *held = hg_build_reduce(&lowerer->builder, reduce_op(node), (enum hg_dtype)node->type,
                                    *held);
        }
    }
    hg_build_blocks_end(&lowerer->builder);
    for (uint32_t i = group->first; i <= group->last; i++) {
        lowerer->predicates[i - group->first] = HG_PRED_NONE;
        if (hg_lower_is_own(lowerer, i) && lowerer->fusion->nodes[i].level == HG_FUSED_LANE) {
            lowerer->registers[i - group->first] = HG_NO_REGISTER;
        }
    }
}

/* Results of the reductions before this segment, and what is computed from them per row. */
static void lower_rows(struct hg_lowerer *lowerer)
{
    const struct hg_group *group = lowerer->group;
    for (uint32_t i = group->first; i <= group->last; i++) {
        const struct hg_fused_node *fused = &lowerer->fusion->nodes[i];
        if (!hg_lower_is_own(lowerer, i) || fused->level != HG_FUSED_ROW ||
            fused->available != lowerer->segment) {
            continue;
        }
        uint8_t *held = &lowerer->registers[i - group->first];
        if (!hg_ir_reduces(node_at(lowerer, i))) {
            *held = lower_node(lowerer, i);
        }
        if (fused->in_memory) {
            hg_lower_put(lowerer, i, *held);
        }
    }
}

/* ---- the program ----------------------------------------------------------------------------- */

static void lower_segments(struct hg_lowerer *lowerer, const struct hg_key *key)
{
    uint16_t end = lowerer->group->segments;
    for (lowerer->segment = 0; lowerer->segment < end; lowerer->segment++) {
        lower_rows(lowerer);
        if (mark_wanted(lowerer)) {
            lower_lanes(lowerer, key);
        }
    }
}

/* Lanes of a block follow from the widest type: the form is right for any program that names it. */
static bool needs_loop(const struct hg_builder *builder, uint64_t lanes)
{
    const struct hg_code code = {.header = {.slot_count = builder->slot_count},
                                 .insns = builder->insns,
                                 .insn_count = builder->count};
    return lanes > hg_block_lanes(&code);
}

static void write_program(struct hg_lowerer *lowerer, enum hg_program_form form)
{
    uint32_t span = lowerer->group->last - lowerer->group->first + 1;
    struct hg_key key;
    hg_key_init(&key);
    key.form = (uint8_t)form;
    hg_builder_init(&lowerer->builder, 0);
    memset(lowerer->registers, HG_NO_REGISTER, span);
    memset(lowerer->predicates, HG_PRED_NONE, span);
    memset(lowerer->lowered, 0, sizeof *lowerer->lowered);
    lowerer->param_count = 0;
    lower_segments(lowerer, &key);
    lowerer->builder.slot_count = lowerer->lowered->operand_count;
}

static enum hg_status make_plain(void *context, const struct hg_code *code,
                                 struct hg_program **program, struct hg_error *error)
{
    (void)context;
    return hg_program_create(code, NULL, program, error);
}

static enum hg_status write_and_make(struct hg_lowerer *lowerer,
                                     const struct hg_plan_options *options,
                                     struct hg_program **program, struct hg_error *error)
{
    write_program(lowerer, HG_PROGRAM_LOOP);
    struct hg_builder *builder = &lowerer->builder;
    if (!builder->overflowed && !lowerer->overflowed &&
        !needs_loop(builder, lowerer->group->lanes)) {
        write_program(lowerer, HG_PROGRAM_UNROLLED);
    }
    if (builder->overflowed || lowerer->overflowed) {
        return hg_fail(error, HG_INTERNAL, "a fused program is too large");
    }
    const struct hg_code code = {.header = {.slot_count = builder->slot_count},
                                 .insns = builder->insns,
                                 .insn_count = builder->count};
    hg_plan_make_fn *make = options->make != NULL ? options->make : make_plain;
    return make(options->context, &code, program, error);
}

enum hg_status hg_lower_group(const struct hg_fusion *fusion, uint32_t number,
                              const struct hg_plan_options *options, struct hg_lowered *lowered,
                              struct hg_program **program, struct hg_error *error)
{
    const struct hg_group *group = &fusion->groups[number];
    size_t span = group->last - group->first + 1u;
    struct hg_lowerer lowerer = {
        .fusion = fusion, .group = group, .number = number, .lowered = lowered};
    lowerer.registers = hg_malloc(HG_TAG_GRAPH, 3 * span);
    if (lowerer.registers == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's program");
    }
    lowerer.predicates = lowerer.registers + span;
    lowerer.wanted = (bool *)(lowerer.registers + 2 * span);
    enum hg_status status = write_and_make(&lowerer, options, program, error);
    hg_free(HG_TAG_GRAPH, lowerer.registers);
    if (status == HG_OK) {
        lowered->params[HG_PARAM_N] = group->lanes;
        lowered->params[HG_PARAM_ROWS] = group->rows;
        lowered->params[HG_PARAM_COLS] = group->cols;
    }
    return status;
}
