/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of operations and caches are complete and can be searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/ops/build.h"
#include "lib/ops/ops.h"

static bool ends_with_stop(const char *text)
{
    size_t length = strlen(text);
    return length > 1 && text[length - 1] == '.';
}

/* Every row says what it is, has operands and a plan, and is found by its name. */
static void every_operation_is_complete(void **state)
{
    (void)state;
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        const struct hg_op *op = hg_op_info((enum hg_op_id)id);
        assert_non_null(op->name);
        assert_non_null(op->module);
        assert_true(ends_with_stop(op->summary));
        assert_int_not_equal(op->dtypes, 0);
        assert_int_equal(op->outputs, 1);
        assert_non_null(op->plan);
        assert_int_equal(op->operands[op->lead].types, 0);
        for (unsigned i = 0; i < (unsigned)op->inputs + op->outputs; i++) {
            assert_non_null(op->operands[i].name);
            assert_int_equal(op->operands[i].output, i >= op->inputs);
            assert_true(i >= op->lead || op->operands[i].types != 0);
        }
        for (unsigned i = 0; i < op->attribute_count; i++) {
            assert_non_null(op->attributes[i].name);
            assert_true(ends_with_stop(op->attributes[i].summary));
        }
        for (unsigned i = op->attribute_count; i < HG_OP_ATTRIBUTES_MAX; i++) {
            assert_null(op->attributes[i].name);
        }
        assert_ptr_equal(hg_op_find(op->name, strlen(op->name)), op);
    }
}

/* 22 operations and relu, clip, scalar_add, scalar_mul, by the names of the specification, then
 * linear and those that graphs brought. */
static void the_operations_are_those_specified(void **state)
{
    (void)state;
    static const char *const names[] = {
        "vector_add",  "vector_sub", "vector_mul",    "vector_div",
        "min",         "max",        "abs",           "neg",
        "relu",        "clip",       "scalar_add",    "scalar_mul",
        "sigmoid",     "tanh",       "gelu",          "softmax",
        "sum",         "reduce_min", "reduce_max",    "gemm",
        "matvec",      "mse",        "cross_entropy", "binary_cross_entropy",
        "copy",        "fill",       "linear",        "sqrt",
        "rsqrt",       "exp",        "log",           "log2",
        "log10",       "sin",        "cos",           "tan",
        "erf",         "pow",        "equal",         "not_equal",
        "less",        "less_equal", "greater",       "greater_equal",
        "where",       "mean",       "var",           "argmax",
        "layer_norm",  "sum_axis",   "transpose",     "concat",
        "gather_rows",
    };
    assert_int_equal(sizeof names / sizeof names[0], HG_OP_ID_COUNT);
    for (unsigned i = 0; i < HG_OP_ID_COUNT; i++) {
        assert_non_null(hg_op_find(names[i], strlen(names[i])));
    }
}

/* A prefix, a longer name and the empty name are not found. */
static void only_whole_names_are_found(void **state)
{
    (void)state;
    assert_null(hg_op_find("vector_ad", 9));
    assert_null(hg_op_find("vector_addx", 11));
    assert_null(hg_op_find("", 0));
    assert_non_null(hg_op_find("minimum", 3));
}

/* All 34 named caches of the first system come first, each with name, help and a recipe. */
static void every_cache_is_complete(void **state)
{
    (void)state;
    assert_int_equal(HG_CACHE_FILL, 33);
    for (unsigned id = 0; id < HG_CACHE_COUNT; id++) {
        assert_true(strlen(hg_cache_name((enum hg_cache_id)id)) > 0);
        assert_true(ends_with_stop(hg_cache_help((enum hg_cache_id)id)));
        bool built = hg_recipe_of((enum hg_cache_id)id) != NULL;
        assert_int_equal(built, id != HG_CACHE_USER && id != HG_CACHE_GRAPH);
        for (unsigned other = 0; other < id; other++) {
            assert_string_not_equal(hg_cache_name((enum hg_cache_id)id),
                                    hg_cache_name((enum hg_cache_id)other));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_complete),
        cmocka_unit_test(the_operations_are_those_specified),
        cmocka_unit_test(only_whole_names_are_found),
        cmocka_unit_test(every_cache_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
