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

/* In a section of READER's: counts a hit on KEY and gives its PROGRAM. */
static inline struct hg_program *hg_cache_count_use(struct hg_cache *cache,
                                                    struct hg_epoch_reader *reader,
                                                    const struct hg_key *key,
                                                    struct hg_program *program)
{
    if (__builtin_expect(reader->hits_of != cache->id, 0)) {
        return hg_cache_count_unbound(cache, reader, key, program);
    }
    hg_cache_figure_add(&reader->hits[key->cache], 1);
    if (__builtin_expect(--reader->sampler.countdown == 0, 0)) {
        return hg_cache_count_sample(cache, reader, key, program);
    }
    return program;
}

#endif
