/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why keys that are not in the cache are not there: a bounded memory of hashes of keys that were
 * evicted, flushed, or failed to build. Sets of eight cells; where a set is full, one of its cells
 * is forgotten. A key that was forgotten counts as seen for the first time; so, once in thousands
 * of millions, does the reverse happen.
 *
 * Threads: one at a time (the cache's lock).
 */
#ifndef HG_LIB_CACHE_GHOST_H
#define HG_LIB_CACHE_GHOST_H

#include "lib/base/status.h"
#include "lib/cache/cache.h"

struct hg_cache_ghost {
    uint32_t *cells; /* 30 bits of hash, 2 of reason; 0 = free */
    uint32_t mask;   /* sets - 1 */
    uint32_t turn;   /* which cell of a full set is forgotten next */
};

/* Remembers at least as many keys as ENTRIES_MAX, within bounds. False when out of memory. */
HG_MUST_CHECK bool hg_cache_ghost_init(struct hg_cache_ghost *ghost, uint64_t entries_max);
void hg_cache_ghost_fini(struct hg_cache_ghost *ghost);

/* How many keys it can remember at most. */
uint32_t hg_cache_ghost_capacity(const struct hg_cache_ghost *ghost);
/* REASON is not HG_CACHE_MISS_FIRST. */
void hg_cache_ghost_add(struct hg_cache_ghost *ghost, uint64_t hash,
                        enum hg_cache_miss_reason reason);
enum hg_cache_miss_reason hg_cache_ghost_find(const struct hg_cache_ghost *ghost, uint64_t hash);
void hg_cache_ghost_remove(struct hg_cache_ghost *ghost, uint64_t hash);

#endif
