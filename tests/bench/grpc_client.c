/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/grpc_client.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_TIMEOUT_S 10

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench: gRPC: %s\n", what);
    exit(1);
}

struct grpc_client grpc_client_open(const char *path)
{
    char target[128];
    char backoff[] = GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS;
    char local_pool[] = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL; /* no connection of another channel */
    grpc_arg args[] = {{.type = GRPC_ARG_INTEGER, .key = backoff, .value.integer = 100},
                       {.type = GRPC_ARG_INTEGER, .key = local_pool, .value.integer = 1}};
    const grpc_channel_args channel_args = {.num_args = sizeof args / sizeof args[0], .args = args};
    snprintf(target, sizeof target, "unix:%s", path);
    grpc_init();
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    struct grpc_client client = {
        .queue = grpc_completion_queue_create_for_pluck(NULL),
        .channel = grpc_channel_create(target, credentials, &channel_args),
    };
    grpc_channel_credentials_release(credentials);
    return client;
}

void grpc_client_close(struct grpc_client *client)
{
    grpc_channel_destroy(client->channel);
    /* Every call's events have been taken: the queue is empty. */
    grpc_completion_queue_shutdown(client->queue);
    grpc_completion_queue_destroy(client->queue);
    if (client->has_session) {
        grpc_slice_unref(client->session.value);
    }
    grpc_shutdown();
}

void grpc_client_name_session(struct grpc_client *client, grpc_slice token)
{
    client->session.key = grpc_slice_from_static_string("hologram-session");
    client->session.value = token;
    client->has_session = true;
}

void *grpc_client_method(struct grpc_client *client, const char *name)
{
    return grpc_channel_register_call(client->channel, name, NULL, NULL);
}

/* ---- batches --------------------------------------------------------------------------------- */

static grpc_call *create_call(struct grpc_client *client, void *method)
{
    return grpc_channel_create_registered_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                               client->queue, method,
                                               gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
}

static grpc_op initial_metadata(struct grpc_client *client)
{
    return (grpc_op){
        .op = GRPC_OP_SEND_INITIAL_METADATA,
        .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY |
                 GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET,
        .data.send_initial_metadata = {.count = client->has_session ? 1 : 0,
                                       .metadata = &client->session},
    };
}

/* Starts the COUNT operations of OPS as one batch and waits until all are done. */
static void run(struct grpc_client *client, grpc_call *call, const grpc_op *ops, size_t count)
{
    if (grpc_call_start_batch(call, ops, count, call, NULL) != GRPC_CALL_OK) {
        die("expected C core to take a batch");
    }
    const gpr_timespec end = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                          gpr_time_from_seconds(ANSWER_TIMEOUT_S, GPR_TIMESPAN));
    const grpc_event event = grpc_completion_queue_pluck(client->queue, call, end, NULL);
    if (event.type != GRPC_OP_COMPLETE || event.success == 0) {
        die("expected an answer, got none");
    }
}

/* How a call ends. */
struct outcome {
    grpc_metadata_array trailers;
    grpc_status_code status;
    grpc_slice text;
};

static grpc_op receive_status(struct outcome *outcome)
{
    grpc_metadata_array_init(&outcome->trailers);
    outcome->text = grpc_empty_slice();
    return (grpc_op){
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client = {.trailing_metadata = &outcome->trailers,
                                       .status = &outcome->status,
                                       .status_details = &outcome->text},
    };
}

static void check_status(struct outcome *outcome)
{
    if (outcome->status != GRPC_STATUS_OK) {
        char *text = grpc_slice_to_c_string(outcome->text);
        fprintf(stderr, "bench: gRPC: expected OK, got code %d\n", (int)outcome->status);
        die(text);
    }
    grpc_slice_unref(outcome->text);
    grpc_metadata_array_destroy(&outcome->trailers);
}

/* The bytes of MESSAGE, which it destroys. */
static grpc_slice take_bytes(grpc_byte_buffer *message)
{
    grpc_byte_buffer_reader reader;
    if (message == NULL || !grpc_byte_buffer_reader_init(&reader, message)) {
        die("expected a message, got none");
    }
    const grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(message);
    return bytes;
}

/* ---- calls ----------------------------------------------------------------------------------- */

grpc_slice grpc_client_call(struct grpc_client *client, void *method, grpc_slice request)
{
    grpc_call *call = create_call(client, method);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&request, 1);
    grpc_byte_buffer *response = NULL;
    grpc_metadata_array metadata;
    struct outcome outcome;
    grpc_metadata_array_init(&metadata);
    const grpc_op ops[] = {
        initial_metadata(client),
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &metadata},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &response},
        receive_status(&outcome),
    };
    run(client, call, ops, sizeof ops / sizeof ops[0]);
    check_status(&outcome);
    grpc_metadata_array_destroy(&metadata);
    grpc_byte_buffer_destroy(message);
    grpc_call_unref(call);
    return take_bytes(response);
}

struct grpc_stream grpc_client_stream_open(struct grpc_client *client, void *method)
{
    struct grpc_stream stream = {.call = create_call(client, method)};
    const grpc_op op = initial_metadata(client);
    run(client, stream.call, &op, 1);
    grpc_metadata_array_init(&stream.metadata);
    return stream;
}

void grpc_client_stream_send(struct grpc_client *client, struct grpc_stream *stream,
                             grpc_slice message, bool more)
{
    grpc_client_stream_send_parts(client, stream, &message, 1, more);
}

void grpc_client_stream_send_parts(struct grpc_client *client, struct grpc_stream *stream,
                                   grpc_slice *parts, size_t count, bool more)
{
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(parts, count);
    const grpc_op op = {.op = GRPC_OP_SEND_MESSAGE,
                        .flags = more ? GRPC_WRITE_BUFFER_HINT : 0,
                        .data.send_message.send_message = buffer};
    run(client, stream->call, &op, 1);
    grpc_byte_buffer_destroy(buffer);
}

grpc_slice grpc_client_stream_receive(struct grpc_client *client, struct grpc_stream *stream)
{
    grpc_byte_buffer *message = NULL;
    /* C core gives out no message before it was asked for the metadata. */
    const grpc_op ops[] = {
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &message},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &stream->metadata},
    };
    run(client, stream->call, ops, stream->has_metadata ? 1 : 2);
    stream->has_metadata = true;
    return take_bytes(message);
}

grpc_slice grpc_client_stream_finish(struct grpc_client *client, struct grpc_stream *stream)
{
    grpc_byte_buffer *response = NULL;
    struct outcome outcome;
    const grpc_op ops[] = {
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &stream->metadata},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &response},
        receive_status(&outcome),
    };
    run(client, stream->call, ops, sizeof ops / sizeof ops[0]);
    check_status(&outcome);
    grpc_metadata_array_destroy(&stream->metadata);
    grpc_call_unref(stream->call);
    return take_bytes(response);
}

void grpc_client_stream_close(struct grpc_client *client, struct grpc_stream *stream)
{
    struct outcome outcome;
    const grpc_op ops[] = {{.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, receive_status(&outcome)};
    run(client, stream->call, ops, sizeof ops / sizeof ops[0]);
    check_status(&outcome);
    grpc_metadata_array_destroy(&stream->metadata);
    grpc_call_unref(stream->call);
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* The token is the first field of OpenSessionResult: its key, its length in one byte, its text. */
static grpc_slice token_of(grpc_slice result)
{
    const uint8_t *bytes = GRPC_SLICE_START_PTR(result);
    const size_t size = GRPC_SLICE_LENGTH(result);
    if (size < 2 || bytes[0] != (1 << 3 | 2) || bytes[1] > 127 || size - 2 < bytes[1]) {
        die("expected the token in front of an OpenSessionResult");
    }
    return grpc_slice_from_copied_buffer((const char *)bytes + 2, bytes[1]);
}

void grpc_client_open_session(struct grpc_client *client)
{
    const grpc_slice result = grpc_client_call(
        client, grpc_client_method(client, GRPC_SERVICE "OpenSession"), grpc_empty_slice());
    grpc_client_name_session(client, token_of(result));
    grpc_slice_unref(result);
}
