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

/* Fills PIECES from the front of the queue; gives their number. */
static size_t collect(const struct hg_output *output, struct iovec *pieces)
{
    const struct hg_request *payload = output->first;
    uint64_t skip = output->first_sent;
    size_t offset = output->start;
    size_t count = 0;
    while (count < HG_SEND_PIECES_MAX) {
        size_t until = output->end;
        if (payload != NULL) {
            until = output->start + (size_t)(payload->output_position - output->position);
        }
        if (offset < until) {
            pieces[count++] = (struct iovec){output->data + offset, until - offset};
            offset = until;
        } else if (payload != NULL) {
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

static void rest(struct hg_output *output)
{
    output->start = output->end = 0;
    if (output->capacity > BUFFER_BYTES_KEPT) {
        hg_free(HG_TAG_TRANSPORT, output->data);
        output->data = NULL;
        output->capacity = 0;
    }
}

enum hg_sent hg_output_send(struct hg_output *output, int fd, uint64_t *sent_bytes,
                            struct hg_request **ended)
{
    while (!hg_output_empty(output)) {
        struct iovec pieces[HG_SEND_PIECES_MAX];
        const ssize_t sent = send_pieces(fd, pieces, collect(output, pieces));
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? HG_SENT_SOME : HG_SENT_BROKEN;
        }
        *sent_bytes += (uint64_t)sent;
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
    hg_free(HG_TAG_TRANSPORT, output->data);
    output->data = NULL;
    output->capacity = output->start = output->end = 0;
}
