/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory from a server that lies: whatever descriptor comes, does not come, or comes with
 * whatever bytes, the client answers with a status, maps nothing that could fault, and keeps no
 * descriptor.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/client/fake.h"

#define BODY(type)  HOLOGRAM__V1__REQUEST__BODY_##type
#define ELEMENTS    1024u
#define BYTES       (ELEMENTS * sizeof(float))
#define FRAME_BYTES 512u

static struct fake fake;

/* What is behind a descriptor that is sent. */
enum kind { SEALED, UNSEALED, SMALL, EMPTY, READ_ONLY, DEV_NULL, PIPE, SOCKET };

/* What the server does with a request for shared memory. */
struct lie {
    const char *text; /* of the error; NULL: it succeeds */
    enum kind kind;
    uint32_t fds;
    uint64_t bytes;  /* that the buffer has, it says; 0: the true ones */
    uint64_t length; /* of its only dimension; 0: the true one */
    uint32_t dtype;  /* 0: the true one */
    uint64_t id;     /* added to the request's */
    size_t cut;      /* bytes of the frame that do not come */
    uint32_t huge;   /* announced size of the message; 0: the true one */
    bool no_flag;    /* it does not say that a descriptor came */
    bool in_ping;    /* the descriptors come with a ping's answer instead */
    bool garbage;    /* the message is none */
    bool stays;      /* the connection is good afterwards */
};

static int memfd_of(size_t bytes, bool sealed)
{
    int fd = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0 ||
        (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
        abort();
    }
    return fd;
}

static int open_kind(enum kind kind)
{
    int ends[2];
    switch (kind) {
    case SEALED:
        return memfd_of(BYTES, true);
    case UNSEALED:
        return memfd_of(BYTES, false);
    case SMALL:
        return memfd_of(BYTES - 1, true);
    case EMPTY:
        return memfd_of(0, true);
    case READ_ONLY: {
        char path[64];
        int fd = memfd_of(BYTES, true);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int reopened = open(path, O_RDONLY | O_CLOEXEC);
        close(fd);
        return reopened;
    }
    case PIPE:
        if (pipe2(ends, O_CLOEXEC) != 0) {
            abort();
        }
        close(ends[1]);
        return ends[0];
    case SOCKET:
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case DEV_NULL:
    default:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    }
}

static bool send_lie(struct fake *server, uint8_t *frame, size_t bytes, const struct lie *lie)
{
    int fds[FAKE_FDS_MAX];
    for (uint32_t i = 0; i < lie->fds; i++) {
        fds[i] = open_kind(lie->kind);
    }
    if (lie->huge != 0) {
        memcpy(frame + 8, &lie->huge, sizeof lie->huge);
    }
    if (lie->garbage) {
        memset(frame + 24, 0xff, bytes - 24);
    }
    bool sent = fake_send_fds(server, frame, bytes - lie->cut, fds, lie->fds);
    for (uint32_t i = 0; i < lie->fds; i++) {
        close(fds[i]);
    }
    return sent && lie->cut == 0;
}

static bool answer_alloc(struct fake *server, const Hologram__V1__Request *request,
                         const struct lie *lie)
{
    uint8_t frame[FRAME_BYTES];
    uint64_t length = lie->length != 0 ? lie->length : ELEMENTS;
    Hologram__V1__BufferInfo info = HOLOGRAM__V1__BUFFER_INFO__INIT;
    Hologram__V1__AllocResult alloc = HOLOGRAM__V1__ALLOC_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    info.id = request->alloc->id;
    info.dtype = lie->dtype != 0 ? (Hologram__V1__DType)lie->dtype : request->alloc->dtype;
    info.n_shape = 1;
    info.shape = &length;
    info.bytes = lie->bytes != 0 ? lie->bytes : BYTES;
    alloc.buffer = &info;
    alloc.descriptor = !lie->no_flag;
    response.id = request->id + lie->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_ALLOC;
    response.alloc = &alloc;
    return send_lie(server, frame, fake_pack(&response, frame, sizeof frame), lie);
}

static bool serve(struct fake *server, const Hologram__V1__Request *request)
{
    static const struct lie truth = {.fds = 1};
    const struct lie *lie = server->context;
    if (request->body_case == BODY(ALLOC)) {
        return answer_alloc(server, request, lie->in_ping ? &truth : lie);
    }
    if (request->body_case == BODY(PING) && lie->in_ping) {
        uint8_t frame[FRAME_BYTES];
        Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
        response.id = request->id;
        return send_lie(server, frame, fake_pack(&response, frame, sizeof frame), lie);
    }
    return fake_ok(server, request);
}

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    assert_non_null(directory);
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

static const hologram_buffer_spec spec = {.dtype = HOLOGRAM_F32, .rank = 1, .shape = {ELEMENTS}};

static hologram_status ask(hologram_client *client, const struct lie *lie, void **memory)
{
    hologram_buffer buffer;
    hologram_status status = hologram_alloc_shared(client, &spec, &buffer, memory);
    return status == HOLOGRAM_OK && lie->in_ping ? hologram_ping(client) : status;
}

static void expect_refusal(const struct lie *lie)
{
    hologram_client *client;
    void *memory = NULL;
    int before = open_descriptors();
    fake_connect(&fake, serve, (void *)lie, &client);
    hologram_status status = ask(client, lie, &memory);
    if (status == HOLOGRAM_OK) { /* the answer was good, and what came with it was not */
        status = hologram_ping(client);
    }
    const char *message = hologram_last_error(client)->message;
    if (status == HOLOGRAM_OK || !strstr(message, lie->text)) {
        fail_msg("'%s': got %s: %s", lie->text, hologram_status_name(status), message);
    }
    assert_int_equal(hologram_ping(client) == HOLOGRAM_OK, lie->stays);
    hologram_unmap(memory, BYTES);
    hologram_close(&client);
    fake_join(&fake);
    assert_int_equal(open_descriptors(), before);
}

/* Wrong memory fails its request only; a wrong number of descriptors, or bytes that are not the
 * protocol, the connection. Nothing stays open. */
static void lies_are_refused(void **state)
{
    (void)state;
    static const struct lie lies[] = {
        {"not sealed", .kind = UNSEALED, .fds = 1, .stays = true},
        {"not sealed", .kind = DEV_NULL, .fds = 1, .stays = true},
        {"not sealed", .kind = PIPE, .fds = 1, .stays = true},
        {"not sealed", .kind = SOCKET, .fds = 1, .stays = true},
        {"smaller than its buffer", .kind = SMALL, .fds = 1, .stays = true},
        {"smaller than its buffer", .kind = EMPTY, .fds = 1, .stays = true},
        {"cannot map 4096 bytes", .kind = READ_ONLY, .fds = 1, .stays = true},
        {"has 8192 bytes", .fds = 1, .bytes = 2 * BYTES, .stays = true},
        {"has 1 bytes", .fds = 1, .bytes = 1, .stays = true},
        {"another type or shape", .fds = 1, .length = 2 * ELEMENTS, .stays = true},
        {"another type or shape", .fds = 1, .dtype = HOLOGRAM_I32, .stays = true},
        {"unknown type", .fds = 1, .dtype = 99, .stays = true},
        {"expected a descriptor with an answer, got none", .fds = 0},
        {"belong to no answer", .fds = 2},
        {"belong to no answer", .fds = 3},
        {"belong to no answer", .fds = FAKE_FDS_MAX},
        {"gave no descriptor", .fds = 1, .no_flag = true},
        {"belong to no answer", .fds = 1, .in_ping = true},
        {"gave no descriptor", .fds = 0, .no_flag = true, .stays = true},
        {"which is not in flight", .fds = 1, .id = 1},
        {"closed", .fds = 1, .cut = 1},
        {"closed", .fds = 1, .cut = 40},
        {"got one of 16777216", .fds = 1, .huge = 1u << 24},
        {"that are none", .fds = 1, .garbage = true},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        expect_refusal(&lies[i]);
    }
}

/* The truth beside them: it is mapped, written to, and outlives the connection. */
static void the_truth_is_mapped(void **state)
{
    (void)state;
    static const struct lie truth = {.fds = 1};
    hologram_client *client;
    void *memory = NULL;
    int before = open_descriptors();
    fake_connect(&fake, serve, (void *)&truth, &client);
    assert_int_equal(ask(client, &truth, &memory), HOLOGRAM_OK);
    hologram_close(&client);
    fake_join(&fake);
    assert_int_equal(open_descriptors(), before);
    memset(memory, 0x5a, BYTES);
    assert_int_equal(((uint8_t *)memory)[BYTES - 1], 0x5a);
    hologram_unmap(memory, BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(the_truth_is_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
