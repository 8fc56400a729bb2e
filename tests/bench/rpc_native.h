/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rpc suite's subjects that use libhologram: additions of 256 elements, sent in every way that
 * there is.
 */
#ifndef HG_TESTS_BENCH_RPC_NATIVE_H
#define HG_TESTS_BENCH_RPC_NATIVE_H

#include "tests/bench/peers.h"

#define NATIVE_WINDOW   64  /* requests in flight of a pipelined exchange */
#define NATIVE_STEPS    100 /* of a batch */
#define NATIVE_ELEMENTS 256

/* Bytes of a vector_add and of its answer, with the frame's header. */
struct peer_sizes native_sizes(void);

struct native;

/* A connection of its own to the daemon on PATH, with its buffers. Ends the program on failure. */
struct native *native_open(const char *path);
void native_close(struct native *native);

/* Each takes a struct native and does one exchange; of 1 operation, NATIVE_WINDOW or NATIVE_STEPS.
 */
void native_ping(void *native);
void native_add(void *native);
void native_pipelined(void *native);
void native_batch(void *native);
void native_prepared(void *native);
void native_prepared_pipelined(void *native);
void native_prepared_batch(void *native);
/* c = a + b, then c = c + b again and again: each step needs the one before. */
void native_chained(void *native);

#endif
