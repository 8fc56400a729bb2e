/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operation computes and what the same composite of a graph computes have the same bits:
 * users may move from one to the other without a change in their results.
 */
#include "lib/ops/reference_value.h"
#include "tests/ops/op_run.h"
#include "tests/unit/graph/support.h"

/* An operation, and the text of a graph of the same inputs. */
struct pair {
    enum hg_op_id op;
    const char *text; /* inputs by operand name, in their order */
    const char *attribute;
    double value;
};

static struct tensor tensor_of(const struct op_case *op_case, unsigned operand)
{
    const struct hg_op_operand *from = &op_case->call.operands[operand];
    struct tensor tensor = tensor_new(from->type, from->rank, from->shape);
    memcpy(tensor.data, op_case->contents[operand], op_case->bytes[operand]);
    return tensor;
}

#define RESULT_BYTES_MAX 100000

/* Runs the graph with or without fusion; its output must be RESULT, to the bit. */
static void compare_graph(const struct op_case *op_case, const char *text, uint32_t rules,
                          const struct tensor *inputs, const uint8_t *result)
{
    unsigned output = op_case->call.op->inputs;
    struct tensor outputs[HG_GRAPH_OUTPUTS_MAX] = {{.data = NULL}};
    uint32_t launches;
    uint32_t count = run_text(text, inputs, output, rules, outputs, &launches);
    assert_int_equal(count, 1);
    assert_int_equal(outputs[0].binding.type, op_case->call.operands[output].type);
    assert_int_equal(tensor_bytes(&outputs[0]), op_case->bytes[output]);
    const struct op_way way = {.executor = HG_EXECUTOR_BLOCK};
    op_case_same(op_case, &way, result, outputs[0].data);
    for (uint32_t i = 0; i < count; i++) {
        free(outputs[i].data);
    }
}

static void compare(const struct op_case *op_case, const char *text)
{
    static uint8_t result[RESULT_BYTES_MAX];
    unsigned inputs = op_case->call.op->inputs;
    struct tensor tensors[HG_OP_OPERANDS_MAX] = {{.data = NULL}};
    for (unsigned i = 0; i < inputs; i++) {
        tensors[i] = tensor_of(op_case, i);
    }
    assert_in_range(op_case->bytes[inputs], 0, sizeof result);
    op_case_run(op_case, &(const struct op_way){.executor = HG_EXECUTOR_BLOCK}, result);
    compare_graph(op_case, text, HG_FUSION_RULES_ALL, tensors, result);
    compare_graph(op_case, text, 0, tensors, result);
    for (unsigned i = 0; i < HG_OP_OPERANDS_MAX; i++) {
        free(tensors[i].data);
    }
}

static void compare_call(const struct hg_op_call *call, const char *text)
{
    struct op_random random = {.state = 11 + call->operands[0].elements};
    struct op_case op_case;
    op_case_init(&op_case, call, &random);
    compare(&op_case, text);
    op_case_fini(&op_case);
}

static const uint64_t tables[][2] = {{3, 4}, {40, 17}, {1, 1537}, {5, 1600}, {2, 5000}, {300, 2}};

/* Functions, comparisons and where, in each type. */
static void elementwise_operations_have_the_bits_of_graphs(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {HG_OP_ID_RELU, "c = relu(a)", NULL, 0},
        {HG_OP_ID_SIGMOID, "c = sigmoid(a)", NULL, 0},
        {HG_OP_ID_TANH, "c = tanh(a)", NULL, 0},
        {HG_OP_ID_GELU, "c = gelu(a)", NULL, 0},
        {HG_OP_ID_SQRT, "c = sqrt(a)", NULL, 0},
        {HG_OP_ID_RSQRT, "c = rsqrt(a)", NULL, 0},
        {HG_OP_ID_EXP, "c = exp(a)", NULL, 0},
        {HG_OP_ID_LOG, "c = log(a)", NULL, 0},
        {HG_OP_ID_ERF, "c = erf(a)", NULL, 0},
        {HG_OP_ID_POW, "c = a ** b", NULL, 0},
        {HG_OP_ID_EQUAL, "c = a == b", NULL, 0},
        {HG_OP_ID_NOT_EQUAL, "c = a != b", NULL, 0},
        {HG_OP_ID_LESS, "c = a < b", NULL, 0},
        {HG_OP_ID_LESS_EQUAL, "c = a <= b", NULL, 0},
        {HG_OP_ID_GREATER, "c = a > b", NULL, 0},
        {HG_OP_ID_GREATER_EQUAL, "c = a >= b", NULL, 0},
        {HG_OP_ID_WHERE, "c = where(cond, a, b)", NULL, 0},
    };
    for (size_t i = 0; i < HG_ARRAY_COUNT(pairs); i++) {
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            struct hg_op_call call = op_call(pairs[i].op, (enum hg_dtype)type, 5000);
            if (hg_dtype_in((enum hg_dtype)type, call.op->dtypes)) {
                compare_call(&call, pairs[i].text);
            }
        }
    }
}

/* Folds of rows and layer_norm, of rows of several lengths. */
static void operations_on_rows_have_the_bits_of_graphs(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {HG_OP_ID_MEAN, "out = mean(a, axis=1)", NULL, 0},
        {HG_OP_ID_VAR, "out = var(a, axis=1)", NULL, 0},
        {HG_OP_ID_ARGMAX, "out = argmax(a, axis=1)", NULL, 0},
        {HG_OP_ID_SOFTMAX, "c = softmax(a)", NULL, 0},
        {HG_OP_ID_LAYER_NORM, "y = layer_norm(x, gamma, beta, eps=0.125)", "eps", 0.125},
    };
    for (size_t i = 0; i < HG_ARRAY_COUNT(pairs); i++) {
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            for (size_t t = 0; t < HG_ARRAY_COUNT(tables); t++) {
                struct hg_op_call call =
                    op_call(pairs[i].op, (enum hg_dtype)type, tables[t][0] * tables[t][1]);
                if (!hg_dtype_in((enum hg_dtype)type, call.op->dtypes)) {
                    continue;
                }
                op_operand_shape(&call.operands[0], tables[t][0], tables[t][1]);
                op_set(&call, "cols", (double)tables[t][1]);
                if (pairs[i].attribute != NULL) {
                    op_set(&call, pairs[i].attribute, pairs[i].value);
                }
                for (unsigned k = 1; k < call.op->inputs; k++) {
                    op_operand_vector(&call.operands[k], tables[t][1]);
                }
                if (!call.op->elementwise) {
                    op_operand_vector(&call.operands[1], tables[t][0]);
                }
                compare_call(&call, pairs[i].text);
            }
        }
    }
}

/* Elements from other places: the same of a matrix, and indices from its end. */
static void movements_have_the_bits_of_graphs(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {HG_OP_ID_TRANSPOSE, "out = a.T", NULL, 0},
        {HG_OP_ID_CONCAT, "out = concatenate((a, b), axis=1)", NULL, 0},
        {HG_OP_ID_GATHER_ROWS, "out = take(table, indices, axis=0)", NULL, 0},
        /* Of rows: a graph folds the first axis in another order. */
        {HG_OP_ID_SUM_AXIS, "out = sum(a.T, axis=1)", NULL, 0},
    };
    for (size_t i = 0; i < HG_ARRAY_COUNT(pairs); i++) {
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            for (size_t t = 0; t < HG_ARRAY_COUNT(tables); t++) {
                struct hg_op_call call = op_call(pairs[i].op, (enum hg_dtype)type, 1);
                op_shape_movement(&call, tables[t][0], tables[t][1]);
                if (pairs[i].op == HG_OP_ID_SUM_AXIS) {
                    op_operand_vector(&call.operands[1], tables[t][1]);
                }
                compare_call(&call, pairs[i].text);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise_operations_have_the_bits_of_graphs),
        cmocka_unit_test(operations_on_rows_have_the_bits_of_graphs),
        cmocka_unit_test(movements_have_the_bits_of_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
