/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CVT between all twelve types against MPFR: every pattern of the 8- and 16-bit types, and for the
 * wider ones random patterns, powers of two and their neighbours, and ties of each destination; in
 * both floating-point modes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <xmmintrin.h>

#include <cmocka.h>
#include <mpfr.h>

#include "lib/base/check.h"
#include "lib/exec/scalar_cvt.h"
#include "lib/isa/dtype.h"

#define FLUSH   0x8040u
#define SAMPLES 20000

typedef uint64_t convert_image(uint64_t image, bool ftz);

/* One function on images per pair, and the table of them. */
#define DEFINE_PAIR(to, from)                                                                      \
    static uint64_t cvt_##to##_##from(uint64_t image, bool ftz)                                    \
    {                                                                                              \
        return hg_scalar_put_##to(hg_scalar_cvt_##to##_##from(hg_scalar_get_##from(image), ftz));  \
    }
#define FROM_EACH(PAIR, to)                                                                        \
    PAIR(to, i8)                                                                                   \
    PAIR(to, i16)                                                                                  \
    PAIR(to, i32)                                                                                  \
    PAIR(to, i64)                                                                                  \
    PAIR(to, u8)                                                                                   \
    PAIR(to, u16)                                                                                  \
    PAIR(to, u32)                                                                                  \
    PAIR(to, u64)                                                                                  \
    PAIR(to, f16)                                                                                  \
    PAIR(to, bf16)                                                                                 \
    PAIR(to, f32)                                                                                  \
    PAIR(to, f64)
#define DEFINE_ROW(NAME, to, T, U, W) FROM_EACH(DEFINE_PAIR, to)
HG_SCALAR_ALL(DEFINE_ROW)

#define ENTRY(to, from)              cvt_##to##_##from,
#define TABLE_ROW(NAME, to, T, U, W) [HG_##NAME] = {FROM_EACH(ENTRY, to)},
static convert_image *const convert[HG_DTYPE_COUNT][HG_DTYPE_COUNT] = {HG_SCALAR_ALL(TABLE_ROW)};

/* A type: integers by width and sign, floats by precision and exponents. */
struct type {
    unsigned bits;
    bool is_signed;
    int digits; /* of a float's significand, 0 for integers */
    int bias;
};
static const struct type types[HG_DTYPE_COUNT] = {
    [HG_I8] = {8, true, 0, 0},      [HG_I16] = {16, true, 0, 0},    [HG_I32] = {32, true, 0, 0},
    [HG_I64] = {64, true, 0, 0},    [HG_U8] = {8, false, 0, 0},     [HG_U16] = {16, false, 0, 0},
    [HG_U32] = {32, false, 0, 0},   [HG_U64] = {64, false, 0, 0},   [HG_F16] = {16, true, 11, 15},
    [HG_BF16] = {16, true, 8, 127}, [HG_F32] = {32, true, 24, 127}, [HG_F64] = {64, true, 53, 1023},
};

static uint64_t mask_of(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

static bool flushes(enum hg_dtype type)
{
    return type == HG_BF16 || type == HG_F32 || type == HG_F64;
}

/* The exact value of IMAGE; a denormal counts as zero when FTZ and the type is one that flushes. */
static void decode(mpfr_ptr value, enum hg_dtype type, uint64_t image, bool ftz)
{
    const struct type *form = &types[type];
    HG_REQUIRE(form->bits >= 8 && form->bits <= 64 && form->digits <= 53);
    if (form->digits == 0) {
        if (form->is_signed) {
            mpfr_set_sj(value, (int64_t)(image << (64 - form->bits)) >> (64 - form->bits),
                        MPFR_RNDN);
        } else {
            mpfr_set_uj(value, image, MPFR_RNDN);
        }
        return;
    }
    int stored = form->digits - 1;
    uint64_t fraction = image & mask_of((unsigned)stored);
    int exponent = (int)(image >> stored & mask_of(form->bits - (unsigned)form->digits));
    int top = 2 * form->bias + 1;
    if (exponent == top) {
        if (fraction != 0) {
            mpfr_set_nan(value);
        } else {
            mpfr_set_inf(value, 1);
        }
    } else if (exponent == 0) {
        mpfr_set_uj_2exp(value, ftz && flushes(type) ? 0 : fraction, 1 - form->bias - stored,
                         MPFR_RNDN);
    } else {
        mpfr_set_uj_2exp(value, fraction | UINT64_C(1) << stored, exponent - form->bias - stored,
                         MPFR_RNDN);
    }
    mpfr_setsign(value, value, (int)(image >> (form->bits - 1) & 1), MPFR_RNDN);
}

/* VALUE rounded to the nearest of a float type; with FTZ a result that is tiny after rounding is 0.
 */
static void round_to(mpfr_ptr value, enum hg_dtype type, bool ftz)
{
    const struct type *form = &types[type];
    if (!mpfr_number_p(value) || mpfr_zero_p(value)) {
        return;
    }
    int sign = mpfr_signbit(value);
    mpfr_t rounded;
    mpfr_init2(rounded, form->digits);
    mpfr_set(rounded, value, MPFR_RNDN);
    int lowest = 2 - form->bias; /* MPFR's exponent of the smallest normal number */
    if (mpfr_get_exp(rounded) < lowest && ftz && flushes(type)) {
        mpfr_set_zero(rounded, sign ? -1 : 1);
    } else if (mpfr_get_exp(value) < lowest) {
        long unit = lowest - form->digits; /* the last place of denormals is fixed */
        mpfr_t scaled;
        mpfr_init2(scaled, 200);
        mpfr_mul_2si(scaled, value, -unit, MPFR_RNDN);
        mpfr_roundeven(scaled, scaled);
        mpfr_mul_2si(scaled, scaled, unit, MPFR_RNDN);
        mpfr_set(rounded, scaled, MPFR_RNDN);
        mpfr_clear(scaled);
    } else if (mpfr_get_exp(rounded) > form->bias + 1) {
        mpfr_set_inf(rounded, sign ? -1 : 1);
    }
    mpfr_set(value, rounded, MPFR_RNDN);
    mpfr_setsign(value, value, sign, MPFR_RNDN);
    mpfr_clear(rounded);
}

/* VALUE truncated and saturated to an integer type; NaN is 0. */
static uint64_t saturate(mpfr_srcptr value, enum hg_dtype type)
{
    const struct type *form = &types[type];
    if (mpfr_nan_p(value)) {
        return 0;
    }
    if (!form->is_signed) {
        uint64_t high = mask_of(form->bits);
        if (mpfr_cmp_ui(value, 0) <= 0) {
            return 0;
        }
        return mpfr_inf_p(value) || mpfr_cmp_d(value, ldexp(1, (int)form->bits)) >= 0
                   ? high
                   : mpfr_get_uj(value, MPFR_RNDZ);
    }
    double limit = ldexp(1, (int)form->bits - 1);
    uint64_t high = mask_of(form->bits - 1);
    uint64_t result;
    if (mpfr_cmp_d(value, limit) >= 0) {
        result = high;
    } else if (mpfr_cmp_d(value, -limit) <= 0) {
        result = high + 1;
    } else {
        result = (uint64_t)mpfr_get_sj(value, MPFR_RNDZ);
    }
    return result & mask_of(form->bits);
}

static bool is_nan(enum hg_dtype type, uint64_t image)
{
    uint64_t magnitude = image & mask_of(types[type].bits - 1);
    int stored = types[type].digits - 1;
    return magnitude >> stored == mask_of(types[type].bits - (unsigned)types[type].digits) &&
           (magnitude & mask_of((unsigned)stored)) != 0;
}

/* Checks one conversion against the exact value. */
static void check(enum hg_dtype to, enum hg_dtype from, uint64_t image, bool ftz)
{
    uint64_t result = convert[to][from](image, ftz);
    if (types[to].digits == 0 && types[from].digits == 0) {
        uint64_t wide =
            types[from].is_signed
                ? (uint64_t)((int64_t)(image << (64 - types[from].bits)) >> (64 - types[from].bits))
                : image;
        assert_true(result == (wide & mask_of(types[to].bits)));
        return;
    }
    mpfr_t exact, actual;
    mpfr_inits2(200, exact, actual, (mpfr_ptr)NULL);
    decode(exact, from, image, ftz);
    if (types[to].digits == 0) {
        assert_true(result == saturate(exact, to));
    } else if (mpfr_nan_p(exact)) {
        assert_true(is_nan(to, result));
    } else {
        round_to(exact, to, ftz);
        decode(actual, to, result, false);
        assert_true(mpfr_equal_p(exact, actual) && mpfr_signbit(exact) == mpfr_signbit(actual));
    }
    mpfr_clears(exact, actual, (mpfr_ptr)NULL);
}

static uint64_t random_state = 0x6a09e667f3bcc909u;

static uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/*
 * A pattern of a 32- or 64-bit type: any; an integer near a power of two; few bits set far apart,
 * which makes ties and near-ties of the narrower types; for floats, an exponent in a narrower
 * range.
 */
static uint64_t sample(enum hg_dtype from, unsigned kind)
{
    unsigned bits = types[from].bits;
    uint64_t any = random_bits();
    uint64_t sparse = (UINT64_C(1) << any % bits) + (UINT64_C(1) << (any >> 8) % bits);
    sparse = kind & 8 ? sparse - 1 : sparse + (any >> 60 & 1);
    if (types[from].digits == 0 || kind % 4 == 0) {
        return (kind % 2 == 0 ? any : sparse) & mask_of(bits);
    }
    static const int centres[] = {0, -14, -24, -126, -133, -149, 15, 16, 31, 63, 127, 7};
    int stored = types[from].digits - 1;
    int exponent = centres[any % 12] + (int)(any >> 8 & 3) - 2 + types[from].bias;
    exponent = exponent < 0 ? 0 : exponent;
    uint64_t fraction = kind % 4 == 1 ? random_bits() : sparse << (any >> 16) % 40;
    fraction = kind % 4 == 2 ? ~fraction : fraction;
    return ((uint64_t)exponent << stored | (fraction & mask_of((unsigned)stored)) |
            (any >> 63) << (bits - 1)) &
           mask_of(bits);
}

static void check_all_from(enum hg_dtype from, uint64_t image)
{
    unsigned mode = _mm_getcsr();
    for (enum hg_dtype to = HG_I8; to < HG_DTYPE_COUNT; to++) {
        check(to, from, image, false);
        check(to, from, image, true);
        /* The same answer when MXCSR flushes too. */
        uint64_t expected = convert[to][from](image, true);
        _mm_setcsr(mode | FLUSH);
        uint64_t result = convert[to][from](image, true);
        _mm_setcsr(mode);
        assert_true(result == expected);
    }
}

/* Every pattern of the narrow types, to all twelve. */
static void narrow_sources(void **state)
{
    (void)state;
    for (uint64_t image = 0; image < 65536; image++) {
        if (image < 256) {
            check_all_from(HG_I8, image);
            check_all_from(HG_U8, image);
        }
        if (image % 16 == 5 || image < 512) {
            check_all_from(HG_I16, image);
            check_all_from(HG_U16, image);
        }
        check_all_from(HG_F16, image);
        check_all_from(HG_BF16, image);
    }
}

/* Sampled patterns of the wide types, to all twelve. */
static void wide_sources(void **state)
{
    (void)state;
    static const enum hg_dtype wide[] = {HG_I32, HG_I64, HG_U32, HG_U64, HG_F32, HG_F64};
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        for (unsigned kind = 0; kind < SAMPLES; kind++) {
            check_all_from(wide[i], sample(wide[i], kind));
        }
    }
}

/* Where rounding through F32 first would be wrong, and the borders of flushing. */
static void one_rounding(void **state)
{
    (void)state;
    /* 2049 + 2^-40 is above the tie between 2048 and 2050, which F32 would make of it. */
    assert_int_equal(hg_scalar_cvt_f16_f64(2049 + 0x1p-40, false), 0x6801);
    assert_int_equal(hg_scalar_cvt_bf16_i32(0x1010001 << 4, false), 0x4d81);
    assert_int_equal(hg_scalar_cvt_bf16_i64(INT64_C(0x1010000000000001), false), 0x5d81);
    assert_int_equal(hg_scalar_cvt_bf16_u64(UINT64_C(0x8080000000000001), false), 0x5f01);
    assert_int_equal(hg_scalar_cvt_f16_i64(65519, false), 0x7bff);
    assert_int_equal(hg_scalar_cvt_f16_u64(65520, false), 0x7c00);
    static const double borders[] = {0x1p-126,
                                     0x1p-126 - 0x1p-151,
                                     0x1p-126 - 0x1p-152,
                                     0x1p-126 - 0x1p-150,
                                     0x1p-126 - 0x1p-135,
                                     0x1p-126 - 0x1p-136,
                                     0x1p-126 - 0x1p-134,
                                     0x1.ffffffp-127,
                                     0x1.ffffff0000001p-127,
                                     0x1.fffffefffffffp-127};
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        check_all_from(HG_F64, hg_math_bits64(borders[i]));
        check_all_from(HG_F64, hg_math_bits64(-borders[i]));
    }
}

/* isa.md's examples. */
static void small_facts(void **state)
{
    (void)state;
    assert_int_equal(hg_scalar_cvt_i32_f32(99.7f, false), 99);
    assert_int_equal(hg_scalar_cvt_i32_f32(NAN, false), 0);
    assert_int_equal(hg_scalar_cvt_i32_f32(3e9f, false), 2147483647);
    assert_int_equal(hg_scalar_cvt_u32_f32(-1.5f, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_sources),
        cmocka_unit_test(wide_sources),
        cmocka_unit_test(one_rounding),
        cmocka_unit_test(small_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
