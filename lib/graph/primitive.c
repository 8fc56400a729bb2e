/* SPDX-License-Identifier: Apache-2.0 */
/* Primitive nodes with their types and shapes: broadcasting, and what each kind takes. */
#include "lib/graph/primitive.h"

#include "lib/base/check.h"

const struct hg_ir_node *hg_binder_node(const struct hg_binder *binder, uint32_t index)
{
    HG_REQUIRE(index < binder->ir->count);
    return &binder->ir->nodes[index];
}

/* ---- types ----------------------------------------------------------------------------------- */

static uint32_t types_of(enum hg_graph_kind kind)
{
    switch (kind) {
    case HG_GRAPH_KIND_NEGATIVE:
    case HG_GRAPH_KIND_ABSOLUTE:
        return HG_DT_SIGNED;
    case HG_GRAPH_KIND_INVERT:
    case HG_GRAPH_KIND_AND:
    case HG_GRAPH_KIND_OR:
    case HG_GRAPH_KIND_XOR:
    case HG_GRAPH_KIND_LEFT_SHIFT:
    case HG_GRAPH_KIND_RIGHT_SHIFT:
        return HG_DT_INT;
    case HG_GRAPH_KIND_SQRT:
    case HG_GRAPH_KIND_RSQRT:
    case HG_GRAPH_KIND_EXP:
    case HG_GRAPH_KIND_LOG:
    case HG_GRAPH_KIND_LOG2:
    case HG_GRAPH_KIND_LOG10:
    case HG_GRAPH_KIND_SIN:
    case HG_GRAPH_KIND_COS:
    case HG_GRAPH_KIND_TAN:
    case HG_GRAPH_KIND_TANH:
    case HG_GRAPH_KIND_SIGMOID:
    case HG_GRAPH_KIND_ERF:
    case HG_GRAPH_KIND_POWER:
    case HG_GRAPH_KIND_MATMUL:
        return HG_DT_FLOAT;
    default:
        return HG_DT_ALL;
    }
}

static void check_type(struct hg_binder *binder, enum hg_graph_kind kind, enum hg_dtype type)
{
    if (!binder->failed && !hg_dtype_in(type, types_of(kind))) {
        bool floats = types_of(kind) == HG_DT_FLOAT;
        hg_binder_refuse(binder, "it takes %s, not %s",
                         floats                           ? "floats: convert with astype(f32)"
                         : types_of(kind) == HG_DT_SIGNED ? "signed types"
                                                          : "integers",
                         hg_dtype_name(type));
    }
}

/* The type of two sources that must have one; a number takes the other's. */
static enum hg_dtype join_types(struct hg_binder *binder, uint32_t *a, uint32_t *b)
{
    const struct hg_ir_node *left = hg_binder_node(binder, *a);
    const struct hg_ir_node *right = hg_binder_node(binder, *b);
    bool floats = left->type == HG_GRAPH_TYPE_FLOAT || right->type == HG_GRAPH_TYPE_FLOAT;
    enum hg_dtype type = !hg_ir_is_open(left)    ? (enum hg_dtype)left->type
                         : !hg_ir_is_open(right) ? (enum hg_dtype)right->type
                         : floats                ? HG_F64
                                                 : HG_I64;
    *a = hg_binder_adopt(binder, *a, type);
    *b = binder->failed ? 0 : hg_binder_adopt(binder, *b, type);
    if (!binder->failed && hg_binder_node(binder, *b)->type != type) {
        hg_binder_refuse(binder, "its inputs are %s and %s: convert one with astype",
                         hg_dtype_name(type),
                         hg_dtype_name((enum hg_dtype)hg_binder_node(binder, *b)->type));
    }
    return type;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static uint64_t size_from_last(const struct hg_ir_shape *shape, unsigned i)
{
    return i < shape->rank ? shape->size[shape->rank - 1 - i] : 1;
}

/* NumPy's rule: from the last axis, sizes are equal or 1. */
static void broadcast(struct hg_binder *binder, struct hg_ir_shape *shape, uint32_t other)
{
    const struct hg_ir_shape *b = &hg_binder_node(binder, other)->shape;
    struct hg_ir_shape joined = {.rank = shape->rank > b->rank ? shape->rank : b->rank};
    for (unsigned i = 0; i < joined.rank; i++) {
        uint64_t x = size_from_last(shape, i);
        uint64_t y = size_from_last(b, i);
        if (x != y && x != 1 && y != 1) {
            char left[HG_IR_SHAPE_TEXT];
            char right[HG_IR_SHAPE_TEXT];
            hg_binder_refuse(binder, "shapes %s and %s do not broadcast",
                             hg_ir_shape_text(shape, left), hg_ir_shape_text(b, right));
            return;
        }
        joined.size[joined.rank - 1 - i] = x == 1 ? y : x;
    }
    *shape = joined;
}

/* ---- maps ------------------------------------------------------------------------------------ */

uint32_t hg_binder_map1(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a)
{
    uint32_t folded;
    if (binder->failed) {
        return 0;
    }
    if (hg_binder_fold_open(binder, kind, a, a, &folded)) {
        return folded;
    }
    a = hg_binder_adopt(binder, a, hg_ir_default_type(hg_binder_node(binder, a)));
    struct hg_ir_node node;
    hg_ir_node_init(&node, kind);
    node.type = hg_binder_node(binder, a)->type;
    node.shape = hg_binder_node(binder, a)->shape;
    node.input_count = 1;
    node.inputs[0] = a;
    check_type(binder, kind, (enum hg_dtype)node.type);
    return hg_binder_add(binder, &node);
}

uint32_t hg_binder_map2(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, uint32_t b)
{
    uint32_t folded;
    if (binder->failed) {
        return 0;
    }
    if (hg_binder_fold_open(binder, kind, a, b, &folded)) {
        return folded;
    }
    enum hg_dtype type = join_types(binder, &a, &b);
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_node node;
    hg_ir_node_init(&node, kind);
    bool compares = hg_graph_kind_info(kind)->class == HG_GRAPH_COMPARE;
    node.type = compares ? HG_U8 : (uint8_t)type;
    node.shape = hg_binder_node(binder, a)->shape;
    node.input_count = 2;
    node.inputs[0] = a;
    node.inputs[1] = b;
    broadcast(binder, &node.shape, b);
    check_type(binder, kind, type);
    return hg_binder_add(binder, &node);
}

uint32_t hg_binder_fma(struct hg_binder *binder, uint32_t a, uint32_t b, uint32_t c)
{
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_node node;
    hg_ir_node_init(&node, HG_GRAPH_KIND_FMA);
    node.type = hg_binder_node(binder, a)->type;
    node.shape = hg_binder_node(binder, a)->shape;
    node.input_count = 3;
    node.inputs[0] = a;
    node.inputs[1] = b;
    node.inputs[2] = c;
    return hg_binder_add(binder, &node);
}

uint32_t hg_binder_where(struct hg_binder *binder, uint32_t condition, uint32_t a, uint32_t b)
{
    if (binder->failed) {
        return 0;
    }
    condition =
        hg_binder_adopt(binder, condition, hg_ir_default_type(hg_binder_node(binder, condition)));
    if (binder->failed) {
        return 0;
    }
    /* Anything but what a comparison gives is compared with 0, as NumPy does. */
    const struct hg_ir_node *chosen = hg_binder_node(binder, condition);
    if (hg_graph_kind_info((enum hg_graph_kind)chosen->kind)->class != HG_GRAPH_COMPARE) {
        uint32_t zero = hg_binder_literal(binder, (enum hg_dtype)chosen->type, 0);
        condition = hg_binder_map2(binder, HG_GRAPH_KIND_NOT_EQUAL, condition, zero);
    }
    if (binder->failed) {
        return 0;
    }
    enum hg_dtype type = join_types(binder, &a, &b);
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_node node;
    hg_ir_node_init(&node, HG_GRAPH_KIND_WHERE);
    node.type = (uint8_t)type;
    node.shape = hg_binder_node(binder, condition)->shape;
    node.input_count = 3;
    node.inputs[0] = condition;
    node.inputs[1] = a;
    node.inputs[2] = b;
    broadcast(binder, &node.shape, a);
    if (!binder->failed) {
        broadcast(binder, &node.shape, b);
    }
    return hg_binder_add(binder, &node);
}

uint32_t hg_binder_cast(struct hg_binder *binder, enum hg_dtype type, uint32_t a)
{
    if (binder->failed) {
        return 0;
    }
    const struct hg_ir_node *from = hg_binder_node(binder, a);
    if (hg_ir_is_open(from)) {
        bool truncates = from->type == HG_GRAPH_TYPE_FLOAT && hg_dtype_in(type, HG_DT_INT);
        a = hg_binder_adopt(binder, a, truncates ? HG_F64 : type);
        if (binder->failed) {
            return 0;
        }
        from = hg_binder_node(binder, a);
    }
    if (from->type == type) {
        return a;
    }
    struct hg_ir_node node;
    hg_ir_node_init(&node, HG_GRAPH_KIND_CAST);
    node.type = (uint8_t)type;
    node.shape = from->shape;
    node.input_count = 1;
    node.inputs[0] = a;
    return hg_binder_add(binder, &node);
}
