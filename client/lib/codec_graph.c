/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about graphs as bytes. Lists of nodes are built in an arena of their own. */
#include "client/lib/codec.h"
#include "client/lib/graph.h"

#define REQUEST(type) HOLOGRAM__V1__REQUEST__BODY_##type

static char *text_of(const char *text)
{
    return (char *)(text ? text : "");
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void fill_node(const hologram_node *from, Hologram__V1__GraphNode *node)
{
    hologram__v1__graph_node__init(node);
    node->op = text_of(from->op);
    node->n_inputs = from->input_count;
    node->inputs = (uint32_t *)from->inputs;
    node->name = text_of(from->name);
    node->dtype = (Hologram__V1__DType)from->dtype;
    node->bits = from->bits;
    node->is_float = from->is_float;
    node->n_sizes = from->size_count;
    node->sizes = (int64_t *)from->sizes;
    node->has_shape = from->has_shape;
    node->has_axis = from->has_axis;
    node->axis = from->axis;
    node->keepdims = from->keepdims;
    node->has_number = from->has_number;
    node->number = from->number;
}

static Hologram__V1__Graph *build(struct hg_client_arena *arena, const hologram_node_list *list)
{
    Hologram__V1__Graph *graph = hg_client_arena_array(arena, 1, sizeof *graph);
    Hologram__V1__GraphNode *nodes = hg_client_arena_array(arena, list->node_count, sizeof *nodes);
    Hologram__V1__GraphNode **node_rows =
        hg_client_arena_array(arena, list->node_count, sizeof *node_rows);
    Hologram__V1__GraphResult *results =
        hg_client_arena_array(arena, list->result_count, sizeof *results);
    Hologram__V1__GraphResult **result_rows =
        hg_client_arena_array(arena, list->result_count, sizeof *result_rows);
    if (!graph || !nodes || !node_rows || !results || !result_rows) {
        return NULL;
    }
    hologram__v1__graph__init(graph);
    for (uint32_t i = 0; i < list->node_count; i++) {
        fill_node(&list->nodes[i], &nodes[i]);
        node_rows[i] = &nodes[i];
    }
    for (uint32_t i = 0; i < list->result_count; i++) {
        hologram__v1__graph_result__init(&results[i]);
        results[i].node = list->results[i];
        results[i].name = text_of(list->result_names[i]);
        result_rows[i] = &results[i];
    }
    graph->n_nodes = list->node_count;
    graph->nodes = node_rows;
    graph->n_results = list->result_count;
    graph->results = result_rows;
    graph->n_symbols = list->symbol_count;
    graph->symbols = (char **)list->symbols;
    return graph;
}

/* A source as messages have it; both are empty where SOURCE is NULL. */
struct source {
    struct hg_client_arena arena;
    char *text;
    Hologram__V1__Graph *graph;
};

static hologram_status begin_source(hologram_client *client, const hologram_graph_source *source,
                                    struct source *built)
{
    *built = (struct source){.text = text_of(source ? source->text : NULL)};
    if (!source || !source->list) {
        return HOLOGRAM_OK;
    }
    built->graph = build(&built->arena, source->list);
    if (!built->graph) {
        hg_client_arena_free(&built->arena);
        return hg_client_fail_memory(client);
    }
    return HOLOGRAM_OK;
}

static hologram_status end_source(struct source *built, hologram_status status)
{
    hg_client_arena_free(&built->arena);
    return status;
}

hologram_status hg_client_put_load_graph(hologram_client *client, hologram_ticket ticket,
                                         hologram_graph graph, const hologram_graph_source *source)
{
    struct source built;
    hologram_status status = begin_source(client, source, &built);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    Hologram__V1__LoadGraph body = HOLOGRAM__V1__LOAD_GRAPH__INIT;
    body.id = graph;
    body.text = built.text;
    body.graph = built.graph;
    return end_source(&built, hg_client_put_body(client, ticket, REQUEST(LOAD_GRAPH), &body));
}

hologram_status hg_client_put_unload_graph(hologram_client *client, hologram_ticket ticket,
                                           hologram_graph graph)
{
    Hologram__V1__UnloadGraph body = HOLOGRAM__V1__UNLOAD_GRAPH__INIT;
    body.id = graph;
    return hg_client_put_body(client, ticket, REQUEST(UNLOAD_GRAPH), &body);
}

/* ---- running --------------------------------------------------------------------------------- */

#define BINDINGS_MAX (HOLOGRAM_GRAPH_BINDINGS_MAX + HOLOGRAM_GRAPH_OUTPUTS_MAX)

/* Inputs, then outputs. */
struct bindings {
    Hologram__V1__GraphBinding items[BINDINGS_MAX];
    Hologram__V1__GraphBinding *rows[BINDINGS_MAX];
};

static void fill_binding(struct bindings *bindings, uint32_t index, const char *name, uint64_t id)
{
    hologram__v1__graph_binding__init(&bindings->items[index]);
    bindings->items[index].name = text_of(name);
    bindings->items[index].id = id;
    bindings->rows[index] = &bindings->items[index];
}

static hologram_status check_counts(hologram_client *client, const hologram_graph_run *run)
{
    if (run->input_count > HOLOGRAM_GRAPH_BINDINGS_MAX ||
        run->output_count > HOLOGRAM_GRAPH_OUTPUTS_MAX) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "graph: expected at most %d inputs and %d outputs, got %u and %u",
                              HOLOGRAM_GRAPH_BINDINGS_MAX, HOLOGRAM_GRAPH_OUTPUTS_MAX,
                              run->input_count, run->output_count);
    }
    return HOLOGRAM_OK;
}

static hologram_status fill_bindings(hologram_client *client, const hologram_graph_run *run,
                                     struct bindings *bindings)
{
    hologram_status status = check_counts(client, run);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    for (uint32_t i = 0; i < run->input_count; i++) {
        fill_binding(bindings, i, run->inputs[i].name, run->inputs[i].buffer);
    }
    for (uint32_t i = 0; i < run->output_count; i++) {
        fill_binding(bindings, run->input_count + i, run->outputs[i].name, run->outputs[i].buffer);
    }
    return HOLOGRAM_OK;
}

static Hologram__V1__RunGraph run_body(const hologram_graph_run *run, struct bindings *bindings)
{
    Hologram__V1__RunGraph body = HOLOGRAM__V1__RUN_GRAPH__INIT;
    body.id = run->graph;
    body.n_inputs = run->input_count;
    body.inputs = bindings->rows;
    body.n_outputs = run->output_count;
    body.outputs = bindings->rows + run->input_count;
    return body;
}

static Hologram__V1__Eval eval_body(const hologram_graph_run *run, const struct source *source,
                                    struct bindings *bindings)
{
    Hologram__V1__Eval body = HOLOGRAM__V1__EVAL__INIT;
    body.text = source->text;
    body.graph = source->graph;
    body.n_inputs = run->input_count;
    body.inputs = bindings->rows;
    body.n_outputs = run->output_count;
    body.outputs = bindings->rows + run->input_count;
    return body;
}

/* Of a list of nodes. */
static hologram_status put_eval_list(hologram_client *client, hologram_ticket ticket,
                                     const hologram_graph_run *run)
{
    struct bindings bindings;
    struct source source;
    hologram_status status = fill_bindings(client, run, &bindings);
    if (status == HOLOGRAM_OK) {
        status = begin_source(client, run->source, &source);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    Hologram__V1__Eval body = eval_body(run, &source, &bindings);
    return end_source(&source, hg_client_put_body(client, ticket, REQUEST(EVAL), &body));
}

hologram_status hg_client_put_run_graph(hologram_client *client, hologram_ticket ticket,
                                        const hologram_graph_run *run)
{
    hologram_status status = check_counts(client, run);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return run->graph == 0 && run->source->list ? put_eval_list(client, ticket, run)
                                                : hg_client_put_hot_run(client, ticket, run);
}

hologram_status hg_client_step_run_graph(hologram_client *client, struct hg_client_bytes *steps,
                                         const hologram_graph_run *run)
{
    struct bindings bindings;
    struct source source;
    hologram_status status = fill_bindings(client, run, &bindings);
    if (status == HOLOGRAM_OK && run->graph != 0) {
        Hologram__V1__RunGraph body = run_body(run, &bindings);
        return hg_client_step_body(client, steps, HOLOGRAM__V1__STEP__BODY_RUN_GRAPH, &body);
    }
    if (status == HOLOGRAM_OK) {
        status = begin_source(client, run->source, &source);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    Hologram__V1__Eval body = eval_body(run, &source, &bindings);
    return end_source(&source,
                      hg_client_step_body(client, steps, HOLOGRAM__V1__STEP__BODY_EVAL, &body));
}

/* ---- the others ------------------------------------------------------------------------------ */

struct pattern_row {
    Hologram__V1__GraphPattern pattern;
    Hologram__V1__OperandPattern operand;
};

static Hologram__V1__GraphPattern **
fill_patterns(struct hg_client_arena *arena, const hologram_graph_pattern *inputs, uint32_t count)
{
    struct pattern_row *items = hg_client_arena_array(arena, count, sizeof *items);
    Hologram__V1__GraphPattern **rows = hg_client_arena_array(arena, count, sizeof *rows);
    for (uint32_t i = 0; items && rows && i < count; i++) {
        const hologram_operand *operand = &inputs[i].operand;
        hologram__v1__graph_pattern__init(&items[i].pattern);
        hologram__v1__operand_pattern__init(&items[i].operand);
        items[i].operand.dtype = (Hologram__V1__DType)operand->dtype;
        items[i].operand.has_shape = true;
        items[i].operand.n_shape =
            operand->rank < HOLOGRAM_RANK_MAX ? operand->rank : HOLOGRAM_RANK_MAX;
        items[i].operand.shape = (uint64_t *)operand->shape;
        items[i].pattern.name = text_of(inputs[i].name);
        items[i].pattern.operand = &items[i].operand;
        rows[i] = &items[i].pattern;
    }
    return items ? rows : NULL;
}

hologram_status hg_client_put_explain_graph(hologram_client *client, hologram_ticket ticket,
                                            const hologram_graph_source *source,
                                            const hologram_graph_pattern *inputs,
                                            uint32_t input_count, bool dot)
{
    struct source built;
    hologram_status status = begin_source(client, source, &built);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    Hologram__V1__ExplainGraph body = HOLOGRAM__V1__EXPLAIN_GRAPH__INIT;
    body.text = built.text;
    body.graph = built.graph;
    body.dot = dot;
    body.n_inputs = input_count;
    body.inputs = fill_patterns(&built.arena, inputs, input_count);
    if (!body.inputs) {
        return end_source(&built, hg_client_fail_memory(client));
    }
    return end_source(&built, hg_client_put_body(client, ticket, REQUEST(EXPLAIN_GRAPH), &body));
}

hologram_status hg_client_put_save_graph(hologram_client *client, hologram_ticket ticket,
                                         hologram_graph graph, const char *name, uint32_t mode,
                                         uint32_t gid)
{
    Hologram__V1__SaveGraph body = HOLOGRAM__V1__SAVE_GRAPH__INIT;
    body.id = graph;
    body.name = text_of(name);
    body.mode = mode;
    body.has_gid = gid != HOLOGRAM_NO_GROUP;
    body.gid = body.has_gid ? gid : 0;
    return hg_client_put_body(client, ticket, REQUEST(SAVE_GRAPH), &body);
}

hologram_status hg_client_put_open_graph(hologram_client *client, hologram_ticket ticket,
                                         const char *name, hologram_graph graph)
{
    Hologram__V1__OpenGraph body = HOLOGRAM__V1__OPEN_GRAPH__INIT;
    body.name = text_of(name);
    body.id = graph;
    return hg_client_put_body(client, ticket, REQUEST(OPEN_GRAPH), &body);
}

hologram_status hg_client_put_remove_graph(hologram_client *client, hologram_ticket ticket,
                                           const char *name)
{
    Hologram__V1__RemoveGraph body = HOLOGRAM__V1__REMOVE_GRAPH__INIT;
    body.name = text_of(name);
    return hg_client_put_body(client, ticket, REQUEST(REMOVE_GRAPH), &body);
}

hologram_status hg_client_put_list_graphs(hologram_client *client, hologram_ticket ticket)
{
    Hologram__V1__ListGraphs body = HOLOGRAM__V1__LIST_GRAPHS__INIT;
    return hg_client_put_body(client, ticket, REQUEST(LIST_GRAPHS), &body);
}
