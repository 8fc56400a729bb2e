/* SPDX-License-Identifier: Apache-2.0 */
/* Element by element: which instruction computes which kind of node. */
#include "lib/base/check.h"
#include "lib/graph/lower.h"

/* Kinds that are one instruction of their inputs. */
static const uint8_t instructions[HG_GRAPH_KIND_COUNT] = {
    [HG_GRAPH_KIND_NEGATIVE] = HG_OP_NEG,    [HG_GRAPH_KIND_ABSOLUTE] = HG_OP_ABS,
    [HG_GRAPH_KIND_SQRT] = HG_OP_SQRT,       [HG_GRAPH_KIND_RSQRT] = HG_OP_RSQRT,
    [HG_GRAPH_KIND_EXP] = HG_OP_EXP,         [HG_GRAPH_KIND_LOG] = HG_OP_LOG,
    [HG_GRAPH_KIND_LOG2] = HG_OP_LOG2,       [HG_GRAPH_KIND_LOG10] = HG_OP_LOG10,
    [HG_GRAPH_KIND_SIN] = HG_OP_SIN,         [HG_GRAPH_KIND_COS] = HG_OP_COS,
    [HG_GRAPH_KIND_TAN] = HG_OP_TAN,         [HG_GRAPH_KIND_TANH] = HG_OP_TANH,
    [HG_GRAPH_KIND_SIGMOID] = HG_OP_SIGMOID, [HG_GRAPH_KIND_ERF] = HG_OP_ERF,
    [HG_GRAPH_KIND_INVERT] = HG_OP_NOT,      [HG_GRAPH_KIND_ADD] = HG_OP_ADD,
    [HG_GRAPH_KIND_SUBTRACT] = HG_OP_SUB,    [HG_GRAPH_KIND_MULTIPLY] = HG_OP_MUL,
    [HG_GRAPH_KIND_DIVIDE] = HG_OP_DIV,      [HG_GRAPH_KIND_MINIMUM] = HG_OP_MIN,
    [HG_GRAPH_KIND_MAXIMUM] = HG_OP_MAX,     [HG_GRAPH_KIND_POWER] = HG_OP_POW,
    [HG_GRAPH_KIND_AND] = HG_OP_AND,         [HG_GRAPH_KIND_OR] = HG_OP_OR,
    [HG_GRAPH_KIND_XOR] = HG_OP_XOR,         [HG_GRAPH_KIND_LEFT_SHIFT] = HG_OP_SHL,
    [HG_GRAPH_KIND_RIGHT_SHIFT] = HG_OP_SHR, [HG_GRAPH_KIND_BROADCAST] = HG_OP_MOV,
    [HG_GRAPH_KIND_FMA] = HG_OP_FMA,
};

static enum hg_dtype input_type(const struct hg_lowerer *lowerer, const struct hg_ir_node *node,
                                unsigned i)
{
    return (enum hg_dtype)lowerer->fusion->ir->nodes[node->inputs[i]].type;
}

static enum hg_cond condition(enum hg_graph_kind kind, enum hg_dtype type)
{
    bool is_unsigned = hg_dtype_in(type, HG_DT_UINT);
    switch (kind) {
    case HG_GRAPH_KIND_EQUAL:
        return HG_COND_EQ;
    case HG_GRAPH_KIND_NOT_EQUAL:
        return HG_COND_NE;
    case HG_GRAPH_KIND_LESS:
        return is_unsigned ? HG_COND_LTU : HG_COND_LT;
    case HG_GRAPH_KIND_LESS_EQUAL:
        return is_unsigned ? HG_COND_LEU : HG_COND_LE;
    case HG_GRAPH_KIND_GREATER:
        return is_unsigned ? HG_COND_GTU : HG_COND_GT;
    default:
        HG_REQUIRE(kind == HG_GRAPH_KIND_GREATER_EQUAL);
        return is_unsigned ? HG_COND_GEU : HG_COND_GE;
    }
}

/* 1 or 0 of type u8; `where` takes the predicate itself. */
static uint8_t lower_compare(struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_ir_node *node = &lowerer->fusion->ir->nodes[index];
    struct hg_builder *builder = &lowerer->builder;
    uint8_t a = hg_lower_input(lowerer, index, 0);
    uint8_t b = hg_lower_input(lowerer, index, 1);
    enum hg_dtype type = input_type(lowerer, node, 0);
    uint8_t predicate =
        hg_build_compare(builder, condition((enum hg_graph_kind)node->kind, type), type, a, b);
    lowerer->predicates[index - lowerer->group->first] = predicate;
    uint8_t one = hg_build_imm(builder, HG_U8, 1);
    uint8_t zero = hg_build_imm(builder, HG_U8, 0);
    return hg_build_select(builder, HG_U8, predicate, one, zero);
}

/* The predicate of the condition if it was computed here, else of what was loaded. */
static uint8_t lower_condition(struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_fusion *fusion = lowerer->fusion;
    uint32_t base = hg_ir_base(fusion->ir, fusion->ir->nodes[index].inputs[0]);
    const struct hg_fused_node *fused = &fusion->nodes[base];
    uint8_t value = hg_lower_input(lowerer, index, 0);
    if (fused->group == lowerer->number && fused->level == HG_FUSED_LANE) {
        uint8_t predicate = lowerer->predicates[base - lowerer->group->first];
        if (predicate != HG_PRED_NONE) {
            return predicate;
        }
    }
    uint8_t zero = hg_build_imm(&lowerer->builder, HG_U8, 0);
    return hg_build_compare(&lowerer->builder, HG_COND_NE, HG_U8, value, zero);
}

static uint8_t lower_where(struct hg_lowerer *lowerer, uint32_t index)
{
    enum hg_dtype type = (enum hg_dtype)lowerer->fusion->ir->nodes[index].type;
    uint8_t predicate = lower_condition(lowerer, index);
    uint8_t a = hg_lower_input(lowerer, index, 1);
    uint8_t b = hg_lower_input(lowerer, index, 2);
    return hg_build_select(&lowerer->builder, type, predicate, a, b);
}

static uint8_t lower_relu(struct hg_lowerer *lowerer, uint32_t index)
{
    enum hg_dtype type = (enum hg_dtype)lowerer->fusion->ir->nodes[index].type;
    uint8_t a = hg_lower_input(lowerer, index, 0);
    uint8_t zero = hg_build_imm(&lowerer->builder, type, 0);
    return hg_build_binary(&lowerer->builder, HG_OP_MAX, type, a, zero);
}

/* Amounts are of type u32 in the instruction set. */
static uint8_t lower_shift(struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_ir_node *node = &lowerer->fusion->ir->nodes[index];
    enum hg_dtype type = (enum hg_dtype)node->type;
    uint8_t a = hg_lower_input(lowerer, index, 0);
    uint8_t amount =
        hg_build_convert(&lowerer->builder, HG_U32, type, hg_lower_input(lowerer, index, 1));
    return hg_build_binary(&lowerer->builder, (enum hg_opcode)instructions[node->kind], type, a,
                           amount);
}

static uint8_t lower_instruction(struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_ir_node *node = &lowerer->fusion->ir->nodes[index];
    enum hg_opcode op = (enum hg_opcode)instructions[node->kind];
    enum hg_dtype type = (enum hg_dtype)node->type;
    uint8_t a = hg_lower_input(lowerer, index, 0);
    if (node->input_count == 1) {
        return hg_build_unary(&lowerer->builder, op, type, a);
    }
    uint8_t b = hg_lower_input(lowerer, index, 1);
    if (node->input_count == 2) {
        return hg_build_binary(&lowerer->builder, op, type, a, b);
    }
    uint8_t c = hg_lower_input(lowerer, index, 2);
    return hg_build_ternary(&lowerer->builder, op, type, a, b, c);
}

uint8_t hg_lower_map(struct hg_lowerer *lowerer, uint32_t index)
{
    const struct hg_ir_node *node = &lowerer->fusion->ir->nodes[index];
    switch (node->kind) {
    case HG_GRAPH_KIND_WHERE:
        return lower_where(lowerer, index);
    case HG_GRAPH_KIND_RELU:
        return lower_relu(lowerer, index);
    case HG_GRAPH_KIND_LEFT_SHIFT:
    case HG_GRAPH_KIND_RIGHT_SHIFT:
        return lower_shift(lowerer, index);
    case HG_GRAPH_KIND_CAST:
        return hg_build_convert(&lowerer->builder, (enum hg_dtype)node->type,
                                input_type(lowerer, node, 0), hg_lower_input(lowerer, index, 0));
    default:
        break;
    }
    if (hg_graph_kind_info((enum hg_graph_kind)node->kind)->class == HG_GRAPH_COMPARE) {
        return lower_compare(lowerer, index);
    }
    return lower_instruction(lowerer, index);
}
