/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tiles a product is cut into: the shape whose time, as the sum of what limits each tile, is
 * least. Cycles are those of a core with two units for multiply-adds and two for loads.
 */
#include <math.h>

#include "lib/native/mma.h"

#define REGISTERS 32
#define TILE_COST 16.0 /* of starting a tile, beside storing its sums */
#define LATENCY   8    /* multiply-adds that must be in flight to keep both units busy */

static double greatest(double a, double b)
{
    return a > b ? a : b;
}

/* Of one term of a tile. */
static double term_cycles(unsigned rows, unsigned vectors)
{
    unsigned sums = rows * vectors;
    unsigned loads = rows + vectors;
    unsigned steps = sums + (rows == 1 || vectors == 1 ? 1 : loads);
    double cycles = greatest(sums / 2.0, loads / 2.0);
    cycles = greatest(cycles, LATENCY / 2.0);
    return greatest(cycles, steps / 5.5);
}

static unsigned most_rows(unsigned vectors)
{
    unsigned rows = HG_NATIVE_TILE_SUMS / vectors;
    while (rows > 0 && rows * vectors + hg_mma_spare(rows, vectors) > REGISTERS) {
        rows--;
    }
    return rows;
}

uint8_t hg_native_tile_rows(uint64_t rows, unsigned vectors)
{
    unsigned most = most_rows(vectors);
    uint64_t tiles = (rows + most - 1) / most;
    return (uint8_t)((rows + tiles - 1) / tiles);
}

static double strip_cycles(uint64_t rows, unsigned vectors, double terms, unsigned *height)
{
    *height = hg_native_tile_rows(rows, vectors);
    double tiles = (double)rows / *height;
    return tiles * (terms * term_cycles(*height, vectors) + TILE_COST + *height * vectors);
}

struct hg_native_tile hg_native_choose_tile(uint64_t rows, uint64_t vectors, uint64_t terms)
{
    struct hg_native_tile best = {1, 1, false};
    double least = 0;
    for (unsigned v = 1; v <= HG_NATIVE_TILE_SUMS && v <= vectors && most_rows(v) > 0; v++) {
        unsigned height;
        double cycles = floor((double)vectors / v) * strip_cycles(rows, v, (double)terms, &height);
        unsigned rest = (unsigned)(vectors % v);
        unsigned ignored;
        cycles += rest != 0 ? strip_cycles(rows, rest, (double)terms, &ignored) : 0;
        if (v == 1 || cycles < least) {
            least = cycles;
            best = (struct hg_native_tile){(uint8_t)height, (uint8_t)v, false};
        }
    }
    return best;
}
