/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The twelve types as C types, and registers as 64-bit images. Lists call ROW(NAME, name, lane
 * type, unsigned type of the width, unsigned type to compute in); NAME is that of enum hg_dtype.
 */
#ifndef HG_LIB_EXEC_SCALAR_TYPE_H
#define HG_LIB_EXEC_SCALAR_TYPE_H

#include <stdint.h>

#include "lib/isa/math_scalar.h"

#define HG_SCALAR_SINT(ROW)                                                                        \
    ROW(I8, i8, int8_t, uint8_t, uint32_t)                                                         \
    ROW(I16, i16, int16_t, uint16_t, uint32_t)                                                     \
    ROW(I32, i32, int32_t, uint32_t, uint32_t)                                                     \
    ROW(I64, i64, int64_t, uint64_t, uint64_t)
#define HG_SCALAR_UINT(ROW)                                                                        \
    ROW(U8, u8, uint8_t, uint8_t, uint32_t)                                                        \
    ROW(U16, u16, uint16_t, uint16_t, uint32_t)                                                    \
    ROW(U32, u32, uint32_t, uint32_t, uint32_t)                                                    \
    ROW(U64, u64, uint64_t, uint64_t, uint64_t)
#define HG_SCALAR_ANY_INT(ROW) HG_SCALAR_SINT(ROW) HG_SCALAR_UINT(ROW)
#define HG_SCALAR_HALVES(ROW)                                                                      \
    ROW(F16, f16, uint16_t, uint16_t, uint32_t)                                                    \
    ROW(BF16, bf16, uint16_t, uint16_t, uint32_t)
#define HG_SCALAR_ANY_FLOAT(ROW)                                                                   \
    HG_SCALAR_HALVES(ROW)                                                                          \
    ROW(F32, f32, float, uint32_t, uint32_t)                                                       \
    ROW(F64, f64, double, uint64_t, uint64_t)
#define HG_SCALAR_ALL(ROW) HG_SCALAR_ANY_INT(ROW) HG_SCALAR_ANY_FLOAT(ROW)

/*
 * A register image holds a value in its low bits and zeros above. hg_scalar_get_<type> reads one
 * and ignores what is above, hg_scalar_put_<type> makes one; floats keep every bit.
 */
#define HG_SCALAR_IMAGE_INT(NAME, t, T, U, W)                                                      \
    static inline T hg_scalar_get_##t(uint64_t image)                                              \
    {                                                                                              \
        return (T)(U)image;                                                                        \
    }                                                                                              \
    static inline uint64_t hg_scalar_put_##t(T value)                                              \
    {                                                                                              \
        return (U)value;                                                                           \
    }
HG_SCALAR_ANY_INT(HG_SCALAR_IMAGE_INT)
HG_SCALAR_HALVES(HG_SCALAR_IMAGE_INT)
#undef HG_SCALAR_IMAGE_INT

static inline float hg_scalar_get_f32(uint64_t image)
{
    return hg_math_float32((uint32_t)image);
}

static inline uint64_t hg_scalar_put_f32(float value)
{
    return hg_math_bits32(value);
}

static inline double hg_scalar_get_f64(uint64_t image)
{
    return hg_math_float64(image);
}

static inline uint64_t hg_scalar_put_f64(double value)
{
    return hg_math_bits64(value);
}

#endif
