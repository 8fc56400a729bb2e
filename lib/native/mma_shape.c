/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tiles a product is cut into: the shape whose time, as the sum of what limits each tile, is
 * least. Cycles are those of a core with two units for multiply-adds and two for loads.
 */
#include <math.h>

#include "lib/base/check.h"
#include "lib/native/mma.h"

#define TILE_COST 16.0 /* of starting a tile, beside storing its sums */
#define CROSSING  4.0  /* loads that a vector across two lines counts for */
#define LATENCY   8    /* multiply-adds that must be in flight to keep both units busy */

static double greatest(double a, double b)
{
    return a > b ? a : b;
}

/* Of one term of a tile. Vectors of B that cross lines are two loads, which wait for each other. */
static double term_cycles(unsigned rows, unsigned vectors, bool crosses)
{
    unsigned sums = rows * vectors;
    unsigned loads = rows + vectors;
    unsigned steps = sums + (rows == 1 || vectors == 1 ? 1 : loads);
    double cycles = greatest(sums / 2.0, (rows + vectors * (crosses ? CROSSING : 1)) / 2.0);
    cycles = greatest(cycles, LATENCY / 2.0);
    return greatest(cycles, steps / 5.5);
}

/* With AVX2, of 16 registers one is the mask of the last lanes. */
unsigned hg_mma_tile_sums(enum hg_isa_level level)
{
    return level == HG_ISA_AVX512 ? HG_NATIVE_TILE_SUMS : 12;
}

static unsigned most_rows(enum hg_isa_level level, unsigned vectors)
{
    unsigned registers = level == HG_ISA_AVX512 ? 32 : 15;
    unsigned rows = hg_mma_tile_sums(level) / vectors;
    while (rows > 0 && rows * vectors + hg_mma_spare(level, rows, vectors) > registers) {
        rows--;
    }
    return rows;
}

uint8_t hg_native_tile_rows(enum hg_isa_level level, uint64_t rows, unsigned vectors)
{
    unsigned most = most_rows(level, vectors);
    HG_REQUIRE(rows > 0 && most > 0);
    uint64_t tiles = (rows + most - 1) / most;
    return (uint8_t)((rows + tiles - 1) / tiles);
}

static double strip_cycles(enum hg_isa_level level, uint64_t rows, unsigned vectors, double terms,
                           bool crosses, unsigned *height)
{
    *height = hg_native_tile_rows(level, rows, vectors);
    uint64_t tiles = (rows + *height - 1) / *height;
    uint64_t shorter = tiles * *height - rows; /* tiles of a row less */
    double cycles = (double)(tiles - shorter) * term_cycles(*height, vectors, crosses) +
                    (double)shorter * term_cycles(*height - 1, vectors, crosses);
    return terms * cycles + (double)tiles * TILE_COST + (double)rows * vectors;
}

/* The most vectors that fit beside each other in one tile over all ROWS. */
static unsigned most_vectors(enum hg_isa_level level, uint64_t rows)
{
    unsigned vectors = hg_mma_tile_sums(level);
    while (vectors > 1 && most_rows(level, vectors) < rows) {
        vectors--;
    }
    return vectors;
}

/* Tries some that can be best, not all: this is done for each launch. */
struct hg_native_tile hg_native_choose_tile(enum hg_isa_level level, uint64_t rows,
                                            uint64_t vectors, uint64_t terms, bool crosses)
{
    enum { SQUARE = 4, NEAR = 3 }; /* widths of tiles about as high as wide; near the widest */
    unsigned widest = most_vectors(level, rows);
    struct hg_native_tile best = {hg_native_tile_rows(level, rows, 1), 1, false};
    double least = INFINITY;
    for (unsigned v = widest > SQUARE ? widest : SQUARE; v >= 1; v--) {
        if (v > vectors || most_rows(level, v) == 0 ||
            (v > SQUARE && v + NEAR <= widest && v + NEAR < vectors)) {
            continue;
        }
        unsigned height;
        double cycles = floor((double)vectors / v) *
                        strip_cycles(level, rows, v, (double)terms, crosses, &height);
        unsigned rest = (unsigned)(vectors % v);
        unsigned ignored;
        cycles += rest != 0 ? strip_cycles(level, rows, rest, (double)terms, crosses, &ignored) : 0;
        if (cycles < least) {
            least = cycles;
            best = (struct hg_native_tile){(uint8_t)height, (uint8_t)v, false};
        }
    }
    return best;
}
