/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks in flight: conflicts over buffers, cancelling, deadlines, a full queue, many at once. */
#include <pthread.h>

#include "lib/base/clock.h"
#include "tests/unit/engine/async.h"

struct setting {
    struct hg_engine *engine;
    struct hg_session *session;
};

/* One worker; buffers 1 to 4; program 1 does not end by itself. */
static struct setting set_up_with(struct hg_engine_options *options)
{
    struct setting setting;
    options->workers = 1;
    setting.engine = test_engine_with(options);
    setting.session = test_session(setting.engine, 1000);
    for (uint64_t id = 1; id <= 4; id++) {
        test_alloc(setting.session, id, HG_F32, 16);
    }
    test_load(setting.session, 1, ENDLESS_PROGRAM);
    return setting;
}

static struct setting set_up(uint32_t queue_depth)
{
    struct hg_engine_options options = test_engine_options();
    options.queue_depth = queue_depth;
    return set_up_with(&options);
}

static void tear_down(struct setting *setting)
{
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
}

/* While a task runs, its output may not be used at all and its input not be written. */
static void busy_buffers_are_refused(void **state)
{
    (void)state;
    struct setting setting = set_up(16);
    struct hg_session *session = setting.session;
    struct test_async async;
    struct hg_buffer_info info;
    float value = 0;
    test_async_init(&async);
    test_start_endless(session, 1, 1, 2, &async);
    test_op_fails(session, "neg", 2, 0, 3, HG_FAILED_PRECONDITION, "buffer 2");
    test_op_fails(session, "neg", 3, 0, 2, HG_FAILED_PRECONDITION, "buffer 2");
    test_op_fails(session, "neg", 3, 0, 1, HG_FAILED_PRECONDITION, "buffer 1");
    test_fails(hg_session_write(session, 1, 0, &value, 4, &error), HG_FAILED_PRECONDITION,
               "buffer 1");
    test_fails(hg_session_read(session, 2, 0, &value, 4, &error), HG_FAILED_PRECONDITION,
               "buffer 2");
    test_read(session, 1, &value, 4);
    test_op(session, "neg", 1, 0, 3);
    test_ok(hg_session_info(session, 2, &info, &error));
    assert_true(info.busy);
    hg_task_cancel(&async.task);
    assert_int_equal(test_async_wait(&async), HG_CANCELLED);
    test_ok(hg_session_info(session, 2, &info, &error));
    assert_false(info.busy);
    test_op(session, "neg", 2, 0, 1);
    tear_down(&setting);
}

/* An id may be freed while a task uses the memory, which goes when the task ends. */
static void memory_lives_as_long_as_its_task(void **state)
{
    (void)state;
    struct setting setting = set_up(16);
    struct hg_engine_stats stats;
    struct test_async async;
    test_async_init(&async);
    test_start_endless(setting.session, 1, 1, 2, &async);
    test_ok(hg_session_free(setting.session, 1, &error));
    test_ok(hg_session_free(setting.session, 2, &error));
    hg_engine_stats(setting.engine, &stats);
    assert_int_equal(stats.buffers, 4);
    test_alloc(setting.session, 1, HG_F32, 16);
    hg_task_cancel(&async.task);
    assert_int_equal(test_async_wait(&async), HG_CANCELLED);
    hg_engine_stats(setting.engine, &stats);
    assert_int_equal(stats.buffers, 3);
    tear_down(&setting);
}

/* Cancelling reaches a task in the queue as well as one that runs. */
static void cancel_reaches_queue_and_run(void **state)
{
    (void)state;
    struct setting setting = set_up(16);
    struct test_async running;
    struct test_async waiting;
    test_async_init(&running);
    test_async_init(&waiting);
    test_start_endless(setting.session, 1, 1, 2, &running);
    test_start_endless(setting.session, 1, 3, 4, &waiting);
    hg_task_cancel(&waiting.task);
    hg_task_cancel(&running.task);
    assert_int_equal(test_async_wait(&waiting), HG_CANCELLED);
    assert_int_equal(test_async_wait(&running), HG_CANCELLED);
    assert_true(waiting.task.queue_ns > 0);
    tear_down(&setting);
}

/* A deadline ends a task that runs, and keeps one from starting when it has passed. */
static void deadlines_are_kept(void **state)
{
    (void)state;
    struct setting setting = set_up(16);
    struct test_async async;
    test_async_init(&async);
    uint64_t start_ns = hg_clock_now_ns();
    async.task.deadline_ns = start_ns + 20 * HG_NS_PER_MS;
    test_start_endless(setting.session, 1, 1, 2, &async);
    assert_int_equal(test_async_wait(&async), HG_DEADLINE_EXCEEDED);
    assert_true(hg_clock_now_ns() - start_ns >= 20 * HG_NS_PER_MS);
    struct hg_task late = {.deadline_ns = 1};
    assert_int_equal(test_run_op(setting.session, "neg", 1, 0, 2, &late), HG_DEADLINE_EXCEEDED);
    assert_non_null(strstr(late.error.message, "neg"));
    late.allow_inline = false;
    struct test_request storage;
    assert_int_equal(
        hg_session_execute_wait(setting.session, test_request(&storage, "neg", 1, 0, 2), &late),
        HG_DEADLINE_EXCEEDED);
    tear_down(&setting);
}

/* Without a deadline of its own, work ends after work_ms_max; an earlier deadline still comes
 * first. */
static void no_work_takes_for_ever(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.work_ms_max = 20;
    struct setting setting = set_up_with(&options);
    struct test_async async;
    test_async_init(&async);
    const uint64_t start_ns = hg_clock_now_ns();
    test_start_endless(setting.session, 1, 1, 2, &async);
    assert_int_equal(test_async_wait(&async), HG_DEADLINE_EXCEEDED);
    assert_true(hg_clock_now_ns() - start_ns >= 20 * HG_NS_PER_MS);
    assert_non_null(strstr(async.task.error.message, "20 ms (work_ms_max)"));
    test_async_init(&async);
    async.task.deadline_ns = hg_clock_now_ns() + HG_NS_PER_MS;
    test_start_endless(setting.session, 1, 1, 2, &async);
    assert_int_equal(test_async_wait(&async), HG_DEADLINE_EXCEEDED);
    assert_null(strstr(async.task.error.message, "work_ms_max"));
    tear_down(&setting);
}

/* The bound of one piece of work is not a deadline of the next one that the same task stands for:
 * what the caller set is there again, whether the work was queued, refused or ran here. */
static void a_task_keeps_its_deadline(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.work_ms_max = 20;
    struct setting setting = set_up_with(&options);
    static const uint64_t deadlines[] = {0, UINT64_MAX};
    for (unsigned i = 0; i < 2 * HG_ARRAY_COUNT(deadlines); i++) {
        struct test_request storage;
        struct hg_task task = {.deadline_ns = deadlines[i / 2], .allow_inline = i % 2 == 1};
        for (unsigned turn = 0; turn < 2; turn++) {
            assert_int_equal(hg_session_execute_wait(setting.session,
                                                     test_request(&storage, "neg", 1, 0, 2), &task),
                             HG_OK);
            assert_true(task.deadline_ns == deadlines[i / 2]);
        }
    }
    tear_down(&setting);
}

/* A full queue refuses work and keeps nothing of it; small work in place needs no queue. */
static void full_queue_refuses(void **state)
{
    (void)state;
    struct setting setting = set_up(1);
    struct hg_session *session = setting.session;
    struct test_async running;
    struct test_async waiting;
    struct hg_engine_stats stats;
    test_async_init(&running);
    test_async_init(&waiting);
    test_start_endless(session, 1, 1, 2, &running);
    do {
        hg_engine_stats(setting.engine, &stats);
    } while (stats.queue_depth > 0);
    test_start_endless(session, 1, 1, 3, &waiting);
    struct hg_task refused = {0};
    struct test_request storage;
    assert_int_equal(
        hg_session_execute_wait(session, test_request(&storage, "neg", 1, 0, 4), &refused),
        HG_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(refused.error.message, "queue is full"));
    test_op(session, "neg", 1, 0, 4);
    hg_task_cancel(&running.task);
    hg_task_cancel(&waiting.task);
    assert_int_equal(test_async_wait(&running), HG_CANCELLED);
    assert_int_equal(test_async_wait(&waiting), HG_CANCELLED);
    tear_down(&setting);
}

/* Many tasks of several sessions at once on several workers: all are right, none is lost. */
static void many_tasks_at_once(void **state)
{
    (void)state;
    enum { TASKS = 48, N = 5000 };
    struct hg_engine_options options = test_engine_options();
    options.workers = 3;
    struct hg_engine *engine = test_engine_with(&options);
    struct hg_session *sessions[2] = {test_session(engine, 1000), test_session(engine, 1001)};
    static struct test_async asyncs[TASKS];
    static float c[N];
    for (uint64_t i = 0; i < TASKS; i++) {
        struct hg_session *session = sessions[i % 2];
        struct test_request storage;
        test_alloc(session, 10 * i + 1, HG_F32, N);
        test_alloc(session, 10 * i + 2, HG_F32, N);
        test_fill(session, 10 * i + 1, N, (float)i, 1);
        test_async_init(&asyncs[i]);
        enum hg_submitted submitted = hg_session_execute(
            session, test_request(&storage, "neg", 10 * i + 1, 0, 10 * i + 2), &asyncs[i].task);
        assert_int_equal(submitted, HG_TASK_PENDING);
    }
    for (uint64_t i = 0; i < TASKS; i++) {
        assert_int_equal(test_async_wait(&asyncs[i]), HG_OK);
        test_read(sessions[i % 2], 10 * i + 2, c, sizeof c);
        for (int j = 0; j < N; j++) {
            assert_true(c[j] == -(float)i - (float)j);
        }
    }
    hg_session_destroy(&sessions[0]);
    hg_session_destroy(&sessions[1]);
    hg_engine_destroy(&engine);
}

/* ---- a buffer of two sessions ---------------------------------------------------------------- */

enum { SHARED_CALLS = 3000 };

struct sharer {
    struct hg_session *session;
    uint64_t done;
    uint64_t refused;
};

/* Adds 1 to all of buffer 1, in place, again and again. */
static void *count_up(void *context)
{
    struct sharer *sharer = context;
    const float one = 1;
    struct hg_named_attribute s = {.name = "s", .name_length = 1};
    memcpy(&s.bits, &one, sizeof one);
    const uint64_t id = 1;
    const struct hg_execute_request request = {.op = "scalar_add",
                                               .op_length = 10,
                                               .inputs = &id,
                                               .input_count = 1,
                                               .outputs = &id,
                                               .output_count = 1,
                                               .attributes = &s,
                                               .attribute_count = 1};
    for (int i = 0; i < SHARED_CALLS; i++) {
        struct hg_task task = {.allow_inline = true};
        enum hg_status status = hg_session_execute_wait(sharer->session, &request, &task);
        sharer->done += status == HG_OK;
        sharer->refused += status == HG_FAILED_PRECONDITION;
    }
    return NULL;
}

/* Two sessions write one published buffer in place on two threads: each call is done alone or
 * refused, and what was done is all there. */
static void published_buffers_are_claimed_in_place(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.inline_max_ns = 10000000;
    struct hg_engine *engine = test_engine_with(&options);
    struct sharer sharers[2] = {{.session = test_session(engine, 1000)},
                                {.session = test_session(engine, 1000)}};
    test_alloc(sharers[0].session, 1, HG_F32, 500);
    test_ok(hg_session_publish(sharers[0].session, 1, "counter", 0600, 1000, &error));
    test_ok(hg_session_open(sharers[1].session, "counter", 1, true, NULL, &error));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_up, &sharers[1]), 0);
    (void)count_up(&sharers[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    uint64_t done = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sharers[i].done + sharers[i].refused, SHARED_CALLS);
        done += sharers[i].done;
    }
    float values[500];
    test_read(sharers[0].session, 1, values, sizeof values);
    assert_true(values[0] == (float)done && values[499] == (float)done);
    hg_session_destroy(&sharers[0].session);
    hg_session_destroy(&sharers[1].session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(busy_buffers_are_refused),
        cmocka_unit_test(memory_lives_as_long_as_its_task),
        cmocka_unit_test(cancel_reaches_queue_and_run),
        cmocka_unit_test(deadlines_are_kept),
        cmocka_unit_test(no_work_takes_for_ever),
        cmocka_unit_test(a_task_keeps_its_deadline),
        cmocka_unit_test(full_queue_refuses),
        cmocka_unit_test(many_tasks_at_once),
        cmocka_unit_test(published_buffers_are_claimed_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
