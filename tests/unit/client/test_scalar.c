/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars become the bits of each type, rounded once, or are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/include/hologram/hologram.h"

static void assert_bits(hologram_dtype dtype, double value, uint64_t expected)
{
    uint64_t bits = 0;
    assert_true(hologram_bits_from_double(dtype, value, &bits));
    assert_int_equal(bits, expected);
}

static void assert_refused(hologram_dtype dtype, double value)
{
    uint64_t bits = 77;
    assert_false(hologram_bits_from_double(dtype, value, &bits));
    assert_int_equal(bits, 77);
}

/* Names, sizes and the parser agree for all twelve types and nothing else. */
static void types_are_the_twelve(void **state)
{
    (void)state;
    static const uint32_t bytes[] = {1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
    for (int i = HOLOGRAM_I8; i <= HOLOGRAM_F64; i++) {
        hologram_dtype parsed;
        assert_int_equal(hologram_dtype_bytes((hologram_dtype)i), bytes[i - 1]);
        assert_true(hologram_dtype_parse(hologram_dtype_name((hologram_dtype)i), &parsed));
        assert_int_equal(parsed, i);
    }
    hologram_dtype untouched = HOLOGRAM_I8;
    assert_false(hologram_dtype_parse("f8", &untouched));
    assert_int_equal(untouched, HOLOGRAM_I8);
    assert_int_equal(hologram_dtype_bytes((hologram_dtype)0), 0);
    assert_int_equal(hologram_dtype_bytes((hologram_dtype)13), 0);
    assert_string_equal(hologram_dtype_name((hologram_dtype)13), "invalid");
}

/* Integers take exactly their range, and no fractions. */
static void integers_have_to_be_exact(void **state)
{
    (void)state;
    assert_bits(HOLOGRAM_I8, -128, 0x80);
    assert_bits(HOLOGRAM_I8, 127, 0x7f);
    assert_refused(HOLOGRAM_I8, 128);
    assert_refused(HOLOGRAM_I8, -129);
    assert_bits(HOLOGRAM_U16, 65535, 0xffff);
    assert_refused(HOLOGRAM_U16, 65536);
    assert_refused(HOLOGRAM_U16, -1);
    assert_bits(HOLOGRAM_I32, -1, 0xffffffff);
    assert_bits(HOLOGRAM_I64, -9223372036854775808.0, 0x8000000000000000);
    assert_refused(HOLOGRAM_I64, 9223372036854775808.0);
    assert_bits(HOLOGRAM_U64, 9223372036854775808.0, 0x8000000000000000);
    assert_refused(HOLOGRAM_U64, 18446744073709551616.0);
    assert_refused(HOLOGRAM_I32, 0.5);
    assert_refused(HOLOGRAM_I32, NAN);
    assert_refused(HOLOGRAM_I32, INFINITY);
}

/* F16 rounds to nearest even once, from normals through subnormals to zero and infinity. */
static void halves_round_once(void **state)
{
    (void)state;
    assert_bits(HOLOGRAM_F16, 1, 0x3c00);
    assert_bits(HOLOGRAM_F16, -2, 0xc000);
    assert_bits(HOLOGRAM_F16, 65504, 0x7bff);
    assert_bits(HOLOGRAM_F16, 65519.99, 0x7bff);
    assert_bits(HOLOGRAM_F16, 65520, 0x7c00);
    assert_bits(HOLOGRAM_F16, 1 + 1.0 / 2048, 0x3c00);
    assert_bits(HOLOGRAM_F16, 1 + 3.0 / 2048, 0x3c02);
    /* A hair above the tie: rounding through F32 first would lose it. */
    assert_bits(HOLOGRAM_F16, 1 + 1.0 / 2048 + ldexp(1, -40), 0x3c01);
    assert_bits(HOLOGRAM_F16, ldexp(1, -14), 0x0400);
    assert_bits(HOLOGRAM_F16, ldexp(1, -24), 0x0001);
    assert_bits(HOLOGRAM_F16, ldexp(1, -25), 0x0000);
    assert_bits(HOLOGRAM_F16, ldexp(1.5, -25), 0x0001);
    assert_bits(HOLOGRAM_F16, -ldexp(1, -1074), 0x8000);
    assert_bits(HOLOGRAM_F16, -INFINITY, 0xfc00);
    assert_bits(HOLOGRAM_BF16, 1, 0x3f80);
    assert_bits(HOLOGRAM_BF16, 1 + 1.0 / 256, 0x3f80);
    assert_bits(HOLOGRAM_BF16, 1 + 3.0 / 256, 0x3f82);
    assert_bits(HOLOGRAM_BF16, 3.4e38, 0x7f80);
    assert_bits(HOLOGRAM_BF16, ldexp(1, -133), 0x0001);
    assert_bits(HOLOGRAM_BF16, 1e-300, 0x0000);
}

/* Every bit pattern of the 16-bit formats survives the way to double and back. */
static void halves_round_trip(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < 65536; bits++) {
        for (int i = HOLOGRAM_F16; i <= HOLOGRAM_BF16; i++) {
            uint64_t again = 0;
            double value = hologram_bits_to_double((hologram_dtype)i, bits);
            if (isnan(value)) {
                continue;
            }
            assert_true(hologram_bits_from_double((hologram_dtype)i, value, &again));
            assert_int_equal(again, bits);
        }
    }
}

/* Integers come back with their sign. */
static void integers_come_back(void **state)
{
    (void)state;
    assert_true(hologram_bits_to_double(HOLOGRAM_I8, 0xff) == -1);
    assert_true(hologram_bits_to_double(HOLOGRAM_U8, 0xff) == 255);
    assert_true(hologram_bits_to_double(HOLOGRAM_I64, UINT64_MAX) == -1);
    assert_true(hologram_bits_to_double(HOLOGRAM_F32, 0x3fc00000) == 1.5);
    assert_true(hologram_bits_to_double(HOLOGRAM_F64, 0x3ff8000000000000) == 1.5);
}

/* Statuses are named as gRPC names them. */
static void statuses_have_names(void **state)
{
    (void)state;
    assert_string_equal(hologram_status_name(HOLOGRAM_OK), "OK");
    assert_string_equal(hologram_status_name(HOLOGRAM_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(hologram_status_name((hologram_status)17), "INVALID_STATUS");
    assert_string_equal(hologram_version(), HG_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_the_twelve), cmocka_unit_test(integers_have_to_be_exact),
        cmocka_unit_test(halves_round_once),    cmocka_unit_test(halves_round_trip),
        cmocka_unit_test(integers_come_back),   cmocka_unit_test(statuses_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
