/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/move_grpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/hologram/v1/hologram.pb-c.h"
#include "tests/bench/grpc_client.h"

/* Of a message; 256 KiB and 4 MiB, which is the most that the daemon takes, are no faster. */
#define CHUNK_BYTES ((size_t)1 << 20)

/* A tag, and a length of up to five bytes. */
#define DATA_HEAD_MAX 6
#define DATA_TAG      (3 << 3 | 2)

enum { VECTOR_ID = 1, RESULT_ID = 2 };

struct move_grpc {
    struct grpc_client client;
    void *write_stream;
    void *execute;
    grpc_slice sum;
    size_t bytes;
};

static grpc_slice pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    return slice;
}

static void allocate(struct move_grpc *move, uint64_t id, uint64_t elements)
{
    Hologram__V1__Alloc alloc = HOLOGRAM__V1__ALLOC__INIT;
    alloc.id = id;
    alloc.dtype = HOLOGRAM__V1__DTYPE__F32;
    alloc.n_shape = 1;
    alloc.shape = &elements;
    const grpc_slice request = pack(&alloc.base);
    void *method = grpc_client_method(&move->client, GRPC_SERVICE "Alloc");
    grpc_slice_unref(grpc_client_call(&move->client, method, request));
    grpc_slice_unref(request);
}

struct move_grpc *move_grpc_open(const char *daemon_path, uint64_t elements)
{
    char op[] = "sum";
    uint64_t input = VECTOR_ID;
    uint64_t output = RESULT_ID;
    struct move_grpc *move = calloc(1, sizeof *move);
    if (move == NULL) {
        perror("bench: gRPC");
        exit(1);
    }
    move->client = grpc_client_open(daemon_path);
    move->bytes = elements * sizeof(float);
    grpc_client_open_session(&move->client);
    allocate(move, VECTOR_ID, elements);
    allocate(move, RESULT_ID, 1);
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    execute.op = op;
    execute.n_inputs = 1;
    execute.inputs = &input;
    execute.n_outputs = 1;
    execute.outputs = &output;
    move->sum = pack(&execute.base);
    move->execute = grpc_client_method(&move->client, GRPC_SERVICE "Execute");
    move->write_stream = grpc_client_method(&move->client, GRPC_SERVICE "WriteStream");
    return move;
}

void move_grpc_close(struct move_grpc *move)
{
    grpc_slice_unref(move->sum);
    grpc_client_close(&move->client);
    free(move);
}

/* A Write at OFFSET up to the first of its BYTES bytes of data. */
static grpc_slice write_head(uint64_t offset, size_t bytes)
{
    Hologram__V1__Write write = HOLOGRAM__V1__WRITE__INIT;
    uint8_t head[64];
    write.id = VECTOR_ID;
    write.offset = offset;
    size_t at = protobuf_c_message_get_packed_size(&write.base);
    if (at + DATA_HEAD_MAX > sizeof head) {
        abort();
    }
    protobuf_c_message_pack(&write.base, head);
    head[at++] = DATA_TAG;
    for (; bytes >= 0x80; bytes >>= 7) {
        head[at++] = (uint8_t)(bytes | 0x80);
    }
    head[at++] = (uint8_t)bytes;
    return grpc_slice_from_copied_buffer((const char *)head, at);
}

void move_grpc_write(struct move_grpc *move, const float *data)
{
    const char *bytes = (const char *)data;
    struct grpc_stream stream = grpc_client_stream_open(&move->client, move->write_stream);
    for (size_t at = 0; at < move->bytes; at += CHUNK_BYTES) {
        const size_t left = move->bytes - at;
        const size_t size = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        grpc_slice parts[] = {write_head(at, size),
                              grpc_slice_from_static_buffer(bytes + at, size)};
        grpc_client_stream_send_parts(&move->client, &stream, parts, 2, false);
        grpc_slice_unref(parts[0]);
    }
    grpc_slice_unref(grpc_client_stream_finish(&move->client, &stream));
}

void move_grpc_sum(struct move_grpc *move)
{
    grpc_slice_unref(grpc_client_call(&move->client, move->execute, move->sum));
}
