/* SPDX-License-Identifier: Apache-2.0 */
/* How the lanes of a launch are cut into blocks: fixed by the program, never by the executor. */
#include "lib/base/check.h"
#include "lib/exec/run.h"

void hg_cut_init(struct hg_cut *cut, const struct hg_code_facts *facts,
                 const uint64_t params[HG_PARAM_COUNT])
{
    cut->lanes = params[HG_PARAM_N];
    cut->rows = params[HG_PARAM_ROWS];
    cut->cols = params[HG_PARAM_COLS];
    cut->block_lanes = facts->block_lanes;
    cut->rows_per_block = 0;
    cut->blocks_per_row = 0;
    cut->block_count = hg_div_up_u64(cut->lanes, cut->block_lanes);
    if ((facts->facts & HG_FACT_REDUCE) == 0 || cut->lanes == 0) {
        return;
    }
    if (cut->cols <= cut->block_lanes) {
        cut->rows_per_block = cut->block_lanes / cut->cols;
        cut->block_count = hg_div_up_u64(cut->rows, cut->rows_per_block);
    } else {
        cut->blocks_per_row = hg_div_up_u64(cut->cols, cut->block_lanes);
        cut->block_count = cut->rows * cut->blocks_per_row;
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void hg_cut_block(const struct hg_cut *cut, uint64_t index, struct hg_span *span)
{
    uint64_t count;
    if (cut->blocks_per_row > 0) {
        uint64_t column = index % cut->blocks_per_row * cut->block_lanes;
        span->start = index / cut->blocks_per_row * cut->cols + column;
        count = least(cut->block_lanes, cut->cols - column);
    } else {
        count = cut->rows_per_block > 0 ? cut->rows_per_block * cut->cols : cut->block_lanes;
        span->start = index * count;
        count = least(count, cut->lanes - span->start);
    }
    span->block = index;
    span->first = span->start;
    span->count = count;
}
