/* SPDX-License-Identifier: Apache-2.0 */
/* What sched.c and share.c have in common: the pool itself, and running the parts of a job. */
#ifndef HG_LIB_SCHED_INTERNAL_H
#define HG_LIB_SCHED_INTERNAL_H

#include <pthread.h>

#include "lib/base/mutex.h"
#include "lib/sched/queue.h"

struct worker {
    _Alignas(64) struct hg_sched *sched;
    pthread_t thread;
    uint32_t index;
    _Atomic uint64_t parts_finished; /* relaxed: a figure; written by its worker only */
};

struct hg_sched {
    uint32_t workers;
    uint32_t queue_depth;
    uint32_t spinners_max;
    uint32_t helpers_max; /* workers that one who shares a job may have beside himself */
    uint64_t spin_ns;

    struct hg_mutex mutex;    /* HG_RANK_SCHED: the queue and the two counts */
    struct hg_condition work; /* there may be something to claim, or it is time to stop */
    struct hg_job_queue queue;
    uint64_t signalled_ns; /* when a parked worker was woken that has not said so yet; else 0 */

    /* Written under the mutex, read also without it. Relaxed, as the queue's depth. */
    _Atomic uint32_t spinning;
    _Atomic uint32_t parked;
    _Atomic bool stopping;
    _Atomic uint32_t active;
    _Atomic uint64_t wake_ns; /* of the last wake-ups, the latest counting most */

    /* What sharing has saved, less what it has cost: see share.c. Relaxed: a guess at what comes.
     */
    _Atomic int64_t balance_ns;

    /* Work too short to wake a worker for, without a pause since. Relaxed, and two threads may
     * spoil each other's: it is a guess at what will come. */
    _Atomic uint64_t short_ns;     /* that a worker would have saved */
    _Atomic uint64_t short_end_ns; /* when the last of it was to end */

    struct worker worker[];
};

/* Runs part PART, claimed, as worker WORKER's, and all further ones that it can claim; FINISHED
 * counts them. True if no part of JOB is left or running: then it is the caller's to end. Else JOB
 * may be gone. */
bool hg_sched_run_parts(struct hg_sched *sched, struct hg_job *job, uint32_t part, uint32_t worker,
                        _Atomic uint64_t *finished);
/* Tells who shares JOB, all parts of which have ended, if that is not this thread. Afterwards JOB
 * may be gone. */
void hg_sched_end_share(struct hg_sched *sched, struct hg_job *job);
/* A parked worker is awake. Mutex held. */
void hg_sched_note_wake(struct hg_sched *sched);

#endif
