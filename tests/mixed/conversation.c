/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of every kind over frames or gRPC's Session stream, and what their answers must be. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/mixed/mixed.h"

#define LANES        4u
#define WINDOW       32u
#define SHARED_LANES 2u

enum op_kind { OP_NONE, OP_HELLO, OP_ALLOC, OP_WRITE, OP_EXECUTE, OP_READ, OP_BATCH, OP_CANCEL };

/* A request in flight. */
struct op {
    uint64_t id;
    enum op_kind kind;
    uint32_t lane;
    unsigned buffer;
    uint32_t values[2];
};

struct conversation {
    struct mixed_client *client;
    const struct pipe_kind *kind;
    void *pipe;
    struct lane lanes[LANES];
    struct op ops[WINDOW]; /* oldest first */
    unsigned op_count;
    uint64_t last_id;
    uint64_t asked; /* in this life */
    uint32_t *words;
};

/* ---- asking -------------------------------------------------------------------------------------
 */

static void ask(struct conversation *talk, struct op op, Hologram__V1__Request *request,
                const void *payload, size_t payload_bytes)
{
    struct mixed_client *client = talk->client;
    op.id = ++talk->last_id;
    request->id = op.id;
    request->stream = op.lane;
    if (op.kind >= OP_WRITE && op.kind != OP_CANCEL && mixed_roll(client, 16) == 0) {
        request->timeout_us = 1 + mixed_roll(client, 2000);
    }
    talk->ops[talk->op_count++] = op;
    talk->asked++;
    mixed_count(&client->progress->asked);
    talk->kind->send(talk->pipe, request, payload, payload_bytes);
}

static void ask_hello(struct conversation *talk)
{
    static char name[] = "mixed";
    Hologram__V1__Hello hello = HOLOGRAM__V1__HELLO__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    hello.protocol_version_min = hello.protocol_version_max = 1;
    hello.client_name = name;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_HELLO;
    request.hello = &hello;
    ask(talk, (struct op){.kind = OP_HELLO}, &request, NULL, 0);
}

static void ask_alloc(struct conversation *talk, struct lane *lane, unsigned buffer)
{
    Hologram__V1__Alloc alloc = HOLOGRAM__V1__ALLOC__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    uint64_t shape = lane->elements;
    alloc.id = lane_id(lane, buffer);
    alloc.dtype = HOLOGRAM__V1__DTYPE__U32;
    alloc.n_shape = 1;
    alloc.shape = &shape;
    alloc.pool =
        talk->client->kind == MIXED_SHARED ? HOLOGRAM__V1__POOL__SHARED : HOLOGRAM__V1__POOL__HEAP;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_ALLOC;
    request.alloc = &alloc;
    ask(talk, (struct op){.kind = OP_ALLOC, .lane = lane->number, .buffer = buffer}, &request, NULL,
        0);
}

static void ask_write(struct conversation *talk, struct lane *lane)
{
    Hologram__V1__Write write = HOLOGRAM__V1__WRITE__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    const struct op op = {.kind = OP_WRITE,
                          .lane = lane->number,
                          .buffer = mixed_roll(talk->client, 2),
                          .values = {lane_fresh(talk->client)}};
    const size_t size = (size_t)lane->elements * sizeof(uint32_t);
    const bool raw = talk->client->kind != MIXED_STREAM && mixed_roll(talk->client, 4) != 0;
    lane_fill(talk->words, lane->elements, op.values[0]);
    write.id = lane_id(lane, op.buffer);
    if (!raw) {
        write.data = (ProtobufCBinaryData){size, (uint8_t *)talk->words};
    }
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_WRITE;
    request.write = &write;
    ask(talk, op, &request, raw ? talk->words : NULL, raw ? size : 0);
}

static char op_name[] = "max";

/* max(a, b), into what the caller lends. */
static void fill_execute(Hologram__V1__Execute *execute, uint64_t ids[LANE_BUFFERS],
                         const struct lane *lane)
{
    for (unsigned i = 0; i < LANE_BUFFERS; i++) {
        ids[i] = lane_id(lane, i);
    }
    execute->op = op_name;
    execute->n_inputs = 2;
    execute->inputs = ids;
    execute->n_outputs = 1;
    execute->outputs = ids + 2;
}

static void ask_execute(struct conversation *talk, struct lane *lane)
{
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    uint64_t ids[LANE_BUFFERS];
    fill_execute(&execute, ids, lane);
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_EXECUTE;
    request.execute = &execute;
    ask(talk, (struct op){.kind = OP_EXECUTE, .lane = lane->number}, &request, NULL, 0);
}

static void ask_read(struct conversation *talk, struct lane *lane)
{
    Hologram__V1__Read read = HOLOGRAM__V1__READ__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    const struct op op = {
        .kind = OP_READ, .lane = lane->number, .buffer = mixed_roll(talk->client, LANE_BUFFERS)};
    read.id = lane_id(lane, op.buffer);
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_READ;
    request.read = &read;
    ask(talk, op, &request, NULL, 0);
}

/* Both inputs, and their maximum. */
static void ask_batch(struct conversation *talk, struct lane *lane)
{
    Hologram__V1__Write writes[2] = {HOLOGRAM__V1__WRITE__INIT, HOLOGRAM__V1__WRITE__INIT};
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    Hologram__V1__Step steps[3] = {HOLOGRAM__V1__STEP__INIT, HOLOGRAM__V1__STEP__INIT,
                                   HOLOGRAM__V1__STEP__INIT};
    Hologram__V1__Step *pointers[3] = {&steps[0], &steps[1], &steps[2]};
    Hologram__V1__Batch batch = HOLOGRAM__V1__BATCH__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    struct op op = {.kind = OP_BATCH, .lane = lane->number};
    uint64_t ids[LANE_BUFFERS];
    for (unsigned i = 0; i < 2; i++) {
        uint32_t *words = talk->words + (size_t)i * lane->elements;
        op.values[i] = lane_fresh(talk->client);
        lane_fill(words, lane->elements, op.values[i]);
        writes[i].id = lane_id(lane, i);
        writes[i].data = (ProtobufCBinaryData){lane->elements * sizeof(*words), (uint8_t *)words};
        steps[i].body_case = HOLOGRAM__V1__STEP__BODY_WRITE;
        steps[i].write = &writes[i];
    }
    fill_execute(&execute, ids, lane);
    steps[2].body_case = HOLOGRAM__V1__STEP__BODY_EXECUTE;
    steps[2].execute = &execute;
    batch.n_steps = 3;
    batch.steps = pointers;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_BATCH;
    request.batch = &batch;
    ask(talk, op, &request, NULL, 0);
}

static void ask_cancel(struct conversation *talk)
{
    Hologram__V1__Cancel cancel = HOLOGRAM__V1__CANCEL__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    cancel.request_id = talk->last_id - mixed_roll(talk->client, WINDOW);
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_CANCEL;
    request.cancel = &cancel;
    ask(talk, (struct op){.kind = OP_CANCEL}, &request, NULL, 0);
}

static bool lane_is_idle(const struct conversation *talk, const struct lane *lane)
{
    for (unsigned i = 0; i < talk->op_count; i++) {
        if (talk->ops[i].lane == lane->number && talk->ops[i].kind != OP_CANCEL) {
            return false;
        }
    }
    return true;
}

/* In place, while nothing runs on the lane. */
static void fill_mapped(struct conversation *talk, struct lane *lane)
{
    for (unsigned i = 0; i < 2; i++) {
        lane->contents[i] = (struct content){lane_fresh(talk->client), true};
        lane_fill(lane->mapped[i], lane->elements, lane->contents[i].value);
    }
}

static void ask_something(struct conversation *talk)
{
    struct mixed_client *client = talk->client;
    const bool shared = client->kind == MIXED_SHARED;
    /* The last lane is long: its work goes to the pool, at times. */
    const uint32_t lanes = shared ? SHARED_LANES : LANES;
    const uint32_t which = mixed_roll(client, 24) == 0 ? lanes - 1 : mixed_roll(client, lanes - 1);
    struct lane *lane = &talk->lanes[which];
    const uint32_t roll = mixed_roll(client, 100);
    if (roll < 4) {
        ask_cancel(talk);
    } else if (client->kind == MIXED_BATCH && roll < 60) {
        ask_batch(talk, lane);
    } else if (roll < 36) {
        ask_write(talk, lane);
    } else if (roll < 68) {
        if (shared && lane_is_idle(talk, lane)) {
            fill_mapped(talk, lane);
        }
        ask_execute(talk, lane);
    } else {
        ask_read(talk, lane);
    }
}

/* ---- answers ------------------------------------------------------------------------------------
 */

static struct op take_op(struct conversation *talk, uint64_t id, bool *first)
{
    unsigned i = 0;
    while (i < talk->op_count && talk->ops[i].id != id) {
        i++;
    }
    if (i == talk->op_count) {
        mixed_fail(talk->client, "an answer to request %llu, which is not in flight",
                   (unsigned long long)id);
    }
    const struct op op = talk->ops[i];
    *first = true;
    for (unsigned k = 0; k < i; k++) {
        *first = *first && (talk->ops[k].lane != op.lane || talk->ops[k].kind == OP_CANCEL);
    }
    talk->op_count--;
    memmove(&talk->ops[i], &talk->ops[i + 1], (talk->op_count - i) * sizeof(op));
    return op;
}

static void map(struct conversation *talk, const struct op *op, const struct pipe_answer *answer)
{
    struct lane *lane = &talk->lanes[op->lane];
    if (talk->client->kind != MIXED_SHARED) {
        return;
    }
    void *memory = mmap(NULL, lane->elements * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED,
                        answer->fd, 0);
    if (memory == MAP_FAILED) {
        mixed_fail(talk->client, "a shared buffer that cannot be mapped");
    }
    lane->mapped[op->buffer] = memory;
}

static void settle_execute(struct conversation *talk, const struct op *op, bool ok)
{
    struct lane *lane = &talk->lanes[op->lane];
    lane_executed(lane, ok);
    if (lane->mapped[2] != NULL && lane_is_idle(talk, lane)) {
        lane_check(talk->client, lane, 2, lane->mapped[2], lane->elements * sizeof(uint32_t));
    }
}

/* What the answer to OP says about the lane's buffers. */
static void settle(struct conversation *talk, const struct op *op, const struct pipe_answer *answer,
                   bool ok)
{
    struct lane *lane = &talk->lanes[op->lane];
    switch (op->kind) {
    case OP_ALLOC:
        map(talk, op, answer);
        break;
    case OP_WRITE:
        if (ok) {
            lane->contents[op->buffer] = (struct content){op->values[0], true};
        }
        break;
    case OP_EXECUTE:
        settle_execute(talk, op, ok);
        break;
    case OP_READ:
        if (ok) {
            lane_check(talk->client, lane, op->buffer, answer->payload, answer->payload_bytes);
        }
        break;
    case OP_BATCH:
        for (unsigned i = 0; i < 2; i++) {
            lane->contents[i] = (struct content){op->values[i], ok};
        }
        lane_executed(lane, ok);
        break;
    case OP_NONE:
    case OP_HELLO:
    case OP_CANCEL:
        break;
    }
}

static void check_code(struct conversation *talk, const struct op *op,
                       const Hologram__V1__Response *response, bool first)
{
    const uint32_t code = response->status != NULL ? response->status->code : CODE_OK;
    struct mixed_progress *progress = talk->client->progress;
    const bool may_fail = op->kind >= OP_WRITE;
    const bool expected = code == CODE_OK || (may_fail && code == CODE_CANCELLED) ||
                          (may_fail && code == CODE_LATE) ||
                          (op->kind == OP_CANCEL && code == CODE_NOT_FOUND);
    if (!expected) {
        mixed_fail(talk->client, "request %llu of kind %d: code %u: %s", (unsigned long long)op->id,
                   (int)op->kind, code, response->status->message);
    }
    if (code == CODE_OK && !first && op->kind != OP_CANCEL) {
        mixed_fail(talk->client, "request %llu was answered before one of its stream",
                   (unsigned long long)op->id);
    }
    mixed_count(&progress->answered);
    if (code == CODE_LATE) {
        mixed_count(&progress->late);
    } else if (code == CODE_CANCELLED) {
        mixed_count(&progress->cancelled);
    }
}

/* Takes one answer; false if there is none yet and WAIT is not set. */
static bool hear(struct conversation *talk, bool wait)
{
    struct pipe_answer answer;
    bool first;
    if (!talk->kind->receive(talk->pipe, wait, &answer)) {
        return false;
    }
    const struct op op = take_op(talk, answer.response->id, &first);
    check_code(talk, &op, answer.response, first);
    settle(talk, &op, &answer, answer.response->status == NULL);
    pipe_answer_free(&answer);
    return true;
}

/* ---- a life -------------------------------------------------------------------------------------
 */

static void begin(struct conversation *talk)
{
    const bool shared = talk->client->kind == MIXED_SHARED;
    const uint32_t lanes = shared ? SHARED_LANES : LANES;
    ask_hello(talk);
    while (talk->op_count != 0) {
        (void)hear(talk, true);
    }
    for (uint32_t i = 0; i < lanes; i++) {
        lane_init(&talk->lanes[i], i, i + 1 == lanes ? LANE_LARGE : LANE_SMALL);
        for (unsigned buffer = 0; buffer < LANE_BUFFERS; buffer++) {
            ask_alloc(talk, &talk->lanes[i], buffer);
        }
        while (talk->op_count != 0) {
            (void)hear(talk, true);
        }
    }
}

static void unmap(struct conversation *talk)
{
    for (uint32_t i = 0; i < LANES; i++) {
        for (unsigned k = 0; k < LANE_BUFFERS; k++) {
            if (talk->lanes[i].mapped[k] != NULL) {
                munmap(talk->lanes[i].mapped[k], talk->lanes[i].elements * sizeof(uint32_t));
            }
        }
    }
}

static void end(struct conversation *talk)
{
    struct mixed_progress *progress = talk->client->progress;
    if (talk->client->end == MIXED_CLOSE) {
        while (talk->op_count != 0) {
            (void)hear(talk, true);
        }
        if (talk->kind->receive(talk->pipe, false, &(struct pipe_answer){0})) {
            mixed_fail(talk->client, "an answer to nothing");
        }
        talk->kind->close(talk->pipe);
    } else {
        atomic_fetch_add(&progress->abandoned, talk->op_count);
        if (talk->client->end == MIXED_KILL) {
            (void)talk->kind->receive(talk->pipe, false, &(struct pipe_answer){0});
            mixed_die(talk->client);
        }
        talk->kind->abandon(talk->pipe);
    }
    unmap(talk);
    free(talk->words);
}

void mixed_converse(struct mixed_client *client)
{
    struct conversation talk = {
        .client = client,
        .kind = client->kind == MIXED_STREAM ? &stream_pipe : &native_pipe,
        .words = malloc(2 * LANE_LARGE * sizeof(uint32_t)),
    };
    talk.pipe = talk.kind->open(client);
    begin(&talk);
    while (talk.asked < client->life_goal) {
        const uint32_t burst = 1 + mixed_roll(client, WINDOW - talk.op_count);
        for (uint32_t i = 0; i < burst && talk.op_count < WINDOW; i++) {
            ask_something(&talk);
        }
        while (hear(&talk, talk.op_count == WINDOW)) {
        }
    }
    end(&talk);
}
