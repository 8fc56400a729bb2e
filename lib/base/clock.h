/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monotonic time, and the seam by which tests replace it.
 *
 * Threads: hg_clock_now_ns from any thread; hg_clock_replace before other threads start.
 */
#ifndef HG_LIB_BASE_CLOCK_H
#define HG_LIB_BASE_CLOCK_H

#include <stdint.h>

#define HG_NS_PER_US 1000ull
#define HG_NS_PER_MS 1000000ull
#define HG_NS_PER_S  1000000000ull

/* CLOCK_MONOTONIC in nanoseconds, or what the replacement says. */
uint64_t hg_clock_now_ns(void);

/*
 * The cheapest steady counter there is, for intervals on one thread: the CPU's, or else the clock.
 * The first call of all measures its rate and takes some 200 microseconds.
 */
uint64_t hg_clock_ticks(void);
/* Nanoseconds from START to END; 0 where END is not after START (CPUs may differ a little). */
uint64_t hg_clock_ticks_ns(uint64_t start, uint64_t end);

/* NULL restores the real clock. */
void hg_clock_replace(uint64_t (*now_ns)(void));

#endif
