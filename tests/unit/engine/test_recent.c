/* SPDX-License-Identifier: Apache-2.0 */
/* Calls by name whose plans are kept: they do and say what calls that are planned do and say. */
#include "tests/unit/engine/fixture.h"

#define BUFFERS   10
#define BYTES_MAX 800
#define CALLS     3000

static uint64_t seed = 7;

static unsigned below(unsigned bound)
{
    /* splitmix64: http://prng.di.unimi.it/splitmix64.c, public domain */
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (unsigned)((z ^ z >> 31) % bound);
}

/* Buffers that differ little: pairs of the same type and length, of one but not the other. */
static const struct {
    enum hg_dtype type;
    uint64_t length;
} kinds[BUFFERS] = {{HG_F32, 100}, {HG_F32, 100}, {HG_F32, 100}, {HG_F32, 100}, {HG_F64, 100},
                    {HG_F64, 100}, {HG_F64, 100}, {HG_I32, 100}, {HG_F32, 99},  {HG_F32, 1}};

static uint64_t bytes_of(unsigned index)
{
    return kinds[index].length * hg_dtype_bytes(kinds[index].type);
}

static void alloc_all(struct hg_session *session)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        test_alloc(session, i + 1, kinds[i].type, kinds[i].length);
    }
}

struct content {
    uint8_t bytes[BUFFERS][BYTES_MAX];
};

static void read_all(struct hg_session *session, struct content *content)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        test_read(session, i + 1, content->bytes[i], bytes_of(i));
    }
}

static void write_all(struct hg_session *session, const struct content *content)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        test_write(session, i + 1, content->bytes[i], bytes_of(i));
    }
}

/* A call that may be wrong in any way: types, lengths, aliasing, attributes. Few of each, so that
 * many calls are alike. */
struct call {
    struct test_request storage;
    struct hg_named_attribute attribute;
};

static void random_call(struct call *call)
{
    static const struct {
        const char *op;
        bool binary;
        const char *attribute;
    } ops[] = {{"vector_add", true, NULL},
               {"vector_mul", true, NULL},
               {"relu", false, NULL},
               {"vector_add", true, "n"},
               {"relu", false, "n"}};
    static const uint64_t sizes[] = {100, 99, 50, 0, 101};
    const unsigned which = below(HG_ARRAY_COUNT(ops));
    const unsigned span = below(4) == 0 ? BUFFERS : 4;
    (void)test_request(&call->storage, ops[which].op, 1 + below(span),
                       ops[which].binary ? 1 + below(span) : 0, 1 + below(span));
    if (ops[which].attribute != NULL) {
        call->attribute = (struct hg_named_attribute){ops[which].attribute, 1,
                                                      sizes[below(HG_ARRAY_COUNT(sizes))]};
        call->storage.request.attributes = &call->attribute;
        call->storage.request.attribute_count = 1;
    }
}

/* Every call of a session that lives on, beside the same call of one that never saw another: same
 * outcome, same words, same bytes. */
static void kept_plans_change_nothing(void **state)
{
    static struct content before, expected, got;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    unsigned successes = 0;
    (void)state;
    alloc_all(session);
    for (unsigned i = 0; i < sizeof before; i++) {
        ((uint8_t *)&before)[i] = (uint8_t)below(64);
    }
    write_all(session, &before);
    for (unsigned i = 0; i < CALLS; i++) {
        struct call call;
        struct hg_task task = {.allow_inline = true};
        struct hg_task alone = {.allow_inline = true};
        struct hg_session *fresh = test_session(engine, 1001);
        random_call(&call);
        alloc_all(fresh);
        read_all(session, &before);
        write_all(fresh, &before);
        if (below(50) == 0) {
            (void)hg_engine_cache_flush(engine);
        }
        (void)!hg_session_execute_wait(session, &call.storage.request, &task);
        (void)!hg_session_execute_wait(fresh, &call.storage.request, &alone);
        assert_int_equal(task.error.status, alone.error.status);
        assert_string_equal(task.error.message, alone.error.message);
        read_all(session, &got);
        read_all(fresh, &expected);
        assert_memory_equal(&got, &expected, sizeof got);
        successes += task.error.status == HG_OK;
        hg_session_destroy(&fresh);
    }
    assert_in_range(successes, CALLS / 4, CALLS - CALLS / 20);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* From the third call on nothing is allocated, whichever buffers of the same kind it has. */
static void a_plan_is_kept(void **state)
{
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    (void)state;
    alloc_all(session);
    const uint64_t start = hg_alloc_live_bytes(HG_TAG_SESSION);
    test_op(session, "vector_add", 1, 2, 3);
    const uint64_t first = hg_alloc_live_bytes(HG_TAG_SESSION);
    test_op(session, "vector_add", 1, 2, 4);
    const uint64_t second = hg_alloc_live_bytes(HG_TAG_SESSION);
    assert_true(first > start && second > first);
    test_op(session, "vector_add", 4, 3, 2);
    test_op(session, "vector_add", 2, 1, 3);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_SESSION), second);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Without memory for a plan or a repeat calls go on as if there were none to keep; the next ones
 * keep what could not be kept. */
static void without_memory_nothing_is_kept(void **state)
{
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    const float one[100] = {1};
    float sum[100];
    (void)state;
    alloc_all(session);
    test_op(session, "vector_add", 1, 1, 3); /* what else it needs is there */
    hg_session_destroy(&session);
    uint64_t skip = 0;
    for (bool fired = true; fired; skip++) {
        session = test_session(engine, 1000);
        alloc_all(session);
        test_write(session, 1, one, sizeof one);
        hg_alloc_fault_set(skip, false);
        for (unsigned i = 0; i < 4; i++) {
            test_op(session, "vector_add", 1, 2, 3);
            test_read(session, 3, sum, sizeof sum);
            assert_true(sum[0] == 1 && sum[99] == 0);
        }
        fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        hg_session_destroy(&session);
    }
    assert_int_equal(skip - 1, 5); /* slots of plans, of requests; a plan, its steps; a repeat */
    hg_engine_destroy(&engine);
}

/* ---- calls with the same buffers ------------------------------------------------------------- */

/* y = OP(1, 2) with an attribute, or none where NAME is NULL, into 3. */
static enum hg_status call_with(struct hg_session *session, const char *op, const char *name,
                                float value, struct hg_task *task)
{
    struct test_request storage;
    struct hg_named_attribute attribute = {name, name != NULL ? strlen(name) : 0, 0};
    memcpy(&attribute.bits, &value, sizeof value);
    struct hg_execute_request request = *test_request(&storage, op, 1, 0, 3);
    request.attributes = &attribute;
    request.attribute_count = name != NULL ? 1 : 0;
    return hg_session_execute_wait(session, &request, task);
}

/* A request that comes again and differs in its operation, in an attribute's value or name, or by
 * having one, is not taken for the one that is held; the outcome says what each ran. */
static void requests_are_told_apart(void **state)
{
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    static const struct {
        const char *op;
        const char *attribute;
        float value;
        float expected; /* 0: it fails */
    } calls[] = {{"neg", NULL, 0, 2},        {"abs", NULL, 0, 2},       {"scalar_mul", "s", 3, -6},
                 {"scalar_mul", "s", 4, -8}, {"scalar_mul", "z", 4, 0}, {"scalar_add", "s", 4, 2},
                 {"scalar_mul", NULL, 0, 0}};
    const float minus_two[100] = {-2};
    (void)state;
    alloc_all(session);
    test_write(session, 1, minus_two, sizeof minus_two);
    for (unsigned turn = 0; turn < 40; turn++) {
        /* Each again and again, then each after another. */
        const unsigned index = turn < 28 ? turn / 4 : turn % HG_ARRAY_COUNT(calls);
        struct hg_task task = {.allow_inline = true};
        struct hg_task alone = {.allow_inline = true, .deadline_ns = UINT64_MAX};
        const float zero = 0;
        float got = 0;
        float expected = 0;
        const char *op = calls[index].op;
        test_write(session, 3, &zero, sizeof zero);
        (void)!call_with(session, op, calls[index].attribute, calls[index].value, &alone);
        test_read(session, 3, &expected, sizeof expected);
        test_write(session, 3, &zero, sizeof zero);
        (void)!call_with(session, op, calls[index].attribute, calls[index].value, &task);
        test_read(session, 3, &got, sizeof got);
        assert_int_equal(task.error.status, alone.error.status);
        assert_string_equal(task.error.message, alone.error.message);
        assert_memory_equal(&got, &expected, sizeof got);
        assert_true(got == calls[index].expected);
        assert_int_equal(task.error.status, got == 0 ? HG_INVALID_ARGUMENT : HG_OK);
        assert_ptr_equal(task.op, alone.op);
        assert_string_equal(task.cache, alone.cache);
        assert_int_equal(task.outcome, alone.error.status == HG_OK ? HG_CACHE_HIT : alone.outcome);
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* A call that is repeated says what is wrong with its operands in the words of one that is not. */
static void repeats_explain(void **state)
{
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    const struct hg_buffer_spec table = {.dtype = HG_F32, .rank = 2, .shape = {8, 4}};
    const struct hg_buffer_spec rows = {.dtype = HG_F32, .rank = 2, .shape = {3, 4}};
    const int32_t good[] = {0, 7, -8};
    const int32_t bad[] = {0, 8, 1};
    (void)state;
    test_ok(hg_session_alloc(session, 1, &table, NULL, &error));
    test_alloc(session, 2, HG_I32, 3);
    test_ok(hg_session_alloc(session, 3, &rows, NULL, &error));
    test_write(session, 2, good, sizeof good);
    for (unsigned i = 0; i < 4; i++) {
        test_op(session, "gather_rows", 1, 2, 3);
    }
    test_write(session, 2, bad, sizeof bad);
    struct hg_task alone = {.deadline_ns = UINT64_MAX};
    struct hg_task task = {0};
    assert_int_equal(test_run_op(session, "gather_rows", 1, 2, 3, &alone), HG_OUT_OF_RANGE);
    assert_int_equal(test_run_op(session, "gather_rows", 1, 2, 3, &task), HG_OUT_OF_RANGE);
    assert_string_equal(task.error.message, alone.error.message);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* What a call is charged for while it runs, its repeat is charged for as well: a reduction's
 * scratch, which a session without room for it is refused. */
static void repeats_are_charged(void **state)
{
    struct hg_engine *engine = test_engine();
    struct hg_session_options limits;
    struct hg_session *session = NULL;
    hg_session_options_init(&limits);
    limits.bytes_max = 4096;
    (void)state;
    test_ok(hg_session_create(engine, &limits, &session, &error));
    test_alloc(session, 1, HG_F32, 512);
    test_alloc(session, 2, HG_F32, 1);
    for (unsigned i = 0; i < 5; i++) {
        test_op(session, "sum", 1, 0, 2);
    }
    uint64_t id = 3;
    struct hg_error ignored = HG_ERROR_INIT;
    const struct hg_buffer_spec spec = {
        .dtype = HG_I8, .rank = 1, .shape = {1}, .pool = HG_POOL_HEAP};
    while (hg_session_alloc(session, id, &spec, NULL, &ignored) == HG_OK) {
        id++;
    }
    test_op_fails(session, "sum", 1, 0, 2, HG_RESOURCE_EXHAUSTED, "");
    test_ok(hg_session_free(session, 3, &error));
    test_ok(hg_session_free(session, 4, &error));
    test_op(session, "sum", 1, 0, 2);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_plans_change_nothing),
        cmocka_unit_test(a_plan_is_kept),
        cmocka_unit_test(without_memory_nothing_is_kept),
        cmocka_unit_test(requests_are_told_apart),
        cmocka_unit_test(repeats_explain),
        cmocka_unit_test(repeats_are_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
