/* SPDX-License-Identifier: Apache-2.0 */
/* The table's writer: what comes in, what has to go for it, and growing. All under the lock. */
#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/cache/internal.h"

/* Only the lock's holder replaces the table. */
static struct hg_cache_table *current(const struct hg_cache *cache)
{
    return atomic_load_explicit(&cache->table, memory_order_relaxed);
}

static enum hg_status out_of_memory(struct hg_error *error)
{
    return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: out of memory for the table");
}

/* ---- what has to go -------------------------------------------------------------------------- */

/* What one more program of some size may not exceed. */
struct limit {
    struct hg_cache_bound bound;
    const _Atomic uint64_t *entries;
    const _Atomic uint64_t *bytes;
    uint16_t region;
};

static struct limit limit_of_all(const struct hg_cache *cache)
{
    return (struct limit){
        .bound = {cache->entries_max, cache->bytes_max},
        .entries = &cache->figures.entries,
        .bytes = &cache->figures.program_bytes,
        .region = HG_CACHE_ALL_REGIONS,
    };
}

/* Where the region has no bound, the whole cache's is given: it holds a little later. */
static struct limit limit_of_region(const struct hg_cache *cache, uint16_t index)
{
    const struct hg_cache_region *region = &cache->figures.regions[index];
    const struct hg_cache_bound *bound = &region->bound;
    return (struct limit){
        .bound = {bound->entries_max != 0 ? bound->entries_max : cache->entries_max,
                  bound->bytes_max != 0 ? bound->bytes_max : cache->bytes_max},
        .entries = &region->entries,
        .bytes = &region->bytes,
        .region = index,
    };
}

static bool is_met(const struct limit *limit, uint64_t bytes)
{
    return hg_cache_figure(limit->entries) < limit->bound.entries_max &&
           hg_cache_figure(limit->bytes) <= limit->bound.bytes_max - bytes;
}

static enum hg_status evict(struct hg_cache *cache, uint16_t region, struct hg_error *error)
{
    struct hg_cache_table *table = current(cache);
    uint32_t slot = table != NULL ? hg_cache_table_victim(table, region) : HG_CACHE_SLOT_NONE;
    if (slot == HG_CACHE_SLOT_NONE) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: all %" PRIu64 " programs are in use",
                       hg_cache_figure(&cache->figures.entries));
    }
    if (!hg_retired_reserve(&cache->retired)) {
        return out_of_memory(error);
    }
    struct hg_program *victim = hg_cache_table_remove(table, slot);
    /* Release: pairs with the acquire of a handle's lookup (cache.c). */
    atomic_fetch_add_explicit(&cache->generation, 1, memory_order_release);
    hg_cache_figure_add(&cache->figures.regions[victim->key.cache].evictions, 1);
    hg_cache_count_out(&cache->figures, victim);
    hg_cache_ghost_add(&cache->ghost, hg_cache_hash(&cache->seed, &victim->key),
                       HG_CACHE_MISS_EVICTED);
    hg_retired_add_program(&cache->retired, victim);
    return HG_OK;
}

/* Evicts until one more program of BYTES bytes is within LIMIT. */
static enum hg_status make_room(struct hg_cache *cache, const struct limit *limit, uint64_t bytes,
                                struct hg_error *error)
{
    if (bytes > limit->bound.bytes_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "cache: a program of %" PRIu64 " bytes is larger than the bound of %" PRIu64,
                       bytes, limit->bound.bytes_max);
    }
    enum hg_status status = HG_OK;
    while (status == HG_OK && !is_met(limit, bytes)) {
        status = evict(cache, limit->region, error);
    }
    return status;
}

/* ---- what comes in --------------------------------------------------------------------------- */

void hg_cache_replace_table(struct hg_cache *cache, struct hg_cache_table *table)
{
    uint64_t front = table != NULL ? hg_cache_front(table) : hg_cache_front_of_none();
    /* Release: pairs with the readers' acquire. */
    atomic_store_explicit(&cache->table, table, memory_order_release);
    atomic_store_explicit(&cache->front, front, memory_order_release);
    hg_cache_figure_set(&cache->figures.table_bytes,
                        table != NULL ? hg_cache_table_bytes(table) : 0);
}

/* Sees to a table with a free slot. Readers go on with the old one until they see the new. */
static enum hg_status grow(struct hg_cache *cache, struct hg_error *error)
{
    struct hg_cache_table *table = current(cache);
    if (table != NULL && hg_cache_table_has_room(table)) {
        return HG_OK;
    }
    uint32_t slots = hg_cache_table_slots_for(table != NULL ? table->count + 1 : 1);
    struct hg_cache_table *grown = hg_cache_table_create(
        &cache->seed, slots, cache->has_region_bounds ? cache->figures.region_count : 0);
    if (grown == NULL) {
        return out_of_memory(error);
    }
    if (table != NULL && !hg_retired_reserve(&cache->retired)) {
        hg_cache_table_free(grown);
        return out_of_memory(error);
    }
    if (table != NULL) {
        hg_cache_table_copy(table, grown, false);
    }
    hg_cache_replace_table(cache, grown);
    if (table != NULL) {
        /* It is large: free it as soon as may be. */
        hg_retired_add_husk(&cache->retired, table);
        hg_retired_close(&cache->retired);
    }
    return HG_OK;
}

/* Programs that were evicted while somebody looked at them use memory beyond the bounds. A reader
 * that stays, or that the system does not let run, must not let them grow without one. */
static bool may_evict(struct hg_cache *cache)
{
    if (hg_cache_figure(&cache->retired.bytes) / 2 <= cache->bytes_max) {
        return true;
    }
    hg_retired_close(&cache->retired);
    return false;
}

enum hg_status hg_cache_store(struct hg_cache *cache, uint64_t hash, struct hg_program *program,
                              bool *is_kept, struct hg_error *error)
{
    uint64_t bytes = hg_program_bytes(program);
    const struct limit region = limit_of_region(cache, program->key.cache);
    const struct limit all = limit_of_all(cache);
    enum hg_status status = HG_OK;
    *is_kept = false;
    if (bytes <= all.bound.bytes_max && bytes <= region.bound.bytes_max &&
        !(is_met(&region, bytes) && is_met(&all, bytes)) && !may_evict(cache)) {
        return HG_OK;
    }
    if (cache->has_region_bounds) {
        status = make_room(cache, &region, bytes, error);
    }
    if (status == HG_OK) {
        status = make_room(cache, &all, bytes, error);
    }
    if (status == HG_OK) {
        status = grow(cache, error);
    }
    if (status != HG_OK) {
        return status;
    }
    hg_cache_ghost_remove(&cache->ghost, hash);
    hg_cache_count_in(&cache->figures, program);
    /* Not VISITED: a program that is asked for once leaves before one that is asked for again. */
    bool is_watched = hg_cache_reuse_is_watched(&cache->reuse, hash);
    hg_cache_set_watched(program, is_watched);
    hg_cache_table_insert(current(cache), hash, program, is_watched ? HG_CACHE_WATCHED : 0, 0);
    *is_kept = true;
    return HG_OK;
}

struct hg_retired_batch *hg_cache_collect(struct hg_cache *cache)
{
    /* A batch closes when it is full; where little memory may be used, sooner. */
    if (hg_cache_figure(&cache->retired.bytes) > cache->bytes_max / 16) {
        hg_retired_close(&cache->retired);
    }
    return hg_retired_take(&cache->retired);
}
