/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: sizes from attributes and shapes, forms and modes, and the text of every refusal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/ops/build.h"
#include "tests/unit/ops/plan_support.h"

/* ---- sizes and forms ------------------------------------------------------------------------- */

/* n defaults to the elements of the first operand; given, it may be less. */
static void n_defaults_to_the_first_operand(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 100);
    plan_ok(&call, &plan);
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].params[HG_PARAM_N], 100);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 1);
    assert_int_equal(plan.steps[0].params[HG_PARAM_COLS], 100);
    assert_int_equal(plan.steps[0].operand_count, 3);
    assert_true(plan.steps[0].writes[2]);
    assert_false(plan.steps[0].writes[0] || plan.steps[0].writes[1]);
    op_set(&call, "n", 7);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_N], 7);
}

/* Nothing to do is a plan without steps. */
static void no_elements_need_no_step(void **state)
{
    (void)state;
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        const struct hg_op *op = hg_op_info((enum hg_op_id)id);
        if (!op->elementwise && id != HG_OP_ID_FILL) {
            continue;
        }
        struct hg_plan plan;
        struct hg_op_call call = op_call((enum hg_op_id)id, HG_F32, 0);
        op_set_required(&call);
        plan_ok(&call, &plan);
        assert_int_equal(plan.step_count, 0);
    }
}

/* Unrolled up to a block of the widest type, LOOP beyond: the sizes of the specification. */
static void form_changes_at_the_block(void **state)
{
    (void)state;
    static const struct {
        enum hg_dtype type;
        uint64_t block;
    } rows[] = {{HG_I8, 12288}, {HG_U16, 6144}, {HG_BF16, 6144}, {HG_F32, 3072}, {HG_I64, 1536}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hg_plan plan;
        struct hg_op_call call = op_call(HG_OP_ID_COPY, rows[i].type, rows[i].block);
        plan_ok(&call, &plan);
        assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_UNROLLED);
        call = op_call(HG_OP_ID_COPY, rows[i].type, rows[i].block + 1);
        plan_ok(&call, &plan);
        assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_LOOP);
    }
}

/* Composites of halves compute in F32, so their block is that of F32. */
static void halves_of_composites_have_blocks_of_f32(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_GELU, HG_F16, 3073);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_LOOP);
    call = op_call(HG_OP_ID_VECTOR_ADD, HG_F16, 3073);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_UNROLLED);
}

/* Φ iff every operand is in the boundary pool and the policy allows it; its key has the classes. */
static void phi_needs_every_operand_in_the_boundary(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 3072);
    for (int i = 0; i < 3; i++) {
        call.operands[i].boundary_class = 10 + i;
    }
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_UNROLLED_PHI);
    assert_int_equal(plan.steps[0].key.operand[2], 12 * HG_CLASS_BYTES);
    call.policy.phi = false;
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_UNROLLED);
    assert_int_equal(plan.steps[0].key.operand[2], 0);
    call.policy.phi = true;
    call.operands[1].boundary_class = -1;
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_UNROLLED);

    call = op_call(HG_OP_ID_GELU, HG_F16, 6144);
    call.operands[0].boundary_class = 0;
    call.operands[1].boundary_class = 95;
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.form, HG_PROGRAM_LOOP_PHI);
}

/* A shorter b: by rows where its length divides n, one element for all where it has one. */
static void shorter_b_is_broadcast(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_MUL, HG_F32, 12);
    op_operand_vector(&call.operands[1], 4);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.mode[1], HG_OPERAND_ROW_BROADCAST);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 3);
    assert_int_equal(plan.steps[0].params[HG_PARAM_COLS], 4);
    op_operand_vector(&call.operands[1], 1);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.mode[1], HG_OPERAND_SCALAR);
    assert_int_equal(plan.steps[0].params[HG_PARAM_COLS], 12);
    /* Longer than n is no mismatch once the caller says n. */
    op_operand_vector(&call.operands[1], 40);
    op_set(&call, "n", 12);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.mode[1], HG_OPERAND_LANE);
}

/* cols: given, 0 for one row; softmax of a matrix takes its rows, reductions all of it. */
static void rows_come_from_cols_or_the_shape(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_SOFTMAX, HG_F32, 12);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 1);
    op_operand_shape(&call.operands[0], 3, 4);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 3);
    op_set(&call, "cols", 0);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 1);
    op_set(&call, "cols", 6);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 2);

    call = op_call(HG_OP_ID_SUM, HG_F32, 12);
    op_operand_shape(&call.operands[0], 3, 4);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 1);
    assert_int_equal(plan.steps[0].params[HG_PARAM_COLS], 12);
    /* The sum of nothing is stored; rows of nothing are not there. */
    op_set(&call, "n", 0);
    plan_ok(&call, &plan);
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 1);
    op_set(&call, "cols", 4);
    plan_ok(&call, &plan);
    assert_int_equal(plan.step_count, 0);
}

/* m, k and n come from the shapes, turned round by the transposes, or from the attributes. */
static void product_sizes_come_from_the_shapes(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_GEMM, HG_F32, 1);
    op_operand_shape(&call.operands[0], 100, 30); /* op(A) is 30 x 100 */
    op_operand_shape(&call.operands[1], 20, 100); /* op(B) is 100 x 20 */
    op_operand_shape(&call.operands[2], 30, 20);
    op_set(&call, "trans_a", 1);
    op_set(&call, "trans_b", 1);
    plan_ok(&call, &plan);
    const struct hg_plan_step *step = &plan.steps[0];
    assert_int_equal(step->params[HG_PARAM_ROWS], 30);
    assert_int_equal(step->params[HG_PARAM_COLS], 20);
    assert_int_equal(step->params[HG_PARAM_PRODUCT_K], 100);
    assert_int_equal(step->params[HG_PARAM_PRODUCT_LDA], 30);
    assert_int_equal(step->params[HG_PARAM_PRODUCT_LDB], 100);
    assert_int_equal(step->key.structure, HG_STRUCTURE_TRANS_A | HG_STRUCTURE_TRANS_B);

    call = op_call(HG_OP_ID_GEMM, HG_F32, 64);
    op_set(&call, "m", 4);
    op_set(&call, "k", 8);
    op_set(&call, "n", 2);
    op_set(&call, "beta", 0.5);
    plan_ok(&call, &plan);
    step = &plan.steps[0];
    assert_int_equal(step->params[HG_PARAM_N], 8);
    assert_int_equal(step->key.structure, HG_STRUCTURE_IMMEDIATE | HG_STRUCTURE_BETA);
    assert_int_equal(step->key.size[0], 4);
    assert_int_equal(step->key.size[1], 2);
    assert_int_equal(step->key.size[2], 8);
}

/* One column sums as a dot product, one row does not; -0 is no beta; no lanes are no step. */
static void product_structure_follows_the_sizes(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_GEMM, HG_F16, 1);
    op_shape_product(&call, 5, 3, 1);
    op_set(&call, "beta", -0.0);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.structure, HG_STRUCTURE_IMMEDIATE | HG_STRUCTURE_DOT);
    op_shape_product(&call, 1, 3, 5);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.structure, HG_STRUCTURE_IMMEDIATE);
    op_shape_product(&call, 3, 0, 5);
    plan_ok(&call, &plan);
    assert_int_equal(plan.step_count, 1);
    op_shape_product(&call, 0, 3, 5);
    plan_ok(&call, &plan);
    assert_int_equal(plan.step_count, 0);
    call.operands[2].type = HG_F32;
    op_shape_product(&call, 5, 3, 2);
    plan_ok(&call, &plan);

    call = op_call(HG_OP_ID_MATVEC, HG_F32, 3);
    op_operand_shape(&call.operands[0], 3, 200);
    op_set(&call, "trans", 1);
    op_operand_vector(&call.operands[2], 200);
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].params[HG_PARAM_ROWS], 200);
    assert_int_equal(plan.steps[0].params[HG_PARAM_COLS], 1);
    assert_int_equal(plan.steps[0].params[HG_PARAM_PRODUCT_K], 3);
    assert_int_equal(plan.steps[0].key.structure, HG_STRUCTURE_DOT | HG_STRUCTURE_TRANS_A);
}

/* Without fusion composites are the steps of the first system, with temporaries. */
static void unfused_composites_have_their_steps(void **state)
{
    (void)state;
    static const struct {
        enum hg_op_id op;
        uint32_t temps;
        enum hg_cache_id caches[10];
    } rows[] = {
        {HG_OP_ID_GELU,
         1,
         {HG_CACHE_VECTOR_MUL, HG_CACHE_VECTOR_MUL, HG_CACHE_GELU_SCALAR_MUL1, HG_CACHE_VECTOR_ADD,
          HG_CACHE_GELU_SCALAR_MUL2, HG_CACHE_GELU_SCALAR_MUL3, HG_CACHE_GELU_ADD_ONE,
          HG_CACHE_VECTOR_DIV, HG_CACHE_COUNT}},
        {HG_OP_ID_SOFTMAX,
         2,
         {HG_CACHE_REDUCE_MAX, HG_CACHE_SOFTMAX_SUB_MAX, HG_CACHE_SOFTMAX_EXP, HG_CACHE_SUM,
          HG_CACHE_SOFTMAX_DIV, HG_CACHE_COUNT}},
        {HG_OP_ID_MSE,
         2,
         {HG_CACHE_VECTOR_SUB, HG_CACHE_VECTOR_MUL, HG_CACHE_SUM, HG_CACHE_MSE_DIV,
          HG_CACHE_COUNT}},
        {HG_OP_ID_CROSS_ENTROPY,
         2,
         {HG_CACHE_CROSS_ENTROPY_LOG, HG_CACHE_VECTOR_MUL, HG_CACHE_SUM,
          HG_CACHE_CROSS_ENTROPY_FINAL, HG_CACHE_COUNT}},
        {HG_OP_ID_BINARY_CROSS_ENTROPY,
         4,
         {HG_CACHE_BCE_LOG_PRED, HG_CACHE_VECTOR_MUL, HG_CACHE_BCE_SUB_FROM_ONE_PRED,
          HG_CACHE_BCE_LOG_ONE_MINUS_PRED, HG_CACHE_BCE_SUB_FROM_ONE_TARGET, HG_CACHE_VECTOR_MUL,
          HG_CACHE_VECTOR_ADD, HG_CACHE_SUM, HG_CACHE_BCE_FINAL, HG_CACHE_COUNT}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hg_plan plan;
        struct hg_op_call call = op_call(rows[i].op, HG_F16, 50);
        call.policy.fusion = false;
        plan_ok(&call, &plan);
        assert_int_equal(plan.temp_count, rows[i].temps);
        assert_in_range(plan.temp_bytes[plan.temp_count - 1], 4, 50 * 4);
        unsigned step = 0;
        for (; rows[i].caches[step] != HG_CACHE_COUNT; step++) {
            assert_int_equal(plan.steps[step].key.cache, rows[i].caches[step]);
            assert_int_equal(plan.steps[step].key.policy & HG_KEY_FUSED, 0);
        }
        assert_int_equal(plan.step_count, step);
        call.policy.fusion = true;
        plan_ok(&call, &plan);
        assert_int_equal(plan.step_count, 1);
        assert_int_equal(plan.steps[0].key.policy, HG_KEY_FUSED);
        assert_int_equal(plan.steps[0].key.cache, call.op->cache);
    }
}

/* specialize_full bakes handles and n; a buffer that serves twice is bound once. */
static void full_policy_bakes_handles_and_n(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 100);
    call.policy.specialize_full = true;
    plan_ok(&call, &plan);
    const struct hg_plan_step *step = &plan.steps[0];
    assert_int_equal(step->key.policy, HG_KEY_FULL);
    assert_int_equal(step->key.operand[0], 1000);
    assert_int_equal(step->key.operand[2], 1002);
    assert_int_equal(step->key.constant[1], 100);
    assert_int_equal(step->operand_count, 3);

    call.operands[2] = call.operands[0];
    plan_ok(&call, &plan);
    assert_int_equal(step->operand_count, 2);
    assert_int_equal(step->operand[0], 0);
    assert_int_equal(step->operand[1], 1);
    assert_true(step->writes[0]);
    assert_false(step->writes[1]);

    call = op_call(HG_OP_ID_MSE, HG_F32, 100);
    call.policy.specialize_full = true;
    plan_ok(&call, &plan);
    assert_int_equal(plan.steps[0].key.constant[0], 100);
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* Types: of the first operand by the table, of the others by the first. */
static void wrong_types_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 4);
    call.operands[1].type = HG_I32;
    refused(&call, HG_INVALID_ARGUMENT, "vector_add: input b: expected f32, got i32");
    call.operands[1].type = HG_F32;
    call.operands[2].type = HG_F64;
    refused(&call, HG_INVALID_ARGUMENT, "vector_add: output c: expected f32, got f64");
    call = op_call(HG_OP_ID_SIGMOID, HG_I32, 4);
    refused(&call, HG_INVALID_ARGUMENT,
            "sigmoid: input a: expected f16 or bf16 or f32 or f64, got i32");
    call = op_call(HG_OP_ID_NEG, HG_U8, 4);
    refused(&call, HG_INVALID_ARGUMENT,
            "neg: input a: expected i8 or i16 or i32 or i64 or f16 or bf16 or f32 or f64, got u8");
    call = op_call(HG_OP_ID_GEMM, HG_F16, 4);
    call.operands[2].type = HG_F64;
    refused(&call, HG_INVALID_ARGUMENT, "gemm: output C: expected f16 or f32, got f64");
    call = op_call(HG_OP_ID_GEMM, HG_F64, 4);
    call.operands[2].type = HG_F32;
    refused(&call, HG_INVALID_ARGUMENT, "gemm: output C: expected f64, got f32");
}

/* Operands and attributes that are missing, too many or malformed. */
static void wrong_counts_and_attributes_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 4);
    call.operand_count = 2;
    refused(&call, HG_INVALID_ARGUMENT,
            "vector_add: expected 3 operands (inputs and outputs together), got 2");
    call = op_call(HG_OP_ID_SCALAR_MUL, HG_F32, 4);
    refused(&call, HG_INVALID_ARGUMENT, "scalar_mul: s: expected a value, got none");
    call = op_call(HG_OP_ID_ABS, HG_F32, 4);
    call.attributes_given = 2;
    refused(&call, HG_INVALID_ARGUMENT, "abs: expected at most 1 attributes");
    call = op_call(HG_OP_ID_GEMM, HG_F32, 4);
    op_set_bits(&call, "trans_b", 2);
    refused(&call, HG_INVALID_ARGUMENT, "gemm: trans_b: expected 0 or 1, got 2");
}

/* Too few elements: OUT_OF_RANGE when the caller said n, else the shapes do not go together. */
static void wrong_sizes_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 12);
    op_operand_vector(&call.operands[2], 11);
    refused(&call, HG_INVALID_ARGUMENT,
            "vector_add: output c: expected at least 12 elements, got 11");
    op_set(&call, "n", 13);
    refused(&call, HG_OUT_OF_RANGE, "vector_add: input a: expected at least 13 elements, got 12");
    call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 12);
    op_operand_vector(&call.operands[1], 5);
    refused(&call, HG_INVALID_ARGUMENT,
            "vector_add: input b: expected 12 elements, a divisor of that, or 1, got 5");
    op_operand_vector(&call.operands[1], 0);
    refused(&call, HG_INVALID_ARGUMENT,
            "vector_add: input b: expected 12 elements, a divisor of that, or 1, got 0");
    op_operand_vector(&call.operands[1], 24);
    refused(&call, HG_INVALID_ARGUMENT,
            "vector_add: input b: expected 12 elements, a divisor of that, or 1, got 24");
    call = op_call(HG_OP_ID_SUM, HG_I32, 12);
    op_set(&call, "cols", 5);
    refused(&call, HG_INVALID_ARGUMENT, "sum: cols: expected a divisor of n = 12, got 5");
    op_set(&call, "cols", 4);
    op_operand_vector(&call.operands[1], 2);
    refused(&call, HG_INVALID_ARGUMENT, "sum: output out: expected at least 3 elements, got 2");
    call = op_call(HG_OP_ID_REDUCE_MAX, HG_I32, 0);
    refused(&call, HG_INVALID_ARGUMENT, "reduce_max: n: expected at least 1, got 0");
    call = op_call(HG_OP_ID_MSE, HG_F32, 0);
    refused(&call, HG_INVALID_ARGUMENT, "mse: n: expected at least 1, got 0");
    call = op_call(HG_OP_ID_MSE, HG_F32, 8);
    op_operand_vector(&call.operands[1], 9);
    refused(&call, HG_INVALID_ARGUMENT,
            "mse: input t: expected 8 elements, as many as p has, got 9");
}

/* Products: shapes that do not meet, ranks that say nothing, sizes beyond the operands. */
static void wrong_products_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_GEMM, HG_F32, 6);
    refused(&call, HG_INVALID_ARGUMENT,
            "gemm: m: expected a value, or input A of rank 2, got rank 1");
    op_shape_product(&call, 2, 3, 4);
    op_operand_shape(&call.operands[1], 5, 4);
    refused(&call, HG_INVALID_ARGUMENT,
            "gemm: input B: expected op() of 3 rows, as many as op(A) has columns, got 5");
    op_set(&call, "k", 4);
    refused(&call, HG_OUT_OF_RANGE, "gemm: input A: expected at least 8 elements, got 6");
    op_set_bits(&call, "m", UINT64_C(1) << 62);
    refused(&call, HG_OUT_OF_RANGE,
            "gemm: input A: 4611686018427387904 x 4 elements are more than can be");
    call = op_call(HG_OP_ID_MATVEC, HG_F32, 6);
    op_operand_shape(&call.operands[0], 2, 3);
    refused(&call, HG_INVALID_ARGUMENT,
            "matvec: input x: expected op() of 3 rows, as many as op(A) has columns, got 6");
}

/* Scalars out of their ranges. */
static void wrong_scalars_are_named(void **state)
{
    (void)state;
    struct hg_op_call call = op_call(HG_OP_ID_CLIP, HG_F32, 4);
    op_set(&call, "lo", 2);
    op_set(&call, "hi", 1);
    refused(&call, HG_INVALID_ARGUMENT, "clip: lo 2 > hi 1");
    op_set(&call, "hi", (double)NAN);
    refused(&call, HG_INVALID_ARGUMENT, "clip: hi: expected a number, got nan");
    call = op_call(HG_OP_ID_CLIP, HG_I8, 4);
    op_set(&call, "lo", 1);
    op_set(&call, "hi", -1);
    refused(&call, HG_INVALID_ARGUMENT, "clip: lo 1 > hi -1");
    call = op_call(HG_OP_ID_SOFTMAX, HG_F16, 4);
    op_set(&call, "temperature", 0);
    refused(&call, HG_INVALID_ARGUMENT, "softmax: temperature: expected above 0, got 0");
    op_set(&call, "temperature", (double)NAN);
    refused(&call, HG_INVALID_ARGUMENT, "softmax: temperature: expected above 0, got nan");
    call = op_call(HG_OP_ID_CROSS_ENTROPY, HG_F32, 4);
    op_set(&call, "eps", -0.5);
    refused(&call, HG_INVALID_ARGUMENT, "cross_entropy: eps: expected 0 to 1, got -0.5");
    call = op_call(HG_OP_ID_BINARY_CROSS_ENTROPY, HG_F64, 4);
    op_set(&call, "eps", 0.75);
    refused(&call, HG_INVALID_ARGUMENT, "binary_cross_entropy: eps: expected 0 to 0.5, got 0.75");
}

/* In place only where lane i reads and writes the same bytes; every other overlap is refused. */
static void overlaps_are_named(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 8);
    call.operands[2].base = call.operands[1].base;
    plan_ok(&call, &plan);
    call.operands[2].base = (const uint8_t *)call.operands[1].base + 4;
    refused(
        &call, HG_INVALID_ARGUMENT,
        "vector_add: output c: expected memory of its own or exactly that of an input, overlaps "
        "input b");
    /* Behind the elements that are used nothing overlaps. */
    call.operands[2].base = (const uint8_t *)call.operands[1].base + 16;
    op_set(&call, "n", 4);
    plan_ok(&call, &plan);
    /* A broadcast operand is not read lane by lane. */
    call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 8);
    op_operand_vector(&call.operands[1], 1);
    call.operands[1].base = call.operands[2].base;
    refused(
        &call, HG_INVALID_ARGUMENT,
        "vector_add: output c: expected memory of its own or exactly that of an input, overlaps "
        "input b");
    call = op_call(HG_OP_ID_SUM, HG_F32, 1);
    call.operands[1].base = call.operands[0].base;
    refused(&call, HG_INVALID_ARGUMENT,
            "sum: output out: expected memory of its own, overlaps input a");
    call = op_call(HG_OP_ID_SOFTMAX, HG_F32, 8);
    call.operands[1].base = call.operands[0].base;
    plan_ok(&call, &plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(n_defaults_to_the_first_operand),
        cmocka_unit_test(no_elements_need_no_step),
        cmocka_unit_test(form_changes_at_the_block),
        cmocka_unit_test(halves_of_composites_have_blocks_of_f32),
        cmocka_unit_test(phi_needs_every_operand_in_the_boundary),
        cmocka_unit_test(shorter_b_is_broadcast),
        cmocka_unit_test(rows_come_from_cols_or_the_shape),
        cmocka_unit_test(product_sizes_come_from_the_shapes),
        cmocka_unit_test(product_structure_follows_the_sizes),
        cmocka_unit_test(unfused_composites_have_their_steps),
        cmocka_unit_test(full_policy_bakes_handles_and_n),
        cmocka_unit_test(wrong_types_are_named),
        cmocka_unit_test(wrong_counts_and_attributes_are_named),
        cmocka_unit_test(wrong_sizes_are_named),
        cmocka_unit_test(wrong_products_are_named),
        cmocka_unit_test(wrong_scalars_are_named),
        cmocka_unit_test(overlaps_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
