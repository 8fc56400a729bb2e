/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seed's scenarios 1 and 2 in process, with the cache and without, where each call builds its
 * program: all else is the same, call for call. Then the same calls by the engine, which resolves
 * and claims buffers too, and copies between boundary buffers beside heap buffers.
 */
#include "tests/bench/cache_scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine/engine.h"
#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"
#include "tests/ops/op_call.h"

enum { REPEATS = 9 };

static _Alignas(64) uint8_t boundary[HG_BOUNDARY_BYTES];

static void require(enum hg_status status, const struct hg_error *error)
{
    if (status != HG_OK) {
        (void)fprintf(stderr, "bench_cache: %s\n", error->message);
        exit(1);
    }
}

/* ---- the steps ------------------------------------------------------------------------------- */

static const enum hg_op_id mix[] = {
    HG_OP_ID_VECTOR_MUL, HG_OP_ID_VECTOR_ADD, HG_OP_ID_RELU,       HG_OP_ID_VECTOR_MUL,
    HG_OP_ID_VECTOR_ADD, HG_OP_ID_GELU,       HG_OP_ID_VECTOR_MUL, HG_OP_ID_VECTOR_ADD,
    HG_OP_ID_TANH,       HG_OP_ID_SOFTMAX,    HG_OP_ID_MSE,        HG_OP_ID_VECTOR_SUB,
    HG_OP_ID_SIGMOID,    HG_OP_ID_SUM,        HG_OP_ID_CLIP,       HG_OP_ID_SCALAR_MUL,
    HG_OP_ID_VECTOR_SUB, HG_OP_ID_MAX,        HG_OP_ID_SCALAR_ADD, HG_OP_ID_COPY,
};
enum { MIX = HG_ARRAY_COUNT(mix), HALF = SCENARIO_BUFFERS / 2 };

struct scenario_step scenario_step(unsigned index)
{
    unsigned round = index / MIX;
    unsigned first = (index + 5 * round) % HALF;
    return (struct scenario_step){
        .op = mix[index % MIX],
        .inputs = {first, (first + 3) % HALF},
        .output = HALF + (first + round + index % MIX / 8) % HALF,
    };
}

unsigned scenario_attributes(enum hg_op_id op, const char *names[2], float values[2])
{
    switch (op) {
    case HG_OP_ID_CLIP:
        names[0] = "lo";
        values[0] = 0;
        names[1] = "hi";
        values[1] = 1;
        return 2;
    case HG_OP_ID_SCALAR_MUL:
    case HG_OP_ID_SCALAR_ADD:
        names[0] = "s";
        values[0] = 0.5f;
        return 1;
    default:
        return 0;
    }
}

static struct hg_op_call call_of(const struct scenario_step *step)
{
    struct hg_op_call call = op_call(step->op, HG_F32, SCENARIO_ELEMENTS);
    const char *names[2] = {NULL, NULL};
    float values[2] = {0, 0};
    unsigned count = scenario_attributes(step->op, names, values);
    for (unsigned i = 0; i < count; i++) {
        op_set(&call, names[i], (double)values[i]);
    }
    HG_REQUIRE(call.op->inputs <= HG_ARRAY_COUNT(step->inputs));
    for (unsigned i = 0; i < call.operand_count; i++) {
        unsigned class_index = i < call.op->inputs ? step->inputs[i] : step->output;
        call.operands[i].boundary_class = (int)class_index;
        call.operands[i].base = boundary + (size_t)class_index * HG_CLASS_BYTES;
    }
    return call;
}

/* ---- with the cache and without -------------------------------------------------------------- */

static enum hg_status build(const struct hg_key *key, void *context, struct hg_program **program,
                            struct hg_error *error)
{
    (void)context;
    return hg_op_build(key, program, error);
}

static void run(const struct hg_plan_step *step, const struct hg_op_call *call,
                const struct hg_program *program)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_launch launch = bench_cache_launch(step, call, program, boundary);
    require(hg_exec_launch(&launch, &error), &error);
}

/* CACHE NULL: builds. */
static void make_call(struct hg_cache *cache, const struct hg_op_call *call)
{
    struct hg_plan plan;
    struct hg_error error = HG_ERROR_INIT;
    require(hg_op_plan(call, &plan, &error), &error);
    for (uint32_t i = 0; i < plan.step_count; i++) {
        const struct hg_plan_step *step = &plan.steps[i];
        if (cache == NULL) {
            struct hg_program *program;
            require(hg_op_build(&step->key, &program, &error), &error);
            run(step, call, program);
            hg_program_unref(&program);
        } else {
            struct hg_cache_loan loan;
            require(hg_cache_borrow(cache, &step->key, build, NULL, &loan, NULL, &error), &error);
            run(step, call, loan.program);
            hg_cache_return(&loan);
        }
    }
}

/* Milliseconds of ROUNDS times CALLS. A cache is empty before. */
static double time_calls(struct hg_cache *cache, const struct hg_op_call *calls, unsigned count,
                         unsigned rounds)
{
    if (cache != NULL) {
        hg_cache_flush(cache);
    }
    uint64_t start_ns = bench_now_ns();
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < count; i++) {
            make_call(cache, &calls[i]);
        }
    }
    return (double)(bench_now_ns() - start_ns) / 1e6;
}

static void compare(const char *name, const struct hg_op_call *calls, unsigned count,
                    unsigned rounds, double seed_ms)
{
    static double on[REPEATS];
    static double off[REPEATS];
    struct hg_cache *cache = bench_cache_new(4096);
    for (unsigned i = 0; i < REPEATS; i++) {
        on[i] = time_calls(cache, calls, count, rounds);
        off[i] = time_calls(NULL, calls, count, rounds);
    }
    double on_ms = bench_median(on, REPEATS);
    double off_ms = bench_median(off, REPEATS);
    char label[80];
    (void)snprintf(label, sizeof label, "%s, cache on / off", name);
    bench_row(label, on_ms, "ms", off_ms, on_ms / off_ms);
    (void)snprintf(label, sizeof label, "%s, cache on / the seed's figure", name);
    bench_row(label, on_ms, "ms", seed_ms, on_ms / seed_ms);
    (void)snprintf(label, sizeof label, "%s, speed-up by the cache", name);
    bench_plain(label, off_ms / on_ms, "x");
    hg_cache_destroy(&cache);
}

/* ---- by the engine --------------------------------------------------------------------------- */

static struct hg_engine *engine;
static struct hg_session *session;

static void open_engine(void)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_engine_options options;
    struct hg_session_options session_options;
    hg_engine_options_init(&options);
    options.workers = 1;
    options.inline_max_ns = 1000000;
    require(hg_engine_create(&options, &engine, &error), &error);
    hg_session_options_init(&session_options);
    session_options.boundary_classes_max = SCENARIO_BUFFERS + 2;
    require(hg_session_create(engine, &session_options, &session, &error), &error);
}

static void alloc(uint64_t id, enum hg_pool_kind pool, uint64_t elements)
{
    struct hg_error error = HG_ERROR_INIT;
    const struct hg_buffer_spec spec = {
        .dtype = HG_F32, .rank = 1, .shape = {elements}, .pool = pool};
    require(hg_session_alloc(session, id, &spec, NULL, &error), &error);
}

static void execute(const struct scenario_step *step)
{
    const struct hg_op *op = hg_op_info(step->op);
    const uint64_t inputs[] = {step->inputs[0] + 1, step->inputs[1] + 1};
    const uint64_t output = step->output + 1;
    const char *names[2] = {NULL, NULL};
    float values[2] = {0, 0};
    struct hg_named_attribute attributes[2];
    const uint32_t count = scenario_attributes(step->op, names, values);
    for (uint32_t i = 0; i < count; i++) {
        attributes[i] = (struct hg_named_attribute){names[i], strlen(names[i]), 0};
        memcpy(&attributes[i].bits, &values[i], sizeof values[i]);
    }
    const struct hg_execute_request request = {
        .op = op->name,
        .op_length = strlen(op->name),
        .inputs = inputs,
        .input_count = op->inputs,
        .outputs = &output,
        .output_count = 1,
        .attributes = attributes,
        .attribute_count = count,
    };
    struct hg_task task = {.allow_inline = true};
    require(hg_session_execute_wait(session, &request, &task), &task.error);
}

static double time_engine(const struct scenario_step *steps, unsigned count, unsigned rounds)
{
    hg_engine_cache_flush(engine);
    uint64_t start_ns = bench_now_ns();
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < count; i++) {
            execute(&steps[i]);
        }
    }
    return (double)(bench_now_ns() - start_ns) / 1e6;
}

static void measure_engine(const char *name, const struct scenario_step *steps, unsigned count,
                           unsigned rounds, double seed_ms)
{
    double ms[REPEATS];
    char label[80];
    for (unsigned i = 0; i < REPEATS; i++) {
        ms[i] = time_engine(steps, count, rounds);
    }
    double median = bench_median(ms, REPEATS);
    (void)snprintf(label, sizeof label, "%s by the engine / the seed's figure", name);
    bench_row(label, median, "ms", seed_ms, median / seed_ms);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static double time_copies(uint64_t from, uint64_t to)
{
    enum { COPIES = 2000 };
    const struct scenario_step step = {HG_OP_ID_COPY, {(unsigned)from - 1, 0}, (unsigned)to - 1};
    uint64_t start_ns = bench_now_ns();
    for (int i = 0; i < COPIES; i++) {
        execute(&step);
    }
    return (double)(bench_now_ns() - start_ns) / COPIES;
}

/* As large as a boundary buffer can be, and as small as in the scenarios. */
static void measure_copies(void)
{
    enum { SLICES = 51 };
    static const uint64_t elements[] = {SCENARIO_ELEMENTS, HG_CLASS_BYTES / sizeof(float)};
    static double boundary_ns[SLICES];
    static double heap_ns[SLICES];
    for (unsigned size = 0; size < HG_ARRAY_COUNT(elements); size++) {
        struct hg_error error = HG_ERROR_INIT;
        for (uint64_t id = 101; id <= 104; id++) {
            alloc(id, id <= 102 ? HG_POOL_BOUNDARY : HG_POOL_HEAP, elements[size]);
        }
        for (unsigned i = 0; i < SLICES; i++) {
            boundary_ns[i] = time_copies(101, 102);
            heap_ns[i] = time_copies(103, 104);
        }
        double boundary_median = bench_median(boundary_ns, SLICES);
        double heap_median = bench_median(heap_ns, SLICES);
        char label[80];
        (void)snprintf(label, sizeof label, "copy %zu B, boundary / heap",
                       (size_t)elements[size] * sizeof(float));
        bench_row(label, boundary_median, "ns", heap_median, boundary_median / heap_median);
        for (uint64_t id = 101; id <= 104; id++) {
            require(hg_session_free(session, id, &error), &error);
        }
    }
}

void bench_cache_scenarios(void)
{
    static struct scenario_step steps[SCENARIO_STEPS];
    static struct hg_op_call calls[SCENARIO_STEPS];
    const struct scenario_step add = {HG_OP_ID_VECTOR_ADD, {0, 1}, HALF};
    const struct hg_op_call add_call = call_of(&add);
    for (unsigned i = 0; i < SCENARIO_STEPS; i++) {
        steps[i] = scenario_step(i);
        calls[i] = call_of(&steps[i]);
    }
    for (size_t i = 0; i < sizeof boundary / sizeof(float); i++) {
        const float value = (float)(i % 7) / 8 + 0.1f;
        memcpy(boundary + i * sizeof value, &value, sizeof value);
    }
    compare("scenario 1", calls, SCENARIO_STEPS, SCENARIO_ROUNDS, SEED_MS_1);
    compare("scenario 2", &add_call, 1, SCENARIO_CALLS, SEED_MS_2);
    open_engine();
    for (unsigned i = 0; i < SCENARIO_BUFFERS; i++) {
        alloc(i + 1, HG_POOL_BOUNDARY, SCENARIO_ELEMENTS);
    }
    measure_engine("scenario 1", steps, SCENARIO_STEPS, SCENARIO_ROUNDS, SEED_MS_1);
    measure_engine("scenario 2", &add, 1, SCENARIO_CALLS, SEED_MS_2);
    measure_copies();
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}
