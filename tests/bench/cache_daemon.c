/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seed's scenarios through a real daemon, a hundred calls in each batch, one batch after the
 * other. In the third, programs miss as the seed's would: the daemon runs with specialize = full,
 * where a program bakes its operands' handles, and calls write to buffers that take turns and are
 * more than there is room for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hologram/hologram.h>

#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"
#include "tests/bench/cache_scenarios.h"
#include "tests/bench/peers.h"

enum { BATCH = 100, REPEATS = 9, RING = 1000 };

static hologram_client *client;
static hologram_buffer buffers[SCENARIO_BUFFERS];
static hologram_buffer ring[RING];

static void check(hologram_status status)
{
    if (status != HOLOGRAM_OK) {
        (void)fprintf(stderr, "bench_cache: %s: %s\n", hologram_status_name(status),
                      hologram_last_error(client)->message);
        exit(1);
    }
}

static void connect_to(const char *path)
{
    const hologram_options options = {.socket_path = path};
    hologram_error error;
    if (hologram_connect(&options, &client, &error) != HOLOGRAM_OK) {
        (void)fprintf(stderr, "bench_cache: %s\n", error.message);
        exit(1);
    }
}

static void alloc(hologram_buffer *buffer, hologram_pool pool)
{
    const hologram_buffer_spec spec = {
        .dtype = HOLOGRAM_F32, .rank = 1, .shape = {SCENARIO_ELEMENTS}, .pool = pool};
    check(hologram_alloc(client, &spec, buffer, NULL));
}

static void add_step(hologram_batch *batch, const struct scenario_step *step)
{
    const struct hg_op *op = hg_op_info(step->op);
    const hologram_buffer inputs[] = {buffers[step->inputs[0]], buffers[step->inputs[1]]};
    const char *names[2] = {NULL, NULL};
    float values[2] = {0, 0};
    hologram_attribute attributes[2];
    const uint32_t count = scenario_attributes(step->op, names, values);
    for (uint32_t i = 0; i < count; i++) {
        attributes[i] = (hologram_attribute){.name = names[i]};
        memcpy(&attributes[i].bits, &values[i], sizeof values[i]);
    }
    const hologram_call call = {
        .op = op->name,
        .inputs = inputs,
        .input_count = op->inputs,
        .outputs = &buffers[step->output],
        .output_count = 1,
        .attributes = attributes,
        .attribute_count = count,
    };
    check(hologram_batch_execute(batch, &call));
}

/* ---- scenarios 1 and 2 ----------------------------------------------------------------------- */

static void measure(const char *name, hologram_batch *batch, unsigned rounds, double seed_ms)
{
    double ms[REPEATS];
    for (unsigned i = 0; i < REPEATS; i++) {
        uint64_t start_ns = bench_now_ns();
        for (unsigned round = 0; round < rounds; round++) {
            check(hologram_batch_run(batch, NULL));
        }
        ms[i] = (double)(bench_now_ns() - start_ns) / 1e6;
    }
    char label[80];
    double median = bench_median(ms, REPEATS);
    (void)snprintf(label, sizeof label, "%s by the daemon / the seed's figure", name);
    bench_row(label, median, "ms", seed_ms, median / seed_ms);
}

static void measure_fixed(void)
{
    hologram_batch *network;
    hologram_batch *adds;
    const struct scenario_step add = {HG_OP_ID_VECTOR_ADD, {0, 1}, SCENARIO_BUFFERS / 2};
    for (unsigned i = 0; i < SCENARIO_BUFFERS; i++) {
        alloc(&buffers[i], HOLOGRAM_POOL_BOUNDARY);
    }
    check(hologram_batch_new(client, &network));
    check(hologram_batch_new(client, &adds));
    for (unsigned i = 0; i < SCENARIO_STEPS; i++) {
        const struct scenario_step step = scenario_step(i);
        add_step(network, &step);
        add_step(adds, &add);
    }
    measure("scenario 1", network, SCENARIO_ROUNDS, SEED_MS_1);
    measure("scenario 2", adds, SCENARIO_CALLS / SCENARIO_STEPS, SEED_MS_2);
    hologram_batch_free(&network);
    hologram_batch_free(&adds);
}

/* ---- scenario 3 ------------------------------------------------------------------------------ */

/* Microseconds of a call in one batch, of which the share HIT_RATE hits. */
static double run_batch(hologram_batch *batch, double hit_rate)
{
    static unsigned turn;
    double owed = 0; /* misses that are due */
    hologram_batch_clear(batch);
    for (unsigned i = 0; i < BATCH; i++) {
        unsigned index = 0; /* always in the cache */
        owed += 1 - hit_rate;
        if (owed >= 1) {
            owed -= 1;
            index = 1 + turn++ % (RING - 1);
        }
        const hologram_call call = {
            .op = "vector_add",
            .inputs = buffers,
            .input_count = 2,
            .outputs = &ring[index],
            .output_count = 1,
        };
        check(hologram_batch_execute(batch, &call));
    }
    uint64_t start_ns = bench_now_ns();
    check(hologram_batch_run(batch, NULL));
    return (double)(bench_now_ns() - start_ns) / 1e3 / BATCH;
}

static void measure_rates(void)
{
    enum { RATES = 6, BATCHES = 401 };
    static const double rates[RATES] = {0, 0.10, 0.50, 0.90, 0.99, 1};
    static double us[RATES][BATCHES];
    double medians[RATES];
    hologram_batch *batch;
    for (unsigned i = 0; i < 2; i++) {
        alloc(&buffers[i], HOLOGRAM_POOL_HEAP);
    }
    for (unsigned i = 0; i < RING; i++) {
        alloc(&ring[i], HOLOGRAM_POOL_HEAP);
    }
    check(hologram_batch_new(client, &batch));
    for (unsigned i = 0; i < BATCHES; i++) {
        for (unsigned rate = 0; rate < RATES; rate++) {
            us[rate][i] = run_batch(batch, rates[rate]);
        }
    }
    hologram_batch_free(&batch);
    for (unsigned rate = 0; rate < RATES; rate++) {
        medians[rate] = bench_median(us[rate], BATCHES);
    }
    for (unsigned rate = 1; rate < RATES; rate++) {
        char label[80];
        (void)snprintf(label, sizeof label, "scenario 3 by the daemon, %.0f %% hits / all misses",
                       100 * rates[rate]);
        bench_row(label, medians[rate], "us", medians[0], medians[rate] / medians[0]);
    }
}

/* ---- daemons --------------------------------------------------------------------------------- */

static void with_daemon(const char *const *options, void measure_all(void))
{
    char directory[] = "/tmp/hologram-bench-XXXXXX";
    char path[sizeof directory + 16];
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        exit(1);
    }
    (void)snprintf(path, sizeof path, "%s/s", directory);
    pid_t process = daemon_start_with(path, "", options);
    connect_to(path);
    measure_all();
    hologram_close(&client);
    daemon_stop(process);
    (void)snprintf(path, sizeof path, "%s/s.lock", directory);
    (void)unlink(path);
    (void)rmdir(directory);
}

void bench_cache_daemon(void)
{
    static const char *const usual[] = {NULL};
    static const char *const forgetful[] = {"cache.specialize=full", "cache.entries_max=256", NULL};
    with_daemon(usual, measure_fixed);
    with_daemon(forgetful, measure_rates);
}
