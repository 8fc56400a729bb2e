/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes to the socket.
 *
 * While a send has to wait, answers are taken in: the server stops reading from a client that does
 * not read.
 *
 *     out: [sent][out_start … out_end)[free]
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "client/lib/internal.h"

/* The server has closed. It may have said why before: take in what is left. */
static hologram_status break_after_drain(hologram_client *client, const char *call)
{
    int code = errno;
    while (client->failure.status == HOLOGRAM_OK && (code == EPIPE || code == ECONNRESET)) {
        size_t before = client->in_end - client->in_start;
        uint64_t payload_before = client->payload_left;
        uint32_t flying_before = client->flying;
        if (hg_client_receive(client, false, 0) != HOLOGRAM_OK ||
            (before == client->in_end - client->in_start &&
             payload_before == client->payload_left && flying_before == client->flying)) {
            break;
        }
    }
    errno = code;
    return hg_client_break_errno(client, call);
}

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void attach(struct msghdr *message, union control *control, int fd)
{
    memset(control, 0, sizeof *control);
    message->msg_control = control->bytes;
    message->msg_controllen = sizeof control->bytes;
    struct cmsghdr *part = CMSG_FIRSTHDR(message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
}

/* One piece without a descriptor is the common case; send spares the kernel a header and a list to
 * copy. */
static ssize_t send_message(int fd, const struct msghdr *message)
{
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    return message->msg_iovlen == 1 && message->msg_controllen == 0
               ? send(fd, message->msg_iov->iov_base, message->msg_iov->iov_len, flags)
               : sendmsg(fd, message, flags);
}

/* Sends the queue and DATA behind it, once; *SENT counts both. 0 if it would block. */
static hologram_status send_once(hologram_client *client, const uint8_t *data, size_t bytes,
                                 size_t *sent)
{
    struct iovec parts[2] = {
        {.iov_base = client->out + client->out_start,
         .iov_len = client->out_end - client->out_start},
        {.iov_base = (void *)data, .iov_len = bytes},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = bytes > 0 ? 2 : 1};
    union control control;
    if (client->send_fd >= 0) {
        attach(&message, &control, client->send_fd);
    }
    for (;;) {
        ssize_t count = send_message(client->fd, &message);
        if (count >= 0) {
            client->send_fd = -1;
            *sent = (size_t)count;
            return HOLOGRAM_OK;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
            *sent = 0;
            return HOLOGRAM_OK;
        }
        if (errno != EINTR) {
            return break_after_drain(client, "send");
        }
    }
}

/* Waits until the socket takes more, and takes answers in meanwhile. */
static hologram_status await_sendable(hologram_client *client, uint64_t deadline_ns)
{
    short came = 0;
    hologram_status status = hg_client_await(client, POLLIN | POLLOUT, deadline_ns, &came);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    if (came == 0) {
        return hg_client_break(client, HOLOGRAM_DEADLINE_EXCEEDED,
                               "the server did not take the request in time");
    }
    return (came & POLLIN) != 0 ? hg_client_receive(client, false, 0) : HOLOGRAM_OK;
}

hologram_status hg_client_send(hologram_client *client, const uint8_t *data, uint64_t bytes,
                               uint64_t deadline_ns)
{
    while (client->out_start < client->out_end || bytes > 0) {
        if (hg_client_check(client) != HOLOGRAM_OK) {
            return client->failure.status;
        }
        size_t part = bytes < SSIZE_MAX / 2 ? (size_t)bytes : SSIZE_MAX / 2;
        size_t sent = 0;
        hologram_status status = send_once(client, data, part, &sent);
        if (status == HOLOGRAM_OK && sent == 0) {
            status = await_sendable(client, deadline_ns);
        }
        if (status != HOLOGRAM_OK) {
            return status;
        }
        size_t queued = client->out_end - client->out_start;
        size_t from_queue = sent < queued ? sent : queued;
        client->out_start += from_queue;
        if (sent > from_queue) {
            data += sent - from_queue;
            bytes -= sent - from_queue;
        }
    }
    client->out_start = 0;
    client->out_end = 0;
    client->out_requests = 0;
    return HOLOGRAM_OK;
}

uint8_t *hg_client_queue(hologram_client *client, size_t bytes, uint64_t deadline_ns)
{
    bool enough = client->out_requests >= HG_CLIENT_OUT_REQUESTS ||
                  client->out_end + bytes > HG_CLIENT_OUT_BYTES;
    if (enough && client->out_end > 0 &&
        hg_client_send(client, NULL, 0, deadline_ns) != HOLOGRAM_OK) {
        return NULL;
    }
    if (client->out_end + bytes > client->out_size) {
        uint8_t *out = realloc(client->out, client->out_end + bytes);
        if (!out) {
            (void)hg_client_fail_memory(client);
            return NULL;
        }
        client->out = out;
        client->out_size = client->out_end + bytes;
    }
    return client->out + client->out_end;
}

void hg_client_queued(hologram_client *client, size_t bytes)
{
    client->out_end += bytes;
    client->out_requests++;
}
