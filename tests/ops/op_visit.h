/* SPDX-License-Identifier: Apache-2.0 */
/* Every step of every call worth building: each operation, type, form, policy and structure. */
#ifndef HG_TESTS_OPS_OP_VISIT_H
#define HG_TESTS_OPS_OP_VISIT_H

#include "tests/ops/op_call.h"

typedef void visit_fn(const struct hg_plan_step *step, void *context);

static inline void visit_call(const struct hg_op_call *call, visit_fn *visit, void *context)
{
    struct hg_plan plan;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_op_plan(call, &plan, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, HG_OK);
    for (uint32_t i = 0; i < plan.step_count; i++) {
        visit(&plan.steps[i], context);
    }
}

/* The call as it is, then with each part of its structure changed. */
static inline void visit_structures(struct hg_op_call *call, visit_fn *visit, void *context)
{
    visit_call(call, visit, context);
    static const struct {
        const char *attribute;
        double value;
    } changes[] = {{"temperature", 2}, {"eps", 0.125}, {"beta", 1}, {"relu", 1}, {"gelu", 1}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (op_has_attribute(call->op, changes[i].attribute)) {
            struct hg_op_call changed = *call;
            op_set(&changed, changes[i].attribute, changes[i].value);
            visit_call(&changed, visit, context);
        }
    }
    if (op_has_attribute(call->op, "inner")) {
        struct hg_op_call changed = *call;
        op_set(&changed, "length", 1);
        uint64_t half = call->operands[0].elements / 2;
        op_set(&changed, "inner", (double)half);
        visit_call(&changed, visit, context);
    }
    if (op_has_attribute(call->op, "trans_w")) {
        struct hg_op_call changed = *call;
        op_set(&changed, "trans_w", 1);
        op_operand_shape(&changed.operands[1], call->operands[1].shape[1],
                         call->operands[1].shape[0]);
        visit_call(&changed, visit, context);
    }
    if (op_has_attribute(call->op, "trans_a")) {
        for (unsigned trans = 1; trans < 4; trans++) {
            struct hg_op_call changed = *call;
            op_set(&changed, "trans_a", trans & 1u);
            op_set(&changed, "trans_b", trans >> 1);
            if ((trans & 1u) != 0) {
                op_operand_shape(&changed.operands[0], call->operands[0].shape[1],
                                 call->operands[0].shape[0]);
            }
            if ((trans & 2u) != 0) {
                op_operand_shape(&changed.operands[1], call->operands[1].shape[1],
                                 call->operands[1].shape[0]);
            }
            visit_call(&changed, visit, context);
        }
    }
    if (call->op->inputs == 2 && call->op->elementwise) {
        struct hg_op_call changed = *call;
        op_operand_vector(&changed.operands[1], 1);
        visit_call(&changed, visit, context);
        op_operand_vector(&changed.operands[1], call->operands[0].elements / 2);
        visit_call(&changed, visit, context);
    }
}

static inline void visit_policies(struct hg_op_call *call, visit_fn *visit, void *context)
{
    for (unsigned policy = 0; policy < 8; policy++) {
        call->policy = (struct hg_op_policy){.fusion = (policy & 1u) != 0,
                                             .specialize_full = (policy & 2u) != 0,
                                             .phi = (policy & 4u) != 0};
        visit_structures(call, visit, context);
    }
}

static inline void visit_sizes(enum hg_op_id id, enum hg_dtype type, int boundary_class,
                               visit_fn *visit, void *context)
{
    static const uint64_t sides[] = {4, 70, 180}; /* immediates, parameters, LOOP */
    uint64_t class_elements = HG_CLASS_BYTES / hg_dtype_bytes(type);
    for (unsigned size = 0; size < 3; size++) {
        bool product = strcmp(hg_op_info(id)->module, "linalg") == 0;
        uint64_t n = size == 0 ? 10 : size == 1 ? class_elements : 20000;
        if (boundary_class >= 0 && (size == 2 || (product && size == 1))) {
            continue;
        }
        struct hg_op_call call = op_call(id, type, n);
        op_set_required(&call);
        if (id == HG_OP_ID_MATVEC) {
            op_shape_product(&call, size == 2 ? 4000 : sides[size], sides[size], 1);
        } else if (product) {
            op_shape_product(&call, sides[size], sides[size], sides[size]);
        } else if (op_has_shapes(call.op)) {
            op_shape_lanes(&call, n);
        }
        for (int i = 0; boundary_class >= 0 && i < call.operand_count; i++) {
            call.operands[i].boundary_class = boundary_class + i;
        }
        visit_policies(&call, visit, context);
        if (call.op->wide_output && (HG_DT_HALF >> type & 1u) != 0) {
            call.operands[call.op->inputs].type = HG_F32;
            visit_policies(&call, visit, context);
        }
    }
}

static inline void visit_all(visit_fn *visit, void *context)
{
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            if (hg_dtype_in((enum hg_dtype)type, hg_op_info((enum hg_op_id)id)->dtypes)) {
                visit_sizes((enum hg_op_id)id, (enum hg_dtype)type, -1, visit, context);
                visit_sizes((enum hg_op_id)id, (enum hg_dtype)type, 20, visit, context);
            }
        }
    }
}

#endif
