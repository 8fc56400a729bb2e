/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rpc and move suites stand beside, each a process of its own on Unix sockets, and the
 * private daemon that they measure. Peers sleep in the kernel between messages, as the daemon does
 * with poll_us = 0: all sides use one polling mode.
 *
 * Servers are forked before the program starts C core or a thread.
 */
#ifndef HG_TESTS_BENCH_PEERS_H
#define HG_TESTS_BENCH_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_CLIENTS_MAX 16

/* Bytes of one request and of its response on the wire. */
struct peer_sizes {
    size_t request;
    size_t response;
};

struct peer {
    pid_t process;
    int fds[PEER_CLIENTS_MAX]; /* connected; blocking */
};

/* A child that does not outlive the benchmark; fork's result. */
pid_t peer_fork(void);
/* A directory for sockets, whose path PATH gets; and its end, with all that servers left there. */
void peer_directory_make(char *path, size_t size);
void peer_directory_remove(const char *path);
/* A blocking connection to PATH, as soon as somebody listens there; ends the program if nobody does
 * for five seconds. */
int peer_connect(const char *path);

/* A libuv loop that answers each request with a response, those of one read with one write. */
struct peer peer_start_uv_echo(const char *path, struct peer_sizes sizes);
/* A thread for each connection that answers the complete requests of one recv with one send, or
 * with a send for each of them (SINGLY). */
struct peer peer_start_raw(struct peer_sizes sizes, bool singly);
/* Redis without persistence on PATH; process 0 if it is not installed. */
struct peer peer_start_redis(const char *directory, const char *path);
void peer_stop(struct peer *peer);

/* How one client talks to a peer: WINDOW requests in flight, then their responses. */
struct peer_link {
    int fd;
    struct peer_sizes sizes;
    const char *requests; /* WINDOW of them; NULL: any bytes will do */
    unsigned window;
    bool singly; /* a send for each request, else one for all */
};
/* One exchange over a struct peer_link. Ends the program on failure. */
void peer_exchange(void *link);

/* The value under the key of peer_redis_get is set over FD. */
void peer_redis_fill(int fd);
/* A window of requests for it, and the sizes. */
const char *peer_redis_get(struct peer_sizes *sizes, unsigned window);

/* Starts $HOLOGRAM_BUILD/bin/hologramd on PATH, with metrics on HTTP_LISTEN ("": none), and waits
 * until it can be connected to. */
pid_t daemon_start(const char *path, const char *http_listen);
/* The same with OPTIONS, at most PEER_OPTIONS_MAX of "section.key=value", NULL at their end. */
#define PEER_OPTIONS_MAX 4
pid_t daemon_start_with(const char *path, const char *http_listen, const char *const *options);
void daemon_stop(pid_t process);

/* CPU time that PROCESS has used, in user mode and in the kernel. */
uint64_t process_cpu_ns(pid_t process);

#endif
