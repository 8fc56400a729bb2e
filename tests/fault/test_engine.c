/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every entry point of the engine, with each of its allocations failing in turn: the status says
 * so, the engine works on, and nothing leaks.
 */
#include <sched.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "tests/unit/engine/fixture.h"

#define SWEEP_MAX 500
#define LARGE     20000 /* elements: several blocks */

/* b1[i] = 2 * b0[i], with one value per row that lives in scratch. */
#define PROGRAM                                                                                    \
    ".slots 2\n"                                                                                   \
    "ldg.f32 r1, [b0 + lane]\n"                                                                    \
    "reduce.add.f32 r2, r1\n"                                                                      \
    "ldg.f32 r3, [b0 + lane]\n"                                                                    \
    "add.f32 r4, r3, r3\n"                                                                         \
    "stg.f32 [b1 + lane], r4\n"                                                                    \
    "exit\n"

/* Names a class and a handle, so that loading has to look into it. */
#define NAMING_PROGRAM                                                                             \
    ".slots 1\n"                                                                                   \
    "ldg.f32 r1, [buf1]\n"                                                                         \
    "ldg.f32 r2, [Φ(0, 0, 0)]\n"                                                                  \
    "exit\n"

struct setting {
    struct hg_engine_options options;
    struct hg_engine *engine;
    struct hg_session *session;
    uint8_t *binary;
    size_t binary_size;
    struct hg_error error;
};

/* ---- entry points ---------------------------------------------------------------------------- */

static enum hg_status create_engine(struct setting *setting)
{
    struct hg_engine *engine = NULL;
    enum hg_status status = hg_engine_create(&setting->options, &engine, &setting->error);
    if (status == HG_OK) {
        hg_engine_destroy(&engine);
    }
    return status;
}

static enum hg_status create_session(struct setting *setting)
{
    struct hg_session_options options = test_session_options(2000);
    struct hg_session *session = NULL;
    enum hg_status status = hg_session_create(setting->engine, &options, &session, &setting->error);
    hg_session_destroy(&session);
    return status;
}

static enum hg_status alloc(struct setting *setting, enum hg_pool_kind pool, bool fallback,
                            uint64_t elements)
{
    struct hg_buffer_spec spec = test_spec(HG_F32, elements);
    struct hg_buffer_info info;
    spec.pool = pool;
    spec.boundary_fallback = fallback;
    enum hg_status status = hg_session_alloc(setting->session, 100, &spec, &info, &setting->error);
    if (status == HG_OK) {
        float value = 1;
        test_ok(hg_session_read(setting->session, 100, 0, &value, 4, &error));
        assert_true(value == 0);
    }
    return status;
}

static enum hg_status alloc_small(struct setting *setting)
{
    return alloc(setting, HG_POOL_HEAP, false, 10);
}

static enum hg_status alloc_middle(struct setting *setting)
{
    return alloc(setting, HG_POOL_HEAP, false, 200000);
}

static enum hg_status alloc_large(struct setting *setting)
{
    return alloc(setting, HG_POOL_HEAP, false, 2000000);
}

static enum hg_status alloc_class(struct setting *setting)
{
    return alloc(setting, HG_POOL_BOUNDARY, false, 10);
}

static enum hg_status alloc_fallback(struct setting *setting)
{
    return alloc(setting, HG_POOL_BOUNDARY, true, 4000);
}

static enum hg_status alloc_shared(struct setting *setting)
{
    return alloc(setting, HG_POOL_SHARED, false, 10);
}

/* So many that the session's table has to grow. */
static enum hg_status alloc_many(struct setting *setting)
{
    struct hg_buffer_spec spec = test_spec(HG_F32, 1);
    enum hg_status status = HG_OK;
    for (uint64_t id = 1000; id < 1030 && status == HG_OK; id++) {
        status = hg_session_alloc(setting->session, id, &spec, NULL, &setting->error);
    }
    return status;
}

static enum hg_status access_bytes(struct setting *setting)
{
    struct hg_session *session = setting->session;
    uint8_t bytes[8] = {0};
    struct hg_view view;
    enum hg_status status = hg_session_write(session, 1, 4, bytes, 8, &setting->error);
    if (status == HG_OK) {
        status = hg_session_read(session, 1, 4, bytes, 8, &setting->error);
    }
    if (status == HG_OK) {
        status = hg_session_view(session, 1, 0, 8, true, &view, NULL, &setting->error);
    }
    if (status == HG_OK) {
        hg_view_release(&view);
        status = hg_session_free(session, 1, &setting->error);
    }
    return status;
}

static enum hg_status publish(struct setting *setting)
{
    return hg_session_publish(setting->session, 1, "name", 0600, 1000, &setting->error);
}

static void prepare_open(struct setting *setting)
{
    test_ok(hg_session_publish(setting->session, 1, "name", 0600, 1000, &error));
    hg_session_destroy(&setting->session);
    setting->session = test_session(setting->engine, 1000);
}

static enum hg_status open_named(struct setting *setting)
{
    struct hg_buffer_info info;
    return hg_session_open(setting->session, "name", 1, true, &info, &setting->error);
}

static enum hg_status unpublish(struct setting *setting)
{
    return hg_session_unpublish(setting->session, "name", &setting->error);
}

static enum hg_status execute(struct setting *setting, const char *op, uint64_t a, uint64_t b,
                              uint64_t c, bool allow_inline)
{
    struct test_request storage;
    struct hg_task task = {.allow_inline = allow_inline};
    enum hg_status status =
        hg_session_execute_wait(setting->session, test_request(&storage, op, a, b, c), &task);
    setting->error = task.error;
    return status;
}

static enum hg_status execute_in_place(struct setting *setting)
{
    return execute(setting, "vector_add", 1, 2, 3, true);
}

static enum hg_status execute_queued(struct setting *setting)
{
    return execute(setting, "softmax", 11, 0, 12, false);
}

static enum hg_status execute_product(struct setting *setting)
{
    return execute(setting, "gemm", 21, 22, 23, false);
}

/* The third is kept to be repeated, the fourth repeats. */
static enum hg_status execute_again(struct setting *setting)
{
    enum hg_status status = HG_OK;
    for (int i = 0; i < 4 && status == HG_OK; i++) {
        status = execute(setting, "vector_add", 1, 2, 3, true);
    }
    return status;
}

/* Matrices of which a product is shared with workers, and its constant operand packed by one; 22 is
 * constant as well, and its panels are packed at once. */
static void prepare_constants(struct setting *setting)
{
    const struct hg_buffer_spec matrix = {.dtype = HG_F32, .rank = 2, .shape = {256, 256}};
    for (uint64_t id = 31; id <= 33; id++) {
        test_ok(hg_session_alloc(setting->session, id, &matrix, NULL, &error));
    }
    test_ok(hg_session_freeze(setting->session, 22, &error));
    test_ok(hg_session_freeze(setting->session, 32, &error));
}

static enum hg_status execute_constants(struct setting *setting)
{
    enum hg_status status = HG_OK;
    for (int i = 0; i < 3 && status == HG_OK; i++) {
        status = execute(setting, "gemm", 31, 32, 33, true);
        status = status == HG_OK ? execute(setting, "gemm", 21, 22, 23, true) : status;
    }
    return status;
}

static void prepare_unfused(struct setting *setting)
{
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
    setting->options.fusion = false;
    setting->engine = test_engine_with(&setting->options);
    setting->session = test_session(setting->engine, 1000);
    test_alloc(setting->session, 1, HG_F32, 16);
    test_alloc(setting->session, 2, HG_F32, 16);
    test_alloc(setting->session, 3, HG_F32, 16);
    test_alloc(setting->session, 11, HG_F32, LARGE);
    test_alloc(setting->session, 12, HG_F32, LARGE);
}

static enum hg_status execute_unfused(struct setting *setting)
{
    enum hg_status status = execute(setting, "softmax", 1, 0, 2, true);
    return status == HG_OK ? execute(setting, "gelu", 11, 0, 12, false) : status;
}

static enum hg_status prepare_op(struct setting *setting, uint64_t *handle)
{
    struct hg_operand_pattern operands[3];
    for (int i = 0; i < 3; i++) {
        operands[i] = (struct hg_operand_pattern){
            .dtype = HG_F32, .has_shape = true, .rank = 1, .shape = {16}};
    }
    const struct hg_prepare_request request = {
        .op = "vector_add", .op_length = 10, .operands = operands, .operand_count = 3};
    return hg_session_prepare(setting->session, &request, handle, &setting->error);
}

/* So many that the session's table has to grow. */
static enum hg_status prepare_many(struct setting *setting)
{
    enum hg_status status = HG_OK;
    uint64_t handle;
    for (int i = 0; i < 20 && status == HG_OK; i++) {
        status = prepare_op(setting, &handle);
    }
    return status;
}

static enum hg_status execute_prepared(struct setting *setting)
{
    uint64_t handle;
    enum hg_status status = prepare_op(setting, &handle);
    for (int i = 0; i < 2 && status == HG_OK; i++) {
        const uint64_t inputs[] = {1, 2};
        const uint64_t output = 3;
        const struct hg_execute_prepared_request request = {.handle = handle,
                                                            .inputs = inputs,
                                                            .input_count = 2,
                                                            .outputs = &output,
                                                            .output_count = 1};
        struct hg_task task = {.allow_inline = i == 0};
        status = hg_session_execute_prepared_wait(setting->session, &request, &task);
        setting->error = task.error;
    }
    return status;
}

static void assemble(struct setting *setting, const char *text)
{
    setting->binary = test_assemble(text, &setting->binary_size);
}

static void prepare_load(struct setting *setting)
{
    assemble(setting, PROGRAM);
}

static void prepare_load_naming(struct setting *setting)
{
    assemble(setting, NAMING_PROGRAM);
}

static enum hg_status load(struct setting *setting)
{
    return hg_session_load(setting->session, 1, setting->binary, setting->binary_size, NULL,
                           &setting->error);
}

static void prepare_run(struct setting *setting)
{
    test_load(setting->session, 1, PROGRAM);
}

static enum hg_status run(struct setting *setting)
{
    enum hg_status status = HG_OK;
    for (int i = 0; i < 2 && status == HG_OK; i++) {
        const uint64_t buffers[] = {11, 12};
        const struct hg_run_request request = {
            .program = 1, .buffers = buffers, .buffer_count = 2, .rows = 50, .cols = 50};
        struct hg_task task = {.allow_inline = i == 0};
        status = hg_session_run_wait(setting->session, &request, &task);
        setting->error = task.error;
    }
    return status;
}

static void prepare_files(struct setting *setting)
{
    (void)execute(setting, "vector_add", 1, 2, 3, true);
    hg_log_set_level(HG_LOG_ERROR); /* what a restore without memory says is no news */
}

/* Both ways, until restoring is over. */
static enum hg_status save_and_restore(struct setting *setting)
{
    const char *path = "/tmp/hologram-fault-keys";
    struct hg_engine_stats stats;
    enum hg_status status = hg_engine_cache_save(setting->engine, path, &setting->error);
    if (status == HG_OK) {
        status = hg_engine_cache_restore(setting->engine, path, &setting->error);
    }
    do {
        (void)sched_yield();
        hg_engine_stats(setting->engine, &stats);
    } while (stats.is_warming);
    (void)unlink(path);
    return status;
}

static enum hg_status profile_and_warm(struct setting *setting)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct hg_engine_stats stats;
    enum hg_status status = hg_engine_profile(setting->engine, &bytes, &size, &setting->error);
    if (status == HG_OK) {
        status = hg_engine_cache_warm(setting->engine, bytes, size, &setting->error);
        hg_engine_profile_free(bytes);
    }
    do {
        (void)sched_yield();
        hg_engine_stats(setting->engine, &stats);
    } while (stats.is_warming);
    return status;
}

/* The most used program is shown. */
static enum hg_status top_and_show(struct setting *setting)
{
    struct hg_cached item;
    struct hg_cache_shown shown;
    uint32_t count = 1;
    enum hg_status status =
        hg_engine_cache_top(setting->engine, "", &item, &count, &setting->error);
    if (status == HG_OK) {
        assert_int_equal(count, 1);
        status = hg_engine_cache_show(setting->engine, item.name, true, &shown, &setting->error);
        hg_engine_cache_shown_fini(&shown);
    }
    return status;
}

/* A graph of two inputs, FIRST and the id after it, from a text that is not known yet. */
static enum hg_status eval(struct setting *setting, const char *text, uint64_t first,
                           bool allow_inline)
{
    const struct hg_graph_bind inputs[] = {{"a", 1, first}, {"b", 1, first + 1}};
    struct hg_graph_made made[1];
    struct hg_graph_result result = {.outputs = made, .capacity = 1};
    struct hg_task task = {.allow_inline = allow_inline};
    const struct hg_graph_bind output = {"result", 6, 100};
    const struct hg_graph_request request = {.source = {text, strlen(text), NULL},
                                             .inputs = inputs,
                                             .input_count = 2,
                                             .outputs = &output,
                                             .output_count = 1};
    enum hg_status status = hg_session_run_graph_wait(setting->session, &request, &result, &task);
    setting->error = task.error;
    return status;
}

/* Two launches with memory between them. */
static enum hg_status eval_in_place(struct setting *setting)
{
    return eval(setting, "sum(a @ b) + 1", 21, true);
}

static enum hg_status eval_queued(struct setting *setting)
{
    return eval(setting, "sum(a @ b) + 1", 21, false);
}

/* Two products that are long enough to run side by side. */
static enum hg_status eval_branches(struct setting *setting)
{
    return eval(setting, "(a @ b) - (b @ a)", 31, true);
}

static enum hg_status eval_branches_queued(struct setting *setting)
{
    return eval(setting, "(a @ b) - (b @ a)", 31, false);
}

static enum hg_status name_graph(struct setting *setting)
{
    const struct hg_graph_source source = {"x + 1", 5, NULL};
    enum hg_status status =
        hg_session_load_graph(setting->session, 1, &source, NULL, &setting->error);
    if (status == HG_OK) {
        status = hg_session_save_graph(setting->session, 1, "name", 0600, 1000, &setting->error);
    }
    if (status == HG_OK) {
        status = hg_session_open_graph(setting->session, "name", 2, NULL, &setting->error);
    }
    return status;
}

static void count_visit(const struct hg_buffer_info *info, void *context)
{
    (void)info;
    ++*(int *)context;
}

static enum hg_status look_around(struct setting *setting)
{
    int count = 0;
    struct hg_engine_stats stats;
    struct hg_cache_region_stats cache;
    hg_session_list(setting->session, count_visit, &count);
    hg_session_list_named(setting->session, count_visit, &count);
    hg_engine_stats(setting->engine, &stats);
    hg_engine_cache_stats(setting->engine, HG_CACHE_GEMM, &cache);
    hg_engine_cache_flush(setting->engine);
    assert_int_equal(count, stats.buffers);
    return HG_OK;
}

/* ---- the sweep ------------------------------------------------------------------------------- */

struct row {
    const char *name;
    void (*prepare)(struct setting *setting); /* may be NULL */
    enum hg_status (*call)(struct setting *setting);
    bool allocates;
};

static const struct row rows[] = {
    {"engine_create", NULL, create_engine, true},
    {"session_create", NULL, create_session, true},
    {"alloc of a small block", NULL, alloc_small, true},
    {"alloc of a block zeroed later", NULL, alloc_middle, true},
    {"alloc of a mapping", NULL, alloc_large, true},
    {"alloc of a class", NULL, alloc_class, true},
    {"alloc with fallback", NULL, alloc_fallback, true},
    {"alloc of shared memory", NULL, alloc_shared, true},
    {"many allocs", NULL, alloc_many, true},
    {"write, read, view, free", NULL, access_bytes, false},
    {"publish", NULL, publish, true},
    {"open", prepare_open, open_named, true},
    {"unpublish", prepare_open, unpublish, false},
    {"execute in place", NULL, execute_in_place, true},
    {"execute queued", NULL, execute_queued, true},
    {"execute a product", NULL, execute_product, true},
    {"execute again and again", NULL, execute_again, true},
    {"execute products of constants", prepare_constants, execute_constants, true},
    {"execute unfused", prepare_unfused, execute_unfused, true},
    {"prepare", NULL, prepare_many, true},
    {"execute prepared", NULL, execute_prepared, true},
    {"load", prepare_load, load, true},
    {"load of what names things", prepare_load_naming, load, true},
    {"run", prepare_run, run, true},
    {"eval in place", NULL, eval_in_place, true},
    {"eval queued", NULL, eval_queued, true},
    {"eval of branches", prepare_constants, eval_branches, true},
    {"eval of branches, queued", prepare_constants, eval_branches_queued, true},
    {"load, save and open a graph", NULL, name_graph, true},
    {"save and restore", prepare_files, save_and_restore, true},
    {"profile and warm", prepare_files, profile_and_warm, true},
    {"top and show", prepare_files, top_and_show, true},
    {"listings and figures", NULL, look_around, false},
};

static void set_up(struct setting *setting, const struct row *row)
{
    *setting = (struct setting){.options = test_engine_options()};
    setting->engine = test_engine_with(&setting->options);
    setting->session = test_session(setting->engine, 1000);
    for (uint64_t id = 1; id <= 3; id++) {
        test_alloc(setting->session, id, HG_F32, 16);
    }
    for (uint64_t id = 11; id <= 12; id++) {
        test_alloc(setting->session, id, HG_F32, LARGE);
    }
    const struct hg_buffer_spec matrix = {.dtype = HG_F32, .rank = 2, .shape = {70, 70}};
    for (uint64_t id = 21; id <= 23; id++) {
        test_ok(hg_session_alloc(setting->session, id, &matrix, NULL, &error));
    }
    if (row->prepare != NULL) {
        row->prepare(setting);
    }
}

/* The engine has to work whatever happened before. */
static void check_usable(struct setting *setting)
{
    float value = 0;
    test_alloc(setting->session, 5001, HG_F32, 16);
    test_alloc(setting->session, 5002, HG_F32, 16);
    test_fill(setting->session, 5001, 16, 1, 1);
    test_op(setting->session, "neg", 5001, 0, 5002);
    test_ok(hg_session_read(setting->session, 5002, 60, &value, 4, &error));
    assert_true(value == -16);
}

static void tear_down(struct setting *setting)
{
    hg_free(HG_TAG_PROGRAM, setting->binary);
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
}

/* One call with the allocation after SKIP others failing. False if none failed. */
static bool call_with_fault(const struct row *row, uint64_t skip, bool forever)
{
    struct setting setting;
    uint64_t before = hg_alloc_live_bytes_all();
    set_up(&setting, row);
    hg_alloc_fault_set(skip, forever);
    enum hg_status status = row->call(&setting);
    bool fired = hg_alloc_fault_fired();
    hg_alloc_fault_clear();
    if (status != HG_OK && (!fired || status != HG_RESOURCE_EXHAUSTED)) {
        fail_msg("%s, allocation %llu: %s: %s", row->name, (unsigned long long)skip,
                 hg_status_name(status), setting.error.message);
    }
    if (status != HG_OK) {
        assert_int_equal(setting.error.status, status);
        assert_true(setting.error.message[0] != '\0');
    }
    check_usable(&setting);
    tear_down(&setting);
    if (hg_alloc_live_bytes_all() != before) {
        fail_msg("%s, allocation %llu: %lld bytes are left", row->name, (unsigned long long)skip,
                 (long long)(hg_alloc_live_bytes_all() - before));
    }
    return fired;
}

/* Every row, every allocation, once and for good. */
static void every_entry_point_survives(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_ARRAY_COUNT(rows); i++) {
        for (int forever = 0; forever < 2; forever++) {
            uint64_t skip = 0;
            while (skip < SWEEP_MAX && call_with_fault(&rows[i], skip, forever != 0)) {
                skip++;
            }
            assert_true(skip < SWEEP_MAX);
            if ((skip > 0) != rows[i].allocates) {
                fail_msg("%s: %llu allocations", rows[i].name, (unsigned long long)skip);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_point_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
