/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/plan.h"
#include "lib/ops/value.h"

enum hg_status hg_plan_binary(struct hg_planner *planner)
{
    enum { N };
    bool given = hg_plan_given(planner, N);
    uint64_t n = hg_shape_count(planner, N, 0);
    enum hg_operand_mode mode = HG_OPERAND_LANE;
    uint64_t cols = n;
    enum hg_status status = hg_shape_need_lanes(planner, 0, n, given);
    if (status == HG_OK) {
        status = hg_shape_broadcast(planner, 1, n, given, &mode, &cols);
    }
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, 2, n, given);
    }
    if (status != HG_OK || n == 0) {
        return status;
    }
    const struct hg_step step = {
        .cache = planner->call->op->cache,
        .rows = n / cols,
        .cols = cols,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE), hg_step_use(planner, 1, mode),
                     hg_step_use(planner, 2, HG_OPERAND_LANE)},
        .operand_count = 3,
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}

/* One step from operand 0 to operand 1, with up to two scalars. */
static enum hg_status plan_unary(struct hg_planner *planner, unsigned n_attribute,
                                 const uint64_t scalars[2])
{
    bool given = hg_plan_given(planner, n_attribute);
    uint64_t n = hg_shape_count(planner, n_attribute, 0);
    enum hg_status status = hg_shape_need_lanes(planner, 0, n, given);
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, 1, n, given);
    }
    if (status != HG_OK || n == 0) {
        return status;
    }
    const struct hg_step step = {
        .cache = planner->call->op->cache,
        .rows = 1,
        .cols = n,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE),
                     hg_step_use(planner, 1, HG_OPERAND_LANE)},
        .operand_count = 2,
        .scalars = {scalars[0], scalars[1]},
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}

enum hg_status hg_plan_unary(struct hg_planner *planner)
{
    enum { N };
    return plan_unary(planner, N, (const uint64_t[2]){0, 0});
}

enum hg_status hg_plan_scalar(struct hg_planner *planner)
{
    enum { S, N };
    return plan_unary(planner, N, (const uint64_t[2]){hg_plan_attribute(planner, S), 0});
}

enum hg_status hg_plan_clip(struct hg_planner *planner)
{
    enum { LO, HI, N };
    enum hg_dtype type = hg_op_call_type(planner->call);
    const uint64_t limits[2] = {hg_plan_attribute(planner, LO), hg_plan_attribute(planner, HI)};
    for (unsigned i = LO; i <= HI; i++) {
        if (hg_value_is_nan(type, limits[i])) {
            return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "%s: expected a number, got nan",
                                  planner->call->op->attributes[i].name);
        }
    }
    if (hg_value_less(type, limits[HI], limits[LO])) {
        char low[HG_VALUE_TEXT_MAX];
        char high[HG_VALUE_TEXT_MAX];
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "lo %s > hi %s",
                              hg_value_text(type, limits[LO], low),
                              hg_value_text(type, limits[HI], high));
    }
    return plan_unary(planner, N, limits);
}
