/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the cache suite, and what they share: distinct keys and the smallest program. */
#ifndef HG_TESTS_BENCH_CACHE_PARTS_H
#define HG_TESTS_BENCH_CACHE_PARTS_H

#include "lib/cache/cache.h"
#include "lib/exec/exec.h"
#include "lib/ops/ops.h"

/* What others stand beside. */
struct bench_cache_costs {
    double hit_ns;  /* by key, of 1,000 programs */
    double relu_us; /* miss, build and insert */
    double gemm_us;
};

/* Each prints its rows; some note costs. */
void bench_cache_hits(struct bench_cache_costs *costs);        /* cache_hits.c */
void bench_cache_cold(struct bench_cache_costs *costs);        /* cache_cold.c */
void bench_cache_guard(void);                                  /* cache_guard.c */
void bench_cache_traces(void);                                 /* cache_traces.c */
void bench_cache_scenarios(void);                              /* cache_scenarios.c */
void bench_cache_daemon(void);                                 /* cache_daemon.c */
void bench_cache_onednn(const struct bench_cache_costs *ours); /* cache_onednn.c */

/* Key NUMBER, of fields as operations have them. */
struct hg_key bench_cache_key(uint64_t number);
/* A program of one instruction. */
hg_cache_build_fn bench_cache_build;
/* A cache with as many regions as the engine's; exits on failure. */
struct hg_cache *bench_cache_new(uint64_t entries_max);

/* The launch of CALL's STEP by PROGRAM on the call's operands, all of them in memory; those with a
 * boundary class are part of BOUNDARY. Temporaries are not for here. */
struct hg_launch bench_cache_launch(const struct hg_plan_step *step, const struct hg_op_call *call,
                                    const struct hg_program *program, uint8_t *boundary);

/* xorshift64 (G. Marsaglia, Journal of Statistical Software 8:14, 2003). */
uint64_t bench_cache_random(uint64_t *state);

#endif
