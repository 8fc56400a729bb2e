/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that run a graph share; private to them.
 *
 *     request ──► graph_bind.c: buffers ──► plan, if need be by graph_later.c ──► graph_run.c:
 * launches
 *
 * Threads: a run is prepared by its session's thread.
 */
#ifndef HG_LIB_ENGINE_GRAPH_RUN_H
#define HG_LIB_ENGINE_GRAPH_RUN_H

#include "lib/engine/graph_table.h"
#include "lib/engine/work.h"

/* A run on its way: by input and by output what it is bound to. */
struct hg_graph_bound {
    struct hg_session *session;
    const struct hg_graph_request *request;
    struct hg_known_graph *known;
    struct hg_error *error;
    struct hg_buffer *inputs[HG_GRAPH_BINDINGS_MAX];
    uint64_t input_ids[HG_GRAPH_BINDINGS_MAX];
    struct hg_buffer *outputs[HG_GRAPH_OUTPUTS_MAX]; /* NULL: to be made */
    uint64_t output_ids[HG_GRAPH_OUTPUTS_MAX];
    uint32_t shared[HG_GRAPH_BINDINGS_MAX]; /* as in hg_plan_options */
};

/* ---- graph_bind.c ---------------------------------------------------------------------------- */

/* Finds the buffers that a run's request names, by input and by output. Errors: INVALID_ARGUMENT,
 * NOT_FOUND, PERMISSION_DENIED; both texts begin with the name. */
HG_MUST_CHECK enum hg_status hg_graph_bind_inputs(struct hg_graph_bound *bound);
HG_MUST_CHECK enum hg_status hg_graph_bind_outputs(struct hg_graph_bound *bound);
/* Type and shape of a buffer. */
struct hg_graph_binding hg_graph_look_at(const struct hg_buffer *buffer);
/* An output that is there already has to be what the graph gives: INVALID_ARGUMENT. */
HG_MUST_CHECK enum hg_status hg_graph_check_outputs(const struct hg_graph_bound *bound,
                                                    const struct hg_ready_plan *plan);
static inline const char *hg_graph_output_name(const struct hg_graph_bound *bound, uint32_t index)
{
    return bound->known->graph->outputs[index].name;
}

/* ---- graph_later.c --------------------------------------------------------------------------- */

/* Plans KNOWN here and keeps the plan; the caller has its first reference. Errors: hg_graph_plan's.
 */
HG_MUST_CHECK enum hg_status hg_graph_make_plan(struct hg_engine *engine,
                                                struct hg_known_graph *known,
                                                const struct hg_graph_binding *inputs,
                                                const uint32_t *shared, struct hg_ready_plan **plan,
                                                struct hg_task *task);
/* True for a text that the thread which asks should not parse, and a graph that it should not plan:
 * that takes milliseconds. */
bool hg_graph_text_is_long(const struct hg_graph_source *source);
bool hg_graph_is_large(const struct hg_graph *graph);
/* Parse SOURCE, or plan what is BOUND, on a worker; RESULT then says that the run is to be
 * submitted again. */
HG_MUST_CHECK enum hg_submitted hg_graph_parse_later(struct hg_session *session,
                                                     const struct hg_graph_source *source,
                                                     struct hg_graph_result *result,
                                                     struct hg_task *task);
HG_MUST_CHECK enum hg_submitted hg_graph_plan_later(const struct hg_graph_bound *bound,
                                                    const struct hg_graph_binding *inputs,
                                                    struct hg_graph_result *result,
                                                    struct hg_task *task);

#endif
