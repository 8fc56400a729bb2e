/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Computes a block of a product: cut into strips of columns; a call computes a strip's tiles one
 * under the other, and strips of the same width beside each other.
 *
 *     rows that fit into the second cache ─► strips ─► cells that fit ─► tiles
 */
#include "lib/exec/native_block.h"

#include "lib/base/check.h"

/* Multiply-adds of a call, about: so often a wish to end is seen. */
#define CALL_CELLS (1u << 21)

/* Strips of the same width side by side, for some rows. */
struct strips {
    uint64_t row, col;
    uint64_t count; /* at least 1 */
    uint64_t last;  /* lanes of the last vector */
    unsigned vectors;
    const struct hg_native_column *column;
    const uint8_t *b;
    uint64_t b_step, b_next;
    bool in_panels;
};

/* The tiles of one height, over COUNT cells from FIRST. */
static void run_tiles(struct hg_native_work *work, const struct strips *strips, unsigned shorter,
                      uint64_t first, uint64_t count)
{
    const struct hg_native_column *column = strips->column;
    if (column->tiles[shorter] == 0) {
        return;
    }
    const struct hg_product *product = work->product;
    uint64_t above = shorter != 0 ? column->tiles[0] * column->height : 0;
    uint64_t row = strips->row + above;
    uint64_t a_step = hg_native_a_step(work);
    struct hg_native_frame *frame = work->frame;
    frame->col = strips->col;
    frame->strip = (struct hg_native_strip){
        .a = hg_native_row_of_a(work, row) + first * (product->trans_a ? a_step : work->cell),
        .a_step = a_step,
        .b = strips->b + first * strips->b_step,
        .b_step = strips->b_step,
        .b_next = strips->b_next,
        .terms = count,
        .tiles = column->tiles[shorter],
        .strips = strips->count,
        .lane = row * product->n + strips->col,
        .row = row,
        .cols = product->n,
        .last = strips->last,
        .sums = work->sums + above * strips->vectors * HG_NATIVE_VECTOR,
        .ahead_step = strips->in_panels ? HG_NATIVE_VECTOR : 0,
        .stage = (first == 0 ? HG_NATIVE_FIRST : 0u) |
                 (first + count == work->cells ? HG_NATIVE_LAST : 0u),
    };
    column->run[shorter](frame);
}

/* False if the run is to end. */
static bool run_strips(struct hg_native_work *work, const struct strips *strips)
{
    for (uint64_t first = 0; first < work->cells; first += work->cells_at_once) {
        if (work->run != NULL && hg_run_poll(work->run, true)) {
            return false;
        }
        uint64_t count = hg_native_least(work->cells - first, work->cells_at_once);
        run_tiles(work, strips, 0, first, count);
        run_tiles(work, strips, 1, first, count);
    }
    return true;
}

/* How many strips of WIDTH columns a call should take: one if sums are kept between calls. */
static uint64_t strips_at_once(const struct hg_native_work *work, uint64_t rows, uint64_t width)
{
    if (work->cells > work->cells_at_once) {
        return 1;
    }
    return CALL_CELLS / (rows * width * work->cells + 1) + 1;
}

/* A group's strips, for rows of which there are ROWS; B's columns are at strips.b. False if the run
 * is to end. */
static bool run_group(struct hg_native_work *work, const struct hg_native_group *group,
                      struct strips strips, uint64_t rows, uint64_t cols_left, bool in_panels)
{
    uint64_t width = (uint64_t)group->vectors * work->lanes;
    uint64_t rest = cols_left % work->lanes;
    uint64_t at_once = strips_at_once(work, rows, width);
    strips.vectors = group->vectors;
    strips.in_panels = in_panels;
    strips.last = group->masked && rest != 0 ? rest : work->lanes;
    strips.b_step = in_panels ? work->shape.width * work->cell : work->product->ldb * work->element;
    strips.b_next = in_panels ? hg_panel_bytes(&work->shape) : width * work->cell;
    for (uint64_t done = 0; done < group->strips; done += strips.count) {
        strips.count = hg_native_least(group->strips - done, at_once);
        if (!run_strips(work, &strips)) {
            return false;
        }
        strips.b += strips.count * strips.b_next;
        strips.col += strips.count * width;
    }
    return true;
}

static bool run_rows(struct hg_native_work *work, const struct hg_native_schedule *schedule,
                     uint64_t col, uint64_t row, uint64_t rows)
{
    bool last = row + rows == work->row + work->rows;
    bool in_panels = schedule->block.panel != 0;
    uint64_t left = schedule->block.cols;
    if (work->packs_a) {
        hg_native_pack_rows(work, row, rows);
    }
    for (uint32_t i = 0; i < schedule->group_count; i++) {
        const struct hg_native_group *group = &schedule->groups[i];
        uint64_t at = col + schedule->block.cols - left;
        const struct strips strips = {.row = row,
                                      .col = at,
                                      .column = &group->column[last ? 1 : 0],
                                      .b = in_panels ? hg_native_panel_at(work, at, col)
                                                     : work->product->b + at * work->cell};
        if (!run_group(work, group, strips, rows, left, in_panels)) {
            return false;
        }
        left -= hg_native_least(left, group->strips * group->vectors * work->lanes);
    }
    return true;
}

/* The schedule for COLS columns of the block: one that the program keeps, or *ROOM. */
static const struct hg_native_schedule *
find_schedule(const struct hg_native_work *work, uint64_t cols, struct hg_native_schedule *room)
{
    const struct hg_native_block block = {.rows = work->rows,
                                          .cols = cols,
                                          .terms = work->cells,
                                          .rows_at_once = work->rows_at_once,
                                          .lanes = work->lanes,
                                          .crosses = work->product->ldb % work->lanes != 0,
                                          .panel = hg_native_panel_vectors(work)};
    return hg_native_schedule_of(work->launch->program, work->code, work->region, &block, room);
}

enum hg_native_outcome hg_native_run_block(struct hg_native_work *work,
                                           struct hg_workspace *workspace)
{
    struct hg_native_schedule rooms[2];
    uint64_t rest = work->cols % work->chunk;
    const struct hg_native_schedule *each = find_schedule(work, work->chunk, &rooms[0]);
    const struct hg_native_schedule *last = rest == 0 ? each : find_schedule(work, rest, &rooms[1]);
    if (each == NULL || last == NULL) {
        return HG_NATIVE_NO_CODE;
    }
    if (!hg_native_reserve(work, workspace)) {
        return HG_NATIVE_NO_MEMORY;
    }
    for (uint64_t done = 0; done < work->cols; done += work->chunk) {
        const struct hg_native_schedule *schedule = work->cols - done < work->chunk ? last : each;
        if (work->packs_b) {
            hg_native_pack_columns(work, work->col + done, schedule->block.cols);
        }
        for (uint64_t row = 0; row < work->rows; row += work->rows_at_once) {
            uint64_t rows = hg_native_least(work->rows_at_once, work->rows - row);
            if (!run_rows(work, schedule, work->col + done, work->row + row, rows)) {
                return HG_NATIVE_DONE;
            }
        }
    }
    return HG_NATIVE_DONE;
}
