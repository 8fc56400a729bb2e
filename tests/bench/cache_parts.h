/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the cache suite, and what they share: distinct keys and the smallest program. */
#ifndef HG_TESTS_BENCH_CACHE_PARTS_H
#define HG_TESTS_BENCH_CACHE_PARTS_H

#include "lib/cache/cache.h"

/* Each prints its rows. */
void bench_cache_hits(void);   /* cache_hits.c */
void bench_cache_cold(void);   /* cache_cold.c */
void bench_cache_guard(void);  /* cache_guard.c */
void bench_cache_traces(void); /* cache_traces.c */

/* Key NUMBER, of fields as operations have them. */
struct hg_key bench_cache_key(uint64_t number);
/* A program of one instruction. */
hg_cache_build_fn bench_cache_build;
/* A cache with 42 regions, as the engine's; exits on failure. */
struct hg_cache *bench_cache_new(uint64_t entries_max);

/* xorshift64 (G. Marsaglia, Journal of Statistical Software 8:14, 2003). */
uint64_t bench_cache_random(uint64_t *state);

#endif
