/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monotonic time, and the seam by which tests replace it.
 *
 * Threads: hg_clock_now_ns from any thread; hg_clock_replace before other threads start.
 */
#ifndef HG_LIB_BASE_CLOCK_H
#define HG_LIB_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/cpu.h"

#define HG_NS_PER_US 1000ull
#define HG_NS_PER_MS 1000000ull
#define HG_NS_PER_S  1000000000ull

/* CLOCK_MONOTONIC in nanoseconds, or what the replacement says. */
uint64_t hg_clock_now_ns(void);

/*
 * The cheapest steady counter there is, for intervals on one thread: the CPU's, or else the clock.
 * The first call of all measures its rate and takes some 200 microseconds.
 */
static inline uint64_t hg_clock_ticks(void);
/* Nanoseconds from START to END; 0 where END is not after START (CPUs may differ a little). */
static inline uint64_t hg_clock_ticks_ns(uint64_t start, uint64_t end);

/* NULL restores the real clock. */
void hg_clock_replace(uint64_t (*now_ns)(void));

/* ---- inline ---------------------------------------------------------------------------------- */

#define HG_CLOCK_RATE_SHIFT 32

/* Process-wide state: nanoseconds per tick of the CPU, shifted; 0 while ticks are the clock's or
 * nobody has measured. Relaxed: it is all there is to know. */
extern _Atomic uint64_t hg_clock_tick_rate;
uint64_t hg_clock_ticks_slowly(void);

static inline uint64_t hg_clock_ticks(void)
{
    const uint64_t rate = atomic_load_explicit(&hg_clock_tick_rate, memory_order_relaxed);
    return __builtin_expect(rate != 0, 1) ? hg_cpu_ticks() : hg_clock_ticks_slowly();
}

static inline uint64_t hg_clock_ticks_ns(uint64_t start, uint64_t end)
{
    const uint64_t rate = atomic_load_explicit(&hg_clock_tick_rate, memory_order_relaxed);
    if (end <= start) {
        return 0;
    }
    return rate != 0 ? (uint64_t)((unsigned __int128)(end - start) * rate >> HG_CLOCK_RATE_SHIFT)
                     : end - start;
}

#endif
