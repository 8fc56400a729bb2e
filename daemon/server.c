/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "daemon/dispatch.h"
#include "daemon/http/http.h"
#include "daemon/listener.h"
#include "daemon/notify.h"
#include "daemon/transport/grpc.h"
#include "daemon/transport/native.h"
#include "daemon/warm.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* ---- what others ask ----------------------------------------------------------------------------
 */

uint32_t hg_server_user_connections(const struct hg_server *server, uid_t uid)
{
    uint32_t count = 0;
    for (const struct hg_native *native = server->natives; native != NULL; native = native->next) {
        count += native->client.identity.uid == uid;
    }
    return count + (server->grpc != NULL ? hg_grpc_user_connections(server->grpc, uid) : 0);
}

bool hg_server_ready(const struct hg_server *server)
{
    return !server->draining;
}

void hg_server_stats(const struct hg_server *server, struct hg_stats_reply *reply)
{
    reply->uptime_ns = hg_clock_now_ns() - server->metrics.started_ns;
    hg_metrics_totals(&server->metrics, &reply->requests, &reply->errors);
    hg_engine_stats(server->engine, &reply->engine);
    hg_alloc_stats(&reply->alloc);
    hg_engine_cache_totals(server->engine, &reply->cache);
    hg_engine_packed_stats(server->engine, &reply->packed);
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        hg_engine_cache_stats(server->engine, (enum hg_cache_id)i, &reply->caches[i]);
    }
    reply->metrics_url = server->http != NULL ? hg_http_url(server->http) : "";
}

/* ---- timeouts -----------------------------------------------------------------------------------
 */

void hg_server_due(struct hg_server *server, uint64_t due_ns)
{
    if (due_ns >= server->sweep_due_ns) {
        return;
    }
    const uint64_t now_ns = hg_clock_now_ns();
    const uint64_t delay_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    server->sweep_due_ns = due_ns;
    /* Rounded up, so that what is due is due when the timer fires. */
    hg_timer_start(server->sweep_timer, hg_div_up_u64(delay_ns, HG_NS_PER_MS), 0);
}

static void sweep_cb(void *context)
{
    struct hg_server *server = context;
    const uint64_t now_ns = hg_clock_now_ns();
    uint64_t due_ns = UINT64_MAX;
    struct hg_native *next;
    server->sweep_due_ns = UINT64_MAX;
    for (struct hg_native *native = server->natives; native != NULL; native = next) {
        next = native->next;
        const uint64_t own_ns = hg_native_sweep(native, now_ns);
        due_ns = own_ns < due_ns ? own_ns : due_ns;
    }
    if (server->grpc != NULL) {
        const uint64_t own_ns = hg_grpc_sweep(server->grpc, now_ns);
        due_ns = own_ns < due_ns ? own_ns : due_ns;
    }
    hg_server_due(server, due_ns);
}

/* ---- completions --------------------------------------------------------------------------------
 */

static void completed_cb(void *context)
{
    struct hg_server *server = context;
    struct hg_request *request = hg_completions_take(&server->completions);
    while (request != NULL) {
        struct hg_request *next = request->next;
        hg_dispatch_complete(request);
        request = next;
    }
}

/* ---- connections --------------------------------------------------------------------------------
 */

static void accept_cb(void *context, int fd)
{
    struct hg_server *server = context;
    struct hg_error error = HG_ERROR_INIT;
    if (server->connection_count >= server->config.server_connections_max) {
        (void)hg_fail(&error, HG_RESOURCE_EXHAUSTED, "connections: expected at most %llu",
                      (unsigned long long)server->config.server_connections_max);
        hg_native_turn_away(fd, &error);
        close(fd);
    } else if (hg_native_accept(server, fd, &error) == HG_OK) {
        return;
    }
    hg_counter_add(&server->metrics.connections_refused, 1);
    HG_LOG_WARN(LISTENER, "connection refused", HG_STR("reason", error.message));
}

static enum hg_status add_listener(struct hg_server *server,
                                   const struct hg_listener_options *options,
                                   struct hg_error *error)
{
    HG_REQUIRE(server->listener_count < HG_LISTENERS_MAX);
    const enum hg_status status = hg_listener_create(
        server->loop, options, &server->listeners[server->listener_count], error);
    server->listener_count += status == HG_OK;
    return status;
}

/* The sockets that the service manager passed. */
static enum hg_status listen_on_passed(struct hg_server *server, uint32_t *count,
                                       struct hg_error *error)
{
    int fds[HG_LISTENERS_MAX];
    if (hg_notify_sockets(fds, HG_LISTENERS_MAX, count, error) != HG_OK) {
        return error->status;
    }
    for (uint32_t i = 0; i < *count; i++) {
        const struct hg_listener_options options = {
            .fd = fds[i],
            .lock_fd = -1,
            .reserve_fd = &server->reserve_fd,
            .accept = accept_cb,
            .context = server,
        };
        if (fcntl(fds[i], F_SETFL, O_NONBLOCK) != 0 ||
            add_listener(server, &options, error) != HG_OK) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "socket activation: descriptor %d", fds[i]);
        }
        HG_LOG_INFO(LISTENER, "listening", HG_STR("socket", "passed by the service manager"));
    }
    return HG_OK;
}

static enum hg_status start_listening(struct hg_server *server, struct hg_error *error)
{
    uint32_t passed = 0;
    if (listen_on_passed(server, &passed, error) != HG_OK || passed != 0) {
        return error->status;
    }
    struct hg_unix_socket socket;
    if (hg_unix_socket_open(&server->config, &socket, error) != HG_OK) {
        return error->status;
    }
    const struct hg_listener_options options = {
        .fd = socket.fd,
        .path = socket.path,
        .lock_fd = socket.lock_fd,
        .reserve_fd = &server->reserve_fd,
        .accept = accept_cb,
        .context = server,
    };
    if (add_listener(server, &options, error) != HG_OK) {
        return error->status;
    }
    HG_LOG_INFO(LISTENER, "listening", HG_STR("socket", socket.path));
    return HG_OK;
}

/* ---- configuration ------------------------------------------------------------------------------
 */

static enum hg_status find_admin_group(const struct hg_config *config, gid_t *gid,
                                       struct hg_error *error)
{
    *gid = (gid_t)-1;
    if (config->server_admin_group[0] == '\0') {
        return HG_OK;
    }
    if (hg_group_find(config->server_admin_group, gid, error) != HG_OK) {
        return hg_error_prefix(error, "server.admin_group");
    }
    return HG_OK;
}

static void apply_config(struct hg_server *server)
{
    hg_log_set_level((enum hg_log_level)server->config.log_level);
    hg_loop_set_poll(server->loop, server->config.server_poll_us * HG_NS_PER_US);
}

static enum hg_status load_config(const struct hg_server *server, struct hg_config *config,
                                  struct hg_error *error)
{
    hg_config_init(config);
    if (server->config_path != NULL &&
        hg_config_load(config, server->config_path, error) != HG_OK) {
        return error->status;
    }
    for (uint32_t i = 0; i < server->override_count; i++) {
        if (hg_config_set(config, server->overrides[i], error) != HG_OK) {
            return error->status;
        }
    }
    return HG_OK;
}

static void reload_cb(void *context)
{
    struct hg_server *server = context;
    struct hg_config fresh;
    struct hg_error error = HG_ERROR_INIT;
    gid_t admin_group = (gid_t)-1;
    hg_notify_reloading();
    if (load_config(server, &fresh, &error) != HG_OK ||
        find_admin_group(&fresh, &admin_group, &error) != HG_OK) {
        HG_LOG_ERROR(CONFIG, "configuration not reloaded", HG_STR("reason", error.message));
        hg_notify_ready("serving; the last reload failed");
        return;
    }
    const char *const restart = hg_config_reload(&server->config, &fresh);
    server->admin_group = admin_group;
    apply_config(server);
    if (server->grpc != NULL) {
        hg_grpc_reload(server->grpc);
    }
    if (restart != NULL) {
        HG_LOG_WARN(CONFIG, "a changed option needs a restart", HG_STR("option", restart));
    }
    HG_LOG_INFO(CONFIG, "configuration reloaded");
    hg_notify_ready("serving");
}

/* ---- the end ------------------------------------------------------------------------------------
 */

void hg_server_connection_closed(struct hg_server *server)
{
    if (server->draining && server->natives == NULL && hg_grpc_is_down(server->grpc)) {
        hg_loop_stop(server->loop);
    }
}

/* The drain took too long: what runs is cancelled, and everyone is closed. */
static void drain_over_cb(void *context)
{
    struct hg_server *server = context;
    struct hg_native *next;
    HG_LOG_WARN(MAIN, "drain timed out: closing", HG_U64("connections", server->connection_count));
    for (struct hg_native *native = server->natives; native != NULL; native = next) {
        next = native->next;
        hg_native_close(native);
    }
    if (server->grpc != NULL) {
        hg_grpc_cancel_all(server->grpc);
    }
}

void hg_server_drain(struct hg_server *server)
{
    if (server->draining) {
        return;
    }
    server->draining = true;
    HG_LOG_INFO(MAIN, "draining", HG_U64("connections", server->connection_count));
    hg_notify_stopping();
    if (server->grpc != NULL) {
        hg_grpc_drain(server->grpc);
    }
    while (server->listener_count != 0) {
        hg_listener_close(&server->listeners[--server->listener_count]);
    }
    for (struct hg_native *native = server->natives; native != NULL; native = native->next) {
        hg_native_drain(native);
    }
    if (server->natives == NULL && hg_grpc_is_down(server->grpc)) {
        hg_loop_stop(server->loop);
        return;
    }
    hg_timer_start(server->drain_timer, server->config.server_drain_ms, 0);
}

static void terminate_cb(void *context)
{
    hg_server_drain(context);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static void engine_options(const struct hg_config *config, struct hg_engine_options *options)
{
    hg_engine_options_init(options);
    options->workers = (uint32_t)config->engine_workers;
    options->queue_depth = (uint32_t)config->engine_queue_depth;
    options->spin_us = (uint32_t)config->engine_spin_us;
    options->inline_max_ns = config->engine_inline_max_ns;
    options->work_ms_max = config->engine_work_ms_max;
    options->heap_bytes_max = config->engine_heap_bytes_max;
    options->cache_entries_max = config->cache_entries_max;
    options->cache_bytes_max = config->cache_bytes_max;
    options->packed_bytes_max = config->cache_packed_bytes_max;
    options->graphs_max = (uint32_t)config->graphs_entries_max;
    options->graph_bytes_max = config->graphs_bytes_max;
    options->lock_boundary = config->engine_lock_boundary;
    options->fusion = config->engine_fusion;
    options->specialize_full = config->cache_specialize != 0;
    options->fp_mode = config->engine_fp_mode != 0 ? HG_FP_FTZ : HG_FP_IEEE;
    options->executor = config->engine_executor != 0 ? HG_EXECUTOR_REFERENCE : HG_EXECUTOR_NATIVE;
    options->native =
        (enum hg_native_choice)config->engine_native; /* in the order of its choices */
    options->native_bytes_max = config->engine_native_bytes_max;
    options->perf_map = config->engine_perf_map;
    hg_cpu_limit((enum hg_isa_level)config->engine_isa_level);
}

enum hg_status hg_server_start_core(struct hg_server *server, const struct hg_config *config,
                                    struct hg_error *error)
{
    struct hg_engine_options options;
    server->config = *config;
    server->metrics.started_ns = hg_clock_now_ns();
    server->sweep_due_ns = UINT64_MAX;
    server->reserve_fd = hg_listener_reserve();
    if (find_admin_group(config, &server->admin_group, error) != HG_OK ||
        hg_loop_create(&server->loop, error) != HG_OK ||
        hg_completions_init(&server->completions, server->loop, completed_cb, server, error) !=
            HG_OK ||
        hg_timer_create(server->loop, sweep_cb, server, &server->sweep_timer, error) != HG_OK ||
        hg_timer_create(server->loop, drain_over_cb, server, &server->drain_timer, error) !=
            HG_OK) {
        return error->status;
    }
    apply_config(server);
    engine_options(config, &options);
    return hg_engine_create(&options, &server->engine, error);
}

static enum hg_status start_signals(struct hg_server *server, struct hg_error *error)
{
    if (hg_signal_create(server->loop, SIGTERM, terminate_cb, server, &server->signals[0], error) !=
            HG_OK ||
        hg_signal_create(server->loop, SIGINT, terminate_cb, server, &server->signals[1], error) !=
            HG_OK) {
        return error->status;
    }
    return hg_signal_create(server->loop, SIGHUP, reload_cb, server, &server->signals[2], error);
}

static enum hg_status start_all(struct hg_server *server, const struct hg_config *config,
                                struct hg_error *error)
{
    if (hg_server_start_core(server, config, error) != HG_OK ||
        start_signals(server, error) != HG_OK ||
        hg_notify_create(server->loop, server->engine, &server->notify, error) != HG_OK) {
        return error->status;
    }
    if (config->http_listen[0] != '\0' && strcmp(config->http_listen, "off") != 0) {
        if (hg_http_start(server, &server->http, error) != HG_OK) {
            return error->status;
        }
        HG_LOG_INFO(HTTP, "serving metrics", HG_STR("url", hg_http_url(server->http)));
    }
    if (server->config.grpc_enable && hg_grpc_start(server, &server->grpc, error) != HG_OK) {
        return error->status;
    }
    return start_listening(server, error);
}

/* After everything that can fail: a server that did not serve saves nothing. */
static enum hg_status start_warm(struct hg_server *server, struct hg_error *error)
{
    const struct hg_config *config = &server->config;
    return hg_warm_start(server->engine, config->cache_warm_file,
                         config->cache_save_interval_s * HG_NS_PER_S, &server->warm, error);
}

enum hg_status hg_server_start(struct hg_server *server, const struct hg_config *config,
                               struct hg_error *error)
{
    if (start_all(server, config, error) != HG_OK || start_warm(server, error) != HG_OK) {
        hg_server_stop(server);
        return error->status;
    }
    struct hg_engine_stats stats;
    hg_engine_stats(server->engine, &stats);
    HG_LOG_INFO(MAIN, "ready", HG_STR("version", HG_VERSION), HG_STR("executor", stats.executor),
                HG_STR("isa_level", stats.isa_level), HG_STR("native", stats.native),
                HG_U64("workers", stats.workers));
    hg_notify_ready("serving");
    return HG_OK;
}

void hg_server_run(struct hg_server *server)
{
    hg_loop_run(server->loop);
}

/* Work on workers borrows requests: wait for it. */
static void close_connections(struct hg_server *server)
{
    struct hg_native *next;
    for (struct hg_native *native = server->natives; native != NULL; native = next) {
        next = native->next;
        hg_native_close(native);
    }
    if (server->grpc != NULL) {
        hg_grpc_cancel_all(server->grpc);
    }
    while (server->natives != NULL || !hg_grpc_is_down(server->grpc)) {
        hg_loop_turn(server->loop);
    }
}

void hg_server_stop(struct hg_server *server)
{
    close_connections(server);
    hg_grpc_stop(&server->grpc);
    hg_http_stop(&server->http);
    while (server->listener_count != 0) {
        hg_listener_close(&server->listeners[--server->listener_count]);
    }
    for (unsigned i = 0; i < HG_ARRAY_COUNT(server->signals); i++) {
        hg_signal_close(&server->signals[i]);
    }
    hg_notify_destroy(&server->notify);
    hg_warm_stop(&server->warm);
    if (server->engine != NULL) {
        hg_engine_destroy(&server->engine);
    }
    hg_timer_close(&server->sweep_timer);
    hg_timer_close(&server->drain_timer);
    hg_completions_fini(&server->completions);
    hg_request_pool_fini(&server->requests);
    hg_loop_destroy(&server->loop);
    if (server->reserve_fd >= 0) {
        close(server->reserve_fd);
        server->reserve_fd = -1;
    }
}
