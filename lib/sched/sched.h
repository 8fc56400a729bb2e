/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker pool: a bounded queue of jobs, each cut into parts that any worker may run.
 *
 * A worker that finds no work spins for a bounded time, then parks. At most cores - 1 workers spin
 * at once, so that the thread that feeds them is never crowded out.
 *
 * Threads: every function may be called from any thread, also from inside a part or a `done`.
 * Ownership: a job is the caller's storage; the pool borrows it from submit until `done` is called,
 * which may free it.
 */
#ifndef HG_LIB_SCHED_SCHED_H
#define HG_LIB_SCHED_SCHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/status.h"

struct hg_sched;
struct hg_job;

/* Runs part PART (0 .. parts - 1) on worker WORKER (0 .. workers - 1). Parts run in any order and
 * at the same time. */
typedef void hg_job_part_fn(struct hg_job *job, uint32_t part, uint32_t worker);
/* Called once, by the worker that finished the last part. */
typedef void hg_job_done_fn(struct hg_job *job, uint32_t worker);

struct hg_share;

struct hg_job {
    hg_job_part_fn *run_part;
    hg_job_done_fn *done; /* not of a job that is shared */
    uint32_t parts;       /* at least 1 */

    /* The pool's own. */
    struct hg_job *next;
    struct hg_share *share;      /* who waits for it and helps; NULL: nobody */
    _Atomic uint64_t claimed;    /* parts, by fetch-add: from the front, and from the back << 32 */
    _Atomic uint32_t parts_left; /* the worker that brings it to 0 calls done */
    uint64_t queued_ns;
};

struct hg_sched_options {
    uint32_t workers;     /* threads, at least 1 */
    uint32_t queue_depth; /* jobs waiting, at least 1 */
    uint32_t spin_us;     /* bounded spinning before a worker parks; 0 = park at once */
};

/* Starts the workers. Errors: HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_sched_create(const struct hg_sched_options *options,
                                             struct hg_sched **sched, struct hg_error *error);
/* Runs what is queued to its end, stops the workers, frees. NULLs *SCHED. */
void hg_sched_destroy(struct hg_sched **sched);

/* Queues JOB at the end. HG_RESOURCE_EXHAUSTED if the queue is full (JOB is untouched then). */
HG_MUST_CHECK enum hg_status hg_sched_submit(struct hg_sched *sched, struct hg_job *job);

/*
 * Queues JOB at the front, past the bound: for a job that follows from one that ran (the next
 * region of the same program), called from its `done`. Never fails.
 */
void hg_sched_resubmit(struct hg_sched *sched, struct hg_job *job);

/*
 * Runs all parts of JOB, on the calling thread and on workers that are free, as many threads as
 * there are workers; returns when the last part has ended. The calling thread's parts are those of
 * worker hg_sched_workers(). JOB's `done` is not called, and JOB is the caller's again. A job that
 * is shared is no active one, and takes no place in the queue's bound: its caller works for it.
 */
void hg_sched_share(struct hg_sched *sched, struct hg_job *job);
/*
 * True if work of ESTIMATE_NS is done sooner by hg_sched_share than by the caller alone: it is
 * much longer than what it costs to hand a part of it to a worker now. That is measured whenever a
 * parked worker is woken, and small while one spins. Work that is too short to wake a worker for
 * counts up: where it comes again and again without a pause, one is woken for what will come.
 */
bool hg_sched_is_worth_sharing(struct hg_sched *sched, uint64_t estimate_ns);
/* Nanoseconds that a parked worker took to wake up lately, about. */
uint64_t hg_sched_wake_ns(const struct hg_sched *sched);

/* Jobs that wait; a moment's figure. */
uint32_t hg_sched_depth(const struct hg_sched *sched);
uint32_t hg_sched_workers(const struct hg_sched *sched);
/* Parts that were finished since the start: the watchdog's evidence that workers move. */
uint64_t hg_sched_progress(const struct hg_sched *sched);
/* Jobs submitted whose `done` has not returned. */
uint32_t hg_sched_active(const struct hg_sched *sched);

#endif
