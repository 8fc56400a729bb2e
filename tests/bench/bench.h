/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmarks share: interleaved repeats, medians, a table for people and
 * build/bench/<suite>.json for programs.
 *
 * A suite measures each subject and its baseline in turn, several times over, so that a slow phase
 * of a shared machine falls on both; what it reports is the median of the repeats.
 */
#ifndef HG_TESTS_BENCH_BENCH_H
#define HG_TESTS_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC. */
uint64_t bench_now_ns(void);
/* CPU time of the calling thread: what others on the machine do costs turns, which do not count. */
uint64_t bench_thread_ns(void);
/* Sorts VALUES. FRACTION 0.5 is the median; COUNT >= 1. */
double bench_quantile(double *values, size_t count, double fraction);
double bench_median(double *values, size_t count);

/* Starts a suite; rows follow; bench_end writes the JSON and gives the process's exit status. */
void bench_begin(const char *suite);
/* A row with a baseline. For times pass RATIO = value / baseline; for rates baseline / value: below
 * 1 always means that we take less time. */
void bench_row(const char *name, double value, const char *unit, double baseline, double ratio);
/* The same for the JSON alone: the suite prints it in a table of its own. */
void bench_record(const char *name, double value, const char *unit, double baseline, double ratio);
/* A row without one. */
void bench_plain(const char *name, double value, const char *unit);
/* Prints the two floors of this machine beside the figures: a 64-byte Unix-socket round trip (both
 * sides on one core) and a 64 KiB memcpy; as rows too. */
void bench_floors(void);
int bench_end(void);

#endif
