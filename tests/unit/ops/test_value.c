/* SPDX-License-Identifier: Apache-2.0 */
/* Bit patterns are read, compared, shown and rounded as values of their types. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ops/reference_value.h"
#include "lib/ops/value.h"

/* Halves are read exactly: normal, denormal, infinite, negative zero. */
static void floats_are_read_exactly(void **state)
{
    (void)state;
    assert_true(hg_value_float(HG_F16, 0x3c00) == 1.0);
    assert_true(hg_value_float(HG_F16, 0xc100) == -2.5);
    assert_true(hg_value_float(HG_F16, 0x0001) == ldexp(1, -24));
    assert_true(hg_value_float(HG_F16, 0x7bff) == 65504);
    assert_true(isinf(hg_value_float(HG_F16, 0xfc00)));
    assert_true(signbit(hg_value_float(HG_F16, 0x8000)));
    assert_true(hg_value_float(HG_BF16, 0x3fc0) == 1.5);
    assert_true(hg_value_float(HG_F32, 0xbf800000) == -1);
    assert_true(hg_value_float(HG_F64, UINT64_C(0x4000000000000000)) == 2);
    assert_true(hg_value_is_nan(HG_F16, 0x7e00));
    assert_false(hg_value_is_nan(HG_F16, 0x7c00));
    assert_false(hg_value_is_nan(HG_U16, 0x7e00));
}

/* Order is that of the type: signs count only for signed types, NaN is not less. */
static void order_is_that_of_the_type(void **state)
{
    (void)state;
    assert_true(hg_value_less(HG_I8, 0xff, 1));
    assert_false(hg_value_less(HG_U8, 0xff, 1));
    assert_true(hg_value_less(HG_I64, UINT64_C(1) << 63, 0));
    assert_true(hg_value_less(HG_U64, 1, UINT64_MAX));
    assert_true(hg_value_less(HG_F32, 0xbf800000, 0));
    assert_false(hg_value_less(HG_F32, 0x7fc00000, 0x7f800000));
    assert_false(hg_value_less(HG_F32, 0, 0x7fc00000));
}

/* What people read is the value, not the bits. */
static void text_is_the_value(void **state)
{
    (void)state;
    char text[HG_VALUE_TEXT_MAX];
    assert_string_equal(hg_value_text(HG_I8, 0xfe, text), "-2");
    assert_string_equal(hg_value_text(HG_U8, 0xfe, text), "254");
    assert_string_equal(hg_value_text(HG_F32, 0x3f000000, text), "0.5");
    assert_string_equal(hg_value_text(HG_F16, 0x7e01, text), "nan");
    assert_string_equal(hg_value_text(HG_F64, UINT64_C(0xfff0000000000000), text), "-inf");
}

/* The oracle rounds as the machine does for F32, and back and forth for every F16 and BF16. */
static void oracle_rounds_to_nearest_even(void **state)
{
    (void)state;
    static const double values[] = {0,        -0.0,    1,    1.0 / 3, -1e-40,       1e-46,
                                    7e-46,    3e38,    4e38, 1e300,   0x1.000001p0, 0x1.000003p0,
                                    0x1p-149, 0x1p-150};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        float narrow = (float)values[i];
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        assert_int_equal(hg_reference_round(HG_F32, (long double)values[i]), bits);
    }
    for (uint64_t bits = 0; bits < 0x10000; bits++) {
        for (unsigned kind = 0; kind < 2; kind++) {
            enum hg_dtype type = kind == 0 ? HG_F16 : HG_BF16;
            if (!hg_value_is_nan(type, bits)) {
                assert_int_equal(hg_reference_round(type, hg_reference_float(type, bits)), bits);
            }
        }
    }
    /* Ties go to even, in both directions, and past the largest to infinity. */
    assert_int_equal(hg_reference_round(HG_F16, 2049), 0x6800);
    assert_int_equal(hg_reference_round(HG_F16, 2051), 0x6802);
    assert_int_equal(hg_reference_round(HG_F16, 65519), 0x7bff);
    assert_int_equal(hg_reference_round(HG_F16, 65520), 0x7c00);
    assert_int_equal(hg_reference_round(HG_F16, ldexpl(1, 16000)), 0x7c00);
}

/* An ulp is the distance to the next value; denormals all have the least one. */
static void ulp_is_the_distance_of_neighbours(void **state)
{
    (void)state;
    assert_true(hg_reference_ulp(HG_F32, 1) == ldexpl(1, -23));
    assert_true(hg_reference_ulp(HG_F32, 1.5L) == ldexpl(1, -23));
    assert_true(hg_reference_ulp(HG_F32, 0.75L) == ldexpl(1, -24));
    assert_true(hg_reference_ulp(HG_F32, 0) == ldexpl(1, -149));
    assert_true(hg_reference_ulp(HG_F32, ldexpl(1, -140)) == ldexpl(1, -149));
    assert_true(hg_reference_ulp(HG_F16, 1) == ldexpl(1, -10));
    assert_true(hg_reference_ulp(HG_F64, 1) == ldexpl(1, -52));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_read_exactly),
        cmocka_unit_test(order_is_that_of_the_type),
        cmocka_unit_test(text_is_the_value),
        cmocka_unit_test(oracle_rounds_to_nearest_even),
        cmocka_unit_test(ulp_is_the_distance_of_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
