/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/cpu.h"

typedef uint64_t clock_fn(void);

static uint64_t monotonic_now_ns(void)
{
    struct timespec now;
    HG_REQUIRE(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * HG_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Process-wide state: the test's clock, or NULL. Relaxed: set before other threads start. */
static clock_fn *_Atomic replacement;

uint64_t hg_clock_now_ns(void)
{
    clock_fn *now_ns = atomic_load_explicit(&replacement, memory_order_relaxed);
    return now_ns == NULL ? monotonic_now_ns() : now_ns();
}

/* ---- ticks ----------------------------------------------------------------------------------- */

#define RATE_OF_CLOCK                                                                              \
    (UINT64_C(1) << HG_CLOCK_RATE_SHIFT) /* a tick is a nanosecond: the clock's own */
#define MEASURE_NS 200000
#define READINGS   8 /* of both counters; the pair read closest together counts */

/* Process-wide state: nanoseconds per tick, shifted; 0 until measured. Relaxed: it is all there is
 * to know, and the first to measure decides for every thread. */
static _Atomic uint64_t rate;
_Atomic uint64_t hg_clock_tick_rate;

struct reading {
    uint64_t ticks;
    uint64_t ns;
};

static struct reading read_both(void)
{
    struct reading best = {0, 0};
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < READINGS; i++) {
        uint64_t before = hg_cpu_ticks();
        uint64_t now_ns = monotonic_now_ns();
        uint64_t width = hg_cpu_ticks() - before;
        if (width < least) {
            least = width;
            best = (struct reading){before + width / 2, now_ns};
        }
    }
    return best;
}

static uint64_t measure_rate(void)
{
    if (!hg_cpu_has_steady_ticks()) {
        return RATE_OF_CLOCK;
    }
    const struct reading start = read_both();
    struct reading end;
    do {
        end = read_both();
    } while (end.ns - start.ns < MEASURE_NS);
    uint64_t ticks = end.ticks - start.ticks;
    /* Something between 1 MHz and 1 THz, or it is no counter to trust. */
    uint64_t found = ticks == 0 ? 0 : ((end.ns - start.ns) << HG_CLOCK_RATE_SHIFT) / ticks;
    bool plausible = found > RATE_OF_CLOCK / 1000 && found < RATE_OF_CLOCK * 1000;
    return plausible ? found : RATE_OF_CLOCK;
}

static uint64_t decide_rate(void)
{
    uint64_t decided = 0;
    uint64_t mine = measure_rate();
    bool first = atomic_compare_exchange_strong_explicit(
        &rate, &decided, mine, memory_order_relaxed, memory_order_relaxed);
    return first ? mine : decided;
}

/* A replaced clock gives the ticks as well, and these are nanoseconds. */
static uint64_t rate_in_force(void)
{
    if (atomic_load_explicit(&replacement, memory_order_relaxed) != NULL) {
        return RATE_OF_CLOCK;
    }
    uint64_t known = atomic_load_explicit(&rate, memory_order_relaxed);
    return known != 0 ? known : decide_rate();
}

uint64_t hg_clock_ticks_slowly(void)
{
    const uint64_t found = rate_in_force();
    if (found == RATE_OF_CLOCK) {
        return hg_clock_now_ns();
    }
    atomic_store_explicit(&hg_clock_tick_rate, found, memory_order_relaxed);
    return hg_cpu_ticks();
}

void hg_clock_replace(uint64_t (*now_ns)(void))
{
    atomic_store_explicit(&hg_clock_tick_rate, 0, memory_order_relaxed);
    atomic_store_explicit(&replacement, now_ns, memory_order_relaxed);
}
