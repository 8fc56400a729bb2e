/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the native code of matrix products. A part is a block of the product, cut into strips of
 * columns; a strip's tiles are computed one under the other by one call. B is packed strip by strip
 * first where that pays, and A row by row where its rows would fight for the same lines of the
 * cache.
 *
 *     rows that fit into the second cache ─► strips ─► terms that fit ─► tiles
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/run.h"
#include "lib/exec/workspace.h"
#include "lib/native/native.h"

#define ROW_UNIT    56u /* rows of a unit of work: a multiple of most tiles' */
#define COL_UNIT    64u /* columns: strips are 32 of them */
#define TERMS_MAX   1536u
#define CALL_TERMS  (1u << 21) /* multiply-adds of a call, about */
#define CACHE_BYTES (1u << 20) /* of A at a time */
#define PACKED_MAX  (8u << 20) /* of B at a time */

/* Below so many rows packing B costs more than it saves. */
#define PACK_ROWS_MIN 160u
/* Rows of A so many bytes apart meet in the same sets. */
#define CROWDED_BYTES 4096u

struct work {
    struct hg_run *run;
    const struct hg_product *product;
    uint32_t width; /* bytes of an element */
    uint32_t lanes; /* of a vector of sums */
    uint64_t row, rows, col, cols;
    uint8_t *packed_b; /* [strip][term][vector], or NULL */
    uint8_t *packed_a; /* rows of the block at hand, or NULL */
    uint64_t packed_a_step;
    uint64_t packed_row; /* the first of them */
    uint8_t *sums;
    uint64_t vectors; /* what shape was chosen for; 0 = nothing yet */
    struct hg_native_tile shape;
    bool packs_b;
    struct hg_native_frame *frame;
    bool lacks_code;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t round_up(uint64_t value, uint64_t step)
{
    return (value + step - 1) / step * step;
}

/* ---- cutting --------------------------------------------------------------------------------- */

bool hg_native_takes_product(const struct hg_run *run, const struct hg_native_region *region,
                             const struct hg_product *product)
{
    bool sizes = run->cut.rows == product->m && run->cut.cols == product->n;
    bool whole = region->product == HG_NATIVE_WHOLE && product->m == region->rows &&
                 product->n == region->cols;
    bool tiles = region->product == HG_NATIVE_TILES && product->k > 0;
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

/* ---- shapes ---------------------------------------------------------------------------------- */

/* The tiles of a strip that has LEFT vectors to its right; strips that are packed are of two. */
static struct hg_native_tile choose(struct work *work, uint64_t left)
{
    uint64_t vectors = work->packs_b ? least(left, 2) : left;
    bool is_known =
        work->vectors != 0 &&
        (vectors == work->vectors || (vectors < work->vectors && vectors >= work->shape.vectors));
    if (!is_known) {
        work->vectors = vectors;
        work->shape = hg_native_choose_tile(work->rows, vectors, work->product->k);
    }
    return work->shape;
}

/* The lanes of the last of some vectors that LEFT columns fill. */
static uint64_t last_lanes(const struct work *work, uint64_t left)
{
    uint64_t rest = left % work->lanes;
    return rest == 0 ? UINT64_MAX : (UINT64_C(1) << rest) - 1;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* COUNT columns from COL of all terms, as vectors of WIDTH columns, zeros behind the last. */
static void pack_strip(const struct work *work, uint8_t *panel, uint64_t col, uint64_t count,
                       uint64_t width)
{
    const struct hg_product *product = work->product;
    uint32_t bytes = work->width;
    for (uint64_t term = 0; term < product->k; term++) {
        uint8_t *line = panel + term * width * bytes;
        if (count != width) {
            memset(line + count * bytes, 0, (width - count) * bytes);
        }
        if (!product->trans_b) {
            memcpy(line, product->b + (term * product->ldb + col) * bytes, count * bytes);
            continue;
        }
        work->run->kernels->load_stride[hg_log2_bytes(bytes)](
            line, product->b + (col * product->ldb + term) * bytes, product->ldb, count);
    }
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
    uint64_t row, rows;
    uint64_t col;   /* of the first */
    uint64_t count; /* at least 1 */
    struct hg_native_tile tile;
    uint64_t mask; /* of the last vector */
    const uint8_t *b;
    uint64_t b_step, b_next;
};

static const uint8_t *row_of_a(const struct work *work, uint64_t row)
{
    const struct hg_product *product = work->product;
    if (work->packed_a != NULL) {
        return work->packed_a + (row - work->packed_row) * work->packed_a_step;
    }
    return product->a + row * (product->trans_a ? 1 : product->lda) * work->width;
}

/* TILES (perhaps none) of HEIGHT rows from ROW on, over COUNT terms from FIRST. */
static bool run_tiles(struct work *work, const struct strips *strips, unsigned height, uint64_t row,
                      uint64_t tiles, uint64_t first, uint64_t count)
{
    if (tiles == 0) {
        return true;
    }
    const struct hg_product *product = work->product;
    struct hg_native_tile tile = strips->tile;
    tile.rows = (uint8_t)height;
    hg_native_fn *run = hg_native_tile_of(work->run, tile);
    if (run == NULL) {
        work->lacks_code = true;
        return false;
    }
    uint64_t a_step = work->packed_a != NULL ? work->packed_a_step : product->lda * work->width;
    uint64_t sums = (row - strips->row) * tile.vectors * HG_NATIVE_VECTOR;
    struct hg_native_frame *frame = work->frame;
    frame->col = strips->col;
    frame->strip = (struct hg_native_strip){
        .a = row_of_a(work, row) + first * (product->trans_a ? a_step : work->width),
        .a_step = a_step,
        .b = strips->b + first * strips->b_step,
        .b_step = strips->b_step,
        .b_next = strips->b_next,
        .terms = count,
        .tiles = tiles,
        .strips = strips->count,
        .lane = row * product->n + strips->col,
        .cols = product->n,
        .mask = strips->mask,
        .sums = work->sums + sums,
        .stage = (first == 0 ? HG_NATIVE_FIRST : 0u) |
                 (first + count == product->k ? HG_NATIVE_LAST : 0u),
    };
    run(frame);
    return true;
}

static bool run_strips(struct work *work, const struct strips *strips)
{
    const struct hg_product *product = work->product;
    unsigned height = hg_native_tile_rows(strips->rows, strips->tile.vectors);
    uint64_t tiles = hg_div_up_u64(strips->rows, height);
    uint64_t longer = strips->rows - tiles * (height - 1u); /* the others have a row less */
    uint64_t rest = strips->row + longer * height;
    for (uint64_t first = 0; first < product->k; first += TERMS_MAX) {
        uint64_t count = least(product->k - first, TERMS_MAX);
        if (!run_tiles(work, strips, height, strips->row, longer, first, count) ||
            !run_tiles(work, strips, height - 1, rest, tiles - longer, first, count)) {
            return false;
        }
    }
    return true;
}

/* How many strips beside each other a call should take: few enough that a wish to end is seen, and
 * one if sums are kept between calls or B should stay in the first cache. */
static uint64_t strips_at_once(const struct work *work, uint64_t rows, uint64_t width)
{
    uint64_t terms = rows * width * work->product->k;
    return work->product->k > TERMS_MAX || terms > CALL_TERMS ? 1 : CALL_TERMS / (terms + 1) + 1;
}

/* The columns of a chunk of B, for some rows. */
static bool run_rows(struct work *work, uint64_t col, uint64_t cols, uint64_t row, uint64_t rows)
{
    const struct hg_product *product = work->product;
    struct strips strips = {.row = row, .rows = rows, .b = work->packed_b};
    if (work->packed_a != NULL) {
        pack_rows(work, row, rows);
    }
    for (uint64_t done = 0; done < cols;) {
        uint64_t left = cols - done;
        strips.tile = choose(work, hg_div_up_u64(left, work->lanes));
        uint64_t width = (uint64_t)strips.tile.vectors * work->lanes;
        strips.tile.masked = left < width;
        strips.mask = strips.tile.masked ? last_lanes(work, left) : UINT64_MAX;
        strips.count = least(left < width ? 1 : left / width, strips_at_once(work, rows, width));
        strips.col = col + done;
        if (work->packed_b != NULL) {
            strips.b_step = width * work->width;
            strips.b_next = product->k * strips.b_step;
        } else {
            strips.b = product->b + strips.col * work->width;
            strips.b_step = product->ldb * work->width;
            strips.b_next = width * work->width;
        }
        if (hg_run_poll(work->run, true) || !run_strips(work, &strips)) {
            return false;
        }
        strips.b += strips.count * strips.b_next;
        done += strips.count * width;
    }
    return true;
}

/* All of B's columns of the chunk, in strips as run_rows takes them. */
static void pack_chunk(struct work *work, uint64_t col, uint64_t cols)
{
    uint8_t *panel = work->packed_b;
    for (uint64_t done = 0; done < cols;) {
        uint64_t left = hg_div_up_u64(cols - done, work->lanes);
        uint64_t width = (uint64_t)choose(work, left).vectors * work->lanes;
        pack_strip(work, panel, col + done, least(width, cols - done), width);
        panel += work->product->k * width * work->width;
        done += width;
    }
}

/* ---- a part ---------------------------------------------------------------------------------- */

/* The rows of A that the second cache holds. */
static uint64_t rows_at_once(const struct work *work)
{
    uint64_t rows = CACHE_BYTES / (work->product->k * work->width + 1);
    return rows < ROW_UNIT ? ROW_UNIT : rows / ROW_UNIT * ROW_UNIT;
}

/* Room for what is packed, and for sums; false if there is none. */
static bool reserve(struct work *work, struct hg_workspace *workspace, uint64_t chunk, bool packs_b,
                    bool packs_a)
{
    const struct hg_product *product = work->product;
    uint64_t rows = least(rows_at_once(work), work->rows);
    uint64_t b = packs_b ? product->k * (chunk + 2 * work->lanes) * work->width : 0;
    work->packed_a_step = round_up(product->k * work->width, 64) + 64;
    uint64_t a = packs_a ? rows * work->packed_a_step : 0;
    uint64_t sums = product->k > TERMS_MAX ? rows * HG_NATIVE_TILE_SUMS * HG_NATIVE_VECTOR : 0;
    b = round_up(b, 64);
    if (hg_workspace_reserve_product(workspace, b + a + sums + 64) != HG_OK) {
        hg_run_stop(work->run, HG_RESOURCE_EXHAUSTED, "no memory for a product's panels");
        return false;
    }
    work->packed_b = packs_b ? workspace->product : NULL;
    work->packed_a = packs_a ? workspace->product + b : NULL;
    work->sums = workspace->product + b + a;
    return true;
}

static bool wants_packed_b(const struct work *work)
{
    const struct hg_product *product = work->product;
    return product->trans_b ||
           (work->rows >= PACK_ROWS_MIN && product->k * work->cols * work->width >= 1u << 16);
}

static void run_block(struct work *work, struct hg_workspace *workspace)
{
    const struct hg_product *product = work->product;
    bool packs_b = wants_packed_b(work);
    work->packs_b = packs_b;
    bool packs_a = !product->trans_a && work->rows >= 8 && work->cols >= 128 &&
                   product->lda * work->width % CROWDED_BYTES == 0;
    uint64_t chunk = work->cols;
    if (packs_b) {
        uint64_t most = PACKED_MAX / (product->k * work->width) / COL_UNIT * COL_UNIT;
        chunk = least(chunk, most < COL_UNIT ? COL_UNIT : most);
    }
    if (!reserve(work, workspace, chunk, packs_b, packs_a)) {
        return;
    }
    uint64_t blocks = hg_div_up_u64(work->rows, rows_at_once(work));
    uint64_t at_once = hg_div_up_u64(work->rows, blocks);
    for (uint64_t done = 0; done < work->cols; done += chunk) {
        uint64_t cols = least(chunk, work->cols - done);
        if (packs_b) {
            pack_chunk(work, work->col + done, cols);
        }
        for (uint64_t row = 0; row < work->rows; row += at_once) {
            if (!run_rows(work, work->col + done, cols, work->row + row,
                          least(at_once, work->rows - row))) {
                return;
            }
        }
    }
}

static void run_tiled(struct work *work, uint32_t part)
{
    find_block(work, part);
    struct hg_workspace *workspace = hg_workspace_take();
    if (workspace == NULL) {
        hg_run_stop(work->run, HG_RESOURCE_EXHAUSTED, "no memory for a worker's tiles");
        return;
    }
    run_block(work, workspace);
    hg_workspace_put_back(workspace);
    if (work->lacks_code) { /* no room for it: what has been computed is computed again */
        hg_block_part(work->run, part);
    }
}

void hg_native_product_part(struct hg_run *run, uint32_t part, struct hg_native_frame *frame)
{
    if (run->native_region->product == HG_NATIVE_WHOLE) {
        frame->lane = frame->col = 0;
        run->native_region->run(frame);
        return;
    }
    uint32_t width = hg_dtype_bytes(run->product.type);
    struct work work = {.run = run,
                        .product = &run->product,
                        .width = width,
                        .lanes = HG_NATIVE_VECTOR / width,
                        .frame = frame};
    run_tiled(&work, part);
}
