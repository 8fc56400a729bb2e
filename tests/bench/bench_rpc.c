/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests through a real daemon, by way of libhologram, beside a libuv echo and a raw socket that
 * move the same bytes. Whether the two cores sleep between messages decides every small figure on a
 * virtual machine, so subject and peers alternate in short rounds and the medians are over all
 * rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hologram/hologram.h>

#include "proto/hologram/v1/hologram.pb-c.h"
#include "tests/bench/bench.h"
#include "tests/bench/grpc_rows.h"
#include "tests/bench/peers.h"

#define ROUNDS       15
#define TRIPS        1000 /* single requests a round */
#define FLIGHTS      100  /* pipelined flights a round */
#define WINDOW       64
#define BATCHES      50
#define BATCH_STEPS  100
#define ELEMENTS     256
#define FRAME_HEADER 24

struct subjects {
    hologram_client *client;
    hologram_buffer a, b, c;
    hologram_batch *batch;
    struct peer uv;
    struct peer raw;
    struct peer singly;
    pid_t daemon;
    struct peer_sizes sizes;
};

static void check(const struct subjects *subjects, hologram_status status)
{
    if (status != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s: %s\n", hologram_status_name(status),
                hologram_last_error(subjects->client)->message);
        exit(1);
    }
}

/* The bytes of a vector_add and of its answer, as protobuf packs them, with the frame's header. */
static struct peer_sizes wire_sizes(void)
{
    char op[] = "vector_add";
    char outcome[] = "hit";
    uint64_t inputs[] = {1, 2};
    uint64_t outputs[] = {3};
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    execute.op = op;
    execute.n_inputs = 2;
    execute.inputs = inputs;
    execute.n_outputs = 1;
    execute.outputs = outputs;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    request.id = 1000;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_EXECUTE;
    request.execute = &execute;
    Hologram__V1__ExecuteResult result = HOLOGRAM__V1__EXECUTE_RESULT__INIT;
    result.cache = op;
    result.outcome = outcome;
    result.lookup_ns = 200;
    result.run_ns = 200;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = 1000;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
    response.execute = &result;
    return (struct peer_sizes){
        .request = FRAME_HEADER + hologram__v1__request__get_packed_size(&request),
        .response = FRAME_HEADER + hologram__v1__response__get_packed_size(&response),
    };
}

static void trip_uv(struct subjects *subjects)
{
    peer_exchange(&subjects->uv, subjects->sizes, 1);
}

static void trip_raw(struct subjects *subjects)
{
    peer_exchange(&subjects->raw, subjects->sizes, 1);
}

static void trip_ping(struct subjects *subjects)
{
    check(subjects, hologram_ping(subjects->client));
}

static void trip_add(struct subjects *subjects)
{
    check(subjects,
          hologram_vector_add(subjects->client, subjects->a, subjects->b, subjects->c, ELEMENTS));
}

static void flight_raw(struct subjects *subjects)
{
    peer_exchange(&subjects->raw, subjects->sizes, WINDOW);
}

static void flight_singly(struct subjects *subjects)
{
    peer_exchange_singly(&subjects->singly, subjects->sizes, WINDOW);
}

static void flight_add(struct subjects *subjects)
{
    const hologram_buffer inputs[] = {subjects->a, subjects->b};
    const hologram_call call = {.op = "vector_add",
                                .inputs = inputs,
                                .input_count = 2,
                                .outputs = &subjects->c,
                                .output_count = 1};
    for (int i = 0; i < WINDOW; i++) {
        check(subjects, hologram_submit_execute(subjects->client, &call, NULL, NULL));
    }
    check(subjects, hologram_wait_all(subjects->client));
}

static void batch_add(struct subjects *subjects)
{
    check(subjects, hologram_batch_run(subjects->batch, NULL));
}

typedef void act_fn(struct subjects *subjects);

/* Quantile FRACTION in microseconds of COUNT calls of ACT, each timed alone. */
static void time_trips(struct subjects *subjects, act_fn *act, double *p50, double *p99)
{
    static double times[TRIPS];
    for (int i = 0; i < TRIPS; i++) {
        uint64_t start = bench_now_ns();
        act(subjects);
        times[i] = (double)(bench_now_ns() - start) / 1e3;
    }
    *p50 = bench_quantile(times, TRIPS, 0.5);
    *p99 = bench_quantile(times, TRIPS, 0.99);
}

/* Operations per second of COUNT calls of ACT that do OPS each. */
static double time_rate(struct subjects *subjects, act_fn *act, int count, int ops)
{
    uint64_t start = bench_now_ns();
    for (int i = 0; i < count; i++) {
        act(subjects);
    }
    return (double)count * ops / ((double)(bench_now_ns() - start) / 1e9);
}

static void measure_trips(struct subjects *subjects)
{
    static const struct {
        const char *name;
        act_fn *act;
    } kinds[] = {
        {"libuv echo", trip_uv},
        {"raw socket", trip_raw},
        {"native ping", trip_ping},
        {"native vector_add(256)", trip_add},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    static double p50[KINDS][ROUNDS], p99[KINDS][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int kind = 0; kind < KINDS; kind++) {
            time_trips(subjects, kinds[kind].act, &p50[kind][round], &p99[kind][round]);
        }
    }
    double echo50 = bench_median(p50[0], ROUNDS);
    double echo99 = bench_median(p99[0], ROUNDS);
    bench_plain("libuv echo p50", echo50, "us");
    for (int kind = 1; kind < KINDS; kind++) {
        char name[80];
        double value = bench_median(p50[kind], ROUNDS);
        snprintf(name, sizeof name, "%s p50", kinds[kind].name);
        bench_row(name, value, "us", echo50, value / echo50);
        value = bench_median(p99[kind], ROUNDS);
        snprintf(name, sizeof name, "%s p99", kinds[kind].name);
        bench_row(name, value, "us", echo99, value / echo99);
    }
}

/* Ways to keep many operations under way, and what each costs. */
enum rate { RATE_RAW, RATE_SINGLY, RATE_PIPELINED, RATE_BATCHED, RATES };

static const struct {
    const char *name;
    act_fn *act;
    int count;
    int ops;
} rate_kinds[RATES] = {
    [RATE_RAW] = {"raw socket pipelined 64", flight_raw, FLIGHTS, WINDOW},
    [RATE_SINGLY] = {"raw socket pipelined 64, one send a message", flight_singly, FLIGHTS, WINDOW},
    [RATE_PIPELINED] = {"native pipelined 64", flight_add, FLIGHTS, WINDOW},
    [RATE_BATCHED] = {"native batch 100", batch_add, BATCHES, BATCH_STEPS},
};

/* CPU time of the client and of the daemon, in nanoseconds. */
struct cpu {
    double client;
    double daemon;
};

static struct cpu cpu_now(const struct subjects *subjects)
{
    return (struct cpu){(double)process_cpu_ns(getpid()), (double)process_cpu_ns(subjects->daemon)};
}

static void print_cpu(const char *name, double *client_ns, double *daemon_ns)
{
    char row[80];
    snprintf(row, sizeof row, "%s, client CPU per op", name);
    bench_plain(row, bench_median(client_ns, ROUNDS), "ns");
    snprintf(row, sizeof row, "%s, daemon CPU per op", name);
    bench_plain(row, bench_median(daemon_ns, ROUNDS), "ns");
}

static void measure_rates(struct subjects *subjects)
{
    static double rates[RATES][ROUNDS], client_ns[RATES][ROUNDS], daemon_ns[RATES][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int kind = 0; kind < RATES; kind++) {
            const double ops = (double)rate_kinds[kind].count * rate_kinds[kind].ops;
            struct cpu before = cpu_now(subjects);
            rates[kind][round] = time_rate(subjects, rate_kinds[kind].act, rate_kinds[kind].count,
                                           rate_kinds[kind].ops);
            struct cpu after = cpu_now(subjects);
            client_ns[kind][round] = (after.client - before.client) / ops;
            daemon_ns[kind][round] = (after.daemon - before.daemon) / ops;
        }
    }
    double floor = bench_median(rates[RATE_RAW], ROUNDS);
    double singly = bench_median(rates[RATE_SINGLY], ROUNDS);
    double pipelined = bench_median(rates[RATE_PIPELINED], ROUNDS);
    bench_plain(rate_kinds[RATE_RAW].name, floor, "ops/s");
    bench_plain(rate_kinds[RATE_SINGLY].name, singly, "ops/s");
    bench_row(rate_kinds[RATE_PIPELINED].name, pipelined, "ops/s", floor, floor / pipelined);
    bench_row("native pipelined 64 vs one send a message", pipelined, "ops/s", singly,
              singly / pipelined);
    double batched = bench_median(rates[RATE_BATCHED], ROUNDS);
    bench_row(rate_kinds[RATE_BATCHED].name, batched, "ops/s", floor, floor / batched);
    for (int kind = RATE_PIPELINED; kind < RATES; kind++) {
        print_cpu(rate_kinds[kind].name, client_ns[kind], daemon_ns[kind]);
    }
}

static void prepare(struct subjects *subjects)
{
    static float zeros[ELEMENTS];
    hologram_client *client = subjects->client;
    check(subjects, hologram_from_memory(client, HOLOGRAM_F32, zeros, ELEMENTS, &subjects->a));
    check(subjects, hologram_from_memory(client, HOLOGRAM_F32, zeros, ELEMENTS, &subjects->b));
    check(subjects, hologram_alloc_vector(client, HOLOGRAM_F32, ELEMENTS, &subjects->c));
    check(subjects, hologram_batch_new(client, &subjects->batch));
    const hologram_buffer inputs[] = {subjects->a, subjects->b};
    const hologram_call call = {.op = "vector_add",
                                .inputs = inputs,
                                .input_count = 2,
                                .outputs = &subjects->c,
                                .output_count = 1};
    for (int i = 0; i < BATCH_STEPS; i++) {
        check(subjects, hologram_batch_execute(subjects->batch, &call));
    }
}

int main(void)
{
    char directory[] = "/tmp/hologram-bench-XXXXXX";
    char daemon_path[64], echo_path[64];
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        return 1;
    }
    snprintf(daemon_path, sizeof daemon_path, "%s/hologram.sock", directory);
    snprintf(echo_path, sizeof echo_path, "%s/echo.sock", directory);

    struct subjects subjects = {.sizes = wire_sizes()};
    bench_begin("rpc");
    bench_floors();
    printf("request %zu bytes, response %zu bytes\n", subjects.sizes.request,
           subjects.sizes.response);
    subjects.uv = peer_start_uv_echo(echo_path, subjects.sizes);
    subjects.raw = peer_start_raw(subjects.sizes);
    subjects.singly = peer_start_raw_singly(subjects.sizes);
    subjects.daemon = daemon_start(daemon_path);
    hologram_error error;
    const hologram_options options = {.socket_path = daemon_path};
    if (hologram_connect(&options, &subjects.client, &error) != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s\n", error.message);
        return 1;
    }
    prepare(&subjects);
    measure_trips(&subjects);
    measure_rates(&subjects);
    measure_grpc(directory, daemon_path);

    hologram_batch_free(&subjects.batch);
    hologram_close(&subjects.client);
    daemon_stop(subjects.daemon);
    peer_stop(&subjects.uv);
    peer_stop(&subjects.raw);
    peer_stop(&subjects.singly);
    unlink(daemon_path);
    unlink(echo_path);
    rmdir(directory);
    return bench_end();
}
