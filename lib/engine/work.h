/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that is ready to run: claimed buffers, pinned programs, a launch per step, temporaries, and
 * what was charged for it. Prepared on the caller's stack; run there if it is small, else moved to
 * the worker pool.
 *
 *     init ──► claims, temporaries, a launch per step (the caller's part) ──► hg_work_start
 *
 * Threads: one at a time; the worker pool hands it on.
 */
#ifndef HG_LIB_ENGINE_WORK_H
#define HG_LIB_ENGINE_WORK_H

#include "lib/base/clock.h"
#include "lib/engine/claims.h"
#include "lib/engine/internal.h"

struct hg_prepared;

/* Steps of a script that run at the same time, at most. */
#define HG_SIDES_MAX 8

/*
 * Steps that are made one by one, each right before it runs, for work that has many: a graph's
 * launches. `loans` and `launches` then hold the step at hand, or those that run side by side.
 */
struct hg_script {
    uint32_t step_count;
    uint64_t estimate_ns; /* of all steps on one thread */
    /* What step STEP takes on one thread. */
    uint64_t (*estimate)(const struct hg_script *script, uint32_t step);
    /* How many steps from STEP on, at least one, may run at the same time. NULL: never more. */
    uint32_t (*count_independent)(const struct hg_script *script, uint32_t step);
    /* Makes step STEP ready with hg_prepared_add_step, on the thread that starts it. */
    enum hg_status (*make)(struct hg_script *script, struct hg_prepared *prepared, uint32_t step,
                           struct hg_error *error);
    /* All steps ran well on the caller's thread, and can be made once more: keeps them in
     * PREPARED's repeat. */
    void (*note)(struct hg_script *script, struct hg_prepared *prepared);
    /* The work ended, well or not, and still has its claims; frees SCRIPT. */
    void (*end)(struct hg_script *script, bool is_well);
};

struct hg_prepared {
    struct hg_engine *engine;
    const struct hg_session *session; /* while it is prepared: queued work may outlive it */
    struct hg_account *account;
    struct hg_task *task;
    const char *label;        /* the operation, for error texts; static */
    struct hg_repeat *repeat; /* to note the work in, if it runs here; or NULL */
    const struct hg_op *op;   /* then, if it can be noted: the operation */
    struct hg_key key;        /* of its one program */
    bool must_queue;          /* its run time cannot be estimated: never in place */
    bool limited;             /* its deadline is the engine's work_ms_max */
    uint64_t given_ns;        /* then, if it is: the deadline that the task came with */
    uint32_t step_count;      /* launches that are filled, each with its program */
    uint32_t temp_count;
    uint64_t charged_bytes;
    struct hg_packed *packed; /* panels of the step at hand, or NULL */
    struct hg_script *script; /* NULL: `launches` are all there is */
    uint64_t ready_ticks;     /* when preparation ended: from then on it runs, */
    uint64_t ready_ns;        /*   or waits and runs (the clock's time: other threads measure on) */
    struct hg_claims claims;
    struct hg_block temps[HG_PLAN_TEMPS_MAX];
    struct hg_cache_loan loans[HG_PLAN_STEPS_MAX];
    /* HG_PLAN_STEPS_MAX of them, or HG_SIDES_MAX with a script, or step_count once queued. */
    struct hg_launch *launches;
};

/* Sets the task's results to those of a success that took no time. */
static inline void hg_task_begin(struct hg_task *task)
{
    task->error.status = HG_OK;
    task->error.detail = NULL;
    task->error.message[0] = '\0';
    task->op = NULL;
    task->cache = "";
    task->outcome = HG_CACHE_HIT;
    task->queue_ns = 0;
    task->lookup_ns = 0;
    task->build_ns = 0;
    task->run_ns = 0;
    task->ended_ticks = 0;
    task->work = NULL;
    atomic_store_explicit(&task->cancelled, false, memory_order_relaxed);
}

/* For what TASK says of its stages: 0 if nobody asks. */
static inline uint64_t hg_task_ticks(const struct hg_task *task)
{
    return task->wants_times ? hg_clock_ticks() : 0;
}

/* LAUNCHES has the room that is said above. Only counts are set: the arrays are large. */
static inline void hg_prepared_init(struct hg_prepared *prepared, struct hg_session *session,
                                    struct hg_task *task, struct hg_launch *launches)
{
    prepared->engine = session->engine;
    prepared->session = session;
    prepared->account = session->account;
    prepared->task = task;
    prepared->label = "";
    prepared->repeat = task->repeat;
    prepared->op = NULL;
    prepared->must_queue = false;
    prepared->limited = false;
    prepared->step_count = 0;
    prepared->temp_count = 0;
    prepared->charged_bytes = 0;
    prepared->packed = NULL;
    prepared->script = NULL;
    prepared->launches = launches;
    hg_claims_init(&prepared->claims);
}
/* Takes a step's program; the result goes to the launch. Sets what all launches have in common. */
void hg_prepared_add_step(struct hg_prepared *prepared, struct hg_cache_loan loan,
                          struct hg_launch **launch);
/* Charges BYTES of temporary memory until the work ends. */
HG_MUST_CHECK enum hg_status hg_prepared_charge(struct hg_prepared *prepared, uint64_t bytes,
                                                struct hg_error *error);
/* Gives back everything. */
void hg_prepared_fini(struct hg_prepared *prepared);

/* The panels of LAUNCH's constant operand, which it is given; NULL if it has none or they are not
 * there. The caller puts them back. */
HG_MUST_CHECK struct hg_packed *hg_prepared_find_panels(const struct hg_prepared *prepared,
                                                        struct hg_launch *launch);
/* Gives LAUNCH, whose turn it is, the panels of its constant operand, if it has one and they are
 * there, and gives back those of the step before. */
void hg_prepared_take_panels(struct hg_prepared *prepared, struct hg_launch *launch);
/* Gives back the programs of all steps, and panels. */
void hg_prepared_return_loans(struct hg_prepared *prepared);
/* The deadline and the wish to cancel, checked where no program runs. */
HG_MUST_CHECK enum hg_status hg_task_check_wanted(const struct hg_task *task,
                                                  struct hg_error *error);
/*
 * Notes the time, from which on long work is waited for: nobody keeps a worker for ever, not even
 * with lanes that need no memory. It has a deadline of the engine's, if its client gave none that
 * is earlier.
 */
void hg_prepared_limit_time(struct hg_prepared *prepared);
/* Puts into ERROR what about LAUNCH's operands was wrong, where OP knows better than its program.
 */
void hg_launch_explain(const struct hg_op *op, const struct hg_launch *launch,
                       struct hg_error *error);
/* Completes the text of what went wrong, which is in the task. */
void hg_prepared_explain(struct hg_prepared *prepared);

/* True if the work is to run on the calling thread: it is short, or that thread waits for it. */
bool hg_work_runs_here(const struct hg_prepared *prepared);
/* Runs it from beginning to end. What is long is shared with workers. */
void hg_work_run_here(struct hg_prepared *prepared);

/* Runs the work here, or queues it; takes PREPARED. What went wrong is in the task. */
HG_MUST_CHECK enum hg_submitted hg_work_start(struct hg_prepared *prepared);

#endif
