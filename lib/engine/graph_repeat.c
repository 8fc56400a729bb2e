/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/graph_repeat.h"

#include <string.h>

#include "lib/base/alloc.h"

/* Larger runs are prepared each time: they take long enough not to notice, and a launch that is
 * kept takes a kilobyte. */
#define LAUNCHES_MAX 16
#define USES_MAX     24

struct kept_launch {
    struct hg_cache_handle program; /* of the key below */
    struct hg_launch launch;
    uint32_t in_arena;            /* bit per operand: it lies there */
    bool is_direct;               /* the launch needs no checks */
    struct hg_buffer *constant;   /* one of the uses, which a product could read in panels, */
    struct hg_panels_shape shape; /* of this shape; or NULL */
    struct hg_key key;
};
_Static_assert(HG_SLOT_COUNT_MAX <= 32, "a bit per operand");

struct hg_graph_repeat {
    uint8_t digest[HG_SHA256_BYTES]; /* of the graph */
    struct hg_graph_result result;
    uint64_t arena_bytes;
    uint8_t *arena; /* where the operands point that lie there; it is another one each time */
    uint32_t use_count;
    uint32_t launch_count;
    struct hg_repeat_use uses[USES_MAX];
    struct kept_launch launches[];
};

void hg_graph_repeat_destroy(struct hg_graph_repeat **graph)
{
    if (*graph != NULL) {
        hg_free(HG_TAG_SESSION, (*graph)->result.outputs);
        hg_free(HG_TAG_SESSION, *graph);
        *graph = NULL;
    }
}

const struct hg_graph_result *hg_graph_repeat_result(const struct hg_graph_repeat *graph)
{
    return &graph->result;
}

const struct hg_repeat_use *hg_graph_repeat_uses(const struct hg_graph_repeat *graph,
                                                 uint32_t *count)
{
    *count = graph->use_count;
    return graph->uses;
}

/* ---- keeping --------------------------------------------------------------------------------- */

static bool is_repeatable(const struct hg_prepared *prepared, const struct hg_ready_plan *plan,
                          const struct hg_graph_result *result)
{
    const struct hg_claims *claims = &prepared->claims;
    bool is_made = false;
    for (uint32_t i = 0; i < result->output_count; i++) {
        is_made = is_made || result->outputs[i].made;
    }
    return !is_made && !claims->any_shared && claims->count <= USES_MAX &&
           plan->launch_count <= LAUNCHES_MAX;
}

static bool keep_result(struct hg_graph_repeat *graph, const struct hg_graph_result *result)
{
    const size_t bytes = result->output_count * sizeof result->outputs[0];
    graph->result = *result;
    graph->result.outputs = hg_malloc(HG_TAG_SESSION, bytes);
    if (graph->result.outputs == NULL) {
        return false;
    }
    graph->result.capacity = result->output_count;
    memcpy(graph->result.outputs, result->outputs, bytes);
    return true;
}

/* Makes step STEP of the script once more, without running it. */
static bool keep_launch(struct hg_graph_repeat *graph, struct hg_prepared *prepared,
                        const struct hg_ready_plan *plan, uint32_t step)
{
    struct hg_error ignored;
    struct kept_launch *kept = &graph->launches[step];
    const struct hg_ready_launch *from = &plan->launches[step];
    if (prepared->script->make(prepared->script, prepared, step, &ignored) != HG_OK) {
        return false;
    }
    kept->key = from->key;
    hg_cache_handle_init(prepared->engine->cache, &kept->key, &kept->program);
    kept->launch = prepared->launches[0];
    /* As of every repeat: nobody can ask for its end, and what has a deadline is not repeated. */
    kept->launch.deadline_ns = 0;
    kept->launch.cancelled = NULL;
    kept->launch.panels = NULL;
    for (uint32_t i = 0; i < from->count; i++) {
        const bool is_in_arena = plan->operands[from->first + i].place == HG_PLACE_ARENA;
        kept->in_arena |= (uint32_t)is_in_arena << i;
    }
    kept->is_direct = hg_exec_is_direct(&kept->launch);
    kept->constant = prepared->claims.any_constant
                         ? hg_packed_find_operand(&prepared->claims, &kept->launch, &kept->shape)
                         : NULL;
    hg_prepared_return_loans(prepared);
    return true;
}

static void keep_uses(struct hg_graph_repeat *graph, const struct hg_claims *claims)
{
    graph->use_count = claims->count;
    for (uint32_t i = 0; i < claims->count; i++) {
        const struct hg_claim *claim = &claims->items[i];
        graph->uses[i] = (struct hg_repeat_use){claim->buffer, claim->id,
                                                claim->buffer->operand.handle, claim->writes};
    }
}

struct hg_graph_repeat *hg_graph_repeat_create(struct hg_prepared *prepared,
                                               const struct hg_known_graph *known,
                                               const struct hg_ready_plan *plan,
                                               const struct hg_graph_result *result)
{
    if (!is_repeatable(prepared, plan, result)) {
        return NULL;
    }
    struct hg_graph_repeat *graph = hg_calloc(
        HG_TAG_SESSION, 1, sizeof *graph + plan->launch_count * sizeof graph->launches[0]);
    if (graph == NULL) {
        return NULL;
    }
    bool is_kept = keep_result(graph, result);
    memcpy(graph->digest, known->digest, sizeof graph->digest);
    graph->arena_bytes = plan->arena_bytes;
    graph->arena = plan->arena_bytes > 0 ? prepared->temps[0].base : NULL;
    keep_uses(graph, &prepared->claims);
    for (uint32_t i = 0; is_kept && i < plan->launch_count; i++) {
        is_kept = keep_launch(graph, prepared, plan, i);
        /* Without an arena there is nothing that a place in it could move with. */
        is_kept = is_kept && (graph->arena != NULL || graph->launches[i].in_arena == 0);
        graph->launch_count = i + 1;
    }
    if (!is_kept) {
        hg_graph_repeat_destroy(&graph);
    }
    return graph;
}

/* ---- running --------------------------------------------------------------------------------- */

/* All programs, or none: a run that has begun has to go on. */
static bool lend_programs(struct hg_engine *engine, struct hg_graph_repeat *graph,
                          struct hg_cache_loan loans[LAUNCHES_MAX])
{
    for (uint32_t i = 0; i < graph->launch_count; i++) {
        loans[i] = hg_cache_lend_handle(engine->cache, &graph->launches[i].program);
        if (loans[i].program == NULL) {
            while (i-- > 0) {
                hg_cache_return(&loans[i]);
            }
            return false;
        }
        graph->launches[i].launch.program = loans[i].program;
    }
    return true;
}

/* Lets the operands that lie in the arena point into BASE. What a launch needs not have checked
 * depends on where they are, and is asked of its program, which must be on loan. */
static void move_arena(struct hg_graph_repeat *graph, uint8_t *base)
{
    for (uint32_t i = 0; i < graph->launch_count; i++) {
        struct kept_launch *kept = &graph->launches[i];
        for (uint32_t bits = kept->in_arena; bits != 0; bits &= bits - 1) {
            struct hg_operand *operand = &kept->launch.operands[__builtin_ctz(bits)];
            operand->base = base + ((uint8_t *)operand->base - graph->arena);
        }
        kept->is_direct = hg_exec_is_direct(&kept->launch);
    }
    graph->arena = base;
}

/* With what a launch needs to have checked when it comes with panels. */
static enum hg_status launch_with_panels(struct hg_engine *engine, struct kept_launch *kept,
                                         struct hg_error *error)
{
    struct hg_packed *packed = hg_packed_get(engine, kept->constant, &kept->shape);
    kept->launch.panels = packed != NULL ? hg_packed_panels(packed) : NULL;
    const enum hg_status status = hg_exec_launch(&kept->launch, error);
    kept->launch.panels = NULL;
    hg_packed_put_back(&packed);
    return status;
}

static enum hg_status run_launches(struct hg_engine *engine, struct hg_graph_repeat *graph,
                                   struct hg_error *error)
{
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; i < graph->launch_count && status == HG_OK; i++) {
        struct kept_launch *kept = &graph->launches[i];
        if (kept->constant != NULL) {
            status = launch_with_panels(engine, kept, error);
        } else {
            status = kept->is_direct ? hg_exec_launch_direct(&kept->launch, error)
                                     : hg_exec_launch(&kept->launch, error);
        }
    }
    return status;
}

static enum hg_repeated run(struct hg_engine *engine, struct hg_graph_repeat *graph, uint8_t *arena,
                            uint64_t *ready_ticks, struct hg_error *error)
{
    struct hg_cache_loan loans[LAUNCHES_MAX];
    if (!lend_programs(engine, graph, loans)) {
        return HG_REPEAT_NOT;
    }
    if (arena != graph->arena) {
        move_arena(graph, arena);
    }
    hg_graph_table_hit(&engine->graphs, graph->digest);
    if (ready_ticks != NULL) {
        *ready_ticks = hg_clock_ticks();
    }
    const enum hg_status status = run_launches(engine, graph, error);
    for (uint32_t i = graph->launch_count; i-- > 0;) {
        hg_cache_return(&loans[i]);
    }
    if (status != HG_OK) {
        (void)hg_error_prefix(error, "graph");
    }
    return status == HG_OK ? HG_REPEAT_RAN : HG_REPEAT_FAILED;
}

enum hg_repeated hg_graph_repeat_run(struct hg_engine *engine, struct hg_graph_repeat *graph,
                                     uint64_t *ready_ticks, struct hg_error *error)
{
    struct hg_block arena;
    struct hg_error ignored;
    if (graph->arena_bytes == 0) {
        return run(engine, graph, NULL, ready_ticks, error);
    }
    if (hg_pool_acquire(engine->pool, HG_POOL_HEAP, graph->arena_bytes, true, &arena, &ignored) !=
        HG_OK) {
        return HG_REPEAT_NOT;
    }
    const enum hg_repeated repeated = run(engine, graph, arena.base, ready_ticks, error);
    hg_pool_release(engine->pool, &arena);
    return repeated;
}
