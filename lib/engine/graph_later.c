/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning what runs, and doing so on a worker where it takes long: the run answers `again`, and
 * finds the text parsed or the plan made when it is submitted again.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/engine/graph_run.h"

/* Larger texts and graphs are parsed and planned on a worker: that takes milliseconds. */
#define INLINE_TEXT_MAX  4096u
#define INLINE_NODES_MAX 64u

/* Parses a text, or plans a graph for what it is to be bound to. */
struct planning {
    struct hg_errand errand;
    struct hg_engine *engine;
    struct hg_task *task;
    struct hg_graph_result *result;
    const struct hg_graph_source *source; /* NULL: plan */
    struct hg_known_graph *known;
    struct hg_graph_binding inputs[HG_GRAPH_BINDINGS_MAX];
    uint32_t shared[HG_GRAPH_BINDINGS_MAX];
};

enum hg_status hg_graph_make_plan(struct hg_engine *engine, struct hg_known_graph *known,
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
        status = hg_graph_make_plan(planning->engine, planning->known, planning->inputs,
                                    planning->shared, &plan, planning->task);
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

bool hg_graph_text_is_long(const struct hg_graph_source *source)
{
    return source->text != NULL && source->length > INLINE_TEXT_MAX;
}

bool hg_graph_is_large(const struct hg_graph *graph)
{
    return graph->node_count > INLINE_NODES_MAX;
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

enum hg_submitted hg_graph_parse_later(struct hg_session *session,
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

enum hg_submitted hg_graph_plan_later(const struct hg_graph_bound *bound,
                                      const struct hg_graph_binding *inputs,
                                      struct hg_graph_result *result, struct hg_task *task)
{
    struct planning *planning = create_planning(bound->session, result, task);
    if (planning == NULL) {
        return HG_TASK_DONE;
    }
    hg_graph_table_ref(&bound->session->engine->graphs, bound->known);
    planning->known = bound->known;
    memcpy(planning->inputs, inputs, bound->known->input_count * sizeof inputs[0]);
    memcpy(planning->shared, bound->shared, bound->known->input_count * sizeof bound->shared[0]);
    return give_to_worker(planning);
}
