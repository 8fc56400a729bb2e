/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC's beginning and end.
 *
 * Happy path: C core, queue thread, ports, methods, calls posted; a drain that C core reports as
 * done; the queue thread ends. Failure modes at start: a port that is taken, plaintext on an
 * address that others can reach, certificates that do not fit. Running out of memory inside C core
 * aborts the process: the resource quota and the bounds below keep it from there.
 */
#include "daemon/transport/grpc.h"

#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/listener.h"
#include "daemon/transport/grpc_core.h"
#include "lib/base/check.h"
#include "lib/base/log.h"

#define ARGS_MAX 20
/* Draining: how long a peer without calls has to say goodbye. */
#define GOODBYE_MS 250

/* ---- C core's settings --------------------------------------------------------------------------
 */

/* What C core has to say joins our log. */
static void log_cb(gpr_log_func_args *args)
{
    HG_LOG_WARN(LISTENER, "from gRPC", HG_STR("text", args->message));
}

struct args {
    grpc_arg rows[ARGS_MAX];
    size_t count;
};

static grpc_arg *add_arg(struct args *args, const char *key, grpc_arg_type type)
{
    union {
        const char *in;
        char *out;
    } cast = {.in = key};
    HG_REQUIRE(args->count < ARGS_MAX);
    grpc_arg *row = &args->rows[args->count++];
    row->key = cast.out;
    row->type = type;
    return row;
}

static void add_number(struct args *args, const char *key, uint64_t value)
{
    add_arg(args, key, GRPC_ARG_INTEGER)->value.integer =
        value < INT32_MAX ? (int)value : INT32_MAX;
}

static bool is_on(const char *listen)
{
    return listen[0] != '\0' && strcmp(listen, "off") != 0;
}

static void fill_args(struct hg_grpc *grpc, struct args *args)
{
    const struct hg_config *config = &grpc->server->config;
    /* Room for what surrounds the bytes of a write. */
    add_number(args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, config->grpc_message_bytes_max + 1024);
    add_number(args, GRPC_ARG_MAX_METADATA_SIZE, config->grpc_metadata_bytes_max);
    add_number(args, GRPC_ARG_MAX_CONCURRENT_STREAMS, config->grpc_streams_max);
    add_number(args, GRPC_ARG_KEEPALIVE_TIME_MS, config->grpc_keepalive_ms);
    add_number(args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, config->grpc_keepalive_timeout_ms);
    add_number(args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    /* Clients may ping as often as every ten seconds; more is answered by a GOAWAY. */
    add_number(args, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
    add_number(args, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
               config->timeouts_handshake_ms != 0 ? config->timeouts_handshake_ms : INT32_MAX);
    /* Connections that we adopt we watch ourselves: C core's watch costs each call a filter. */
    if (config->timeouts_idle_ms != 0 && is_on(config->grpc_tls_listen)) {
        add_number(args, GRPC_ARG_MAX_CONNECTION_IDLE_MS, config->timeouts_idle_ms);
    }
    /* Off: sizes of what is compressed tell a listener something of its content, and tensors do
     * not compress. */
    add_number(args, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    add_number(args, GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
    add_number(args, GRPC_ARG_ALLOW_REUSEPORT, 0);
    add_number(args, GRPC_ARG_ENABLE_CHANNELZ, 0);
    grpc_arg *quota = add_arg(args, GRPC_ARG_RESOURCE_QUOTA, GRPC_ARG_POINTER);
    quota->value.pointer.p = grpc->quota;
    quota->value.pointer.vtable = grpc_resource_quota_arg_vtable();
}

static void create_core(struct hg_grpc *grpc)
{
    struct args args = {.count = 0};
    grpc->quota = grpc_resource_quota_create("hologramd");
    grpc_resource_quota_resize(grpc->quota, (size_t)grpc->server->config.grpc_memory_bytes_max);
    fill_args(grpc, &args);
    const grpc_channel_args core_args = {.num_args = args.count, .args = args.rows};
    grpc->core = grpc_server_create(&core_args, NULL);
    grpc->insecure = grpc_insecure_server_credentials_create();
    grpc_server_register_completion_queue(grpc->core, grpc->queue.core, NULL);
}

/* ---- ports --------------------------------------------------------------------------------------
 */

static void accept_cb(void *context, int fd)
{
    struct hg_grpc *grpc = context;
    struct hg_server *server = grpc->server;
    struct hg_error error = HG_ERROR_INIT;
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (server->connection_count >= server->config.server_connections_max ||
        hg_server_user_connections(server, grpc->remote_uid) >=
            server->config.server_user_connections_max) {
        (void)hg_fail(&error, HG_RESOURCE_EXHAUSTED, "too many connections");
        close(fd);
    } else if (hg_grpc_adopt(grpc, fd, NULL, &error) == HG_OK) {
        hg_counter_add(&server->metrics.connections_accepted, 1);
        return;
    }
    hg_counter_add(&server->metrics.connections_refused, 1);
    HG_LOG_WARN(LISTENER, "connection refused", HG_STR("reason", error.message));
}

/* Plaintext TCP: only where no other machine can reach it. */
static enum hg_status listen_plain(struct hg_grpc *grpc, struct hg_error *error)
{
    struct hg_server *server = grpc->server;
    struct hg_tcp_socket socket;
    if (hg_tcp_socket_open(server->config.grpc_listen, &socket, error) != HG_OK) {
        return hg_error_prefix(error, "grpc.listen");
    }
    if (!socket.loopback) {
        close(socket.fd);
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "grpc.listen: %s: expected a loopback address; others need grpc.tls_listen",
                       server->config.grpc_listen);
    }
    const struct hg_listener_options options = {
        .fd = socket.fd,
        .lock_fd = -1,
        .reserve_fd = &server->reserve_fd,
        .accept = accept_cb,
        .context = grpc,
    };
    if (hg_listener_create(server->loop, &options, &grpc->listener, error) != HG_OK) {
        return error->status;
    }
    HG_LOG_INFO(LISTENER, "listening", HG_STR("grpc", socket.address));
    return HG_OK;
}

static enum hg_status find_remote_user(struct hg_grpc *grpc, struct hg_error *error)
{
    const char *name = grpc->server->config.grpc_remote_user;
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "grpc.remote_user: unknown user %s", name);
    }
    grpc->remote_uid = user->pw_uid;
    grpc->remote_gid = user->pw_gid;
    return HG_OK;
}

/* ---- beginning ----------------------------------------------------------------------------------
 */

static void down_event(struct hg_grpc_event *event)
{
    struct hg_grpc *grpc = HG_GRPC_OF(struct hg_grpc, down_event, event);
    grpc->down = true;
    hg_server_connection_closed(grpc->server);
}

/* Queue thread. */
static void down_tag(struct hg_grpc_tag *tag, bool ok)
{
    struct hg_grpc *grpc = HG_GRPC_OF(struct hg_grpc, down_tag, tag);
    (void)ok;
    hg_grpc_post(&grpc->queue, &grpc->down_event);
}

/* C core waits long for peers to acknowledge that it is going. Once no call is left there is
 * nothing to wait for: idle connections are closed. */
static void goodbye_cb(void *context)
{
    struct hg_grpc *grpc = context;
    if (!grpc->down && atomic_load_explicit(&grpc->live_calls, memory_order_relaxed) == 0) {
        grpc_server_cancel_all_calls(grpc->core);
    }
}

/* Registers every method, starts C core and posts calls. */
static enum hg_status open_doors(struct hg_grpc *grpc, struct hg_error *error)
{
    HG_REQUIRE(hg_grpc_method_count < HG_GRPC_DOORS_MAX);
    for (size_t i = 0; i < hg_grpc_method_count; i++) {
        const struct hg_grpc_method *method = &hg_grpc_methods[i];
        struct hg_grpc_door *door = &grpc->doors[grpc->door_count++];
        door->grpc = grpc;
        door->method = method;
        door->registered = grpc_server_register_method(
            grpc->core, method->path, NULL,
            method->streams_in ? GRPC_SRM_PAYLOAD_NONE : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER,
            0);
        HG_REQUIRE(door->registered != NULL);
    }
    /* Calls of methods that there are not come here, to be refused. */
    grpc->doors[grpc->door_count++].grpc = grpc;
    grpc_server_start(grpc->core);
    return hg_grpc_doors_open(grpc) ? HG_OK
                                    : hg_fail(error, HG_RESOURCE_EXHAUSTED, "grpc: out of memory");
}

static enum hg_status start_all(struct hg_grpc *grpc, struct hg_error *error)
{
    const struct hg_config *config = &grpc->server->config;
    if (find_remote_user(grpc, error) != HG_OK ||
        hg_grpc_queue_start(&grpc->queue, grpc->server->loop, config->server_turn_us * HG_NS_PER_US,
                            error) != HG_OK) {
        return error->status;
    }
    if (hg_timer_create(grpc->server->loop, goodbye_cb, grpc, &grpc->drain_timer, error) != HG_OK) {
        return error->status;
    }
    hg_grpc_connections_init(grpc);
    create_core(grpc);
    if (is_on(config->grpc_tls_listen) && hg_grpc_tls_start(grpc, error) != HG_OK) {
        return error->status;
    }
    if (open_doors(grpc, error) != HG_OK) {
        return error->status;
    }
    return is_on(config->grpc_listen) ? listen_plain(grpc, error) : HG_OK;
}

/* A start that failed: C core says when it is down, and until then the loop has to turn. */
static void undo_start(struct hg_grpc **grpc)
{
    hg_grpc_drain(*grpc);
    while (!hg_grpc_is_down(*grpc)) {
        hg_loop_turn((*grpc)->server->loop);
    }
    hg_grpc_stop(grpc);
}

enum hg_status hg_grpc_start(struct hg_server *server, struct hg_grpc **grpc,
                             struct hg_error *error)
{
    struct hg_grpc *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    sigset_t all;
    sigset_t before;
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "grpc: out of memory");
    }
    self->server = server;
    self->calls_max = server->config.grpc_calls_max;
    self->calls_posted = (uint32_t)server->config.grpc_calls_posted;
    self->message_bytes_max = server->config.grpc_message_bytes_max;
    self->inbox_bytes_max = server->config.grpc_message_bytes_max;
    self->down_tag.fn = down_tag;
    self->down_event.fn = down_event;
    self->short_event.fn = hg_grpc_doors_short;
    /* C core's threads inherit the mask: signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    gpr_set_log_function(log_cb);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    hg_grpc_mutex_quicken();
    grpc_init();
    const enum hg_status status = start_all(self, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != HG_OK) {
        undo_start(&self);
        return status;
    }
    *grpc = self;
    return HG_OK;
}

/* ---- while it runs ------------------------------------------------------------------------------
 */

uint64_t hg_grpc_sweep(struct hg_grpc *grpc, uint64_t now_ns)
{
    uint64_t due_ns = hg_grpc_doors_sweep(grpc, now_ns);
    const uint64_t connections_ns = hg_grpc_connections_sweep(grpc, now_ns);
    due_ns = connections_ns < due_ns ? connections_ns : due_ns;
    for (struct hg_grpc_session *session = grpc->sessions; session != NULL;
         session = session->next) {
        const uint64_t own_ns = hg_grpc_session_sweep(session, now_ns);
        due_ns = own_ns < due_ns ? own_ns : due_ns;
    }
    return due_ns;
}

void hg_grpc_reload(struct hg_grpc *grpc)
{
    hg_grpc_tls_reload(grpc);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void drain_calls(struct hg_grpc *grpc)
{
    struct hg_grpc_call *next;
    for (struct hg_grpc_call *call = grpc->calls; call != NULL; call = next) {
        next = call->next;
        if (call->method != NULL && call->method->drain != NULL) {
            call->method->drain(call);
        }
    }
}

void hg_grpc_drain(struct hg_grpc *grpc)
{
    if (grpc->draining) {
        return;
    }
    grpc->draining = true;
    hg_listener_close(&grpc->listener);
    drain_calls(grpc);
    atomic_store_explicit(&grpc->stopping, true, memory_order_release);
    if (grpc->core == NULL) {
        grpc->down = true;
        return;
    }
    grpc_server_shutdown_and_notify(grpc->core, grpc->queue.core,
                                    hg_grpc_tag_start(&grpc->down_tag));
    hg_timer_start(grpc->drain_timer, GOODBYE_MS, GOODBYE_MS);
}

void hg_grpc_cancel_all(struct hg_grpc *grpc)
{
    hg_grpc_drain(grpc);
    if (grpc->core != NULL && !grpc->down) {
        grpc_server_cancel_all_calls(grpc->core);
    }
    for (struct hg_grpc_session *session = grpc->sessions; session != NULL;
         session = session->next) {
        hg_grpc_session_close(session);
    }
}

bool hg_grpc_is_down(const struct hg_grpc *grpc)
{
    return grpc == NULL || (grpc->down && grpc->calls == NULL);
}

static bool has_sessions(const struct hg_grpc *grpc)
{
    return grpc->sessions != NULL;
}

void hg_grpc_stop(struct hg_grpc **grpc)
{
    struct hg_grpc *self = *grpc;
    if (self == NULL) {
        return;
    }
    HG_REQUIRE(self->down);
    for (struct hg_grpc_session *session = self->sessions; session != NULL;
         session = session->next) {
        hg_grpc_session_close(session);
    }
    hg_grpc_connections_fini(self);
    /* Work on workers borrows requests: wait for it. */
    while (has_sessions(self)) {
        hg_loop_turn(self->server->loop);
    }
    hg_grpc_queue_stop(&self->queue);
    hg_timer_close(&self->drain_timer);
    if (self->core != NULL) {
        grpc_server_destroy(self->core);
        grpc_server_credentials_release(self->insecure);
        grpc_resource_quota_unref(self->quota);
    }
    hg_grpc_shut_down();
    hg_grpc_tls_stop(self);
    hg_grpc_spares_fini(&self->spares);
    hg_free(HG_TAG_TRANSPORT, self);
    *grpc = NULL;
}
