/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels, as static functions and one table. Included once by each kernels_<level>.c, which
 * defines HG_KERNELS_TABLE (the table's name), HG_KERNELS_NAME (the level's) and the vectors of the
 * products (kernels_product_body.h).
 */
#include <string.h>

#include "lib/exec/kernels.h"
#include "lib/exec/scalar.h"

/* A destination may be a source, element for element: no iteration depends on another. */
#if defined(__clang__)
#define HG_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define HG_LOOP _Pragma("GCC ivdep")
#endif

/* Lane types without alignment. */
#define TYPE(NAME, t, T, U, W) typedef T unaligned_##t __attribute__((aligned(1)));
HG_SCALAR_ALL(TYPE)
#undef TYPE

/* ---- arithmetic ------------------------------------------------------------------------------ */

#define UNARY(f, NAME, t, T, U, W)                                                                 \
    static void f##_##t(void *dst, const void *a, size_t n)                                        \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *x = a;                                                                \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i] = hg_scalar_##f##_##t(x[i]);                                                      \
        }                                                                                          \
    }
#define BINARY(f, call, extra, t)                                                                  \
    static void f##_##t(void *dst, const void *a, const void *b, size_t n)                         \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *x = a;                                                                \
        const unaligned_##t *y = b;                                                                \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i] = call##_##t(x[i], y[i] extra);                                                   \
        }                                                                                          \
    }
#define TERNARY(f, NAME, t, T, U, W)                                                               \
    static void f##_##t(void *dst, const void *a, const void *b, const void *c, size_t n)          \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *x = a;                                                                \
        const unaligned_##t *y = b;                                                                \
        const unaligned_##t *z = c;                                                                \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i] = hg_scalar_##f##_##t(x[i], y[i], z[i]);                                          \
        }                                                                                          \
    }
#define SHIFT(f, NAME, t, T, U, W)                                                                 \
    static void f##_##t(void *dst, const void *a, const void *b, size_t n)                         \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *x = a;                                                                \
        const unaligned_u32 *amount = b;                                                           \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i] = hg_scalar_##f##_##t(x[i], amount[i]);                                           \
        }                                                                                          \
    }

#define NO_EXTRA
#define IEEE_EXTRA , false
#define FTZ_EXTRA  , true

#define ROW_ADD(NAME, t, T, U, W) BINARY(add, hg_scalar_add, NO_EXTRA, t)
#define ROW_SUB(NAME, t, T, U, W) BINARY(sub, hg_scalar_sub, NO_EXTRA, t)
#define ROW_MUL(NAME, t, T, U, W) BINARY(mul, hg_scalar_mul, NO_EXTRA, t)
#define ROW_DIV(NAME, t, T, U, W) BINARY(div, hg_scalar_div, NO_EXTRA, t)
#define ROW_AND(NAME, t, T, U, W) BINARY(and, hg_scalar_and, NO_EXTRA, t)
#define ROW_OR(NAME, t, T, U, W)  BINARY(or, hg_scalar_or, NO_EXTRA, t)
#define ROW_XOR(NAME, t, T, U, W) BINARY(xor, hg_scalar_xor, NO_EXTRA, t)
#define ROW_MIN(NAME, t, T, U, W)                                                                  \
    BINARY(min, hg_scalar_min, IEEE_EXTRA, t) BINARY(min_ftz, hg_scalar_min, FTZ_EXTRA, t)
#define ROW_MAX(NAME, t, T, U, W)                                                                  \
    BINARY(max, hg_scalar_max, IEEE_EXTRA, t) BINARY(max_ftz, hg_scalar_max, FTZ_EXTRA, t)
#define ROW_NOT(...) UNARY(not, __VA_ARGS__)
#define ROW_ABS(...) UNARY(abs, __VA_ARGS__)
#define ROW_NEG(...) UNARY(neg, __VA_ARGS__)
#define ROW_MAD(...) TERNARY(mad, __VA_ARGS__)
#define ROW_FMA(...) TERNARY(fma, __VA_ARGS__)
#define ROW_SHL(...) SHIFT(shl, __VA_ARGS__)
#define ROW_SHR(...) SHIFT(shr, __VA_ARGS__)

HG_SCALAR_ALL(ROW_ADD)
HG_SCALAR_ALL(ROW_SUB)
HG_SCALAR_ALL(ROW_MUL)
HG_SCALAR_ALL(ROW_MIN)
HG_SCALAR_ALL(ROW_MAX)
HG_SCALAR_ANY_FLOAT(ROW_DIV)
HG_SCALAR_ANY_FLOAT(ROW_MAD)
HG_SCALAR_ANY_FLOAT(ROW_FMA)
HG_SCALAR_ANY_FLOAT(ROW_ABS)
HG_SCALAR_ANY_FLOAT(ROW_NEG)
HG_SCALAR_SINT(ROW_ABS)
HG_SCALAR_SINT(ROW_NEG)
HG_SCALAR_ANY_INT(ROW_AND)
HG_SCALAR_ANY_INT(ROW_OR)
HG_SCALAR_ANY_INT(ROW_XOR)
HG_SCALAR_ANY_INT(ROW_NOT)
HG_SCALAR_ANY_INT(ROW_SHL)
HG_SCALAR_ANY_INT(ROW_SHR)
ROW_MAD(I32, i32, int32_t, uint32_t, uint32_t)
ROW_MAD(I64, i64, int64_t, uint64_t, uint64_t)

/* The zero divisor is looked for first, in the same private copy that is divided by. */
#define DIVIDE(NAME, t, T, U, W)                                                                   \
    static size_t divide_##t(void *dst, const void *a, const void *b, size_t n)                    \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *x = a;                                                                \
        const unaligned_##t *y = b;                                                                \
        unsigned zeros = 0;                                                                        \
        for (size_t i = 0; i < n; i++) {                                                           \
            zeros |= y[i] == 0;                                                                    \
        }                                                                                          \
        size_t count = n;                                                                          \
        if (zeros != 0) {                                                                          \
            for (count = 0; y[count] != 0; count++) {                                              \
            }                                                                                      \
        }                                                                                          \
        HG_LOOP for (size_t i = 0; i < count; i++)                                                 \
        {                                                                                          \
            d[i] = hg_scalar_div_##t(x[i], y[i]);                                                  \
        }                                                                                          \
        return count;                                                                              \
    }
HG_SCALAR_ANY_INT(DIVIDE)

/* ---- transcendentals ------------------------------------------------------------------------- */

#define MATH1(NAME, f)                                                                             \
    UNARY(f, F16, f16, uint16_t, uint16_t, uint32_t)                                               \
    UNARY(f, BF16, bf16, uint16_t, uint16_t, uint32_t)                                             \
    UNARY(f, F32, f32, float, uint32_t, uint32_t)                                                  \
    UNARY(f, F64, f64, double, uint64_t, uint64_t)
HG_SCALAR_MATH1(MATH1)

#define MATH2(NAME, f)                                                                             \
    BINARY(f, hg_scalar_##f, NO_EXTRA, f16)                                                        \
    BINARY(f, hg_scalar_##f, NO_EXTRA, bf16)                                                       \
    BINARY(f, hg_scalar_##f, NO_EXTRA, f32)                                                        \
    BINARY(f, hg_scalar_##f, NO_EXTRA, f64)
MATH2(POW, pow)

/* ---- comparisons, conversions ---------------------------------------------------------------- */

#define COMPARE_MODE(name, t, mode, FTZ)                                                           \
    static void name##_##mode##_##t(void *dst, const void *a, const void *b, size_t n)             \
    {                                                                                              \
        uint8_t *d = dst;                                                                          \
        const unaligned_##t *x = a;                                                                \
        const unaligned_##t *y = b;                                                                \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i] = hg_scalar_##name##_##t(x[i], y[i], FTZ);                                        \
        }                                                                                          \
    }
#define COMPARE(NAME, name, operator, t)                                                           \
    COMPARE_MODE(name, t, ieee, false) COMPARE_MODE(name, t, ftz, true)
#define COMPARE_TYPE(NAME, t, T, U, W) HG_SCALAR_CONDITIONS(COMPARE, t)
HG_SCALAR_ALL(COMPARE_TYPE)

#define CONVERT_MODE(to, from, mode, FTZ)                                                          \
    static void convert_##mode##_##to##_##from(void *dst, const void *a, size_t n)                 \
    {                                                                                              \
        unaligned_##to *d = dst;                                                                   \
        const unaligned_##from *x = a;                                                             \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i] = hg_scalar_cvt_##to##_##from(x[i], FTZ);                                         \
        }                                                                                          \
    }
#define CONVERT(to, from) CONVERT_MODE(to, from, ieee, false) CONVERT_MODE(to, from, ftz, true)
#define CONVERT_FROM(NAME, from, T, U, W)                                                          \
    CONVERT(i8, from)                                                                              \
    CONVERT(i16, from)                                                                             \
    CONVERT(i32, from)                                                                             \
    CONVERT(i64, from)                                                                             \
    CONVERT(u8, from)                                                                              \
    CONVERT(u16, from)                                                                             \
    CONVERT(u32, from)                                                                             \
    CONVERT(u64, from)                                                                             \
    CONVERT(f16, from)                                                                             \
    CONVERT(bf16, from)                                                                            \
    CONVERT(f32, from)                                                                             \
    CONVERT(f64, from)
HG_SCALAR_ALL(CONVERT_FROM)

/* ---- moving bits ----------------------------------------------------------------------------- */

#define MOVES(t, T)                                                                                \
    static void select_##t(void *dst, const uint8_t *predicate, const void *a, const void *b,      \
                           size_t n)                                                               \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *x = a;                                                                \
        const unaligned_##t *y = b;                                                                \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            T chosen = x[i];                                                                       \
            T other = y[i];                                                                        \
            d[i] = predicate[i] != 0 ? chosen : other;                                             \
        }                                                                                          \
    }                                                                                              \
    static void fill_##t(void *dst, uint64_t bits, size_t n)                                       \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        for (size_t i = 0; i < n; i++) {                                                           \
            d[i] = (T)bits;                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void load_stride_##t(void *dst, const void *src, size_t stride, size_t n)               \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *s = src;                                                              \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i] = s[i * stride];                                                                  \
        }                                                                                          \
    }                                                                                              \
    static void store_stride_##t(void *dst, const void *src, size_t stride, size_t n)              \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        const unaligned_##t *s = src;                                                              \
        HG_LOOP for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            d[i * stride] = s[i];                                                                  \
        }                                                                                          \
    }                                                                                              \
    static void gather_##t(void *dst, const uint8_t *base, const uint64_t *offset, size_t n)       \
    {                                                                                              \
        unaligned_##t *d = dst;                                                                    \
        for (size_t i = 0; i < n; i++) {                                                           \
            d[i] = *(const unaligned_##t *)(const void *)(base + offset[i]);                       \
        }                                                                                          \
    }                                                                                              \
    static void scatter_##t(uint8_t *base, const uint64_t *offset, const void *src, size_t n)      \
    {                                                                                              \
        const unaligned_##t *s = src;                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            *(unaligned_##t *)(void *)(base + offset[i]) = s[i];                                   \
        }                                                                                          \
    }
MOVES(u8, uint8_t)
MOVES(u16, uint16_t)
MOVES(u32, uint32_t)
MOVES(u64, uint64_t)

static void count64(uint64_t *dst, uint64_t start, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[i] = start + i;
    }
}

static void count32(uint32_t *dst, uint32_t start, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[i] = start + (uint32_t)i;
    }
}

static void offsets(uint64_t *dst, const uint64_t *a, uint64_t start, uint64_t step, size_t n)
{
    HG_LOOP for (size_t i = 0; i < n; i++)
    {
        dst[i] = a[i] + start + i * step;
    }
}

static size_t first_above(const uint64_t *offset, uint64_t limit, size_t n)
{
    unsigned above = 0;
    for (size_t i = 0; i < n; i++) {
        above |= offset[i] > limit;
    }
    if (above == 0) {
        return n;
    }
    size_t index = 0;
    while (offset[index] <= limit) {
        index++;
    }
    return index;
}

#include "lib/exec/kernels_product_body.h"
#include "lib/exec/kernels_reduce_body.h"

#include "lib/exec/kernels_table_body.h"
