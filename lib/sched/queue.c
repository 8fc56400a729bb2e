/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sched/queue.h"

#include <stddef.h>

#include "lib/base/check.h"

/* A claim may overshoot the last part by one per worker; the counter must not wrap. */
#define PARTS_MAX (UINT32_MAX / 2)

void hg_job_prepare(struct hg_job *job, uint64_t now_ns)
{
    HG_REQUIRE(job->parts >= 1 && job->parts <= PARTS_MAX);
    atomic_init(&job->claimed, 0);
    atomic_init(&job->parts_left, job->parts);
    job->queued_ns = now_ns;
    job->share = NULL;
}

/* AMOUNT: 1, or minus one. */
static void count_job(struct hg_job_queue *queue, const struct hg_job *job, uint32_t amount)
{
    atomic_fetch_add_explicit(&queue->depth, amount, memory_order_relaxed);
    queue->shared += hg_job_helps(job) ? amount : 0;
}

void hg_job_queue_push_back(struct hg_job_queue *queue, struct hg_job *job)
{
    job->next = NULL;
    if (queue->tail == NULL) {
        queue->head = job;
    } else {
        queue->tail->next = job;
    }
    queue->tail = job;
    count_job(queue, job, 1);
}

void hg_job_queue_push_front(struct hg_job_queue *queue, struct hg_job *job)
{
    job->next = queue->head;
    queue->head = job;
    if (queue->tail == NULL) {
        queue->tail = job;
    }
    count_job(queue, job, 1);
}

void hg_job_queue_remove(struct hg_job_queue *queue, struct hg_job *job)
{
    /* The job is at the front, or behind the few that came to the front since its first claim. */
    struct hg_job *before = NULL;
    struct hg_job *at = queue->head;
    while (at != job) {
        HG_REQUIRE(at != NULL);
        before = at;
        at = at->next;
    }
    if (before == NULL) {
        queue->head = job->next;
    } else {
        before->next = job->next;
    }
    if (queue->tail == job) {
        queue->tail = before;
    }
    count_job(queue, job, UINT32_MAX);
}

#define BACK_SHIFT 32

/* How many parts were claimed when CLAIMED was read, ALL at most: claims may overshoot. */
static uint32_t count_claimed(uint64_t claimed, uint32_t all)
{
    const uint64_t count = (uint32_t)claimed + (claimed >> BACK_SHIFT);
    return count < all ? (uint32_t)count : all;
}

uint32_t hg_job_claim_next(struct hg_job *job, bool from_back, uint32_t *part)
{
    /* Relaxed: the job's contents came to the claimer through the mutex, with its first part. */
    const uint64_t claimed = atomic_fetch_add_explicit(
        &job->claimed, UINT64_C(1) << (from_back ? BACK_SHIFT : 0), memory_order_relaxed);
    *part = from_back ? job->parts - 1 - (uint32_t)(claimed >> BACK_SHIFT) : (uint32_t)claimed;
    return count_claimed(claimed, job->parts);
}

static uint32_t claimed_of(const struct hg_job *job)
{
    return count_claimed(atomic_load_explicit(&job->claimed, memory_order_relaxed), job->parts);
}

bool hg_job_queue_claim(struct hg_job_queue *queue, struct hg_job_claim *claim)
{
    for (struct hg_job *job = queue->head; job != NULL; job = job->next) {
        uint32_t part;
        /* A job that is all claimed stays here until its last claimer gets the mutex. */
        if (claimed_of(job) == job->parts) {
            continue;
        }
        const uint32_t before = hg_job_claim_next(job, hg_job_helps(job), &part);
        if (before == job->parts) {
            continue;
        }
        if (before == job->parts - 1) {
            hg_job_queue_remove(queue, job);
        }
        *claim = (struct hg_job_claim){job, part};
        return true;
    }
    return false;
}

uint64_t hg_job_queue_unclaimed(const struct hg_job_queue *queue, uint64_t at_most)
{
    uint64_t count = 0;
    for (const struct hg_job *job = queue->head; job != NULL && count < at_most; job = job->next) {
        count += job->parts - claimed_of(job);
    }
    return count;
}

uint32_t hg_job_queue_depth(const struct hg_job_queue *queue)
{
    return atomic_load_explicit(&queue->depth, memory_order_relaxed);
}

uint32_t hg_job_queue_waiting(const struct hg_job_queue *queue)
{
    return hg_job_queue_depth(queue) - queue->shared;
}
