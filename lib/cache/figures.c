/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/figures.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/cache/internal.h"

#define LINE_BYTES 64u
#define LINE_WORDS (LINE_BYTES / (uint32_t)sizeof(uint64_t))

bool hg_cache_figures_init(struct hg_cache_figures *figures, uint16_t region_count,
                           const struct hg_cache_bound *bounds)
{
    figures->region_count = region_count;
    figures->shard_stride = (region_count + LINE_WORDS - 1) / LINE_WORDS * LINE_WORDS;
    size_t bytes = (size_t)(HG_CACHE_SHARDS + 1) * figures->shard_stride * sizeof *figures->hits;
    figures->regions = hg_calloc(HG_TAG_CACHE, region_count, sizeof *figures->regions);
    if (figures->regions == NULL) {
        return false;
    }
    figures->hits = hg_aligned_alloc(HG_TAG_CACHE, LINE_BYTES, bytes);
    if (figures->hits == NULL) {
        hg_free(HG_TAG_CACHE, figures->regions);
        return false;
    }
    memset(figures->hits, 0, bytes);
    for (uint16_t i = 0; bounds != NULL && i < region_count; i++) {
        figures->regions[i].bound = bounds[i];
    }
    return true;
}

void hg_cache_figures_fini(struct hg_cache_figures *figures)
{
    hg_free(HG_TAG_CACHE, figures->regions);
    hg_free(HG_TAG_CACHE, figures->hits);
}

_Atomic uint64_t *hg_cache_own_hits(struct hg_cache_figures *figures, uint32_t index)
{
    return index < HG_CACHE_SHARDS ? &figures->hits[index * figures->shard_stride] : NULL;
}

void hg_cache_count_shared_hit(struct hg_cache_figures *figures, uint16_t region)
{
    _Atomic uint64_t *shared = &figures->hits[HG_CACHE_SHARDS * figures->shard_stride];
    atomic_fetch_add_explicit(&shared[region], 1, memory_order_relaxed);
}

void hg_cache_count_in(struct hg_cache_figures *figures, const struct hg_program *program)
{
    struct hg_cache_region *region = &figures->regions[program->key.cache];
    uint64_t bytes = hg_program_bytes(program);
    hg_cache_figure_add(&region->entries, 1);
    hg_cache_figure_add(&region->bytes, bytes);
    hg_cache_figure_add(&figures->entries, 1);
    hg_cache_figure_add(&figures->program_bytes, bytes);
}

void hg_cache_count_out(struct hg_cache_figures *figures, const struct hg_program *program)
{
    struct hg_cache_region *region = &figures->regions[program->key.cache];
    uint64_t bytes = hg_program_bytes(program);
    hg_cache_figure_subtract(&region->entries, 1);
    hg_cache_figure_subtract(&region->bytes, bytes);
    hg_cache_figure_subtract(&figures->entries, 1);
    hg_cache_figure_subtract(&figures->program_bytes, bytes);
}

const char *hg_cache_miss_reason_name(enum hg_cache_miss_reason reason)
{
    static const char *const names[] = {
        [HG_CACHE_MISS_FIRST] = "first_seen",
        [HG_CACHE_MISS_EVICTED] = "evicted",
        [HG_CACHE_MISS_FLUSHED] = "flushed",
        [HG_CACHE_MISS_FAILED] = "failed",
    };
    return (unsigned)reason < HG_ARRAY_COUNT(names) ? names[reason] : "invalid";
}

static uint64_t hits_of(const struct hg_cache_figures *figures, uint16_t region)
{
    uint64_t hits = 0;
    for (uint32_t shard = 0; shard <= HG_CACHE_SHARDS; shard++) {
        hits += hg_cache_figure(&figures->hits[shard * figures->shard_stride + region]);
    }
    return hits;
}

void hg_cache_region_stats(const struct hg_cache *cache, uint16_t region,
                           struct hg_cache_region_stats *stats)
{
    HG_REQUIRE(region < cache->figures.region_count);
    const struct hg_cache_region *figures = &cache->figures.regions[region];
    *stats = (struct hg_cache_region_stats){
        .hits = hits_of(&cache->figures, region),
        .builds = hg_cache_figure(&figures->builds),
        .build_failures = hg_cache_figure(&figures->build_failures),
        .evictions = hg_cache_figure(&figures->evictions),
        .entries = hg_cache_figure(&figures->entries),
        .bytes = hg_cache_figure(&figures->bytes),
        .build_ns_sum = hg_cache_figure(&figures->build_times.sum_ns),
    };
    for (unsigned i = 0; i < HG_CACHE_MISS_REASONS; i++) {
        stats->misses_by_reason[i] = hg_cache_figure(&figures->misses[i]);
        stats->misses += stats->misses_by_reason[i];
    }
}

void hg_cache_region_build_times(const struct hg_cache *cache, uint16_t region,
                                 uint64_t buckets[HG_HISTOGRAM_BUCKETS])
{
    HG_REQUIRE(region < cache->figures.region_count);
    const struct hg_histogram *times = &cache->figures.regions[region].build_times;
    for (unsigned i = 0; i < HG_HISTOGRAM_BUCKETS; i++) {
        buckets[i] = hg_cache_figure(&times->bucket[i]);
    }
}

uint64_t hg_cache_bytes(const struct hg_cache *cache)
{
    return hg_cache_figure(&cache->figures.program_bytes) +
           hg_cache_figure(&cache->figures.table_bytes);
}

uint64_t hg_cache_entries(const struct hg_cache *cache)
{
    return hg_cache_figure(&cache->figures.entries);
}

uint64_t hg_cache_retired_bytes(const struct hg_cache *cache)
{
    return hg_cache_figure(&cache->retired.bytes);
}
