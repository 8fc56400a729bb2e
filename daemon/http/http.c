/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http/http.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "daemon/listener.h"
#include "daemon/server.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

struct hg_http {
    struct hg_server *server;
    struct MHD_Daemon *daemon;
    struct hg_listener *listener;
    struct hg_watch *watch; /* of MHD's epoll descriptor */
    struct hg_timer *timer; /* of MHD's own timeouts */
    char url[128];
};

/* ---- answers
 * ---------------------------------------------------------------------------------------- */

static void free_text_cb(void *text)
{
    hg_free(HG_TAG_TRANSPORT, text);
}

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
                                     struct MHD_Response *response, const char *type)
{
    enum MHD_Result result = MHD_NO;
    if (response == NULL) {
        return MHD_NO;
    }
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES)) {
        result = MHD_queue_response(connection, status, response);
    }
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_line(struct MHD_Connection *connection, unsigned status,
                                 const char *line)
{
    /* Copied: microhttpd wants a buffer without const, and the line is short. */
    char text[64];
    const int length = snprintf(text, sizeof(text), "%s\n", line);
    return send_response(
        connection, status,
        MHD_create_response_from_buffer((size_t)length, text, MHD_RESPMEM_MUST_COPY),
        "text/plain; charset=utf-8");
}

static uint32_t in_flight(const struct hg_server *server)
{
    return server->requests.live_count;
}

static enum MHD_Result send_metrics(const struct hg_http *http, struct MHD_Connection *connection)
{
    struct hg_server *server = http->server;
    struct hg_stats_reply *stats = hg_malloc(HG_TAG_TRANSPORT, sizeof(*stats));
    char *text = NULL;
    size_t length = 0;
    if (stats == NULL) {
        return send_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    }
    hg_server_stats(server, stats);
    const struct hg_metrics_view view = {
        .metrics = &server->metrics,
        .now_ns = hg_clock_now_ns(),
        .connections = server->connection_count,
        .requests_in_flight = in_flight(server),
        .stats = stats,
        .engine = server->engine,
        .transport_bytes =
            hg_alloc_live_bytes(HG_TAG_TRANSPORT) + hg_alloc_live_bytes(HG_TAG_SESSION),
    };
    const enum hg_status status = hg_metrics_text(&view, &text, &length);
    hg_free(HG_TAG_TRANSPORT, stats);
    if (status != HG_OK) {
        return send_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(length, text, free_text_cb, text);
    if (response == NULL) {
        hg_free(HG_TAG_TRANSPORT, text);
    }
    return send_response(connection, MHD_HTTP_OK, response,
                         "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result answer_cb(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **state)
{
    static int seen;
    const struct hg_http *http = context;
    (void)version;
    (void)upload;
    if (*state == NULL) {
        /* The first call comes before the body; answering here would close the connection. */
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_size != 0) {
        *upload_size = 0; /* bodies are ignored */
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return send_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed");
    }
    if (strcmp(url, "/metrics") == 0) {
        return send_metrics(http, connection);
    }
    if (strcmp(url, "/healthz") == 0) {
        return send_line(connection, MHD_HTTP_OK, "ok");
    }
    if (strcmp(url, "/readyz") == 0) {
        return hg_server_ready(http->server)
                   ? send_line(connection, MHD_HTTP_OK, "ready")
                   : send_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "draining");
    }
    return send_line(connection, MHD_HTTP_NOT_FOUND, "not found");
}

/* microhttpd's own messages are about what peers did: detail. */
HG_PRINTF(2, 0) static void log_cb(void *context, const char *format, va_list arguments)
{
    char line[256];
    (void)context;
    vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    HG_LOG_DEBUG(HTTP, "microhttpd", HG_STR("message", line));
}

/* ---- the loop
 * --------------------------------------------------------------------------------------- */

static void run(struct hg_http *http)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(http->daemon);
    if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES) {
        hg_timer_start(http->timer, timeout_ms, 0);
    } else {
        hg_timer_stop(http->timer);
    }
}

static void timer_cb(void *context)
{
    run(context);
}

static void watch_cb(void *context, unsigned events)
{
    (void)events;
    run(context);
}

void hg_http_add(struct hg_http *http, int fd)
{
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(peer);
    /* A socket that is gone already has no address; microhttpd only hands it on. */
    if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0) {
        length = sizeof(peer.ss_family);
    }
    /* Takes the descriptor, and closes it when over its limit. */
    if (MHD_add_connection(http->daemon, fd, (const struct sockaddr *)&peer, length) != MHD_YES) {
        HG_LOG_DEBUG(HTTP, "connection refused");
    }
    run(http);
}

static void accept_cb(void *context, int fd)
{
    hg_http_add(context, fd);
}

const char *hg_http_url(const struct hg_http *http)
{
    return http->url;
}

enum hg_status hg_http_start_core(struct hg_server *server, struct hg_http **http,
                                  struct hg_error *error)
{
    const struct hg_config *config = &server->config;
    struct hg_http *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "http: out of memory");
    }
    self->server = server;
    self->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer_cb,
        self, MHD_OPTION_EXTERNAL_LOGGER, log_cb, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)config->http_connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)config->http_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HG_HTTP_REQUEST_BYTES_MAX, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        self->daemon != NULL ? MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL || info->epoll_fd < 0) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "http: the server library did not start");
        goto stop;
    }
    if (hg_timer_create(server->loop, timer_cb, self, &self->timer, error) != HG_OK ||
        hg_watch_create(server->loop, info->epoll_fd, watch_cb, self, &self->watch, error) !=
            HG_OK) {
        goto stop;
    }
    hg_watch_set(self->watch, HG_WATCH_READ);
    *http = self;
    return HG_OK;

stop:
    hg_http_stop(&self);
    return error->status;
}

enum hg_status hg_http_start(struct hg_server *server, struct hg_http **http,
                             struct hg_error *error)
{
    struct hg_tcp_socket socket;
    struct hg_http *self = NULL;
    if (hg_tcp_socket_open(server->config.http_listen, &socket, error) != HG_OK) {
        (void)hg_error_prefix(error, "http.listen");
        return error->status;
    }
    if (hg_http_start_core(server, &self, error) != HG_OK) {
        close(socket.fd);
        return error->status;
    }
    const struct hg_listener_options options = {
        .fd = socket.fd,
        .lock_fd = -1,
        .reserve_fd = &server->reserve_fd,
        .accept = accept_cb,
        .context = self,
    };
    if (hg_listener_create(server->loop, &options, &self->listener, error) != HG_OK) {
        hg_http_stop(&self);
        return error->status;
    }
    if (!socket.loopback) {
        HG_LOG_WARN(HTTP, "metrics are readable by whoever reaches this address",
                    HG_STR("address", socket.address));
    }
    snprintf(self->url, sizeof(self->url), "http://%s/metrics", socket.address);
    *http = self;
    return HG_OK;
}

void hg_http_stop(struct hg_http **http)
{
    struct hg_http *self = *http;
    if (self == NULL) {
        return;
    }
    hg_listener_close(&self->listener);
    hg_watch_close(&self->watch);
    hg_timer_close(&self->timer);
    if (self->daemon != NULL) {
        MHD_stop_daemon(self->daemon);
    }
    hg_free(HG_TAG_TRANSPORT, self);
    *http = NULL;
}
