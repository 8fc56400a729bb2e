/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rpc suite's subjects that speak gRPC: unary additions by hologramd beside an echo of the same
 * request on the same library, and additions over a Session stream. Opening one starts C core:
 * nothing may fork after it.
 */
#ifndef HG_TESTS_BENCH_GRPC_SUBJECTS_H
#define HG_TESTS_BENCH_GRPC_SUBJECTS_H

#include <sys/types.h>

#define GRPC_WINDOW 64 /* messages in flight on a stream */

struct grpc_unary;
struct grpc_session;

/* A channel of its own, with a session that has the buffers; or to an echo, which gets the same
 * bytes. End the program on failure. */
struct grpc_unary *grpc_unary_open(const char *daemon_path);
struct grpc_unary *grpc_unary_open_echo(const char *echo_path);
void grpc_unary_close(struct grpc_unary *unary);
/* One call over a struct grpc_unary. */
void grpc_unary_trip(void *unary);

struct grpc_session *grpc_session_open(const char *daemon_path);
void grpc_session_close(struct grpc_session *session);
/* GRPC_WINDOW messages over a struct grpc_session, then their answers. */
void grpc_session_flight(void *session);

#endif
