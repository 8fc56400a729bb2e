/* SPDX-License-Identifier: Apache-2.0 */
/* Oracle of activations, softmax, losses and matrix products: long double, with allowed errors. */
#include <math.h>

#include "lib/base/check.h"
#include "lib/ops/build.h"
#include "lib/ops/reference_op.h"

static long double element(enum hg_dtype type, const void *data, uint64_t index)
{
    return hg_reference_float(type, hg_reference_bits(type, data, index));
}

/* ---- activations ----------------------------------------------------------------------------- */

/* Bounds in ulp: lib/isa/README.md, the instructions. */
static long double transcendental_ulps(enum hg_op_id op, enum hg_dtype type)
{
    if (hg_dtype_in(type, HG_DT_HALF)) {
        return 1;
    }
    switch (op) {
    case HG_OP_ID_SQRT:
        return 0.5L;
    case HG_OP_ID_RSQRT:
        return 1.5L;
    default:
        return type == HG_F32 ? 2 : 4;
    }
}

static long double gelu(long double x)
{
    long double u = (long double)HG_GELU_SLOPE * (x + (long double)HG_GELU_CUBIC * x * x * x);
    return x / (1 + expl(-2 * u));
}

/* Of X, and of Y where there are two operands. */
static long double apply(enum hg_op_id op, long double x, long double y)
{
    switch (op) {
    case HG_OP_ID_SQRT:
        return sqrtl(x);
    case HG_OP_ID_RSQRT:
        return 1 / sqrtl(x);
    case HG_OP_ID_EXP:
        return expl(x);
    case HG_OP_ID_LOG:
        return logl(x);
    case HG_OP_ID_LOG2:
        return log2l(x);
    case HG_OP_ID_LOG10:
        return log10l(x);
    case HG_OP_ID_SIN:
        return sinl(x);
    case HG_OP_ID_COS:
        return cosl(x);
    case HG_OP_ID_TAN:
        return tanl(x);
    case HG_OP_ID_ERF:
        return erfl(x);
    case HG_OP_ID_POW:
        return powl(x, y);
    case HG_OP_ID_SIGMOID:
        return 1 / (1 + expl(-x));
    case HG_OP_ID_TANH:
        return tanhl(x);
    default:
        HG_REQUIRE(op == HG_OP_ID_GELU);
        return gelu(x);
    }
}

void hg_reference_activation(const struct hg_op_call *call, const void *const *contents,
                             uint64_t count, struct hg_expected *expected)
{
    enum hg_dtype type = call->operands[0].type;
    enum hg_op_id op = hg_reference_id(call);
    for (uint64_t i = 0; i < count; i++) {
        long double x = element(type, contents[0], i);
        long double y = 0;
        if (call->op->inputs == 2) {
            y = element(type, contents[1], i % call->operands[1].elements);
        }
        long double value = apply(op, x, y);
        long double ulp = hg_reference_ulp(type, value);
        long double error = transcendental_ulps(op, type) * ulp;
        if (op == HG_OP_ID_GELU) {
            /* Twice the unit of the type it computes in, times |x|; halves round once more. */
            error = 2 * hg_reference_unit(hg_reference_wide_type(call)) * fabsl(x) + ulp;
        }
        expected[i] = hg_reference_near(value, error);
    }
}

/* ---- softmax --------------------------------------------------------------------------------- */

static void softmax_row(const struct hg_op_call *call, const void *data, uint64_t first,
                        uint64_t cols, struct hg_expected *expected)
{
    enum hg_dtype type = call->operands[0].type;
    enum hg_dtype wide = hg_reference_wide_type(call);
    long double temperature = hg_reference_wide(call, "temperature");
    long double max = (long double)NAN;
    for (uint64_t i = 0; i < cols; i++) {
        max = fmaxl(max, element(type, data, first + i));
    }
    long double sum = 0;
    for (uint64_t i = 0; i < cols; i++) {
        sum += expl((element(type, data, first + i) - max) / temperature);
    }
    for (uint64_t i = 0; i < cols; i++) {
        long double exponent = (element(type, data, first + i) - max) / temperature;
        long double value = expl(exponent) / sum;
        /* 8 ulp, the sum's error, and what rounding the exponent (twice) does to e. */
        long double relative =
            hg_reference_gamma(wide, cols) + 2 * fabsl(exponent) * hg_reference_unit(wide);
        long double error = 8 * hg_reference_ulp(type, value) + value * relative;
        expected[first + i] =
            hg_reference_near(value, value == 0 ? hg_reference_ulp(type, 0) : error);
    }
}

void hg_reference_softmax(const struct hg_op_call *call, const void *const *contents,
                          uint64_t count, struct hg_expected *expected)
{
    uint64_t cols = hg_reference_cols(call, count);
    for (uint64_t first = 0; first < count; first += cols) {
        softmax_row(call, contents[0], first, cols, expected);
    }
}

/* ---- losses ---------------------------------------------------------------------------------- */

/* One term and the error that computing it in type WIDE may have. */
struct term {
    long double value;
    long double error;
};

static struct term square_term(enum hg_dtype wide, long double p, long double t)
{
    long double square = (p - t) * (p - t);
    return (struct term){square, 4 * square * hg_reference_unit(wide)};
}

static struct term log_term(enum hg_dtype wide, long double p, long double t, long double eps)
{
    long double value = -t * logl(eps > 0 && p < eps ? eps : p);
    return (struct term){value, 10 * fabsl(value) * hg_reference_unit(wide)};
}

static struct term binary_term(enum hg_dtype wide, long double p, long double t, long double eps)
{
    if (eps > 0) {
        /* The upper limit is a value of WIDE. */
        long double high = hg_reference_float(wide, hg_reference_round(wide, 1 - eps));
        p = p < eps ? eps : p > high ? high : p;
    }
    long double positive = -t * logl(p);
    long double negative = -(1 - t) * logl(1 - p);
    long double unit = hg_reference_unit(wide);
    /* 1 - p is rounded before its logarithm is taken, 1 - t before it multiplies. */
    long double error = 12 * (fabsl(positive) + fabsl(negative)) * unit;
    if (1 - p > 0) {
        error += 2 * fabsl(1 - t) * unit / (1 - p) + 2 * fabsl(logl(1 - p)) * unit;
    }
    return (struct term){positive + negative, error};
}

void hg_reference_loss(const struct hg_op_call *call, const void *const *contents,
                       struct hg_expected *expected)
{
    enum hg_dtype type = call->operands[0].type;
    enum hg_dtype wide = hg_reference_wide_type(call);
    enum hg_op_id op = hg_reference_id(call);
    uint64_t n = hg_reference_size(call, "n", call->operands[0].elements);
    long double eps = op == HG_OP_ID_MSE ? 0 : hg_reference_wide(call, "eps");
    long double sum = 0;
    long double magnitudes = 0;
    long double error = 0;
    for (uint64_t i = 0; i < n; i++) {
        long double p = element(type, contents[0], i);
        long double t = element(type, contents[1], i);
        struct term term = op == HG_OP_ID_MSE             ? square_term(wide, p, t)
                           : op == HG_OP_ID_CROSS_ENTROPY ? log_term(wide, p, t, eps)
                                                          : binary_term(wide, p, t, eps);
        sum += term.value;
        magnitudes += fabsl(term.value);
        error += term.error;
    }
    long double mean = sum / (long double)n;
    error = (error + (hg_reference_gamma(type, n) + 4 * hg_reference_unit(wide)) * magnitudes) /
            (long double)n;
    expected[0] = hg_reference_near(mean, error + hg_reference_ulp(type, fabsl(mean) + error) / 2);
}

/* ---- products -------------------------------------------------------------------------------- */

void hg_reference_product_init(const struct hg_op_call *call, struct hg_reference_product *product)
{
    enum hg_op_id op = hg_reference_id(call);
    bool matvec = op == HG_OP_ID_MATVEC;
    const struct hg_op_operand *a = &call->operands[0];
    const struct hg_op_operand *b = &call->operands[1];
    bool trans_a =
        op != HG_OP_ID_LINEAR && hg_reference_size(call, matvec ? "trans" : "trans_a", 0);
    bool trans_b =
        !matvec && hg_reference_size(call, op == HG_OP_ID_GEMM ? "trans_b" : "trans_w", 0);
    product->trans_a = trans_a;
    product->trans_b = trans_b;
    product->m = hg_reference_size(call, "m", a->shape[trans_a ? 1 : 0]);
    product->k = hg_reference_size(call, matvec ? "n" : "k", a->shape[trans_a ? 0 : 1]);
    product->n = matvec ? 1 : hg_reference_size(call, "n", b->shape[trans_b ? 0 : 1]);
}

/* A value and how far from it a result may be, before it is rounded to the output's type. */
struct approximate {
    long double value;
    long double error;
};

/* Element ROW, COLUMN of op(A) op(B). */
static struct approximate product_sum(const struct hg_op_call *call, const void *const *contents,
                                      const struct hg_reference_product *product, uint64_t row,
                                      uint64_t column)
{
    enum hg_dtype type = call->operands[0].type;
    enum hg_dtype wide = hg_reference_wide_type(call);
    long double sum = 0;
    long double magnitudes = 0;
    for (uint64_t i = 0; i < product->k; i++) {
        uint64_t a_index = product->trans_a ? i * product->m + row : row * product->k + i;
        uint64_t b_index = product->trans_b ? column * product->k + i : i * product->n + column;
        long double term =
            element(type, contents[0], a_index) * element(type, contents[1], b_index);
        sum += term;
        magnitudes += fabsl(term);
    }
    long double gamma = (long double)(product->k + 1) * hg_reference_unit(wide);
    if (product->n == 1 && gamma > hg_reference_gamma(wide, product->k)) {
        gamma = hg_reference_gamma(wide, product->k);
    }
    /* BF16 pairs flush results below the least normal number to zero. */
    long double flushed = (long double)(product->k + 1) * ldexpl(1, -126);
    return (struct approximate){sum, gamma * magnitudes + (type == HG_F64 ? 0 : flushed)};
}

static struct approximate scale_and_add(const struct hg_op_call *call, const void *const *contents,
                                        struct approximate sum, uint64_t index)
{
    enum hg_dtype wide = hg_reference_wide_type(call);
    long double unit = hg_reference_unit(wide);
    long double alpha = hg_reference_wide(call, "alpha");
    long double beta = hg_reference_wide(call, "beta");
    long double value = alpha * sum.value;
    long double error = fabsl(alpha) * sum.error + unit * fabsl(value);
    if (beta != 0) {
        long double old = element(call->operands[2].type, contents[2], index) * beta;
        value += old;
        error += unit * (fabsl(old) + fabsl(value)) + hg_reference_ulp(wide, 0);
    }
    return (struct approximate){value, error};
}

static struct approximate add_bias_and_activate(const struct hg_op_call *call,
                                                const void *const *contents, struct approximate sum,
                                                uint64_t column)
{
    long double unit = hg_reference_unit(hg_reference_wide_type(call));
    long double value = sum.value + element(call->operands[0].type, contents[2], column);
    long double error = sum.error + unit * (fabsl(value) + sum.error);
    if (hg_reference_size(call, "relu", 0) != 0) {
        value = fmaxl(value, 0); /* brings nothing further apart */
    } else if (hg_reference_size(call, "gelu", 0) != 0) {
        /* Its slope is below 1.13; its own error is 2 units of what it is taken of. */
        error = 1.13L * error + 2 * unit * (fabsl(value) + error);
        value = gelu(value);
    }
    return (struct approximate){value, error};
}

static struct hg_expected product_element(const struct hg_op_call *call,
                                          const void *const *contents,
                                          const struct hg_reference_product *product, uint64_t row,
                                          uint64_t column)
{
    enum hg_dtype result_type = call->operands[call->op->inputs].type;
    struct approximate result = product_sum(call, contents, product, row, column);
    switch (hg_reference_id(call)) {
    case HG_OP_ID_GEMM:
        result = scale_and_add(call, contents, result, row * product->n + column);
        break;
    case HG_OP_ID_LINEAR:
        result = add_bias_and_activate(call, contents, result, column);
        break;
    default:
        break;
    }
    long double largest = fabsl(result.value) + result.error;
    return hg_reference_near(result.value,
                             result.error + hg_reference_ulp(result_type, largest) / 2);
}

void hg_reference_linalg(const struct hg_op_call *call, const void *const *contents,
                         struct hg_expected *expected)
{
    struct hg_reference_product product;
    hg_reference_product_init(call, &product);
    for (uint64_t row = 0; row < product.m; row++) {
        for (uint64_t column = 0; column < product.n; column++) {
            expected[row * product.n + column] =
                product_element(call, contents, &product, row, column);
        }
    }
}
