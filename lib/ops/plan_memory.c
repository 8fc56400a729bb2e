/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/plan.h"

enum hg_status hg_plan_fill(struct hg_planner *planner)
{
    enum { VALUE, N };
    uint64_t n = hg_shape_count(planner, N, 0);
    enum hg_status status = hg_shape_need_lanes(planner, 0, n, hg_plan_given(planner, N));
    if (status != HG_OK || n == 0) {
        return status;
    }
    const struct hg_step step = {
        .cache = planner->call->op->cache,
        .constant = hg_plan_attribute(planner, VALUE),
        .rows = 1,
        .cols = n,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE)},
        .operand_count = 1,
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}
