/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of graphs: every field of request and answer, and answers that make no sense. */
#include "tests/unit/client/graph_server.h"

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
    struct server *server = server_start(&client);
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
    server_stop(server, &client);
}

/* As steps of a batch the same goes out, one after the other. */
static void steps_come_through(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = server_start(&client);
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
    server_stop(server, &client);
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
    struct server *server = server_start(&client);
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
    server_stop(server, &client);
}

/* An answer without what was asked for is an error of every function that gives something. */
static void empty_answers_are_errors(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = server_start(&client);
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
    server_stop(server, &client);
}

/* More than a run may bind is refused here; as many as it may, goes out. */
static void bindings_are_bounded(void **state)
{
    (void)state;
    hologram_client *client;
    struct server *server = server_start(&client);
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
    server_stop(server, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_come_through),        cmocka_unit_test(steps_come_through),
        cmocka_unit_test(wrong_answers_are_errors), cmocka_unit_test(empty_answers_are_errors),
        cmocka_unit_test(bindings_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
