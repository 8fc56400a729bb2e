/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every ISA level gives the same bits: the rows of math.def, compiled for SSE2 (where fma is a
 * function of libm), AVX2 with FMA and AVX-512, over the same arguments, as one-lane calls and as
 * loops that the compiler vectorises, in both floating-point modes. NaNs count as equal.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3", "no-trapping-math")
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <xmmintrin.h>

#include <cmocka.h>

#include "lib/isa/math_scalar.h"

#define FLUSH 0x8040u
#define TILE  1024 /* arguments per call */

/* Argument tiles whose length the compiler does not know, so that loops have a tail. */
typedef void tile32(const float *x, const float *y, float *out, unsigned count);
typedef void tile64(const double *x, const double *y, double *out, unsigned count);

#define GENERIC
#define AVX2   __attribute__((target("avx2,fma"), flatten))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), flatten))

#define LOOP(LEVEL, level, name, type, N, ARGUMENTS)                                               \
    LEVEL static void name##_##type##_##level(const HG_T##N *restrict x,                           \
                                              const HG_T##N *restrict y, HG_T##N *restrict out,    \
                                              unsigned count)                                      \
    {                                                                                              \
        (void)y;                                                                                   \
        for (unsigned i = 0; i < count; i++) {                                                     \
            out[i] = hg_math_##name##_##type ARGUMENTS;                                            \
        }                                                                                          \
    }
#define HG_T32 float
#define HG_T64 double
#define LEVELS(name, type, N, ARGUMENTS)                                                           \
    LOOP(GENERIC, generic, name, type, N, ARGUMENTS)                                               \
    LOOP(AVX2, avx2, name, type, N, ARGUMENTS)                                                     \
    LOOP(AVX512, avx512, name, type, N, ARGUMENTS)

#define ROWS(ROW)                                                                                  \
    ROW(exp, (x[i]))                                                                               \
    ROW(log, (x[i]))                                                                               \
    ROW(log2, (x[i]))                                                                              \
    ROW(log10, (x[i]))                                                                             \
    ROW(sqrt, (x[i]))                                                                              \
    ROW(rsqrt, (x[i]))                                                                             \
    ROW(sin, (x[i]))                                                                               \
    ROW(cos, (x[i]))                                                                               \
    ROW(tan, (x[i]))                                                                               \
    ROW(tanh, (x[i]))                                                                              \
    ROW(sigmoid, (x[i]))                                                                           \
    ROW(erf, (x[i]))                                                                               \
    ROW(pow, (x[i], y[i]))

#define DEFINE(name, ARGUMENTS) LEVELS(name, f32, 32, ARGUMENTS) LEVELS(name, f64, 64, ARGUMENTS)
ROWS(DEFINE)

struct row {
    tile32 *f32[3];
    tile64 *f64[3];
};

#define ENTRY(name, ARGUMENTS)                                                                     \
    {{name##_f32_generic, name##_f32_avx2, name##_f32_avx512},                                     \
     {name##_f64_generic, name##_f64_avx2, name##_f64_avx512}},
static const struct row rows[] = {ROWS(ENTRY)};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static uint64_t random_state = 0x2545f4914f6cdd1du;

/* SplitMix64: the same arguments in every run. */
static uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool level_present(int level)
{
    if (level == 1) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static void compare32(const struct row *row, const float *x, const float *y, unsigned count)
{
    static float expected[TILE], result[TILE];
    row->f32[0](x, y, expected, count);
    for (int level = 1; level < 3; level++) {
        if (!level_present(level)) {
            continue;
        }
        row->f32[level](x, y, result, count);
        for (unsigned i = 0; i < count; i++) {
            assert_true(hg_math_bits32(expected[i]) == hg_math_bits32(result[i]) ||
                        (isnan(expected[i]) && isnan(result[i])));
        }
    }
}

static void compare64(const struct row *row, const double *x, const double *y, unsigned count)
{
    static double expected[TILE], result[TILE];
    row->f64[0](x, y, expected, count);
    for (int level = 1; level < 3; level++) {
        if (!level_present(level)) {
            continue;
        }
        row->f64[level](x, y, result, count);
        for (unsigned i = 0; i < count; i++) {
            assert_true(hg_math_bits64(expected[i]) == hg_math_bits64(result[i]) ||
                        (isnan(expected[i]) && isnan(result[i])));
        }
    }
}

/* Specials first, then any pattern, then values of ordinary size. */
static double argument64(unsigned i)
{
    static const uint64_t specials[] = {
        0x0000000000000000, 0x8000000000000000, 0x7ff0000000000000, 0xfff0000000000000,
        0x7ff8000000000000, 0x7ff0000000000001, 0x0000000000000001, 0x800fffffffffffff,
        0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7fefffffffffffff,
        0x4008000000000000, 0xc000000000000000, 0x3fe0000000000000, 0xc086232bdd7abcd2,
    };
    if (i < 16) {
        return hg_math_float64(specials[i]);
    }
    if (i % 2 == 0) {
        return hg_math_float64(random_bits());
    }
    return (double)(int64_t)random_bits() * (i % 3 == 0 ? 0x1p-53 : 0x1p-62);
}

/* Runs every row over COUNT tiles of F64 and the F32 patterns STEP apart. */
static void compare_all(unsigned tiles, uint32_t step)
{
    static float x32[TILE], y32[TILE];
    static double x64[TILE], y64[TILE];
    for (size_t r = 0; r < ROW_COUNT; r++) {
        for (unsigned t = 0; t < tiles; t++) {
            for (unsigned i = 0; i < TILE; i++) {
                x64[i] = argument64(i < 256 ? i / 16 : i);
                y64[i] = argument64(i < 256 ? i % 16 : i);
            }
            compare64(&rows[r], x64, y64, TILE - t % 8);
        }
        uint64_t pattern = 0;
        while (pattern < UINT64_C(1) << 32) {
            unsigned count = 0;
            for (; count < TILE - 3 && pattern < UINT64_C(1) << 32; pattern += step) {
                x32[count] = hg_math_float32((uint32_t)pattern);
                y32[count++] = (float)argument64((unsigned)(pattern & 0xff));
            }
            compare32(&rows[r], x32, y32, count);
        }
    }
}

static void levels_agree(void **state)
{
    (void)state;
    compare_all(300, 1009);
}

static void levels_agree_when_flushing(void **state)
{
    (void)state;
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | FLUSH);
    compare_all(60, 4999);
    _mm_setcsr(mode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(levels_agree_when_flushing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
