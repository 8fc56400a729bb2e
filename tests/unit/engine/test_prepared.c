/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared operations do what the same operations do by name, whatever changes between calls. */
#include "tests/unit/engine/fixture.h"

/* ---- helpers --------------------------------------------------------------------------------- */

/* Up to three operands of one type and one dimension; LENGTH 0: of any shape. */
static enum hg_status prepare(struct hg_session *session, const char *op, enum hg_dtype type,
                              unsigned operand_count, uint64_t length,
                              const struct hg_named_attribute *attribute, uint64_t *handle,
                              struct hg_error *error)
{
    struct hg_operand_pattern operands[3];
    for (unsigned i = 0; i < operand_count; i++) {
        operands[i] = (struct hg_operand_pattern){
            .dtype = type, .has_shape = length != 0, .rank = 1, .shape = {length}};
    }
    const struct hg_prepare_request request = {
        .op = op,
        .op_length = strlen(op),
        .operands = operands,
        .operand_count = operand_count,
        .attributes = attribute,
        .attribute_count = attribute == NULL ? 0 : 1,
    };
    return hg_session_prepare(session, &request, handle, error);
}

static uint64_t test_prepare(struct hg_session *session, const char *op, unsigned operand_count,
                             uint64_t length)
{
    uint64_t handle = 0;
    test_ok(prepare(session, op, HG_F32, operand_count, length, NULL, &handle, &error));
    assert_true(handle != 0);
    return handle;
}

/* c = op(a, b), or op(a) where B is 0. */
static enum hg_status execute(struct hg_session *session, uint64_t handle, uint64_t a, uint64_t b,
                              uint64_t c, struct hg_task *task)
{
    const uint64_t inputs[] = {a, b};
    const struct hg_execute_prepared_request request = {
        .handle = handle,
        .inputs = inputs,
        .input_count = b == 0 ? 1 : 2,
        .outputs = &c,
        .output_count = 1,
    };
    task->allow_inline = true;
    return hg_session_execute_prepared_wait(session, &request, task);
}

static void test_execute(struct hg_session *session, uint64_t handle, uint64_t a, uint64_t b,
                         uint64_t c, bool is_hit)
{
    struct hg_task task = {0};
    if (execute(session, handle, a, b, c, &task) != HG_OK) {
        fail_msg("%s: %s", hg_status_name(task.error.status), task.error.message);
    }
    assert_int_equal(task.outcome == HG_CACHE_HIT, is_hit);
}

static void test_execute_fails(struct hg_session *session, uint64_t handle, uint64_t a, uint64_t b,
                               uint64_t c, enum hg_status status, const char *part)
{
    struct hg_task task = {0};
    assert_string_equal(hg_status_name(execute(session, handle, a, b, c, &task)),
                        hg_status_name(status));
    if (strstr(task.error.message, part) == NULL) {
        fail_msg("expected '%s' in: %s", part, task.error.message);
    }
}

/* Element I of buffer ID is EXPECTED. */
static void test_element(struct hg_session *session, uint64_t id, uint64_t i, float expected)
{
    float value;
    test_ok(hg_session_read(session, id, i * sizeof value, &value, sizeof value, &error));
    if (value != expected) {
        fail_msg("element %u is %g, expected %g", (unsigned)i, (double)value, (double)expected);
    }
}

static void alloc_filled(struct hg_session *session, uint64_t id, uint64_t elements, float start)
{
    test_alloc(session, id, HG_F32, elements);
    test_fill(session, id, elements, start, 1);
}

enum { MISS, HIT };

struct fixture {
    struct hg_engine *engine;
    struct hg_session *session;
};

/* Buffers 1 to 6 of 100 elements, 7 to 9 of 50, each starting with ten times its id. */
static struct fixture start_with(const struct hg_engine_options *options)
{
    struct fixture fixture;
    fixture.engine = test_engine_with(options);
    fixture.session = test_session(fixture.engine, 1000);
    for (uint64_t id = 1; id <= 9; id++) {
        alloc_filled(fixture.session, id, id <= 6 ? 100 : 50, (float)(10 * id));
    }
    return fixture;
}

static struct fixture start(void)
{
    const struct hg_engine_options options = test_engine_options();
    return start_with(&options);
}

static void stop(struct fixture *fixture)
{
    hg_session_destroy(&fixture->session);
    hg_engine_destroy(&fixture->engine);
}

/* ---- what it computes ------------------------------------------------------------------------ */

/* The same buffers, others that look the same, others that do not: each result is right. */
static void computes_with_any_buffers(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t add = test_prepare(f.session, "vector_add", 3, 0);
    test_execute(f.session, add, 1, 2, 3, MISS);
    test_element(f.session, 3, 7, 10 + 20 + 14);
    test_execute(f.session, add, 1, 2, 3, HIT);
    test_execute(f.session, add, 4, 5, 6, HIT);
    test_element(f.session, 6, 99, 40 + 50 + 2 * 99);
    test_execute(f.session, add, 7, 8, 9, HIT);
    test_element(f.session, 9, 49, 70 + 80 + 2 * 49);
    test_execute(f.session, add, 4, 7, 6, MISS); /* 50 elements for every 100: by rows */
    test_element(f.session, 6, 60, 40 + 60 + 70 + 10);
    test_execute(f.session, add, 1, 2, 3, HIT);
    test_element(f.session, 3, 7, 10 + 20 + 14);
    stop(&f);
}

/* Output = input is right after other buffers, and other buffers are right after it. */
static void computes_in_place(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t add = test_prepare(f.session, "vector_add", 3, 0);
    test_execute(f.session, add, 1, 2, 3, MISS);
    test_execute(f.session, add, 1, 2, 1, HIT);
    test_element(f.session, 1, 5, 10 + 5 + 20 + 5);
    test_execute(f.session, add, 2, 2, 2, HIT);
    test_element(f.session, 2, 5, 2 * (20 + 5));
    test_execute(f.session, add, 4, 5, 6, HIT);
    test_element(f.session, 6, 5, 40 + 50 + 10);
    stop(&f);
}

/* Attributes are those of the preparation, and two preparations have each their own, also when
 * their calls come again and again with the same buffers; one that was forgotten is not found. */
static void keeps_attributes(void **state)
{
    (void)state;
    struct fixture f = start();
    const float values[2] = {3, -1};
    uint64_t handles[2];
    for (int i = 0; i < 2; i++) {
        struct hg_named_attribute s = {.name = "s", .name_length = 1};
        memcpy(&s.bits, &values[i], sizeof values[i]);
        test_ok(prepare(f.session, "scalar_mul", HG_F32, 2, 100, &s, &handles[i], &error));
    }
    for (int round = 0; round < 12; round++) {
        test_execute(f.session, handles[round / 4 % 2], 1, 0, 2, HIT);
        test_element(f.session, 2, 1, round / 4 % 2 == 0 ? 33 : -11);
    }
    struct hg_task task = {0};
    test_ok(hg_session_unprepare(f.session, handles[0], &error));
    assert_int_equal(execute(f.session, handles[0], 1, 0, 2, &task), HG_NOT_FOUND);
    test_execute(f.session, handles[1], 1, 0, 2, HIT);
    test_element(f.session, 2, 1, -11);
    stop(&f);
}

/* With shapes the programs are there before the first execution; shapes do not bind. */
static void shapes_warm_the_cache(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t add = test_prepare(f.session, "vector_add", 3, 100);
    test_execute(f.session, add, 1, 2, 3, HIT);
    test_execute(f.session, add, 7, 8, 9, HIT);
    test_element(f.session, 9, 0, 150);
    stop(&f);
}

/* What the cache has dropped is built again, and nobody notices but the outcome. */
static void evicted_programs_come_back(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t add = test_prepare(f.session, "vector_add", 3, 100);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(hg_engine_cache_flush(f.engine), 1);
        test_execute(f.session, add, 1, 2, 3, MISS);
        test_execute(f.session, add, 1, 2, 3, HIT);
        test_element(f.session, 3, 1, 32);
    }
    stop(&f);
}

/* Composites in steps, with temporaries, and baked handles: every buffer gets its own. */
static void computes_under_every_policy(void **state)
{
    (void)state;
    for (int policy = 0; policy < 4; policy++) {
        struct hg_engine_options options = test_engine_options();
        options.fusion = (policy & 1) != 0;
        options.specialize_full = (policy & 2) != 0;
        struct fixture f = start_with(&options);
        uint64_t gelu = test_prepare(f.session, "gelu", 2, 100);
        uint64_t add = test_prepare(f.session, "vector_add", 3, 100);
        for (uint64_t id = 4; id <= 6; id++) {
            struct hg_task task = {0};
            if (execute(f.session, gelu, id, 0, 1, &task) != HG_OK) {
                fail_msg("%s", task.error.message);
            }
            test_element(f.session, 1, 1, 10 * (float)id + 1); /* gelu(x) = x here */
            if (execute(f.session, add, id, 2, 3, &task) != HG_OK) {
                fail_msg("%s", task.error.message);
            }
            test_element(f.session, 3, 1, 10 * (float)id + 22);
        }
        stop(&f);
    }
}

/* Programs for classes of the boundary pool bake them: another class, another program. */
static void computes_in_other_classes(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t add = test_prepare(f.session, "vector_add", 3, 100);
    for (uint64_t id = 21; id <= 26; id++) {
        test_alloc_class(f.session, id, HG_F32, 100);
        test_fill(f.session, id, 100, (float)id, 1);
    }
    test_execute(f.session, add, 21, 22, 23, MISS);
    test_execute(f.session, add, 24, 25, 26, MISS);
    test_element(f.session, 23, 3, 21 + 22 + 6);
    test_element(f.session, 26, 3, 24 + 25 + 6);
    test_execute(f.session, add, 1, 2, 3, HIT);
    test_element(f.session, 3, 3, 36);
    stop(&f);
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* A handle is known while it is prepared and never again. */
static void handles_are_not_given_twice(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t first = test_prepare(f.session, "vector_add", 3, 0);
    test_ok(hg_session_unprepare(f.session, first, &error));
    uint64_t second = test_prepare(f.session, "vector_sub", 3, 0);
    assert_true(first != second);
    test_execute_fails(f.session, first, 1, 2, 3, HG_NOT_FOUND, "handle");
    test_fails(hg_session_unprepare(f.session, first, &error), HG_NOT_FOUND, "handle");
    test_execute(f.session, second, 2, 1, 3, MISS);
    test_element(f.session, 3, 0, 10);
    test_execute_fails(f.session, 0, 1, 2, 3, HG_NOT_FOUND, "handle");
    test_execute_fails(f.session, UINT64_MAX, 1, 2, 3, HG_NOT_FOUND, "handle");
    test_execute_fails(f.session, second + 1, 1, 2, 3, HG_NOT_FOUND, "handle");
    stop(&f);
}

/* More handles than slots to begin with, freed and taken again in any order; then the bound. */
static void many_handles(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(1000);
    options.prepared_max = 40;
    struct hg_session *session = test_session_with(engine, &options);
    uint64_t handles[40];
    for (int i = 0; i < 40; i++) {
        handles[i] = test_prepare(session, "vector_add", 3, 0);
    }
    uint64_t handle;
    test_fails(prepare(session, "vector_add", HG_F32, 3, 0, NULL, &handle, &error),
               HG_RESOURCE_EXHAUSTED, "40 prepared");
    for (int i = 39; i >= 0; i -= 3) {
        test_ok(hg_session_unprepare(session, handles[i], &error));
        handles[i] = 0;
    }
    for (int i = 0; i < 40; i++) {
        if (handles[i] == 0) {
            handles[i] = test_prepare(session, "vector_add", 3, 0);
        }
        for (int j = 0; j < i; j++) {
            assert_true(handles[i] != handles[j]);
        }
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* What can be told before execution is told when preparing. */
static void preparing_refuses(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t handle;
    const struct hg_named_attribute unknown = {.name = "speed", .name_length = 5};
    test_fails(prepare(f.session, "vector_nothing", HG_F32, 3, 0, NULL, &handle, &error),
               HG_INVALID_ARGUMENT, "no operation 'vector_nothing'");
    test_fails(prepare(f.session, "vector_add", HG_F32, 2, 0, NULL, &handle, &error),
               HG_INVALID_ARGUMENT, "takes 3 operands");
    test_fails(prepare(f.session, "sigmoid", HG_I32, 2, 0, NULL, &handle, &error),
               HG_INVALID_ARGUMENT, "expected f16 or bf16 or f32 or f64, got i32");
    test_fails(prepare(f.session, "vector_add", (enum hg_dtype)99, 3, 0, NULL, &handle, &error),
               HG_INVALID_ARGUMENT, "unknown type 99");
    test_fails(prepare(f.session, "vector_add", HG_F32, 3, 0, &unknown, &handle, &error),
               HG_INVALID_ARGUMENT, "no attribute 'speed'");
    test_fails(prepare(f.session, "scalar_add", HG_F32, 2, 0, NULL, &handle, &error),
               HG_INVALID_ARGUMENT, "s: expected a value");
    test_fails(prepare(f.session, "vector_add", HG_F32, 3, UINT64_MAX / 2, NULL, &handle, &error),
               HG_INVALID_ARGUMENT, "overflows");
    /* A sum of 100 gives 1 element, which 100 can hold; of a mismatch only shapes tell. */
    struct hg_operand_pattern operands[3] = {
        {.dtype = HG_F32, .has_shape = true, .rank = 1, .shape = {100}},
        {.dtype = HG_F32, .has_shape = true, .rank = 1, .shape = {99}},
        {.dtype = HG_F32, .has_shape = true, .rank = 1, .shape = {100}},
    };
    const struct hg_prepare_request request = {
        .op = "vector_add", .op_length = 10, .operands = operands, .operand_count = 3};
    test_fails(hg_session_prepare(f.session, &request, &handle, &error), HG_INVALID_ARGUMENT,
               "input b");
    operands[1].rank = HG_RANK_MAX + 1;
    test_fails(hg_session_prepare(f.session, &request, &handle, &error), HG_INVALID_ARGUMENT,
               "rank 9");
    stop(&f);
}

/* Executions are checked as those by name are, also right after one that was remembered. */
static void executing_refuses(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t sum = test_prepare(f.session, "sum", 2, 0);
    test_alloc(f.session, 30, HG_F64, 100);
    test_execute(f.session, sum, 1, 0, 2, MISS);
    test_execute_fails(f.session, sum, 3, 0, 3, HG_INVALID_ARGUMENT, "memory of its own");
    test_execute_fails(f.session, sum, 30, 0, 2, HG_INVALID_ARGUMENT, "prepared for f32, got f64");
    test_execute_fails(f.session, sum, 77, 0, 2, HG_NOT_FOUND, "77");
    test_execute_fails(f.session, sum, 1, 2, 3, HG_INVALID_ARGUMENT, "takes 1 inputs");
    test_execute(f.session, sum, 1, 0, 2, HIT);
    test_element(f.session, 2, 0, 100 * 10 + 99 * 50);
    stop(&f);
}

/* A buffer that went and another under its id are two: nothing of the first is used. */
static void buffers_may_go(void **state)
{
    (void)state;
    struct fixture f = start();
    uint64_t add = test_prepare(f.session, "vector_add", 3, 0);
    test_execute(f.session, add, 1, 2, 3, MISS);
    test_ok(hg_session_free(f.session, 2, &error));
    alloc_filled(f.session, 2, 1, 1000);
    test_execute(f.session, add, 1, 2, 3, MISS);
    test_element(f.session, 3, 50, 1060);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes_with_any_buffers),
        cmocka_unit_test(computes_in_place),
        cmocka_unit_test(keeps_attributes),
        cmocka_unit_test(shapes_warm_the_cache),
        cmocka_unit_test(evicted_programs_come_back),
        cmocka_unit_test(computes_under_every_policy),
        cmocka_unit_test(computes_in_other_classes),
        cmocka_unit_test(handles_are_not_given_twice),
        cmocka_unit_test(many_handles),
        cmocka_unit_test(preparing_refuses),
        cmocka_unit_test(executing_refuses),
        cmocka_unit_test(buffers_may_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
