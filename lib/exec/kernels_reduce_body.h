/* SPDX-License-Identifier: Apache-2.0 */
/* Part of kernels_body.h: REDUCE. */

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
