/* SPDX-License-Identifier: Apache-2.0 */
/* Operations end to end: sharing of programs, placement, fusion, and requests that cannot be. */
#include <math.h>

#include "tests/unit/engine/fixture.h"

static void read_floats(struct hg_session *session, uint64_t id, float *values, size_t count)
{
    test_read(session, id, values, count * sizeof *values);
}

/* The first call builds, the second hits; both compute, and the task tells how. */
static void second_call_hits(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_task task = {0};
    float c[100];
    test_alloc(session, 1, HG_F32, 100);
    test_alloc(session, 2, HG_F32, 100);
    test_alloc(session, 3, HG_F32, 100);
    test_fill(session, 1, 100, 0, 1);
    test_fill(session, 2, 100, 0, 2);
    assert_int_equal(test_run_op(session, "vector_add", 1, 2, 3, &task), HG_OK);
    assert_true(task.outcome != HG_CACHE_HIT);
    assert_string_equal(task.cache, "vector_add");
    assert_true(task.build_ns > 0);
    assert_int_equal(test_run_op(session, "vector_add", 1, 2, 3, &task), HG_OK);
    assert_int_equal(task.outcome, HG_CACHE_HIT);
    assert_int_equal(task.build_ns, 0);
    read_floats(session, 3, c, 100);
    for (int i = 0; i < 100; i++) {
        assert_true(c[i] == 3.0f * (float)i);
    }
    struct hg_cache_region_stats stats;
    hg_engine_cache_stats(engine, HG_CACHE_VECTOR_ADD, &stats);
    assert_int_equal(stats.hits, 1);
    assert_int_equal(stats.builds, 1);
    assert_int_equal(hg_engine_cache_flush(engine), 1);
    assert_int_equal(test_run_op(session, "vector_add", 1, 2, 3, &task), HG_OK);
    assert_true(task.outcome != HG_CACHE_HIT);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Another client's buffers, with other ids and lengths, use the same program as long as type and
 * form are the same. */
static void sessions_share_programs(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *one = test_session(engine, 1000);
    struct hg_session *two = test_session(engine, 1001);
    struct hg_task task = {0};
    float c[3000];
    test_alloc(one, 1, HG_F32, 17);
    test_alloc(one, 2, HG_F32, 17);
    test_op(one, "neg", 1, 0, 2);
    test_alloc(two, 901, HG_F32, 3000);
    test_alloc(two, 902, HG_F32, 3000);
    test_fill(two, 901, 3000, 1, 1);
    assert_int_equal(test_run_op(two, "neg", 901, 0, 902, &task), HG_OK);
    assert_int_equal(task.outcome, HG_CACHE_HIT);
    read_floats(two, 902, c, 3000);
    assert_true(c[0] == -1 && c[2999] == -3000);
    /* One lane more than a block, or another type: another program. */
    test_alloc(two, 903, HG_F32, 3073);
    test_alloc(two, 904, HG_F32, 3073);
    assert_int_equal(test_run_op(two, "neg", 903, 0, 904, &task), HG_OK);
    assert_true(task.outcome != HG_CACHE_HIT);
    test_alloc(one, 3, HG_F64, 17);
    test_alloc(one, 4, HG_F64, 17);
    assert_int_equal(test_run_op(one, "neg", 3, 0, 4, &task), HG_OK);
    assert_true(task.outcome != HG_CACHE_HIT);
    hg_session_destroy(&one);
    hg_session_destroy(&two);
    hg_engine_destroy(&engine);
}

/* The prototype's softmax keys forgot max and sum, so that a second client got the first one's. */
static void softmax_of_two_clients(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    for (int fusion = 0; fusion < 2; fusion++) {
        options.fusion = fusion != 0;
        struct hg_engine *engine = test_engine_with(&options);
        struct hg_session *one = test_session(engine, 1000);
        struct hg_session *two = test_session(engine, 1001);
        const float expected[] = {0.09003057f, 0.24472848f, 0.66524094f};
        float c[3];
        test_alloc(one, 1, HG_F32, 3);
        test_alloc(one, 2, HG_F32, 3);
        test_fill(one, 1, 3, 1, 1);
        test_alloc(two, 1, HG_F32, 3);
        test_alloc(two, 2, HG_F32, 3);
        test_fill(two, 1, 3, 11, 1);
        test_op(one, "softmax", 1, 0, 2);
        test_op(two, "softmax", 1, 0, 2);
        read_floats(two, 2, c, 3);
        for (int i = 0; i < 3; i++) {
            assert_true(fabsf(c[i] - expected[i]) < 1e-6f);
        }
        hg_session_destroy(&one);
        hg_session_destroy(&two);
        hg_engine_destroy(&engine);
    }
}

/* Programs over classes of the boundary pool bake which classes: others need their own. */
static void phi_form_bakes_classes(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_task task = {0};
    float c[8];
    for (uint64_t id = 1; id <= 3; id++) {
        test_alloc_class(session, id, HG_F32, 8);
        test_fill(session, id, 8, (float)id, 1);
    }
    assert_int_equal(test_run_op(session, "neg", 1, 0, 3, &task), HG_OK);
    assert_true(task.outcome != HG_CACHE_HIT);
    assert_int_equal(test_run_op(session, "neg", 1, 0, 3, &task), HG_OK);
    assert_int_equal(task.outcome, HG_CACHE_HIT);
    read_floats(session, 3, c, 8);
    assert_true(c[0] == -1 && c[7] == -8);
    assert_int_equal(test_run_op(session, "neg", 2, 0, 3, &task), HG_OK);
    assert_true(task.outcome != HG_CACHE_HIT);
    read_floats(session, 3, c, 8);
    assert_true(c[0] == -2 && c[7] == -9);
    /* With one operand on the heap the slots' program serves, for any class. */
    test_alloc(session, 4, HG_F32, 8);
    assert_int_equal(test_run_op(session, "neg", 1, 0, 4, &task), HG_OK);
    assert_true(task.outcome != HG_CACHE_HIT);
    assert_int_equal(test_run_op(session, "neg", 2, 0, 4, &task), HG_OK);
    assert_int_equal(task.outcome, HG_CACHE_HIT);
    read_floats(session, 4, c, 8);
    assert_true(c[0] == -2 && c[7] == -9);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Runs some operations over N elements and gives their results one after the other. */
static void compute(const struct hg_engine_options *options, bool allow_inline, uint64_t n,
                    float *results)
{
    static const char *const ops[] = {"vector_mul", "gelu", "softmax", "sum", "sigmoid"};
    struct hg_engine *engine = test_engine_with(options);
    struct hg_session *session = test_session(engine, 1000);
    test_alloc(session, 1, HG_F32, n);
    test_alloc(session, 2, HG_F32, n);
    test_alloc(session, 3, HG_F32, n);
    test_fill(session, 1, n, -3, 0.001f);
    test_fill(session, 2, n, 5, -0.0007f);
    for (size_t i = 0; i < HG_ARRAY_COUNT(ops); i++) {
        struct test_request storage;
        struct hg_task task = {.allow_inline = allow_inline};
        const struct hg_execute_request *request =
            test_request(&storage, ops[i], 1, i == 0 ? 2 : 0, 3);
        if (hg_session_execute_wait(session, request, &task) != HG_OK) {
            fail_msg("%s", task.error.message);
        }
        assert_true(allow_inline ? task.queue_ns == 0 : task.run_ns > 0);
        test_read(session, 3, results + i * n, n * sizeof *results);
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* In place, on one worker, on several, fused or step by step, and under both key policies: the same
 * bits. (Gelu's steps may differ in their last bits by specification, so it is left out there.) */
static void placement_does_not_change_bits(void **state)
{
    (void)state;
    enum { N = 20011 };
    static float inline_results[5 * N];
    static float results[5 * N];
    struct hg_engine_options options = test_engine_options();
    options.inline_max_ns = 100000000;
    compute(&options, true, N, inline_results);
    options.inline_max_ns = 0;
    for (uint32_t workers = 1; workers <= 3; workers += 2) {
        options.workers = workers;
        memset(results, 0xff, sizeof results);
        compute(&options, false, N, results);
        assert_memory_equal(results, inline_results, sizeof results);
    }
    options.specialize_full = true;
    compute(&options, false, N, results);
    assert_memory_equal(results, inline_results, sizeof results);
    options.fusion = false;
    compute(&options, false, N, results);
    assert_memory_equal(results, inline_results, N * sizeof(float));
    assert_memory_equal(results + 2 * N, inline_results + 2 * N, 3 * N * sizeof(float));
}

/* With inline_max_ns 0, and where it is not allowed, nothing runs on the caller's thread. */
static void small_work_runs_in_place_only_if_allowed(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct test_request storage;
    struct hg_engine_stats stats;
    test_alloc(session, 1, HG_F32, 16);
    test_alloc(session, 2, HG_F32, 16);
    struct hg_task task = {.allow_inline = true};
    assert_int_equal(hg_session_execute(session, test_request(&storage, "neg", 1, 0, 2), &task),
                     HG_TASK_DONE);
    assert_int_equal(task.error.status, HG_OK);
    hg_engine_stats(engine, &stats);
    assert_int_equal(stats.worker_progress, 0);
    task.allow_inline = false;
    assert_int_equal(hg_session_execute_wait(session, &storage.request, &task), HG_OK);
    hg_engine_stats(engine, &stats);
    assert_int_not_equal(stats.worker_progress, 0);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* What is asked for and cannot be is refused with the text that says why. */
static void wrong_requests_are_named(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    for (uint64_t id = 1; id <= 3; id++) {
        test_alloc(session, id, HG_F32, 10);
    }
    test_alloc(session, 4, HG_F64, 10);
    test_alloc(session, 5, HG_F32, 5);
    test_alloc(session, 6, HG_I32, 4);
    test_alloc(session, 7, HG_I32, 4);
    test_op_fails(session, "vector_frob", 1, 2, 3, HG_INVALID_ARGUMENT, "'vector_frob'");
    test_op_fails(session, "vector_add", 1, 0, 3, HG_INVALID_ARGUMENT, "2 inputs");
    test_op_fails(session, "vector_add", 1, 99, 3, HG_NOT_FOUND,
                  "vector_add: b: no buffer has id 99");
    test_op_fails(session, "vector_add", 1, 4, 3, HG_INVALID_ARGUMENT, "f64");
    test_op_fails(session, "copy", 1, 0, 5, HG_INVALID_ARGUMENT, "copy");
    const int32_t divisors[] = {1, 1, 0, 0};
    test_write(session, 7, divisors, sizeof divisors);
    test_op_fails(session, "vector_div", 6, 7, 6, HG_INVALID_ARGUMENT, "vector_div: ");
    struct hg_task task = {0};
    (void)test_run_op(session, "vector_div", 6, 7, 6, &task);
    assert_string_equal(task.error.detail, HG_DETAIL_DIVISION_BY_ZERO);
    assert_non_null(strstr(task.error.message, "2"));

    struct test_request storage;
    struct hg_named_attribute attributes[] = {{"n", 1, 4}, {"n", 1, 4}};
    (void)test_request(&storage, "neg", 1, 0, 2);
    storage.request.attributes = attributes;
    storage.request.attribute_count = 2;
    assert_int_equal(hg_session_execute_wait(session, &storage.request, &task),
                     HG_INVALID_ARGUMENT);
    assert_string_equal(task.error.message, "neg: attribute 'n' is given twice");
    attributes[0] = (struct hg_named_attribute){"nn", 2, 4};
    assert_int_equal(hg_session_execute_wait(session, &storage.request, &task),
                     HG_INVALID_ARGUMENT);
    assert_string_equal(task.error.message, "neg has no attribute 'nn'");
    attributes[0] = (struct hg_named_attribute){"n", 1, 11};
    storage.request.attribute_count = 1;
    assert_int_equal(hg_session_execute_wait(session, &storage.request, &task), HG_OUT_OF_RANGE);

    /* lo > hi, as bit patterns of F32. */
    struct hg_named_attribute bounds[] = {{"lo", 2, 0x3f800000}, {"hi", 2, 0}};
    (void)test_request(&storage, "clip", 1, 0, 2);
    storage.request.attributes = bounds;
    storage.request.attribute_count = 2;
    assert_int_equal(hg_session_execute_wait(session, &storage.request, &task),
                     HG_INVALID_ARGUMENT);
    assert_non_null(strstr(task.error.message, "lo"));
    /* After all this the buffers are free and the engine works. */
    test_op(session, "vector_add", 1, 2, 3);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Temporaries of an unfused operation and rows of scratch are charged to the session. */
static void temporaries_are_charged(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.fusion = false;
    struct hg_engine *engine = test_engine_with(&options);
    struct hg_session_options quota = test_session_options(1000);
    quota.bytes_max = 3 * 4096 - 1;
    struct hg_session *session = test_session_with(engine, &quota);
    test_alloc(session, 1, HG_F32, 1024);
    test_alloc(session, 2, HG_F32, 1024);
    test_op_fails(session, "gelu", 1, 0, 2, HG_RESOURCE_EXHAUSTED, "session's bound");
    hg_session_destroy(&session);
    quota.bytes_max = 4 * 4096;
    session = test_session_with(engine, &quota);
    test_alloc(session, 1, HG_F32, 1024);
    test_alloc(session, 2, HG_F32, 1024);
    for (int i = 0; i < 10; i++) {
        test_op(session, "gelu", 1, 0, 2);
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Nothing to do is done at once. */
static void no_elements_is_success(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    test_alloc(session, 1, HG_F32, 0);
    test_alloc(session, 2, HG_F32, 0);
    test_op(session, "neg", 1, 0, 2);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* In place, stages are measured for those who ask; a build always is. */
static void times_are_told_on_request(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    test_alloc(session, 1, HG_F32, 1000);
    for (int wants = 0; wants < 2; wants++) {
        struct hg_task task = {.wants_times = wants != 0};
        hg_engine_cache_flush(engine);
        assert_int_equal(test_run_op(session, "exp_of_nothing", 1, 0, 1, &task),
                         HG_INVALID_ARGUMENT);
        assert_int_equal(test_run_op(session, "sigmoid", 1, 0, 1, &task), HG_OK);
        assert_true(task.build_ns > 0);
        assert_int_equal(task.run_ns > 0, wants);
        assert_int_equal(test_run_op(session, "sigmoid", 1, 0, 1, &task), HG_OK);
        assert_int_equal(task.build_ns, 0);
        assert_int_equal(task.lookup_ns > 0, wants);
        assert_int_equal(task.run_ns > 0, wants);
        assert_int_equal(task.queue_ns, 0);
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_call_hits),
        cmocka_unit_test(sessions_share_programs),
        cmocka_unit_test(softmax_of_two_clients),
        cmocka_unit_test(phi_form_bakes_classes),
        cmocka_unit_test(placement_does_not_change_bits),
        cmocka_unit_test(small_work_runs_in_place_only_if_allowed),
        cmocka_unit_test(wrong_requests_are_named),
        cmocka_unit_test(temporaries_are_charged),
        cmocka_unit_test(no_elements_is_success),
        cmocka_unit_test(times_are_told_on_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
