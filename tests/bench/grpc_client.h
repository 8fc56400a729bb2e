/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gRPC client on C core, as thin as it can be: one thread, one channel with a connection of its
 * own, registered methods, messages that are packed already. A call that does not end in OK ends
 * the benchmark.
 */
#ifndef HG_TESTS_BENCH_GRPC_CLIENT_H
#define HG_TESTS_BENCH_GRPC_CLIENT_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stddef.h>

#define GRPC_SERVICE "/hologram.v1.Hologram/"

struct grpc_client {
    grpc_completion_queue *queue;
    grpc_channel *channel;
    grpc_metadata session; /* sent with every call once there is a token */
    bool has_session;
};

/* Calls wait until somebody listens on PATH. */
struct grpc_client grpc_client_open(const char *path);
void grpc_client_close(struct grpc_client *client);
/* Calls carry `hologram-session: TOKEN` from now on; the client owns the slice. */
void grpc_client_name_session(struct grpc_client *client, grpc_slice token);
/* The same with a session of hologramd that this opens. */
void grpc_client_open_session(struct grpc_client *client);

/* A handle for grpc_client_call, valid as long as the client. */
void *grpc_client_method(struct grpc_client *client, const char *name);
/* One unary call. REQUEST stays the caller's; the response is. */
grpc_slice grpc_client_call(struct grpc_client *client, void *method, grpc_slice request);

/* A call with streams in both directions. */
struct grpc_stream {
    grpc_call *call;
    grpc_metadata_array metadata;
    bool has_metadata; /* of the server, which comes with its first message */
};

struct grpc_stream grpc_client_stream_open(struct grpc_client *client, void *method);
/* MORE says that another message follows at once, so that C core may write both together. */
void grpc_client_stream_send(struct grpc_client *client, struct grpc_stream *stream,
                             grpc_slice message, bool more);
/* The same with a message in COUNT parts, which are not copied. */
void grpc_client_stream_send_parts(struct grpc_client *client, struct grpc_stream *stream,
                                   grpc_slice *parts, size_t count, bool more);
/* The next message; at least one comes before the stream is closed. */
grpc_slice grpc_client_stream_receive(struct grpc_client *client, struct grpc_stream *stream);
/* Half-closes, waits for the one response of a call whose requests are a stream, and for the
 * status; frees what STREAM holds. */
grpc_slice grpc_client_stream_finish(struct grpc_client *client, struct grpc_stream *stream);
/* Half-closes, waits for the status and frees what STREAM holds. */
void grpc_client_stream_close(struct grpc_client *client, struct grpc_stream *stream);

#endif
