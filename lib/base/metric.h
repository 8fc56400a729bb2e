/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and histograms that any thread may add to. Reading is not a snapshot across metrics.
 *
 * Atomics: relaxed throughout; a metric orders nothing.
 */
#ifndef HG_LIB_BASE_METRIC_H
#define HG_LIB_BASE_METRIC_H

#include <stdatomic.h>
#include <stdint.h>

struct hg_counter {
    _Atomic uint64_t value;
};

static inline void hg_counter_add(struct hg_counter *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&counter->value, amount, memory_order_relaxed);
}

/* The same where no other thread adds to COUNTER: no locked instruction. */
static inline void hg_counter_add_alone(struct hg_counter *counter, uint64_t amount)
{
    const uint64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);
    atomic_store_explicit(&counter->value, value + amount, memory_order_relaxed);
}

static inline uint64_t hg_counter_read(const struct hg_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/* Durations: upper bounds from 1 us to 10 s in steps of 1, 2.5, 5, 10 ...; the last is +inf. */
#define HG_HISTOGRAM_BUCKETS 23
struct hg_histogram {
    _Atomic uint64_t bucket[HG_HISTOGRAM_BUCKETS]; /* not cumulative */
    _Atomic uint64_t sum_ns;
};

void hg_histogram_observe(struct hg_histogram *histogram, uint64_t duration_ns);
/* The same where no other thread observes in HISTOGRAM. */
void hg_histogram_observe_alone(struct hg_histogram *histogram, uint64_t duration_ns);
/* Upper bound of bucket INDEX in nanoseconds; UINT64_MAX for the last. */
uint64_t hg_histogram_bound_ns(unsigned index);

#endif
