/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs subjects in turn, for a short slot each, round after round, so that a slow phase of a shared
 * machine falls on all; what it gives are medians over the rounds.
 */
#ifndef HG_TESTS_BENCH_RPC_CONTEST_H
#define HG_TESTS_BENCH_RPC_CONTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTEST_CLIENTS_MAX 16

/* One exchange over a connection. Ends the program on failure. */
typedef void contest_act_fn(void *connection);

struct contest_subject {
    const char *name; /* NULL: not there in this run */
    contest_act_fn *act;
    void *connections[CONTEST_CLIENTS_MAX];
    unsigned ops; /* of one act */
    pid_t server;
};

struct contest_plan {
    unsigned rounds;
    unsigned slot_ms;
    unsigned clients; /* 1: the calling thread; more: a thread each */
};

struct contest_result {
    double p50_us; /* of one act: median of the rounds' */
    double p99_us;
    double p999_us;       /* of all rounds' acts together */
    double rate;          /* operations per second */
    double client_cpu_us; /* of one operation, all threads, the kernel's part included */
    double server_cpu_us;
};

void contest_run(const struct contest_subject *subjects, size_t count, struct contest_plan plan,
                 struct contest_result *results);

#endif
