/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that speaks the native protocol (proto/README.md): frames in, frames out.
 *
 * All its work happens in turns. A turn runs what has become possible, receives, runs what arrived,
 * and sends everything that was answered with one sendmsg. It ends when nothing is left to do or
 * the client's share of the loop is used up; then it posts itself and the next client has its turn.
 *
 *            ┌────────────────────────────────────────────────────┐
 *     HEADER ──► MESSAGE ──► (request submitted) ──────────────────┤
 *                   └─ write with payload ──► WAIT ──► PAYLOAD ────┤
 *                                              └─────► SKIP ───────┘
 *     anything that cannot be a frame ──► STOP: the error is sent, then the connection closes
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_TRANSPORT_NATIVE_H
#define HG_DAEMON_TRANSPORT_NATIVE_H

#include "daemon/known.h"
#include "daemon/loop.h"
#include "daemon/session.h"
#include "daemon/transport/descriptors.h"
#include "daemon/transport/frame.h"
#include "daemon/transport/output.h"

enum hg_receive_state {
    HG_RECEIVE_HEADER,
    HG_RECEIVE_MESSAGE,
    HG_RECEIVE_WAIT,
    HG_RECEIVE_PAYLOAD,
    HG_RECEIVE_SKIP,
    HG_RECEIVE_STOP
};

struct hg_native {
    struct hg_client client; /* first: transport callbacks get it */
    struct hg_native *next;  /* among the server's connections */
    struct hg_native *previous;
    int fd;
    struct hg_watch *watch;
    struct hg_post post;

    enum hg_receive_state state;
    struct hg_frame frame;
    uint8_t *in; /* received and not consumed: in[in_start .. in_end) */
    size_t in_capacity;
    size_t in_start;
    size_t in_end;
    struct hg_descriptors descriptors; /* came, and no adopt has had them yet */
    uint64_t payload_left;             /* of PAYLOAD and SKIP */
    bool readable;                     /* the kernel may have more */
    bool ending;                       /* what it has is the last */
    bool ended;                        /* the peer will send nothing more */
    bool half_closed;                  /* ended, but it still reads */
    bool broken;                       /* nothing can be sent any more */
    bool undecided;                    /* the first bytes may be those of HTTP/2 */
    bool closed;                       /* the descriptor is gone; work on workers is waited for */

    struct hg_known known; /* calls that came before */
    struct hg_output output;
    uint32_t unsent;      /* replies queued since the last send */
    uint64_t received_ns; /* when the last byte came */
    uint64_t answered_ns; /* when the last reply was queued */
    uint64_t blocked_ns;  /* since when the peer has not read; 0: it does */
};

/* Takes FD, a connected Unix socket, also on error. */
HG_MUST_CHECK enum hg_status hg_native_accept(struct hg_server *server, int fd,
                                              struct hg_error *error);
/* Sends one error reply to FD, which is over a limit, without waiting. */
void hg_native_turn_away(int fd, const struct hg_error *error);
/* Closes what timed out; gives when to look again. */
uint64_t hg_native_sweep(struct hg_native *native, uint64_t now_ns);
/* Lets requests in flight end, then closes. */
void hg_native_drain(struct hg_native *native);
/* Closes now. */
void hg_native_close(struct hg_native *native);

/* ---- receiving (receive.c) ----------------------------------------------------------------------
 */

/* Receives and submits until there is nothing more, the client may not, or its turn ends. False in
 * the last case. */
bool hg_native_receive(struct hg_native *native);
/* Answers the request at the front if it is a call, or a batch of calls, that came before and can
 * be repeated. False: nothing happened. (native_repeat.c) */
bool hg_native_repeat(struct hg_native *native);
/* True if the peer is in the middle of a frame that we are waiting for. */
bool hg_native_mid_frame(const struct hg_native *native);
/* True if the state of things allows reading on. */
bool hg_native_may_read(const struct hg_native *native);
/* Sends what it can of what is queued. */
void hg_native_flush(struct hg_native *native);
/* Queues an error reply with id 0 and stops reading. */
void hg_native_stop(struct hg_native *native, const struct hg_error *error);

#endif
