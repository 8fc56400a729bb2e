/* SPDX-License-Identifier: Apache-2.0 */
/* Oracle of what takes elements from other places: to the bit, sums over an axis excepted. */
#include "lib/base/check.h"
#include "lib/ops/reference_op.h"

/* A matrix of a transpose, or a table. */
static uint64_t rows_of(const struct hg_op_call *call)
{
    return hg_reference_size(call, "rows", call->operands[0].shape[0]);
}

static uint64_t cols_of(const struct hg_op_call *call)
{
    return hg_reference_size(call, "cols", call->operands[0].shape[1]);
}

/* a of sum_axis as outer x length x inner. */
static void axis_of(const struct hg_op_call *call, uint64_t *outer, uint64_t *length,
                    uint64_t *inner)
{
    const struct hg_op_operand *a = &call->operands[0];
    uint64_t n = hg_reference_size(call, "n", 0);
    uint64_t behind = 1;
    for (unsigned i = 1; n == 0 && i < a->rank; i++) {
        behind *= a->shape[i];
    }
    n = n == 0 ? a->elements : n;
    *inner = hg_reference_size(call, "inner", behind);
    *length = hg_reference_size(call, "length", n / *inner);
    *outer = *length == 0 ? 1 : n / *length / *inner;
}

uint64_t hg_reference_movement_count(const struct hg_op_call *call)
{
    switch (hg_reference_id(call)) {
    case HG_OP_ID_SUM_AXIS: {
        uint64_t outer;
        uint64_t length;
        uint64_t inner;
        axis_of(call, &outer, &length, &inner);
        return outer * inner;
    }
    case HG_OP_ID_TRANSPOSE:
        return rows_of(call) * cols_of(call);
    case HG_OP_ID_CONCAT:
        return call->operands[0].elements + call->operands[1].elements;
    default:
        HG_REQUIRE(hg_reference_id(call) == HG_OP_ID_GATHER_ROWS);
        return hg_reference_size(call, "n", call->operands[1].elements) * cols_of(call);
    }
}

static struct hg_expected moved(const struct hg_op_call *call, const void *const *contents,
                                unsigned operand, uint64_t index)
{
    return hg_reference_exactly(
        hg_reference_bits(call->operands[operand].type, contents[operand], index));
}

static struct hg_expected sum_element(const struct hg_op_call *call, const void *const *contents,
                                      uint64_t i)
{
    struct hg_reference_line line;
    uint64_t outer;
    axis_of(call, &outer, &line.count, &line.stride);
    line.first = i / line.stride * line.count * line.stride + i % line.stride;
    return hg_reference_sum(call->operands[0].type, contents[0], &line);
}

static struct hg_expected concat_element(const struct hg_op_call *call, const void *const *contents,
                                         uint64_t i)
{
    uint64_t rows = hg_reference_size(call, "rows", 1);
    uint64_t first_cols = call->operands[0].elements / rows;
    uint64_t second_cols = call->operands[1].elements / rows;
    uint64_t row = i / (first_cols + second_cols);
    uint64_t col = i % (first_cols + second_cols);
    return col < first_cols ? moved(call, contents, 0, row * first_cols + col)
                            : moved(call, contents, 1, row * second_cols + col - first_cols);
}

static struct hg_expected gathered_element(const struct hg_op_call *call,
                                           const void *const *contents, uint64_t i)
{
    uint64_t cols = cols_of(call);
    enum hg_dtype type = call->operands[1].type;
    uint64_t bits = hg_reference_bits(type, contents[1], i / cols);
    int64_t index = type == HG_I32 ? (int64_t)(int32_t)bits : (int64_t)bits;
    uint64_t row = (uint64_t)(index < 0 ? index + (int64_t)rows_of(call) : index);
    return moved(call, contents, 0, row * cols + i % cols);
}

static struct hg_expected element(const struct hg_op_call *call, const void *const *contents,
                                  uint64_t i)
{
    switch (hg_reference_id(call)) {
    case HG_OP_ID_SUM_AXIS:
        return sum_element(call, contents, i);
    case HG_OP_ID_TRANSPOSE:
        return moved(call, contents, 0, i % rows_of(call) * cols_of(call) + i / rows_of(call));
    case HG_OP_ID_CONCAT:
        return concat_element(call, contents, i);
    default:
        return gathered_element(call, contents, i);
    }
}

void hg_reference_movement(const struct hg_op_call *call, const void *const *contents,
                           uint64_t count, struct hg_expected *expected)
{
    for (uint64_t i = 0; i < count; i++) {
        expected[i] = element(call, contents, i);
    }
}
