/* SPDX-License-Identifier: Apache-2.0 */
/* What administrators see and do: pins, bounds per region, reasons, build times, lists, what-if. */
#include <math.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "tests/unit/cache/programs.h"

#define MANY_BYTES (1u << 30)

static void set_pinned(struct hg_cache *cache, struct hg_key key, bool is_pinned)
{
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_set_pinned(cache, &key, is_pinned, &error), HG_OK);
}

static struct hg_cache_entry peek(struct hg_cache *cache, struct hg_key key)
{
    struct hg_cache_entry entry;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_peek(cache, &key, &entry, NULL, &error), HG_OK);
    assert_true(hg_key_equal(&entry.key, &key));
    return entry;
}

/* What is pinned survives any number of newcomers and a flush, until it is unpinned. */
static void pinned_entries_stay(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(8, MANY_BYTES);
    struct test_build build = {0};
    for (uint64_t number = 0; number < 3; number++) {
        test_touch(cache, test_key(1, number), &build);
        set_pinned(cache, test_key(1, number), true);
    }
    for (uint64_t number = 10; number < 200; number++) {
        test_touch(cache, test_key(0, number), &build);
    }
    assert_int_equal(hg_cache_entries(cache), 8);
    assert_int_equal(hg_cache_flush(cache), 5);
    assert_int_equal(hg_cache_entries(cache), 3);
    assert_int_equal(test_region(cache, 0).entries, 0);
    assert_int_equal(test_region(cache, 1).entries, 3);
    for (uint64_t number = 0; number < 3; number++) {
        assert_int_equal(test_touch(cache, test_key(1, number), &build), HG_CACHE_HIT);
        assert_true(peek(cache, test_key(1, number)).is_pinned);
    }
    set_pinned(cache, test_key(1, 1), false);
    assert_int_equal(hg_cache_flush(cache), 1);
    assert_int_equal(test_touch(cache, test_key(1, 1), &build), HG_CACHE_BUILD);
    struct hg_key missing = test_key(3, 3);
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_set_pinned(cache, &missing, true, &error), HG_NOT_FOUND);
    hg_cache_destroy(&cache);
}

/* Flushing a region leaves the others and what is pinned; what went is remembered as flushed. */
static void one_region_is_flushed(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(4096, MANY_BYTES);
    struct test_build build = {0};
    for (uint64_t number = 0; number < 500; number++) {
        test_touch(cache, test_key((uint16_t)(number % TEST_REGIONS), number), &build);
    }
    set_pinned(cache, test_key(1, 5), true);
    assert_int_equal(hg_cache_flush_region(cache, 1), 124);
    assert_int_equal(hg_cache_flush_region(cache, 1), 0);
    assert_int_equal(hg_cache_entries(cache), 376);
    for (uint64_t number = 0; number < 500; number++) {
        bool is_kept = number % TEST_REGIONS != 1 || number == 5;
        assert_int_equal(
            test_touch(cache, test_key((uint16_t)(number % TEST_REGIONS), number), &build),
            is_kept ? HG_CACHE_HIT : HG_CACHE_BUILD);
    }
    const struct hg_cache_region_stats stats = test_region(cache, 1);
    assert_int_equal(stats.entries, 125);
    assert_int_equal(stats.evictions, 0);
    assert_int_equal(stats.misses_by_reason[HG_CACHE_MISS_FLUSHED], 124);
    hg_cache_destroy(&cache);
}

/* One program is flushed by its key, unless it is pinned or not there; who holds it keeps it. */
static void one_key_is_flushed(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {0};
    struct hg_error error = HG_ERROR_INIT;
    struct hg_key key = test_key(0, 1);
    struct hg_cache_pin pin;
    test_acquire(cache, key, &build, &pin);
    set_pinned(cache, key, true);
    assert_int_equal(hg_cache_flush_key(cache, &key, &error), HG_FAILED_PRECONDITION);
    set_pinned(cache, key, false);
    assert_int_equal(hg_cache_flush_key(cache, &key, &error), HG_OK);
    assert_int_equal(hg_cache_flush_key(cache, &key, &error), HG_NOT_FOUND);
    assert_true(hg_key_equal(&pin.program->key, &key));
    hg_cache_release(cache, &pin);
    assert_int_equal(test_touch(cache, key, &build), HG_CACHE_BUILD);
    assert_int_equal(test_region(cache, 0).misses_by_reason[HG_CACHE_MISS_FLUSHED], 1);
    hg_cache_destroy(&cache);
}

/* A pin that meets the bound refuses newcomers, with a reason. */
static void pins_fill_the_cache(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(1, MANY_BYTES);
    struct test_build build = {0};
    test_touch(cache, test_key(0, 0), &build);
    set_pinned(cache, test_key(0, 0), true);
    struct hg_key key = test_key(0, 1);
    struct hg_cache_pin pin;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_acquire(cache, &key, test_build_program, &build, &pin, NULL, &error),
                     HG_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "cache: all 1 programs are in use");
    hg_cache_destroy(&cache);
}

/* A region keeps to its own bounds, of entries or of bytes, and takes nothing from the others. */
static void regions_have_bounds(void **state)
{
    (void)state;
    const struct hg_cache_bound bounds[TEST_REGIONS] = {
        [1] = {.entries_max = 5}, [2] = {.bytes_max = 1024}};
    const struct hg_cache_options options = {
        .region_count = TEST_REGIONS,
        .entries_max = 50,
        .bytes_max = MANY_BYTES,
        .region_bounds = bounds,
    };
    struct hg_cache *cache = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_create(&options, &cache, &error), HG_OK);
    struct test_build build = {0};
    for (uint64_t number = 0; number < 30; number++) {
        for (uint16_t region = 0; region < 3; region++) {
            test_touch(cache, test_key(region, number), &build);
        }
        assert_true(test_region(cache, 1).entries <= 5);
        assert_true(test_region(cache, 2).bytes <= 1024);
    }
    assert_int_equal(test_region(cache, 0).entries, 30);
    assert_int_equal(test_region(cache, 0).evictions, 0);
    assert_int_equal(test_region(cache, 1).evictions, 25);
    assert_true(test_region(cache, 2).entries >= 2);
    for (uint64_t number = 100; number < 200; number++) {
        test_touch(cache, test_key(3, number), &build);
    }
    assert_int_equal(hg_cache_entries(cache), 50);
    hg_cache_destroy(&cache);
}

/* Every miss has the reason that is true of its key, and the reasons add up. */
static void misses_have_reasons(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(2, MANY_BYTES);
    struct test_build build = {0};
    struct test_build failing = {.fail_with = HG_UNIMPLEMENTED};
    struct hg_key failed = test_key(0, 7);
    struct hg_cache_pin pin;
    test_touch(cache, test_key(0, 1), &build);
    test_touch(cache, test_key(0, 2), &build);
    test_touch(cache, test_key(0, 3), &build); /* evicts 1 */
    test_touch(cache, test_key(0, 1), &build);
    hg_cache_flush(cache);
    test_touch(cache, test_key(0, 1), &build);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            hg_cache_acquire(cache, &failed, test_build_program, &failing, &pin, NULL, NULL),
            HG_UNIMPLEMENTED);
    }
    struct hg_cache_region_stats stats = test_region(cache, 0);
    assert_int_equal(stats.misses_by_reason[HG_CACHE_MISS_FIRST], 4);
    assert_int_equal(stats.misses_by_reason[HG_CACHE_MISS_EVICTED], 1);
    assert_int_equal(stats.misses_by_reason[HG_CACHE_MISS_FLUSHED], 1);
    assert_int_equal(stats.misses_by_reason[HG_CACHE_MISS_FAILED], 1);
    assert_int_equal(stats.misses, 7);
    assert_int_equal(stats.misses, stats.builds + stats.build_failures);
    hg_cache_destroy(&cache);
}

static uint64_t clock_ns;

static uint64_t slow_clock(void)
{
    clock_ns += 20 * HG_NS_PER_US;
    return clock_ns;
}

/* Build times are sorted into buckets, those of failed builds too. */
static void build_times_are_counted(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {0};
    struct test_build failing = {.fail_with = HG_UNIMPLEMENTED};
    struct hg_key key = test_key(1, 9);
    struct hg_cache_pin pin;
    hg_clock_replace(slow_clock);
    test_touch(cache, test_key(1, 1), &build);
    test_touch(cache, test_key(1, 2), &build);
    assert_int_not_equal(
        hg_cache_acquire(cache, &key, test_build_program, &failing, &pin, NULL, NULL), HG_OK);
    hg_clock_replace(NULL);
    uint64_t buckets[HG_HISTOGRAM_BUCKETS];
    hg_cache_region_build_times(cache, 1, buckets);
    for (unsigned i = 0; i < HG_HISTOGRAM_BUCKETS; i++) {
        assert_int_equal(buckets[i], hg_histogram_bound_ns(i) == 25 * HG_NS_PER_US ? 3 : 0);
    }
    assert_int_equal(test_region(cache, 1).build_ns_sum, 60 * HG_NS_PER_US);
    hg_cache_destroy(&cache);
}

/* A list in pages names every entry once. */
static void lists_name_every_entry(void **state)
{
    (void)state;
    enum { ENTRIES = 100 };
    struct hg_cache *cache = test_cache(1000, MANY_BYTES);
    struct test_build build = {0};
    uint64_t position = 0;
    struct hg_cache_entry page[7];
    assert_int_equal(hg_cache_list(cache, &position, page, 7), 0);
    for (uint64_t number = 0; number < ENTRIES; number++) {
        test_touch(cache, test_key(0, number), &build);
    }
    bool seen[ENTRIES] = {false};
    uint32_t total = 0;
    position = 0;
    for (uint32_t count; (count = hg_cache_list(cache, &position, page, 7)) > 0; total += count) {
        for (uint32_t i = 0; i < count; i++) {
            assert_false(seen[page[i].key.constant[0]]);
            seen[page[i].key.constant[0]] = true;
            assert_true(page[i].bytes > sizeof(struct hg_key));
        }
    }
    assert_int_equal(total, ENTRIES);
    hg_cache_destroy(&cache);
}

/* The top entries are those with most hits, best first; few hits are counted exactly. */
static void top_entries_come_first(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(1000, MANY_BYTES);
    struct test_build build = {0};
    for (uint64_t number = 0; number < 40; number++) {
        for (uint64_t uses = 0; uses <= number * 7 % 40; uses++) {
            test_touch(cache, test_key((uint16_t)(number % 2), number), &build);
        }
    }
    struct hg_cache_entry top[5];
    assert_int_equal(hg_cache_top(cache, HG_CACHE_EVERY_REGION, top, 5), 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(top[i].hits, 39 - i);
        assert_int_equal(top[i].key.constant[0] * 7 % 40, 39 - i);
    }
    struct hg_cache_entry region[30];
    assert_int_equal(hg_cache_top(cache, 1, region, 30), 20);
    for (unsigned i = 1; i < 20; i++) {
        assert_true(region[i].hits <= region[i - 1].hits);
        assert_int_equal(region[i].key.cache, 1);
    }
    assert_int_equal(hg_cache_top(cache, 3, region, 30), 0);
    assert_int_equal(hg_cache_top(cache, 1, region, 0), 0);
    hg_cache_destroy(&cache);
}

/* Looking at an entry counts as no use, and gives a reference to its program. */
static void peeking_is_no_use(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    struct test_build build = {0};
    test_touch(cache, test_key(0, 1), &build);
    struct hg_key key = test_key(0, 1);
    struct hg_cache_entry entry;
    struct hg_cache_pin pin;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_peek(cache, &key, &entry, &pin, &error), HG_OK);
    assert_false(entry.is_held);
    assert_int_equal(entry.bytes, hg_program_bytes(pin.program));
    assert_true(peek(cache, key).is_held);
    hg_cache_release(cache, &pin);
    assert_int_equal(test_region(cache, 0).hits, 0);
    key.constant[0] = 2;
    assert_int_equal(hg_cache_peek(cache, &key, &entry, NULL, &error), HG_NOT_FOUND);
    hg_cache_destroy(&cache);
}

/* ---- what if --------------------------------------------------------------------------------- */

enum { ZIPF_KEYS = 2000, ZIPF_CALLS = 400000 };

/* Shares of a cache that evicts the least recently used, by Che's approximation (H. Che et al.,
 * IEEE JSAC 20:7, 2002): the time T solves size = sum of 1 - e^(-p T). */
static double lru_hit_rate(const double *p, double size)
{
    double low = 0;
    double high = 1e9;
    for (int i = 0; i < 100; i++) {
        double time = (low + high) / 2;
        double held = 0;
        for (int k = 0; k < ZIPF_KEYS; k++) {
            held += 1 - exp(-p[k] * time);
        }
        *(held < size ? &low : &high) = time;
    }
    double rate = 0;
    for (int k = 0; k < ZIPF_KEYS; k++) {
        rate += p[k] * (1 - exp(-p[k] * low));
    }
    return rate;
}

/* The estimate for caches of other sizes agrees with theory within three points of a hundred, at
 * sizes above and below the cache's own. */
static void what_if_agrees_with_theory(void **state)
{
    (void)state;
    static double p[ZIPF_KEYS];
    static double below[ZIPF_KEYS];
    double sum = 0;
    for (int k = 0; k < ZIPF_KEYS; k++) {
        p[k] = 1 / pow(k + 1, 0.9);
        sum += p[k];
        below[k] = sum;
    }
    for (int k = 0; k < ZIPF_KEYS; k++) {
        p[k] /= sum;
    }
    struct hg_cache *cache = test_cache(300, MANY_BYTES);
    struct test_build build = {0};
    uint64_t random = 88172645463325252ull;
    for (int i = 0; i < ZIPF_CALLS; i++) {
        random ^= random << 13; /* xorshift64 (Marsaglia 2003) */
        random ^= random >> 7;
        random ^= random << 17;
        double wanted = (double)(random >> 11) * 0x1p-53 * sum;
        int low = 0;
        for (int high = ZIPF_KEYS - 1; low < high;) {
            int middle = (low + high) / 2;
            if (below[middle] < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        test_touch(cache, test_key(0, (uint64_t)low), &build);
    }
    static const uint64_t sizes[] = {50, 100, 300, 600, 1000, 1500};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t samples;
        double estimate = hg_cache_what_if(cache, sizes[i], &samples);
        double theory = lru_hit_rate(p, (double)sizes[i]);
        print_message("%llu programs: %.3f, in theory %.3f\n", (unsigned long long)sizes[i],
                      estimate, theory);
        assert_true(samples > 1000);
        assert_true(fabs(estimate - theory) < 0.03);
    }
    assert_true(hg_cache_what_if(cache, 0, NULL) < 0.01);
    hg_cache_destroy(&cache);
}

/* Without samples the estimate is no hits, not nonsense. */
static void what_if_needs_samples(void **state)
{
    (void)state;
    struct hg_cache *cache = test_cache(16, MANY_BYTES);
    uint64_t samples = 1;
    assert_true(hg_cache_what_if(cache, 100, &samples) == 0);
    assert_int_equal(samples, 0);
    hg_cache_destroy(&cache);
}

static void reasons_have_names(void **state)
{
    (void)state;
    assert_string_equal(hg_cache_miss_reason_name(HG_CACHE_MISS_FIRST), "first_seen");
    assert_string_equal(hg_cache_miss_reason_name(HG_CACHE_MISS_EVICTED), "evicted");
    assert_string_equal(hg_cache_miss_reason_name(HG_CACHE_MISS_FLUSHED), "flushed");
    assert_string_equal(hg_cache_miss_reason_name(HG_CACHE_MISS_FAILED), "failed");
    assert_string_equal(hg_cache_miss_reason_name(HG_CACHE_MISS_REASONS), "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pinned_entries_stay),        cmocka_unit_test(pins_fill_the_cache),
        cmocka_unit_test(one_region_is_flushed),      cmocka_unit_test(one_key_is_flushed),
        cmocka_unit_test(regions_have_bounds),        cmocka_unit_test(misses_have_reasons),
        cmocka_unit_test(build_times_are_counted),    cmocka_unit_test(lists_name_every_entry),
        cmocka_unit_test(top_entries_come_first),     cmocka_unit_test(peeking_is_no_use),
        cmocka_unit_test(what_if_agrees_with_theory), cmocka_unit_test(what_if_needs_samples),
        cmocka_unit_test(reasons_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
