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
