/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_BYTES  24
#define MESSAGE_BYTES (1 << 20)

/* ---- allocations that fail (the linker wraps them) ------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static _Thread_local bool armed;
static _Thread_local bool fired;
static _Thread_local uint64_t left;

void fake_fail_allocations(uint64_t skip)
{
    armed = true;
    fired = false;
    left = skip;
}

bool fake_allocations_failed(void)
{
    armed = false;
    return fired;
}

static bool refuse(void)
{
    if (!armed) {
        return false;
    }
    if (left > 0) {
        left--;
        return false;
    }
    fired = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return refuse() ? NULL : __real_realloc(block, size);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void store(uint8_t *bytes, uint64_t value, int count)
{
    for (int i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t load(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static bool receive(int fd, uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t part = recv(fd, bytes, count, MSG_WAITALL);
        if (part <= 0) {
            return false;
        }
        bytes += part;
        count -= (size_t)part;
    }
    return true;
}

bool fake_send_bytes(struct fake *fake, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    while (count > 0) {
        ssize_t part = send(fake->fd, from, count, MSG_NOSIGNAL);
        if (part <= 0) {
            return false;
        }
        from += part;
        count -= (size_t)part;
    }
    return true;
}

bool fake_send_frame(struct fake *fake, const void *message, size_t bytes, const void *payload,
                     uint64_t payload_bytes)
{
    uint8_t header[HEADER_BYTES] = {'H', 'G', 'R', 'M', 1};
    store(header + 8, bytes, 4);
    store(header + 16, payload_bytes, 8);
    return fake_send_bytes(fake, header, sizeof header) && fake_send_bytes(fake, message, bytes) &&
           (!payload || fake_send_bytes(fake, payload, payload_bytes));
}

bool fake_send(struct fake *fake, const Hologram__V1__Response *response, const void *payload,
               uint64_t payload_bytes)
{
    size_t bytes = hologram__v1__response__get_packed_size(response);
    uint8_t *message = malloc(bytes + 1);
    hologram__v1__response__pack(response, message);
    bool sent = fake_send_frame(fake, message, bytes, payload, payload_bytes);
    free(message);
    return sent;
}

size_t fake_pack(const Hologram__V1__Response *response, void *frame, size_t size)
{
    size_t bytes = hologram__v1__response__get_packed_size(response);
    uint8_t *at = frame;
    if (HEADER_BYTES + bytes > size) {
        abort();
    }
    memset(at, 0, HEADER_BYTES);
    static const uint8_t start[] = {'H', 'G', 'R', 'M', 1};
    memcpy(at, start, sizeof start);
    store(at + 8, bytes, 4);
    hologram__v1__response__pack(response, at + HEADER_BYTES);
    return HEADER_BYTES + bytes;
}

bool fake_send_fds(struct fake *fake, const void *bytes, size_t count, const int *fds,
                   size_t fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FAKE_FDS_MAX * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    return sendmsg(fake->fd, &message, MSG_NOSIGNAL) == (ssize_t)count;
}

bool fake_ok(struct fake *fake, const Hologram__V1__Request *request)
{
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    return fake_send(fake, &response, NULL, 0);
}

bool fake_fail(struct fake *fake, uint64_t id, hologram_status status, const char *text)
{
    Hologram__V1__Status failure = HOLOGRAM__V1__STATUS__INIT;
    failure.code = status;
    failure.message = (char *)text;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = id;
    response.status = &failure;
    return fake_send(fake, &response, NULL, 0);
}

bool fake_greet(struct fake *fake, const Hologram__V1__Request *request)
{
    char *features[] = {(char *)"batch", (char *)"programs"};
    Hologram__V1__Limits limits = HOLOGRAM__V1__LIMITS__INIT;
    limits.message_bytes_max = 1 << 20;
    limits.payload_bytes_max = FAKE_PAYLOAD_MAX;
    limits.requests_in_flight_max = 256;
    limits.batch_steps_max = 4;
    Hologram__V1__HelloResult hello = HOLOGRAM__V1__HELLO_RESULT__INIT;
    hello.protocol_version = 1;
    hello.server_version = (char *)"1.2.3";
    hello.n_features = 2;
    hello.features = features;
    hello.limits = &limits;
    hello.session_id = 77;
    hello.admin = true;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_HELLO;
    response.hello = &hello;
    return fake_send(fake, &response, NULL, 0);
}

/* One request. False at the end of the connection. */
static bool serve_one(struct fake *fake, uint8_t *message)
{
    uint8_t header[HEADER_BYTES];
    if (!receive(fake->fd, header, sizeof header)) {
        return false;
    }
    size_t bytes = load(header + 8, 4);
    fake->payload_bytes = load(header + 16, 8);
    if (memcmp(header, "HGRM\1\0\0\0", 8) != 0 || load(header + 12, 4) != 0 ||
        bytes > MESSAGE_BYTES || fake->payload_bytes > FAKE_PAYLOAD_MAX ||
        !receive(fake->fd, message, bytes) ||
        !receive(fake->fd, fake->payload, fake->payload_bytes)) {
        return false;
    }
    Hologram__V1__Request *request = hologram__v1__request__unpack(NULL, bytes, message);
    if (!request) {
        return false;
    }
    fake_handler *handler = fake->handler;
    if (request->body_case == HOLOGRAM__V1__REQUEST__BODY_HELLO) {
        handler = fake->greeting ? fake->greeting : fake_greet;
    }
    bool more = handler(fake, request);
    hologram__v1__request__free_unpacked(request, NULL);
    return more;
}

static void *serve(void *argument)
{
    struct fake *fake = argument;
    uint8_t *message = malloc(MESSAGE_BYTES);
    while (serve_one(fake, message)) {
    }
    free(message);
    close(fake->fd);
    return NULL;
}

void fake_start(struct fake *fake, fake_handler *handler, void *context)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        abort();
    }
    fake->fd = ends[0];
    fake->client_fd = ends[1];
    fake->handler = handler;
    fake->context = context;
    if (pthread_create(&fake->thread, NULL, serve, fake) != 0) {
        abort();
    }
}

void fake_connect(struct fake *fake, fake_handler *handler, void *context, hologram_client **client)
{
    fake_start(fake, handler, context);
    hologram_error error;
    if (hologram_connect_fd(fake->client_fd, NULL, client, &error) != HOLOGRAM_OK) {
        abort();
    }
}

void fake_join(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
}
