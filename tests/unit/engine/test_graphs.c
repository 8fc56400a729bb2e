/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs in the engine: running and explaining them, and what is refused. */
#include <stdio.h>

#include "tests/unit/engine/graph_eval.h"

/* ---- running --------------------------------------------------------------------------------- */

/* A text is parsed, planned and run; what it gives is made and described. The second time all of
 * that is found. */
static void text_is_planned_once(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct eval eval;
    const float expected[] = {11, 13, 15, 17, 19, 21};
    eval_init(&eval, "z = x + y + 1", 1, 2);
    eval_ok(setting.session, &eval);
    assert_int_equal(eval.result.output_count, 1);
    assert_string_equal(eval.made[0].name, "z");
    assert_int_equal(eval.made[0].id, FIRST_OUTPUT);
    assert_true(eval.made[0].made);
    assert_int_equal(eval.made[0].dtype, HG_F32);
    assert_int_equal(eval.made[0].rank, 2);
    assert_int_equal(eval.made[0].shape[1], 3);
    assert_int_equal(eval.task.outcome, HG_CACHE_BUILD);
    assert_string_equal(eval.task.cache, "graph");
    assert_floats(setting.session, FIRST_OUTPUT, expected, 6);
    eval_ok(setting.session, &eval);
    assert_false(eval.made[0].made);
    assert_int_equal(eval.task.outcome, HG_CACHE_HIT);
    const struct hg_graph_stats stats = stats_of(setting.engine);
    assert_int_equal(stats.graphs, 1);
    assert_int_equal(stats.planned, 1);
    assert_int_equal(stats.plans, 1);
    assert_int_equal(programs_of(setting.engine).builds, 1);
    assert_int_equal(programs_of(setting.engine).hits, 1);
    tear_down(&setting);
}

/* A loaded graph runs by its id until it is unloaded. */
static void loaded_graphs_run_by_id(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct hg_graph_facts facts;
    struct eval eval;
    const float expected[] = {3, 12};
    const char *text = "s = sum(x, axis=1)";
    const struct hg_graph_source source = {text, strlen(text), NULL};
    test_ok(hg_session_load_graph(setting.session, 7, &source, &facts, &error));
    assert_int_equal(facts.input_count, 1);
    assert_int_equal(facts.output_count, 1);
    assert_string_equal(hg_session_graph_input(setting.session, 7, 0), "x");
    assert_string_equal(hg_session_graph_output(setting.session, 7, 0), "s");
    assert_string_equal(hg_session_graph_output(setting.session, 7, 1), "");
    test_fails(hg_session_load_graph(setting.session, 7, &source, NULL, &error), HG_ALREADY_EXISTS,
               "id 7");
    test_fails(hg_session_load_graph(setting.session, 0, &source, NULL, &error),
               HG_INVALID_ARGUMENT, "start at 1");
    eval_init(&eval, NULL, 1, 0);
    eval.request.graph = 7;
    eval_ok(setting.session, &eval);
    assert_floats(setting.session, FIRST_OUTPUT, expected, 2);
    assert_int_equal(stats_of(setting.engine).pinned, 1);
    test_ok(hg_session_unload_graph(setting.session, 7, &error));
    test_fails(hg_session_unload_graph(setting.session, 7, &error), HG_NOT_FOUND, "id 7");
    assert_int_equal(stats_of(setting.engine).pinned, 0);
    eval_fails(setting.session, &eval, HG_NOT_FOUND, "no graph has id 7");
    tear_down(&setting);
}

/* Nodes and text that say the same run the same programs. */
static void nodes_run_as_text_does(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct hg_graph_node nodes[3];
    const struct hg_graph_output output = {.node = 2, .name = "z"};
    const char *const symbols[] = {"n"};
    hg_graph_node_init(&nodes[0], HG_GRAPH_KIND_INPUT);
    memcpy(nodes[0].name, "x", 2);
    nodes[0].type = HG_F32;
    nodes[0].rank = 2;
    nodes[0].sizes[0] = HG_GRAPH_SIZE_SYMBOL(0);
    nodes[0].sizes[1] = 3;
    hg_graph_node_init(&nodes[1], HG_GRAPH_KIND_INPUT);
    memcpy(nodes[1].name, "y", 2);
    nodes[1].type = HG_GRAPH_TYPE_OPEN;
    nodes[1].rank = HG_GRAPH_RANK_OPEN;
    hg_graph_node_init(&nodes[2], HG_GRAPH_KIND_MULTIPLY);
    nodes[2].input_count = 2;
    nodes[2].inputs[1] = 1;
    struct hg_graph_list list = {nodes, 3, 1, &output, symbols, 1};
    struct eval eval;
    const float expected[] = {0, 11, 24, 39, 56, 75};
    eval_init(&eval, NULL, 1, 2);
    eval.request.source.list = &list;
    eval_ok(setting.session, &eval);
    assert_floats(setting.session, FIRST_OUTPUT, expected, 6);
    eval_init(&eval, "x: f32[n, 3]\nz = x * y", 1, 2);
    eval_ok(setting.session, &eval);
    assert_int_equal(stats_of(setting.engine).graphs, 1);
    assert_int_equal(programs_of(setting.engine).builds, 1);
    nodes[2].inputs[1] = 2;
    eval_init(&eval, NULL, 1, 2);
    eval.request.source.list = &list;
    eval_fails(setting.session, &eval, HG_INVALID_ARGUMENT, "node 2 (multiply)");
    list.output_count = 0;
    nodes[2].inputs[1] = 1;
    eval_fails(setting.session, &eval, HG_INVALID_ARGUMENT, "at least one output");
    list.symbol_count = 2;
    const char *const twice[] = {"n", "n"};
    list.symbols = twice;
    eval_fails(setting.session, &eval, HG_INVALID_ARGUMENT, "symbol 1");
    tear_down(&setting);
}

/* An output in the memory of an input: where each element is read before it is stored, and where
 * that takes a copy at the end. */
static void outputs_may_be_inputs(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct eval eval;
    const float doubled[] = {0, 2, 4, 6, 8, 10};
    eval_init(&eval, "z = x + x", 1, 0);
    bind_output(&eval, "z", 1);
    eval_ok(setting.session, &eval);
    assert_floats(setting.session, 1, doubled, 6);
    const struct hg_buffer_spec square = {.dtype = HG_F32, .rank = 2, .shape = {2, 2}};
    const float turned[] = {1, 3, 2, 4};
    test_ok(hg_session_alloc(setting.session, 3, &square, NULL, &error));
    test_fill(setting.session, 3, 4, 1, 1);
    eval_init(&eval, "z = x.T", 3, 0);
    bind_output(&eval, "z", 3);
    eval_ok(setting.session, &eval);
    assert_floats(setting.session, 3, turned, 4);
    const float again[] = {0, 4, 8, 12, 16, 20};
    eval_init(&eval, "z = x + y", 1, 1);
    bind_output(&eval, "z", 1);
    eval_ok(setting.session, &eval);
    assert_floats(setting.session, 1, again, 6);
    const float turned_sum[] = {2, 5, 5, 8};
    eval_init(&eval, "z = x + y.T", 3, 3);
    bind_output(&eval, "z", 3);
    eval_ok(setting.session, &eval);
    assert_floats(setting.session, 3, turned_sum, 4);
    tear_down(&setting);
}

/* On workers: the same, also where memory has to be zeroed first, and for several launches. */
static void queued_runs_give_the_same(void **state)
{
    (void)state;
    struct setting setting = set_up();
    const struct hg_buffer_spec large = {.dtype = HG_F32, .rank = 2, .shape = {300, 400}};
    struct eval eval;
    float got;
    test_ok(hg_session_alloc(setting.session, 3, &large, NULL, &error));
    eval_init(&eval, "h = x + 1\nz = sum(h @ x.T, axis=0) + 1\nreturn z, h", 3, 0);
    eval.task.allow_inline = false;
    eval_ok(setting.session, &eval);
    assert_true(eval.result.launches >= 2);
    assert_int_equal(eval.result.output_count, 2);
    test_ok(hg_session_read(setting.session, FIRST_OUTPUT, 0, &got, sizeof got, &error));
    assert_true(got == 1);
    test_ok(hg_session_read(setting.session, FIRST_OUTPUT + 1, 479996, &got, sizeof got, &error));
    assert_true(got == 1);
    tear_down(&setting);
}

/* A graph too large for the caller's thread is parsed and planned on a worker, and asked for again.
 */
static void large_graphs_are_planned_on_workers(void **state)
{
    (void)state;
    struct setting setting = set_up();
    char text[8192];
    size_t length = (size_t)snprintf(text, sizeof text, "a0 = x\n");
    for (int i = 0; i < 200; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "a%d = exp(a%d) @ x.T @ x\n", i + 1, i);
    }
    struct eval eval;
    eval_init(&eval, text, 1, 0);
    eval.task.allow_inline = true;
    eval_ok(setting.session, &eval);
    assert_true(eval.result.launches > 64);
    assert_int_equal(stats_of(setting.engine).planned, 1);
    eval_ok(setting.session, &eval);
    assert_int_equal(stats_of(setting.engine).planned, 1);
    text[length - 2] = '@';
    eval_fails(setting.session, &eval, HG_INVALID_ARGUMENT, "line 201, column");
    tear_down(&setting);
}

/* A graph whose program would be too large is planned into several: that is no failure. */
static void large_programs_are_cut(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct eval eval;
    const char *text = "s = sin(x); t = sin(s); u = softmax(t); v = log2(u); w = log2(s)\n"
                       "c = softmax(log2(v)); d = softmax(x); e = softmax(c); f = softmax(d)\n"
                       "r = binary_cross_entropy(e, e); q = softmax(x) + softmax(w)\n"
                       "p = clip(softmax(f), softmax(s), y); return p, q, r";
    eval_init(&eval, text, 1, 2);
    eval_ok(setting.session, &eval);
    assert_true(eval.result.launches > 1);
    tear_down(&setting);
}

/* Values without elements, also between launches. */
static void empty_values_are_values(void **state)
{
    (void)state;
    struct setting setting = set_up();
    const struct hg_buffer_spec none = {.dtype = HG_F32, .rank = 2, .shape = {0, 3}};
    struct eval eval;
    const float zeros[] = {0, 0, 0};
    test_ok(hg_session_alloc(setting.session, 3, &none, NULL, &error));
    eval_init(&eval, "h = exp(x @ y.T); z = h @ y; s = sum(x, axis=0); return z, s", 3, 2);
    for (int i = 0; i < 2; i++) {
        eval.task.allow_inline = i == 0;
        eval_ok(setting.session, &eval);
        assert_int_equal(eval.made[0].shape[0], 0);
        assert_floats(setting.session, FIRST_OUTPUT + 1, zeros, 3);
    }
    tear_down(&setting);
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* What is wrong is named: place in the text, input, output, node. */
static void errors_name_what_is_wrong(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct hg_session *session = setting.session;
    struct eval eval;
    eval_init(&eval, "z = x +", 1, 0);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "line 1, column 8");
    eval_init(&eval, "z = x + y", 1, 0);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "input y is not bound");
    eval_init(&eval, "z = x", 1, 2);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "no input 'y'");
    eval_init(&eval, "z = x", 1, 0);
    bind_input(&eval, "x", 2);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "input x is bound twice");
    eval_init(&eval, "z = x + 1", 99, 0);
    eval_fails(session, &eval, HG_NOT_FOUND, "input x: no buffer has id 99");
    eval_init(&eval, "z = x + 1", 1, 0);
    bind_output(&eval, "q", 5);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "no output 'q'");
    eval_init(&eval, "z = x + 1", 1, 0);
    eval.request.outputs_from = 0;
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "output z is not bound");
    eval_init(&eval, "z = sum(x, axis=0)", 1, 0);
    bind_output(&eval, "z", 2);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "expected f32[3], buffer 2 is f32[2, 3]");
    eval_init(&eval, "a = x + 1\nb = x + 2", 1, 0);
    bind_output(&eval, "a", 2);
    bind_output(&eval, "b", 2);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "outputs a and b are one buffer, 2");
    eval_init(&eval, "a = x + 1\nb = x + 2", 1, 0);
    bind_output(&eval, "a", 50);
    bind_output(&eval, "b", 50);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "outputs a and b are one buffer, 50");
    eval_init(&eval, "h = x + 1; z = h @ y", 1, 2);
    eval_fails(session, &eval, HG_INVALID_ARGUMENT, "(matmul");
    tear_down(&setting);
}

/* Where a run fails on the way, what it made is gone. */
static void failed_runs_leave_nothing(void **state)
{
    (void)state;
    struct setting setting = set_up();
    const struct hg_buffer_spec integers = {.dtype = HG_I32, .rank = 1, .shape = {100000}};
    struct hg_buffer_info info;
    test_ok(hg_session_alloc(setting.session, 3, &integers, NULL, &error));
    for (int i = 0; i < 2; i++) {
        struct eval eval;
        eval_init(&eval, "z = 7 / x", 3, 0);
        eval.task.allow_inline = i == 0;
        eval_fails(setting.session, &eval, HG_INVALID_ARGUMENT, "division by zero");
        assert_string_equal(eval.task.error.detail, "DIVISION_BY_ZERO");
        test_fails(hg_session_info(setting.session, FIRST_OUTPUT, &info, &error), HG_NOT_FOUND, "");
    }
    tear_down(&setting);
}

/* Memory between launches is asked for before the run, and its bytes are named. */
static void arenas_count_to_the_quota(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(1000);
    options.bytes_max = 3 << 20;
    struct hg_session *session = test_session_with(engine, &options);
    const struct hg_buffer_spec row = {.dtype = HG_F32, .rank = 2, .shape = {1, 1024}};
    test_ok(hg_session_alloc(session, 1, &row, NULL, &error));
    struct eval eval;
    eval_init(&eval, "z = sum((x.T @ x) @ (x.T @ (x + 1)))", 1, 0);
    eval_fails(session, &eval, HG_RESOURCE_EXHAUSTED, "bytes between its launches");
    const struct hg_buffer_spec small = {.dtype = HG_F32, .rank = 2, .shape = {1, 128}};
    test_ok(hg_session_free(session, 1, &error));
    test_ok(hg_session_alloc(session, 1, &small, NULL, &error));
    eval_ok(session, &eval);
    assert_true(eval.result.arena_bytes >= 2 * 128 * 128 * 4);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* ---- explaining ------------------------------------------------------------------------------ */

/* An explanation for operands that need not exist, and what is wrong with a request for one. */
static void graphs_are_explained(void **state)
{
    (void)state;
    const char *line = "y = softmax(x @ w)";
    const struct hg_graph_source source = {line, strlen(line), NULL};
    struct hg_graph_pattern inputs[] = {
        {"x", 1, {.dtype = HG_F32, .has_shape = true, .rank = 2, .shape = {16, 8}}},
        {"w", 1, {.dtype = HG_F32, .has_shape = true, .rank = 2, .shape = {8, 4}}},
        {"w", 1, {.dtype = HG_F32, .has_shape = true, .rank = 2, .shape = {8, 4}}},
    };
    struct hg_graph_explain_request request = {&source, inputs, 2, false};
    char *text = NULL;
    size_t length = 0;
    test_ok(hg_engine_graph_explain(&request, &text, &length, &error));
    assert_int_equal(strlen(text), length);
    assert_non_null(strstr(text, "matmul"));
    hg_engine_graph_text_free(text);
    request.dot = true;
    test_ok(hg_engine_graph_explain(&request, &text, &length, &error));
    assert_memory_equal(text, "digraph", 7);
    hg_engine_graph_text_free(text);
    request.input_count = 1;
    test_fails(hg_engine_graph_explain(&request, &text, &length, &error), HG_INVALID_ARGUMENT,
               "input w: no type");
    request.input_count = 3;
    test_fails(hg_engine_graph_explain(&request, &text, &length, &error), HG_INVALID_ARGUMENT,
               "given twice");
    inputs[2].name = "v";
    test_fails(hg_engine_graph_explain(&request, &text, &length, &error), HG_INVALID_ARGUMENT,
               "no input 'v'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_planned_once),
        cmocka_unit_test(loaded_graphs_run_by_id),
        cmocka_unit_test(nodes_run_as_text_does),
        cmocka_unit_test(outputs_may_be_inputs),
        cmocka_unit_test(queued_runs_give_the_same),
        cmocka_unit_test(large_graphs_are_planned_on_workers),
        cmocka_unit_test(large_programs_are_cut),
        cmocka_unit_test(empty_values_are_values),
        cmocka_unit_test(errors_name_what_is_wrong),
        cmocka_unit_test(failed_runs_leave_nothing),
        cmocka_unit_test(arenas_count_to_the_quota),
        cmocka_unit_test(graphs_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
