/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floors that the rpc suite stands beside, each a process of its own on a Unix socket, and the
 * private daemon that it measures. Peers sleep in the kernel between messages, as the daemon does
 * with poll_us = 0: all sides use one polling mode.
 */
#ifndef HG_TESTS_BENCH_PEERS_H
#define HG_TESTS_BENCH_PEERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of one request and of its response on the wire. */
struct peer_sizes {
    size_t request;
    size_t response;
};

struct peer {
    pid_t process;
    int fd; /* connected; blocking */
};

/* A child that does not outlive the benchmark; fork's result. */
pid_t peer_fork(void);

/* A libuv loop that answers each request with a response. */
struct peer peer_start_uv_echo(const char *path, struct peer_sizes sizes);
/* A blocking recv loop that answers all complete requests of one recv with one send. */
struct peer peer_start_raw(struct peer_sizes sizes);
/* The same with a send for each of them. */
struct peer peer_start_raw_singly(struct peer_sizes sizes);
void peer_stop(struct peer *peer);

/* One exchange of COUNT requests in one flight: one send, then recv until all responses are there.
 */
void peer_exchange(const struct peer *peer, struct peer_sizes sizes, size_t count);
/* The same with a send for each request. */
void peer_exchange_singly(const struct peer *peer, struct peer_sizes sizes, size_t count);

/* Starts $HOLOGRAM_BUILD/bin/hologramd on PATH and waits until it can be connected to. */
pid_t daemon_start(const char *path);
void daemon_stop(pid_t process);

/* CPU time that PROCESS has used, in user mode and in the kernel. */
uint64_t process_cpu_ns(pid_t process);

#endif
