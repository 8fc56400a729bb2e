/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/op_data.h"

#include <math.h>
#include <string.h>

#include "lib/ops/reference_value.h"

uint64_t op_random_bits(struct op_random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * UINT64_C(0x2545f4914f6cdd1d);
}

double op_random_between(struct op_random *random, double low, double high)
{
    double unit = (double)(op_random_bits(random) >> 11) * 0x1p-53;
    return low + (high - low) * unit;
}

static void set_bits(enum hg_dtype type, void *data, uint64_t index, uint64_t bits)
{
    uint32_t bytes = hg_dtype_bytes(type);
    memcpy((uint8_t *)data + index * bytes, &bits, bytes);
}

void op_data_set(enum hg_dtype type, void *data, uint64_t index, double value)
{
    uint64_t bits = hg_dtype_in(type, HG_DT_FLOAT) ? hg_reference_round(type, (long double)value)
                    : value < 0                    ? (uint64_t)(int64_t)value
                                                   : (uint64_t)value;
    set_bits(type, data, index, bits);
}

double op_data_get(enum hg_dtype type, const void *data, uint64_t index)
{
    uint64_t bits = hg_reference_bits(type, data, index);
    if (hg_dtype_in(type, HG_DT_FLOAT)) {
        return (double)hg_reference_float(type, bits);
    }
    if (hg_dtype_in(type, HG_DT_UINT)) {
        return (double)bits;
    }
    uint32_t unused = 64 - hg_dtype_bytes(type) * 8;
    return (double)((int64_t)(bits << unused) >> unused);
}

/* The range in which an operation's floats are drawn; whether specials are mixed in, and whether
 * they are whole numbers, of which many are equal. */
struct range {
    double low;
    double high;
    bool specials;
    bool whole;
};

static struct range range_of(const struct hg_op_call *call, unsigned operand)
{
    enum hg_op_id id = (enum hg_op_id)(call->op - hg_op_info((enum hg_op_id)0));
    switch (id) {
    case HG_OP_ID_SIGMOID:
    case HG_OP_ID_TANH:
    case HG_OP_ID_GELU:
    case HG_OP_ID_EXP:
    case HG_OP_ID_ERF:
        return (struct range){-12, 12, true, false};
    case HG_OP_ID_SQRT:
    case HG_OP_ID_RSQRT:
    case HG_OP_ID_LOG:
    case HG_OP_ID_LOG2:
    case HG_OP_ID_LOG10:
        return (struct range){0, 100, true, false};
    case HG_OP_ID_POW:
        return operand == 0 ? (struct range){0, 12, true, false}
                            : (struct range){-4, 4, true, false};
    case HG_OP_ID_EQUAL:
    case HG_OP_ID_NOT_EQUAL:
    case HG_OP_ID_LESS:
    case HG_OP_ID_LESS_EQUAL:
    case HG_OP_ID_GREATER:
    case HG_OP_ID_GREATER_EQUAL:
        return (struct range){-2, 2, true, true};
    case HG_OP_ID_SOFTMAX:
        return (struct range){-4, 4, false, false};
    case HG_OP_ID_ARGMAX:
        return (struct range){-100, 100, true, true};
    case HG_OP_ID_SUM:
    case HG_OP_ID_SUM_AXIS:
    case HG_OP_ID_MEAN:
    case HG_OP_ID_VAR:
    case HG_OP_ID_LAYER_NORM:
    case HG_OP_ID_GEMM:
    case HG_OP_ID_MATVEC:
    case HG_OP_ID_LINEAR:
        return (struct range){-1, 1, false, false};
    case HG_OP_ID_MSE:
    case HG_OP_ID_CROSS_ENTROPY:
    case HG_OP_ID_BINARY_CROSS_ENTROPY:
        return operand == 0 ? (struct range){0.01, 0.99, false, false}
                            : (struct range){0, 1, false, false};
    default:
        return (struct range){-100, 100, true, false};
    }
}

/* Zeros, ones, infinities, NaN, the least and greatest magnitudes, ties of clip's limits. */
static double special_float(enum hg_dtype type, uint64_t choice)
{
    switch (choice % 12) {
    case 0:
        return 0;
    case 1:
        return -0.0;
    case 2:
        return (double)INFINITY;
    case 3:
        return -(double)INFINITY;
    case 4:
        return (double)NAN;
    case 5:
        return (double)hg_reference_ulp(type, 0);
    case 6:
        return -3 * (double)hg_reference_ulp(type, 0);
    case 7:
        return type == HG_F16 ? 65504 : type == HG_F64 ? 0x1.fffffffffffffp1023 : 0x1.fep127;
    case 8:
        return type == HG_F16 ? -60000 : -1e38;
    case 9:
        return 1;
    case 10:
        return -90;
    default:
        return 5;
    }
}

static uint64_t special_int(enum hg_dtype type, uint64_t choice)
{
    uint64_t top = UINT64_C(1) << (hg_dtype_bytes(type) * 8 - 1);
    switch (choice % 6) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return UINT64_MAX;
    case 3:
        return top;
    case 4:
        return top - 1;
    default:
        return 2;
    }
}

static bool is_compare(const struct hg_op *op)
{
    return strcmp(op->module, "compare") == 0;
}

static uint64_t draw_int(const struct hg_op_call *call, unsigned operand, struct op_random *random)
{
    enum hg_dtype type = call->operands[operand].type;
    uint64_t draw = op_random_bits(random);
    if (call->op == hg_op_info(HG_OP_ID_GATHER_ROWS) && operand == 1) {
        uint64_t rows = call->operands[0].shape[0];
        bool from_end = type != HG_U32 && (draw >> 63) != 0;
        return draw % rows - (from_end ? rows : 0);
    }
    uint64_t bits = (draw >> 60) == 0 ? special_int(type, draw & 0xff) : draw;
    if (is_compare(call->op) && (draw >> 59) % 2 == 0) {
        bits = (draw & 3) - 2; /* some are equal, some conditions are 0 */
    }
    bool divisor = call->op == hg_op_info(HG_OP_ID_VECTOR_DIV) && operand == 1;
    uint64_t mask = UINT64_MAX >> (64 - 8 * hg_dtype_bytes(type));
    return divisor && (bits & mask) == 0 ? 3 : bits;
}

void op_data_fill(const struct hg_op_call *call, unsigned operand, struct op_random *random,
                  void *data)
{
    enum hg_dtype type = call->operands[operand].type;
    struct range range = range_of(call, operand);
    for (uint64_t i = 0; i < call->operands[operand].elements; i++) {
        if (!hg_dtype_in(type, HG_DT_FLOAT)) {
            set_bits(type, data, i, draw_int(call, operand, random));
        } else if (range.specials && (op_random_bits(random) >> 60) == 0) {
            op_data_set(type, data, i, special_float(type, op_random_bits(random) >> 8));
        } else {
            double value = op_random_between(random, range.low, range.high);
            op_data_set(type, data, i, range.whole ? rint(value) : value);
        }
    }
}
