/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs in the engine: loading and running them, what is shared and kept, and what is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/engine/fixture.h"

#define FIRST_OUTPUT 1000

/* A request with up to four inputs, and storage for what comes back. */
struct eval {
    struct hg_graph_request request;
    struct hg_graph_result result;
    struct hg_graph_bind inputs[4];
    struct hg_graph_bind outputs[4];
    struct hg_graph_made made[HG_GRAPH_OUTPUTS_MAX];
    struct hg_task task;
};

static void bind_input(struct eval *eval, const char *name, uint64_t id)
{
    eval->inputs[eval->request.input_count++] = (struct hg_graph_bind){name, strlen(name), id};
}

static void bind_output(struct eval *eval, const char *name, uint64_t id)
{
    eval->outputs[eval->request.output_count++] = (struct hg_graph_bind){name, strlen(name), id};
}

/* TEXT with inputs x and y (0: none); its outputs are made from FIRST_OUTPUT on. */
static void eval_init(struct eval *eval, const char *text, uint64_t x, uint64_t y)
{
    memset(eval, 0, sizeof *eval);
    eval->request.source = (struct hg_graph_source){text, text != NULL ? strlen(text) : 0, NULL};
    eval->request.inputs = eval->inputs;
    eval->request.outputs = eval->outputs;
    eval->request.outputs_from = FIRST_OUTPUT;
    eval->result =
        (struct hg_graph_result){.outputs = eval->made, .capacity = HG_ARRAY_COUNT(eval->made)};
    eval->task.allow_inline = true;
    if (x != 0) {
        bind_input(eval, "x", x);
    }
    if (y != 0) {
        bind_input(eval, "y", y);
    }
}

static enum hg_status eval_run(struct hg_session *session, struct eval *eval)
{
    return hg_session_run_graph_wait(session, &eval->request, &eval->result, &eval->task);
}

static void eval_ok(struct hg_session *session, struct eval *eval)
{
    if (eval_run(session, eval) != HG_OK) {
        fail_msg("%s", eval->task.error.message);
    }
}

static void eval_fails(struct hg_session *session, struct eval *eval, enum hg_status status,
                       const char *part)
{
    assert_string_equal(hg_status_name(eval_run(session, eval)), hg_status_name(status));
    if (strstr(eval->task.error.message, part) == NULL) {
        fail_msg("expected '%s' in: %s", part, eval->task.error.message);
    }
    for (uint32_t i = 0; i < eval->result.output_count; i++) {
        assert_false(eval->made[i].made);
    }
}

static struct hg_graph_stats stats_of(struct hg_engine *engine)
{
    struct hg_graph_stats stats;
    hg_engine_graph_stats(engine, &stats);
    return stats;
}

static struct hg_cache_region_stats programs_of(struct hg_engine *engine)
{
    struct hg_cache_region_stats stats;
    hg_engine_cache_stats(engine, HG_CACHE_GRAPH, &stats);
    return stats;
}

/* An engine, a session and buffers 1 and 2: 0 … 5, and 10 … 15, as f32[2, 3]. */
struct setting {
    struct hg_engine *engine;
    struct hg_session *session;
};

static void alloc_matrix(struct hg_session *session, uint64_t id, float start)
{
    const struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 2, .shape = {2, 3}};
    test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
    test_fill(session, id, 6, start, 1);
}

static struct setting set_up_with(const struct hg_engine_options *options)
{
    struct setting setting = {.engine = test_engine_with(options)};
    setting.session = test_session(setting.engine, 1000);
    alloc_matrix(setting.session, 1, 0);
    alloc_matrix(setting.session, 2, 10);
    return setting;
}

static struct setting set_up(void)
{
    const struct hg_engine_options options = test_engine_options();
    return set_up_with(&options);
}

static void tear_down(struct setting *setting)
{
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
}

static void assert_floats(struct hg_session *session, uint64_t id, const float *expected,
                          size_t count)
{
    float got[64];
    assert_true(count <= HG_ARRAY_COUNT(got));
    test_read(session, id, got, count * sizeof got[0]);
    assert_memory_equal(got, expected, count * sizeof got[0]);
}

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

/* ---- what is kept ---------------------------------------------------------------------------- */

/* The same text and the same programs of two users are there once. */
static void sessions_share_plans_and_programs(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct hg_session *other = test_session(setting.engine, 2000);
    struct eval eval;
    alloc_matrix(other, 1, 5);
    eval_init(&eval, "z = exp(x) * 2", 1, 0);
    eval_ok(setting.session, &eval);
    eval_ok(other, &eval);
    assert_int_equal(eval.task.outcome, HG_CACHE_HIT);
    eval_init(&eval, "q = exp(x) * 2 # another name", 1, 0);
    eval_ok(other, &eval);
    const struct hg_graph_stats stats = stats_of(setting.engine);
    assert_int_equal(stats.graphs, 2);
    assert_int_equal(programs_of(setting.engine).builds, 1);
    assert_int_equal(programs_of(setting.engine).hits, 2);
    hg_session_destroy(&other);
    tear_down(&setting);
}

/* Programs that left the cache are put back, without planning. */
static void evicted_programs_come_back(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct eval eval;
    eval_init(&eval, "z = sum(exp(x) @ y.T)", 1, 2);
    eval_ok(setting.session, &eval);
    const uint64_t builds = programs_of(setting.engine).builds;
    assert_int_equal(hg_engine_cache_flush(setting.engine), builds);
    eval_ok(setting.session, &eval);
    assert_int_equal(programs_of(setting.engine).builds, 2 * builds);
    assert_int_equal(stats_of(setting.engine).planned, 1);
    tear_down(&setting);
}

/* Of each graph eight plans are kept, of all graphs what there is room for; loaded ones stay, and
 * take half of the room at most. */
static void room_is_made(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.graphs_max = 4;
    struct setting setting = set_up_with(&options);
    struct eval eval;
    char text[32];
    for (uint64_t n = 1; n <= 10; n++) {
        test_alloc(setting.session, 10 + n, HG_F32, n);
        eval_init(&eval, "z = x * 3", 10 + n, 0);
        eval.request.outputs_from = FIRST_OUTPUT + n;
        eval_ok(setting.session, &eval);
    }
    assert_int_equal(stats_of(setting.engine).plans, 8);
    assert_int_equal(stats_of(setting.engine).planned, 10);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, "z = x + %d", i);
        const struct hg_graph_source source = {text, strlen(text), NULL};
        if (i < 2) {
            test_ok(hg_session_load_graph(setting.session, (uint64_t)i + 1, &source, NULL, &error));
        } else {
            test_fails(hg_session_load_graph(setting.session, 9, &source, NULL, &error),
                       HG_RESOURCE_EXHAUSTED, "half of the room");
        }
    }
    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof text, "z = x - %d", i);
        eval_init(&eval, text, 1, 0);
        eval_ok(setting.session, &eval);
    }
    const struct hg_graph_stats stats = stats_of(setting.engine);
    assert_int_equal(stats.graphs, 4);
    assert_int_equal(stats.pinned, 2);
    assert_int_equal(stats.plans, 2);
    assert_true(stats.evicted >= 18);
    eval_init(&eval, NULL, 1, 0);
    eval.request.graph = 2;
    eval_ok(setting.session, &eval);
    tear_down(&setting);
}

/* Bytes are bounded, too: plans of loaded graphs go before anything is refused. */
static void bytes_are_bounded(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.graph_bytes_max = 100000;
    struct setting setting = set_up_with(&options);
    struct eval eval;
    char text[64];
    for (int i = 0; i < 50; i++) {
        (void)snprintf(text, sizeof text, "z = softmax(x * %d @ y.T) * %d", i, i);
        eval_init(&eval, text, 1, 2);
        eval_ok(setting.session, &eval);
        assert_true(stats_of(setting.engine).bytes <= 100000);
    }
    assert_true(stats_of(setting.engine).evicted > 0);
    tear_down(&setting);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void count_visit(const struct hg_named_graph_info *info, void *context)
{
    assert_string_equal(info->name, "model");
    assert_int_equal(info->uid, 1000);
    assert_int_equal(info->facts.input_count, 1);
    ++*(int *)context;
}

static int count_named(struct hg_session *session)
{
    int count = 0;
    hg_session_list_graphs(session, count_visit, &count);
    return count;
}

/* A named graph outlives its session; its mode says who may open it, its owner who may remove it.
 */
static void names_outlive_sessions(void **state)
{
    (void)state;
    struct setting setting = set_up();
    const char *text = "z = x + 1";
    const struct hg_graph_source source = {text, strlen(text), NULL};
    struct hg_graph_facts facts;
    struct hg_session *session = setting.session;
    test_ok(hg_session_load_graph(session, 1, &source, NULL, &error));
    test_fails(hg_session_save_graph(session, 2, "model", 0600, 1000, &error), HG_NOT_FOUND,
               "id 2");
    test_fails(hg_session_save_graph(session, 1, "a b", 0600, 1000, &error), HG_INVALID_ARGUMENT,
               "characters");
    test_fails(hg_session_save_graph(session, 1, "model", 0600, 4, &error), HG_PERMISSION_DENIED,
               "group 4");
    test_ok(hg_session_save_graph(session, 1, "model", 0600, 1000, &error));
    test_fails(hg_session_save_graph(session, 1, "model", 0600, 1000, &error), HG_ALREADY_EXISTS,
               "taken");
    struct hg_session *other = test_session(setting.engine, 2000);
    test_fails(hg_session_open_graph(other, "model", 1, &facts, &error), HG_NOT_FOUND, "model");
    test_fails(hg_session_remove_graph(other, "model", &error), HG_NOT_FOUND, "model");
    assert_int_equal(count_named(other), 0);
    test_ok(hg_session_remove_graph(session, "model", &error));
    test_ok(hg_session_save_graph(session, 1, "model", 0604, 1000, &error));
    hg_session_destroy(&setting.session);
    test_ok(hg_session_open_graph(other, "model", 1, &facts, &error));
    test_fails(hg_session_open_graph(other, "model", 1, &facts, &error), HG_ALREADY_EXISTS, "id 1");
    test_fails(hg_session_open_graph(other, "models", 2, &facts, &error), HG_NOT_FOUND, "models");
    assert_int_equal(count_named(other), 1);
    test_fails(hg_session_remove_graph(other, "model", &error), HG_PERMISSION_DENIED, "user 1000");
    assert_string_equal(hg_session_graph_output(other, 1, 0), "z");
    hg_session_destroy(&other);
    setting.session = test_session(setting.engine, 1000);
    assert_int_equal(count_named(setting.session), 1);
    tear_down(&setting);
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

/* ---- out of memory --------------------------------------------------------------------------- */

static enum hg_status everything(struct setting *setting, bool in_place)
{
    struct hg_session *session = setting->session;
    struct hg_error error = HG_ERROR_INIT;
    const char *text = "h = x @ y.T\nz = softmax(h)\nreturn z, h";
    const struct hg_graph_source source = {text, strlen(text), NULL};
    struct eval eval;
    enum hg_status status = hg_session_load_graph(session, 7, &source, NULL, &error);
    if (status == HG_OK) {
        eval_init(&eval, NULL, 1, 2);
        eval.request.graph = 7;
        eval.task.allow_inline = in_place;
        status = eval_run(session, &eval);
    }
    if (status == HG_OK) {
        status = hg_session_save_graph(session, 7, "name", 0600, 1000, &error);
    }
    if (status == HG_OK) {
        status = hg_session_open_graph(session, "name", 8, NULL, &error);
    }
    return status;
}

/* Each allocation on the way fails in turn: that is said, and nothing is left behind. */
static void lack_of_memory_is_survived(void **state)
{
    (void)state;
    for (int in_place = 0; in_place < 2; in_place++) {
        bool fired = true;
        for (uint64_t skip = 0; fired; skip++) {
            assert_true(skip < 1000);
            struct setting setting = set_up();
            hg_alloc_fault_set(skip, false);
            const enum hg_status status = everything(&setting, in_place != 0);
            fired = hg_alloc_fault_fired();
            hg_alloc_fault_clear();
            /* Without room to remember a text, or to compile natively, all goes on. */
            assert_true(status == HG_OK || (fired && status == HG_RESOURCE_EXHAUSTED));
            tear_down(&setting);
            assert_int_equal(hg_alloc_live_bytes(HG_TAG_GRAPH), 0);
        }
    }
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
        cmocka_unit_test(sessions_share_plans_and_programs),
        cmocka_unit_test(evicted_programs_come_back),
        cmocka_unit_test(room_is_made),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(names_outlive_sessions),
        cmocka_unit_test(graphs_are_explained),
        cmocka_unit_test(lack_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
