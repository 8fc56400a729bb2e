/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REDUCE: the elements of a pass go to the accumulators of the leaf that they belong to. Passes of
 * a block come in ascending order and no leaf straddles blocks, so a leaf's accumulators live from
 * pass to pass in the workspace; where it ends they are folded into launch scratch.
 */
#include "lib/exec/block.h"

/* Adds COUNT elements to a leaf. */
static void add_to_leaf(struct hg_leaf *state, const struct hg_kernel_reduce *reduce,
                        const void *elements, uint64_t count, uint64_t width)
{
    if (state->used == 0) {
        reduce->start(state->accumulators);
    }
    reduce->add(state->accumulators, elements, count, state->used % width);
    state->used += count;
}

static void reduce_one(struct hg_pass *pass, uint32_t index)
{
    const struct hg_run *run = pass->run;
    const struct hg_step *step = &run->code.steps[run->region.reduce + index];
    const struct hg_kernel_reduce *reduce = hg_run_reduce(run, step);
    struct hg_leaf *state = &pass->workspace->leaves[index];
    const uint8_t *elements = hg_pass_elements(pass, step->a, step->bytes);
    /* Accumulators of halves are F32; the width is the same as of 4 bytes. */
    uint64_t width = HG_REDUCE_WIDTH(step->bytes);
    uint64_t row = pass->first_row;
    uint64_t col = pass->first_col;
    for (uint64_t left = pass->count; left > 0;) {
        uint64_t start = col / HG_LEAF_LANES * HG_LEAF_LANES;
        uint64_t end = start + HG_LEAF_LANES;
        end = end < run->cut.cols ? end : run->cut.cols;
        uint64_t count = end - col < left ? end - col : left;
        state->used = col - start;
        add_to_leaf(state, reduce, elements, count, width);
        elements += count * step->bytes;
        left -= count;
        col += count;
        if (col == end) {
            uint64_t used = end - start < width ? end - start : width;
            *hg_run_leaf(run, index, row, start / HG_LEAF_LANES) =
                reduce->fold(state->accumulators, used);
        }
        if (col == run->cut.cols) {
            col = 0;
            row++;
        }
    }
}

void hg_pass_reduce(struct hg_pass *pass)
{
    if (pass->rows_only || pass->failed) {
        return;
    }
    for (uint32_t i = 0; i < pass->run->region.reduce_count; i++) {
        reduce_one(pass, i);
    }
}
