/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "lib/ops/plan.h"
#include "lib/ops/value.h"

static enum hg_status refuse_none(struct hg_planner *planner)
{
    return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "n: expected at least 1, got 0");
}

/* mean, var and argmax: a row of operand 0 to an element of operand 1. */
enum hg_status hg_plan_statistic(struct hg_planner *planner)
{
    enum { N, COLS };
    bool given = hg_plan_given(planner, N);
    uint64_t n = hg_shape_count(planner, N, 0);
    uint64_t rows = 0;
    uint64_t cols = hg_plan_given(planner, COLS) ? planner->call->attribute[COLS] : 0;
    if (n == 0) {
        return refuse_none(planner);
    }
    enum hg_status status = hg_shape_need(planner, 0, n, given);
    if (status == HG_OK) {
        status = hg_shape_rows(planner, n, cols, &rows, &cols);
    }
    if (status == HG_OK) {
        status = hg_shape_need(planner, 1, rows, given);
    }
    if (status != HG_OK) {
        return status;
    }
    enum hg_cache_id cache = planner->call->op->cache;
    const struct hg_step step = {
        .cache = cache,
        .divisor = cache == HG_CACHE_ARGMAX ? 0 : cols,
        .rows = rows,
        .cols = cols,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE),
                     hg_step_use(planner, 1, HG_OPERAND_PER_ROW)},
        .operand_count = 2,
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}

/* ---- layer_norm ------------------------------------------------------------------------------ */

enum { NORM_X, NORM_GAMMA, NORM_BETA, NORM_Y };

struct norm {
    uint64_t n;
    uint64_t rows;
    uint64_t cols;
    uint64_t eps; /* bits */
};

static enum hg_status resolve_eps(struct hg_planner *planner, unsigned attribute, struct norm *norm)
{
    enum hg_dtype wide = hg_plan_wide_type(planner);
    norm->eps = hg_plan_attribute(planner, attribute);
    double eps = hg_value_float(wide, norm->eps);
    if (!(eps >= 0 && eps < (double)INFINITY)) {
        char text[HG_VALUE_TEXT_MAX];
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "eps: expected 0 or more, got %s",
                              hg_value_text(wide, norm->eps, text));
    }
    return HG_OK;
}

static enum hg_status resolve_norm(struct hg_planner *planner, struct norm *norm)
{
    enum { N, COLS, EPS };
    bool given = hg_plan_given(planner, N);
    bool cols_given = given || hg_plan_given(planner, COLS);
    norm->n = hg_shape_count(planner, N, NORM_X);
    enum hg_status status = resolve_eps(planner, EPS, norm);
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, NORM_X, norm->n, given);
    }
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, NORM_Y, norm->n, given);
    }
    if (status == HG_OK) {
        status = hg_shape_rows(planner, norm->n, hg_shape_cols(planner, N, COLS), &norm->rows,
                               &norm->cols);
    }
    for (unsigned i = NORM_GAMMA; status == HG_OK && i <= NORM_BETA; i++) {
        status = hg_shape_need(planner, i, norm->cols, cols_given);
    }
    return status;
}

enum hg_status hg_plan_layer_norm(struct hg_planner *planner)
{
    struct norm norm = {0};
    enum hg_status status = resolve_norm(planner, &norm);
    if (status != HG_OK || norm.n == 0) {
        return status;
    }
    const struct hg_step step = {
        .cache = HG_CACHE_LAYER_NORM,
        .divisor = norm.cols,
        .rows = norm.rows,
        .cols = norm.cols,
        .operands = {hg_step_use(planner, NORM_X, HG_OPERAND_LANE),
                     hg_step_use(planner, NORM_GAMMA, HG_OPERAND_ROW_BROADCAST),
                     hg_step_use(planner, NORM_BETA, HG_OPERAND_ROW_BROADCAST),
                     hg_step_use(planner, NORM_Y, HG_OPERAND_LANE)},
        .operand_count = 4,
        .scalars = {norm.eps},
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}
