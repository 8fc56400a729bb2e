/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/output.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/limits.h"
#include "lib/base/check.h"

#define BUFFER_BYTES_MIN 4096
/* A buffer that grew beyond this is given back when it is empty. */
#define BUFFER_BYTES_KEPT 65536

static bool make_room(struct hg_output *output, size_t size)
{
    const size_t queued = output->end - output->start;
    size_t capacity = output->capacity != 0 ? output->capacity : BUFFER_BYTES_MIN;
    if (output->start != 0) {
        memmove(output->data, output->data + output->start, queued);
        output->start = 0;
        output->end = queued;
    }
    while (capacity - queued < size) {
        if (capacity > SIZE_MAX / 2) {
            return false;
        }
        capacity *= 2;
    }
    if (capacity == output->capacity) {
        return true;
    }
    uint8_t *data = hg_realloc(HG_TAG_TRANSPORT, output->data, capacity);
    if (data == NULL) {
        return false;
    }
    output->data = data;
    output->capacity = capacity;
    return true;
}

uint8_t *hg_output_reserve(struct hg_output *output, size_t size)
{
    if (output->capacity - output->end < size && !make_room(output, size)) {
        return NULL;
    }
    uint8_t *room = output->data + output->end;
    output->end += size;
    return room;
}

void hg_output_payload(struct hg_output *output, struct hg_request *request)
{
    request->output_position = output->position + hg_output_queued(output);
    request->next = NULL;
    if (output->last != NULL) {
        output->last->next = request;
    } else {
        output->first = request;
        output->first_sent = 0;
    }
    output->last = request;
}

bool hg_output_descriptor(struct hg_output *output, struct hg_descriptor *passing)
{
    if (passing->fd < 0) {
        return true;
    }
    if (output->descriptor_count == output->descriptor_capacity) {
        const size_t capacity = output->descriptor_capacity * 2 + 4;
        struct hg_output_descriptor *grown =
            hg_realloc(HG_TAG_TRANSPORT, output->descriptors, capacity * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        output->descriptors = grown;
        output->descriptor_capacity = capacity;
    }
    output->descriptors[output->descriptor_count++] =
        (struct hg_output_descriptor){output->position + hg_output_queued(output), *passing};
    *passing = (struct hg_descriptor){.fd = -1};
    return true;
}

static void drop_first_descriptor(struct hg_output *output)
{
    hg_descriptor_release(&output->descriptors[0].passing);
    output->descriptor_count--;
    memmove(output->descriptors, output->descriptors + 1,
            output->descriptor_count * sizeof(*output->descriptors));
}

/* The descriptor that the next byte takes along, or -1. A payload at the same position belongs to
 * the reply before, and leaves first. */
static int descriptor_now(const struct hg_output *output)
{
    const bool is_next =
        output->descriptor_count != 0 && output->descriptors[0].position == output->position &&
        (output->first == NULL || output->first->output_position > output->position);
    return is_next ? output->descriptors[0].passing.fd : -1;
}

/* Where this send has to stop: the reply that takes the next descriptor begins with one of its own.
 */
static uint64_t stop_position(const struct hg_output *output, bool takes_first)
{
    const size_t next = takes_first ? 1 : 0;
    return next < output->descriptor_count ? output->descriptors[next].position : UINT64_MAX;
}

/* Fills PIECES from the front of the queue; gives their number. */
static size_t collect(const struct hg_output *output, uint64_t stop, struct iovec *pieces)
{
    const struct hg_request *payload = output->first;
    uint64_t skip = output->first_sent;
    uint64_t position = output->position;
    const uint64_t end = position + hg_output_queued(output);
    size_t count = 0;
    while (count < HG_SEND_PIECES_MAX) {
        uint64_t until = end < stop ? end : stop;
        if (payload != NULL && payload->output_position < until) {
            until = payload->output_position;
        }
        if (position < until) {
            pieces[count++] =
                (struct iovec){output->data + output->start + (size_t)(position - output->position),
                               (size_t)(until - position)};
            position = until;
        } else if (payload != NULL && payload->output_position == position) {
            pieces[count++] =
                (struct iovec){payload->view.data + skip, (size_t)(payload->view.length - skip)};
            payload = payload->next;
            skip = 0;
        } else {
            break;
        }
    }
    return count;
}

/* Takes SIZE sent bytes off the front. */
static void consume(struct hg_output *output, uint64_t size, struct hg_request **ended)
{
    for (;;) {
        struct hg_request *payload = output->first;
        const uint64_t replies = payload != NULL ? payload->output_position - output->position
                                                 : hg_output_queued(output);
        const uint64_t taken = size < replies ? size : replies;
        output->start += (size_t)taken;
        output->position += taken;
        size -= taken;
        if (payload == NULL || taken < replies) {
            break;
        }
        const uint64_t left = payload->view.length - output->first_sent;
        if (size < left) {
            output->first_sent += size;
            size = 0;
            break;
        }
        size -= left;
        output->first = payload->next;
        output->last = output->first != NULL ? output->last : NULL;
        output->first_sent = 0;
        payload->next = *ended;
        *ended = payload;
    }
    HG_REQUIRE(size == 0);
}

/* One piece is the common case; send spares the kernel a header and a list to copy. */
static ssize_t send_pieces(int fd, struct iovec *pieces, size_t count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    return count == 1 ? send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                      : sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t send_with_descriptor(int fd, struct iovec *pieces, size_t count, int passed)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = pieces,
                             .msg_iovlen = count,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &passed, sizeof(int));
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void rest(struct hg_output *output)
{
    output->start = output->end = 0;
    if (output->capacity > BUFFER_BYTES_KEPT) {
        hg_free(HG_TAG_TRANSPORT, output->data);
        output->data = NULL;
        output->capacity = 0;
    }
    if (output->descriptors != NULL) {
        hg_free(HG_TAG_TRANSPORT, output->descriptors);
        output->descriptors = NULL;
        output->descriptor_capacity = 0;
    }
}

/* Replies and nothing else, the common case. True if one send took them all. */
static bool send_plain(struct hg_output *output, int fd, uint64_t *sent_bytes)
{
    const size_t queued = hg_output_queued(output);
    if (queued == 0 || output->first != NULL || output->descriptor_count != 0) {
        return false;
    }
    const ssize_t sent =
        send(fd, output->data + output->start, queued, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) {
        return false; /* the next one will say why */
    }
    *sent_bytes += (uint64_t)sent;
    output->start += (size_t)sent;
    output->position += (uint64_t)sent;
    return (size_t)sent == queued;
}

enum hg_sent hg_output_send(struct hg_output *output, int fd, uint64_t *sent_bytes,
                            struct hg_request **ended)
{
    if (send_plain(output, fd, sent_bytes)) {
        rest(output);
        return HG_SENT_ALL;
    }
    while (!hg_output_empty(output)) {
        struct iovec pieces[HG_SEND_PIECES_MAX];
        const int passed = descriptor_now(output);
        const size_t count = collect(output, stop_position(output, passed >= 0), pieces);
        const ssize_t sent = passed < 0 ? send_pieces(fd, pieces, count)
                                        : send_with_descriptor(fd, pieces, count, passed);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? HG_SENT_SOME : HG_SENT_BROKEN;
        }
        *sent_bytes += (uint64_t)sent;
        if (passed >= 0) {
            drop_first_descriptor(output);
        }
        consume(output, (uint64_t)sent, ended);
    }
    rest(output);
    return HG_SENT_ALL;
}

void hg_output_fini(struct hg_output *output, struct hg_request **ended)
{
    while (output->first != NULL) {
        struct hg_request *payload = output->first;
        output->first = payload->next;
        payload->next = *ended;
        *ended = payload;
    }
    output->last = NULL;
    while (output->descriptor_count != 0) {
        drop_first_descriptor(output);
    }
    hg_free(HG_TAG_TRANSPORT, output->descriptors);
    output->descriptors = NULL;
    output->descriptor_capacity = 0;
    hg_free(HG_TAG_TRANSPORT, output->data);
    output->data = NULL;
    output->capacity = output->start = output->end = 0;
}
