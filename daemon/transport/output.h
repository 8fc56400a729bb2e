/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection has to send: encoded replies in one buffer, and payloads that are sent from
 * where they lie, each at its position in the stream of the replies.
 *
 *     buffer    [reply 1][reply 2][reply 3]
 *     payloads           ▲ of 1   ▲ of 2        sent as one list of pieces
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_TRANSPORT_OUTPUT_H
#define HG_DAEMON_TRANSPORT_OUTPUT_H

#include "daemon/request.h"

struct hg_output {
    uint8_t *data;
    size_t capacity;
    size_t start;
    size_t end;
    uint64_t position;        /* of data[start] in all that was ever queued */
    struct hg_request *first; /* with payloads to send, linked by `next` */
    struct hg_request *last;
    uint64_t first_sent;                      /* bytes of the first payload that are gone */
    struct hg_output_descriptor *descriptors; /* in their order; NULL before the first */
    size_t descriptor_count;
    size_t descriptor_capacity;
};

/* A descriptor that leaves together with the byte at POSITION, a reply's first. */
struct hg_output_descriptor {
    uint64_t position;
    struct hg_descriptor passing;
};

/* Gives room for SIZE more bytes at the end, or NULL when out of memory. The bytes count as queued.
 */
HG_MUST_CHECK uint8_t *hg_output_reserve(struct hg_output *output, size_t size);
/* Gives back SIZE bytes of what was reserved last. */
static inline void hg_output_give_back(struct hg_output *output, size_t size)
{
    output->end -= size;
}
/* Queues the view of REQUEST behind what was reserved so far; it stays held. */
void hg_output_payload(struct hg_output *output, struct hg_request *request);

/* Moves PASSING, if it holds a descriptor, to the reply that is reserved next. False when out of
 * memory. */
HG_MUST_CHECK bool hg_output_descriptor(struct hg_output *output, struct hg_descriptor *passing);

enum hg_sent {
    HG_SENT_ALL,
    HG_SENT_SOME, /* the peer does not read fast enough */
    HG_SENT_BROKEN
};
/*
 * Sends what it can to FD and adds to *SENT_BYTES. Requests whose payload is gone are linked onto
 * *ENDED, for the caller to end.
 */
HG_MUST_CHECK enum hg_sent hg_output_send(struct hg_output *output, int fd, uint64_t *sent_bytes,
                                          struct hg_request **ended);

static inline bool hg_output_empty(const struct hg_output *output)
{
    return output->start == output->end && output->first == NULL;
}

/* Bytes of replies that wait, payloads not counted. */
static inline size_t hg_output_queued(const struct hg_output *output)
{
    return output->end - output->start;
}

/* Gives up: links requests with unsent payloads onto *ENDED, frees. */
void hg_output_fini(struct hg_output *output, struct hg_request **ended);

#endif
