/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load of every kind at once, by clients that check every answer: see README.md.
 *
 * A client is a process with one thread (and those of gRPC). It ends its life in one of three ways
 * and is started again until it has asked as often as it should.
 */
#ifndef HG_TESTS_MIXED_MIXED_H
#define HG_TESTS_MIXED_MIXED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/hologram/v1/hologram.pb-c.h"

/* Codes that an honest request may get here; anything else is a failure. */
#define CODE_OK        0u
#define CODE_CANCELLED 1u
#define CODE_LATE      4u
#define CODE_NOT_FOUND 5u /* of a cancel that came after the fact */

enum mixed_kind {
    MIXED_NATIVE, /* single requests over frames, pipelined */
    MIXED_BATCH,  /* batches over frames */
    MIXED_SHARED, /* buffers that the client maps as well */
    MIXED_STREAM, /* gRPC's Session stream */
    MIXED_UNARY,  /* gRPC's typed calls */
    MIXED_KINDS
};

/* Where a client stands; outlives it, in memory that the parent shares with it. */
struct mixed_progress {
    _Atomic uint64_t asked;     /* requests sent */
    _Atomic uint64_t answered;  /* each once, by what it asked */
    _Atomic uint64_t abandoned; /* the client went before the answer came */
    _Atomic uint64_t late;      /* of the answered: the deadline passed */
    _Atomic uint64_t cancelled;
    _Atomic uint64_t checked; /* reads whose every word was compared */
    _Atomic uint64_t lives;
    _Atomic uint64_t kills; /* lives that SIGKILL ended */
};

enum mixed_end { MIXED_CLOSE, MIXED_ABANDON, MIXED_KILL };

struct mixed_client {
    const char *path;
    enum mixed_kind kind;
    uint32_t number;
    uint64_t goal; /* requests to ask in all lives */
    uint64_t dice;
    struct mixed_progress *progress;
    /* Of this life. */
    uint64_t life_goal;
    enum mixed_end end;
};

/* Ends the client, and with it the run, with a reason. */
_Noreturn void mixed_fail(const struct mixed_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Below LIMIT, which is not 0. */
uint32_t mixed_roll(struct mixed_client *client, uint32_t limit);
/* SIGKILL, by the client's own hand. */
_Noreturn void mixed_die(struct mixed_client *client);
/* One life: each returns when it has ended by itself. */
void mixed_converse(struct mixed_client *client); /* all kinds but unary */
void mixed_unary(struct mixed_client *client);
void mixed_count(_Atomic uint64_t *counter);

/* ---- what buffers hold (lane.c) -----------------------------------------------------------------
 */

#define LANE_BUFFERS 3 /* a, b, and max(a, b) */
#define LANE_SMALL   256u
#define LANE_LARGE   40000u

/* A buffer holds one word over and over: the client's number above, a count below. */
struct content {
    uint32_t value;
    bool known; /* else each word is one that this client wrote, or 0 */
};

struct lane {
    uint32_t number; /* its stream as well */
    uint32_t elements;
    struct content contents[LANE_BUFFERS];
    uint32_t *mapped[LANE_BUFFERS]; /* shared buffers; else NULL */
};

uint64_t lane_id(const struct lane *lane, unsigned buffer);
void lane_init(struct lane *lane, uint32_t number, uint32_t elements);
/* A word that no buffer held yet, or not for long. */
uint32_t lane_fresh(struct mixed_client *client);
void lane_fill(uint32_t *words, uint32_t count, uint32_t value);
/* max(a, b) was computed; OK: as a whole. */
void lane_executed(struct lane *lane, bool ok);
/* Compares what was read of BUFFER with what it holds. */
void lane_check(struct mixed_client *client, const struct lane *lane, unsigned buffer,
                const void *bytes, size_t size);

/* ---- ways to the daemon -------------------------------------------------------------------------
 */

struct pipe_answer {
    Hologram__V1__Response *response; /* freed by pipe_answer_free */
    const void *payload;              /* of a read; valid until the next call */
    size_t payload_bytes;
    int fd; /* that came with it, the receiver's; -1: none */
};

/* Requests go out in order as the way has room; nothing blocks but receive with WAIT. */
struct pipe_kind {
    void *(*open)(struct mixed_client *client);
    void (*send)(void *pipe, const Hologram__V1__Request *request, const void *payload,
                 size_t payload_bytes);
    bool (*receive)(void *pipe, bool wait, struct pipe_answer *answer);
    /* Every request has been answered. */
    void (*close)(void *pipe);
    /* Now, whatever is on its way. */
    void (*abandon)(void *pipe);
};

extern const struct pipe_kind native_pipe;
extern const struct pipe_kind stream_pipe;

void pipe_answer_free(struct pipe_answer *answer);

#endif
