/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of queued work; what runs on its caller's thread is in here.c.
 *
 * Steps of a script that may run at the same time can be the parts of one job (sides.h).
 *
 * Queued:    submit ─► [zero] ─► per step: begin ─► parts … ─► advance ─► parts … ─► finish ─► end
 * Each arrow from a job's parts to what follows is the scheduler's `done`, on the worker that ran
 * the last part; it queues the next region in front of other work, so that begun work ends first.
 *
 * Whatever ends the work gives everything back first and calls the task's `done` last: from then on
 * nothing here is touched.
 */
#include "lib/engine/work.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/engine/sides.h"

struct hg_work {
    struct hg_job job; /* first: the scheduler gives this pointer back */
    struct hg_prepared prepared;
    enum { ZEROING, RUNNING, SIDE_BY_SIDE } stage; /* what the job's parts are */
    struct hg_run *run;                            /* of the current step, RUNNING; else NULL */
    struct hg_sides *sides;                        /* of a script, behind the launches */
    uint32_t step;
    _Atomic uint64_t started_ns; /* relaxed: parts of the first job may start together */
    struct hg_launch launches[];
};

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
        work->stage = RUNNING;
        work->job.parts = hg_run_parts(work->run, work->prepared.engine->options.workers);
    }
    return status;
}

/* The job for COUNT steps from the current one on. */
static enum hg_status begin_sides(struct hg_work *work, uint32_t count, struct hg_error *error)
{
    enum hg_status status = hg_sides_make(work->sides, &work->prepared, work->step, count, error);
    if (status == HG_OK) {
        work->stage = SIDE_BY_SIDE;
        work->job.parts = count;
    }
    return status;
}

static uint32_t count_sides(const struct hg_work *work)
{
    return work->prepared.script != NULL ? hg_sides_count(&work->prepared, work->step) : 1;
}

/* Prepares the run of the first step and the job for its first region. */
static enum hg_status begin(struct hg_work *work, struct hg_error *error)
{
    struct hg_launch *launch;
    enum hg_status status = hg_task_check_wanted(work->prepared.task, error);
    if (status != HG_OK) {
        return status;
    }
    const uint32_t count = count_sides(work);
    if (count > 1) {
        return begin_sides(work, count, error);
    }
    status = make_step(work, &launch, error);
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
        const uint32_t count = status == HG_OK ? count_sides(work) : 1;
        if (count > 1) {
            return begin_sides(work, count, error);
        }
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
    switch (work->stage) {
    case ZEROING:
        hg_buffer_settle(work->prepared.claims.items[part].buffer);
        break;
    case RUNNING:
        hg_run_part(work->run, part);
        break;
    case SIDE_BY_SIDE:
        hg_sides_run(work->sides, part);
        break;
    }
}

/* Ends the job's step, or steps. */
static enum hg_status end_step(struct hg_work *work, struct hg_error *error)
{
    if (work->stage == RUNNING) {
        work->step++;
        return hg_run_finish(&work->run, error);
    }
    if (work->stage == SIDE_BY_SIDE) {
        work->step += work->job.parts;
        return hg_sides_end(work->sides, error);
    }
    return HG_OK;
}

/* After the last part of a region: the next region, the next step, or the end. */
static void region_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    struct hg_work *work = (struct hg_work *)job;
    struct hg_prepared *prepared = &work->prepared;
    struct hg_error *error = &prepared->task->error;
    if (work->stage == RUNNING && hg_run_advance(work->run)) {
        work->job.parts = hg_run_parts(work->run, prepared->engine->options.workers);
        hg_sched_resubmit(prepared->engine->sched, &work->job);
        return;
    }
    enum hg_status status = end_step(work, error);
    status = status == HG_OK ? go_on(work, error) : status;
    if (status == HG_OK && work->step < count_steps(prepared)) {
        hg_sched_resubmit(prepared->engine->sched, &work->job);
        return;
    }
    end_work(work);
}

/* Moves PREPARED to the heap; its references become the work's. NULL when out of memory. */
static struct hg_work *create_work(const struct hg_prepared *prepared)
{
    const size_t launch_bytes = prepared->step_count * sizeof(struct hg_launch);
    const size_t sides_bytes = HG_SIDES_MAX * sizeof(struct hg_launch) + sizeof(struct hg_sides);
    const size_t room = prepared->script != NULL ? sides_bytes : launch_bytes;
    struct hg_work *work = hg_malloc(HG_TAG_ENGINE, sizeof *work + room);
    if (work == NULL) {
        return NULL;
    }
    work->job.run_part = run_part;
    work->job.done = region_done;
    work->prepared = *prepared;
    memcpy(work->launches, prepared->launches, launch_bytes);
    work->prepared.launches = work->launches;
    work->stage = ZEROING;
    work->run = NULL;
    work->sides = prepared->script != NULL ? (void *)(work->launches + HG_SIDES_MAX) : NULL;
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
    if (work->stage == SIDE_BY_SIDE) {
        struct hg_error ignored;
        (void)!hg_sides_end(work->sides, &ignored);
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
