/* SPDX-License-Identifier: Apache-2.0 */
/* A plain evaluation of graphs' nodes, for test_random.c. */
#ifndef HG_TESTS_UNIT_GRAPH_EVALUATE_H
#define HG_TESTS_UNIT_GRAPH_EVALUATE_H

#include "tests/unit/graph/evaluate_maps.h"

/* ---- along axes ------------------------------------------------------------------------------ */

/* A shape as outer x length x inner around AXIS, or all of it as one axis. */
struct extent {
    uint64_t outer, length, inner;
};

static inline struct extent extent_of(const struct value *a, int32_t axis)
{
    struct extent extent = {1, a->elements, 1};
    for (unsigned i = 0; axis != HG_GRAPH_AXIS_ALL && i < a->shape.rank; i++) {
        extent.outer *= (int32_t)i < axis ? a->shape.size[i] : 1;
        extent.inner *= (int32_t)i > axis ? a->shape.size[i] : 1;
        extent.length = (int32_t)i == axis ? a->shape.size[i] : extent.length;
    }
    return extent;
}

static inline struct hg_ir_shape reduced_shape(const struct hg_graph_node *node,
                                               const struct value *a)
{
    struct hg_ir_shape shape = {0};
    bool all = node->axis == HG_GRAPH_AXIS_ALL;
    for (unsigned i = 0; i < a->shape.rank; i++) {
        bool folded = all || (int32_t)i == node->axis;
        if (!folded || node->keepdims) {
            shape.size[shape.rank++] = folded ? 1 : a->shape.size[i];
        }
    }
    return shape;
}

static inline void forget_unless(bool exact, struct value *value)
{
    if (!exact) {
        value->known = false;
        memset(value->data, 0, value->elements * sizeof *value->data);
    }
}

static inline double fold2(enum hg_graph_kind kind, enum hg_dtype type, double a, double b)
{
    switch (kind) {
    case HG_GRAPH_KIND_SUM:
        return wrapped(type, a + b);
    case HG_GRAPH_KIND_PROD:
        return wrapped(type, a * b);
    case HG_GRAPH_KIND_AMIN:
        return fmin(a, b);
    default:
        return fmax(a, b);
    }
}

/* Whether folding the elements is exact in any order: no part of it can pass 2^53. */
static inline bool is_exact(enum hg_graph_kind kind, enum hg_dtype type, const double *elements,
                            uint64_t length, uint64_t stride)
{
    double bound = 1;
    for (uint64_t i = 0; type != HG_U8 && i < length; i++) {
        double size = fabs(elements[i * stride]);
        bound = kind == HG_GRAPH_KIND_PROD ? bound * fmax(size, 1) : bound + size;
    }
    return bound < 0x1p53;
}

/* The elements of one result, STRIDE apart; of ARGMAX which of them is the first largest. */
static inline double fold(const struct hg_graph_node *node, enum hg_dtype type,
                          const double *elements, uint64_t length, uint64_t stride)
{
    double folded = elements[0];
    uint64_t top = 0;
    for (uint64_t i = 1; i < length; i++) {
        top = elements[i * stride] > elements[top * stride] ? i : top;
        folded = fold2((enum hg_graph_kind)node->kind, type, folded, elements[i * stride]);
    }
    return node->kind == HG_GRAPH_KIND_ARGMAX ? (double)top : folded;
}

static inline bool evaluate_reduce(const struct hg_graph_node *node, const struct value *a,
                                   struct value *result)
{
    bool indexes = node->kind == HG_GRAPH_KIND_ARGMAX;
    enum hg_graph_kind kind = (enum hg_graph_kind)node->kind;
    if (a->elements == 0 || !takes_type(kind, a->type) ||
        (node->axis != HG_GRAPH_AXIS_ALL && node->axis >= a->shape.rank)) {
        return false;
    }
    bool exact = true;
    struct extent extent = extent_of(a, node->axis);
    struct hg_ir_shape shape = reduced_shape(node, a);
    *result = value_new(&shape, indexes ? HG_I64 : a->type, a->known && !rounds(kind));
    for (uint64_t i = 0; result->known && i < extent.outer; i++) {
        for (uint64_t k = 0; k < extent.inner; k++) {
            const double *first = a->data + i * extent.length * extent.inner + k;
            result->data[i * extent.inner + k] =
                fold(node, a->type, first, extent.length, extent.inner);
            exact = exact && is_exact(kind, a->type, first, extent.length, extent.inner);
        }
    }
    forget_unless(exact, result);
    return true;
}

/* softmax, layer_norm: the shape stays. */
static inline bool evaluate_rows(const struct hg_graph_node *node, const struct value *a,
                                 struct value *result)
{
    bool along = node->axis == HG_GRAPH_AXIS_ALL || node->axis < a->shape.rank;
    if (a->type != HG_F64 || a->shape.rank == 0 || a->elements == 0 || !along) {
        return false;
    }
    *result = value_new(&a->shape, HG_F64, false);
    return true;
}

static inline bool evaluate_loss(const struct value *a, const struct value *b, struct value *result)
{
    struct hg_ir_shape shape = a->shape;
    const struct hg_ir_shape scalar = {0};
    if (a->type != HG_F64 || b->type != HG_F64 || !broadcast_shape(&shape, &b->shape)) {
        return false;
    }
    *result = value_new(&scalar, HG_F64, false);
    return true;
}

/* ---- elsewhere ------------------------------------------------------------------------------- */

static inline bool evaluate_transpose(const struct hg_graph_node *node, const struct value *a,
                                      struct value *result)
{
    struct hg_ir_shape shape = {.rank = a->shape.rank};
    uint64_t strides[HG_GRAPH_RANK_MAX] = {0};
    uint64_t stride = 1;
    for (unsigned i = shape.rank; i-- > 0;) {
        strides[i] = stride;
        stride *= a->shape.size[i];
    }
    uint64_t from[HG_GRAPH_RANK_MAX] = {0};
    for (unsigned i = 0; i < shape.rank; i++) {
        uint64_t axis = node->rank != 0 ? node->sizes[i] : shape.rank - 1u - i;
        shape.size[i] = a->shape.size[axis];
        from[i] = strides[axis];
    }
    *result = value_new(&shape, a->type, a->known);
    for (uint64_t i = 0; i < result->elements; i++) {
        uint64_t index = i;
        uint64_t offset = 0;
        for (unsigned k = shape.rank; k-- > 0;) {
            offset += index % shape.size[k] * from[k];
            index /= shape.size[k];
        }
        result->data[i] = a->data[offset];
    }
    return true;
}

/* NODE's sizes are numbers that fit. */
static inline bool evaluate_view(const struct hg_graph_node *node, const struct value *a,
                                 struct value *result)
{
    struct hg_ir_shape shape = {.rank = node->rank};
    memcpy(shape.size, node->sizes, node->rank * sizeof shape.size[0]);
    *result = value_new(&shape, a->type, a->known); /* sample_free frees it */
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    for (uint64_t i = 0; i < result->elements; i++) {
        result->data[i] =
            node->kind == HG_GRAPH_KIND_RESHAPE ? a->data[i] : broadcast_get(a, &shape, i);
    }
    return true;
}

static inline bool evaluate_matmul(const struct value *a, const struct value *b,
                                   struct value *result)
{
    if (a->type != HG_F64 || b->type != HG_F64 || a->shape.rank != 2 || b->shape.rank != 2 ||
        a->shape.size[1] != b->shape.size[0]) {
        return false;
    }
    struct hg_ir_shape shape = {2, {a->shape.size[0], b->shape.size[1]}};
    uint64_t inner = a->shape.size[1];
    if (shape.size[0] * shape.size[1] * inner > 1000000) {
        return false;
    }
    *result = value_new(&shape, HG_F64, a->known && b->known);
    double bound = 0;
    for (uint64_t i = 0; result->known && i < result->elements; i++) {
        uint64_t row = i / shape.size[1];
        uint64_t col = i % shape.size[1];
        for (uint64_t k = 0; k < inner; k++) {
            double term = a->data[row * inner + k] * b->data[k * shape.size[1] + col];
            result->data[i] += term;
            bound = fmax(bound, fabs(term) * (double)inner);
        }
    }
    forget_unless(bound < 0x1p53, result);
    return true;
}

static inline bool evaluate_concatenate(const struct hg_graph_node *node, const struct value *a,
                                        const struct value *b, struct value *result)
{
    struct hg_ir_shape shape = a->shape;
    int32_t axis = node->axis;
    if (a->type != b->type || axis >= a->shape.rank || a->shape.rank != b->shape.rank) {
        return false;
    }
    for (int32_t i = 0; i < shape.rank; i++) {
        if (i != axis && a->shape.size[i] != b->shape.size[i]) {
            return false;
        }
    }
    shape.size[axis] += b->shape.size[axis];
    *result = value_new(&shape, a->type, a->known && b->known);
    struct extent extent = extent_of(a, axis);
    uint64_t first = extent.length * extent.inner;
    uint64_t second = b->shape.size[axis] * extent.inner;
    for (uint64_t i = 0; i < extent.outer; i++) {
        double *to = result->data + i * (first + second);
        memcpy(to, a->data + i * first, first * sizeof *to);
        memcpy(to + first, b->data + i * second, second * sizeof *to);
    }
    return true;
}

/* Slices of A along AXIS by indices that it has. */
static inline bool evaluate_take(const struct hg_graph_node *node, const struct value *a,
                                 const struct value *by, struct value *result)
{
    int32_t axis = node->axis;
    if (by->type == HG_F64 || !by->known || axis >= a->shape.rank ||
        a->shape.rank - 1 + by->shape.rank > HG_GRAPH_RANK_MAX) {
        return false;
    }
    struct extent extent = extent_of(a, axis);
    for (uint64_t i = 0; i < by->elements; i++) {
        if (by->data[i] >= (double)extent.length || by->data[i] < -(double)extent.length) {
            return false;
        }
    }
    struct hg_ir_shape shape = {0};
    for (int32_t i = 0; i < a->shape.rank; i++) {
        for (unsigned k = 0; i == axis && k < by->shape.rank; k++) {
            shape.size[shape.rank++] = by->shape.size[k];
        }
        if (i != axis) {
            shape.size[shape.rank++] = a->shape.size[i];
        }
    }
    if (!is_few(&shape)) {
        return false;
    }
    *result = value_new(&shape, a->type, a->known);
    for (uint64_t i = 0; i < result->elements; i++) {
        uint64_t within = i % extent.inner;
        uint64_t which = i / extent.inner % by->elements;
        uint64_t outer = i / extent.inner / by->elements;
        int64_t index = (int64_t)by->data[which];
        uint64_t slice = (uint64_t)(index < 0 ? index + (int64_t)extent.length : index);
        result->data[i] = a->data[(outer * extent.length + slice) * extent.inner + within];
    }
    return true;
}

/* NODE of the values IN; false if it does not take these. */
static inline bool evaluate(const struct hg_graph_node *node, const struct value *const in[3],
                            struct value *result)
{
    switch (node->kind) {
    case HG_GRAPH_KIND_WHERE:
        return evaluate_where(in[0], in[1], in[2], result);
    case HG_GRAPH_KIND_CLIP:
        return evaluate_clip(in[0], in[1], in[2], result);
    case HG_GRAPH_KIND_SUM:
    case HG_GRAPH_KIND_PROD:
    case HG_GRAPH_KIND_AMIN:
    case HG_GRAPH_KIND_AMAX:
    case HG_GRAPH_KIND_ARGMAX:
    case HG_GRAPH_KIND_MEAN:
    case HG_GRAPH_KIND_VAR:
        return evaluate_reduce(node, in[0], result);
    case HG_GRAPH_KIND_SOFTMAX:
    case HG_GRAPH_KIND_LAYER_NORM:
        return evaluate_rows(node, in[0], result);
    case HG_GRAPH_KIND_MSE:
    case HG_GRAPH_KIND_CROSS_ENTROPY:
    case HG_GRAPH_KIND_BINARY_CROSS_ENTROPY:
        return evaluate_loss(in[0], in[1], result);
    case HG_GRAPH_KIND_MATMUL:
        return evaluate_matmul(in[0], in[1], result);
    case HG_GRAPH_KIND_TRANSPOSE:
        return evaluate_transpose(node, in[0], result);
    case HG_GRAPH_KIND_RESHAPE:
    case HG_GRAPH_KIND_BROADCAST:
        return evaluate_view(node, in[0], result);
    case HG_GRAPH_KIND_CONCATENATE:
        return evaluate_concatenate(node, in[0], in[1], result);
    case HG_GRAPH_KIND_TAKE:
        return evaluate_take(node, in[0], in[1], result);
    default:
        return node->input_count == 1
                   ? evaluate1(node, in[0], result)
                   : evaluate2((enum hg_graph_kind)node->kind, in[0], in[1], result);
    }
}

#endif
