/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/build.h"
#include "lib/ops/plan.h"
#include "lib/ops/value.h"

struct loss {
    uint64_t n;
    uint64_t eps; /* bits */
    uint32_t structure;
    enum hg_dtype wide;
};

/* p and t hold n elements, n is not 0, out has room. */
static enum hg_status resolve(struct hg_planner *planner, unsigned n_attribute, struct loss *loss)
{
    bool given = hg_plan_given(planner, n_attribute);
    *loss = (struct loss){.n = hg_shape_count(planner, n_attribute, 0),
                          .wide = hg_plan_wide_type(planner)};
    if (loss->n == 0) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "n: expected at least 1, got 0");
    }
    if (!given && planner->call->operands[1].elements != loss->n) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "input t: expected %llu elements, as many as p has, got %llu",
                              (unsigned long long)loss->n,
                              (unsigned long long)planner->call->operands[1].elements);
    }
    enum hg_status status = hg_shape_need(planner, 0, loss->n, given);
    if (status == HG_OK) {
        status = hg_shape_need(planner, 1, loss->n, given);
    }
    if (status == HG_OK) {
        status = hg_shape_need(planner, 2, 1, given);
    }
    return status;
}

/* eps is 0 or more, below LIMIT; 0 leaves the clamp out of the program. */
static enum hg_status resolve_eps(struct hg_planner *planner, unsigned attribute, double limit,
                                  struct loss *loss)
{
    loss->eps = hg_plan_attribute(planner, attribute);
    double eps = hg_value_float(loss->wide, loss->eps);
    if (!(eps >= 0 && eps <= limit)) {
        char text[HG_VALUE_TEXT_MAX];
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "eps: expected 0 to %g, got %s", limit,
                              hg_value_text(loss->wide, loss->eps, text));
    }
    loss->structure = eps == 0 ? 0 : HG_STRUCTURE_CLAMPED;
    return HG_OK;
}

static void plan_fused(struct hg_planner *planner, const struct loss *loss)
{
    const struct hg_step step = {
        .cache = planner->call->op->cache,
        .fused = true,
        .structure = loss->structure,
        .divisor = loss->n,
        .rows = 1,
        .cols = loss->n,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_LANE),
                     hg_step_use(planner, 1, HG_OPERAND_LANE),
                     hg_step_use(planner, 2, HG_OPERAND_PER_ROW)},
        .operand_count = 3,
        .scalars = {loss->eps},
    };
    hg_plan_step(planner, &step);
}

/* ---- as sub-programs ------------------------------------------------------------------------- */

static struct hg_step_operand from_temp(const struct loss *loss, unsigned temp)
{
    return hg_step_temp(temp, loss->wide, HG_OPERAND_LANE, false);
}

static struct hg_step_operand to_temp(const struct loss *loss, unsigned temp)
{
    return hg_step_temp(temp, loss->wide, HG_OPERAND_LANE, true);
}

static void add_unary(struct hg_planner *planner, const struct loss *loss, enum hg_cache_id cache,
                      uint32_t structure, struct hg_step_operand a, struct hg_step_operand c)
{
    const struct hg_step step = {
        .cache = cache,
        .structure = structure,
        .rows = 1,
        .cols = loss->n,
        .operands = {a, c},
        .operand_count = 2,
        .scalars = {structure == 0 ? 0 : loss->eps},
    };
    hg_plan_step(planner, &step);
}

static void add_binary(struct hg_planner *planner, const struct loss *loss, enum hg_cache_id cache,
                       struct hg_step_operand a, struct hg_step_operand b, struct hg_step_operand c)
{
    const struct hg_step step = {
        .cache = cache, .rows = 1, .cols = loss->n, .operands = {a, b, c}, .operand_count = 3};
    hg_plan_step(planner, &step);
}

/* Sums temporary TERMS into temporary SUM and finishes with CACHE's program, which divides by n. */
static void add_mean(struct hg_planner *planner, const struct loss *loss, enum hg_cache_id cache,
                     unsigned terms, unsigned sum)
{
    const struct hg_step fold = {
        .cache = HG_CACHE_SUM,
        .rows = 1,
        .cols = loss->n,
        .operands = {from_temp(loss, terms),
                     hg_step_temp(sum, loss->wide, HG_OPERAND_PER_ROW, true)},
        .operand_count = 2,
    };
    hg_plan_step(planner, &fold);
    const struct hg_step last = {
        .cache = cache,
        .divisor = loss->n,
        .rows = 1,
        .cols = 1,
        .operands = {hg_step_temp(sum, loss->wide, HG_OPERAND_PER_ROW, false),
                     hg_step_use(planner, 2, HG_OPERAND_PER_ROW)},
        .operand_count = 2,
        .scalars = {loss->n},
    };
    hg_plan_step(planner, &last);
}

/* COUNT temporaries of n elements, then one of a single element. */
static enum hg_status add_temps(struct hg_planner *planner, const struct loss *loss, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        enum hg_status status = hg_plan_temp(planner, loss->n, loss->wide);
        if (status != HG_OK) {
            return status;
        }
    }
    return hg_plan_temp(planner, 1, loss->wide);
}

enum hg_status hg_plan_mse(struct hg_planner *planner)
{
    enum { N };
    enum { TERM, SUM };
    struct loss loss;
    enum hg_status status = resolve(planner, N, &loss);
    if (status != HG_OK) {
        return status;
    }
    if (planner->call->policy.fusion) {
        plan_fused(planner, &loss);
        return HG_OK;
    }
    status = add_temps(planner, &loss, SUM);
    if (status != HG_OK) {
        return status;
    }
    add_binary(planner, &loss, HG_CACHE_VECTOR_SUB, hg_step_use(planner, 0, HG_OPERAND_LANE),
               hg_step_use(planner, 1, HG_OPERAND_LANE), to_temp(&loss, TERM));
    add_binary(planner, &loss, HG_CACHE_VECTOR_MUL, from_temp(&loss, TERM), from_temp(&loss, TERM),
               to_temp(&loss, TERM));
    add_mean(planner, &loss, HG_CACHE_MSE_DIV, TERM, SUM);
    return HG_OK;
}

enum hg_status hg_plan_cross_entropy(struct hg_planner *planner)
{
    enum { N, EPS };
    enum { TERM, SUM };
    struct loss loss;
    enum hg_status status = resolve(planner, N, &loss);
    if (status == HG_OK) {
        status = resolve_eps(planner, EPS, 1, &loss);
    }
    if (status != HG_OK) {
        return status;
    }
    if (planner->call->policy.fusion) {
        plan_fused(planner, &loss);
        return HG_OK;
    }
    status = add_temps(planner, &loss, SUM);
    if (status != HG_OK) {
        return status;
    }
    const struct hg_step_operand p = hg_step_use(planner, 0, HG_OPERAND_LANE);
    const struct hg_step_operand t = hg_step_use(planner, 1, HG_OPERAND_LANE);
    add_unary(planner, &loss, HG_CACHE_CROSS_ENTROPY_LOG, loss.structure, p, to_temp(&loss, TERM));
    add_binary(planner, &loss, HG_CACHE_VECTOR_MUL, t, from_temp(&loss, TERM),
               to_temp(&loss, TERM));
    add_mean(planner, &loss, HG_CACHE_CROSS_ENTROPY_FINAL, TERM, SUM);
    return HG_OK;
}

static void add_binary_cross_entropy_terms(struct hg_planner *planner, const struct loss *loss,
                                           unsigned term, unsigned other, unsigned target)
{
    const struct hg_step_operand p = hg_step_use(planner, 0, HG_OPERAND_LANE);
    const struct hg_step_operand t = hg_step_use(planner, 1, HG_OPERAND_LANE);
    add_unary(planner, loss, HG_CACHE_BCE_LOG_PRED, loss->structure, p, to_temp(loss, term));
    add_binary(planner, loss, HG_CACHE_VECTOR_MUL, t, from_temp(loss, term), to_temp(loss, term));
    add_unary(planner, loss, HG_CACHE_BCE_SUB_FROM_ONE_PRED, loss->structure, p,
              to_temp(loss, other));
    add_unary(planner, loss, HG_CACHE_BCE_LOG_ONE_MINUS_PRED, 0, from_temp(loss, other),
              to_temp(loss, other));
    add_unary(planner, loss, HG_CACHE_BCE_SUB_FROM_ONE_TARGET, 0, t, to_temp(loss, target));
    add_binary(planner, loss, HG_CACHE_VECTOR_MUL, from_temp(loss, target), from_temp(loss, other),
               to_temp(loss, other));
    add_binary(planner, loss, HG_CACHE_VECTOR_ADD, from_temp(loss, term), from_temp(loss, other),
               to_temp(loss, term));
}

enum hg_status hg_plan_binary_cross_entropy(struct hg_planner *planner)
{
    enum { N, EPS };
    enum { TERM, OTHER, TARGET, SUM };
    struct loss loss;
    enum hg_status status = resolve(planner, N, &loss);
    if (status == HG_OK) {
        status = resolve_eps(planner, EPS, 0.5, &loss);
    }
    if (status != HG_OK) {
        return status;
    }
    if (planner->call->policy.fusion) {
        plan_fused(planner, &loss);
        return HG_OK;
    }
    status = add_temps(planner, &loss, SUM);
    if (status != HG_OK) {
        return status;
    }
    add_binary_cross_entropy_terms(planner, &loss, TERM, OTHER, TARGET);
    add_mean(planner, &loss, HG_CACHE_BCE_FINAL, TERM, SUM);
    return HG_OK;
}
