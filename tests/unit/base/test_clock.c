/* SPDX-License-Identifier: Apache-2.0 */
/* Time is monotonic nanoseconds, and tests can say what time it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/clock.h"

static uint64_t always_seven(void)
{
    return 7;
}

/* It is CLOCK_MONOTONIC in nanoseconds and does not run backwards. */
static void now_is_the_monotonic_clock(void **state)
{
    (void)state;
    struct timespec start;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &start), 0);
    uint64_t last_ns = (uint64_t)start.tv_sec * HG_NS_PER_S + (uint64_t)start.tv_nsec;
    for (int i = 0; i < 1000; i++) {
        uint64_t now_ns = hg_clock_now_ns();
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
    struct timespec end;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &end), 0);
    assert_true(last_ns <= (uint64_t)end.tv_sec * HG_NS_PER_S + (uint64_t)end.tv_nsec);
}

/* A replacement is believed until it is taken away. */
static void replacement_and_back(void **state)
{
    (void)state;
    hg_clock_replace(always_seven);
    assert_int_equal(hg_clock_now_ns(), 7);
    hg_clock_replace(NULL);
    assert_true(hg_clock_now_ns() > 7);
}

/* Ticks measure what the clock measures, within one part in a hundred and a microsecond. */
static void ticks_agree_with_the_clock(void **state)
{
    (void)state;
    (void)hg_clock_ticks(); /* measures the rate */
    uint64_t before_ns = hg_clock_now_ns();
    uint64_t start = hg_clock_ticks();
    uint64_t inner_ns = hg_clock_now_ns();
    while (hg_clock_now_ns() - inner_ns < 20 * HG_NS_PER_MS) {
    }
    uint64_t inner_end_ns = hg_clock_now_ns();
    uint64_t end = hg_clock_ticks();
    uint64_t after_ns = hg_clock_now_ns();
    uint64_t measured_ns = hg_clock_ticks_ns(start, end);
    assert_true(measured_ns + measured_ns / 100 + HG_NS_PER_US >= inner_end_ns - inner_ns);
    assert_true(measured_ns - measured_ns / 100 <= after_ns - before_ns + HG_NS_PER_US);
    assert_int_equal(hg_clock_ticks_ns(end, start), 0);
}

/* A replaced clock is what ticks count too. */
static void ticks_of_a_replaced_clock(void **state)
{
    (void)state;
    hg_clock_replace(always_seven);
    assert_int_equal(hg_clock_ticks(), 7);
    assert_int_equal(hg_clock_ticks_ns(7, 20), 13);
    hg_clock_replace(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_is_the_monotonic_clock),
        cmocka_unit_test(replacement_and_back),
        cmocka_unit_test(ticks_agree_with_the_clock),
        cmocka_unit_test(ticks_of_a_replaced_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
