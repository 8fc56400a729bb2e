/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes exclude, conditions wake, and a lock taken out of rank aborts in checked builds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mutex.h"
#include "tests/unit/base/death.h"

#define ROUNDS 20000

struct shared {
    struct hg_mutex mutex;
    struct hg_condition cond;
    uint64_t count;
    int turn;
};

static void shared_init(struct shared *shared)
{
    hg_mutex_init(&shared->mutex, HG_RANK_SESSION);
    hg_cond_init(&shared->cond);
    shared->count = 0;
    shared->turn = 0;
}

static void shared_fini(struct shared *shared)
{
    hg_cond_fini(&shared->cond);
    hg_mutex_fini(&shared->mutex);
}

static void *add_rounds(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < ROUNDS; i++) {
        hg_mutex_lock(&shared->mutex);
        shared->count++;
        hg_mutex_unlock(&shared->mutex);
    }
    return NULL;
}

/* No increment of three threads is lost. */
static void mutex_excludes(void **state)
{
    (void)state;
    struct shared shared;
    shared_init(&shared);
    pthread_t threads[3];
    for (size_t i = 0; i < HG_ARRAY_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_rounds, &shared), 0);
    }
    for (size_t i = 0; i < HG_ARRAY_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(shared.count, HG_ARRAY_COUNT(threads) * ROUNDS);
    shared_fini(&shared);
}

static void take_turns(struct shared *shared, int mine)
{
    for (int i = 0; i < 200; i++) {
        hg_mutex_lock(&shared->mutex);
        while (shared->turn != mine) {
            hg_cond_wait(&shared->cond, &shared->mutex);
        }
        shared->turn = 1 - mine;
        shared->count++;
        hg_cond_signal(&shared->cond);
        hg_mutex_unlock(&shared->mutex);
    }
}

static void *second_player(void *arg)
{
    take_turns(arg, 1);
    return NULL;
}

/* Two threads that wait for each other 200 times both come through. */
static void condition_wakes(void **state)
{
    (void)state;
    struct shared shared;
    shared_init(&shared);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, second_player, &shared), 0);
    take_turns(&shared, 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(shared.count, 400);
    shared_fini(&shared);
}

static uint64_t wait_ns(struct shared *shared, uint64_t deadline_ns)
{
    uint64_t start_ns = hg_clock_now_ns();
    hg_mutex_lock(&shared->mutex);
    while (hg_clock_now_ns() < deadline_ns) {
        hg_cond_wait_until(&shared->cond, &shared->mutex, deadline_ns);
    }
    hg_mutex_unlock(&shared->mutex);
    return hg_clock_now_ns() - start_ns;
}

/* A wait ends at its deadline, not before, and at once when the deadline is past. */
static void wait_ends_at_the_deadline(void **state)
{
    (void)state;
    struct shared shared;
    shared_init(&shared);
    uint64_t waited_ns = wait_ns(&shared, hg_clock_now_ns() + 20 * HG_NS_PER_MS);
    assert_true(waited_ns >= 19 * HG_NS_PER_MS);
    hg_mutex_lock(&shared.mutex);
    hg_cond_wait_until(&shared.cond, &shared.mutex, 0);
    hg_mutex_unlock(&shared.mutex);
    shared_fini(&shared);
}

static uint64_t fake_now_ns;

static uint64_t fake_clock(void)
{
    return fake_now_ns += HG_NS_PER_MS;
}

/* Deadlines are times of the replaced clock: 50 ms of a clock that moves 1 ms at each look. */
static void wait_follows_the_replaced_clock(void **state)
{
    (void)state;
    struct shared shared;
    shared_init(&shared);
    fake_now_ns = 1000 * HG_NS_PER_S;
    hg_clock_replace(fake_clock);
    assert_true(wait_ns(&shared, fake_now_ns + 50 * HG_NS_PER_MS) >= 49 * HG_NS_PER_MS);
    hg_clock_replace(NULL);
    shared_fini(&shared);
}

/* Mutexes of rising rank nest, and may be unlocked in any order. */
static void rising_ranks_nest(void **state)
{
    (void)state;
    struct hg_mutex low, middle, high;
    hg_mutex_init(&low, HG_RANK_ENGINE);
    hg_mutex_init(&middle, HG_RANK_CACHE);
    hg_mutex_init(&high, HG_RANK_LOG);
    for (int i = 0; i < 100; i++) {
        hg_mutex_lock(&low);
        hg_mutex_lock(&middle);
        hg_mutex_lock(&high);
        hg_mutex_unlock(&middle);
        hg_mutex_unlock(&high);
        hg_mutex_lock(&middle);
        hg_mutex_unlock(&low);
        hg_mutex_unlock(&middle);
    }
    hg_mutex_fini(&low);
    hg_mutex_fini(&middle);
    hg_mutex_fini(&high);
}

#ifdef HG_DEBUG_LOCKS

static void lock_in_order(void *arg)
{
    const enum hg_rank *ranks = arg;
    struct hg_mutex first, second;
    hg_mutex_init(&first, ranks[0]);
    hg_mutex_init(&second, ranks[1]);
    hg_mutex_lock(&first);
    hg_mutex_lock(&second);
}

static void unlock_unheld(void *arg)
{
    (void)arg;
    struct hg_mutex mutex;
    hg_mutex_init(&mutex, HG_RANK_POOL);
    hg_mutex_unlock(&mutex);
}

/* A lower rank, an equal one and an unlock without a lock are our bugs, and abort. */
static void wrong_ranks_abort(void **state)
{
    (void)state;
    char text[4096];
    enum hg_rank falling[] = {HG_RANK_POOL, HG_RANK_CACHE};
    enum hg_rank equal[] = {HG_RANK_POOL, HG_RANK_POOL};
    assert_true(dies(lock_in_order, falling, text, sizeof text));
    assert_non_null(strstr(text, "check failed"));
    assert_true(dies(lock_in_order, equal, text, sizeof text));
    assert_true(dies(unlock_unheld, NULL, text, sizeof text));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutex_excludes),
        cmocka_unit_test(condition_wakes),
        cmocka_unit_test(wait_ends_at_the_deadline),
        cmocka_unit_test(wait_follows_the_replaced_clock),
        cmocka_unit_test(rising_ranks_nest),
#ifdef HG_DEBUG_LOCKS
        cmocka_unit_test(wrong_ranks_abort),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
