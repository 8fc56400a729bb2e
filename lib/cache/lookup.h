/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hit: enter a section, hash, probe, compare, count. Some eighty instructions, every one of
 * which shows. What most hits do not need is out of line and called last, so that nothing has to be
 * kept over a call.
 */
#ifndef HG_LIB_CACHE_LOOKUP_H
#define HG_LIB_CACHE_LOOKUP_H

#include "lib/cache/internal.h"

/* Acquire: pairs with the release by which a table is put in place. */
static inline struct hg_cache_table *hg_cache_table_of(const struct hg_cache *cache)
{
    return atomic_load_explicit(&cache->table, memory_order_acquire);
}

/* As of the table. Acquire: pairs with the same release. */
static inline uint64_t hg_cache_front_load(const struct hg_cache *cache)
{
    return atomic_load_explicit(&cache->front, memory_order_acquire);
}

/* In a section of READER's: counts a hit in REGION. False if there is more to do: see
 * hg_cache_count_rest, to be called next, as the last. */
static inline bool hg_cache_count(struct hg_cache *cache, struct hg_epoch_reader *reader,
                                  uint16_t region)
{
    /* Relaxed: what this thread wrote itself, or NULL. */
    if (__builtin_expect(atomic_load_explicit(&reader->hits_of, memory_order_relaxed) != cache,
                         0)) {
        return false;
    }
    hg_cache_figure_add(&reader->hits[region], 1);
    return __builtin_expect(--reader->sampler.countdown != 0, 1);
}

#endif
