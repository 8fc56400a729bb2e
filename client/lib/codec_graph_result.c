/* SPDX-License-Identifier: Apache-2.0 */
/* What the server answers about graphs. */
#include <stdlib.h>
#include <string.h>

#include "client/lib/codec.h"
#include "client/lib/graph.h"

#define RESPONSE(type) HOLOGRAM__V1__RESPONSE__BODY_##type

static hologram_status no_memory(hologram_error *error)
{
    return hg_client_error(error, HOLOGRAM_RESOURCE_EXHAUSTED, "out of memory in the client");
}

/* Hands the client's arena, in which the result was built, to the result. */
static void take_arena(hologram_client *client, struct hg_client_arena *arena)
{
    *arena = client->arena;
    client->arena = (struct hg_client_arena){0};
}

hologram_status hg_client_take_graph(hologram_client *client, const struct hg_client_reply *reply,
                                     void *result, hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(LOAD_GRAPH), &response, error);
    if (status != HOLOGRAM_OK || !result) {
        return status;
    }
    const Hologram__V1__LoadGraphResult *from = response->load_graph;
    struct hg_client_graph_info *whole = hg_client_arena_array(&client->arena, 1, sizeof *whole);
    if (!whole) {
        return no_memory(error);
    }
    whole->info = (hologram_graph_info){.digest = from->digest,
                                        .nodes = from->nodes,
                                        .input_count = (uint32_t)from->n_inputs,
                                        .output_count = (uint32_t)from->n_outputs,
                                        .inputs = (const char *const *)from->inputs,
                                        .outputs = (const char *const *)from->outputs};
    take_arena(client, &whole->arena);
    *(const hologram_graph_info **)result = &whole->info;
    return HOLOGRAM_OK;
}

/* The output that was sent with this id; NULL if none was. */
static hologram_graph_output *find_output(hologram_graph_run *run, uint64_t id)
{
    for (uint32_t i = 0; i < run->output_count; i++) {
        if (run->outputs[i].buffer == id) {
            return &run->outputs[i];
        }
    }
    return NULL;
}

static hologram_status fill_output(hologram_client *client, hologram_graph_run *run,
                                   const Hologram__V1__GraphOutput *from, hologram_error *error)
{
    const Hologram__V1__BufferInfo *info = from->buffer;
    hologram_graph_output *to = info ? find_output(run, info->id) : NULL;
    if (!to || info->n_shape > HOLOGRAM_RANK_MAX ||
        hologram_dtype_bytes((hologram_dtype)info->dtype) == 0) {
        return hg_client_error(error, HOLOGRAM_INTERNAL, "the server's output makes no sense");
    }
    hg_client_copy_text(to->given_name, sizeof to->given_name, from->name);
    to->made = from->made;
    to->dtype = (hologram_dtype)info->dtype;
    to->rank = (uint32_t)info->n_shape;
    for (size_t i = 0; i < info->n_shape; i++) {
        to->shape[i] = info->shape[i];
    }
    if ((to->buffer & 15) == 0 && hg_client_note_type(client, to->buffer, to->dtype)) {
        return no_memory(error);
    }
    return HOLOGRAM_OK;
}

static void fill_execution(const Hologram__V1__ExecuteResult *from, hologram_execution *to)
{
    hg_client_copy_text(to->cache, sizeof to->cache, from->cache);
    hg_client_copy_text(to->outcome, sizeof to->outcome, from->outcome);
    to->queue_ns = from->queue_ns;
    to->lookup_ns = from->lookup_ns;
    to->build_ns = from->build_ns;
    to->run_ns = from->run_ns;
}

/* Of a failed run nothing is there that was to be made; of others, outputs that the graph has not.
 */
static void drop_unmade(hologram_graph_run *run, bool failed)
{
    for (uint32_t i = 0; i < run->output_count; i++) {
        hologram_graph_output *output = &run->outputs[i];
        if (output->made && (failed || output->given_name[0] == '\0')) {
            output->made = false;
            output->buffer = 0;
        }
    }
}

hologram_status hg_client_take_graph_run(hologram_client *client,
                                         const struct hg_client_reply *reply, void *result,
                                         hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_graph_run *run = result;
    hologram_status status = hg_client_expect(reply, RESPONSE(RUN_GRAPH), &response, error);
    if (!run) {
        return status;
    }
    for (size_t i = 0; status == HOLOGRAM_OK && i < response->run_graph->n_outputs; i++) {
        status = fill_output(client, run, response->run_graph->outputs[i], error);
    }
    if (status == HOLOGRAM_OK) {
        run->launches = response->run_graph->launches;
        run->arena_bytes = response->run_graph->arena_bytes;
        if (response->run_graph->execute) {
            fill_execution(response->run_graph->execute, &run->execution);
        }
    }
    drop_unmade(run, status != HOLOGRAM_OK);
    return status;
}

hologram_status hg_client_take_explanation(hologram_client *client,
                                           const struct hg_client_reply *reply, void *result,
                                           hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(EXPLAIN_GRAPH), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const size_t bytes = strlen(response->explain_graph->text) + 1;
    char *text = malloc(bytes);
    if (!text) {
        return no_memory(error);
    }
    memcpy(text, response->explain_graph->text, bytes);
    *(const char **)result = text;
    return HOLOGRAM_OK;
}

hologram_status hg_client_take_named_graphs(hologram_client *client,
                                            const struct hg_client_reply *reply, void *result,
                                            hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(LIST_GRAPHS), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__ListGraphsResult *from = response->list_graphs;
    struct hg_client_named_graphs *whole = hg_client_arena_array(&client->arena, 1, sizeof *whole);
    hologram_named_graph *graphs =
        hg_client_arena_array(&client->arena, from->n_graphs, sizeof *graphs);
    if (!whole || !graphs) {
        return no_memory(error);
    }
    for (size_t i = 0; i < from->n_graphs; i++) {
        const Hologram__V1__NamedGraph *graph = from->graphs[i];
        graphs[i] = (hologram_named_graph){.name = graph->name,
                                           .digest = graph->digest,
                                           .nodes = graph->nodes,
                                           .inputs = graph->inputs,
                                           .outputs = graph->outputs,
                                           .uid = graph->uid,
                                           .gid = graph->gid,
                                           .mode = graph->mode};
    }
    whole->list = (hologram_named_graphs){graphs, (uint32_t)from->n_graphs, from->truncated != 0};
    take_arena(client, &whole->arena);
    *(const hologram_named_graphs **)result = &whole->list;
    return HOLOGRAM_OK;
}
