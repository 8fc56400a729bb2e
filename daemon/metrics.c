/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted, as text for Prometheus. */
#include "daemon/metrics.h"

#include <inttypes.h>

#include "daemon/metrics_text.h"

/* One line per status that occurred, and always one for OK, so that rates start at zero. */
static void put_by_code(struct hg_metrics_text *text, const char *name, const char *label,
                        const char *value, const struct hg_counter *counters)
{
    for (unsigned code = 0; code < HG_STATUS_COUNT; code++) {
        const uint64_t count = hg_counter_read(&counters[code]);
        if (count != 0 || code == HG_OK) {
            hg_metrics_put(text, "hologram_%s{%s=\"%s\",code=\"%s\"} %" PRIu64 "\n", name, label,
                           value, hg_status_name((enum hg_status)code), count);
        }
    }
}

static void put_requests(struct hg_metrics_text *text, const struct hg_metrics *metrics)
{
    hg_metrics_head(text, "requests_total", "counter", "Requests answered, by kind and status.");
    for (unsigned kind = 0; kind < HG_REQUEST_KIND_COUNT; kind++) {
        put_by_code(text, "requests_total", "request",
                    hg_request_kind_name((enum hg_request_kind)kind), metrics->requests[kind]);
    }
    hg_metrics_counter(text, "repeats_total",
                       "Requests that came before and were repeated as they are.",
                       hg_counter_read(&metrics->repeats));
    hg_metrics_head(text, "operations_total", "counter",
                    "Operations run, alone and in batches, by op and status.");
    for (unsigned op = 0; op < HG_OP_ID_COUNT; op++) {
        put_by_code(text, "operations_total", "op", hg_op_info((enum hg_op_id)op)->name,
                    metrics->operations[op]);
    }
    put_by_code(text, "operations_total", "op", "user_or_unknown",
                metrics->operations[HG_OP_ID_UNKNOWN]);
}

static void put_histogram(struct hg_metrics_text *text, const char *stage,
                          const struct hg_histogram *histogram)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HG_HISTOGRAM_BUCKETS; i++) {
        count += atomic_load_explicit(&histogram->bucket[i], memory_order_relaxed);
        const uint64_t bound_ns = hg_histogram_bound_ns(i);
        if (bound_ns != UINT64_MAX) {
            hg_metrics_put(text,
                           "hologram_stage_duration_seconds_bucket{stage=\"%s\",le=\"%g\"} %" PRIu64
                           "\n",
                           stage, (double)bound_ns / 1e9, count);
        }
    }
    hg_metrics_put(text,
                   "hologram_stage_duration_seconds_bucket{stage=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
                   stage, count);
    hg_metrics_put(text, "hologram_stage_duration_seconds_sum{stage=\"%s\"} %.9f\n", stage,
                   (double)atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed) / 1e9);
    hg_metrics_put(text, "hologram_stage_duration_seconds_count{stage=\"%s\"} %" PRIu64 "\n", stage,
                   count);
}

static void put_stages(struct hg_metrics_text *text, const struct hg_metrics *metrics)
{
    static const char *const names[] = {
#define HG_STAGE_NAME(name, label) [HG_STAGE_##name] = label,
        HG_STAGES(HG_STAGE_NAME)
#undef HG_STAGE_NAME
    };
    hg_metrics_head(text, "stage_duration_seconds", "histogram",
                    "What the time of requests goes to.");
    for (unsigned stage = 0; stage < HG_STAGE_COUNT; stage++) {
        put_histogram(text, names[stage], &metrics->stages[stage]);
    }
}

static void put_pools(struct hg_metrics_text *text, const struct hg_pool_stats *pool)
{
    static const char *const names[HG_POOL_KIND_COUNT] = {
        [HG_POOL_HEAP] = "heap", [HG_POOL_BOUNDARY] = "boundary", [HG_POOL_SHARED] = "shared"};
    hg_metrics_head(text, "pool_used_bytes", "gauge", "Memory that buffers occupy.");
    for (unsigned i = 0; i < HG_POOL_KIND_COUNT; i++) {
        hg_metrics_put(text, "hologram_pool_used_bytes{pool=\"%s\"} %" PRIu64 "\n", names[i],
                       pool->bytes_used[i]);
    }
    hg_metrics_head(text, "pool_limit_bytes", "gauge",
                    "Memory that buffers may occupy; heap and shared have one bound.");
    for (unsigned i = 0; i < HG_POOL_KIND_COUNT; i++) {
        hg_metrics_put(text, "hologram_pool_limit_bytes{pool=\"%s\"} %" PRIu64 "\n", names[i],
                       pool->bytes_limit[i]);
    }
    hg_metrics_head(text, "pool_blocks", "gauge", "Blocks of memory in use.");
    for (unsigned i = 0; i < HG_POOL_KIND_COUNT; i++) {
        hg_metrics_put(text, "hologram_pool_blocks{pool=\"%s\"} %" PRIu64 "\n", names[i],
                       pool->blocks[i]);
    }
}

static void put_connections(struct hg_metrics_text *text, const struct hg_metrics_view *view)
{
    const struct hg_metrics *metrics = view->metrics;
    hg_metrics_gauge(text, "connections", "Clients connected.", view->connections);
    hg_metrics_gauge(text, "requests_in_flight", "Requests not answered yet.",
                     view->requests_in_flight);
    hg_metrics_counter(text, "connections_accepted_total", "Clients that connected.",
                       hg_counter_read(&metrics->connections_accepted));
    hg_metrics_counter(text, "connections_refused_total", "Connections refused at a limit.",
                       hg_counter_read(&metrics->connections_refused));
    hg_metrics_counter(text, "connections_timed_out_total",
                       "Connections closed because the peer stalled.",
                       hg_counter_read(&metrics->connections_timed_out));
    hg_metrics_counter(text, "protocol_errors_total",
                       "Connections closed because of what the peer sent.",
                       hg_counter_read(&metrics->protocol_errors));
    hg_metrics_counter(text, "received_bytes_total", "Bytes received from clients.",
                       hg_counter_read(&metrics->bytes_received));
    hg_metrics_counter(text, "sent_bytes_total", "Bytes sent to clients.",
                       hg_counter_read(&metrics->bytes_sent));
}

static void put_process(struct hg_metrics_text *text, const struct hg_metrics_view *view)
{
    const struct hg_stats_reply *stats = view->stats;
    hg_metrics_head(text, "build_info", "gauge", "The version that runs, as a label.");
    hg_metrics_put(text, "hologram_build_info{version=\"%s\",executor=\"%s\",isa_level=\"%s\"} 1\n",
                   HG_VERSION, stats->engine.executor, stats->engine.isa_level);
    hg_metrics_head(text, "uptime_seconds", "gauge", "Time since the start.");
    hg_metrics_put(text, "hologram_uptime_seconds %.3f\n", (double)stats->uptime_ns / 1e9);
    hg_metrics_gauge(text, "sessions", "Sessions of the engine.", stats->engine.sessions);
    hg_metrics_gauge(text, "buffers", "Buffers of all sessions.", stats->engine.buffers);
    hg_metrics_gauge(text, "buffer_bytes", "Bytes of the elements of all buffers.",
                     stats->engine.buffer_bytes);
    hg_metrics_gauge(text, "workers", "Worker threads.", stats->engine.workers);
    hg_metrics_gauge(text, "queue_depth", "Jobs that wait for a worker.",
                     stats->engine.queue_depth);
    hg_metrics_gauge(text, "active_jobs", "Jobs that were submitted and have not ended.",
                     stats->engine.active_jobs);
    hg_metrics_counter(text, "worker_parts_total", "Parts of jobs that workers finished.",
                       stats->engine.worker_progress);
    hg_metrics_gauge(text, "native_code_bytes", "Bytes of native code.",
                     stats->engine.native_bytes);
    hg_metrics_gauge(text, "native_code_bytes_limit", "Room for native code.",
                     stats->engine.native_bytes_max);
    hg_metrics_counter(text, "native_programs_total", "Programs that native code was made for.",
                       stats->engine.native_emitted);
    hg_metrics_counter(text, "native_refused_total", "Native code that found no room.",
                       stats->engine.native_refused);
    hg_metrics_gauge(text, "transport_bytes",
                     "Memory of connections and requests, by the daemon's own count.",
                     view->transport_bytes);
    hg_metrics_gauge(text, "jemalloc_allocated_bytes", "Bytes allocated.",
                     stats->alloc.allocated_bytes);
    hg_metrics_gauge(text, "jemalloc_active_bytes", "Bytes in active pages.",
                     stats->alloc.active_bytes);
    hg_metrics_gauge(text, "jemalloc_resident_bytes", "Bytes in resident pages.",
                     stats->alloc.resident_bytes);
    hg_metrics_gauge(text, "jemalloc_retained_bytes", "Bytes of address space kept.",
                     stats->alloc.retained_bytes);
}

static void put_plan_times(struct hg_metrics_text *text, const struct hg_graph_stats *stats)
{
    uint64_t count = 0;
    hg_metrics_head(text, "graph_plan_duration_seconds", "histogram",
                    "Time of planning graphs for types and shapes.");
    for (unsigned i = 0; i < HG_HISTOGRAM_BUCKETS; i++) {
        count += stats->planned_in[i];
        const uint64_t bound_ns = hg_histogram_bound_ns(i);
        if (bound_ns != UINT64_MAX) {
            hg_metrics_put(text,
                           "hologram_graph_plan_duration_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                           (double)bound_ns / 1e9, count);
        }
    }
    hg_metrics_put(text,
                   "hologram_graph_plan_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
                   "hologram_graph_plan_duration_seconds_sum %.9f\n"
                   "hologram_graph_plan_duration_seconds_count %" PRIu64 "\n",
                   count, (double)stats->plan_ns / 1e9, count);
}

static void put_graphs(struct hg_metrics_text *text, const struct hg_metrics_view *view)
{
    struct hg_graph_stats stats;
    hg_engine_graph_stats(view->engine, &stats);
    hg_metrics_gauge(text, "graphs", "Graphs that are known.", stats.graphs);
    hg_metrics_gauge(text, "graphs_pinned", "Graphs that are loaded or named.", stats.pinned);
    hg_metrics_gauge(text, "graph_plans", "Plans of graphs that are kept.", stats.plans);
    hg_metrics_gauge(text, "graph_bytes", "Memory of graphs and plans.", stats.bytes);
    hg_metrics_counter(text, "graph_plan_hits_total", "Runs of graphs that found their plan.",
                       stats.plan_hits);
    hg_metrics_counter(text, "graph_plan_misses_total", "Plans of graphs that had to be made.",
                       stats.planned);
    hg_metrics_counter(text, "graphs_evicted_total", "Graphs that had to make room.",
                       stats.evicted);
    put_plan_times(text, &stats);
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
    struct hg_metrics_text out = {0};
    put_process(&out, view);
    put_connections(&out, view);
    put_requests(&out, view->metrics);
    put_stages(&out, view->metrics);
    put_graphs(&out, view);
    hg_metrics_put_caches(&out, view);
    put_pools(&out, &view->stats->engine.pool);
    if (out.failed) {
        hg_free(HG_TAG_TRANSPORT, out.data);
        return HG_RESOURCE_EXHAUSTED;
    }
    *text = out.data;
    *length = out.length;
    return HG_OK;
}
