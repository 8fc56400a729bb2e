/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native matrix products: which functions compute a block of a product, and what drives them.
 *
 * Threads: a schedule never changes; blocks belong to the thread that runs them.
 */
#ifndef HG_LIB_EXEC_NATIVE_PRODUCT_H
#define HG_LIB_EXEC_NATIVE_PRODUCT_H

#include "lib/exec/run.h"

/* ---- native_schedule.c ----------------------------------------------------------------------- */

/* What a schedule is for. */
struct hg_native_block {
    uint64_t rows, cols, terms;
    uint64_t rows_at_once;
    uint32_t lanes; /* columns of a vector */
    bool crosses;   /* B's terms do not start where vectors may */
    uint8_t panel;  /* vectors of B's panels; 0: it is read where it is */
};

/* Tiles under each other: some of `height` rows, then some of a row less. */
struct hg_native_column {
    uint8_t height;
    uint64_t tiles[2];
    hg_native_fn *run[2]; /* NULL where there are no tiles */
};

/* Strips of the same width beside each other. */
struct hg_native_group {
    uint8_t vectors;
    bool masked; /* the one strip has fewer columns */
    uint64_t strips;
    struct hg_native_column column[2]; /* for rows_at_once, and for the rows at the end */
};

/* The last groups have what is left over: each is narrower than the one before. */
#define HG_NATIVE_GROUPS 6

struct hg_native_schedule {
    struct hg_native_block block;
    uint32_t group_count;
    struct hg_native_group groups[HG_NATIVE_GROUPS];
};

/* Fills SCHEDULE: how REGION of CODE, PROGRAM's, computes BLOCK. False if there is no code for it.
 */
bool hg_native_schedule_fill(const struct hg_program *program, const struct hg_native_code *code,
                             const struct hg_native_region *region,
                             const struct hg_native_block *block,
                             struct hg_native_schedule *schedule);
/* The same: one that the program keeps, or *ROOM filled; NULL if there is no code for it. */
const struct hg_native_schedule *hg_native_schedule_of(const struct hg_program *program,
                                                       const struct hg_native_code *code,
                                                       const struct hg_native_region *region,
                                                       const struct hg_native_block *block,
                                                       struct hg_native_schedule *room);

/* ---- native_product.c: plans ----------------------------------------------------------------- */

/* One call of a function: the tiles of one height of some strips. Of A and B, bytes from the
 * block's and B's start. */
struct hg_native_call {
    hg_native_fn *run;
    uint64_t a, b, b_next;
    uint64_t tiles, strips;
    uint64_t row, col;
    uint64_t last; /* lanes of the last vector */
};

/* All calls of a product that nothing is packed for: some for each `rows_at_once` rows, others for
 * the rows that come last. */
struct hg_native_plan {
    uint64_t m, n, k, lda, ldb;
    uint8_t panel; /* vectors of the panels that came with the launch; 0: none */
    uint8_t call_count[2];
    uint64_t rows_at_once;
    uint64_t cells, a_step, b_step, a_next;
    struct hg_native_call calls[2][2 * HG_NATIVE_GROUPS];
};

/* ---- native_code.c --------------------------------------------------------------------------- */

/* The function for tiles of shape TILE in REGION, compiled by the first who asks; NULL if there is
 * none. */
hg_native_fn *hg_native_tile_of(const struct hg_program *program, const struct hg_native_code *code,
                                const struct hg_native_region *region, struct hg_native_tile tile);
/* A schedule for BLOCK that the program keeps for REGION, or NULL; and one to keep, if there is
 * room for it. */
const struct hg_native_schedule *hg_native_find_schedule(const struct hg_program *program,
                                                         const struct hg_native_code *code,
                                                         const struct hg_native_region *region,
                                                         const struct hg_native_block *block);
void hg_native_keep_schedule(const struct hg_program *program, const struct hg_native_code *code,
                             const struct hg_native_region *region,
                             const struct hg_native_schedule *schedule);

/* A plan of the program's for CODE and the sizes and panels of WANTED, or NULL; and one to keep, if
 * there is room for it. */
const struct hg_native_plan *hg_native_find_plan(const struct hg_program *program,
                                                 const struct hg_native_code *code,
                                                 const struct hg_native_plan *wanted);
void hg_native_keep_plan(const struct hg_program *program, const struct hg_native_code *code,
                         const struct hg_native_plan *plan);

/* ---- native_bind.c --------------------------------------------------------------------------- */

/* True if LAUNCH may run as it is: then FRAME's bases are those of its operands, its parameters are
 * set, and nothing has failed. CODE has no product of HG_NATIVE_TILES; or it has, and its sizes go
 * to PRODUCT. */
bool hg_native_bind(const struct hg_launch *launch, const struct hg_native_code *code,
                    struct hg_native_frame *frame);
bool hg_native_bind_product(const struct hg_launch *launch, const struct hg_native_code *code,
                            struct hg_product *product, struct hg_native_frame *frame);
/* The same for a launch that is known to be right. */
void hg_native_start_frame(const struct hg_launch *launch, const struct hg_native_code *code,
                           struct hg_native_frame *frame);

/* ---- native_product.c ------------------------------------------------------------------------ */

/* PRODUCT as LAUNCH, of the program that MMA is of, sizes it; unchecked. */
void hg_native_fill_product(const struct hg_launch *launch, const struct hg_native_mma *mma,
                            struct hg_product *product);

/* PRODUCT, the one of CODE, as LAUNCH sizes it, and where its matrices end in their operands. False
 * if it is none for a launch on the spot. */
bool hg_native_size_product(const struct hg_launch *launch, const struct hg_native_code *code,
                            struct hg_product *product, uint64_t ends[2]);
/* Computes PRODUCT, the one region of CODE, with FRAME as for hg_native_product_part; false, and
 * nothing has been done, if that is not possible on the spot. */
bool hg_native_product_launch(const struct hg_launch *launch, const struct hg_native_code *code,
                              const struct hg_product *product, struct hg_native_frame *frame);

#endif
