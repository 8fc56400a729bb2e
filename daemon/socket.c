/* SPDX-License-Identifier: Apache-2.0 */
/* Opens listening sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/limits.h"
#include "daemon/listener.h"

_Static_assert(sizeof(((struct hg_unix_socket *)0)->path) ==
                   sizeof(((struct sockaddr_un *)0)->sun_path),
               "a path of any length that the kernel takes");

/* ---- the Unix socket ----------------------------------------------------------------------------
 */

/* The configured path, or hologram.sock in the first of the usual directories. */
static enum hg_status choose_path(const struct hg_config *config, char *path, size_t size,
                                  struct hg_error *error)
{
    const char *const runtime = getenv("RUNTIME_DIRECTORY");
    const char *const user_runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    if (config->server_socket[0] != '\0') {
        length = snprintf(path, size, "%s", config->server_socket);
    } else if (runtime != NULL && runtime[0] == '/') {
        /* systemd separates several directories by colons; the first is ours. */
        length = snprintf(path, size, "%.*s/hologram.sock", (int)strcspn(runtime, ":"), runtime);
    } else if (user_runtime != NULL && user_runtime[0] == '/') {
        length = snprintf(path, size, "%s/hologram.sock", user_runtime);
    } else {
        length = snprintf(path, size, "/run/hologram/hologram.sock");
    }
    if (length < 0 || (size_t)length >= size) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "socket path: expected at most %zu characters, got %d", size - 1, length);
    }
    return HG_OK;
}

static enum hg_status fail_errno(struct hg_error *error, const char *path, const char *what)
{
    const int code = errno;
    const enum hg_status status =
        code == EACCES || code == EPERM ? HG_PERMISSION_DENIED : HG_INVALID_ARGUMENT;
    return hg_fail(error, status, "socket %s: %s: %s", path, what, strerror(code));
}

static enum hg_status fail_in_use(struct hg_error *error, const char *path)
{
    return hg_fail(error, HG_ALREADY_EXISTS, "socket path in use: %s", path);
}

/* A lock beside the socket, held for life: two daemons that start at once cannot both find the
 * other's socket stale. */
static enum hg_status lock_path(const char *path, int *lock_fd, struct hg_error *error)
{
    char lock_path_text[128];
    snprintf(lock_path_text, sizeof(lock_path_text), "%s.lock", path);
    const int fd = open(lock_path_text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fail_errno(error, path, "lock file");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return fail_in_use(error, path);
    }
    *lock_fd = fd;
    return HG_OK;
}

/* Removes a socket that nobody listens on. */
static enum hg_status remove_stale(const struct sockaddr_un *address, struct hg_error *error)
{
    const char *path = address->sun_path;
    struct stat status;
    if (lstat(path, &status) != 0) {
        return errno == ENOENT ? HG_OK : fail_errno(error, path, "look at it");
    }
    if (!S_ISSOCK(status.st_mode)) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "socket %s: something that is no socket is there", path);
    }
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return fail_errno(error, path, "socket");
    }
    const int connected = connect(probe, (const struct sockaddr *)address, sizeof(*address));
    const int code = errno;
    close(probe);
    if (connected == 0 || code != ECONNREFUSED) {
        return fail_in_use(error, path);
    }
    return unlink(path) == 0 ? HG_OK : fail_errno(error, path, "remove the stale socket");
}

enum hg_status hg_group_find(const char *name, gid_t *gid, struct hg_error *error)
{
    const struct group *group = getgrnam(name);
    if (group == NULL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "unknown group %s", name);
    }
    *gid = group->gr_gid;
    return HG_OK;
}

/* Gives the bound socket its owner and mode, before anyone can connect. */
static enum hg_status set_owner(const struct hg_config *config, const char *path,
                                struct hg_error *error)
{
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    if (config->server_socket_owner[0] != '\0') {
        const struct passwd *user = getpwnam(config->server_socket_owner);
        if (user == NULL) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "server.socket_owner: unknown user %s",
                           config->server_socket_owner);
        }
        uid = user->pw_uid;
    }
    if (config->server_socket_group[0] != '\0' &&
        hg_group_find(config->server_socket_group, &gid, error) != HG_OK) {
        return hg_error_prefix(error, "server.socket_group");
    }
    if ((uid != (uid_t)-1 || gid != (gid_t)-1) && chown(path, uid, gid) != 0) {
        return fail_errno(error, path, "set its owner");
    }
    if (chmod(path, (mode_t)config->server_socket_mode) != 0) {
        return fail_errno(error, path, "set its mode");
    }
    return HG_OK;
}

static enum hg_status bind_unix(const struct hg_config *config, const struct sockaddr_un *address,
                                int fd, struct hg_error *error)
{
    const char *path = address->sun_path;
    const mode_t mask = umask(0177);
    const int bound = bind(fd, (const struct sockaddr *)address, sizeof(*address));
    umask(mask);
    if (bound != 0) {
        return fail_errno(error, path, "bind");
    }
    enum hg_status status = set_owner(config, path, error);
    if (status == HG_OK && listen(fd, HG_LISTEN_BACKLOG) != 0) {
        status = fail_errno(error, path, "listen");
    }
    if (status != HG_OK) {
        unlink(path);
    }
    return status;
}

enum hg_status hg_unix_socket_open(const struct hg_config *config, struct hg_unix_socket *result,
                                   struct hg_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int lock_fd = -1;
    if (choose_path(config, address.sun_path, sizeof(address.sun_path), error) != HG_OK ||
        lock_path(address.sun_path, &lock_fd, error) != HG_OK) {
        return error->status;
    }
    if (remove_stale(&address, error) != HG_OK) {
        goto close_lock;
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        (void)fail_errno(error, address.sun_path, "socket");
        goto close_lock;
    }
    if (bind_unix(config, &address, fd, error) != HG_OK) {
        close(fd);
        goto close_lock;
    }
    result->fd = fd;
    result->lock_fd = lock_fd;
    memcpy(result->path, address.sun_path, sizeof(result->path));
    return HG_OK;

close_lock:
    close(lock_fd);
    return error->status;
}

/* ---- TCP ----------------------------------------------------------------------------------------
 */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static enum hg_status fail_address(struct hg_error *error, const char *text)
{
    return hg_fail(error, HG_INVALID_ARGUMENT,
                   "expected address:port, [address]:port or off, got \"%.80s\"", text);
}

static bool parse_port(const char *text, in_port_t *port)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    const unsigned long value = strtoul(text, &end, 10);
    *port = htons((uint16_t)value);
    return *end == '\0' && value <= 65535;
}

static enum hg_status parse_address(const char *text, union address *address, socklen_t *length,
                                    struct hg_error *error)
{
    char host[64];
    const bool bracket = text[0] == '[';
    const char *end = bracket ? strstr(text, "]:") : strrchr(text, ':');
    const char *start = text + (bracket ? 1 : 0);
    if (end == NULL || (size_t)(end - start) >= sizeof(host)) {
        return fail_address(error, text);
    }
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    const char *port = end + (bracket ? 2 : 1);
    memset(address, 0, sizeof(*address));
    if (bracket) {
        address->v6.sin6_family = AF_INET6;
        *length = sizeof(address->v6);
        return inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1 &&
                       parse_port(port, &address->v6.sin6_port)
                   ? HG_OK
                   : fail_address(error, text);
    }
    address->v4.sin_family = AF_INET;
    *length = sizeof(address->v4);
    return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 &&
                   parse_port(port, &address->v4.sin_port)
               ? HG_OK
               : fail_address(error, text);
}

static void describe(const union address *address, struct hg_tcp_socket *result)
{
    char host[INET6_ADDRSTRLEN];
    if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        snprintf(result->address, sizeof(result->address), "[%s]:%u", host,
                 ntohs(address->v6.sin6_port));
        result->loopback = IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
        return;
    }
    inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
    snprintf(result->address, sizeof(result->address), "%s:%u", host, ntohs(address->v4.sin_port));
    result->loopback = (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127;
}

enum hg_status hg_tcp_socket_open(const char *text, struct hg_tcp_socket *result,
                                  struct hg_error *error)
{
    union address address = {0};
    socklen_t length = 0;
    const int one = 1;
    if (parse_address(text, &address, &length, error) != HG_OK) {
        return error->status;
    }
    const int fd =
        socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "%s: %s", text, strerror(errno));
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, &address.any, length) != 0 || listen(fd, HG_LISTEN_BACKLOG) != 0 ||
        getsockname(fd, &address.any, &length) != 0) {
        (void)hg_fail(error, errno == EADDRINUSE ? HG_ALREADY_EXISTS : HG_INVALID_ARGUMENT,
                      "%s: %s", text, strerror(errno));
        close(fd);
        return error->status;
    }
    result->fd = fd;
    describe(&address, result);
    return HG_OK;
}
