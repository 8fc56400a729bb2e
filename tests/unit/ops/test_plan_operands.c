/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of operations whose operands have types or shapes of their own, and their refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/ops/build.h"
#include "tests/unit/ops/plan_support.h"

/* A launch has one length of rows: a and b of `where` may be shorter in the same way. */
static void where_broadcasts_both(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_WHERE, HG_F32, 12);
    op_operand_vector(&call.operands[1], 1);
    op_operand_vector(&call.operands[2], 4);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.mode[1], HG_OPERAND_SCALAR);
    assert_int_equal(plan.steps[0].key.mode[2], HG_OPERAND_ROW_BROADCAST);
    assert_int_equal(plan.steps[0].params[HG_PARAM_COLS], 4);
    op_operand_vector(&call.operands[1], 4);
    plan_ok(&call, &plan);
    op_operand_vector(&call.operands[1], 3);
    refused(&call, HG_INVALID_ARGUMENT,
            "where: input b: expected rows of 3 elements, as a has, got 4");
}

/* What moves bits has one program per width, by slots also in the boundary pool; what it need not
 * move itself is a copy or a sum. */
static void movements_share_programs(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_plan other;
    struct hg_op_call call = op_call(HG_OP_ID_TRANSPOSE, HG_F32, 1);
    op_shape_movement(&call, 3, 4);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 4);
    call.operands[0].type = call.operands[1].type = HG_I32;
    call.operands[0].boundary_class = 2;
    call.operands[1].boundary_class = 3;
    plan_ok(&call, &other);
    assert_true(hg_key_equal(&plan.steps[0].key, &other.steps[0].key));
    call = op_call(HG_OP_ID_CONCAT, HG_F32, 10);
    op_operand_vector(&call.operands[0], 0);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.cache, HG_CACHE_COPY);
    call = op_call(HG_OP_ID_SUM_AXIS, HG_F32, 10);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.cache, HG_CACHE_SUM);
}

/* Operands with types of their own say those. */
static void wrong_own_types_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_LESS, HG_F32, 4);
    call.operands[2].type = HG_F32;
    refused(&call, HG_INVALID_ARGUMENT, "less: output c: expected u8, got f32");
    call = op_call(HG_OP_ID_WHERE, HG_F32, 4);
    call.operands[2].type = HG_F64;
    refused(&call, HG_INVALID_ARGUMENT, "where: input b: expected f32, got f64");
    call.operands[0].type = HG_F32;
    refused(&call, HG_INVALID_ARGUMENT, "where: input cond: expected u8, got f32");
    call = op_call(HG_OP_ID_GATHER_ROWS, HG_F32, 4);
    call.operands[1].type = HG_U64;
    refused(&call, HG_INVALID_ARGUMENT,
            "gather_rows: input indices: expected i32 or i64 or u32, got u64");
}

/* Sizes of what moves elements. */
static void wrong_movements_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_TRANSPOSE, HG_F32, 12);
    refused(&call, HG_INVALID_ARGUMENT,
            "transpose: rows: expected a value, or input a of rank 2, got rank 1");
    op_set(&call, "rows", 3);
    op_set(&call, "cols", 5);
    refused(&call, HG_OUT_OF_RANGE, "transpose: input a: expected at least 15 elements, got 12");
    call = op_call(HG_OP_ID_CONCAT, HG_F32, 12);
    refused(&call, HG_INVALID_ARGUMENT,
            "concat: output out: expected at least 24 elements, got 12");
    op_set(&call, "rows", 5);
    refused(&call, HG_INVALID_ARGUMENT,
            "concat: rows: expected a divisor of the 12 elements of input a, got 5");
    op_set(&call, "rows", 0);
    refused(&call, HG_INVALID_ARGUMENT,
            "concat: rows: expected a divisor of the 12 elements of input a, got 0");
    call = op_call(HG_OP_ID_SUM_AXIS, HG_F32, 12);
    op_set(&call, "inner", 5);
    op_set(&call, "length", 2);
    refused(&call, HG_INVALID_ARGUMENT,
            "sum_axis: length: expected length x inner to divide n = 12, got 2 x 5");
    op_set_bits(&call, "length", UINT64_C(1) << 63);
    refused(&call, HG_INVALID_ARGUMENT,
            "sum_axis: length: expected length x inner to divide n = 12, got 9223372036854775808 x "
            "5");
    call = op_call(HG_OP_ID_GATHER_ROWS, HG_F32, 12);
    op_shape_movement(&call, 3, 4);
    op_operand_vector(&call.operands[1], 4);
    refused(&call, HG_OUT_OF_RANGE,
            "gather_rows: output out: expected at least 16 elements, got 12");
    call = op_call(HG_OP_ID_LAYER_NORM, HG_F32, 12);
    op_operand_vector(&call.operands[1], 3);
    op_set(&call, "cols", 4);
    refused(&call, HG_OUT_OF_RANGE, "layer_norm: input gamma: expected at least 4 elements, got 3");
    op_set(&call, "eps", -1);
    refused(&call, HG_INVALID_ARGUMENT, "layer_norm: eps: expected 0 or more, got -1");
    call = op_call(HG_OP_ID_ARGMAX, HG_F32, 0);
    refused(&call, HG_INVALID_ARGUMENT, "argmax: n: expected at least 1, got 0");
}

/* Of another type, as wide, the output would not be the same elements. */
static void overlaps_of_other_types_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_LESS, HG_I8, 8);
    call.operands[2].base = call.operands[0].base;
    refused(&call, HG_INVALID_ARGUMENT,
            "less: output c: expected memory of its own or exactly that of an input, overlaps "
            "input a");
    call = op_call(HG_OP_ID_LESS, HG_U8, 8);
    call.operands[2].base = call.operands[0].base;
    struct hg_plan in_place;
    plan_ok(&call, &in_place);
    call = op_call(HG_OP_ID_TRANSPOSE, HG_F32, 1);
    op_shape_movement(&call, 2, 2);
    call.operands[1].base = call.operands[0].base;
    refused(&call, HG_INVALID_ARGUMENT,
            "transpose: output out: expected memory of its own, overlaps input a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_broadcasts_both),
        cmocka_unit_test(movements_share_programs),
        cmocka_unit_test(wrong_own_types_are_named),
        cmocka_unit_test(wrong_movements_are_named),
        cmocka_unit_test(overlaps_of_other_types_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
