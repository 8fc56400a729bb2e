/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call sends: messages in order, then the status.
 *
 * Threads: any, unless said otherwise.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_SEND_H
#define HG_DAEMON_TRANSPORT_GRPC_SEND_H

#include "daemon/transport/grpc_call.h"

void hg_grpc_call_retain(struct hg_grpc_call *call);
void hg_grpc_call_release(struct hg_grpc_call *call);
/* Under the lock: `progress` follows. */
void hg_grpc_call_tell(struct hg_grpc_call *call);
/* Loop: the call is nobody's any more; what is queued still goes out. */
void hg_grpc_call_detach(struct hg_grpc_call *call);

/* Queue thread: the operation that was sending has ended. */
void hg_grpc_send_tag(struct hg_grpc_tag *tag, bool ok);
/* Initial metadata now, for a peer that waits for them before it sends. */
void hg_grpc_send_open(struct hg_grpc_call *call);
/* The status, behind what is queued. */
void hg_grpc_send_status(struct hg_grpc_call *call, const struct hg_error *error,
                         uint32_t completed_steps);
/* Queue thread: refuses a call that the loop never gets. */
void hg_grpc_send_refuse(struct hg_grpc_call *call, grpc_status_code status, const char *text);
/* The call is being freed: forgets what is queued. */
void hg_grpc_send_drop(struct hg_grpc_call *call);

#endif
