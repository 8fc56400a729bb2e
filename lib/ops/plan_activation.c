/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/check.h"
#include "lib/ops/build.h"
#include "lib/ops/plan.h"
#include "lib/ops/value.h"

/* Appends a step of CACHE over ROWS x COLS lanes from up to two operands to a third. */
static void add_step(struct hg_planner *planner, enum hg_cache_id cache, uint64_t rows,
                     uint64_t cols, const struct hg_step_operand *operands, unsigned operand_count)
{
    struct hg_step step = {.cache = cache, .rows = rows, .cols = cols};
    step.operand_count = (uint8_t)operand_count;
    memcpy(step.operands, operands, operand_count * sizeof *operands);
    hg_plan_step(planner, &step);
}

#define ADD_STEP(planner, cache, rows, cols, ...)                                                  \
    add_step(planner, cache, rows, cols, (const struct hg_step_operand[]){__VA_ARGS__},            \
             sizeof((const struct hg_step_operand[]){__VA_ARGS__}) /                               \
                 sizeof(struct hg_step_operand))

/* ---- gelu ------------------------------------------------------------------------------------ */

/* x^2, x^3, 0.044715 x^3, the inner sum, u, -2u, 1 + e^(-2u) in one temporary; then x over it. */
enum hg_status hg_plan_gelu_steps(struct hg_planner *planner, uint64_t rows, uint64_t cols,
                                  struct hg_step_operand x, struct hg_step_operand c)
{
    enum hg_dtype wide = hg_plan_wide_type(planner);
    unsigned temp = planner->plan->temp_count;
    enum hg_status status = hg_plan_temp(planner, rows * cols, wide);
    if (status != HG_OK) {
        return status;
    }
    const struct hg_step_operand in = hg_step_temp(temp, wide, HG_OPERAND_LANE, false);
    const struct hg_step_operand out = hg_step_temp(temp, wide, HG_OPERAND_LANE, true);
    ADD_STEP(planner, HG_CACHE_VECTOR_MUL, rows, cols, x, x, out);
    ADD_STEP(planner, HG_CACHE_VECTOR_MUL, rows, cols, in, x, out);
    ADD_STEP(planner, HG_CACHE_GELU_SCALAR_MUL1, rows, cols, in, out);
    ADD_STEP(planner, HG_CACHE_VECTOR_ADD, rows, cols, x, in, out);
    ADD_STEP(planner, HG_CACHE_GELU_SCALAR_MUL2, rows, cols, in, out);
    ADD_STEP(planner, HG_CACHE_GELU_SCALAR_MUL3, rows, cols, in, out);
    ADD_STEP(planner, HG_CACHE_GELU_ADD_ONE, rows, cols, in, out);
    ADD_STEP(planner, HG_CACHE_VECTOR_DIV, rows, cols, x, in, c);
    return HG_OK;
}

enum hg_status hg_plan_gelu(struct hg_planner *planner)
{
    enum { N };
    bool given = hg_plan_given(planner, N);
    uint64_t n = hg_shape_count(planner, N, 0);
    enum hg_status status = hg_shape_need_lanes(planner, 0, n, given);
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, 1, n, given);
    }
    if (status != HG_OK || n == 0) {
        return status;
    }
    if (!planner->call->policy.fusion) {
        return hg_plan_gelu_steps(planner, 1, n, hg_step_use(planner, 0, HG_OPERAND_LANE),
                                  hg_step_use(planner, 1, HG_OPERAND_LANE));
    }
    const struct hg_step step = {
        .cache = HG_CACHE_GELU,
        .fused = true,
        .rows = 1,
        .cols = n,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE),
                     hg_step_use(planner, 1, HG_OPERAND_LANE)},
        .operand_count = 2,
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}

/* ---- softmax --------------------------------------------------------------------------------- */

struct softmax {
    uint64_t rows;
    uint64_t cols;
    uint64_t temperature; /* bits */
    uint32_t structure;
};

/* Maxima and sums share a temporary of one element per row; another holds x - max, then e. */
static enum hg_status plan_softmax_steps(struct hg_planner *planner, const struct softmax *softmax)
{
    enum hg_dtype wide = hg_plan_wide_type(planner);
    uint64_t rows = softmax->rows;
    uint64_t cols = softmax->cols;
    enum hg_status status = hg_plan_temp(planner, rows, wide);
    if (status == HG_OK) {
        status = hg_plan_temp(planner, rows * cols, wide);
    }
    if (status != HG_OK) {
        return status;
    }
    const struct hg_step_operand x = hg_step_use(planner, 0, HG_OPERAND_LANE);
    const struct hg_step_operand c = hg_step_use(planner, 1, HG_OPERAND_LANE);
    const struct hg_step_operand row_in = hg_step_temp(0, wide, HG_OPERAND_COLUMN_BROADCAST, false);
    const struct hg_step_operand row_out = hg_step_temp(0, wide, HG_OPERAND_PER_ROW, true);
    const struct hg_step_operand e_in = hg_step_temp(1, wide, HG_OPERAND_LANE, false);
    const struct hg_step_operand e_out = hg_step_temp(1, wide, HG_OPERAND_LANE, true);
    ADD_STEP(planner, HG_CACHE_REDUCE_MAX, rows, cols, x, row_out);
    const struct hg_step shift = {
        .cache = HG_CACHE_SOFTMAX_SUB_MAX,
        .structure = softmax->structure,
        .rows = rows,
        .cols = cols,
        .operands = {x, row_in, e_out},
        .operand_count = 3,
        .scalars = {softmax->temperature},
    };
    hg_plan_step(planner, &shift);
    ADD_STEP(planner, HG_CACHE_SOFTMAX_EXP, rows, cols, e_in, e_out);
    ADD_STEP(planner, HG_CACHE_SUM, rows, cols, e_in, row_out);
    ADD_STEP(planner, HG_CACHE_SOFTMAX_DIV, rows, cols, e_in, row_in, c);
    return HG_OK;
}

static enum hg_status resolve_temperature(struct hg_planner *planner, unsigned attribute,
                                          struct softmax *softmax)
{
    enum hg_dtype wide = hg_plan_wide_type(planner);
    softmax->temperature = hg_plan_attribute(planner, attribute);
    double temperature = hg_value_float(wide, softmax->temperature);
    if (!(temperature > 0)) {
        char text[HG_VALUE_TEXT_MAX];
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "temperature: expected above 0, got %s",
                              hg_value_text(wide, softmax->temperature, text));
    }
    softmax->structure = temperature == 1 ? 0 : HG_STRUCTURE_TEMPERED;
    return HG_OK;
}

enum hg_status hg_plan_softmax(struct hg_planner *planner)
{
    enum { N, COLS, TEMPERATURE };
    struct softmax softmax;
    bool given = hg_plan_given(planner, N);
    uint64_t n = hg_shape_count(planner, N, 0);
    uint64_t cols = hg_shape_cols(planner, N, COLS);
    enum hg_status status = resolve_temperature(planner, TEMPERATURE, &softmax);
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, 0, n, given);
    }
    if (status == HG_OK) {
        status = hg_shape_need_lanes(planner, 1, n, given);
    }
    if (status == HG_OK) {
        status = hg_shape_rows(planner, n, cols, &softmax.rows, &softmax.cols);
    }
    if (status != HG_OK || n == 0) {
        return status;
    }
    if (!planner->call->policy.fusion) {
        return plan_softmax_steps(planner, &softmax);
    }
    const struct hg_step step = {
        .cache = HG_CACHE_SOFTMAX,
        .fused = true,
        .structure = softmax.structure,
        .rows = softmax.rows,
        .cols = softmax.cols,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE),
                     hg_step_use(planner, 1, HG_OPERAND_LANE)},
        .operand_count = 2,
        .scalars = {softmax.temperature},
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}
