/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC's typed calls: several slots, each with buffers of its own and one call at a time, so that a
 * slot knows what its buffers hold. A call that ends without an answer (its deadline, a cancel) may
 * have had its effect or not.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/mixed/rpc.h"

#define SLOTS   8u
#define SERVICE "/hologram.v1.Hologram/"

enum step { STEP_ALLOC, STEP_WRITE, STEP_EXECUTE, STEP_READ };

struct slot {
    struct lane lane;
    unsigned allocated; /* buffers */
    enum step step;
    unsigned buffer;
    uint32_t value;
    bool busy;
    grpc_call *call;
    grpc_byte_buffer *request;
    grpc_byte_buffer *response;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_status_code status;
    grpc_slice text;
};

struct unary {
    struct rpc rpc;
    grpc_metadata session;
    char token[64];
    struct slot slots[SLOTS];
    struct slot extra; /* for the calls that open and close the session */
    unsigned busy;
    uint64_t asked;
    uint32_t *words;
};

/* ---- calls --------------------------------------------------------------------------------------
 */

static void begin_call(struct unary *unary, struct slot *slot, const char *method,
                       grpc_byte_buffer *request, uint32_t timeout_us)
{
    const bool named = unary->token[0] != '\0';
    slot->busy = true;
    slot->call = rpc_call(&unary->rpc, method, timeout_us);
    slot->request = request;
    slot->response = NULL;
    slot->text = grpc_empty_slice();
    grpc_metadata_array_init(&slot->initial);
    grpc_metadata_array_init(&slot->trailing);
    const grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = named ? 1 : 0, .metadata = &unary->session}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &slot->initial},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &slot->response},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &slot->trailing,
                                        .status = &slot->status,
                                        .status_details = &slot->text}},
    };
    unary->busy++;
    unary->asked++;
    mixed_count(&unary->rpc.client->progress->asked);
    rpc_start(&unary->rpc, slot->call, ops, sizeof(ops) / sizeof(ops[0]), slot);
}

/* Frees what the call held; gives its answer's bytes, which the caller unrefs. */
static grpc_slice end_call(struct unary *unary, struct slot *slot)
{
    slot->busy = false;
    unary->busy--;
    grpc_byte_buffer_destroy(slot->request);
    grpc_metadata_array_destroy(&slot->initial);
    grpc_metadata_array_destroy(&slot->trailing);
    grpc_slice_unref(slot->text);
    grpc_call_unref(slot->call);
    return slot->response != NULL ? rpc_bytes(slot->response) : grpc_empty_slice();
}

static void check_status(struct unary *unary, const struct slot *slot)
{
    struct mixed_progress *progress = unary->rpc.client->progress;
    const bool may_fail = slot != &unary->extra && slot->step != STEP_ALLOC;
    if (slot->status != GRPC_STATUS_OK &&
        !(may_fail && (slot->status == GRPC_STATUS_CANCELLED ||
                       slot->status == GRPC_STATUS_DEADLINE_EXCEEDED))) {
        char *text = grpc_slice_to_c_string(slot->text);
        mixed_fail(unary->rpc.client, "a call of kind %d: code %d: %s", (int)slot->step,
                   (int)slot->status, text);
    }
    mixed_count(&progress->answered);
    if (slot->status == GRPC_STATUS_DEADLINE_EXCEEDED) {
        mixed_count(&progress->late);
    } else if (slot->status == GRPC_STATUS_CANCELLED) {
        mixed_count(&progress->cancelled);
    }
}

/* ---- asking -------------------------------------------------------------------------------------
 */

static void ask_alloc(struct unary *unary, struct slot *slot)
{
    Hologram__V1__Alloc alloc = HOLOGRAM__V1__ALLOC__INIT;
    uint64_t shape = slot->lane.elements;
    slot->step = STEP_ALLOC;
    alloc.id = lane_id(&slot->lane, slot->allocated++);
    alloc.dtype = HOLOGRAM__V1__DTYPE__U32;
    alloc.n_shape = 1;
    alloc.shape = &shape;
    begin_call(unary, slot, SERVICE "Alloc", rpc_pack(&alloc.base), 0);
}

static void ask_write(struct unary *unary, struct slot *slot, uint32_t timeout_us)
{
    Hologram__V1__Write write = HOLOGRAM__V1__WRITE__INIT;
    slot->step = STEP_WRITE;
    slot->buffer = mixed_roll(unary->rpc.client, 2);
    slot->value = lane_fresh(unary->rpc.client);
    lane_fill(unary->words, slot->lane.elements, slot->value);
    write.id = lane_id(&slot->lane, slot->buffer);
    write.data =
        (ProtobufCBinaryData){slot->lane.elements * sizeof(uint32_t), (uint8_t *)unary->words};
    begin_call(unary, slot, SERVICE "Write", rpc_pack(&write.base), timeout_us);
}

static void ask_execute(struct unary *unary, struct slot *slot, uint32_t timeout_us)
{
    static char op[] = "max";
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    uint64_t ids[LANE_BUFFERS];
    slot->step = STEP_EXECUTE;
    for (unsigned i = 0; i < LANE_BUFFERS; i++) {
        ids[i] = lane_id(&slot->lane, i);
    }
    execute.op = op;
    execute.n_inputs = 2;
    execute.inputs = ids;
    execute.n_outputs = 1;
    execute.outputs = ids + 2;
    begin_call(unary, slot, SERVICE "Execute", rpc_pack(&execute.base), timeout_us);
}

static void ask_read(struct unary *unary, struct slot *slot, uint32_t timeout_us)
{
    Hologram__V1__Read read = HOLOGRAM__V1__READ__INIT;
    slot->step = STEP_READ;
    slot->buffer = mixed_roll(unary->rpc.client, LANE_BUFFERS);
    read.id = lane_id(&slot->lane, slot->buffer);
    begin_call(unary, slot, SERVICE "Read", rpc_pack(&read.base), timeout_us);
}

static void ask_something(struct unary *unary, struct slot *slot)
{
    struct mixed_client *client = unary->rpc.client;
    if (slot->allocated < LANE_BUFFERS) {
        ask_alloc(unary, slot);
        return;
    }
    const uint32_t timeout_us = mixed_roll(client, 16) == 0 ? 50 + mixed_roll(client, 5000) : 0;
    const uint32_t roll = mixed_roll(client, 3);
    if (roll == 0) {
        ask_write(unary, slot, timeout_us);
    } else if (roll == 1) {
        ask_execute(unary, slot, timeout_us);
    } else {
        ask_read(unary, slot, timeout_us);
    }
    if (mixed_roll(client, 32) == 0) {
        (void)grpc_call_cancel(slot->call, NULL);
    }
}

/* ---- answers ------------------------------------------------------------------------------------
 */

/* The last field of a ReadResult, `data`: the rest is as long as its length says. */
static void check_read(struct unary *unary, const struct slot *slot, grpc_slice bytes)
{
    Hologram__V1__ReadResult *result = hologram__v1__read_result__unpack(
        NULL, GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
    if (result == NULL) {
        mixed_fail(unary->rpc.client, "a message that is no ReadResult");
    }
    lane_check(unary->rpc.client, &slot->lane, slot->buffer, result->data.data, result->data.len);
    hologram__v1__read_result__free_unpacked(result, NULL);
}

static void settle(struct unary *unary, struct slot *slot)
{
    check_status(unary, slot);
    const grpc_slice bytes = end_call(unary, slot);
    const bool ok = slot->status == GRPC_STATUS_OK;
    if (slot->step == STEP_WRITE) {
        slot->lane.contents[slot->buffer] = (struct content){slot->value, ok};
    } else if (slot->step == STEP_EXECUTE) {
        lane_executed(&slot->lane, ok);
    } else if (slot->step == STEP_READ && ok) {
        check_read(unary, slot, bytes);
    }
    grpc_slice_unref(bytes);
}

/* ---- a life -------------------------------------------------------------------------------------
 */

/* A call that nothing else is in flight with; gives its answer. */
static grpc_slice call_alone(struct unary *unary, const char *method)
{
    grpc_slice nothing = grpc_empty_slice();
    bool ok;
    begin_call(unary, &unary->extra, method, grpc_raw_byte_buffer_create(&nothing, 1), 0);
    if (rpc_next(&unary->rpc, true, &ok) != &unary->extra) {
        mixed_fail(unary->rpc.client, "an answer to nothing");
    }
    check_status(unary, &unary->extra);
    return end_call(unary, &unary->extra);
}

/* The token is the first field of OpenSessionResult: its key, its length in one byte, its text. */
static void open_session(struct unary *unary)
{
    const grpc_slice bytes = call_alone(unary, SERVICE "OpenSession");
    const uint8_t *data = GRPC_SLICE_START_PTR(bytes);
    const size_t size = GRPC_SLICE_LENGTH(bytes);
    if (size < 2 || data[0] != 10 || data[1] >= sizeof(unary->token) || size - 2 < data[1]) {
        mixed_fail(unary->rpc.client, "expected the token in front of an OpenSessionResult");
    }
    memcpy(unary->token, data + 2, data[1]);
    unary->session.key = grpc_slice_from_static_string("hologram-session");
    unary->session.value = grpc_slice_from_copied_string(unary->token);
    grpc_slice_unref(bytes);
}

static void settle_next(struct unary *unary)
{
    bool ok;
    settle(unary, rpc_next(&unary->rpc, true, &ok));
}

static void end(struct unary *unary)
{
    struct mixed_client *client = unary->rpc.client;
    if (client->end == MIXED_KILL) {
        atomic_fetch_add(&client->progress->abandoned, unary->busy);
        mixed_die(client);
    }
    for (unsigned i = 0; i < SLOTS && client->end == MIXED_ABANDON; i++) {
        if (unary->slots[i].busy && unary->slots[i].step != STEP_ALLOC) {
            (void)grpc_call_cancel(unary->slots[i].call, NULL);
        }
    }
    while (unary->busy != 0) {
        settle_next(unary);
    }
    if (client->end == MIXED_CLOSE) {
        grpc_slice_unref(call_alone(unary, SERVICE "CloseSession"));
    }
    grpc_slice_unref(unary->session.value);
    rpc_close(&unary->rpc);
    free(unary->words);
    free(unary);
}

void mixed_unary(struct mixed_client *client)
{
    struct unary *unary = calloc(1, sizeof(*unary));
    if (unary == NULL || (unary->words = malloc(LANE_LARGE * sizeof(uint32_t))) == NULL) {
        abort();
    }
    rpc_open(&unary->rpc, client);
    open_session(unary);
    for (uint32_t i = 0; i < SLOTS; i++) {
        lane_init(&unary->slots[i].lane, i, i == 0 ? LANE_LARGE : LANE_SMALL);
    }
    while (unary->asked < client->life_goal) {
        /* The long lane has one call for many of the others. */
        for (unsigned i = 0; i < SLOTS; i++) {
            if (!unary->slots[i].busy && (i != 0 || mixed_roll(client, 8) == 0)) {
                ask_something(unary, &unary->slots[i]);
            }
        }
        settle_next(unary);
    }
    end(unary);
}
