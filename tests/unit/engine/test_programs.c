/* SPDX-License-Identifier: Apache-2.0 */
/* Users' programs: loading, sharing by content, running, and what they may touch. */
#include <stdio.h>

#include "lib/engine/sha256.h"
#include "tests/unit/engine/async.h"

/* b1[i] = b0[i] * k3, for any number of lanes. */
#define SCALE                                                                                      \
    ".slots 2\n"                                                                                   \
    "param.f32 r3, 3\n"                                                                            \
    "loop.blocks @end\n"                                                                           \
    "ldg.f32 r1, [b0 + lane]\n"                                                                    \
    "mul.f32 r2, r1, r3\n"                                                                         \
    "stg.f32 [b1 + lane], r2\n"                                                                    \
    "end: exit\n"

static enum hg_status run(struct hg_session *session, const struct hg_run_request *request,
                          struct hg_task *task)
{
    task->allow_inline = true;
    return hg_session_run_wait(session, request, task);
}

static void run_fails(struct hg_session *session, const struct hg_run_request *request,
                      enum hg_status status, const char *part)
{
    struct hg_task task = {0};
    assert_string_equal(hg_status_name(run(session, request, &task)), hg_status_name(status));
    if (strstr(task.error.message, part) == NULL) {
        fail_msg("expected '%s' in: %s", part, task.error.message);
    }
}

/* A program runs on the session's buffers with the parameters of the request. */
static void program_runs_with_parameters(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    const uint64_t buffers[] = {1, 2};
    const float factor = 2.5f;
    uint64_t params[1] = {0};
    memcpy(params, &factor, sizeof factor);
    float c[40];
    test_alloc(session, 1, HG_F32, 40);
    test_alloc(session, 2, HG_F32, 40);
    test_fill(session, 1, 40, 1, 1);
    test_load(session, 5, SCALE);
    const struct hg_run_request request = {
        .program = 5,
        .buffers = buffers,
        .buffer_count = 2,
        .rows = 4,
        .cols = 10,
        .params = params,
        .param_count = 1,
    };
    struct hg_task task = {0};
    assert_int_equal(run(session, &request, &task), HG_OK);
    assert_string_equal(task.cache, "user");
    test_read(session, 2, c, sizeof c);
    for (int i = 0; i < 40; i++) {
        assert_true(c[i] == 2.5f * (float)(i + 1));
    }
    test_ok(hg_session_unload(session, 5, &error));
    run_fails(session, &request, HG_NOT_FOUND, "no program has id 5");
    test_fails(hg_session_unload(session, 5, &error), HG_NOT_FOUND, "id 5");
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* The same binary from two sessions is one program; it goes when both have let go of it and the
 * cache is flushed. */
static void content_is_shared(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *one = test_session(engine, 1000);
    struct hg_session *two = test_session(engine, 1001);
    struct hg_cache_region_stats stats;
    struct hg_code_facts facts;
    size_t size = 0;
    uint8_t *bytes = test_assemble(SCALE, &size);
    test_ok(hg_session_load(one, 1, bytes, size, &facts, &error));
    assert_int_equal(facts.slot_count, 2);
    test_ok(hg_session_load(two, 77, bytes, size, &facts, &error));
    hg_engine_cache_stats(engine, HG_CACHE_USER, &stats);
    assert_int_equal(stats.builds, 1);
    assert_int_equal(stats.hits, 1);
    test_fails(hg_session_load(one, 1, bytes, size, NULL, &error), HG_ALREADY_EXISTS, "id 1");
    test_fails(hg_session_load(one, 0, bytes, size, NULL, &error), HG_INVALID_ARGUMENT, "start at");
    hg_free(HG_TAG_PROGRAM, bytes);
    assert_int_equal(hg_engine_cache_flush(engine), 1);
    hg_session_destroy(&one);
    /* The other session's program is whole. */
    test_alloc(two, 1, HG_F32, 4);
    test_alloc(two, 2, HG_F32, 4);
    const uint64_t buffers[] = {1, 2};
    const struct hg_run_request request = {
        .program = 77, .buffers = buffers, .buffer_count = 2, .cols = 4};
    struct hg_task task = {0};
    assert_int_equal(run(two, &request, &task), HG_OK);
    hg_session_destroy(&two);
    hg_engine_destroy(&engine);
}

/* Bytes that are no program, or one that does not verify, are refused and not kept. */
static void only_verified_programs_load(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_cache_region_stats stats;
    static uint8_t garbage[HG_PROGRAM_WORDS_MAX * 8 + 4097];
    size_t size = 0;
    test_fails(hg_session_load(session, 1, garbage, 100, NULL, &error), HG_INVALID_ARGUMENT, "");
    test_fails(hg_session_load(session, 1, garbage, 0, NULL, &error), HG_INVALID_ARGUMENT, "");
    test_fails(hg_session_load(session, 1, garbage, sizeof garbage, NULL, &error),
               HG_INVALID_ARGUMENT, "at most");
    uint8_t *bytes = test_assemble("add.f32 r1, r2, r3\nexit\n", &size);
    test_fails(hg_session_load(session, 1, bytes, size, NULL, &error), HG_INVALID_ARGUMENT,
               "instruction 0");
    hg_free(HG_TAG_PROGRAM, bytes);
    hg_engine_cache_stats(engine, HG_CACHE_USER, &stats);
    assert_int_equal(stats.entries, 0);
    assert_true(stats.build_failures >= 2);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Requests that do not fit the program. */
static void wrong_runs_are_named(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(1000);
    options.fuel_max = 1000;
    options.programs_max = 2;
    struct hg_session *session = test_session_with(engine, &options);
    const uint64_t buffers[] = {1, 2};
    const uint64_t missing[] = {1, 3};
    const uint64_t params[14] = {0};
    test_alloc(session, 1, HG_F32, 10);
    test_alloc(session, 2, HG_F32, 10);
    test_load(session, 1, SCALE);
    struct hg_run_request request = {
        .program = 1, .buffers = buffers, .buffer_count = 1, .cols = 10, .params = params};
    run_fails(session, &request, HG_INVALID_ARGUMENT, "program 1: it declares 2 slots, got 1");
    request.buffer_count = 2;
    request.buffers = missing;
    run_fails(session, &request, HG_NOT_FOUND, "slot b1: no buffer has id 3");
    request.buffers = buffers;
    request.param_count = 14;
    run_fails(session, &request, HG_INVALID_ARGUMENT, "at most 13");
    request.param_count = 0;
    request.fuel = 1001;
    run_fails(session, &request, HG_INVALID_ARGUMENT, "bounded to 1000");
    request.fuel = 0;
    request.rows = UINT64_C(1) << 40;
    request.cols = UINT64_C(1) << 40;
    run_fails(session, &request, HG_INVALID_ARGUMENT, "overflow");
    request.rows = 0;
    request.cols = 11;
    run_fails(session, &request, HG_OUT_OF_RANGE, "");

    /* A branch to itself burns what fuel there is. */
    test_load(session, 2, "here: bra @here\nexit\n");
    const struct hg_run_request endless = {.program = 2, .cols = 1};
    struct hg_task task = {0};
    assert_int_equal(run(session, &endless, &task), HG_RESOURCE_EXHAUSTED);
    assert_string_equal(task.error.detail, HG_DETAIL_FUEL_EXHAUSTED);
    size_t size = 0;
    uint8_t *bytes = test_assemble("exit\n", &size);
    test_fails(hg_session_load(session, 3, bytes, size, NULL, &error), HG_RESOURCE_EXHAUSTED,
               "2 programs");
    hg_free(HG_TAG_PROGRAM, bytes);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* A program that names a handle uses the running session's buffer of that id, or none. */
static void handles_are_the_sessions_own(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *one = test_session(engine, 1000);
    struct hg_session *two = test_session(engine, 1001);
    const char *text = ".slots 1\nldg.f32 r1, [buf42 + lane]\nstg.f32 [b0 + lane], r1\nexit\n";
    const uint64_t buffers[] = {1};
    const struct hg_run_request request = {
        .program = 1, .buffers = buffers, .buffer_count = 1, .cols = 4};
    float c[4];
    test_load(one, 1, text);
    test_load(two, 1, text);
    test_alloc(one, 1, HG_F32, 4);
    test_alloc(one, 42, HG_F32, 4);
    test_fill(one, 42, 4, 8, 1);
    test_alloc(two, 1, HG_F32, 4);
    struct hg_task task = {0};
    assert_int_equal(run(one, &request, &task), HG_OK);
    test_read(one, 1, c, sizeof c);
    assert_true(c[0] == 8 && c[3] == 11);
    run_fails(two, &request, HG_PERMISSION_DENIED, "buffer 42");
    test_alloc(two, 42, HG_F32, 4);
    assert_int_equal(run(two, &request, &task), HG_OK);
    test_read(two, 1, c, sizeof c);
    assert_true(c[0] == 0 && c[3] == 0);
    hg_session_destroy(&one);
    hg_session_destroy(&two);
    hg_engine_destroy(&engine);
}

/* A program that names a class runs only in the session whose buffer has it, and as long as it
 * has it; meanwhile the class counts as in use. */
static void classes_are_the_sessions_own(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *one = test_session(engine, 1000);
    struct hg_session *two = test_session(engine, 1001);
    struct hg_buffer_spec spec = test_spec(HG_F32, 4);
    struct hg_buffer_info info;
    char text[128];
    spec.pool = HG_POOL_BOUNDARY;
    test_ok(hg_session_alloc(one, 1, &spec, &info, &error));
    (void)snprintf(text, sizeof text, "mov_imm.f32 r1, 3\nstg.f32 [Φ(%d, 0, 4)], r1\nexit\n",
                   info.boundary_class);
    test_load(one, 1, text);
    test_load(two, 1, text);
    const struct hg_run_request request = {.program = 1, .cols = 1};
    struct hg_task task = {0};
    float c[4];
    assert_int_equal(run(one, &request, &task), HG_OK);
    test_read(one, 1, c, sizeof c);
    assert_true(c[0] == 0 && c[1] == 3);
    run_fails(two, &request, HG_PERMISSION_DENIED, "class");
    struct hg_view view;
    test_ok(hg_session_view(one, 1, 0, 0, false, &view, NULL, &error));
    run_fails(one, &request, HG_FAILED_PRECONDITION, "buffer");
    hg_view_release(&view);
    test_ok(hg_session_free(one, 1, &error));
    run_fails(one, &request, HG_PERMISSION_DENIED, "class");
    hg_session_destroy(&one);
    hg_session_destroy(&two);
    hg_engine_destroy(&engine);
}

/* Loaded programs may not crowd operations out of the cache. */
static void programs_take_half_the_cache_at_most(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.cache_entries_max = 64;
    struct hg_engine *engine = test_engine_with(&options);
    struct hg_session_options session_options = test_session_options(1000);
    session_options.programs_max = 100;
    struct hg_session *session = test_session_with(engine, &session_options);
    uint64_t loaded = 0;
    for (uint64_t id = 1; id <= 64; id++) {
        char text[64];
        size_t size = 0;
        struct hg_error error = HG_ERROR_INIT;
        (void)snprintf(text, sizeof text, "mov_imm.u32 r1, %u\nexit\n", (unsigned)id);
        uint8_t *bytes = test_assemble(text, &size);
        if (hg_session_load(session, id, bytes, size, NULL, &error) == HG_OK) {
            loaded++;
        } else {
            assert_int_equal(error.status, HG_RESOURCE_EXHAUSTED);
        }
        hg_free(HG_TAG_PROGRAM, bytes);
    }
    assert_int_equal(loaded, 32);
    test_alloc(session, 1, HG_F32, 4);
    test_alloc(session, 2, HG_F32, 4);
    test_op(session, "neg", 1, 0, 2);
    test_ok(hg_session_unload(session, 1, &error));
    test_load(session, 1, "exit\n");
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

static void check_digest(const void *data, size_t size, const char *expected)
{
    uint8_t digest[HG_SHA256_BYTES];
    char text[2 * HG_SHA256_BYTES + 1];
    hg_sha256(data, size, digest);
    for (size_t i = 0; i < HG_SHA256_BYTES; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    assert_string_equal(text, expected);
}

/* The digest agrees with the examples of FIPS 180-4 (NIST, "SHA256.pdf") and, for lengths around
 * the padding's edges, with sha256sum. */
static void digest_is_sha256(void **state)
{
    (void)state;
    char as[119];
    memset(as, 'a', sizeof as);
    check_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_digest(as, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    check_digest(as, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    check_digest(as, 119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
}

/* Whether TEXT, with 2 x 2 lanes on three buffers, was left to a worker. */
static bool is_queued(struct hg_session *session, uint64_t id, const char *text)
{
    const uint64_t buffers[] = {1, 2, 3};
    const uint64_t params[] = {2, 2, 2, 2, 2};
    test_load(session, id, text);
    const struct hg_run_request request = {.program = id,
                                           .buffers = buffers,
                                           .buffer_count = 3,
                                           .rows = 2,
                                           .cols = 2,
                                           .params = params,
                                           .param_count = 5};
    struct test_async async;
    test_async_init(&async);
    async.task.allow_inline = true;
    if (hg_session_run(session, &request, &async.task) == HG_TASK_DONE) {
        assert_int_equal(async.task.error.status, HG_OK);
        return false;
    }
    assert_int_equal(test_async_wait(&async), HG_OK);
    return true;
}

/* The number of a product's terms may be any parameter of a user's program, so that nobody knows
 * how long it will run: it never runs where the request came in. One with constants may. */
static void products_of_unknown_size_are_queued(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    for (uint64_t id = 1; id <= 3; id++) {
        test_alloc(session, id, HG_F32, 4);
    }
    assert_true(is_queued(session, 10,
                          ".slots 3\nmma.f32 r1, [b0], [b1], m=%1, n=%2, k=%7, lda=%6, ldb=%5\n"
                          "stg.f32 [b2 + lane], r1\nexit\n"));
    assert_false(is_queued(session, 11,
                           ".slots 3\nmma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\n"
                           "stg.f32 [b2 + lane], r1\nexit\n"));
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_unknown_size_are_queued),
        cmocka_unit_test(program_runs_with_parameters),
        cmocka_unit_test(content_is_shared),
        cmocka_unit_test(only_verified_programs_load),
        cmocka_unit_test(wrong_runs_are_named),
        cmocka_unit_test(handles_are_the_sessions_own),
        cmocka_unit_test(classes_are_the_sessions_own),
        cmocka_unit_test(programs_take_half_the_cache_at_most),
        cmocka_unit_test(digest_is_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
