/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a whole: engine, loop, listeners, clients, HTTP, signals.
 *
 *     create ──► run ──SIGTERM──► drain ──► run returns ──► destroy
 *
 * Threads: one thread for everything here.
 */
#ifndef HG_DAEMON_SERVER_H
#define HG_DAEMON_SERVER_H

#include "daemon/completion.h"
#include "daemon/config.h"
#include "daemon/metrics.h"
#include "daemon/session.h"

struct hg_grpc;
struct hg_http;
struct hg_listener;
struct hg_native;
struct hg_notify;
struct hg_warm;

struct hg_server {
    struct hg_config config;
    const char *config_path;      /* for SIGHUP; NULL: none. Borrowed */
    const char *const *overrides; /* "section.key=value", applied after the file. Borrowed */
    uint32_t override_count;

    struct hg_loop *loop;
    struct hg_engine *engine;
    struct hg_completions completions;
    struct hg_request_pool requests;
    struct hg_metrics metrics;
    gid_t admin_group; /* (gid_t)-1: none */

    struct hg_listener *listeners[HG_LISTENERS_MAX];
    uint32_t listener_count;
    int reserve_fd; /* given up to refuse a connection when descriptors run out */
    struct hg_http *http;
    struct hg_grpc *grpc; /* NULL: not enabled */
    struct hg_notify *notify;
    struct hg_warm *warm; /* NULL: no file to keep the cache in */
    struct hg_signal *signals[3];

    struct hg_native *natives; /* all connections */
    uint32_t connection_count;
    struct hg_timer *sweep_timer;
    uint64_t sweep_due_ns; /* when it fires; UINT64_MAX: stopped */
    struct hg_timer *drain_timer;
    bool draining;
};

/* Fills SERVER, which the caller lends; CONFIG is copied. Everything is up when it returns, sockets
 * included. On error what was started is stopped again. */
HG_MUST_CHECK enum hg_status
hg_server_start(struct hg_server *server, const struct hg_config *config, struct hg_error *error);
/* Only engine, loop and completions: for fuzz targets and tests that bring their own sockets. */
HG_MUST_CHECK enum hg_status hg_server_start_core(struct hg_server *server,
                                                  const struct hg_config *config,
                                                  struct hg_error *error);
/* Serves until a drain has ended. */
void hg_server_run(struct hg_server *server);
/* Stops accepting, lets work finish, closes, ends hg_server_run. */
void hg_server_drain(struct hg_server *server);
/* Closes every connection, waits for work on workers, frees. */
void hg_server_stop(struct hg_server *server);

/* A connection's sweep is due at DUE_NS at the latest. */
void hg_server_due(struct hg_server *server, uint64_t due_ns);
/* Connections that user UID has, whatever they speak. */
uint32_t hg_server_user_connections(const struct hg_server *server, uid_t uid);
/* Called by a connection that went: a drain may be complete. */
void hg_server_connection_closed(struct hg_server *server);
/* Fills REPLY with figures of now. */
void hg_server_stats(const struct hg_server *server, struct hg_stats_reply *reply);
/* True while new work is welcome. */
bool hg_server_ready(const struct hg_server *server);

#endif
