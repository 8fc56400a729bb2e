/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: loading, running, naming and explaining them. */
#include "client/lib/graph.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Begins a request whose answer TAKE brings to RESULT. */
static hologram_status begin(hologram_client *client, hg_client_take_fn *take, void *result,
                             hologram_ticket *ticket)
{
    struct hg_client_want want = {.take = take, .result = result};
    return hg_client_begin(client, &want, ticket);
}

static hologram_status check_source(hologram_client *client, const hologram_graph_source *source)
{
    if (!source || !source->text == !source->list) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "graph: expected a text or a list of nodes");
    }
    return HOLOGRAM_OK;
}

/* ---- by id ----------------------------------------------------------------------------------- */

hologram_status hologram_load_graph(hologram_client *client, const hologram_graph_source *source,
                                    hologram_graph *graph, const hologram_graph_info **info)
{
    hologram_ticket ticket;
    hologram_status status = check_source(client, source);
    if (status == HOLOGRAM_OK) {
        status = begin(client, hg_client_take_graph, info, &ticket);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    hologram_graph id = hg_client_mint(client, (hologram_dtype)0);
    status =
        hg_client_complete(client, ticket, hg_client_put_load_graph(client, ticket, id, source));
    if (status == HOLOGRAM_OK) {
        *graph = id;
    }
    return status;
}

hologram_status hologram_open_graph(hologram_client *client, const char *name,
                                    hologram_graph *graph, const hologram_graph_info **info)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_graph, info, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    hologram_graph id = hg_client_mint(client, (hologram_dtype)0);
    status = hg_client_complete(client, ticket, hg_client_put_open_graph(client, ticket, name, id));
    if (status == HOLOGRAM_OK) {
        *graph = id;
    }
    return status;
}

void hologram_graph_info_free(const hologram_graph_info *info)
{
    if (info) {
        struct hg_client_arena arena;
        memcpy(&arena, (const char *)info - offsetof(struct hg_client_graph_info, info),
               sizeof arena);
        hg_client_arena_free(&arena);
    }
}

hologram_status hologram_unload_graph(hologram_client *client, hologram_graph graph)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, NULL, NULL, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_unload_graph(client, ticket, graph));
}

/* ---- running --------------------------------------------------------------------------------- */

/* Ids for the outputs that are to be made; `made` marks them until the answer tells. */
static void mint_outputs(hologram_client *client, hologram_graph_run *run)
{
    for (uint32_t i = 0; i < run->output_count; i++) {
        hologram_graph_output *output = &run->outputs[i];
        output->given_name[0] = '\0';
        output->made = output->buffer == 0;
        if (output->made) {
            output->buffer = hg_client_mint(client, (hologram_dtype)0);
        }
    }
}

static void unmint_outputs(hologram_graph_run *run)
{
    for (uint32_t i = 0; i < run->output_count; i++) {
        if (run->outputs[i].made) {
            run->outputs[i].buffer = 0;
            run->outputs[i].made = false;
        }
    }
}

static hologram_status check_run(hologram_client *client, const hologram_graph_run *run)
{
    return run->graph != 0 ? HOLOGRAM_OK : check_source(client, run->source);
}

hologram_status hologram_submit_run_graph(hologram_client *client, hologram_graph_run *run,
                                          hologram_ticket *ticket)
{
    hologram_ticket request;
    hologram_status status = check_run(client, run);
    if (status == HOLOGRAM_OK) {
        status = begin(client, hg_client_take_graph_run, run, &request);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    mint_outputs(client, run);
    status =
        hg_client_submitted(client, request, hg_client_put_run_graph(client, request, run), ticket);
    if (status != HOLOGRAM_OK) {
        unmint_outputs(run);
    }
    return status;
}

hologram_status hologram_run_graph(hologram_client *client, hologram_graph_run *run)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_run_graph(client, run, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    status = hologram_wait(client, ticket);
    if (status != HOLOGRAM_OK) {
        unmint_outputs(run); /* also where no answer came */
    }
    return status;
}

hologram_status hologram_batch_run_graph(hologram_batch *batch, hologram_graph_run *run)
{
    hologram_status status = hg_client_check_room(batch);
    if (status == HOLOGRAM_OK) {
        status = check_run(batch->client, run);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    mint_outputs(batch->client, run);
    status = hg_client_added(batch, hg_client_step_run_graph(batch->client, &batch->steps, run));
    if (status != HOLOGRAM_OK) {
        unmint_outputs(run);
    }
    return status;
}

/* ---- explaining ------------------------------------------------------------------------------ */

hologram_status hologram_explain_graph(hologram_client *client, const hologram_graph_source *source,
                                       const hologram_graph_pattern *inputs, uint32_t input_count,
                                       bool dot, const char **text)
{
    hologram_ticket ticket;
    hologram_status status = check_source(client, source);
    if (status == HOLOGRAM_OK) {
        status = begin(client, hg_client_take_explanation, text, &ticket);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(
        client, ticket,
        hg_client_put_explain_graph(client, ticket, source, inputs, input_count, dot));
}

void hologram_text_free(const char *text)
{
    union {
        const char *in;
        void *out;
    } cast = {.in = text};
    free(cast.out);
}

/* ---- names ----------------------------------------------------------------------------------- */

hologram_status hologram_save_graph(hologram_client *client, hologram_graph graph, const char *name,
                                    uint32_t mode, uint32_t gid)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, NULL, NULL, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket,
                              hg_client_put_save_graph(client, ticket, graph, name, mode, gid));
}

hologram_status hologram_remove_graph(hologram_client *client, const char *name)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, NULL, NULL, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_remove_graph(client, ticket, name));
}

hologram_status hologram_graphs(hologram_client *client, const hologram_named_graphs **list)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_named_graphs, list, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_list_graphs(client, ticket));
}

void hologram_named_graphs_free(const hologram_named_graphs *list)
{
    if (list) {
        struct hg_client_arena arena;
        memcpy(&arena, (const char *)list - offsetof(struct hg_client_named_graphs, list),
               sizeof arena);
        hg_client_arena_free(&arena);
    }
}
