/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations in process, through the engine on the calling thread, beside plain C loops over the
 * same buffers. The loops are what a programmer would write and this compiler vectorises for the
 * baseline CPU; for memory-bound sizes they are the machine's floor.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/engine/engine.h"
#include "tests/bench/bench.h"

#define REPEATS 15

typedef void loop_fn(const float *a, const float *b, float *c, size_t n);

__attribute__((target_clones("default", "avx2", "avx512f"))) static void
plain_add(const float *a, const float *b, float *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c[i] = a[i] + b[i];
    }
}

__attribute__((target_clones("default", "avx2", "avx512f"))) static void
plain_relu(const float *a, const float *b, float *c, size_t n)
{
    (void)b;
    for (size_t i = 0; i < n; i++) {
        c[i] = a[i] > 0 ? a[i] : 0;
    }
}

/* libm, one element at a time: what the loop costs without a vector library. */
static void plain_gelu(const float *a, const float *b, float *c, size_t n)
{
    (void)b;
    for (size_t i = 0; i < n; i++) {
        float x = a[i];
        c[i] = 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    }
}

static void plain_copy(const float *a, const float *b, float *c, size_t n)
{
    (void)b;
    memcpy(c, a, n * sizeof *c);
}

static void plain_softmax(const float *a, const float *b, float *c, size_t n)
{
    (void)b;
    float most = a[0];
    float sum = 0;
    for (size_t i = 1; i < n; i++) {
        most = a[i] > most ? a[i] : most;
    }
    for (size_t i = 0; i < n; i++) {
        c[i] = expf(a[i] - most);
        sum += c[i];
    }
    for (size_t i = 0; i < n; i++) {
        c[i] /= sum;
    }
}

static const struct {
    const char *op;
    uint32_t inputs;
    loop_fn *loop;
} subjects[] = {
    {"vector_add", 2, plain_add}, {"relu", 1, plain_relu},       {"copy", 1, plain_copy},
    {"gelu", 1, plain_gelu},      {"softmax", 1, plain_softmax},
};

static const size_t sizes[] = {256, 3072, 100000, 4u << 20};

static void require_ok(enum hg_status status, const struct hg_error *error)
{
    if (status != HG_OK) {
        fprintf(stderr, "bench: %s: %s\n", hg_status_name(status), error->message);
        exit(1);
    }
}

static struct hg_session *open_session(struct hg_engine **engine)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_engine_options options;
    hg_engine_options_init(&options);
    options.workers = 1;
    options.inline_max_ns = 100000000; /* one thread, the calling one */
    require_ok(hg_engine_create(&options, engine, &error), &error);
    struct hg_session_options limits;
    hg_session_options_init(&limits);
    struct hg_session *session;
    require_ok(hg_session_create(*engine, &limits, &session, &error), &error);
    return session;
}

static void allocate(struct hg_session *session, uint64_t id, size_t n)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 1, .shape = {n}, .pool = HG_POOL_HEAP};
    require_ok(hg_session_alloc(session, id, &spec, NULL, &error), &error);
}

static void run_once(struct hg_session *session, size_t subject)
{
    const uint64_t inputs[] = {1, 2};
    const uint64_t outputs[] = {3};
    struct hg_execute_request request = {
        .op = subjects[subject].op,
        .op_length = strlen(subjects[subject].op),
        .inputs = inputs,
        .input_count = subjects[subject].inputs,
        .outputs = outputs,
        .output_count = 1,
    };
    struct hg_task task = {.allow_inline = true};
    require_ok(hg_session_execute_wait(session, &request, &task), &task.error);
}

/* Microseconds per call of the subject (LOOP NULL) or of the loop over the same memory. */
static double time_calls(struct hg_session *session, size_t subject, loop_fn *loop,
                         float *const m[3], size_t n, size_t calls)
{
    uint64_t start = bench_now_ns();
    for (size_t call = 0; call < calls; call++) {
        if (loop != NULL) {
            loop(m[0], m[1], m[2], n);
            __asm__ volatile("" ::: "memory");
        } else {
            run_once(session, subject);
        }
    }
    return (double)(bench_now_ns() - start) / 1e3 / (double)calls;
}

static void measure(struct hg_session *session, size_t subject, size_t n)
{
    float *m[3];
    struct hg_error error = HG_ERROR_INIT;
    struct hg_view views[3];
    for (uint64_t id = 1; id <= 3; id++) {
        allocate(session, id, n);
        require_ok(
            hg_session_view(session, id, 0, n * sizeof(float), true, &views[id - 1], NULL, &error),
            &error);
        m[id - 1] = (float *)(void *)views[id - 1].data;
    }
    for (size_t i = 0; i < n; i++) {
        m[0][i] = (float)(i % 613) / 100.0f - 3.0f;
        m[1][i] = (float)(i % 509) / 50.0f - 5.0f;
    }
    for (int i = 0; i < 3; i++) {
        hg_view_release(&views[i]); /* the memory stays: the ids hold it */
    }
    double ours[REPEATS], theirs[REPEATS];
    size_t calls = n < 10000 ? 2000 : n < 1000000 ? 50 : 2;
    (void)time_calls(session, subject, NULL, m, n, 1);
    (void)time_calls(session, subject, subjects[subject].loop, m, n, 1);
    for (size_t repeat = 0; repeat < REPEATS; repeat++) {
        ours[repeat] = time_calls(session, subject, NULL, m, n, calls);
        theirs[repeat] = time_calls(session, subject, subjects[subject].loop, m, n, calls);
    }
    double value = bench_median(ours, REPEATS);
    double baseline = bench_median(theirs, REPEATS);
    char name[80];
    snprintf(name, sizeof name, "%s n=%zu vs plain C loop", subjects[subject].op, n);
    bench_row(name, value, "us", baseline, value / baseline);
    for (uint64_t id = 1; id <= 3; id++) {
        require_ok(hg_session_free(session, id, &error), &error);
    }
}

int main(void)
{
    struct hg_engine *engine;
    struct hg_session *session = open_session(&engine);
    bench_begin("kernels");
    bench_floors();
    printf("kernels in use: %s\n", hg_exec_isa_level());
    for (size_t subject = 0; subject < HG_ARRAY_COUNT(subjects); subject++) {
        for (size_t size = 0; size < HG_ARRAY_COUNT(sizes); size++) {
            measure(session, subject, sizes[size]);
        }
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
    return bench_end();
}
