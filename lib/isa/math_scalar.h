/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of math.def for one lane, as C: `float hg_math_exp_f32(float x)`, `double
 * hg_math_pow_f64(double x, double y)`. The reference interpreter calls them; the block executor
 * loops over them in objects that are compiled per ISA level and lets the compiler vectorise. The
 * same bits come from every level, because each primitive is exact or correctly rounded and the
 * compiler may neither contract nor reassociate (-ffp-contract=off, no fast-math).
 *
 * For loops to vectorise, compile with -O3 -fno-trapping-math: the selects become branches
 * otherwise. That option changes no value, only which exceptions may be raised, and we read none.
 *
 * Threads: pure functions, which obey the caller's MXCSR (FTZ and DAZ; rounding must be to
 * nearest).
 */
#ifndef HG_LIB_ISA_MATH_SCALAR_H
#define HG_LIB_ISA_MATH_SCALAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/isa/math_tables.h"

static inline uint32_t hg_math_bits32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline uint64_t hg_math_bits64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline float hg_math_float32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline double hg_math_float64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The x86 meaning of maxps and minps: the second operand if one is NaN. */
static inline float hg_math_max32(float a, float b)
{
    return a > b ? a : b;
}

static inline double hg_math_max64(double a, double b)
{
    return a > b ? a : b;
}

static inline float hg_math_min32(float a, float b)
{
    return a < b ? a : b;
}

static inline double hg_math_min64(double a, double b)
{
    return a < b ? a : b;
}

static inline float hg_math_select32(bool mask, float t, float f)
{
    return mask ? t : f;
}

static inline double hg_math_select64(bool mask, double t, double f)
{
    return mask ? t : f;
}

/* 2^K, K in the low bits of SHIFTED; what else is there vanishes in the shift to the exponent. */
static inline float hg_math_power32(uint32_t shifted)
{
    return hg_math_float32((shifted << 23) + 0x3f800000);
}

static inline double hg_math_power64(uint64_t shifted)
{
    return hg_math_float64((shifted << 52) + 0x3ff0000000000000);
}

/*
 * A * 2^K, K in the low bits of SHIFTED, for K that the exponent field cannot hold: 2^K in two
 * factors of half the exponent, so that only the last product rounds (or overflows). What else is
 * in SHIFTED is even: half of it vanishes too.
 */
static inline float hg_math_scale32(float a, uint32_t shifted)
{
    uint32_t half = shifted >> 1;
    return a * hg_math_power32(half) * hg_math_power32(shifted - half);
}

static inline double hg_math_scale64(double a, uint64_t shifted)
{
    uint64_t half = shifted >> 1;
    return a * hg_math_power64(half) * hg_math_power64(shifted - half);
}

/* The primitives of math.def. Arguments that appear once need no function of their own. */
#define HGM_UNARY32(name, x)                                                                       \
    static inline float hg_math_##name(float x)                                                    \
    {
#define HGM_UNARY64(name, x)                                                                       \
    static inline double hg_math_##name(double x)                                                  \
    {
#define HGM_BINARY32(name, x, y)                                                                   \
    static inline float hg_math_##name(float x, float y)                                           \
    {
#define HGM_BINARY64(name, x, y)                                                                   \
    static inline double hg_math_##name(double x, double y)                                        \
    {
#define HGM_END          }
#define HGM_RESULT(e)    return (e)
#define HGM_LET32(v, e)  const float v = (e)
#define HGM_LET64(v, e)  const double v = (e)
#define HGM_LETI32(v, e) const uint32_t v = (e)
#define HGM_LETI64(v, e) const uint64_t v = (e)
#define HGM_LETM32(v, e) const bool v = (e)
#define HGM_LETM64(v, e) const bool v = (e)

#define HGM_C32(c)           (c)
#define HGM_IC32(c)          ((uint32_t)(c))
#define HGM_ADD32(a, b)      ((a) + (b))
#define HGM_SUB32(a, b)      ((a) - (b))
#define HGM_MUL32(a, b)      ((a) * (b))
#define HGM_DIV32(a, b)      ((a) / (b))
#define HGM_FMA32(a, b, c)   fmaf(a, b, c)
#define HGM_FNMA32(a, b, c)  fmaf(-(a), b, c)
#define HGM_SQRT32(a)        sqrtf(a)
#define HGM_SCALE32(a, s, k) hg_math_scale32(a, hg_math_bits32(s))
#define HGM_POWER32(s, k)    hg_math_power32(hg_math_bits32(s))
#define HGM_MAX32(a, b)      hg_math_max32(a, b)
#define HGM_MIN32(a, b)      hg_math_min32(a, b)
#define HGM_LT32(a, b)       ((a) < (b))
#define HGM_EQ32(a, b)       ((a) == (b))
#define HGM_SEL32(m, t, f)   hg_math_select32(m, t, f)
#define HGM_BITS32(a)        hg_math_bits32(a)
#define HGM_FLOAT32(i)       hg_math_float32(i)
#define HGM_IADD32(a, b)     ((a) + (b))
#define HGM_ISUB32(a, b)     ((a) - (b))
#define HGM_IAND32(a, b)     ((a) & (b))
#define HGM_IOR32(a, b)      ((a) | (b))
#define HGM_IXOR32(a, b)     ((a) ^ (b))
#define HGM_ISHL32(i, k)     ((i) << (k))
#define HGM_ISHR32(i, k)     ((i) >> (k))

#define HGM_C64(c)           (c)
#define HGM_IC64(c)          ((uint64_t)(c))
#define HGM_ADD64(a, b)      ((a) + (b))
#define HGM_SUB64(a, b)      ((a) - (b))
#define HGM_MUL64(a, b)      ((a) * (b))
#define HGM_DIV64(a, b)      ((a) / (b))
#define HGM_FMA64(a, b, c)   fma(a, b, c)
#define HGM_FNMA64(a, b, c)  fma(-(a), b, c)
#define HGM_SQRT64(a)        sqrt(a)
#define HGM_SCALE64(a, s, k) hg_math_scale64(a, hg_math_bits64(s))
#define HGM_POWER64(s, k)    hg_math_power64(hg_math_bits64(s))
#define HGM_MAX64(a, b)      hg_math_max64(a, b)
#define HGM_MIN64(a, b)      hg_math_min64(a, b)
#define HGM_LT64(a, b)       ((a) < (b))
#define HGM_EQ64(a, b)       ((a) == (b))
#define HGM_MAND64(m, n)     ((m) & (n))
#define HGM_MOR64(m, n)      ((m) | (n))
#define HGM_MNOT64(m)        (!(m))
#define HGM_SEL64(m, t, f)   hg_math_select64(m, t, f)
#define HGM_BITS64(a)        hg_math_bits64(a)
#define HGM_FLOAT64(i)       hg_math_float64(i)
#define HGM_IADD64(a, b)     ((a) + (b))
#define HGM_ISUB64(a, b)     ((a) - (b))
#define HGM_IAND64(a, b)     ((a) & (b))
#define HGM_IOR64(a, b)      ((a) | (b))
#define HGM_IXOR64(a, b)     ((a) ^ (b))
#define HGM_ISHL64(i, k)     ((i) << (k))
#define HGM_ISHR64(i, k)     ((i) >> (k))

#define HGM_RINT64(a)             rint(a)
#define HGM_WIDEN(a)              ((double)(a))
#define HGM_NARROW(a)             ((float)(a))
#define HGM_LOOKUP64(table, i, k) ((table)[(i) + (k)])
#define HGM_INZ64(i)              ((i) != 0)

#include "lib/isa/math.def"

#endif
