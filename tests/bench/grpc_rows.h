/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HG_TESTS_BENCH_GRPC_ROWS_H
#define HG_TESTS_BENCH_GRPC_ROWS_H

/*
 * The rows of the rpc suite that speak gRPC: to the daemon on DAEMON_PATH and to echoes on sockets
 * in DIRECTORY. Starts C core, so nothing may fork after it.
 */
void measure_grpc(const char *directory, const char *daemon_path);

#endif
