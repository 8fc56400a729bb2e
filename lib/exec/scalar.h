/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every arithmetic instruction does to one lane, for each of the twelve types. The reference
 * interpreter calls these functions; the block executor loops over them in objects compiled per ISA
 * level. They are pure and, but for 64-bit division, free of branches, so that such loops vectorise
 * (compile with -O3 -fno-trapping-math, see lib/isa/math_scalar.h).
 *
 * Names are hg_scalar_<instruction>_<type>; HG_SCALAR_ALL and its kin below list the types with the
 * C type of a lane, so that tables and kernels can be generated. Halves travel as uint16_t
 * patterns. CVT is in scalar_cvt.h, the BF16 pair step of MMA in scalar_mma.h.
 *
 * Flushing (ftz): F32 and F64 arithmetic, and that of BF16, which computes in F32, follows the
 * thread's MXCSR, which an executor sets. What MXCSR does not reach takes the mode as the argument
 * FTZ (a constant in kernels): MIN, MAX, SETcc and CVT. They give the right answer for FTZ
 * whether MXCSR agrees or not; with FTZ false MXCSR must not flush. F16 is never flushed. MOV, SEL,
 * ABS, NEG and logic move bits.
 */
#ifndef HG_LIB_EXEC_SCALAR_H
#define HG_LIB_EXEC_SCALAR_H

#include "lib/exec/scalar_cvt.h"
#include "lib/exec/scalar_half.h"
#include "lib/exec/scalar_mma.h"
#include "lib/exec/scalar_type.h"
#include "lib/isa/math_scalar.h"

/* ---- integers ---------------------------------------------------------------------------------
 */

/*
 * Division of a by b. A divisor of zero fails the launch, which the executor finds by testing the
 * same register; here it counts as 1, so that nothing traps. MIN / -1 = MIN. Up to 32 bits the
 * float quotient is exact after truncation: a quotient that is no integer is 1/|b| away from the
 * next one, more than it was rounded by.
 */
static inline int8_t hg_scalar_div_i8(int8_t a, int8_t b)
{
    return (int8_t)(int32_t)((float)a / (float)(b == 0 ? 1 : b));
}

static inline int16_t hg_scalar_div_i16(int16_t a, int16_t b)
{
    return (int16_t)(int32_t)((float)a / (float)(b == 0 ? 1 : b));
}

static inline int32_t hg_scalar_div_i32(int32_t a, int32_t b)
{
    int32_t divisor = b == 0 || b == -1 ? 1 : b;
    int32_t quotient = (int32_t)((double)a / (double)divisor);
    return b == -1 ? (int32_t)(0u - (uint32_t)a) : quotient;
}

static inline int64_t hg_scalar_div_i64(int64_t a, int64_t b)
{
    int64_t divisor = b == 0 || b == -1 ? 1 : b;
    int64_t quotient = a / divisor;
    return b == -1 ? (int64_t)(0u - (uint64_t)a) : quotient;
}

static inline uint8_t hg_scalar_div_u8(uint8_t a, uint8_t b)
{
    return (uint8_t)(int32_t)((float)a / (float)(b == 0 ? 1 : b));
}

static inline uint16_t hg_scalar_div_u16(uint16_t a, uint16_t b)
{
    return (uint16_t)(int32_t)((float)a / (float)(b == 0 ? 1 : b));
}

static inline uint32_t hg_scalar_div_u32(uint32_t a, uint32_t b)
{
    return hg_scalar_cvt_u32_f64((double)a / (double)(b == 0 ? 1 : b), false);
}

static inline uint64_t hg_scalar_div_u64(uint64_t a, uint64_t b)
{
    return a / (b == 0 ? 1 : b);
}

/* Arithmetic wraps: it is done on the unsigned type W, at least as wide as unsigned int. */
#define HG_SCALAR_INT(NAME, t, T, U, W)                                                            \
    static inline T hg_scalar_add_##t(T a, T b)                                                    \
    {                                                                                              \
        return (T)((W)a + (W)b);                                                                   \
    }                                                                                              \
    static inline T hg_scalar_sub_##t(T a, T b)                                                    \
    {                                                                                              \
        return (T)((W)a - (W)b);                                                                   \
    }                                                                                              \
    static inline T hg_scalar_mul_##t(T a, T b)                                                    \
    {                                                                                              \
        return (T)((W)a * (W)b);                                                                   \
    }                                                                                              \
    static inline T hg_scalar_mad_##t(T a, T b, T c)                                               \
    {                                                                                              \
        return (T)((W)a * (W)b + (W)c);                                                            \
    }                                                                                              \
    static inline T hg_scalar_and_##t(T a, T b)                                                    \
    {                                                                                              \
        return (T)(a & b);                                                                         \
    }                                                                                              \
    static inline T hg_scalar_or_##t(T a, T b)                                                     \
    {                                                                                              \
        return (T)(a | b);                                                                         \
    }                                                                                              \
    static inline T hg_scalar_xor_##t(T a, T b)                                                    \
    {                                                                                              \
        return (T)(a ^ b);                                                                         \
    }                                                                                              \
    static inline T hg_scalar_not_##t(T a)                                                         \
    {                                                                                              \
        return (T)~a;                                                                              \
    }                                                                                              \
    static inline T hg_scalar_shl_##t(T a, uint32_t amount)                                        \
    {                                                                                              \
        return (T)((W)a << (amount & (8 * sizeof(T) - 1)));                                        \
    }                                                                                              \
    /* Arithmetic for signed types: C's >> keeps the sign under gcc and clang. */                  \
    static inline T hg_scalar_shr_##t(T a, uint32_t amount)                                        \
    {                                                                                              \
        return (T)(a >> (amount & (8 * sizeof(T) - 1)));                                           \
    }                                                                                              \
    static inline T hg_scalar_min_##t(T a, T b, bool ftz)                                          \
    {                                                                                              \
        (void)ftz;                                                                                 \
        return a < b ? a : b;                                                                      \
    }                                                                                              \
    static inline T hg_scalar_max_##t(T a, T b, bool ftz)                                          \
    {                                                                                              \
        (void)ftz;                                                                                 \
        return a > b ? a : b;                                                                      \
    }
HG_SCALAR_ANY_INT(HG_SCALAR_INT)
#undef HG_SCALAR_INT

/* abs(MIN) = MIN. */
#define HG_SCALAR_SINT_SIGN(NAME, t, T, U, W)                                                      \
    static inline T hg_scalar_neg_##t(T a)                                                         \
    {                                                                                              \
        return (T)((W)0 - (W)a);                                                                   \
    }                                                                                              \
    static inline T hg_scalar_abs_##t(T a)                                                         \
    {                                                                                              \
        return a < 0 ? (T)((W)0 - (W)a) : a;                                                       \
    }
HG_SCALAR_SINT(HG_SCALAR_SINT_SIGN)
#undef HG_SCALAR_SINT_SIGN

/* ---- F32 and F64 ------------------------------------------------------------------------------
 */

/*
 * minimumNumber and maximumNumber: a NaN of either kind yields the other operand, and -0 < +0. For
 * operands that compare equal the bits are equal, or differ in the sign of zero: or gives the
 * negative one, and the positive one.
 */
#define HG_SCALAR_FLOAT(NAME, t, T, BITS, N, SIGN)                                                 \
    static inline T hg_scalar_add_##t(T a, T b)                                                    \
    {                                                                                              \
        return a + b;                                                                              \
    }                                                                                              \
    static inline T hg_scalar_sub_##t(T a, T b)                                                    \
    {                                                                                              \
        return a - b;                                                                              \
    }                                                                                              \
    static inline T hg_scalar_mul_##t(T a, T b)                                                    \
    {                                                                                              \
        return a * b;                                                                              \
    }                                                                                              \
    static inline T hg_scalar_div_##t(T a, T b)                                                    \
    {                                                                                              \
        return a / b;                                                                              \
    }                                                                                              \
    static inline T hg_scalar_mad_##t(T a, T b, T c)                                               \
    {                                                                                              \
        return a * b + c;                                                                          \
    }                                                                                              \
    static inline T hg_scalar_fma_##t(T a, T b, T c)                                               \
    {                                                                                              \
        return HGM_FMA##N(a, b, c);                                                                \
    }                                                                                              \
    static inline T hg_scalar_abs_##t(T a)                                                         \
    {                                                                                              \
        return hg_math_float##N(hg_math_bits##N(a) & ~SIGN);                                       \
    }                                                                                              \
    static inline T hg_scalar_neg_##t(T a)                                                         \
    {                                                                                              \
        return hg_math_float##N(hg_math_bits##N(a) ^ SIGN);                                        \
    }                                                                                              \
    static inline T hg_scalar_min_##t(T a, T b, bool ftz)                                          \
    {                                                                                              \
        T x = ftz ? hg_scalar_flush_##t(a) : a;                                                    \
        T y = ftz ? hg_scalar_flush_##t(b) : b;                                                    \
        T less = x < y ? x : y;                                                                    \
        T both = hg_math_float##N(hg_math_bits##N(x) | hg_math_bits##N(y));                        \
        T number = y != y ? x : less;                                                              \
        return x == y ? both : number;                                                             \
    }                                                                                              \
    static inline T hg_scalar_max_##t(T a, T b, bool ftz)                                          \
    {                                                                                              \
        T x = ftz ? hg_scalar_flush_##t(a) : a;                                                    \
        T y = ftz ? hg_scalar_flush_##t(b) : b;                                                    \
        T more = x > y ? x : y;                                                                    \
        T both = hg_math_float##N(hg_math_bits##N(x) & hg_math_bits##N(y));                        \
        T number = y != y ? x : more;                                                              \
        return x == y ? both : number;                                                             \
    }
HG_SCALAR_FLOAT(F32, f32, float, uint32_t, 32, 0x80000000u)
HG_SCALAR_FLOAT(F64, f64, double, uint64_t, 64, 0x8000000000000000u)
#undef HG_SCALAR_FLOAT

/* ---- halves -----------------------------------------------------------------------------------
 */

/*
 * Each instruction computes in F32 and rounds once at its destination; MAD is two instructions. The
 * choice of MIN and MAX is made in F32, where every half is exact; widening a denormal BF16
 * gives a denormal F32, which FTZ has made zero before.
 */
#define HG_SCALAR_HALF(t, FLUSH)                                                                   \
    static inline uint16_t hg_scalar_add_##t(uint16_t a, uint16_t b)                               \
    {                                                                                              \
        return hg_scalar_##t##_of_f32(hg_scalar_f32_of_##t(a) + hg_scalar_f32_of_##t(b));          \
    }                                                                                              \
    static inline uint16_t hg_scalar_sub_##t(uint16_t a, uint16_t b)                               \
    {                                                                                              \
        return hg_scalar_##t##_of_f32(hg_scalar_f32_of_##t(a) - hg_scalar_f32_of_##t(b));          \
    }                                                                                              \
    static inline uint16_t hg_scalar_mul_##t(uint16_t a, uint16_t b)                               \
    {                                                                                              \
        return hg_scalar_##t##_of_f32(hg_scalar_f32_of_##t(a) * hg_scalar_f32_of_##t(b));          \
    }                                                                                              \
    static inline uint16_t hg_scalar_div_##t(uint16_t a, uint16_t b)                               \
    {                                                                                              \
        return hg_scalar_##t##_of_f32(hg_scalar_f32_of_##t(a) / hg_scalar_f32_of_##t(b));          \
    }                                                                                              \
    static inline uint16_t hg_scalar_mad_##t(uint16_t a, uint16_t b, uint16_t c)                   \
    {                                                                                              \
        return hg_scalar_add_##t(hg_scalar_mul_##t(a, b), c);                                      \
    }                                                                                              \
    static inline uint16_t hg_scalar_fma_##t(uint16_t a, uint16_t b, uint16_t c)                   \
    {                                                                                              \
        return hg_scalar_##t##_of_f32(                                                             \
            HGM_FMA32(hg_scalar_f32_of_##t(a), hg_scalar_f32_of_##t(b), hg_scalar_f32_of_##t(c))); \
    }                                                                                              \
    static inline uint16_t hg_scalar_abs_##t(uint16_t a)                                           \
    {                                                                                              \
        return (uint16_t)(a & 0x7fffu);                                                            \
    }                                                                                              \
    static inline uint16_t hg_scalar_neg_##t(uint16_t a)                                           \
    {                                                                                              \
        return (uint16_t)(a ^ 0x8000u);                                                            \
    }                                                                                              \
    static inline uint16_t hg_scalar_min_##t(uint16_t a, uint16_t b, bool ftz)                     \
    {                                                                                              \
        return hg_scalar_##t##_of_f32(                                                             \
            hg_scalar_min_f32(hg_scalar_f32_of_##t(a), hg_scalar_f32_of_##t(b), ftz && (FLUSH)));  \
    }                                                                                              \
    static inline uint16_t hg_scalar_max_##t(uint16_t a, uint16_t b, bool ftz)                     \
    {                                                                                              \
        return hg_scalar_##t##_of_f32(                                                             \
            hg_scalar_max_f32(hg_scalar_f32_of_##t(a), hg_scalar_f32_of_##t(b), ftz && (FLUSH)));  \
    }
HG_SCALAR_HALF(f16, false)
HG_SCALAR_HALF(bf16, true)
#undef HG_SCALAR_HALF

/* ---- transcendentals --------------------------------------------------------------------------
 */

/* The one-argument functions of math.def: FUNCTION(NAME, name). */
#define HG_SCALAR_MATH1(FUNCTION)                                                                  \
    FUNCTION(EXP, exp)                                                                             \
    FUNCTION(LOG, log)                                                                             \
    FUNCTION(LOG2, log2)                                                                           \
    FUNCTION(LOG10, log10)                                                                         \
    FUNCTION(SQRT, sqrt)                                                                           \
    FUNCTION(RSQRT, rsqrt)                                                                         \
    FUNCTION(SIN, sin)                                                                             \
    FUNCTION(COS, cos)                                                                             \
    FUNCTION(TAN, tan)                                                                             \
    FUNCTION(TANH, tanh)                                                                           \
    FUNCTION(SIGMOID, sigmoid)                                                                     \
    FUNCTION(ERF, erf)

#define HG_SCALAR_MATH(NAME, name)                                                                 \
    static inline float hg_scalar_##name##_f32(float x)                                            \
    {                                                                                              \
        return hg_math_##name##_f32(x);                                                            \
    }                                                                                              \
    static inline double hg_scalar_##name##_f64(double x)                                          \
    {                                                                                              \
        return hg_math_##name##_f64(x);                                                            \
    }                                                                                              \
    static inline uint16_t hg_scalar_##name##_f16(uint16_t x)                                      \
    {                                                                                              \
        return hg_scalar_f16_of_f32(hg_math_##name##_f32(hg_scalar_f32_of_f16(x)));                \
    }                                                                                              \
    static inline uint16_t hg_scalar_##name##_bf16(uint16_t x)                                     \
    {                                                                                              \
        return hg_scalar_bf16_of_f32(hg_math_##name##_f32(hg_scalar_f32_of_bf16(x)));              \
    }
HG_SCALAR_MATH1(HG_SCALAR_MATH)
#undef HG_SCALAR_MATH

static inline float hg_scalar_pow_f32(float x, float y)
{
    return hg_math_pow_f32(x, y);
}

static inline double hg_scalar_pow_f64(double x, double y)
{
    return hg_math_pow_f64(x, y);
}

static inline uint16_t hg_scalar_pow_f16(uint16_t x, uint16_t y)
{
    return hg_scalar_f16_of_f32(hg_math_pow_f32(hg_scalar_f32_of_f16(x), hg_scalar_f32_of_f16(y)));
}

static inline uint16_t hg_scalar_pow_bf16(uint16_t x, uint16_t y)
{
    return hg_scalar_bf16_of_f32(
        hg_math_pow_f32(hg_scalar_f32_of_bf16(x), hg_scalar_f32_of_bf16(y)));
}

/* ---- comparisons ------------------------------------------------------------------------------
 */

/* The six conditions: CONDITION(NAME, name, C operator). On unsigned types LT … GE are LTU … GEU.
 */
#define HG_SCALAR_CONDITIONS(CONDITION, ...)                                                       \
    CONDITION(EQ, eq, ==, __VA_ARGS__)                                                             \
    CONDITION(NE, ne, !=, __VA_ARGS__)                                                             \
    CONDITION(LT, lt, <, __VA_ARGS__)                                                              \
    CONDITION(LE, le, <=, __VA_ARGS__)                                                             \
    CONDITION(GT, gt, >, __VA_ARGS__)                                                              \
    CONDITION(GE, ge, >=, __VA_ARGS__)

/* The value that is compared: the lane itself, flushed, or widened. With a NaN all but NE are
 * false. */
#define HG_SCALAR_VALUE(x, ftz)      (x)
#define HG_SCALAR_VALUE_F32(x, ftz)  ((ftz) ? hg_scalar_flush_f32(x) : (x))
#define HG_SCALAR_VALUE_F64(x, ftz)  ((ftz) ? hg_scalar_flush_f64(x) : (x))
#define HG_SCALAR_VALUE_F16(x, ftz)  hg_scalar_f32_of_f16(x)
#define HG_SCALAR_VALUE_BF16(x, ftz) hg_scalar_f32_of_bf16((ftz) ? hg_scalar_flush_bits16(x) : (x))

#define HG_SCALAR_COMPARE(NAME, name, operator, t, T, VALUE)                                       \
    static inline bool hg_scalar_##name##_##t(T a, T b, bool ftz)                                  \
    {                                                                                              \
        (void)ftz;                                                                                 \
        return VALUE(a, ftz) operator VALUE(b, ftz);                                               \
    }
#define HG_SCALAR_COMPARE_INT(NAME, t, T, U, W)                                                    \
    HG_SCALAR_CONDITIONS(HG_SCALAR_COMPARE, t, T, HG_SCALAR_VALUE)
HG_SCALAR_ANY_INT(HG_SCALAR_COMPARE_INT)
HG_SCALAR_CONDITIONS(HG_SCALAR_COMPARE, f16, uint16_t, HG_SCALAR_VALUE_F16)
HG_SCALAR_CONDITIONS(HG_SCALAR_COMPARE, bf16, uint16_t, HG_SCALAR_VALUE_BF16)
HG_SCALAR_CONDITIONS(HG_SCALAR_COMPARE, f32, float, HG_SCALAR_VALUE_F32)
HG_SCALAR_CONDITIONS(HG_SCALAR_COMPARE, f64, double, HG_SCALAR_VALUE_F64)
#undef HG_SCALAR_COMPARE_INT
#undef HG_SCALAR_COMPARE

#endif
