/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composites in terms of primitives, with the operations' own sequences (lib/ops), so that a graph
 * gives the bits that the operation gives. Halves compute in F32 between one conversion at either
 * end, as the operations do.
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/graph/ir.h"

/* Constants of gelu's tanh form, folded as the operation folds them. */
#define GELU_CUBIC 0.044715
#define GELU_SLOPE 0.79788456080286535588 /* sqrt(2 / pi) */

typedef struct hg_binder B;
#define KIND(name) HG_GRAPH_KIND_##name

static uint32_t add(B *b, uint32_t x, uint32_t y)
{
    return hg_binder_map2(b, KIND(ADD), x, y);
}

static uint32_t sub(B *b, uint32_t x, uint32_t y)
{
    return hg_binder_map2(b, KIND(SUBTRACT), x, y);
}

static uint32_t mul(B *b, uint32_t x, uint32_t y)
{
    return hg_binder_map2(b, KIND(MULTIPLY), x, y);
}

static uint32_t divide(B *b, uint32_t x, uint32_t y)
{
    return hg_binder_map2(b, KIND(DIVIDE), x, y);
}

static enum hg_dtype type_of(const B *b, uint32_t x)
{
    return b->failed ? HG_F32 : (enum hg_dtype)hg_binder_node(b, x)->type;
}

static uint32_t number(B *b, uint32_t like, double value)
{
    return b->failed ? 0 : hg_binder_literal(b, type_of(b, like), value);
}

static enum hg_dtype wide(enum hg_dtype type)
{
    return type == HG_F64 ? HG_F64 : HG_F32;
}

/* A float in the type that composites compute in; refuses integers. */
static uint32_t widen(B *b, uint32_t x)
{
    if (b->failed) {
        return 0;
    }
    x = hg_binder_adopt(b, x, HG_F64);
    if (!b->failed && !hg_dtype_in(type_of(b, x), HG_DT_FLOAT)) {
        hg_binder_refuse(b, "it takes floats, not %s: convert with astype(f32)",
                         hg_dtype_name(type_of(b, x)));
    }
    return b->failed ? 0 : hg_binder_cast(b, wide(type_of(b, x)), x);
}

/* How many elements one result of folding AXIS of X has, as a number of X's type. */
static uint32_t count(B *b, uint32_t x, int32_t axis)
{
    if (b->failed) {
        return 0;
    }
    const struct hg_ir_node *node = hg_binder_node(b, x);
    uint64_t n = axis == HG_GRAPH_AXIS_ALL ? node->elements : node->shape.size[axis];
    return hg_binder_measure(b, (enum hg_dtype)node->type, (double)n);
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* In X's type, which is wide; the axis is kept. */
static uint32_t mean(B *b, uint32_t x, int32_t axis)
{
    return divide(b, hg_binder_reduce(b, KIND(SUM), x, axis), count(b, x, axis));
}

static uint32_t variance(B *b, uint32_t x, int32_t axis)
{
    uint32_t distance = sub(b, x, mean(b, x, axis));
    return mean(b, mul(b, distance, distance), axis);
}

/*
 * What reads elements beside their row's results is computed where the axis is the last one, so
 * that both have the same lanes: X with AXIS there. AXIS becomes the last, or stays all, or the
 * first where lanes beside each other are folded.
 */
static uint32_t along_rows(B *b, uint32_t x, int32_t *axis)
{
    if (b->failed || *axis == HG_GRAPH_AXIS_ALL || hg_binder_folds(b, x, *axis)) {
        return x;
    }
    x = hg_binder_axis_last(b, x, *axis, false);
    *axis = b->failed ? 0 : hg_binder_node(b, x)->shape.rank - 1;
    return x;
}

/* A result per row of along_rows, which brought AXIS to LAST: at its place again, or dropped. */
static uint32_t from_rows(B *b, uint32_t result, int32_t axis, int32_t last, bool keepdims)
{
    if (axis != HG_GRAPH_AXIS_ALL && axis != last) {
        result = hg_binder_axis_last(b, result, axis, true);
    }
    return keepdims ? result : hg_binder_drop_axis(b, result, axis);
}

static uint32_t expand_mean(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    enum hg_dtype type = type_of(b, hg_binder_adopt(b, in[0], HG_F64));
    uint32_t x = widen(b, in[0]);
    int32_t axis = hg_binder_axis(b, x, node->axis);
    int32_t last = axis;
    x = along_rows(b, x, &last);
    uint32_t result = node->kind == KIND(VAR) ? variance(b, x, last) : mean(b, x, last);
    return from_rows(b, hg_binder_cast(b, type, result), axis, last, node->keepdims);
}

static uint32_t expand_size(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    int32_t axis = hg_binder_axis(b, in[0], node->axis);
    if (b->failed) {
        return 0;
    }
    const struct hg_ir_node *x = hg_binder_node(b, in[0]);
    return hg_binder_size(b, axis == HG_GRAPH_AXIS_ALL ? x->elements : x->shape.size[axis]);
}

/* The least index whose element is the maximum. */
static uint32_t expand_argmax(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    uint32_t x = hg_binder_adopt(b, in[0], HG_F64);
    int32_t axis = hg_binder_axis(b, x, node->axis);
    if (b->failed) {
        return 0;
    }
    uint8_t rank = hg_binder_node(b, x)->shape.rank;
    int32_t last = axis;
    if (axis == HG_GRAPH_AXIS_ALL) {
        struct hg_ir_shape line = {1, {hg_binder_node(b, x)->elements}};
        x = hg_binder_reshape(b, x, &line);
        last = 0;
    }
    x = along_rows(b, x, &last);
    if (b->failed) {
        return 0;
    }
    struct hg_ir_node index = {.kind = KIND(IOTA), .type = HG_I64, .axis = (int8_t)last};
    index.shape = hg_binder_node(b, x)->shape;
    uint32_t indices = hg_binder_add(b, &index);
    uint32_t is_top = hg_binder_map2(b, KIND(EQUAL), x, hg_binder_reduce(b, KIND(AMAX), x, last));
    uint32_t none = hg_binder_literal(b, HG_I64, 0x1p62);
    uint32_t candidates = hg_binder_where(b, is_top, indices, none);
    uint32_t first = hg_binder_reduce(b, KIND(AMIN), candidates, last);
    /* All NaN: no element equals the maximum, and NumPy says 0. */
    uint32_t found = hg_binder_map2(b, KIND(LESS), first, none);
    uint32_t result = hg_binder_where(b, found, first, hg_binder_literal(b, HG_I64, 0));
    if (axis == HG_GRAPH_AXIS_ALL && node->keepdims) {
        struct hg_ir_shape ones = {rank, {1, 1, 1, 1, 1, 1, 1, 1}};
        return hg_binder_reshape(b, result, &ones);
    }
    return from_rows(b, result, axis, last, node->keepdims);
}

/* ---- activations ----------------------------------------------------------------------------- */

static uint32_t expand_gelu(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    (void)node;
    uint32_t x = widen(b, in[0]);
    enum hg_dtype type = type_of(b, hg_binder_adopt(b, in[0], HG_F64));
    uint32_t cubic = number(b, x, 2 * GELU_SLOPE * GELU_CUBIC);
    uint32_t factor = hg_binder_fma(b, mul(b, x, x), cubic, number(b, x, 2 * GELU_SLOPE));
    uint32_t share = hg_binder_map1(b, KIND(SIGMOID), mul(b, x, factor));
    return hg_binder_cast(b, type, mul(b, x, share));
}

static uint32_t expand_softmax(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    uint32_t x = widen(b, in[0]);
    enum hg_dtype type = type_of(b, hg_binder_adopt(b, in[0], HG_F64));
    int32_t axis = hg_binder_axis(b, x, node->axis == HG_GRAPH_AXIS_ALL ? -1 : node->axis);
    int32_t last = axis;
    x = along_rows(b, x, &last);
    uint32_t shifted = sub(b, x, hg_binder_reduce(b, KIND(AMAX), x, last));
    if (node->number != 1) {
        shifted = divide(b, shifted, number(b, x, node->number));
    }
    uint32_t e = hg_binder_map1(b, KIND(EXP), shifted);
    uint32_t sum = hg_binder_reduce(b, KIND(SUM), e, last);
    uint32_t kept = hg_binder_cast(b, wide(type), hg_binder_cast(b, type, e)); /* as it is stored */
    uint32_t share = mul(b, kept, divide(b, number(b, e, 1), sum));
    return from_rows(b, hg_binder_cast(b, type, share), axis, last, true);
}

static uint32_t expand_layer_norm(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    uint32_t x = widen(b, in[0]);
    enum hg_dtype type = type_of(b, hg_binder_adopt(b, in[0], HG_F64));
    int32_t axis = hg_binder_axis(b, x, -1);
    uint32_t distance = sub(b, x, mean(b, x, axis));
    uint32_t spread = mean(b, mul(b, distance, distance), axis);
    spread = add(b, spread, number(b, x, node->number));
    uint32_t result = mul(b, distance, hg_binder_map1(b, KIND(RSQRT), spread));
    if (node->input_count > 1) {
        result = mul(b, result, widen(b, in[1]));
    }
    if (node->input_count > 2) {
        result = add(b, result, widen(b, in[2]));
    }
    return hg_binder_cast(b, type, result);
}

static uint32_t expand_square(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    (void)node;
    return mul(b, in[0], in[0]);
}

static uint32_t expand_clip(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    (void)node;
    return hg_binder_map2(b, KIND(MINIMUM), hg_binder_map2(b, KIND(MAXIMUM), in[0], in[1]), in[2]);
}

/* ---- losses ---------------------------------------------------------------------------------- */

/* sum / count over everything, as a scalar of TYPE. */
static uint32_t loss(B *b, uint32_t terms, bool negated, enum hg_dtype type)
{
    uint32_t sum = hg_binder_reduce(b, KIND(SUM), terms, HG_GRAPH_AXIS_ALL);
    sum = negated ? hg_binder_map1(b, KIND(NEGATIVE), sum) : sum;
    uint32_t result = divide(b, sum, count(b, terms, HG_GRAPH_AXIS_ALL));
    return hg_binder_drop_axis(b, hg_binder_cast(b, type, result), HG_GRAPH_AXIS_ALL);
}

static uint32_t expand_mse(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    (void)node;
    enum hg_dtype type = type_of(b, hg_binder_adopt(b, in[0], HG_F64));
    uint32_t difference = sub(b, widen(b, in[0]), widen(b, in[1]));
    return loss(b, mul(b, difference, difference), false, type);
}

static uint32_t expand_cross_entropy(B *b, const struct hg_graph_node *node, const uint32_t *in)
{
    enum hg_dtype type = type_of(b, hg_binder_adopt(b, in[0], HG_F64));
    uint32_t p = widen(b, in[0]);
    if (node->number != 0) {
        p = hg_binder_map2(b, KIND(MAXIMUM), p, number(b, p, node->number));
    }
    return loss(b, mul(b, widen(b, in[1]), hg_binder_map1(b, KIND(LOG), p)), true, type);
}

static uint32_t expand_binary_cross_entropy(B *b, const struct hg_graph_node *node,
                                            const uint32_t *in)
{
    enum hg_dtype type = type_of(b, hg_binder_adopt(b, in[0], HG_F64));
    uint32_t p = widen(b, in[0]);
    uint32_t t = widen(b, in[1]);
    uint32_t one = number(b, p, 1);
    if (node->number != 0) {
        uint32_t eps = number(b, p, node->number);
        /* 1 - eps in the type at hand, as the operation computes it. */
        uint32_t high = type_of(b, p) == HG_F64
                            ? number(b, p, 1 - node->number)
                            : number(b, p, (double)(1.0f - (float)node->number));
        p = hg_binder_map2(b, KIND(MINIMUM), hg_binder_map2(b, KIND(MAXIMUM), p, eps), high);
    }
    uint32_t positive = mul(b, t, hg_binder_map1(b, KIND(LOG), p));
    uint32_t negative = mul(b, sub(b, one, t), hg_binder_map1(b, KIND(LOG), sub(b, one, p)));
    return loss(b, add(b, positive, negative), true, type);
}

uint32_t hg_binder_expand(struct hg_binder *binder, const struct hg_graph_node *node,
                          const uint32_t *inputs)
{
    static uint32_t (*const expansions[HG_GRAPH_KIND_COUNT])(
        B * b, const struct hg_graph_node *node, const uint32_t *in) = {
        [KIND(MEAN)] = expand_mean,
        [KIND(VAR)] = expand_mean,
        [KIND(ARGMAX)] = expand_argmax,
        [KIND(SIZE)] = expand_size,
        [KIND(SQUARE)] = expand_square,
        [KIND(CLIP)] = expand_clip,
        [KIND(GELU)] = expand_gelu,
        [KIND(SOFTMAX)] = expand_softmax,
        [KIND(LAYER_NORM)] = expand_layer_norm,
        [KIND(MSE)] = expand_mse,
        [KIND(CROSS_ENTROPY)] = expand_cross_entropy,
        [KIND(BINARY_CROSS_ENTROPY)] = expand_binary_cross_entropy,
    };
    HG_REQUIRE(expansions[node->kind] != NULL);
    return binder->failed ? 0 : expansions[node->kind](binder, node, inputs);
}
