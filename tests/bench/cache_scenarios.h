/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seed's scenarios, as steps that a process and a client can both make. Buffers are numbered:
 * they hold SCENARIO_ELEMENTS F32 each and lie in the boundary pool, so that other buffers are
 * other programs. The first half is read, the second written: values stay what they were.
 */
#ifndef HG_TESTS_BENCH_CACHE_SCENARIOS_H
#define HG_TESTS_BENCH_CACHE_SCENARIOS_H

#include "lib/ops/ops.h"

#define SCENARIO_ELEMENTS 256
#define SCENARIO_BUFFERS  16
#define SCENARIO_CALLS    10000 /* of vector_add, in scenario 2 */
#define SCENARIO_STEPS    100   /* of an iteration in scenario 1, each a program of its own */
#define SCENARIO_ROUNDS   1000

/* What the seed's author wrote that these take with his cache: computed, not measured. */
#define SEED_MS_1 102.0
#define SEED_MS_2 10.1

struct scenario_step {
    enum hg_op_id op;
    unsigned inputs[2];
    unsigned output;
};

/* Step INDEX of an iteration of a network's training, forth, loss and back. */
struct scenario_step scenario_step(unsigned index);
/* The attributes that the step needs, by name; gives their number. */
unsigned scenario_attributes(enum hg_op_id op, const char *names[2], float values[2]);

#endif
