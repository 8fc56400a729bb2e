/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run goes from region to region: a segment of top-level code, or the body of a LOOP.BLOCKS. What
 * outlives a region is kept here: launch-uniform values, values per row, results of REDUCE.
 */
#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/exec/run.h"

/* Regions without lanes and of at most this many rows are run where they are met. */
#define ROWS_IN_PLACE 64

/* Up to how many units of work a part should not be cut for balance. */
#define PARTS_PER_WORKER 4
/* The same of a product, each part of which packs its rows of A anew. */
#define PRODUCT_PARTS_PER_WORKER 2

/* ---- finding the next ------------------------------------------------------------------------ */

/* The REDUCE that end the segment which starts at REGION->start. */
static void find_reduce(const struct hg_run *run, struct hg_region *region)
{
    const struct hg_step *steps = run->code.steps;
    uint32_t end =
        region->limit < run->code.facts.insn_count ? region->limit : run->code.facts.insn_count;
    uint32_t pc = region->start;
    while (pc < end && (steps[pc].flags & HG_STEP_SEGMENT_END) == 0 &&
           steps[pc].insn.op != HG_OP_LOOP_BLOCKS) {
        pc++;
    }
    region->reduce = pc;
    region->reduce_count = 0;
    while (pc < end && hg_step_reduces(&steps[pc])) {
        region->reduce_count++;
        pc++;
    }
}

static void describe(struct hg_run *run, uint32_t pc)
{
    const struct hg_step *step = &run->code.steps[pc];
    struct hg_region *region = &run->region;
    bool blocks = step->insn.op == HG_OP_LOOP_BLOCKS;
    region->start = blocks ? pc + 1 : pc;
    region->limit = blocks ? step->insn.target : HG_NO_LIMIT;
    region->mma = HG_NO_STEP;
    region->parts = 0;
    region->units = 1;
    run->next_phase = run->phase;
    atomic_store_explicit(&region->stop, HG_NO_STEP, memory_order_relaxed);
    bool lanes =
        run->cut.lanes != 0 && (blocks || (run->code.facts.facts & HG_FACT_TOP_LANES) != 0);
    region->kind = !lanes ? HG_REGION_ROWS : blocks ? HG_REGION_BLOCKS : HG_REGION_TOP;
    if (region->kind == HG_REGION_BLOCKS) {
        region->units = run->cut.block_count;
    }
    if (lanes && run->code.steps[region->start].insn.op == HG_OP_MMA) {
        region->mma = region->start;
    }
    find_reduce(run, region);
    run->native_region =
        run->native != NULL ? hg_native_region_at(run, region->start, region->kind) : NULL;
}

/* A unit of a product: as many columns as its panel of B takes, or the whole row where the row is
 * reduced. Rows are few enough that there is something to share out. */
static void cut_product(struct hg_run *run)
{
    struct hg_product *product = &run->product;
    hg_run_product(run, &run->code.steps[run->region.mma], product);
    product->tile_cols = 480; /* a multiple of every level's register tile */
    product->tile_rows = 96;
    const struct hg_native_region *native = run->native_region;
    run->native_region =
        native != NULL && hg_native_takes_product(run, native, product) ? native : NULL;
    if (run->native_region != NULL) {
        hg_native_cut_product(native, product);
    } else if (run->region.reduce_count != 0) {
        product->tile_cols = product->n;
        product->tile_rows = 1;
    } else if (product->dot) {
        product->tile_cols = 1;
    }
    product->col_tiles = hg_div_up_u64(product->n, product->tile_cols);
    product->row_tiles = hg_div_up_u64(product->m, product->tile_rows);
    run->region.units = product->row_tiles * product->col_tiles;
}

/* Room for the partial results of leaves, of which a row has at least one. */
static bool reserve_leaves(struct hg_run *run)
{
    run->leaves_per_row = hg_div_up_u64(run->cut.cols, HG_LEAF_LANES);
    if (run->region.reduce_count == 0 || run->region.kind == HG_REGION_ROWS) {
        return true;
    }
    /* Lanes are bounded and no row is empty, so neither product overflows. */
    size_t bytes =
        run->leaves_per_row * run->cut.rows * run->region.reduce_count * sizeof *run->leaves;
    if (bytes <= run->leaf_capacity) {
        return true;
    }
    hg_free(HG_TAG_EXEC, run->leaves);
    run->leaves = hg_malloc(HG_TAG_EXEC, bytes);
    run->leaf_capacity = run->leaves != NULL ? bytes : 0;
    if (run->leaves == NULL) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for the partial results of reductions");
    }
    return run->leaves != NULL;
}

/* True if the program ends at PC. */
static bool ends(const struct hg_run *run, uint32_t pc)
{
    if (pc >= run->code.facts.insn_count) {
        return true;
    }
    const struct hg_insn *insn = &run->code.steps[pc].insn;
    return insn->op == HG_OP_EXIT && insn->pred == HG_PRED_NONE;
}

void hg_run_settle(struct hg_run *run, uint32_t pc)
{
    while (!ends(run, pc)) {
        describe(run, pc);
        if (!reserve_leaves(run)) {
            break;
        }
        if (run->region.mma != HG_NO_STEP) {
            cut_product(run);
        }
        if (run->region.kind != HG_REGION_ROWS || run->cut.rows > ROWS_IN_PLACE) {
            return;
        }
        run->region.parts = 1;
        hg_run_part(run, 0);
        if (hg_run_failed(run)) {
            break;
        }
        pc = hg_run_complete(run);
    }
    run->done = true;
}

/* ---- sharing out ----------------------------------------------------------------------------- */

uint32_t hg_run_parts(struct hg_run *run, uint32_t workers)
{
    struct hg_region *region = &run->region;
    if (region->parts == 0) {
        const bool is_product = region->mma != HG_NO_STEP;
        uint64_t parts =
            (uint64_t)workers * (is_product ? PRODUCT_PARTS_PER_WORKER : PARTS_PER_WORKER);
        bool in_order = (run->code.facts.facts & HG_FACT_LANE_SCATTER) != 0;
        if (workers <= 1 || in_order) {
            parts = 1;
        }
        region->parts = (uint32_t)(parts < region->units ? parts : region->units);
        if (region->parts == 0) {
            region->parts = 1;
        }
    }
    return region->parts;
}

void hg_run_units(const struct hg_run *run, uint32_t part, uint64_t *first, uint64_t *end)
{
    /* Without overflow: units = parts * whole + rest. */
    uint64_t whole = run->region.units / run->region.parts;
    uint64_t rest = run->region.units % run->region.parts;
    *first = whole * part + (part < rest ? part : rest);
    *end = *first + whole + (part < rest ? 1 : 0);
}

bool hg_run_stopped_at(struct hg_run *run, uint32_t pc)
{
    _Atomic uint32_t *stop = &run->region.stop;
    uint32_t expected = atomic_load_explicit(stop, memory_order_relaxed);
    if (expected == HG_NO_STEP && run->region.parts == 1) {
        atomic_store_explicit(stop, pc, memory_order_relaxed);
        return true;
    }
    if (expected == pc ||
        (expected == HG_NO_STEP &&
         atomic_compare_exchange_strong_explicit(stop, &expected, pc, memory_order_relaxed,
                                                 memory_order_relaxed)) ||
        expected == pc) {
        return true;
    }
    hg_run_stop(run, HG_FAILED_PRECONDITION,
                "memory that the program's control flow depends on changed while it ran");
    return false;
}

/* ---- completing ------------------------------------------------------------------------------ */

const struct hg_kernel_reduce *hg_run_reduce(const struct hg_run *run, const struct hg_step *step)
{
    return &run->kernels->reduce[run->ftz][step->insn.op - HG_OP_REDUCE_ADD][step->insn.type];
}

static void keep_value(struct hg_run *run, const struct hg_step *step, uint64_t row, uint64_t bits)
{
    struct hg_kept *kept = &run->kept[step->dst];
    if (run->one_row) {
        kept->bits = bits;
    } else if (kept->rows != NULL) {
        /* Little-endian: the value's bytes come first. */
        memcpy(kept->rows + row * step->bytes, &bits, step->bytes);
    }
}

uint64_t hg_run_fold_leaves(const struct hg_kernel_reduce *reduce, uint64_t *leaves, uint64_t count)
{
    while (count > 1) {
        uint64_t half = count / 2;
        for (uint64_t i = 0; i < half; i++) {
            leaves[i] = reduce->combine(leaves[2 * i], leaves[2 * i + 1]);
        }
        if (count % 2 != 0) {
            leaves[half++] = leaves[count - 1];
        }
        count = half;
    }
    return leaves[0];
}

static void complete_reduce(struct hg_run *run, uint32_t index)
{
    const struct hg_step *step = &run->code.steps[run->region.reduce + index];
    const struct hg_kernel_reduce *reduce = hg_run_reduce(run, step);
    uint64_t rows = run->cut.rows;
    if (run->region.kind == HG_REGION_ROWS) {
        for (uint64_t row = 0; row < rows; row++) {
            keep_value(run, step, row, reduce->empty);
        }
    } else {
        for (uint64_t row = 0; row < rows; row++) {
            uint64_t *leaves = hg_run_leaf(run, index, row, 0);
            keep_value(run, step, row,
                       reduce->finish(hg_run_fold_leaves(reduce, leaves, run->leaves_per_row)));
        }
    }
    struct hg_kept *kept = &run->kept[step->dst];
    kept->level = run->one_row ? HG_LEVEL_LAUNCH : HG_LEVEL_ROW;
    kept->bytes = step->bytes;
}

/* New values of the region become those that the next one reads. */
static void commit(struct hg_run *run)
{
    run->phase = run->next_phase;
    for (uint32_t place = 0; place < run->code.place_count; place++) {
        struct hg_kept *kept = &run->kept[place];
        if (kept->next_bytes == 0) {
            continue;
        }
        if (kept->next_level == HG_LEVEL_ROW) {
            uint8_t *old = kept->rows;
            kept->rows = kept->rows_next;
            kept->rows_next = old;
        }
        kept->bits = kept->next_bits;
        kept->level = kept->next_level;
        kept->bytes = kept->next_bytes;
        kept->next_bytes = 0;
    }
}

uint32_t hg_run_complete(struct hg_run *run)
{
    const struct hg_region *region = &run->region;
    uint32_t stop = atomic_load_explicit(&region->stop, memory_order_relaxed);
    bool top = region->limit == HG_NO_LIMIT;
    if (top) {
        commit(run);
    }
    if (region->reduce_count != 0 && stop == region->reduce) {
        uint32_t saved = hg_fp_enter(run->launch.fp_mode);
        for (uint32_t i = 0; i < region->reduce_count; i++) {
            complete_reduce(run, i);
        }
        hg_fp_restore(saved);
        stop += region->reduce_count;
    } else if (top && stop < run->code.facts.insn_count &&
               (run->code.steps[stop].flags & HG_STEP_SEGMENT_END) != 0) {
        stop++;
    }
    return top ? stop : region->limit;
}

bool hg_run_advance(struct hg_run *run)
{
    if (run->done || hg_run_failed(run)) {
        return false;
    }
    hg_run_settle(run, hg_run_complete(run));
    return !run->done && !hg_run_failed(run);
}
