/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/graph_server.h"

#define REQUEST(type)  HOLOGRAM__V1__REQUEST__BODY_##type
#define RESPONSE(type) HOLOGRAM__V1__RESPONSE__BODY_##type

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

struct server *server_start(hologram_client **client)
{
    struct server *server = calloc(1, sizeof *server);
    fake_connect(&server->fake, answer, server, client);
    return server;
}

void server_stop(struct server *server, hologram_client **client)
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
const hologram_graph_source from_nodes = {.list = &list};
const hologram_graph_source from_text = {.text = "y = x @ w"};

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

void check_list(const Hologram__V1__Graph *graph)
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

/* ---- runs ------------------------------------------------------------------------------------ */

static const hologram_graph_input inputs[] = {{"x", 16}, {"w", 32}};

/* One output that is given, one that is fresh, and one more than the graph has. */
static void fill_outputs(hologram_graph_output outputs[3])
{
    memset(outputs, 0, 3 * sizeof *outputs);
    outputs[0].name = "y";
    outputs[0].buffer = GIVEN;
}

hologram_graph_run make_run(hologram_graph graph, hologram_graph_output outputs[3])
{
    fill_outputs(outputs);
    return (hologram_graph_run){.graph = graph,
                                .source = graph == 0 ? &from_nodes : NULL,
                                .inputs = inputs,
                                .input_count = 2,
                                .outputs = outputs,
                                .output_count = 3};
}
