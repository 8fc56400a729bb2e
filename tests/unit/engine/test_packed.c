/* SPDX-License-Identifier: Apache-2.0 */
/* Packed operands of constants: built once, shared, bounded, gone with their buffer; and that
 * results are the same bits with and without. */
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/engine/async.h"

#define USER    1000
#define ROWS    16 /* from 8 on panels pay */
#define SMALL   96 /* its panels are packed on the caller's thread */
#define LARGE   256
#define WAIT_US 1000
#define THREADS 3
#define ROUNDS  300

/* Ids: x, weights that are not constant, the same that are, bias, two results. */
enum { X = 1, PLAIN, CONSTANT, BIAS, EXPECTED, RESULT };

static void skip_without_native(const struct hg_engine *engine)
{
    struct hg_engine_stats stats;
    hg_engine_stats(engine, &stats);
    if (strcmp(stats.executor, "native") != 0) {
        skip();
    }
}

static struct hg_packed_stats stats_of(struct hg_engine *engine)
{
    struct hg_packed_stats stats;
    hg_engine_packed_stats(engine, &stats);
    return stats;
}

static void alloc_matrix(struct hg_session *session, uint64_t id, uint64_t rows, uint64_t cols)
{
    struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 2, .shape = {rows, cols}};
    test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
    test_fill(session, id, rows * cols, -1.0f / (float)id, 0.001f * (float)id);
}

/* x and SIZE x SIZE weights, of which one buffer is constant. */
static void fill_session(struct hg_session *session, uint64_t size)
{
    alloc_matrix(session, X, ROWS, size);
    alloc_matrix(session, PLAIN, size, size);
    alloc_matrix(session, CONSTANT, size, size);
    test_fill(session, PLAIN, size * size, 0.3f, 0.002f);
    test_fill(session, CONSTANT, size * size, 0.3f, 0.002f);
    test_alloc(session, BIAS, HG_F32, size);
    test_fill(session, BIAS, size, -3, 0.25f);
    alloc_matrix(session, EXPECTED, ROWS, size);
    alloc_matrix(session, RESULT, ROWS, size);
    test_ok(hg_session_freeze(session, CONSTANT, &error));
}

static struct hg_engine *engine_with(uint64_t packed_bytes_max)
{
    struct hg_engine_options options = test_engine_options();
    options.packed_bytes_max = packed_bytes_max;
    return test_engine_with(&options);
}

/* RESULT = relu(x @ weights + b), as a request with its storage. */
struct product {
    struct hg_execute_request request;
    uint64_t inputs[3];
    uint64_t output;
    struct hg_named_attribute relu;
};

static const struct hg_execute_request *product(struct product *storage, uint64_t weights,
                                                uint64_t out)
{
    *storage =
        (struct product){.inputs = {X, weights, BIAS}, .output = out, .relu = {"relu", 4, 1}};
    storage->request = (struct hg_execute_request){.op = "linear",
                                                   .op_length = 6,
                                                   .inputs = storage->inputs,
                                                   .input_count = 3,
                                                   .outputs = &storage->output,
                                                   .output_count = 1,
                                                   .attributes = &storage->relu,
                                                   .attribute_count = 1};
    return &storage->request;
}

static void linear(struct hg_session *session, uint64_t weights, uint64_t out)
{
    struct product storage;
    struct hg_task task = {.allow_inline = true};
    if (hg_session_execute_wait(session, product(&storage, weights, out), &task) != HG_OK) {
        fail_msg("%s", task.error.message);
    }
}

static void check_same(struct hg_session *session, uint64_t size)
{
    float expected[ROWS * LARGE];
    float result[ROWS * LARGE];
    const uint64_t bytes = ROWS * size * sizeof(float);
    test_read(session, EXPECTED, expected, bytes);
    test_read(session, RESULT, result, bytes);
    assert_memory_equal(expected, result, bytes);
}

/* A worker may still be packing. */
static void wait_for_builds(struct hg_engine *engine, uint64_t builds)
{
    while (stats_of(engine).builds < builds) {
        usleep(WAIT_US);
    }
}

/* The first product packs, later ones and other sessions' read that; the bits are those of weights
 * that are not constant. With the buffer the panels go. */
static void packed_once_for_all(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {SMALL, LARGE};
    for (size_t i = 0; i < HG_ARRAY_COUNT(sizes); i++) {
        struct hg_engine *engine = engine_with(64 << 20);
        skip_without_native(engine);
        struct hg_session *session = test_session(engine, USER);
        struct hg_session *other = test_session(engine, USER);
        fill_session(session, sizes[i]);
        linear(session, PLAIN, EXPECTED);
        assert_int_equal(stats_of(engine).builds, 0);
        linear(session, CONSTANT, RESULT);
        check_same(session, sizes[i]);
        wait_for_builds(engine, 1);
        for (int j = 0; j < 3; j++) {
            test_fill(session, RESULT, sizes[i], 0, 0);
            linear(session, CONSTANT, RESULT);
            check_same(session, sizes[i]);
        }
        struct hg_packed_stats stats = stats_of(engine);
        assert_int_equal(stats.builds, 1);
        assert_int_equal(stats.hits, 3);
        assert_int_equal(stats.entries, 1);
        assert_true(stats.bytes >= sizes[i] * sizes[i] * sizeof(float));

        test_ok(hg_session_publish(session, CONSTANT, "w", 0600, USER, &error));
        fill_session(other, sizes[i]);
        test_ok(hg_session_free(other, CONSTANT, &error));
        test_ok(hg_session_open(other, "w", CONSTANT, false, NULL, &error));
        linear(other, PLAIN, EXPECTED);
        linear(other, CONSTANT, RESULT);
        check_same(other, sizes[i]);
        assert_int_equal(stats_of(engine).builds, 1);
        assert_int_equal(stats_of(engine).hits, 4);
        test_ok(hg_session_unpublish(session, "w", &error));
        hg_session_destroy(&other);
        assert_int_equal(stats_of(engine).entries, 1);
        test_ok(hg_session_free(session, CONSTANT, &error));
        assert_int_equal(stats_of(engine).entries, 0);
        assert_int_equal(stats_of(engine).bytes, 0);
        hg_session_destroy(&session);
        hg_engine_destroy(&engine);
    }
}

/* A call that is repeated without being prepared uses panels, notices that its weights became
 * constant, and goes on when they are evicted. */
static void repeats_use_them(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.inline_max_ns = 100000000;
    struct hg_engine *engine = test_engine_with(&options);
    skip_without_native(engine);
    struct hg_session *session = test_session(engine, USER);
    struct hg_repeat *repeat = hg_repeat_create();
    struct hg_error reason = HG_ERROR_INIT;
    fill_session(session, SMALL);
    linear(session, PLAIN, EXPECTED);
    struct product storage;
    const struct hg_execute_request *request = product(&storage, PLAIN, RESULT);
    struct hg_task task = {.allow_inline = true, .repeat = repeat};
    assert_int_equal(hg_session_execute_wait(session, request, &task), HG_OK);
    assert_int_equal(hg_session_repeat(session, repeat, NULL, &reason), HG_REPEAT_RAN);
    assert_int_equal(stats_of(engine).builds, 0);
    test_ok(hg_session_freeze(session, PLAIN, &error));
    assert_int_equal(hg_session_repeat(session, repeat, NULL, &reason), HG_REPEAT_NOT);
    assert_int_equal(hg_session_execute_wait(session, request, &task), HG_OK);
    assert_int_equal(stats_of(engine).builds, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hg_session_repeat(session, repeat, NULL, &reason), HG_REPEAT_RAN);
        check_same(session, SMALL);
    }
    assert_int_equal(stats_of(engine).hits, 3);
    (void)hg_engine_cache_flush(engine);
    assert_int_equal(stats_of(engine).entries, 0);
    assert_int_equal(hg_session_execute_wait(session, request, &task), HG_OK);
    assert_int_equal(hg_session_repeat(session, repeat, NULL, &reason), HG_REPEAT_RAN);
    check_same(session, SMALL);
    assert_int_equal(stats_of(engine).builds, 2);
    hg_repeat_destroy(&repeat);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Graphs' products read them, too. */
static void graphs_use_them(void **state)
{
    (void)state;
    struct hg_engine *engine = engine_with(64 << 20);
    skip_without_native(engine);
    struct hg_session *session = test_session(engine, USER);
    const char *text = "y = maximum(x @ w + b, 0)";
    struct hg_graph_made made[1];
    struct hg_graph_result result = {.outputs = made, .capacity = 1};
    struct hg_graph_bind in[] = {{"x", 1, X}, {"w", 1, PLAIN}, {"b", 1, BIAS}};
    struct hg_graph_bind out = {"y", 1, EXPECTED};
    const struct hg_graph_request request = {.source = {text, strlen(text), NULL},
                                             .inputs = in,
                                             .input_count = 3,
                                             .outputs = &out,
                                             .output_count = 1};
    struct hg_task task = {.allow_inline = true};
    fill_session(session, SMALL);
    assert_int_equal(hg_session_run_graph_wait(session, &request, &result, &task), HG_OK);
    in[1].id = CONSTANT;
    out.id = RESULT;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hg_session_run_graph_wait(session, &request, &result, &task), HG_OK);
        check_same(session, SMALL);
    }
    assert_int_equal(stats_of(engine).builds, 1);
    assert_int_equal(stats_of(engine).hits, 1);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* What would pass the bound evicts what was not used, and never passes it; what is larger than all
 * of it is not packed. */
static void bounded(void **state)
{
    (void)state;
    const uint64_t room = 3 * 40000; /* of panels of 96 x 96 floats, at most three */
    struct hg_engine *engine = engine_with(room);
    skip_without_native(engine);
    struct hg_session *session = test_session(engine, USER);
    fill_session(session, SMALL);
    linear(session, PLAIN, EXPECTED);
    for (uint64_t id = 100; id < 108; id++) {
        alloc_matrix(session, id, SMALL, SMALL);
        test_fill(session, id, SMALL * SMALL, 0.3f, 0.002f);
        test_ok(hg_session_freeze(session, id, &error));
        linear(session, CONSTANT, RESULT); /* this one is used all the time */
        check_same(session, SMALL);
        linear(session, id, RESULT);
        check_same(session, SMALL);
        assert_true(stats_of(engine).bytes <= room);
    }
    const struct hg_packed_stats stats = stats_of(engine);
    assert_int_equal(stats.builds, 9);
    assert_int_equal(stats.entries, 3);
    assert_int_equal(stats.evictions, 6);
    assert_int_equal(stats.hits, 7);
    assert_int_equal(stats.bytes_max, room);
    for (uint64_t id = 100; id < 108; id++) {
        test_ok(hg_session_free(session, id, &error));
    }
    assert_int_equal(stats_of(engine).entries, 1);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);

    engine = engine_with(20000);
    session = test_session(engine, USER);
    fill_session(session, SMALL);
    linear(session, PLAIN, EXPECTED);
    linear(session, CONSTANT, RESULT);
    check_same(session, SMALL);
    assert_int_equal(stats_of(engine).builds, 0);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Without memory, or with a queue that is full, products run as they would without panels. */
static void without_memory(void **state)
{
    (void)state;
    struct hg_engine *engine = engine_with(64 << 20);
    skip_without_native(engine);
    struct hg_session *session = test_session(engine, USER);
    fill_session(session, SMALL);
    linear(session, PLAIN, EXPECTED);
    linear(session, PLAIN, EXPECTED); /* all else is there */
    linear(session, PLAIN, EXPECTED);
    struct product storage;
    const struct hg_execute_request *request = product(&storage, CONSTANT, RESULT);
    struct hg_task task = {.allow_inline = true};
    for (uint64_t skip = 0; stats_of(engine).builds == 0; skip++) {
        hg_alloc_fault_set(skip, true);
        (void)!hg_session_execute_wait(session, request, &task); /* fails, or does without */
        hg_alloc_fault_clear();
        assert_true(skip < 20);
    }
    linear(session, CONSTANT, RESULT);
    check_same(session, SMALL);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* An engine with a queue of QUEUE_DEPTH, whose one worker is busy until ENDLESS is cancelled; so
 * many constants as whoever uses all of them has packed. */
#define QUEUE_DEPTH 20
#define CONSTANTS   24

static struct hg_engine *busy_engine(uint64_t packed_bytes_max, struct hg_session **session,
                                     struct test_async *endless)
{
    struct hg_engine_options options = test_engine_options();
    options.packed_bytes_max = packed_bytes_max;
    options.workers = 1;
    options.queue_depth = QUEUE_DEPTH;
    struct hg_engine *engine = test_engine_with(&options);
    *session = test_session(engine, USER);
    fill_session(*session, LARGE);
    test_alloc(*session, 50, HG_F32, 16);
    test_alloc(*session, 51, HG_F32, 16);
    test_load(*session, 1, ENDLESS_PROGRAM);
    test_async_init(endless);
    test_start_endless(*session, 1, 50, 51, endless);
    linear(*session, PLAIN, EXPECTED);
    for (uint64_t id = 100; id < 100 + CONSTANTS; id++) {
        alloc_matrix(*session, id, LARGE, LARGE);
        test_fill(*session, id, LARGE * LARGE, 0.3f, 0.002f);
        test_ok(hg_session_freeze(*session, id, &error));
    }
    return engine;
}

/* Panels that wait to be packed are within the bound, evicted or not, and leave the queue to those
 * whose work it is for; when a worker has time they are packed. */
static void waiting_is_bounded(void **state)
{
    (void)state;
    static const uint64_t rooms[] = {3 * LARGE * LARGE * sizeof(float) + 4096, 64 << 20};
    for (size_t i = 0; i < HG_ARRAY_COUNT(rooms); i++) {
        struct hg_session *session;
        struct test_async endless;
        struct hg_engine *engine = busy_engine(rooms[i], &session, &endless);
        const uint64_t before = hg_alloc_live_bytes(HG_TAG_ENGINE);
        for (unsigned round = 0; round < 2; round++) {
            for (uint64_t id = 100; id < 100 + CONSTANTS; id++) {
                linear(session, id, RESULT);
                check_same(session, LARGE);
            }
        }
        /* A quarter: the allocator rounds up. */
        assert_in_range(hg_alloc_live_bytes(HG_TAG_ENGINE) - before, 0, rooms[i] / 4 * 5);
        struct test_request storage;
        struct test_async other;
        test_async_init(&other);
        if (hg_session_execute(session, test_request(&storage, "neg", 50, 0, BIAS), &other.task) !=
            HG_TASK_PENDING) {
            fail_msg("%s", other.task.error.message);
        }
        hg_task_cancel(&endless.task);
        assert_int_equal(test_async_wait(&endless), HG_CANCELLED);
        (void)test_async_wait(&other);
        linear(session, PLAIN, EXPECTED);
        const uint64_t kept = stats_of(engine).entries;
        for (uint64_t round = 0; stats_of(engine).hits == 0; round++) {
            linear(session, 100 + round % kept, RESULT);
            check_same(session, LARGE);
        }
        hg_session_destroy(&session);
        hg_engine_destroy(&engine);
    }
}

/* ---- many threads ---------------------------------------------------------------------------- */

struct user {
    struct hg_engine *engine;
    uint64_t seed;
};

/* Multiplies by weights that all share, while they are evicted by others' and flushed. */
static void *use_shared(void *context)
{
    const struct user *user = context;
    struct hg_session *session = test_session(user->engine, USER);
    fill_session(session, SMALL);
    linear(session, PLAIN, EXPECTED);
    test_ok(hg_session_free(session, CONSTANT, &error));
    test_ok(hg_session_open(session, "shared", CONSTANT, false, NULL, &error));
    for (uint64_t round = 0; round < ROUNDS; round++) {
        linear(session, CONSTANT, RESULT);
        check_same(session, SMALL);
        alloc_matrix(session, 100, SMALL, SMALL);
        test_ok(hg_session_freeze(session, 100, &error));
        linear(session, 100, RESULT);
        test_ok(hg_session_free(session, 100, &error));
        if (round % 16 == user->seed) {
            (void)hg_engine_cache_flush(user->engine);
        }
    }
    hg_session_destroy(&session);
    return NULL;
}

/* Threads that share, evict, flush and free panels never see others' bytes. */
static void threads_share_them(void **state)
{
    (void)state;
    struct hg_engine *engine = engine_with(2 * 40000);
    struct hg_session *session = test_session(engine, USER);
    struct user users[THREADS];
    pthread_t threads[THREADS];
    fill_session(session, SMALL);
    test_ok(hg_session_publish(session, CONSTANT, "shared", 0600, USER, &error));
    for (uint64_t i = 0; i < THREADS; i++) {
        users[i] = (struct user){engine, i};
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_once_for_all), cmocka_unit_test(repeats_use_them),
        cmocka_unit_test(graphs_use_them),     cmocka_unit_test(bounded),
        cmocka_unit_test(without_memory),      cmocka_unit_test(waiting_is_bounded),
        cmocka_unit_test(threads_share_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
