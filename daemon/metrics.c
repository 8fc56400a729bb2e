/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text exposition format, version 0.0.4. */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text that grows; a failed allocation is remembered and shown at the end. */
struct text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

static void grow(struct text *text, size_t needed)
{
    size_t capacity = text->capacity != 0 ? text->capacity : 32768;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = hg_realloc(HG_TAG_TRANSPORT, text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return;
    }
    text->data = data;
    text->capacity = capacity;
}

HG_PRINTF(2, 3) static void put(struct text *text, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(line)) {
        text->failed = true;
    }
    if (!text->failed && text->length + (size_t)length > text->capacity) {
        grow(text, text->length + (size_t)length);
    }
    if (!text->failed) {
        memcpy(text->data + text->length, line, (size_t)length);
        text->length += (size_t)length;
    }
}

static void head(struct text *text, const char *name, const char *type, const char *help)
{
    put(text, "# HELP hologram_%s %s\n# TYPE hologram_%s %s\n", name, help, name, type);
}

static void gauge(struct text *text, const char *name, const char *help, uint64_t value)
{
    head(text, name, "gauge", help);
    put(text, "hologram_%s %" PRIu64 "\n", name, value);
}

static void counter(struct text *text, const char *name, const char *help, uint64_t value)
{
    head(text, name, "counter", help);
    put(text, "hologram_%s %" PRIu64 "\n", name, value);
}

/* One line per status that occurred, and always one for OK, so that rates start at zero. */
static void put_by_code(struct text *text, const char *name, const char *label, const char *value,
                        const struct hg_counter *counters)
{
    for (unsigned code = 0; code < HG_STATUS_COUNT; code++) {
        const uint64_t count = hg_counter_read(&counters[code]);
        if (count != 0 || code == HG_OK) {
            put(text, "hologram_%s{%s=\"%s\",code=\"%s\"} %" PRIu64 "\n", name, label, value,
                hg_status_name((enum hg_status)code), count);
        }
    }
}

static void put_requests(struct text *text, const struct hg_metrics *metrics)
{
    head(text, "requests_total", "counter", "Requests answered, by kind and status.");
    for (unsigned kind = 0; kind < HG_REQUEST_KIND_COUNT; kind++) {
        put_by_code(text, "requests_total", "request",
                    hg_request_kind_name((enum hg_request_kind)kind), metrics->requests[kind]);
    }
    head(text, "operations_total", "counter",
         "Operations run, alone and in batches, by op and status.");
    for (unsigned op = 0; op < HG_OP_ID_COUNT; op++) {
        put_by_code(text, "operations_total", "op", hg_op_info((enum hg_op_id)op)->name,
                    metrics->operations[op]);
    }
    put_by_code(text, "operations_total", "op", "user_or_unknown",
                metrics->operations[HG_OP_ID_UNKNOWN]);
}

static void put_histogram(struct text *text, const char *stage,
                          const struct hg_histogram *histogram)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HG_HISTOGRAM_BUCKETS; i++) {
        count += atomic_load_explicit(&histogram->bucket[i], memory_order_relaxed);
        const uint64_t bound_ns = hg_histogram_bound_ns(i);
        if (bound_ns != UINT64_MAX) {
            put(text,
                "hologram_stage_duration_seconds_bucket{stage=\"%s\",le=\"%g\"} %" PRIu64 "\n",
                stage, (double)bound_ns / 1e9, count);
        }
    }
    put(text, "hologram_stage_duration_seconds_bucket{stage=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
        stage, count);
    put(text, "hologram_stage_duration_seconds_sum{stage=\"%s\"} %.9f\n", stage,
        (double)atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed) / 1e9);
    put(text, "hologram_stage_duration_seconds_count{stage=\"%s\"} %" PRIu64 "\n", stage, count);
}

static void put_stages(struct text *text, const struct hg_metrics *metrics)
{
    static const char *const names[] = {
#define HG_STAGE_NAME(name, label) [HG_STAGE_##name] = label,
        HG_STAGES(HG_STAGE_NAME)
#undef HG_STAGE_NAME
    };
    head(text, "stage_duration_seconds", "histogram", "What the time of requests goes to.");
    for (unsigned stage = 0; stage < HG_STAGE_COUNT; stage++) {
        put_histogram(text, names[stage], &metrics->stages[stage]);
    }
}

/* One figure of every named cache. */
static void put_caches(struct text *text, const struct hg_stats_reply *stats, const char *name,
                       const char *type, const char *help, size_t offset)
{
    head(text, name, type, help);
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&stats->caches[i] + offset, sizeof(value));
        put(text, "hologram_%s{cache=\"%s\"} %" PRIu64 "\n", name,
            hg_cache_name((enum hg_cache_id)i), value);
    }
}

static void put_all_caches(struct text *text, const struct hg_stats_reply *stats)
{
    put_caches(text, stats, "program_cache_hits_total", "counter", "Programs found.",
               offsetof(struct hg_cache_region_stats, hits));
    put_caches(text, stats, "program_cache_misses_total", "counter", "Programs not found.",
               offsetof(struct hg_cache_region_stats, misses));
    put_caches(text, stats, "program_cache_builds_total", "counter", "Programs built.",
               offsetof(struct hg_cache_region_stats, builds));
    put_caches(text, stats, "program_cache_build_failures_total", "counter", "Builds that failed.",
               offsetof(struct hg_cache_region_stats, build_failures));
    put_caches(text, stats, "program_cache_evictions_total", "counter", "Programs evicted.",
               offsetof(struct hg_cache_region_stats, evictions));
    put_caches(text, stats, "program_cache_entries", "gauge", "Programs kept.",
               offsetof(struct hg_cache_region_stats, entries));
    put_caches(text, stats, "program_cache_bytes", "gauge", "Memory of the programs kept.",
               offsetof(struct hg_cache_region_stats, bytes));
}

static void put_pools(struct text *text, const struct hg_pool_stats *pool)
{
    static const char *const names[HG_POOL_KIND_COUNT] = {
        [HG_POOL_HEAP] = "heap", [HG_POOL_BOUNDARY] = "boundary", [HG_POOL_SHARED] = "shared"};
    head(text, "pool_used_bytes", "gauge", "Memory that buffers occupy.");
    for (unsigned i = 0; i < HG_POOL_KIND_COUNT; i++) {
        put(text, "hologram_pool_used_bytes{pool=\"%s\"} %" PRIu64 "\n", names[i],
            pool->bytes_used[i]);
    }
    head(text, "pool_limit_bytes", "gauge",
         "Memory that buffers may occupy; heap and shared have one bound.");
    for (unsigned i = 0; i < HG_POOL_KIND_COUNT; i++) {
        put(text, "hologram_pool_limit_bytes{pool=\"%s\"} %" PRIu64 "\n", names[i],
            pool->bytes_limit[i]);
    }
    head(text, "pool_blocks", "gauge", "Blocks of memory in use.");
    for (unsigned i = 0; i < HG_POOL_KIND_COUNT; i++) {
        put(text, "hologram_pool_blocks{pool=\"%s\"} %" PRIu64 "\n", names[i], pool->blocks[i]);
    }
}

static void put_connections(struct text *text, const struct hg_metrics_view *view)
{
    const struct hg_metrics *metrics = view->metrics;
    gauge(text, "connections", "Clients connected.", view->connections);
    gauge(text, "requests_in_flight", "Requests not answered yet.", view->requests_in_flight);
    counter(text, "connections_accepted_total", "Clients that connected.",
            hg_counter_read(&metrics->connections_accepted));
    counter(text, "connections_refused_total", "Connections refused at a limit.",
            hg_counter_read(&metrics->connections_refused));
    counter(text, "connections_timed_out_total", "Connections closed because the peer stalled.",
            hg_counter_read(&metrics->connections_timed_out));
    counter(text, "protocol_errors_total", "Connections closed because of what the peer sent.",
            hg_counter_read(&metrics->protocol_errors));
    counter(text, "received_bytes_total", "Bytes received from clients.",
            hg_counter_read(&metrics->bytes_received));
    counter(text, "sent_bytes_total", "Bytes sent to clients.",
            hg_counter_read(&metrics->bytes_sent));
}

static void put_process(struct text *text, const struct hg_metrics_view *view)
{
    const struct hg_stats_reply *stats = view->stats;
    head(text, "build_info", "gauge", "The version that runs, as a label.");
    put(text, "hologram_build_info{version=\"%s\",executor=\"%s\",isa_level=\"%s\"} 1\n",
        HG_VERSION, stats->engine.executor, stats->engine.isa_level);
    head(text, "uptime_seconds", "gauge", "Time since the start.");
    put(text, "hologram_uptime_seconds %.3f\n", (double)stats->uptime_ns / 1e9);
    gauge(text, "sessions", "Sessions of the engine.", stats->engine.sessions);
    gauge(text, "buffers", "Buffers of all sessions.", stats->engine.buffers);
    gauge(text, "buffer_bytes", "Bytes of the elements of all buffers.",
          stats->engine.buffer_bytes);
    gauge(text, "workers", "Worker threads.", stats->engine.workers);
    gauge(text, "queue_depth", "Jobs that wait for a worker.", stats->engine.queue_depth);
    gauge(text, "active_jobs", "Jobs that were submitted and have not ended.",
          stats->engine.active_jobs);
    counter(text, "worker_parts_total", "Parts of jobs that workers finished.",
            stats->engine.worker_progress);
    gauge(text, "transport_bytes", "Memory of connections and requests, by the daemon's own count.",
          view->transport_bytes);
    gauge(text, "jemalloc_allocated_bytes", "Bytes allocated.", stats->alloc.allocated_bytes);
    gauge(text, "jemalloc_active_bytes", "Bytes in active pages.", stats->alloc.active_bytes);
    gauge(text, "jemalloc_resident_bytes", "Bytes in resident pages.", stats->alloc.resident_bytes);
    gauge(text, "jemalloc_retained_bytes", "Bytes of address space kept.",
          stats->alloc.retained_bytes);
}

void hg_metrics_totals(const struct hg_metrics *metrics, uint64_t *requests, uint64_t *errors)
{
    uint64_t all = 0;
    uint64_t good = 0;
    for (unsigned kind = 0; kind < HG_REQUEST_KIND_COUNT; kind++) {
        for (unsigned code = 0; code < HG_STATUS_COUNT; code++) {
            all += hg_counter_read(&metrics->requests[kind][code]);
        }
        good += hg_counter_read(&metrics->requests[kind][HG_OK]);
    }
    *requests = all;
    *errors = all - good;
}

enum hg_status hg_metrics_text(const struct hg_metrics_view *view, char **text, size_t *length)
{
    struct text out = {0};
    put_process(&out, view);
    put_connections(&out, view);
    put_requests(&out, view->metrics);
    put_stages(&out, view->metrics);
    put_all_caches(&out, view->stats);
    put_pools(&out, &view->stats->engine.pool);
    if (out.failed) {
        hg_free(HG_TAG_TRANSPORT, out.data);
        return HG_RESOURCE_EXHAUSTED;
    }
    *text = out.data;
    *length = out.length;
    return HG_OK;
}
