/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native products: units of work of a run, and launches from beginning to end on the caller's
 * stack. Of the latter a program remembers which calls it takes.
 */
#include "lib/exec/native_product.h"

#include "lib/base/check.h"
#include "lib/exec/dot.h"
#include "lib/exec/native_block.h"

/* ---- units of work --------------------------------------------------------------------------- */

bool hg_native_takes_product(const struct hg_run *run, const struct hg_native_region *region,
                             const struct hg_product *product)
{
    bool sizes = run->cut.rows == product->m && run->cut.cols == product->n;
    bool whole = region->product == HG_NATIVE_WHOLE && product->m == region->rows &&
                 product->n == region->cols;
    bool tiles =
        region->product == HG_NATIVE_TILES && product->k > 0 && hg_native_can_pack(product);
    return sizes && (whole || tiles) && run->launch.fuel == 0;
}

void hg_native_cut_product(const struct hg_native_region *region, struct hg_product *product)
{
    product->tile_rows = product->m;
    product->tile_cols = product->n;
    if (product->dot) {
        product->tile_rows = hg_native_least(HG_NATIVE_COL_UNIT, product->m);
    } else if (region->product == HG_NATIVE_TILES) {
        if (product->n >= 2 * HG_NATIVE_COL_UNIT && 4 * product->n >= product->m) {
            product->tile_cols = HG_NATIVE_COL_UNIT;
        } else {
            product->tile_rows = hg_native_least(HG_NATIVE_ROW_UNIT, product->m);
        }
    }
}

/* The part's units, which lie side by side, as one block. */
static void find_block(struct hg_native_work *work, uint32_t part)
{
    const struct hg_product *product = work->product;
    uint64_t first;
    uint64_t end;
    hg_run_units(work->run, part, &first, &end);
    bool by_rows = product->col_tiles == 1;
    uint64_t first_row = by_rows ? first * product->tile_rows : 0;
    uint64_t first_col = by_rows ? 0 : first * product->tile_cols;
    uint64_t end_row = by_rows ? end * product->tile_rows : product->m;
    uint64_t end_col = by_rows ? product->n : end * product->tile_cols;
    work->row = first_row;
    work->col = first_col;
    work->rows = hg_native_least(end_row, product->m) - first_row;
    work->cols = hg_native_least(end_col, product->n) - first_col;
}

static void run_tiled(struct hg_run *run, uint32_t part, struct hg_native_frame *frame)
{
    struct hg_native_work work;
    hg_native_work_init(&work, &run->launch, run->native, run->native_region, &run->product);
    work.run = run;
    work.frame = frame;
    find_block(&work, part);
    struct hg_workspace *workspace = hg_workspace_take();
    enum hg_native_outcome outcome = HG_NATIVE_NO_MEMORY;
    if (workspace != NULL && work.product->dot) {
        outcome = hg_native_run_dot(&work, workspace);
    } else if (workspace != NULL) {
        hg_native_choose_packing(&work);
        outcome = hg_native_run_block(&work, workspace);
    }
    if (workspace != NULL) {
        hg_workspace_put_back(workspace);
    }
    if (outcome == HG_NATIVE_NO_MEMORY) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for a product's panels");
    } else if (outcome == HG_NATIVE_NO_CODE) {
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

/* ---- sizes of a launch
 * -------------------------------------------------------------------------------- */

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

void hg_native_fill_product(const struct hg_launch *launch, const struct hg_native_mma *mma,
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
                                   .trans_b = (mma->flags & HG_MMA_TRANS_B) != 0,
                                   .dot = (mma->flags & HG_MMA_ORDER_DOT) != 0};
}

bool hg_native_size_product(const struct hg_launch *launch, const struct hg_native_code *code,
                            struct hg_product *product, uint64_t ends[2])
{
    hg_native_fill_product(launch, hg_native_mma(code), product);
    bool watched = launch->deadline_ns != 0 || launch->cancelled != NULL;
    uint64_t terms;
    if (product->m != launch->params[HG_PARAM_ROWS] ||
        product->n != launch->params[HG_PARAM_COLS] || product->m == 0 || product->n == 0 ||
        product->dot != (product->n == 1) || product->k == 0 || launch->fuel != 0 ||
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

/* ---- a launch -------------------------------------------------------------------------------- */

/* Results of more bytes go through the first cache row after row, if B is small enough to stay. */
#define FIRST_CACHE_RESULTS (32u << 10)
#define FIRST_CACHE_B       (16u << 10)
#define RESULTS_AT_ONCE     (24u << 10)
#define ROWS_AT_ONCE_MIN    8u

/* The calls of GROUP's functions for the LAST rows or the others; its first column is COL, B's is B
 * bytes from the start. */
static void plan_group(const struct hg_native_work *work, const struct hg_native_group *group,
                       unsigned last, uint64_t col, uint64_t b, struct hg_native_plan *plan)
{
    const struct hg_native_column *column = &group->column[last];
    uint64_t rest = work->cols % work->lanes;
    uint64_t width = (uint64_t)group->vectors * work->lanes;
    uint64_t row = 0;
    for (unsigned shorter = 0; shorter < 2; shorter++) {
        if (column->tiles[shorter] == 0) {
            continue;
        }
        plan->calls[last][plan->call_count[last]++] = (struct hg_native_call){
            .run = column->run[shorter],
            .a = row * (work->product->trans_a ? 1 : work->product->lda) * work->element,
            .b = b,
            .b_next = plan->panel != 0 ? hg_panel_bytes(&work->shape) : width * work->cell,
            .tiles = column->tiles[shorter],
            .strips = group->strips,
            .row = row,
            .col = col,
            .last = group->masked && rest != 0 ? rest : work->lanes};
        row += column->tiles[shorter] * (column->height - shorter);
    }
}

static uint64_t rows_at_once(const struct hg_native_work *work)
{
    uint64_t line = work->cols * work->cell;
    if (work->rows * line <= FIRST_CACHE_RESULTS || work->cells * line > FIRST_CACHE_B) {
        return work->rows;
    }
    uint64_t rows = RESULTS_AT_ONCE / line;
    return hg_native_least(rows < ROWS_AT_ONCE_MIN ? ROWS_AT_ONCE_MIN : rows, work->rows);
}

/* How the whole of WORK's product is computed in one go; false if it cannot be. */
static bool make_plan(struct hg_native_work *work, struct hg_native_plan *plan)
{
    const struct hg_product *product = work->product;
    hg_native_choose_packing(work);
    if (work->packs_a || work->packs_b || work->cells > work->cells_at_once ||
        work->rows > work->rows_at_once) {
        return false; /* large enough for the other way */
    }
    struct hg_native_schedule room;
    const struct hg_native_block block = {.rows = work->rows,
                                          .cols = work->cols,
                                          .terms = work->cells,
                                          .rows_at_once = rows_at_once(work),
                                          .lanes = work->lanes,
                                          .crosses = product->ldb % work->lanes != 0,
                                          .panel = plan->panel};
    if (!hg_native_schedule_fill(work->launch->program, work->code, work->region, &block, &room)) {
        return false;
    }
    bool in_panels = plan->panel != 0;
    plan->cells = work->cells;
    plan->rows_at_once = block.rows_at_once;
    plan->a_step = hg_native_a_step(work);
    plan->a_next = block.rows_at_once * (product->trans_a ? 1 : product->lda) * work->element;
    plan->b_step = in_panels ? work->shape.width * work->cell : product->ldb * work->element;
    uint64_t col = 0;
    for (uint32_t i = 0; i < room.group_count; i++) {
        uint64_t b =
            in_panels ? col / work->shape.width * hg_panel_bytes(&work->shape) : col * work->cell;
        plan_group(work, &room.groups[i], 0, col, b, plan);
        plan_group(work, &room.groups[i], 1, col, b, plan);
        col += room.groups[i].strips * room.groups[i].vectors * work->lanes;
    }
    return true;
}

/* Rows from ROW on, the LAST or others, of which A is the first. */
static void run_rows(const struct hg_native_plan *plan, unsigned last, uint64_t row,
                     const uint8_t *a, const uint8_t *b, struct hg_native_frame *frame)
{
    struct hg_native_strip *strip = &frame->strip;
    for (uint32_t i = 0; i < plan->call_count[last]; i++) {
        const struct hg_native_call *call = &plan->calls[last][i];
        strip->a = a + call->a;
        strip->b = b + call->b;
        strip->b_next = call->b_next;
        strip->tiles = call->tiles;
        strip->strips = call->strips;
        strip->lane = (row + call->row) * plan->n + call->col;
        strip->row = row + call->row;
        strip->last = call->last;
        frame->col = call->col;
        call->run(frame);
    }
}

static void run_plan(const struct hg_native_plan *plan, const uint8_t *a, const uint8_t *b,
                     struct hg_native_frame *frame)
{
    struct hg_native_strip *strip = &frame->strip;
    strip->a_step = plan->a_step;
    strip->b_step = plan->b_step;
    strip->terms = plan->cells;
    strip->cols = plan->n;
    strip->ahead_step = plan->panel != 0 ? HG_NATIVE_VECTOR : 0;
    strip->stage = HG_NATIVE_FIRST | HG_NATIVE_LAST;
    strip->sums = NULL;
    uint64_t row = 0;
    for (; plan->m - row > plan->rows_at_once; row += plan->rows_at_once) {
        run_rows(plan, 0, row, a, b, frame);
        a += plan->a_next;
    }
    run_rows(plan, 1, row, a, b, frame);
}

bool hg_native_product_launch(const struct hg_launch *launch, const struct hg_native_code *code,
                              const struct hg_product *product, struct hg_native_frame *frame)
{
    struct hg_native_plan room = {.m = product->m,
                                  .n = product->n,
                                  .k = product->k,
                                  .lda = product->lda,
                                  .ldb = product->ldb};
    struct hg_native_work work;
    const uint8_t *b = product->b;
    if (product->dot) {
        hg_native_work_init(&work, launch, code, &code->regions[0], product);
        work.rows = product->m;
        work.frame = frame;
        return hg_dot_bytes(product) == 0 && hg_native_run_dot(&work, NULL) == HG_NATIVE_DONE;
    }
    if (launch->panels != NULL) {
        hg_native_work_init(&work, launch, code, &code->regions[0], product);
        hg_native_find_panels(&work);
        room.panel = hg_native_panel_vectors(&work);
        b = room.panel != 0 ? work.ready_b : b;
    }
    const struct hg_native_plan *plan = hg_native_find_plan(launch->program, code, &room);
    if (plan == NULL) {
        hg_native_work_init(&work, launch, code, &code->regions[0], product);
        work.rows = product->m;
        work.cols = product->n;
        if (!make_plan(&work, &room)) {
            return false;
        }
        hg_native_keep_plan(launch->program, code, &room);
        plan = &room;
    }
    run_plan(plan, product->a, b, frame);
    return true;
}
