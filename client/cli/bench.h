/* SPDX-License-Identifier: Apache-2.0 */
/* The measurements of `bench`: one operation, done again and again in one of three ways. */
#ifndef HG_CLIENT_CLI_BENCH_H
#define HG_CLIENT_CLI_BENCH_H

#include "client/cli/cli.h"

#define BENCH_SAMPLES_MAX (1u << 20)

enum bench_mode { BENCH_SINGLE = 1, BENCH_PIPELINED = 2, BENCH_BATCH = 4, BENCH_ALL = 7 };

struct bench_result {
    const char *mode;
    uint64_t operations;
    double seconds;
    double p50_ns; /* of a request, a flight's share or a batch's share */
    double p99_ns;
    double p999_ns;
};

/* Repeats CALL for SECONDS: one request after the other, DEPTH in flight, or DEPTH in a batch.
 * SAMPLES has room for BENCH_SAMPLES_MAX. */
hologram_status bench_measure(hologram_client *client, const hologram_call *call,
                              enum bench_mode mode, uint64_t depth, double seconds, double *samples,
                              struct bench_result *result);

#endif
