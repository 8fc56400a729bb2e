/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC as its own files see it: the whole, connections, sessions, and doors.
 *
 * Threads: the loop's unless said otherwise.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_CORE_H
#define HG_DAEMON_TRANSPORT_GRPC_CORE_H

#include "daemon/server.h"
#include "daemon/transport/grpc.h"
#include "daemon/transport/grpc_call.h"

struct hg_grpc_tls;

/* ---- connections (grpc_connection.c) ------------------------------------------------------------
 */

/*
 * A connection that was accepted by us and adopted by C core. A call knows it only as "fd:NUMBER".
 * C core closes its descriptor after the connection's last call, so the number cannot come to mean
 * another connection while a call lives; that numbers rise is a second line of defence. Our own
 * descriptor sees the hang-up.
 */
struct hg_grpc_connection {
    struct hg_grpc *grpc;
    struct hg_grpc_connection *next;
    struct hg_grpc_connection *previous;
    int fd; /* ours; -1: hung up, or the one for ports of C core */
    int number;
    struct hg_watch *watch;
    struct hg_identity identity;
    bool remote;                   /* over the network: the identity is the configured one */
    struct hg_grpc_session *plain; /* for calls that need no session; NULL: none yet */
    uint32_t calls;
    uint64_t idle_ns; /* without a call since */
};

struct hg_grpc_connections {
    struct hg_grpc_connection *first;
    struct hg_grpc_connection **by_number; /* from number_min on */
    size_t by_number_count;
    int number_min;
    int number_next;
    int number_max;
    struct hg_grpc_connection remote; /* peers of C core's own ports */
};

void hg_grpc_connections_init(struct hg_grpc *grpc);
/* Gives up every connection: C core has closed its own descriptors. */
void hg_grpc_connections_fini(struct hg_grpc *grpc);
/* That of CALL, or NULL if it is gone. */
struct hg_grpc_connection *hg_grpc_connection_of(struct hg_grpc *grpc, grpc_call *call);
/* A call came or went. */
void hg_grpc_connection_ref(struct hg_grpc_connection *connection);
void hg_grpc_connection_unref(struct hg_grpc_connection *connection);
/* Hangs up on those that have been without a call for too long. See hg_grpc_sweep. */
uint64_t hg_grpc_connections_sweep(struct hg_grpc *grpc, uint64_t now_ns);

/* ---- sessions (grpc_session.c) ------------------------------------------------------------------
 */

#define HG_GRPC_TOKEN_BYTES   16
#define HG_GRPC_TOKEN_TEXT    (2 * HG_GRPC_TOKEN_BYTES)
#define HG_GRPC_TOKEN_BUCKETS 1024u

enum hg_grpc_session_kind {
    HG_GRPC_PLAIN,  /* of a connection, for what needs no engine session */
    HG_GRPC_TOKEN,  /* opened by a unary caller */
    HG_GRPC_STREAM, /* a Session stream */
};

struct hg_grpc_session {
    struct hg_client client; /* first: dispatch's callbacks get it */
    struct hg_grpc *grpc;
    enum hg_grpc_session_kind kind;
    struct hg_grpc_session *next; /* among all */
    struct hg_grpc_session *previous;
    struct hg_grpc_session *next_in_bucket;
    struct hg_post post;
    uint64_t turn; /* of the loop, in which its share of time began */
    uint8_t token[HG_GRPC_TOKEN_BYTES];
    bool opened;      /* found by its token */
    uint64_t used_ns; /* when a call last came or went */
    uint32_t calls;   /* that are not finished */
    uint32_t sending; /* requests whose view C core's slices point into */
    struct hg_grpc_call *waiting_first;
    struct hg_grpc_call *waiting_last;
    struct hg_grpc_call *stream; /* of STREAM; NULL once finished */
    bool in_ended;               /* the stream's peer sends nothing more */
    enum hg_status refusal;      /* what the stream's hello was answered with */
    bool starved;                /* it ends because there was no memory for a reply */
    bool closing;
};

/* NULL when out of memory. */
struct hg_grpc_session *hg_grpc_session_new(struct hg_grpc *grpc, enum hg_grpc_session_kind kind,
                                            const struct hg_grpc_connection *connection);
/* HG_RESOURCE_EXHAUSTED if the user, or all together, have as many as they may. */
HG_MUST_CHECK enum hg_status hg_grpc_session_admit(const struct hg_grpc *grpc, uid_t uid,
                                                   struct hg_error *error);
/* Makes the session known by a fresh token, which goes to TEXT. */
HG_MUST_CHECK enum hg_status hg_grpc_session_name(struct hg_grpc_session *session,
                                                  char text[HG_GRPC_TOKEN_TEXT + 1],
                                                  struct hg_error *error);
/* The session that CALL's metadata name and its peer may use. UNAUTHENTICATED, NOT_FOUND. */
HG_MUST_CHECK enum hg_status hg_grpc_session_find(const struct hg_grpc_call *call,
                                                  struct hg_grpc_session **session,
                                                  struct hg_error *error);
/* The one of CALL's connection for requests without a session; NULL when out of memory. */
struct hg_grpc_session *hg_grpc_session_plain(const struct hg_grpc_call *call);
/* Stops: calls end as cancelled, and then it is freed. */
void hg_grpc_session_close(struct hg_grpc_session *session);
/* CALL belongs to SESSION from now on until it is finished. */
void hg_grpc_session_attach(struct hg_grpc_session *session, struct hg_grpc_call *call);
void hg_grpc_session_detach(struct hg_grpc_call *call);
/* It has something to do: a turn follows. */
void hg_grpc_session_wake(struct hg_grpc_session *session);
/* The turn, now: not from a callback of dispatch, and the session may be gone afterwards. */
void hg_grpc_session_turn(struct hg_grpc_session *session);
/* Before something is submitted for it: its share of the loop begins, once in each turn. */
void hg_grpc_session_begin(struct hg_grpc_session *session);
/* C core is done with a view. */
void hg_grpc_lease_returned(struct hg_grpc_event *event);
/* See hg_grpc_sweep. */
uint64_t hg_grpc_session_sweep(struct hg_grpc_session *session, uint64_t now_ns);

/* ---- doors (grpc_door.c) ------------------------------------------------------------------------
 */

#define HG_GRPC_DOORS_MAX 64u

/* A method, or all that there are not, and the calls of it that are posted to C core. */
struct hg_grpc_door {
    struct hg_grpc *grpc;
    const struct hg_grpc_method *method; /* NULL: a method that there is not */
    void *registered;                    /* C core's name for the method */
    _Atomic uint32_t posted;
};

/* Calls that are over, whose memory is used again. Any thread gives, the queue thread takes. */
struct hg_grpc_spares {
    _Atomic(struct hg_grpc_call *) top;
    _Atomic uint32_t count;
    struct hg_grpc_call *kept; /* the queue thread's */
};

/* Posts calls at every door, as many as the configuration says. False when out of memory. Loop. */
HG_MUST_CHECK bool hg_grpc_doors_open(struct hg_grpc *grpc);
/* Queue thread: a call has come through DOOR, or came back unused. */
void hg_grpc_door_passed(struct hg_grpc_door *door);
/* Queue thread, with time for it: as many are posted as should be. */
void hg_grpc_door_refill(struct hg_grpc_door *door);
/* Loop: there was no memory for a call; it is tried again by sweeps. */
void hg_grpc_doors_short(struct hg_grpc_event *event);
uint64_t hg_grpc_doors_sweep(struct hg_grpc *grpc, uint64_t now_ns);
void hg_grpc_spares_put(struct hg_grpc_spares *spares, struct hg_grpc_call *call);
/* The queue thread has ended. */
void hg_grpc_spares_fini(struct hg_grpc_spares *spares);

/* ---- methods ------------------------------------------------------------------------------------
 */

extern const struct hg_grpc_method hg_grpc_methods[];
extern const size_t hg_grpc_method_count;

/* Sends what waits for room in SESSION (grpc_unary.c). False if it still waits. */
bool hg_grpc_unary_pump(struct hg_grpc_session *session);
/* Takes messages of the Session stream as far as it may (grpc_stream.c); false at the end of the
 * turn. */
bool hg_grpc_stream_pump(struct hg_grpc_session *session);
/* Ends the Session stream, and with it its session. */
void hg_grpc_stream_end(struct hg_grpc_session *session, const struct hg_error *error);

void hg_grpc_unary_start(struct hg_grpc_call *call);
void hg_grpc_unary_closed(struct hg_grpc_call *call);
void hg_grpc_unary_reply(struct hg_grpc_call *call, struct hg_request *request);
void hg_grpc_read_stream_reply(struct hg_grpc_call *call, struct hg_request *request);
void hg_grpc_open_start(struct hg_grpc_call *call);
void hg_grpc_open_reply(struct hg_grpc_call *call, struct hg_request *request);
void hg_grpc_close_start(struct hg_grpc_call *call);

void hg_grpc_write_stream_start(struct hg_grpc_call *call);
void hg_grpc_write_stream_progress(struct hg_grpc_call *call);
void hg_grpc_write_stream_closed(struct hg_grpc_call *call);
void hg_grpc_write_stream_reply(struct hg_grpc_call *call, struct hg_request *request);
void hg_grpc_stream_start(struct hg_grpc_call *call);
void hg_grpc_stream_progress(struct hg_grpc_call *call);
void hg_grpc_stream_closed(struct hg_grpc_call *call);
void hg_grpc_stream_reply(struct hg_grpc_call *call, struct hg_request *request);
void hg_grpc_stream_drain(struct hg_grpc_call *call);

void hg_grpc_health_check(struct hg_grpc_call *call);
void hg_grpc_health_watch(struct hg_grpc_call *call);
void hg_grpc_health_drain(struct hg_grpc_call *call);
void hg_grpc_reflection_start(struct hg_grpc_call *call);
void hg_grpc_reflection_progress(struct hg_grpc_call *call);
/* For calls that can end at any moment. */
void hg_grpc_simple_closed(struct hg_grpc_call *call);
void hg_grpc_simple_drain(struct hg_grpc_call *call);

/* Encodes the reply of REQUEST as a Response; the caller unrefs. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_grpc_encode(struct hg_request *request, grpc_slice *response);
/* Its body alone. */
HG_MUST_CHECK enum hg_status hg_grpc_encode_body(struct hg_request *request, grpc_slice *body);

/* ---- TLS (grpc_tls.c) ---------------------------------------------------------------------------
 */

/* Opens the port that the configuration names. */
HG_MUST_CHECK enum hg_status hg_grpc_tls_start(struct hg_grpc *grpc, struct hg_error *error);
void hg_grpc_tls_reload(struct hg_grpc *grpc);
void hg_grpc_tls_stop(struct hg_grpc *grpc);

/* ---- C core's locks (grpc_mutex.c) --------------------------------------------------------------
 */

/* Before C core is started: its mutexes do without what only its developers need. */
void hg_grpc_mutex_quicken(void);

/* ---- the whole (grpc.c) -------------------------------------------------------------------------
 */

struct hg_grpc {
    struct hg_server *server;
    grpc_server *core;
    grpc_server_credentials *insecure;
    grpc_resource_quota *quota;
    struct hg_grpc_queue queue;
    struct hg_grpc_tls *tls;
    struct hg_listener *listener; /* plaintext TCP */
    uid_t remote_uid;             /* whom peers without credentials count as */
    gid_t remote_gid;

    struct hg_grpc_door doors[HG_GRPC_DOORS_MAX];
    size_t door_count;
    uint32_t calls_posted;
    bool doors_short; /* memory for a call that should be posted is awaited */
    struct hg_grpc_event short_event;
    struct hg_grpc_call *calls; /* arrived and not finished */
    struct hg_grpc_connections connections;
    struct hg_grpc_session *sessions;
    struct hg_grpc_session *buckets[HG_GRPC_TOKEN_BUCKETS];
    uint64_t last_request_id;
    uint32_t last_stream;

    struct hg_grpc_tag down_tag;
    struct hg_grpc_event down_event;
    struct hg_timer *drain_timer;
    bool draining;
    bool down;

    /* Any thread. */
    _Atomic bool stopping; /* posts nothing more */
    _Atomic bool short_told;
    struct hg_grpc_spares spares;
    _Atomic uint64_t live_calls;
    uint64_t calls_max;
    uint64_t message_bytes_max;
    uint64_t inbox_bytes_max;
};

/* ---- grpc_shutdown.c ------------------------------------------------------------------------- */

/* The last call into C core: gives back what grpc_init took. */
void hg_grpc_shut_down(void);

#endif
