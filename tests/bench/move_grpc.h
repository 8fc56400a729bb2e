/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The move suite's peer: a vector of hologramd that is filled over gRPC, by WriteStream, and
 * summed. Opening it starts C core: nothing may fork after it.
 */
#ifndef HG_TESTS_BENCH_MOVE_GRPC_H
#define HG_TESTS_BENCH_MOVE_GRPC_H

#include <stddef.h>
#include <stdint.h>

struct move_grpc;

/* A session with a vector of ELEMENTS f32. Ends the program on failure, as all here do. */
struct move_grpc *move_grpc_open(const char *daemon_path, uint64_t elements);
void move_grpc_close(struct move_grpc *move);

/* Writes all of the vector; DATA is sent from where it is. */
void move_grpc_write(struct move_grpc *move, const float *data);
void move_grpc_sum(struct move_grpc *move);

#endif
