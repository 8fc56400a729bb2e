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

/* Without a locked instruction: no other thread adds. */
static inline void hg_metric_add_alone(_Atomic uint64_t *value, uint64_t amount)
{
    const uint64_t before = atomic_load_explicit(value, memory_order_relaxed);
    atomic_store_explicit(value, before + amount, memory_order_relaxed);
}

/* The same where no other thread adds to COUNTER. */
static inline void hg_counter_add_alone(struct hg_counter *counter, uint64_t amount)
{
    hg_metric_add_alone(&counter->value, amount);
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
/* The bucket of a duration that is not in the first. */
unsigned hg_histogram_later_bucket(uint64_t duration_ns);
#define HG_HISTOGRAM_FIRST_NS 1000u
/* The same where no other thread observes in HISTOGRAM. */
static inline void hg_histogram_observe_alone(struct hg_histogram *histogram, uint64_t duration_ns)
{
    /* What is observed most often is short. */
    const unsigned bucket =
        duration_ns <= HG_HISTOGRAM_FIRST_NS ? 0 : hg_histogram_later_bucket(duration_ns);
    hg_metric_add_alone(&histogram->bucket[bucket], 1);
    hg_metric_add_alone(&histogram->sum_ns, duration_ns);
}
/* Upper bound of bucket INDEX in nanoseconds; UINT64_MAX for the last. */
uint64_t hg_histogram_bound_ns(unsigned index);

#endif
