/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a Unix socket, with descriptors that come with answers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/mixed/mixed.h"

#define FRAME_BYTES 24
static const uint8_t frame_start[] = {'H', 'G', 'R', 'M', 1}; /* and version 1 */
#define PATIENCE_MS 60000

struct bytes {
    uint8_t *data;
    size_t begin; /* taken up to here */
    size_t end;
    size_t room;
};

struct native {
    struct mixed_client *client;
    int fd;
    struct bytes out;
    struct bytes in;
    size_t frame_bytes; /* of the answer given last: to be dropped */
    int fds[16];        /* received, oldest first */
    unsigned fd_count;
};

/* Makes room for MORE bytes at the end. */
static void reserve(struct bytes *bytes, size_t more)
{
    if (bytes->begin != 0) {
        memmove(bytes->data, bytes->data + bytes->begin, bytes->end - bytes->begin);
        bytes->end -= bytes->begin;
        bytes->begin = 0;
    }
    if (bytes->room - bytes->end < more) {
        bytes->room = (bytes->end + more) * 2;
        bytes->data = realloc(bytes->data, bytes->room);
        if (bytes->data == NULL) {
            abort();
        }
    }
}

static void *native_open(struct mixed_client *client)
{
    struct native *native = calloc(1, sizeof(*native));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (native == NULL) {
        abort();
    }
    native->client = client;
    strncpy(address.sun_path, client->path, sizeof(address.sun_path) - 1);
    native->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(native->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        mixed_fail(client, "connect: %s", strerror(errno));
    }
    return native;
}

static void put_u32(uint8_t *out, uint32_t value)
{
    memcpy(out, &value, sizeof(value)); /* little-endian, as every machine this runs on */
}

static void native_send(void *pipe, const Hologram__V1__Request *request, const void *payload,
                        size_t payload_bytes)
{
    struct native *native = pipe;
    const size_t message = hologram__v1__request__get_packed_size(request);
    reserve(&native->out, FRAME_BYTES + message + payload_bytes);
    uint8_t *out = native->out.data + native->out.end;
    memset(out, 0, FRAME_BYTES);
    memcpy(out, frame_start, sizeof(frame_start));
    put_u32(out + 8, (uint32_t)message);
    put_u32(out + 16, (uint32_t)payload_bytes);
    hologram__v1__request__pack(request, out + FRAME_BYTES);
    if (payload_bytes != 0) {
        memcpy(out + FRAME_BYTES + message, payload, payload_bytes);
    }
    native->out.end += FRAME_BYTES + message + payload_bytes;
}

static void flush(struct native *native)
{
    struct bytes *out = &native->out;
    while (out->begin != out->end) {
        const ssize_t size = send(native->fd, out->data + out->begin, out->end - out->begin,
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN) {
            return;
        }
        if (size < 0) {
            mixed_fail(native->client, "send: %s", strerror(errno));
        }
        out->begin += (size_t)size;
    }
}

static void take_descriptors(struct native *native, struct msghdr *message)
{
    struct cmsghdr *part = CMSG_FIRSTHDR(message);
    for (; part != NULL; part = CMSG_NXTHDR(message, part)) {
        const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (native->fd_count + count > sizeof(native->fds) / sizeof(native->fds[0])) {
            mixed_fail(native->client, "more descriptors than buffers");
        }
        memcpy(native->fds + native->fd_count, CMSG_DATA(part), count * sizeof(int));
        native->fd_count += (unsigned)count;
    }
}

/* Takes what has arrived. */
static void fill(struct native *native)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control;
    reserve(&native->in, 1 << 16);
    struct iovec piece = {native->in.data + native->in.end, native->in.room - native->in.end};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    const ssize_t size = recvmsg(native->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size == 0) {
        mixed_fail(native->client, "the daemon closed the connection");
    }
    if (size < 0 && errno != EAGAIN) {
        mixed_fail(native->client, "recv: %s", strerror(errno));
    }
    if (size > 0) {
        take_descriptors(native, &message);
        native->in.end += (size_t)size;
    }
}

/* Bytes of the frame at the front, if it is there as a whole; else 0. */
static size_t whole_frame(const struct native *native, uint32_t *message)
{
    const uint8_t *data = native->in.data + native->in.begin;
    const size_t size = native->in.end - native->in.begin;
    uint64_t payload;
    if (size < FRAME_BYTES) {
        return 0;
    }
    memcpy(message, data + 8, sizeof(*message));
    memcpy(&payload, data + 16, sizeof(payload));
    const size_t whole = FRAME_BYTES + *message + (size_t)payload;
    return size >= whole ? whole : 0;
}

static bool native_receive(void *pipe, bool wait, struct pipe_answer *answer)
{
    struct native *native = pipe;
    uint32_t message;
    native->in.begin += native->frame_bytes;
    native->frame_bytes = 0;
    flush(native);
    while ((native->frame_bytes = whole_frame(native, &message)) == 0) {
        struct pollfd poll_fd = {.fd = native->fd, .events = POLLIN};
        if (native->out.begin != native->out.end) {
            poll_fd.events |= POLLOUT;
        }
        const int ready = poll(&poll_fd, 1, wait ? PATIENCE_MS : 0);
        if (ready == 0 && wait) {
            mixed_fail(native->client, "no answer for %d ms", PATIENCE_MS);
        }
        if (ready == 0) {
            return false;
        }
        flush(native);
        fill(native);
    }
    const uint8_t *data = native->in.data + native->in.begin;
    answer->response = hologram__v1__response__unpack(NULL, message, data + FRAME_BYTES);
    if (memcmp(data, frame_start, sizeof(frame_start)) != 0 || answer->response == NULL) {
        mixed_fail(native->client, "a frame that is none");
    }
    answer->payload = data + FRAME_BYTES + message;
    answer->payload_bytes = native->frame_bytes - FRAME_BYTES - message;
    answer->fd = -1;
    if (answer->response->body_case == HOLOGRAM__V1__RESPONSE__BODY_ALLOC &&
        native->fd_count != 0) {
        answer->fd = native->fds[0];
        native->fd_count--;
        memmove(native->fds, native->fds + 1, native->fd_count * sizeof(int));
    }
    return true;
}

static void native_close(void *pipe)
{
    struct native *native = pipe;
    for (unsigned i = 0; i < native->fd_count; i++) {
        close(native->fds[i]);
    }
    close(native->fd);
    free(native->out.data);
    free(native->in.data);
    free(native);
}

static void native_abandon(void *pipe)
{
    struct native *native = pipe;
    flush(native); /* as far as it goes: often in the middle of a frame */
    native_close(native);
}

const struct pipe_kind native_pipe = {
    .open = native_open,
    .send = native_send,
    .receive = native_receive,
    .close = native_close,
    .abandon = native_abandon,
};

void pipe_answer_free(struct pipe_answer *answer)
{
    hologram__v1__response__free_unpacked(answer->response, NULL);
    if (answer->fd >= 0) {
        close(answer->fd);
    }
}
