/* SPDX-License-Identifier: Apache-2.0 */
/* Oracle of what is rounded once or not at all: results are expected to the bit. */
#include <math.h>

#include "lib/base/check.h"
#include "lib/ops/reference_op.h"
#include "lib/ops/value.h"

static int64_t as_signed(enum hg_dtype type, uint64_t bits)
{
    uint32_t unused = 64 - hg_dtype_bytes(type) * 8;
    return (int64_t)(bits << unused) >> unused;
}

/* The operations of two operands, as which all others are written. */
enum basic { ADD, SUB, MUL, DIV, MIN, MAX };

static uint64_t divide_ints(enum hg_dtype type, uint64_t a, uint64_t b)
{
    if (!hg_dtype_in(type, HG_DT_SINT)) {
        return a / b;
    }
    int64_t dividend = as_signed(type, a);
    int64_t divisor = as_signed(type, b);
    /* The least integer by -1 is itself. */
    return divisor == -1 ? 0 - (uint64_t)dividend : (uint64_t)(dividend / divisor);
}

static uint64_t basic_ints(enum basic op, enum hg_dtype type, uint64_t a, uint64_t b)
{
    switch (op) {
    case ADD:
        return hg_value_truncate(type, a + b);
    case SUB:
        return hg_value_truncate(type, a - b);
    case MUL:
        return hg_value_truncate(type, a * b);
    case DIV:
        return hg_value_truncate(type, divide_ints(type, a, b));
    case MIN:
        return hg_value_less(type, b, a) ? b : a;
    case MAX:
        return hg_value_less(type, a, b) ? b : a;
    }
    return 0;
}

/* IEEE 754-2019 minimumNumber and maximumNumber: NaN yields the other, -0 is below +0. */
static uint64_t extreme(bool smaller, enum hg_dtype type, uint64_t a, uint64_t b)
{
    long double x = hg_reference_float(type, a);
    long double y = hg_reference_float(type, b);
    if (isnan(x)) {
        return b;
    }
    if (isnan(y)) {
        return a;
    }
    bool a_below = x < y || (x == y && signbit(x) && !signbit(y));
    return a_below == smaller ? a : b;
}

/* Arithmetic in the machine's own type; halves compute in F32 and round once more. */
static uint64_t basic_floats(enum basic op, enum hg_dtype type, uint64_t a, uint64_t b)
{
    if (op == MIN || op == MAX) {
        return extreme(op == MIN, type, a, b);
    }
    long double x = hg_reference_float(type, a);
    long double y = hg_reference_float(type, b);
    if (type == HG_F64) {
        double u = (double)x;
        double v = (double)y;
        double result = op == ADD ? u + v : op == SUB ? u - v : op == MUL ? u * v : u / v;
        return hg_reference_round(type, (long double)result);
    }
    float u = (float)x;
    float v = (float)y;
    float result = op == ADD ? u + v : op == SUB ? u - v : op == MUL ? u * v : u / v;
    return hg_reference_round(type, (long double)result);
}

static uint64_t basic(enum basic op, enum hg_dtype type, uint64_t a, uint64_t b)
{
    return hg_dtype_in(type, HG_DT_FLOAT) ? basic_floats(op, type, a, b)
                                          : basic_ints(op, type, a, b);
}

static uint64_t sign_bit(enum hg_dtype type)
{
    return UINT64_C(1) << (hg_dtype_bytes(type) * 8 - 1);
}

static uint64_t negate(enum hg_dtype type, uint64_t a)
{
    return hg_dtype_in(type, HG_DT_FLOAT) ? a ^ sign_bit(type) : basic_ints(SUB, type, 0, a);
}

/* Whether A and B, floats or integers, stand in the relation; a NaN only differs. */
static bool relation(enum hg_op_id op, enum hg_dtype type, uint64_t a, uint64_t b)
{
    bool unordered = hg_value_is_nan(type, a) || hg_value_is_nan(type, b);
    bool less = hg_value_less(type, a, b);
    bool greater = hg_value_less(type, b, a);
    switch (op) {
    case HG_OP_ID_EQUAL:
        return !unordered && !less && !greater;
    case HG_OP_ID_NOT_EQUAL:
        return unordered || less || greater;
    case HG_OP_ID_LESS:
        return less;
    case HG_OP_ID_LESS_EQUAL:
        return !unordered && !greater;
    case HG_OP_ID_GREATER:
        return greater;
    default:
        HG_REQUIRE(op == HG_OP_ID_GREATER_EQUAL);
        return !unordered && !less;
    }
}

/* The operation on bits A; B is the second operand's element, where there is one. */
static uint64_t apply(const struct hg_op_call *call, uint64_t a, uint64_t b)
{
    enum hg_dtype type = hg_op_call_type(call);
    enum hg_op_id op = hg_reference_id(call);
    switch (op) {
    case HG_OP_ID_VECTOR_ADD:
        return basic(ADD, type, a, b);
    case HG_OP_ID_VECTOR_SUB:
        return basic(SUB, type, a, b);
    case HG_OP_ID_VECTOR_MUL:
        return basic(MUL, type, a, b);
    case HG_OP_ID_VECTOR_DIV:
        return basic(DIV, type, a, b);
    case HG_OP_ID_MIN:
        return basic(MIN, type, a, b);
    case HG_OP_ID_MAX:
        return basic(MAX, type, a, b);
    case HG_OP_ID_ABS:
        return (a & sign_bit(type)) != 0 ? negate(type, a) : a;
    case HG_OP_ID_NEG:
        return negate(type, a);
    case HG_OP_ID_RELU:
        return basic(MAX, type, a, 0);
    case HG_OP_ID_CLIP:
        return basic(MIN, type, basic(MAX, type, a, hg_reference_attribute(call, "lo")),
                     hg_reference_attribute(call, "hi"));
    case HG_OP_ID_SCALAR_ADD:
        return basic(ADD, type, a, hg_reference_attribute(call, "s"));
    case HG_OP_ID_SCALAR_MUL:
        return basic(MUL, type, a, hg_reference_attribute(call, "s"));
    case HG_OP_ID_COPY:
        return a;
    case HG_OP_ID_EQUAL:
    case HG_OP_ID_NOT_EQUAL:
    case HG_OP_ID_LESS:
    case HG_OP_ID_LESS_EQUAL:
    case HG_OP_ID_GREATER:
    case HG_OP_ID_GREATER_EQUAL:
        return relation(op, type, a, b) ? 1 : 0;
    default:
        HG_REQUIRE(op == HG_OP_ID_FILL);
        return hg_reference_attribute(call, "value");
    }
}

void hg_reference_elementwise(const struct hg_op_call *call, const void *const *contents,
                              uint64_t count, struct hg_expected *expected)
{
    enum hg_dtype type = call->operands[0].type;
    bool binary = call->op->inputs == 2;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t a = call->op->inputs == 0 ? 0 : hg_reference_bits(type, contents[0], i);
        uint64_t b = 0;
        if (binary) {
            b = hg_reference_bits(type, contents[1], i % call->operands[1].elements);
        }
        expected[i] = hg_reference_exactly(apply(call, a, b));
    }
}

static uint64_t repeated(const struct hg_op_call *call, const void *const *contents,
                         unsigned operand, uint64_t lane)
{
    const struct hg_op_operand *from = &call->operands[operand];
    return hg_reference_bits(from->type, contents[operand], lane % from->elements);
}

void hg_reference_where(const struct hg_op_call *call, const void *const *contents, uint64_t count,
                        struct hg_expected *expected)
{
    for (uint64_t i = 0; i < count; i++) {
        unsigned chosen = repeated(call, contents, 0, i) != 0 ? 1 : 2;
        expected[i] = hg_reference_exactly(repeated(call, contents, chosen, i));
    }
}

/* ---- reductions ------------------------------------------------------------------------------ */

static struct hg_expected sum_floats(enum hg_dtype type, const void *data,
                                     const struct hg_reference_line *line)
{
    long double sum = 0;
    long double magnitudes = 0;
    for (uint64_t i = 0; i < line->count; i++) {
        uint64_t index = line->first + i * line->stride;
        long double term = hg_reference_float(type, hg_reference_bits(type, data, index));
        sum += term;
        magnitudes += fabsl(term);
    }
    long double error = hg_reference_gamma(type, line->count) * magnitudes;
    return hg_reference_near(sum, error + hg_reference_ulp(type, fabsl(sum) + error) / 2);
}

static uint64_t fold(enum basic op, enum hg_dtype type, const void *data,
                     const struct hg_reference_line *line, uint64_t start)
{
    uint64_t folded = start;
    for (uint64_t i = 0; i < line->count; i++) {
        uint64_t index = line->first + i * line->stride;
        folded = basic(op, type, folded, hg_reference_bits(type, data, index));
    }
    return folded;
}

struct hg_expected hg_reference_sum(enum hg_dtype type, const void *data,
                                    const struct hg_reference_line *line)
{
    return hg_dtype_in(type, HG_DT_FLOAT) ? sum_floats(type, data, line)
                                          : hg_reference_exactly(fold(ADD, type, data, line, 0));
}

void hg_reference_reduce(const struct hg_op_call *call, const void *const *contents, uint64_t count,
                         struct hg_expected *expected)
{
    enum hg_dtype type = call->operands[0].type;
    uint64_t n = hg_reference_size(call, "n", call->operands[0].elements);
    uint64_t cols = hg_reference_cols(call, n);
    for (uint64_t row = 0; row < count; row++) {
        const struct hg_reference_line line = {row * cols, 1, cols};
        if (hg_reference_id(call) == HG_OP_ID_SUM) {
            expected[row] = hg_reference_sum(type, contents[0], &line);
        } else {
            enum basic op = hg_reference_id(call) == HG_OP_ID_REDUCE_MIN ? MIN : MAX;
            uint64_t start = hg_reference_bits(type, contents[0], line.first);
            expected[row] = hg_reference_exactly(fold(op, type, contents[0], &line, start));
        }
    }
}
