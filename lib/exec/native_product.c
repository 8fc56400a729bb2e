/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the native code of matrix products. A block of the product is cut into strips of columns;
 * a call computes a strip's tiles one under the other, and strips of the same width beside each
 * other. B is packed strip by strip first where that pays, and A row by row where its rows would
 * fight for the same lines of the cache.
 *
 *     rows that fit into the second cache ─► strips ─► terms that fit ─► tiles
 */
#include "lib/exec/native_product.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/panels.h"
#include "lib/exec/workspace.h"

#define ROW_UNIT    56u  /* rows of a unit of work: a multiple of most tiles' */
#define COL_UNIT    64u  /* columns: packed strips are 32 of F32 */
#define TERMS_MAX   512u /* of B at a time, where it is packed: so that a tile of A stays near */
#define CALL_TERMS  (1u << 21) /* multiply-adds of a call, about: so often a wish to end is seen */
#define CACHE_BYTES (1u << 20) /* of A at a time */
#define PACKED_MAX  (8u << 20) /* of B at a time */

/* Beyond so many terms nothing is packed: a panel has more columns than a small product, and what
 * it takes is nobody's quota. Terms are then added up so many at a time, to see a wish to end. */
#define PACK_TERMS_MAX (1u << 17)
/* Below so many rows packing B costs more than it saves. */
#define PACK_ROWS_MIN 160u
/* Panels that are there for nothing are worth it from so many rows and bytes of B on. */
#define PANEL_ROWS_MIN  8u
#define PANEL_BYTES_MIN 32768u
/* Vectors of a panel: few rows leave registers for more sums beside each other. */
#define PANEL_VECTORS      2u
#define WIDE_PANEL_VECTORS 4u
#define WIDE_PANEL_ROWS    6u
/* Rows of A so many bytes apart meet in the same sets. */
#define CROWDED_BYTES 4096u

struct work {
    const struct hg_launch *launch;
    const struct hg_native_code *code;
    const struct hg_native_region *region;
    const struct hg_product *product;
    const struct hg_kernels *kernels;
    struct hg_run *run; /* NULL: a launch on its caller's stack, which nobody waits to end early */
    struct hg_native_frame *frame;
    uint32_t width; /* bytes of an element */
    uint32_t lanes; /* of a vector of sums */
    uint64_t row, rows, col, cols;
    uint64_t chunk; /* columns that are packed at a time */
    uint64_t rows_at_once, terms_at_once;
    bool packs_a, packs_b;
    struct hg_panels_shape shape; /* of B's panels, where it has any: packs_b, or */
    const uint8_t *ready_b;       /*   all of them, given with the launch; else NULL */
    uint8_t *packed_b;            /* those of the columns at hand */
    uint8_t *packed_a;            /* rows of the block at hand, */
    uint64_t packed_row;          /*   the first of them, */
    uint64_t packed_a_step;       /*   and bytes from one to the next */
    uint8_t *sums;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t round_up(uint64_t value, uint64_t step)
{
    return (value + step - 1) / step * step;
}

/* ---- units of work --------------------------------------------------------------------------- */

bool hg_native_takes_product(const struct hg_run *run, const struct hg_native_region *region,
                             const struct hg_product *product)
{
    bool sizes = run->cut.rows == product->m && run->cut.cols == product->n;
    bool whole = region->product == HG_NATIVE_WHOLE && product->m == region->rows &&
                 product->n == region->cols;
    bool tiles = region->product == HG_NATIVE_TILES && product->k > 0 &&
                 (!product->trans_b || product->k <= PACK_TERMS_MAX);
    return sizes && (whole || tiles) && run->launch.fuel == 0;
}

void hg_native_cut_product(const struct hg_native_region *region, struct hg_product *product)
{
    product->tile_rows = product->m;
    product->tile_cols = product->n;
    if (region->product == HG_NATIVE_TILES) {
        if (product->n >= 2 * COL_UNIT && 4 * product->n >= product->m) {
            product->tile_cols = COL_UNIT;
        } else {
            product->tile_rows = least(ROW_UNIT, product->m);
        }
    }
}

/* The part's units, which lie side by side, as one block. */
static void find_block(struct work *work, uint32_t part)
{
    const struct hg_product *product = work->product;
    uint64_t first;
    uint64_t end;
    hg_run_units(work->run, part, &first, &end);
    bool by_rows = product->col_tiles == 1;
    uint64_t first_row = by_rows ? first * product->tile_rows : 0;
    uint64_t first_col = by_rows ? 0 : first * product->tile_cols;
    work->row = first_row;
    work->col = first_col;
    work->rows = by_rows ? least(end * product->tile_rows, product->m) - first_row : product->m;
    work->cols = by_rows ? product->n : least(end * product->tile_cols, product->n) - first_col;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Columns of B that PRODUCT's panels should have, as sums have LANES to a vector. */
static void shape_panels(const struct hg_product *product, uint32_t lanes,
                         struct hg_panels_shape *shape)
{
    bool few = product->m <= WIDE_PANEL_ROWS;
    *shape = (struct hg_panels_shape){.type = product->type,
                                      .trans = product->trans_b,
                                      .terms = product->k,
                                      .cols = product->n,
                                      .step = product->ldb,
                                      .width = (few ? WIDE_PANEL_VECTORS : PANEL_VECTORS) * lanes};
}

/* Whether panels that cost nothing would do better than B where it is. */
static bool wants_panels(const struct hg_product *product)
{
    uint64_t bytes = product->k * product->n * hg_dtype_bytes(product->type);
    return product->trans_b || (product->m >= PANEL_ROWS_MIN && bytes >= PANEL_BYTES_MIN);
}

/* Takes the launch's panels, if they are the product's. */
static void find_panels(struct work *work)
{
    const struct hg_panels *panels = work->launch->panels;
    shape_panels(work->product, work->lanes, &work->shape);
    if (panels == NULL || work->launch->operands[panels->shape.slot].base != work->product->b) {
        return;
    }
    work->shape.slot = panels->shape.slot;
    if (hg_panels_same(&panels->shape, &work->shape)) {
        work->ready_b = panels->data;
    }
}

/* Where the panel of column COL is, COL being the first of one; PACKED_COL's is the first packed.
 */
static const uint8_t *panel_at(const struct work *work, uint64_t col, uint64_t packed_col)
{
    uint64_t bytes = hg_panel_bytes(&work->shape);
    if (work->ready_b != NULL) {
        return work->ready_b + col / work->shape.width * bytes;
    }
    return work->packed_b + (col - packed_col) / work->shape.width * bytes;
}

static void pack_rows(struct work *work, uint64_t row, uint64_t rows)
{
    const struct hg_product *product = work->product;
    work->packed_row = row;
    for (uint64_t i = 0; i < rows; i++) {
        memcpy(work->packed_a + i * work->packed_a_step,
               product->a + (row + i) * product->lda * work->width, product->k * work->width);
    }
}

/* ---- strips ---------------------------------------------------------------------------------- */

/* Strips of the same width side by side, for some rows. */
struct strips {
    uint64_t row, col;
    uint64_t count; /* at least 1 */
    uint64_t mask;  /* of the last vector */
    unsigned vectors;
    const struct hg_native_column *column;
    const uint8_t *b;
    uint64_t b_step, b_next;
};

static const uint8_t *row_of_a(const struct work *work, uint64_t row)
{
    const struct hg_product *product = work->product;
    if (work->packs_a) {
        return work->packed_a + (row - work->packed_row) * work->packed_a_step;
    }
    return product->a + row * (product->trans_a ? 1 : product->lda) * work->width;
}

/* The tiles of one height, over COUNT terms from FIRST. */
static void run_tiles(struct work *work, const struct strips *strips, unsigned shorter,
                      uint64_t first, uint64_t count)
{
    const struct hg_native_column *column = strips->column;
    if (column->tiles[shorter] == 0) {
        return;
    }
    const struct hg_product *product = work->product;
    uint64_t above = shorter != 0 ? column->tiles[0] * column->height : 0;
    uint64_t row = strips->row + above;
    uint64_t a_step = work->packs_a ? work->packed_a_step : product->lda * work->width;
    struct hg_native_frame *frame = work->frame;
    frame->col = strips->col;
    frame->strip = (struct hg_native_strip){
        .a = row_of_a(work, row) + first * (product->trans_a ? a_step : work->width),
        .a_step = a_step,
        .b = strips->b + first * strips->b_step,
        .b_step = strips->b_step,
        .b_next = strips->b_next,
        .terms = count,
        .tiles = column->tiles[shorter],
        .strips = strips->count,
        .lane = row * product->n + strips->col,
        .cols = product->n,
        .mask = strips->mask,
        .sums = work->sums + above * strips->vectors * HG_NATIVE_VECTOR,
        .stage = (first == 0 ? HG_NATIVE_FIRST : 0u) |
                 (first + count == product->k ? HG_NATIVE_LAST : 0u),
    };
    column->run[shorter](frame);
}

/* False if the run is to end. */
static bool run_strips(struct work *work, const struct strips *strips)
{
    uint64_t terms = work->product->k;
    for (uint64_t first = 0; first < terms; first += work->terms_at_once) {
        if (work->run != NULL && hg_run_poll(work->run, true)) {
            return false;
        }
        uint64_t count = least(terms - first, work->terms_at_once);
        run_tiles(work, strips, 0, first, count);
        run_tiles(work, strips, 1, first, count);
    }
    return true;
}

/* How many strips of WIDTH columns a call should take: one if sums are kept between calls. */
static uint64_t strips_at_once(const struct work *work, uint64_t rows, uint64_t width)
{
    if (work->product->k > work->terms_at_once) {
        return 1;
    }
    return CALL_TERMS / (rows * width * work->product->k + 1) + 1;
}

/* A group's strips, for rows of which there are ROWS; B's columns are at strips.b. False if the run
 * is to end. */
static bool run_group(struct work *work, const struct hg_native_group *group, struct strips strips,
                      uint64_t rows, uint64_t cols_left, bool in_panels)
{
    const struct hg_product *product = work->product;
    uint64_t width = (uint64_t)group->vectors * work->lanes;
    uint64_t rest = cols_left % work->lanes;
    uint64_t at_once = strips_at_once(work, rows, width);
    strips.vectors = group->vectors;
    strips.mask = group->masked && rest != 0 ? (UINT64_C(1) << rest) - 1 : UINT64_MAX;
    strips.b_step = (in_panels ? work->shape.width : product->ldb) * work->width;
    strips.b_next = in_panels ? hg_panel_bytes(&work->shape) : width * work->width;
    for (uint64_t done = 0; done < group->strips; done += strips.count) {
        strips.count = least(group->strips - done, at_once);
        if (!run_strips(work, &strips)) {
            return false;
        }
        strips.b += strips.count * strips.b_next;
        strips.col += strips.count * width;
    }
    return true;
}

static bool run_rows(struct work *work, const struct hg_native_schedule *schedule, uint64_t col,
                     uint64_t row, uint64_t rows)
{
    bool last = row + rows == work->row + work->rows;
    bool in_panels = schedule->block.panel != 0;
    uint64_t left = schedule->block.cols;
    if (work->packs_a) {
        pack_rows(work, row, rows);
    }
    for (uint32_t i = 0; i < schedule->group_count; i++) {
        const struct hg_native_group *group = &schedule->groups[i];
        uint64_t at = col + schedule->block.cols - left;
        const struct strips strips = {.row = row,
                                      .col = at,
                                      .column = &group->column[last ? 1 : 0],
                                      .b = in_panels ? panel_at(work, at, col)
                                                     : work->product->b + at * work->width};
        if (!run_group(work, group, strips, rows, left, in_panels)) {
            return false;
        }
        left -= least(left, group->strips * group->vectors * work->lanes);
    }
    return true;
}

/* ---- a block --------------------------------------------------------------------------------- */

static void choose_packing(struct work *work)
{
    const struct hg_product *product = work->product;
    uint64_t term_bytes = product->k * work->width;
    bool few = product->k <= PACK_TERMS_MAX;
    find_panels(work);
    work->packs_b = work->ready_b == NULL &&
                    (product->trans_b || (few && work->rows >= PACK_ROWS_MIN &&
                                          term_bytes * work->cols >= PACK_ROWS_MIN * 1024u));
    work->packs_a = few && !product->trans_a && work->rows >= 8 && work->cols >= 2 * COL_UNIT &&
                    product->lda * work->width % CROWDED_BYTES == 0;
    work->chunk = work->cols;
    work->terms_at_once = few ? product->k : PACK_TERMS_MAX;
    if (work->packs_b || (work->ready_b != NULL && few)) {
        uint64_t stages = hg_div_up_u64(product->k, TERMS_MAX);
        work->terms_at_once = hg_div_up_u64(product->k, stages);
    }
    if (work->packs_b) {
        uint64_t most = PACKED_MAX / term_bytes / COL_UNIT * COL_UNIT;
        work->chunk = least(work->cols, most < COL_UNIT ? COL_UNIT : most);
    }
    uint64_t fit = CACHE_BYTES / term_bytes;
    uint64_t blocks = hg_div_up_u64(work->rows, fit < ROW_UNIT ? ROW_UNIT : fit);
    work->rows_at_once = hg_div_up_u64(work->rows, blocks);
}

/* Room for what is packed, and for sums; false if there is none. */
static bool reserve(struct work *work, struct hg_workspace *workspace)
{
    const struct hg_product *product = work->product;
    uint64_t panels = hg_div_up_u64(work->chunk, work->shape.width);
    uint64_t b = work->packs_b ? round_up(panels * hg_panel_bytes(&work->shape), 64) : 0;
    work->packed_a_step = round_up(product->k * work->width, 64) + 64;
    uint64_t a = work->packs_a ? work->rows_at_once * work->packed_a_step : 0;
    uint64_t sums = product->k > work->terms_at_once
                        ? work->rows_at_once * HG_NATIVE_TILE_SUMS * HG_NATIVE_VECTOR
                        : 0;
    if (b + a + sums != 0 && hg_workspace_reserve_product(workspace, b + a + sums) != HG_OK) {
        return false;
    }
    work->packed_b = workspace->product;
    work->packed_a = workspace->product + b;
    work->sums = workspace->product + b + a;
    return true;
}

/* Of which B is read in panels; 0: it is read where it is. */
static uint8_t panel_vectors(const struct work *work)
{
    bool in_panels = work->packs_b || work->ready_b != NULL;
    return in_panels ? (uint8_t)(work->shape.width / work->lanes) : 0;
}

enum outcome { DONE, NO_CODE, NO_MEMORY };

static enum outcome run_block(struct work *work, struct hg_workspace *workspace)
{
    struct hg_native_schedule rooms[2];
    struct hg_native_block block = {.rows = work->rows,
                                    .cols = work->chunk,
                                    .terms = work->product->k,
                                    .rows_at_once = work->rows_at_once,
                                    .lanes = work->lanes,
                                    .panel = panel_vectors(work)};
    const struct hg_native_schedule *each =
        hg_native_schedule_of(work->launch->program, work->code, work->region, &block, &rooms[0]);
    uint64_t rest = work->cols % work->chunk;
    block.cols = rest == 0 ? work->chunk : rest;
    const struct hg_native_schedule *last =
        rest == 0 ? each
                  : hg_native_schedule_of(work->launch->program, work->code, work->region, &block,
                                          &rooms[1]);
    if (each == NULL || last == NULL) {
        return NO_CODE;
    }
    if (!reserve(work, workspace)) {
        return NO_MEMORY;
    }
    for (uint64_t done = 0; done < work->cols; done += work->chunk) {
        const struct hg_native_schedule *schedule = work->cols - done < work->chunk ? last : each;
        if (work->packs_b) {
            uint64_t width = work->shape.width;
            hg_panels_pack_some(&work->shape, work->product->b, (work->col + done) / width,
                                hg_div_up_u64(schedule->block.cols, width), work->packed_b);
        }
        for (uint64_t row = 0; row < work->rows; row += work->rows_at_once) {
            uint64_t rows = least(work->rows_at_once, work->rows - row);
            if (!run_rows(work, schedule, work->col + done, work->row + row, rows)) {
                return DONE;
            }
        }
    }
    return DONE;
}

static void init_work(struct work *work, const struct hg_launch *launch,
                      const struct hg_native_code *code, const struct hg_native_region *region,
                      const struct hg_product *product)
{
    *work = (struct work){.launch = launch, .code = code, .region = region, .product = product};
    work->width = hg_dtype_bytes(product->type);
    work->lanes = HG_NATIVE_VECTOR / work->width;
}

static void run_tiled(struct hg_run *run, uint32_t part, struct hg_native_frame *frame)
{
    struct work work;
    init_work(&work, &run->launch, run->native, run->native_region, &run->product);
    work.run = run;
    work.kernels = run->kernels;
    work.frame = frame;
    find_block(&work, part);
    choose_packing(&work);
    struct hg_workspace *workspace = hg_workspace_take();
    enum outcome outcome = workspace == NULL ? NO_MEMORY : run_block(&work, workspace);
    if (workspace != NULL) {
        hg_workspace_put_back(workspace);
    }
    if (outcome == NO_MEMORY) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for a product's panels");
    } else if (outcome == NO_CODE) {
        hg_block_part(run, part);
    }
}

void hg_native_product_part(struct hg_run *run, uint32_t part, struct hg_native_frame *frame)
{
    if (run->native_region->product == HG_NATIVE_WHOLE) {
        frame->lane = frame->col = 0;
        run->native_region->run(frame);
        return;
    }
    run_tiled(run, part, frame);
}

/* ---- a launch -------------------------------------------------------------------------------- */

/* Multiply-adds between two looks at a deadline, or a wish to cancel, at most. */
#define UNWATCHED_TERMS (UINT64_C(1) << 24)

static uint64_t size_of(const struct hg_launch *launch, const struct hg_native_mma *mma,
                        uint32_t size)
{
    return (mma->flags & HG_MMA_PARAMS) != 0 ? launch->params[size] : size;
}

/* Where a matrix of ROWS x COLS ends; false beyond 2^64. */
static bool matrix_end(uint64_t rows, uint64_t cols, uint64_t step, uint32_t width, uint64_t *end)
{
    uint64_t last;
    return hg_mul_u64(rows - 1, step, &last) && hg_add_u64(last, cols, &last) &&
           hg_mul_u64(last, width, end);
}

static void fill_product(const struct hg_launch *launch, const struct hg_native_mma *mma,
                         struct hg_product *product)
{
    *product = (struct hg_product){.a = launch->operands[mma->a_slot].base,
                                   .b = launch->operands[mma->b_slot].base,
                                   .m = size_of(launch, mma, mma->m),
                                   .n = size_of(launch, mma, mma->n),
                                   .k = size_of(launch, mma, mma->k),
                                   .lda = size_of(launch, mma, mma->lda),
                                   .ldb = size_of(launch, mma, mma->ldb),
                                   .type = (enum hg_dtype)mma->type,
                                   .trans_a = (mma->flags & HG_MMA_TRANS_A) != 0,
                                   .trans_b = (mma->flags & HG_MMA_TRANS_B) != 0};
}

bool hg_native_size_product(const struct hg_launch *launch, const struct hg_native_code *code,
                            struct hg_product *product, uint64_t ends[2])
{
    fill_product(launch, hg_native_mma(code), product);
    bool watched = launch->deadline_ns != 0 || launch->cancelled != NULL;
    uint64_t terms;
    if (product->m != launch->params[HG_PARAM_ROWS] ||
        product->n != launch->params[HG_PARAM_COLS] || product->m == 0 || product->n < 2 ||
        product->k == 0 || launch->fuel != 0 ||
        !hg_mul_u64(launch->params[HG_PARAM_N], product->k, &terms) ||
        (watched && terms > UNWATCHED_TERMS)) {
        return false;
    }
    if (product->lda < (product->trans_a ? product->m : product->k) ||
        product->ldb < (product->trans_b ? product->k : product->n)) {
        return false;
    }
    uint32_t width = hg_dtype_bytes(product->type);
    return matrix_end(product->trans_a ? product->k : product->m,
                      product->trans_a ? product->m : product->k, product->lda, width, &ends[0]) &&
           matrix_end(product->trans_b ? product->n : product->k,
                      product->trans_b ? product->k : product->n, product->ldb, width, &ends[1]);
}

bool hg_native_product_launch(const struct hg_launch *launch, const struct hg_native_code *code,
                              const struct hg_product *product, struct hg_native_frame *frame)
{
    struct work work;
    struct hg_workspace none = {0};
    init_work(&work, launch, code, &code->regions[0], product);
    work.kernels = hg_kernels_now();
    work.frame = frame;
    work.rows = product->m;
    work.cols = product->n;
    choose_packing(&work);
    if (work.packs_a || work.packs_b || product->k > work.terms_at_once) {
        return false; /* large enough for the other way */
    }
    return run_block(&work, &none) == DONE;
}

bool hg_panels_of(const struct hg_launch *launch, struct hg_panels_shape *shape)
{
    const struct hg_native_code *code = launch->executor == HG_EXECUTOR_NATIVE
                                            ? hg_native_code_of(launch->program, launch->fp_mode)
                                            : NULL;
    if (code == NULL || !code->has_mma) {
        return false;
    }
    struct hg_product product;
    fill_product(launch, hg_native_mma(code), &product);
    bool has_terms = product.m != 0 && product.n >= 2 && product.k != 0 &&
                     product.k <= PACK_TERMS_MAX && product.n <= UINT32_MAX;
    if (!has_terms || !wants_panels(&product)) {
        return false;
    }
    shape_panels(&product, HG_NATIVE_VECTOR / hg_dtype_bytes(product.type), shape);
    shape->slot = hg_native_mma(code)->b_slot;
    return true;
}
