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

_Static_assert(HG_HISTOGRAM_FIRST_NS == HG_NS_PER_US, "the bound of the first bucket");

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

unsigned hg_histogram_later_bucket(uint64_t duration_ns)
{
    return bucket_of(duration_ns);
}

void hg_histogram_observe(struct hg_histogram *histogram, uint64_t duration_ns)
{
    atomic_fetch_add_explicit(&histogram->bucket[bucket_of(duration_ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, duration_ns, memory_order_relaxed);
}

uint64_t hg_histogram_bound_ns(unsigned index)
{
    HG_REQUIRE(index < HG_HISTOGRAM_BUCKETS);
    return bounds_ns[index];
}
