/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that take elements from other places: few and many rows and columns, on both sides of
 * a block; every type; heap and boundary buffers, both policies and executors. And what must not be
 * read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ops/op_run.h"

static const uint64_t tables[][2] = {{1, 1},   {3, 4},    {4, 3},    {1, 2000}, {2000, 1},
                                     {37, 41}, {2, 1536}, {1537, 2}, {64, 200}};

static bool full_matrix(void)
{
    return getenv("HG_FULL") != NULL;
}

static void run_ways(const struct hg_op_call *call)
{
    struct op_random random = {.state = 19 + call->operands[0].elements};
    struct op_case op_case;
    op_case_init(&op_case, call, &random);
    op_case_all_ways(&op_case, full_matrix() || call->operands[0].elements < 3000);
    op_case_fini(&op_case);
}

/* transpose, concat by rows, gather_rows and sum over the first axis, of every table and type. */
static void tables_are_moved_right(void **state)
{
    const enum hg_op_id id = *(const enum hg_op_id *)*state;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        size_t step = full_matrix() ? 1 : 2;
        for (size_t i = type % step; i < HG_ARRAY_COUNT(tables); i += step) {
            struct hg_op_call call = op_call(id, (enum hg_dtype)type, 1);
            op_shape_movement(&call, tables[i][0], tables[i][1]);
            run_ways(&call);
        }
    }
}

/* One part without elements is a copy of the other. */
static void concat_of_nothing_is_a_copy(void **state)
{
    (void)state;
    for (unsigned empty = 0; empty < 2; empty++) {
        struct hg_op_call call = op_call(HG_OP_ID_CONCAT, HG_F32, 50);
        op_operand_vector(&call.operands[empty], 0);
        run_ways(&call);
    }
}

/* Indices of each type that they may have, more of them than the table has rows. */
static void indices_have_several_types(void **state)
{
    (void)state;
    static const enum hg_dtype types[] = {HG_I32, HG_I64, HG_U32};
    for (size_t i = 0; i < HG_ARRAY_COUNT(types); i++) {
        struct hg_op_call call = op_call(HG_OP_ID_GATHER_ROWS, HG_F64, 1);
        op_shape_movement(&call, 7, 11);
        call.operands[1].type = types[i];
        op_operand_vector(&call.operands[1], 300);
        op_operand_vector(&call.operands[2], 3305);
        run_ways(&call);
    }
}

/* The axis first, in the middle and last; and an axis of no elements, whose sums are 0. */
static void any_axis_is_summed(void **state)
{
    (void)state;
    static const uint64_t axes[][3] = {
        {1, 5, 7}, {4, 1, 9}, {3, 40, 50}, {50, 60, 1}, {2, 1537, 2}};
    static const enum hg_dtype types[] = {HG_I8, HG_U64, HG_F16, HG_F32, HG_F64};
    for (size_t i = 0; i < HG_ARRAY_COUNT(axes); i++) {
        for (size_t t = 0; t < HG_ARRAY_COUNT(types); t++) {
            struct hg_op_call call =
                op_call(HG_OP_ID_SUM_AXIS, types[t], axes[i][0] * axes[i][1] * axes[i][2]);
            op_set(&call, "length", (double)axes[i][1]);
            op_set(&call, "inner", (double)axes[i][2]);
            op_operand_vector(&call.operands[1], axes[i][0] * axes[i][2] + 1);
            run_ways(&call);
        }
    }
    struct hg_op_call none = op_call(HG_OP_ID_SUM_AXIS, HG_F32, 1);
    op_operand_shape(&none.operands[0], 0, 6);
    op_operand_vector(&none.operands[1], 8);
    run_ways(&none);
}

/* The lowest index outside the table stops the run on every executor; the operation names it. */
static void an_index_outside_is_named(void **state)
{
    (void)state;
    static const int64_t outside[] = {10, -11, INT64_MAX, INT64_MIN};
    static float result[24 * 4];
    for (size_t i = 0; i < HG_ARRAY_COUNT(outside); i++) {
        struct op_random random = {.state = 5};
        struct hg_op_call call = op_call(HG_OP_ID_GATHER_ROWS, HG_F32, 1);
        op_shape_movement(&call, 10, 4);
        call.operands[1].type = HG_I64;
        op_operand_vector(&call.operands[1], 24);
        op_operand_vector(&call.operands[2], 24 * 4);
        struct op_case op_case;
        op_case_init(&op_case, &call, &random);
        memcpy(op_case.contents[1] + 20 * sizeof(int64_t), &outside[i], sizeof outside[i]);
        memcpy(op_case.contents[1] + 13 * sizeof(int64_t), &outside[i], sizeof outside[i]);
        for (unsigned executor = 0; executor < HG_EXECUTOR_COUNT; executor++) {
            const struct op_way way = {.executor = (enum hg_executor)executor};
            struct hg_error error = HG_ERROR_INIT;
            assert_int_equal(op_case_try(&op_case, &way, result, &error), HG_OUT_OF_RANGE);
            assert_string_equal(error.detail, HG_DETAIL_OUT_OF_BOUNDS);
            assert_non_null(strstr(error.message, "element 52"));
            struct hg_plan plan;
            assert_int_equal(hg_op_plan(&call, &plan, &error), HG_OK);
            call.op->explain(&plan.steps[0].key, plan.steps[0].params,
                             (const void *const[]){op_case.contents[1]}, 1, &error);
            assert_non_null(strstr(error.message, "indices: element 13 is "));
            assert_non_null(strstr(error.message, "the table has 10 rows"));
        }
        op_case_fini(&op_case);
    }
}

int main(void)
{
    static enum hg_op_id ids[] = {HG_OP_ID_SUM_AXIS, HG_OP_ID_TRANSPOSE, HG_OP_ID_CONCAT,
                                  HG_OP_ID_GATHER_ROWS};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(tables_are_moved_right, &ids[0]),
        cmocka_unit_test_prestate(tables_are_moved_right, &ids[1]),
        cmocka_unit_test_prestate(tables_are_moved_right, &ids[2]),
        cmocka_unit_test_prestate(tables_are_moved_right, &ids[3]),
        cmocka_unit_test(concat_of_nothing_is_a_copy),
        cmocka_unit_test(indices_have_several_types),
        cmocka_unit_test(any_axis_is_summed),
        cmocka_unit_test(an_index_outside_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
