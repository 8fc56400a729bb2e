/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: loading, explaining and naming them, and what happens without memory. */
#include "tests/unit/client/graph_server.h"

#define SWEEP_MAX 200

/* Lists of nodes and texts arrive as they were written; what is told of a graph outlives the
 * client. */
static void graphs_are_loaded(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = server_start(&client);
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
    server_stop(server, &client);
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
    struct server *server = server_start(&client);
    const hologram_graph_source wrong[] = {{.text = NULL}, {.text = "x", .list = from_nodes.list}};
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
    server_stop(server, &client);
}

/* Explanations, names and lists, with everything that is said about them. */
static void names_and_texts_come_through(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = server_start(&client);
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
    server_stop(server, &client);
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
        struct server *server = server_start(&client);
        fake_fail_allocations(skip);
        hologram_status status = ask_everything(client);
        failed = fake_allocations_failed();
        assert_int_equal(status, failed ? HOLOGRAM_RESOURCE_EXHAUSTED : HOLOGRAM_OK);
        server_stop(server, &client);
    }
    assert_in_range(skip, 5, SWEEP_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_are_loaded),
        cmocka_unit_test(sources_are_one_of_two),
        cmocka_unit_test(names_and_texts_come_through),
        cmocka_unit_test(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
