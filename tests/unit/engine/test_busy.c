/* SPDX-License-Identifier: Apache-2.0 */
/* An operation whose program another thread is building does not wait for it. */
#include <pthread.h>
#include <sched.h>

#include "lib/engine/internal.h"
#include "tests/unit/engine/fixture.h"

enum { ELEMENTS = 300 };

/* A build that takes until somebody says so: as slow as may be. */
struct slow_build {
    struct hg_cache *cache;
    struct hg_key key;
    _Atomic bool has_begun;
    _Atomic bool may_end;
    enum hg_status fail_with;
    enum hg_status status;
    pthread_t thread;
};

static enum hg_status build_slowly(const struct hg_key *key, void *context,
                                   struct hg_program **program, struct hg_error *error)
{
    struct slow_build *slow = context;
    atomic_store(&slow->has_begun, true);
    while (!atomic_load(&slow->may_end)) {
        sched_yield();
    }
    return slow->fail_with != HG_OK ? hg_fail(error, slow->fail_with, "told to fail")
                                    : hg_op_build(key, program, error);
}

static void *acquire(void *argument)
{
    struct slow_build *slow = argument;
    struct hg_cache_pin pin;
    slow->status = hg_cache_acquire(slow->cache, &slow->key, build_slowly, slow, &pin, NULL, NULL);
    if (slow->status == HG_OK) {
        hg_cache_release(slow->cache, &pin);
    }
    return NULL;
}

/* Begins to build what the engine has in its cache, which it loses. */
static void begin(struct slow_build *slow, struct hg_engine *engine, enum hg_status fail_with)
{
    uint64_t position = 0;
    struct hg_cache_entry entry;
    assert_int_equal(hg_cache_list(engine->cache, &position, &entry, 1), 1);
    assert_int_equal(hg_engine_cache_flush(engine), 1);
    *slow = (struct slow_build){.cache = engine->cache, .key = entry.key, .fail_with = fail_with};
    assert_int_equal(pthread_create(&slow->thread, NULL, acquire, slow), 0);
    while (!atomic_load(&slow->has_begun)) {
        sched_yield();
    }
}

static void end(struct slow_build *slow)
{
    atomic_store(&slow->may_end, true);
    assert_int_equal(pthread_join(slow->thread, NULL), 0);
}

static void alloc_operands(struct hg_session *session)
{
    for (uint64_t id = 1; id <= 3; id++) {
        test_alloc(session, id, HG_F32, ELEMENTS);
    }
    test_fill(session, 1, ELEMENTS, -20, 0.15f);
    test_fill(session, 2, ELEMENTS, 3, -0.7f);
}

/* The operation runs to its end while the other build is held up, here and on a worker; it says so,
 * its result has the bits of the kept program's, and afterwards that is what is hit. */
static void runs_while_another_builds(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct slow_build slow;
    float expected[ELEMENTS];
    float result[ELEMENTS];
    alloc_operands(session);
    for (int in_place = 0; in_place < 2; in_place++) {
        struct hg_task task = {.allow_inline = in_place};
        assert_int_equal(test_run_op(session, "vector_mul", 1, 2, 3, &task), HG_OK);
        test_read(session, 3, expected, sizeof expected);
        begin(&slow, engine, HG_OK);
        task = (struct hg_task){.allow_inline = in_place};
        assert_int_equal(test_run_op(session, "vector_mul", 1, 2, 3, &task), HG_OK);
        assert_string_equal(hg_cache_outcome_name(task.outcome), "busy");
        test_read(session, 3, result, sizeof result);
        assert_memory_equal(result, expected, sizeof expected);
        end(&slow);
        assert_int_equal(slow.status, HG_OK);
        assert_int_equal(test_run_op(session, "vector_mul", 1, 2, 3, &task), HG_OK);
        assert_string_equal(hg_cache_outcome_name(task.outcome), "hit");
        test_read(session, 3, result, sizeof result);
        assert_memory_equal(result, expected, sizeof expected);
        hg_engine_cache_flush(engine);
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), 0);
}

/* The other build fails: that is not kept, and the next call builds. */
static void a_failed_build_is_not_kept(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_task task = {.allow_inline = true};
    struct slow_build slow;
    alloc_operands(session);
    assert_int_equal(test_run_op(session, "vector_add", 1, 2, 3, &task), HG_OK);
    begin(&slow, engine, HG_INTERNAL);
    assert_int_equal(test_run_op(session, "vector_add", 1, 2, 3, &task), HG_OK);
    assert_string_equal(hg_cache_outcome_name(task.outcome), "busy");
    end(&slow);
    assert_int_equal(slow.status, HG_INTERNAL);
    assert_int_equal(hg_cache_entries(engine->cache), 0);
    assert_int_equal(test_run_op(session, "vector_add", 1, 2, 3, &task), HG_OK);
    assert_string_equal(hg_cache_outcome_name(task.outcome), "precompiled");
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_while_another_builds),
        cmocka_unit_test(a_failed_build_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
