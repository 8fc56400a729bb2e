/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a move costs besides time: bytes through the daemon's sockets by its own metrics, minor page
 * faults and CPU time of both processes by the kernel's.
 */
#ifndef HG_TESTS_BENCH_MOVE_COUNTERS_H
#define HG_TESTS_BENCH_MOVE_COUNTERS_H

#include <sys/types.h>

struct move_counters {
    double socket_bytes; /* received and sent */
    double client_faults;
    double server_faults;
    double client_cpu_ms;
    double server_cpu_ms;
};

/* METRICS_URL as the daemon gives it: http://address:port/metrics. NULL: no socket_bytes. */
struct move_counters move_counters_read(pid_t server, const char *metrics_url);
struct move_counters move_counters_since(struct move_counters now, struct move_counters before);

#endif
