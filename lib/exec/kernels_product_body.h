/* SPDX-License-Identifier: Apache-2.0 */
/* Part of kernels_body.h: register tiles of products, and dot products. */

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
    }

/*
 * Dot products of DOT_ROWS rows at a time, all accumulators in vectors. The level gives besides:
 * VECTORN_SOME(p, n, rest), the n first lanes from p and REST in the others, and VECTORN_FOLD(v),
 * lanes added as REDUCE folds them. Terms that complete the last vector are -0, which changes no
 * accumulator.
 */
#define DOTS(N, T)                                                                                 \
    enum { DOT_WIDTH##N = HG_REDUCE_WIDTH(sizeof(T)) };                                            \
    enum { DOT_VECTORS##N = DOT_WIDTH##N / VECTOR##N##_LANES };                                    \
    static inline __attribute__((always_inline)) void dot##N##_terms(                              \
        vector##N sums[][DOT_VECTORS##N], const T *a, size_t a_row, const size_t rows, const T *b) \
    {                                                                                              \
        UNROLL for (size_t v = 0; v < DOT_VECTORS##N; v++)                                         \
        {                                                                                          \
            vector##N y = VECTOR##N##_LOAD(b + v * VECTOR##N##_LANES);                             \
            UNROLL for (size_t r = 0; r < rows; r++)                                               \
            {                                                                                      \
                sums[r][v] = VECTOR##N##_FMA(                                                      \
                    VECTOR##N##_LOAD(a + r * a_row + v * VECTOR##N##_LANES), y, sums[r][v]);       \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static inline __attribute__((always_inline)) void dot##N##_rest(                               \
        vector##N sums[][DOT_VECTORS##N], const T *a, size_t a_row, const size_t rows, const T *b, \
        size_t n)                                                                                  \
    {                                                                                              \
        UNROLL for (size_t v = 0; v < DOT_VECTORS##N; v++)                                         \
        {                                                                                          \
            size_t first = v * VECTOR##N##_LANES;                                                  \
            size_t left = n > first ? n - first : 0;                                               \
            size_t some = left < VECTOR##N##_LANES ? left : VECTOR##N##_LANES;                     \
            if (some == 0) {                                                                       \
                break;                                                                             \
            }                                                                                      \
            vector##N y = VECTOR##N##_SOME(b + first, some, (T)0);                                 \
            UNROLL for (size_t r = 0; r < rows; r++)                                               \
            {                                                                                      \
                vector##N x = VECTOR##N##_SOME(a + r * a_row + first, some, (T)-0.0);              \
                sums[r][v] = VECTOR##N##_FMA(x, y, sums[r][v]);                                    \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static inline __attribute__((always_inline)) void dots##N##_of(                                \
        T *to, const T *a, size_t a_row, const size_t rows, const T *b, size_t n)                  \
    {                                                                                              \
        vector##N sums[DOT_ROWS][DOT_VECTORS##N];                                                  \
        UNROLL for (size_t r = 0; r < rows; r++)                                                   \
        {                                                                                          \
            UNROLL for (size_t v = 0; v < DOT_VECTORS##N; v++)                                     \
            {                                                                                      \
                sums[r][v] = VECTOR##N##_SET((T)-0.0);                                             \
            }                                                                                      \
        }                                                                                          \
        size_t i = 0;                                                                              \
        for (; i + DOT_WIDTH##N <= n; i += DOT_WIDTH##N) {                                         \
            dot##N##_terms(sums, a + i, a_row, rows, b + i);                                       \
        }                                                                                          \
        dot##N##_rest(sums, a + i, a_row, rows, b + i, n - i);                                     \
        UNROLL for (size_t r = 0; r < rows; r++)                                                   \
        {                                                                                          \
            for (size_t h = DOT_VECTORS##N / 2; h > 0; h /= 2) {                                   \
                for (size_t v = 0; v < h; v++) {                                                   \
                    sums[r][v] = sums[r][v] + sums[r][v + h];                                      \
                }                                                                                  \
            }                                                                                      \
            T sum = VECTOR##N##_FOLD(sums[r][0]);                                                  \
            memcpy(to + r, &sum, sizeof sum);                                                      \
        }                                                                                          \
    }                                                                                              \
    static void dots##N(void *sums, const void *a, size_t a_row, size_t rows, const void *b,       \
                        size_t n)                                                                  \
    {                                                                                              \
        size_t r = 0;                                                                              \
        for (; r + DOT_ROWS <= rows; r += DOT_ROWS) {                                              \
            dots##N##_of((T *)sums + r, (const T *)a + r * a_row, a_row, DOT_ROWS, b, n);          \
        }                                                                                          \
        for (; r < rows; r++) {                                                                    \
            dots##N##_of((T *)sums + r, (const T *)a + r * a_row, 0, 1, b, n);                     \
        }                                                                                          \
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
DOTS(32, float)
DOTS(64, double)
