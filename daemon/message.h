/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and replies as the daemon sees them, whatever the transport and its encoding.
 *
 * Ownership: arrays and texts of a message live in the request's arena, those of a reply in the
 * arena or in static storage.
 */
#ifndef HG_DAEMON_MESSAGE_H
#define HG_DAEMON_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/alloc.h"
#include "lib/engine/engine.h"

/* HG_REQUEST_KIND(NAME, "label"): the label is that of metrics and messages. */
#define HG_REQUEST_KINDS(HG_REQUEST_KIND)                                                          \
    HG_REQUEST_KIND(NONE, "none")                                                                  \
    HG_REQUEST_KIND(HELLO, "hello")                                                                \
    HG_REQUEST_KIND(ALLOC, "alloc")                                                                \
    HG_REQUEST_KIND(FREE, "free")                                                                  \
    HG_REQUEST_KIND(FREEZE, "freeze")                                                              \
    HG_REQUEST_KIND(WRITE, "write")                                                                \
    HG_REQUEST_KIND(READ, "read")                                                                  \
    HG_REQUEST_KIND(EXECUTE, "execute")                                                            \
    HG_REQUEST_KIND(BATCH, "batch")                                                                \
    HG_REQUEST_KIND(LOAD_PROGRAM, "load_program")                                                  \
    HG_REQUEST_KIND(UNLOAD_PROGRAM, "unload_program")                                              \
    HG_REQUEST_KIND(RUN_PROGRAM, "run_program")                                                    \
    HG_REQUEST_KIND(PUBLISH, "publish")                                                            \
    HG_REQUEST_KIND(UNPUBLISH, "unpublish")                                                        \
    HG_REQUEST_KIND(OPEN, "open")                                                                  \
    HG_REQUEST_KIND(STATS, "stats")                                                                \
    HG_REQUEST_KIND(LIST_OPS, "list_ops")                                                          \
    HG_REQUEST_KIND(LIST_BUFFERS, "list_buffers")                                                  \
    HG_REQUEST_KIND(CANCEL, "cancel")                                                              \
    HG_REQUEST_KIND(PING, "ping")                                                                  \
    HG_REQUEST_KIND(EXPECT_DESCRIPTORS, "expect_descriptors")                                      \
    HG_REQUEST_KIND(ADOPT, "adopt")                                                                \
    HG_REQUEST_KIND(PREPARE, "prepare")                                                            \
    HG_REQUEST_KIND(EXECUTE_PREPARED, "execute_prepared")                                          \
    HG_REQUEST_KIND(UNPREPARE, "unprepare")                                                        \
    HG_REQUEST_KIND(CACHE_PROFILE, "cache_profile")                                                \
    HG_REQUEST_KIND(CACHE_WARM, "cache_warm")                                                      \
    HG_REQUEST_KIND(CACHE_LIST, "cache_list")                                                      \
    HG_REQUEST_KIND(CACHE_TOP, "cache_top")                                                        \
    HG_REQUEST_KIND(CACHE_SHOW, "cache_show")                                                      \
    HG_REQUEST_KIND(CACHE_FLUSH, "cache_flush")                                                    \
    HG_REQUEST_KIND(CACHE_PIN, "cache_pin")                                                        \
    HG_REQUEST_KIND(CACHE_WHAT_IF, "cache_what_if")                                                \
    HG_REQUEST_KIND(LOAD_GRAPH, "load_graph")                                                      \
    HG_REQUEST_KIND(UNLOAD_GRAPH, "unload_graph")                                                  \
    HG_REQUEST_KIND(RUN_GRAPH, "run_graph")                                                        \
    HG_REQUEST_KIND(EVAL, "eval")                                                                  \
    HG_REQUEST_KIND(EXPLAIN_GRAPH, "explain_graph")                                                \
    HG_REQUEST_KIND(SAVE_GRAPH, "save_graph")                                                      \
    HG_REQUEST_KIND(OPEN_GRAPH, "open_graph")                                                      \
    HG_REQUEST_KIND(REMOVE_GRAPH, "remove_graph")                                                  \
    HG_REQUEST_KIND(LIST_GRAPHS, "list_graphs")

enum hg_request_kind {
#define HG_REQUEST_KIND_ENUM(name, label) HG_REQUEST_##name,
    HG_REQUEST_KINDS(HG_REQUEST_KIND_ENUM)
#undef HG_REQUEST_KIND_ENUM
        HG_REQUEST_KIND_COUNT
};
/* The label, static. KIND < HG_REQUEST_KIND_COUNT. */
const char *hg_request_kind_name(enum hg_request_kind kind);

struct hg_bytes {
    const uint8_t *data;
    size_t size;
};

struct hg_hello {
    uint32_t version_min;
    uint32_t version_max;
    const char *client_name;
};

struct hg_alloc_args {
    uint64_t id;
    struct hg_buffer_spec spec;
};

struct hg_free_args {
    const uint64_t *ids;
    size_t count;
};

struct hg_write_args {
    uint64_t id;
    uint64_t offset;
    struct hg_bytes data;
};

struct hg_read_args {
    uint64_t id;
    uint64_t offset;
    uint64_t length;
};

struct hg_batch_args {
    const struct hg_step *steps;
    uint32_t count;
};

struct hg_load_args {
    uint64_t id;
    struct hg_bytes binary;
};

struct hg_publish_args {
    uint64_t id;
    const char *name;
    uint32_t mode;
    gid_t gid;
    bool has_gid;
};

struct hg_open_args {
    const char *name;
    uint64_t id;
    bool writable;
};

struct hg_list_args {
    bool named;
    bool all_sessions;
};

/* Of list, top, show, flush and pin, as far as each has it; texts are never NULL. */
struct hg_cache_args {
    const char *cache;
    const char *key;
    uint64_t position;
    uint32_t count;
    bool pinned;
};

struct hg_what_if_args {
    const uint64_t *entries;
    uint32_t count;
};

struct hg_load_graph_args {
    uint64_t id;
    const struct hg_graph_source *source;
};

/* What to do. Of the union the member that KIND names is set; `id` is that of kinds with nothing
 * else (free of a program, cancel). */
struct hg_step {
    enum hg_request_kind kind;
    struct hg_bytes wire; /* the body of a call or of a graph's run, see hg_message */
    union {
        struct hg_hello hello;
        struct hg_alloc_args alloc; /* adopt, too */
        struct hg_free_args free;   /* freeze, too */
        struct hg_write_args write;
        struct hg_read_args read;
        struct hg_execute_request execute;
        struct hg_batch_args batch;
        struct hg_load_args load;
        struct hg_run_request run;
        struct hg_publish_args publish; /* save_graph, too */
        const char *unpublish_name;     /* remove_graph, too */
        struct hg_open_args open;       /* open_graph, too */
        struct hg_list_args list;
        struct hg_prepare_request prepare;
        struct hg_execute_prepared_request execute_prepared;
        uint64_t handle;          /* unprepare */
        struct hg_bytes key_file; /* cache_warm */
        struct hg_cache_args cache;
        struct hg_what_if_args what_if;
        struct hg_load_graph_args load_graph;
        const struct hg_graph_request *run_graph; /* eval, too */
        const struct hg_graph_explain_request *explain_graph;
        uint64_t id;
    };
};

struct hg_message {
    uint64_t id;
    uint32_t stream;
    uint64_t timeout_us;
    bool has_wire; /* its steps have `wire`, which lies where the message was decoded from */
    struct hg_step step;
};

struct hg_hello_reply {
    uint32_t version;
    uint64_t session_id;
    bool admin;
    uint64_t message_bytes_max;
    uint64_t payload_bytes_max;
    uint32_t requests_in_flight_max;
    uint32_t buffers_max;
    uint64_t memory_bytes_max;
    uint32_t boundary_classes_max;
    uint32_t batch_steps_max;
    uint32_t streams_max;
};

struct hg_execute_reply {
    const char *cache;
    const char *outcome;
    uint64_t queue_ns, lookup_ns, build_ns, run_ns;
};

struct hg_batch_reply {
    uint32_t completed;
    struct hg_error failed; /* status HG_OK: none */
};

struct hg_read_reply {
    uint64_t length;
    struct hg_buffer_spec spec;
};

struct hg_list_reply {
    const struct hg_buffer_info *buffers;
    uint32_t count;
    bool truncated;
};

struct hg_cached_reply {
    const struct hg_cached *programs;
    uint32_t count;
    uint64_t position;
};

struct hg_estimate {
    uint64_t entries;
    double hit_ratio;
};

struct hg_what_if_reply {
    uint64_t samples;
    uint64_t entries_max;
    const struct hg_estimate *estimates;
    uint32_t count;
};

/* Of load_graph and open_graph: the names are the loaded graph's. */
struct hg_graph_reply {
    struct hg_graph_facts facts;
    const char *const *inputs;
    const char *const *outputs;
};

struct hg_run_graph_reply {
    struct hg_execute_reply execute;
    const struct hg_graph_result *result;
};

struct hg_list_graphs_reply {
    const struct hg_named_graph_info *graphs;
    uint32_t count;
    bool truncated;
};

struct hg_stats_reply {
    uint64_t uptime_ns;
    uint64_t requests;
    uint64_t errors;
    struct hg_engine_stats engine;
    struct hg_alloc_stats alloc;
    struct hg_cache_totals cache;
    struct hg_packed_stats packed;
    struct hg_cache_region_stats caches[HG_CACHE_COUNT];
    const char *metrics_url;
};

/* KIND tells which member of the union is set; HG_REQUEST_NONE: no body. */
struct hg_reply {
    uint64_t id;
    struct hg_error error;
    enum hg_request_kind kind;
    bool descriptor; /* of alloc and open: one goes with it */
    union {
        struct hg_hello_reply hello;
        struct hg_buffer_info buffer; /* alloc, open */
        struct hg_read_reply read;
        struct hg_execute_reply execute; /* execute, execute_prepared, run_program */
        uint64_t handle;                 /* prepare */
        struct hg_bytes key_file;        /* cache_profile */
        struct hg_batch_reply batch;
        struct hg_code_facts facts; /* load_program */
        struct hg_list_reply list;
        const struct hg_stats_reply *stats;
        struct hg_cached_reply cached;      /* cache_list, cache_top */
        const struct hg_cache_shown *shown; /* cache_show */
        uint64_t dropped;                   /* cache_flush */
        struct hg_what_if_reply what_if;
        const struct hg_graph_reply *graph;         /* load_graph */
        const struct hg_run_graph_reply *run_graph; /* run_graph */
        const char *explanation;                    /* explain_graph */
        struct hg_list_graphs_reply graphs;         /* list_graphs */
    };
};

#endif
