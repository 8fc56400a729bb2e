/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transcendentals keep their error bounds and edge cases, in both floating-point modes. F64 is
 * judged by MPFR. F32 is judged by MPFR on a sample, and by the F64 row, whose own error is 2^-27
 * of an F32 ulp, on the rest: on all 2^32 arguments with HG_EXHAUSTIVE=1, which
 * takes the better part of an hour.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xmmintrin.h>

#include <cmocka.h>
#include <mpfr.h>

#include "lib/isa/math_scalar.h"

#define FLUSH       0x8040u /* FTZ and DAZ in MXCSR */
#define PRECISION   160
#define F64_SAMPLES 60000
#define F32_SAMPLES 8000
#define F32_STEP    1999u /* of the 2^32 patterns: 2.1 million of them */
#define POW_SAMPLES 400000

typedef int mpfr_function(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

struct row {
    const char *name;
    float (*f32)(float);
    double (*f64)(double);
    mpfr_function *exact;
    double bound32, bound64;
};

static int exact_sigmoid(mpfr_ptr result, mpfr_srcptr x, mpfr_rnd_t rounding)
{
    mpfr_neg(result, x, rounding);
    mpfr_exp(result, result, rounding);
    mpfr_add_ui(result, result, 1, rounding);
    return mpfr_ui_div(result, 1, result, rounding);
}

/* mpfr_rec_sqrt gives +inf for -0, where 1/sqrt(x) is -inf. */
static int exact_rsqrt(mpfr_ptr result, mpfr_srcptr x, mpfr_rnd_t rounding)
{
    if (mpfr_zero_p(x)) {
        mpfr_set_inf(result, mpfr_signbit(x) ? -1 : 1);
        return 0;
    }
    return mpfr_rec_sqrt(result, x, rounding);
}

static const struct row rows[] = {
    {"exp", hg_math_exp_f32, hg_math_exp_f64, mpfr_exp, 2, 4},
    {"log", hg_math_log_f32, hg_math_log_f64, mpfr_log, 2, 4},
    {"log2", hg_math_log2_f32, hg_math_log2_f64, mpfr_log2, 2, 4},
    {"log10", hg_math_log10_f32, hg_math_log10_f64, mpfr_log10, 2, 4},
    {"sqrt", hg_math_sqrt_f32, hg_math_sqrt_f64, mpfr_sqrt, 0.5, 0.5},
    {"rsqrt", hg_math_rsqrt_f32, hg_math_rsqrt_f64, exact_rsqrt, 1.5, 1.5},
    {"sin", hg_math_sin_f32, hg_math_sin_f64, mpfr_sin, 2, 4},
    {"cos", hg_math_cos_f32, hg_math_cos_f64, mpfr_cos, 2, 4},
    {"tan", hg_math_tan_f32, hg_math_tan_f64, mpfr_tan, 2, 4},
    {"tanh", hg_math_tanh_f32, hg_math_tanh_f64, mpfr_tanh, 2, 4},
    {"sigmoid", hg_math_sigmoid_f32, hg_math_sigmoid_f64, exact_sigmoid, 2, 4},
    {"erf", hg_math_erf_f32, hg_math_erf_f64, mpfr_erf, 2, 4},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static uint64_t random_state = 0x9e3779b97f4a7c15u;

/* SplitMix64: the same arguments in every run. */
static uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [-1, 1). */
static double random_unit(void)
{
    return (double)(int64_t)random_bits() * 0x1p-63;
}

static bool exhaustive(void)
{
    const char *text = getenv("HG_EXHAUSTIVE");
    return text != NULL && text[0] == '1';
}

/* A type's precision and range. */
struct format {
    int digits, emin, emax;
};
static const struct format F32 = {24, -149, 128};
static const struct format F64 = {53, -1074, 1024};

/*
 * The distance of RESULT from EXACT in units of the last place of EXACT; infinity counts as the
 * power of two that overflows. 1e9 where one is NaN and the other not, or a sign is wrong.
 */
static double ulps(double result, mpfr_srcptr exact, const struct format *format)
{
    if (isnan(result) || mpfr_nan_p(exact)) {
        return isnan(result) && mpfr_nan_p(exact) ? 0 : 1e9;
    }
    if (!mpfr_zero_p(exact) && result != 0 && (mpfr_sgn(exact) < 0) != (result < 0)) {
        return 1e9;
    }
    if (mpfr_zero_p(exact) && (signbit(result) != 0) != (mpfr_signbit(exact) != 0)) {
        return 1e9;
    }
    if (mpfr_inf_p(exact)) {
        return isinf(result) ? 0 : 1e9;
    }
    mpfr_t difference;
    mpfr_init2(difference, PRECISION);
    if (isinf(result)) {
        mpfr_set_ui_2exp(difference, 1, format->emax, MPFR_RNDN);
        mpfr_sub(difference, difference, exact, MPFR_RNDN);
        if (result < 0) {
            mpfr_set_si_2exp(difference, -1, format->emax, MPFR_RNDN);
            mpfr_sub(difference, exact, difference, MPFR_RNDN);
        }
        if (mpfr_sgn(difference) < 0) {
            mpfr_set_ui(difference, 0, MPFR_RNDN);
        }
    } else {
        mpfr_set_d(difference, result, MPFR_RNDN);
        mpfr_sub(difference, difference, exact, MPFR_RNDN);
    }
    long exponent = mpfr_zero_p(exact) ? format->emin : mpfr_get_exp(exact) - format->digits;
    exponent = exponent < format->emin ? format->emin : exponent;
    mpfr_div_2si(difference, difference, exponent, MPFR_RNDN);
    double distance = fabs(mpfr_get_d(difference, MPFR_RNDN));
    mpfr_clear(difference);
    return distance;
}

/* The same against a double that stands for the exact value of an F32 result. */
static double ulps_f32(float result, double exact)
{
    if (isnan(result) || isnan(exact)) {
        return isnan(result) && isnan(exact) ? 0 : 1e9;
    }
    if ((signbit(result) != 0) != (signbit(exact) != 0)) {
        return 1e9;
    }
    double value = isinf(result) ? copysign(0x1p+128, result) : (double)result;
    double target = fabs(exact) > 0x1p+128 ? copysign(0x1p+128, exact) : exact;
    /* The exponent's bits are enough: the last place is 2^(e - 23). */
    int exponent = (int)(hg_math_bits64(target) >> 52 & 0x7ff) - 1023 - 23;
    exponent = exponent < -149 ? -149 : exponent;
    return fabs(value - target) * hg_math_float64((uint64_t)(1023 - exponent) << 52);
}

struct worst {
    double ulps, x, y;
};

static void note(struct worst *worst, double distance, double x, double y)
{
    if (distance > worst->ulps) {
        *worst = (struct worst){distance, x, y};
    }
}

/* Prints the row's figure and fails above BOUND. */
static void judge(const char *name, const char *type, const struct worst *worst, double bound)
{
    printf("    %-8s %s  max %.4f ulp (bound %.1f) at %a %a\n", name, type, worst->ulps, bound,
           worst->x, worst->y);
    assert_true(worst->ulps <= bound);
}

/*
 * An argument near the places where something changes, or from all over the range: KIND cycles
 * through the choices.
 */
static double sample_f64(unsigned kind)
{
    double unit = random_unit();
    switch (kind % 10) {
    case 0:
        return hg_math_float64(random_bits()); /* any pattern */
    case 1:
        return unit * 2;
    case 2:
        return unit * 40;
    case 3:
        return unit * 760; /* exp's whole range, with denormal results */
    case 4:
        return 1 + unit * ldexp(1, -(int)(random_bits() % 53)); /* around 1 */
    case 5:
        return ldexp(unit, -(int)(random_bits() % 1075)); /* small, and denormal */
    case 6:
        return ldexp(fabs(unit), (int)(random_bits() % 1024)); /* large */
    case 7:                                                    /* around multiples of pi/2 */
        return (double)(random_bits() % 100000) * 0x1.921fb54442d18p+0 * (1 + unit * 0x1p-51);
    case 8:
        return unit * 7; /* erf and tanh up to 1 */
    default:
        return fabs(unit) * 20 * 0x1p-1022; /* around the smallest normal number */
    }
}

static double sample_f32(unsigned kind)
{
    double unit = random_unit();
    switch (kind % 6) {
    case 0:
        return (double)hg_math_float32((uint32_t)random_bits());
    case 1:
        return (double)(float)(unit * 110);
    case 2:
        return (double)(float)(1 + unit * ldexp(1, -(int)(random_bits() % 24)));
    case 3:
        return (double)(float)ldexp(unit, -(int)(random_bits() % 150));
    case 4:
        return (double)(float)((double)(random_bits() % 100000) * 0x1.921fb54442d18p+0);
    default:
        return (double)(float)(unit * 7);
    }
}

/* Arguments known as hard, or at a border of some row. */
static const double hard[] = {
    0x1.6ac5b262ca1ffp+849, /* the double nearest to a multiple of pi/2 */
    0x1.921fb54442d18p+0,
    0x1.921fb54442d18p+1,
    0x1.921fb54442d17p-1,
    0x1.921fb54442d18p-1,
    0x1.fffffffffffffp+1023,
    0x1p-1022,
    0x1p-1074,
    0x0.fffffffffffffp-1022,
    0x1p-27,
    0x1.fffffffffffffp-28,
    0x1.62e42fefa39efp+9,
    0x1.62e42fefa39fp+9,
    -0x1.74910d52d3051p+9,
    -0x1.74910d52d3052p+9,
    -0x1.6232bdd7abcd2p+9,
    0x1.6a09e667f3bcdp-1,
    0x1.fffffffffffffp-1,
    0x1.0000000000001p+0,
    10,
    1000,
    0x1.fffffep+127,
    0x1p-126,
    0x1p-149,
    0x1.62e43p+6,
    -0x1.9fe368p+6,
    -90,
    -104,
    0x1.6d1864p+125,
    0x1.1cp-1,
    0x1.7744f8f74e94bp+2,
    5.5,
    22,
};
#define HARD (sizeof(hard) / sizeof(hard[0]))

static double f64_error(const struct row *row, double x, mpfr_ptr exact)
{
    mpfr_set_d(exact, x, MPFR_RNDN);
    row->exact(exact, exact, MPFR_RNDN);
    return ulps(row->f64(x), exact, &F64);
}

/* Each F64 row stays within its bound on random and hard arguments, by MPFR. */
static void f64_within_bounds(void **state)
{
    (void)state;
    mpfr_t exact;
    mpfr_init2(exact, PRECISION);
    unsigned count = exhaustive() ? 100 * F64_SAMPLES : F64_SAMPLES;
    for (size_t r = 0; r < ROWS; r++) {
        struct worst worst = {0};
        for (size_t i = 0; i < HARD; i++) {
            note(&worst, f64_error(&rows[r], hard[i], exact), hard[i], 0);
            note(&worst, f64_error(&rows[r], -hard[i], exact), -hard[i], 0);
        }
        for (unsigned i = 0; i < count; i++) {
            double x = sample_f64(i);
            note(&worst, f64_error(&rows[r], x, exact), x, 0);
        }
        judge(rows[r].name, "f64", &worst, rows[r].bound64);
    }
    mpfr_clear(exact);
}

/* Each F32 row stays within its bound, by MPFR on a sample and by the F64 row on the patterns. */
static void f32_within_bounds(void **state)
{
    (void)state;
    mpfr_t exact;
    mpfr_init2(exact, PRECISION);
    uint64_t step = exhaustive() ? 1 : F32_STEP;
    for (size_t r = 0; r < ROWS; r++) {
        struct worst worst = {0};
        for (unsigned i = 0; i < F32_SAMPLES + HARD; i++) {
            float x = (float)(i < HARD ? hard[i] : sample_f32(i));
            mpfr_set_flt(exact, x, MPFR_RNDN);
            rows[r].exact(exact, exact, MPFR_RNDN);
            note(&worst, ulps((double)rows[r].f32(x), exact, &F32), (double)x, 0);
        }
        for (uint64_t pattern = 0; pattern < UINT64_C(1) << 32; pattern += step) {
            float x = hg_math_float32((uint32_t)pattern);
            note(&worst, ulps_f32(rows[r].f32(x), rows[r].f64((double)x)), (double)x, 0);
        }
        judge(rows[r].name, "f32", &worst, rows[r].bound32);
    }
    mpfr_clear(exact);
}

/* x and y such that x^y is often finite, near 1, denormal or just out of range. */
static void sample_pow(unsigned kind, double *x, double *y)
{
    *x = sample_f64((unsigned)random_bits() % 10);
    double target = random_unit() * 760;
    switch (kind % 4) {
    case 0: {
        double logarithm = log(fabs(*x));
        *y = logarithm != 0 ? target / logarithm : random_unit();
        break;
    }
    case 1:
        *x = 1 + random_unit() * ldexp(1, -(int)(random_bits() % 53));
        *y = target / log(fabs(*x) + 0x1p-54);
        break;
    case 2:
        *y = (double)(int64_t)(random_bits() % 41) - 20;
        break;
    default:
        *y = sample_f64((unsigned)random_bits() % 10);
    }
}

/* POW in F64 by MPFR, and in F32 by MPFR on a part and by F64 on the rest. */
static void pow_within_bounds(void **state)
{
    (void)state;
    mpfr_t exact, exponent;
    mpfr_inits2(PRECISION, exact, exponent, (mpfr_ptr)NULL);
    struct worst worst32 = {0}, worst64 = {0};
    unsigned count = exhaustive() ? 30 * POW_SAMPLES : POW_SAMPLES;
    for (unsigned i = 0; i < count; i++) {
        double x, y;
        sample_pow(i, &x, &y);
        if (i % 4 < 3 && i < count / 3) {
            mpfr_set_d(exact, x, MPFR_RNDN);
            mpfr_set_d(exponent, y, MPFR_RNDN);
            mpfr_pow(exact, exact, exponent, MPFR_RNDN);
            note(&worst64, ulps(hg_math_pow_f64(x, y), exact, &F64), x, y);
        }
        float a = (float)x, b = (float)(y * 0.2);
        note(&worst32, ulps_f32(hg_math_pow_f32(a, b), hg_math_pow_f64((double)a, (double)b)),
             (double)a, (double)b);
    }
    mpfr_clears(exact, exponent, (mpfr_ptr)NULL);
    judge("pow", "f64", &worst64, 4);
    judge("pow", "f32", &worst32, 2);
}

/* Equal as IEEE 754 sees it, with the sign of zero; all NaNs are one. */
static void assert_same(double result, double expected)
{
    if (isnan(expected)) {
        assert_true(isnan(result));
    } else {
        assert_true(result == expected);
        assert_int_equal(signbit(result) != 0, signbit(expected) != 0);
    }
}

struct edge {
    const char *name;
    double x, result;
};

/* IEEE 754-2019 9.2 and C Annex F, one-argument functions. */
static const struct edge edges[] = {
    {"exp", 0.0, 1},
    {"exp", -0.0, 1},
    {"exp", INFINITY, INFINITY},
    {"exp", -INFINITY, 0},
    {"exp", 1e308, INFINITY},
    {"exp", -1e308, 0},
    {"log", 0.0, -INFINITY},
    {"log", -0.0, -INFINITY},
    {"log", 1, 0},
    {"log", -1, NAN},
    {"log", -INFINITY, NAN},
    {"log", INFINITY, INFINITY},
    {"log", -1e-40, NAN},
    {"log2", 0.0, -INFINITY},
    {"log2", -0.0, -INFINITY},
    {"log2", 1, 0},
    {"log2", 0x1p+100, 100},
    {"log2", 0x1p-100, -100},
    {"log2", -1, NAN},
    {"log2", INFINITY, INFINITY},
    {"log10", 0.0, -INFINITY},
    {"log10", -0.0, -INFINITY},
    {"log10", 1, 0},
    {"log10", -1, NAN},
    {"log10", INFINITY, INFINITY},
    {"sqrt", 0.0, 0.0},
    {"sqrt", -0.0, -0.0},
    {"sqrt", -1, NAN},
    {"sqrt", INFINITY, INFINITY},
    {"rsqrt", 0.0, INFINITY},
    {"rsqrt", -0.0, -INFINITY},
    {"rsqrt", -1, NAN},
    {"rsqrt", INFINITY, 0.0},
    {"rsqrt", 4, 0.5},
    {"sin", 0.0, 0.0},
    {"sin", -0.0, -0.0},
    {"sin", INFINITY, NAN},
    {"sin", -INFINITY, NAN},
    {"cos", 0.0, 1},
    {"cos", -0.0, 1},
    {"cos", INFINITY, NAN},
    {"cos", -INFINITY, NAN},
    {"tan", 0.0, 0.0},
    {"tan", -0.0, -0.0},
    {"tan", INFINITY, NAN},
    {"tan", -INFINITY, NAN},
    {"tanh", 0.0, 0.0},
    {"tanh", -0.0, -0.0},
    {"tanh", INFINITY, 1},
    {"tanh", -INFINITY, -1},
    {"sigmoid", 0.0, 0.5},
    {"sigmoid", -0.0, 0.5},
    {"sigmoid", INFINITY, 1},
    {"sigmoid", -INFINITY, 0.0},
    {"erf", 0.0, 0.0},
    {"erf", -0.0, -0.0},
    {"erf", INFINITY, 1},
    {"erf", -INFINITY, -1},
};

/* The edge cases hold in both types, and a NaN, quiet or signalling, of either sign, gives a NaN.
 */
static void edges_hold(void **state)
{
    (void)state;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
            if (strcmp(edges[i].name, rows[r].name) == 0) {
                assert_same(rows[r].f64(edges[i].x), edges[i].result);
                assert_same((double)rows[r].f32((float)edges[i].x), edges[i].result);
            }
        }
        static const uint32_t nans32[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff};
        static const uint64_t nans64[] = {0x7ff8000000000000, 0xfff8000000000000,
                                          0x7ff0000000000001, 0xffffffffffffffff};
        for (size_t i = 0; i < 4; i++) {
            assert_true(isnan(rows[r].f32(hg_math_float32(nans32[i]))));
            assert_true(isnan(rows[r].f64(hg_math_float64(nans64[i]))));
        }
    }
}

/* Results below the smallest normal number are right: sigmoid(-90) = 8.19e-40 and its like. */
static void denormal_results(void **state)
{
    (void)state;
    assert_int_equal(hg_math_bits32(hg_math_sigmoid_f32(-90.0f)), hg_math_bits32(8.194013e-40f));
    assert_true(hg_math_exp_f32(-103.9f) == 0x1p-149f);
    assert_true(hg_math_exp_f32(-104.1f) == 0.0f);
    assert_true(hg_math_tanh_f32(-0x1p-149f) == -0x1p-149f);
    assert_true(hg_math_sin_f32(0x1p-149f) == 0x1p-149f);
    assert_true(hg_math_sin_f64(0x1p-1074) == 0x1p-1074);
    assert_true(hg_math_log_f64(0x1p-1074) == -0x1.74385446d71c3p+9);
    assert_true(hg_math_pow_f64(2, -1074) == 0x1p-1074);
    assert_true(hg_math_pow_f32(2, -149) == 0x1p-149f);
}

struct pow_edge {
    double x, y, result;
};

/* C Annex F.10.4.4, every line of it. */
static const struct pow_edge pow_edges[] = {
    {0.0, -3, INFINITY},
    {-0.0, -3, -INFINITY},
    {0.0, -2, INFINITY},
    {-0.0, -2, INFINITY},
    {-0.0, -2.5, INFINITY},
    {0.0, -INFINITY, INFINITY},
    {-0.0, -INFINITY, INFINITY},
    {0.0, 3, 0.0},
    {-0.0, 3, -0.0},
    {0.0, 2, 0.0},
    {-0.0, 2, 0.0},
    {-0.0, 2.5, 0.0},
    {-1, INFINITY, 1},
    {-1, -INFINITY, 1},
    {1, NAN, 1},
    {1, INFINITY, 1},
    {1, -INFINITY, 1},
    {1, -7.25, 1},
    {NAN, 0.0, 1},
    {NAN, -0.0, 1},
    {INFINITY, 0.0, 1},
    {-3, 0.0, 1},
    {-8, 1.0 / 3, NAN},
    {-0.5, 0.5, NAN},
    {-2, INFINITY, INFINITY},
    {0.5, -INFINITY, INFINITY},
    {-0.5, -INFINITY, INFINITY},
    {2, -INFINITY, 0.0},
    {-2, -INFINITY, 0.0},
    {0.5, INFINITY, 0.0},
    {-0.5, INFINITY, 0.0},
    {2, INFINITY, INFINITY},
    {-INFINITY, -3, -0.0},
    {-INFINITY, -2, 0.0},
    {-INFINITY, -2.5, 0.0},
    {-INFINITY, 3, -INFINITY},
    {-INFINITY, 2, INFINITY},
    {-INFINITY, 2.5, INFINITY},
    {INFINITY, -0.5, 0.0},
    {INFINITY, 0.5, INFINITY},
    {INFINITY, INFINITY, INFINITY},
    {INFINITY, -INFINITY, 0.0},
    {NAN, 1, NAN},
    {2, NAN, NAN},
    {NAN, NAN, NAN},
    {0.0, NAN, NAN},
    {INFINITY, NAN, NAN},
    {NAN, INFINITY, NAN},
    {-2, 3, -8},
    {-2, 2, 4},
    {2, 10, 1024},
    {-2, -3, -0.125},
    {-1, 0x1p+60, 1},
    {-1, 16777215, -1},
    {0.0, INFINITY, 0.0},
    {-0.0, INFINITY, 0.0},
    {10, 400, INFINITY},
    {-10, 401, -INFINITY},
    {10, -400, 0.0},
    {-10, -401, -0.0},
};

static void pow_edges_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pow_edges) / sizeof(pow_edges[0]); i++) {
        const struct pow_edge *edge = &pow_edges[i];
        assert_same(hg_math_pow_f64(edge->x, edge->y), edge->result);
        assert_same((double)hg_math_pow_f32((float)edge->x, (float)edge->y), edge->result);
    }
    assert_true(hg_math_pow_f64(-1, 0x1.fffffffffffffp+52) == -1); /* the largest odd double */
}

/*
 * Under FTZ and DAZ a denormal argument counts as a zero of its sign, and results that are normal
 * keep the bounds. (MPFR runs with the default mode.)
 */
static void flushing_mode(void **state)
{
    (void)state;
    mpfr_t exact;
    mpfr_init2(exact, PRECISION);
    unsigned mode = _mm_getcsr();
    for (size_t r = 0; r < ROWS; r++) {
        struct worst worst32 = {0}, worst64 = {0};
        for (unsigned i = 0; i < F32_SAMPLES; i++) {
            double x = sample_f64(i);
            float y = (float)sample_f32(i);
            _mm_setcsr(mode | FLUSH);
            double result = rows[r].f64(x);
            float narrow = rows[r].f32(y);
            bool zero64 = hg_math_bits64(rows[r].f64(copysign(0.0, x))) == hg_math_bits64(result);
            bool zero32 = hg_math_bits32(rows[r].f32(copysignf(0, y))) == hg_math_bits32(narrow);
            _mm_setcsr(mode);
            assert_int_not_equal(fpclassify(result), FP_SUBNORMAL);
            assert_int_not_equal(fpclassify(narrow), FP_SUBNORMAL);
            if (fpclassify(x) == FP_SUBNORMAL) {
                assert_true(zero64);
            } else {
                mpfr_set_d(exact, x, MPFR_RNDN);
                rows[r].exact(exact, exact, MPFR_RNDN);
                if (!mpfr_number_p(exact) || mpfr_zero_p(exact) || mpfr_get_exp(exact) > -1021) {
                    note(&worst64, ulps(result, exact, &F64), x, 0);
                }
            }
            if (fpclassify(y) == FP_SUBNORMAL) {
                assert_true(zero32);
            } else if (fabs(rows[r].f64((double)y)) >= 0x1p-126) {
                note(&worst32, ulps_f32(narrow, rows[r].f64((double)y)), (double)y, 0);
            }
        }
        assert_true(worst64.ulps <= rows[r].bound64);
        assert_true(worst32.ulps <= rows[r].bound32);
    }
    mpfr_clear(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_hold),        cmocka_unit_test(pow_edges_hold),
        cmocka_unit_test(denormal_results),  cmocka_unit_test(f64_within_bounds),
        cmocka_unit_test(f32_within_bounds), cmocka_unit_test(pow_within_bounds),
        cmocka_unit_test(flushing_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
