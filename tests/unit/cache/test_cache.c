/* SPDX-License-Identifier: Apache-2.0 */
/* The program cache: hits, builds, bounds, pins, flush, figures, and running out of memory. */
#include "tests/unit/cache/programs.h"

#define MANY_BYTES (1u << 30)

/* The first acquire builds, later ones find the same program. */
static void second_acquire_hits(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {0};
    struct hg_cache_pin first;
    struct hg_cache_pin second;
    assert_int_equal(test_acquire(cache, test_key(1, 7), &build, &first), HG_CACHE_BUILD);
    assert_int_equal(test_acquire(cache, test_key(1, 7), &build, &second), HG_CACHE_HIT);
    assert_ptr_equal(first.program, second.program);
    assert_int_equal(build.builds, 1);
    hg_cache_release(cache, &first);
    hg_cache_release(cache, &second);
    assert_null(first.program);
    hg_cache_destroy(&cache);
    assert_null(cache);
}

/* Keys that differ in any one byte are different programs. */
static void every_byte_of_the_key_counts(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(256, MANY_BYTES);
    struct test_build build = {0};
    struct hg_key base = test_key(0, 0);
    test_touch(cache, base, &build);
    for (size_t i = 2; i < sizeof base; i++) { /* the first two bytes are the region */
        struct hg_key key = base;
        ((uint8_t *)&key)[i] = 1;
        assert_int_equal(test_touch(cache, key, &build), HG_CACHE_BUILD);
    }
    assert_int_equal(hg_cache_entries(cache), sizeof base - 1);
    hg_cache_destroy(&cache);
}

/* Figures are kept per region, add up to the totals, and count what happened. */
static void figures_add_up(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(64, MANY_BYTES);
    struct test_build build = {0};
    for (uint64_t number = 0; number < 10; number++) {
        test_touch(cache, test_key((uint16_t)(number % 2), number), &build);
    }
    for (uint64_t number = 0; number < 10; number += 2) {
        test_touch(cache, test_key(0, number), &build);
    }
    struct hg_cache_region_stats even = test_region(cache, 0);
    struct hg_cache_region_stats odd = test_region(cache, 1);
    assert_int_equal(even.hits, 5);
    assert_int_equal(even.misses, 5);
    assert_int_equal(even.builds, 5);
    assert_int_equal(even.entries, 5);
    assert_int_equal(odd.hits, 0);
    assert_int_equal(odd.builds, 5);
    assert_int_equal(test_region(cache, 2).misses, 0);
    assert_int_equal(hg_cache_entries(cache), even.entries + odd.entries);
    assert_true(even.bytes > 5 * sizeof(struct hg_key));
    assert_true(hg_cache_bytes(cache) >= even.bytes + odd.bytes);
    hg_cache_destroy(&cache);
}

/* A failed build is reported with its text, counted, and not kept. */
static void failed_build_is_not_kept(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {.fail_with = HG_INVALID_ARGUMENT};
    struct hg_cache_pin pin = {NULL};
    struct hg_error error = HG_ERROR_INIT;
    struct hg_key key = test_key(0, 1);
    assert_int_equal(hg_cache_acquire(cache, &key, test_build_program, &build, &pin, NULL, &error),
                     HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "the build was told to fail");
    assert_null(pin.program);
    assert_int_equal(test_region(cache, 0).build_failures, 1);
    assert_int_equal(test_region(cache, 0).builds, 0);
    assert_int_equal(hg_cache_entries(cache), 0);
    build.fail_with = HG_OK;
    assert_int_equal(test_touch(cache, key, &build), HG_CACHE_BUILD);
    hg_cache_destroy(&cache);
}

/* The bound on entries holds at every moment, and evictions are counted. */
static void entries_are_bounded(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(10, MANY_BYTES);
    struct test_build build = {0};
    for (uint64_t number = 0; number < 100; number++) {
        test_touch(cache, test_key(0, number), &build);
        assert_true(hg_cache_entries(cache) <= 10);
    }
    assert_int_equal(hg_cache_entries(cache), 10);
    assert_int_equal(test_region(cache, 0).evictions, 90);
    hg_cache_destroy(&cache);
}

/* The bound on bytes holds for programs of mixed sizes; one that can never fit is refused. */
static void bytes_are_bounded(void **state)
{
    (void)state;
    const uint64_t bytes_max = 4096;
    struct hg_cache *cache = test_cache(1000, bytes_max);
    struct test_build build = {0};
    for (uint64_t number = 0; number < 200; number++) {
        build.constants = (uint32_t)(number * 7 % 30);
        test_touch(cache, test_key(0, number), &build);
        assert_true(test_region(cache, 0).bytes <= bytes_max);
    }
    assert_true(hg_cache_entries(cache) > 2);
    hg_cache_destroy(&cache);

    cache = test_cache(1000, 300);
    struct hg_key key = test_key(0, 0);
    struct hg_cache_pin pin = {NULL};
    struct hg_error error = HG_ERROR_INIT;
    build.constants = 60;
    assert_int_equal(hg_cache_acquire(cache, &key, test_build_program, &build, &pin, NULL, &error),
                     HG_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(error.message, "bound of 300"));
    assert_null(pin.program);
    hg_cache_destroy(&cache);
}

/* Programs that are asked for again stay while a scan of keys used once passes through. */
static void scan_does_not_evict_what_is_used(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(64, MANY_BYTES);
    struct test_build build = {0};
    uint64_t scanned = 1000;
    for (int round = 0; round < 50; round++) {
        for (uint64_t hot = 0; hot < 16; hot++) {
            test_touch(cache, test_key(1, hot), &build);
        }
        for (int i = 0; i < 16; i++) {
            test_touch(cache, test_key(2, scanned++), &build);
        }
    }
    assert_int_equal(test_region(cache, 1).builds, 16);
    assert_int_equal(test_region(cache, 1).evictions, 0);
    assert_true(test_region(cache, 2).evictions > 0);
    hg_cache_destroy(&cache);
}

/* A pinned program is not evicted; when all are pinned a further one is refused. */
static void pins_hold_programs(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(4, MANY_BYTES);
    struct test_build build = {0};
    struct hg_cache_pin pins[4];
    for (uint64_t number = 0; number < 3; number++) {
        test_acquire(cache, test_key(0, number), &build, &pins[number]);
    }
    for (uint64_t number = 10; number < 50; number++) {
        test_touch(cache, test_key(0, number), &build);
    }
    for (uint64_t number = 0; number < 3; number++) {
        assert_int_equal(test_touch(cache, test_key(0, number), &build), HG_CACHE_HIT);
    }
    test_acquire(cache, test_key(0, 50), &build, &pins[3]);
    struct hg_key key = test_key(0, 51);
    struct hg_cache_pin refused = {NULL};
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(
        hg_cache_acquire(cache, &key, test_build_program, &build, &refused, NULL, &error),
        HG_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "cache: all 4 programs are in use");
    for (size_t i = 0; i < 4; i++) {
        hg_cache_release(cache, &pins[i]);
    }
    assert_int_equal(test_touch(cache, key, &build), HG_CACHE_BUILD);
    hg_cache_destroy(&cache);
}

/* Flush drops everything and says how much; a pinned program stays whole until its release. */
static void flush_drops_but_pins_live_on(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(64, MANY_BYTES);
    struct test_build build = {.constants = 3};
    struct hg_cache_pin pin;
    test_acquire(cache, test_key(0, 0), &build, &pin);
    for (uint64_t number = 1; number < 20; number++) {
        test_touch(cache, test_key(1, number), &build);
    }
    assert_int_equal(hg_cache_flush(cache), 20);
    assert_int_equal(hg_cache_entries(cache), 0);
    assert_int_equal(hg_cache_bytes(cache), 0);
    assert_int_equal(test_region(cache, 1).bytes, 0);
    assert_int_equal(pin.program->facts.insn_count, 4);
    assert_int_equal(test_touch(cache, test_key(0, 0), &build), HG_CACHE_BUILD);
    hg_cache_release(cache, &pin);
    assert_int_equal(hg_cache_flush(cache), 1);
    assert_int_equal(hg_cache_flush(cache), 0);
    hg_cache_destroy(&cache);
}

/* Creation refuses a cache that could hold nothing. */
static void options_are_checked(void **state)
{
    (void)state;
    struct hg_cache *cache = NULL;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_cache_options none = {.region_count = 1, .entries_max = 0, .bytes_max = 1};
    assert_int_equal(hg_cache_create(&none, &cache, &error), HG_INVALID_ARGUMENT);
    struct hg_cache_options no_region = {.region_count = 0, .entries_max = 1, .bytes_max = 1};
    assert_int_equal(hg_cache_create(&no_region, &cache, &error), HG_INVALID_ARGUMENT);
    assert_null(cache);
}

/* 4,096 resident programs, table included, stay below a million bytes by the allocator's count. */
static void resident_memory_is_small(void **state)
{
    (void)state;
    uint64_t before = hg_alloc_live_bytes(HG_TAG_CACHE) + hg_alloc_live_bytes(HG_TAG_PROGRAM);
    struct hg_cache *cache = test_cache(65536, MANY_BYTES);
    struct test_build build = {.constants = 2};
    for (uint64_t number = 0; number < 4096; number++) {
        test_touch(cache, test_key(0, number), &build);
    }
    uint64_t after = hg_alloc_live_bytes(HG_TAG_CACHE) + hg_alloc_live_bytes(HG_TAG_PROGRAM);
    print_message("4096 programs: %llu bytes, of which table %llu\n",
                  (unsigned long long)(after - before),
                  (unsigned long long)hg_alloc_live_bytes(HG_TAG_CACHE));
    assert_true(after - before < 1000000);
    assert_true(hg_cache_bytes(cache) <= after - before);
    hg_cache_destroy(&cache);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_CACHE) + hg_alloc_live_bytes(HG_TAG_PROGRAM),
                     before);
}

/* Uses a cache of ENTRIES_MAX programs for 60 keys, then flushes it with one program pinned. Gives
 * the first status that was not OK. */
static enum hg_status use_cache(uint64_t entries_max, struct hg_cache **cache,
                                struct hg_error *error)
{
    const struct hg_cache_options options = {
        .region_count = TEST_REGIONS, .entries_max = entries_max, .bytes_max = MANY_BYTES};
    struct test_build build = {0};
    enum hg_status first = hg_cache_create(&options, cache, error);
    for (uint64_t number = 0; *cache != NULL && number < 60; number++) {
        struct hg_key key = test_key(0, number);
        struct hg_cache_pin pin;
        enum hg_status status =
            hg_cache_acquire(*cache, &key, test_build_program, &build, &pin, NULL, error);
        first = first == HG_OK ? status : first;
        if (status == HG_OK) {
            hg_cache_release(*cache, &pin);
            (void)!hg_cache_set_pinned(*cache, &key, number == 0, NULL);
        }
    }
    /* A flush that runs out of memory drops nothing. */
    if (*cache != NULL && first == HG_OK) {
        uint64_t entries = hg_cache_entries(*cache);
        uint64_t dropped = hg_cache_flush(*cache);
        first = dropped == 0 ? HG_RESOURCE_EXHAUSTED : HG_OK;
        assert_int_equal(hg_cache_entries(*cache), dropped == 0 ? entries : 1);
    }
    return first;
}

/* Whichever allocation fails, the status says so, nothing leaks and the cache goes on: while its
 * table grows, while it evicts, and when it is flushed with a program pinned. */
static void survives_running_out_of_memory(void **state)
{
    (void)state;
    static const uint64_t entries_max[] = {100, 20};
    uint64_t before = hg_alloc_live_bytes_all();
    for (size_t i = 0; i < 2; i++) {
        bool fired = true;
        for (uint64_t skip = 0; fired; skip++) {
            struct hg_cache *cache = NULL;
            struct test_build build = {0};
            struct hg_error error = HG_ERROR_INIT;
            hg_alloc_fault_set(skip, false);
            enum hg_status status = use_cache(entries_max[i], &cache, &error);
            fired = hg_alloc_fault_fired();
            hg_alloc_fault_clear();
            assert_int_equal(status, fired ? HG_RESOURCE_EXHAUSTED : HG_OK);
            assert_true(fired || skip > 60);
            if (cache != NULL) {
                test_touch(cache, test_key(3, 1), &build);
                hg_cache_destroy(&cache);
            }
            assert_int_equal(hg_alloc_live_bytes_all(), before);
        }
    }
}

/* Outcomes have names, also the ones that do not exist. */
static void outcomes_have_names(void **state)
{
    (void)state;
    assert_string_equal(hg_cache_outcome_name(HG_CACHE_HIT), "hit");
    assert_string_equal(hg_cache_outcome_name(HG_CACHE_BUILD), "build");
    assert_string_equal(hg_cache_outcome_name(HG_CACHE_WAIT), "wait");
    assert_string_equal(hg_cache_outcome_name(HG_CACHE_BUSY), "busy");
    assert_string_equal(hg_cache_outcome_name((enum hg_cache_outcome)9), "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_acquire_hits),
        cmocka_unit_test(every_byte_of_the_key_counts),
        cmocka_unit_test(figures_add_up),
        cmocka_unit_test(failed_build_is_not_kept),
        cmocka_unit_test(entries_are_bounded),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(scan_does_not_evict_what_is_used),
        cmocka_unit_test(pins_hold_programs),
        cmocka_unit_test(flush_drops_but_pins_live_on),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(resident_memory_is_small),
        cmocka_unit_test(survives_running_out_of_memory),
        cmocka_unit_test(outcomes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
