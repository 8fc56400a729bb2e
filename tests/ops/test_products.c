/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm, matvec and linear: shapes on both sides of the immediate sizes, of a block, of a leaf of
 * the dot order; transposes, alpha and beta, activations, output types; heap and boundary; both
 * policies and executors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ops/op_run.h"

struct shape {
    uint64_t m, k, n;
    bool slow; /* only in the full matrix */
};

static const struct shape gemm_shapes[] = {
    {1, 1, 1, false},     {2, 3, 4, false},     {3, 0, 4, false},    {1, 100, 1, false},
    {17, 5, 16, false},   {64, 64, 64, false},  {65, 7, 3, false},   {5, 1537, 1, false},
    {1, 33, 20, false},   {70, 65, 50, false},  {3, 2, 1024, false}, {13, 1, 300, false},
    {128, 40, 100, true}, {200, 129, 97, true}, {33, 3073, 3, true}, {4000, 2, 1, true},
};

static const enum hg_dtype types[] = {HG_F16, HG_BF16, HG_F32, HG_F64};

static bool full_matrix(void)
{
    return getenv("HG_FULL") != NULL;
}

static void run_ways(const struct hg_op_call *call, struct op_random *random)
{
    struct op_case op_case;
    op_case_init(&op_case, call, random);
    op_case_all_ways(&op_case, true);
    op_case_fini(&op_case);
}

/* All transposes with several alpha and beta; the output's type is that of A, or F32 for halves. */
static void run_gemm(enum hg_dtype type, enum hg_dtype result, const struct shape *shape)
{
    struct op_random random = {.state = 88172645463325252u + shape->m * 31 + shape->n};
    static const double factors[][2] = {{1, 0}, {2, 0}, {1, 1}, {-0.75, 0.3}};
    for (unsigned i = 0; i < 4; i++) {
        struct hg_op_call call = op_call(HG_OP_ID_GEMM, type, 1);
        bool trans_a = (i & 1u) != 0;
        bool trans_b = (i & 2u) != 0;
        op_shape_product(&call, shape->m, shape->k, shape->n);
        if (trans_a) {
            op_operand_shape(&call.operands[0], shape->k, shape->m);
        }
        if (trans_b) {
            op_operand_shape(&call.operands[1], shape->n, shape->k);
        }
        call.operands[2].type = result;
        op_set(&call, "trans_a", trans_a);
        op_set(&call, "trans_b", trans_b);
        op_set(&call, "alpha", factors[i][0]);
        op_set(&call, "beta", factors[i][1]);
        run_ways(&call, &random);
    }
}

/* Every shape, type and output type of gemm agrees with the oracle, in every way to run it. */
static void gemm_is_right_in_every_way(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (size_t s = 0; s < sizeof gemm_shapes / sizeof gemm_shapes[0]; s++) {
            if (gemm_shapes[s].slow && !full_matrix()) {
                continue;
            }
            run_gemm(types[t], types[t], &gemm_shapes[s]);
            if (hg_dtype_in(types[t], HG_DT_HALF)) {
                run_gemm(types[t], HG_F32, &gemm_shapes[s]);
            }
        }
    }
}

/* matvec, transposed and not, over rows and columns on both sides of leaf and block. */
static void matvec_is_right_in_every_way(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        {1, 1, 1, false},    {2, 3, 1, false},    {64, 64, 1, false},  {65, 10, 1, false},
        {7, 1535, 1, false}, {7, 1537, 1, false}, {3, 5000, 1, false}, {3073, 3, 1, false},
        {5, 0, 1, false},    {6145, 9, 1, true},
    };
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            for (unsigned trans = 0; trans < 2; trans++) {
                struct op_random random = {.state = 362436069u + s};
                struct hg_op_call call = op_call(HG_OP_ID_MATVEC, types[t], shapes[s].k);
                op_operand_shape(&call.operands[0], trans ? shapes[s].k : shapes[s].m,
                                 trans ? shapes[s].m : shapes[s].k);
                op_operand_vector(&call.operands[2], shapes[s].m);
                op_set(&call, "trans", trans);
                if (!shapes[s].slow || full_matrix()) {
                    run_ways(&call, &random);
                }
            }
        }
    }
}

/* All activations, w plain and transposed; the output's type is that of x, or F32 for halves. */
static void run_linear(enum hg_dtype type, enum hg_dtype result, const struct shape *shape)
{
    struct op_random random = {.state = 521288629u + shape->m * 31 + shape->n};
    static const char *const activations[] = {NULL, "relu", "gelu"};
    for (unsigned i = 0; i < 3; i++) {
        struct hg_op_call call = op_call(HG_OP_ID_LINEAR, type, 1);
        op_shape_product(&call, shape->m, shape->k, shape->n);
        call.operands[3].type = result;
        if (activations[i] != NULL) {
            op_set(&call, activations[i], 1);
        }
        if (i == 1) {
            op_operand_shape(&call.operands[1], shape->n, shape->k);
            op_set(&call, "trans_w", 1);
        }
        run_ways(&call, &random);
    }
}

/* Every shape, type and output type of linear agrees with the oracle, in every way to run it. */
static void linear_is_right_in_every_way(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (size_t s = 0; s < sizeof gemm_shapes / sizeof gemm_shapes[0]; s++) {
            if (gemm_shapes[s].slow && !full_matrix()) {
                continue;
            }
            run_linear(types[t], types[t], &gemm_shapes[s]);
            if (hg_dtype_in(types[t], HG_DT_HALF)) {
                run_linear(types[t], HG_F32, &gemm_shapes[s]);
            }
        }
    }
}

/* Without beta, C is not read: what is in it, NaN even, does not show. */
static void beta_zero_does_not_read_the_output(void **state)
{
    (void)state;
    struct op_random random = {.state = 42};
    struct hg_op_call call = op_call(HG_OP_ID_GEMM, HG_F32, 1);
    op_shape_product(&call, 3, 4, 5);
    struct op_case op_case;
    op_case_init(&op_case, &call, &random);
    memset(op_case.contents[2], 0xff, op_case.bytes[2]);
    float result[15];
    for (unsigned executor = 0; executor < HG_EXECUTOR_COUNT; executor++) {
        const struct op_way way = {.executor = (enum hg_executor)executor};
        op_case_run(&op_case, &way, result);
        op_case_right(&op_case, &way, result);
    }
    op_case_fini(&op_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gemm_is_right_in_every_way),
        cmocka_unit_test(matvec_is_right_in_every_way),
        cmocka_unit_test(linear_is_right_in_every_way),
        cmocka_unit_test(beta_zero_does_not_read_the_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
