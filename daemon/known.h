/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's calls that came before, by the bytes of their bodies: what comes again as it came
 * is neither decoded nor prepared, but repeated (hg_session_repeat).
 *
 *     body ──► fingerprint ──► table ──┬──► once before: a note ──► now worth keeping
 *                                      └──► kept: the call, its repeat, how its reply begins
 *
 * A body is kept when it comes the second time. When the table is full everything is forgotten, and
 * what still comes is learned again: a connection that never says the same twice pays for the
 * fingerprint, and one that says no more different things than there is room for pays nothing.
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_KNOWN_H
#define HG_DAEMON_KNOWN_H

#include <string.h>

#include "daemon/message.h"

/* Shorter and longer bodies are not kept; runs of graphs name what they bind. */
#define HG_KNOWN_BYTES_MIN       8
#define HG_KNOWN_BYTES_MAX       96
#define HG_KNOWN_GRAPH_BYTES_MAX 512
/* How a result begins that is a hit: names of cache and outcome. */
#define HG_KNOWN_REPLY_MAX 64
/* How the reply of a graph's run ends, at most. */
#define HG_KNOWN_TAIL_MAX 1024

struct hg_known_call {
    uint64_t fingerprint;
    struct hg_repeat *repeat;
    enum hg_request_kind kind;
    uint32_t size; /* of the body */
    uint32_t operation_row;
    uint32_t reply_size; /* 0: not known yet */
    uint32_t tail_size;
    uint8_t *tail; /* how the reply of a graph's run ends: its outputs; NULL: not known yet */
    uint8_t reply[HG_KNOWN_REPLY_MAX];
    uint8_t body[];
};

struct hg_known_slot {
    uint64_t fingerprint;       /* 0: the slot is free */
    struct hg_known_call *call; /* NULL: came once */
};

struct hg_known {
    struct hg_known_slot *slots; /* NULL before the first body */
    uint32_t bits;               /* there are 1 << bits slots, at most half of them taken */
    uint32_t count;              /* taken */
    uint32_t max;                /* 0: nothing is kept */
};

/* Allocates nothing. At most MAX bodies are kept. */
void hg_known_init(struct hg_known *known, uint32_t max);
void hg_known_fini(struct hg_known *known);
/* BODY, of KIND, was decoded and is going to be executed: what its task is to fill, or NULL if it
 * is not worth keeping, or memory ran out. Valid until the next call. */
struct hg_repeat *hg_known_learn(struct hg_known *known, enum hg_request_kind kind,
                                 const uint8_t *body, size_t size);
/* How the reply of CALL, whose repeat is set, begins and ends; done before its first use. False if
 * it is too long to be kept. */
bool hg_known_make_reply(struct hg_known_call *call);

/* ---- inline ---------------------------------------------------------------------------------- */

static inline bool hg_known_is_graph(enum hg_request_kind kind)
{
    return kind == HG_REQUEST_RUN_GRAPH || kind == HG_REQUEST_EVAL;
}

/* Whether bodies of KIND and SIZE are kept. */
static inline bool hg_known_fits(enum hg_request_kind kind, size_t size)
{
    return size >= HG_KNOWN_BYTES_MIN &&
           size <= (hg_known_is_graph(kind) ? HG_KNOWN_GRAPH_BYTES_MAX : HG_KNOWN_BYTES_MAX);
}

static inline uint64_t hg_known_load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Not 0. SIZE is at least 8: the last word may overlap the one before. 2^64 divided by the golden
 * ratio spreads each word over the high bits (Knuth, The Art of Computer Programming, vol. 3,
 * §6.4), whose turn comes with the shift. Who sends bodies that collide slows down himself. */
static inline uint64_t hg_known_fingerprint(enum hg_request_kind kind, const uint8_t *body,
                                            size_t size)
{
    const uint64_t spread = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t sum = (uint64_t)kind << 32 | size;
    for (size_t i = 0; i < size - 8; i += 8) {
        sum = (sum ^ hg_known_load(body + i)) * spread;
        sum ^= sum >> 32;
    }
    sum = (sum ^ hg_known_load(body + size - 8)) * spread;
    return (sum ^ sum >> 32) | 1;
}

static inline bool hg_known_is_body(const struct hg_known_call *call, enum hg_request_kind kind,
                                    const uint8_t *body, size_t size)
{
    uint64_t differences = (uint64_t)(call->size ^ size) | (uint64_t)(call->kind ^ kind);
    if (differences != 0) {
        return false;
    }
    for (size_t i = 0; i < size - 8; i += 8) {
        differences |= hg_known_load(body + i) ^ hg_known_load(call->body + i);
    }
    return (differences |
            (hg_known_load(body + size - 8) ^ hg_known_load(call->body + size - 8))) == 0;
}

/* The slot of FINGERPRINT, or the free one where it belongs. */
static inline struct hg_known_slot *hg_known_slot(const struct hg_known *known,
                                                  uint64_t fingerprint)
{
    const uint32_t mask = (1u << known->bits) - 1;
    uint32_t index = (uint32_t)(fingerprint >> (64 - known->bits));
    while (known->slots[index].fingerprint != fingerprint && known->slots[index].fingerprint != 0) {
        index = (index + 1) & mask;
    }
    return &known->slots[index];
}

/* The call that BODY is, ready to be repeated, or NULL. */
static inline struct hg_known_call *hg_known_find(const struct hg_known *known,
                                                  enum hg_request_kind kind, const uint8_t *body,
                                                  size_t size)
{
    if (known->count == 0 || !hg_known_fits(kind, size)) {
        return NULL;
    }
    struct hg_known_call *call = hg_known_slot(known, hg_known_fingerprint(kind, body, size))->call;
    return call != NULL && hg_known_is_body(call, kind, body, size) &&
                   (call->reply_size != 0 || hg_known_make_reply(call))
               ? call
               : NULL;
}

#endif
