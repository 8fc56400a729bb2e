/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a product's operands is packed: B into panels where that pays, or where its columns are
 * not beside each other, or its elements not as wide as the sums; A where its rows would fight for
 * the same lines of the cache, or for its elements' sake too.
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/native_block.h"

#define CELLS_MAX 1024u /* of B at a time, where it is packed */
#define CACHE_BYTES                                                                                \
    (1u << 20)          /* of A at a time; or, where B is in panels, so many rows: they, two */
#define CACHE_ROWS 140u /*   panels and the results between them stay in the second cache */
#define PACKED_MAX (8u << 20) /* of B at a time */
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

static uint64_t round_up(uint64_t value, uint64_t step)
{
    return (value + step - 1) / step * step;
}

static bool is_half(const struct hg_product *product)
{
    return hg_dtype_in(product->type, HG_DT_HALF);
}

static uint32_t lanes_of(const struct hg_native_code *code, const struct hg_product *product)
{
    uint32_t vector = code->level == HG_ISA_AVX512 ? HG_NATIVE_VECTOR : HG_NATIVE_VECTOR / 2;
    return vector / (product->type == HG_F64 ? 8 : 4);
}

void hg_native_work_init(struct hg_native_work *work, const struct hg_launch *launch,
                         const struct hg_native_code *code, const struct hg_native_region *region,
                         const struct hg_product *product)
{
    *work = (struct hg_native_work){
        .launch = launch, .code = code, .region = region, .product = product};
    work->element = hg_dtype_bytes(product->type);
    work->cell = product->type == HG_F64 ? 8 : 4;
    work->lanes = lanes_of(code, product);
    work->cells = product->k + (product->type == HG_BF16 ? product->k % 2 : 0);
}

/* ---- panels ---------------------------------------------------------------------------------- */

/* B's panels, as sums have LANES to a vector. */
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

bool hg_panels_of(const struct hg_launch *launch, struct hg_panels_shape *shape)
{
    const struct hg_native_code *code = launch->executor == HG_EXECUTOR_NATIVE
                                            ? hg_native_code_of(launch->program, launch->fp_mode)
                                            : NULL;
    if (code == NULL || !code->has_mma) {
        return false;
    }
    struct hg_product product;
    hg_native_fill_product(launch, hg_native_mma(code), &product);
    bool has_terms = product.m != 0 && product.n >= 2 && product.k != 0 &&
                     product.k <= HG_NATIVE_PACK_TERMS_MAX && product.n <= UINT32_MAX;
    if (!has_terms) {
        return false;
    }
    uint64_t bytes = product.k * product.n * hg_dtype_bytes(product.type);
    bool pays = product.m >= PANEL_ROWS_MIN && bytes >= PANEL_BYTES_MIN;
    shape_panels(&product, lanes_of(code, &product), shape);
    shape->slot = hg_native_mma(code)->b_slot;
    return product.trans_b || is_half(&product) || pays;
}

void hg_native_find_panels(struct hg_native_work *work)
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

uint8_t hg_native_panel_vectors(const struct hg_native_work *work)
{
    if (!work->packs_b && work->ready_b == NULL) {
        return 0;
    }
    return (uint8_t)(work->shape.width / work->lanes);
}

const uint8_t *hg_native_panel_at(const struct hg_native_work *work, uint64_t col,
                                  uint64_t packed_col)
{
    uint64_t bytes = hg_panel_bytes(&work->shape);
    if (work->ready_b != NULL) {
        return work->ready_b + col / work->shape.width * bytes;
    }
    return work->packed_b + (col - packed_col) / work->shape.width * bytes;
}

void hg_native_pack_columns(struct hg_native_work *work, uint64_t col, uint64_t cols)
{
    hg_panels_pack_some(&work->shape, work->product->b, col / work->shape.width,
                        hg_div_up_u64(cols, work->shape.width), work->packed_b);
}

/* ---- rows of A ------------------------------------------------------------------------------- */

uint64_t hg_native_a_step(const struct hg_native_work *work)
{
    return work->packs_a ? work->packed_a_step : work->product->lda * work->element;
}

const uint8_t *hg_native_row_of_a(const struct hg_native_work *work, uint64_t row)
{
    const struct hg_product *product = work->product;
    if (work->packs_a) {
        uint64_t step = product->trans_a ? work->cell : work->packed_a_step;
        return work->packed_a + (row - work->packed_row) * step;
    }
    return product->a + row * (product->trans_a ? 1 : product->lda) * work->element;
}

/* Rows beside each other, cells under each other: as a panel. */
static void pack_transposed(struct hg_native_work *work, uint64_t row, uint64_t rows)
{
    const struct hg_product *product = work->product;
    const struct hg_panels_shape shape = {.type = product->type,
                                          .terms = product->k,
                                          .cols = rows,
                                          .step = product->lda,
                                          .width = work->packed_a_step / work->cell};
    hg_panels_pack(&shape, product->a + row * work->element, work->packed_a);
}

/* Lets each second cell of COUNT go first. */
static void swap_pairs(uint8_t *line, uint64_t count)
{
    for (uint64_t i = 0; i < count; i += 2) {
        uint64_t pair;
        memcpy(&pair, line + i * sizeof(float), sizeof pair);
        pair = pair << 32 | pair >> 32;
        memcpy(line + i * sizeof(float), &pair, sizeof pair);
    }
}

void hg_native_pack_rows(struct hg_native_work *work, uint64_t row, uint64_t rows)
{
    const struct hg_product *product = work->product;
    const struct hg_kernels *kernels = hg_kernels_now();
    work->packed_row = row;
    if (product->trans_a) {
        pack_transposed(work, row, rows);
        return;
    }
    for (uint64_t i = 0; i < rows; i++) {
        uint8_t *line = work->packed_a + i * work->packed_a_step;
        const uint8_t *from = product->a + (row + i) * product->lda * work->element;
        if (!is_half(product)) {
            memcpy(line, from, product->k * work->element);
            continue;
        }
        kernels->convert[0][HG_F32][product->type](line, from, product->k);
        if (product->type == HG_BF16) {
            memset(line + product->k * work->cell, 0, (work->cells - product->k) * work->cell);
            swap_pairs(line, work->cells);
        }
    }
}

/* ---- the choice ------------------------------------------------------------------------------ */

bool hg_native_can_pack(const struct hg_product *product)
{
    bool must = product->trans_b || is_half(product);
    return !must || product->k <= HG_NATIVE_PACK_TERMS_MAX;
}

void hg_native_choose_packing(struct hg_native_work *work)
{
    const struct hg_product *product = work->product;
    uint64_t cell_bytes = work->cells * work->cell;
    bool few = product->k <= HG_NATIVE_PACK_TERMS_MAX;
    bool crowded = !product->trans_a && work->rows >= 8 && work->cols >= 2 * HG_NATIVE_COL_UNIT &&
                   product->lda * work->element % CROWDED_BYTES == 0;
    hg_native_find_panels(work);
    work->packs_b =
        work->ready_b == NULL &&
        (product->trans_b || is_half(product) ||
         (few && work->rows >= PACK_ROWS_MIN && cell_bytes * work->cols >= PACK_ROWS_MIN * 1024u));
    work->packs_a = is_half(product) || (few && crowded);
    work->chunk = work->cols;
    work->cells_at_once = few ? work->cells : HG_NATIVE_PACK_TERMS_MAX;
    if (work->packs_b || (work->ready_b != NULL && few)) {
        uint64_t stages = hg_div_up_u64(work->cells, CELLS_MAX);
        work->cells_at_once = hg_div_up_u64(work->cells, stages);
    }
    if (work->packs_b) {
        uint64_t most = PACKED_MAX / cell_bytes / HG_NATIVE_COL_UNIT * HG_NATIVE_COL_UNIT;
        work->chunk =
            hg_native_least(work->cols, most < HG_NATIVE_COL_UNIT ? HG_NATIVE_COL_UNIT : most);
    }
    uint64_t fit = CACHE_BYTES / cell_bytes;
    fit = hg_native_panel_vectors(work) != 0 ? hg_native_least(fit, CACHE_ROWS) : fit;
    uint64_t blocks =
        hg_div_up_u64(work->rows, fit < HG_NATIVE_ROW_UNIT ? HG_NATIVE_ROW_UNIT : fit);
    uint64_t rows = round_up(hg_div_up_u64(work->rows, blocks), HG_NATIVE_ROW_UNIT / 4);
    work->rows_at_once = hg_native_least(rows, work->rows);
}

bool hg_native_reserve(struct hg_native_work *work, struct hg_workspace *workspace)
{
    uint64_t panels = hg_div_up_u64(work->chunk, work->shape.width);
    uint64_t b = work->packs_b ? round_up(panels * hg_panel_bytes(&work->shape), 64) : 0;
    /* Rows of A a line more than they need apart, so that they do not meet in the same sets. */
    uint64_t step = round_up(work->cells * work->cell, 64) + 64;
    uint64_t a = work->rows_at_once * step;
    if (work->product->trans_a) {
        step = round_up(work->rows_at_once * work->cell, 64);
        a = work->cells * step;
    }
    work->packed_a_step = step;
    a = work->packs_a ? a : 0;
    uint64_t sums = work->cells > work->cells_at_once
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
