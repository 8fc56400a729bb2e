/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain evaluation of graphs' nodes, element by element, for evaluate.h: values are doubles that
 * hold what a node of type F64, U8 or I64 has. What rounds is not computed: its value is not known,
 * only its shape, and so is whatever follows from it.
 */
#ifndef HG_TESTS_UNIT_GRAPH_EVALUATE_MAPS_H
#define HG_TESTS_UNIT_GRAPH_EVALUATE_MAPS_H

#include "tests/unit/graph/support.h"

/* What one value may have: graphs are evaluated often. */
#define ELEMENTS_MAX 60000

static inline bool is_few(const struct hg_ir_shape *shape)
{
    uint64_t elements;
    return hg_ir_elements(shape, &elements) && elements <= ELEMENTS_MAX;
}

struct value {
    enum hg_dtype type;
    bool known;
    struct hg_ir_shape shape;
    uint64_t elements;
    double *data; /* of a value that is not known: zeros */
};

static inline struct value value_new(const struct hg_ir_shape *shape, enum hg_dtype type,
                                     bool known)
{
    struct value value = {.type = type, .known = known, .shape = *shape};
    assert_true(hg_ir_elements(shape, &value.elements));
    value.data = calloc(value.elements + 1, sizeof *value.data);
    assert_non_null(value.data);
    return value;
}

/* Kinds that round: their results are compared between executors, not with an evaluation. */
static inline bool rounds(enum hg_graph_kind kind)
{
    switch (kind) {
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
    case HG_GRAPH_KIND_DIVIDE:
    case HG_GRAPH_KIND_POWER:
    case HG_GRAPH_KIND_MEAN:
    case HG_GRAPH_KIND_VAR:
    case HG_GRAPH_KIND_GELU:
    case HG_GRAPH_KIND_SOFTMAX:
    case HG_GRAPH_KIND_LAYER_NORM:
    case HG_GRAPH_KIND_MSE:
    case HG_GRAPH_KIND_CROSS_ENTROPY:
    case HG_GRAPH_KIND_BINARY_CROSS_ENTROPY:
        return true;
    default:
        return false;
    }
}

/* ---- element by element ---------------------------------------------------------------------- */

/* The element of VALUE that element INDEX of SHAPE reads when it is broadcast. */
static inline double broadcast_get(const struct value *value, const struct hg_ir_shape *shape,
                                   uint64_t index)
{
    uint64_t offset = 0;
    uint64_t stride = 1;
    for (unsigned i = 0; i < shape->rank; i++) {
        unsigned axis = shape->rank - 1 - i;
        uint64_t at = index % shape->size[axis];
        index /= shape->size[axis];
        if (i < value->shape.rank) {
            uint64_t size = value->shape.size[value->shape.rank - 1 - i];
            offset += size == 1 ? 0 : at * stride;
            stride *= size;
        }
    }
    return value->data[offset];
}

static inline bool broadcast_shape(struct hg_ir_shape *shape, const struct hg_ir_shape *other)
{
    struct hg_ir_shape joined = {.rank = shape->rank > other->rank ? shape->rank : other->rank};
    for (unsigned i = 0; i < joined.rank; i++) {
        uint64_t a = i < shape->rank ? shape->size[shape->rank - 1 - i] : 1;
        uint64_t b = i < other->rank ? other->size[other->rank - 1 - i] : 1;
        if (a != b && a != 1 && b != 1) {
            return false;
        }
        joined.size[joined.rank - 1 - i] = a == 1 ? b : a;
    }
    *shape = joined;
    return is_few(shape);
}

/* An exact result in TYPE. */
static inline double wrapped(enum hg_dtype type, double x)
{
    return type == HG_U8 ? (double)((uint64_t)(int64_t)x & 255) : x;
}

static inline double apply1(enum hg_graph_kind kind, enum hg_dtype type, double a)
{
    switch (kind) {
    case HG_GRAPH_KIND_NEGATIVE:
        return -a;
    case HG_GRAPH_KIND_ABSOLUTE:
        return fabs(a);
    case HG_GRAPH_KIND_RELU:
        return a > 0 ? a : 0;
    case HG_GRAPH_KIND_INVERT:
        return type == HG_U8 ? 255 - a : -1 - a;
    case HG_GRAPH_KIND_SQUARE:
        return wrapped(type, a * a);
    default:
        assert_int_equal(kind, HG_GRAPH_KIND_CAST);
        return a;
    }
}

static inline double apply2(enum hg_graph_kind kind, enum hg_dtype type, double a, double b)
{
    const int64_t x = (int64_t)a;
    const int64_t y = (int64_t)b;
    switch (kind) {
    case HG_GRAPH_KIND_ADD:
        return wrapped(type, a + b);
    case HG_GRAPH_KIND_SUBTRACT:
        return wrapped(type, a - b);
    case HG_GRAPH_KIND_MULTIPLY:
        return wrapped(type, a * b);
    case HG_GRAPH_KIND_MINIMUM:
        return fmin(a, b);
    case HG_GRAPH_KIND_MAXIMUM:
        return fmax(a, b);
    case HG_GRAPH_KIND_AND:
        return (double)(x & y);
    case HG_GRAPH_KIND_OR:
        return (double)(x | y);
    case HG_GRAPH_KIND_XOR:
        return (double)(x ^ y);
    case HG_GRAPH_KIND_LEFT_SHIFT:
        return wrapped(type, (double)(x << (y & 7)));
    case HG_GRAPH_KIND_RIGHT_SHIFT:
        return (double)(x >> (y & 7));
    case HG_GRAPH_KIND_EQUAL:
        return a == b;
    case HG_GRAPH_KIND_NOT_EQUAL:
        return a != b;
    case HG_GRAPH_KIND_LESS:
        return a < b;
    case HG_GRAPH_KIND_LESS_EQUAL:
        return a <= b;
    case HG_GRAPH_KIND_GREATER:
        return a > b;
    default:
        assert_int_equal(kind, HG_GRAPH_KIND_GREATER_EQUAL);
        return a >= b;
    }
}

/* Whether the kind takes elements of TYPE: of integers, what cannot fail, and shifts of bytes. */
static inline bool takes_type(enum hg_graph_kind kind, enum hg_dtype type)
{
    switch (kind) {
    case HG_GRAPH_KIND_NEGATIVE:
    case HG_GRAPH_KIND_ABSOLUTE:
        return type != HG_U8;
    case HG_GRAPH_KIND_LEFT_SHIFT:
    case HG_GRAPH_KIND_RIGHT_SHIFT:
        return type == HG_U8;
    case HG_GRAPH_KIND_INVERT:
    case HG_GRAPH_KIND_AND:
    case HG_GRAPH_KIND_OR:
    case HG_GRAPH_KIND_XOR:
        return type != HG_F64;
    default:
        return type == HG_F64 || !rounds(kind);
    }
}

static inline bool evaluate1(const struct hg_graph_node *node, const struct value *a,
                             struct value *result)
{
    enum hg_graph_kind kind = (enum hg_graph_kind)node->kind;
    bool casts = kind == HG_GRAPH_KIND_CAST;
    if (!takes_type(kind, a->type)) {
        return false;
    }
    *result = value_new(&a->shape, casts ? HG_F64 : a->type, a->known && !rounds(kind));
    for (uint64_t i = 0; result->known && i < result->elements; i++) {
        result->data[i] = apply1(kind, a->type, a->data[i]);
    }
    return true;
}

static inline bool evaluate2(enum hg_graph_kind kind, const struct value *a, const struct value *b,
                             struct value *result)
{
    struct hg_ir_shape shape = a->shape;
    if (a->type != b->type || !takes_type(kind, a->type) || !broadcast_shape(&shape, &b->shape)) {
        return false;
    }
    bool compares = hg_graph_kind_info(kind)->class == HG_GRAPH_COMPARE;
    *result = value_new(&shape, compares ? HG_U8 : a->type, a->known && b->known && !rounds(kind));
    for (uint64_t i = 0; result->known && i < result->elements; i++) {
        result->data[i] =
            apply2(kind, a->type, broadcast_get(a, &shape, i), broadcast_get(b, &shape, i));
    }
    return true;
}

static inline bool evaluate_where(const struct value *c, const struct value *a,
                                  const struct value *b, struct value *result)
{
    struct hg_ir_shape shape = c->shape;
    if (a->type != b->type || !broadcast_shape(&shape, &a->shape) ||
        !broadcast_shape(&shape, &b->shape)) {
        return false;
    }
    *result = value_new(&shape, a->type, a->known && b->known && c->known);
    for (uint64_t i = 0; result->known && i < result->elements; i++) {
        result->data[i] = broadcast_get(c, &shape, i) != 0 ? broadcast_get(a, &shape, i)
                                                           : broadcast_get(b, &shape, i);
    }
    return true;
}

static inline bool evaluate_clip(const struct value *x, const struct value *low,
                                 const struct value *high, struct value *result)
{
    struct value raised;
    if (high->type != x->type || !evaluate2(HG_GRAPH_KIND_MAXIMUM, x, low, &raised)) {
        return false;
    }
    bool fits = evaluate2(HG_GRAPH_KIND_MINIMUM, &raised, high, result);
    free(raised.data);
    return fits;
}

#endif
