/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/again.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/engine/internal.h"
#include "lib/engine/repeat.h"

/* A slot that holds a call takes a kilobyte. */
#define SLOT_BITS 5

/* 2^64 divided by the golden ratio: spreads what is multiplied over the high bits (Knuth, The Art
 * of Computer Programming, vol. 3, §6.4). */
#define SPREAD UINT64_C(0x9e3779b97f4a7c15)

/* Requests with more attributes are prepared each time. */
#define ATTRIBUTES_MAX 4u

struct hg_again_slot {
    uint64_t last; /* fingerprint of the last request that was not what is held */
    struct hg_repeat *repeat;
    const struct hg_op *op; /* of what is held; NULL: nothing is */
    uint64_t handle;        /* 0: it has a name */
    uint64_t ids[HG_OP_OPERANDS_MAX];
    uint8_t op_length;
    uint8_t attribute_count;
    uint8_t attributes[ATTRIBUTES_MAX]; /* which, as the operation counts them, in their order */
    uint64_t bits[ATTRIBUTES_MAX];
};

void hg_again_fini(struct hg_again *again)
{
    for (unsigned i = 0; again->slots != NULL && i < 1u << SLOT_BITS; i++) {
        hg_repeat_destroy(&again->slots[i].repeat);
    }
    hg_free(HG_TAG_SESSION, again->slots);
    again->slots = NULL;
}

/* Never 0. */
static uint64_t fingerprint_of(const struct hg_again_call *call)
{
    const struct hg_execute_request *request = &call->request;
    uint64_t sum = call->handle + request->op_length + (uint64_t)request->input_count * 32;
    for (uint32_t i = 0; i < request->input_count; i++) {
        sum = (sum ^ request->inputs[i]) * SPREAD;
    }
    for (uint32_t i = 0; i < request->output_count; i++) {
        sum = (sum ^ request->outputs[i]) * SPREAD;
    }
    for (uint32_t i = 0; i < request->attribute_count; i++) {
        sum = (sum ^ request->attributes[i].bits) * SPREAD;
    }
    if (request->op_length != 0) {
        sum +=
            (uint64_t)(uint8_t)request->op[0] * 256 + (uint8_t)request->op[request->op_length - 1];
    }
    return sum * SPREAD | 1u;
}

static bool is_keepable(const struct hg_again_call *call, const struct hg_task *task)
{
    const struct hg_execute_request *request = &call->request;
    return task->allow_inline && task->repeat == NULL && !task->wants_times &&
           task->deadline_ns == 0 && request->attribute_count <= ATTRIBUTES_MAX &&
           request->input_count <= HG_OP_OPERANDS_MAX &&
           request->output_count <= HG_OP_OPERANDS_MAX - request->input_count;
}

/* The slot of CALL; NULL if such calls are not kept, or there is no memory. */
static struct hg_again_slot *slot_of(struct hg_session *session, const struct hg_again_call *call,
                                     const struct hg_task *task)
{
    if (!is_keepable(call, task)) {
        return NULL;
    }
    struct hg_again *again = &session->again;
    if (again->slots == NULL) {
        again->slots = hg_calloc(HG_TAG_SESSION, 1u << SLOT_BITS, sizeof *again->slots);
    }
    return again->slots != NULL ? &again->slots[fingerprint_of(call) >> (64 - SLOT_BITS)] : NULL;
}

/* Names are compared each time: a client may write another over the one that it gave. */
static bool is_held(const struct hg_again_slot *slot, const struct hg_again_call *call)
{
    const struct hg_execute_request *request = &call->request;
    const struct hg_op *op = slot->op;
    if (op == NULL || slot->handle != call->handle || slot->op_length != request->op_length ||
        op->inputs != request->input_count || op->outputs != request->output_count ||
        slot->attribute_count != request->attribute_count ||
        (call->handle == 0 && memcmp(op->name, request->op, request->op_length) != 0)) {
        return false;
    }
    bool same = true;
    for (unsigned i = 0; i < request->input_count; i++) {
        same = same && slot->ids[i] == request->inputs[i];
    }
    for (unsigned i = 0; i < request->output_count; i++) {
        same = same && slot->ids[request->input_count + i] == request->outputs[i];
    }
    for (unsigned i = 0; same && i < request->attribute_count; i++) {
        const struct hg_named_attribute *attribute = &request->attributes[i];
        const char *name = op->attributes[slot->attributes[i]].name;
        same = slot->bits[i] == attribute->bits && strlen(name) == attribute->name_length &&
               memcmp(name, attribute->name, attribute->name_length) == 0;
    }
    return same;
}

/* Runs what SLOT holds, if that is CALL; false if nothing happened. */
static bool repeat(struct hg_session *session, const struct hg_again_slot *slot,
                   const struct hg_again_call *call, struct hg_task *task)
{
    if (!is_held(slot, call)) {
        return false;
    }
    hg_task_begin(task);
    if (hg_session_repeat(session, slot->repeat, NULL, &task->error) == HG_REPEAT_NOT) {
        return false;
    }
    task->op = slot->op;
    task->cache = hg_repeat_cache(slot->repeat);
    return true;
}

/* CALL, not what SLOT holds, is about to be prepared: what to note it in, or NULL. */
static struct hg_repeat *begin(struct hg_again_slot *slot, const struct hg_again_call *call)
{
    const uint64_t fingerprint = fingerprint_of(call);
    if (slot->last != fingerprint) {
        slot->last = fingerprint;
        return NULL;
    }
    slot->op = NULL;
    if (slot->repeat == NULL) {
        slot->repeat = hg_repeat_create();
    } else {
        hg_repeat_clear(slot->repeat);
    }
    return slot->repeat;
}

/* Keeps which attributes REQUEST gives, all of which OP has. */
static void keep_attributes(struct hg_again_slot *slot, const struct hg_op *op,
                            const struct hg_execute_request *request)
{
    slot->attribute_count = (uint8_t)request->attribute_count;
    for (unsigned i = 0; i < request->attribute_count; i++) {
        const struct hg_named_attribute *attribute = &request->attributes[i];
        uint8_t index = 0;
        while (strlen(op->attributes[index].name) != attribute->name_length ||
               memcmp(op->attributes[index].name, attribute->name, attribute->name_length) != 0) {
            index++;
        }
        slot->attributes[i] = index;
        slot->bits[i] = attribute->bits;
    }
}

/* CALL was prepared and has run: keeps it if its repeat was noted. */
static void end(struct hg_again_slot *slot, const struct hg_again_call *call)
{
    if (!hg_repeat_is_set(slot->repeat)) {
        return;
    }
    const struct hg_execute_request *request = &call->request;
    const struct hg_op *op = hg_repeat_op(slot->repeat);
    slot->handle = call->handle;
    memcpy(slot->ids, request->inputs, request->input_count * sizeof slot->ids[0]);
    memcpy(slot->ids + request->input_count, request->outputs,
           request->output_count * sizeof slot->ids[0]);
    slot->op_length = (uint8_t)request->op_length;
    keep_attributes(slot, op, request);
    slot->op = op;
}

enum hg_submitted hg_again_execute(struct hg_session *session, const struct hg_again_call *call,
                                   hg_again_fn *execute, const void *request, struct hg_task *task)
{
    struct hg_again_slot *slot = slot_of(session, call, task);
    if (slot == NULL) {
        return execute(session, request, task->repeat, task);
    }
    if (repeat(session, slot, call, task)) {
        return HG_TASK_DONE;
    }
    struct hg_repeat *into = begin(slot, call);
    const enum hg_submitted submitted = execute(session, request, into, task);
    if (into != NULL && submitted == HG_TASK_DONE) {
        end(slot, call);
    }
    return submitted;
}
