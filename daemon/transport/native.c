/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/native.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/codec.h"
#include "daemon/dispatch.h"
#include "daemon/server.h"
#include "daemon/transport/grpc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* ---- replies
 * -------------------------------------------------------------------------------------- */

/* What the codec's reservation needs to put a header before the message. */
struct reservation {
    struct hg_output *output;
    uint64_t payload_bytes;
};

static uint8_t *reserve_frame(void *context, size_t size)
{
    const struct reservation *reservation = context;
    uint8_t *room = hg_output_reserve(reservation->output, HG_FRAME_BYTES + size);
    if (room == NULL) {
        return NULL;
    }
    const struct hg_frame frame = {.message_bytes = (uint32_t)size,
                                   .payload_bytes = reservation->payload_bytes};
    hg_frame_encode(room, &frame);
    return room + HG_FRAME_BYTES;
}

/* Small payloads are copied behind their message, others are sent from the buffer. */
static bool queue_payload(struct hg_native *native, struct hg_request *request)
{
    const struct hg_view *view = &request->view;
    if (view->length > HG_COPY_BYTES_MAX) {
        hg_output_payload(&native->output, request);
        return true;
    }
    uint8_t *room = hg_output_reserve(&native->output, (size_t)view->length);
    if (room == NULL) {
        return false;
    }
    if (view->length != 0) {
        memcpy(room, view->data, (size_t)view->length);
    }
    hg_dispatch_release_view(request);
    return true;
}

static void reply_cb(struct hg_client *client, struct hg_request *request)
{
    struct hg_native *native = (struct hg_native *)client;
    struct reservation reservation = {&native->output, 0};
    if (native->broken) {
        hg_dispatch_release_view(request);
        return;
    }
    const uint64_t started_ns = client->now_ns; /* when the work ended */
    native->unsent++;
    if (request->view_held) {
        reservation.payload_bytes = request->view.length;
    }
    if (!hg_output_descriptor(&native->output, &request->passing) ||
        hg_codec_encode(&request->reply, &request->arena, reserve_frame, &reservation) != HG_OK ||
        (request->view_held && !queue_payload(native, request))) {
        HG_LOG_ERROR(SESSION, "no memory for a reply: closing the connection",
                     HG_STR("client", client->name));
        native->broken = true;
        hg_dispatch_release_view(request);
    }
    native->answered_ns = hg_client_look(client);
    hg_histogram_observe_alone(&client->server->metrics.stages[HG_STAGE_ENCODE],
                               native->answered_ns - started_ns);
}

static void wake_cb(struct hg_client *client)
{
    struct hg_native *native = (struct hg_native *)client;
    hg_loop_post(client->server->loop, &native->post);
}

static const struct hg_transport native_transport = {
    .reply = reply_cb, .wake = wake_cb, .passes_descriptors = true};

static void queue_error(struct hg_native *native, const struct hg_error *error)
{
    struct hg_arena none;
    struct reservation reservation = {&native->output, 0};
    const struct hg_reply reply = {.id = 0, .error = *error, .kind = HG_REQUEST_NONE};
    hg_arena_init(&none, HG_TAG_TRANSPORT, HG_ARENA_CHUNK_BYTES, HG_ARENA_CHUNK_BYTES);
    native->broken =
        native->broken || hg_codec_encode(&reply, &none, reserve_frame, &reservation) != HG_OK;
    hg_arena_fini(&none);
}

void hg_native_stop(struct hg_native *native, const struct hg_error *error)
{
    struct hg_client *client = &native->client;
    hg_counter_add_alone(&client->server->metrics.protocol_errors, 1);
    HG_LOG_WARN(SESSION, "connection stopped", HG_STR("reason", error->message),
                HG_STR("client", client->name), HG_U64("uid", client->identity.uid),
                HG_I64("pid", client->identity.pid));
    queue_error(native, error);
    hg_native_drain(native);
}

void hg_native_turn_away(int fd, const struct hg_error *error)
{
    struct hg_native native = {.fd = fd};
    uint64_t sent_bytes = 0;
    struct hg_request *ended = NULL;
    queue_error(&native, error);
    (void)!hg_output_send(&native.output, fd, &sent_bytes, &ended);
    hg_output_fini(&native.output, &ended);
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void end_sending(struct hg_request *ended)
{
    while (ended != NULL) {
        struct hg_request *next = ended->next;
        hg_dispatch_sent(ended);
        ended = next;
    }
}

/* The last step: nothing is in flight any more. */
static void free_native(struct hg_native *native)
{
    struct hg_server *server = native->client.server;
    hg_loop_unpost(server->loop, &native->post);
    if (native->previous != NULL) {
        native->previous->next = native->next;
    } else {
        server->natives = native->next;
    }
    if (native->next != NULL) {
        native->next->previous = native->previous;
    }
    server->connection_count--;
    hg_client_fini(&native->client);
    hg_free(HG_TAG_TRANSPORT, native);
    hg_server_connection_closed(server);
}

void hg_native_close(struct hg_native *native)
{
    struct hg_request *ended = NULL;
    if (!native->closed) {
        native->closed = true;
        HG_LOG_DEBUG(SESSION, "connection closed", HG_STR("client", native->client.name),
                     HG_I64("pid", native->client.identity.pid));
        hg_output_fini(&native->output, &ended);
        end_sending(ended);
        hg_watch_close(&native->watch);
        close(native->fd);
        hg_descriptors_fini(&native->descriptors);
        hg_free(HG_TAG_TRANSPORT, native->in);
        native->in = NULL;
        hg_known_fini(&native->known);
        hg_client_close(&native->client);
    }
    if (native->client.in_flight == 0) {
        free_native(native);
    }
}

void hg_native_flush(struct hg_native *native)
{
    struct hg_request *ended = NULL;
    uint64_t sent_bytes = 0;
    native->unsent = 0;
    if (native->broken || hg_output_empty(&native->output)) {
        native->blocked_ns = 0;
        return;
    }
    const enum hg_sent sent = hg_output_send(&native->output, native->fd, &sent_bytes, &ended);
    end_sending(ended);
    hg_counter_add_alone(&native->client.server->metrics.bytes_sent, sent_bytes);
    if (sent == HG_SENT_BROKEN) {
        native->broken = true;
    } else if (sent == HG_SENT_ALL) {
        native->blocked_ns = 0;
    } else if (native->blocked_ns == 0 || sent_bytes != 0) {
        native->blocked_ns = hg_client_look(&native->client);
    }
}

/* True once nothing can come of this connection any more. */
static bool is_over(const struct hg_native *native)
{
    const struct hg_client *client = &native->client;
    if (native->broken) {
        return true;
    }
    const bool wants_no_more = client->hang_up || native->ended;
    return wants_no_more && client->in_flight == 0 && hg_output_empty(&native->output);
}

static void watch(struct hg_native *native)
{
    unsigned events = 0;
    if (hg_native_may_read(native) && !native->ended && native->state != HG_RECEIVE_WAIT) {
        events |= HG_WATCH_READ | HG_WATCH_EDGE;
    } else if (!native->half_closed) {
        events |= HG_WATCH_HANGUP;
    }
    if (native->blocked_ns != 0) {
        events |= HG_WATCH_WRITE;
    }
    hg_watch_set(native->watch, events);
}

/* The connection's next timeout, as things stand; UINT64_MAX: none. */
static uint64_t due_ns(const struct hg_native *native)
{
    const struct hg_client *client = &native->client;
    const struct hg_config *config = &client->server->config;
    uint64_t due = UINT64_MAX;
    uint64_t since = 0;
    uint64_t limit_ms = 0;
    if (native->blocked_ns != 0) {
        since = native->blocked_ns;
        limit_ms = config->timeouts_write_ms;
    } else if (client->state == HG_CLIENT_NEW) {
        since = client->connected_ns;
        limit_ms = config->timeouts_handshake_ms;
    } else if (hg_native_mid_frame(native) && hg_native_may_read(native)) {
        since = native->received_ns;
        limit_ms = config->timeouts_frame_ms;
    } else if (client->in_flight == 0) {
        since =
            native->answered_ns > native->received_ns ? native->answered_ns : native->received_ns;
        limit_ms = config->timeouts_idle_ms;
    }
    if (limit_ms != 0) {
        due = since + limit_ms * HG_NS_PER_MS;
    }
    return due;
}

/* Receives, runs and answers until there is no more. A client that had several requests under way
 * has probably sent the next ones meanwhile: to ask its socket costs less than a turn of the loop.
 * False if the turn ended first. */
static bool serve(struct hg_native *native)
{
    for (;;) {
        const bool ended = hg_native_receive(native);
        const bool pipelined = native->unsent >= HG_PIPELINE_MIN;
        hg_native_flush(native);
        if (!ended || !pipelined || native->ended || !hg_native_may_read(native)) {
            return ended;
        }
        native->readable = true;
    }
}

/* A turn: run what has become possible, receive, answer. */
static void turn(struct hg_native *native)
{
    struct hg_client *client = &native->client;
    struct hg_server *server = client->server;
    if (native->closed) {
        hg_native_close(native);
        return;
    }
    client->turn_end_ns = hg_client_look(client) + server->config.server_turn_us * HG_NS_PER_US;
    bool more = !hg_dispatch_pump(client);
    more = !serve(native) || more;
    /* Sending may have freed what a parked request waits for; others may have been read off. */
    const bool unread =
        native->readable && hg_native_may_read(native) && native->state != HG_RECEIVE_WAIT;
    more = more || client->pump || unread;
    if (is_over(native)) {
        hg_native_close(native);
        return;
    }
    if (more) {
        hg_loop_post(server->loop, &native->post);
    }
    watch(native);
    hg_server_due(server, due_ns(native));
}

static void post_cb(void *context)
{
    turn(context);
}

/* The peer hung up while we do not read. With POLLHUP it is gone for good; else it still reads. */
static void look_at_hangup(struct hg_native *native)
{
    struct pollfd poll_fd = {.fd = native->fd};
    if (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0) {
        native->broken = true;
        return;
    }
    native->half_closed = true;
}

/* The connection speaks HTTP/2: gRPC gets it, with what has arrived unread. */
static void hand_over(struct hg_native *native)
{
    struct hg_server *server = native->client.server;
    struct hg_error error = HG_ERROR_INIT;
    const int fd = native->fd;
    const struct hg_identity identity = native->client.identity;
    hg_watch_close(&native->watch);
    hg_client_close(&native->client);
    free_native(native);
    if (hg_grpc_adopt(server->grpc, fd, &identity, &error) != HG_OK) {
        hg_counter_add_alone(&server->metrics.connections_refused, 1);
        HG_LOG_WARN(LISTENER, "connection refused", HG_STR("reason", error.message));
    }
}

/* Looks at the first bytes without taking them. True if the connection is no longer ours. */
static bool decide(struct hg_native *native)
{
    char start[24];
    const ssize_t size = recv(native->fd, start, sizeof(start), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return false;
    }
    native->undecided = false;
    if (size <= 0 || !hg_grpc_is_preface(start, (size_t)size)) {
        return false;
    }
    hand_over(native);
    return true;
}

static void watch_cb(void *context, unsigned events)
{
    struct hg_native *native = context;
    if (native->undecided && (events & HG_WATCH_READ) != 0 && decide(native)) {
        return;
    }
    if ((events & HG_WATCH_READ) != 0) {
        native->readable = true;
        native->ending = (events & HG_WATCH_HANGUP) != 0;
    } else if ((events & HG_WATCH_HANGUP) != 0) {
        look_at_hangup(native);
    }
    turn(native);
}

static void link_native(struct hg_native *native)
{
    struct hg_server *server = native->client.server;
    native->next = server->natives;
    if (native->next != NULL) {
        native->next->previous = native;
    }
    server->natives = native;
    server->connection_count++;
}

enum hg_status hg_native_accept(struct hg_server *server, int fd, struct hg_error *error)
{
    struct hg_native *native = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*native));
    if (native == NULL) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "connection: out of memory");
        goto close_fd;
    }
    native->fd = fd;
    native->undecided = server->grpc != NULL;
    if (hg_identity_of(fd, &native->client.identity, error) != HG_OK) {
        goto free_memory;
    }
    const uid_t uid = native->client.identity.uid;
    if (hg_server_user_connections(server, uid) >= server->config.server_user_connections_max) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "connections of user %u: expected at most %llu",
                      uid, (unsigned long long)server->config.server_user_connections_max);
        hg_native_turn_away(fd, error);
        goto free_memory;
    }
    if (hg_watch_create(server->loop, fd, watch_cb, native, &native->watch, error) != HG_OK) {
        goto free_memory;
    }
    hg_client_init(&native->client, server, &native_transport);
    hg_post_init(&native->post, post_cb, native);
    hg_known_init(&native->known, (uint32_t)server->config.limits_repeats_max);
    native->received_ns = native->client.connected_ns;
    link_native(native);
    watch(native);
    hg_server_due(server, due_ns(native));
    hg_counter_add_alone(&server->metrics.connections_accepted, 1);
    return HG_OK;

free_memory:
    hg_free(HG_TAG_TRANSPORT, native);
close_fd:
    close(fd);
    return error->status;
}

/* ---- timeouts and the end
 * ------------------------------------------------------------------------- */

/* Tells the peer why, unless it is the one who does not read. */
static void time_out(struct hg_native *native)
{
    const struct hg_config *config = &native->client.server->config;
    struct hg_error error = HG_ERROR_INIT;
    hg_counter_add_alone(&native->client.server->metrics.connections_timed_out, 1);
    if (native->blocked_ns != 0) {
        HG_LOG_WARN(SESSION, "peer does not read: closing", HG_STR("client", native->client.name),
                    HG_U64("timeout_ms", config->timeouts_write_ms));
        hg_native_close(native);
        return;
    }
    if (native->client.state == HG_CLIENT_NEW) {
        (void)hg_fail(&error, HG_DEADLINE_EXCEEDED, "handshake: no hello within %llu ms",
                      (unsigned long long)config->timeouts_handshake_ms);
    } else if (hg_native_mid_frame(native)) {
        (void)hg_fail(&error, HG_DEADLINE_EXCEEDED, "frame: no byte for %llu ms in its middle",
                      (unsigned long long)config->timeouts_frame_ms);
    } else {
        (void)hg_fail(&error, HG_DEADLINE_EXCEEDED, "idle: no request for %llu ms",
                      (unsigned long long)config->timeouts_idle_ms);
    }
    hg_native_stop(native, &error);
}

uint64_t hg_native_sweep(struct hg_native *native, uint64_t now_ns)
{
    if (native->closed || is_over(native)) {
        return UINT64_MAX;
    }
    const uint64_t request_due = hg_dispatch_sweep(&native->client, now_ns);
    const uint64_t own_due = due_ns(native);
    if (now_ns >= own_due) {
        time_out(native);
        return request_due;
    }
    return request_due < own_due ? request_due : own_due;
}

void hg_native_drain(struct hg_native *native)
{
    /* A write that has not arrived in full is no request yet. */
    hg_dispatch_write_abort(&native->client);
    native->client.hang_up = true;
    native->state = HG_RECEIVE_STOP;
    hg_loop_post(native->client.server->loop, &native->post);
}
