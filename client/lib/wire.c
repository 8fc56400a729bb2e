/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from the socket, and frames out of bytes.
 *
 * The socket is in blocking mode; every call that must not block says so (MSG_DONTWAIT).
 *
 *     in:  [done][in_start … in_end)[free]     a frame is decoded when its message is complete;
 *          its payload goes straight to its destination, so `in` is empty while payload_left > 0
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "client/lib/internal.h"

uint64_t hg_client_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static hologram_status break_closed(hologram_client *client)
{
    bool middle = client->payload_left > 0 || client->in_end > client->in_start;
    return hg_client_break(client, HOLOGRAM_UNAVAILABLE, "the server closed the connection%s",
                           middle ? " in the middle of an answer" : "");
}

hologram_status hg_client_break_errno(hologram_client *client, const char *call)
{
    int code = errno;
    if (code == EPIPE || code == ECONNRESET) {
        return break_closed(client);
    }
    return hg_client_break(client, HOLOGRAM_UNAVAILABLE, "%s: %s", call, strerror(code));
}

hologram_status hg_client_await(hologram_client *client, short events, uint64_t deadline_ns,
                                short *came)
{
    for (;;) {
        int timeout_ms = -1;
        if (deadline_ns != 0) {
            uint64_t now_ns = hg_client_now_ns();
            uint64_t left_ms = now_ns < deadline_ns ? (deadline_ns - now_ns) / 1000000u + 1 : 0;
            timeout_ms = left_ms > 3600000u ? 3600000 : (int)left_ms;
        }
        struct pollfd wanted = {.fd = client->fd, .events = events};
        int count = poll(&wanted, 1, timeout_ms);
        if (count > 0) {
            *came = wanted.revents;
            return HOLOGRAM_OK;
        }
        if (count < 0 && errno != EINTR) {
            return hg_client_break_errno(client, "poll");
        }
        if (count == 0 && hg_client_now_ns() >= deadline_ns) {
            *came = 0;
            return HOLOGRAM_OK;
        }
    }
}

/* Makes room for a frame of BYTES bytes. */
static hologram_status grow_in(hologram_client *client, size_t bytes)
{
    if (bytes <= client->in_size) {
        return HOLOGRAM_OK;
    }
    uint8_t *in = realloc(client->in, bytes);
    if (!in) {
        return hg_client_break(client, HOLOGRAM_RESOURCE_EXHAUSTED,
                               "out of memory for an answer of %zu bytes", bytes);
    }
    client->in = in;
    client->in_size = bytes;
    return HOLOGRAM_OK;
}

struct header {
    uint32_t message_bytes;
    uint64_t payload_bytes;
};

static hologram_status check_header(hologram_client *client, const uint8_t *bytes,
                                    struct header *header)
{
    if (memcmp(bytes, "HGRM", 4) != 0) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "expected a frame of the protocol, got bytes %02x %02x %02x %02x",
                               bytes[0], bytes[1], bytes[2], bytes[3]);
    }
    uint32_t version = (uint32_t)bytes[4] | (uint32_t)bytes[5] << 8;
    if (version != HG_CLIENT_PROTOCOL_VERSION) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "expected a frame of version %u, got version %u",
                               HG_CLIENT_PROTOCOL_VERSION, version);
    }
    header->message_bytes = read_u32(bytes + 8);
    header->payload_bytes = read_u32(bytes + 16) | (uint64_t)read_u32(bytes + 20) << 32;
    if (header->message_bytes > HG_CLIENT_MESSAGE_BYTES_MAX) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "expected a message of at most %u bytes, got one of %u",
                               HG_CLIENT_MESSAGE_BYTES_MAX, header->message_bytes);
    }
    return HOLOGRAM_OK;
}

/* Moves the part of a payload that is in the buffer already. */
static void take_buffered_payload(hologram_client *client)
{
    size_t have = client->in_end - client->in_start;
    size_t part = client->payload_left < have ? (size_t)client->payload_left : have;
    if (client->payload_to) {
        memcpy(client->payload_to, client->in + client->in_start, part);
        client->payload_to += part;
    }
    client->in_start += part;
    client->payload_left -= part;
    if (client->payload_left == 0) {
        hg_client_payload_done(client);
    }
}

/* Most answers say that it went well, and nobody wants to know more. */
static bool take_success(hologram_client *client, const uint8_t *frame, const struct header *header)
{
    uint64_t id;
    bool is_execute;
    return header->payload_bytes == 0 &&
           hg_client_glance(frame + HG_CLIENT_HEADER_BYTES, header->message_bytes, &id,
                            &is_execute) &&
           hg_client_answer_success(client, id, is_execute);
}

/* Decodes every frame that is complete in the buffer. */
static hologram_status take_frames(hologram_client *client)
{
    while (client->in_end - client->in_start >= HG_CLIENT_HEADER_BYTES) {
        struct header header = {0};
        const uint8_t *frame = client->in + client->in_start;
        hologram_status status = check_header(client, frame, &header);
        if (status != HOLOGRAM_OK) {
            return status;
        }
        size_t frame_bytes = (size_t)HG_CLIENT_HEADER_BYTES + header.message_bytes;
        if (client->in_end - client->in_start < frame_bytes) {
            return grow_in(client, frame_bytes);
        }
        if (take_success(client, frame, &header)) {
            client->in_start += frame_bytes;
            continue;
        }
        struct hg_client_reply reply;
        status =
            hg_client_decode(client, frame + HG_CLIENT_HEADER_BYTES, header.message_bytes, &reply);
        if (status == HOLOGRAM_OK) {
            status = hg_client_answer(client, &reply, header.payload_bytes);
        }
        if (status != HOLOGRAM_OK) {
            return status;
        }
        client->in_start += frame_bytes;
        if (client->payload_left > 0) {
            take_buffered_payload(client);
        }
    }
    return HOLOGRAM_OK;
}

/* A recv that keeps descriptors which come along. */
static ssize_t receive_into(hologram_client *client, uint8_t *to, size_t size, int flags)
{
    if (!client->takes_fds) {
        return recv(client->fd, to, size, flags);
    }
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * HG_CLIENT_FDS_MAX)];
    } room;
    struct iovec part = {.iov_base = to, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = sizeof room.bytes};
    ssize_t count = recvmsg(client->fd, &message, flags | MSG_CMSG_CLOEXEC);
    if (count > 0) {
        (void)hg_client_push_fds(client, &message); /* a failure is the connection's */
    }
    return count;
}

/* One recv, to where its bytes belong. -1 with errno, 0 at the end. */
static ssize_t receive_once(hologram_client *client, int flags)
{
    if (client->payload_left > 0 && client->payload_to) {
        size_t want = client->payload_left < SSIZE_MAX ? (size_t)client->payload_left : SSIZE_MAX;
        return receive_into(client, client->payload_to, want, flags);
    }
    size_t have = client->in_end - client->in_start;
    if (client->in_start > 0) {
        memmove(client->in, client->in + client->in_start, have);
        client->in_start = 0;
        client->in_end = have;
    }
    return receive_into(client, client->in + have, client->in_size - have, flags);
}

static hologram_status received(hologram_client *client, size_t bytes)
{
    if (client->payload_left > 0 && client->payload_to) {
        client->payload_to += bytes;
        client->payload_left -= bytes;
        if (client->payload_left == 0) {
            hg_client_payload_done(client);
        }
        return HOLOGRAM_OK;
    }
    client->in_end += bytes;
    if (client->payload_left > 0) {
        take_buffered_payload(client);
    }
    hologram_status status = take_frames(client);
    if (status == HOLOGRAM_OK && client->fd_count > 0 && client->in_start == client->in_end) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "got descriptors that belong to no answer");
    }
    return status;
}

/* Polls without sleeping for the time that the options allow. */
static ssize_t receive_spinning(hologram_client *client)
{
    ssize_t count = receive_once(client, MSG_DONTWAIT);
    if (count >= 0 || client->spin_us == 0) {
        return count;
    }
    uint64_t until_ns = hg_client_now_ns() + (uint64_t)client->spin_us * 1000u;
    while (count < 0 && (errno == EAGAIN || errno == EINTR) && hg_client_now_ns() < until_ns) {
        count = receive_once(client, MSG_DONTWAIT);
    }
    return count;
}

hologram_status hg_client_receive(hologram_client *client, bool block, uint64_t deadline_ns)
{
    if (hg_client_check(client) != HOLOGRAM_OK) {
        return client->failure.status;
    }
    bool sleep_in_recv = block && deadline_ns == 0 && client->spin_us == 0;
    bool spin = block && client->spin_us != 0;
    for (;;) {
        ssize_t count = spin ? receive_spinning(client)
                             : receive_once(client, sleep_in_recv ? 0 : MSG_DONTWAIT);
        if (client->failure.status != HOLOGRAM_OK) {
            return hg_client_check(client);
        }
        if (count > 0) {
            return received(client, (size_t)count);
        }
        if (count == 0) {
            return break_closed(client);
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return hg_client_break_errno(client, "recv");
        }
        if (!block) {
            return HOLOGRAM_OK;
        }
        short came = 0;
        hologram_status status = hg_client_await(client, POLLIN, deadline_ns, &came);
        if (status != HOLOGRAM_OK || came == 0) {
            return status;
        }
        spin = false;
        sleep_in_recv = false;
    }
}
