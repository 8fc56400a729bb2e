/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the two sides of an exchange run and whether a core sleeps between messages: on a virtual
 * machine that decides every small figure, so all subjects are measured in each regime.
 */
#ifndef HG_TESTS_BENCH_RPC_REGIME_H
#define HG_TESTS_BENCH_RPC_REGIME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* There is none that leaves placing to the scheduler: it goes back and forth between the first and
 * the second. */
enum regime {
    REGIME_ONE_CORE, /* client and server on one core; the default, as the steadiest */
    REGIME_HALTING,  /* on a core each, which halts while it waits */
    REGIME_AWAKE,    /* the same, with a spinner of the lowest priority on each core */
    REGIME_COUNT
};

/* "one core", "halting", "awake". */
const char *regime_name(enum regime regime);
/* What the names of its rows end with: "" for the default, else " [halting]" and so on. */
const char *regime_suffix(enum regime regime);

/* Starts the spinners, which are stopped until they are wanted: forks. */
void regimes_start(void);
/* False if this machine, with one core, has no such regime. */
bool regime_possible(enum regime regime);
/* Brings the calling process, with all its threads, and those of SERVERS to where they belong. */
void regime_enter(enum regime regime, const pid_t *servers, size_t count);
/* Ends the spinners and lets the calling process run everywhere again. */
void regimes_stop(void);

#endif
