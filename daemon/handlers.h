/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each kind of request does.
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_HANDLERS_H
#define HG_DAEMON_HANDLERS_H

#include "daemon/session.h"

enum hg_handled {
    HG_HANDLED_DONE,    /* the reply is filled */
    HG_HANDLED_PENDING, /* a worker has it: hg_dispatch_complete follows */
    HG_HANDLED_BUSY     /* a buffer is in use; reply.error says which */
};

/* Runs REQUEST, or goes on with a batch. */
HG_MUST_CHECK enum hg_handled hg_handle(struct hg_request *request);
/* The task of a PENDING request ended: fills the reply, or goes on with a batch. */
HG_MUST_CHECK enum hg_handled hg_handle_ended(struct hg_request *request);
/* Nothing is left to wait for: the refusal of a BUSY request becomes its reply. */
void hg_handle_give_up(struct hg_request *request);

#endif
