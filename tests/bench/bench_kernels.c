/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations in process, through the engine, beside plain C loops, gelu in intrinsics, oneDNN,
 * numpy, numexpr and torch; in turn, round by round: on one thread, ours the calling one, and on
 * two where the engine takes two. Our own time is taken twice in each round: the ratio of the two
 * ("vs itself") is the noise of the run. "launch" is the program's launch alone, without request,
 * session and cache, of a program and buffers that are bound already, as a repeated call's are:
 * which is what peers' kernels compare with. Then: what emitting the programs'
 * native code costs, and how large it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/engine/engine.h"
#include "lib/native/native.h"
#include "lib/ops/ops.h"
#include "tests/bench/bench.h"
#include "tests/bench/kernels_peers.h"
#include "tests/bench/python_peer.h"

#define ROUNDS 15

static const struct kernels_peer peers[] = {
    {"C loop", kernels_loop_start, kernels_loop_time},
    {"C intrinsics", kernels_fused_start, kernels_fused_time},
    {"oneDNN", kernels_onednn_start, kernels_onednn_time},
    {"numpy", kernels_python_start, kernels_python_time},
    {"numexpr", kernels_python_start, kernels_python_time},
    {"torch", kernels_python_start, kernels_python_time},
};
#define PEERS HG_ARRAY_COUNT(peers)

static const struct {
    const char *op;
    enum hg_op_id id;
    bool folds; /* to one element */
    bool is_loss;
} subjects[] = {
    {"vector_add", HG_OP_ID_VECTOR_ADD, false, false},
    {"relu", HG_OP_ID_RELU, false, false},
    {"gelu", HG_OP_ID_GELU, false, false},
    {"sigmoid", HG_OP_ID_SIGMOID, false, false},
    {"tanh", HG_OP_ID_TANH, false, false},
    {"softmax", HG_OP_ID_SOFTMAX, false, false},
    {"sum", HG_OP_ID_SUM, true, false},
    {"mse", HG_OP_ID_MSE, true, true},
    {"binary_cross_entropy", HG_OP_ID_BINARY_CROSS_ENTROPY, true, true},
};

static const size_t sizes[] = {256, 3072, 100000, 4000000};
#define TWO_THREADS_FROM 100000 /* below, the engine runs it on its caller's thread */

/* An engine, and who is there to stand beside it. */
struct contest {
    unsigned threads;
    struct hg_engine *engine;
    struct hg_session *session;
    bool here[PEERS];
};

static void require_ok(enum hg_status status, const struct hg_error *error)
{
    if (status != HG_OK) {
        fprintf(stderr, "bench: %s: %s\n", hg_status_name(status), error->message);
        exit(1);
    }
}

static void open_contest(struct contest *contest, unsigned threads)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_engine_options options;
    struct hg_session_options limits;
    contest->threads = threads;
    for (size_t peer = 0; peer < PEERS; peer++) { /* before there are threads: some are forked */
        contest->here[peer] = peers[peer].start(peers[peer].name, threads);
    }
    hg_engine_options_init(&options);
    options.workers = threads;
    if (threads == 1) {
        options.inline_max_ns = 100000000; /* one thread, the calling one */
    }
    require_ok(hg_engine_create(&options, &contest->engine, &error), &error);
    hg_session_options_init(&limits);
    require_ok(hg_session_create(contest->engine, &limits, &contest->session, &error), &error);
}

static void close_contest(struct contest *contest)
{
    hg_session_destroy(&contest->session);
    hg_engine_destroy(&contest->engine);
}

/* ---- ours ------------------------------------------------------------------------------------ */

/* A buffer and where it lies. */
static float *allocate(struct hg_session *session, uint64_t id, size_t n)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_view view;
    struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 1, .shape = {n}, .pool = HG_POOL_HEAP};
    require_ok(hg_session_alloc(session, id, &spec, NULL, &error), &error);
    require_ok(hg_session_view(session, id, 0, n * sizeof(float), true, &view, NULL, &error),
               &error);
    float *data = (float *)(void *)view.data;
    hg_view_release(&view); /* the memory stays: the id holds it */
    return data;
}

static double time_ours(const struct contest *contest, size_t subject, size_t calls)
{
    const uint64_t inputs[] = {1, 2};
    const uint64_t outputs[] = {3};
    const struct hg_op *op = hg_op_info(subjects[subject].id);
    struct hg_execute_request request = {
        .op = subjects[subject].op,
        .op_length = strlen(subjects[subject].op),
        .inputs = inputs,
        .input_count = op->inputs,
        .outputs = outputs,
        .output_count = 1,
    };
    uint64_t start_ns = kernels_now_ns(contest->threads);
    for (size_t call = 0; call < calls; call++) {
        struct hg_task task = {.allow_inline = true};
        require_ok(hg_session_execute_wait(contest->session, &request, &task), &task.error);
    }
    return (double)(kernels_now_ns(contest->threads) - start_ns) / (double)calls;
}

/* The program of an operation over N elements, and its launch without operands. */
static struct hg_program *program_of(enum hg_op_id id, uint64_t n, struct hg_launch *launch)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_op_call call = {.op = hg_op_info(id), .policy = {.fusion = true}};
    struct hg_plan plan;
    struct hg_program *program = NULL;
    call.operand_count = (uint8_t)(call.op->inputs + call.op->outputs);
    for (unsigned i = 0; i < call.operand_count; i++) {
        call.operands[i] = (struct hg_op_operand){
            .type = HG_F32,
            .rank = 1,
            .shape = {n},
            .elements = n,
            .base = (const void *)((uintptr_t)(i + 1) << 40), /* NOLINT: never dereferenced */
            .boundary_class = -1,
        };
    }
    require_ok(hg_op_plan(&call, &plan, &error), &error);
    require_ok(hg_op_build(&plan.steps[0].key, &program, &error), &error);
    *launch = (struct hg_launch){
        .program = program,
        .operand_count = call.operand_count,
        .first_class = -1,
        .executor = HG_EXECUTOR_NATIVE,
    };
    memcpy(launch->params, plan.steps[0].params, sizeof(launch->params));
    return program;
}

/* The launch alone: what is left of a call when its program is at hand. */
static double time_launch(const struct hg_launch *launch, size_t calls)
{
    struct hg_error error = HG_ERROR_INIT;
    const bool is_direct = hg_exec_is_direct(launch);
    uint64_t start_ns = bench_thread_ns();
    for (size_t call = 0; call < calls; call++) {
        require_ok(is_direct ? hg_exec_launch_direct(launch, &error)
                             : hg_exec_launch(launch, &error),
                   &error);
    }
    return (double)(bench_thread_ns() - start_ns) / (double)calls;
}

static void fill(size_t subject, float *a, float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        a[i] = subjects[subject].is_loss ? (float)(i % 613 + 1) / 640.0f
                                         : (float)(i % 613) / 100.0f - 3.0f;
        b[i] =
            subjects[subject].is_loss ? (float)(i % 509) / 508.0f : (float)(i % 509) / 50.0f - 5.0f;
    }
}

/* Some tenths of a millisecond, where that is one call or more: short beside a turn of the
 * system's scheduler, so that the work of others falls on few of the rounds. */
static size_t calls_of(size_t n)
{
    return n < 1000 ? 1000 : n < 10000 ? 200 : n < 1000000 ? 10 : 1;
}

/* Nanoseconds of a call, a round each. */
struct times {
    double ours[ROUNDS];
    double again[ROUNDS];
    double launch[ROUNDS];
    double theirs[PEERS][ROUNDS];
};

/* SUBJECT's rows; launches are their caller's thread's. */
static void print_rows(const struct contest *contest, const struct kernels_work *work,
                       struct times *times)
{
    const double ours = bench_median(times->ours, ROUNDS) / 1e3;
    const double again = bench_median(times->again, ROUNDS) / 1e3;
    const double launch = bench_median(times->launch, ROUNDS) / 1e3;
    char what[64];
    char name[96];
    snprintf(what, sizeof(what), "%s n=%zu%s", work->op, work->n,
             contest->threads == 1 ? "" : " 2 threads");
    snprintf(name, sizeof(name), "%s vs itself", what);
    bench_row(name, ours, "us", again, ours / again);
    for (size_t peer = 0; peer < PEERS; peer++) {
        const double theirs = bench_median(times->theirs[peer], ROUNDS) / 1e3;
        if (theirs <= 0) {
            continue;
        }
        snprintf(name, sizeof(name), "%s vs %s", what, peers[peer].name);
        bench_row(name, ours, "us", theirs, ours / theirs);
        if (contest->threads == 1) {
            snprintf(name, sizeof(name), "%s launch vs %s", what, peers[peer].name);
            bench_row(name, launch, "us", theirs, launch / theirs);
        }
    }
}

static void measure(const struct contest *contest, size_t subject, size_t n)
{
    struct times times;
    struct hg_session *session = contest->session;
    struct hg_error error = HG_ERROR_INIT;
    float *a = allocate(session, 1, n);
    float *b = allocate(session, 2, n);
    float *c = allocate(session, 3, subjects[subject].folds ? 1 : n);
    const struct kernels_work work = {subjects[subject].op, n, contest->threads, a, b, c};
    fill(subject, a, b, n);
    struct hg_launch launch;
    struct hg_program *program = program_of(subjects[subject].id, n, &launch);
    for (uint32_t i = 0; i < launch.operand_count; i++) {
        bool is_output = i + 1 == launch.operand_count;
        float *data = is_output ? c : i == 0 ? a : b;
        launch.operands[i] = (struct hg_operand){
            data, (is_output && subjects[subject].folds ? 1 : n) * sizeof(float), is_output};
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        /* Everybody once before the clock runs: what others left in the caches is not his. */
        (void)time_ours(contest, subject, 1);
        times.ours[round] = time_ours(contest, subject, calls_of(n));
        (void)time_launch(&launch, 1);
        times.launch[round] = time_launch(&launch, calls_of(n));
        for (size_t peer = 0; peer < PEERS; peer++) {
            const struct kernels_peer *who = &peers[peer];
            bool has_it = contest->here[peer] && who->time(who->name, &work, 1) >= 0;
            times.theirs[peer][round] = has_it ? who->time(who->name, &work, calls_of(n)) : -1;
        }
        (void)time_ours(contest, subject, 1);
        times.again[round] = time_ours(contest, subject, calls_of(n));
    }
    print_rows(contest, &work, &times);
    hg_program_unref(&program);
    for (uint64_t id = 1; id <= 3; id++) {
        require_ok(hg_session_free(session, id, &error), &error);
    }
}

/* ---- emission -------------------------------------------------------------------------------- */

/* The median of emitting code for both forms. */
static void measure_emission(size_t subject, enum hg_isa_level level)
{
    enum { TIMES = 501 };
    static double ns[TIMES];
    for (unsigned loop = 0; loop < 2; loop++) {
        struct hg_launch launch;
        struct hg_program *program =
            program_of(subjects[subject].id, loop == 0 ? 256 : 100000, &launch);
        uint64_t bytes = 0;
        for (size_t i = 0; i < TIMES; i++) {
            struct hg_native_code *code = NULL;
            uint64_t start_ns = bench_now_ns();
            enum hg_status status = hg_native_compile(program, level, HG_FP_IEEE, &code);
            ns[i] = (double)(bench_now_ns() - start_ns);
            if (status != HG_OK || code == NULL) {
                hg_program_unref(&program);
                return;
            }
            bytes = code->bytes;
            hg_native_destroy(&code);
        }
        char name[80];
        snprintf(name, sizeof(name), "emit %s%s, %s", subjects[subject].op,
                 loop == 0 ? "" : " loop", hg_isa_level_name(level));
        bench_plain(name, bench_median(ns, TIMES) / 1e3, "us");
        snprintf(name, sizeof(name), "code of %s%s, %s", subjects[subject].op,
                 loop == 0 ? "" : " loop", hg_isa_level_name(level));
        bench_plain(name, (double)bytes, "B");
        hg_program_unref(&program);
    }
}

int main(void)
{
    struct contest one;
    struct contest two;
    open_contest(&one, 1);
    open_contest(&two, 2);
    struct hg_engine_stats stats;
    hg_engine_stats(one.engine, &stats);
    bench_begin("kernels");
    bench_floors();
    printf("executor: %s, native code: %s; for Python: %s\n", stats.executor, stats.native,
           python_peer_settings());
    for (size_t subject = 0; subject < HG_ARRAY_COUNT(subjects); subject++) {
        for (size_t size = 0; size < HG_ARRAY_COUNT(sizes); size++) {
            measure(&one, subject, sizes[size]);
            if (sizes[size] >= TWO_THREADS_FROM) {
                measure(&two, subject, sizes[size]);
            }
        }
    }
    for (unsigned level = HG_ISA_AVX2; level <= hg_native_level(); level++) {
        for (size_t subject = 0; subject < HG_ARRAY_COUNT(subjects); subject++) {
            measure_emission(subject, (enum hg_isa_level)level);
        }
    }
    close_contest(&one);
    close_contest(&two);
    kernels_python_stop();
    return bench_end();
}
