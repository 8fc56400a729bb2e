/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and columns: reductions and softmax per row, a shorter b by rows or as one element, with
 * rows shorter than a leaf, of a leaf, of a block, and longer; fewer elements than operands have.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ops/op_run.h"

struct table {
    uint64_t rows, cols;
    bool slow; /* the reference executor only in the full matrix */
};

static const struct table tables[] = {
    {3, 4, false},    {1000, 3, false}, {5, 1, false},    {2, 1536, false}, {3, 1537, false},
    {7, 1535, false}, {2, 3073, false}, {1024, 3, false}, {1025, 3, false}, {2, 5000, true},
    {5000, 2, true},  {6145, 2, true},  {3, 12289, true},
};

static bool with_reference(const struct table *table)
{
    return !table->slow || getenv("HG_FULL") != NULL;
}

static void run_rows(enum hg_op_id id, enum hg_dtype type, const struct table *table,
                     const char *attribute, double value)
{
    struct op_random random = {.state = 2463534242u + table->rows + (uint64_t)type};
    uint64_t n = table->rows * table->cols;
    struct hg_op_call call = op_call(id, type, n);
    op_set(&call, "cols", (double)table->cols);
    if (!call.op->elementwise) {
        op_operand_vector(&call.operands[1], table->rows + 2);
    }
    for (unsigned i = 1; call.op->elementwise && i < call.op->inputs; i++) {
        op_operand_vector(&call.operands[i], table->cols);
    }
    if (attribute != NULL) {
        op_set(&call, attribute, value);
    }
    struct op_case op_case;
    op_case_init(&op_case, &call, &random);
    op_case_all_ways(&op_case, with_reference(table));
    op_case_fini(&op_case);
}

/* Sum, extremes, mean, variance and argmax of every row, for each type. */
static void reductions_fold_each_row(void **state)
{
    (void)state;
    static const enum hg_op_id ids[] = {HG_OP_ID_SUM,  HG_OP_ID_REDUCE_MIN, HG_OP_ID_REDUCE_MAX,
                                        HG_OP_ID_MEAN, HG_OP_ID_VAR,        HG_OP_ID_ARGMAX};
    for (unsigned id = 0; id < HG_ARRAY_COUNT(ids); id++) {
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            bool exists = hg_dtype_in((enum hg_dtype)type, hg_op_info(ids[id])->dtypes);
            for (size_t i = 0; exists && i < HG_ARRAY_COUNT(tables); i++) {
                run_rows(ids[id], (enum hg_dtype)type, &tables[i], NULL, 0);
            }
        }
    }
}

/* Rows of NaN alone have no maximum: index 0; others skip their NaN. */
static void argmax_skips_nan(void **state)
{
    (void)state;
    struct op_random random = {.state = 4};
    struct hg_op_call call = op_call(HG_OP_ID_ARGMAX, HG_F32, 12);
    op_set(&call, "cols", 4);
    op_operand_vector(&call.operands[1], 3);
    struct op_case op_case;
    op_case_init(&op_case, &call, &random);
    const double nan = (double)NAN;
    const double rows[] = {nan, nan, nan, nan, nan, -2, 7, 7, -0.0, 0, nan, -1};
    for (unsigned i = 0; i < 12; i++) {
        op_data_set(HG_F32, op_case.contents[0], i, rows[i]);
    }
    op_case_all_ways(&op_case, true);
    int64_t indices[3];
    op_case_run(&op_case, &(const struct op_way){.executor = HG_EXECUTOR_BLOCK}, indices);
    assert_true(indices[0] == 0 && indices[1] == 2 && indices[2] == 0);
    op_case_fini(&op_case);
}

/* layer_norm of every row, with the usual eps and another. */
static void layer_norm_normalises_each_row(void **state)
{
    (void)state;
    for (unsigned type = HG_F16; type <= HG_F64; type++) {
        for (size_t i = 0; i < HG_ARRAY_COUNT(tables); i++) {
            run_rows(HG_OP_ID_LAYER_NORM, (enum hg_dtype)type, &tables[i], NULL, 0);
            run_rows(HG_OP_ID_LAYER_NORM, (enum hg_dtype)type, &tables[i], "eps", 0.25);
        }
    }
}

/* softmax of every row, plain and with a temperature. */
static void softmax_normalises_each_row(void **state)
{
    (void)state;
    for (unsigned type = HG_F16; type <= HG_F64; type++) {
        for (size_t i = 0; i < HG_ARRAY_COUNT(tables); i++) {
            run_rows(HG_OP_ID_SOFTMAX, (enum hg_dtype)type, &tables[i], NULL, 0);
            run_rows(HG_OP_ID_SOFTMAX, (enum hg_dtype)type, &tables[i], "temperature", 0.7);
        }
    }
}

static void run_broadcast(enum hg_op_id id, enum hg_dtype type, const struct table *table,
                          uint64_t b_elements)
{
    struct op_random random = {.state = 1181783497276652981u + b_elements};
    struct hg_op_call call = op_call(id, type, table->rows * table->cols);
    op_operand_vector(&call.operands[1], b_elements);
    struct op_case op_case;
    op_case_init(&op_case, &call, &random);
    op_case_all_ways(&op_case, with_reference(table));
    op_case_fini(&op_case);
}

/* A b of one row, and one of a single element, for every operation of two operands and type. */
static void shorter_b_is_broadcast(void **state)
{
    (void)state;
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        const struct hg_op *op = hg_op_info((enum hg_op_id)id);
        for (unsigned type = 0; op->inputs == 2 && op->elementwise && type < HG_DTYPE_COUNT;
             type++) {
            if (!hg_dtype_in((enum hg_dtype)type, op->dtypes)) {
                continue;
            }
            size_t step = getenv("HG_FULL") != NULL ? 1 : 3;
            for (size_t i = (id + type) % step; i < HG_ARRAY_COUNT(tables); i += step) {
                run_broadcast((enum hg_op_id)id, (enum hg_dtype)type, &tables[i], tables[i].cols);
                run_broadcast((enum hg_op_id)id, (enum hg_dtype)type, &tables[i], 1);
            }
        }
    }
}

/* n below what the operands hold: the rest of the output keeps its contents. */
static void only_the_first_n_are_touched(void **state)
{
    (void)state;
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        const struct hg_op *op = hg_op_info((enum hg_op_id)id);
        if (op_has_shapes(op)) {
            continue;
        }
        struct op_random random = {.state = 77 + id};
        struct hg_op_call call = op_call((enum hg_op_id)id, HG_F32, 40);
        op_set_required(&call);
        op_set(&call, "n", 23);
        struct op_case op_case;
        op_case_init(&op_case, &call, &random);
        op_case_all_ways(&op_case, true);
        op_case_fini(&op_case);
    }
}

/* eps clamps the losses' logarithms: p of 0 and 1 give finite losses. */
static void eps_clamps_losses(void **state)
{
    (void)state;
    static const enum hg_op_id ids[] = {HG_OP_ID_CROSS_ENTROPY, HG_OP_ID_BINARY_CROSS_ENTROPY};
    for (unsigned type = HG_F16; type <= HG_F64; type++) {
        for (unsigned id = 0; id < 2; id++) {
            struct op_random random = {.state = 99 + type};
            struct hg_op_call call = op_call(ids[id], (enum hg_dtype)type, 5000);
            op_operand_vector(&call.operands[2], 1);
            op_set(&call, "eps", 0.0625);
            struct op_case op_case;
            op_case_init(&op_case, &call, &random);
            op_data_set((enum hg_dtype)type, op_case.contents[0], 0, 0);
            op_data_set((enum hg_dtype)type, op_case.contents[0], 1, 1);
            op_data_set((enum hg_dtype)type, op_case.contents[0], 4999, 0.03);
            op_case_all_ways(&op_case, true);
            op_case_fini(&op_case);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(argmax_skips_nan),
        cmocka_unit_test(layer_norm_normalises_each_row),
        cmocka_unit_test(reductions_fold_each_row),
        cmocka_unit_test(softmax_normalises_each_row),
        cmocka_unit_test(shorter_b_is_broadcast),
        cmocka_unit_test(only_the_first_n_are_touched),
        cmocka_unit_test(eps_clamps_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
