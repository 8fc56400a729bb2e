/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions that start with MMA: sums of a tile of the product are computed in registers; the
 * region's other instructions follow for each vector of them, as ordinary lane code.
 *
 *     a small product whose sizes are known    one function for all of it (mma.c)
 *     others                                   a function per shape of tile, which computes as
 *                                              many as it is told, one under the other (mma.c)
 *     terms of one tile                        mma_tile.c
 *     what follows them                        mma_follow.c
 *
 * Sums are added up term by term in ascending order, whatever the tiles: the bits do not depend on
 * them.
 */
#ifndef HG_LIB_NATIVE_MMA_H
#define HG_LIB_NATIVE_MMA_H

#include "lib/native/emit_code.h"

/* Terms of tiles, as code is written for them. */
struct hg_mma_tile {
    struct hg_code_gen *gen;
    unsigned width; /* log2 of the bytes of an element and of a sum */
    unsigned rows, vectors;
    bool masked;  /* of the last vector only the lanes of k1 exist */
    bool flushes; /* terms are added up as if under FTZ, what follows is not */
    bool trans_a; /* rows of A lie side by side, terms a_step apart */
    /* Whether the steps and the number of terms are those below: else they are in the frame. */
    bool is_known;
    int32_t a_step, b_step; /* bytes */
    uint32_t terms;
    /* Vector registers of the sums, row by row, and others that are free meanwhile. */
    uint8_t sums[HG_NATIVE_TILE_SUMS];
    uint8_t free[32];
};

/* Registers that computing the sums of ROWS x VECTORS needs besides them. */
unsigned hg_mma_spare(enum hg_isa_level level, unsigned rows, unsigned vectors);
/* Sums of a tile at most. */
unsigned hg_mma_tile_sums(enum hg_isa_level level);
/* Points rsi to B's first term, r8 (and others, for some rows further down) to A's, as the frame's
 * strip has them, and adds up all terms. Clobbers general registers, but rdi. */
void hg_mma_terms(const struct hg_mma_tile *tile);

/* ---- mma_follow.c ---------------------------------------------------------------------------- */

/* The region's other operations for the tile whose first lane, column and row the frame has; rows
 * are COLS lanes apart, or as the frame's strip says. */
void hg_mma_follow(const struct hg_mma_tile *tile, uint32_t cols);
/* Has the lines fetched that results go to, which would otherwise be waited for when the terms are
 * done; not for few terms, which take less time than that. Before hg_mma_terms. */
void hg_mma_fetch_results(const struct hg_mma_tile *tile);

/* ---- mma_lower.c ----------------------------------------------------------------------------- */

/* Makes MMA's register a sum, and finds what kind of product it is; emit->failed if it is none that
 * has code. */
void hg_mma_lower(struct hg_lower *lower, const struct hg_insn *mma);
/* emit->failed if the region's other operations cannot follow tile by tile. */
void hg_mma_check(struct hg_emit *emit, const struct hg_insn *mma);
/* MMA as code objects have it. */
struct hg_native_mma hg_mma_of(const struct hg_insn *mma);
/* What the matrices of a product occupy; false if they do not start where bound slots do. */
bool hg_mma_accesses(const struct hg_insn *mma, struct hg_native_access accesses[2]);

/* ---- mma.c ----------------------------------------------------------------------------------- */

/* Writes the function of a WHOLE product, or of TILES of the shape TILE; gives its length, or 0. */
size_t hg_mma_emit_whole(struct hg_emit *emit, const struct hg_insn *mma, uint8_t *buffer,
                         size_t size);
size_t hg_mma_emit_tiles(struct hg_emit *emit, const struct hg_insn *mma,
                         struct hg_native_tile tile, uint8_t *buffer, size_t size);

#endif
