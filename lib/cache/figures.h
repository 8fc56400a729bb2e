/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cache counts, per region. Hits are counted in shards, one for each of the first threads
 * and one that the others share, and summed when read: no two threads write to the same cache line.
 *
 * Threads: hits from any thread; the rest is written under the cache's lock and read without it.
 * Atomics: relaxed throughout; a figure orders nothing.
 */
#ifndef HG_LIB_CACHE_FIGURES_H
#define HG_LIB_CACHE_FIGURES_H

#include "lib/cache/cache.h"

#define HG_CACHE_SHARDS 16 /* of threads' own; the one after them is shared */

struct hg_cache_region {
    _Atomic uint64_t misses[HG_CACHE_MISS_REASONS];
    _Atomic uint64_t builds;
    _Atomic uint64_t build_failures;
    _Atomic uint64_t evictions;
    _Atomic uint64_t entries;
    _Atomic uint64_t bytes;
    struct hg_cache_bound bound; /* constant */
    struct hg_histogram build_times;
};

struct hg_cache_figures {
    _Atomic uint64_t *hits; /* [shard][region], each shard on cache lines of its own */
    uint32_t shard_stride;  /* counters from one shard to the next */
    uint16_t region_count;
    struct hg_cache_region *regions;
    _Atomic uint64_t entries;
    _Atomic uint64_t program_bytes;
    _Atomic uint64_t table_bytes;
};

/* False when out of memory. */
HG_MUST_CHECK bool hg_cache_figures_init(struct hg_cache_figures *figures, uint16_t region_count,
                                         const struct hg_cache_bound *bounds);
void hg_cache_figures_fini(struct hg_cache_figures *figures);

/* The counters of a thread's own, by its record's index (epoch.h); NULL: it shares. */
_Atomic uint64_t *hg_cache_own_hits(struct hg_cache_figures *figures, uint32_t index);
/* Counts a hit of a thread that shares. */
void hg_cache_count_shared_hit(struct hg_cache_figures *figures, uint16_t region);

static inline uint64_t hg_cache_figure(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

/* Of a figure that only this thread, or the lock's holder, writes: no atomic read-modify-write is
 * needed. */
static inline void hg_cache_figure_add(_Atomic uint64_t *figure, uint64_t amount)
{
    atomic_store_explicit(figure, hg_cache_figure(figure) + amount, memory_order_relaxed);
}

static inline void hg_cache_figure_subtract(_Atomic uint64_t *figure, uint64_t amount)
{
    atomic_store_explicit(figure, hg_cache_figure(figure) - amount, memory_order_relaxed);
}

static inline void hg_cache_figure_set(_Atomic uint64_t *figure, uint64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

/* Counts PROGRAM in as it enters the table, or out as it leaves. */
void hg_cache_count_in(struct hg_cache_figures *figures, const struct hg_program *program);
void hg_cache_count_out(struct hg_cache_figures *figures, const struct hg_program *program);

#endif
