/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "lib/base/check.h"

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

void hg_clock_replace(uint64_t (*now_ns)(void))
{
    atomic_store_explicit(&replacement, now_ns, memory_order_relaxed);
}
