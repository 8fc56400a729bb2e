/* SPDX-License-Identifier: Apache-2.0 */
/* What the two gRPC clients share: a channel with a completion queue, and slices of messages. */
#ifndef HG_TESTS_MIXED_RPC_H
#define HG_TESTS_MIXED_RPC_H

#include <grpc/grpc.h>

#include "tests/mixed/mixed.h"

struct rpc {
    struct mixed_client *client;
    grpc_channel *channel;
    grpc_completion_queue *queue;
};

void rpc_open(struct rpc *rpc, struct mixed_client *client);
/* Every call is over. */
void rpc_close(struct rpc *rpc);
/* The next event's tag; NULL if there is none and WAIT is not set. OK tells how it ended. */
void *rpc_next(struct rpc *rpc, bool wait, bool *ok);
void rpc_start(struct rpc *rpc, grpc_call *call, const grpc_op *ops, size_t count, void *tag);
grpc_call *rpc_call(struct rpc *rpc, const char *method, uint32_t timeout_us);
grpc_byte_buffer *rpc_pack(const ProtobufCMessage *message);
/* The bytes of BUFFER, which it destroys; the caller unrefs. */
grpc_slice rpc_bytes(grpc_byte_buffer *buffer);

#endif
