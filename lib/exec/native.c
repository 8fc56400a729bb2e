/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native executor: cuts what a region has to do into stretches of lanes and calls the region's
 * function for each. Stretches end where rows do if the region tells rows apart, and where leaves
 * do if it reduces.
 */
#include "lib/native/native.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/run.h"

/* Blocks between two looks at cancellation and the clock. */
#define POLL_BLOCKS 16

/* Of lanes that hop: an element of up to 4 bytes for each row of a tile fills a cache line. */
#define TILE_ROWS 16
#define TILE_COLS 64

struct driver {
    struct hg_run *run;
    const struct hg_native_region *region;
    const struct hg_native_reduce *reduces; /* the region's */
    const struct hg_native_value *values;
    struct hg_native_frame frame;
};

const struct hg_native_region *hg_native_region_at(const struct hg_run *run, uint32_t pc,
                                                   enum hg_region_kind kind)
{
    for (uint32_t i = 0; i < run->native->region_count; i++) {
        const struct hg_native_region *region = &run->native->regions[i];
        bool has_code = region->run != NULL || region->product == HG_NATIVE_TILES;
        if (region->start == pc && has_code) {
            /* Rows without lanes need code that has no lanes, and a row. */
            bool fits = kind != HG_REGION_ROWS || (!region->has_lanes && run->cut.rows > 0);
            bool fuelled = run->launch.fuel == 0 || region->fuel <= run->launch.fuel;
            return fits && fuelled ? region : NULL;
        }
    }
    return NULL;
}

uint64_t hg_native_sum(const struct hg_native_reduce *reduce, struct hg_native_frame *frame,
                       unsigned index, const struct hg_kernel_reduce *kernel)
{
    uint8_t *sums = frame->sums[index];
    if (reduce->folds) {
        uint64_t bits;
        memcpy(&bits, sums, sizeof bits);
        return bits;
    }
    return kernel->fold(sums, HG_REDUCE_WIDTH(hg_dtype_bytes((enum hg_dtype)reduce->type)));
}

/* ---- uniform values -------------------------------------------------------------------------- */

static void take_inputs(struct driver *driver, uint64_t row)
{
    const struct hg_run *run = driver->run;
    for (unsigned i = 0; i < driver->region->input_count; i++) {
        const struct hg_native_value *input = &driver->values[i];
        const struct hg_kept *kept = &run->kept[run->code.place_of[hg_native_place(input)]];
        uint64_t bits = kept->bits;
        if (kept->level == HG_LEVEL_ROW) {
            bits = 0;
            memcpy(&bits, kept->rows + row * kept->bytes, kept->bytes);
        }
        driver->frame.inputs[i] = input->bytes == 0 ? bits & 1 : bits;
    }
}

/* Puts what the region leaves where later ones find it: of the launch once, of rows each. */
static void keep_outputs(const struct driver *driver, uint64_t row)
{
    struct hg_run *run = driver->run;
    for (unsigned i = 0; i < driver->region->output_count; i++) {
        const struct hg_native_value *output = &driver->values[driver->region->input_count + i];
        struct hg_kept *kept = &run->kept[run->code.place_of[hg_native_place(output)]];
        bool rows = output->level == HG_LEVEL_ROW && !run->one_row;
        if (rows && kept->rows_next == NULL) {
            continue; /* nobody reads it */
        }
        unsigned bytes = hg_native_value_bytes(output);
        uint64_t bits = driver->frame.outputs[i] & UINT64_MAX >> (64 - 8 * bytes);
        if (rows) {
            memcpy(kept->rows_next + row * bytes, &bits, bytes);
        }
        if (driver->frame.is_first != 0) {
            kept->next_level = rows ? HG_LEVEL_ROW : HG_LEVEL_LAUNCH;
            kept->next_bits = bits;
            kept->next_bytes = (uint8_t)bytes;
        }
    }
}

/* ---- stretches ------------------------------------------------------------------------------- */

/* What the code has noted: it divides, or has an offset. */
static void fail(struct hg_run *run, struct hg_native_frame *frame)
{
    uint32_t pc = (uint32_t)frame->fail_pc;
    if (run->code.steps[pc].insn.op == HG_OP_DIV) {
        hg_run_fail_division(run, frame->fail_lane, pc);
    } else {
        hg_run_fail_bounds(run, frame->fail_lane, pc, frame->fail_offset);
    }
    frame->fail_lane = HG_NATIVE_NO_FAILURE;
}

static void run_stretch(struct driver *driver, uint64_t lane, uint64_t count, uint64_t row,
                        uint64_t col)
{
    struct hg_native_frame *frame = &driver->frame;
    frame->lane = lane;
    frame->count = count;
    frame->row = row;
    frame->col = col;
    frame->is_first = lane == 0 && row == 0;
    take_inputs(driver, row);
    hg_native_run_stream(&driver->run->stream, driver->region, frame);
    if (driver->region->output_count != 0) {
        keep_outputs(driver, row);
    }
    if (driver->region->can_fail && frame->fail_lane != HG_NATIVE_NO_FAILURE) {
        fail(driver->run, frame);
    }
}

/* The leaf that the stretch just run was. */
static void fold_leaf(struct driver *driver, uint64_t row, uint64_t leaf)
{
    struct hg_run *run = driver->run;
    for (uint32_t i = 0; i < driver->region->reduce_count; i++) {
        const struct hg_step *step = &run->code.steps[run->region.reduce + i];
        *hg_run_leaf(run, i, row, leaf) =
            hg_native_sum(&driver->reduces[i], &driver->frame, i, hg_run_reduce(run, step));
    }
}

/*
 * Whole rows, ROW and COUNT - 1 more, whose lanes read far from each other, but near where the same
 * lanes of the next row read, as a transpose does: some columns of some rows at a time, so that
 * what has come into the cache is read while it is there.
 */
static void run_tiles(struct driver *driver, uint64_t row, uint64_t count)
{
    const uint64_t cols = driver->run->cut.cols;
    for (uint64_t top = row; top < row + count; top += TILE_ROWS) {
        uint64_t bottom = row + count - top < TILE_ROWS ? row + count : top + TILE_ROWS;
        for (uint64_t col = 0; col < cols; col += TILE_COLS) {
            uint64_t length = cols - col < TILE_COLS ? cols - col : TILE_COLS;
            for (uint64_t r = top; r < bottom; r++) {
                run_stretch(driver, r * cols + col, length, r, col);
            }
        }
        if (driver->region->can_fail && hg_run_skips(driver->run, bottom * cols)) {
            return;
        }
    }
}

static bool suits_tiles(const struct driver *driver)
{
    const struct hg_native_region *region = driver->region;
    return region->hops && region->by_row && region->reduce_count == 0 &&
           region->output_count == 0 && driver->run->cut.cols > TILE_COLS;
}

/* COUNT lanes from FIRST, cut where the region wants it. */
static void run_lanes(struct driver *driver, uint64_t first, uint64_t count)
{
    struct hg_run *run = driver->run;
    const struct hg_native_region *region = driver->region;
    uint64_t cols = run->cut.cols;
    if (!region->by_row) {
        run_stretch(driver, first, count, 0, first);
        return;
    }
    uint64_t row = run->one_row ? 0 : first / cols;
    uint64_t col = first - row * cols;
    bool tiles = suits_tiles(driver);
    for (uint64_t left = count; left > 0;) {
        if (tiles && col == 0 && left >= 2 * cols) {
            uint64_t whole = left / cols;
            run_tiles(driver, row, whole);
            row += whole;
            first += whole * cols;
            left -= whole * cols;
            continue;
        }
        uint64_t end = cols;
        uint64_t leaf = col / HG_LEAF_LANES;
        if (region->reduce_count != 0) {
            end = (leaf + 1) * HG_LEAF_LANES;
            end = end < cols ? end : cols;
        }
        uint64_t length = end - col < left ? end - col : left;
        run_stretch(driver, first, length, row, col);
        if (region->reduce_count != 0) {
            fold_leaf(driver, row, leaf);
        }
        if (region->can_fail && hg_run_skips(run, first + length)) {
            return;
        }
        first += length;
        left -= length;
        col += length;
        if (col == cols) {
            col = 0;
            row++;
        }
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Units FIRST .. END-1, which lie side by side, so many at a time that a wish to end is seen. */
static void run_blocks(struct driver *driver, uint64_t first, uint64_t end)
{
    struct hg_run *run = driver->run;
    for (uint64_t block = first; block < end; block += POLL_BLOCKS) {
        uint64_t last = end - block > POLL_BLOCKS ? block + POLL_BLOCKS - 1 : end - 1;
        struct hg_span from;
        struct hg_span to;
        hg_cut_block(&run->cut, block, &from);
        hg_cut_block(&run->cut, last, &to);
        if (hg_run_skips(run, from.first) || hg_run_poll(run, block != first)) {
            return;
        }
        run_lanes(driver, from.first, to.first + to.count - from.first);
    }
}

static void run_rows(struct driver *driver)
{
    struct hg_run *run = driver->run;
    uint64_t cols = run->cut.cols;
    for (uint64_t row = 0; row < run->cut.rows; row++) {
        if (row % 1024 == 1023 && hg_run_poll(run, true)) {
            return;
        }
        run_stretch(driver, row * cols, 0, row, 0);
    }
}

/* Where a walk through the region ends. */
static uint32_t stop_of(const struct hg_run *run)
{
    uint32_t count = run->code.facts.insn_count;
    uint32_t limit = run->region.limit < count ? run->region.limit : count;
    uint32_t pc = run->region.start;
    while (pc < limit && (run->code.steps[pc].flags & HG_STEP_SEGMENT_END) == 0 &&
           run->code.steps[pc].insn.op != HG_OP_LOOP_BLOCKS &&
           run->code.steps[pc].insn.op != HG_OP_EXIT) {
        pc++;
    }
    return pc < limit && run->code.steps[pc].insn.op == HG_OP_EXIT ? count : pc;
}

void hg_native_part(struct hg_run *run, uint32_t part)
{
    struct driver driver;
    driver.run = run;
    driver.region = run->native_region;
    driver.reduces = hg_native_reduces(run->native, driver.region);
    driver.values = hg_native_values(run->native, driver.region);
    driver.frame.params = run->launch.params;
    driver.frame.fail_lane = HG_NATIVE_NO_FAILURE;
    memcpy(driver.frame.base, run->base, sizeof driver.frame.base);
    memcpy(driver.frame.bytes, run->bytes, sizeof driver.frame.bytes);
    uint64_t first;
    uint64_t end;
    hg_run_units(run, part, &first, &end);
    if (driver.region->product != HG_NATIVE_NO_PRODUCT) {
        hg_native_product_part(run, part, &driver.frame);
    } else if (!driver.region->has_lanes) {
        run_rows(&driver);
    } else if (run->region.kind == HG_REGION_BLOCKS) {
        run_blocks(&driver, first, end);
    } else {
        run_lanes(&driver, 0, run->cut.lanes);
    }
    (void)hg_run_stopped_at(run, stop_of(run));
}
