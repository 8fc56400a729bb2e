/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of math.def hold what their header says, computed again with MPFR. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <mpfr.h>

#include "lib/isa/math_tables.h"

#define PRECISION 2400

/* The next double of REST, which is left without it. */
static double take(mpfr_t rest)
{
    double piece = mpfr_get_d(rest, MPFR_RNDN);
    mpfr_sub_d(rest, rest, piece, MPFR_RNDN);
    return piece;
}

static void check_two_over_pi(const double *table, unsigned row_count, unsigned step,
                              unsigned pieces)
{
    mpfr_t value, whole;
    mpfr_inits2(PRECISION, value, whole, (mpfr_ptr)NULL);
    for (unsigned row = 0; row < row_count; row++) {
        mpfr_const_pi(value, MPFR_RNDN);
        mpfr_ui_div(value, 2, value, MPFR_RNDN);
        mpfr_mul_2ui(value, value, step * row, MPFR_RNDN);
        mpfr_div_ui(whole, value, 4, MPFR_RNDN);
        mpfr_floor(whole, whole);
        mpfr_mul_ui(whole, whole, 4, MPFR_RNDN);
        mpfr_sub(value, value, whole, MPFR_RNDN);
        for (unsigned piece = 0; piece < pieces; piece++) {
            assert_true(table[pieces * row + piece] == take(value));
        }
    }
    mpfr_clears(value, whole, (mpfr_ptr)NULL);
}

/* 2^(s g) * 2/pi modulo 4, in two and in four pieces. */
static void two_over_pi(void **state)
{
    (void)state;
    check_two_over_pi(hg_math_two_over_pi32, HG_MATH_TWO_OVER_PI32_ROWS, 8, 2);
    check_two_over_pi(hg_math_two_over_pi64, HG_MATH_TWO_OVER_PI64_ROWS, 32, 4);
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* 1 / c and its logarithm in two parts; the row that holds 1 is exactly 1 and 0. */
static void logarithms(void **state)
{
    (void)state;
    mpfr_t value, high;
    mpfr_inits2(PRECISION, value, high, (mpfr_ptr)NULL);
    unsigned ones = 0;
    for (unsigned row = 0; row < HG_MATH_LOG_ROWS; row++) {
        double low_end = from_bits(HG_MATH_LOG_BASE + ((uint64_t)row << 46));
        double high_end = from_bits(HG_MATH_LOG_BASE + ((uint64_t)(row + 1) << 46));
        double inverse = hg_math_log_rows[4 * row];
        bool one = low_end <= 1 && 1 < high_end;
        ones += one;
        assert_true(inverse == (one ? 1 : 1 / ((low_end + high_end) / 2)));
        assert_true(fabs(low_end * inverse - 1) <= 0.0079);
        assert_true(fabs(high_end * inverse - 1) <= 0.0079);
        mpfr_set_d(value, inverse, MPFR_RNDN);
        mpfr_log(value, value, MPFR_RNDN);
        mpfr_neg(value, value, MPFR_RNDN);
        mpfr_mul_2ui(high, value, 42, MPFR_RNDN);
        mpfr_rint(high, high, MPFR_RNDN);
        mpfr_div_2ui(high, high, 42, MPFR_RNDN);
        assert_true(hg_math_log_rows[4 * row + 1] == mpfr_get_d(high, MPFR_RNDN));
        mpfr_sub(value, value, high, MPFR_RNDN);
        assert_true(hg_math_log_rows[4 * row + 2] == mpfr_get_d(value, MPFR_RNDN));
    }
    assert_int_equal(ones, 1);
    mpfr_clears(value, high, (mpfr_ptr)NULL);
}

/* erf u and 2 / sqrt(pi) * exp(-u^2). */
static void error_function(void **state)
{
    (void)state;
    mpfr_t u, value, root;
    mpfr_inits2(PRECISION / 8, u, value, root, (mpfr_ptr)NULL);
    mpfr_const_pi(root, MPFR_RNDN);
    mpfr_sqrt(root, root, MPFR_RNDN);
    for (unsigned row = 0; row < HG_MATH_ERF_ROWS; row++) {
        mpfr_set_d(u, row / 64.0, MPFR_RNDN);
        mpfr_erf(value, u, MPFR_RNDN);
        assert_true(hg_math_erf_rows[2 * row] == mpfr_get_d(value, MPFR_RNDN));
        mpfr_sqr(value, u, MPFR_RNDN);
        mpfr_neg(value, value, MPFR_RNDN);
        mpfr_exp(value, value, MPFR_RNDN);
        mpfr_div(value, value, root, MPFR_RNDN);
        mpfr_mul_ui(value, value, 2, MPFR_RNDN);
        assert_true(hg_math_erf_rows[2 * row + 1] == mpfr_get_d(value, MPFR_RNDN));
    }
    mpfr_clears(u, value, root, (mpfr_ptr)NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_over_pi),
        cmocka_unit_test(logarithms),
        cmocka_unit_test(error_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
