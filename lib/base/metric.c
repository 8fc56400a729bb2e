/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/metric.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

static const uint64_t bounds_ns[HG_HISTOGRAM_BUCKETS] = {
    1 * HG_NS_PER_US,    2500,
    5 * HG_NS_PER_US,    10 * HG_NS_PER_US,
    25 * HG_NS_PER_US,   50 * HG_NS_PER_US,
    100 * HG_NS_PER_US,  250 * HG_NS_PER_US,
    500 * HG_NS_PER_US,  1 * HG_NS_PER_MS,
    2500 * HG_NS_PER_US, 5 * HG_NS_PER_MS,
    10 * HG_NS_PER_MS,   25 * HG_NS_PER_MS,
    50 * HG_NS_PER_MS,   100 * HG_NS_PER_MS,
    250 * HG_NS_PER_MS,  500 * HG_NS_PER_MS,
    1 * HG_NS_PER_S,     2500 * HG_NS_PER_MS,
    5 * HG_NS_PER_S,     10 * HG_NS_PER_S,
    UINT64_MAX,
};

/* The first bucket whose bound is not below DURATION_NS: bounds are inclusive, as Prometheus' le.
 * From below, for what is observed most often is short. */
static unsigned bucket_of(uint64_t duration_ns)
{
    unsigned bucket = 0;
    while (duration_ns > bounds_ns[bucket]) {
        bucket++;
    }
    return bucket;
}

void hg_histogram_observe(struct hg_histogram *histogram, uint64_t duration_ns)
{
    atomic_fetch_add_explicit(&histogram->bucket[bucket_of(duration_ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, duration_ns, memory_order_relaxed);
}

static void add_alone(_Atomic uint64_t *value, uint64_t amount)
{
    const uint64_t before = atomic_load_explicit(value, memory_order_relaxed);
    atomic_store_explicit(value, before + amount, memory_order_relaxed);
}

void hg_histogram_observe_alone(struct hg_histogram *histogram, uint64_t duration_ns)
{
    add_alone(&histogram->bucket[bucket_of(duration_ns)], 1);
    add_alone(&histogram->sum_ns, duration_ns);
}

uint64_t hg_histogram_bound_ns(unsigned index)
{
    HG_REQUIRE(index < HG_HISTOGRAM_BUCKETS);
    return bounds_ns[index];
}
