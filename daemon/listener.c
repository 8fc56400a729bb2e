/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"

struct hg_listener {
    int fd;
    int lock_fd;
    int *reserve_fd;
    struct hg_watch *watch;
    hg_accept_fn *accept;
    void *context;
    char path[108];
    dev_t device; /* of the socket file: somebody may have put another one there */
    ino_t inode;
};

int hg_listener_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * No descriptor is left: the connection would stay in the queue and wake the loop for ever. The
 * reserve is given up for it, so that it can be taken and closed.
 */
static void refuse_one(struct hg_listener *listener)
{
    HG_LOG_ERROR(LISTENER, "out of descriptors: refusing a connection");
    if (*listener->reserve_fd >= 0) {
        close(*listener->reserve_fd);
    }
    const int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    *listener->reserve_fd = hg_listener_reserve();
}

static void accept_cb(void *context, unsigned events)
{
    struct hg_listener *listener = context;
    (void)events;
    for (unsigned i = 0; i < HG_ACCEPTS_PER_TURN; i++) {
        const int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->accept(listener->context, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            refuse_one(listener);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void remember_path(struct hg_listener *listener, const char *path)
{
    struct stat status;
    if (path == NULL || strlen(path) >= sizeof(listener->path) || stat(path, &status) != 0) {
        return;
    }
    memcpy(listener->path, path, strlen(path) + 1);
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
}

enum hg_status hg_listener_create(struct hg_loop *loop, const struct hg_listener_options *options,
                                  struct hg_listener **listener, struct hg_error *error)
{
    struct hg_listener *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "listener: out of memory");
        goto close_fds;
    }
    self->fd = options->fd;
    self->lock_fd = options->lock_fd;
    self->reserve_fd = options->reserve_fd;
    self->accept = options->accept;
    self->context = options->context;
    remember_path(self, options->path);
    if (hg_watch_create(loop, self->fd, accept_cb, self, &self->watch, error) != HG_OK) {
        goto free_memory;
    }
    hg_watch_set(self->watch, HG_WATCH_READ);
    *listener = self;
    return HG_OK;

free_memory:
    hg_free(HG_TAG_TRANSPORT, self);
close_fds:
    close(options->fd);
    if (options->lock_fd >= 0) {
        close(options->lock_fd);
    }
    return error->status;
}

static void remove_path(const struct hg_listener *listener)
{
    struct stat status;
    if (listener->path[0] != '\0' && lstat(listener->path, &status) == 0 &&
        status.st_dev == listener->device && status.st_ino == listener->inode) {
        unlink(listener->path);
    }
}

void hg_listener_close(struct hg_listener **listener)
{
    struct hg_listener *self = *listener;
    if (self == NULL) {
        return;
    }
    hg_watch_close(&self->watch);
    remove_path(self);
    close(self->fd);
    if (self->lock_fd >= 0) {
        close(self->lock_fd);
    }
    hg_free(HG_TAG_TRANSPORT, self);
    *listener = NULL;
}
