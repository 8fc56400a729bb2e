/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call's way out. One operation is in C core at a time; when it has ended the queue thread starts
 * the next, so a queue of messages flows without the loop. Large payloads are not copied: C core
 * gets slices that point into the buffer, under a lease.
 */
#include "daemon/transport/grpc_send.h"

#include <stdio.h>
#include <string.h>

#include "daemon/dispatch.h"
#include "daemon/limits.h"
#include "daemon/transport/grpc_core.h"
#include "lib/base/check.h"

/* ---- leases -------------------------------------------------------------------------------------
 */

static void lease_unref(void *context)
{
    struct hg_grpc_lease *lease = context;
    /* Acquire-release: all reads of the buffer are over before the view is given up. */
    if (atomic_fetch_sub_explicit(&lease->refs, 1, memory_order_acq_rel) == 1) {
        hg_grpc_post(lease->queue, &lease->returned);
    }
}

static struct hg_grpc_lease *lease_new(struct hg_grpc_call *call, struct hg_request *request)
{
    struct hg_grpc_lease *lease = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*lease));
    if (lease != NULL) {
        lease->queue = &call->grpc->queue;
        lease->request = request;
        lease->returned.fn = hg_grpc_lease_returned;
        atomic_init(&lease->refs, 1);
    }
    return lease;
}

/* ---- messages -----------------------------------------------------------------------------------
 */

/* The first message of a call is part of it. From the loop. */
static struct hg_grpc_message *message_new(struct hg_grpc_call *call)
{
    if (!call->own_taken) {
        call->own_taken = true;
        return &call->own;
    }
    return hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(struct hg_grpc_message));
}

static void message_free(struct hg_grpc_call *call, struct hg_grpc_message *message)
{
    grpc_slice_unref(message->head);
    if (message->lease != NULL) {
        lease_unref(message->lease);
    }
    if (message != &call->own) {
        hg_free(HG_TAG_TRANSPORT, message);
    }
}

/* Under the lock. */
static void drop_messages(struct hg_grpc_call *call)
{
    while (call->out_first != NULL) {
        struct hg_grpc_message *message = call->out_first;
        call->out_first = message->next;
        message_free(call, message);
    }
    call->out_last = NULL;
    call->out_bytes = 0;
}

void hg_grpc_send_drop(struct hg_grpc_call *call)
{
    drop_messages(call);
    if (call->outgoing != NULL) {
        grpc_byte_buffer_destroy(call->outgoing);
        call->outgoing = NULL;
    }
}

/* The key of the payload's field and a slice of its bytes that holds the lease. */
static size_t payload_slices(struct hg_grpc_message *message, uint64_t size, grpc_slice *slices)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } data = {.in = message->data};
    uint8_t key[HG_WIRE_KEY_MAX];
    const size_t length = hg_wire_put_key(key, HG_WIRE_READ_DATA, size);
    atomic_fetch_add_explicit(&message->lease->refs, 1, memory_order_relaxed);
    slices[0] = grpc_slice_from_copied_buffer((const char *)key, length);
    slices[1] = grpc_slice_new_with_user_data(data.out, (size_t)size, lease_unref, message->lease);
    return 2;
}

/* Under the lock: the next message of the queue, as C core wants it. */
static grpc_byte_buffer *take_message(struct hg_grpc_call *call)
{
    struct hg_grpc_message *message = call->out_first;
    grpc_slice slices[3] = {message->head};
    size_t count = 1;
    uint64_t size = 0;
    if (message->left_bytes != 0) {
        size =
            message->left_bytes < message->chunk_bytes ? message->left_bytes : message->chunk_bytes;
        count += payload_slices(message, size, slices + 1);
    }
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(slices, count);
    for (size_t i = 1; i < count; i++) {
        grpc_slice_unref(slices[i]);
    }
    call->out_bytes -= GRPC_SLICE_LENGTH(message->head) + size;
    message->left_bytes -= size;
    if (message->left_bytes != 0) {
        message->data += size;
        grpc_slice_unref(message->head);
        message->head = grpc_empty_slice();
        return buffer;
    }
    call->out_first = message->next;
    if (call->out_first == NULL) {
        call->out_last = NULL;
    }
    message_free(call, message);
    return buffer;
}

/* ---- operations ---------------------------------------------------------------------------------
 */

static grpc_op status_op(struct hg_grpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op.data.send_status_from_server.status = call->status;
    op.data.send_status_from_server.status_details = &call->status_text;
    op.data.send_status_from_server.trailing_metadata = call->trailers;
    op.data.send_status_from_server.trailing_metadata_count = call->trailer_count;
    return op;
}

/* Under the lock: what can be sent in one operation, into OPS; gives their number. */
static size_t next_ops(struct hg_grpc_call *call, grpc_op *ops)
{
    size_t count = 0;
    if (call->out_first != NULL) {
        call->outgoing = take_message(call);
        ops[count] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[count].data.send_message.send_message = call->outgoing;
        /* Others follow at once: C core may gather them. */
        ops[count++].flags = call->out_first != NULL ? GRPC_WRITE_BUFFER_HINT : 0;
    }
    if (call->ended && call->out_first == NULL) {
        call->closing = true;
        ops[count++] = status_op(call);
        if (!call->close_watched) {
            call->close_watched = true;
            ops[count] = (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
            ops[count++].data.recv_close_on_server.cancelled = &call->cancelled;
        }
    }
    if (!call->opened && (count != 0 || call->open_now)) {
        call->opened = true;
        ops[count++] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    }
    return count;
}

/*
 * Gives C core what there is, unless it has something. Takes the lock, which the caller holds, and
 * releases it: starting an operation may write to the socket, and nobody should wait for that.
 * `sending` keeps others from starting one at the same time.
 */
static void advance_and_unlock(struct hg_grpc_call *call)
{
    grpc_op ops[4];
    size_t count = 0;
    if (call->broken) {
        drop_messages(call);
        call->closing = call->ended;
    } else if (!call->sending && !call->closing) {
        count = next_ops(call, ops);
    }
    if (count != 0) {
        call->sending = true;
        hg_grpc_call_retain(call);
    }
    hg_mutex_unlock(&call->lock);
    if (count == 0) {
        return;
    }
    HG_REQUIRE(grpc_call_start_batch(call->core, ops, count, hg_grpc_tag_start(&call->send_tag),
                                     NULL) == GRPC_CALL_OK);
}

void hg_grpc_send_tag(struct hg_grpc_tag *tag, bool ok)
{
    struct hg_grpc_call *call = HG_GRPC_OF(struct hg_grpc_call, send_tag, tag);
    struct hg_grpc_door *door = call->door;
    hg_mutex_lock(&call->lock);
    const bool over = call->closing;
    call->sending = false;
    call->broken = call->broken || !ok;
    if (call->outgoing != NULL) {
        grpc_byte_buffer_destroy(call->outgoing);
        call->outgoing = NULL;
    }
    if (call->want_room) {
        call->want_room = false;
        hg_grpc_call_tell(call);
    }
    advance_and_unlock(call);
    hg_grpc_call_release(call);
    if (over) {
        hg_grpc_door_refill(door);
    }
}

void hg_grpc_send_open(struct hg_grpc_call *call)
{
    hg_mutex_lock(&call->lock);
    call->open_now = true;
    advance_and_unlock(call);
}

/* ---- the queue ----------------------------------------------------------------------------------
 */

/* Appends a copy of the view's bytes to HEAD. */
static grpc_slice with_copy(grpc_slice head, const struct hg_view *view)
{
    uint8_t key[HG_WIRE_KEY_MAX];
    const size_t key_length = hg_wire_put_key(key, HG_WIRE_READ_DATA, view->length);
    const size_t head_length = GRPC_SLICE_LENGTH(head);
    grpc_slice whole = grpc_slice_malloc(head_length + key_length + (size_t)view->length);
    uint8_t *out = GRPC_SLICE_START_PTR(whole);
    memcpy(out, GRPC_SLICE_START_PTR(head), head_length);
    memcpy(out + head_length, key, key_length);
    memcpy(out + head_length + key_length, view->data, (size_t)view->length);
    grpc_slice_unref(head);
    return whole;
}

static void enqueue(struct hg_grpc_call *call, struct hg_grpc_message *message)
{
    hg_mutex_lock(&call->lock);
    if (call->out_last != NULL) {
        call->out_last->next = message;
    } else {
        call->out_first = message;
    }
    call->out_last = message;
    call->out_bytes += GRPC_SLICE_LENGTH(message->head) + message->left_bytes;
    if (call->method->streams_out && !call->corked) {
        advance_and_unlock(call);
    } else {
        hg_mutex_unlock(&call->lock);
    }
}

void hg_grpc_call_cork(struct hg_grpc_call *call)
{
    call->corked = true;
}

void hg_grpc_call_uncork(struct hg_grpc_call *call)
{
    call->corked = false;
    hg_mutex_lock(&call->lock);
    advance_and_unlock(call);
}

/* The payload of REQUEST: a small one is copied into the head, a large one leased. */
static bool add_payload(struct hg_grpc_call *call, struct hg_grpc_message *message,
                        struct hg_request *request, uint64_t chunk_bytes)
{
    const struct hg_view *view = &request->view;
    if (view->length <= HG_COPY_BYTES_MAX && view->length <= chunk_bytes) {
        if (view->length != 0) {
            message->head = with_copy(message->head, view);
        }
        hg_dispatch_release_view(request);
        return true;
    }
    message->lease = lease_new(call, request);
    message->data = view->data;
    message->left_bytes = view->length;
    message->chunk_bytes = chunk_bytes;
    return message->lease != NULL;
}

enum hg_status hg_grpc_call_send(struct hg_grpc_call *call, grpc_slice head,
                                 struct hg_request *request, uint64_t chunk_bytes)
{
    struct hg_grpc_message *message = message_new(call);
    if (message == NULL) {
        grpc_slice_unref(head);
        return HG_RESOURCE_EXHAUSTED;
    }
    message->head = head;
    if (request != NULL && !add_payload(call, message, request, chunk_bytes)) {
        message_free(call, message);
        return HG_RESOURCE_EXHAUSTED;
    }
    call->out_lease = message->lease;
    if (message->lease != NULL && request != NULL) {
        ((struct hg_grpc_session *)request->client)->sending++;
    }
    enqueue(call, message);
    return HG_OK;
}

bool hg_grpc_call_has_room(struct hg_grpc_call *call, uint64_t limit)
{
    hg_mutex_lock(&call->lock);
    const bool room = call->out_bytes < limit;
    call->want_room = !room;
    hg_mutex_unlock(&call->lock);
    return room;
}

/* ---- the status ---------------------------------------------------------------------------------
 */

static void add_trailer(struct hg_grpc_call *call, const char *key, const char *value)
{
    grpc_metadata *trailer = &call->trailers[call->trailer_count++];
    trailer->key = grpc_slice_from_static_string(key);
    trailer->value = grpc_slice_from_copied_string(value);
}

void hg_grpc_send_status(struct hg_grpc_call *call, const struct hg_error *error,
                         uint32_t completed_steps)
{
    char number[16];
    hg_mutex_lock(&call->lock);
    HG_REQUIRE(!call->ended);
    call->ended = true;
    call->status = (grpc_status_code)error->status;
    if (error->status != HG_OK) {
        call->status_text = grpc_slice_from_copied_string(error->message);
        if (error->detail != NULL) {
            add_trailer(call, "hologram-detail", error->detail);
        }
        if (completed_steps != HG_GRPC_NO_STEPS) {
            snprintf(number, sizeof(number), "%u", completed_steps);
            add_trailer(call, "hologram-completed", number);
        }
    }
    advance_and_unlock(call);
}

void hg_grpc_send_refuse(struct hg_grpc_call *call, grpc_status_code status, const char *text)
{
    hg_mutex_lock(&call->lock);
    call->ended = true;
    call->status = status;
    call->status_text = grpc_slice_from_static_string(text);
    advance_and_unlock(call);
}

void hg_grpc_call_finish_after_view(struct hg_grpc_call *call)
{
    const struct hg_error success = HG_ERROR_INIT;
    struct hg_grpc_lease *lease = call->out_lease;
    if (lease == NULL) {
        hg_grpc_call_finish(call, &success, HG_GRPC_NO_STEPS);
        return;
    }
    /* The loop has not returned to its events, so the lease is there even if it is back. */
    lease->call = call;
    call->leased = true;
    hg_grpc_call_watch(call);
    hg_grpc_send_status(call, &success, HG_GRPC_NO_STEPS);
}
