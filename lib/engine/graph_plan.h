/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph's plan as the engine keeps and runs it: per launch a program's key, its parameters and
 * where its operands are. What planning needed besides is gone.
 *
 * The programs that run are the cache's, looked up launch by launch; the plan has an original of
 * each, from which one that was evicted is put back.
 *
 * Threads: a plan never changes after it was made; references from any thread.
 */
#ifndef HG_LIB_ENGINE_GRAPH_PLAN_H
#define HG_LIB_ENGINE_GRAPH_PLAN_H

#include <stdatomic.h>
#include <string.h>

#include "lib/engine/graphs.h"
#include "lib/graph/plan.h"
#include "lib/program/key.h"

struct hg_ready_operand {
    uint8_t place; /* enum hg_plan_place */
    bool writes;
    uint16_t index;  /* of the input or output */
    uint64_t offset; /* in the arena */
    uint64_t bytes;
};

struct hg_ready_launch {
    struct hg_key key;
    struct hg_program *original;
    uint64_t params[HG_PARAM_COUNT];
    uint64_t estimate_ns; /* on one thread */
    uint32_t first;       /* of its operands */
    uint32_t count;
    uint32_t level; /* launches of one level follow each other, and may run at the same time */
};

struct hg_ready_plan {
    _Atomic uint32_t references; /* relaxed up, acq_rel down: the last one frees */
    uint32_t launch_count;
    uint32_t output_count;
    uint32_t wanted_words;
    uint64_t *wanted; /* what it was made for: hg_graph_wanted */
    struct hg_ready_launch *launches;
    struct hg_ready_operand *operands;
    struct hg_graph_binding *outputs;
    uint64_t arena_bytes;
    uint64_t scratch_bytes; /* at most, of launches that run at the same time */
    uint64_t estimate_ns;   /* of all launches on one thread */
    uint64_t bytes;         /* that it occupies, originals included */
};

/* What a plan depends on besides its graph, as words: types and shapes of the inputs, and which of
 * them are in the memory of which output. */
#define HG_GRAPH_WANTED_MAX (HG_GRAPH_BINDINGS_MAX * (2 + HG_GRAPH_RANK_MAX))
struct hg_graph_wanted {
    uint32_t count;
    uint64_t words[HG_GRAPH_WANTED_MAX]; /* beyond COUNT: never initialised, for speed */
};
/* SHARED: by input, the output in whose memory it is or UINT32_MAX. */
void hg_graph_wanted_fill(struct hg_graph_wanted *wanted, const struct hg_graph_binding *inputs,
                          uint32_t input_count, const uint32_t *shared);
static inline bool hg_ready_plan_fits(const struct hg_ready_plan *plan,
                                      const struct hg_graph_wanted *wanted)
{
    return plan->wanted_words == wanted->count &&
           memcmp(plan->wanted, wanted->words, wanted->count * sizeof wanted->words[0]) == 0;
}

/* Plans GRAPH and gives the first reference. Errors: those of hg_graph_plan. */
HG_MUST_CHECK enum hg_status hg_ready_plan_create(const struct hg_graph *graph,
                                                  const struct hg_graph_binding *inputs,
                                                  uint32_t input_count, const uint32_t *shared,
                                                  struct hg_ready_plan **plan,
                                                  struct hg_error *error);
static inline struct hg_ready_plan *hg_ready_plan_ref(struct hg_ready_plan *plan)
{
    atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
    return plan;
}
/* NULLs *PLAN (may be NULL). */
void hg_ready_plan_unref(struct hg_ready_plan **plan);

#endif
