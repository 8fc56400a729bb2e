/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order=dot: the sums of some rows are found by the kernels, side by side; what follows them is the
 * code of tiles of one row, a vector of sums each, of which all terms have been added up.
 */
#include "lib/exec/dot.h"
#include "lib/exec/native_block.h"

#define ROWS_AT_ONCE 64u

/* Vectors' places are a whole vector apart, as for other tiles. */
static void find_sums(const struct hg_native_work *work, const struct hg_dot *dot, uint64_t row,
                      uint64_t rows, uint8_t *sums)
{
    for (uint64_t done = 0; done < rows; done += work->lanes) {
        hg_dot_rows(dot, row + done, hg_native_least(rows - done, work->lanes), sums);
        sums += HG_NATIVE_VECTOR;
    }
}

/* VECTORS of lanes from ROW on. */
static void follow(struct hg_native_work *work, hg_native_fn *run, uint64_t row, uint64_t vectors,
                   uint64_t last, uint8_t *sums)
{
    work->frame->col = 0;
    work->frame->strip = (struct hg_native_strip){.tiles = 1,
                                                  .strips = vectors,
                                                  .lane = row,
                                                  .row = row,
                                                  .cols = 1,
                                                  .last = last,
                                                  .sums = sums,
                                                  .stage = HG_NATIVE_LAST};
    run(work->frame);
}

/* What follows the sums of a vector's rows, of all of them or of the first. */
static hg_native_fn *tile_function(const struct hg_native_work *work, bool masked)
{
    const struct hg_native_tile tile = {1, 1, masked};
    return hg_native_tile_of(work->launch->program, work->code, work->region, tile);
}

enum hg_native_outcome hg_native_run_dot(struct hg_native_work *work,
                                         struct hg_workspace *workspace)
{
    const struct hg_product *product = work->product;
    uint64_t bytes = hg_dot_bytes(product);
    hg_native_fn *run_full = tile_function(work, false);
    hg_native_fn *run_masked = tile_function(work, true);
    if (run_full == NULL || run_masked == NULL) {
        return HG_NATIVE_NO_CODE;
    }
    if (bytes != 0 && hg_workspace_reserve_product(workspace, bytes) != HG_OK) {
        return HG_NATIVE_NO_MEMORY;
    }
    struct hg_dot dot;
    hg_dot_init(&dot, product, hg_kernels_now(), work->launch->fp_mode == HG_FP_FTZ,
                bytes != 0 ? workspace->product : NULL);
    _Alignas(HG_NATIVE_VECTOR) uint8_t sums[ROWS_AT_ONCE * HG_NATIVE_VECTOR / sizeof(float)];
    for (uint64_t done = 0; done < work->rows; done += ROWS_AT_ONCE) {
        uint64_t row = work->row + done;
        uint64_t rows = hg_native_least(work->rows - done, ROWS_AT_ONCE);
        uint64_t whole = rows / work->lanes;
        uint64_t rest = rows % work->lanes;
        if (work->run != NULL && hg_run_poll(work->run, true)) {
            return HG_NATIVE_DONE;
        }
        find_sums(work, &dot, row, rows, sums);
        if (whole != 0) {
            follow(work, run_full, row, whole, work->lanes, sums);
        }
        if (rest != 0) {
            follow(work, run_masked, row + whole * work->lanes, 1, rest,
                   sums + whole * HG_NATIVE_VECTOR);
        }
    }
    return HG_NATIVE_DONE;
}
