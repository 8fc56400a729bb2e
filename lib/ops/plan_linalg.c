/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "lib/ops/build.h"
#include "lib/ops/plan.h"
#include "lib/ops/value.h"

/* op(A) is m x k, op(B) k x n. */
struct product {
    uint64_t m;
    uint64_t n;
    uint64_t k;
    bool trans_a;
    bool trans_b;
};

static bool fits_immediates(const struct product *product)
{
    return product->m <= HG_MMA_IMMEDIATE_MAX && product->n <= HG_MMA_IMMEDIATE_MAX &&
           product->k <= HG_MMA_IMMEDIATE_MAX;
}

/* Checks that the factors and the output hold what PRODUCT needs. */
static enum hg_status need_operands(struct hg_planner *planner, const struct product *product)
{
    unsigned output = planner->call->op->inputs;
    enum hg_status status = hg_shape_need_matrix(planner, 0, product->m, product->k);
    if (status == HG_OK) {
        status = hg_shape_need_matrix(planner, 1, product->k, product->n);
    }
    if (status == HG_OK) {
        status = hg_shape_need_matrix(planner, output, product->m, product->n);
    }
    return status;
}

/* A step of CACHE over lanes m x n, whose operands but for the factors are the caller's to add.
 * SCALARS (alpha, beta) follow the sizes in the launch's parameters. */
static struct hg_step product_step(const struct hg_planner *planner, const struct product *product,
                                   enum hg_cache_id cache, uint32_t structure,
                                   const uint64_t scalars[2])
{
    struct hg_step step = {
        .cache = cache,
        .structure = structure | (product->trans_a ? HG_STRUCTURE_TRANS_A : 0u) |
                     (product->trans_b ? HG_STRUCTURE_TRANS_B : 0u) |
                     (product->n == 1 ? HG_STRUCTURE_DOT : 0u),
        .rows = product->m,
        .cols = product->n,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_MATRIX),
                     hg_step_use(planner, 1, HG_OPERAND_MATRIX)},
        .operand_count = 2,
        .scalars = {product->k, product->trans_a ? product->m : product->k,
                    product->trans_b ? product->k : product->n, scalars[0], scalars[1]},
    };
    bool immediate = fits_immediates(product);
    if (immediate || planner->call->policy.specialize_full) {
        step.structure |= immediate ? HG_STRUCTURE_IMMEDIATE : 0u;
        step.size[0] = (uint32_t)product->m;
        step.size[1] = (uint32_t)product->n;
        step.size[2] = (uint32_t)product->k;
    }
    return step;
}

/* The product alone, into OUTPUT. */
static void add_product(struct hg_planner *planner, const struct product *product,
                        enum hg_cache_id cache, uint32_t structure, const uint64_t scalars[2],
                        struct hg_step_operand output)
{
    struct hg_step step = product_step(planner, product, cache, structure, scalars);
    step.operands[step.operand_count++] = output;
    hg_plan_step(planner, &step);
}

/* The inner dimension as B's (or x's) shape has it must be the one that A has. */
static enum hg_status check_inner(struct hg_planner *planner, const struct product *product)
{
    const struct hg_op_operand *b = &planner->call->operands[1];
    const char *first = planner->call->op->operands[0].name;
    uint64_t inner = b->rank == 2 ? b->shape[product->trans_b ? 1 : 0] : b->elements;
    if (inner != product->k) {
        char role[48];
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "%s: expected op() of %" PRIu64
                              " rows, as many as op(%s) has columns, got %" PRIu64,
                              hg_plan_role(planner, 1, role), product->k, first, inner);
    }
    return HG_OK;
}

enum hg_status hg_plan_gemm(struct hg_planner *planner)
{
    enum { M, K, N, TRANS_A, TRANS_B, ALPHA, BETA };
    struct product product = {.trans_a = hg_plan_attribute(planner, TRANS_A) != 0,
                              .trans_b = hg_plan_attribute(planner, TRANS_B) != 0};
    enum hg_status status = hg_shape_dimension(planner, M, 0, product.trans_a ? 1 : 0, &product.m);
    if (status == HG_OK) {
        status = hg_shape_dimension(planner, K, 0, product.trans_a ? 0 : 1, &product.k);
    }
    if (status == HG_OK) {
        status = hg_shape_dimension(planner, N, 1, product.trans_b ? 0 : 1, &product.n);
    }
    if (status == HG_OK && !hg_plan_given(planner, K) && !hg_plan_given(planner, N)) {
        status = check_inner(planner, &product);
    }
    if (status == HG_OK) {
        status = need_operands(planner, &product);
    }
    if (status != HG_OK || product.m == 0 || product.n == 0) {
        return status;
    }
    const uint64_t scalars[2] = {hg_plan_attribute(planner, ALPHA),
                                 hg_plan_attribute(planner, BETA)};
    enum hg_dtype type = hg_plan_wide_type(planner);
    bool is_scaled = hg_value_float(type, scalars[0]) != 1;
    bool reads_c = hg_value_float(type, scalars[1]) != 0;
    add_product(planner, &product, HG_CACHE_GEMM,
                (is_scaled ? HG_STRUCTURE_SCALED : 0u) | (reads_c ? HG_STRUCTURE_BETA : 0u),
                scalars, hg_step_use(planner, 2, HG_OPERAND_LANE));
    return HG_OK;
}

enum hg_status hg_plan_matvec(struct hg_planner *planner)
{
    enum { M, N, TRANS };
    struct product product = {.n = 1, .trans_a = hg_plan_attribute(planner, TRANS) != 0};
    enum hg_status status = hg_shape_dimension(planner, M, 0, product.trans_a ? 1 : 0, &product.m);
    if (status == HG_OK) {
        status = hg_shape_dimension(planner, N, 0, product.trans_a ? 0 : 1, &product.k);
    }
    if (status == HG_OK && !hg_plan_given(planner, N)) {
        status = check_inner(planner, &product);
    }
    if (status == HG_OK) {
        status = need_operands(planner, &product);
    }
    if (status != HG_OK || product.m == 0) {
        return status;
    }
    add_product(planner, &product, HG_CACHE_MATVEC, 0, (const uint64_t[2]){0, 0},
                hg_step_use(planner, 2, HG_OPERAND_LANE));
    return HG_OK;
}

/* ---- linear ---------------------------------------------------------------------------------- */

enum { LINEAR_X, LINEAR_W, LINEAR_B, LINEAR_Y };

/* The product in a temporary, the bias added to it, then the activation. */
static enum hg_status plan_linear_steps(struct hg_planner *planner, const struct product *product,
                                        uint32_t activation)
{
    enum hg_dtype wide = hg_plan_wide_type(planner);
    enum hg_status status = hg_plan_temp(planner, product->m * product->n, wide);
    if (status != HG_OK) {
        return status;
    }
    const struct hg_step_operand y = hg_step_use(planner, LINEAR_Y, HG_OPERAND_LANE);
    const struct hg_step_operand in = hg_step_temp(0, wide, HG_OPERAND_LANE, false);
    const struct hg_step_operand out = hg_step_temp(0, wide, HG_OPERAND_LANE, true);
    const uint64_t scalars[2] = {hg_value_from_double(wide, 1), 0};
    add_product(planner, product, HG_CACHE_GEMM, 0, scalars, out);
    struct hg_step step = {
        .cache = HG_CACHE_VECTOR_ADD,
        .rows = product->m,
        .cols = product->n,
        .operands = {in, hg_step_use(planner, LINEAR_B, HG_OPERAND_ROW_BROADCAST),
                     activation == 0 ? y : out},
        .operand_count = 3,
    };
    hg_plan_step(planner, &step);
    if (activation == HG_STRUCTURE_GELU) {
        return hg_plan_gelu_steps(planner, product->m, product->n, in, y);
    }
    if (activation == HG_STRUCTURE_RELU) {
        step = (struct hg_step){.cache = HG_CACHE_RELU,
                                .rows = product->m,
                                .cols = product->n,
                                .operands = {in, y},
                                .operand_count = 2};
        hg_plan_step(planner, &step);
    }
    return HG_OK;
}

static void plan_linear_fused(struct hg_planner *planner, const struct product *product,
                              uint32_t activation)
{
    struct hg_step step =
        product_step(planner, product, HG_CACHE_LINEAR, activation, (const uint64_t[2]){0, 0});
    step.fused = true;
    step.operands[step.operand_count++] = hg_step_use(planner, LINEAR_B, HG_OPERAND_ROW_BROADCAST);
    step.operands[step.operand_count++] = hg_step_use(planner, LINEAR_Y, HG_OPERAND_LANE);
    hg_plan_step(planner, &step);
}

/* Sizes of the product, and that all operands hold what it needs. */
static enum hg_status size_linear(struct hg_planner *planner, struct product *product)
{
    enum { M, K, N };
    enum hg_status status = hg_shape_dimension(planner, M, LINEAR_X, 0, &product->m);
    if (status == HG_OK) {
        status = hg_shape_dimension(planner, K, LINEAR_X, 1, &product->k);
    }
    if (status == HG_OK) {
        status = hg_shape_dimension(planner, N, LINEAR_W, product->trans_b ? 0 : 1, &product->n);
    }
    if (status == HG_OK && !hg_plan_given(planner, K) && !hg_plan_given(planner, N)) {
        status = check_inner(planner, product);
    }
    if (status == HG_OK) {
        status = need_operands(planner, product);
    }
    if (status == HG_OK) {
        status = hg_shape_need(planner, LINEAR_B, product->n, hg_plan_given(planner, N));
    }
    return status;
}

enum hg_status hg_plan_linear(struct hg_planner *planner)
{
    enum { TRANS_W = 3, RELU, GELU };
    struct product product = {.trans_b = hg_plan_attribute(planner, TRANS_W) != 0};
    bool relu = hg_plan_attribute(planner, RELU) != 0;
    bool gelu = hg_plan_attribute(planner, GELU) != 0;
    if (relu && gelu) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "gelu: expected 0 beside relu, got 1");
    }
    enum hg_status status = size_linear(planner, &product);
    if (status != HG_OK || product.m == 0 || product.n == 0) {
        return status;
    }
    uint32_t activation = relu ? HG_STRUCTURE_RELU : gelu ? HG_STRUCTURE_GELU : 0u;
    if (!planner->call->policy.fusion) {
        return plan_linear_steps(planner, &product, activation);
    }
    plan_linear_fused(planner, &product, activation);
    return HG_OK;
}
