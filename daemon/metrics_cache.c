/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program cache for Prometheus: counters, so that rates over any time and any set of caches can
 * be had from them, and gauges of what is there.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/metrics_text.h"

#define FAMILY "hologram_program_cache_"

static const char *name_of(unsigned cache)
{
    return hg_cache_name((enum hg_cache_id)cache);
}

/* A family whose help names the caches that count only when composites are not fused. */
static void head_with_unfused(struct hg_metrics_text *text, const char *name, const char *help)
{
    const char *separator = "";
    hg_metrics_put(text, "# HELP " FAMILY "%s %s Only with fusion = off: ", name, help);
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        if (hg_cache_is_unfused((enum hg_cache_id)i)) {
            hg_metrics_put(text, "%s%s", separator, name_of(i));
            separator = ", ";
        }
    }
    hg_metrics_put(text, ".\n# TYPE " FAMILY "%s counter\n", name);
}

/* One figure of every named cache, at OFFSET in its statistics. */
static void put_figures(struct hg_metrics_text *text, const struct hg_stats_reply *stats,
                        const char *name, size_t offset)
{
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&stats->caches[i] + offset, sizeof(value));
        hg_metrics_put(text, FAMILY "%s{cache=\"%s\"} %" PRIu64 "\n", name, name_of(i), value);
    }
}

static void put_lookups(struct hg_metrics_text *text, const struct hg_stats_reply *stats)
{
    head_with_unfused(text, "hits_total", "Programs found.");
    put_figures(text, stats, "hits_total", offsetof(struct hg_cache_region_stats, hits));
    head_with_unfused(text, "misses_total", "Programs not found, by reason.");
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        for (unsigned reason = 0; reason < HG_CACHE_MISS_REASONS; reason++) {
            hg_metrics_put(text, FAMILY "misses_total{cache=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
                           name_of(i), hg_cache_miss_reason_name((enum hg_cache_miss_reason)reason),
                           stats->caches[i].misses_by_reason[reason]);
        }
    }
    head_with_unfused(text, "builds_total", "Programs built, or copied from precompiled ones.");
    put_figures(text, stats, "builds_total", offsetof(struct hg_cache_region_stats, builds));
}

static void put_programs(struct hg_metrics_text *text, const struct hg_stats_reply *stats)
{
    hg_metrics_head(text, "program_cache_build_failures_total", "counter", "Builds that failed.");
    put_figures(text, stats, "build_failures_total",
                offsetof(struct hg_cache_region_stats, build_failures));
    hg_metrics_head(text, "program_cache_evictions_total", "counter", "Programs evicted.");
    put_figures(text, stats, "evictions_total", offsetof(struct hg_cache_region_stats, evictions));
    hg_metrics_head(text, "program_cache_entries", "gauge", "Programs kept.");
    put_figures(text, stats, "entries", offsetof(struct hg_cache_region_stats, entries));
    hg_metrics_head(text, "program_cache_bytes", "gauge", "Memory of the programs kept.");
    put_figures(text, stats, "bytes", offsetof(struct hg_cache_region_stats, bytes));
}

/* What a dashboard selects caches by. */
static void put_info(struct hg_metrics_text *text)
{
    hg_metrics_head(text, "program_cache_info", "gauge",
                    "The named caches; counts says when each does: always, or unfused (only with "
                    "fusion = off).");
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        hg_metrics_put(text, FAMILY "info{cache=\"%s\",counts=\"%s\"} 1\n", name_of(i),
                       hg_cache_is_unfused((enum hg_cache_id)i) ? "unfused" : "always");
    }
}

/* Every bound up to 0.1 ms, where nearly all builds end, then each decade up to 10 ms: of
 * forty caches' histograms every series counts. */
static bool is_shown(unsigned bucket)
{
    return bucket < 7 || bucket == 9 || bucket == 12;
}

static void put_build_time(struct hg_metrics_text *text, const struct hg_metrics_view *view,
                           unsigned cache)
{
    uint64_t buckets[HG_HISTOGRAM_BUCKETS];
    uint64_t count = 0;
    hg_engine_cache_build_times(view->engine, (enum hg_cache_id)cache, buckets);
    for (unsigned i = 0; i < HG_HISTOGRAM_BUCKETS; i++) {
        count += buckets[i];
        if (is_shown(i)) {
            hg_metrics_put(
                text, FAMILY "build_duration_seconds_bucket{cache=\"%s\",le=\"%g\"} %" PRIu64 "\n",
                name_of(cache), (double)hg_histogram_bound_ns(i) / 1e9, count);
        }
    }
    hg_metrics_put(text,
                   FAMILY "build_duration_seconds_bucket{cache=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
                   name_of(cache), count);
    hg_metrics_put(text, FAMILY "build_duration_seconds_sum{cache=\"%s\"} %.9f\n", name_of(cache),
                   (double)view->stats->caches[cache].build_ns_sum / 1e9);
    hg_metrics_put(text, FAMILY "build_duration_seconds_count{cache=\"%s\"} %" PRIu64 "\n",
                   name_of(cache), count);
}

static void put_build_times(struct hg_metrics_text *text, const struct hg_metrics_view *view)
{
    hg_metrics_head(text, "program_cache_build_duration_seconds", "histogram",
                    "Time of builds, failed ones too.");
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        put_build_time(text, view, i);
    }
}

static void put_totals(struct hg_metrics_text *text, const struct hg_stats_reply *stats)
{
    const struct hg_cache_totals *totals = &stats->cache;
    hg_metrics_gauge(text, "program_cache_limit_entries", "Programs that may be kept.",
                     totals->entries_max);
    hg_metrics_gauge(text, "program_cache_limit_bytes", "Memory that they may use.",
                     totals->bytes_max);
    hg_metrics_gauge(text, "program_cache_used_bytes", "Memory of the programs and the table.",
                     totals->bytes);
    hg_metrics_gauge(text, "program_cache_retired_bytes",
                     "Memory of programs that were evicted and may still be looked at.",
                     totals->retired_bytes);
    hg_metrics_counter(text, "program_cache_precompiled_total",
                       "Builds that copied a program which was there from the start.",
                       stats->engine.precompiled);
    hg_metrics_counter(text, "program_cache_warmed_total",
                       "Programs that restoring and warming found or built.", stats->engine.warmed);
}

/* Operands of products, packed once as their buffers are constant. */
static void put_packed(struct hg_metrics_text *text, const struct hg_packed_stats *packed)
{
    hg_metrics_gauge(text, "packed_entries", "Packed operands kept.", packed->entries);
    hg_metrics_gauge(text, "packed_used_bytes", "Memory of packed operands.", packed->bytes);
    hg_metrics_gauge(text, "packed_limit_bytes", "Memory that they may use.", packed->bytes_max);
    hg_metrics_counter(text, "packed_hits_total", "Products that read a packed operand.",
                       packed->hits);
    hg_metrics_counter(text, "packed_builds_total", "Operands packed.", packed->builds);
    hg_metrics_counter(text, "packed_evictions_total", "Packed operands evicted.",
                       packed->evictions);
}

/* An estimate cannot be a counter: it is about lookups that were. */
static void put_what_if(struct hg_metrics_text *text, const struct hg_metrics_view *view)
{
    uint64_t samples = 0;
    hg_metrics_head(text, "program_cache_what_if_hit_ratio", "gauge",
                    "Share of all lookups that a cache of so many entries would have answered, by "
                    "sampled reuse times.");
    for (unsigned i = 0; i < 5; i++) {
        const uint64_t entries = (view->stats->cache.entries_max << i) / 4;
        const double ratio = hg_engine_cache_what_if(view->engine, entries, &samples);
        hg_metrics_put(text, FAMILY "what_if_hit_ratio{entries=\"%" PRIu64 "\"} %.6f\n", entries,
                       ratio);
    }
    hg_metrics_gauge(text, "program_cache_what_if_samples",
                     "What these estimates rest on; below some hundreds they say little.", samples);
}

void hg_metrics_put_caches(struct hg_metrics_text *text, const struct hg_metrics_view *view)
{
    put_info(text);
    put_lookups(text, view->stats);
    put_programs(text, view->stats);
    put_build_times(text, view);
    put_totals(text, view->stats);
    put_packed(text, &view->stats->packed);
    put_what_if(text, view);
}
