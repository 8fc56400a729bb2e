/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/mixed/rpc.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <stdio.h>

#define PATIENCE_S 60

void rpc_open(struct rpc *rpc, struct mixed_client *client)
{
    char target[128];
    char key[] = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL;
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = key, .value.integer = 1};
    const grpc_channel_args args = {.num_args = 1, .args = &arg};
    snprintf(target, sizeof(target), "unix:%s", client->path);
    grpc_init();
    grpc_channel_credentials *insecure = grpc_insecure_credentials_create();
    rpc->client = client;
    rpc->channel = grpc_channel_create(target, insecure, &args);
    rpc->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_channel_credentials_release(insecure);
}

void rpc_close(struct rpc *rpc)
{
    grpc_channel_destroy(rpc->channel);
    grpc_completion_queue_shutdown(rpc->queue);
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    while (grpc_completion_queue_next(rpc->queue, never, NULL).type != GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(rpc->queue);
    grpc_shutdown_blocking();
}

void *rpc_next(struct rpc *rpc, bool wait, bool *ok)
{
    const gpr_timespec end = wait ? gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                                 gpr_time_from_seconds(PATIENCE_S, GPR_TIMESPAN))
                                  : gpr_inf_past(GPR_CLOCK_MONOTONIC);
    const grpc_event event = grpc_completion_queue_next(rpc->queue, end, NULL);
    if (event.type == GRPC_OP_COMPLETE) {
        *ok = event.success != 0;
        return event.tag;
    }
    if (wait) {
        mixed_fail(rpc->client, "no answer for %d s", PATIENCE_S);
    }
    return NULL;
}

void rpc_start(struct rpc *rpc, grpc_call *call, const grpc_op *ops, size_t count, void *tag)
{
    const grpc_call_error code = grpc_call_start_batch(call, ops, count, tag, NULL);
    if (code != GRPC_CALL_OK) {
        mixed_fail(rpc->client, "C core refused a batch: %d", (int)code);
    }
}

grpc_call *rpc_call(struct rpc *rpc, const char *method, uint32_t timeout_us)
{
    const gpr_timespec end = timeout_us == 0
                                 ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                                 : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                                gpr_time_from_micros(timeout_us, GPR_TIMESPAN));
    return grpc_channel_create_call(rpc->channel, NULL, GRPC_PROPAGATE_DEFAULTS, rpc->queue,
                                    grpc_slice_from_static_string(method), NULL, end, NULL);
}

grpc_byte_buffer *rpc_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

grpc_slice rpc_bytes(grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
        return grpc_empty_slice();
    }
    const grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(buffer);
    return bytes;
}
