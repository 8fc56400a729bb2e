/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving half of a connection.
 *
 * Happy path: header, message, request submitted. A write's raw bytes go straight from the kernel
 * to the buffer; what came along behind the message is copied there first. Failure modes: bytes
 * that are no frame, a message that is no request (both stop the connection, with a reply that says
 * why), a write that is refused (answered, its bytes skipped), no memory (answered, connection
 * stopped).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/codec.h"
#include "daemon/dispatch.h"
#include "daemon/server.h"
#include "daemon/transport/native.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

/* What one skip of unwanted payload may throw away at a time. */
#define SKIP_BYTES 65536

static size_t buffered(const struct hg_native *native)
{
    return native->in_end - native->in_start;
}

static void take(struct hg_native *native, size_t size)
{
    native->in_start += size;
    if (native->in_start == native->in_end) {
        native->in_start = native->in_end = 0;
    }
}

/* Makes room so that WANTED bytes from in_start on fit. Grows for a large message, shrinks back. */
static bool make_room(struct hg_native *native, size_t wanted)
{
    const size_t capacity = wanted > HG_RECEIVE_BYTES ? wanted : HG_RECEIVE_BYTES;
    const size_t held = buffered(native);
    const bool cramped = native->in_capacity - native->in_end < HG_RECEIVE_BYTES / 2 ||
                         native->in_capacity - native->in_start < wanted;
    if (native->in_start != 0 && cramped) {
        memmove(native->in, native->in + native->in_start, held);
        native->in_start = 0;
        native->in_end = held;
    }
    const bool too_small = native->in_capacity - native->in_start < wanted;
    const bool too_large =
        native->in_capacity > HG_RECEIVE_BYTES && held == 0 && capacity == HG_RECEIVE_BYTES;
    if (native->in != NULL && !too_small && !too_large) {
        return true;
    }
    uint8_t *in = hg_realloc(HG_TAG_TRANSPORT, native->in, capacity);
    if (in == NULL) {
        return native->in != NULL && !too_small;
    }
    native->in = in;
    native->in_capacity = capacity;
    return true;
}

static void stop_out_of_memory(struct hg_native *native)
{
    struct hg_error error = HG_ERROR_INIT;
    (void)hg_fail(&error, HG_RESOURCE_EXHAUSTED, "frame: out of memory");
    hg_native_stop(native, &error);
}

bool hg_native_may_read(const struct hg_native *native)
{
    const struct hg_client *client = &native->client;
    return native->state != HG_RECEIVE_STOP && !client->hang_up && !native->broken &&
           client->state != HG_CLIENT_CLOSING && client->in_flight < client->in_flight_max &&
           hg_output_queued(&native->output) < client->output_bytes_max;
}

bool hg_native_mid_frame(const struct hg_native *native)
{
    switch (native->state) {
    case HG_RECEIVE_HEADER:
        return buffered(native) != 0;
    case HG_RECEIVE_MESSAGE:
    case HG_RECEIVE_PAYLOAD:
    case HG_RECEIVE_SKIP:
        return true;
    default:
        return false;
    }
}

/* ---- steps: each returns true if it got on, false if it needs bytes or somebody else ------------
 */

static bool step_header(struct hg_native *native)
{
    struct hg_error error; /* filled by whoever fails: clearing it costs as much as the step */
    if (buffered(native) == 0) {
        return false;
    }
    switch (hg_frame_decode(native->in + native->in_start, buffered(native),
                            native->client.message_bytes_max, native->client.payload_bytes_max,
                            &native->frame, &error)) {
    case HG_FRAME_PARTIAL:
        return false;
    case HG_FRAME_WRONG:
        hg_native_stop(native, &error);
        return false;
    case HG_FRAME_COMPLETE:
        break;
    }
    take(native, HG_FRAME_BYTES);
    native->state = HG_RECEIVE_MESSAGE;
    return true;
}

/* The request that a message decoded to, on its way to dispatch. */
static void submit(struct hg_native *native, struct hg_request *request)
{
    struct hg_client *client = &native->client;
    struct hg_error error;
    const uint64_t payload = native->frame.payload_bytes;
    if (payload == 0) {
        native->state = HG_RECEIVE_HEADER;
        client->learns = &native->known;
        hg_dispatch_submit(client, request);
        client->learns = NULL;
        return;
    }
    if (request->message.step.kind != HG_REQUEST_WRITE) {
        (void)hg_fail(&error, HG_INVALID_ARGUMENT,
                      "frame: payload: expected one with write only, got %llu bytes with %s",
                      (unsigned long long)payload,
                      hg_request_kind_name(request->message.step.kind));
        hg_request_put(&client->server->requests, request);
        hg_native_stop(native, &error);
        return;
    }
    native->payload_left = payload;
    native->state = HG_RECEIVE_WAIT;
    hg_dispatch_write_begin(client, request, payload);
}

/* A request that cannot be meant is answered; its payload, if any, is skipped. */
static void refuse(struct hg_native *native, struct hg_request *request,
                   const struct hg_error *error)
{
    native->payload_left = native->frame.payload_bytes;
    native->state = native->payload_left != 0 ? HG_RECEIVE_SKIP : HG_RECEIVE_HEADER;
    hg_dispatch_refuse(&native->client, request, error);
}

static bool step_message(struct hg_native *native)
{
    struct hg_server *server = native->client.server;
    struct hg_error error; /* as in step_header */
    if (buffered(native) < native->frame.message_bytes) {
        return false;
    }
    struct hg_request *request = hg_request_get(&server->requests);
    if (request == NULL) {
        stop_out_of_memory(native);
        return false;
    }
    request->arrived_ns = native->client.now_ns;
    const enum hg_decoded decoded =
        hg_codec_decode(native->in + native->in_start, native->frame.message_bytes, &request->arena,
                        &request->message, &error);
    take(native, native->frame.message_bytes);
    if (request->message.step.kind == HG_REQUEST_ADOPT) {
        request->adopted_fd = hg_descriptors_pop(&native->descriptors);
    }
    hg_histogram_observe_alone(&server->metrics.stages[HG_STAGE_DECODE],
                               hg_client_look(&native->client) - request->arrived_ns);
    switch (decoded) {
    case HG_DECODED_OK:
        submit(native, request);
        return true;
    case HG_DECODED_INVALID:
        refuse(native, request, &error);
        return true;
    case HG_DECODED_MALFORMED:
        break;
    }
    hg_request_put(&server->requests, request);
    hg_native_stop(native, &error);
    return false;
}

static bool step_wait(struct hg_native *native)
{
    switch (hg_dispatch_write_poll(&native->client)) {
    case HG_WRITE_WAIT:
        return false;
    case HG_WRITE_READY:
        native->state = HG_RECEIVE_PAYLOAD;
        return true;
    case HG_WRITE_REFUSED:
        native->state = HG_RECEIVE_SKIP;
        return true;
    }
    return false;
}

/* Where the next bytes of the payload belong. */
static uint8_t *payload_target(const struct hg_native *native)
{
    const struct hg_view *view = &native->client.writing->view;
    return view->data + (view->length - native->payload_left);
}

static void end_payload(struct hg_native *native)
{
    if (native->payload_left == 0) {
        if (native->state == HG_RECEIVE_PAYLOAD) {
            hg_dispatch_write_end(&native->client);
        }
        native->state = HG_RECEIVE_HEADER;
    }
}

/* Takes what of the payload lies in the buffer already. */
static bool step_payload(struct hg_native *native)
{
    size_t size = buffered(native);
    if (size == 0) {
        return false;
    }
    if (size > native->payload_left) {
        size = (size_t)native->payload_left;
    }
    if (native->state == HG_RECEIVE_PAYLOAD) {
        memcpy(payload_target(native), native->in + native->in_start, size);
    }
    take(native, size);
    native->payload_left -= size;
    end_payload(native);
    return true;
}

static bool step(struct hg_native *native)
{
    switch (native->state) {
    case HG_RECEIVE_HEADER:
        return step_header(native);
    case HG_RECEIVE_MESSAGE:
        return step_message(native);
    case HG_RECEIVE_WAIT:
        return step_wait(native);
    case HG_RECEIVE_PAYLOAD:
    case HG_RECEIVE_SKIP:
        return step_payload(native);
    case HG_RECEIVE_STOP:
        return false;
    }
    return false;
}

/* ---- bytes
 * ---------------------------------------------------------------------------------------- */

/* Bytes that the buffer must be able to hold for the present state to get on. */
static size_t wanted(const struct hg_native *native)
{
    return native->state == HG_RECEIVE_MESSAGE ? native->frame.message_bytes : HG_FRAME_BYTES;
}

/* Received SIZE bytes; those of the payload were put into place by the kernel. */
static void account(struct hg_native *native, size_t size, size_t direct)
{
    const size_t placed = size < direct ? size : direct;
    native->received_ns = native->client.now_ns;
    hg_counter_add_alone(&native->client.server->metrics.bytes_received, size);
    native->in_end += size - placed;
    if (placed != 0) {
        native->payload_left -= placed;
        end_payload(native);
    }
}

static void peer_ended(struct hg_native *native)
{
    native->ended = true;
    native->readable = false;
}

/* With whatever descriptors come along. */
static ssize_t receive_with_descriptors(struct hg_native *native, struct msghdr *message)
{
    struct hg_error error = HG_ERROR_INIT;
    union hg_descriptor_room room;
    message->msg_control = room.bytes;
    message->msg_controllen = sizeof(room.bytes);
    const ssize_t size = recvmsg(native->fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size > 0 && hg_descriptors_receive(&native->descriptors, message, &error) != HG_OK) {
        hg_native_stop(native, &error);
    }
    return size;
}

/* One piece is the common case; recv spares the kernel a header and a list to copy. Descriptors
 * that nobody expects are dropped by the kernel. */
static ssize_t receive_pieces(struct hg_native *native, struct iovec *pieces, size_t count)
{
    if (count == 1 && !native->client.takes_descriptors) {
        return recv(native->fd, pieces->iov_base, pieces->iov_len, MSG_DONTWAIT);
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    return native->client.takes_descriptors ? receive_with_descriptors(native, &message)
                                            : recvmsg(native->fd, &message, MSG_DONTWAIT);
}

/* One recvmsg: into the payload's place, then into the buffer. False if nothing came. */
static bool receive_bytes(struct hg_native *native)
{
    /* Process-wide: whatever is written there nobody reads. */
    static uint8_t scrap[SKIP_BYTES];
    struct iovec pieces[2];
    size_t count = 0;
    size_t direct = 0;
    if (!make_room(native, wanted(native))) {
        stop_out_of_memory(native);
        return false;
    }
    if (native->state == HG_RECEIVE_PAYLOAD) {
        direct = (size_t)native->payload_left;
        pieces[count++] = (struct iovec){payload_target(native), direct};
    } else if (native->state == HG_RECEIVE_SKIP) {
        direct = native->payload_left < SKIP_BYTES ? (size_t)native->payload_left : SKIP_BYTES;
        pieces[count++] = (struct iovec){scrap, direct};
    }
    const size_t room = native->in_capacity - native->in_end;
    if (native->state != HG_RECEIVE_SKIP && room != 0) {
        pieces[count++] = (struct iovec){native->in + native->in_end, room};
    }
    const ssize_t size = receive_pieces(native, pieces, count);
    if (size > 0) {
        /* A short read means that the kernel has no more, so the next one would be in vain. */
        native->readable = (size_t)size == direct + (native->state != HG_RECEIVE_SKIP ? room : 0);
        /* A read also ends where descriptors came, and before the end of all. */
        native->readable = native->readable || native->client.takes_descriptors || native->ending;
        account(native, (size_t)size, direct);
        return true;
    }
    if (size < 0 && errno == EINTR) {
        return true;
    }
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        native->readable = false;
        return false;
    }
    if (size < 0) {
        native->broken = true;
    }
    peer_ended(native);
    return false;
}

/* The peer stopped sending inside a frame: it may still want to know. */
static void report_truncation(struct hg_native *native)
{
    struct hg_error error; /* as in step_header */
    if (!native->ended || !hg_native_may_read(native) || !hg_native_mid_frame(native)) {
        return;
    }
    if (native->state == HG_RECEIVE_HEADER) {
        (void)hg_fail(&error, HG_INVALID_ARGUMENT,
                      "frame: truncated: expected a header of %d bytes, got %zu", HG_FRAME_BYTES,
                      buffered(native));
    } else if (native->state == HG_RECEIVE_MESSAGE) {
        (void)hg_fail(&error, HG_INVALID_ARGUMENT,
                      "frame: truncated: expected a message of %u bytes, got %zu",
                      native->frame.message_bytes, buffered(native));
    } else {
        (void)hg_fail(&error, HG_INVALID_ARGUMENT,
                      "frame: truncated: expected a payload of %llu bytes, got %llu",
                      (unsigned long long)native->frame.payload_bytes,
                      (unsigned long long)(native->frame.payload_bytes - native->payload_left));
    }
    hg_native_stop(native, &error);
}

/* All requests are decoded, and descriptors are left that no adopt wanted. */
static bool stop_at_surplus(struct hg_native *native)
{
    struct hg_error error; /* as in step_header */
    if (native->descriptors.count == 0 || native->state != HG_RECEIVE_HEADER ||
        buffered(native) != 0) {
        return false;
    }
    (void)hg_fail(&error, HG_INVALID_ARGUMENT,
                  "descriptors: expected one with each adopt, got %u more",
                  native->descriptors.count);
    hg_native_stop(native, &error);
    return true;
}

bool hg_native_receive(struct hg_native *native)
{
    while (hg_native_may_read(native)) {
        if (native->client.now_ns >= native->client.turn_end_ns) {
            return false;
        }
        if (hg_native_repeat(native) || step(native)) {
            if (native->unsent >= HG_REPLIES_PER_SEND) {
                hg_native_flush(native);
            }
            continue;
        }
        if (stop_at_surplus(native)) {
            break;
        }
        const bool waits = native->state == HG_RECEIVE_WAIT || native->state == HG_RECEIVE_STOP;
        if (waits || !native->readable || !receive_bytes(native)) {
            break;
        }
    }
    report_truncation(native);
    return true;
}
