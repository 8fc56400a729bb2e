/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key is exactly what the program bakes in. For every operation: a call and each call that
 * differs from it in one field of the request run one after the other on one set of programs, found
 * by key; whatever is shared, all compute right. And what only varies at launch is shared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ops/op_run.h"

#define CALLS_MAX 64

/* A call and the variations of it; calls[0] is the one that the others differ from. */
struct family {
    struct hg_op_call calls[CALLS_MAX];
    unsigned count;
};

static struct hg_op_call *vary(struct family *family, const struct hg_op_call *from)
{
    assert_true(family->count < CALLS_MAX);
    family->calls[family->count] = *from;
    return &family->calls[family->count++];
}

static bool is_product(const struct hg_op *op)
{
    return strcmp(op->module, "linalg") == 0;
}

static struct hg_op_call plain_call(enum hg_op_id id, enum hg_dtype type, uint64_t n)
{
    struct hg_op_call call = op_call(id, type, n);
    op_set_required(&call);
    if (is_product(call.op)) {
        op_shape_product(&call, 12, 10, id == HG_OP_ID_MATVEC ? 1 : 8);
    } else if (op_has_shapes(call.op)) {
        op_shape_lanes(&call, n);
    }
    return call;
}

/* Other sizes, on both sides of the block; other types. */
static void vary_sizes_and_types(struct family *family, enum hg_op_id id)
{
    const struct hg_op_call base = family->calls[0];
    static const uint64_t sizes[] = {1, 61, 5000};
    for (unsigned i = 0; i < HG_ARRAY_COUNT(sizes) && !is_product(base.op); i++) {
        *vary(family, &base) = plain_call(id, HG_F32, sizes[i]);
        struct hg_op_call *fewer = vary(family, &base);
        if (sizes[i] < 60 && op_has_attribute(base.op, "n")) {
            op_set(fewer, "n", (double)sizes[i]);
        }
    }
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        if (hg_dtype_in((enum hg_dtype)type, base.op->dtypes)) {
            *vary(family, &base) = plain_call(id, (enum hg_dtype)type, 60);
        }
    }
}

/* Each attribute, with two values where it is a number. */
static void vary_attributes(struct family *family)
{
    const struct hg_op_call base = family->calls[0];
    static const struct {
        const char *name;
        double values[2];
    } rows[] = {{"cols", {5, 12}},       {"s", {2, -7}},      {"lo", {-3, 0}},   {"hi", {9, 2}},
                {"value", {1, 8}},       {"eps", {0.1, 0.2}}, {"alpha", {2, 3}}, {"beta", {1, 0.5}},
                {"temperature", {2, 3}}, {"length", {2, 4}},  {"inner", {1, 3}}, {"relu", {0, 1}},
                {"gelu", {0, 1}}};
    for (unsigned row = 0; row < HG_ARRAY_COUNT(rows); row++) {
        for (unsigned i = 0; i < 2 && op_has_attribute(base.op, rows[row].name); i++) {
            op_set(vary(family, &base), rows[row].name, rows[row].values[i]);
        }
    }
}

static void transpose(struct hg_op_operand *operand)
{
    op_operand_shape(operand, operand->shape[1], operand->shape[0]);
}

/* Shapes of the second operand, sizes and transposes of products, types of the output. */
static void vary_operands(struct family *family)
{
    const struct hg_op_call base = family->calls[0];
    if (base.op->inputs == 2 && base.op->elementwise) {
        op_operand_vector(&vary(family, &base)->operands[1], 1);
        op_operand_vector(&vary(family, &base)->operands[1], 6);
        op_operand_vector(&vary(family, &base)->operands[1], 12);
    }
    if (strcmp(base.op->module, "movement") == 0) {
        static const uint64_t tables[][2] = {{1, 60}, {60, 1}, {6, 10}, {7, 9}, {70, 80}};
        for (unsigned i = 0; i < HG_ARRAY_COUNT(tables); i++) {
            op_shape_movement(vary(family, &base), tables[i][0], tables[i][1]);
        }
    }
    if (!is_product(base.op)) {
        return;
    }
    static const uint64_t sizes[][3] = {{12, 10, 9}, {12, 11, 8},  {13, 10, 8},  {70, 10, 8},
                                        {12, 70, 8}, {12, 10, 70}, {80, 10, 80}, {12, 10, 1}};
    bool matvec = !op_has_attribute(base.op, "k");
    for (unsigned i = 0; i < HG_ARRAY_COUNT(sizes); i++) {
        op_shape_product(vary(family, &base), sizes[i][0], sizes[i][1], matvec ? 1 : sizes[i][2]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (op_transposes(base.op, i) != NULL) {
            struct hg_op_call *turned = vary(family, &base);
            transpose(&turned->operands[i]);
            op_set(turned, op_transposes(base.op, i), 1);
        }
    }
    struct hg_op_call *half = vary(family, &base);
    for (unsigned i = 0; i < base.op->inputs; i++) {
        half->operands[i].type = HG_F16;
    }
}

static void run_call(const struct hg_op_call *call, const struct op_way *way, uint64_t seed)
{
    struct op_random random = {.state = seed};
    struct op_case op_case;
    op_case_init(&op_case, call, &random);
    if ((!way->boundary || op_case_fits_boundary(&op_case)) &&
        (!way->in_place || op_case_fits_in_place(&op_case))) {
        uint8_t *result = malloc(op_case.bytes[call->op->inputs] + 1);
        assert_non_null(result);
        op_case_run(&op_case, way, result);
        op_case_right(&op_case, way, result);
        free(result);
    }
    op_case_fini(&op_case);
}

/* A call, each variation and the call again give right results from shared programs: in every
 * place, with and without fusion and handles, in place and not, on one set of programs. */
static void what_is_shared_computes_right(void **state)
{
    const enum hg_op_id id = *(const enum hg_op_id *)*state;
    static struct family family;
    family.count = 0;
    *vary(&family, &family.calls[0]) = plain_call(id, HG_F32, 60);
    vary_sizes_and_types(&family, id);
    vary_attributes(&family);
    vary_operands(&family);
    static struct op_programs programs;
    for (unsigned policy = 0; policy < 4; policy++) {
        for (unsigned i = 0; i < family.count; i++) {
            struct op_way way = {
                .unfused = (policy & 1u) != 0, .full = (policy & 2u) != 0, .programs = &programs};
            run_call(&family.calls[i], &way, 7 + i);
            way.boundary = true;
            run_call(&family.calls[i], &way, 1000 + i);
            way.in_place = true;
            run_call(&family.calls[i], &way, 2000 + i);
            way.boundary = false;
            run_call(&family.calls[i], &way, 3000 + i);
        }
        struct op_way again = {.unfused = (policy & 1u) != 0, .programs = &programs};
        run_call(&family.calls[0], &again, 5);
    }
    op_programs_fini(&programs);
}

/* ---- what is shared, what is not ------------------------------------------------------------- */

static struct hg_key key_of(const struct hg_op_call *call)
{
    struct hg_plan plan;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_op_plan(call, &plan, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, HG_OK);
    assert_int_equal(plan.step_count, 1);
    return plan.steps[0].key;
}

static bool share(const struct hg_op_call *a, const struct hg_op_call *b)
{
    struct hg_key x = key_of(a);
    struct hg_key y = key_of(b);
    return hg_key_equal(&x, &y);
}

/* Other buffers, and other lengths on the same side of B, are hits; the other side is not. */
static void buffers_and_lengths_are_shared(void **state)
{
    (void)state;
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        if (is_product(hg_op_info((enum hg_op_id)id))) {
            continue;
        }
        struct hg_op_call call = plain_call((enum hg_op_id)id, HG_F32, 60);
        const struct hg_key key = key_of(&call);
        const uint64_t block = hg_op_block_lanes(&key);
        struct hg_op_call other = plain_call((enum hg_op_id)id, HG_F32, block);
        for (unsigned i = 0; i < other.operand_count; i++) {
            other.operands[i].handle += 50;
            other.operands[i].base = op_pretended_base(i + 10);
        }
        assert_true(share(&call, &other));
        struct hg_op_call large = plain_call((enum hg_op_id)id, HG_F32, block + 1);
        struct hg_op_call larger = plain_call((enum hg_op_id)id, HG_F32, 1000000);
        assert_false(share(&call, &large));
        assert_true(share(&large, &larger));
        call.policy.specialize_full = true;
        other.policy.specialize_full = true;
        assert_false(share(&call, &other));
    }
}

/* Scalars are parameters of the launch; the value of a fill is in its program. */
static void scalars_are_shared_but_fill_is_not(void **state)
{
    (void)state;
    static const struct {
        enum hg_op_id op;
        const char *attribute;
        double first, second;
        bool shared;
    } rows[] = {
        {HG_OP_ID_SCALAR_ADD, "s", 1, 2, true},
        {HG_OP_ID_SCALAR_MUL, "s", 1, 0, true},
        {HG_OP_ID_CLIP, "lo", -1, 0, true},
        {HG_OP_ID_CLIP, "hi", 5, 6, true},
        {HG_OP_ID_SOFTMAX, "temperature", 2, 3, true},
        {HG_OP_ID_SOFTMAX, "temperature", 1, 3, false},
        {HG_OP_ID_CROSS_ENTROPY, "eps", 0.1, 0.2, true},
        {HG_OP_ID_CROSS_ENTROPY, "eps", 0, 0.2, false},
        {HG_OP_ID_GEMM, "alpha", 2, 3, true},
        {HG_OP_ID_GEMM, "alpha", 1, 2, false},
        {HG_OP_ID_GEMM, "beta", 0.5, 2, true},
        {HG_OP_ID_GEMM, "beta", 0, 2, false},
        {HG_OP_ID_LINEAR, "relu", 0, 1, false},
        {HG_OP_ID_LINEAR, "gelu", 0, 1, false},
        {HG_OP_ID_SUM, "cols", 6, 12, true},
        {HG_OP_ID_FILL, "value", 1, 2, false},
    };
    for (unsigned i = 0; i < HG_ARRAY_COUNT(rows); i++) {
        struct hg_op_call first = plain_call(rows[i].op, HG_F32, 60);
        struct hg_op_call second = first;
        op_set(&first, rows[i].attribute, rows[i].first);
        op_set(&second, rows[i].attribute, rows[i].second);
        assert_int_equal(share(&first, &second), rows[i].shared);
    }
}

/* Φ programs bake their classes; products bake small sizes and take large ones as parameters. */
static void classes_and_small_sizes_are_baked(void **state)
{
    (void)state;
    struct hg_op_call call = plain_call(HG_OP_ID_COPY, HG_F32, 60);
    call.operands[0].boundary_class = 3;
    call.operands[1].boundary_class = 4;
    struct hg_op_call other = call;
    other.operands[1].boundary_class = 5;
    assert_false(share(&call, &other));
    other = plain_call(HG_OP_ID_COPY, HG_F32, 100);
    other.operands[0].boundary_class = 3;
    other.operands[1].boundary_class = 4;
    assert_true(share(&call, &other));

    call = plain_call(HG_OP_ID_GEMM, HG_F32, 1);
    other = call;
    op_shape_product(&other, 12, 10, 9);
    assert_false(share(&call, &other));
    op_shape_product(&call, 70, 30, 20);
    op_shape_product(&other, 7, 200, 21);
    assert_true(share(&call, &other));
}

int main(void)
{
    static enum hg_op_id ids[HG_OP_ID_COUNT];
    struct CMUnitTest tests[HG_OP_ID_COUNT + 3] = {
        cmocka_unit_test(buffers_and_lengths_are_shared),
        cmocka_unit_test(scalars_are_shared_but_fill_is_not),
        cmocka_unit_test(classes_and_small_sizes_are_baked),
    };
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        tests[3 + id].name = hg_op_info((enum hg_op_id)id)->name;
        tests[3 + id].test_func = what_is_shared_computes_right;
        ids[id] = (enum hg_op_id)id;
        tests[3 + id].initial_state = &ids[id];
    }
    return _cmocka_run_group_tests("keys", tests, HG_OP_ID_COUNT + 3, NULL, NULL);
}
