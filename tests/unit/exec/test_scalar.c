/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic instructions on one lane: integers against 64- and 128-bit arithmetic, floats
 * against their definitions, halves for every pattern, comparisons and MIN/MAX over all special
 * values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <xmmintrin.h>

#include <cmocka.h>

#include "lib/exec/scalar.h"

#define FLUSH   0x8040u
#define SAMPLES 20000

static uint64_t random_state = 0x3c6ef372fe94f82bu;

static uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Bits of an integer: any, or near 0, the largest and the smallest of the width. */
static uint64_t integer_bits(unsigned width)
{
    uint64_t any = random_bits();
    switch (any >> 61) {
    case 0:
        return (any & 7) - 3;
    case 1:
        return (UINT64_C(1) << (width - 1)) + (any & 3) - 2;
    case 2:
        return any & 0xffff;
    default:
        return any;
    }
}

typedef __int128 wide;

/*
 * Every integer instruction of one type, against 128-bit arithmetic cut to the width. The quotient
 * of a zero divisor is not looked at, but must not trap.
 */
#define INTEGER_TEST(NAME, t, T, U, W)                                                             \
    static void integer_##t(void)                                                                  \
    {                                                                                              \
        unsigned width = 8 * sizeof(T);                                                            \
        for (unsigned i = 0; i < SAMPLES; i++) {                                                   \
            T a = (T)integer_bits(width), b = (T)integer_bits(width), c = (T)random_bits();        \
            uint32_t amount = (uint32_t)random_bits();                                             \
            unsigned masked = amount % width;                                                      \
            assert_true(hg_scalar_add_##t(a, b) == (T)((wide)a + (wide)b));                        \
            assert_true(hg_scalar_sub_##t(a, b) == (T)((wide)a - (wide)b));                        \
            assert_true(hg_scalar_mul_##t(a, b) ==                                                 \
                        (T)((unsigned __int128)a * (unsigned __int128)b));                         \
            assert_true(hg_scalar_mad_##t(a, b, c) ==                                              \
                        (T)((unsigned __int128)a * (unsigned __int128)b + (unsigned __int128)c));  \
            T quotient = hg_scalar_div_##t(a, b);                                                  \
            assert_true(b == 0 || quotient == (T)((wide)a / (wide)b));                             \
            assert_true(hg_scalar_min_##t(a, b, false) == (a < b ? a : b));                        \
            assert_true(hg_scalar_max_##t(a, b, true) == (a < b ? b : a));                         \
            assert_true(hg_scalar_and_##t(a, b) == (T)(a & b));                                    \
            assert_true(hg_scalar_or_##t(a, b) == (T)(a | b));                                     \
            assert_true(hg_scalar_xor_##t(a, b) == (T)(a ^ b));                                    \
            assert_true((T)(a + hg_scalar_not_##t(a)) == (T)-1);                                   \
            assert_true(hg_scalar_shl_##t(a, amount) ==                                            \
                        (T)((U)a * ((unsigned __int128)1 << masked)));                             \
            wide divisor = (wide)1 << masked;                                                      \
            wide floor = ((wide)a - (((wide)a % divisor + divisor) % divisor)) / divisor;          \
            assert_true(hg_scalar_shr_##t(a, amount) == (T)floor);                                 \
            assert_true(hg_scalar_eq_##t(a, b, false) == (a == b));                                \
            assert_true(hg_scalar_ne_##t(a, b, false) == (a != b));                                \
            assert_true(hg_scalar_lt_##t(a, b, false) == ((wide)a < (wide)b));                     \
            assert_true(hg_scalar_le_##t(a, b, false) == ((wide)a <= (wide)b));                    \
            assert_true(hg_scalar_gt_##t(a, b, true) == ((wide)a > (wide)b));                      \
            assert_true(hg_scalar_ge_##t(a, b, true) == ((wide)a >= (wide)b));                     \
            assert_true(hg_scalar_get_##t(hg_scalar_put_##t(a)) == a);                             \
            assert_true(width == 64 || hg_scalar_put_##t(a) >> (width % 64) == 0);                 \
        }                                                                                          \
    }
HG_SCALAR_ANY_INT(INTEGER_TEST)

/* All eight integer types. */
static void integers(void **state)
{
    (void)state;
#define RUN(NAME, t, T, U, W) integer_##t();
    HG_SCALAR_ANY_INT(RUN)
#undef RUN
}

/* Every quotient of 8 bits, and 16-bit ones around each multiple: the float division is exact. */
static void small_quotients(void **state)
{
    (void)state;
    for (int a = -128; a < 256; a++) {
        for (int b = -128; b < 256; b++) {
            if ((int8_t)b != 0) {
                assert_int_equal(hg_scalar_div_i8((int8_t)a, (int8_t)b),
                                 (int8_t)((int8_t)a / (int8_t)b));
                assert_int_equal(hg_scalar_div_u8((uint8_t)a, (uint8_t)b), (uint8_t)a / (uint8_t)b);
            }
        }
    }
    for (uint32_t b = 1; b < 65536; b++) {
        uint32_t multiple = 65535 / b * b;
        for (uint32_t a = multiple - 1; a <= multiple + 1 && a < 65536; a++) {
            assert_int_equal(hg_scalar_div_u16((uint16_t)a, (uint16_t)b), a / b);
        }
    }
    for (unsigned i = 0; i < 1000000; i++) {
        uint32_t b = (uint32_t)random_bits() >> random_bits() % 32;
        b = b == 0 ? 1 : b;
        uint32_t multiple = UINT32_MAX / b * b;
        uint32_t a = multiple - (uint32_t)(random_bits() % 2);
        assert_int_equal(hg_scalar_div_u32(a, b), a / b);
        int32_t c = (int32_t)a, d = (int32_t)b;
        if (d != -1) {
            assert_int_equal(hg_scalar_div_i32(c, d), c / d);
        }
    }
}

/* ABS and NEG of MIN are MIN, of floats they move bits and keep payloads. */
static void signs(void **state)
{
    (void)state;
#define CHECK(NAME, t, T, U, W)                                                                    \
    assert_true(hg_scalar_abs_##t((T)((U)1 << (8 * sizeof(T) - 1))) ==                             \
                (T)((U)1 << (8 * sizeof(T) - 1)));                                                 \
    assert_true(hg_scalar_neg_##t((T)((U)1 << (8 * sizeof(T) - 1))) ==                             \
                (T)((U)1 << (8 * sizeof(T) - 1)));                                                 \
    assert_true(hg_scalar_abs_##t(-7) == 7 && hg_scalar_abs_##t(7) == 7);                          \
    assert_true(hg_scalar_neg_##t(-7) == 7 && hg_scalar_neg_##t(7) == -7);
    HG_SCALAR_SINT(CHECK)
#undef CHECK
    assert_true(hg_math_bits32(hg_scalar_neg_f32(hg_math_float32(0x7f812345))) == 0xff812345);
    assert_true(hg_math_bits32(hg_scalar_abs_f32(hg_math_float32(0xff812345))) == 0x7f812345);
    assert_true(hg_math_bits64(hg_scalar_neg_f64(hg_math_float64(1))) == 0x8000000000000001);
    assert_true(hg_math_bits64(hg_scalar_abs_f64(-0.0)) == 0);
    assert_int_equal(hg_scalar_neg_f16(0x7c01), 0xfc01);
    assert_int_equal(hg_scalar_abs_bf16(0xff81), 0x7f81);
}

/* isa.md's examples. */
static void small_facts(void **state)
{
    (void)state;
    assert_int_equal(hg_scalar_add_u8(250, 10), 4);
    assert_int_equal(hg_scalar_mad_i32(2, 3, 5), 11);
    assert_true(hg_scalar_mad_f32(2, 3, 5) == 11 && hg_scalar_fma_f64(2, 3, 5) == 11);
    assert_int_equal(hg_scalar_and_u16(0xff00, 0x0fff), 0x0f00);
    assert_int_equal(hg_scalar_or_u16(0xff00, 0x0fff), 0xffff);
    assert_int_equal(hg_scalar_xor_u16(0xff00, 0x0fff), 0xf0ff);
    assert_int_equal(hg_scalar_shl_i32(1, 33), 2);
    assert_int_equal(hg_scalar_shr_i32(-8, 1), -4);
    assert_int_equal(hg_scalar_shr_i8(-128, 9), -64);
    assert_int_equal(hg_scalar_div_i8(-128, -1), -128);
    assert_true(hg_scalar_div_i64(INT64_MIN, -1) == INT64_MIN);
    assert_int_equal(hg_scalar_abs_i32(INT32_MIN), INT32_MIN);
}

/* Patterns of each float type that MIN, MAX and SETcc may treat specially. */
static const uint64_t specials[] = {
    0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x007f, 0x807f, 0x0080, 0x0400, 0x3c00, 0x3f80,
    0xbc00, 0xbf80, 0x7c00, 0xfc00, 0x7f80, 0xff80, 0x7e00, 0x7c01, 0xfe00, 0x7fc0, 0x7f81,
};
#define SPECIALS (sizeof(specials) / sizeof(specials[0]))

/* The value of a special, flushed if asked for, and its bits after flushing. */
static double plain(double value, bool flush, double smallest)
{
    return flush && fabs(value) < smallest ? copysign(0, value) : value;
}

/* minimumNumber: RESULT of X and Y as its definition has it. */
static void check_min(double x, double y, double result, bool maximum)
{
    if (isnan(x) && isnan(y)) {
        assert_true(isnan(result));
        return;
    }
    double expected;
    if (isnan(x) || isnan(y)) {
        expected = isnan(x) ? y : x;
    } else if (x == y) {
        expected = (signbit(x) != 0) != maximum ? x : y;
    } else {
        expected = (x < y) != maximum ? x : y;
    }
    assert_true(hg_math_bits64(result) == hg_math_bits64(expected));
}

/* MIN, MAX and the six conditions of one type over all pairs of specials. */
#define COMPARISON_TEST(t, T, SHIFT, SMALLEST)                                                     \
    static void comparison_##t(bool ftz)                                                           \
    {                                                                                              \
        for (size_t i = 0; i < SPECIALS * SPECIALS; i++) {                                         \
            T a = hg_scalar_get_##t(specials[i / SPECIALS] << (SHIFT));                            \
            T b = hg_scalar_get_##t(specials[i % SPECIALS] << (SHIFT));                            \
            double x = plain(hg_scalar_cvt_f64_##t(a, false), ftz, SMALLEST);                      \
            double y = plain(hg_scalar_cvt_f64_##t(b, false), ftz, SMALLEST);                      \
            check_min(x, y, hg_scalar_cvt_f64_##t(hg_scalar_min_##t(a, b, ftz), false), false);    \
            check_min(x, y, hg_scalar_cvt_f64_##t(hg_scalar_max_##t(a, b, ftz), false), true);     \
            assert_true(hg_scalar_eq_##t(a, b, ftz) == (x == y));                                  \
            assert_true(hg_scalar_ne_##t(a, b, ftz) == (x != y));                                  \
            assert_true(hg_scalar_lt_##t(a, b, ftz) == (x < y));                                   \
            assert_true(hg_scalar_le_##t(a, b, ftz) == (x <= y));                                  \
            assert_true(hg_scalar_gt_##t(a, b, ftz) == (x > y));                                   \
            assert_true(hg_scalar_ge_##t(a, b, ftz) == (x >= y));                                  \
        }                                                                                          \
    }
COMPARISON_TEST(f16, uint16_t, 0, 0)
COMPARISON_TEST(bf16, uint16_t, 0, 0x1p-126)
COMPARISON_TEST(f32, float, 16, 0x1p-126)
COMPARISON_TEST(f64, double, 48, 0x1p-1022)

/* NaNs of both kinds, zeros of both signs, infinities and denormals, with and without flushing. */
static void comparisons(void **state)
{
    (void)state;
    for (int ftz = 0; ftz < 2; ftz++) {
        comparison_f16(ftz != 0);
        comparison_bf16(ftz != 0);
        comparison_f32(ftz != 0);
        comparison_f64(ftz != 0);
    }
}

/* MIN of two denormals is a zero in flushing mode whether MXCSR says so or not. */
static void flushing_of_min(void **state)
{
    (void)state;
    unsigned mode = _mm_getcsr();
    for (int hardware = 0; hardware < 2; hardware++) {
        _mm_setcsr(hardware != 0 ? mode | FLUSH : mode);
        uint32_t least = hg_math_bits32(
            hg_scalar_min_f32(hg_math_float32(5), hg_math_float32(0x80000003), true));
        uint64_t most =
            hg_math_bits64(hg_scalar_max_f64(hg_math_float64(5), hg_math_float64(3), true));
        uint16_t half = hg_scalar_min_f16(0x0005, 0x0003, true);
        uint16_t brain = hg_scalar_max_bf16(0x0005, 0x8003, true);
        bool equal = hg_scalar_eq_bf16(0x0005, 0x8003, true);
        bool less = hg_scalar_lt_f16(0x0003, 0x0005, true);
        _mm_setcsr(mode);
        assert_int_equal(least, 0x80000000u);
        assert_true(most == 0);
        assert_int_equal(half, 3);
        assert_int_equal(brain, 0);
        assert_true(equal && less);
    }
}

static bool same16(uint16_t a, uint16_t b, uint16_t infinity)
{
    return a == b || ((a & 0x7fff) > infinity && (b & 0x7fff) > infinity);
}

/*
 * Half arithmetic is F32 arithmetic, rounded once; MAD rounds its product to the half, FMA does
 * not. Conversion is judged by test_scalar_cvt.c.
 */
#define HALF_TEST(t, INFINITE)                                                                     \
    static void half_##t(void)                                                                     \
    {                                                                                              \
        for (unsigned i = 0; i < 65536u * 4; i++) {                                                \
            uint16_t a = (uint16_t)i, b = (uint16_t)random_bits(), c = (uint16_t)random_bits();    \
            float x = hg_scalar_cvt_f32_##t(a, false), y = hg_scalar_cvt_f32_##t(b, false);        \
            float z = hg_scalar_cvt_f32_##t(c, false);                                             \
            assert_true(                                                                           \
                same16(hg_scalar_add_##t(a, b), hg_scalar_cvt_##t##_f32(x + y, false), INFINITE)); \
            assert_true(                                                                           \
                same16(hg_scalar_sub_##t(a, b), hg_scalar_cvt_##t##_f32(x - y, false), INFINITE)); \
            uint16_t product = hg_scalar_cvt_##t##_f32(x * y, false);                              \
            assert_true(same16(hg_scalar_mul_##t(a, b), product, INFINITE));                       \
            assert_true(                                                                           \
                same16(hg_scalar_div_##t(a, b), hg_scalar_cvt_##t##_f32(x / y, false), INFINITE)); \
            float rounded = hg_scalar_cvt_f32_##t(product, false);                                 \
            assert_true(same16(hg_scalar_mad_##t(a, b, c),                                         \
                               hg_scalar_cvt_##t##_f32(rounded + z, false), INFINITE));            \
            assert_true(same16(hg_scalar_fma_##t(a, b, c),                                         \
                               hg_scalar_cvt_##t##_f32(fmaf(x, y, z), false), INFINITE));          \
            assert_true(same16(hg_scalar_tanh_##t(a),                                              \
                               hg_scalar_cvt_##t##_f32(hg_math_tanh_f32(x), false), INFINITE));    \
        }                                                                                          \
    }
HALF_TEST(f16, 0x7c00)
HALF_TEST(bf16, 0x7f80)

static void halves(void **state)
{
    (void)state;
    half_f16();
    half_bf16();
    /* 1 + 2^-10 squared is a tie above 1 + 2^-9 in F16; MAD takes it away, FMA leaves 2^-20. */
    assert_int_equal(hg_scalar_mad_f16(0x3c01, 0x3c01, 0xbc02), 0);
    assert_int_equal(hg_scalar_fma_f16(0x3c01, 0x3c01, 0xbc02), 0x0010);
}

/* MAD rounds twice, FMA once, in F32 and F64. */
static void mad_and_fma(void **state)
{
    (void)state;
    float x = 1 + 0x1p-23f;
    double y = 1 + 0x1p-52;
    assert_true(hg_scalar_mad_f32(x, x, -(1 + 0x1p-22f)) == 0);
    assert_true(hg_scalar_fma_f32(x, x, -(1 + 0x1p-22f)) == 0x1p-46f);
    assert_true(hg_scalar_mad_f64(y, y, -(1 + 0x1p-51)) == 0);
    assert_true(hg_scalar_fma_f64(y, y, -(1 + 0x1p-51)) == 0x1p-104);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),    cmocka_unit_test(small_quotients),
        cmocka_unit_test(signs),       cmocka_unit_test(small_facts),
        cmocka_unit_test(comparisons), cmocka_unit_test(flushing_of_min),
        cmocka_unit_test(halves),      cmocka_unit_test(mad_and_fma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
