/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernels suite stands beside. Each peer has its own way to run the subjects over the same
 * sizes, and is asked in turn with the others.
 */
#ifndef HG_TESTS_BENCH_KERNELS_PEERS_H
#define HG_TESTS_BENCH_KERNELS_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/bench/bench.h"

#define KERNELS_THREADS_MAX 2

/* Operations by the names of ops.def. */
struct kernels_work {
    const char *op;
    size_t n;
    unsigned threads;
    const float *a; /* inputs in (0, 1) of losses, else around 0 */
    const float *b;
    float *c;
};

/* The clock for work on THREADS: of one, who does nothing else, its CPU time. */
static inline uint64_t kernels_now_ns(unsigned threads)
{
    return threads == 1 ? bench_thread_ns() : bench_now_ns();
}

struct kernels_peer {
    const char *name;
    /* False if the peer is not here, or never has so many threads. */
    bool (*start)(const char *name, unsigned threads);
    /* Nanoseconds of one call by kernels_now_ns, the mean of CALLS; below 0 if the peer has no such
     * operation. */
    double (*time)(const char *name, const struct kernels_work *work, size_t calls);
};

/* ---- kernels_loops.c: plain C, compiled with -O3 -march=native (and -ffast-math, so that the C
 * library's vector functions are called): what a programmer gets without any of this; one thread
 */
bool kernels_loop_start(const char *name, unsigned threads);
double kernels_loop_time(const char *name, const struct kernels_work *work, size_t calls);

/* ---- kernels_fused.c: gelu by hand, in one pass of AVX-512 intrinsics that do what our program
 * does: its limit; one thread ------------------------------------------------------------------ */
bool kernels_fused_start(const char *name, unsigned threads);
double kernels_fused_time(const char *name, const struct kernels_work *work, size_t calls);

/* ---- kernels_onednn.c: primitives made beforehand ----------------------------------------------
 */
bool kernels_onednn_start(const char *name, unsigned threads);
double kernels_onednn_time(const char *name, const struct kernels_work *work, size_t calls);

/* ---- kernels_python.c: numpy, numexpr, torch in a process for each number of threads; with
 * outputs given, so that no memory is made ----------------------------------------------------- */
bool kernels_python_start(const char *name, unsigned threads);
double kernels_python_time(const char *name, const struct kernels_work *work, size_t calls);
void kernels_python_stop(void);

#endif
