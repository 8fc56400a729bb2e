/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics and health over HTTP: libmicrohttpd, driven by the loop.
 *
 *     listener ──accept──► MHD_add_connection      MHD's epoll descriptor ──readable──► MHD_run
 *
 * It starts no thread and never blocks the loop. Answers: GET and HEAD of /metrics, /healthz (200
 * while the process runs) and /readyz (503 once it drains).
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_HTTP_HTTP_H
#define HG_DAEMON_HTTP_HTTP_H

#include "daemon/loop.h"

struct hg_http;
struct hg_server;

/* Listens where the configuration says. Errors: those of hg_tcp_socket_open. */
HG_MUST_CHECK enum hg_status hg_http_start(struct hg_server *server, struct hg_http **http,
                                           struct hg_error *error);
/* Without a listener, for fuzz targets that bring connected sockets. */
HG_MUST_CHECK enum hg_status hg_http_start_core(struct hg_server *server, struct hg_http **http,
                                                struct hg_error *error);
/* Serves FD, which is taken. */
void hg_http_add(struct hg_http *http, int fd);
/* "http://127.0.0.1:9464/metrics". */
const char *hg_http_url(const struct hg_http *http);
void hg_http_stop(struct hg_http **http);

#endif
