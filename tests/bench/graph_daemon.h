/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs through a real daemon, with the C client: a network's request beside the same as separate
 * operations, and a step of training beside NumPy and torch.
 *
 * Threads: one.
 */
#ifndef HG_TESTS_BENCH_GRAPH_DAEMON_H
#define HG_TESTS_BENCH_GRAPH_DAEMON_H

#include "tests/bench/python_peer.h"

/* Prints the rows. PEER: NULL without Python; has two threads for each library, as the daemon has
 * workers. */
void bench_graph_daemon(struct python_peer *peer);

#endif
