/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels, as static functions and one table. Included once by each kernels_<level>.c, which
 * defines HG_KERNELS_TABLE (the table's name), HG_KERNELS_NAME (the level's) and the vectors of the
 * matrix kernels.
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

/* ---- reductions ------------------------------------------------------------------------------ */

/* WIDE(x) makes an accumulator of an element, FINISH(x) an element of an accumulator. Accumulators
 * are A, with the scalar functions of `acc`. */
#define REDUCE(op, t, acc, A, START, EXTRA, WIDE, FINISH)                                          \
    static void op##_start_##t(void *accumulators)                                                 \
    {                                                                                              \
        A *s = accumulators;                                                                       \
        for (size_t i = 0; i < HG_REDUCE_WIDTH(sizeof(A)); i++) {                                  \
            s[i] = START;                                                                          \
        }                                                                                          \
    }                                                                                              \
    static void op##_add_##t(void *accumulators, const void *src, size_t n, size_t phase)          \
    {                                                                                              \
        enum { WIDTH = HG_REDUCE_WIDTH(sizeof(A)) };                                               \
        A *s = accumulators;                                                                       \
        const unaligned_##t *x = src;                                                              \
        size_t i = 0;                                                                              \
        for (; i < n && phase != 0; i++) {                                                         \
            s[phase] = OP_##op(acc, s[phase], WIDE(x[i]), EXTRA);                                  \
            phase = (phase + 1) % WIDTH;                                                           \
        }                                                                                          \
        A wide[WIDTH];                                                                             \
        memcpy(wide, s, sizeof wide);                                                              \
        for (; i + WIDTH <= n; i += WIDTH) {                                                       \
            for (size_t j = 0; j < WIDTH; j++) {                                                   \
                wide[j] = OP_##op(acc, wide[j], WIDE(x[i + j]), EXTRA);                            \
            }                                                                                      \
        }                                                                                          \
        memcpy(s, wide, sizeof wide);                                                              \
        for (; i < n; i++, phase++) {                                                              \
            s[phase] = OP_##op(acc, s[phase], WIDE(x[i]), EXTRA);                                  \
        }                                                                                          \
    }                                                                                              \
    /* Accumulators without an element hold what changes nothing, so folding them is left out. */  \
    static uint64_t op##_fold_##t(void *accumulators, size_t used)                                 \
    {                                                                                              \
        A *s = accumulators;                                                                       \
        for (size_t half = HG_REDUCE_WIDTH(sizeof(A)) / 2; half > 0; half /= 2) {                  \
            for (size_t i = 0; half < used && i < half; i++) {                                     \
                s[i] = OP_##op(acc, s[i], s[i + half], EXTRA);                                     \
            }                                                                                      \
        }                                                                                          \
        return hg_scalar_put_##acc(s[0]);                                                          \
    }                                                                                              \
    static uint64_t op##_combine_##t(uint64_t left, uint64_t right)                                \
    {                                                                                              \
        return hg_scalar_put_##acc(                                                                \
            OP_##op(acc, hg_scalar_get_##acc(left), hg_scalar_get_##acc(right), EXTRA));           \
    }                                                                                              \
    static uint64_t op##_finish_##t(uint64_t sum)                                                  \
    {                                                                                              \
        return hg_scalar_put_##t(FINISH(hg_scalar_get_##acc(sum)));                                \
    }
#define OP_sum(acc, a, b, EXTRA)       hg_scalar_add_##acc(a, b)
#define OP_product(acc, a, b, EXTRA)   hg_scalar_mul_##acc(a, b)
#define OP_least(acc, a, b, EXTRA)     hg_scalar_min_##acc(a, b, EXTRA)
#define OP_most(acc, a, b, EXTRA)      hg_scalar_max_##acc(a, b, EXTRA)
#define OP_least_ftz(acc, a, b, EXTRA) hg_scalar_min_##acc(a, b, EXTRA)
#define OP_most_ftz(acc, a, b, EXTRA)  hg_scalar_max_##acc(a, b, EXTRA)
#define SAME(x)                        (x)

/* MIN and MAX of floats start from NaN, which yields to the first number. */
#define REDUCE_FLOAT(t, acc, A, WIDE, FINISH)                                                      \
    REDUCE(sum, t, acc, A, (A)-0.0, false, WIDE, FINISH)                                           \
    REDUCE(product, t, acc, A, (A)1, false, WIDE, FINISH)                                          \
    REDUCE(least, t, acc, A, (A)__builtin_nanf(""), false, WIDE, FINISH)                           \
    REDUCE(most, t, acc, A, (A)__builtin_nanf(""), false, WIDE, FINISH)                            \
    REDUCE(least_ftz, t, acc, A, (A)__builtin_nanf(""), true, WIDE, FINISH)                        \
    REDUCE(most_ftz, t, acc, A, (A)__builtin_nanf(""), true, WIDE, FINISH)
REDUCE_FLOAT(f32, f32, float, SAME, SAME)
REDUCE_FLOAT(f64, f64, double, SAME, SAME)
REDUCE_FLOAT(f16, f32, float, hg_scalar_f32_of_f16, hg_scalar_f16_of_f32)
REDUCE_FLOAT(bf16, f32, float, hg_scalar_f32_of_bf16, hg_scalar_bf16_of_f32)

#define REDUCE_INT(t, T, LOWEST, HIGHEST)                                                          \
    REDUCE(sum, t, t, T, 0, false, SAME, SAME)                                                     \
    REDUCE(product, t, t, T, 1, false, SAME, SAME)                                                 \
    REDUCE(least, t, t, T, HIGHEST, false, SAME, SAME)                                             \
    REDUCE(most, t, t, T, LOWEST, false, SAME, SAME)
REDUCE_INT(i8, int8_t, INT8_MIN, INT8_MAX)
REDUCE_INT(i16, int16_t, INT16_MIN, INT16_MAX)
REDUCE_INT(i32, int32_t, INT32_MIN, INT32_MAX)
REDUCE_INT(i64, int64_t, INT64_MIN, INT64_MAX)
REDUCE_INT(u8, uint8_t, 0, UINT8_MAX)
REDUCE_INT(u16, uint16_t, 0, UINT16_MAX)
REDUCE_INT(u32, uint32_t, 0, UINT32_MAX)
REDUCE_INT(u64, uint64_t, 0, UINT64_MAX)

/* ---- products -------------------------------------------------------------------------------- */

/*
 * Register tiles of up to TILE_ROWS x TILE_VECTORS vectors. The level gives, for N = 32 and 64:
 * vectorN, VECTORN_LANES, VECTORN_LOAD(p), VECTORN_STORE(p, v), VECTORN_SET(x), VECTORN_ZERO() and
 * VECTORN_FMA(a, b, c). The helper is inlined with constant rows and vectors, so that the sums stay
 * in registers.
 */
#define PRODUCT(N, T)                                                                              \
    static inline __attribute__((always_inline)) void product##N##_of(                             \
        const struct hg_tile_product *tile, const size_t rows, const size_t vectors)               \
    {                                                                                              \
        vector##N sums[TILE_ROWS][TILE_VECTORS];                                                   \
        T *c = tile->c;                                                                            \
        UNROLL for (size_t i = 0; i < rows; i++)                                                   \
        {                                                                                          \
            UNROLL for (size_t v = 0; v < vectors; v++)                                            \
            {                                                                                      \
                sums[i][v] = tile->add                                                             \
                                 ? VECTOR##N##_LOAD(c + i * tile->c_row + v * VECTOR##N##_LANES)   \
                                 : VECTOR##N##_ZERO();                                             \
            }                                                                                      \
        }                                                                                          \
        const T *a = tile->a;                                                                      \
        const T *b = tile->b;                                                                      \
        for (size_t p = 0; p < tile->k; p++) {                                                     \
            vector##N columns[TILE_VECTORS];                                                       \
            UNROLL for (size_t v = 0; v < vectors; v++)                                            \
            {                                                                                      \
                columns[v] = VECTOR##N##_LOAD(b + v * VECTOR##N##_LANES);                          \
            }                                                                                      \
            UNROLL for (size_t i = 0; i < rows; i++)                                               \
            {                                                                                      \
                T element;                                                                         \
                memcpy(&element, a + i * tile->a_row, sizeof element);                             \
                vector##N row = VECTOR##N##_SET(element);                                          \
                UNROLL for (size_t v = 0; v < vectors; v++)                                        \
                {                                                                                  \
                    sums[i][v] = VECTOR##N##_FMA(row, columns[v], sums[i][v]);                     \
                }                                                                                  \
            }                                                                                      \
            a += tile->a_step;                                                                     \
            b += tile->b_step;                                                                     \
        }                                                                                          \
        UNROLL for (size_t i = 0; i < rows; i++)                                                   \
        {                                                                                          \
            UNROLL for (size_t v = 0; v < vectors; v++)                                            \
            {                                                                                      \
                VECTOR##N##_STORE(c + i * tile->c_row + v * VECTOR##N##_LANES, sums[i][v]);        \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void product##N(const struct hg_tile_product *tile)                                     \
    {                                                                                              \
        size_t vectors = tile->columns / VECTOR##N##_LANES;                                        \
        switch (tile->rows * (TILE_VECTORS + 1) + vectors) {                                       \
            TILES(N)                                                                               \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    }                                                                                              \
    static void dot##N(void *accumulators, const void *a, const void *b, size_t n)                 \
    {                                                                                              \
        enum { WIDTH = HG_REDUCE_WIDTH(sizeof(T)) };                                               \
        const unaligned_f##N *x = a;                                                               \
        const unaligned_f##N *y = b;                                                               \
        T wide[WIDTH];                                                                             \
        memcpy(wide, accumulators, sizeof wide);                                                   \
        size_t i = 0;                                                                              \
        for (; i + WIDTH <= n; i += WIDTH) {                                                       \
            for (size_t j = 0; j < WIDTH; j++) {                                                   \
                wide[j] = HGM_FMA##N(x[i + j], y[i + j], wide[j]);                                 \
            }                                                                                      \
        }                                                                                          \
        for (size_t j = 0; i + j < n; j++) {                                                       \
            wide[j] = HGM_FMA##N(x[i + j], y[i + j], wide[j]);                                     \
        }                                                                                          \
        memcpy(accumulators, wide, sizeof wide);                                                   \
    }

#define TILE(N, rows, vectors)                                                                     \
    case (rows) * (TILE_VECTORS + 1) + (vectors):                                                  \
        product##N##_of(tile, rows, vectors);                                                      \
        break;
#define TILES_OF(N, rows) TILE(N, rows, 1) TILE(N, rows, 2) TILE(N, rows, 3)
#define TILES_4(N)        TILES_OF(N, 1) TILES_OF(N, 2) TILES_OF(N, 3) TILES_OF(N, 4)
#define TILES_8(N)        TILES_4(N) TILES_OF(N, 5) TILES_OF(N, 6) TILES_OF(N, 7) TILES_OF(N, 8)
#define UNROLL            _Pragma("GCC unroll 8")
#define TILE_VECTORS      3

PRODUCT(32, float)
PRODUCT(64, double)

/* ---- the table ------------------------------------------------------------------------------- */

/* clang-format off */
#define ENTRY(NAME, f) [HG_##NAME] = f

#define ALL_TYPES(f)                                                                               \
    {ENTRY(I8, f##_i8), ENTRY(I16, f##_i16), ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),             \
     ENTRY(U8, f##_u8), ENTRY(U16, f##_u16), ENTRY(U32, f##_u32), ENTRY(U64, f##_u64),             \
     ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define INT_TYPES(f)                                                                               \
    {ENTRY(I8, f##_i8), ENTRY(I16, f##_i16), ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),             \
     ENTRY(U8, f##_u8), ENTRY(U16, f##_u16), ENTRY(U32, f##_u32), ENTRY(U64, f##_u64)}
#define FLOAT_TYPES(f)                                                                             \
    {ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define SIGNED_TYPES(f)                                                                            \
    {ENTRY(I8, f##_i8), ENTRY(I16, f##_i16), ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),             \
     ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define MAD_TYPES(f)                                                                               \
    {ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),                                                     \
     ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define WIDTHS(f)      {f##_u8, f##_u16, f##_u32, f##_u64}

#define UNARY_MATH(NAME, f)  [HG_OP_##NAME] = FLOAT_TYPES(f),

#define BINARY_TABLE(min, max)                                                                     \
    {[HG_OP_ADD] = ALL_TYPES(add), [HG_OP_SUB] = ALL_TYPES(sub), [HG_OP_MUL] = ALL_TYPES(mul),     \
     [HG_OP_DIV] = FLOAT_TYPES(div), [HG_OP_MIN] = ALL_TYPES(min), [HG_OP_MAX] = ALL_TYPES(max),   \
     [HG_OP_AND] = INT_TYPES(and), [HG_OP_OR] = INT_TYPES(or), [HG_OP_XOR] = INT_TYPES(xor),       \
     [HG_OP_SHL] = INT_TYPES(shl), [HG_OP_SHR] = INT_TYPES(shr), [HG_OP_POW] = FLOAT_TYPES(pow)}

#define COMPARE_ROW(NAME, name, operator, mode)                                                    \
    [HG_COND_##NAME] = ALL_TYPES(name##_##mode),
#define COMPARE_UNSIGNED(NAME, name, mode)                                                         \
    [HG_COND_##NAME##U] = {ENTRY(U8, name##_##mode##_u8), ENTRY(U16, name##_##mode##_u16),         \
                           ENTRY(U32, name##_##mode##_u32), ENTRY(U64, name##_##mode##_u64)}
#define COMPARE_TABLE(mode)                                                                        \
    {HG_SCALAR_CONDITIONS(COMPARE_ROW, mode)                                                       \
     COMPARE_UNSIGNED(LT, lt, mode), COMPARE_UNSIGNED(LE, le, mode),                               \
     COMPARE_UNSIGNED(GT, gt, mode), COMPARE_UNSIGNED(GE, ge, mode)}

#define CONVERT_TABLE(mode)                                                                        \
    {ENTRY(I8, ALL_TYPES(convert_##mode##_i8)), ENTRY(I16, ALL_TYPES(convert_##mode##_i16)),       \
     ENTRY(I32, ALL_TYPES(convert_##mode##_i32)), ENTRY(I64, ALL_TYPES(convert_##mode##_i64)),     \
     ENTRY(U8, ALL_TYPES(convert_##mode##_u8)), ENTRY(U16, ALL_TYPES(convert_##mode##_u16)),       \
     ENTRY(U32, ALL_TYPES(convert_##mode##_u32)), ENTRY(U64, ALL_TYPES(convert_##mode##_u64)),     \
     ENTRY(F16, ALL_TYPES(convert_##mode##_f16)), ENTRY(BF16, ALL_TYPES(convert_##mode##_bf16)),   \
     ENTRY(F32, ALL_TYPES(convert_##mode##_f32)), ENTRY(F64, ALL_TYPES(convert_##mode##_f64))}

#define REDUCE_ENTRY(NAME, op, t, EMPTY)                                                           \
    [HG_##NAME] = {op##_start_##t, op##_add_##t, op##_fold_##t, op##_combine_##t, EMPTY,           \
                   op##_finish_##t}
#define REDUCE_ROW(op, e_i8, e_i16, e_i32, e_i64, e_u8, e_u16, e_u32, e_u64, e_f16, e_bf16, e_f32, \
                   e_f64, FTZ)                                                                     \
    {REDUCE_ENTRY(I8, op, i8, e_i8), REDUCE_ENTRY(I16, op, i16, e_i16),                            \
     REDUCE_ENTRY(I32, op, i32, e_i32), REDUCE_ENTRY(I64, op, i64, e_i64),                         \
     REDUCE_ENTRY(U8, op, u8, e_u8), REDUCE_ENTRY(U16, op, u16, e_u16),                            \
     REDUCE_ENTRY(U32, op, u32, e_u32), REDUCE_ENTRY(U64, op, u64, e_u64),                         \
     REDUCE_ENTRY(F16, op##FTZ, f16, e_f16), REDUCE_ENTRY(BF16, op##FTZ, bf16, e_bf16),            \
     REDUCE_ENTRY(F32, op##FTZ, f32, e_f32), REDUCE_ENTRY(F64, op##FTZ, f64, e_f64)}
/* Images of 0; 1; the greatest; the least value of each type. */
#define REDUCE_TABLE(FTZ)                                                                          \
    {REDUCE_ROW(sum, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ),                                        \
     REDUCE_ROW(least, 0x7f, 0x7fff, 0x7fffffff, 0x7fffffffffffffff, 0xff, 0xffff, 0xffffffff,     \
                UINT64_MAX, 0x7c00, 0x7f80, 0x7f800000, 0x7ff0000000000000, FTZ),                  \
     REDUCE_ROW(most, 0x80, 0x8000, 0x80000000, 0x8000000000000000, 0, 0, 0, 0, 0xfc00, 0xff80,    \
                0xff800000, 0xfff0000000000000, FTZ),                                              \
     REDUCE_ROW(product, 1, 1, 1, 1, 1, 1, 1, 1, 0x3c00, 0x3f80, 0x3f800000, 0x3ff0000000000000, )}

const struct hg_kernels HG_KERNELS_TABLE = {
    .name = HG_KERNELS_NAME,
    .unary = {[HG_OP_ABS] = SIGNED_TYPES(abs), [HG_OP_NEG] = SIGNED_TYPES(neg),
              [HG_OP_NOT] = INT_TYPES(not), HG_SCALAR_MATH1(UNARY_MATH)},
    .binary = {BINARY_TABLE(min, max), BINARY_TABLE(min_ftz, max_ftz)},
    .ternary = {[HG_OP_MAD] = MAD_TYPES(mad), [HG_OP_FMA] = FLOAT_TYPES(fma)},
    .divide = INT_TYPES(divide),
    .compare = {COMPARE_TABLE(ieee), COMPARE_TABLE(ftz)},
    .convert = {CONVERT_TABLE(ieee), CONVERT_TABLE(ftz)},
    .reduce = {REDUCE_TABLE(), REDUCE_TABLE(_ftz)},
    .select = WIDTHS(select),
    .fill = WIDTHS(fill),
    .load_stride = WIDTHS(load_stride),
    .store_stride = WIDTHS(store_stride),
    .gather = WIDTHS(gather),
    .scatter = WIDTHS(scatter),
    .count64 = count64,
    .count32 = count32,
    .offsets = offsets,
    .first_above = first_above,
    .fma_flushes = FMA_FLUSHES,
    .matrix32 = {TILE_ROWS, VECTOR32_LANES, TILE_VECTORS * VECTOR32_LANES, product32, dot32},
    .matrix64 = {TILE_ROWS, VECTOR64_LANES, TILE_VECTORS * VECTOR64_LANES, product64, dot64},
};
/* clang-format on */
