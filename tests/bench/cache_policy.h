/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated caches of numbered keys, by three policies of eviction. */
#ifndef HG_TESTS_BENCH_CACHE_POLICY_H
#define HG_TESTS_BENCH_CACHE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum policy {
    POLICY_SIEVE, /* the oldest that was not used; those that were stay where they are */
    POLICY_CLOCK, /* the oldest that was not used; those that were become the newest */
    POLICY_LRU,   /* what was not used for longest */
    POLICY_COUNT
};
const char *policy_name(enum policy policy);

struct policy_cache;

/* Room for SIZE of the keys 0 .. KEYS - 1. */
struct policy_cache *policy_new(enum policy policy, uint32_t size, uint32_t keys);
void policy_destroy(struct policy_cache **cache);
/* True if KEY was there; now it is. */
bool policy_access(struct policy_cache *cache, uint32_t key);
/* True if KEY is there; no use of it. */
bool policy_holds(const struct policy_cache *cache, uint32_t key);

#endif
