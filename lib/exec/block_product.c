/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MMA: a unit of work is a tile of the product. Its sums are computed into the workspace from
 * packed panels of B (and of A, for halves); then the segment's other instructions run over its
 * lanes as over any others, with the sums as MMA's register.
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/block.h"
#include "lib/exec/dot.h"
#include "lib/exec/scalar.h"

#define K_STEP     256 /* terms between two visits of a sum; even, so that pairs of BF16 stay whole */
#define POLL_TERMS 4096 /* and between two looks at the clock */
#define CHUNK_COLS 480  /* columns of a panel of B at most */

struct work {
    struct hg_pass *pass;
    const struct hg_product *product;
    const struct hg_kernel_matrix *matrix;
    enum hg_dtype wide; /* type of the sums */
    uint32_t element;   /* bytes of an element of A and B */
    uint32_t sum;       /* bytes of a sum */
    bool half, pairs;
    bool direct;                   /* B is read where it is */
    uint64_t row, rows, col, cols; /* the unit */
    uint64_t stride;               /* of the sums' rows */
    uint8_t *sums, *panel_a, *panel_b, *line, *raw;
    struct hg_dot dot;   /* order=dot */
    uint64_t packed_col; /* what panel_b holds; UINT64_MAX = not all terms of any columns */
};

static uint64_t round_up(uint64_t value, uint64_t step)
{
    return (value + step - 1) / step * step;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Reads COUNT elements at distances of STRIDE as sums are typed, to DST. */
static void read_line(const struct work *work, void *dst, const uint8_t *src, uint64_t stride,
                      uint64_t count)
{
    const struct hg_kernels *kernels = work->pass->kernels;
    if (stride != 1) {
        void *near = work->half ? work->raw : dst;
        kernels->load_stride[hg_log2_bytes(work->element)](near, src, stride, count);
        src = near;
    }
    if (work->half) {
        kernels->convert[0][HG_F32][work->product->type](dst, src, count);
    } else if (src != dst) {
        memcpy(dst, src, count * work->element);
    }
}

/* Where term P of a panel stands: the second of a pair of BF16 goes first. */
static uint64_t place_of(const struct work *work, uint64_t p)
{
    return work->pairs ? p ^ 1u : p;
}

/* Terms of a panel of COUNT, with the zeros that complete a pair. */
static uint64_t padded_terms(const struct work *work, uint64_t count)
{
    return work->pairs ? round_up(count, 2) : count;
}

/* Packs terms FIRST .. FIRST+COUNT-1 of COLS columns from COL as one panel of WIDTH columns. */
static void pack_b_panel(const struct work *work, uint8_t *panel, uint64_t col, uint64_t cols,
                         uint64_t width, uint64_t first, uint64_t count)
{
    const struct hg_product *product = work->product;
    uint64_t terms = padded_terms(work, count);
    if (cols < width || terms != count) {
        memset(panel, 0, terms * width * work->sum);
    }
    if (!product->trans_b) {
        for (uint64_t p = 0; p < count; p++) {
            read_line(work, panel + place_of(work, p) * width * work->sum,
                      product->b + ((first + p) * product->ldb + col) * work->element, 1, cols);
        }
        return;
    }
    for (uint64_t j = 0; j < cols; j++) {
        read_line(work, work->line, product->b + ((col + j) * product->ldb + first) * work->element,
                  1, count);
        for (uint64_t p = 0; p < count; p++) {
            memcpy(panel + (place_of(work, p) * width + j) * work->sum, work->line + p * work->sum,
                   work->sum);
        }
    }
}

/* Packs the unit's rows of A: [row][term]. */
static void pack_a(const struct work *work, uint64_t first, uint64_t count)
{
    const struct hg_product *product = work->product;
    uint64_t terms = padded_terms(work, count);
    uint64_t row_step = product->trans_a ? 1 : product->lda;
    uint64_t term_step = product->trans_a ? product->lda : 1;
    for (uint64_t i = 0; i < work->rows; i++) {
        const uint8_t *src =
            product->a + ((work->row + i) * row_step + first * term_step) * work->element;
        uint8_t *dst = work->panel_a + i * terms * work->sum;
        if (!work->pairs) {
            read_line(work, dst, src, term_step, count);
            continue;
        }
        read_line(work, work->line, src, term_step, count);
        memset(dst + (terms - 2) * work->sum, 0, 2 * work->sum);
        for (uint64_t p = 0; p < count; p++) {
            memcpy(dst + place_of(work, p) * work->sum, work->line + p * work->sum, work->sum);
        }
    }
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The unit's rows times one panel. */
static void multiply_panel(const struct work *work, struct hg_tile_product tile, uint8_t *sums,
                           uint64_t first)
{
    const struct hg_product *product = work->product;
    uint64_t step = work->matrix->rows;
    uint64_t row_step = product->trans_a ? 1 : product->lda;
    uint64_t term_step = product->trans_a ? product->lda : 1;
    for (uint64_t i = 0; i < work->rows; i += step) {
        tile.rows = least(step, work->rows - i);
        if (work->half) {
            tile.a = work->panel_a + i * tile.k * work->sum;
            tile.a_row = tile.k;
            tile.a_step = 1;
        } else {
            tile.a = product->a + ((work->row + i) * row_step + first * term_step) * work->element;
            tile.a_row = row_step;
            tile.a_step = term_step;
        }
        tile.c = sums + i * work->stride * work->sum;
        work->matrix->product(&tile);
    }
}

/* Adds terms FIRST .. FIRST+COUNT-1 to the sums of columns COL .. COL+COLS-1. */
static void multiply_chunk(struct work *work, uint64_t col, uint64_t cols, uint64_t first,
                           uint64_t count, bool packed)
{
    const struct hg_product *product = work->product;
    uint64_t terms = padded_terms(work, count);
    uint8_t *panel = work->panel_b;
    for (uint64_t done = 0; done < cols; done += work->matrix->columns) {
        uint64_t left = least(cols - done, work->matrix->columns);
        uint64_t width = round_up(left, work->matrix->unit);
        struct hg_tile_product tile = {.columns = width,
                                       .k = terms,
                                       .b = panel,
                                       .b_step = width,
                                       .c_row = work->stride,
                                       .add = first != 0};
        if (work->direct && left == width) {
            tile.b = product->b + (first * product->ldb + col + done) * work->element;
            tile.b_step = product->ldb;
        } else {
            if (!packed) {
                pack_b_panel(work, panel, col + done, left, width, first, count);
            }
            panel += terms * width * work->sum;
        }
        multiply_panel(work, tile, work->sums + (col - work->col + done) * work->sum, first);
    }
}

static void multiply(struct work *work)
{
    const struct hg_product *product = work->product;
    for (uint64_t done = 0; done < work->cols; done += CHUNK_COLS) {
        uint64_t col = work->col + done;
        uint64_t cols = least(work->cols - done, CHUNK_COLS);
        for (uint64_t first = 0; first < product->k; first += K_STEP) {
            uint64_t count = least(product->k - first, K_STEP);
            if (hg_run_poll(work->pass->run, first % POLL_TERMS == 0)) {
                return;
            }
            if (work->half) {
                pack_a(work, first, count);
            }
            multiply_chunk(work, col, cols, first, count, work->packed_col == col);
        }
        bool all = product->k <= K_STEP;
        work->packed_col = all ? col : UINT64_MAX;
    }
}

/* BF16 without kernels that flush as the pair step asks. */
static void multiply_pairs(struct work *work)
{
    const struct hg_product *product = work->product;
    const uint64_t a_row = product->trans_a ? 1 : product->lda;
    const uint64_t a_step = product->trans_a ? product->lda : 1;
    const uint64_t b_col = product->trans_b ? product->ldb : 1;
    const uint64_t b_step = product->trans_b ? 1 : product->ldb;
    for (uint64_t i = 0; i < work->rows; i++) {
        for (uint64_t j = 0; j < work->cols; j++) {
            const uint8_t *a = product->a + (work->row + i) * a_row * sizeof(uint16_t);
            const uint8_t *b = product->b + (work->col + j) * b_col * sizeof(uint16_t);
            float sum = 0.0f;
            for (uint64_t p = 0; p < product->k; p += 2) {
                uint16_t x[2] = {0, 0};
                uint16_t y[2] = {0, 0};
                for (uint64_t q = 0; q < 2 && p + q < product->k; q++) {
                    memcpy(&x[q], a + (p + q) * a_step * sizeof *x, sizeof *x);
                    memcpy(&y[q], b + (p + q) * b_step * sizeof *y, sizeof *y);
                }
                sum = hg_scalar_mma_pair_bf16(sum, x[0], x[1], y[0], y[1]);
            }
            memcpy(work->sums + (i * work->stride + j) * sizeof sum, &sum, sizeof sum);
        }
    }
}

static void compute_sums(struct work *work)
{
    const struct hg_product *product = work->product;
    if (product->dot) {
        hg_dot_rows(&work->dot, work->row, work->rows, work->sums);
    } else if (product->k == 0) {
        memset(work->sums, 0, work->rows * work->stride * work->sum);
    } else if (work->pairs && !work->pass->kernels->fma_flushes) {
        multiply_pairs(work);
    } else {
        uint32_t saved = work->pairs ? hg_fp_enter(HG_FP_FTZ) : 0;
        multiply(work);
        if (work->pairs) {
            hg_fp_restore(saved);
        }
    }
}

/* ---- lanes ----------------------------------------------------------------------------------- */

/* Runs the segment over COUNT lanes from FIRST, whose sums follow one another. */
static void run_lanes(struct hg_pass *pass, uint64_t first, uint64_t count, const uint8_t *sums,
                      uint32_t width)
{
    for (uint64_t done = 0; done < count; done += pass->lanes) {
        if (hg_run_skips(pass->run, first + done)) {
            return;
        }
        pass->sums = sums + done * width;
        hg_pass_run(pass, first + done, least(count - done, pass->lanes));
    }
}

static void run_unit_lanes(const struct work *work)
{
    uint64_t n = work->product->n;
    if (work->cols != n) {
        for (uint64_t i = 0; i < work->rows; i++) {
            run_lanes(work->pass, (work->row + i) * n + work->col, work->cols,
                      work->sums + i * work->stride * work->sum, work->sum);
        }
        return;
    }
    for (uint64_t i = 1; work->stride != n && i < work->rows; i++) {
        memmove(work->sums + i * n * work->sum, work->sums + i * work->stride * work->sum,
                n * work->sum);
    }
    run_lanes(work->pass, work->row * n, work->rows * n, work->sums, work->sum);
}

/* ---- units ----------------------------------------------------------------------------------- */

static void describe(struct work *work, struct hg_pass *pass)
{
    const struct hg_product *product = &pass->run->product;
    bool wide = product->type == HG_F64;
    memset(work, 0, sizeof *work);
    work->pass = pass;
    work->product = product;
    work->matrix = wide ? &pass->kernels->matrix64 : &pass->kernels->matrix32;
    work->wide = wide ? HG_F64 : HG_F32;
    work->element = hg_dtype_bytes(product->type);
    work->sum = wide ? 8 : 4;
    work->half = hg_dtype_in(product->type, HG_DT_HALF);
    work->pairs = product->type == HG_BF16 && !product->dot;
    work->direct = !work->half && !product->trans_b && product->m <= 2 * work->matrix->rows;
    work->packed_col = UINT64_MAX;
}

/* The parts of the workspace's product memory; false if there is not enough. */
static bool reserve(struct work *work)
{
    const struct hg_product *product = work->product;
    uint64_t rows = least(product->tile_rows, product->m);
    uint64_t cols = round_up(least(product->tile_cols, product->n), work->matrix->unit);
    uint64_t sums = round_up(rows * cols * work->sum, 64);
    uint64_t line = HG_LEAF_LANES * sizeof(uint64_t);
    uint64_t panel_b = K_STEP * least(cols, CHUNK_COLS) * work->sum;
    uint64_t panel_a = work->half ? K_STEP * rows * work->sum : 0;
    uint64_t dot = product->dot ? hg_dot_bytes(product) : 0;
    if (product->dot) {
        panel_b = panel_a = line = 0;
    }
    if (hg_workspace_reserve_product(work->pass->workspace,
                                     sums + panel_b + panel_a + 2 * line + dot) != HG_OK) {
        hg_run_stop(work->pass->run, HG_RESOURCE_EXHAUSTED, "no memory for a product's panels");
        return false;
    }
    work->sums = work->pass->workspace->product;
    work->panel_b = work->sums + sums;
    work->panel_a = work->panel_b + panel_b;
    work->line = work->panel_a + panel_a;
    work->raw = work->line + line;
    if (product->dot) {
        hg_dot_init(&work->dot, product, work->pass->kernels, work->pass->run->ftz,
                    dot != 0 ? work->raw + line : NULL);
    }
    return true;
}

void hg_pass_product_units(struct hg_pass *pass, uint64_t first, uint64_t end)
{
    struct work work;
    describe(&work, pass);
    if (!reserve(&work)) {
        return;
    }
    const struct hg_product *product = work.product;
    for (uint64_t unit = first; unit < end; unit++) {
        /* Down the columns first, so that neighbours share a panel of B. */
        work.row = unit % product->row_tiles * product->tile_rows;
        work.col = unit / product->row_tiles * product->tile_cols;
        work.rows = least(product->tile_rows, product->m - work.row);
        work.cols = least(product->tile_cols, product->n - work.col);
        work.stride = product->dot ? 1 : round_up(work.cols, work.matrix->unit);
        if (hg_run_poll(pass->run, true) ||
            hg_run_skips(pass->run, work.row * product->n + work.col)) {
            continue;
        }
        compute_sums(&work);
        run_unit_lanes(&work);
    }
}
