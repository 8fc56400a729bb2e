/* SPDX-License-Identifier: Apache-2.0 */
/* The golden values of the operations: exact where they are whole, else within 1e-6. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ops/op_run.h"

#define VALUES_MAX 1000
#define CLOSE      1e-6

/* Runs CALL on F32 contents in every way and checks the first COUNT results. */
static void golden(const struct hg_op_call *call, const double *const inputs[],
                   const double *output, const double *expected, unsigned count, double tolerance)
{
    struct op_random random = {.state = 1};
    struct op_case op_case;
    op_case_init(&op_case, call, &random);
    unsigned out = call->op->inputs;
    for (unsigned operand = 0; operand < call->operand_count; operand++) {
        const double *values = operand == out ? output : inputs[operand];
        for (uint64_t i = 0; values != NULL && i < call->operands[operand].elements; i++) {
            /* The analyser does not see that there are as many values as elements.
             * NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
            op_data_set(HG_F32, op_case.contents[operand], i, values[i]);
        }
    }
    float result[VALUES_MAX];
    for (unsigned way = 0; way < 16; way++) {
        const struct op_way chosen = {.boundary = (way & 1u) != 0,
                                      .unfused = (way & 2u) != 0,
                                      .full = (way & 4u) != 0,
                                      .executor = (way & 8u) != 0 ? HG_EXECUTOR_REFERENCE
                                                                  : HG_EXECUTOR_BLOCK};
        op_case_run(&op_case, &chosen, result);
        for (unsigned i = 0; i < count; i++) {
            double got = (double)result[i];
            if (!(fabs(got - expected[i]) <= tolerance)) {
                fail_msg("%s, way %u: element %u is %.9g, expected %.9g", call->op->name, way, i,
                         got, expected[i]);
            }
        }
    }
    op_case_fini(&op_case);
}

/* One input of COUNT values, one output of as many. */
static void golden_unary(enum hg_op_id id, const double *input, const double *expected,
                         unsigned count, double tolerance)
{
    struct hg_op_call call = op_call(id, HG_F32, count);
    if (id == HG_OP_ID_CLIP) {
        op_set(&call, "lo", -1);
        op_set(&call, "hi", 1);
    }
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){input}, NULL, expected, count,
           tolerance);
}

/* a = i, b = 2i: [10] = 30, [100] = 300. */
static void add(void **state)
{
    (void)state;
    double a[101];
    double b[101];
    double c[101];
    for (int i = 0; i < 101; i++) {
        a[i] = i;
        b[i] = 2 * i;
        c[i] = 3 * i;
    }
    assert_true(c[10] == 30 && c[100] == 300);
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 101);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){a, b}, NULL, c, 101, 0);
}

static void clip_and_relu(void **state)
{
    (void)state;
    static const double a[] = {-5, -1.5, -1, -.5, 0, .5, 1, 1.5, 2, 5};
    static const double clipped[] = {-1, -1, -1, -.5, 0, .5, 1, 1, 1, 1};
    golden_unary(HG_OP_ID_CLIP, a, clipped, 10, 0);
    static const double x[] = {-2, -1, 0, 1, 2};
    static const double rectified[] = {0, 0, 0, 1, 2};
    golden_unary(HG_OP_ID_RELU, x, rectified, 5, 0);
}

/* Sums into three elements leave two of them; minimum and maximum skip NaN. */
static void reductions(void **state)
{
    (void)state;
    double counting[1000];
    for (int i = 0; i < 1000; i++) {
        counting[i] = i + 1;
    }
    static const double before[] = {-7, -8, -9};
    static const struct {
        unsigned n;
        double expected[3];
    } sums[] = {{100, {5050, -8, -9}}, {1000, {500500, -8, -9}}, {0, {0, -8, -9}}};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        struct hg_op_call call = op_call(HG_OP_ID_SUM, HG_F32, sums[i].n);
        op_operand_vector(&call.operands[1], 3);
        golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){counting}, before, sums[i].expected,
               3, 0);
    }
    static const double values[] = {5, 2, 8, 1, 9};
    static const double with_nan[] = {(double)NAN, 1, 2, 3};
    struct hg_op_call call = op_call(HG_OP_ID_REDUCE_MIN, HG_F32, 5);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){values}, NULL, (const double[]){1}, 1,
           0);
    call = op_call(HG_OP_ID_REDUCE_MAX, HG_F32, 5);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){values}, NULL, (const double[]){9}, 1,
           0);
    call = op_call(HG_OP_ID_REDUCE_MIN, HG_F32, 4);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){with_nan}, NULL, (const double[]){1}, 1,
           0);
}

/* Mean 3, variance 2 of 1 to 5; each distance over sqrt(2), times gamma, plus beta. */
static void statistics(void **state)
{
    (void)state;
    static const double x[] = {1, 2, 3, 4, 5};
    static const double gamma[] = {1, 1, 1, 2, 2};
    static const double beta[] = {0, 0, 0.5, 0, 1};
    static const double norm[] = {-1.4142136, -0.7071068, 0.5, 1.4142136, 3.8284271};
    const double *const inputs[HG_OP_OPERANDS_MAX] = {x, gamma, beta};
    struct hg_op_call call = op_call(HG_OP_ID_MEAN, HG_F32, 5);
    golden(&call, inputs, NULL, (const double[]){3}, 1, 0);
    call = op_call(HG_OP_ID_VAR, HG_F32, 5);
    golden(&call, inputs, NULL, (const double[]){2}, 1, 0);
    call = op_call(HG_OP_ID_LAYER_NORM, HG_F32, 5);
    op_set(&call, "eps", 0);
    golden(&call, inputs, NULL, norm, 5, CLOSE);
}

static void functions(void **state)
{
    (void)state;
    static const double squares[] = {0, 1, 4, 9, 2.25};
    static const double roots[] = {0, 1, 2, 3, 1.5};
    golden_unary(HG_OP_ID_SQRT, squares, roots, 5, 0);
    static const double x[] = {0, 1, -1};
    static const double e[] = {1, 2.7182818, 0.36787944};
    golden_unary(HG_OP_ID_EXP, x, e, 3, CLOSE);
    static const double powers[] = {1, 8, 0.125};
    static const double binary[] = {0, 3, -3};
    golden_unary(HG_OP_ID_LOG2, powers, binary, 3, 0);
    static const double base[] = {2, 9, 4};
    static const double exponent[] = {10, 0.5, -1};
    static const double result[] = {1024, 3, 0.25};
    struct hg_op_call call = op_call(HG_OP_ID_POW, HG_F32, 3);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){base, exponent}, NULL, result, 3, 0);
}

static void products(void **state)
{
    (void)state;
    static const double a[] = {1, 2, 3, 4, 5, 6};
    static const double b[] = {7, 8, 9, 10, 11, 12};
    struct hg_op_call call = op_call(HG_OP_ID_GEMM, HG_F32, 1);
    op_shape_product(&call, 2, 3, 2);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){a, b}, NULL,
           (const double[]){58, 64, 139, 154}, 4, 0);

    static const double square_a[] = {1, 2, 3, 4};
    static const double square_b[] = {5, 6, 7, 8};
    static const double ones[] = {1, 1, 1, 1};
    const double *const squares[HG_OP_OPERANDS_MAX] = {square_a, square_b};
    op_shape_product(&call, 2, 2, 2);
    golden(&call, squares, NULL, (const double[]){19, 22, 43, 50}, 4, 0);
    struct hg_op_call doubled = call;
    op_set(&doubled, "alpha", 2);
    golden(&doubled, squares, NULL, (const double[]){38, 44, 86, 100}, 4, 0);
    op_set(&call, "beta", 1);
    golden(&call, squares, ones, (const double[]){20, 23, 44, 51}, 4, 0);

    call = op_call(HG_OP_ID_MATVEC, HG_F32, 3);
    op_operand_shape(&call.operands[0], 2, 3);
    op_operand_vector(&call.operands[2], 2);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){a, b}, NULL, (const double[]){50, 122},
           2, 0);
}

/* x = [[1,2,3],[4,5,6]], w = [[7,8],[9,10],[11,12]]: sums of 58, 64, 139, 154, and a bias of
 * -60, 6. */
static void linear(void **state)
{
    (void)state;
    static const double x[] = {1, 2, 3, 4, 5, 6};
    static const double w[] = {7, 8, 9, 10, 11, 12};
    static const double turned[] = {7, 9, 11, 8, 10, 12};
    static const double bias[] = {-60, 6};
    const double *const inputs[HG_OP_OPERANDS_MAX] = {x, w, bias};
    struct hg_op_call call = op_call(HG_OP_ID_LINEAR, HG_F32, 1);
    op_shape_product(&call, 2, 3, 2);
    golden(&call, inputs, NULL, (const double[]){-2, 70, 79, 160}, 4, 0);
    struct hg_op_call activated = call;
    op_set(&activated, "relu", 1);
    golden(&activated, inputs, NULL, (const double[]){0, 70, 79, 160}, 4, 0);
    activated = call;
    op_set(&activated, "gelu", 1);
    golden(&activated, inputs, NULL, (const double[]){-0.0454023, 70, 79, 160}, 4, 1e-6);
    op_set(&call, "trans_w", 1);
    op_operand_shape(&call.operands[1], 2, 3);
    golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){x, turned, bias}, NULL,
           (const double[]){-2, 70, 79, 160}, 4, 0);
}

/* p = .7 against t = 1, a hundred times. */
static void losses(void **state)
{
    (void)state;
    double p[100];
    double t[100];
    for (int i = 0; i < 100; i++) {
        p[i] = 0.7;
        t[i] = 1;
    }
    static const struct {
        enum hg_op_id op;
        double expected;
    } rows[] = {{HG_OP_ID_MSE, 0.09},
                {HG_OP_ID_CROSS_ENTROPY, 0.3566749},
                {HG_OP_ID_BINARY_CROSS_ENTROPY, 0.3566749}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hg_op_call call = op_call(rows[i].op, HG_F32, 100);
        op_operand_vector(&call.operands[2], 1);
        golden(&call, (const double *const[HG_OP_OPERANDS_MAX]){p, t}, NULL, &rows[i].expected, 1,
               CLOSE);
    }
}

static void activations(void **state)
{
    (void)state;
    static const double x[] = {-3, -2, -1, -.5, 0, .5, 1, 2, 3};
    static const double gelu[] = {-0.00363739, -0.0454023, -0.158808, -0.154286, 0,
                                  0.345714,    0.841192,   1.9545977, 2.9963626};
    static const double sigmoid[] = {0.047425874, 0.11920292, 0.26894143, 0.37754068, .5,
                                     0.62245935,  0.7310586,  0.880797,   0.95257413};
    static const double tangent[] = {-0.9950548, -0.9640276, -0.7615942, -0.46211717, 0,
                                     0.46211717, 0.7615942,  0.9640276,  0.9950548};
    static const double softmax[] = {0.001464277, 0.0039803176, 0.010819625,
                                     0.017838545, 0.029410789,  0.048490193,
                                     0.07994681,  0.21731797,   0.5907315};
    golden_unary(HG_OP_ID_GELU, x, gelu, 9, CLOSE);
    golden_unary(HG_OP_ID_SIGMOID, x, sigmoid, 9, CLOSE);
    golden_unary(HG_OP_ID_TANH, x, tangent, 9, CLOSE);
    golden_unary(HG_OP_ID_SOFTMAX, x, softmax, 9, CLOSE);
    static const double three[] = {1, 2, 3};
    static const double shares[] = {0.09003057, 0.24472848, 0.66524094};
    golden_unary(HG_OP_ID_SOFTMAX, three, shares, 3, CLOSE);
    static const double far[] = {1e30, -1e30, 88};
    static const double ends[] = {1, 0, 1};
    golden_unary(HG_OP_ID_SIGMOID, far, ends, 3, 0);
    /* Right into the tail: not 0. */
    static const double tail[] = {-90};
    static const double little[] = {8.2e-40};
    golden_unary(HG_OP_ID_SIGMOID, tail, little, 1, 0.05e-40);
}

/* Two calls of softmax on different rows in one process: the second is its own result, not the
 * first one's maximum and sum. */
static void softmax_twice(void **state)
{
    (void)state;
    static const double first[] = {1, 2, 3};
    static const double first_shares[] = {0.09003057, 0.24472848, 0.66524094};
    static const double second[] = {10, 20, 10};
    static const double second_shares[] = {4.5395809e-5, 0.99990921, 4.5395809e-5};
    golden_unary(HG_OP_ID_SOFTMAX, first, first_shares, 3, CLOSE);
    golden_unary(HG_OP_ID_SOFTMAX, second, second_shares, 3, CLOSE);
    golden_unary(HG_OP_ID_SOFTMAX, first, first_shares, 3, CLOSE);
}

static void edges(void **state)
{
    (void)state;
    const double minus_inf[] = {-(double)INFINITY, -(double)INFINITY};
    const double nan_in[] = {(double)NAN};
    struct op_random random = {.state = 3};
    struct op_case op_case;
    float result[2];
    for (unsigned executor = 0; executor < HG_EXECUTOR_COUNT; executor++) {
        const struct op_way way = {.executor = (enum hg_executor)executor};
        static const enum hg_op_id ids[] = {HG_OP_ID_SOFTMAX, HG_OP_ID_GELU};
        for (unsigned i = 0; i < 2; i++) {
            /* A row of -inf alone, and gelu of -inf, are NaN. */
            struct hg_op_call call = op_call(ids[i], HG_F32, 2);
            op_case_init(&op_case, &call, &random);
            op_data_set(HG_F32, op_case.contents[0], 0, minus_inf[0]);
            op_data_set(HG_F32, op_case.contents[0], 1, minus_inf[1]);
            op_case_run(&op_case, &way, result);
            assert_true(isnan(result[0]) && isnan(result[1]));
            op_case_fini(&op_case);
        }
    }
    /* NaN is clipped to lo, and rectified to 0. */
    golden_unary(HG_OP_ID_CLIP, nan_in, (const double[]){-1}, 1, 0);
    golden_unary(HG_OP_ID_RELU, nan_in, (const double[]){0}, 1, 0);
}

/* Integers divided by zero fail the run and name the lowest such element; floats do not. */
static void division_by_zero(void **state)
{
    (void)state;
    struct op_random random = {.state = 5};
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_DIV, HG_I32, 5000);
    struct op_case op_case;
    op_case_init(&op_case, &call, &random);
    op_data_set(HG_I32, op_case.contents[1], 4321, 0);
    op_data_set(HG_I32, op_case.contents[1], 3210, 0);
    static int32_t result[5000];
    for (unsigned executor = 0; executor < HG_EXECUTOR_COUNT; executor++) {
        const struct op_way way = {.executor = (enum hg_executor)executor};
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(op_case_try(&op_case, &way, result, &error), HG_INVALID_ARGUMENT);
        assert_string_equal(error.detail, HG_DETAIL_DIVISION_BY_ZERO);
        assert_non_null(strstr(error.message, "3210"));
    }
    op_case_fini(&op_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add),         cmocka_unit_test(clip_and_relu),
        cmocka_unit_test(statistics),  cmocka_unit_test(functions),
        cmocka_unit_test(reductions),  cmocka_unit_test(products),
        cmocka_unit_test(linear),      cmocka_unit_test(losses),
        cmocka_unit_test(activations), cmocka_unit_test(softmax_twice),
        cmocka_unit_test(edges),       cmocka_unit_test(division_by_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
