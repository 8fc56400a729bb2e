/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed calls: one message in, one request to dispatch, its answer out. And the two that open and
 * close a session.
 */
#include <string.h>

#include "daemon/codec.h"
#include "daemon/dispatch.h"
#include "daemon/transport/grpc_core.h"
#include "daemon/transport/grpc_send.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

/* Ids of requests whose caller named none lie above this. */
#define OWN_IDS (1ull << 63)

/* ---- encoding -----------------------------------------------------------------------------------
 */

/* A slice's bytes may lie in the slice itself: they are written once it is at its place. */
static uint8_t *reserve_slice(void *context, size_t size)
{
    grpc_slice *slice = context;
    *slice = grpc_slice_malloc(size);
    return GRPC_SLICE_START_PTR(*slice);
}

enum hg_status hg_grpc_encode(struct hg_request *request, grpc_slice *response)
{
    *response = grpc_empty_slice();
    return hg_codec_encode(&request->reply, &request->arena, reserve_slice, response);
}

enum hg_status hg_grpc_encode_body(struct hg_request *request, grpc_slice *body)
{
    grpc_slice response;
    request->reply.id = 0;
    if (hg_grpc_encode(request, &response) != HG_OK) {
        return HG_RESOURCE_EXHAUSTED;
    }
    const struct hg_bytes inner = hg_wire_unwrap(hg_grpc_bytes(&response));
    const size_t length = GRPC_SLICE_LENGTH(response);
    *body = inner.size != 0 ? grpc_slice_sub(response, length - inner.size, length)
                            : grpc_empty_slice();
    grpc_slice_unref(response);
    return HG_OK;
}

/* ---- replies ------------------------------------------------------------------------------------
 */

/* A view that will not be sent after all. */
static void drop_view(struct hg_request *request)
{
    hg_dispatch_release_view(request);
}

static void fail_reply(struct hg_grpc_call *call, struct hg_request *request)
{
    const struct hg_reply *reply = &request->reply;
    drop_view(request);
    hg_grpc_call_finish(call, &reply->error,
                        reply->kind == HG_REQUEST_BATCH ? reply->batch.completed
                                                        : HG_GRPC_NO_STEPS);
}

static void reply_with_view(struct hg_grpc_call *call, struct hg_request *request, uint64_t chunk)
{
    grpc_slice head;
    if (hg_grpc_encode_body(request, &head) != HG_OK ||
        hg_grpc_call_send(call, head, request->view_held ? request : NULL, chunk) != HG_OK) {
        drop_view(request);
        hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "no memory for the reply");
        return;
    }
    hg_grpc_call_finish_after_view(call);
}

void hg_grpc_unary_reply(struct hg_grpc_call *call, struct hg_request *request)
{
    const uint64_t max = call->grpc->message_bytes_max;
    call->request = NULL;
    if (request->reply.error.status == HG_OK && request->view_held && request->view.length > max) {
        (void)hg_fail(&request->reply.error, HG_OUT_OF_RANGE,
                      "read: length: expected at most %llu bytes in one message, got %llu; "
                      "ReadStream has no such limit",
                      (unsigned long long)max, (unsigned long long)request->view.length);
    }
    if (request->reply.error.status != HG_OK) {
        fail_reply(call, request);
        return;
    }
    reply_with_view(call, request, max);
}

void hg_grpc_read_stream_reply(struct hg_grpc_call *call, struct hg_request *request)
{
    call->request = NULL;
    if (request->reply.error.status != HG_OK) {
        fail_reply(call, request);
        return;
    }
    reply_with_view(call, request, call->grpc->server->config.grpc_chunk_bytes);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

/* The id that the caller gave, so that Cancel can name the request, or one of our own. */
static uint64_t request_id(struct hg_grpc_call *call)
{
    struct hg_bytes text;
    uint64_t id = 0;
    if (!hg_grpc_call_metadata(call, "hologram-request-id", &text) || text.size == 0 ||
        text.size > 18) {
        return OWN_IDS + ++call->grpc->last_request_id;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return OWN_IDS + ++call->grpc->last_request_id;
        }
        id = id * 10 + (uint64_t)(text.data[i] - '0');
    }
    return id;
}

/* A write's bytes stay where C core put them, until it is answered. */
static enum hg_decoded decode_write(struct hg_grpc_call *call, struct hg_request *request,
                                    struct hg_error *error)
{
    request->message.step.kind = HG_REQUEST_WRITE;
    return hg_wire_parse_write(hg_grpc_bytes(&call->message), &request->message.step.write,
                               error) == HG_OK
               ? HG_DECODED_OK
               : HG_DECODED_MALFORMED;
}

static enum hg_decoded decode(struct hg_grpc_call *call, struct hg_request *request,
                              struct hg_error *error)
{
    const struct hg_client *client = &call->session->client;
    const struct hg_bytes body = hg_grpc_bytes(&call->message);
    if (call->method->kind == HG_REQUEST_WRITE) {
        return decode_write(call, request, error);
    }
    if (body.size > client->message_bytes_max) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "message: expected at most %llu bytes, got %zu",
                      (unsigned long long)client->message_bytes_max, body.size);
        return HG_DECODED_MALFORMED;
    }
    const struct hg_bytes whole = hg_wire_wrap(&request->arena, call->method->field, body);
    if (whole.data == NULL) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "message: out of memory");
        return HG_DECODED_MALFORMED;
    }
    return hg_codec_decode(whole.data, whole.size, &request->arena, &request->message, error);
}

/* Submits what CALL asks for. */
static void submit(struct hg_grpc_call *call)
{
    struct hg_grpc *grpc = call->grpc;
    struct hg_client *client = &call->session->client;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_request *request = hg_request_get(&grpc->server->requests);
    if (request == NULL) {
        hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "request: out of memory");
        return;
    }
    request->arrived_ns = hg_clock_now_ns();
    const enum hg_decoded decoded = decode(call, request, &error);
    hg_histogram_observe(&grpc->server->metrics.stages[HG_STAGE_DECODE],
                         hg_clock_now_ns() - request->arrived_ns);
    if (decoded == HG_DECODED_MALFORMED) {
        hg_counter_add(&grpc->server->metrics.protocol_errors, 1);
        hg_request_put(&grpc->server->requests, request);
        hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
        return;
    }
    request->message.id = request_id(call);
    request->message.stream = ++grpc->last_stream;
    request->message.timeout_us = hg_grpc_call_timeout_us(call);
    request->call = call;
    call->request = request;
    hg_grpc_session_begin(call->session);
    if (decoded == HG_DECODED_INVALID) {
        hg_dispatch_refuse(client, request, &error);
    } else {
        hg_dispatch_submit(client, request);
    }
}

static void wait_for_room(struct hg_grpc_call *call)
{
    struct hg_grpc_session *session = call->session;
    call->waiting = true;
    if (session->waiting_last != NULL) {
        session->waiting_last->next_waiting = call;
    } else {
        session->waiting_first = call;
    }
    session->waiting_last = call;
}

static void stop_waiting(struct hg_grpc_call *call)
{
    struct hg_grpc_session *session = call->session;
    struct hg_grpc_call *previous = NULL;
    struct hg_grpc_call *waiting = session->waiting_first;
    for (; waiting != call; waiting = waiting->next_waiting) {
        previous = waiting;
    }
    if (previous != NULL) {
        previous->next_waiting = call->next_waiting;
    } else {
        session->waiting_first = call->next_waiting;
    }
    if (session->waiting_last == call) {
        session->waiting_last = previous;
    }
    call->next_waiting = NULL;
    call->waiting = false;
}

bool hg_grpc_unary_pump(struct hg_grpc_session *session)
{
    const struct hg_client *client = &session->client;
    while (session->waiting_first != NULL && client->in_flight < client->in_flight_max) {
        if (hg_clock_now_ns() >= client->turn_end_ns) {
            return false;
        }
        struct hg_grpc_call *call = session->waiting_first;
        stop_waiting(call);
        submit(call);
    }
    return true;
}

/* The message that came with the call, in one piece. */
static bool take_payload(struct hg_grpc_call *call)
{
    if (call->payload == NULL) {
        hg_grpc_call_fail(call, HG_INVALID_ARGUMENT, "expected one message, got none");
        return false;
    }
    call->message = hg_grpc_flatten(call->payload);
    call->message_held = true;
    return true;
}

static enum hg_status choose_session(struct hg_grpc_call *call, struct hg_grpc_session **session,
                                     struct hg_error *error)
{
    if (call->method->needs_session) {
        return hg_grpc_session_find(call, session, error);
    }
    *session = hg_grpc_session_plain(call);
    return *session != NULL ? HG_OK
                            : hg_fail(error, HG_RESOURCE_EXHAUSTED, "session: out of memory");
}

void hg_grpc_unary_start(struct hg_grpc_call *call)
{
    struct hg_grpc_session *session = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (!take_payload(call)) {
        return;
    }
    if (choose_session(call, &session, &error) != HG_OK) {
        hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
        return;
    }
    hg_grpc_session_attach(session, call);
    const struct hg_client *client = &session->client;
    if (session->waiting_first != NULL || client->in_flight >= client->in_flight_max) {
        wait_for_room(call);
        return;
    }
    submit(call);
}

void hg_grpc_unary_closed(struct hg_grpc_call *call)
{
    if (call->waiting) {
        stop_waiting(call);
        hg_grpc_call_fail(call, HG_CANCELLED, "cancelled before it started");
    } else if (call->request != NULL) {
        hg_dispatch_cancel(call->request);
    }
}

/* ---- opening and closing sessions ---------------------------------------------------------------
 */

/* OpenSessionRequest.client_name into the request's arena, terminated. */
static bool take_name(const struct hg_grpc_call *call, struct hg_request *request)
{
    const struct hg_bytes name = hg_wire_find(hg_grpc_bytes(&call->message), 1);
    const size_t length = name.size < HG_CLIENT_NAME_MAX ? name.size : HG_CLIENT_NAME_MAX;
    char *text = hg_arena_alloc(&request->arena, length + 1);
    if (text == NULL) {
        return false;
    }
    if (length != 0) {
        memcpy(text, name.data, length);
    }
    text[length] = '\0';
    request->message.step.kind = HG_REQUEST_HELLO;
    request->message.step.hello =
        (struct hg_hello){HG_PROTOCOL_VERSION_MIN, HG_PROTOCOL_VERSION_MAX, text};
    return true;
}

/* The hello that a native client would send first. */
static void say_hello(struct hg_grpc_call *call, struct hg_grpc_session *session)
{
    struct hg_server *server = call->grpc->server;
    struct hg_request *request = hg_request_get(&server->requests);
    if (request == NULL || !take_name(call, request)) {
        if (request != NULL) {
            hg_request_put(&server->requests, request);
        }
        hg_grpc_session_close(session);
        hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "session: out of memory");
        return;
    }
    request->arrived_ns = hg_clock_now_ns();
    request->call = call;
    hg_grpc_session_begin(session);
    hg_dispatch_submit(&session->client, request);
}

void hg_grpc_open_start(struct hg_grpc_call *call)
{
    struct hg_error error = HG_ERROR_INIT;
    if (!take_payload(call)) {
        return;
    }
    if (hg_grpc_session_admit(call->grpc, call->connection->identity.uid, &error) != HG_OK) {
        hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
        return;
    }
    struct hg_grpc_session *session =
        hg_grpc_session_new(call->grpc, HG_GRPC_TOKEN, call->connection);
    if (session == NULL) {
        hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "session: out of memory");
        return;
    }
    say_hello(call, session);
}

/* OpenSessionResult: the token, the lease, and what a hello is answered with. */
static grpc_slice open_result(const char *token, uint64_t lease_ms, const grpc_slice *hello)
{
    uint8_t head[2 * HG_WIRE_KEY_MAX + HG_GRPC_TOKEN_TEXT + 2 * HG_WIRE_VARINT_MAX];
    const struct hg_bytes body = hg_grpc_bytes(hello);
    size_t size = hg_wire_put_key(head, 1, HG_GRPC_TOKEN_TEXT);
    memcpy(head + size, token, HG_GRPC_TOKEN_TEXT);
    size += HG_GRPC_TOKEN_TEXT;
    size += hg_wire_put_varint(head + size, 2 << 3 | HG_WIRE_VARINT);
    size += hg_wire_put_varint(head + size, lease_ms);
    size += hg_wire_put_key(head + size, 3, body.size);
    grpc_slice whole = grpc_slice_malloc(size + body.size);
    memcpy(GRPC_SLICE_START_PTR(whole), head, size);
    memcpy(GRPC_SLICE_START_PTR(whole) + size, body.data, body.size);
    return whole;
}

static enum hg_status send_opened(struct hg_grpc_call *call, struct hg_grpc_session *session,
                                  struct hg_request *request, struct hg_error *error)
{
    char token[HG_GRPC_TOKEN_TEXT + 1];
    grpc_slice hello;
    if (hg_grpc_session_name(session, token, error) != HG_OK) {
        return error->status;
    }
    if (hg_grpc_encode_body(request, &hello) != HG_OK) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for the reply");
    }
    const uint64_t lease_ms = call->grpc->server->config.grpc_session_lease_s * 1000;
    const grpc_slice result = open_result(token, lease_ms, &hello);
    grpc_slice_unref(hello);
    if (hg_grpc_call_send(call, result, NULL, 0) != HG_OK) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for the reply");
    }
    return HG_OK;
}

void hg_grpc_open_reply(struct hg_grpc_call *call, struct hg_request *request)
{
    struct hg_grpc_session *session = (struct hg_grpc_session *)request->client;
    struct hg_error error = request->reply.error;
    if (error.status != HG_OK || send_opened(call, session, request, &error) != HG_OK) {
        hg_grpc_session_close(session);
    } else {
        /* Its lease runs from now on. */
        hg_grpc_session_attach(session, call);
    }
    hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
}

void hg_grpc_close_start(struct hg_grpc_call *call)
{
    struct hg_grpc_session *session = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_grpc_session_find(call, &session, &error) == HG_OK) {
        hg_grpc_session_close(session);
        if (hg_grpc_call_send(call, grpc_empty_slice(), NULL, 0) != HG_OK) {
            (void)hg_fail(&error, HG_RESOURCE_EXHAUSTED, "no memory for the reply");
        }
    }
    hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
}
