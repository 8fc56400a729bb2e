/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of jobs that have parts to claim, for sched.c only.
 *
 * Threads: under the owner's mutex, but for hg_job_queue_depth and hg_job_claim_next.
 */
#ifndef HG_LIB_SCHED_QUEUE_H
#define HG_LIB_SCHED_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sched/sched.h"

struct hg_job_queue {
    struct hg_job *head;
    struct hg_job *tail;
    uint32_t shared; /* jobs here whose submitter works for them: they wait for nobody */
    /* On a line of its own: spinning workers look at it all the time. Written under the mutex;
     * relaxed, for whoever acts on it takes the mutex and looks again. */
    _Alignas(64) _Atomic uint32_t depth;
};

struct hg_job_claim {
    struct hg_job *job;
    uint32_t part;
};

/* Makes JOB ready for its first claim; afterwards put it into a queue. */
void hg_job_prepare(struct hg_job *job, uint64_t now_ns);
void hg_job_queue_push_back(struct hg_job_queue *queue, struct hg_job *job);
void hg_job_queue_push_front(struct hg_job_queue *queue, struct hg_job *job);
/* JOB is in the queue. */
void hg_job_queue_remove(struct hg_job_queue *queue, struct hg_job *job);
/* Claims a part of the first job that has one left, and removes the job if that was its last part.
 * False if there is none. */
bool hg_job_queue_claim(struct hg_job_queue *queue, struct hg_job_claim *claim);
/* Parts that nobody has claimed, counted up to AT_MOST or a few more. */
uint64_t hg_job_queue_unclaimed(const struct hg_job_queue *queue, uint64_t at_most);
/* Jobs that have parts to claim. */
uint32_t hg_job_queue_depth(const struct hg_job_queue *queue);
/* Those of them that only workers will run. */
uint32_t hg_job_queue_waiting(const struct hg_job_queue *queue);

/* Workers claim the parts of a shared job from the back, its submitter from the front: where one
 * works on the same memory again and again, each finds its end of it in its core's cache. */
static inline bool hg_job_helps(const struct hg_job *job)
{
    return job->share != NULL;
}

/* Claims a further part of JOB without the mutex: the caller has claimed one and not yet counted it
 * as finished, which keeps the job alive. Gives how many were claimed before: all parts if none was
 * left, and then there is no PART. */
uint32_t hg_job_claim_next(struct hg_job *job, bool from_back, uint32_t *part);

#endif
