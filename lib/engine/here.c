/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that runs on the thread that asked for it: because it is short, or because that thread waits
 * for it anyway. Then it runs here however long it is, and workers are asked for help where that
 * pays: a worker has to be woken for anything it does, which takes as long as a hundred thousand
 * additions.
 */
#include "lib/base/clock.h"
#include "lib/engine/repeat.h"
#include "lib/engine/sides.h"
#include "lib/engine/work.h"
#include "lib/sched/sched.h"

/* Nanoseconds of one thread that all launches will take, or something from BOUND on. */
static uint64_t estimate_ns(const struct hg_prepared *prepared, uint64_t bound_ns)
{
    uint64_t sum_ns = prepared->script != NULL ? prepared->script->estimate_ns : 0;
    for (uint32_t i = 0; i < prepared->step_count && sum_ns < bound_ns; i++) {
        const struct hg_launch *launch = &prepared->launches[i];
        sum_ns += hg_exec_estimate_ns(launch->program, launch->params);
    }
    return sum_ns;
}

/* A graph stands for several requests, each of which might run here: it may take as long as a few.
 */
#define REQUESTS_OF_A_GRAPH 4

/* Work that nobody needs to know to be there. */
static bool is_short(const struct hg_prepared *prepared)
{
    const uint64_t requests = prepared->script != NULL ? REQUESTS_OF_A_GRAPH : 1;
    const uint64_t bound_ns = prepared->engine->options.inline_max_ns * requests;
    return !prepared->must_queue && !prepared->claims.unsettled &&
           estimate_ns(prepared, bound_ns) < bound_ns;
}

bool hg_work_runs_here(const struct hg_prepared *prepared)
{
    const struct hg_task *task = prepared->task;
    return task->allow_inline && prepared->engine->options.inline_max_ns != 0 &&
           (task->is_awaited || is_short(prepared));
}

/* ---- with help ------------------------------------------------------------------------------- */

struct shared_run {
    struct hg_job job; /* first: the scheduler gives this pointer back */
    struct hg_run *run;
};

static void run_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)worker;
    hg_run_part(((struct shared_run *)job)->run, part);
}

static enum hg_status share_launch(struct hg_sched *sched, const struct hg_launch *launch,
                                   struct hg_error *error)
{
    struct shared_run shared = {.job.run_part = run_part};
    enum hg_status status = hg_run_begin(launch, &shared.run, error);
    if (status != HG_OK) {
        return status;
    }
    do {
        shared.job.parts = hg_run_parts(shared.run, hg_sched_workers(sched));
        hg_sched_share(sched, &shared.job);
    } while (hg_run_advance(shared.run));
    return hg_run_finish(&shared.run, error);
}

static enum hg_status run_launch(struct hg_prepared *prepared, struct hg_launch *launch,
                                 bool is_long, struct hg_error *error)
{
    hg_prepared_take_panels(prepared, launch);
    struct hg_sched *sched = prepared->engine->sched;
    if (is_long &&
        hg_sched_is_worth_sharing(sched, hg_exec_estimate_ns(launch->program, launch->params))) {
        return share_launch(sched, launch, error);
    }
    return hg_exec_launch(launch, error);
}

struct shared_sides {
    struct hg_job job; /* first: as above */
    struct hg_sides sides;
};

static void run_side(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)worker;
    hg_sides_run(&((struct shared_sides *)job)->sides, part);
}

static enum hg_status run_sides(struct hg_prepared *prepared, uint32_t step, uint32_t count,
                                struct hg_error *error)
{
    struct shared_sides shared = {.job = {.run_part = run_side, .parts = count}};
    enum hg_status status = hg_sides_make(&shared.sides, prepared, step, count, error);
    if (status != HG_OK) {
        return status;
    }
    hg_sched_share(prepared->engine->sched, &shared.job);
    return hg_sides_end(&shared.sides, error);
}

/* ---- from beginning to end ------------------------------------------------------------------- */

/* Step STEP of a script, for as long as it takes. */
static enum hg_status run_step(struct hg_prepared *prepared, uint32_t step, bool is_long,
                               struct hg_error *error)
{
    enum hg_status status = prepared->script->make(prepared->script, prepared, step, error);
    if (status == HG_OK && is_long) {
        hg_cache_hold(&prepared->loans[0]);
        status = hg_task_check_wanted(prepared->task, error);
    }
    if (status == HG_OK) {
        status = run_launch(prepared, &prepared->launches[0], is_long, error);
    }
    hg_prepared_return_loans(prepared);
    return status;
}

static enum hg_status run_script(struct hg_prepared *prepared, bool is_long, struct hg_error *error)
{
    enum hg_status status = HG_OK;
    uint32_t count;
    for (uint32_t i = 0; i < prepared->script->step_count && status == HG_OK; i += count) {
        count = is_long ? hg_sides_count(prepared, i) : 1;
        status = count > 1 ? run_sides(prepared, i, count, error)
                           : run_step(prepared, i, is_long, error);
    }
    return status;
}

/* What takes long does not keep the cache from giving back memory meanwhile; and what is long
 * because memory has to be zeroed first has that done. */
static void settle_down(struct hg_prepared *prepared)
{
    hg_prepared_limit_time(prepared);
    for (uint32_t i = prepared->step_count; i-- > 0;) {
        hg_cache_hold(&prepared->loans[i]);
    }
    for (uint32_t i = 0; prepared->claims.unsettled && i < prepared->claims.count; i++) {
        hg_buffer_settle(prepared->claims.items[i].buffer);
    }
}

void hg_work_run_here(struct hg_prepared *prepared)
{
    struct hg_task *task = prepared->task;
    const bool is_long = task->is_awaited && !is_short(prepared);
    if (is_long) {
        settle_down(prepared);
    }
    enum hg_status status = hg_task_check_wanted(task, &task->error);
    if (status == HG_OK && prepared->script != NULL) {
        status = run_script(prepared, is_long, &task->error);
    }
    for (uint32_t i = 0; i < prepared->step_count && status == HG_OK; i++) {
        status = run_launch(prepared, &prepared->launches[i], is_long, &task->error);
    }
    if (status != HG_OK) {
        hg_prepared_explain(prepared);
    }
    if (status == HG_OK && prepared->op != NULL && !is_long) {
        hg_repeat_note(prepared->repeat, prepared);
    }
    task->ended_ticks = hg_task_ticks(task);
    task->run_ns = hg_clock_ticks_ns(prepared->ready_ticks, task->ended_ticks);
    if (status == HG_OK && prepared->script != NULL && prepared->repeat != NULL && !is_long) {
        prepared->script->note(prepared->script, prepared);
    }
}
