/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/plan.h"

enum hg_status hg_plan_reduce(struct hg_planner *planner)
{
    enum { N, COLS };
    enum hg_cache_id cache = planner->call->op->cache;
    bool given = hg_plan_given(planner, N);
    uint64_t n = hg_shape_count(planner, N, 0);
    uint64_t rows = 0;
    uint64_t cols = hg_plan_given(planner, COLS) ? planner->call->attribute[COLS] : 0;
    if (n == 0 && cache != HG_CACHE_SUM) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "n: expected at least 1, got 0");
    }
    enum hg_status status = hg_shape_need(planner, 0, n, given);
    if (status == HG_OK) {
        status = hg_shape_rows(planner, n, cols, &rows, &cols);
    }
    if (status == HG_OK) {
        status = hg_shape_need(planner, 1, rows, given);
    }
    if (status != HG_OK || rows == 0) {
        return status;
    }
    /* A sum of no elements still has one row, whose result is stored. */
    const struct hg_step step = {
        .cache = cache,
        .rows = rows,
        .cols = cols,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE),
                     hg_step_use(planner, 1, HG_OPERAND_PER_ROW)},
        .operand_count = 2,
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}
