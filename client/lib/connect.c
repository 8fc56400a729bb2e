/* SPDX-License-Identifier: Apache-2.0 */
/* Where the server is, connecting, greeting, closing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/lib/internal.h"

#define CONNECT_TIMEOUT_US 5000000u
#define CLIENT_NAME_MAX    64
#define BACKLOG_RETRY_NS   2000000 /* a full backlog is tried again this often */

static hologram_status copy_path(const char *directory, const char *file, char *path, size_t size)
{
    int length = snprintf(path, size, "%s%s%s", directory, *file ? "/" : "", file);
    return length >= 0 && (size_t)length < size ? HOLOGRAM_OK : HOLOGRAM_INVALID_ARGUMENT;
}

hologram_status hologram_socket_path(const hologram_options *options, char *path, size_t size)
{
    static const char *const directories[] = {"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"};
    if (options && options->socket_path) {
        return copy_path(options->socket_path, "", path, size);
    }
    const char *value = getenv("HOLOGRAM_SOCKET");
    if (value && *value) {
        return copy_path(value, "", path, size);
    }
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        value = getenv(directories[i]);
        if (value && *value) {
            return copy_path(value, "hologram.sock", path, size);
        }
    }
    return copy_path("/run/hologram", "hologram.sock", path, size);
}

/* ---- the socket ------------------------------------------------------------------------------ */

static hologram_status connect_status(int code)
{
    switch (code) {
    case EACCES:
    case EPERM:
        return HOLOGRAM_PERMISSION_DENIED;
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return HOLOGRAM_RESOURCE_EXHAUSTED;
    default:
        return HOLOGRAM_UNAVAILABLE;
    }
}

/* Connects FD, which does not block: a full backlog is tried again until DEADLINE_NS. */
static hologram_status connect_fd(int fd, const struct sockaddr_un *address, uint64_t deadline_ns,
                                  hologram_error *error)
{
    for (;;) {
        if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
            errno == EISCONN) {
            return HOLOGRAM_OK;
        }
        if (errno != EAGAIN && errno != EINTR) {
            int code = errno;
            return hg_client_error(error, connect_status(code), "cannot connect to %s: %s",
                                   address->sun_path, strerror(code));
        }
        if (hg_client_now_ns() >= deadline_ns) {
            return hg_client_error(error, HOLOGRAM_DEADLINE_EXCEEDED,
                                   "cannot connect to %s: the server accepts nobody",
                                   address->sun_path);
        }
        struct timespec pause = {.tv_nsec = BACKLOG_RETRY_NS};
        nanosleep(&pause, NULL);
    }
}

static hologram_status open_socket(const hologram_options *options, uint64_t deadline_ns, int *fd,
                                   hologram_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (hologram_socket_path(options, address.sun_path, sizeof address.sun_path) != HOLOGRAM_OK) {
        return hg_client_error(error, HOLOGRAM_INVALID_ARGUMENT,
                               "the socket's path is longer than %zu bytes",
                               sizeof address.sun_path - 1);
    }
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0) {
        int code = errno;
        return hg_client_error(error, connect_status(code), "cannot make a socket: %s",
                               strerror(code));
    }
    hologram_status status = connect_fd(sock, &address, deadline_ns, error);
    if (status != HOLOGRAM_OK) {
        close(sock);
        return status;
    }
    *fd = sock;
    return HOLOGRAM_OK;
}

/* Calls that must not block say so one by one; see wire.c. */
static bool set_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

/* ---- the client ------------------------------------------------------------------------------ */

static hologram_client *new_client(int fd, const hologram_options *options)
{
    hologram_client *client = calloc(1, sizeof *client);
    if (!client) {
        return NULL;
    }
    client->fd = fd;
    client->next_id = 1;
    client->epoch = hg_client_now_ns();
    client->reply_fd = -1;
    client->send_fd = -1;
    client->in_size = HG_CLIENT_IN_BYTES;
    client->in = malloc(client->in_size);
    client->out_size = HG_CLIENT_OUT_BYTES;
    client->out = malloc(client->out_size);
    if (options) {
        client->spin_us = options->spin_us;
    }
    if (!client->in || !client->out) {
        client->fd = -1;
        hologram_close(&client);
    }
    return client;
}

static void default_name(char *name, size_t size)
{
    const char *program = program_invocation_short_name;
    hg_client_copy_text(name, size, program ? program : "");
}

static hologram_status greet(hologram_client *client, const hologram_options *options,
                             uint64_t deadline_ns)
{
    char name[CLIENT_NAME_MAX + 1];
    default_name(name, sizeof name);
    if (options && options->client_name) {
        hg_client_copy_text(name, sizeof name, options->client_name);
    }
    struct hg_client_want want = {.take = hg_client_take_hello, .deadline_ns = deadline_ns};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_hello(client, ticket, name));
}

static uint64_t connect_deadline(const hologram_options *options)
{
    uint64_t timeout_us = options && options->connect_timeout_us != 0 ? options->connect_timeout_us
                                                                      : CONNECT_TIMEOUT_US;
    return hg_client_now_ns() + timeout_us * 1000u;
}

/* Takes FD. */
static hologram_status start(int fd, const hologram_options *options, uint64_t deadline_ns,
                             hologram_client **client, hologram_error *error)
{
    hologram_client *made = set_blocking(fd) ? new_client(fd, options) : NULL;
    if (!made) {
        close(fd);
        return hg_client_error(error, HOLOGRAM_RESOURCE_EXHAUSTED, "out of memory in the client");
    }
    hologram_status status = greet(made, options, deadline_ns);
    if (status != HOLOGRAM_OK) {
        if (error) {
            *error = made->error;
        }
        hologram_close(&made);
        return status;
    }
    made->timeout_us = options ? options->timeout_us : 0;
    *client = made;
    return HOLOGRAM_OK;
}

hologram_status hologram_connect(const hologram_options *options, hologram_client **client,
                                 hologram_error *error)
{
    uint64_t deadline_ns = connect_deadline(options);
    int fd = -1;
    hologram_status status = open_socket(options, deadline_ns, &fd, error);
    return status == HOLOGRAM_OK ? start(fd, options, deadline_ns, client, error) : status;
}

hologram_status hologram_connect_fd(int fd, const hologram_options *options,
                                    hologram_client **client, hologram_error *error)
{
    return start(fd, options, connect_deadline(options), client, error);
}

void hologram_close(hologram_client **client)
{
    hologram_client *gone = *client;
    *client = NULL;
    if (!gone) {
        return;
    }
    if (gone->fd >= 0) {
        close(gone->fd);
    }
    hg_client_close_fds(gone);
    hg_client_slots_free(gone);
    hg_client_arena_free(&gone->arena);
    hg_client_arena_free(&gone->hello_arena);
    free(gone->opened);
    free(gone->in);
    free(gone->out);
    free(gone);
}

int hologram_fd(const hologram_client *client)
{
    return client->fd;
}

void hologram_set_timeout(hologram_client *client, uint64_t timeout_us)
{
    client->timeout_us = timeout_us;
}

void hologram_set_stream(hologram_client *client, uint32_t stream)
{
    client->stream = stream;
}

const hologram_server_info *hologram_server(const hologram_client *client)
{
    return &client->server;
}
