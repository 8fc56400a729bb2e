/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/cache_policy.h"

#include <stdlib.h>

#include "lib/base/check.h"

#define NONE UINT32_MAX

struct entry {
    uint32_t older;
    uint32_t newer;
    bool is_there;
    bool is_visited;
};

struct policy_cache {
    enum policy policy;
    uint32_t size;
    uint32_t count;
    uint32_t oldest;
    uint32_t newest;
    uint32_t hand;
    struct entry entries[];
};

const char *policy_name(enum policy policy)
{
    static const char *const names[] = {"sieve", "clock", "lru"};
    return names[policy];
}

struct policy_cache *policy_new(enum policy policy, uint32_t size, uint32_t keys)
{
    struct policy_cache *cache = calloc(1, sizeof *cache + keys * sizeof cache->entries[0]);
    HG_REQUIRE(cache != NULL && size > 0);
    cache->policy = policy;
    cache->size = size;
    cache->oldest = cache->newest = cache->hand = NONE;
    return cache;
}

void policy_destroy(struct policy_cache **cache)
{
    free(*cache);
    *cache = NULL;
}

static void take_out(struct policy_cache *cache, uint32_t key)
{
    const struct entry *entry = &cache->entries[key];
    if (entry->older != NONE) {
        cache->entries[entry->older].newer = entry->newer;
    } else {
        cache->oldest = entry->newer;
    }
    if (entry->newer != NONE) {
        cache->entries[entry->newer].older = entry->older;
    } else {
        cache->newest = entry->older;
    }
}

static void make_newest(struct policy_cache *cache, uint32_t key)
{
    cache->entries[key].older = cache->newest;
    cache->entries[key].newer = NONE;
    if (cache->newest != NONE) {
        cache->entries[cache->newest].newer = key;
    } else {
        cache->oldest = key;
    }
    cache->newest = key;
}

static uint32_t victim_of_clock(struct policy_cache *cache)
{
    while (cache->entries[cache->oldest].is_visited) {
        uint32_t spared = cache->oldest;
        cache->entries[spared].is_visited = false;
        take_out(cache, spared);
        make_newest(cache, spared);
    }
    return cache->oldest;
}

static uint32_t victim_of_sieve(struct policy_cache *cache)
{
    uint32_t key = cache->hand != NONE ? cache->hand : cache->oldest;
    while (cache->entries[key].is_visited) {
        cache->entries[key].is_visited = false;
        key = cache->entries[key].newer != NONE ? cache->entries[key].newer : cache->oldest;
    }
    cache->hand = cache->entries[key].newer;
    return key;
}

static void evict(struct policy_cache *cache)
{
    uint32_t victim = cache->policy == POLICY_SIEVE   ? victim_of_sieve(cache)
                      : cache->policy == POLICY_CLOCK ? victim_of_clock(cache)
                                                      : cache->oldest;
    take_out(cache, victim);
    cache->entries[victim].is_there = false;
    cache->count--;
}

bool policy_access(struct policy_cache *cache, uint32_t key)
{
    struct entry *entry = &cache->entries[key];
    if (entry->is_there) {
        entry->is_visited = true;
        if (cache->policy == POLICY_LRU) {
            take_out(cache, key);
            make_newest(cache, key);
        }
        return true;
    }
    if (cache->count == cache->size) {
        evict(cache);
    }
    entry->is_there = true;
    entry->is_visited = false;
    make_newest(cache, key);
    cache->count++;
    return false;
}

bool policy_holds(const struct policy_cache *cache, uint32_t key)
{
    return cache->entries[key].is_there;
}
