/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that come again. What a call depends on and a repeat does not look at cannot change while
 * an id stands for the same buffer: its type, shape, memory and rights, the policy, the bound below
 * which work runs in place. What can change is looked at: the use of the buffers, whether they were
 * published, whether an id was freed since, and the program, by its cache's own means.
 */
#include "lib/engine/repeat.h"

#include "lib/base/alloc.h"

struct hg_repeat {
    bool is_set;
    bool is_direct;         /* the launch needs no checks */
    uint64_t charged_bytes; /* while it runs */
    uint32_t use_count;
    uint64_t freed;                   /* of the session when the ids were last looked up */
    uint64_t forgotten;               /* of the session when the call was noted */
    const struct hg_repeat_use *uses; /* the buffers: of the operation, or of the graph */
    struct hg_graph_repeat *graph;    /* what it holds; NULL: an operation, which is the rest */
    struct hg_repeat_use operands[HG_OP_OPERANDS_MAX];
    struct hg_cache_handle program; /* of the key below */
    struct hg_launch launch;
    struct hg_buffer *constant;   /* one of the uses, which a product could read in panels, */
    struct hg_panels_shape shape; /* of this shape; or NULL */
    const struct hg_op *op;
    const char *cache;
    struct hg_key key;
};

struct hg_repeat *hg_repeat_create(void)
{
    return hg_calloc(HG_TAG_SESSION, 1, sizeof(struct hg_repeat));
}

void hg_repeat_destroy(struct hg_repeat **repeat)
{
    if (*repeat != NULL) {
        hg_graph_repeat_destroy(&(*repeat)->graph);
    }
    hg_free(HG_TAG_SESSION, *repeat);
    *repeat = NULL;
}

void hg_repeat_clear(struct hg_repeat *repeat)
{
    repeat->is_set = false;
}

bool hg_repeat_is_set(const struct hg_repeat *repeat)
{
    return repeat->is_set;
}

const struct hg_op *hg_repeat_op(const struct hg_repeat *repeat)
{
    return repeat->op;
}

const struct hg_graph_result *hg_repeat_graph(const struct hg_repeat *repeat)
{
    return repeat->graph != NULL ? hg_graph_repeat_result(repeat->graph) : NULL;
}

const char *hg_repeat_cache(const struct hg_repeat *repeat)
{
    return repeat->cache;
}

/* ---- noting ---------------------------------------------------------------------------------- */

static bool is_repeatable(const struct hg_prepared *prepared)
{
    const struct hg_claims *claims = &prepared->claims;
    return prepared->step_count == 1 && prepared->temp_count == 0 && !claims->any_shared &&
           claims->count <= HG_OP_OPERANDS_MAX;
}

static void note_uses(struct hg_repeat *repeat, const struct hg_claims *claims)
{
    repeat->uses = repeat->operands;
    repeat->use_count = claims->count;
    for (uint32_t i = 0; i < claims->count; i++) {
        const struct hg_claim *claim = &claims->items[i];
        repeat->operands[i] = (struct hg_repeat_use){claim->buffer, claim->id,
                                                     claim->buffer->operand.handle, claim->writes};
    }
}

/* What holds of every work: what it took, and what it rests on. */
static void note_work(struct hg_repeat *repeat, const struct hg_prepared *prepared)
{
    repeat->charged_bytes = prepared->charged_bytes;
    repeat->freed = prepared->session->freed;
    repeat->forgotten = prepared->session->forgotten;
    repeat->op = prepared->op;
    repeat->cache = prepared->task->cache;
}

void hg_repeat_note(struct hg_repeat *repeat, const struct hg_prepared *prepared)
{
    repeat->is_set = is_repeatable(prepared);
    if (!repeat->is_set) {
        return;
    }
    hg_graph_repeat_destroy(&repeat->graph);
    note_uses(repeat, &prepared->claims);
    note_work(repeat, prepared);
    repeat->key = prepared->key;
    hg_cache_handle_init(prepared->engine->cache, &repeat->key, &repeat->program);
    repeat->launch = prepared->launches[0];
    /* Nobody can ask for its end while it runs in place, and what has a deadline is not repeated.
     */
    repeat->launch.deadline_ns = 0;
    repeat->launch.cancelled = NULL;
    repeat->launch.panels = NULL; /* they may be evicted, and are looked for each time */
    repeat->is_direct = hg_exec_is_direct(&repeat->launch);
    repeat->constant =
        prepared->claims.any_constant
            ? hg_packed_find_operand(&prepared->claims, &repeat->launch, &repeat->shape)
            : NULL;
}

void hg_repeat_note_graph(struct hg_repeat *repeat, const struct hg_prepared *prepared,
                          struct hg_graph_repeat *graph)
{
    hg_graph_repeat_destroy(&repeat->graph);
    repeat->graph = graph;
    repeat->is_set = graph != NULL;
    if (graph != NULL) {
        repeat->uses = hg_graph_repeat_uses(graph, &repeat->use_count);
        note_work(repeat, prepared);
    }
}

/* ---- repeating ------------------------------------------------------------------------------- */

/* Ids were freed since: true if those of the call still stand for the same buffers. */
static bool still_binds(const struct hg_session *session, struct hg_repeat *repeat)
{
    if (repeat->forgotten != session->forgotten) {
        repeat->is_set = false;
        return false;
    }
    for (unsigned i = 0; i < repeat->use_count; i++) {
        const struct hg_repeat_use *use = &repeat->uses[i];
        const struct hg_idmap_entry *entry = hg_idmap_find(&session->buffers, use->id);
        if (entry == NULL || entry->value != use->buffer || (use->writes && !entry->flag) ||
            use->buffer->operand.handle != use->handle) {
            repeat->is_set = false;
            return false;
        }
    }
    repeat->freed = session->freed;
    return true;
}

/* The use of the buffers, as hg_claims_begin looks at it. */
static bool is_free(const struct hg_repeat *repeat)
{
    for (unsigned i = 0; i < repeat->use_count; i++) {
        const struct hg_repeat_use *use = &repeat->uses[i];
        if (!hg_buffer_is_free_for(use->buffer, use->writes) || hg_buffer_is_shared(use->buffer)) {
            return false;
        }
    }
    return true;
}

/* With what a launch needs to have checked when it comes with panels. */
static enum hg_status launch_with_panels(struct hg_engine *engine, struct hg_repeat *repeat,
                                         struct hg_error *error)
{
    struct hg_packed *packed = hg_packed_get(engine, repeat->constant, &repeat->shape);
    repeat->launch.panels = packed != NULL ? hg_packed_panels(packed) : NULL;
    const enum hg_status status = hg_exec_launch(&repeat->launch, error);
    repeat->launch.panels = NULL;
    hg_packed_put_back(&packed);
    return status;
}

static enum hg_status launch(struct hg_engine *engine, struct hg_repeat *repeat,
                             struct hg_error *error)
{
    if (repeat->constant != NULL) {
        return launch_with_panels(engine, repeat, error);
    }
    return repeat->is_direct ? hg_exec_launch_direct(&repeat->launch, error)
                             : hg_exec_launch(&repeat->launch, error);
}

static bool charge(const struct hg_session *session, uint64_t bytes)
{
    struct hg_error ignored;
    return bytes == 0 || hg_account_charge(session->account, bytes, &ignored) == HG_OK;
}

static void refund(const struct hg_session *session, uint64_t bytes)
{
    if (bytes != 0) {
        hg_account_refund(session->account, bytes);
    }
}

static enum hg_repeated run_operation(struct hg_engine *engine, struct hg_repeat *repeat,
                                      uint64_t *ready_ticks, struct hg_error *error)
{
    struct hg_cache_loan loan = hg_cache_lend_handle(engine->cache, &repeat->program);
    if (loan.program == NULL) {
        return HG_REPEAT_NOT;
    }
    repeat->launch.program = loan.program;
    if (ready_ticks != NULL) {
        *ready_ticks = hg_clock_ticks();
    }
    const enum hg_status status = launch(engine, repeat, error);
    if (__builtin_expect(status != HG_OK, 0)) {
        hg_launch_explain(repeat->op, &repeat->launch, error);
    }
    hg_cache_return(&loan);
    if (status != HG_OK) {
        (void)hg_error_prefix(error, "%s", repeat->op->name);
    }
    return status == HG_OK ? HG_REPEAT_RAN : HG_REPEAT_FAILED;
}

enum hg_repeated hg_session_repeat(struct hg_session *session, struct hg_repeat *repeat,
                                   uint64_t *ready_ticks, struct hg_error *error)
{
    const bool is_current =
        repeat->freed == session->freed && repeat->forgotten == session->forgotten;
    if (!repeat->is_set || !(is_current || still_binds(session, repeat)) || !is_free(repeat)) {
        return HG_REPEAT_NOT;
    }
    if (!charge(session, repeat->charged_bytes)) {
        return HG_REPEAT_NOT;
    }
    const enum hg_repeated repeated =
        repeat->graph != NULL
            ? hg_graph_repeat_run(session->engine, repeat->graph, ready_ticks, error)
            : run_operation(session->engine, repeat, ready_ticks, error);
    refund(session, repeat->charged_bytes);
    return repeated;
}
