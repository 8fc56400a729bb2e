/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers: without a type until they meet one that has, and folded among themselves. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/graph/primitive.h"
#include "lib/ops/value.h"

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
    hg_ir_node_init(&node, HG_GRAPH_KIND_LITERAL);
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
    if (binder->failed || !hg_ir_is_open(hg_binder_node(binder, a))) {
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

bool hg_binder_fold_open(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, uint32_t b,
                         uint32_t *folded)
{
    const struct hg_ir_node *left = hg_binder_node(binder, a);
    const struct hg_ir_node *right = hg_binder_node(binder, b);
    double value;
    if (!hg_ir_is_open(left) || !hg_ir_is_open(right) ||
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
