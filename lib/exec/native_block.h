/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block of a product on its way: what of A and B is packed (native_packing.c), and the calls that
 * compute it (native_block.c).
 *
 * A cell is what one multiply-add reads of A and of B: an element, as wide as a sum.
 *
 * Threads: a block belongs to the thread that computes it.
 */
#ifndef HG_LIB_EXEC_NATIVE_BLOCK_H
#define HG_LIB_EXEC_NATIVE_BLOCK_H

#include "lib/exec/native_product.h"
#include "lib/exec/panels.h"
#include "lib/exec/workspace.h"

/* Rows of a unit of work, a multiple of most tiles'; and columns, a multiple of every panel's. */
#define HG_NATIVE_ROW_UNIT 56u
#define HG_NATIVE_COL_UNIT 64u
/* Beyond so many terms nothing is packed: a panel has more columns than a small product, and what
 * it takes is nobody's quota. Terms are then added up so many at a time, to see a wish to end. */
#define HG_NATIVE_PACK_TERMS_MAX (1u << 17)

struct hg_native_work {
    const struct hg_launch *launch;
    const struct hg_native_code *code;
    const struct hg_native_region *region;
    const struct hg_product *product;
    struct hg_run *run; /* NULL: a launch on its caller's stack, which nobody waits to end early */
    struct hg_native_frame *frame;
    uint32_t element; /* bytes of an element of A and B */
    uint32_t cell;    /* and of a cell */
    uint32_t lanes;   /* of a vector of sums */
    uint64_t cells;   /* of a sum */
    uint64_t row, rows, col, cols;

    uint64_t chunk; /* columns that are packed at a time */
    uint64_t rows_at_once, cells_at_once;
    bool packs_a, packs_b;
    struct hg_panels_shape shape; /* of B's panels, where it has any: packs_b, or */
    const uint8_t *ready_b;       /*   all of them, given with the launch; else NULL */
    uint8_t *packed_b;            /* those of the columns at hand */
    uint8_t *packed_a;            /* rows of the block at hand, as A lies; */
    uint64_t packed_row;          /*   the first of them, */
    uint64_t packed_a_step;       /*   and bytes from one to the next (from cell to cell) */
    uint8_t *sums;
};

static inline uint64_t hg_native_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- native_packing.c ------------------------------------------------------------------------ */

/* For PRODUCT, as REGION of CODE computes it for LAUNCH. */
void hg_native_work_init(struct hg_native_work *work, const struct hg_launch *launch,
                         const struct hg_native_code *code, const struct hg_native_region *region,
                         const struct hg_product *product);
/* Takes the launch's panels, if they are the product's. */
void hg_native_find_panels(struct hg_native_work *work);
/* Whether PRODUCT can be packed where it must be. */
bool hg_native_can_pack(const struct hg_product *product);
/* Decides what is packed, and how much of the block at a time. */
void hg_native_choose_packing(struct hg_native_work *work);
/* Vectors of the panels that B is read in; 0: it is read where it is. */
uint8_t hg_native_panel_vectors(const struct hg_native_work *work);
/* Room for what is packed, and for sums; false if there is none. */
bool hg_native_reserve(struct hg_native_work *work, struct hg_workspace *workspace);
/* Packs COLS columns of B from COL on, where a panel starts; and ROWS rows of A. */
void hg_native_pack_columns(struct hg_native_work *work, uint64_t col, uint64_t cols);
void hg_native_pack_rows(struct hg_native_work *work, uint64_t row, uint64_t rows);
/* Where the panel of column COL is, COL being the first of one; PACKED_COL's is the first packed.
 */
const uint8_t *hg_native_panel_at(const struct hg_native_work *work, uint64_t col,
                                  uint64_t packed_col);
/* Of A: bytes from row to row, or from cell to cell if it is transposed; and where ROW starts. */
uint64_t hg_native_a_step(const struct hg_native_work *work);
const uint8_t *hg_native_row_of_a(const struct hg_native_work *work, uint64_t row);

/* ---- native_block.c -------------------------------------------------------------------------- */

/* How computing a block ends. */
enum hg_native_outcome { HG_NATIVE_DONE, HG_NATIVE_NO_CODE, HG_NATIVE_NO_MEMORY };

/* Computes the block, or stops early if the run is to end. */
enum hg_native_outcome hg_native_run_block(struct hg_native_work *work,
                                           struct hg_workspace *workspace);

/* ---- native_dot.c ---------------------------------------------------------------------------- */

/* The same of order=dot. WORKSPACE may be NULL where hg_dot_bytes is 0. */
enum hg_native_outcome hg_native_run_dot(struct hg_native_work *work,
                                         struct hg_workspace *workspace);

#endif
