/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving 64 MiB to where the daemon computes with it: by a native write, beside a raw socket that
 * moves the same bytes in the same pieces; and by way of shared memory, where nothing moves.
 * Subject and peer alternate, and what is printed are medians.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hologram/hologram.h>

#include "tests/bench/bench.h"
#include "tests/bench/peers.h"

#define ROUNDS      15
#define MOVED_BYTES ((size_t)64 << 20)
#define PIECE_BYTES ((size_t)8 << 20) /* what the library sends at a time, and waits for */
#define ELEMENTS    (MOVED_BYTES / sizeof(float))

struct subjects {
    hologram_client *client;
    hologram_buffer heap, shared, result;
    float *memory; /* of `shared` */
    float *source;
    int raw;
};

static void check(const struct subjects *subjects, hologram_status status)
{
    if (status != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s: %s\n", hologram_status_name(status),
                hologram_last_error(subjects->client)->message);
        exit(1);
    }
}

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
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
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

static void move_native(struct subjects *subjects)
{
    check(subjects,
          hologram_write(subjects->client, subjects->heap, 0, subjects->source, MOVED_BYTES));
}

/* The program's own store of the data, and the daemon's word that it may compute now. */
static void move_shared(struct subjects *subjects)
{
    memcpy(subjects->memory, subjects->source, MOVED_BYTES);
    check(subjects, hologram_ping(subjects->client));
}

static void run_on(struct subjects *subjects, hologram_buffer buffer)
{
    check(subjects, hologram_sum(subjects->client, buffer, subjects->result, ELEMENTS, ELEMENTS));
}

static void run_native(struct subjects *subjects)
{
    move_native(subjects);
    run_on(subjects, subjects->heap);
}

static void run_shared(struct subjects *subjects)
{
    move_shared(subjects);
    run_on(subjects, subjects->shared);
}

/* The data is computed in place by whoever made it: what is left is the operation. */
static void run_in_place(struct subjects *subjects)
{
    run_on(subjects, subjects->shared);
}

typedef void act_fn(struct subjects *subjects);

static double time_of(struct subjects *subjects, act_fn *act)
{
    uint64_t start = bench_now_ns();
    act(subjects);
    return (double)(bench_now_ns() - start) / 1e6;
}

static void measure(struct subjects *subjects)
{
    static const struct {
        const char *name;
        act_fn *act;
        unsigned baseline;
    } rows[] = {
        {"raw socket 64 MiB", move_raw, 0},     {"native write 64 MiB", move_native, 0},
        {"shared 64 MiB", move_shared, 0},      {"native write 64 MiB + sum", run_native, 3},
        {"shared 64 MiB + sum", run_shared, 3}, {"shared in place + sum", run_in_place, 3},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    static double times[ROWS][ROUNDS];
    for (unsigned row = 0; row < ROWS; row++) {
        (void)time_of(subjects, rows[row].act); /* pages are there, programs are built */
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned row = 0; row < ROWS; row++) {
            times[row][round] = time_of(subjects, rows[row].act);
        }
    }
    double medians[ROWS];
    for (unsigned row = 0; row < ROWS; row++) {
        medians[row] = bench_median(times[row], ROUNDS);
    }
    for (unsigned row = 0; row < ROWS; row++) {
        double baseline = medians[rows[row].baseline];
        if (rows[row].baseline == row) {
            bench_plain(rows[row].name, medians[row], "ms");
        } else {
            bench_row(rows[row].name, medians[row], "ms", baseline, medians[row] / baseline);
        }
    }
}

static void prepare(struct subjects *subjects)
{
    hologram_client *client = subjects->client;
    const hologram_buffer_spec spec = {.dtype = HOLOGRAM_F32, .rank = 1, .shape = {ELEMENTS}};
    void *memory;
    check(subjects, hologram_alloc_vector(client, HOLOGRAM_F32, ELEMENTS, &subjects->heap));
    check(subjects, hologram_alloc_vector(client, HOLOGRAM_F32, 1, &subjects->result));
    check(subjects, hologram_alloc_shared(client, &spec, &subjects->shared, &memory));
    subjects->memory = memory;
    for (size_t i = 0; i < ELEMENTS; i++) {
        subjects->source[i] = (float)(i % 1000);
    }
}

int main(void)
{
    char directory[] = "/tmp/hologram-bench-XXXXXX";
    char daemon_path[64];
    struct subjects subjects = {.source = malloc(MOVED_BYTES)};
    if (subjects.source == NULL || mkdtemp(directory) == NULL) {
        perror(directory);
        free(subjects.source);
        return 1;
    }
    snprintf(daemon_path, sizeof daemon_path, "%s/hologram.sock", directory);
    bench_begin("move");
    bench_floors();
    pid_t raw = raw_start(&subjects.raw);
    pid_t daemon = daemon_start(daemon_path);
    hologram_error error;
    const hologram_options options = {.socket_path = daemon_path};
    if (hologram_connect(&options, &subjects.client, &error) != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s\n", error.message);
        free(subjects.source);
        return 1;
    }
    prepare(&subjects);
    measure(&subjects);

    hologram_unmap(subjects.memory, MOVED_BYTES);
    hologram_close(&subjects.client);
    daemon_stop(daemon);
    close(subjects.raw);
    waitpid(raw, NULL, 0);
    unlink(daemon_path);
    rmdir(directory);
    free(subjects.source);
    return bench_end();
}
