/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running graphs: names to buffers, the plan for them, the outputs that are not there yet, and the
 * launches one by one.
 */
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/graph_table.h"
#include "lib/engine/work.h"

/* Larger texts and graphs are parsed and planned on a worker: that takes milliseconds. */
#define INLINE_TEXT_MAX  4096u
#define INLINE_NODES_MAX 64u

_Static_assert(HG_GRAPH_BINDINGS_MAX <= HG_CLAIMS_MAX, "a run claims all its buffers together");
_Static_assert(HG_RANK_MAX == HG_GRAPH_RANK_MAX, "what a graph gives fits a buffer");

/* A run on its way: by input and by output what it is bound to. */
struct binding {
    struct hg_session *session;
    const struct hg_graph_request *request;
    struct hg_known_graph *known;
    struct hg_error *error;
    struct hg_buffer *inputs[HG_GRAPH_BINDINGS_MAX];
    uint64_t input_ids[HG_GRAPH_BINDINGS_MAX];
    struct hg_buffer *outputs[HG_GRAPH_OUTPUTS_MAX]; /* NULL: to be made */
    uint64_t output_ids[HG_GRAPH_OUTPUTS_MAX];
    uint32_t shared[HG_GRAPH_OUTPUTS_MAX]; /* as in hg_plan_options */
};

/* ---- names to buffers ------------------------------------------------------------------------ */

static const char *input_name(const struct binding *binding, uint32_t index)
{
    return binding->known->graph->nodes[binding->known->inputs[index]].name;
}

static const char *output_name(const struct binding *binding, uint32_t index)
{
    return binding->known->graph->outputs[index].name;
}

static bool is_called(const struct hg_graph_bind *bind, const char *name)
{
    return strlen(name) == bind->length && memcmp(bind->name, name, bind->length) == 0;
}

/* As much of a client's name as an error shows. */
static int shown(const struct hg_graph_bind *bind)
{
    return bind->length < HG_GRAPH_NAME_MAX ? (int)bind->length : HG_GRAPH_NAME_MAX;
}

typedef const char *name_fn(const struct binding *binding, uint32_t index);

/* Fills IDS, one for each of COUNT names, from ITEMS; those that none names stay 0. */
static enum hg_status match(const struct binding *binding, const char *what, name_fn *name_of,
                            uint32_t count, const struct hg_graph_bind *items, uint32_t item_count,
                            uint64_t *ids)
{
    memset(ids, 0, count * sizeof ids[0]);
    for (uint32_t i = 0; i < item_count; i++) {
        uint32_t index = 0;
        if (items[i].length == 0 && name_of == output_name) {
            continue; /* for one that is not named */
        }
        while (index < count && !is_called(&items[i], name_of(binding, index))) {
            index++;
        }
        if (index == count) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT, "it has no %s '%.*s'", what,
                           shown(&items[i]), items[i].name);
        }
        if (items[i].id == 0) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT,
                           "%s %s: 0 is not an id: ids start at 1", what, name_of(binding, index));
        }
        if (ids[index] != 0) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT, "%s %s is bound twice", what,
                           name_of(binding, index));
        }
        ids[index] = items[i].id;
    }
    return HG_OK;
}

static enum hg_status bind_inputs(struct binding *binding)
{
    const struct hg_graph_request *request = binding->request;
    const uint32_t count = binding->known->input_count;
    if (count + binding->known->graph->output_count > HG_GRAPH_BINDINGS_MAX) {
        return hg_fail(binding->error, HG_INVALID_ARGUMENT,
                       "a run binds at most %d inputs and outputs, it has %" PRIu32,
                       HG_GRAPH_BINDINGS_MAX, count + binding->known->graph->output_count);
    }
    if (match(binding, "input", input_name, count, request->inputs, request->input_count,
              binding->input_ids) != HG_OK) {
        return binding->error->status;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (binding->input_ids[i] == 0) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT, "input %s is not bound",
                           input_name(binding, i));
        }
        const struct hg_idmap_entry *entry =
            hg_session_find(binding->session, binding->input_ids[i], binding->error);
        if (entry == NULL) {
            return hg_error_prefix(binding->error, "input %s", input_name(binding, i));
        }
        binding->inputs[i] = entry->value;
    }
    return HG_OK;
}

/* Which of the inputs output INDEX shares its memory with. */
static enum hg_status find_shared(struct binding *binding, uint32_t index)
{
    binding->shared[index] = UINT32_MAX;
    const struct hg_buffer *buffer = binding->outputs[index];
    for (uint32_t i = 0; buffer != NULL && i < binding->known->input_count; i++) {
        if (binding->inputs[i] != buffer) {
            continue;
        }
        if (binding->shared[index] != UINT32_MAX) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT,
                           "output %s is buffer %" PRIu64 ", which is both input %s and input %s",
                           output_name(binding, index), binding->output_ids[index],
                           input_name(binding, binding->shared[index]), input_name(binding, i));
        }
        binding->shared[index] = i;
    }
    for (uint32_t i = 0; i < index; i++) {
        if (binding->output_ids[i] == binding->output_ids[index] ||
            (buffer != NULL && binding->outputs[i] == buffer)) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT,
                           "outputs %s and %s are one buffer, %" PRIu64, output_name(binding, i),
                           output_name(binding, index), binding->output_ids[index]);
        }
    }
    return HG_OK;
}

/* Finds output INDEX's buffer, if there is one already. */
static enum hg_status find_output(struct binding *binding, uint32_t index)
{
    const uint64_t id = binding->output_ids[index];
    const struct hg_idmap_entry *entry = hg_idmap_find(&binding->session->buffers, id);
    binding->outputs[index] = entry != NULL ? entry->value : NULL;
    if (entry != NULL && !entry->flag) {
        return hg_fail(binding->error, HG_PERMISSION_DENIED,
                       "output %s: buffer %" PRIu64 " was opened for reading only",
                       output_name(binding, index), id);
    }
    return find_shared(binding, index);
}

/* The id of the next binding without a name from *AT on; 0 if there is none. */
static uint64_t next_unnamed(const struct hg_graph_request *request, uint32_t *at)
{
    while (*at < request->output_count) {
        const struct hg_graph_bind *bind = &request->outputs[(*at)++];
        if (bind->length == 0) {
            return bind->id;
        }
    }
    return 0;
}

static enum hg_status bind_outputs(struct binding *binding)
{
    const struct hg_graph_request *request = binding->request;
    uint64_t next = request->outputs_from;
    uint32_t unnamed = 0;
    if (match(binding, "output", output_name, binding->known->graph->output_count, request->outputs,
              request->output_count, binding->output_ids) != HG_OK) {
        return binding->error->status;
    }
    for (uint32_t i = 0; i < binding->known->graph->output_count; i++) {
        if (binding->output_ids[i] == 0) {
            binding->output_ids[i] = next_unnamed(request, &unnamed);
        }
        if (binding->output_ids[i] == 0 && next == 0) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT, "output %s is not bound",
                           output_name(binding, i));
        }
        if (binding->output_ids[i] == 0) {
            binding->output_ids[i] = next++;
        }
        enum hg_status status = find_output(binding, i);
        if (status != HG_OK) {
            return status;
        }
    }
    return HG_OK;
}

static struct hg_graph_binding look_at(const struct hg_buffer *buffer)
{
    HG_REQUIRE(buffer != NULL);
    struct hg_graph_binding binding = {.type = buffer->spec.dtype,
                                       .shape = {.rank = buffer->spec.rank}};
    memcpy(binding.shape.size, buffer->spec.shape,
           buffer->spec.rank * sizeof binding.shape.size[0]);
    return binding;
}

/* An output that is there already has to be what the graph gives. */
static enum hg_status check_outputs(const struct binding *binding, const struct hg_ready_plan *plan)
{
    char wanted[HG_IR_SHAPE_TEXT];
    char got[HG_IR_SHAPE_TEXT];
    for (uint32_t i = 0; i < plan->output_count; i++) {
        const struct hg_graph_binding *output = &plan->outputs[i];
        if (binding->outputs[i] == NULL) {
            continue;
        }
        const struct hg_graph_binding there = look_at(binding->outputs[i]);
        if (there.type != output->type || !hg_ir_shape_equal(&there.shape, &output->shape)) {
            return hg_fail(binding->error, HG_INVALID_ARGUMENT,
                           "output %s: expected %s%s, buffer %" PRIu64 " is %s%s",
                           output_name(binding, i), hg_dtype_name(output->type),
                           hg_ir_shape_text(&output->shape, wanted), binding->output_ids[i],
                           hg_dtype_name(there.type), hg_ir_shape_text(&there.shape, got));
        }
    }
    return HG_OK;
}

/* ---- on a worker ----------------------------------------------------------------------------- */

/* Parses a text, or plans a graph for what it is to be bound to. */
struct planning {
    struct hg_errand errand;
    struct hg_engine *engine;
    struct hg_task *task;
    struct hg_graph_result *result;
    const struct hg_graph_source *source; /* NULL: plan */
    struct hg_known_graph *known;
    struct hg_graph_binding inputs[HG_GRAPH_BINDINGS_MAX];
    uint32_t shared[HG_GRAPH_OUTPUTS_MAX];
};

static enum hg_status make_plan(struct hg_engine *engine, struct hg_known_graph *known,
                                const struct hg_graph_binding *inputs, const uint32_t *shared,
                                struct hg_ready_plan **plan, struct hg_task *task)
{
    const uint64_t start_ns = hg_clock_now_ns();
    enum hg_status status =
        hg_ready_plan_create(known->graph, inputs, known->input_count, shared, plan, &task->error);
    if (status == HG_OK) {
        task->build_ns = hg_clock_now_ns() - start_ns;
        task->outcome = HG_CACHE_BUILD;
        hg_graph_table_keep(&engine->graphs, known, *plan, task->build_ns);
    }
    return status;
}

static void plan_on_worker(struct hg_errand *errand)
{
    struct planning *planning = (struct planning *)errand;
    struct hg_ready_plan *plan = NULL;
    enum hg_status status;
    if (planning->source != NULL) {
        status = hg_graph_table_open(&planning->engine->graphs, planning->source, &planning->known,
                                     &planning->task->error);
    } else {
        status = make_plan(planning->engine, planning->known, planning->inputs, planning->shared,
                           &plan, planning->task);
        hg_ready_plan_unref(&plan);
        status = status == HG_OK ? HG_OK : hg_error_prefix(&planning->task->error, "graph");
    }
    planning->result->again = status == HG_OK;
}

static void planned(struct hg_errand *errand)
{
    struct planning *planning = (struct planning *)errand;
    struct hg_task *task = planning->task;
    hg_graph_table_unref(&planning->engine->graphs, &planning->known);
    hg_free(HG_TAG_ENGINE, planning);
    task->done(task);
}

/* A graph that is not too large for the thread that asks. */
static bool is_small(const struct hg_graph *graph)
{
    return graph->node_count <= INLINE_NODES_MAX;
}

static struct planning *create_planning(struct hg_session *session, struct hg_graph_result *result,
                                        struct hg_task *task)
{
    struct planning *planning = hg_malloc(HG_TAG_ENGINE, sizeof *planning);
    if (planning == NULL) {
        (void)hg_fail(&task->error, HG_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    planning->errand = (struct hg_errand){.run = plan_on_worker, .done = planned};
    planning->engine = session->engine;
    planning->task = task;
    planning->result = result;
    planning->source = NULL;
    planning->known = NULL;
    return planning;
}

static enum hg_submitted give_to_worker(struct planning *planning)
{
    struct hg_engine *engine = planning->engine;
    if (hg_engine_run_errand(engine, &planning->errand, &planning->task->error) == HG_OK) {
        return HG_TASK_PENDING;
    }
    hg_graph_table_unref(&engine->graphs, &planning->known);
    hg_free(HG_TAG_ENGINE, planning);
    return HG_TASK_DONE;
}

static enum hg_submitted parse_later(struct hg_session *session,
                                     const struct hg_graph_source *source,
                                     struct hg_graph_result *result, struct hg_task *task)
{
    struct planning *planning = create_planning(session, result, task);
    if (planning == NULL) {
        return HG_TASK_DONE;
    }
    planning->source = source;
    return give_to_worker(planning);
}

static enum hg_submitted plan_later(const struct binding *binding,
                                    const struct hg_graph_binding *inputs,
                                    struct hg_graph_result *result, struct hg_task *task)
{
    struct planning *planning = create_planning(binding->session, result, task);
    if (planning == NULL) {
        return HG_TASK_DONE;
    }
    hg_graph_table_ref(&binding->session->engine->graphs, binding->known);
    planning->known = binding->known;
    memcpy(planning->inputs, inputs, binding->known->input_count * sizeof inputs[0]);
    memcpy(planning->shared, binding->shared, sizeof planning->shared);
    return give_to_worker(planning);
}

/* ---- launches -------------------------------------------------------------------------------- */

struct graph_run {
    struct hg_script script; /* first */
    struct hg_ready_plan *plan;
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

static struct graph_run *create_run(const struct binding *binding, struct hg_ready_plan *plan)
{
    const uint32_t count = binding->known->input_count + plan->output_count;
    struct graph_run *run = hg_malloc(HG_TAG_ENGINE, sizeof *run + count * sizeof run->operands[0]);
    if (run == NULL) {
        return NULL;
    }
    run->script = (struct hg_script){plan->launch_count, plan->estimate_ns, make_launch, end_run};
    run->plan = hg_ready_plan_ref(plan);
    run->arena = NULL;
    run->input_count = binding->known->input_count;
    for (uint32_t i = 0; i < run->input_count; i++) {
        const struct hg_buffer *buffer = binding->inputs[i];
        HG_REQUIRE(buffer != NULL);
        run->operands[i] = (struct hg_operand){buffer->block.base, buffer->bytes, false};
    }
    for (uint32_t i = 0; i < plan->output_count; i++) {
        run->made[i] = NULL;
        if (binding->outputs[i] != NULL) {
            const struct hg_buffer *buffer = binding->outputs[i];
            run->operands[run->input_count + i] =
                (struct hg_operand){buffer->block.base, buffer->bytes, true};
        }
    }
    return run;
}

/* ---- preparing ------------------------------------------------------------------------------- */

static enum hg_status claim_bound(const struct binding *binding, struct hg_claims *claims)
{
    for (uint32_t i = 0; i < binding->known->input_count; i++) {
        hg_claims_add(claims, binding->inputs[i], binding->input_ids[i], false);
    }
    for (uint32_t i = 0; i < binding->known->graph->output_count; i++) {
        if (binding->outputs[i] != NULL) {
            hg_claims_add(claims, binding->outputs[i], binding->output_ids[i], true);
        }
    }
    return hg_claims_begin(claims, binding->error);
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

static void describe(const struct binding *binding, const struct hg_ready_plan *plan,
                     uint32_t index, struct hg_graph_made *made)
{
    const struct hg_graph_binding *output = &plan->outputs[index];
    memcpy(made->name, output_name(binding, index), sizeof made->name);
    made->id = binding->output_ids[index];
    made->made = false;
    made->dtype = output->type;
    made->rank = output->shape.rank;
    memcpy(made->shape, output->shape.size, output->shape.rank * sizeof made->shape[0]);
}

/* A buffer for an output whose id is none yet; the run claims it. */
static enum hg_status make_output(const struct binding *binding, struct hg_prepared *prepared,
                                  uint32_t index, struct graph_run *run, struct hg_graph_made *made)
{
    struct hg_session *session = binding->session;
    struct hg_buffer_spec spec = {.dtype = made->dtype, .rank = made->rank, .pool = HG_POOL_HEAP};
    memcpy(spec.shape, made->shape, made->rank * sizeof spec.shape[0]);
    enum hg_status status = hg_session_alloc(session, made->id, &spec, NULL, binding->error);
    if (status != HG_OK) {
        return hg_error_prefix(binding->error, "output %s", made->name);
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

static enum hg_status make_outputs(const struct binding *binding, struct hg_prepared *prepared,
                                   struct graph_run *run, struct hg_graph_result *result)
{
    const struct hg_ready_plan *plan = run->plan;
    HG_REQUIRE(plan->output_count <= result->capacity);
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; i < plan->output_count && status == HG_OK; i++) {
        describe(binding, plan, i, &result->outputs[i]);
        result->output_count = i + 1;
        if (binding->outputs[i] == NULL) {
            status = make_output(binding, prepared, i, run, &result->outputs[i]);
        }
    }
    return status;
}

static enum hg_status prepare(const struct binding *binding, struct hg_ready_plan *plan,
                              struct hg_prepared *prepared, struct hg_graph_result *result)
{
    struct hg_error *error = binding->error;
    enum hg_status status = check_outputs(binding, plan);
    if (status == HG_OK) {
        status = claim_bound(binding, &prepared->claims);
    }
    if (status != HG_OK) {
        return status;
    }
    struct graph_run *run = create_run(binding, plan);
    if (run == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    prepared->script = &run->script;
    status = take_arena(prepared, run, error);
    return status == HG_OK ? make_outputs(binding, prepared, run, result) : status;
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
static enum hg_submitted start(const struct binding *binding, struct hg_ready_plan *plan,
                               struct hg_graph_result *result, struct hg_task *task)
{
    struct hg_prepared prepared;
    struct hg_launch launch; /* one at a time */
    enum hg_submitted submitted = HG_TASK_DONE;
    hg_prepared_init(&prepared, binding->session, task, &launch);
    prepared.label = "graph";
    result->arena_bytes = plan->arena_bytes;
    result->launches = plan->launch_count;
    if (prepare(binding, plan, &prepared, result) != HG_OK) {
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
        hg_session_graph_failed(binding->session, result);
    }
    return submitted;
}

static enum hg_submitted run_known(struct binding *binding, struct hg_graph_result *result,
                                   struct hg_task *task)
{
    struct hg_graph_table *table = &binding->session->engine->graphs;
    struct hg_known_graph *known = binding->known;
    if (bind_inputs(binding) != HG_OK || bind_outputs(binding) != HG_OK) {
        (void)hg_error_prefix(&task->error, "graph");
        return HG_TASK_DONE;
    }
    const uint64_t start_ticks = hg_task_ticks(task);
    struct hg_graph_binding inputs[HG_GRAPH_BINDINGS_MAX];
    struct hg_graph_wanted wanted;
    for (uint32_t i = 0; i < known->input_count; i++) {
        inputs[i] = look_at(binding->inputs[i]);
    }
    hg_graph_wanted_fill(&wanted, inputs, known->input_count, binding->shared,
                         known->graph->output_count);
    struct hg_ready_plan *plan = hg_graph_table_plan(table, known, &wanted);
    if (plan == NULL && !is_small(known->graph)) {
        return plan_later(binding, inputs, result, task);
    }
    if (plan == NULL &&
        make_plan(binding->session->engine, known, inputs, binding->shared, &plan, task) != HG_OK) {
        (void)hg_error_prefix(&task->error, "graph");
        return HG_TASK_DONE;
    }
    const uint64_t spent_ns = hg_clock_ticks_ns(start_ticks, hg_task_ticks(task));
    task->lookup_ns = spent_ns > task->build_ns ? spent_ns - task->build_ns : 0;
    return start(binding, plan, result, task);
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
    if (request->graph != 0 || request->source.text == NULL ||
        request->source.length <= INLINE_TEXT_MAX) {
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
    struct binding binding = {.session = session, .request = request, .error = &task->error};
    hg_task_begin(task);
    task->cache = hg_cache_name(HG_CACHE_GRAPH);
    result->output_count = 0;
    result->again = false;
    if (is_long_and_new(session, request, &binding.known)) {
        return parse_later(session, &request->source, result, task);
    }
    if (binding.known == NULL) {
        binding.known = find_graph(session, request, &task->error);
    }
    if (binding.known == NULL) {
        return HG_TASK_DONE;
    }
    const enum hg_submitted submitted = run_known(&binding, result, task);
    hg_graph_table_unref(&session->engine->graphs, &binding.known);
    return submitted;
}
