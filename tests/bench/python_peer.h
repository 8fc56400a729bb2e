/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparators that live in Python: numpy, numexpr, torch. A child process keeps their tensors and
 * runs statements when asked, so that they can be interleaved with ours; the time is taken there,
 * around a loop over the statement, so the call from Python is in it and the pipe is not.
 *
 * Threads: one.
 */
#ifndef HG_TESTS_BENCH_PYTHON_PEER_H
#define HG_TESTS_BENCH_PYTHON_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct python_peer;

/* Starts Python with THREADS threads for each library, and with the CPU's widest vectors where the
 * libraries would not find them by themselves (python_peer.py says what is set). NULL if there is
 * no Python. */
struct python_peer *python_peer_start(unsigned threads);
/* What was set, for the report; static. */
const char *python_peer_settings(void);
/* Runs SETUP once and keeps STATEMENT for python_peer_time; gives its number, or -1 if a module is
 * missing or the text fails (which is printed). */
int python_peer_add(struct python_peer *peer, const char *setup, const char *statement);
/* Forgets statement NUMBER and what its setup made. */
void python_peer_drop(struct python_peer *peer, int number);
/* Runs statement NUMBER as often as said; gives nanoseconds of one. */
double python_peer_time(struct python_peer *peer, int number, unsigned times);
/* The same, of CPU time of the thread that runs it if BY_THREAD says so. */
double python_peer_time_by(struct python_peer *peer, int number, unsigned times, bool by_thread);
/* NULLs *PEER. */
void python_peer_stop(struct python_peer **peer);

#endif
