/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BF16 pair step of MMA: acc = ftz(fma(a1, b1, acc)); acc = ftz(fma(a0, b0, acc)), with
 * denormal inputs taken as zero, in every floating-point mode. It is VDPBF16PS exactly, without
 * that instruction, without fma and whatever MXCSR says.
 */
#ifndef HG_LIB_EXEC_SCALAR_MMA_H
#define HG_LIB_EXEC_SCALAR_MMA_H

#include "lib/exec/scalar_half.h"

/*
 * One flushed fma. The product of two BF16 is exact in F64; its sum with the accumulator is
 * rounded to odd there, so that the later rounding to 24 bits is as if from the exact sum. No F64
 * here is denormal: the factors have at least 2^-133, the accumulator 2^-126. Results are flushed
 * if tiny after rounding with the exponent unbounded, so from 2^-126 - 2^-151 up they are 2^-126.
 */
static inline float hg_scalar_fma_flushed_bf16(uint16_t a, uint16_t b, float acc)
{
    double product = (double)hg_scalar_f32_of_bf16(hg_scalar_flush_bits16(a)) *
                     (double)hg_scalar_f32_of_bf16(hg_scalar_flush_bits16(b));
    double addend = (double)hg_scalar_flush_f32(acc);
    double sum = product + addend;
    /* What the sum lost (Knuth): exact, or NaN where the sum is not finite. */
    double part = sum - product;
    double lost = (product - (sum - part)) + (addend - part);
    uint64_t bits = hg_math_bits64(sum);
    bool away = (lost > 0.0) != (sum > 0.0); /* the sum was rounded away from zero */
    bool adjust = (lost != 0.0) & (lost == lost) & ((bits & 1u) == 0);
    bits += hg_scalar_select_u64(adjust, hg_scalar_select_u64(away, UINT64_MAX, 1u), 0u);
    return hg_scalar_f32_of_f64(hg_math_float64(bits), true);
}

/* One pair of elements: a0 and b0 stand at the lower index, and are added last. */
static inline float hg_scalar_mma_pair_bf16(float acc, uint16_t a0, uint16_t a1, uint16_t b0,
                                            uint16_t b1)
{
    return hg_scalar_fma_flushed_bf16(a0, b0, hg_scalar_fma_flushed_bf16(a1, b1, acc));
}

#endif
