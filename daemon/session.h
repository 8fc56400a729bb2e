/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client: the daemon's side of one connection, whatever its transport. It has an engine session
 * once it has said hello, an identity, limits, and requests in flight.
 *
 *     NEW ──hello──► READY ──┐
 *      └─────────────────────┴──► CLOSING: work is cancelled, nothing is answered
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_SESSION_H
#define HG_DAEMON_SESSION_H

#include "daemon/limits.h"
#include "daemon/request.h"
#include "lib/base/clock.h"

struct hg_known;
struct hg_server;

#define HG_IDENTITY_GROUPS_MAX 64

struct hg_identity {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    gid_t groups[HG_IDENTITY_GROUPS_MAX]; /* supplementary */
    uint32_t group_count;
    bool admin;
};

enum hg_client_state { HG_CLIENT_NEW, HG_CLIENT_READY, HG_CLIENT_CLOSING };

/* What a transport does for its client. */
struct hg_transport {
    /* Queues the reply of REQUEST. With a view held it either sends the bytes at once and releases
     * the view, or keeps it and calls hg_dispatch_sent when they are on their way. */
    void (*reply)(struct hg_client *client, struct hg_request *request);
    /* Something that the transport may wait for changed: have a turn soon. */
    void (*wake)(struct hg_client *client);
    bool passes_descriptors; /* it can send request->passing with the reply */
};

struct hg_client {
    struct hg_server *server;
    const struct hg_transport *transport;
    enum hg_client_state state;
    struct hg_session *session; /* NULL before the hello */
    struct hg_identity identity;
    char name[HG_CLIENT_NAME_MAX + 1];
    uint64_t connected_ns;

    /* Of the configuration when it connected. */
    uint64_t message_bytes_max;
    uint64_t payload_bytes_max;
    uint64_t output_bytes_max;
    uint32_t in_flight_max;
    uint32_t batch_steps_max;

    struct hg_request *first; /* in flight, in order of arrival */
    struct hg_request *last;
    uint32_t in_flight;
    uint32_t running;           /* on workers */
    uint32_t views;             /* held for receiving or sending */
    struct hg_request *writing; /* WAITING or RECEIVING, at most one */
    struct hg_known *learns; /* while a request is submitted whose bytes are at hand; else NULL */
    bool takes_descriptors;  /* the transport receives them for adopt */
    bool pump;               /* something queued or parked may be able to run */
    bool hang_up;            /* no further request is wanted: answer what there is, close */
    uint64_t turn_end_ns;    /* until when it may work on the loop in this turn */
    uint64_t now_ns;         /* when it last looked; good enough for most */
    uint64_t clock_ns;       /* the clock's last reading */
    uint64_t clock_ticks;    /* and the ticks beside it */
};

/* The clock is read this often; between two readings ticks tell the time. */
#define HG_CLIENT_CLOCK_NS 100000

/* What time it is, never earlier than before. Ticks cost a third of the clock, which a small
 * request would notice. TICKS were read just now. */
static inline uint64_t hg_client_look_at(struct hg_client *client, uint64_t ticks)
{
    const uint64_t since_ns = hg_clock_ticks_ns(client->clock_ticks, ticks);
    if (since_ns == 0 || since_ns > HG_CLIENT_CLOCK_NS) {
        client->clock_ns = hg_clock_now_ns();
        client->clock_ticks = ticks;
    }
    const uint64_t now_ns = client->clock_ns + (since_ns > HG_CLIENT_CLOCK_NS ? 0 : since_ns);
    client->now_ns = now_ns > client->now_ns ? now_ns : client->now_ns;
    return client->now_ns;
}

static inline uint64_t hg_client_look(struct hg_client *client)
{
    return hg_client_look_at(client, hg_clock_ticks());
}

/* Who is at the other end of the Unix socket FD. HG_UNAUTHENTICATED. */
HG_MUST_CHECK enum hg_status hg_identity_of(int fd, struct hg_identity *identity,
                                            struct hg_error *error);
/* Root, the daemon's own user, or a member of ADMIN_GROUP ((gid_t)-1: none). */
bool hg_identity_is_admin(const struct hg_identity *identity, gid_t admin_group);

/* Sets limits and state. The identity is filled already. */
void hg_client_init(struct hg_client *client, struct hg_server *server,
                    const struct hg_transport *transport);
/* Opens the engine session. Errors: those of hg_session_create. */
HG_MUST_CHECK enum hg_status hg_client_open(struct hg_client *client, struct hg_error *error);
/* Stops: drops what waits, cancels what runs. When `in_flight` is 0 (now, or at a later wake)
 * hg_client_fini follows. Requests in state SENDING are the transport's to end first. */
void hg_client_close(struct hg_client *client);
void hg_client_fini(struct hg_client *client);

/* The list of requests in flight. */
void hg_client_link(struct hg_client *client, struct hg_request *request);
void hg_client_unlink(struct hg_client *client, struct hg_request *request);

#endif
