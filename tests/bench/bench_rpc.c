/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests through a real daemon, over both transports, beside what the same exchange costs without
 * it: in each wake-up regime (rpc_regime.h), with one client and with sixteen.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/grpc_peers.h"
#include "tests/bench/grpc_subjects.h"
#include "tests/bench/peers.h"
#include "tests/bench/rpc_contest.h"
#include "tests/bench/rpc_native.h"
#include "tests/bench/rpc_regime.h"
#include "tests/bench/rpc_report.h"

#define WINDOW NATIVE_WINDOW
_Static_assert(NATIVE_WINDOW == GRPC_WINDOW, "one window for all rows");
_Static_assert(PEER_CLIENTS_MAX == CONTEST_CLIENTS_MAX, "each client has a connection");

#define CLIENTS CONTEST_CLIENTS_MAX

/* ---- who runs -------------------------------------------------------------------------------- */

/* The servers, and the directory of their sockets. */
struct servers {
    char directory[64];
    char daemon_path[96], bare_path[96], hop_path[96], uv_path[96], redis_path[96];
    struct peer_sizes sizes;
    struct peer ping, uv, raw, singly, redis;
    pid_t daemon, bare, hop;
};

static void start_servers(struct servers *servers)
{
    const char *directory = servers->directory;
    peer_directory_make(servers->directory, sizeof servers->directory);
    snprintf(servers->daemon_path, sizeof servers->daemon_path, "%s/hologram.sock", directory);
    snprintf(servers->bare_path, sizeof servers->bare_path, "%s/grpc-bare.sock", directory);
    snprintf(servers->hop_path, sizeof servers->hop_path, "%s/grpc-hop.sock", directory);
    snprintf(servers->uv_path, sizeof servers->uv_path, "%s/echo.sock", directory);
    snprintf(servers->redis_path, sizeof servers->redis_path, "%s/redis.sock", directory);
    servers->sizes = native_sizes();
    servers->ping = peer_start_raw((struct peer_sizes){.request = 64, .response = 64}, false);
    servers->uv = peer_start_uv_echo(servers->uv_path, servers->sizes);
    servers->raw = peer_start_raw(servers->sizes, false);
    servers->singly = peer_start_raw(servers->sizes, true);
    servers->redis = peer_start_redis(directory, servers->redis_path);
    servers->bare = grpc_echo_start(servers->bare_path, GRPC_ECHO_BARE);
    servers->hop = grpc_echo_start(servers->hop_path, GRPC_ECHO_ONE_HOP);
    servers->daemon = daemon_start(servers->daemon_path, "");
}

static void stop_servers(struct servers *servers)
{
    daemon_stop(servers->daemon);
    peer_stop(&servers->ping);
    peer_stop(&servers->uv);
    peer_stop(&servers->raw);
    peer_stop(&servers->singly);
    if (servers->redis.process != 0) {
        peer_stop(&servers->redis);
    }
    grpc_echo_stop(servers->bare);
    grpc_echo_stop(servers->hop);
    peer_directory_remove(servers->directory);
}

/* ---- subjects -------------------------------------------------------------------------------- */

/* Connections of one client. */
struct client {
    struct peer_link ping, uv, uv_window, raw, raw_window, singly, redis, redis_window;
    struct native *native;
    struct grpc_unary *bare, *hop, *unary;
    struct grpc_session *session;
};

static struct peer_link link_to(int fd, struct peer_sizes sizes, unsigned window)
{
    return (struct peer_link){.fd = fd, .sizes = sizes, .window = window};
}

static struct peer_link link_to_redis(int fd, unsigned window)
{
    struct peer_link link = {.fd = fd, .window = window};
    link.requests = peer_redis_get(&link.sizes, window);
    return link;
}

static void open_client(struct client *client, const struct servers *servers, unsigned index)
{
    const struct peer_sizes sizes = servers->sizes;
    const struct peer_sizes small = {.request = 64, .response = 64};
    client->ping = link_to(servers->ping.fds[index], small, 1);
    client->uv = link_to(servers->uv.fds[index], sizes, 1);
    client->uv_window = link_to(servers->uv.fds[index], sizes, WINDOW);
    client->raw = link_to(servers->raw.fds[index], sizes, 1);
    client->raw_window = link_to(servers->raw.fds[index], sizes, WINDOW);
    client->singly = link_to(servers->singly.fds[index], sizes, WINDOW);
    client->singly.singly = true;
    if (servers->redis.process != 0) {
        peer_redis_fill(servers->redis.fds[index]);
        client->redis = link_to_redis(servers->redis.fds[index], 1);
        client->redis_window = link_to_redis(servers->redis.fds[index], WINDOW);
    }
    client->native = native_open(servers->daemon_path);
    client->bare = grpc_unary_open_echo(servers->bare_path);
    client->hop = grpc_unary_open_echo(servers->hop_path);
    client->unary = grpc_unary_open(servers->daemon_path);
    client->session = grpc_session_open(servers->daemon_path);
}

static void close_client(struct client *client)
{
    native_close(client->native);
    grpc_unary_close(client->bare);
    grpc_unary_close(client->hop);
    grpc_unary_close(client->unary);
    grpc_session_close(client->session);
}

/* CONNECTION is a member of struct client: the thing itself, or a pointer to it. */
#define EMBEDDED(member) .offset = offsetof(struct client, member)
#define POINTER(member)  .offset = offsetof(struct client, member), .is_pointer = true

static const struct {
    const char *name;
    contest_act_fn *act;
    size_t offset;
    bool is_pointer;
    unsigned ops;
} kinds[SUBJECT_COUNT] = {
    [RAW_64] = {"raw socket 64 B", peer_exchange, EMBEDDED(ping), .ops = 1},
    [UV] = {"libuv echo", peer_exchange, EMBEDDED(uv), .ops = 1},
    [UV_AGAIN] = {"libuv echo, again", peer_exchange, EMBEDDED(uv), .ops = 1},
    [RAW] = {"raw socket", peer_exchange, EMBEDDED(raw), .ops = 1},
    [REDIS] = {"Redis GET", peer_exchange, EMBEDDED(redis), .ops = 1},
    [PING] = {"native ping", native_ping, POINTER(native), .ops = 1},
    [ADD] = {"native vector_add(256)", native_add, POINTER(native), .ops = 1},
    [PREPARED] = {"native prepared vector_add(256)", native_prepared, POINTER(native), .ops = 1},
    [CHAINED] = {"native 100 chained adds", native_chained, POINTER(native), .ops = 1},
    [RAW_WINDOW] = {"raw socket pipelined 64", peer_exchange, EMBEDDED(raw_window), .ops = WINDOW},
    [RAW_SINGLY] = {"raw socket pipelined 64, one send a message", peer_exchange, EMBEDDED(singly),
                    .ops = WINDOW},
    [UV_WINDOW] = {"libuv echo pipelined 64", peer_exchange, EMBEDDED(uv_window), .ops = WINDOW},
    [REDIS_WINDOW] = {"Redis GET pipelined 64", peer_exchange, EMBEDDED(redis_window),
                      .ops = WINDOW},
    [PIPELINED] = {"native pipelined 64", native_pipelined, POINTER(native), .ops = WINDOW},
    [PIPELINED_AGAIN] = {"native pipelined 64, again", native_pipelined, POINTER(native),
                         .ops = WINDOW},
    [PREPARED_PIPELINED] = {"native prepared pipelined 64", native_prepared_pipelined,
                            POINTER(native), .ops = WINDOW},
    [BATCH] = {"native batch 100", native_batch, POINTER(native), .ops = NATIVE_STEPS},
    [PREPARED_BATCH] = {"native prepared batch 100", native_prepared_batch, POINTER(native),
                        .ops = NATIVE_STEPS},
    [GRPC_BARE] = {"grpc echo", grpc_unary_trip, POINTER(bare), .ops = 1},
    [GRPC_HOP] = {"grpc echo one hop", grpc_unary_trip, POINTER(hop), .ops = 1},
    [GRPC_UNARY] = {"grpc unary", grpc_unary_trip, POINTER(unary), .ops = 1},
    [GRPC_STREAM] = {"grpc session stream 64", grpc_session_flight, POINTER(session),
                     .ops = GRPC_WINDOW},
};

static pid_t server_of(enum subject subject, const struct servers *servers)
{
    switch (subject) {
    case RAW_64:
        return servers->ping.process;
    case RAW:
    case RAW_WINDOW:
        return servers->raw.process;
    case RAW_SINGLY:
        return servers->singly.process;
    case UV:
    case UV_AGAIN:
    case UV_WINDOW:
        return servers->uv.process;
    case REDIS:
    case REDIS_WINDOW:
        return servers->redis.process;
    case GRPC_BARE:
        return servers->bare;
    case GRPC_HOP:
        return servers->hop;
    default:
        return servers->daemon;
    }
}

static void fill_subjects(struct contest_subject subjects[SUBJECT_COUNT],
                          const struct servers *servers, struct client clients[CLIENTS])
{
    for (enum subject subject = 0; subject < SUBJECT_COUNT; subject++) {
        const pid_t server = server_of(subject, servers);
        struct contest_subject *to = &subjects[subject];
        *to = (struct contest_subject){.name = server != 0 ? kinds[subject].name : NULL,
                                       .act = kinds[subject].act,
                                       .ops = kinds[subject].ops,
                                       .server = server};
        for (unsigned i = 0; i < CLIENTS; i++) {
            void *member = (char *)&clients[i] + kinds[subject].offset;
            to->connections[i] = kinds[subject].is_pointer ? *(void **)member : member;
        }
    }
}

/* ---- the run --------------------------------------------------------------------------------- */

struct options {
    unsigned rounds;
    unsigned slot_ms;
    bool regimes[REGIME_COUNT];
};

static void measure(const struct servers *servers,
                    const struct contest_subject subjects[SUBJECT_COUNT], struct options options)
{
    const unsigned client_counts[] = {1, CLIENTS};
    const pid_t processes[] = {servers->daemon,       servers->bare,
                               servers->hop,          servers->uv.process,
                               servers->raw.process,  servers->singly.process,
                               servers->ping.process, servers->redis.process};
    /* Redis is the last, as it may be missing. */
    const size_t process_count =
        sizeof processes / sizeof processes[0] - (servers->redis.process == 0 ? 1 : 0);
    static struct contest_result results[SUBJECT_COUNT];
    for (enum regime regime = 0; regime < REGIME_COUNT; regime++) {
        if (!options.regimes[regime] || !regime_possible(regime)) {
            continue;
        }
        regime_enter(regime, processes, process_count);
        for (size_t i = 0; i < sizeof client_counts / sizeof client_counts[0]; i++) {
            const struct contest_plan plan = {
                .rounds = options.rounds, .slot_ms = options.slot_ms, .clients = client_counts[i]};
            contest_run(subjects, SUBJECT_COUNT, plan, results);
            report_contest(subjects, results, regime, plan.clients);
        }
    }
}

static unsigned parse_number(const char *text, const char *option)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value == 0 || value > 100000) {
        fprintf(stderr, "bench: --%s: expected 1 to 100000, got \"%s\"\n", option, text);
        exit(2);
    }
    return (unsigned)value;
}

static void parse_regime(const char *text, bool regimes[REGIME_COUNT])
{
    for (enum regime regime = 0; regime < REGIME_COUNT; regime++) {
        if (strcmp(text, regime_name(regime)) == 0) {
            regimes[regime] = true;
            return;
        }
    }
    fprintf(stderr, "bench: --regime: expected \"one core\", halting or awake, got \"%s\"\n", text);
    exit(2);
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"slot-ms", required_argument, NULL, 's'},
                                          {"regime", required_argument, NULL, 'w'},
                                          {0}};
    struct options options = {.rounds = 11, .slot_ms = 50};
    bool chosen = false;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'r':
            options.rounds = parse_number(optarg, "rounds");
            break;
        case 's':
            options.slot_ms = parse_number(optarg, "slot-ms");
            break;
        case 'w':
            parse_regime(optarg, options.regimes);
            chosen = true;
            break;
        default:
            fprintf(stderr, "usage: %s [--rounds N] [--slot-ms N] [--regime NAME]...\n", argv[0]);
            exit(2);
        }
    }
    for (enum regime regime = 0; regime < REGIME_COUNT && !chosen; regime++) {
        options.regimes[regime] = true;
    }
    return options;
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS];
    static struct contest_subject subjects[SUBJECT_COUNT];
    static struct servers servers;
    grpc_echo_serve_if_asked(argc, argv);
    const struct options options = parse_options(argc, argv);
    bench_begin("rpc");
    bench_floors();
    regimes_start();
    start_servers(&servers);
    printf("request %zu bytes, response %zu bytes\n", servers.sizes.request,
           servers.sizes.response);
    if (servers.redis.process == 0) {
        printf("Redis is not installed (make bench-deps): no rows of it\n");
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        open_client(&clients[i], &servers, i);
    }
    fill_subjects(subjects, &servers, clients);
    measure(&servers, subjects, options);
    for (unsigned i = 0; i < CLIENTS; i++) {
        close_client(&clients[i]);
    }
    stop_servers(&servers);
    regimes_stop();
    return bench_end();
}
