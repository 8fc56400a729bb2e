/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC: what the rest of the daemon sees of it. Everything that knows gRPC C core is in
 * daemon/transport/grpc*; README.md beside it tells how the parts fit.
 *
 * Threads: the loop's. C core has threads of its own, which run no request.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_H
#define HG_DAEMON_TRANSPORT_GRPC_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/session.h"

struct hg_grpc;

/* Starts C core, its ports and its threads as [grpc] of the configuration says.
 * INVALID_ARGUMENT, RESOURCE_EXHAUSTED; what was started is stopped again. */
HG_MUST_CHECK enum hg_status hg_grpc_start(struct hg_server *server, struct hg_grpc **grpc,
                                           struct hg_error *error);
/* True if a connection that begins with these SIZE bytes speaks HTTP/2. SIZE may be less than the
 * preface: no native frame begins as it does. */
bool hg_grpc_is_preface(const void *data, size_t size);
/* Takes FD, a connected stream socket of which nothing has been read; also on error. IDENTITY NULL:
 * over the network. */
HG_MUST_CHECK enum hg_status hg_grpc_adopt(struct hg_grpc *grpc, int fd,
                                           const struct hg_identity *identity,
                                           struct hg_error *error);
/* Connections and streams that user UID has. */
uint32_t hg_grpc_user_connections(const struct hg_grpc *grpc, uid_t uid);
/* Deadlines of waiting requests and leases of sessions; gives when to look again. */
uint64_t hg_grpc_sweep(struct hg_grpc *grpc, uint64_t now_ns);
/* Reads the certificates again; what cannot be used is logged and the old ones stay. */
void hg_grpc_reload(struct hg_grpc *grpc);

/* Health first says so, then connections are asked to go. Calls in flight end. */
void hg_grpc_drain(struct hg_grpc *grpc);
/* Cancels every call; implies a drain. */
void hg_grpc_cancel_all(struct hg_grpc *grpc);
/* True once a drain has ended. GRPC may be NULL. */
bool hg_grpc_is_down(const struct hg_grpc *grpc);
/* Ends threads and frees. It is down. *GRPC may be NULL and becomes it. */
void hg_grpc_stop(struct hg_grpc **grpc);

#endif
