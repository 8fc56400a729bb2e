/* SPDX-License-Identifier: Apache-2.0 */
/* The program cache under several threads: one build per key at a time, failures shared, no races.
 */
#include <pthread.h>

#include "lib/base/mutex.h"
#include "tests/unit/cache/programs.h"

enum { THREADS = 4 };

/* A build that does not end before somebody opens the gate. */
struct gate {
    struct hg_mutex mutex;
    struct hg_condition changed;
    bool open;
    _Atomic uint32_t builds;
    enum hg_status fail_with;
};

static void gate_init(struct gate *gate, enum hg_status fail_with)
{
    *gate = (struct gate){.fail_with = fail_with};
    hg_mutex_init(&gate->mutex, HG_RANK_LOOP);
    hg_cond_init(&gate->changed);
}

static void gate_fini(struct gate *gate)
{
    hg_cond_fini(&gate->changed);
    hg_mutex_fini(&gate->mutex);
}

static void gate_open(struct gate *gate)
{
    hg_mutex_lock(&gate->mutex);
    gate->open = true;
    hg_cond_broadcast(&gate->changed);
    hg_mutex_unlock(&gate->mutex);
}

static enum hg_status gated_build(const struct hg_key *key, void *context,
                                  struct hg_program **program, struct hg_error *error)
{
    struct gate *gate = context;
    atomic_fetch_add(&gate->builds, 1);
    hg_mutex_lock(&gate->mutex);
    while (!gate->open) {
        hg_cond_wait(&gate->changed, &gate->mutex);
    }
    hg_mutex_unlock(&gate->mutex);
    struct test_build build = {.fail_with = gate->fail_with};
    return test_build_program(key, &build, program, error);
}

struct caller {
    struct hg_cache *cache;
    struct gate *gate;
    struct hg_cache_pin pin;
    struct hg_cache_result result;
    struct hg_error error;
    enum hg_status status;
    pthread_t thread;
};

static void *call(void *arg)
{
    struct caller *caller = arg;
    struct hg_key key = test_key(2, 99);
    caller->status = hg_cache_acquire(caller->cache, &key, gated_build, caller->gate, &caller->pin,
                                      &caller->result, &caller->error);
    return NULL;
}

/* Starts THREADS callers of one key, opens the gate when all have missed, and joins them. */
static void call_together(struct hg_cache *cache, struct gate *gate, struct caller *callers)
{
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){.cache = cache, .gate = gate};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    while (test_region(cache, 2).misses < THREADS) {
        sched_yield();
    }
    gate_open(gate);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
    }
}

/* Callers of a key that is being built wait for that build and share its program. */
static void one_build_for_all_callers(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, 1u << 20);
    struct caller callers[THREADS];
    struct gate gate;
    gate_init(&gate, HG_OK);
    call_together(cache, &gate, callers);
    assert_int_equal(atomic_load(&gate.builds), 1);
    const struct hg_program *shared = callers[0].pin.program;
    int builders = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(callers[i].status, HG_OK);
        assert_ptr_equal(callers[i].pin.program, shared);
        builders += callers[i].result.outcome == HG_CACHE_BUILD;
        assert_int_not_equal(callers[i].result.outcome, HG_CACHE_HIT);
        hg_cache_release(cache, &callers[i].pin);
    }
    assert_int_equal(builders, 1);
    assert_int_equal(test_region(cache, 2).builds, 1);
    gate_fini(&gate);
    hg_cache_destroy(&cache);
}

/* A build that fails reaches everybody who waited, with its text, and the next caller builds anew.
 */
static void failure_reaches_all_callers(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, 1u << 20);
    struct caller callers[THREADS];
    struct gate gate;
    gate_init(&gate, HG_UNIMPLEMENTED);
    call_together(cache, &gate, callers);
    assert_int_equal(atomic_load(&gate.builds), 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(callers[i].status, HG_UNIMPLEMENTED);
        assert_string_equal(callers[i].error.message, "the build was told to fail");
        assert_null(callers[i].pin.program);
    }
    assert_int_equal(hg_cache_entries(cache), 0);
    struct test_build build = {0};
    assert_int_equal(test_touch(cache, test_key(2, 99), &build), HG_CACHE_BUILD);
    gate_fini(&gate);
    hg_cache_destroy(&cache);
}

/* What callers use that would rather not wait for the gate. */
static enum hg_status build_meanwhile(const struct hg_key *key, void *context,
                                      struct hg_program **program, struct hg_error *error)
{
    const struct gate *gate = context;
    struct test_build build = {.constants = 3, .fail_with = gate->fail_with};
    return test_build_program(key, &build, program, error);
}

/* Starts a build that the gate holds up, and comes by while it is. */
static enum hg_status come_by(struct hg_cache *cache, struct gate *gate, struct caller *builder,
                              struct hg_cache_loan *loan, struct hg_cache_result *result,
                              struct hg_error *error)
{
    const struct hg_key key = test_key(2, 99);
    *builder = (struct caller){.cache = cache, .gate = gate};
    assert_int_equal(pthread_create(&builder->thread, NULL, call, builder), 0);
    while (test_region(cache, 2).misses < 1) {
        sched_yield();
    }
    return hg_cache_borrow_missing(cache, &key, gated_build, build_meanwhile, gate, loan, result,
                                   error);
}

/* Who builds for itself meanwhile does not wait: it has a program of its own, which is not kept;
 * what is kept is the other's, built once. */
static void nobody_has_to_wait(void **state)
{
    (void)state;
    uint64_t before = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    struct hg_cache *cache = test_cache(16, 1u << 20);
    struct hg_error error = HG_ERROR_INIT;
    struct hg_cache_result result;
    struct hg_cache_loan loan;
    struct caller builder;
    struct gate gate;
    gate_init(&gate, HG_OK);
    assert_int_equal(come_by(cache, &gate, &builder, &loan, &result, &error), HG_OK);
    assert_int_equal(result.outcome, HG_CACHE_BUSY);
    assert_int_equal(loan.program->facts.insn_count, 4);
    assert_int_equal(hg_cache_entries(cache), 0);
    gate_open(&gate);
    assert_int_equal(pthread_join(builder.thread, NULL), 0);
    assert_int_equal(builder.result.outcome, HG_CACHE_BUILD);
    assert_ptr_not_equal(builder.pin.program, loan.program);
    hg_cache_return(&loan);

    struct test_build unused = {0};
    assert_int_equal(test_touch(cache, test_key(2, 99), &unused), HG_CACHE_HIT);
    assert_int_equal(atomic_load(&gate.builds), 1);
    assert_int_equal(test_region(cache, 2).builds, 1);
    assert_int_equal(test_region(cache, 2).misses, 2);
    hg_cache_release(cache, &builder.pin);
    gate_fini(&gate);
    hg_cache_destroy(&cache);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), before);
}

/* Its own failure is its own; the other's build goes on. */
static void failing_meanwhile_harms_nobody(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, 1u << 20);
    struct hg_error error = HG_ERROR_INIT;
    struct hg_cache_loan loan = {NULL, NULL};
    struct caller builder;
    struct gate gate;
    gate_init(&gate, HG_UNIMPLEMENTED);
    assert_int_equal(come_by(cache, &gate, &builder, &loan, NULL, &error), HG_UNIMPLEMENTED);
    assert_string_equal(error.message, "the build was told to fail");
    assert_null(loan.program);
    assert_int_equal(test_region(cache, 2).build_failures, 0);
    gate_open(&gate);
    assert_int_equal(pthread_join(builder.thread, NULL), 0);
    assert_int_equal(builder.status, HG_UNIMPLEMENTED);
    assert_int_equal(test_region(cache, 2).build_failures, 1);
    gate_fini(&gate);
    hg_cache_destroy(&cache);
}

enum { STRESS_KEYS = 96, STRESS_CALLS = 4000 };

struct stressed {
    struct hg_cache *cache;
    uint32_t random;
    uint64_t acquired;
    pthread_t thread;
};

static void *stress(void *arg)
{
    struct stressed *stressed = arg;
    for (int i = 0; i < STRESS_CALLS; i++) {
        stressed->random = stressed->random * 1664525u + 1013904223u;
        uint32_t draw = stressed->random >> 8;
        struct test_build build = {.constants = draw % 8};
        if (i % 1000 == 999) {
            hg_cache_flush(stressed->cache);
        }
        struct hg_key key = test_key((uint16_t)(draw % TEST_REGIONS), draw % STRESS_KEYS);
        struct hg_cache_pin pin;
        struct hg_error error = HG_ERROR_INIT;
        if (hg_cache_acquire(stressed->cache, &key, test_build_program, &build, &pin, NULL,
                             &error) != HG_OK) {
            return "an acquire failed";
        }
        stressed->acquired++;
        if (!hg_key_equal(&pin.program->key, &key)) {
            return "a wrong program";
        }
        hg_cache_release(stressed->cache, &pin);
    }
    return NULL;
}

/* Threads that acquire, evict and flush at once always get the right program, and afterwards the
 * figures agree with what was done. */
static void stress_keeps_figures_true(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(48, 1u << 20);
    struct stressed threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        threads[i] = (struct stressed){.cache = cache, .random = i};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, stress, &threads[i]), 0);
    }
    uint64_t acquired = 0;
    for (int i = 0; i < THREADS; i++) {
        void *complaint = NULL;
        assert_int_equal(pthread_join(threads[i].thread, &complaint), 0);
        assert_null(complaint);
        acquired += threads[i].acquired;
    }
    uint64_t answered = 0;
    uint64_t entries = 0;
    for (uint16_t region = 0; region < TEST_REGIONS; region++) {
        struct hg_cache_region_stats stats = test_region(cache, region);
        answered += stats.hits + stats.misses;
        entries += stats.entries;
        assert_true(stats.builds <= stats.misses);
    }
    assert_int_equal(acquired, THREADS * STRESS_CALLS);
    assert_int_equal(answered, acquired);
    assert_int_equal(entries, hg_cache_entries(cache));
    assert_int_equal(hg_cache_flush(cache), entries);
    hg_cache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_build_for_all_callers),
        cmocka_unit_test(failure_reaches_all_callers),
        cmocka_unit_test(nobody_has_to_wait),
        cmocka_unit_test(failing_meanwhile_harms_nobody),
        cmocka_unit_test(stress_keeps_figures_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
