/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/graph_plan.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/sha256.h"
#include "lib/engine/work.h"

void hg_graph_wanted_fill(struct hg_graph_wanted *wanted, const struct hg_graph_binding *inputs,
                          uint32_t input_count, const uint32_t *shared)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < input_count; i++) {
        const struct hg_ir_shape *shape = &inputs[i].shape;
        wanted->words[count++] = (uint64_t)inputs[i].type << 8 | shape->rank;
        for (unsigned k = 0; k < shape->rank; k++) {
            wanted->words[count++] = shape->size[k];
        }
    }
    for (uint32_t i = 0; i < input_count; i++) {
        if (shared[i] != UINT32_MAX) {
            wanted->words[count++] = (uint64_t)i << 32 | shared[i];
        }
    }
    HG_REQUIRE(count <= HG_GRAPH_WANTED_MAX);
    wanted->count = count;
}

/* The words' digest is the key, as that of users' programs is: equal programs of different graphs
 * are one, different ones never meet. */
static void key_of(const struct hg_program *program, struct hg_key *key)
{
    uint8_t digest[HG_SHA256_BYTES];
    hg_sha256(program->words, program->word_count * sizeof program->words[0], digest);
    hg_key_init(key);
    key->cache = HG_CACHE_GRAPH;
    _Static_assert(sizeof key->operand == sizeof digest, "the digest fills the operands' place");
    memcpy(key->operand, digest, sizeof digest);
    key->constant[0] = (uint64_t)program->facts.slot_count << 32 | program->facts.scratch_bytes;
    key->constant[1] = program->word_count;
}

static uint32_t count_operands(const struct hg_graph_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        count += plan->launches[i].operand_count;
    }
    return count;
}

static void note_costs(struct hg_ready_plan *ready, struct hg_ready_launch *launch)
{
    const struct hg_program *program = launch->original;
    const uint64_t estimate_ns = hg_exec_estimate_ns(program, launch->params);
    /* Sums of estimates of this size are not compared with anything. */
    launch->estimate_ns = estimate_ns < UINT32_MAX ? estimate_ns : UINT32_MAX;
    ready->estimate_ns += launch->estimate_ns;
    ready->bytes += hg_program_bytes(program);
}

static uint64_t scratch_of(const struct hg_ready_launch *launch)
{
    return hg_exec_scratch_bytes(launch->original, launch->params[HG_PARAM_ROWS],
                                 launch->params[HG_PARAM_COLS]);
}

/* What launches that run at the same time take at most, which are of one level. */
static uint64_t find_scratch(const struct hg_ready_plan *ready)
{
    uint64_t most = 0;
    uint64_t largest = 0; /* of the level so far, */
    uint32_t count = 0;   /*   in which there are so many */
    for (uint32_t i = 0; i < ready->launch_count; i++) {
        if (i > 0 && ready->launches[i].level != ready->launches[i - 1].level) {
            largest = count = 0;
        }
        const uint64_t scratch = scratch_of(&ready->launches[i]);
        uint64_t sum;
        count += count < HG_SIDES_MAX ? 1 : 0;
        largest = scratch > largest ? scratch : largest;
        if (!hg_mul_u64(largest, count, &sum)) {
            return UINT64_MAX;
        }
        most = sum > most ? sum : most;
    }
    return most;
}

static void take_launch(struct hg_ready_plan *ready, const struct hg_plan_launch *from,
                        uint32_t first)
{
    struct hg_ready_launch *launch = &ready->launches[ready->launch_count++];
    key_of(from->program, &launch->key);
    launch->original = hg_program_ref(from->program);
    memcpy(launch->params, from->params, sizeof launch->params);
    launch->first = first;
    launch->level = from->level;
    launch->count = from->operand_count;
    for (unsigned k = 0; k < from->operand_count; k++) {
        const struct hg_plan_operand *operand = &from->operands[k];
        ready->operands[first + k] = (struct hg_ready_operand){.place = operand->place,
                                                               .writes = operand->writes,
                                                               .index = operand->index,
                                                               .offset = operand->offset,
                                                               .bytes = operand->bytes};
    }
    note_costs(ready, launch);
}

static bool take_memory(struct hg_ready_plan *ready, const struct hg_graph_plan *plan,
                        uint32_t operands, uint32_t words)
{
    ready->launches = hg_calloc(HG_TAG_GRAPH, plan->launch_count, sizeof *ready->launches);
    ready->operands = hg_calloc(HG_TAG_GRAPH, operands, sizeof *ready->operands);
    ready->outputs = hg_calloc(HG_TAG_GRAPH, plan->ir->output_count, sizeof *ready->outputs);
    ready->wanted = hg_calloc(HG_TAG_GRAPH, words, sizeof *ready->wanted);
    if (ready->launches == NULL || ready->operands == NULL || ready->outputs == NULL ||
        ready->wanted == NULL) {
        return false;
    }
    ready->bytes += hg_alloc_block_bytes(ready) + hg_alloc_block_bytes(ready->launches) +
                    hg_alloc_block_bytes(ready->operands) + hg_alloc_block_bytes(ready->outputs) +
                    hg_alloc_block_bytes(ready->wanted);
    return true;
}

/* What of PLAN is needed to run it. */
static enum hg_status condense(const struct hg_graph_plan *plan,
                               const struct hg_graph_wanted *wanted, struct hg_ready_plan **ready,
                               struct hg_error *error)
{
    struct hg_ready_plan *made = hg_calloc(HG_TAG_GRAPH, 1, sizeof *made);
    if (made == NULL || !take_memory(made, plan, count_operands(plan), wanted->count)) {
        hg_ready_plan_unref(&made);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's plan");
    }
    atomic_init(&made->references, 1);
    made->wanted_words = wanted->count;
    memcpy(made->wanted, wanted->words, wanted->count * sizeof wanted->words[0]);
    made->arena_bytes = plan->arena_bytes;
    made->output_count = plan->ir->output_count;
    for (uint32_t i = 0; i < made->output_count; i++) {
        hg_graph_plan_output(plan, i, &made->outputs[i]);
    }
    uint32_t first = 0;
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        take_launch(made, &plan->launches[i], first);
        first += plan->launches[i].operand_count;
    }
    made->scratch_bytes = find_scratch(made);
    *ready = made;
    return HG_OK;
}

enum hg_status hg_ready_plan_create(const struct hg_graph *graph,
                                    const struct hg_graph_binding *inputs, uint32_t input_count,
                                    const uint32_t *shared, struct hg_ready_plan **plan,
                                    struct hg_error *error)
{
    const struct hg_plan_options options = {.rules = HG_FUSION_RULES_ALL, .shared = shared};
    struct hg_graph_plan *made = NULL;
    enum hg_status status = hg_graph_plan(graph, inputs, input_count, &options, &made, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_graph_wanted wanted;
    hg_graph_wanted_fill(&wanted, inputs, input_count, shared);
    status = condense(made, &wanted, plan, error);
    hg_graph_plan_destroy(&made);
    return status;
}

void hg_ready_plan_unref(struct hg_ready_plan **plan)
{
    struct hg_ready_plan *dropped = *plan;
    *plan = NULL;
    /* One that is not finished has no reference yet. */
    if (dropped == NULL ||
        atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (uint32_t i = 0; i < dropped->launch_count; i++) {
        hg_program_unref(&dropped->launches[i].original);
    }
    hg_free(HG_TAG_GRAPH, dropped->launches);
    hg_free(HG_TAG_GRAPH, dropped->operands);
    hg_free(HG_TAG_GRAPH, dropped->outputs);
    hg_free(HG_TAG_GRAPH, dropped->wanted);
    hg_free(HG_TAG_GRAPH, dropped);
}
