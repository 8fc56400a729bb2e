/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: WriteStream, whose messages are writes one after the other, and Session, which carries
 * the native protocol's messages. Both read on only while what they cause has room.
 */
#include <string.h>

#include "daemon/codec.h"
#include "daemon/dispatch.h"
#include "daemon/transport/grpc_core.h"
#include "daemon/transport/grpc_send.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* ---- WriteStream --------------------------------------------------------------------------------
 */

static void finish_write_stream(struct hg_grpc_call *call)
{
    uint8_t body[2 * HG_WIRE_VARINT_MAX];
    size_t size = hg_wire_put_varint(body, 1 << 3 | HG_WIRE_VARINT);
    size += hg_wire_put_varint(body + size, call->written_bytes);
    struct hg_error error = HG_ERROR_INIT;
    if (hg_grpc_call_send(call, grpc_slice_from_copied_buffer((const char *)body, size), NULL, 0) !=
        HG_OK) {
        (void)hg_fail(&error, HG_RESOURCE_EXHAUSTED, "no memory for the reply");
    }
    hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
}

/* Submits the write that call->message holds. */
static void submit_write(struct hg_grpc_call *call)
{
    struct hg_server *server = call->grpc->server;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_request *request = hg_request_get(&server->requests);
    if (request == NULL) {
        hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "request: out of memory");
        return;
    }
    request->arrived_ns = hg_clock_now_ns();
    request->message.step.kind = HG_REQUEST_WRITE;
    if (hg_wire_parse_write(hg_grpc_bytes(&call->message), &request->message.step.write, &error) !=
        HG_OK) {
        hg_request_put(&server->requests, request);
        hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
        return;
    }
    request->message.id = UINT64_MAX; /* no caller can name it */
    request->message.stream = call->state;
    request->message.timeout_us = hg_grpc_call_timeout_us(call);
    request->call = call;
    call->request = request;
    hg_grpc_session_begin(call->session);
    hg_dispatch_submit(&call->session->client, request);
}

/* One write at a time: the next is taken when the last is answered. */
void hg_grpc_write_stream_progress(struct hg_grpc_call *call)
{
    /* Submitting may finish and free it. */
    hg_grpc_call_retain(call);
    while (!call->finished && call->request == NULL) {
        if (call->message_held) {
            grpc_slice_unref(call->message);
            call->message_held = false;
        }
        const enum hg_grpc_next next = hg_grpc_call_next(call, &call->message);
        if (next == HG_GRPC_NONE_YET) {
            break;
        }
        if (next == HG_GRPC_END) {
            finish_write_stream(call);
            break;
        }
        call->message_held = true;
        submit_write(call);
    }
    hg_grpc_call_release(call);
}

void hg_grpc_write_stream_start(struct hg_grpc_call *call)
{
    struct hg_grpc_session *session = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_grpc_session_find(call, &session, &error) != HG_OK) {
        hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
        return;
    }
    hg_grpc_session_attach(session, call);
    call->state = ++call->grpc->last_stream;
    hg_grpc_call_listen(call);
}

void hg_grpc_write_stream_reply(struct hg_grpc_call *call, struct hg_request *request)
{
    call->request = NULL;
    if (request->reply.error.status != HG_OK) {
        hg_grpc_call_finish(call, &request->reply.error, HG_GRPC_NO_STEPS);
        return;
    }
    call->written_bytes += request->message.step.write.data.size;
    /* Not from here: dispatch has not let go of the request yet. */
    hg_mutex_lock(&call->lock);
    hg_grpc_call_tell(call);
    hg_mutex_unlock(&call->lock);
}

void hg_grpc_write_stream_closed(struct hg_grpc_call *call)
{
    if (call->request != NULL) {
        hg_dispatch_cancel(call->request);
    } else {
        hg_grpc_call_fail(call, HG_CANCELLED, "cancelled between two messages");
    }
}

/* ---- Session ------------------------------------------------------------------------------------
 */

void hg_grpc_stream_start(struct hg_grpc_call *call)
{
    struct hg_error error = HG_ERROR_INIT;
    if (hg_grpc_session_admit(call->grpc, call->connection->identity.uid, &error) != HG_OK) {
        hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
        return;
    }
    struct hg_grpc_session *session =
        hg_grpc_session_new(call->grpc, HG_GRPC_STREAM, call->connection);
    if (session == NULL) {
        hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "session: out of memory");
        return;
    }
    /* A read's bytes are part of the message. */
    if (session->client.payload_bytes_max > call->grpc->message_bytes_max) {
        session->client.payload_bytes_max = call->grpc->message_bytes_max;
    }
    session->stream = call;
    hg_grpc_session_attach(session, call);
    hg_server_due(call->grpc->server, hg_grpc_session_sweep(session, session->used_ns));
    hg_grpc_call_listen(call);
}

void hg_grpc_stream_end(struct hg_grpc_session *session, const struct hg_error *error)
{
    struct hg_grpc_call *call = session->stream;
    session->stream = NULL;
    hg_grpc_call_finish(call, error, HG_GRPC_NO_STEPS);
    hg_grpc_session_close(session);
}

void hg_grpc_stream_progress(struct hg_grpc_call *call)
{
    hg_grpc_session_turn(call->session);
}

/* The call goes first: as long as it lives C core may keep what it could not send, and the session
 * waits for that. */
void hg_grpc_stream_closed(struct hg_grpc_call *call)
{
    struct hg_error error = HG_ERROR_INIT;
    (void)hg_fail(&error, HG_CANCELLED, "cancelled");
    hg_grpc_stream_end(call->session, &error);
}

/* As a native connection: requests in flight are answered, then the end. */
void hg_grpc_stream_drain(struct hg_grpc_call *call)
{
    call->session->client.hang_up = true;
    hg_grpc_session_wake(call->session);
}

static bool may_read(struct hg_grpc_session *session)
{
    const struct hg_client *client = &session->client;
    return !client->hang_up && client->in_flight < client->in_flight_max &&
           hg_grpc_call_has_room(session->stream, client->output_bytes_max);
}

/* Decodes MESSAGE and submits it; false if it is no request, which ends the stream. */
static bool submit_message(struct hg_grpc_session *session, struct hg_bytes message,
                           struct hg_error *error)
{
    struct hg_server *server = session->grpc->server;
    struct hg_client *client = &session->client;
    if (message.size > client->message_bytes_max) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "message: expected at most %llu bytes, got %zu",
                      (unsigned long long)client->message_bytes_max, message.size);
        return false;
    }
    struct hg_request *request = hg_request_get(&server->requests);
    if (request == NULL) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "request: out of memory");
        return false;
    }
    request->arrived_ns = hg_clock_now_ns();
    request->call = session->stream;
    const enum hg_decoded decoded =
        hg_codec_decode(message.data, message.size, &request->arena, &request->message, error);
    hg_histogram_observe(&server->metrics.stages[HG_STAGE_DECODE],
                         hg_clock_now_ns() - request->arrived_ns);
    switch (decoded) {
    case HG_DECODED_OK:
        hg_dispatch_submit(client, request);
        return true;
    case HG_DECODED_INVALID:
        hg_dispatch_refuse(client, request, error);
        error->status = HG_OK;
        return true;
    case HG_DECODED_MALFORMED:
        break;
    }
    hg_counter_add(&server->metrics.protocol_errors, 1);
    hg_request_put(&server->requests, request);
    return false;
}

/* Why a stream whose work is done ends. */
static void end_of_stream(struct hg_grpc_session *session)
{
    struct hg_error error = HG_ERROR_INIT;
    if (session->grpc->draining) {
        (void)hg_fail(&error, HG_UNAVAILABLE, "the server is stopping");
    } else if (session->client.state == HG_CLIENT_NEW && session->client.hang_up &&
               !session->in_ended) {
        (void)hg_fail(&error, session->refusal, "the hello was not accepted");
    }
    hg_grpc_stream_end(session, &error);
}

/* Takes messages; false at the end of the turn. What is no request is told in ERROR. */
static bool take_messages(struct hg_grpc_session *session, struct hg_error *error)
{
    struct hg_client *client = &session->client;
    while (may_read(session)) {
        if (hg_clock_now_ns() >= client->turn_end_ns) {
            return false;
        }
        grpc_slice message;
        const enum hg_grpc_next next = hg_grpc_call_next(session->stream, &message);
        if (next == HG_GRPC_NONE_YET) {
            break;
        }
        if (next == HG_GRPC_END) {
            session->in_ended = true;
            client->hang_up = true;
            break;
        }
        session->used_ns = hg_clock_now_ns();
        const bool good = submit_message(session, hg_grpc_bytes(&message), error);
        grpc_slice_unref(message);
        if (!good) {
            break;
        }
    }
    return true;
}

bool hg_grpc_stream_pump(struct hg_grpc_session *session)
{
    struct hg_client *client = &session->client;
    struct hg_grpc_call *call = session->stream;
    struct hg_error error = HG_ERROR_INIT;
    hg_grpc_call_cork(call);
    const bool done = take_messages(session, &error);
    hg_grpc_call_uncork(call);
    if (error.status != HG_OK) {
        hg_grpc_stream_end(session, &error);
    } else if (client->hang_up && client->in_flight == 0) {
        end_of_stream(session);
    }
    return done;
}

/* The head of a read's Response, with room in its lengths for the payload that follows. */
static grpc_slice widen(const grpc_slice *response, uint64_t payload_bytes)
{
    uint8_t scratch[HG_WIRE_KEY_MAX];
    const struct hg_bytes whole = hg_grpc_bytes(response);
    struct hg_wire wire = hg_wire_of(whole);
    struct hg_wire_field field = {0};
    while (hg_wire_next(&wire, &field) && field.number != HG_WIRE_RESPONSE_READ) {
    }
    const size_t data_bytes =
        hg_wire_put_key(scratch, HG_WIRE_READ_DATA, payload_bytes) + (size_t)payload_bytes;
    const size_t key =
        hg_wire_put_key(scratch, HG_WIRE_RESPONSE_READ, field.bytes.size + data_bytes);
    grpc_slice wide = grpc_slice_malloc(field.start + key + field.bytes.size);
    uint8_t *out = GRPC_SLICE_START_PTR(wide);
    memcpy(out, whole.data, field.start);
    memcpy(out + field.start, scratch, key);
    memcpy(out + field.start + key, field.bytes.data, field.bytes.size);
    return wide;
}

static enum hg_status send_response(struct hg_grpc_call *call, struct hg_request *request)
{
    grpc_slice response;
    if (hg_grpc_encode(request, &response) != HG_OK) {
        return HG_RESOURCE_EXHAUSTED;
    }
    if (!request->view_held || request->view.length == 0) {
        hg_dispatch_release_view(request);
        return hg_grpc_call_send(call, response, NULL, 0);
    }
    const grpc_slice wide = widen(&response, request->view.length);
    grpc_slice_unref(response);
    return hg_grpc_call_send(call, wide, request, request->view.length);
}

void hg_grpc_stream_reply(struct hg_grpc_call *call, struct hg_request *request)
{
    struct hg_grpc_session *session = (struct hg_grpc_session *)request->client;
    if (send_response(call, request) != HG_OK) {
        HG_LOG_ERROR(SESSION, "no memory for a reply: ending the stream",
                     HG_STR("client", session->client.name));
        hg_dispatch_release_view(request);
        session->starved = true;
        hg_grpc_session_close(session);
        return;
    }
    if (session->client.state == HG_CLIENT_NEW) {
        session->refusal = request->reply.error.status;
    }
    if (session->client.hang_up) {
        hg_grpc_session_wake(session);
    }
}
