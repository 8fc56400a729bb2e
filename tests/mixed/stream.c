/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC's Session stream: one operation that sends and one that receives are in C core at a time. An
 * operation's tag is the address of the field that it fills.
 */
#include <stdlib.h>

#include "tests/mixed/rpc.h"

#define OUTBOX 64u

struct stream {
    struct rpc rpc;
    grpc_call *call;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_status_code status;
    grpc_slice text;
    grpc_byte_buffer *incoming;
    grpc_byte_buffer *outbox[OUTBOX];
    unsigned out_first;
    unsigned out_count;
    bool sending;
    bool arrived; /* incoming holds a message, or the end */
    bool half_closed;
    unsigned pending; /* operations in C core */
};

static void start(struct stream *stream, const grpc_op *ops, size_t count, void *tag)
{
    stream->pending++;
    rpc_start(&stream->rpc, stream->call, ops, count, tag);
}

static void receive_next(struct stream *stream)
{
    const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE,
                        .data.recv_message.recv_message = &stream->incoming};
    start(stream, &op, 1, &stream->incoming);
}

static void send_next(struct stream *stream)
{
    if (stream->sending || stream->out_count == 0) {
        return;
    }
    const grpc_op op = {.op = GRPC_OP_SEND_MESSAGE,
                        .flags = stream->out_count > 1 ? GRPC_WRITE_BUFFER_HINT : 0,
                        .data.send_message.send_message = stream->outbox[stream->out_first]};
    stream->sending = true;
    start(stream, &op, 1, &stream->sending);
}

/* Acts on the next event; false if there is none yet. */
static bool turn(struct stream *stream, bool wait)
{
    bool ok;
    const void *tag = rpc_next(&stream->rpc, wait, &ok);
    if (tag == NULL) {
        return false;
    }
    stream->pending--;
    if (tag == &stream->sending) {
        stream->sending = false;
        grpc_byte_buffer_destroy(stream->outbox[stream->out_first]);
        stream->out_first = (stream->out_first + 1) % OUTBOX;
        stream->out_count--;
        if (ok) {
            send_next(stream);
        }
    } else if (tag == &stream->incoming) {
        stream->arrived = true;
    }
    return true;
}

static void *stream_open(struct mixed_client *client)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        abort();
    }
    rpc_open(&stream->rpc, client);
    stream->call = rpc_call(&stream->rpc, "/hologram.v1.Hologram/Session", 0);
    grpc_metadata_array_init(&stream->initial);
    grpc_metadata_array_init(&stream->trailing);
    const grpc_op begin[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &stream->initial},
    };
    const grpc_op finish = {
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client = {.trailing_metadata = &stream->trailing,
                                       .status = &stream->status,
                                       .status_details = &stream->text},
    };
    start(stream, begin, 2, &stream->initial);
    start(stream, &finish, 1, &stream->status);
    receive_next(stream);
    return stream;
}

static void stream_send(void *pipe, const Hologram__V1__Request *request, const void *payload,
                        size_t payload_bytes)
{
    struct stream *stream = pipe;
    (void)payload;
    if (payload_bytes != 0 || stream->out_count == OUTBOX) {
        abort();
    }
    stream->outbox[(stream->out_first + stream->out_count) % OUTBOX] = rpc_pack(&request->base);
    stream->out_count++;
}

static bool stream_receive(void *pipe, bool wait, struct pipe_answer *answer)
{
    struct stream *stream = pipe;
    send_next(stream);
    while (!stream->arrived) {
        if (!turn(stream, wait)) {
            return false;
        }
    }
    if (stream->incoming == NULL) {
        mixed_fail(stream->rpc.client, "the daemon ended the stream");
    }
    const grpc_slice bytes = rpc_bytes(stream->incoming);
    stream->incoming = NULL;
    stream->arrived = false;
    receive_next(stream);
    answer->response =
        hologram__v1__response__unpack(NULL, GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
    grpc_slice_unref(bytes);
    if (answer->response == NULL) {
        mixed_fail(stream->rpc.client, "a message that is no Response");
    }
    answer->fd = -1;
    answer->payload = NULL;
    answer->payload_bytes = 0;
    if (answer->response->body_case == HOLOGRAM__V1__RESPONSE__BODY_READ) {
        answer->payload = answer->response->read->data.data;
        answer->payload_bytes = answer->response->read->data.len;
    }
    return true;
}

static void stream_free(struct stream *stream)
{
    while (stream->pending != 0) {
        (void)turn(stream, true);
    }
    for (; stream->out_count != 0; stream->out_count--) {
        grpc_byte_buffer_destroy(stream->outbox[stream->out_first]);
        stream->out_first = (stream->out_first + 1) % OUTBOX;
    }
    if (stream->incoming != NULL) {
        grpc_byte_buffer_destroy(stream->incoming);
    }
    grpc_metadata_array_destroy(&stream->initial);
    grpc_metadata_array_destroy(&stream->trailing);
    grpc_slice_unref(stream->text);
    grpc_call_unref(stream->call);
    rpc_close(&stream->rpc);
    free(stream);
}

static void stream_close(void *pipe)
{
    struct stream *stream = pipe;
    const grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    start(stream, &op, 1, &stream->half_closed);
    while (stream->pending != 0) {
        (void)turn(stream, true);
    }
    if (stream->incoming != NULL || stream->status != GRPC_STATUS_OK) {
        mixed_fail(stream->rpc.client, "the stream ended with code %d", (int)stream->status);
    }
    stream_free(stream);
}

static void stream_abandon(void *pipe)
{
    struct stream *stream = pipe;
    (void)grpc_call_cancel(stream->call, NULL);
    stream_free(stream);
}

const struct pipe_kind stream_pipe = {
    .open = stream_open,
    .send = stream_send,
    .receive = stream_receive,
    .close = stream_close,
    .abandon = stream_abandon,
};
