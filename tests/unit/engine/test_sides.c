/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that do not depend on each other run at the same time, end together, and give what they
 * give one after the other; awaited and queued. */
#include "lib/base/clock.h"
#include "lib/engine/work.h"
#include "tests/unit/engine/async.h"

/* Says that it is there, in b0, and goes on when it has read from b1 that another is. */
#define MEETING                                                                                    \
    ".slots 2\nmov_imm.u32 r1, 1\nstg.u32 [b0], r1\nmov_imm.u32 r3, 0\n"                           \
    "again:\nldg.u32 r2, [b1]\nsetne.u32 p1, r2, r3\nbra.p1 @met\nbra @again\n"                    \
    "met:\nexit\n"
/* Divides by b1, into b0. */
#define DIVIDING                                                                                   \
    ".slots 2\nmov_imm.u32 r1, 1\nldg.u32 r2, [b1]\ndiv.u32 r1, r1, r2\nstg.u32 [b0], r1\nexit\n"

enum { STEPS = 3 };

/* Two steps that may run at the same time, and one after them, of one program. */
struct script {
    struct hg_script base; /* first */
    struct hg_program *program;
    uint32_t flags[STEPS];
    struct hg_operand operands[STEPS][2];
    uint64_t estimate_ns;
    uint32_t made;     /* steps, */
    uint32_t fails_at; /*   and which of them cannot be */
    uint32_t cancels_at;
    bool has_ended;
    bool was_well;
};

static uint64_t estimate(const struct hg_script *base, uint32_t step)
{
    (void)step;
    return ((const struct script *)base)->estimate_ns;
}

static uint32_t count_independent(const struct hg_script *base, uint32_t step)
{
    (void)base;
    return step < 2 ? 2 - step : 1;
}

static enum hg_status make(struct hg_script *base, struct hg_prepared *prepared, uint32_t step,
                           struct hg_error *error)
{
    struct script *script = (struct script *)base;
    if (step == script->cancels_at) {
        hg_task_cancel(prepared->task);
    }
    if (step == script->fails_at) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "step %u cannot be made", step);
    }
    struct hg_launch *launch;
    const struct hg_cache_loan loan = {hg_program_ref(script->program), HG_CACHE_COUNTED};
    hg_prepared_add_step(prepared, loan, &launch);
    memset(launch->params, 0, sizeof launch->params);
    launch->params[HG_PARAM_N] = launch->params[HG_PARAM_ROWS] = launch->params[HG_PARAM_COLS] = 1;
    launch->operand_count = 2;
    memcpy(launch->operands, script->operands[step], sizeof script->operands[step]);
    script->made++;
    return HG_OK;
}

static void end(struct hg_script *base, bool is_well)
{
    struct script *script = (struct script *)base;
    script->has_ended = true;
    script->was_well = is_well;
}

struct setting {
    struct hg_engine *engine;
    struct hg_session *session;
    struct hg_program *program;
    struct script script;
};

/* The first two steps use each other's flags, the last one those of the first. */
static void set_up(struct setting *setting, const char *text)
{
    struct hg_engine_options options = test_engine_options();
    struct hg_code code = {0};
    struct hg_insn *insns = NULL;
    struct script *script = &setting->script;
    options.workers = 2;
    setting->engine = test_engine_with(&options);
    setting->session = test_session(setting->engine, 1000);
    test_ok(hg_assemble(text, strlen(text), &code.header, &insns, &code.insn_count, &error));
    code.insns = insns;
    struct hg_key key;
    hg_key_init(&key);
    test_ok(hg_program_create(&code, &key, &setting->program, &error));
    hg_free(HG_TAG_PROGRAM, insns);
    *script = (struct script){.base = {.step_count = STEPS,
                                       .estimate_ns = UINT32_MAX,
                                       .estimate = estimate,
                                       .count_independent = count_independent,
                                       .make = make,
                                       .end = end},
                              .program = setting->program,
                              .estimate_ns = HG_NS_PER_S,
                              .fails_at = STEPS,
                              .cancels_at = STEPS};
    for (uint32_t i = 0; i < STEPS; i++) {
        const uint32_t other = i == 0 ? 1 : 0;
        script->operands[i][0] = (struct hg_operand){&script->flags[i], 4, true};
        script->operands[i][1] = (struct hg_operand){&script->flags[other], 4, false};
    }
}

static void tear_down(struct setting *setting)
{
    hg_program_unref(&setting->program);
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
}

/* Runs the script: here, with help, or as queued work. */
static enum hg_status run(struct setting *setting, bool is_awaited, struct hg_error *error)
{
    struct hg_prepared prepared;
    struct hg_launch launches[HG_SIDES_MAX];
    struct test_async async;
    struct script *script = &setting->script;
    test_async_init(&async);
    hg_task_begin(&async.task);
    async.task.allow_inline = is_awaited;
    async.task.is_awaited = is_awaited;
    async.task.deadline_ns = hg_clock_now_ns() + 10 * HG_NS_PER_S;
    memset(script->flags, 0, sizeof script->flags);
    script->made = 0;
    script->has_ended = false;
    hg_prepared_init(&prepared, setting->session, &async.task, launches);
    prepared.label = "script";
    prepared.script = &script->base;
    const enum hg_submitted submitted = hg_work_start(&prepared);
    assert_int_equal(submitted, is_awaited ? HG_TASK_DONE : HG_TASK_PENDING);
    if (submitted == HG_TASK_DONE) {
        async.is_ended = true; /* nobody else will say so */
    }
    (void)test_async_wait(&async);
    *error = async.task.error;
    assert_true(script->has_ended);
    assert_int_equal(script->was_well, error->status == HG_OK);
    return error->status;
}

/* Two steps of which neither ends before the other has begun end, and the one after them sees what
 * they wrote; again and again. */
static void sides_meet(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* they race on purpose */
#endif
    struct setting setting;
    struct hg_error error = HG_ERROR_INIT;
    set_up(&setting, MEETING);
    for (unsigned i = 0; i < 40; i++) {
        if (run(&setting, i % 2 == 0, &error) != HG_OK) {
            fail_msg("%s", error.message);
        }
        assert_int_equal(setting.script.made, STEPS);
        assert_int_equal(setting.script.flags[2], 1);
    }
    tear_down(&setting);
}

/* Of two that fail the first one's error is told, and what follows them is not begun. */
static void the_first_error_is_told(void **state)
{
    (void)state;
    struct setting setting;
    struct hg_error error = HG_ERROR_INIT;
    set_up(&setting, DIVIDING);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(run(&setting, i % 2 == 0, &error), HG_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "script: integer division by zero"));
        assert_int_equal(setting.script.made, 2);
    }
    tear_down(&setting);
}

/* A step that cannot be made ends the work, and those beside it that were made are given back. */
static void a_step_that_cannot_be_made(void **state)
{
    (void)state;
    struct setting setting;
    struct hg_error error = HG_ERROR_INIT;
    set_up(&setting, DIVIDING);
    setting.script.fails_at = 1;
    assert_int_equal(run(&setting, true, &error), HG_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "script: step 1 cannot be made");
    tear_down(&setting);
}

/* A wish to end is seen between programs: what was made is not run, and nothing more is made. */
static void cancelled_between_programs(void **state)
{
    (void)state;
    struct setting setting;
    struct hg_error error = HG_ERROR_INIT;
    set_up(&setting, MEETING);
    for (uint32_t at = 0; at < 2; at++) {
        setting.script.cancels_at = at;
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(run(&setting, i == 0, &error), HG_CANCELLED);
            assert_int_equal(setting.script.made, 2);
            assert_int_equal(setting.script.flags[0] + setting.script.flags[1], 0);
        }
    }
    tear_down(&setting);
}

/* What is too short to be handed to another thread is run one after the other: when the first one
 * fails the second has not been made. */
static void short_steps_follow_each_other(void **state)
{
    (void)state;
    struct setting setting;
    struct hg_error error = HG_ERROR_INIT;
    set_up(&setting, DIVIDING);
    setting.script.estimate_ns = 100;
    assert_int_equal(run(&setting, true, &error), HG_INVALID_ARGUMENT);
    assert_int_equal(setting.script.made, 1);
    tear_down(&setting);
}

/* ---- graphs ---------------------------------------------------------------------------------- */

enum { X = 1, Y, A, B, BIG = 400000, LESS = 300000 };

static void run_graph(struct hg_session *session, bool allow_inline, float *a, float *b)
{
    static const char text[] = "a = tanh(x) * x\nb = softmax(y)\n";
    struct hg_graph_bind inputs[] = {{"x", 1, X}, {"y", 1, Y}};
    struct hg_graph_bind outputs[] = {{"a", 1, A}, {"b", 1, B}};
    struct hg_graph_made made[HG_GRAPH_OUTPUTS_MAX];
    struct hg_graph_request request = {.source = {text, sizeof text - 1, NULL},
                                       .inputs = inputs,
                                       .input_count = 2,
                                       .outputs = outputs,
                                       .output_count = 2};
    struct hg_graph_result result = {.outputs = made, .capacity = HG_ARRAY_COUNT(made)};
    struct hg_task task = {.allow_inline = allow_inline};
    if (hg_session_run_graph_wait(session, &request, &result, &task) != HG_OK) {
        fail_msg("%s", task.error.message);
    }
    assert_true(result.launches >= 2);
    test_read(session, A, a, BIG * sizeof *a);
    test_read(session, B, b, LESS * sizeof *b);
}

/* Two branches that are long enough give the same bits on one thread, on two and on four, awaited
 * and queued. */
static void branches_give_the_same_bits(void **state)
{
    (void)state;
    float *expected = hg_malloc(HG_TAG_TEST, (BIG + LESS) * sizeof *expected);
    float *got = hg_malloc(HG_TAG_TEST, (BIG + LESS) * sizeof *got);
    assert_true(expected != NULL && got != NULL);
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct hg_engine_options options = test_engine_options();
        options.workers = workers;
        struct hg_engine *engine = test_engine_with(&options);
        struct hg_session *session = test_session(engine, 1000);
        test_alloc(session, X, HG_F32, BIG);
        test_alloc(session, Y, HG_F32, LESS);
        test_fill(session, X, BIG, -2, 0.00001f);
        test_fill(session, Y, LESS, -1, 0.00002f);
        for (unsigned i = 0; i < 6; i++) {
            float *into = workers == 1 && i == 0 ? expected : got;
            run_graph(session, i % 2 == 0, into, into + BIG);
            assert_memory_equal(into, expected, (BIG + LESS) * sizeof *expected);
            test_ok(hg_session_free(session, A, &error));
            test_ok(hg_session_free(session, B, &error));
        }
        hg_session_destroy(&session);
        hg_engine_destroy(&engine);
    }
    hg_free(HG_TAG_TEST, expected);
    hg_free(HG_TAG_TEST, got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides_meet),
        cmocka_unit_test(the_first_error_is_told),
        cmocka_unit_test(a_step_that_cannot_be_made),
        cmocka_unit_test(cancelled_between_programs),
        cmocka_unit_test(short_steps_follow_each_other),
        cmocka_unit_test(branches_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
