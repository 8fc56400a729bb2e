/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our side of the contest: planning, the cache and the executor, as the engine uses them, without
 * its sessions. With two threads the parts of a run are shared with a worker, as the engine shares
 * what its caller waits for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/cache/cache.h"
#include "lib/exec/exec.h"
#include "lib/exec/panels.h"
#include "lib/native/native.h"
#include "lib/ops/ops.h"
#include "lib/sched/sched.h"
#include "tests/bench/bench.h"
#include "tests/bench/gemm_subjects.h"

#define SPIN_US 50 /* the engine's default */

static struct {
    struct hg_cache *cache;
    struct hg_op_call call;
    struct hg_plan plan;
    struct hg_launch launch;
    struct hg_program *program;  /* of the case at hand */
    bool is_direct;              /* its launch needs no checks */
    struct hg_native_code *code; /* where one function does all of it: called without a launch */
    struct hg_native_frame frame;
    struct hg_panels panels; /* of a constant operand */
    unsigned threads;
    struct hg_sched *sched;
} ours;

static void require_ok(enum hg_status status, const struct hg_error *error)
{
    if (status != HG_OK) {
        (void)fprintf(stderr, "bench: %s: %s\n", hg_status_name(status), error->message);
        exit(1);
    }
}

/* ---- two threads ----------------------------------------------------------------------------- */

struct shared_run {
    struct hg_job job; /* first: the scheduler gives this pointer back */
    struct hg_run *run;
};

static void run_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)worker;
    hg_run_part(((struct shared_run *)job)->run, part);
}

/* As the engine runs what its caller waits for: with a worker's help where that pays. */
static void launch_shared(void)
{
    struct hg_error error = HG_ERROR_INIT;
    const uint64_t estimate_ns = hg_exec_estimate_ns(ours.launch.program, ours.launch.params);
    if (!hg_sched_is_worth_sharing(ours.sched, estimate_ns)) {
        require_ok(hg_exec_launch(&ours.launch, &error), &error);
        return;
    }
    struct shared_run shared = {.job.run_part = run_part};
    require_ok(hg_run_begin(&ours.launch, &shared.run, &error), &error);
    do {
        shared.job.parts = hg_run_parts(shared.run, ours.threads);
        hg_sched_share(ours.sched, &shared.job);
    } while (hg_run_advance(shared.run));
    require_ok(hg_run_finish(&shared.run, &error), &error);
}

/* ---- the case -------------------------------------------------------------------------------- */

static void forget_code(void)
{
    if (ours.code != NULL) {
        hg_native_destroy(&ours.code);
    }
}

static void forget_panels(void)
{
    free((void *)(uintptr_t)ours.panels.data);
    ours.panels.data = NULL;
}

void gemm_ours_start(void)
{
    struct hg_error error = HG_ERROR_INIT;
    const struct hg_cache_options options = {
        .region_count = HG_CACHE_COUNT, .entries_max = 4096, .bytes_max = 1u << 30};
    require_ok(hg_cache_create(&options, &ours.cache, &error), &error);
    const struct hg_sched_options pool = {.workers = 2, .queue_depth = 1, .spin_us = SPIN_US};
    require_ok(hg_sched_create(&pool, &ours.sched, &error), &error);
}

void gemm_ours_stop(void)
{
    hg_sched_destroy(&ours.sched);
    forget_code();
    forget_panels();
    hg_cache_destroy(&ours.cache);
    hg_exec_release_cached();
}

static void add_operand(void *base, int rows, int cols)
{
    struct hg_op_operand *operand = &ours.call.operands[ours.call.operand_count++];
    *operand = (struct hg_op_operand){.type = HG_F32,
                                      .rank = rows > 0 ? 2 : 1,
                                      .elements = (uint64_t)(rows > 0 ? rows : 1) * (uint64_t)cols,
                                      .base = base,
                                      .boundary_class = -1};
    operand->shape[0] = (uint64_t)(rows > 0 ? rows : cols);
    operand->shape[1] = (uint64_t)cols;
}

static enum hg_status build(const struct hg_key *key, void *context, struct hg_program **program,
                            struct hg_error *error)
{
    (void)context;
    return hg_op_build(key, program, error);
}

/* A caller that makes many calls has one of these: filling it takes longer than a lookup. */
static struct hg_error error = HG_ERROR_INIT;

static struct hg_cache_loan look_up(void)
{
    struct hg_cache_loan loan;
    require_ok(
        hg_cache_borrow(ours.cache, &ours.plan.steps[0].key, build, NULL, &loan, NULL, &error),
        &error);
    return loan;
}

static void plan(void)
{
    require_ok(hg_op_plan(&ours.call, &ours.plan, &error), &error);
    HG_REQUIRE(ours.plan.step_count == 1);
}

static void bind_launch(void)
{
    const struct hg_plan_step *step = &ours.plan.steps[0];
    ours.launch = (struct hg_launch){
        .operand_count = step->operand_count, .first_class = -1, .executor = HG_EXECUTOR_NATIVE};
    memcpy(ours.launch.params, step->params, sizeof step->params);
    for (unsigned i = 0; i < step->operand_count; i++) {
        const struct hg_op_operand *operand = &ours.call.operands[step->operand[i]];
        ours.launch.operands[i] = (struct hg_operand){.base = (void *)(uintptr_t)operand->base,
                                                      .bytes = operand->elements * sizeof(float),
                                                      .writable = step->writes[i]};
    }
}

static void find_code(void)
{
    forget_code();
    struct hg_native_code *code = NULL;
    if (!hg_native_available() || ours.threads > 1 ||
        hg_native_compile(ours.program, hg_native_level(), HG_FP_IEEE, &code) != HG_OK ||
        code == NULL) {
        return;
    }
    ours.code = code;
    if (code->region_count != 1 || code->regions[0].product != HG_NATIVE_WHOLE) {
        forget_code();
        return;
    }
    ours.frame.params = ours.launch.params;
    for (unsigned i = 0; i < ours.launch.operand_count; i++) {
        ours.frame.base[i] = ours.launch.operands[i].base;
    }
}

static bool prepare(const char *op, unsigned threads)
{
    ours.threads = threads;
    ours.call.op = hg_op_find(op, strlen(op));
    if (ours.call.op == NULL) {
        return false;
    }
    ours.call.policy = (struct hg_op_policy){.fusion = true, .phi = true};
    plan();
    bind_launch();
    struct hg_cache_loan loan = look_up();
    hg_cache_hold(&loan);
    ours.launch.program = ours.program = loan.program;
    hg_cache_return(&loan); /* the cache keeps it: nothing is evicted here */
    ours.is_direct = threads == 1 && hg_exec_is_direct(&ours.launch);
    find_code();
    return true;
}

bool gemm_ours_prepare(const struct gemm_case *task, unsigned threads)
{
    memset(&ours.call, 0, sizeof ours.call);
    add_operand(task->a, task->m, task->k);
    add_operand(task->b, task->k, task->n);
    add_operand(task->c, task->m, task->n);
    return prepare("gemm", threads);
}

bool gemm_ours_linear_prepare(const struct gemm_case *task, unsigned threads)
{
    enum { RELU = 4 }; /* the attribute */
    memset(&ours.call, 0, sizeof ours.call);
    add_operand(task->a, task->m, task->k);
    add_operand(task->b, task->k, task->n);
    add_operand(task->bias, 0, task->n);
    add_operand(task->c, task->m, task->n);
    ours.call.attribute[RELU] = 1;
    ours.call.attributes_given = 1u << RELU;
    return prepare("linear", threads);
}

bool gemm_ours_constant_prepare(const struct gemm_case *task, unsigned threads)
{
    forget_panels();
    if (!gemm_ours_linear_prepare(task, threads)) {
        return false;
    }
    if (hg_panels_of(&ours.launch, &ours.panels.shape)) {
        const size_t bytes = (hg_panels_bytes(&ours.panels.shape) + 63) / 64 * 64;
        uint8_t *data = aligned_alloc(64, bytes);
        HG_REQUIRE(data != NULL);
        hg_panels_pack(&ours.panels.shape, task->b, data);
        ours.panels.data = data;
        ours.launch.panels = &ours.panels;
    }
    return true;
}

static void launch(void)
{
    if (ours.threads > 1) {
        launch_shared();
        return;
    }
    require_ok(hg_exec_launch(&ours.launch, &error), &error);
}

void gemm_ours_kernel(void)
{
    if (ours.code != NULL) {
        ours.code->regions[0].run(&ours.frame);
    } else {
        launch();
    }
}

/* The program by its key, and the launch without the checks that this one passed before, as the
 * engine repeats a call (which it does by a handle, for less). */
void gemm_ours_warm(void)
{
    struct hg_cache_loan loan = look_up();
    HG_REQUIRE(loan.program == ours.program); /* nothing is evicted here */
    if (ours.is_direct) {
        require_ok(hg_exec_launch_direct(&ours.launch, &error), &error);
    } else {
        launch();
    }
    hg_cache_return(&loan);
}

/* As the engine does it: which panels the launch would read is asked each time. */
void gemm_ours_constant_warm(void)
{
    struct hg_panels_shape shape;
    struct hg_cache_loan loan = look_up();
    ours.launch.program = loan.program;
    bool wants = hg_panels_of(&ours.launch, &shape);
    ours.launch.panels = wants && hg_panels_same(&shape, &ours.panels.shape) ? &ours.panels : NULL;
    launch();
    hg_cache_return(&loan);
}

void gemm_ours_call(void)
{
    plan();
    bind_launch();
    struct hg_cache_loan loan = look_up();
    ours.launch.program = loan.program;
    launch();
    hg_cache_return(&loan);
}

const char *gemm_ours_executor(void)
{
    return hg_executor_name(ours.launch.executor);
}
