/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two 16-bit float formats as bit code: exact widening, and narrowing that rounds once to
 * nearest even. NaNs stay NaNs and keep the payload bits that fit. Nothing here branches, so loops
 * over these functions vectorise, and nothing depends on MXCSR: the float operations used neither
 * take nor give denormals whose loss would show.
 *
 * F16 has a narrower exponent than F32: its denormals are normal F32, never flushed. BF16 is the
 * upper half of an F32, so its denormals are F32 denormals.
 */
#ifndef HG_LIB_EXEC_SCALAR_HALF_H
#define HG_LIB_EXEC_SCALAR_HALF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/isa/math_scalar.h"

static inline uint32_t hg_scalar_select_u32(bool mask, uint32_t t, uint32_t f)
{
    return mask ? t : f;
}

static inline uint64_t hg_scalar_select_u64(bool mask, uint64_t t, uint64_t f)
{
    return mask ? t : f;
}

/* Zero of the same sign for a denormal, else X itself. */
static inline uint32_t hg_scalar_flush_bits32(uint32_t x)
{
    return hg_scalar_select_u32((x & 0x7f800000u) == 0, x & 0x80000000u, x);
}

static inline uint64_t hg_scalar_flush_bits64(uint64_t x)
{
    return hg_scalar_select_u64((x & 0x7ff0000000000000u) == 0, x & 0x8000000000000000u, x);
}

static inline uint16_t hg_scalar_flush_bits16(uint16_t bf16)
{
    return (uint16_t)((bf16 & 0x7f80u) == 0 ? bf16 & 0x8000u : bf16);
}

static inline float hg_scalar_flush_f32(float x)
{
    return hg_math_float32(hg_scalar_flush_bits32(hg_math_bits32(x)));
}

static inline double hg_scalar_flush_f64(double x)
{
    return hg_math_float64(hg_scalar_flush_bits64(hg_math_bits64(x)));
}

static inline float hg_scalar_f32_of_bf16(uint16_t x)
{
    return hg_math_float32((uint32_t)x << 16);
}

/* An F32 denormal becomes a BF16 denormal; callers that flush do so before. */
static inline uint16_t hg_scalar_bf16_of_f32(float x)
{
    uint32_t bits = hg_math_bits32(x);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    uint32_t nan = bits >> 16 | 0x40u;
    return (uint16_t)hg_scalar_select_u32((bits & 0x7fffffffu) > 0x7f800000u, nan, rounded);
}

/* A denormal is an integer times 2^-24, which F32 holds exactly. */
static inline float hg_scalar_f32_of_f16(uint16_t x)
{
    uint32_t magnitude = x & 0x7fffu;
    uint32_t normal = (magnitude << 13) + ((127u - 15u) << 23);
    uint32_t special = (magnitude << 13) | 0x7f800000u;
    uint32_t denormal = hg_math_bits32((float)(int32_t)magnitude * 0x1p-24f);
    uint32_t bits = hg_scalar_select_u32(magnitude < 0x400u, denormal, normal);
    bits = hg_scalar_select_u32(magnitude >= 0x7c00u, special, bits);
    return hg_math_float32(bits | (uint32_t)(x & 0x8000u) << 16);
}

/*
 * Adding 1/2, whose last place is 2^-24, rounds a small |x| to a multiple of the smallest F16 and
 * leaves that multiple in the low bits. A carry out of the rounding of normal numbers makes the
 * next exponent, and at the top infinity.
 */
static inline uint16_t hg_scalar_f16_of_f32(float x)
{
    uint32_t bits = hg_math_bits32(x);
    uint32_t magnitude = bits & 0x7fffffffu;
    uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - ((127u - 15u) << 23)) >> 13;
    uint32_t denormal = hg_math_bits32(hg_math_float32(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t nan = 0x7e00u | (magnitude >> 13 & 0x3ffu);
    uint32_t half = hg_scalar_select_u32(magnitude < 0x38800000u, denormal, normal);
    half = hg_scalar_select_u32(magnitude >= 0x477ff000u, 0x7c00u, half);
    half = hg_scalar_select_u32(magnitude > 0x7f800000u, nan, half);
    return (uint16_t)(half | (bits >> 16 & 0x8000u));
}

/* As above from F64: 2^28 has its last place at 2^-24. */
static inline uint16_t hg_scalar_f16_of_f64(double x)
{
    uint64_t bits = hg_math_bits64(x);
    uint64_t magnitude = bits & 0x7fffffffffffffffu;
    uint64_t normal =
        (magnitude + 0x1ffffffffffu + (magnitude >> 42 & 1u) - ((1023ull - 15u) << 52)) >> 42;
    uint64_t denormal = hg_math_bits64(hg_math_float64(magnitude) + 0x1p+28) - 0x41b0000000000000u;
    uint64_t nan = 0x7e00u | (magnitude >> 42 & 0x3ffu);
    uint64_t half = hg_scalar_select_u64(magnitude < 0x3f10000000000000u, denormal, normal);
    half = hg_scalar_select_u64(magnitude >= 0x40effe0000000000u, 0x7c00u, half);
    half = hg_scalar_select_u64(magnitude > 0x7ff0000000000000u, nan, half);
    return (uint16_t)(half | (bits >> 48 & 0x8000u));
}

/*
 * BF16 from F64. The smallest BF16 is 2^-133, the last place of 2^-81. With FTZ the result is zero
 * if |x| rounded to 8 bits, as if the exponent were unbounded, is below 2^-126 (as x86 decides it).
 */
static inline uint16_t hg_scalar_bf16_of_f64(double x, bool ftz)
{
    uint64_t bits = hg_math_bits64(x);
    uint64_t magnitude = bits & 0x7fffffffffffffffu;
    uint64_t normal =
        (magnitude + 0xfffffffffffu + (magnitude >> 45 & 1u) - ((1023ull - 127u) << 52)) >> 45;
    uint64_t denormal = hg_math_bits64(hg_math_float64(magnitude) + 0x1p-81) - 0x3ae0000000000000u;
    uint64_t nan = 0x7fc0u | (magnitude >> 45 & 0x7fu);
    uint64_t half = hg_scalar_select_u64(magnitude < 0x3810000000000000u, denormal, normal);
    /* 2^-126 - 2^-135, half-way to the 8-bit number below 2^-126, ties to even: up. */
    half = hg_scalar_select_u64(ftz & (magnitude < 0x380ff00000000000u), 0, half);
    half = hg_scalar_select_u64(magnitude >= 0x47eff00000000000u, 0x7f80u, half);
    half = hg_scalar_select_u64(magnitude > 0x7ff0000000000000u, nan, half);
    return (uint16_t)(half | (bits >> 48 & 0x8000u));
}

/*
 * F32 from F64, rounded by the hardware. With FTZ, results that are tiny after rounding (as if the
 * exponent were unbounded) become zero, whether MXCSR says so or not.
 */
static inline float hg_scalar_f32_of_f64(double x, bool ftz)
{
    uint64_t bits = hg_math_bits64(x);
    /* 2^-126 - 2^-151, half-way to the 24-bit number below 2^-126. */
    bool tiny = ftz & ((bits & 0x7fffffffffffffffu) < 0x380ffffff0000000u);
    return (float)hg_math_float64(hg_scalar_select_u64(tiny, bits & 0x8000000000000000u, bits));
}

/*
 * The magnitude of a 64-bit integer as an F64 that rounds to 24 bits or fewer as the integer itself
 * does: above 2^32 the low 16 bits are replaced by one that says whether any was set.
 */
static inline double hg_scalar_f64_sticky_u64(uint64_t magnitude)
{
    uint64_t sticky = magnitude >> 16 | (uint64_t)((magnitude & 0xffffu) != 0);
    double large = (double)(int64_t)sticky * 0x1p+16;
    double small = (double)(int64_t)(magnitude & 0xffffffffu);
    return magnitude >> 32 != 0 ? large : small;
}

#endif
