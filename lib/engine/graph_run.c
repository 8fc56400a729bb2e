/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running graphs: the plan for what is bound, the outputs that are not there yet, and the launches
 * one by one.
 */
#include "lib/engine/graph_run.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/repeat.h"

/* ---- launches -------------------------------------------------------------------------------- */

struct graph_run {
    struct hg_script script; /* first */
    struct hg_ready_plan *plan;
    /* The caller's, for as long as the run is on its thread. */
    const struct hg_known_graph *known;
    const struct hg_graph_result *result;
    uint8_t *arena;
    struct hg_buffer *made[HG_GRAPH_OUTPUTS_MAX]; /* by output: borrowed from the claims; or NULL */
    uint32_t input_count;
    struct hg_operand operands[]; /* inputs, then outputs */
};

/* A program that the cache does not have, any more or yet. */
struct absent {
    const struct hg_engine_options *options;
    const struct hg_program *original;
};

static enum hg_status put_back(const struct hg_key *key, void *context, struct hg_program **program,
                               struct hg_error *error)
{
    const struct absent *absent = context;
    const struct hg_program *original = absent->original;
    enum hg_status status = hg_program_copy_verified(key, &original->facts, original->words,
                                                     original->word_count, program, error);
    if (status == HG_OK) {
        hg_exec_prepare(*program, absent->options->executor, absent->options->fp_mode);
    }
    return status;
}

static struct hg_operand operand_of(const struct graph_run *run,
                                    const struct hg_ready_operand *operand)
{
    if (operand->place == HG_PLACE_ARENA) {
        return (struct hg_operand){run->arena + operand->offset, operand->bytes, operand->writes};
    }
    const uint32_t first = operand->place == HG_PLACE_INPUT ? 0 : run->input_count;
    struct hg_operand bound = run->operands[first + operand->index];
    bound.writable = operand->writes;
    return bound;
}

static enum hg_status make_launch(struct hg_script *script, struct hg_prepared *prepared,
                                  uint32_t step, struct hg_error *error)
{
    struct graph_run *run = (struct graph_run *)script;
    const struct hg_ready_launch *from = &run->plan->launches[step];
    struct hg_cache_loan loan;
    struct absent absent = {&prepared->engine->options, from->original};
    enum hg_status status =
        hg_cache_borrow(prepared->engine->cache, &from->key, put_back, &absent, &loan, NULL, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_launch *launch;
    hg_prepared_add_step(prepared, loan, &launch);
    launch->operand_count = from->count;
    for (uint32_t i = 0; i < from->count; i++) {
        launch->operands[i] = operand_of(run, &run->plan->operands[from->first + i]);
    }
    memcpy(launch->params, from->params, sizeof launch->params);
    return HG_OK;
}

static uint64_t estimate_launch(const struct hg_script *script, uint32_t step)
{
    return ((const struct graph_run *)script)->plan->launches[step].estimate_ns;
}

/* The launches from STEP on that are of its level, as far as anybody wants to know. */
static uint32_t count_level(const struct hg_script *script, uint32_t step)
{
    const struct hg_ready_plan *plan = ((const struct graph_run *)script)->plan;
    uint32_t end = step + 1;
    while (end - step < HG_SIDES_MAX && end < plan->launch_count &&
           plan->launches[end].level == plan->launches[step].level) {
        end++;
    }
    return end - step;
}

static void note_run(struct hg_script *script, struct hg_prepared *prepared)
{
    const struct graph_run *run = (const struct graph_run *)script;
    hg_repeat_note_graph(prepared->repeat, prepared,
                         hg_graph_repeat_create(prepared, run->known, run->plan, run->result));
}

/* What was made was not zeroed: it is written as a whole, and if that failed nobody may see what
 * was there before. */
static void end_run(struct hg_script *script, bool is_well)
{
    struct graph_run *run = (struct graph_run *)script;
    for (uint32_t i = 0; is_well && i < run->plan->output_count; i++) {
        if (run->made[i] != NULL) {
            /* Release: pairs with the acquire in hg_buffer_is_unsettled. */
            atomic_store_explicit(&run->made[i]->unzeroed, false, memory_order_release);
        }
    }
    hg_ready_plan_unref(&run->plan);
    hg_free(HG_TAG_ENGINE, run);
}

static struct graph_run *create_run(const struct hg_graph_bound *bound, struct hg_ready_plan *plan,
                                    const struct hg_graph_result *result)
{
    const uint32_t count = bound->known->input_count + plan->output_count;
    struct graph_run *run = hg_malloc(HG_TAG_ENGINE, sizeof *run + count * sizeof run->operands[0]);
    if (run == NULL) {
        return NULL;
    }
    run->script = (struct hg_script){.step_count = plan->launch_count,
                                     .estimate_ns = plan->estimate_ns,
                                     .estimate = estimate_launch,
                                     .count_independent = count_level,
                                     .make = make_launch,
                                     .note = note_run,
                                     .end = end_run};
    run->known = bound->known;
    run->result = result;
    run->plan = hg_ready_plan_ref(plan);
    run->arena = NULL;
    run->input_count = bound->known->input_count;
    for (uint32_t i = 0; i < run->input_count; i++) {
        const struct hg_buffer *buffer = bound->inputs[i];
        HG_REQUIRE(buffer != NULL);
        run->operands[i] = (struct hg_operand){buffer->block.base, buffer->bytes, false};
    }
    for (uint32_t i = 0; i < plan->output_count; i++) {
        run->made[i] = NULL;
        if (bound->outputs[i] != NULL) {
            const struct hg_buffer *buffer = bound->outputs[i];
            run->operands[run->input_count + i] =
                (struct hg_operand){buffer->block.base, buffer->bytes, true};
        }
    }
    return run;
}

/* ---- preparing ------------------------------------------------------------------------------- */

static enum hg_status claim_bound(const struct hg_graph_bound *bound, struct hg_claims *claims)
{
    for (uint32_t i = 0; i < bound->known->input_count; i++) {
        hg_claims_add(claims, bound->inputs[i], bound->input_ids[i], false);
    }
    for (uint32_t i = 0; i < bound->known->graph->output_count; i++) {
        if (bound->outputs[i] != NULL) {
            hg_claims_add(claims, bound->outputs[i], bound->output_ids[i], true);
        }
    }
    return hg_claims_begin(claims, bound->error);
}

static enum hg_status take_arena(struct hg_prepared *prepared, struct graph_run *run,
                                 struct hg_error *error)
{
    const uint64_t bytes = run->plan->arena_bytes;
    uint64_t all;
    if (!hg_add_u64(bytes, run->plan->scratch_bytes, &all)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "its values take more than 2^64 bytes");
    }
    enum hg_status status = all == 0 ? HG_OK : hg_prepared_charge(prepared, all, error);
    if (status == HG_OK && bytes > 0) {
        /* Not zeroed: a launch writes each element before a later one reads it. */
        status = hg_pool_acquire(prepared->engine->pool, HG_POOL_HEAP, bytes, true,
                                 &prepared->temps[0], error);
        prepared->temp_count = status == HG_OK ? 1 : 0;
    }
    if (status != HG_OK) {
        return hg_error_prefix(error, "%" PRIu64 " bytes between its launches", all);
    }
    /* Values without elements have a place as well, at which nothing is read or written. */
    run->arena = bytes > 0 ? prepared->temps[0].base : (uint8_t *)run;
    return HG_OK;
}

static void describe(const struct hg_graph_bound *bound, const struct hg_ready_plan *plan,
                     uint32_t index, struct hg_graph_made *made)
{
    const struct hg_graph_binding *output = &plan->outputs[index];
    memcpy(made->name, hg_graph_output_name(bound, index), sizeof made->name);
    made->id = bound->output_ids[index];
    made->made = false;
    made->dtype = output->type;
    made->rank = output->shape.rank;
    memcpy(made->shape, output->shape.size, output->shape.rank * sizeof made->shape[0]);
}

/* A buffer for an output whose id is none yet; the run claims it. */
static enum hg_status make_output(const struct hg_graph_bound *bound, struct hg_prepared *prepared,
                                  uint32_t index, struct graph_run *run, struct hg_graph_made *made)
{
    struct hg_session *session = bound->session;
    struct hg_buffer_spec spec = {.dtype = made->dtype, .rank = made->rank, .pool = HG_POOL_HEAP};
    memcpy(spec.shape, made->shape, made->rank * sizeof spec.shape[0]);
    enum hg_status status = hg_session_alloc(session, made->id, &spec, NULL, bound->error);
    if (status != HG_OK) {
        return hg_error_prefix(bound->error, "output %s", made->name);
    }
    made->made = true;
    struct hg_buffer *buffer = hg_idmap_find(&session->buffers, made->id)->value;
    run->made[index] = buffer;
    run->operands[run->input_count + index] =
        (struct hg_operand){buffer->block.base, buffer->bytes, true};
    hg_claims_add(&prepared->claims, buffer, made->id, true);
    if (prepared->claims.held) {
        HG_REQUIRE(hg_buffer_claim(buffer, true)); /* nobody else knows it yet */
    }
    return HG_OK;
}

static enum hg_status make_outputs(const struct hg_graph_bound *bound, struct hg_prepared *prepared,
                                   struct graph_run *run, struct hg_graph_result *result)
{
    const struct hg_ready_plan *plan = run->plan;
    HG_REQUIRE(plan->output_count <= result->capacity);
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; i < plan->output_count && status == HG_OK; i++) {
        describe(bound, plan, i, &result->outputs[i]);
        result->output_count = i + 1;
        if (bound->outputs[i] == NULL) {
            status = make_output(bound, prepared, i, run, &result->outputs[i]);
        }
    }
    return status;
}

static enum hg_status prepare(const struct hg_graph_bound *bound, struct hg_ready_plan *plan,
                              struct hg_prepared *prepared, struct hg_graph_result *result)
{
    struct hg_error *error = bound->error;
    enum hg_status status = hg_graph_check_outputs(bound, plan);
    if (status == HG_OK) {
        status = claim_bound(bound, &prepared->claims);
    }
    if (status != HG_OK) {
        return status;
    }
    struct graph_run *run = create_run(bound, plan, result);
    if (run == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    prepared->script = &run->script;
    status = take_arena(prepared, run, error);
    return status == HG_OK ? make_outputs(bound, prepared, run, result) : status;
}

void hg_session_graph_failed(struct hg_session *session, struct hg_graph_result *result)
{
    for (uint32_t i = 0; i < result->output_count; i++) {
        struct hg_error ignored;
        if (result->outputs[i].made) {
            result->outputs[i].made = false;
            /* The client may have freed it meanwhile. */
            (void)!hg_session_free(session, result->outputs[i].id, &ignored);
        }
    }
}

/* Runs PLAN, which it takes. */
static enum hg_submitted start(const struct hg_graph_bound *bound, struct hg_ready_plan *plan,
                               struct hg_graph_result *result, struct hg_task *task)
{
    struct hg_prepared prepared;
    struct hg_launch launches[HG_SIDES_MAX];
    enum hg_submitted submitted = HG_TASK_DONE;
    hg_prepared_init(&prepared, bound->session, task, launches);
    prepared.label = "graph";
    result->arena_bytes = plan->arena_bytes;
    result->launches = plan->launch_count;
    if (prepare(bound, plan, &prepared, result) != HG_OK) {
        (void)hg_error_prefix(&task->error, "graph");
        hg_prepared_fini(&prepared);
    } else if (plan->launch_count == 0) {
        hg_prepared_fini(&prepared);
    } else {
        prepared.ready_ticks = hg_task_ticks(task);
        submitted = hg_work_start(&prepared);
    }
    hg_ready_plan_unref(&plan);
    if (submitted == HG_TASK_DONE && task->error.status != HG_OK) {
        hg_session_graph_failed(bound->session, result);
    }
    return submitted;
}

static enum hg_submitted run_known(struct hg_graph_bound *bound, struct hg_graph_result *result,
                                   struct hg_task *task)
{
    struct hg_graph_table *table = &bound->session->engine->graphs;
    struct hg_known_graph *known = bound->known;
    if (hg_graph_bind_inputs(bound) != HG_OK || hg_graph_bind_outputs(bound) != HG_OK) {
        (void)hg_error_prefix(&task->error, "graph");
        return HG_TASK_DONE;
    }
    const uint64_t start_ticks = hg_task_ticks(task);
    struct hg_graph_binding inputs[HG_GRAPH_BINDINGS_MAX];
    struct hg_graph_wanted wanted;
    for (uint32_t i = 0; i < known->input_count; i++) {
        inputs[i] = hg_graph_look_at(bound->inputs[i]);
    }
    hg_graph_wanted_fill(&wanted, inputs, known->input_count, bound->shared);
    struct hg_ready_plan *plan = hg_graph_table_plan(table, known, &wanted);
    if (plan == NULL && hg_graph_is_large(known->graph)) {
        return hg_graph_plan_later(bound, inputs, result, task);
    }
    if (plan == NULL && hg_graph_make_plan(bound->session->engine, known, inputs, bound->shared,
                                           &plan, task) != HG_OK) {
        (void)hg_error_prefix(&task->error, "graph");
        return HG_TASK_DONE;
    }
    const uint64_t spent_ns = hg_clock_ticks_ns(start_ticks, hg_task_ticks(task));
    task->lookup_ns = spent_ns > task->build_ns ? spent_ns - task->build_ns : 0;
    return start(bound, plan, result, task);
}

/* A reference to the graph that REQUEST is about; NULL after filling the task's error. */
static struct hg_known_graph *find_graph(struct hg_session *session,
                                         const struct hg_graph_request *request,
                                         struct hg_error *error)
{
    struct hg_known_graph *known = NULL;
    if (request->graph == 0 && (request->source.text != NULL || request->source.list != NULL)) {
        (void)!hg_graph_table_open(&session->engine->graphs, &request->source, &known, error);
        return known;
    }
    const struct hg_idmap_entry *entry = hg_idmap_find(&session->graphs, request->graph);
    if (entry == NULL) {
        (void)hg_fail(error, HG_NOT_FOUND, "no graph has id %" PRIu64, request->graph);
        return NULL;
    }
    known = entry->value;
    hg_graph_table_ref(&session->engine->graphs, known);
    return known;
}

/* A long text that was not parsed yet. */
static bool is_long_and_new(struct hg_session *session, const struct hg_graph_request *request,
                            struct hg_known_graph **known)
{
    if (request->graph != 0 || !hg_graph_text_is_long(&request->source)) {
        return false;
    }
    *known =
        hg_graph_table_find(&session->engine->graphs, request->source.text, request->source.length);
    return *known == NULL;
}

enum hg_submitted hg_session_run_graph(struct hg_session *session,
                                       const struct hg_graph_request *request,
                                       struct hg_graph_result *result, struct hg_task *task)
{
    struct hg_graph_bound bound = {.session = session, .request = request, .error = &task->error};
    hg_task_begin(task);
    task->cache = hg_cache_name(HG_CACHE_GRAPH);
    result->output_count = 0;
    result->again = false;
    if (is_long_and_new(session, request, &bound.known)) {
        return hg_graph_parse_later(session, &request->source, result, task);
    }
    if (bound.known == NULL) {
        bound.known = find_graph(session, request, &task->error);
    }
    if (bound.known == NULL) {
        return HG_TASK_DONE;
    }
    const enum hg_submitted submitted = run_known(&bound, result, task);
    hg_graph_table_unref(&session->engine->graphs, &bound.known);
    return submitted;
}
