/* SPDX-License-Identifier: Apache-2.0 */
/* Loans and handles: programs that are used in place while others evict and flush them. */
#include <pthread.h>

#include "lib/cache/internal.h"
#include "tests/unit/cache/programs.h"

#define MANY_BYTES (1u << 30)

static enum hg_cache_outcome borrow(struct hg_cache *cache, struct hg_key key,
                                    struct test_build *build, struct hg_cache_loan *loan)
{
    struct hg_cache_result result;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_borrow(cache, &key, test_build_program, build, loan, &result, &error),
                     HG_OK);
    assert_true(hg_key_equal(&loan->program->key, &key));
    return result.outcome;
}

static uint64_t live_programs(void)
{
    return hg_alloc_live_bytes(HG_TAG_PROGRAM);
}

/* The first borrow builds, the second hits and takes no reference; both give the same program. */
static void a_loan_is_not_counted(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {0};
    struct hg_cache_loan first;
    struct hg_cache_loan second;
    assert_int_equal(borrow(cache, test_key(1, 7), &build, &first), HG_CACHE_BUILD);
    assert_int_equal(borrow(cache, test_key(1, 7), &build, &second), HG_CACHE_HIT);
    assert_ptr_equal(first.program, second.program);
    assert_int_equal(atomic_load(&first.program->references), 1);
    hg_cache_return(&second);
    hg_cache_return(&first);
    assert_int_equal(test_region(cache, 1).hits, 1);
    hg_cache_destroy(&cache);
}

/* A program on loan stays whole though it was evicted or flushed, and is freed after its return. */
static void a_loan_outlives_eviction(void **state)
{
    (void)state;
    uint64_t before = live_programs();
    struct hg_cache *cache = test_cache(2, MANY_BYTES);
    struct test_build build = {.constants = 5};
    struct hg_cache_loan loan;
    borrow(cache, test_key(0, 0), &build, &loan);
    for (uint64_t number = 1; number < 500; number++) {
        test_touch(cache, test_key(0, number), &build);
    }
    assert_int_equal(hg_cache_flush(cache), 2);
    assert_int_equal(loan.program->facts.insn_count, 6);
    assert_int_equal(loan.program->key.constant[0], 0);
    assert_true(hg_cache_retired_bytes(cache) > 0);
    hg_cache_return(&loan);
    hg_cache_reclaim(cache);
    assert_int_equal(hg_cache_retired_bytes(cache), 0);
    assert_int_equal(live_programs(), before);
    hg_cache_destroy(&cache);
}

static void *give_back(void *arg)
{
    hg_cache_return(arg);
    return NULL;
}

/* A loan that is held is counted: another thread returns it, and meanwhile it keeps nothing else.
 */
static void a_held_loan_moves_between_threads(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {0};
    struct hg_cache_loan loan;
    borrow(cache, test_key(0, 0), &build, &loan);
    hg_cache_hold(&loan);
    hg_cache_hold(&loan);
    assert_int_equal(atomic_load(&loan.program->references), 2);
    test_touch(cache, test_key(0, 1), &build);
    hg_cache_flush(cache);
    assert_int_equal(hg_cache_retired_bytes(cache), 0);
    assert_int_equal(loan.program->key.constant[0], 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, give_back, &loan), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(loan.program);
    hg_cache_destroy(&cache);
}

/* A build that fails leaves no loan and no section behind. */
static void a_failed_borrow_leaves_nothing(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {.fail_with = HG_UNIMPLEMENTED};
    struct hg_cache_loan loan = {0};
    struct hg_key key = test_key(0, 1);
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_borrow(cache, &key, test_build_program, &build, &loan, NULL, &error),
                     HG_UNIMPLEMENTED);
    assert_null(loan.program);
    uint64_t stamp = hg_epoch_advance();
    assert_true(hg_epoch_passed() >= stamp);
    hg_cache_destroy(&cache);
}

/* While a reader stays inside, what is evicted may not grow without bound: programs are built and
 * given, but not kept; and kept again once it has left. */
static void retired_memory_is_bounded(void **state)
{
    (void)state;
    const uint64_t bytes_max = 8192;
    uint64_t before = live_programs();
    struct hg_cache *cache = test_cache(1000, bytes_max);
    struct test_build build = {0};
    struct hg_cache_loan loan;
    borrow(cache, test_key(1, 0), &build, &loan);
    for (uint64_t number = 0; number < 1000; number++) {
        assert_int_equal(test_touch(cache, test_key(0, number), &build), HG_CACHE_BUILD);
        assert_true(hg_cache_retired_bytes(cache) <= 3 * bytes_max);
        assert_true(live_programs() - before <= 4 * bytes_max);
    }
    assert_int_equal(test_touch(cache, test_key(0, 999), &build), HG_CACHE_BUILD);
    hg_cache_return(&loan);
    hg_cache_reclaim(cache);
    assert_int_equal(test_touch(cache, test_key(0, 5000), &build), HG_CACHE_BUILD);
    assert_int_equal(test_touch(cache, test_key(0, 5000), &build), HG_CACHE_HIT);
    hg_cache_destroy(&cache);
    assert_int_equal(live_programs(), before);
}

/* A handle finds its program wherever the table has put it, builds what is missing, and never gives
 * another key's program. */
static void handles_follow_their_programs(void **state)
{
    (void)state;
    enum { HANDLES = 60 };
    struct hg_cache *cache = test_cache(40, MANY_BYTES);
    struct test_build build = {0};
    static struct hg_key keys[HANDLES];
    static struct hg_cache_handle handles[HANDLES];
    for (uint64_t i = 0; i < HANDLES; i++) {
        keys[i] = test_key((uint16_t)(i % TEST_REGIONS), i);
        hg_cache_handle_init(cache, &keys[i], &handles[i]);
    }
    uint32_t random = 1;
    uint64_t hits = 0;
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        struct hg_cache_handle *handle = &handles[(random >> 8) % HANDLES];
        struct hg_cache_loan loan;
        struct hg_cache_result result;
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(hg_cache_borrow_handle(cache, handle, test_build_program, &build, &loan,
                                                &result, &error),
                         HG_OK);
        assert_true(hg_key_equal(&loan.program->key, handle->key));
        hits += result.outcome == HG_CACHE_HIT;
        hg_cache_return(&loan);
        if (step % 1000 == 999) {
            hg_cache_flush(cache);
        }
    }
    uint64_t counted = 0;
    for (uint16_t region = 0; region < TEST_REGIONS; region++) {
        counted += test_region(cache, region).hits;
    }
    assert_true(hits > 8000 && hits < 20000);
    assert_int_equal(counted, hits);
    hg_cache_destroy(&cache);
}

/* The portable hash's lookups find the same as those by AES rounds. */
static void the_portable_hash_serves(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(64, MANY_BYTES);
    cache->seed.hash = hg_cache_hash_portable;
    cache->entrance.lend = hg_cache_lend_portable;
    struct test_build build = {0};
    struct hg_cache_loan loan;
    for (uint64_t number = 0; number < 48; number++) {
        assert_int_equal(borrow(cache, test_key(0, number), &build, &loan), HG_CACHE_BUILD);
        hg_cache_return(&loan);
    }
    for (int round = 0; round < 3; round++) {
        for (uint64_t number = 0; number < 48; number++) {
            assert_int_equal(borrow(cache, test_key(0, number), &build, &loan), HG_CACHE_HIT);
            hg_cache_return(&loan);
        }
    }
    assert_null(hg_cache_lend(cache, &(struct hg_key){.constant = {99}}).program);
    hg_cache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loan_is_not_counted),
        cmocka_unit_test(a_loan_outlives_eviction),
        cmocka_unit_test(a_held_loan_moves_between_threads),
        cmocka_unit_test(a_failed_borrow_leaves_nothing),
        cmocka_unit_test(retired_memory_is_bounded),
        cmocka_unit_test(handles_follow_their_programs),
        cmocka_unit_test(the_portable_hash_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
