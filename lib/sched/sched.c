/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mutex guards the queue; parts are claimed without it where that is safe.
 *
 *      submit ──► queue ──► claim (mutex) ──► run ──► claim (fetch-add) ──► run … ──► done
 *                   ▲                                                                  │
 *                   └───────────────────────────── resubmit (front) ◄──────────────────┘
 *
 * A worker claims its first part of a job under the mutex, where a job in the queue cannot go away.
 * Its further parts it claims by fetch-add alone, always before it counts the last one as finished:
 * as long as it holds an unfinished part, `parts_left` is not 0 and nobody calls `done`. Whoever
 * claims the last part takes the job off the queue before running it, so a job whose `done` runs is
 * in no list. Jobs that are shared (share.c) follow the same rules, but end at their submitter.
 */
#include "lib/sched/sched.h"

#include <signal.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/cpu.h"
#include "lib/sched/internal.h"

/* Looks at the queue between two looks at the clock, which costs as much as several of them. */
#define SPINS_PER_CLOCK 16

static bool is_stopping(const struct hg_sched *sched)
{
    return atomic_load_explicit(&sched->stopping, memory_order_relaxed);
}

/* True when the pool is stopping and nothing can come any more, not even from a `done`. */
static bool has_stopped(const struct hg_sched *sched)
{
    return is_stopping(sched) && hg_sched_active(sched) == 0;
}

/* Adds AMOUNT, or takes away what -AMOUNT is. Mutex held. */
static void count(_Atomic uint32_t *figure, uint32_t amount)
{
    atomic_fetch_add_explicit(figure, amount, memory_order_relaxed);
}

/*
 * Wakes as many parked workers as there are parts that no spinning worker will take. Called when
 * work arrives, which is enough: parts nobody has claimed are never more than the workers that spin
 * or are on their way, or else nobody is parked. Such a worker parks only after it found, under the
 * mutex, that nothing was left; until then each claim lowers both sides by one. Mutex held.
 */
static void wake_workers(struct hg_sched *sched)
{
    const uint64_t parked = atomic_load_explicit(&sched->parked, memory_order_relaxed);
    if (parked == 0) {
        return;
    }
    const uint64_t spinning = atomic_load_explicit(&sched->spinning, memory_order_relaxed);
    const uint64_t wanted = hg_job_queue_unclaimed(&sched->queue, spinning + parked);
    if (wanted > spinning) {
        sched->signalled_ns = hg_clock_now_ns();
    }
    if (wanted >= spinning + parked) {
        hg_cond_broadcast(&sched->work);
        return;
    }
    for (uint64_t i = spinning; i < wanted; i++) {
        hg_cond_signal(&sched->work);
    }
}

/* Looks at the queue until something is in it, DEADLINE_NS passes (then false) or the pool stops.
 * Called and returns with the mutex held; lets go of it meanwhile. */
static bool spin_until(struct hg_sched *sched, uint64_t deadline_ns)
{
    count(&sched->spinning, 1);
    hg_mutex_unlock(&sched->mutex);
    bool in_time = true;
    for (uint32_t spins = 1; hg_job_queue_depth(&sched->queue) == 0 && !is_stopping(sched);
         spins++) {
        if (spins % SPINS_PER_CLOCK == 0 && hg_clock_now_ns() >= deadline_ns) {
            in_time = false;
            break;
        }
        hg_cpu_relax();
    }
    hg_mutex_lock(&sched->mutex);
    count(&sched->spinning, UINT32_MAX);
    return in_time;
}

static bool may_spin_now(const struct hg_sched *sched)
{
    return atomic_load_explicit(&sched->spinning, memory_order_relaxed) < sched->spinners_max &&
           !is_stopping(sched);
}

static void park(struct hg_sched *sched)
{
    count(&sched->parked, 1);
    hg_cond_wait(&sched->work, &sched->mutex);
    count(&sched->parked, UINT32_MAX);
    hg_sched_note_wake(sched);
}

/* Waits for something to do, spinning first and whenever it was woken, then parked: who was woken
 * too late for what there was is there for what follows. False when the pool has stopped. Mutex
 * held. */
static bool wait_for_claim(struct hg_sched *sched, struct hg_job_claim *claim)
{
    uint64_t spin_deadline_ns = 0;
    bool may_spin = sched->spin_ns != 0;
    for (;;) {
        if (hg_job_queue_claim(&sched->queue, claim)) {
            return true;
        }
        if (has_stopped(sched)) {
            return false;
        }
        if (may_spin && may_spin_now(sched)) {
            if (spin_deadline_ns == 0) {
                spin_deadline_ns = hg_clock_now_ns() + sched->spin_ns;
            }
            may_spin = spin_until(sched, spin_deadline_ns);
        } else {
            park(sched);
            may_spin = sched->spin_ns != 0;
            spin_deadline_ns = 0;
        }
    }
}

bool hg_sched_run_parts(struct hg_sched *sched, struct hg_job *job, uint32_t part, uint32_t worker,
                        _Atomic uint64_t *finished)
{
    const uint32_t parts = job->parts;
    const bool from_back = hg_job_helps(job) && worker < sched->workers;
    for (;;) {
        job->run_part(job, part, worker);
        atomic_fetch_add_explicit(finished, 1, memory_order_relaxed);
        /* The part just run is not counted as finished yet: that keeps the job alive here. */
        const uint32_t before = hg_job_claim_next(job, from_back, &part);
        if (before == parts) {
            break;
        }
        if (before == parts - 1) {
            hg_mutex_lock(&sched->mutex);
            hg_job_queue_remove(&sched->queue, job);
            hg_mutex_unlock(&sched->mutex);
        }
        /* Release, paired with the acquire below: what the part wrote is seen by who ends it. */
        atomic_fetch_sub_explicit(&job->parts_left, 1, memory_order_release);
    }
    return atomic_fetch_sub_explicit(&job->parts_left, 1, memory_order_acq_rel) == 1;
}

/* Runs CLAIM's part and what else there is of its job. True if that ended an active job. */
static bool run_claimed(struct worker *worker, const struct hg_job_claim *claim)
{
    struct hg_sched *sched = worker->sched;
    struct hg_job *job = claim->job;
    if (!hg_sched_run_parts(sched, job, claim->part, worker->index, &worker->parts_finished)) {
        return false;
    }
    if (job->share != NULL) {
        hg_sched_end_share(sched, job);
        return false;
    }
    job->done(job, worker->index);
    return true;
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    struct hg_sched *sched = worker->sched;
    struct hg_job_claim claim;
    hg_mutex_lock(&sched->mutex);
    while (wait_for_claim(sched, &claim)) {
        hg_mutex_unlock(&sched->mutex);
        bool finished = run_claimed(worker, &claim);
        hg_mutex_lock(&sched->mutex);
        if (finished) {
            atomic_fetch_sub_explicit(&sched->active, 1, memory_order_relaxed);
            if (has_stopped(sched)) {
                hg_cond_broadcast(&sched->work);
            }
        }
    }
    hg_mutex_unlock(&sched->mutex);
    return NULL;
}

static bool start_worker(struct hg_sched *sched, uint32_t index)
{
    struct worker *worker = &sched->worker[index];
    *worker = (struct worker){.sched = sched, .index = index};
    if (hg_alloc_fault_hit() || pthread_create(&worker->thread, NULL, run_worker, worker) != 0) {
        return false;
    }
    char name[16];
    (void)snprintf(name, sizeof name, "hg-worker-%u", index % 10000);
    (void)pthread_setname_np(worker->thread, name);
    return true;
}

/* Starts the workers, with all signals blocked in them: those are the main thread's. Returns how
 * many could be started. */
static uint32_t start_workers(struct hg_sched *sched)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    HG_REQUIRE(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    uint32_t started = 0;
    while (started < sched->workers && start_worker(sched, started)) {
        started++;
    }
    HG_REQUIRE(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return started;
}

static void stop_and_free(struct hg_sched *sched, uint32_t started)
{
    hg_mutex_lock(&sched->mutex);
    atomic_store_explicit(&sched->stopping, true, memory_order_relaxed);
    hg_cond_broadcast(&sched->work);
    hg_mutex_unlock(&sched->mutex);
    for (uint32_t i = 0; i < started; i++) {
        HG_REQUIRE(pthread_join(sched->worker[i].thread, NULL) == 0);
    }
    HG_REQUIRE(sched->queue.head == NULL);
    hg_cond_fini(&sched->work);
    hg_mutex_fini(&sched->mutex);
    hg_free(HG_TAG_SCHED, sched);
}

enum hg_status hg_sched_create(const struct hg_sched_options *options, struct hg_sched **sched,
                               struct hg_error *error)
{
    HG_REQUIRE(options->workers >= 1 && options->queue_depth >= 1);
    size_t size = sizeof(struct hg_sched) + options->workers * sizeof(struct worker);
    struct hg_sched *created = hg_aligned_alloc(HG_TAG_SCHED, _Alignof(struct hg_sched), size);
    if (created == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "worker pool: out of memory for %u workers",
                       options->workers);
    }
    *created = (struct hg_sched){
        .workers = options->workers,
        .queue_depth = options->queue_depth,
        .spinners_max = hg_cpu_count() - 1,
        .helpers_max = (options->workers < hg_cpu_count() ? options->workers : hg_cpu_count()) - 1,
        .spin_ns = options->spin_us * HG_NS_PER_US,
    };
    hg_mutex_init(&created->mutex, HG_RANK_SCHED);
    hg_cond_init(&created->work);
    uint32_t started = start_workers(created);
    if (started != options->workers) {
        stop_and_free(created, started);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "worker pool: %u threads expected, the system started %u", options->workers,
                       started);
    }
    *sched = created;
    return HG_OK;
}

void hg_sched_destroy(struct hg_sched **sched)
{
    if (*sched != NULL) {
        stop_and_free(*sched, (*sched)->workers);
        *sched = NULL;
    }
}

/* Puts JOB into the queue. Workers are woken under the mutex: as soon as it is let go, the job may
 * be done and, as a consequence, the pool destroyed. */
static void enqueue(struct hg_sched *sched, struct hg_job *job,
                    void (*push)(struct hg_job_queue *, struct hg_job *))
{
    hg_job_prepare(job, hg_clock_now_ns());
    atomic_fetch_add_explicit(&sched->active, 1, memory_order_relaxed);
    push(&sched->queue, job);
    wake_workers(sched);
}

enum hg_status hg_sched_submit(struct hg_sched *sched, struct hg_job *job)
{
    enum hg_status status = HG_RESOURCE_EXHAUSTED;
    hg_mutex_lock(&sched->mutex);
    if (hg_job_queue_waiting(&sched->queue) < sched->queue_depth) {
        enqueue(sched, job, hg_job_queue_push_back);
        status = HG_OK;
    }
    hg_mutex_unlock(&sched->mutex);
    return status;
}

void hg_sched_resubmit(struct hg_sched *sched, struct hg_job *job)
{
    hg_mutex_lock(&sched->mutex);
    enqueue(sched, job, hg_job_queue_push_front);
    hg_mutex_unlock(&sched->mutex);
}

uint32_t hg_sched_depth(const struct hg_sched *sched)
{
    return hg_job_queue_depth(&sched->queue);
}

uint32_t hg_sched_workers(const struct hg_sched *sched)
{
    return sched->workers;
}

uint64_t hg_sched_progress(const struct hg_sched *sched)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < sched->workers; i++) {
        sum += atomic_load_explicit(&sched->worker[i].parts_finished, memory_order_relaxed);
    }
    return sum;
}

uint32_t hg_sched_active(const struct hg_sched *sched)
{
    return atomic_load_explicit(&sched->active, memory_order_relaxed);
}
