/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a call, and what comes in. What goes out is in grpc_send.c.
 *
 * Happy path: posted (grpc_door.c), arrived (the queue thread tells the loop), started by its
 * method, answered, freed by the queue thread when C core has sent the status. Failure modes: the
 * server is stopping (a posted call comes back unused), too many calls (refused by the queue
 * thread), no such method, the peer gives up at any point.
 */
#include "daemon/transport/grpc_call.h"

#include <grpc/byte_buffer_reader.h>
#include <stddef.h>
#include <string.h>

#include "daemon/transport/grpc_core.h"
#include "daemon/transport/grpc_send.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

/* ---- references ---------------------------------------------------------------------------------
 */

void hg_grpc_call_retain(struct hg_grpc_call *call)
{
    /* Relaxed: whoever adds one holds one. */
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
}

static void free_call(struct hg_grpc_call *call)
{
    hg_grpc_send_drop(call);
    for (; call->in_count != 0; call->in_count--) {
        grpc_byte_buffer_destroy(call->in[call->in_first]);
        call->in_first = (call->in_first + 1) % HG_GRPC_INBOX;
    }
    if (call->payload != NULL) {
        grpc_byte_buffer_destroy(call->payload);
    }
    for (size_t i = 0; i < call->trailer_count; i++) {
        grpc_slice_unref(call->trailers[i].value);
    }
    grpc_slice_unref(call->status_text);
    grpc_metadata_array_destroy(&call->metadata);
    if (call->method == NULL) {
        grpc_call_details_destroy(&call->details);
    }
    if (call->core != NULL) {
        grpc_call_unref(call->core);
    }
    hg_mutex_fini(&call->lock);
    hg_grpc_spares_put(&call->grpc->spares, call);
}

void hg_grpc_call_release(struct hg_grpc_call *call)
{
    struct hg_grpc *grpc = call->grpc;
    /* Acquire-release: the last one sees what all others did to the call. */
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    const bool arrived = call->core != NULL;
    free_call(call);
    if (arrived) {
        atomic_fetch_sub_explicit(&grpc->live_calls, 1, memory_order_relaxed);
    }
}

/* ---- arrival ------------------------------------------------------------------------------------
 */

static void link_call(struct hg_grpc_call *call)
{
    struct hg_grpc *grpc = call->grpc;
    call->next = grpc->calls;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    grpc->calls = call;
}

static void unlink_call(struct hg_grpc_call *call)
{
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        call->grpc->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
}

static void start(struct hg_grpc_call *call)
{
    struct hg_grpc *grpc = call->grpc;
    call->connection = hg_grpc_connection_of(grpc, call->core);
    if (call->connection == NULL) {
        hg_grpc_call_fail(call, HG_UNAVAILABLE, "the connection is gone");
        return;
    }
    hg_grpc_connection_ref(call->connection);
    if (grpc->draining) {
        hg_grpc_call_fail(call, HG_UNAVAILABLE, "the server is stopping");
    } else if (call->method == NULL) {
        hg_grpc_call_fail(call, HG_UNIMPLEMENTED, "no such method");
    } else {
        call->method->start(call);
    }
}

static void arrived_event(struct hg_grpc_event *event)
{
    struct hg_grpc_call *call = HG_GRPC_OF(struct hg_grpc_call, arrived_event, event);
    hg_grpc_call_retain(call);
    link_call(call);
    start(call);
    if (!call->finished) {
        hg_grpc_call_watch(call);
    }
    hg_grpc_call_release(call);
}

/* Queue thread. */
static void arrived_tag(struct hg_grpc_tag *tag, bool ok)
{
    struct hg_grpc_call *call = HG_GRPC_OF(struct hg_grpc_call, arrived_tag, tag);
    struct hg_grpc *grpc = call->grpc;
    /* The call may be over before its successor is posted. */
    struct hg_grpc_door *door = call->door;
    if (!ok) {
        hg_grpc_call_release(call);
        hg_grpc_door_passed(door);
        return;
    }
    const uint64_t live = atomic_fetch_add_explicit(&grpc->live_calls, 1, memory_order_relaxed);
    if (live < grpc->calls_max) {
        hg_grpc_post(&grpc->queue, &call->arrived_event);
    } else {
        hg_grpc_send_refuse(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "too many calls at once");
        hg_grpc_call_release(call);
    }
    hg_grpc_door_passed(door);
}

/* ---- what comes in ------------------------------------------------------------------------------
 */

void hg_grpc_call_tell(struct hg_grpc_call *call)
{
    if (!call->told) {
        call->told = true;
        hg_grpc_call_retain(call);
        hg_grpc_post(&call->grpc->queue, &call->progress_event);
    }
}

/* The same from the queue thread. What comes behind a message that the loop has not taken yet can
 * wait until nothing more is there: more is likely to come. */
static void tell_of_message(struct hg_grpc_call *call)
{
    if (call->told || call->in_count <= 1) {
        hg_grpc_call_tell(call);
        return;
    }
    call->told = true;
    hg_grpc_call_retain(call);
    hg_grpc_post_later(&call->grpc->queue, &call->progress_event);
}

static void progress_event(struct hg_grpc_event *event)
{
    struct hg_grpc_call *call = HG_GRPC_OF(struct hg_grpc_call, progress_event, event);
    hg_mutex_lock(&call->lock);
    call->told = false;
    hg_mutex_unlock(&call->lock);
    if (!call->finished && call->method->progress != NULL) {
        call->method->progress(call);
    }
    hg_grpc_call_release(call);
}

/* Asks for another message if there is room for it. Releases the lock, which the caller holds; as
 * with sending, `receiving` keeps others out while the operation is started. */
static void receive_and_unlock(struct hg_grpc_call *call)
{
    const bool start_one = !call->receiving && !call->in_ended && call->in_count < HG_GRPC_INBOX &&
                           call->in_bytes < call->grpc->inbox_bytes_max;
    if (start_one) {
        call->receiving = true;
        hg_grpc_call_retain(call);
    }
    hg_mutex_unlock(&call->lock);
    if (!start_one) {
        return;
    }
    const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE,
                        .data.recv_message.recv_message = &call->incoming};
    HG_REQUIRE(grpc_call_start_batch(call->core, &op, 1, hg_grpc_tag_start(&call->receive_tag),
                                     NULL) == GRPC_CALL_OK);
}

/* Queue thread. */
static void receive_tag(struct hg_grpc_tag *tag, bool ok)
{
    struct hg_grpc_call *call = HG_GRPC_OF(struct hg_grpc_call, receive_tag, tag);
    hg_mutex_lock(&call->lock);
    call->receiving = false;
    if (!ok || call->incoming == NULL) {
        call->in_ended = true;
    } else {
        call->in[(call->in_first + call->in_count) % HG_GRPC_INBOX] = call->incoming;
        call->in_count++;
        call->in_bytes += grpc_byte_buffer_length(call->incoming);
        call->incoming = NULL;
    }
    tell_of_message(call);
    receive_and_unlock(call);
    hg_grpc_call_release(call);
}

void hg_grpc_call_listen(struct hg_grpc_call *call)
{
    /* First: from here on, operations that receive are started one after the other. */
    hg_grpc_call_watch(call);
    hg_mutex_lock(&call->lock);
    receive_and_unlock(call);
    hg_grpc_send_open(call);
}

enum hg_grpc_next hg_grpc_call_next(struct hg_grpc_call *call, grpc_slice *message)
{
    grpc_byte_buffer *buffer = NULL;
    hg_mutex_lock(&call->lock);
    enum hg_grpc_next next = call->in_ended ? HG_GRPC_END : HG_GRPC_NONE_YET;
    if (call->in_count != 0) {
        buffer = call->in[call->in_first];
        call->in_first = (call->in_first + 1) % HG_GRPC_INBOX;
        call->in_count--;
        call->in_bytes -= grpc_byte_buffer_length(buffer);
        next = HG_GRPC_MESSAGE;
    }
    receive_and_unlock(call);
    if (buffer != NULL) {
        *message = hg_grpc_flatten(buffer);
        grpc_byte_buffer_destroy(buffer);
    }
    return next;
}

grpc_slice hg_grpc_flatten(grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    grpc_slice *first;
    grpc_slice whole;
    if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
        return grpc_empty_slice();
    }
    if (grpc_byte_buffer_reader_peek(&reader, &first) == 0) {
        whole = grpc_empty_slice();
    } else if (GRPC_SLICE_LENGTH(*first) == grpc_byte_buffer_length(buffer)) {
        /* In one piece already, as small messages are. */
        whole = grpc_slice_ref(*first);
    } else {
        grpc_byte_buffer_reader_destroy(&reader);
        HG_REQUIRE(grpc_byte_buffer_reader_init(&reader, buffer));
        whole = grpc_byte_buffer_reader_readall(&reader);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return whole;
}

/* ---- the peer gives up --------------------------------------------------------------------------
 */

static void close_event(struct hg_grpc_event *event)
{
    struct hg_grpc_call *call = HG_GRPC_OF(struct hg_grpc_call, close_event, event);
    if (!call->finished && call->leased) {
        /* C core may keep what it could not send as long as the call lives. */
        call->out_lease->call = NULL;
        hg_grpc_call_detach(call);
    } else if (!call->finished && call->cancelled != 0) {
        call->gone = true;
        if (call->method->closed != NULL) {
            call->method->closed(call);
        }
    }
    hg_grpc_call_release(call);
}

/* Queue thread. The event takes over the reference. */
static void close_tag(struct hg_grpc_tag *tag, bool ok)
{
    struct hg_grpc_call *call = HG_GRPC_OF(struct hg_grpc_call, close_tag, tag);
    (void)ok;
    hg_grpc_post(&call->grpc->queue, &call->close_event);
}

void hg_grpc_call_watch(struct hg_grpc_call *call)
{
    const grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                        .data.recv_close_on_server.cancelled = &call->cancelled};
    hg_mutex_lock(&call->lock);
    if (!call->close_watched) {
        call->close_watched = true;
        hg_grpc_call_retain(call);
        HG_REQUIRE(grpc_call_start_batch(call->core, &op, 1, hg_grpc_tag_start(&call->close_tag),
                                         NULL) == GRPC_CALL_OK);
    }
    hg_mutex_unlock(&call->lock);
}

/* ---- beginning and end --------------------------------------------------------------------------
 */

void hg_grpc_call_init(struct hg_grpc_call *call, struct hg_grpc_door *door)
{
    memset(call, 0, offsetof(struct hg_grpc_call, in));
    call->grpc = door->grpc;
    call->door = door;
    call->method = door->method;
    call->arrived_tag.fn = arrived_tag;
    call->send_tag.fn = hg_grpc_send_tag;
    call->receive_tag.fn = receive_tag;
    call->close_tag.fn = close_tag;
    call->arrived_event.fn = arrived_event;
    call->progress_event.fn = progress_event;
    call->close_event.fn = close_event;
    call->status_text = grpc_empty_slice();
    atomic_init(&call->refs, 1);
    hg_mutex_init(&call->lock, HG_RANK_LOOP);
    grpc_metadata_array_init(&call->metadata);
    if (call->method == NULL) {
        grpc_call_details_init(&call->details);
    }
}

void hg_grpc_call_detach(struct hg_grpc_call *call)
{
    HG_REQUIRE(!call->finished);
    call->finished = true;
    if (call->session != NULL) {
        hg_grpc_session_detach(call);
    }
    if (call->connection != NULL) {
        hg_grpc_connection_unref(call->connection);
        call->connection = NULL;
    }
    if (call->message_held) {
        grpc_slice_unref(call->message);
        call->message_held = false;
    }
    unlink_call(call);
    hg_grpc_call_release(call);
}

void hg_grpc_call_finish(struct hg_grpc_call *call, const struct hg_error *error,
                         uint32_t completed_steps)
{
    hg_grpc_send_status(call, error, completed_steps);
    hg_grpc_call_detach(call);
}

void hg_grpc_call_fail(struct hg_grpc_call *call, enum hg_status status, const char *text)
{
    struct hg_error error = HG_ERROR_INIT;
    (void)hg_fail(&error, status, "%s", text);
    hg_grpc_call_finish(call, &error, HG_GRPC_NO_STEPS);
}

/* ---- what a call says about itself --------------------------------------------------------------
 */

bool hg_grpc_call_metadata(const struct hg_grpc_call *call, const char *key, struct hg_bytes *value)
{
    const size_t length = strlen(key);
    for (size_t i = 0; i < call->metadata.count; i++) {
        const grpc_metadata *entry = &call->metadata.metadata[i];
        if (GRPC_SLICE_LENGTH(entry->key) == length &&
            memcmp(GRPC_SLICE_START_PTR(entry->key), key, length) == 0) {
            *value = hg_grpc_bytes(&entry->value);
            return true;
        }
    }
    return false;
}

uint64_t hg_grpc_call_timeout_us(const struct hg_grpc_call *call)
{
    const gpr_timespec deadline = call->deadline;
    if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
        return 0;
    }
    const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
    if (left.tv_sec < 0 || (left.tv_sec == 0 && left.tv_nsec < (int32_t)HG_NS_PER_US)) {
        return 1;
    }
    return (uint64_t)left.tv_sec * (HG_NS_PER_S / HG_NS_PER_US) +
           (uint64_t)(uint32_t)left.tv_nsec / HG_NS_PER_US;
}
