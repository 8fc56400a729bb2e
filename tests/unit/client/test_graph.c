/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: every field of every request and answer, answers that make no sense, and no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/client/fake.h"

#define SWEEP_MAX      200
#define GRAPH          77
#define GIVEN          4801 /* a buffer that the client has */
#define REQUEST(type)  HOLOGRAM__V1__REQUEST__BODY_##type
#define RESPONSE(type) HOLOGRAM__V1__RESPONSE__BODY_##type

struct server;
/* Changes an output before it is sent. */
typedef void spoil_fn(struct server *server, Hologram__V1__GraphOutput *output);

/* What the server does, and the last request that it got, for the test to look at. */
struct server {
    struct fake fake;
    spoil_fn *spoil;        /* of answers to runs; NULL: they are right */
    hologram_status status; /* of them; HOLOGRAM_OK: they have a body */
    bool says_nothing;      /* it answers without a body */
    Hologram__V1__Request *request;
};

/* ---- the server ------------------------------------------------------------------------------ */

static bool answer_load(struct fake *fake, uint64_t id)
{
    char *inputs[] = {(char *)"x", (char *)"w"};
    char *outputs[] = {(char *)"y"};
    Hologram__V1__LoadGraphResult result = HOLOGRAM__V1__LOAD_GRAPH_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    result.digest = (char *)"beef";
    result.nodes = 3;
    result.n_inputs = 2;
    result.inputs = inputs;
    result.n_outputs = 1;
    result.outputs = outputs;
    response.id = id;
    response.body_case = RESPONSE(LOAD_GRAPH);
    response.load_graph = &result;
    return fake_send(fake, &response, NULL, 0);
}

/* The outputs have the ids that were bound, but one: the graph has no more than two. */
static bool answer_run(struct server *server, uint64_t id, size_t count,
                       Hologram__V1__GraphBinding **bindings)
{
    uint64_t shape[] = {2, 3};
    Hologram__V1__BufferInfo infos[2];
    Hologram__V1__GraphOutput outputs[2];
    Hologram__V1__GraphOutput *rows[2];
    Hologram__V1__ExecuteResult execute = HOLOGRAM__V1__EXECUTE_RESULT__INIT;
    Hologram__V1__RunGraphResult result = HOLOGRAM__V1__RUN_GRAPH_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    for (size_t i = 0; i < 2 && i < count; i++) {
        hologram__v1__buffer_info__init(&infos[i]);
        hologram__v1__graph_output__init(&outputs[i]);
        infos[i].id = bindings[i]->id;
        infos[i].dtype = HOLOGRAM__V1__DTYPE__F32;
        infos[i].n_shape = 2;
        infos[i].shape = shape;
        outputs[i].name = (char *)(i == 0 ? "y" : "z");
        outputs[i].buffer = &infos[i];
        outputs[i].made = i != 0;
        rows[i] = &outputs[i];
        if (server->spoil != NULL) {
            server->spoil(server, &outputs[i]);
        }
    }
    execute.cache = (char *)"graph";
    execute.outcome = (char *)"hit";
    execute.run_ns = 5;
    result.execute = &execute;
    result.n_outputs = count < 2 ? count : 2;
    result.outputs = rows;
    result.launches = 4;
    result.arena_bytes = 4096;
    response.id = id;
    response.body_case = RESPONSE(RUN_GRAPH);
    response.run_graph = &result;
    return fake_send(&server->fake, &response, NULL, 0);
}

static bool answer_explain(struct fake *fake, uint64_t id)
{
    Hologram__V1__ExplainGraphResult result = HOLOGRAM__V1__EXPLAIN_GRAPH_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    result.text = (char *)"one program";
    response.id = id;
    response.body_case = RESPONSE(EXPLAIN_GRAPH);
    response.explain_graph = &result;
    return fake_send(fake, &response, NULL, 0);
}

static bool answer_list(struct fake *fake, uint64_t id)
{
    Hologram__V1__NamedGraph graph = HOLOGRAM__V1__NAMED_GRAPH__INIT;
    Hologram__V1__NamedGraph *rows[] = {&graph, &graph};
    Hologram__V1__ListGraphsResult result = HOLOGRAM__V1__LIST_GRAPHS_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    graph.name = (char *)"mlp";
    graph.digest = (char *)"beef";
    graph.nodes = 9;
    graph.inputs = 5;
    graph.outputs = 1;
    graph.uid = 1000;
    graph.gid = 100;
    graph.mode = 0640;
    result.n_graphs = 2;
    result.graphs = rows;
    result.truncated = true;
    response.id = id;
    response.body_case = RESPONSE(LIST_GRAPHS);
    response.list_graphs = &result;
    return fake_send(fake, &response, NULL, 0);
}

static void keep(struct server *server, const Hologram__V1__Request *request)
{
    size_t bytes = hologram__v1__request__get_packed_size(request);
    uint8_t *packed = malloc(bytes + 1);
    hologram__v1__request__pack(request, packed);
    if (server->request != NULL) {
        hologram__v1__request__free_unpacked(server->request, NULL);
    }
    server->request = hologram__v1__request__unpack(NULL, bytes, packed);
    free(packed);
}

static bool answer(struct fake *fake, const Hologram__V1__Request *request)
{
    struct server *server = fake->context;
    keep(server, request);
    if (server->status != HOLOGRAM_OK) {
        return fake_fail(fake, request->id, server->status, "no");
    }
    if (server->says_nothing) {
        return fake_ok(fake, request);
    }
    switch (request->body_case) {
    case REQUEST(LOAD_GRAPH):
    case REQUEST(OPEN_GRAPH):
        return answer_load(fake, request->id);
    case REQUEST(RUN_GRAPH):
        return answer_run(server, request->id, request->run_graph->n_outputs,
                          request->run_graph->outputs);
    case REQUEST(EVAL):
        return answer_run(server, request->id, request->eval->n_outputs, request->eval->outputs);
    case REQUEST(EXPLAIN_GRAPH):
        return answer_explain(fake, request->id);
    case REQUEST(LIST_GRAPHS):
        return answer_list(fake, request->id);
    default:
        return fake_ok(fake, request);
    }
}

static struct server *start(hologram_client **client)
{
    struct server *server = calloc(1, sizeof *server);
    fake_connect(&server->fake, answer, server, client);
    return server;
}

static void stop(struct server *server, hologram_client **client)
{
    hologram_close(client);
    fake_join(&server->fake);
    if (server->request != NULL) {
        hologram__v1__request__free_unpacked(server->request, NULL);
    }
    free(server);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* Every attribute that a node can have is in one of these, with a value that is not its default. */
static const uint32_t node_inputs[] = {0, 1};
static const int64_t node_sizes[] = {-1, 5, -2};
static const hologram_node nodes[] = {
    {.op = "input",
     .name = "x",
     .dtype = HOLOGRAM_F32,
     .has_shape = true,
     .sizes = node_sizes,
     .size_count = 3},
    {.op = "literal", .bits = UINT64_MAX, .is_float = true},
    {.op = "softmax",
     .inputs = node_inputs,
     .input_count = 2,
     .has_axis = true,
     .axis = -1,
     .keepdims = true,
     .has_number = true,
     .number = 0.25},
};
static const uint32_t results[] = {2, 0};
static const char *const result_names[] = {"y", NULL};
static const char *const symbols[] = {"n"};
static const hologram_node_list list = {.nodes = nodes,
                                        .node_count = 3,
                                        .result_count = 2,
                                        .results = results,
                                        .result_names = result_names,
                                        .symbols = symbols,
                                        .symbol_count = 1};
static const hologram_graph_source from_nodes = {.list = &list};
static const hologram_graph_source from_text = {.text = "y = x @ w"};

static void check_node(const Hologram__V1__GraphNode *node, const hologram_node *expected)
{
    assert_string_equal(node->op, expected->op);
    assert_string_equal(node->name, expected->name != NULL ? expected->name : "");
    assert_int_equal(node->n_inputs, expected->input_count);
    assert_int_equal(node->n_sizes, expected->size_count);
    assert_memory_equal(node->inputs, expected->inputs, node->n_inputs * sizeof *node->inputs);
    assert_memory_equal(node->sizes, expected->sizes, node->n_sizes * sizeof *node->sizes);
    assert_int_equal(node->dtype, expected->dtype);
    assert_int_equal(node->bits, expected->bits);
    assert_int_equal(node->is_float, expected->is_float);
    assert_int_equal(node->has_shape, expected->has_shape);
    assert_int_equal(node->has_axis, expected->has_axis);
    assert_int_equal(node->axis, expected->axis);
    assert_int_equal(node->keepdims, expected->keepdims);
    assert_int_equal(node->has_number, expected->has_number);
    assert_true(node->number == expected->number);
}

static void check_list(const Hologram__V1__Graph *graph)
{
    assert_non_null(graph);
    assert_int_equal(graph->n_nodes, list.node_count);
    for (uint32_t i = 0; i < list.node_count; i++) {
        check_node(graph->nodes[i], &nodes[i]);
    }
    assert_int_equal(graph->n_results, 2);
    assert_int_equal(graph->results[0]->node, 2);
    assert_string_equal(graph->results[0]->name, "y");
    assert_string_equal(graph->results[1]->name, "");
    assert_int_equal(graph->n_symbols, 1);
    assert_string_equal(graph->symbols[0], "n");
}

/* Lists of nodes and texts arrive as they were written; what is told of a graph outlives the
 * client. */
static void graphs_are_loaded(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = start(&client);
    const hologram_graph_info *info;
    hologram_graph one = 0;
    hologram_graph two = 0;
    assert_int_equal(hologram_load_graph(client, &from_nodes, &one, NULL), HOLOGRAM_OK);
    check_list(server->request->load_graph->graph);
    assert_string_equal(server->request->load_graph->text, "");
    assert_int_equal(server->request->load_graph->id, one);
    assert_int_equal(hologram_load_graph(client, &from_text, &two, &info), HOLOGRAM_OK);
    assert_null(server->request->load_graph->graph);
    assert_string_equal(server->request->load_graph->text, "y = x @ w");
    assert_true(two != 0 && two != one);
    assert_int_equal(hologram_unload_graph(client, one), HOLOGRAM_OK);
    assert_int_equal(server->request->unload_graph->id, one);
    stop(server, &client);
    assert_string_equal(info->digest, "beef");
    assert_int_equal(info->nodes, 3);
    assert_int_equal(info->input_count, 2);
    assert_string_equal(info->inputs[1], "w");
    assert_int_equal(info->output_count, 1);
    assert_string_equal(info->outputs[0], "y");
    hologram_graph_info_free(info);
    hologram_graph_info_free(NULL);
}

/* A source is a text or a list; neither and both are refused before anything is sent. */
static void sources_are_one_of_two(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = start(&client);
    const hologram_graph_source wrong[] = {{.text = NULL}, {.text = "x", .list = &list}};
    const char *text;
    hologram_graph graph;
    for (size_t i = 0; i < 2; i++) {
        hologram_graph_run run = {.source = &wrong[i]};
        assert_int_equal(hologram_load_graph(client, &wrong[i], &graph, NULL),
                         HOLOGRAM_INVALID_ARGUMENT);
        assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_INVALID_ARGUMENT);
        assert_int_equal(hologram_explain_graph(client, &wrong[i], NULL, 0, false, &text),
                         HOLOGRAM_INVALID_ARGUMENT);
    }
    assert_null(server->request);
    stop(server, &client);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static const hologram_graph_input inputs[] = {{"x", 16}, {"w", 32}};

/* One output that is given, one that is fresh, and one more than the graph has. */
static void fill_outputs(hologram_graph_output outputs[3])
{
    memset(outputs, 0, 3 * sizeof *outputs);
    outputs[0].name = "y";
    outputs[0].buffer = GIVEN;
}

static hologram_graph_run make_run(hologram_graph graph, hologram_graph_output outputs[3])
{
    fill_outputs(outputs);
    return (hologram_graph_run){.graph = graph,
                                .source = graph == 0 ? &from_nodes : NULL,
                                .inputs = inputs,
                                .input_count = 2,
                                .outputs = outputs,
                                .output_count = 3};
}

static void check_bindings(size_t count, Hologram__V1__GraphBinding **sent, size_t output_count,
                           Hologram__V1__GraphBinding **sent_outputs)
{
    assert_int_equal(count, 2);
    assert_string_equal(sent[0]->name, "x");
    assert_int_equal(sent[1]->id, 32);
    assert_int_equal(output_count, 3);
    assert_string_equal(sent_outputs[0]->name, "y");
    assert_int_equal(sent_outputs[0]->id, GIVEN);
    assert_string_equal(sent_outputs[1]->name, "");
    assert_true(sent_outputs[1]->id != 0 && sent_outputs[2]->id != 0);
    assert_true(sent_outputs[1]->id != sent_outputs[2]->id);
}

/* By number and as nodes: bindings arrive, and outputs say what became of each. */
static void runs_come_through(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = start(&client);
    for (hologram_graph graph = 0; graph <= GRAPH; graph += GRAPH) {
        hologram_graph_output outputs[3];
        hologram_graph_run run = make_run(graph, outputs);
        assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_OK);
        const Hologram__V1__Request *request = server->request;
        if (graph == 0) {
            check_list(request->eval->graph);
            check_bindings(request->eval->n_inputs, request->eval->inputs, request->eval->n_outputs,
                           request->eval->outputs);
        } else {
            assert_int_equal(request->run_graph->id, GRAPH);
            check_bindings(request->run_graph->n_inputs, request->run_graph->inputs,
                           request->run_graph->n_outputs, request->run_graph->outputs);
        }
        assert_int_equal(outputs[0].buffer, GIVEN);
        assert_false(outputs[0].made);
        assert_string_equal(outputs[0].given_name, "y");
        assert_true(outputs[1].buffer != 0 && outputs[1].made);
        assert_string_equal(outputs[1].given_name, "z");
        assert_int_equal(outputs[1].dtype, HOLOGRAM_F32);
        assert_int_equal(outputs[1].rank, 2);
        assert_int_equal(outputs[1].shape[1], 3);
        assert_int_equal(outputs[2].buffer, 0);
        assert_string_equal(outputs[2].given_name, "");
        assert_int_equal(run.launches, 4);
        assert_int_equal(run.arena_bytes, 4096);
        assert_string_equal(run.execution.cache, "graph");
        assert_string_equal(run.execution.outcome, "hit");
        assert_int_equal(run.execution.run_ns, 5);
    }
    stop(server, &client);
}

/* As steps of a batch the same goes out, one after the other. */
static void steps_come_through(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = start(&client);
    hologram_graph_output outputs[2][3];
    hologram_graph_run by_number = make_run(GRAPH, outputs[0]);
    hologram_graph_run by_nodes = make_run(0, outputs[1]);
    hologram_batch *batch;
    server->says_nothing = true;
    assert_int_equal(hologram_batch_new(client, &batch), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_run_graph(batch, &by_number), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_run_graph(batch, &by_nodes), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_freeze(batch, outputs[0][1].buffer), HOLOGRAM_OK);
    (void)!hologram_batch_run(batch, NULL); /* the answer has no body */
    Hologram__V1__Step **steps = server->request->batch->steps;
    assert_int_equal(server->request->batch->n_steps, 3);
    assert_int_equal(steps[0]->body_case, HOLOGRAM__V1__STEP__BODY_RUN_GRAPH);
    check_bindings(steps[0]->run_graph->n_inputs, steps[0]->run_graph->inputs,
                   steps[0]->run_graph->n_outputs, steps[0]->run_graph->outputs);
    assert_int_equal(steps[0]->run_graph->outputs[1]->id, outputs[0][1].buffer);
    assert_int_equal(steps[1]->body_case, HOLOGRAM__V1__STEP__BODY_EVAL);
    check_list(steps[1]->eval->graph);
    check_bindings(steps[1]->eval->n_inputs, steps[1]->eval->inputs, steps[1]->eval->n_outputs,
                   steps[1]->eval->outputs);
    assert_int_equal(steps[2]->body_case, HOLOGRAM__V1__STEP__BODY_FREEZE);
    assert_int_equal(steps[2]->freeze->ids[0], outputs[0][1].buffer);
    hologram_batch_free(&batch);
    stop(server, &client);
}

static void checks_fresh_are_gone(const hologram_graph_output outputs[3])
{
    assert_int_equal(outputs[0].buffer, GIVEN);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(outputs[i].buffer, 0);
        assert_false(outputs[i].made);
    }
}

static void spoil_id(struct server *server, Hologram__V1__GraphOutput *output)
{
    (void)server;
    output->buffer->id = 12345;
}

static void spoil_buffer(struct server *server, Hologram__V1__GraphOutput *output)
{
    (void)server;
    output->buffer = NULL;
}

static void spoil_type(struct server *server, Hologram__V1__GraphOutput *output)
{
    (void)server;
    output->buffer->dtype = (Hologram__V1__DType)99;
}

static void spoil_rank(struct server *server, Hologram__V1__GraphOutput *output)
{
    static uint64_t shape[HOLOGRAM_RANK_MAX + 1];
    (void)server;
    output->buffer->n_shape = HOLOGRAM_RANK_MAX + 1;
    output->buffer->shape = shape;
}

/* Answers about buffers that nobody asked for, or that cannot be, are errors, and of such a run and
 * of one that failed no fresh output stays. */
static void wrong_answers_are_errors(void **state)
{
    (void)state;
    static spoil_fn *const spoils[] = {spoil_id, spoil_buffer, spoil_type, spoil_rank};
    hologram_client *client;
    struct server *server = start(&client);
    hologram_graph_output outputs[3];
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        hologram_graph_run run = make_run(GRAPH, outputs);
        server->spoil = spoils[i];
        assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_INTERNAL);
        assert_non_null(strstr(hologram_last_error(client)->message, "makes no sense"));
        checks_fresh_are_gone(outputs);
    }
    server->spoil = NULL;
    server->status = HOLOGRAM_NOT_FOUND;
    hologram_graph_run run = make_run(GRAPH, outputs);
    assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_NOT_FOUND);
    checks_fresh_are_gone(outputs);
    assert_int_equal(hologram_ping(client), HOLOGRAM_NOT_FOUND); /* it goes on */
    stop(server, &client);
}

/* An answer without what was asked for is an error of every function that gives something. */
static void empty_answers_are_errors(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = start(&client);
    hologram_graph_output outputs[3];
    hologram_graph_run run = make_run(GRAPH, outputs);
    const hologram_named_graphs *graphs;
    const hologram_graph_info *info;
    const char *text;
    hologram_graph graph;
    server->says_nothing = true;
    assert_int_equal(hologram_load_graph(client, &from_text, &graph, &info), HOLOGRAM_INTERNAL);
    assert_int_equal(hologram_open_graph(client, "mlp", &graph, &info), HOLOGRAM_INTERNAL);
    assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_INTERNAL);
    checks_fresh_are_gone(outputs);
    assert_int_equal(hologram_explain_graph(client, &from_text, NULL, 0, false, &text),
                     HOLOGRAM_INTERNAL);
    assert_int_equal(hologram_graphs(client, &graphs), HOLOGRAM_INTERNAL);
    stop(server, &client);
}

/* More than a run may bind is refused here; as many as it may, goes out. */
static void bindings_are_bounded(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = start(&client);
    hologram_graph_input many[HOLOGRAM_GRAPH_BINDINGS_MAX + 1];
    hologram_graph_output *outputs = calloc(HOLOGRAM_GRAPH_OUTPUTS_MAX + 1, sizeof *outputs);
    for (size_t i = 0; i < HOLOGRAM_GRAPH_BINDINGS_MAX + 1; i++) {
        many[i] = (hologram_graph_input){"x", i + 1};
    }
    hologram_graph_run run = {.graph = GRAPH,
                              .inputs = many,
                              .input_count = HOLOGRAM_GRAPH_BINDINGS_MAX,
                              .outputs = outputs,
                              .output_count = HOLOGRAM_GRAPH_OUTPUTS_MAX};
    assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_OK);
    assert_int_equal(server->request->run_graph->n_inputs, HOLOGRAM_GRAPH_BINDINGS_MAX);
    assert_int_equal(server->request->run_graph->n_outputs, HOLOGRAM_GRAPH_OUTPUTS_MAX);
    run.input_count++;
    assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_INVALID_ARGUMENT);
    assert_non_null(strstr(hologram_last_error(client)->message, "at most 112 inputs"));
    run.input_count--;
    run.output_count++;
    assert_int_equal(hologram_run_graph(client, &run), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    free(outputs);
    stop(server, &client);
}

/* ---- the others ------------------------------------------------------------------------------ */

/* Explanations, names and lists, with everything that is said about them. */
static void names_and_texts_come_through(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = start(&client);
    const hologram_graph_pattern patterns[] = {
        {"x", {.dtype = HOLOGRAM_F16, .has_shape = true, .rank = 2, .shape = {4, 5}}},
        {"s", {.dtype = HOLOGRAM_F64, .has_shape = true}}};
    const hologram_named_graphs *graphs;
    const char *text;
    hologram_graph graph = 0;
    assert_int_equal(hologram_explain_graph(client, &from_nodes, patterns, 2, true, &text),
                     HOLOGRAM_OK);
    assert_string_equal(text, "one program");
    hologram_text_free(text);
    const Hologram__V1__ExplainGraph *explain = server->request->explain_graph;
    check_list(explain->graph);
    assert_true(explain->dot);
    assert_int_equal(explain->n_inputs, 2);
    assert_string_equal(explain->inputs[1]->name, "s");
    assert_int_equal(explain->inputs[0]->operand->dtype, HOLOGRAM__V1__DTYPE__F16);
    assert_int_equal(explain->inputs[0]->operand->n_shape, 2);
    assert_int_equal(explain->inputs[0]->operand->shape[1], 5);
    assert_true(explain->inputs[1]->operand->has_shape);
    assert_int_equal(explain->inputs[1]->operand->n_shape, 0);

    assert_int_equal(hologram_save_graph(client, GRAPH, "mlp", 0640, 100), HOLOGRAM_OK);
    assert_int_equal(server->request->save_graph->id, GRAPH);
    assert_string_equal(server->request->save_graph->name, "mlp");
    assert_int_equal(server->request->save_graph->mode, 0640);
    assert_true(server->request->save_graph->has_gid && server->request->save_graph->gid == 100);
    assert_int_equal(hologram_save_graph(client, GRAPH, "mlp", 0600, HOLOGRAM_NO_GROUP),
                     HOLOGRAM_OK);
    assert_false(server->request->save_graph->has_gid);
    assert_int_equal(hologram_open_graph(client, "mlp", &graph, NULL), HOLOGRAM_OK);
    assert_string_equal(server->request->open_graph->name, "mlp");
    assert_int_equal(server->request->open_graph->id, graph);
    assert_int_equal(hologram_remove_graph(client, "mlp"), HOLOGRAM_OK);
    assert_string_equal(server->request->remove_graph->name, "mlp");

    assert_int_equal(hologram_graphs(client, &graphs), HOLOGRAM_OK);
    stop(server, &client);
    assert_int_equal(graphs->count, 2);
    assert_true(graphs->truncated);
    const hologram_named_graph *last = &graphs->graphs[1];
    assert_string_equal(last->name, "mlp");
    assert_string_equal(last->digest, "beef");
    assert_int_equal(last->nodes * 100 + last->inputs * 10 + last->outputs, 951);
    assert_int_equal(last->uid, 1000);
    assert_int_equal(last->gid, 100);
    assert_int_equal(last->mode, 0640);
    hologram_named_graphs_free(graphs);
    hologram_named_graphs_free(NULL);
}

static hologram_status ask_everything(hologram_client *client)
{
    const hologram_graph_pattern pattern = {"x", {.dtype = HOLOGRAM_F32, .has_shape = true}};
    const hologram_named_graphs *graphs = NULL;
    const hologram_graph_info *info = NULL;
    const char *text = NULL;
    hologram_graph graph;
    hologram_graph_output outputs[3];
    hologram_graph_run run = make_run(0, outputs);
    hologram_status status = hologram_load_graph(client, &from_nodes, &graph, &info);
    status = status == HOLOGRAM_OK ? hologram_run_graph(client, &run) : status;
    status = status == HOLOGRAM_OK
                 ? hologram_explain_graph(client, &from_nodes, &pattern, 1, false, &text)
                 : status;
    status = status == HOLOGRAM_OK ? hologram_graphs(client, &graphs) : status;
    hologram_graph_info_free(info);
    hologram_text_free(text);
    hologram_named_graphs_free(graphs);
    return status;
}

/* Each allocation failing in turn is an error of its own, and nothing leaks or breaks. */
static void out_of_memory_is_an_error(void **state)
{
    (void)state;
    bool failed = true;
    uint64_t skip = 0;
    for (; failed && skip < SWEEP_MAX; skip++) {
        hologram_client *client;
        struct server *server = start(&client);
        fake_fail_allocations(skip);
        hologram_status status = ask_everything(client);
        failed = fake_allocations_failed();
        assert_int_equal(status, failed ? HOLOGRAM_RESOURCE_EXHAUSTED : HOLOGRAM_OK);
        stop(server, &client);
    }
    assert_in_range(skip, 5, SWEEP_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_are_loaded),         cmocka_unit_test(sources_are_one_of_two),
        cmocka_unit_test(runs_come_through),         cmocka_unit_test(steps_come_through),
        cmocka_unit_test(wrong_answers_are_errors),  cmocka_unit_test(empty_answers_are_errors),
        cmocka_unit_test(bindings_are_bounded),      cmocka_unit_test(names_and_texts_come_through),
        cmocka_unit_test(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
