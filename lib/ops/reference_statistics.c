/* SPDX-License-Identifier: Apache-2.0 */
/* Oracle of mean, variance, argmax and layer_norm. */
#include <math.h>

#include "lib/ops/reference_op.h"
#include "lib/ops/value.h"

static long double element(enum hg_dtype type, const void *data, uint64_t index)
{
    return hg_reference_float(type, hg_reference_bits(type, data, index));
}

/* A row of floats. */
struct row {
    enum hg_dtype type; /* of its elements */
    enum hg_dtype wide; /* in which it is computed */
    const void *data;
    uint64_t first;
    uint64_t count;
};

/* A value and how far from it one that was computed may be. */
struct approximate {
    long double value;
    long double error;
};

static struct approximate mean_of(const struct row *row)
{
    long double sum = 0;
    long double magnitudes = 0;
    for (uint64_t i = 0; i < row->count; i++) {
        long double x = element(row->type, row->data, row->first + i);
        sum += x;
        magnitudes += fabsl(x);
    }
    long double mean = sum / (long double)row->count;
    long double error =
        hg_reference_gamma(row->wide, row->count) * magnitudes / (long double)row->count;
    /* The division and the divisor are rounded. */
    return (struct approximate){mean,
                                error + 2 * hg_reference_unit(row->wide) * (fabsl(mean) + error)};
}

static long double distance_error(const struct row *row, const struct approximate *mean,
                                  long double distance)
{
    return mean->error + hg_reference_unit(row->wide) * (fabsl(distance) + mean->error);
}

static struct approximate variance_of(const struct row *row, const struct approximate *mean)
{
    long double unit = hg_reference_unit(row->wide);
    long double sum = 0;
    long double error = 0;
    for (uint64_t i = 0; i < row->count; i++) {
        long double distance = element(row->type, row->data, row->first + i) - mean->value;
        long double off = distance_error(row, mean, distance);
        sum += distance * distance;
        error += (2 * fabsl(distance) + off) * off + unit * distance * distance;
    }
    error += hg_reference_gamma(row->wide, row->count) * (sum + error);
    long double variance = sum / (long double)row->count;
    error /= (long double)row->count;
    return (struct approximate){variance, error + 2 * unit * (variance + error)};
}

static struct hg_expected stored_as(enum hg_dtype type, struct approximate result)
{
    long double largest = fabsl(result.value) + result.error;
    return hg_reference_near(result.value, result.error + hg_reference_ulp(type, largest) / 2);
}

/* Whether element A comes before B in the search for the maximum: NaN never does. */
static bool exceeds(enum hg_dtype type, uint64_t a, uint64_t b)
{
    return !hg_value_is_nan(type, a) && (hg_value_is_nan(type, b) || hg_value_less(type, b, a));
}

static struct hg_expected first_maximum(enum hg_dtype type, const void *data, uint64_t first,
                                        uint64_t count)
{
    uint64_t found = 0;
    for (uint64_t i = 1; i < count; i++) {
        if (exceeds(type, hg_reference_bits(type, data, first + i),
                    hg_reference_bits(type, data, first + found))) {
            found = i;
        }
    }
    return hg_reference_exactly(found);
}

void hg_reference_statistic(const struct hg_op_call *call, const void *const *contents,
                            uint64_t count, struct hg_expected *expected)
{
    enum hg_dtype type = call->operands[0].type;
    uint64_t cols =
        hg_reference_cols(call, hg_reference_size(call, "n", call->operands[0].elements));
    struct row row = {type, hg_reference_wide_type(call), contents[0], 0, cols};
    for (uint64_t i = 0; i < count; i++) {
        row.first = i * cols;
        if (hg_reference_id(call) == HG_OP_ID_ARGMAX) {
            expected[i] = first_maximum(type, contents[0], row.first, cols);
            continue;
        }
        struct approximate result = mean_of(&row);
        if (hg_reference_id(call) == HG_OP_ID_VAR) {
            result = variance_of(&row, &result);
        }
        expected[i] = stored_as(type, result);
    }
}

static void norm_row(const struct hg_op_call *call, const void *const *contents,
                     const struct row *row, struct hg_expected *expected)
{
    long double unit = hg_reference_unit(row->wide);
    const struct approximate mean = mean_of(row);
    const struct approximate variance = variance_of(row, &mean);
    long double spread = variance.value + hg_reference_wide(call, "eps");
    long double factor = 1 / sqrtl(spread);
    /* Of the sum and what goes into it, halved by the root; 1.5 ulp of rsqrt are at most 3 units.
     */
    long double relative = (variance.error / spread + unit) / 2 + 3 * unit;
    for (uint64_t i = 0; i < row->count; i++) {
        long double distance = element(row->type, row->data, row->first + i) - mean.value;
        long double scale = factor * element(row->type, contents[1], i);
        long double shift = element(row->type, contents[2], i);
        long double error = fabsl(scale) * distance_error(row, &mean, distance);
        error += (fabsl(scale * distance) + error) * (relative + 3 * unit);
        struct approximate result = {distance * scale + shift, error};
        result.error += unit * (fabsl(result.value) + error);
        expected[row->first + i] = stored_as(row->type, result);
    }
}

void hg_reference_layer_norm(const struct hg_op_call *call, const void *const *contents,
                             uint64_t count, struct hg_expected *expected)
{
    uint64_t cols = hg_reference_cols(call, count);
    struct row row = {call->operands[0].type, hg_reference_wide_type(call), contents[0], 0, cols};
    for (; row.first < count; row.first += cols) {
        norm_row(call, contents, &row, expected);
    }
}
