/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CVT between all pairs of types: hg_scalar_cvt_<to>_<from>(x, ftz). Floats to integers truncate
 * and saturate, NaN gives 0; integers to floats and floats to narrower ones round once, to nearest
 * even; integers to narrower ones wrap. With FTZ denormal F32, F64 and BF16 become zeros of their
 * sign, as arguments and as results, those of F16 never.
 */
#ifndef HG_LIB_EXEC_SCALAR_CVT_H
#define HG_LIB_EXEC_SCALAR_CVT_H

#include "lib/exec/scalar_half.h"
#include "lib/exec/scalar_type.h"

/* ---- integers to integers: C's conversion, modulo 2^width under gcc and clang
 * -------------------- */

#define HG_SCALAR_CVT_INT(to, TO, from, FROM)                                                      \
    static inline TO hg_scalar_cvt_##to##_##from(FROM x, bool ftz)                                 \
    {                                                                                              \
        (void)ftz;                                                                                 \
        return (TO)x;                                                                              \
    }
#define HG_SCALAR_CVT_TO_INTS(NAME, from, FROM, U, W)                                              \
    HG_SCALAR_CVT_INT(i8, int8_t, from, FROM)                                                      \
    HG_SCALAR_CVT_INT(i16, int16_t, from, FROM)                                                    \
    HG_SCALAR_CVT_INT(i32, int32_t, from, FROM)                                                    \
    HG_SCALAR_CVT_INT(i64, int64_t, from, FROM)                                                    \
    HG_SCALAR_CVT_INT(u8, uint8_t, from, FROM)                                                     \
    HG_SCALAR_CVT_INT(u16, uint16_t, from, FROM)                                                   \
    HG_SCALAR_CVT_INT(u32, uint32_t, from, FROM)                                                   \
    HG_SCALAR_CVT_INT(u64, uint64_t, from, FROM)                                                   \
    /* One rounding: the hardware's, or none. */                                                   \
    HG_SCALAR_CVT_INT(f32, float, from, FROM)                                                      \
    HG_SCALAR_CVT_INT(f64, double, from, FROM)
HG_SCALAR_ANY_INT(HG_SCALAR_CVT_TO_INTS)
#undef HG_SCALAR_CVT_TO_INTS
#undef HG_SCALAR_CVT_INT

/* ---- integers to halves: exact in F32 up to 16 bits, in F64 up to 32, sticky above
 * --------------- */

static inline double hg_scalar_f64_sticky_i64(int64_t x)
{
    double magnitude = hg_scalar_f64_sticky_u64(x < 0 ? 0u - (uint64_t)x : (uint64_t)x);
    return x < 0 ? -magnitude : magnitude;
}

#define HG_SCALAR_CVT_TO_HALVES(from, FROM, F16_OF, BF16_OF)                                       \
    static inline uint16_t hg_scalar_cvt_f16_##from(FROM x, bool ftz)                              \
    {                                                                                              \
        (void)ftz;                                                                                 \
        return F16_OF;                                                                             \
    }                                                                                              \
    static inline uint16_t hg_scalar_cvt_bf16_##from(FROM x, bool ftz)                             \
    {                                                                                              \
        (void)ftz;                                                                                 \
        return BF16_OF;                                                                            \
    }
#define HG_SCALAR_CVT_NARROW_INT(from, FROM)                                                       \
    HG_SCALAR_CVT_TO_HALVES(from, FROM, hg_scalar_f16_of_f32((float)x),                            \
                            hg_scalar_bf16_of_f32((float)x))
#define HG_SCALAR_CVT_WIDE_INT(from, FROM, EXACT)                                                  \
    HG_SCALAR_CVT_TO_HALVES(from, FROM, hg_scalar_f16_of_f64(EXACT(x)),                            \
                            hg_scalar_bf16_of_f64(EXACT(x), false))
HG_SCALAR_CVT_NARROW_INT(i8, int8_t)
HG_SCALAR_CVT_NARROW_INT(i16, int16_t)
HG_SCALAR_CVT_NARROW_INT(u8, uint8_t)
HG_SCALAR_CVT_NARROW_INT(u16, uint16_t)
HG_SCALAR_CVT_WIDE_INT(i32, int32_t, (double))
HG_SCALAR_CVT_WIDE_INT(u32, uint32_t, (double))
HG_SCALAR_CVT_WIDE_INT(i64, int64_t, hg_scalar_f64_sticky_i64)
HG_SCALAR_CVT_WIDE_INT(u64, uint64_t, hg_scalar_f64_sticky_u64)

/* ---- floats to integers -----------------------------------------------------------------------
 */

/*
 * x as an integer, clamped to [LOW, HIGH] of its own type F before C's conversion, which must not
 * see anything out of range. A NaN fails x > LOW and takes LOW, and 0 in the end.
 */
#define HG_SCALAR_CVT_CLAMPED(to, TO, from, F, LOW, HIGH)                                          \
    static inline TO hg_scalar_cvt_##to##_##from(F x, bool ftz)                                    \
    {                                                                                              \
        (void)ftz;                                                                                 \
        F low = x > (F)(LOW) ? x : (F)(LOW);                                                       \
        F clamped = low < (F)(HIGH) ? low : (F)(HIGH);                                             \
        TO result = (TO)(int32_t)clamped;                                                          \
        return x == x ? result : (TO)0;                                                            \
    }
#define HG_SCALAR_CVT_SMALL(from, F)                                                               \
    HG_SCALAR_CVT_CLAMPED(i8, int8_t, from, F, INT8_MIN, INT8_MAX)                                 \
    HG_SCALAR_CVT_CLAMPED(i16, int16_t, from, F, INT16_MIN, INT16_MAX)                             \
    HG_SCALAR_CVT_CLAMPED(u8, uint8_t, from, F, 0, UINT8_MAX)                                      \
    HG_SCALAR_CVT_CLAMPED(u16, uint16_t, from, F, 0, UINT16_MAX)
HG_SCALAR_CVT_SMALL(f32, float)
HG_SCALAR_CVT_SMALL(f64, double)
#undef HG_SCALAR_CVT_SMALL
HG_SCALAR_CVT_CLAMPED(i32, int32_t, f64, double, INT32_MIN, INT32_MAX)
#undef HG_SCALAR_CVT_CLAMPED

/*
 * The type's largest value lies between two floats: from LIMIT, the power of two above it, on, the
 * result is set. BELOW is the float below LIMIT, TO the signed type of the width.
 */
#define HG_SCALAR_CVT_SIGNED(to, TO, from, F, LIMIT, BELOW, MAX)                                   \
    static inline TO hg_scalar_cvt_##to##_##from(F x, bool ftz)                                    \
    {                                                                                              \
        (void)ftz;                                                                                 \
        F low = x > -(LIMIT) ? x : -(LIMIT);                                                       \
        F clamped = low < (BELOW) ? low : (BELOW);                                                 \
        TO result = (TO)clamped;                                                                   \
        result = x >= (LIMIT) ? (MAX) : result;                                                    \
        return x == x ? result : (TO)0;                                                            \
    }
HG_SCALAR_CVT_SIGNED(i32, int32_t, f32, float, 0x1p+31f, 0x1.fffffep+30f, INT32_MAX)
HG_SCALAR_CVT_SIGNED(i64, int64_t, f64, double, 0x1p+63, 0x1.fffffffffffffp+62, INT64_MAX)
#undef HG_SCALAR_CVT_SIGNED

/*
 * Unsigned through the signed type S: from HALF = 2^(width - 1) on, HALF is taken away, which is
 * exact, and put back as an integer.
 */
#define HG_SCALAR_CVT_UNSIGNED(to, TO, S, from, F, HALF, BELOW)                                    \
    static inline TO hg_scalar_cvt_##to##_##from(F x, bool ftz)                                    \
    {                                                                                              \
        (void)ftz;                                                                                 \
        F low = x > (F)0 ? x : (F)0;                                                               \
        F reduced = low >= (HALF) ? low - (HALF) : low;                                            \
        F clamped = reduced < (BELOW) ? reduced : (BELOW);                                         \
        TO high = low >= (HALF) ? (TO)1 << (8 * sizeof(TO) - 1) : (TO)0;                           \
        TO result = (TO)(S)clamped + high;                                                         \
        return low >= 2 * (HALF) ? (TO)-1 : result;                                                \
    }
HG_SCALAR_CVT_UNSIGNED(u32, uint32_t, int32_t, f32, float, 0x1p+31f, 0x1.fffffep+30f)
HG_SCALAR_CVT_UNSIGNED(u32, uint32_t, int32_t, f64, double, 0x1p+31, 0x1.fffffffcp+30)
HG_SCALAR_CVT_UNSIGNED(u64, uint64_t, int64_t, f64, double, 0x1p+63, 0x1.fffffffffffffp+62)
#undef HG_SCALAR_CVT_UNSIGNED

static inline int64_t hg_scalar_cvt_i64_f32(float x, bool ftz)
{
    return hg_scalar_cvt_i64_f64((double)x, ftz);
}

static inline uint64_t hg_scalar_cvt_u64_f32(float x, bool ftz)
{
    return hg_scalar_cvt_u64_f64((double)x, ftz);
}

#define HG_SCALAR_CVT_FROM_HALVES(NAME, to, TO, U, W)                                              \
    static inline TO hg_scalar_cvt_##to##_f16(uint16_t x, bool ftz)                                \
    {                                                                                              \
        return hg_scalar_cvt_##to##_f32(hg_scalar_f32_of_f16(x), ftz);                             \
    }                                                                                              \
    static inline TO hg_scalar_cvt_##to##_bf16(uint16_t x, bool ftz)                               \
    {                                                                                              \
        return hg_scalar_cvt_##to##_f32(hg_scalar_f32_of_bf16(x), ftz);                            \
    }
HG_SCALAR_ANY_INT(HG_SCALAR_CVT_FROM_HALVES)
#undef HG_SCALAR_CVT_FROM_HALVES

/* ---- floats to floats -------------------------------------------------------------------------
 */

static inline float hg_scalar_cvt_f32_f32(float x, bool ftz)
{
    return ftz ? hg_scalar_flush_f32(x) : x;
}

static inline double hg_scalar_cvt_f64_f64(double x, bool ftz)
{
    return ftz ? hg_scalar_flush_f64(x) : x;
}

static inline uint16_t hg_scalar_cvt_bf16_bf16(uint16_t x, bool ftz)
{
    return ftz ? hg_scalar_flush_bits16(x) : x;
}

static inline uint16_t hg_scalar_cvt_f16_f16(uint16_t x, bool ftz)
{
    (void)ftz;
    return x;
}

static inline double hg_scalar_cvt_f64_f32(float x, bool ftz)
{
    return (double)(ftz ? hg_scalar_flush_f32(x) : x);
}

static inline float hg_scalar_cvt_f32_f64(double x, bool ftz)
{
    return hg_scalar_f32_of_f64(x, ftz);
}

static inline float hg_scalar_cvt_f32_f16(uint16_t x, bool ftz)
{
    (void)ftz;
    return hg_scalar_f32_of_f16(x);
}

static inline float hg_scalar_cvt_f32_bf16(uint16_t x, bool ftz)
{
    return hg_scalar_f32_of_bf16(ftz ? hg_scalar_flush_bits16(x) : x);
}

static inline double hg_scalar_cvt_f64_f16(uint16_t x, bool ftz)
{
    (void)ftz;
    return (double)hg_scalar_f32_of_f16(x);
}

static inline double hg_scalar_cvt_f64_bf16(uint16_t x, bool ftz)
{
    return (double)hg_scalar_cvt_f32_bf16(x, ftz);
}

/* No denormal argument is large enough for an F16 other than zero, flushed or not. */
HG_SCALAR_CVT_TO_HALVES(f32, float, hg_scalar_f16_of_f32(x),
                        hg_scalar_bf16_of_f32(hg_scalar_cvt_f32_f32(x, ftz)))
HG_SCALAR_CVT_TO_HALVES(f64, double, hg_scalar_f16_of_f64(x), hg_scalar_bf16_of_f64(x, ftz))

static inline uint16_t hg_scalar_cvt_bf16_f16(uint16_t x, bool ftz)
{
    (void)ftz;
    return hg_scalar_bf16_of_f32(hg_scalar_f32_of_f16(x));
}

static inline uint16_t hg_scalar_cvt_f16_bf16(uint16_t x, bool ftz)
{
    (void)ftz;
    return hg_scalar_f16_of_f32(hg_scalar_f32_of_bf16(x));
}
#undef HG_SCALAR_CVT_NARROW_INT
#undef HG_SCALAR_CVT_WIDE_INT
#undef HG_SCALAR_CVT_TO_HALVES

#endif
