/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of gRPC callers: a client of dispatch with what gRPC needs around it.
 *
 * Everything that may free a session happens in its turn, never inside a callback of dispatch.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/dispatch.h"
#include "daemon/transport/grpc_core.h"
#include "daemon/transport/grpc_send.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* ---- dispatch's callbacks -----------------------------------------------------------------------
 */

static void reply_cb(struct hg_client *client, struct hg_request *request)
{
    const struct hg_grpc_session *session = (const struct hg_grpc_session *)client;
    struct hg_grpc_call *call = request->call;
    if (session->kind == HG_GRPC_STREAM && session->stream == NULL) {
        hg_dispatch_release_view(request);
        return;
    }
    const uint64_t started_ns = hg_clock_now_ns();
    call->method->reply(call, request);
    hg_histogram_observe(&client->server->metrics.stages[HG_STAGE_ENCODE],
                         hg_clock_now_ns() - started_ns);
}

static void wake_cb(struct hg_client *client)
{
    hg_grpc_session_wake((struct hg_grpc_session *)client);
}

static const struct hg_transport grpc_transport = {.reply = reply_cb, .wake = wake_cb};

static unsigned bucket_of(const uint8_t *token)
{
    return token[0] | (token[1] & 3u) << 8;
}

/* ---- turns --------------------------------------------------------------------------------------
 */

void hg_grpc_session_wake(struct hg_grpc_session *session)
{
    hg_loop_post(session->grpc->server->loop, &session->post);
}

void hg_grpc_session_begin(struct hg_grpc_session *session)
{
    struct hg_server *server = session->grpc->server;
    const uint64_t turn = hg_loop_turns(server->loop);
    if (session->turn != turn || session->client.turn_end_ns == 0) {
        session->turn = turn;
        session->client.turn_end_ns =
            hg_clock_now_ns() + server->config.server_turn_us * HG_NS_PER_US;
    }
}

static void forget(struct hg_grpc_session *session)
{
    struct hg_grpc *grpc = session->grpc;
    if (session->opened) {
        struct hg_grpc_session **link = &grpc->buckets[bucket_of(session->token)];
        while (*link != session) {
            link = &(*link)->next_in_bucket;
        }
        *link = session->next_in_bucket;
        session->opened = false;
    }
}

static void free_session(struct hg_grpc_session *session)
{
    struct hg_grpc *grpc = session->grpc;
    hg_loop_unpost(grpc->server->loop, &session->post);
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        grpc->sessions = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    hg_client_fini(&session->client);
    hg_free(HG_TAG_TRANSPORT, session);
}

/* The calls of a session whose requests are gone. */
static void end_calls(struct hg_grpc_session *session)
{
    struct hg_grpc_call *next;
    session->waiting_first = session->waiting_last = NULL;
    for (struct hg_grpc_call *call = session->grpc->calls; call != NULL; call = next) {
        next = call->next;
        if (call->session == session) {
            call->request = NULL;
            if (session->starved) {
                hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "no memory for a reply");
            } else {
                hg_grpc_call_fail(call, HG_CANCELLED, "the session was closed");
            }
        }
    }
    session->stream = NULL;
}

/* What is left of a session that has been closed. */
static void wind_up(struct hg_grpc_session *session)
{
    struct hg_client *client = &session->client;
    /* Views that C core reads come back first. */
    if (session->sending != 0) {
        return;
    }
    if (client->state != HG_CLIENT_CLOSING) {
        hg_client_close(client);
        end_calls(session);
    }
    if (client->in_flight == 0 && session->calls == 0) {
        free_session(session);
    }
}

void hg_grpc_session_turn(struct hg_grpc_session *session)
{
    if (session->closing) {
        wind_up(session);
        return;
    }
    session->client.turn_end_ns = 0;
    hg_grpc_session_begin(session);
    bool more = !hg_dispatch_pump(&session->client);
    more = !hg_grpc_unary_pump(session) || more;
    if (session->stream != NULL) {
        more = !hg_grpc_stream_pump(session) || more;
    }
    if (more || session->client.pump || session->closing) {
        hg_grpc_session_wake(session);
    }
}

static void turn_cb(void *context)
{
    hg_grpc_session_turn(context);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

struct hg_grpc_session *hg_grpc_session_new(struct hg_grpc *grpc, enum hg_grpc_session_kind kind,
                                            const struct hg_grpc_connection *connection)
{
    struct hg_grpc_session *session = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*session));
    if (session == NULL) {
        return NULL;
    }
    session->grpc = grpc;
    session->kind = kind;
    session->client.identity = connection->identity;
    hg_client_init(&session->client, grpc->server, &grpc_transport);
    /* Whoever comes over the network does not administer, whatever the uid says. */
    session->client.identity.admin = session->client.identity.admin && !connection->remote;
    if (kind == HG_GRPC_PLAIN) {
        session->client.state = HG_CLIENT_READY;
    }
    hg_post_init(&session->post, turn_cb, session);
    session->used_ns = session->client.connected_ns;
    session->next = grpc->sessions;
    if (session->next != NULL) {
        session->next->previous = session;
    }
    grpc->sessions = session;
    return session;
}

enum hg_status hg_grpc_session_admit(const struct hg_grpc *grpc, uid_t uid, struct hg_error *error)
{
    const struct hg_config *config = &grpc->server->config;
    uint64_t all = 0;
    uint64_t own = 0;
    for (const struct hg_grpc_session *session = grpc->sessions; session != NULL;
         session = session->next) {
        if (session->kind != HG_GRPC_PLAIN && !session->closing) {
            all++;
            own += session->client.identity.uid == uid;
        }
    }
    if (own >= config->server_user_connections_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "sessions of user %u: expected at most %llu",
                       uid, (unsigned long long)config->server_user_connections_max);
    }
    if (all >= config->server_connections_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "sessions: expected at most %llu",
                       (unsigned long long)config->server_connections_max);
    }
    return HG_OK;
}

/* A peer that does not read what it asked for would keep the session for ever. */
static void cancel_sending(struct hg_grpc_session *session)
{
    for (struct hg_grpc_call *call = session->grpc->calls; call != NULL; call = call->next) {
        if (call->session == session && call->leased) {
            (void)grpc_call_cancel_with_status(call->core, GRPC_STATUS_CANCELLED,
                                               "the session was closed", NULL);
        }
    }
}

void hg_grpc_session_close(struct hg_grpc_session *session)
{
    if (!session->closing) {
        session->closing = true;
        forget(session);
        cancel_sending(session);
        hg_grpc_session_wake(session);
    }
}

static uint64_t lease_end_ns(const struct hg_grpc_session *session)
{
    return session->used_ns + session->grpc->server->config.grpc_session_lease_s * HG_NS_PER_S;
}

void hg_grpc_session_attach(struct hg_grpc_session *session, struct hg_grpc_call *call)
{
    call->session = session;
    session->calls++;
    session->used_ns = hg_clock_now_ns();
}

void hg_grpc_session_detach(struct hg_grpc_call *call)
{
    struct hg_grpc_session *session = call->session;
    call->session = NULL;
    session->calls--;
    session->used_ns = hg_clock_now_ns();
    if (session->closing || session->waiting_first != NULL) {
        hg_grpc_session_wake(session);
    } else if (session->kind == HG_GRPC_TOKEN && session->calls == 0) {
        hg_server_due(session->grpc->server, lease_end_ns(session));
    }
}

void hg_grpc_lease_returned(struct hg_grpc_event *event)
{
    struct hg_grpc_lease *lease = HG_GRPC_OF(struct hg_grpc_lease, returned, event);
    struct hg_grpc_session *session = (struct hg_grpc_session *)lease->request->client;
    struct hg_grpc_call *call = lease->call;
    hg_dispatch_sent(lease->request);
    hg_free(HG_TAG_TRANSPORT, lease);
    session->sending--;
    hg_grpc_session_wake(session);
    if (call != NULL) {
        hg_grpc_call_detach(call);
    }
}

/* ---- tokens -------------------------------------------------------------------------------------
 */

enum hg_status hg_grpc_session_name(struct hg_grpc_session *session,
                                    char text[HG_GRPC_TOKEN_TEXT + 1], struct hg_error *error)
{
    if (getrandom(session->token, sizeof(session->token), 0) != (ssize_t)sizeof(session->token)) {
        return hg_fail(error, HG_UNAVAILABLE, "open_session: no random bytes");
    }
    for (size_t i = 0; i < HG_GRPC_TOKEN_BYTES; i++) {
        snprintf(text + 2 * i, 3, "%02x", session->token[i]);
    }
    struct hg_grpc_session **bucket = &session->grpc->buckets[bucket_of(session->token)];
    session->next_in_bucket = *bucket;
    *bucket = session;
    session->opened = true;
    return HG_OK;
}

static bool parse_hex(uint8_t digit, uint8_t *value)
{
    if (digit >= '0' && digit <= '9') {
        *value = (uint8_t)(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
        *value = (uint8_t)(digit - 'a' + 10);
    } else {
        return false;
    }
    return true;
}

static bool parse_token(struct hg_bytes text, uint8_t token[HG_GRPC_TOKEN_BYTES])
{
    if (text.size != HG_GRPC_TOKEN_TEXT) {
        return false;
    }
    for (size_t i = 0; i < HG_GRPC_TOKEN_BYTES; i++) {
        uint8_t high;
        uint8_t low;
        if (!parse_hex(text.data[2 * i], &high) || !parse_hex(text.data[2 * i + 1], &low)) {
            return false;
        }
        token[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Takes the same time wherever the difference is. */
static bool same_token(const uint8_t *a, const uint8_t *b)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < HG_GRPC_TOKEN_BYTES; i++) {
        difference |= a[i] ^ b[i];
    }
    return difference == 0;
}

enum hg_status hg_grpc_session_find(const struct hg_grpc_call *call,
                                    struct hg_grpc_session **session, struct hg_error *error)
{
    struct hg_bytes text;
    uint8_t token[HG_GRPC_TOKEN_BYTES];
    if (!hg_grpc_call_metadata(call, "hologram-session", &text)) {
        return hg_fail(error, HG_UNAUTHENTICATED,
                       "hologram-session: expected the token of OpenSession in the metadata");
    }
    if (parse_token(text, token)) {
        struct hg_grpc_session *candidate = call->grpc->buckets[bucket_of(token)];
        for (; candidate != NULL; candidate = candidate->next_in_bucket) {
            if (same_token(candidate->token, token) &&
                candidate->client.identity.uid == call->connection->identity.uid) {
                *session = candidate;
                return HG_OK;
            }
        }
    }
    return hg_fail(error, HG_NOT_FOUND,
                   "hologram-session: no such session: closed, expired or another user's");
}

struct hg_grpc_session *hg_grpc_session_plain(const struct hg_grpc_call *call)
{
    struct hg_grpc_connection *connection = call->connection;
    if (connection->plain == NULL) {
        connection->plain = hg_grpc_session_new(call->grpc, HG_GRPC_PLAIN, connection);
    }
    return connection->plain;
}

/* ---- time ---------------------------------------------------------------------------------------
 */

/* When the session has been without a call, or a stream without a message, for too long. */
static uint64_t stall_due_ns(const struct hg_grpc_session *session)
{
    const struct hg_config *config = &session->grpc->server->config;
    const struct hg_client *client = &session->client;
    if (session->kind == HG_GRPC_TOKEN) {
        return session->calls == 0 ? lease_end_ns(session) : UINT64_MAX;
    }
    if (session->stream == NULL || client->in_flight != 0) {
        return UINT64_MAX;
    }
    const uint64_t limit_ms =
        client->state == HG_CLIENT_NEW ? config->timeouts_handshake_ms : config->timeouts_idle_ms;
    return limit_ms != 0 ? session->used_ns + limit_ms * HG_NS_PER_MS : UINT64_MAX;
}

static void time_out(struct hg_grpc_session *session)
{
    struct hg_error error = HG_ERROR_INIT;
    HG_LOG_INFO(SESSION, "session ended for want of a request",
                HG_STR("client", session->client.name),
                HG_U64("uid", session->client.identity.uid));
    if (session->stream == NULL) {
        hg_grpc_session_close(session);
        return;
    }
    hg_counter_add(&session->client.server->metrics.connections_timed_out, 1);
    (void)hg_fail(&error, HG_DEADLINE_EXCEEDED, "session: no %s for too long",
                  session->client.state == HG_CLIENT_NEW ? "hello" : "request");
    hg_grpc_stream_end(session, &error);
}

uint64_t hg_grpc_session_sweep(struct hg_grpc_session *session, uint64_t now_ns)
{
    if (session->closing) {
        return UINT64_MAX;
    }
    const uint64_t request_due_ns = hg_dispatch_sweep(&session->client, now_ns);
    const uint64_t due_ns = stall_due_ns(session);
    if (now_ns >= due_ns) {
        time_out(session);
        return request_due_ns;
    }
    return request_due_ns < due_ns ? request_due_ns : due_ns;
}
