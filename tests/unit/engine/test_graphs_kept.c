/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs in the engine: what is shared, kept and named, and how much of it; lack of memory. */
#include <stdio.h>

#include "tests/unit/engine/graph_eval.h"

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
        cmocka_unit_test(sessions_share_plans_and_programs),
        cmocka_unit_test(evicted_programs_come_back),
        cmocka_unit_test(room_is_made),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(names_outlive_sessions),
        cmocka_unit_test(lack_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
