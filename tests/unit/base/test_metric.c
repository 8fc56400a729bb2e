/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and histograms lose nothing, and durations fall into the bucket that bounds them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/metric.h"

/* Bounds go 1, 2.5, 5 times the powers of ten from 1 us to 10 s, then without end. */
static void bounds_are_the_documented_ones(void **state)
{
    (void)state;
    uint64_t decade_ns = HG_NS_PER_US;
    for (unsigned i = 0; i + 2 < HG_HISTOGRAM_BUCKETS; i += 3, decade_ns *= 10) {
        assert_true(hg_histogram_bound_ns(i) == decade_ns);
        if (i + 3 < HG_HISTOGRAM_BUCKETS - 1) {
            assert_true(hg_histogram_bound_ns(i + 1) == decade_ns * 5 / 2);
            assert_true(hg_histogram_bound_ns(i + 2) == decade_ns * 5);
        }
    }
    assert_true(hg_histogram_bound_ns(HG_HISTOGRAM_BUCKETS - 2) == 10 * HG_NS_PER_S);
    assert_true(hg_histogram_bound_ns(HG_HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
}

/* A duration at a bound belongs below it, one nanosecond more above. */
static void bounds_are_inclusive(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HG_HISTOGRAM_BUCKETS; i++) {
        struct hg_histogram histogram = {0};
        uint64_t bound_ns = hg_histogram_bound_ns(i);
        hg_histogram_observe(&histogram, bound_ns);
        assert_int_equal(histogram.bucket[i], 1);
        assert_true(histogram.sum_ns == bound_ns);
        if (i + 1 < HG_HISTOGRAM_BUCKETS) {
            hg_histogram_observe(&histogram, bound_ns + 1);
            assert_int_equal(histogram.bucket[i + 1], 1);
        }
    }
    struct hg_histogram histogram = {0};
    hg_histogram_observe(&histogram, 0);
    assert_int_equal(histogram.bucket[0], 1);
}

#define ROUNDS 20000

struct metrics {
    struct hg_counter counter;
    struct hg_histogram histogram;
};

static void *count_rounds(void *arg)
{
    struct metrics *metrics = arg;
    for (int i = 0; i < ROUNDS; i++) {
        hg_counter_add(&metrics->counter, 3);
        hg_histogram_observe(&metrics->histogram, HG_NS_PER_MS);
    }
    return NULL;
}

/* What three threads add at the same time is all there. */
static void concurrent_adds_are_kept(void **state)
{
    (void)state;
    struct metrics metrics = {0};
    pthread_t threads[3];
    for (size_t i = 0; i < HG_ARRAY_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_rounds, &metrics), 0);
    }
    for (size_t i = 0; i < HG_ARRAY_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(hg_counter_read(&metrics.counter), 3 * 3 * ROUNDS);
    assert_true(metrics.histogram.sum_ns == 3ull * ROUNDS * HG_NS_PER_MS);
    assert_int_equal(metrics.histogram.bucket[9], 3 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_the_documented_ones),
        cmocka_unit_test(bounds_are_inclusive),
        cmocka_unit_test(concurrent_adds_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
