/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/rpc_contest.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/peers.h"

/* The first acts of a slot find nothing in the core's caches: they count as work, not as times. */
#define WARM_UP 16

/* Times of acts, growing. */
struct samples {
    double *us;
    size_t count;
    size_t capacity;
};

static void *resize(void *memory, size_t count, size_t size)
{
    void *resized = reallocarray(memory, count, size);
    if (resized == NULL) {
        fprintf(stderr, "bench: out of memory for %zu times\n", count);
        exit(1);
    }
    return resized;
}

static void samples_add(struct samples *samples, const double *us, size_t count)
{
    if (samples->count + count > samples->capacity) {
        samples->capacity = 2 * (samples->count + count);
        samples->us = resize(samples->us, samples->capacity, sizeof *samples->us);
    }
    for (size_t i = 0; i < count; i++) {
        samples->us[samples->count++] = us[i];
    }
}

/* ---- one slot -------------------------------------------------------------------------------- */

/* One client in one slot. */
struct runner {
    pthread_t thread;
    pthread_barrier_t *start;
    contest_act_fn *act;
    void *connection;
    uint64_t slot_ns;
    uint64_t acts;
    struct samples samples;
};

static void run(struct runner *runner)
{
    uint64_t before = bench_now_ns();
    const uint64_t end = before + runner->slot_ns;
    runner->samples.count = 0;
    /* At least one act is timed, however slow they are. */
    for (runner->acts = 0; before < end || runner->acts <= WARM_UP; runner->acts++) {
        runner->act(runner->connection);
        const uint64_t after = bench_now_ns();
        const double us = (double)(after - before) / 1e3;
        if (runner->acts >= WARM_UP) {
            samples_add(&runner->samples, &us, 1);
        }
        before = after;
    }
}

static void *run_thread(void *context)
{
    struct runner *runner = context;
    pthread_barrier_wait(runner->start);
    run(runner);
    return NULL;
}

static void run_threads(struct runner *runners, unsigned clients)
{
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, clients);
    for (unsigned i = 0; i < clients; i++) {
        runners[i].start = &start;
        if (pthread_create(&runners[i].thread, NULL, run_thread, &runners[i]) != 0) {
            perror("bench: pthread_create");
            exit(1);
        }
    }
    for (unsigned i = 0; i < clients; i++) {
        pthread_join(runners[i].thread, NULL);
    }
    pthread_barrier_destroy(&start);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* What a subject's rounds gave. */
struct record {
    double *p50, *p99, *rate, *client_cpu, *server_cpu; /* by round */
    struct samples all;
};

static void run_slot(const struct contest_subject *subject, struct contest_plan plan,
                     struct runner *runners, unsigned round, struct record *record)
{
    for (unsigned i = 0; i < plan.clients; i++) {
        runners[i].act = subject->act;
        runners[i].connection = subject->connections[i];
        runners[i].slot_ns = (uint64_t)plan.slot_ms * 1000000u;
    }
    const uint64_t client_ns = process_cpu_ns(getpid());
    const uint64_t server_ns = process_cpu_ns(subject->server);
    const uint64_t start_ns = bench_now_ns();
    if (plan.clients == 1) {
        run(&runners[0]);
    } else {
        run_threads(runners, plan.clients);
    }
    const uint64_t elapsed_ns = bench_now_ns() - start_ns;
    const size_t from = record->all.count;
    double ops = 0;
    for (unsigned i = 0; i < plan.clients; i++) {
        ops += (double)runners[i].acts * subject->ops;
        samples_add(&record->all, runners[i].samples.us, runners[i].samples.count);
    }
    double *times = record->all.us + from;
    const size_t count = record->all.count - from;
    record->p50[round] = bench_quantile(times, count, 0.5);
    record->p99[round] = bench_quantile(times, count, 0.99);
    record->rate[round] = ops / ((double)elapsed_ns / 1e9);
    record->client_cpu[round] = (double)(process_cpu_ns(getpid()) - client_ns) / 1e3 / ops;
    record->server_cpu[round] = (double)(process_cpu_ns(subject->server) - server_ns) / 1e3 / ops;
}

static struct record record_new(unsigned rounds)
{
    struct record record = {0};
    double **columns[] = {&record.p50, &record.p99, &record.rate, &record.client_cpu,
                          &record.server_cpu};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        *columns[i] = resize(NULL, rounds, sizeof(double));
    }
    return record;
}

/* Medians of RECORD, which it frees. */
static struct contest_result record_end(struct record *record, unsigned rounds)
{
    const struct contest_result result = {
        .p50_us = bench_median(record->p50, rounds),
        .p99_us = bench_median(record->p99, rounds),
        .p999_us = bench_quantile(record->all.us, record->all.count, 0.999),
        .rate = bench_median(record->rate, rounds),
        .client_cpu_us = bench_median(record->client_cpu, rounds),
        .server_cpu_us = bench_median(record->server_cpu, rounds),
    };
    free(record->p50);
    free(record->p99);
    free(record->rate);
    free(record->client_cpu);
    free(record->server_cpu);
    free(record->all.us);
    return result;
}

void contest_run(const struct contest_subject *subjects, size_t count, struct contest_plan plan,
                 struct contest_result *results)
{
    static struct runner runners[CONTEST_CLIENTS_MAX];
    struct record *records = resize(NULL, count, sizeof *records);
    for (size_t i = 0; i < count; i++) {
        if (subjects[i].name != NULL) {
            records[i] = record_new(plan.rounds);
        }
    }
    for (unsigned round = 0; round < plan.rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            /* Each round begins elsewhere: nobody always follows the same one. */
            const size_t at = (i + round) % count;
            if (subjects[at].name != NULL) {
                run_slot(&subjects[at], plan, runners, round, &records[at]);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (subjects[i].name != NULL) {
            results[i] = record_end(&records[i], plan.rounds);
        }
    }
    free(records);
    for (unsigned i = 0; i < CONTEST_CLIENTS_MAX; i++) {
        free(runners[i].samples.us);
        runners[i].samples = (struct samples){0};
    }
}
