/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: loading, naming and explaining them. How they run is in handlers_work.c. */
#include <inttypes.h>
#include <string.h>

#include "daemon/handler.h"
#include "daemon/server.h"
#include "lib/base/arena.h"

/* What an answer holds besides an explanation: generously. */
#define EXPLAIN_ROOM 64

/* ---- running --------------------------------------------------------------------------------- */

enum hg_submitted hg_handle_graph_submit(struct hg_request *request, const struct hg_step *step)
{
    struct hg_graph_result *result = &request->graph;
    struct hg_task *task = &request->task;
    const uint32_t capacity = hg_graph_result_capacity(step->run_graph);
    result->capacity = capacity;
    result->outputs = hg_arena_alloc(&request->arena, (capacity + 1) * sizeof(*result->outputs));
    if (result->outputs == NULL) {
        task->op = NULL;
        task->build_ns = task->queue_ns = 0;
        (void)hg_fail(&task->error, HG_RESOURCE_EXHAUSTED, "graph: out of memory");
        return HG_TASK_DONE;
    }
    return hg_session_run_graph(request->client->session, step->run_graph, result, task);
}

void hg_handle_graph_reply(struct hg_request *request, const struct hg_execute_reply *execute)
{
    struct hg_run_graph_reply *reply = hg_arena_alloc(&request->arena, sizeof(*reply));
    if (reply == NULL) {
        (void)hg_fail(&request->reply.error, HG_RESOURCE_EXHAUSTED, "graph: out of memory");
        hg_session_graph_failed(request->client->session, &request->graph);
        return;
    }
    *reply = (struct hg_run_graph_reply){*execute, &request->graph};
    request->reply.kind = HG_REQUEST_RUN_GRAPH;
    request->reply.run_graph = reply;
}

/* ---- by id and by name ----------------------------------------------------------------------- */

typedef const char *name_fn(const struct hg_session *session, uint64_t id, uint32_t index);

/* Copies, because the graph may be unloaded before the reply is encoded; NULL when out of memory.
 */
static const char *const *copy_names(struct hg_request *request, uint64_t id, name_fn *name_of,
                                     uint32_t count)
{
    const char **names = hg_arena_alloc(&request->arena, (count + 1) * sizeof(char *));
    for (uint32_t i = 0; names != NULL && i < count; i++) {
        const char *name = name_of(request->client->session, id, i);
        const size_t bytes = strlen(name) + 1;
        char *copy = hg_arena_alloc(&request->arena, bytes);
        if (copy == NULL) {
            return NULL;
        }
        memcpy(copy, name, bytes);
        names[i] = copy;
    }
    return names;
}

/* The reply of a graph that has ID now; without memory for it, it has not after all. */
static enum hg_handled reply_graph(struct hg_request *request, uint64_t id,
                                   const struct hg_graph_facts *facts)
{
    struct hg_graph_reply *graph = hg_arena_alloc(&request->arena, sizeof(*graph));
    if (graph != NULL) {
        graph->facts = *facts;
        graph->inputs = copy_names(request, id, hg_session_graph_input, facts->input_count);
        graph->outputs = copy_names(request, id, hg_session_graph_output, facts->output_count);
    }
    if (graph == NULL || graph->inputs == NULL || graph->outputs == NULL) {
        (void)!hg_session_unload_graph(request->client->session, id, &request->reply.error);
        return hg_handled_fail(request, HG_RESOURCE_EXHAUSTED, "graph: out of memory");
    }
    request->reply.kind = HG_REQUEST_LOAD_GRAPH;
    request->reply.graph = graph;
    return hg_handled_done();
}

enum hg_handled hg_handle_load_graph(struct hg_request *request, const struct hg_step *step)
{
    struct hg_graph_facts facts;
    return hg_session_load_graph(request->client->session, step->load_graph.id,
                                 step->load_graph.source, &facts, &request->reply.error) == HG_OK
               ? reply_graph(request, step->load_graph.id, &facts)
               : hg_handled_done();
}

enum hg_handled hg_handle_open_graph(struct hg_request *request, const struct hg_step *step)
{
    struct hg_graph_facts facts;
    return hg_session_open_graph(request->client->session, step->open.name, step->open.id, &facts,
                                 &request->reply.error) == HG_OK
               ? reply_graph(request, step->open.id, &facts)
               : hg_handled_done();
}

enum hg_handled hg_handle_unload_graph(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_unload_graph(request->client->session, step->id, &request->reply.error);
    return hg_handled_done();
}

enum hg_handled hg_handle_save_graph(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_publish_args *save = &step->publish;
    const gid_t gid = save->has_gid ? save->gid : request->client->identity.gid;
    (void)!hg_session_save_graph(request->client->session, save->id, save->name, save->mode, gid,
                                 &request->reply.error);
    return hg_handled_done();
}

enum hg_handled hg_handle_remove_graph(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_remove_graph(request->client->session, step->unpublish_name,
                                   &request->reply.error);
    return hg_handled_done();
}

/* ---- listing --------------------------------------------------------------------------------- */

/* Collects graphs up to the bound; the first pass, without storage, counts. */
struct collect {
    struct hg_named_graph_info *graphs;
    uint32_t count;
    uint32_t capacity;
    bool truncated;
};

static void collect_cb(const struct hg_named_graph_info *info, void *context)
{
    struct collect *collect = context;
    if (collect->count == collect->capacity) {
        collect->truncated = true;
        return;
    }
    if (collect->graphs != NULL) {
        collect->graphs[collect->count] = *info;
    }
    collect->count++;
}

enum hg_handled hg_handle_list_graphs(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    struct hg_session *session = request->client->session;
    struct collect counted = {.capacity = HG_LISTED_GRAPHS_MAX};
    hg_session_list_graphs(session, collect_cb, &counted);
    struct collect kept = {.capacity = counted.count, .truncated = counted.truncated};
    kept.graphs = hg_arena_alloc(&request->arena, (counted.count + 1) * sizeof(*kept.graphs));
    if (kept.graphs == NULL) {
        return hg_handled_fail(request, HG_RESOURCE_EXHAUSTED, "list_graphs: out of memory");
    }
    hg_session_list_graphs(session, collect_cb, &kept);
    request->reply.kind = HG_REQUEST_LIST_GRAPHS;
    request->reply.graphs = (struct hg_list_graphs_reply){kept.graphs, kept.count, kept.truncated};
    return hg_handled_done();
}

/* ---- explaining ------------------------------------------------------------------------------ */

/* Plans a graph twice and writes pages about it: on a worker, into the request's arena. */
static void explain_cb(struct hg_errand *errand)
{
    struct hg_request *request = errand->context;
    struct hg_reply *reply = &request->reply;
    const uint64_t max = request->client->message_bytes_max - EXPLAIN_ROOM;
    char *text = NULL;
    size_t length;
    if (hg_engine_graph_explain(request->message.step.explain_graph, &text, &length,
                                &reply->error) != HG_OK) {
        return;
    }
    char *copy = length <= max ? hg_arena_alloc(&request->arena, length + 1) : NULL;
    if (length > max) {
        (void)hg_fail(&reply->error, HG_OUT_OF_RANGE,
                      "expected at most %" PRIu64 " bytes of explanation in one message, got %zu",
                      max, length);
    } else if (copy == NULL) {
        (void)hg_fail(&reply->error, HG_RESOURCE_EXHAUSTED, "explain_graph: out of memory");
    } else {
        memcpy(copy, text, length + 1);
        reply->kind = HG_REQUEST_EXPLAIN_GRAPH;
        reply->explanation = copy;
    }
    hg_engine_graph_text_free(text);
}

static void explained_cb(struct hg_errand *errand)
{
    struct hg_request *request = errand->context;
    hg_completion_push(&request->client->server->completions, request);
}

enum hg_handled hg_handle_explain_graph(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    struct hg_errand *errand = hg_arena_alloc(&request->arena, sizeof(*errand));
    if (errand == NULL) {
        return hg_handled_fail(request, HG_RESOURCE_EXHAUSTED, "explain_graph: out of memory");
    }
    *errand = (struct hg_errand){.run = explain_cb, .done = explained_cb, .context = request};
    return hg_engine_run_errand(request->client->server->engine, errand, &request->reply.error) ==
                   HG_OK
               ? HG_HANDLED_PENDING
               : hg_handled_done();
}

enum hg_handled hg_handle_explain_graph_ended(struct hg_request *request)
{
    (void)request;
    return hg_handled_done();
}
