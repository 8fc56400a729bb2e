/* SPDX-License-Identifier: Apache-2.0 */
/* Primitive nodes with their types and shapes: broadcasting, literals, what each kind takes. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/graph/ir.h"
#include "lib/ops/value.h"

const struct hg_ir_node *hg_binder_node(const struct hg_binder *binder, uint32_t index)
{
    HG_REQUIRE(index < binder->ir->count);
    return &binder->ir->nodes[index];
}

static void node_init(struct hg_ir_node *node, enum hg_graph_kind kind)
{
    memset(node, 0, sizeof *node);
    node->kind = (uint8_t)kind;
}

/* ---- literals -------------------------------------------------------------------------------- */

static bool is_open(const struct hg_ir_node *node)
{
    return node->type >= HG_DTYPE_COUNT;
}

static uint64_t bits_of(enum hg_dtype type, double value)
{
    uint64_t bits;
    if (type == HG_F64 || type == HG_F32) {
        return hg_value_from_double(type, value);
    }
    HG_REQUIRE(hg_dtype_in(type, HG_DT_INT));
    int64_t integer = (int64_t)value;
    memcpy(&bits, &integer, sizeof bits);
    return hg_value_truncate(type, bits);
}

static uint32_t add_literal(struct hg_binder *binder, uint8_t type, uint64_t bits, bool measured)
{
    struct hg_ir_node node;
    node_init(&node, HG_GRAPH_KIND_LITERAL);
    node.type = type;
    node.bits = bits;
    node.measured = measured;
    return hg_binder_add(binder, &node);
}

/* A value of a half type is written as an F32 that is converted: one rounding, done by the
 * instruction that programs use. */
static uint32_t typed_literal(struct hg_binder *binder, enum hg_dtype type, double value,
                              bool measured)
{
    if (hg_dtype_in(type, HG_DT_HALF)) {
        uint32_t wide = add_literal(binder, HG_F32, bits_of(HG_F32, value), measured);
        return binder->failed ? 0 : hg_binder_cast(binder, type, wide);
    }
    return add_literal(binder, (uint8_t)type, bits_of(type, value), measured);
}

uint32_t hg_binder_literal(struct hg_binder *binder, enum hg_dtype type, double value)
{
    return typed_literal(binder, type, value, false);
}

uint32_t hg_binder_measure(struct hg_binder *binder, enum hg_dtype type, double value)
{
    return typed_literal(binder, type, value, true);
}

uint32_t hg_binder_size(struct hg_binder *binder, uint64_t size)
{
    return binder->failed ? 0 : add_literal(binder, HG_GRAPH_TYPE_INT, size, true);
}

static double open_value(const struct hg_ir_node *node)
{
    double value;
    if (node->type == HG_GRAPH_TYPE_INT) {
        return (double)(int64_t)node->bits;
    }
    memcpy(&value, &node->bits, sizeof value);
    return value;
}

static bool integer_fits(enum hg_dtype type, int64_t value)
{
    unsigned bits = 8 * hg_dtype_bytes(type);
    if (hg_dtype_in(type, HG_DT_UINT)) {
        return value >= 0 && (bits == 64 || (uint64_t)value >> bits == 0);
    }
    return bits == 64 || (value >= -(INT64_C(1) << (bits - 1)) && value < INT64_C(1) << (bits - 1));
}

uint32_t hg_binder_adopt(struct hg_binder *binder, uint32_t a, enum hg_dtype type)
{
    if (binder->failed || !is_open(hg_binder_node(binder, a))) {
        return a;
    }
    const struct hg_ir_node node = *hg_binder_node(binder, a);
    if (hg_dtype_in(type, HG_DT_FLOAT)) {
        return typed_literal(binder, type, open_value(&node), node.measured);
    }
    if (node.type == HG_GRAPH_TYPE_FLOAT) {
        hg_binder_refuse(binder, "the number %g meets %s: convert that with astype(f32)",
                         open_value(&node), hg_dtype_name(type));
        return 0;
    }
    if (!integer_fits(type, (int64_t)node.bits)) {
        hg_binder_refuse(binder, "the number %" PRId64 " is no %s", (int64_t)node.bits,
                         hg_dtype_name(type));
        return 0;
    }
    return add_literal(binder, (uint8_t)type, hg_value_truncate(type, node.bits), node.measured);
}

/* Of numbers alone, as Python computes them. False: not of this kind. */
static bool fold(enum hg_graph_kind kind, double a, double b, double *result)
{
    switch (kind) {
    case HG_GRAPH_KIND_ADD:
        *result = a + b;
        return true;
    case HG_GRAPH_KIND_SUBTRACT:
        *result = a - b;
        return true;
    case HG_GRAPH_KIND_MULTIPLY:
        *result = a * b;
        return true;
    case HG_GRAPH_KIND_DIVIDE:
        *result = a / b;
        return true;
    case HG_GRAPH_KIND_POWER:
        *result = pow(a, b);
        return true;
    case HG_GRAPH_KIND_NEGATIVE:
        *result = -a;
        return true;
    case HG_GRAPH_KIND_SQRT:
        *result = sqrt(a);
        return true;
    default:
        return false;
    }
}

/* Integers stay so while the result is one that a double holds exactly, and not of a division. */
static bool fold_open(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, uint32_t b,
                      uint32_t *folded)
{
    const struct hg_ir_node *left = hg_binder_node(binder, a);
    const struct hg_ir_node *right = hg_binder_node(binder, b);
    double value;
    if (!is_open(left) || !is_open(right) ||
        !fold(kind, open_value(left), open_value(right), &value)) {
        return false;
    }
    bool integers = left->type == HG_GRAPH_TYPE_INT && right->type == HG_GRAPH_TYPE_INT &&
                    kind != HG_GRAPH_KIND_DIVIDE && kind != HG_GRAPH_KIND_SQRT &&
                    fabs(value) < 0x1p53 && value == rint(value);
    int64_t integer = integers ? (int64_t)value : 0;
    uint64_t bits;
    memcpy(&bits, integers ? (const void *)&integer : (const void *)&value, sizeof bits);
    *folded = add_literal(binder, integers ? HG_GRAPH_TYPE_INT : HG_GRAPH_TYPE_FLOAT, bits,
                          left->measured || right->measured);
    return true;
}

static enum hg_dtype default_type(const struct hg_ir_node *node)
{
    return !is_open(node)                    ? (enum hg_dtype)node->type
           : node->type == HG_GRAPH_TYPE_INT ? HG_I64
                                             : HG_F64;
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
    enum hg_dtype type = !is_open(left)    ? (enum hg_dtype)left->type
                         : !is_open(right) ? (enum hg_dtype)right->type
                         : floats          ? HG_F64
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
    if (fold_open(binder, kind, a, a, &folded)) {
        return folded;
    }
    a = hg_binder_adopt(binder, a, default_type(hg_binder_node(binder, a)));
    struct hg_ir_node node;
    node_init(&node, kind);
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
    if (fold_open(binder, kind, a, b, &folded)) {
        return folded;
    }
    enum hg_dtype type = join_types(binder, &a, &b);
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_node node;
    node_init(&node, kind);
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

uint32_t hg_binder_where(struct hg_binder *binder, uint32_t condition, uint32_t a, uint32_t b)
{
    if (binder->failed) {
        return 0;
    }
    condition = hg_binder_adopt(binder, condition, default_type(hg_binder_node(binder, condition)));
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
    node_init(&node, HG_GRAPH_KIND_WHERE);
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
    if (is_open(from)) {
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
    node_init(&node, HG_GRAPH_KIND_CAST);
    node.type = (uint8_t)type;
    node.shape = from->shape;
    node.input_count = 1;
    node.inputs[0] = a;
    return hg_binder_add(binder, &node);
}

/* ---- axes ------------------------------------------------------------------------------------ */

int32_t hg_binder_axis(struct hg_binder *binder, uint32_t a, int32_t axis)
{
    if (binder->failed || axis == HG_GRAPH_AXIS_ALL) {
        return axis;
    }
    int32_t rank = hg_binder_node(binder, a)->shape.rank;
    if (axis < -rank || axis >= rank) {
        hg_binder_refuse(binder, "axis %" PRId32 " of a shape of %" PRId32 " dimensions", axis,
                         rank);
        return 0;
    }
    return axis < 0 ? axis + rank : axis;
}

uint32_t hg_binder_reshape(struct hg_binder *binder, uint32_t a, const struct hg_ir_shape *shape)
{
    if (!binder->failed) {
        a = hg_binder_adopt(binder, a, default_type(hg_binder_node(binder, a)));
    }
    if (binder->failed || hg_ir_shape_equal(&hg_binder_node(binder, a)->shape, shape)) {
        return a;
    }
    /* Of a reshape: its source at once. */
    while (hg_binder_node(binder, a)->kind == HG_GRAPH_KIND_RESHAPE) {
        a = hg_binder_node(binder, a)->inputs[0];
    }
    struct hg_ir_node node;
    node_init(&node, HG_GRAPH_KIND_RESHAPE);
    node.type = hg_binder_node(binder, a)->type;
    node.shape = *shape;
    memset(node.shape.size + shape->rank, 0,
           (HG_GRAPH_RANK_MAX - shape->rank) * sizeof node.shape.size[0]);
    node.input_count = 1;
    node.inputs[0] = a;
    return hg_ir_shape_equal(&hg_binder_node(binder, a)->shape, shape)
               ? a
               : hg_binder_add(binder, &node);
}

uint32_t hg_binder_transpose(struct hg_binder *binder, uint32_t a,
                             const uint8_t permutation[HG_GRAPH_RANK_MAX])
{
    if (binder->failed) {
        return 0;
    }
    const struct hg_ir_node *from = hg_binder_node(binder, a);
    if (from->kind == HG_GRAPH_KIND_TRANSPOSE) {
        /* Of a transpose: of its source at once. */
        uint8_t whole[HG_GRAPH_RANK_MAX] = {0};
        for (unsigned i = 0; i < from->shape.rank; i++) {
            whole[i] = from->permutation[permutation[i]];
        }
        return hg_binder_transpose(binder, from->inputs[0], whole);
    }
    struct hg_ir_node node;
    node_init(&node, HG_GRAPH_KIND_TRANSPOSE);
    node.type = from->type;
    node.shape.rank = from->shape.rank;
    node.input_count = 1;
    node.inputs[0] = a;
    bool moves = false; /* an axis that is longer than 1 past another one */
    int last = -1;
    for (unsigned i = 0; i < from->shape.rank; i++) {
        node.permutation[i] = permutation[i];
        node.shape.size[i] = from->shape.size[permutation[i]];
        if (node.shape.size[i] != 1) {
            moves = moves || permutation[i] < last;
            last = permutation[i];
        }
    }
    return moves ? hg_binder_add(binder, &node) : hg_binder_reshape(binder, a, &node.shape);
}

uint32_t hg_binder_axis_last(struct hg_binder *binder, uint32_t a, int32_t axis, bool back)
{
    if (binder->failed) {
        return 0;
    }
    uint8_t permutation[HG_GRAPH_RANK_MAX] = {0};
    uint8_t rank = hg_binder_node(binder, a)->shape.rank;
    for (uint8_t i = 0; i < rank; i++) {
        uint8_t moved = i < axis ? i : i == rank - 1 ? (uint8_t)axis : (uint8_t)(i + 1);
        if (back) {
            permutation[moved] = i;
        } else {
            permutation[i] = moved;
        }
    }
    return hg_binder_transpose(binder, a, permutation);
}

uint32_t hg_binder_reduce(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a,
                          int32_t axis)
{
    if (binder->failed) {
        return 0;
    }
    a = hg_binder_adopt(binder, a, default_type(hg_binder_node(binder, a)));
    axis = hg_binder_axis(binder, a, axis);
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_shape kept = hg_binder_node(binder, a)->shape;
    uint8_t rank = kept.rank;
    bool extremum = kind == HG_GRAPH_KIND_AMIN || kind == HG_GRAPH_KIND_AMAX;
    uint64_t folded =
        axis == HG_GRAPH_AXIS_ALL ? hg_binder_node(binder, a)->elements : kept.size[axis];
    if (extremum && folded == 0) {
        hg_binder_refuse(binder, "nothing to choose from: the axis has no elements");
        return 0;
    }
    if (axis == HG_GRAPH_AXIS_ALL) {
        struct hg_ir_shape line = {1, {hg_binder_node(binder, a)->elements}};
        a = hg_binder_reshape(binder, a, &line);
        for (unsigned i = 0; i < rank; i++) {
            kept.size[i] = 1;
        }
    } else {
        kept.size[axis] = 1;
        if (hg_binder_folds(binder, a, axis)) {
            return hg_binder_reshape(binder, hg_binder_fold(binder, kind, a, axis), &kept);
        }
        a = hg_binder_axis_last(binder, a, axis, false);
    }
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_node node;
    node_init(&node, kind);
    node.type = hg_binder_node(binder, a)->type;
    node.shape = hg_binder_node(binder, a)->shape;
    node.shape.size[node.shape.rank - 1] = 1;
    node.input_count = 1;
    node.inputs[0] = a;
    /* Where the folded axis stood elsewhere, its length of 1 makes the way back a reshape. */
    uint32_t reduced = hg_binder_add(binder, &node);
    return binder->failed ? 0 : hg_binder_reshape(binder, reduced, &kept);
}

uint32_t hg_binder_drop_axis(struct hg_binder *binder, uint32_t a, int32_t axis)
{
    if (binder->failed) {
        return 0;
    }
    const struct hg_ir_shape *have = &hg_binder_node(binder, a)->shape;
    struct hg_ir_shape shape = {0};
    for (unsigned i = 0; axis != HG_GRAPH_AXIS_ALL && i < have->rank; i++) {
        if ((int32_t)i != axis) {
            shape.size[shape.rank++] = have->size[i];
        }
    }
    return hg_binder_reshape(binder, a, &shape);
}
