/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared work, and the driver of what is queued; what runs on its caller's thread is in here.c.
 *
 * Queued:    submit ─► [zero] ─► per step: begin ─► parts … ─► advance ─► parts … ─► finish ─► end
 * Each arrow from a job's parts to what follows is the scheduler's `done`, on the worker that ran
 * the last part; it queues the next region in front of other work, so that begun work ends first.
 *
 * Whatever ends the work gives everything back first and calls the task's `done` last: from then on
 * nothing here is touched.
 */
#include "lib/engine/work.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

struct hg_work {
    struct hg_job job; /* first: the scheduler gives this pointer back */
    struct hg_prepared prepared;
    struct hg_run *run; /* of the current step; NULL while zeroing */
    uint32_t step;
    _Atomic uint64_t started_ns; /* relaxed: parts of the first job may start together */
    struct hg_launch launches[];
};

void hg_prepared_add_step(struct hg_prepared *prepared, struct hg_cache_loan loan,
                          struct hg_launch **launch)
{
    HG_REQUIRE(prepared->step_count < HG_PLAN_STEPS_MAX);
    const struct hg_engine *engine = prepared->engine;
    struct hg_launch *fresh = &prepared->launches[prepared->step_count];
    prepared->loans[prepared->step_count++] = loan;
    bool phi = (loan.program->facts.facts & HG_FACT_PHI) != 0;
    fresh->program = loan.program;
    fresh->operand_count = 0;
    fresh->boundary_base = phi ? engine->boundary_base : NULL;
    fresh->boundary_classes[0] = 0;
    fresh->boundary_classes[1] = 0;
    fresh->first_class = -1;
    fresh->fuel = 0;
    fresh->panels = NULL;
    fresh->deadline_ns = prepared->task->deadline_ns;
    fresh->cancelled = &prepared->task->cancelled;
    fresh->executor = engine->options.executor;
    fresh->fp_mode = engine->options.fp_mode;
    *launch = fresh;
}

enum hg_status hg_prepared_charge(struct hg_prepared *prepared, uint64_t bytes,
                                  struct hg_error *error)
{
    enum hg_status status = hg_account_charge(prepared->account, bytes, error);
    if (status == HG_OK) {
        prepared->charged_bytes += bytes;
    }
    return status;
}

void hg_prepared_take_panels(struct hg_prepared *prepared, struct hg_launch *launch)
{
    hg_packed_put_back(&prepared->packed);
    launch->panels = NULL;
    if (!prepared->claims.any_constant || (launch->program->facts.facts & HG_FACT_MMA) == 0) {
        return;
    }
    struct hg_panels_shape shape;
    struct hg_buffer *constant = hg_packed_find_operand(&prepared->claims, launch, &shape);
    if (constant != NULL) {
        prepared->packed = hg_packed_get(prepared->engine, constant, &shape);
    }
    if (prepared->packed != NULL) {
        launch->panels = hg_packed_panels(prepared->packed);
    }
}

void hg_prepared_return_loans(struct hg_prepared *prepared)
{
    hg_packed_put_back(&prepared->packed);
    for (uint32_t i = prepared->step_count; i-- > 0;) { /* the last one first */
        hg_cache_return(&prepared->loans[i]);
    }
    prepared->step_count = 0;
}

void hg_prepared_fini(struct hg_prepared *prepared)
{
    hg_prepared_return_loans(prepared);
    if (prepared->script != NULL) {
        prepared->script->end(prepared->script, prepared->task->error.status == HG_OK);
    }
    for (uint32_t i = 0; i < prepared->temp_count; i++) {
        hg_pool_release(prepared->engine->pool, &prepared->temps[i]);
    }
    if (prepared->charged_bytes > 0) {
        hg_account_refund(prepared->account, prepared->charged_bytes);
    }
    hg_claims_give_back(&prepared->claims);
}

enum hg_status hg_task_check_wanted(const struct hg_task *task, struct hg_error *error)
{
    if (atomic_load_explicit(&task->cancelled, memory_order_relaxed)) {
        return hg_fail(error, HG_CANCELLED, "cancelled before it ran");
    }
    if (task->deadline_ns != 0 && hg_clock_now_ns() >= task->deadline_ns) {
        return hg_fail(error, HG_DEADLINE_EXCEEDED, "the deadline passed before it ran");
    }
    return HG_OK;
}

/* What about the operands was wrong, where the operation knows better than its program. */
static void explain(const struct hg_prepared *prepared)
{
    struct hg_task *task = prepared->task;
    if (task->op == NULL || task->op->explain == NULL || prepared->step_count != 1 ||
        task->error.detail == NULL || strcmp(task->error.detail, HG_DETAIL_OUT_OF_BOUNDS) != 0) {
        return;
    }
    const struct hg_launch *launch = &prepared->launches[0];
    const void *operands[HG_OP_OPERANDS_MAX];
    unsigned count =
        launch->operand_count < HG_OP_OPERANDS_MAX ? launch->operand_count : HG_OP_OPERANDS_MAX;
    for (unsigned i = 0; i < count; i++) {
        operands[i] = launch->operands[i].base;
    }
    task->op->explain(&launch->program->key, launch->params, operands, count, &task->error);
}

/* A deadline that the client did not give has to be told. */
static void explain_limit(const struct hg_prepared *prepared)
{
    struct hg_error *error = &prepared->task->error;
    if (prepared->limited && error->status == HG_DEADLINE_EXCEEDED) {
        (void)hg_fail(error, HG_DEADLINE_EXCEEDED,
                      "not done after %" PRIu64 " ms (work_ms_max), its waiting included",
                      prepared->engine->options.work_ms_max);
    }
}

void hg_prepared_explain(struct hg_prepared *prepared)
{
    explain(prepared);
    explain_limit(prepared);
    (void)hg_error_prefix(&prepared->task->error, "%s", prepared->label);
}

void hg_prepared_limit_time(struct hg_prepared *prepared)
{
    prepared->ready_ns = hg_clock_now_ns();
    struct hg_task *task = prepared->task;
    const uint64_t bound_ns = prepared->engine->options.work_ms_max * HG_NS_PER_MS;
    const uint64_t end_ns = prepared->ready_ns + bound_ns;
    prepared->limited = bound_ns != 0 && (task->deadline_ns == 0 || end_ns < task->deadline_ns);
    if (!prepared->limited) {
        return;
    }
    task->deadline_ns = end_ns;
    for (uint32_t i = 0; i < prepared->step_count; i++) {
        prepared->launches[i].deadline_ns = end_ns;
    }
}

/* ---- queued work ----------------------------------------------------------------------------- */

static bool is_zeroing(const struct hg_work *work)
{
    return work->run == NULL;
}

/* Ends the work with what is in the task's error. */
static void end_work(struct hg_work *work)
{
    struct hg_task *task = work->prepared.task;
    struct hg_account *account = work->prepared.account;
    uint64_t started_ns = atomic_load_explicit(&work->started_ns, memory_order_relaxed);
    task->queue_ns = started_ns - work->prepared.ready_ns;
    task->run_ns = hg_clock_now_ns() - started_ns;
    if (task->error.status != HG_OK) {
        hg_prepared_explain(&work->prepared);
    }
    hg_prepared_fini(&work->prepared);
    hg_claims_unref(&work->prepared.claims);
    hg_account_unref(&account);
    hg_free(HG_TAG_ENGINE, work);
    task->work = NULL;
    task->done(task);
}

static uint32_t count_steps(const struct hg_prepared *prepared)
{
    return prepared->script != NULL ? prepared->script->step_count : prepared->step_count;
}

/* The launch of the current step, made now if it has to be; others will use its program. */
static enum hg_status make_step(struct hg_work *work, struct hg_launch **launch,
                                struct hg_error *error)
{
    struct hg_prepared *prepared = &work->prepared;
    if (prepared->script == NULL) {
        *launch = &work->launches[work->step];
        return HG_OK;
    }
    hg_prepared_return_loans(prepared);
    enum hg_status status = prepared->script->make(prepared->script, prepared, work->step, error);
    if (status == HG_OK) {
        hg_cache_hold(&prepared->loans[0]);
        *launch = &work->launches[0];
    }
    return status;
}

static enum hg_status begin_launch(struct hg_work *work, struct hg_launch *launch,
                                   struct hg_error *error)
{
    hg_prepared_take_panels(&work->prepared, launch);
    enum hg_status status = hg_run_begin(launch, &work->run, error);
    if (status == HG_OK) {
        work->job.parts = hg_run_parts(work->run, work->prepared.engine->options.workers);
    }
    return status;
}

/* Prepares the run of the first step and the job for its first region. */
static enum hg_status begin(struct hg_work *work, struct hg_error *error)
{
    struct hg_launch *launch;
    enum hg_status status = hg_task_check_wanted(work->prepared.task, error);
    if (status == HG_OK) {
        status = make_step(work, &launch, error);
    }
    return status == HG_OK ? begin_launch(work, launch, error) : status;
}

/* Goes on with the current step, on the worker that ended the one before: what ends sooner here
 * than another worker would have woken up for its part runs at once, and so the one after it; else
 * a job is begun. */
static enum hg_status go_on(struct hg_work *work, struct hg_error *error)
{
    const struct hg_sched *sched = work->prepared.engine->sched;
    struct hg_launch *launch;
    enum hg_status status = HG_OK;
    while (work->step < count_steps(&work->prepared)) {
        status = hg_task_check_wanted(work->prepared.task, error);
        if (status == HG_OK) {
            status = make_step(work, &launch, error);
        }
        if (status != HG_OK) {
            break;
        }
        if (hg_exec_estimate_ns(launch->program, launch->params) >= 2 * hg_sched_wake_ns(sched)) {
            return begin_launch(work, launch, error);
        }
        hg_prepared_take_panels(&work->prepared, launch);
        status = hg_exec_launch(launch, error);
        if (status != HG_OK) {
            break;
        }
        work->step++;
    }
    return status;
}

static void run_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)worker;
    struct hg_work *work = (struct hg_work *)job;
    if (atomic_load_explicit(&work->started_ns, memory_order_relaxed) == 0) {
        atomic_store_explicit(&work->started_ns, hg_clock_now_ns(), memory_order_relaxed);
    }
    if (is_zeroing(work)) {
        hg_buffer_settle(work->prepared.claims.items[part].buffer);
    } else {
        hg_run_part(work->run, part);
    }
}

/* After the last part of a region: the next region, the next step, or the end. */
static void region_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    struct hg_work *work = (struct hg_work *)job;
    struct hg_prepared *prepared = &work->prepared;
    struct hg_error *error = &prepared->task->error;
    enum hg_status status = HG_OK;
    if (!is_zeroing(work)) {
        if (hg_run_advance(work->run)) {
            work->job.parts = hg_run_parts(work->run, prepared->engine->options.workers);
            hg_sched_resubmit(prepared->engine->sched, &work->job);
            return;
        }
        status = hg_run_finish(&work->run, error);
        work->step++;
    }
    status = status == HG_OK ? go_on(work, error) : status;
    if (status == HG_OK && work->run != NULL) {
        hg_sched_resubmit(prepared->engine->sched, &work->job);
        return;
    }
    end_work(work);
}

/* Moves PREPARED to the heap; its references become the work's. NULL when out of memory. */
static struct hg_work *create_work(const struct hg_prepared *prepared)
{
    const size_t launch_bytes = prepared->step_count * sizeof(struct hg_launch);
    const size_t room = prepared->script != NULL ? sizeof(struct hg_launch) : launch_bytes;
    struct hg_work *work = hg_malloc(HG_TAG_ENGINE, sizeof *work + room);
    if (work == NULL) {
        return NULL;
    }
    work->job.run_part = run_part;
    work->job.done = region_done;
    work->prepared = *prepared;
    memcpy(work->launches, prepared->launches, launch_bytes);
    work->prepared.launches = work->launches;
    work->run = NULL;
    work->step = 0;
    atomic_init(&work->started_ns, 0);
    hg_claims_ref(&work->prepared.claims);
    hg_account_ref(work->prepared.account);
    return work;
}

/* Undoes create_work; PREPARED is the caller's again. */
static void discard_work(struct hg_work *work)
{
    if (work->run != NULL) {
        struct hg_error ignored;
        (void)!hg_run_finish(&work->run, &ignored);
    }
    hg_packed_put_back(&work->prepared.packed);
    if (work->prepared.script != NULL) {
        hg_prepared_return_loans(&work->prepared); /* PREPARED has none */
    }
    struct hg_account *account = work->prepared.account;
    hg_claims_unref(&work->prepared.claims);
    hg_account_unref(&account);
    hg_free(HG_TAG_ENGINE, work);
}

static enum hg_status queue(struct hg_prepared *prepared, struct hg_error *error)
{
    struct hg_engine *engine = prepared->engine;
    hg_prepared_limit_time(prepared);
    enum hg_status status = hg_claims_take(&prepared->claims, error);
    if (status != HG_OK) {
        return status;
    }
    /* From here on other threads use the programs. */
    for (uint32_t i = prepared->step_count; i-- > 0;) {
        hg_cache_hold(&prepared->loans[i]);
    }
    struct hg_work *work = create_work(prepared);
    if (work == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (work->prepared.claims.unsettled) {
        work->job.parts = work->prepared.claims.count;
    } else {
        status = begin(work, error);
    }
    if (status == HG_OK) {
        prepared->task->work = work;
        status = hg_sched_submit(engine->sched, &work->job);
        if (status == HG_OK) {
            return HG_OK; /* The work may have ended by now. */
        }
        prepared->task->work = NULL;
        (void)hg_fail(error, status, "the queue is full: %u jobs wait for a worker",
                      engine->options.queue_depth);
    }
    discard_work(work);
    return status;
}

enum hg_submitted hg_work_start(struct hg_prepared *prepared)
{
    struct hg_task *task = prepared->task;
    if (hg_work_runs_here(prepared)) {
        hg_work_run_here(prepared);
    } else if (queue(prepared, &task->error) == HG_OK) {
        return HG_TASK_PENDING;
    } else {
        (void)hg_error_prefix(&task->error, "%s", prepared->label);
    }
    hg_prepared_fini(prepared);
    return HG_TASK_DONE;
}
