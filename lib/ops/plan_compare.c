/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "lib/ops/plan.h"

enum { WHERE_CONDITION, WHERE_A, WHERE_B, WHERE_C };

/* How a and b are read, with the rows that all lanes are cut into: a launch has one length of them.
 */
static enum hg_status broadcast_both(struct hg_planner *planner, uint64_t n, bool given,
                                     enum hg_operand_mode modes[WHERE_C], uint64_t *cols)
{
    uint64_t lengths[WHERE_C] = {n, n, n};
    *cols = n;
    for (unsigned i = WHERE_A; i <= WHERE_B; i++) {
        enum hg_status status = hg_shape_broadcast(planner, i, n, given, &modes[i], &lengths[i]);
        if (status != HG_OK) {
            return status;
        }
        *cols = lengths[i] < *cols ? lengths[i] : *cols;
    }
    if (lengths[WHERE_A] != lengths[WHERE_B] && modes[WHERE_A] == HG_OPERAND_ROW_BROADCAST &&
        modes[WHERE_B] == HG_OPERAND_ROW_BROADCAST) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "input b: expected rows of %" PRIu64
                              " elements, as a has, got %" PRIu64,
                              lengths[WHERE_A], lengths[WHERE_B]);
    }
    return HG_OK;
}

enum hg_status hg_plan_where(struct hg_planner *planner)
{
    enum { N };
    bool given = hg_plan_given(planner, N);
    uint64_t n = hg_shape_count(planner, N, WHERE_CONDITION);
    enum hg_operand_mode modes[WHERE_C] = {HG_OPERAND_LANE};
    uint64_t cols;
    enum hg_status status = hg_shape_need_lanes(planner, WHERE_CONDITION, n, given);
    if (status == HG_OK) {
        status = broadcast_both(planner, n, given, modes, &cols);
    }
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, WHERE_C, n, given);
    }
    if (status != HG_OK || n == 0) {
        return status;
    }
    const struct hg_step step = {
        .cache = HG_CACHE_WHERE,
        .rows = n / cols,
        .cols = cols,
        .operands = {hg_step_use(planner, WHERE_CONDITION, HG_OPERAND_LANE),
                     hg_step_use(planner, WHERE_A, modes[WHERE_A]),
                     hg_step_use(planner, WHERE_B, modes[WHERE_B]),
                     hg_step_use(planner, WHERE_C, HG_OPERAND_LANE)},
        .operand_count = 4,
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}
