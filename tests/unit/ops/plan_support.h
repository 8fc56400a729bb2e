/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of plans share: plans that succeed, and refusals with their texts. */
#ifndef HG_TESTS_UNIT_OPS_PLAN_SUPPORT_H
#define HG_TESTS_UNIT_OPS_PLAN_SUPPORT_H

#include "tests/ops/op_call.h"

static inline void plan_ok(const struct hg_op_call *call, struct hg_plan *plan)
{
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_op_plan(call, plan, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, HG_OK);
}

static inline void refused(const struct hg_op_call *call, enum hg_status status,
                           const char *message)
{
    struct hg_plan plan;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_op_plan(call, &plan, &error), status);
    assert_int_equal(error.status, status);
    assert_string_equal(error.message, message);
}

#endif
