/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of a call: from its attributes, else from its operands' shapes. */
#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/ops/plan.h"

enum hg_status hg_shape_refuse_short(struct hg_planner *planner, unsigned operand,
                                     uint64_t elements, bool given)
{
    char role[48];
    return hg_plan_refuse(planner, given ? HG_OUT_OF_RANGE : HG_INVALID_ARGUMENT,
                          "%s: expected at least %" PRIu64 " elements, got %" PRIu64,
                          hg_plan_role(planner, operand, role), elements,
                          planner->call->operands[operand].elements);
}

enum hg_status hg_shape_broadcast(struct hg_planner *planner, unsigned operand, uint64_t n,
                                  bool given, enum hg_operand_mode *mode, uint64_t *cols)
{
    uint64_t elements = planner->call->operands[operand].elements;
    *cols = n;
    if (elements == n || (elements > n && given)) {
        *mode = HG_OPERAND_LANE;
        return hg_shape_need_lanes(planner, operand, n, given);
    }
    if (elements == 1) {
        *mode = HG_OPERAND_SCALAR;
        return hg_shape_need(planner, operand, 1, given);
    }
    if (elements != 0 && elements < n && n % elements == 0) {
        *mode = HG_OPERAND_ROW_BROADCAST;
        *cols = elements;
        return hg_shape_need(planner, operand, elements, given);
    }
    char role[48];
    return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                          "%s: expected %" PRIu64
                          " elements, a divisor of that, or 1, got %" PRIu64,
                          hg_plan_role(planner, operand, role), n, elements);
}

uint64_t hg_shape_cols(const struct hg_planner *planner, unsigned n, unsigned cols)
{
    const struct hg_op_operand *a = &planner->call->operands[0];
    if (hg_plan_given(planner, cols)) {
        return planner->call->attribute[cols];
    }
    return a->rank >= 2 && !hg_plan_given(planner, n) ? a->shape[a->rank - 1] : 0;
}

enum hg_status hg_shape_rows(struct hg_planner *planner, uint64_t n, uint64_t cols, uint64_t *rows,
                             uint64_t *row_elements)
{
    if (cols == 0) {
        *rows = 1;
        *row_elements = n;
        return HG_OK;
    }
    if (n % cols != 0) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "cols: expected a divisor of n = %" PRIu64 ", got %" PRIu64, n, cols);
    }
    *rows = n / cols;
    *row_elements = cols;
    return HG_OK;
}

enum hg_status hg_shape_dimension(struct hg_planner *planner, unsigned attribute, unsigned operand,
                                  unsigned index, uint64_t *size)
{
    if (hg_plan_given(planner, attribute)) {
        *size = planner->call->attribute[attribute];
        return HG_OK;
    }
    const struct hg_op_operand *matrix = &planner->call->operands[operand];
    if (matrix->rank != 2) {
        char role[48];
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "%s: expected a value, or %s of rank 2, got rank %u",
                              planner->call->op->attributes[attribute].name,
                              hg_plan_role(planner, operand, role), matrix->rank);
    }
    *size = matrix->shape[index];
    return HG_OK;
}

enum hg_status hg_shape_need_matrix(struct hg_planner *planner, unsigned operand, uint64_t rows,
                                    uint64_t cols)
{
    uint64_t elements;
    if (!hg_mul_u64(rows, cols, &elements)) {
        char role[48];
        return hg_plan_refuse(planner, HG_OUT_OF_RANGE,
                              "%s: %" PRIu64 " x %" PRIu64 " elements are more than can be",
                              hg_plan_role(planner, operand, role), rows, cols);
    }
    return hg_shape_need(planner, operand, elements, true);
}
