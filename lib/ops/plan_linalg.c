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

/* Checks that the three operands hold what PRODUCT needs. */
static enum hg_status need_operands(struct hg_planner *planner, const struct product *product)
{
    enum hg_status status = hg_shape_need_matrix(planner, 0, product->m, product->k);
    if (status == HG_OK) {
        status = hg_shape_need_matrix(planner, 1, product->k, product->n);
    }
    if (status == HG_OK) {
        status = hg_shape_need_matrix(planner, 2, product->m, product->n);
    }
    return status;
}

/* A step of lanes m x n; SCALARS (alpha, beta) follow the sizes in the launch's parameters. */
static void add_product(struct hg_planner *planner, const struct product *product,
                        uint32_t structure, const uint64_t scalars[2])
{
    struct hg_step step = {
        .cache = planner->call->op->cache,
        .structure = structure | (product->trans_a ? HG_STRUCTURE_TRANS_A : 0u) |
                     (product->trans_b ? HG_STRUCTURE_TRANS_B : 0u) |
                     (product->n == 1 ? HG_STRUCTURE_DOT : 0u),
        .rows = product->m,
        .cols = product->n,
        .operands = {hg_step_use(planner, 0, HG_OPERAND_MATRIX),
                     hg_step_use(planner, 1, HG_OPERAND_MATRIX),
                     hg_step_use(planner, 2, HG_OPERAND_LANE)},
        .operand_count = 3,
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
    hg_plan_step(planner, &step);
}

/* The inner dimension as B's (or x's) shape has it must be the one that A has. */
static enum hg_status check_inner(struct hg_planner *planner, const struct product *product)
{
    const struct hg_op_operand *b = &planner->call->operands[1];
    uint64_t inner = b->rank == 2 ? b->shape[product->trans_b ? 1 : 0] : b->elements;
    if (inner != product->k) {
        char role[48];
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "%s: expected op() of %" PRIu64
                              " rows, as many as op(A) has columns, got %" PRIu64,
                              hg_plan_role(planner, 1, role), product->k, inner);
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
    bool reads_c = hg_value_float(hg_plan_wide_type(planner), scalars[1]) != 0;
    add_product(planner, &product, reads_c ? HG_STRUCTURE_BETA : 0u, scalars);
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
    add_product(planner, &product, 0, (const uint64_t[2]){0, 0});
    return HG_OK;
}
