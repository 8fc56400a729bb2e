/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program cache: what a hit and a first call cost, which programs stay (cache_*.c), and here an
 * inference loop in process at several rates of hits: microseconds per call beside a loop that
 * always misses and one that always hits.
 *
 * The loop is a small network's (64 features, 32 hidden units, 10 classes, one sample). Its
 * programs are made to miss as the seed's would: under the policy `full` a program bakes the
 * handles of its operands, so a call on a buffer that the cache has not seen, or has forgotten,
 * builds. Such buffers come from a ring that is longer than the cache has room for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/engine/engine.h"
#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"

enum {
    FEATURES = 64,
    HIDDEN = 32,
    CLASSES = 10,
    RING = 1024,         /* buffers that take turns in missing */
    CACHE_ENTRIES = 256, /* fewer than the ring needs */
    PASSES = 50,         /* of the loop, per repeat: shorter than a slice of the scheduler's */
    REPEATS = 101
};

/* Buffers that every call shares; each layer's input comes in a ring of its own. */
enum id { WEIGHTS_1 = 1, BIAS_1, WEIGHTS_2, BIAS_2, OUT_HIDDEN, OUT_CLASSES, RING_FIRST = 1000 };

struct layer {
    const char *op;
    uint64_t operand; /* second input, 0 = none */
    uint64_t output;
    uint64_t ring;     /* first id of the ring that the first input comes from */
    uint64_t elements; /* of that input */
};

static const struct layer layers[] = {
    {"gemm", WEIGHTS_1, OUT_HIDDEN, RING_FIRST, FEATURES},
    {"vector_add", BIAS_1, OUT_HIDDEN, RING_FIRST + RING, HIDDEN},
    {"relu", 0, OUT_HIDDEN, RING_FIRST + RING, HIDDEN},
    {"gemm", WEIGHTS_2, OUT_CLASSES, RING_FIRST + RING, HIDDEN},
    {"vector_add", BIAS_2, OUT_CLASSES, RING_FIRST + 2 * RING, CLASSES},
    {"softmax", 0, OUT_CLASSES, RING_FIRST + 2 * RING, CLASSES},
};
enum { LAYERS = HG_ARRAY_COUNT(layers) };

static void require(enum hg_status status, const struct hg_error *error)
{
    if (status != HG_OK) {
        (void)fprintf(stderr, "bench_cache: %s\n", error->message);
        exit(1);
    }
}

static void alloc(struct hg_session *session, uint64_t id, uint64_t rows, uint64_t cols)
{
    struct hg_error error = HG_ERROR_INIT;
    const struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 2, .shape = {rows, cols}};
    require(hg_session_alloc(session, id, &spec, NULL, &error), &error);
}

static void alloc_network(struct hg_session *session)
{
    alloc(session, WEIGHTS_1, FEATURES, HIDDEN);
    alloc(session, BIAS_1, 1, HIDDEN);
    alloc(session, WEIGHTS_2, HIDDEN, CLASSES);
    alloc(session, BIAS_2, 1, CLASSES);
    alloc(session, OUT_HIDDEN, 1, HIDDEN);
    alloc(session, OUT_CLASSES, 1, CLASSES);
    for (uint64_t i = 0; i < RING; i++) {
        alloc(session, RING_FIRST + i, 1, FEATURES);
        alloc(session, RING_FIRST + RING + i, 1, HIDDEN);
        alloc(session, RING_FIRST + 2 * RING + i, 1, CLASSES);
    }
}

static void call(struct hg_session *session, const struct layer *layer, uint64_t input,
                 struct hg_task *task)
{
    const uint64_t inputs[] = {input, layer->operand};
    const struct hg_execute_request request = {
        .op = layer->op,
        .op_length = strlen(layer->op),
        .inputs = inputs,
        .input_count = layer->operand == 0 ? 1 : 2,
        .outputs = &layer->output,
        .output_count = 1,
    };
    require(hg_session_execute_wait(session, &request, task), &task->error);
}

/* What one repeat of the loop came to. */
struct loop {
    double us_per_call;
    double hit_rate;
};

/* Position in the rings; goes on from loop to loop, so that no buffer comes back too soon. */
static uint64_t turn;

static struct loop run_loop(struct hg_session *session, double hit_rate)
{
    struct hg_task task = {.allow_inline = true};
    double owed = 0; /* misses that are due */
    uint64_t hits = 0;
    uint64_t start_ns = bench_now_ns();
    for (unsigned pass = 0; pass < PASSES; pass++) {
        for (size_t i = 0; i < LAYERS; i++) {
            uint64_t offset = 0; /* the first of each ring is always in the cache */
            owed += 1 - hit_rate;
            if (owed >= 1) {
                owed -= 1;
                offset = 1 + turn++ % (RING - 1);
            }
            call(session, &layers[i], layers[i].ring + offset, &task);
            hits += task.outcome == HG_CACHE_HIT;
        }
    }
    uint64_t ns = bench_now_ns() - start_ns;
    return (struct loop){
        .us_per_call = (double)ns / 1e3 / (double)(PASSES * LAYERS),
        .hit_rate = (double)hits / (double)(PASSES * LAYERS),
    };
}

/* Measures every rate in turn, several times over. The first is 0, the last 1. */
static void measure(struct hg_session *session, const double *rates, size_t rate_count)
{
    static double us[8][REPEATS];
    static double seen[8][REPEATS];
    for (size_t repeat = 0; repeat < REPEATS; repeat++) {
        for (size_t i = 0; i < rate_count; i++) {
            (void)run_loop(session, 1); /* what shall hit is in the cache */
            struct loop loop = run_loop(session, rates[i]);
            us[i][repeat] = loop.us_per_call;
            seen[i][repeat] = loop.hit_rate;
        }
    }
    double all_miss = bench_median(us[0], REPEATS);
    double all_hit = bench_median(us[rate_count - 1], REPEATS);
    bench_plain("call, all misses", all_miss, "us");
    bench_plain("call, all hits", all_hit, "us");
    for (size_t i = 1; i + 1 < rate_count; i++) {
        char name[64];
        double value = bench_median(us[i], REPEATS);
        double percent = 100 * bench_median(seen[i], REPEATS);
        (void)snprintf(name, sizeof name, "%.0f %% hits beside all misses", percent);
        bench_row(name, value, "us", all_miss, value / all_miss);
        (void)snprintf(name, sizeof name, "%.0f %% hits beside all hits", percent);
        bench_row(name, value, "us", all_hit, value / all_hit);
    }
}

/* What a hit costs by itself, and what a build does: from the tasks' own clocks. */
static void measure_lookups(struct hg_engine *engine, struct hg_session *session)
{
    enum { CALLS = 2000 };
    static double lookups[CALLS];
    static double builds[CALLS];
    struct hg_task task = {.allow_inline = true, .wants_times = true};
    for (size_t i = 0; i < CALLS; i++) {
        hg_engine_cache_flush(engine);
        call(session, &layers[2], layers[2].ring, &task);
        builds[i] = (double)task.build_ns;
        call(session, &layers[2], layers[2].ring, &task);
        lookups[i] = (double)task.lookup_ns;
    }
    bench_plain("lookup of a hit, with a clock read", bench_median(lookups, CALLS), "ns");
    bench_plain("build of relu's program, with a clock read", bench_median(builds, CALLS), "ns");
}

static void measure_network(void)
{
    static const double rates[] = {0, 0.10, 0.50, 0.90, 0.99, 1};
    struct hg_error error = HG_ERROR_INIT;
    struct hg_engine_options options;
    struct hg_session_options session_options;
    struct hg_engine *engine = NULL;
    struct hg_session *session = NULL;

    hg_engine_options_init(&options);
    options.workers = 1;
    options.specialize_full = true;
    options.cache_entries_max = CACHE_ENTRIES;
    options.inline_max_ns = 1000000;
    require(hg_engine_create(&options, &engine, &error), &error);
    hg_session_options_init(&session_options);
    session_options.buffers_max = 3 * RING + 100;
    require(hg_session_create(engine, &session_options, &session, &error), &error);
    alloc_network(session);
    measure(session, rates, HG_ARRAY_COUNT(rates));
    measure_lookups(engine, session);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    struct bench_cache_costs costs;
    bench_begin("cache");
    bench_cache_hits(&costs);
    bench_cache_guard();
    bench_cache_cold(&costs);
    bench_cache_onednn(&costs);
    measure_network();
    bench_cache_scenarios();
    bench_cache_daemon();
    bench_cache_traces();
    return bench_end();
}
