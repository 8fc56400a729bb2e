/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of graphs share: an engine with two matrices, and runs of texts on them. */
#ifndef HG_TESTS_UNIT_ENGINE_GRAPH_EVAL_H
#define HG_TESTS_UNIT_ENGINE_GRAPH_EVAL_H

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

static inline void bind_input(struct eval *eval, const char *name, uint64_t id)
{
    eval->inputs[eval->request.input_count++] = (struct hg_graph_bind){name, strlen(name), id};
}

static inline void bind_output(struct eval *eval, const char *name, uint64_t id)
{
    eval->outputs[eval->request.output_count++] = (struct hg_graph_bind){name, strlen(name), id};
}

/* TEXT with inputs x and y (0: none); its outputs are made from FIRST_OUTPUT on. */
static inline void eval_init(struct eval *eval, const char *text, uint64_t x, uint64_t y)
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

static inline enum hg_status eval_run(struct hg_session *session, struct eval *eval)
{
    return hg_session_run_graph_wait(session, &eval->request, &eval->result, &eval->task);
}

static inline void eval_ok(struct hg_session *session, struct eval *eval)
{
    if (eval_run(session, eval) != HG_OK) {
        fail_msg("%s", eval->task.error.message);
    }
}

static inline void eval_fails(struct hg_session *session, struct eval *eval, enum hg_status status,
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

static inline struct hg_graph_stats stats_of(struct hg_engine *engine)
{
    struct hg_graph_stats stats;
    hg_engine_graph_stats(engine, &stats);
    return stats;
}

static inline struct hg_cache_region_stats programs_of(struct hg_engine *engine)
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

static inline void alloc_matrix(struct hg_session *session, uint64_t id, float start)
{
    const struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 2, .shape = {2, 3}};
    test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
    test_fill(session, id, 6, start, 1);
}

static inline struct setting set_up_with(const struct hg_engine_options *options)
{
    struct setting setting = {.engine = test_engine_with(options)};
    setting.session = test_session(setting.engine, 1000);
    alloc_matrix(setting.session, 1, 0);
    alloc_matrix(setting.session, 2, 10);
    return setting;
}

static inline struct setting set_up(void)
{
    const struct hg_engine_options options = test_engine_options();
    return set_up_with(&options);
}

static inline void tear_down(struct setting *setting)
{
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
}

static inline void assert_floats(struct hg_session *session, uint64_t id, const float *expected,
                                 size_t count)
{
    float got[64];
    assert_true(count <= HG_ARRAY_COUNT(got));
    test_read(session, id, got, count * sizeof got[0]);
    assert_memory_equal(got, expected, count * sizeof got[0]);
}

#endif
