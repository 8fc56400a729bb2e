/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request in flight, and the pool that requests come from: a request keeps its arena's first
 * chunk, so the next one allocates nothing.
 *
 * Threads: the loop's, but while the request is running: then `task` is the engine's, and of what
 * asks for the cache's inside arena and reply are the worker's.
 */
#ifndef HG_DAEMON_REQUEST_H
#define HG_DAEMON_REQUEST_H

#include "daemon/message.h"
#include "lib/base/arena.h"

struct hg_client;
struct hg_grpc_call;

/*
 *   ──► QUEUED ──► (runs) ──┬──► done, unless a payload is to be sent: SENDING ──► done
 *          ▲                ├──► RUNNING on a worker ──► done
 *          │                └──► PARKED: a buffer is in use by this client's own work
 *          └─────────────────────────┘
 *   a write with a payload: WAITING for its buffer ──► RECEIVING ──► done
 */
enum hg_request_state {
    HG_STATE_QUEUED,
    HG_STATE_RUNNING,
    HG_STATE_PARKED,
    HG_STATE_WAITING,
    HG_STATE_RECEIVING,
    HG_STATE_SENDING /* answered; its stream goes on */
};

struct hg_request {
    struct hg_client *client;
    enum hg_request_state state;
    struct hg_request *next;        /* in the pool, among completions, or in a transport's output */
    struct hg_request *client_next; /* in flight, in order of arrival */
    struct hg_request *client_previous;

    uint64_t arrived_ns;
    uint64_t deadline_ns; /* 0 = none */
    uint64_t ended_ticks; /* when its work ended; 0: unknown */
    uint32_t steps_done;  /* of a batch */
    bool cancelled;

    struct hg_message message;
    struct hg_reply reply;
    struct hg_task task;
    struct hg_graph_result graph; /* of run_graph and eval; its outputs are the arena's */
    struct hg_view view;          /* of a write's destination or a read's source; data NULL: none */
    bool view_held;
    int adopted_fd;               /* came with an adopt; -1: none */
    struct hg_descriptor passing; /* goes with the reply */
    uint64_t payload_length;      /* of a write */
    uint64_t output_position;     /* the transport's own */
    struct hg_grpc_call *call;    /* gRPC's own */
    struct hg_arena arena;
};

struct hg_request_pool {
    struct hg_request *free;
    uint32_t free_count;
    uint32_t live_count;
    size_t free_bytes; /* of the arenas of those that are free */
};

/* Gives a request with an empty arena, or NULL when out of memory. */
HG_MUST_CHECK struct hg_request *hg_request_get(struct hg_request_pool *pool);
/* Takes REQUEST, which holds no view. */
void hg_request_put(struct hg_request_pool *pool, struct hg_request *request);
/* Frees what is kept. No request may be out. */
void hg_request_pool_fini(struct hg_request_pool *pool);

#endif
