/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/reference.h"

#include <math.h>

#include "lib/base/check.h"
#include "lib/ops/reference_op.h"

enum hg_op_id hg_reference_id(const struct hg_op_call *call)
{
    return (enum hg_op_id)(call->op - hg_op_info((enum hg_op_id)0));
}

static unsigned attribute_index(const struct hg_op_call *call, const char *name)
{
    unsigned index = 0;
    while (strcmp(call->op->attributes[index].name, name) != 0) {
        index++;
        HG_REQUIRE(index < call->op->attribute_count);
    }
    return index;
}

uint64_t hg_reference_size(const struct hg_op_call *call, const char *name, uint64_t otherwise)
{
    unsigned index = attribute_index(call, name);
    return (call->attributes_given >> index & 1u) != 0 ? call->attribute[index] : otherwise;
}

uint64_t hg_reference_attribute(const struct hg_op_call *call, const char *name)
{
    return call->attribute[attribute_index(call, name)];
}

long double hg_reference_wide(const struct hg_op_call *call, const char *name)
{
    unsigned index = attribute_index(call, name);
    if ((call->attributes_given >> index & 1u) == 0) {
        return (long double)call->op->attributes[index].default_value;
    }
    return hg_reference_float(hg_reference_wide_type(call), call->attribute[index]);
}

enum hg_dtype hg_reference_wide_type(const struct hg_op_call *call)
{
    return hg_op_call_type(call) == HG_F64 ? HG_F64 : HG_F32;
}

struct hg_expected hg_reference_near(long double value, long double error_max)
{
    return (struct hg_expected){.exact = false, .value = value, .error_max = error_max};
}

struct hg_expected hg_reference_exactly(uint64_t bits)
{
    return (struct hg_expected){.exact = true, .bits = bits};
}

static bool takes_last_dimension(enum hg_op_id id)
{
    return id == HG_OP_ID_SOFTMAX || id == HG_OP_ID_LAYER_NORM;
}

/* Elements in a row: cols if given and not 0, for softmax and layer_norm the last dimension, else
 * all. */
uint64_t hg_reference_cols(const struct hg_op_call *call, uint64_t n)
{
    const struct hg_op_operand *a = &call->operands[0];
    uint64_t otherwise = 0;
    if (takes_last_dimension(hg_reference_id(call)) && a->rank >= 2 && n == a->elements) {
        otherwise = a->shape[a->rank - 1];
    }
    uint64_t cols = hg_reference_size(call, "cols", otherwise);
    return cols == 0 ? n : cols;
}

uint64_t hg_op_reference_count(const struct hg_op_call *call)
{
    uint64_t elements = call->operands[0].elements;
    switch (hg_reference_id(call)) {
    case HG_OP_ID_SUM:
    case HG_OP_ID_REDUCE_MIN:
    case HG_OP_ID_REDUCE_MAX:
    case HG_OP_ID_MEAN:
    case HG_OP_ID_VAR:
    case HG_OP_ID_ARGMAX: {
        uint64_t n = hg_reference_size(call, "n", elements);
        uint64_t cols = hg_reference_cols(call, n);
        return cols == 0 ? 1 : n / cols;
    }
    case HG_OP_ID_GEMM:
    case HG_OP_ID_LINEAR:
    case HG_OP_ID_MATVEC: {
        struct hg_reference_product product;
        hg_reference_product_init(call, &product);
        return product.m * product.n;
    }
    case HG_OP_ID_SUM_AXIS:
    case HG_OP_ID_TRANSPOSE:
    case HG_OP_ID_CONCAT:
    case HG_OP_ID_GATHER_ROWS:
        return hg_reference_movement_count(call);
    case HG_OP_ID_MSE:
    case HG_OP_ID_CROSS_ENTROPY:
    case HG_OP_ID_BINARY_CROSS_ENTROPY:
        return 1;
    default:
        return hg_reference_size(call, "n", elements);
    }
}

void hg_op_reference(const struct hg_op_call *call, const void *const contents[HG_OP_OPERANDS_MAX],
                     struct hg_expected *expected)
{
    uint64_t n = hg_op_reference_count(call);
    switch (hg_reference_id(call)) {
    case HG_OP_ID_SQRT:
    case HG_OP_ID_RSQRT:
    case HG_OP_ID_EXP:
    case HG_OP_ID_LOG:
    case HG_OP_ID_LOG2:
    case HG_OP_ID_LOG10:
    case HG_OP_ID_SIN:
    case HG_OP_ID_COS:
    case HG_OP_ID_TAN:
    case HG_OP_ID_ERF:
    case HG_OP_ID_POW:
    case HG_OP_ID_SIGMOID:
    case HG_OP_ID_TANH:
    case HG_OP_ID_GELU:
        hg_reference_activation(call, contents, n, expected);
        break;
    case HG_OP_ID_WHERE:
        hg_reference_where(call, contents, n, expected);
        break;
    case HG_OP_ID_SOFTMAX:
        hg_reference_softmax(call, contents, n, expected);
        break;
    case HG_OP_ID_SUM:
    case HG_OP_ID_REDUCE_MIN:
    case HG_OP_ID_REDUCE_MAX:
        hg_reference_reduce(call, contents, n, expected);
        break;
    case HG_OP_ID_MEAN:
    case HG_OP_ID_VAR:
    case HG_OP_ID_ARGMAX:
        hg_reference_statistic(call, contents, n, expected);
        break;
    case HG_OP_ID_SUM_AXIS:
    case HG_OP_ID_TRANSPOSE:
    case HG_OP_ID_CONCAT:
    case HG_OP_ID_GATHER_ROWS:
        hg_reference_movement(call, contents, n, expected);
        break;
    case HG_OP_ID_LAYER_NORM:
        hg_reference_layer_norm(call, contents, n, expected);
        break;
    case HG_OP_ID_GEMM:
    case HG_OP_ID_LINEAR:
    case HG_OP_ID_MATVEC:
        hg_reference_linalg(call, contents, expected);
        break;
    case HG_OP_ID_MSE:
    case HG_OP_ID_CROSS_ENTROPY:
    case HG_OP_ID_BINARY_CROSS_ENTROPY:
        hg_reference_loss(call, contents, expected);
        break;
    default:
        hg_reference_elementwise(call, contents, n, expected);
        break;
    }
}

bool hg_op_reference_meets(const struct hg_expected *expected, enum hg_dtype type,
                           const void *result, uint64_t index)
{
    uint64_t bits = hg_reference_bits(type, result, index);
    if (!hg_dtype_in(type, HG_DT_FLOAT)) {
        return bits == expected->bits;
    }
    long double value = hg_reference_float(type, bits);
    if (expected->exact) {
        long double wanted = hg_reference_float(type, expected->bits);
        return isnan(wanted) ? isnan(value) : bits == expected->bits;
    }
    if (isnan(expected->value)) {
        return isnan(value);
    }
    if (isinf(expected->value)) {
        return value == expected->value;
    }
    if (isinf(value)) {
        /* Right if the expected value, with its error, rounds to infinity. */
        long double edge = copysignl(fabsl(expected->value) + expected->error_max, value);
        return signbit(expected->value) == signbit(value) &&
               isinf(hg_reference_float(type, hg_reference_round(type, edge)));
    }
    return fabsl(value - expected->value) <= expected->error_max;
}
