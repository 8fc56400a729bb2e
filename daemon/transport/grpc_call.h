/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call: what C core and the loop tell each other about it.
 *
 *     posted ──► arrived ──► method's start ──► (received, replies) ──► finished ──► freed
 *                                   └── the peer gives up: method's closed ──┘
 *
 * Messages out go through a queue that the queue thread empties by itself, one at a time as C core
 * wants it; messages in come through a ring that it fills by itself as long as there is room. So a
 * stream flows without asking the loop for every message.
 *
 * A call is freed when its last reference goes: the loop holds one from its arrival to
 * hg_grpc_call_finish, each operation in C core one.
 *
 * Threads: the loop's, but for what `lock` guards (rank LOOP) and what is said to be C core's.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_CALL_H
#define HG_DAEMON_TRANSPORT_GRPC_CALL_H

#include <grpc/grpc.h>

#include "daemon/request.h"
#include "daemon/transport/grpc_queue.h"
#include "daemon/transport/grpc_wire.h"
#include "lib/base/mutex.h"

struct hg_grpc;
struct hg_grpc_call;
struct hg_grpc_connection;
struct hg_grpc_door;
struct hg_grpc_session;

/* Messages that have arrived and wait for the loop. */
#define HG_GRPC_INBOX    64u
#define HG_GRPC_NO_STEPS UINT32_MAX

/* ---- methods ------------------------------------------------------------------------------------
 */

/* Callbacks run on the loop; those that a method cannot get are NULL. */
struct hg_grpc_method {
    const char *path;
    bool streams_in;  /* messages come through the inbox, none with the call */
    bool streams_out; /* messages go at once; else the one message goes with the status */
    /* It is there. Answers it, now or later. */
    void (*start)(struct hg_grpc_call *call);
    /* The inbox has something, or messages out have gone. */
    void (*progress)(struct hg_grpc_call *call);
    /* The peer gave up, or its deadline passed. The call must be finished, soon. */
    void (*closed)(struct hg_grpc_call *call);
    /* The answer to a request of the call. */
    void (*reply)(struct hg_grpc_call *call, struct hg_request *request);
    /* The server is stopping: a call that could stay for ever has to end. */
    void (*drain)(struct hg_grpc_call *call);

    enum hg_request_kind kind;
    uint32_t field; /* of the request's body in a Request */
    bool needs_session;
};

/* ---- messages out -------------------------------------------------------------------------------
 */

/* A buffer's bytes on their way: C core's slices point into them. When the last one has gone, and
 * with it the holder of the lease, the request gives up its view on the loop. */
struct hg_grpc_lease {
    struct hg_grpc_queue *queue;
    struct hg_request *request; /* in state SENDING */
    struct hg_grpc_call *call;  /* to be detached then; NULL: none */
    _Atomic uint32_t refs;
    struct hg_grpc_event returned;
};

/* A message, or a sequence of them: HEAD, then the payload as field `data`, at most CHUNK bytes in
 * each message. */
struct hg_grpc_message {
    struct hg_grpc_message *next;
    grpc_slice head;
    struct hg_grpc_lease *lease; /* NULL: no payload */
    const uint8_t *data;
    uint64_t left_bytes;
    uint64_t chunk_bytes;
};

/* ---- the call -----------------------------------------------------------------------------------
 */

struct hg_grpc_call {
    struct hg_grpc *grpc;
    struct hg_grpc_door *door;           /* through which it came */
    const struct hg_grpc_method *method; /* NULL: a method that there is not */

    /* Filled by C core. */
    grpc_call *core;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    grpc_call_details details; /* of unknown methods */
    grpc_byte_buffer *incoming;
    int cancelled;

    struct hg_grpc_tag arrived_tag;
    struct hg_grpc_tag send_tag;
    struct hg_grpc_tag receive_tag;
    struct hg_grpc_tag close_tag;
    struct hg_grpc_event arrived_event;
    struct hg_grpc_event progress_event;
    struct hg_grpc_event close_event;
    _Atomic uint32_t refs;

    struct hg_mutex lock;
    /* Out. */
    struct hg_grpc_message *out_first;
    struct hg_grpc_message *out_last;
    struct hg_grpc_lease *out_lease; /* of the message queued last, if any: borrowed, loop's */
    uint64_t out_bytes;              /* queued */
    grpc_byte_buffer *outgoing;
    bool open_now; /* initial metadata do not wait for a message */
    bool opened;   /* initial metadata are sent */
    bool sending;  /* an operation is in C core */
    bool broken;   /* nothing can be sent any more */
    bool ended;    /* the status is to be sent behind the messages */
    bool closing;  /* it is in C core, or cannot be sent */
    bool close_watched;
    bool want_room; /* tell the loop when messages have gone */
    grpc_status_code status;
    grpc_slice status_text;
    grpc_metadata trailers[2];
    size_t trailer_count;
    /* In. */
    uint32_t in_first;
    uint32_t in_count;
    uint64_t in_bytes;
    bool receiving;
    bool in_ended; /* the peer sends nothing more */
    bool told;     /* progress_event is posted */

    /* The loop's. */
    struct hg_grpc_call *next; /* among calls that are not finished */
    struct hg_grpc_call *previous;
    struct hg_grpc_call *next_waiting; /* for its session to have room */
    struct hg_grpc_connection *connection;
    struct hg_grpc_session *session;
    struct hg_request *request; /* in flight */
    bool finished;
    bool waiting;
    bool corked;            /* messages are queued, to go together */
    bool leased;            /* its status is sent: it ends when a view is back */
    bool gone;              /* the peer has given up */
    uint64_t written_bytes; /* of WriteStream */
    grpc_slice message;     /* whose bytes the request in flight points into */
    bool message_held;
    uint32_t state; /* the method's own */

    bool own_taken;                      /* the loop's */
    struct hg_grpc_message own;          /* the first that is sent, which most calls leave it at */
    grpc_byte_buffer *in[HG_GRPC_INBOX]; /* last: all before it is zero at first */
};

/* Makes the memory of CALL a call that has come through DOOR, to be posted. Any thread. */
void hg_grpc_call_init(struct hg_grpc_call *call, struct hg_grpc_door *door);

/* Sends a message: takes HEAD; with REQUEST, whose view is held, the view's bytes follow as field
 * `data`, CHUNK_BYTES in each message, and the request becomes SENDING if they are not copied.
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_grpc_call_send(struct hg_grpc_call *call, grpc_slice head,
                                               struct hg_request *request, uint64_t chunk_bytes);
/* Between the two, messages of a stream only queue up; then they go together. */
void hg_grpc_call_cork(struct hg_grpc_call *call);
void hg_grpc_call_uncork(struct hg_grpc_call *call);
/* Ends the call with ERROR (status OK: success) behind what is queued; the call may be gone
 * afterwards. COMPLETED_STEPS is that of a failed batch, else HG_GRPC_NO_STEPS. */
void hg_grpc_call_finish(struct hg_grpc_call *call, const struct hg_error *error,
                         uint32_t completed_steps);
/* The same with a fixed text. */
void hg_grpc_call_fail(struct hg_grpc_call *call, enum hg_status status, const char *text);
/* Success, once the view that was sent last has been given back. */
void hg_grpc_call_finish_after_view(struct hg_grpc_call *call);
/* From now on `closed` is called when the peer gives up. Done by itself when start returns. */
void hg_grpc_call_watch(struct hg_grpc_call *call);

/* Starts receiving into the inbox, and watches. */
void hg_grpc_call_listen(struct hg_grpc_call *call);
enum hg_grpc_next { HG_GRPC_MESSAGE, HG_GRPC_NONE_YET, HG_GRPC_END };
/* Takes the next message out of the inbox, whole; the caller unrefs it. */
enum hg_grpc_next hg_grpc_call_next(struct hg_grpc_call *call, grpc_slice *message);
/* True if less than LIMIT bytes are queued to be sent; else `progress` follows when some have gone.
 */
bool hg_grpc_call_has_room(struct hg_grpc_call *call, uint64_t limit);

/* The bytes of a message in one piece; the caller unrefs it. */
grpc_slice hg_grpc_flatten(grpc_byte_buffer *buffer);
static inline struct hg_bytes hg_grpc_bytes(const grpc_slice *slice)
{
    return (struct hg_bytes){GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice)};
}
/* The value of metadata KEY; false if the peer sent none. Borrowed. */
bool hg_grpc_call_metadata(const struct hg_grpc_call *call, const char *key,
                           struct hg_bytes *value);
/* Microseconds to the deadline, at least 1; 0 = none. */
uint64_t hg_grpc_call_timeout_us(const struct hg_grpc_call *call);

#endif
