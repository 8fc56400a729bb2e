/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving 64 MiB to where the daemon computes with it: by a native write, beside a raw socket that
 * moves the same bytes in the same pieces; by gRPC's WriteStream; and by way of shared memory,
 * where nothing moves. All take turns, and what is printed are medians over the rounds, with what
 * each costs in CPU time, page faults and bytes through the daemon's sockets.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hologram/hologram.h>

#include "tests/bench/bench.h"
#include "tests/bench/move_counters.h"
#include "tests/bench/move_grpc.h"
#include "tests/bench/peers.h"

#define ROUNDS      15
#define MOVED_BYTES ((size_t)64 << 20)
#define PIECE_BYTES ((size_t)8 << 20) /* what the library sends at a time, and waits for */
#define ELEMENTS    (MOVED_BYTES / sizeof(float))

struct subjects {
    hologram_client *client;
    hologram_buffer heap, shared, result;
    hologram_stats *stats; /* has the address of the metrics */
    float *memory;         /* of `shared` */
    float *source;
    float value; /* of the round: what the vector is filled with */
    struct move_grpc *grpc;
    int raw;
    pid_t raw_process;
    pid_t daemon;
};

static void check(const struct subjects *subjects, hologram_status status)
{
    if (status != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s: %s\n", hologram_status_name(status),
                hologram_last_error(subjects->client)->message);
        exit(1);
    }
}

/* ---- the raw socket -------------------------------------------------------------------------- */

/* Receives each piece to its place and answers it. */
static _Noreturn void raw_serve(int fd)
{
    uint8_t *place = malloc(MOVED_BYTES);
    size_t at = 0;
    if (place == NULL) {
        _exit(1);
    }
    for (;;) {
        ssize_t count = recv(fd, place + at, PIECE_BYTES - at % PIECE_BYTES, 0);
        if (count <= 0) {
            _exit(0);
        }
        at += (size_t)count;
        if (at % PIECE_BYTES == 0 && send(fd, "k", 1, MSG_NOSIGNAL) != 1) {
            _exit(1);
        }
        at %= MOVED_BYTES;
    }
}

static pid_t raw_start(int *fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        perror("socketpair");
        exit(1);
    }
    pid_t child = peer_fork();
    if (child == 0) {
        close(pair[0]);
        raw_serve(pair[1]);
    }
    close(pair[1]);
    *fd = pair[0];
    return child;
}

static void move_raw(struct subjects *subjects)
{
    const uint8_t *bytes = (const uint8_t *)subjects->source;
    char answer;
    for (size_t at = 0; at < MOVED_BYTES; at += PIECE_BYTES) {
        for (size_t sent = 0; sent < PIECE_BYTES;) {
            ssize_t count =
                send(subjects->raw, bytes + at + sent, PIECE_BYTES - sent, MSG_NOSIGNAL);
            if (count <= 0) {
                perror("send");
                exit(1);
            }
            sent += (size_t)count;
        }
        if (recv(subjects->raw, &answer, 1, 0) != 1) {
            perror("recv");
            exit(1);
        }
    }
}

/* ---- ways to move, and to compute with what was moved ---------------------------------------- */

static void fill(float *vector, float value)
{
    for (size_t i = 0; i < ELEMENTS; i++) {
        vector[i] = value;
    }
}

static void move_native(struct subjects *subjects)
{
    check(subjects,
          hologram_write(subjects->client, subjects->heap, 0, subjects->source, MOVED_BYTES));
}

static void move_grpc(struct subjects *subjects)
{
    move_grpc_write(subjects->grpc, subjects->source);
}

/* The data lies elsewhere: the program's own copy, and the daemon's word that it may compute. */
static void move_copied_in(struct subjects *subjects)
{
    memcpy(subjects->memory, subjects->source, MOVED_BYTES);
    check(subjects, hologram_ping(subjects->client));
}

/* The data was made where it is: the word alone. */
static void move_in_place(struct subjects *subjects)
{
    check(subjects, hologram_ping(subjects->client));
}

/* A sum of equal powers of two is exact, whatever its order: it tells whether the daemon saw what
 * the program had just written. */
static void sum(struct subjects *subjects, hologram_buffer buffer)
{
    const float expected = subjects->value * (float)MOVED_BYTES / sizeof(float);
    float got = 0;
    check(subjects, hologram_sum(subjects->client, buffer, subjects->result, ELEMENTS, ELEMENTS));
    check(subjects, hologram_read(subjects->client, subjects->result, 0, &got, sizeof got));
    if (got != expected) {
        fprintf(stderr, "bench: expected a sum of %g, got %g\n", (double)expected, (double)got);
        exit(1);
    }
}

static void run_native(struct subjects *subjects)
{
    fill(subjects->source, subjects->value);
    move_native(subjects);
    sum(subjects, subjects->heap);
}

static void run_grpc(struct subjects *subjects)
{
    fill(subjects->source, subjects->value);
    move_grpc(subjects);
    move_grpc_sum(subjects->grpc);
}

static void run_in_place(struct subjects *subjects)
{
    fill(subjects->memory, subjects->value);
    sum(subjects, subjects->shared);
}

enum way { RAW, NATIVE, GRPC, COPIED_IN, IN_PLACE, NATIVE_SUM, GRPC_SUM, IN_PLACE_SUM, WAY_COUNT };

static const struct {
    const char *name;
    void (*act)(struct subjects *subjects);
    enum way baseline; /* itself: none */
} ways[WAY_COUNT] = {
    [RAW] = {"raw socket 64 MiB", move_raw, RAW},
    [NATIVE] = {"native write 64 MiB", move_native, RAW},
    [GRPC] = {"grpc WriteStream 64 MiB", move_grpc, RAW},
    [COPIED_IN] = {"shared 64 MiB, copied in", move_copied_in, GRPC},
    [IN_PLACE] = {"shared 64 MiB, in place", move_in_place, GRPC},
    [NATIVE_SUM] = {"fill + native write + sum", run_native, GRPC_SUM},
    [GRPC_SUM] = {"fill + grpc WriteStream + sum", run_grpc, GRPC_SUM},
    [IN_PLACE_SUM] = {"fill + sum, shared, in place", run_in_place, GRPC_SUM},
};

/* ---- rounds ---------------------------------------------------------------------------------- */

struct figures {
    double ms[ROUNDS];
    double socket_bytes[ROUNDS];
    double client_faults[ROUNDS];
    double server_faults[ROUNDS];
    double client_cpu_ms[ROUNDS];
    double server_cpu_ms[ROUNDS];
};

static void measure_once(struct subjects *subjects, enum way way, unsigned round,
                         struct figures *figures)
{
    const pid_t server = way == RAW ? subjects->raw_process : subjects->daemon;
    const char *url = hologram_stats_server(subjects->stats)->metrics_url;
    const struct move_counters before = move_counters_read(server, url);
    const uint64_t start = bench_now_ns();
    ways[way].act(subjects);
    figures->ms[round] = (double)(bench_now_ns() - start) / 1e6;
    const struct move_counters used = move_counters_since(move_counters_read(server, url), before);
    figures->socket_bytes[round] = used.socket_bytes;
    figures->client_faults[round] = used.client_faults;
    figures->server_faults[round] = used.server_faults;
    figures->client_cpu_ms[round] = used.client_cpu_ms;
    figures->server_cpu_ms[round] = used.server_cpu_ms;
}

static void record(enum way way, const char *what, double value, const char *unit)
{
    char name[96];
    snprintf(name, sizeof name, "%s: %s", ways[way].name, what);
    bench_record(name, value, unit, NAN, NAN);
}

/* Prints and records one way's medians beside BASELINE_MS; gives its time. */
static double report(enum way way, struct figures *figures, double baseline_ms)
{
    const double ms = bench_median(figures->ms, ROUNDS);
    const double bytes = bench_median(figures->socket_bytes, ROUNDS);
    const double client_faults = bench_median(figures->client_faults, ROUNDS);
    const double server_faults = bench_median(figures->server_faults, ROUNDS);
    const double client_cpu = bench_median(figures->client_cpu_ms, ROUNDS);
    const double server_cpu = bench_median(figures->server_cpu_ms, ROUNDS);
    printf("%-32s %10.3f %9.2f %9.2f %8.0f %8.0f %12.0f", ways[way].name, ms, client_cpu,
           server_cpu, client_faults, server_faults, bytes);
    if (ways[way].baseline == way) {
        printf("\n");
        bench_record(ways[way].name, ms, "ms", NAN, NAN);
    } else {
        printf(" %8.3f\n", ms / baseline_ms);
        bench_record(ways[way].name, ms, "ms", baseline_ms, ms / baseline_ms);
    }
    record(way, "CPU client", client_cpu, "ms");
    record(way, "CPU server", server_cpu, "ms");
    record(way, "minor faults client", client_faults, "");
    record(way, "minor faults server", server_faults, "");
    if (way != RAW) {
        record(way, "bytes through native sockets", bytes, "bytes");
    }
    return ms;
}

static void report_all(struct figures figures[WAY_COUNT])
{
    double ms[WAY_COUNT];
    printf("%-32s %10s %9s %9s %8s %8s %12s %8s\n", "", "ms", "CPU ms", "CPU ms", "faults",
           "faults", "bytes, native", "ratio");
    printf("%-32s %10s %9s %9s %8s %8s %12s\n", "", "", "client", "server", "client", "server",
           "sockets");
    for (enum way way = 0; way < WAY_COUNT; way++) {
        ms[way] = bench_median(figures[way].ms, ROUNDS);
    }
    for (enum way way = 0; way < WAY_COUNT; way++) {
        (void)report(way, &figures[way], ms[ways[way].baseline]);
    }
    printf("\n");
    bench_row("target: native write >= 0.8 raw socket's rate", ms[NATIVE], "ms", ms[RAW] / 0.8,
              ms[NATIVE] / (ms[RAW] / 0.8));
    bench_row("target: shared in place >= 10 grpc", ms[IN_PLACE], "ms", ms[GRPC] / 10,
              ms[IN_PLACE] / (ms[GRPC] / 10));
}

static void measure(struct subjects *subjects)
{
    static struct figures figures[WAY_COUNT];
    for (enum way way = 0; way < WAY_COUNT; way++) {
        measure_once(subjects, way, 0, &figures[way]); /* pages are there, programs are built */
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        subjects->value = (float)(1u << round % 4);
        for (enum way way = 0; way < WAY_COUNT; way++) {
            measure_once(subjects, way, round, &figures[way]);
        }
    }
    report_all(figures);
}

/* ---- setting up ------------------------------------------------------------------------------ */

static void prepare(struct subjects *subjects, const char *daemon_path)
{
    const hologram_options options = {.socket_path = daemon_path};
    const hologram_buffer_spec spec = {.dtype = HOLOGRAM_F32, .rank = 1, .shape = {ELEMENTS}};
    hologram_error error;
    void *memory;
    if (hologram_connect(&options, &subjects->client, &error) != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s\n", error.message);
        exit(1);
    }
    hologram_client *client = subjects->client;
    check(subjects, hologram_get_stats(client, &subjects->stats));
    check(subjects, hologram_alloc_vector(client, HOLOGRAM_F32, ELEMENTS, &subjects->heap));
    check(subjects, hologram_alloc_vector(client, HOLOGRAM_F32, 1, &subjects->result));
    check(subjects, hologram_alloc_shared(client, &spec, &subjects->shared, &memory));
    subjects->memory = memory;
    subjects->value = 1;
    fill(subjects->source, subjects->value);
    subjects->grpc = move_grpc_open(daemon_path, ELEMENTS);
}

static void finish(struct subjects *subjects)
{
    move_grpc_close(subjects->grpc);
    hologram_unmap(subjects->memory, MOVED_BYTES);
    hologram_stats_free(subjects->stats);
    hologram_close(&subjects->client);
    daemon_stop(subjects->daemon);
    close(subjects->raw);
    waitpid(subjects->raw_process, NULL, 0);
    free(subjects->source);
}

int main(void)
{
    char directory[64], daemon_path[96];
    struct subjects subjects = {.source = malloc(MOVED_BYTES)};
    if (subjects.source == NULL) {
        perror("bench");
        return 1;
    }
    peer_directory_make(directory, sizeof directory);
    snprintf(daemon_path, sizeof daemon_path, "%s/hologram.sock", directory);
    bench_begin("move");
    bench_floors();
    subjects.raw_process = raw_start(&subjects.raw);
    subjects.daemon = daemon_start(daemon_path, "127.0.0.1:0");
    prepare(&subjects, daemon_path);
    measure(&subjects);
    finish(&subjects);
    peer_directory_remove(directory);
    return bench_end();
}
