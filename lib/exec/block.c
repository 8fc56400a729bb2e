/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block executor's outer loops: units of a part, tiles of a unit, instructions of a tile.
 */
#include "lib/exec/block.h"

#include "lib/base/check.h"
#include "lib/exec/memory.h"

/* Blocks between two looks at the clock, and passes, where a block takes many. */
#define POLL_BLOCKS 16
#define POLL_PASSES 64

static uint64_t read_uniform(void *context, uint16_t place)
{
    const struct hg_pass *pass = context;
    return pass->values[place].bits;
}

/* ---- one pass -------------------------------------------------------------------------------- */

/* Where the pass ends has been reached: pc, or the program's end. */
static void end_pass(struct hg_pass *pass, enum hg_walk_event event)
{
    struct hg_run *run = pass->run;
    uint32_t pc = event == HG_WALK_EXIT ? run->code.facts.insn_count : pass->walk.pc;
    if (event == HG_WALK_SEGMENT_END && hg_step_reduces(&run->code.steps[pc])) {
        hg_pass_reduce(pass);
    }
    if (hg_run_stopped_at(run, pc) && run->region.limit == HG_NO_LIMIT) {
        hg_pass_keep_values(pass);
    }
}

static void run_instructions(struct hg_pass *pass)
{
    struct hg_run *run = pass->run;
    for (;;) {
        enum hg_walk_event event =
            hg_walk_next(&pass->walk, &run->code, run->region.limit, read_uniform, pass);
        switch (event) {
        case HG_WALK_DATA:
            hg_pass_step(pass, pass->walk.pc);
            if (pass->failed) {
                return;
            }
            pass->walk.pc++;
            break;
        case HG_WALK_POLL:
            if (hg_run_poll(run, true)) {
                return;
            }
            break;
        case HG_WALK_NO_FUEL:
            hg_run_fail_fuel(run, hg_pass_lane(pass, 0), pass->walk.pc);
            return;
        default:
            end_pass(pass, event);
            return;
        }
    }
}

void hg_pass_run(struct hg_pass *pass, uint64_t first, uint64_t count)
{
    struct hg_run *run = pass->run;
    pass->first = first;
    pass->count = count;
    pass->owner = first == 0;
    pass->failed = false;
    if (pass->rows_only || run->one_row) {
        pass->first_row = pass->rows_only ? first : 0;
        pass->first_col = pass->rows_only ? 0 : first;
    } else {
        pass->first_row = first / run->cut.cols;
        pass->first_col = first % run->cut.cols;
    }
    pass->phase = run->region.limit == HG_NO_LIMIT ? run->phase : 0;
    hg_walk_start(&pass->walk, run->region.start, run->launch.fuel);
    hg_pass_start_values(pass);
    run_instructions(pass);
}

/* ---- spans ----------------------------------------------------------------------------------- */

/* Lanes of a pass: a tile, all where that makes a difference, or one. */
static uint64_t pass_lanes(const struct hg_run *run)
{
    const struct hg_exec_code *code = &run->code;
    if (code->lane_by_lane) {
        return 1;
    }
    uint64_t tile = (uint64_t)HG_TILE_BYTES * code->facts.block_lanes / HG_BLOCK_BYTES;
    if (code->in_memory && run->region.kind != HG_REGION_ROWS) {
        return code->facts.block_lanes;
    }
    if (code->one_pass) {
        uint64_t all = run->region.kind == HG_REGION_ROWS ? run->cut.rows : code->facts.block_lanes;
        return all > tile ? all : tile;
    }
    return tile;
}

static void run_span(struct hg_pass *pass)
{
    uint64_t lanes = pass->lanes;
    const struct hg_span *span = &pass->span;
    for (uint64_t done = 0; done < span->count; done += lanes) {
        uint64_t left = span->count - done;
        bool poll = done / lanes % POLL_PASSES == POLL_PASSES - 1;
        if (hg_run_skips(pass->run, span->first + done) || (poll && hg_run_poll(pass->run, true))) {
            return;
        }
        hg_pass_run(pass, span->first + done, left < lanes ? left : lanes);
    }
}

static bool start_block_memory(struct hg_pass *pass)
{
    struct hg_run *run = pass->run;
    if ((run->code.facts.facts & (HG_FACT_SCRATCH | HG_FACT_POOL)) == 0) {
        pass->memory = NULL;
        return true;
    }
    if (run->region.limit == HG_NO_LIMIT) {
        pass->memory = run->memory;
        return true;
    }
    pass->memory = pass->workspace->blocks;
    if (hg_block_memory_reset(pass->memory, run->code.facts.scratch_bytes) != HG_OK) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for a block's scratch");
        return false;
    }
    return true;
}

static void run_blocks(struct hg_pass *pass, uint64_t first, uint64_t end)
{
    struct hg_run *run = pass->run;
    for (uint64_t block = first; block < end; block++) {
        hg_cut_block(&run->cut, block, &pass->span);
        bool clock = (block - first) % POLL_BLOCKS == POLL_BLOCKS - 1;
        if (hg_run_skips(run, pass->span.first) || hg_run_poll(run, clock) ||
            !start_block_memory(pass)) {
            return;
        }
        run_span(pass);
    }
}

/* Rows where there are no lanes; what is launch-uniform runs once even if there is no row. */
static void run_rows(struct hg_pass *pass)
{
    struct hg_run *run = pass->run;
    uint64_t chunk = pass->lanes;
    uint64_t rows = run->one_row ? 0 : run->cut.rows;
    pass->rows_only = true;
    pass->span = (struct hg_span){0};
    if (!start_block_memory(pass)) {
        return;
    }
    uint64_t first = 0;
    do {
        uint64_t left = rows - first;
        hg_pass_run(pass, first, left < chunk ? left : chunk);
        first += chunk;
    } while (first < rows && !hg_run_skips(run, first * run->cut.cols) && !hg_run_poll(run, true));
}

static void run_units(struct hg_pass *pass, uint32_t part)
{
    struct hg_run *run = pass->run;
    uint64_t first;
    uint64_t end;
    hg_run_units(run, part, &first, &end);
    if (run->region.kind == HG_REGION_ROWS) {
        run_rows(pass);
    } else if (run->region.mma != HG_NO_STEP) {
        pass->span = (struct hg_span){.count = run->cut.lanes};
        hg_pass_product_units(pass, first, end);
    } else if (run->region.kind == HG_REGION_BLOCKS) {
        run_blocks(pass, first, end);
    } else {
        pass->span = (struct hg_span){.count = run->cut.lanes};
        if (start_block_memory(pass)) {
            run_span(pass);
        }
    }
}

void hg_block_part(struct hg_run *run, uint32_t part)
{
    struct hg_workspace *workspace = hg_workspace_take();
    if (workspace == NULL) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for a worker's tiles");
        return;
    }
    uint64_t lanes = pass_lanes(run);
    if (hg_workspace_reserve(workspace, &run->code, lanes) != HG_OK) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for a worker's tiles");
    } else {
        struct hg_pass pass = {.run = run,
                               .kernels = run->kernels,
                               .workspace = workspace,
                               .values = workspace->values,
                               .walk = {.frames = workspace->frames},
                               .lanes = lanes};
        run_units(&pass, part);
    }
    hg_workspace_put_back(workspace);
}
