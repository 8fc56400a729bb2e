/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are run again without being prepared: they do and say what calls as ever do and say.
 */
#include "tests/unit/engine/async.h"

#define BUFFERS   8
#define LENGTH    40
#define BYTES_MAX (LENGTH * 8)
#define CALLS     32
#define TURNS     6000

static uint64_t seed = 11;

static unsigned below(unsigned bound)
{
    /* splitmix64: http://prng.di.unimi.it/splitmix64.c, public domain */
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (unsigned)((z ^ z >> 31) % bound);
}

/* ---- the same calls with repeats and without ------------------------------------------------- */

struct call {
    struct test_request storage;
    struct hg_repeat *repeat;
};

static void random_call(struct call *call)
{
    static const char *const ops[] = {"vector_add", "vector_mul", "vector_div", "relu"};
    const unsigned which = below(HG_ARRAY_COUNT(ops));
    (void)test_request(&call->storage, ops[which], 1 + below(BUFFERS),
                       which == 3 ? 0 : 1 + below(BUFFERS), 1 + below(BUFFERS));
    call->repeat = hg_repeat_create();
    assert_non_null(call->repeat);
}

/* Two sessions, each of which has the same buffers under the same ids. */
struct pair {
    struct hg_session *repeats;
    struct hg_session *plain;
    uint64_t bytes[BUFFERS];
};

static void alloc_both(struct pair *pair, unsigned index)
{
    static const enum hg_dtype types[] = {HG_F32, HG_F32, HG_I32, HG_F64};
    const enum hg_dtype type = types[below(HG_ARRAY_COUNT(types))];
    const uint64_t length = below(8) == 0 ? LENGTH - 1 : LENGTH;
    uint8_t content[BYTES_MAX];
    for (unsigned i = 0; i < sizeof content; i++) {
        content[i] = (uint8_t)(below(8) == 0);
    }
    pair->bytes[index] = length * hg_dtype_bytes(type);
    test_alloc(pair->repeats, index + 1, type, length);
    test_alloc(pair->plain, index + 1, type, length);
    test_write(pair->repeats, index + 1, content, pair->bytes[index]);
    test_write(pair->plain, index + 1, content, pair->bytes[index]);
}

static void free_both(struct pair *pair, unsigned index)
{
    test_ok(hg_session_free(pair->repeats, index + 1, &error));
    test_ok(hg_session_free(pair->plain, index + 1, &error));
}

static void check_same(const struct pair *pair, unsigned id)
{
    uint8_t got[BYTES_MAX], expected[BYTES_MAX];
    test_read(pair->repeats, id, got, pair->bytes[id - 1]);
    test_read(pair->plain, id, expected, pair->bytes[id - 1]);
    assert_memory_equal(got, expected, pair->bytes[id - 1]);
}

/* Runs CALL in both; true if it was repeated in one. */
static bool run_both(const struct pair *pair, struct call *call)
{
    const struct hg_execute_request *request = &call->storage.request;
    /* With a deadline, which keeps the session from repeating it by itself. */
    struct hg_task plain = {.allow_inline = true, .deadline_ns = UINT64_MAX};
    struct hg_task task = {.allow_inline = true, .repeat = call->repeat};
    const enum hg_repeated repeated =
        hg_session_repeat(pair->repeats, call->repeat, NULL, &task.error);
    if (repeated == HG_REPEAT_NOT) {
        assert_int_equal(hg_session_execute(pair->repeats, request, &task), HG_TASK_DONE);
    }
    assert_int_equal(hg_session_execute(pair->plain, request, &plain), HG_TASK_DONE);
    assert_int_equal(repeated == HG_REPEAT_FAILED, repeated && plain.error.status != HG_OK);
    assert_int_equal(task.error.status, plain.error.status);
    assert_string_equal(task.error.message, plain.error.message);
    check_same(pair, (unsigned)request->outputs[0]);
    return repeated != HG_REPEAT_NOT;
}

/* Thousands of calls out of a few, while ids change their buffers and programs leave the cache. */
static void repeats_change_nothing(void **state)
{
    struct hg_engine *engine = test_engine();
    struct pair pair = {test_session(engine, 1000), test_session(engine, 1001), {0}};
    struct call calls[CALLS];
    unsigned repeated = 0;
    (void)state;
    for (unsigned i = 0; i < BUFFERS; i++) {
        alloc_both(&pair, i);
    }
    for (unsigned i = 0; i < CALLS; i++) {
        random_call(&calls[i]);
    }
    for (unsigned i = 0; i < TURNS; i++) {
        repeated += run_both(&pair, &calls[below(CALLS)]);
        if (below(60) == 0) {
            const unsigned index = below(BUFFERS);
            free_both(&pair, index);
            alloc_both(&pair, index);
        }
        if (below(200) == 0) {
            (void)hg_engine_cache_flush(engine);
        }
    }
    assert_in_range(repeated, TURNS / 8, TURNS - 1);
    for (unsigned i = 0; i < CALLS; i++) {
        hg_repeat_destroy(&calls[i].repeat);
    }
    hg_session_destroy(&pair.repeats);
    hg_session_destroy(&pair.plain);
    hg_engine_destroy(&engine);
}

/* ---- what ends a repeat ---------------------------------------------------------------------- */

struct fixture {
    struct hg_engine *engine;
    struct hg_session *session;
    struct hg_repeat *repeat;
};

static void set_up(struct fixture *fixture)
{
    fixture->engine = test_engine();
    fixture->session = test_session(fixture->engine, 1000);
    fixture->repeat = hg_repeat_create();
    assert_non_null(fixture->repeat);
    assert_false(hg_repeat_is_set(fixture->repeat));
    for (uint64_t id = 1; id <= 4; id++) {
        test_alloc(fixture->session, id, HG_F32, LENGTH);
    }
}

static void tear_down(struct fixture *fixture)
{
    hg_repeat_destroy(&fixture->repeat);
    assert_null(fixture->repeat);
    hg_session_destroy(&fixture->session);
    hg_engine_destroy(&fixture->engine);
}

/* c = a + b, by name, into the fixture's repeat. */
static void add(struct fixture *fixture, uint64_t a, uint64_t b, uint64_t c)
{
    struct hg_task task = {.repeat = fixture->repeat};
    assert_int_equal(test_run_op(fixture->session, "vector_add", a, b, c, &task), HG_OK);
}

static enum hg_repeated repeat(struct fixture *fixture)
{
    struct hg_error error = HG_ERROR_INIT;
    uint64_t ready_ticks = 0;
    const enum hg_repeated repeated =
        hg_session_repeat(fixture->session, fixture->repeat, &ready_ticks, &error);
    assert_int_equal(ready_ticks != 0, repeated != HG_REPEAT_NOT);
    return repeated;
}

/* It tells what it is, computes anew each time, and counts as a hit of its cache. */
static void runs_again(void **state)
{
    struct fixture fixture;
    float one[LENGTH], sum[LENGTH];
    struct hg_cache_region_stats before, after;
    (void)state;
    set_up(&fixture);
    add(&fixture, 1, 2, 1);
    assert_true(hg_repeat_is_set(fixture.repeat));
    assert_string_equal(hg_repeat_op(fixture.repeat)->name, "vector_add");
    assert_string_equal(hg_repeat_cache(fixture.repeat), "vector_add");
    for (unsigned i = 0; i < LENGTH; i++) {
        one[i] = 1;
    }
    test_write(fixture.session, 2, one, sizeof one);
    hg_engine_cache_stats(fixture.engine, HG_CACHE_VECTOR_ADD, &before);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(repeat(&fixture), HG_REPEAT_RAN);
    }
    hg_engine_cache_stats(fixture.engine, HG_CACHE_VECTOR_ADD, &after);
    assert_int_equal(after.hits - before.hits, 5);
    test_read(fixture.session, 1, sum, sizeof sum);
    assert_true(sum[0] == 5 && sum[LENGTH - 1] == 5);
    tear_down(&fixture);
}

/* An id that was freed, or stands for another buffer, ends it; that of another call does not. */
static void an_id_that_is_freed(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    add(&fixture, 1, 2, 3);
    test_ok(hg_session_free(fixture.session, 4, &error));
    assert_int_equal(repeat(&fixture), HG_REPEAT_RAN);
    test_ok(hg_session_free(fixture.session, 3, &error));
    assert_int_equal(repeat(&fixture), HG_REPEAT_NOT);
    test_alloc(fixture.session, 3, HG_F32, LENGTH);
    assert_false(hg_repeat_is_set(fixture.repeat));
    assert_int_equal(repeat(&fixture), HG_REPEAT_NOT);
    add(&fixture, 1, 2, 3);
    assert_int_equal(repeat(&fixture), HG_REPEAT_RAN);
    test_ok(hg_session_free(fixture.session, 3, &error));
    test_alloc(fixture.session, 3, HG_F32, LENGTH);
    assert_int_equal(repeat(&fixture), HG_REPEAT_NOT);
    tear_down(&fixture);
}

/* A buffer that was published once may be anybody's: its calls claim it, and are not repeated. */
static void a_buffer_that_is_published(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    add(&fixture, 1, 2, 3);
    test_ok(hg_session_publish(fixture.session, 2, "two", 0600, 1000, &error));
    assert_int_equal(repeat(&fixture), HG_REPEAT_NOT);
    add(&fixture, 1, 2, 3);
    assert_false(hg_repeat_is_set(fixture.repeat));
    tear_down(&fixture);
}

/* While something else uses the buffers in a way that conflicts nothing happens; afterwards it
 * does. */
static void a_buffer_in_use(void **state)
{
    struct fixture fixture;
    struct hg_view view;
    (void)state;
    set_up(&fixture);
    add(&fixture, 1, 2, 3);
    test_ok(hg_session_view(fixture.session, 3, 0, 4, false, &view, NULL, &error));
    assert_int_equal(repeat(&fixture), HG_REPEAT_NOT);
    assert_true(hg_repeat_is_set(fixture.repeat));
    hg_view_release(&view);
    test_ok(hg_session_view(fixture.session, 2, 0, 4, false, &view, NULL, &error));
    assert_int_equal(repeat(&fixture), HG_REPEAT_RAN);
    hg_view_release(&view);
    tear_down(&fixture);
}

/* A handle that was forgotten names nothing any more, also where its call is kept. */
static void a_handle_that_is_forgotten(void **state)
{
    struct fixture fixture;
    uint64_t handle = 0;
    const uint64_t inputs[] = {1, 2};
    const uint64_t output = 3;
    (void)state;
    set_up(&fixture);
    const struct hg_operand_pattern operand = {.dtype = HG_F32};
    const struct hg_operand_pattern operands[] = {operand, operand, operand};
    const struct hg_prepare_request prepare = {
        .op = "vector_add", .op_length = 10, .operands = operands, .operand_count = 3};
    test_ok(hg_session_prepare(fixture.session, &prepare, &handle, &error));
    const struct hg_execute_prepared_request request = {.handle = handle,
                                                        .inputs = inputs,
                                                        .input_count = 2,
                                                        .outputs = &output,
                                                        .output_count = 1};
    struct hg_task task = {.allow_inline = true, .repeat = fixture.repeat};
    assert_int_equal(hg_session_execute_prepared(fixture.session, &request, &task), HG_TASK_DONE);
    assert_int_equal(repeat(&fixture), HG_REPEAT_RAN);
    test_ok(hg_session_unprepare(fixture.session, handle, &error));
    assert_int_equal(repeat(&fixture), HG_REPEAT_NOT);
    assert_false(hg_repeat_is_set(fixture.repeat));
    tear_down(&fixture);
}

/* What a worker runs is not kept, nor what fails. */
static void only_what_ran_in_place(void **state)
{
    struct fixture fixture;
    struct test_request storage;
    const struct hg_execute_request *request = test_request(&storage, "vector_add", 1, 2, 3);
    struct hg_task task = {.repeat = NULL};
    (void)state;
    set_up(&fixture);
    task.repeat = fixture.repeat;
    assert_int_equal(hg_session_execute_wait(fixture.session, request, &task), HG_OK);
    assert_false(hg_repeat_is_set(fixture.repeat));
    add(&fixture, 1, 2, 3);
    assert_true(hg_repeat_is_set(fixture.repeat));
    task = (struct hg_task){.repeat = fixture.repeat};
    test_run_op(fixture.session, "vector_add", 1, 2, 9, &task);
    assert_int_equal(task.error.status, HG_NOT_FOUND);
    tear_down(&fixture);
}

/* Without memory there is none. */
static void without_memory(void **state)
{
    (void)state;
    hg_alloc_fault_set(0, false);
    assert_null(hg_repeat_create());
    hg_alloc_fault_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_change_nothing), cmocka_unit_test(runs_again),
        cmocka_unit_test(an_id_that_is_freed),    cmocka_unit_test(a_buffer_that_is_published),
        cmocka_unit_test(a_buffer_in_use),        cmocka_unit_test(a_handle_that_is_forgotten),
        cmocka_unit_test(only_what_ran_in_place), cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
