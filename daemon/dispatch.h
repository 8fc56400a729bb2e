/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders and runs a client's requests.
 *
 * Requests of one stream run in the order of arrival; streams are independent. A request that fits
 * runs in place, in the turn in which it arrived. One that needs a buffer which this client's own
 * work is using is parked and tried again when some of that work has ended; if none is in flight
 * the engine's refusal is the answer.
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_DISPATCH_H
#define HG_DAEMON_DISPATCH_H

#include "daemon/session.h"

/* Takes REQUEST, whose message is decoded, and answers it now or later. */
void hg_dispatch_submit(struct hg_client *client, struct hg_request *request);
/* Takes REQUEST and answers it with ERROR. */
void hg_dispatch_refuse(struct hg_client *client, struct hg_request *request,
                        const struct hg_error *error);
/* The same for one whose work was begun elsewhere and failed with ERROR; of a batch after
 * `steps_done`. */
void hg_dispatch_failed(struct hg_client *client, struct hg_request *request,
                        const struct hg_error *error);

/* The peer gave up on REQUEST, which is in flight: it is answered as cancelled, now or when a
 * worker lets go of it. */
void hg_dispatch_cancel(struct hg_request *request);

/* A write whose bytes follow raw: REQUEST is taken and becomes client->writing. */
void hg_dispatch_write_begin(struct hg_client *client, struct hg_request *request, uint64_t length);
enum hg_write_state {
    HG_WRITE_WAIT,   /* the buffer is in use: do not read on */
    HG_WRITE_READY,  /* client->writing->view is where the bytes go */
    HG_WRITE_REFUSED /* answered already: skip the bytes */
};
/* Where the write stands; tries again to get the buffer. */
enum hg_write_state hg_dispatch_write_poll(struct hg_client *client);
/* All bytes are there. */
void hg_dispatch_write_end(struct hg_client *client);
/* The bytes will not come: forgets the write, if there is one, without an answer. */
void hg_dispatch_write_abort(struct hg_client *client);

/* Runs what can run now, within the client's turn. False if the turn ended first. */
bool hg_dispatch_pump(struct hg_client *client);
/* Work of REQUEST ended on a worker. */
void hg_dispatch_complete(struct hg_request *request);
/* Gives up the view of REQUEST, if it holds one. */
void hg_dispatch_release_view(struct hg_request *request);
/* The payload of REQUEST (state SENDING) is sent or given up: takes it. */
void hg_dispatch_sent(struct hg_request *request);
/* Answers what waits beyond its deadline; gives when to look again (UINT64_MAX: never). */
uint64_t hg_dispatch_sweep(struct hg_client *client, uint64_t now_ns);

#endif
