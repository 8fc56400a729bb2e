/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of graphs that are run again without being prepared: they do and say what runs as ever do
 * and say, or nothing. */
#include "tests/unit/engine/graph_eval.h"

/* Two programs and a value between them: rows are summed before they are used. */
static const char text[] = "z = x / (sum(x * y) + 1) + y";

#define ROW 3

/* A run of `text` that is kept: its output was made by a run before. */
struct again {
    struct setting setting;
    struct eval eval;
    float expected[2 * ROW];
};

static void set_up_again(struct again *again)
{
    again->setting = set_up();
    eval_init(&again->eval, text, 1, 2);
    eval_ok(again->setting.session, &again->eval);
    test_read(again->setting.session, FIRST_OUTPUT, again->expected, sizeof again->expected);
    again->eval.task.repeat = hg_repeat_create();
    assert_non_null(again->eval.task.repeat);
    eval_ok(again->setting.session, &again->eval);
}

static void tear_down_again(struct again *again)
{
    hg_repeat_destroy(&again->eval.task.repeat);
    tear_down(&again->setting);
}

static enum hg_repeated repeat(struct again *again)
{
    struct hg_error failure;
    return hg_session_repeat(again->setting.session, again->eval.task.repeat, NULL, &failure);
}

static void expect_output(struct again *again)
{
    float got[2 * ROW];
    test_read(again->setting.session, FIRST_OUTPUT, got, sizeof got);
    assert_memory_equal(got, again->expected, sizeof got);
}

/* A repeat gives the same bits, counts as a run that found its plan, and says of its outputs what
 * the run said. */
static void a_repeat_is_a_run(void **state)
{
    (void)state;
    struct again again;
    set_up_again(&again);
    const struct hg_repeat *kept = again.eval.task.repeat;
    assert_true(hg_repeat_is_set(kept));
    assert_null(hg_repeat_op(kept));
    assert_string_equal(hg_repeat_cache(kept), "graph");
    const struct hg_graph_result *said = hg_repeat_graph(kept);
    assert_int_equal(said->output_count, 1);
    assert_int_equal(said->launches, again.eval.result.launches);
    assert_int_equal(said->arena_bytes, again.eval.result.arena_bytes);
    assert_string_equal(said->outputs[0].name, "z");
    assert_false(said->outputs[0].made);
    test_fill(again.setting.session, FIRST_OUTPUT, 2 * ROW, 0, 0);
    const uint64_t hits = stats_of(again.setting.engine).plan_hits;
    assert_int_equal(repeat(&again), HG_REPEAT_RAN);
    assert_int_equal(stats_of(again.setting.engine).plan_hits, hits + 1);
    expect_output(&again);
    tear_down_again(&again);
}

/* A run that makes its outputs is another one the next time: it is not kept. */
static void what_makes_buffers_is_not_kept(void **state)
{
    (void)state;
    struct setting setting = set_up();
    struct eval eval;
    eval_init(&eval, text, 1, 2);
    eval.task.repeat = hg_repeat_create();
    eval_ok(setting.session, &eval);
    assert_false(hg_repeat_is_set(eval.task.repeat));
    hg_repeat_destroy(&eval.task.repeat);
    tear_down(&setting);
}

/* An input that is freed ends it for good, also when another buffer has its id. */
static void a_freed_input_ends_it(void **state)
{
    (void)state;
    struct again again;
    set_up_again(&again);
    test_ok(hg_session_free(again.setting.session, 2, &error));
    alloc_matrix(again.setting.session, 2, 10);
    assert_int_equal(repeat(&again), HG_REPEAT_NOT);
    assert_false(hg_repeat_is_set(again.eval.task.repeat));
    eval_ok(again.setting.session, &again.eval);
    assert_int_equal(repeat(&again), HG_REPEAT_RAN);
    expect_output(&again);
    tear_down_again(&again);
}

/* An unloaded graph is not run any more, whatever its id stands for. */
static void an_unloaded_graph_ends_it(void **state)
{
    (void)state;
    struct again again;
    const struct hg_graph_source source = {text, strlen(text), NULL};
    set_up_again(&again);
    test_ok(hg_session_load_graph(again.setting.session, 7, &source, NULL, &error));
    again.eval.request.graph = 7;
    eval_ok(again.setting.session, &again.eval);
    assert_int_equal(repeat(&again), HG_REPEAT_RAN);
    test_ok(hg_session_unload_graph(again.setting.session, 7, &error));
    assert_int_equal(repeat(&again), HG_REPEAT_NOT);
    tear_down_again(&again);
}

/* Programs that left the cache are put back by the run as ever, and then it goes on. */
static void a_flushed_cache_interrupts_it(void **state)
{
    (void)state;
    struct again again;
    set_up_again(&again);
    (void)hg_engine_cache_flush(again.setting.engine);
    assert_int_equal(repeat(&again), HG_REPEAT_NOT);
    eval_ok(again.setting.session, &again.eval);
    assert_int_equal(repeat(&again), HG_REPEAT_RAN);
    expect_output(&again);
    tear_down_again(&again);
}

/* Whichever allocation fails while it is noted or repeated: the run is a success or says that
 * memory ran out, a repeat is one or did nothing, and the bits are the same afterwards. */
static void out_of_memory_forgets(void **state)
{
    (void)state;
    struct again again;
    bool fired = true;
    set_up_again(&again);
    for (uint64_t skip = 0; fired && skip < 200; skip++) {
        hg_alloc_fault_set(skip, false);
        const enum hg_status status = eval_run(again.setting.session, &again.eval);
        const enum hg_repeated repeated = repeat(&again);
        fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        assert_true(status == HG_OK || status == HG_RESOURCE_EXHAUSTED);
        assert_int_not_equal(repeated, HG_REPEAT_FAILED);
        eval_ok(again.setting.session, &again.eval);
        assert_int_equal(repeat(&again), HG_REPEAT_RAN);
        expect_output(&again);
    }
    assert_false(fired);
    tear_down_again(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_is_a_run),
        cmocka_unit_test(what_makes_buffers_is_not_kept),
        cmocka_unit_test(a_freed_input_ends_it),
        cmocka_unit_test(an_unloaded_graph_ends_it),
        cmocka_unit_test(a_flushed_cache_interrupts_it),
        cmocka_unit_test(out_of_memory_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
