/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets: the Unix socket that clients connect to, and HTTP's.
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_LISTENER_H
#define HG_DAEMON_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/loop.h"

struct hg_listener;
struct hg_config;

/* Gets an accepted descriptor, non-blocking and close-on-exec, and takes it. */
typedef void hg_accept_fn(void *context, int fd);

struct hg_listener_options {
    int fd;           /* listening; taken, also on error */
    const char *path; /* of a socket that is removed at the end; NULL: leave it. Copied */
    int lock_fd;      /* taken; -1: none */
    int *reserve_fd;  /* given up and got again when descriptors run out. Borrowed */
    hg_accept_fn *accept;
    void *context;
};
HG_MUST_CHECK enum hg_status hg_listener_create(struct hg_loop *loop,
                                                const struct hg_listener_options *options,
                                                struct hg_listener **listener,
                                                struct hg_error *error);
/* Stops accepting and removes the path. NULLs *LISTENER. */
void hg_listener_close(struct hg_listener **listener);

/* The descriptor that is kept for refusing connections when there are no others. */
int hg_listener_reserve(void);

/* ---- sockets (socket.c) -------------------------------------------------------------------------
 */

struct hg_unix_socket {
    int fd;
    int lock_fd; /* keeps other daemons off the path */
    char path[108];
};
/*
 * Binds and listens as the configuration says. A socket that nobody serves any more is replaced.
 * Errors: ALREADY_EXISTS (path in use), INVALID_ARGUMENT (too long, unknown owner or group, no
 * socket), PERMISSION_DENIED.
 */
HG_MUST_CHECK enum hg_status hg_unix_socket_open(const struct hg_config *config,
                                                 struct hg_unix_socket *result,
                                                 struct hg_error *error);

struct hg_tcp_socket {
    int fd;
    char address[64]; /* as bound, "127.0.0.1:9464" or "[::1]:9464" */
    bool loopback;
};
/* TEXT is address:port or [address]:port. The caller names the option in the error. */
HG_MUST_CHECK enum hg_status hg_tcp_socket_open(const char *text, struct hg_tcp_socket *result,
                                                struct hg_error *error);

/* Group NAME's id. INVALID_ARGUMENT if there is none. */
HG_MUST_CHECK enum hg_status hg_group_find(const char *name, gid_t *gid, struct hg_error *error);

#endif
