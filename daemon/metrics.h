/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon counts, and its text form for Prometheus.
 *
 * Threads: counted on the loop, and only there; readable from any thread.
 */
#ifndef HG_DAEMON_METRICS_H
#define HG_DAEMON_METRICS_H

#include "daemon/message.h"
#include "lib/base/metric.h"

#define HG_STATUS_COUNT 17

/* HG_STAGE(NAME, "label"): what a request's time goes to. */
#define HG_STAGES(HG_STAGE)                                                                        \
    HG_STAGE(DECODE, "decode")                                                                     \
    HG_STAGE(QUEUE, "queue")                                                                       \
    HG_STAGE(LOOKUP, "lookup")                                                                     \
    HG_STAGE(BUILD, "build")                                                                       \
    HG_STAGE(RUN, "run")                                                                           \
    HG_STAGE(ENCODE, "encode")                                                                     \
    HG_STAGE(TOTAL, "total")

enum hg_stage {
#define HG_STAGE_ENUM(name, label) HG_STAGE_##name,
    HG_STAGES(HG_STAGE_ENUM)
#undef HG_STAGE_ENUM
        HG_STAGE_COUNT
};

/* Row of the operation counters for an op of unknown name. */
#define HG_OP_ID_UNKNOWN HG_OP_ID_COUNT

struct hg_metrics {
    uint64_t started_ns;
    struct hg_counter requests[HG_REQUEST_KIND_COUNT][HG_STATUS_COUNT];
    struct hg_counter repeats;                                         /* of the requests */
    struct hg_counter operations[HG_OP_ID_COUNT + 1][HG_STATUS_COUNT]; /* in batches too */
    struct hg_histogram stages[HG_STAGE_COUNT];
    struct hg_counter connections_accepted;
    struct hg_counter connections_refused;
    struct hg_counter connections_timed_out;
    struct hg_counter protocol_errors;
    struct hg_counter bytes_received;
    struct hg_counter bytes_sent;
};

/* Sums of `requests`, of all and of those with another status than OK. */
void hg_metrics_totals(const struct hg_metrics *metrics, uint64_t *requests, uint64_t *errors);

/* Moments' figures that others own. */
struct hg_metrics_view {
    const struct hg_metrics *metrics;
    uint64_t now_ns;
    uint32_t connections;
    uint32_t requests_in_flight;
    const struct hg_stats_reply *stats;
    struct hg_engine *engine;
    uint64_t transport_bytes; /* live bytes of sessions and transports, by our own count */
};

/* Writes the exposition format into *TEXT (hg_malloc, HG_TAG_TRANSPORT; the caller frees) and its
 * length into *LENGTH. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_metrics_text(const struct hg_metrics_view *view, char **text,
                                             size_t *length);

#endif
