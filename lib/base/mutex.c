/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mutex.h"

#include <errno.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

/*
 * Rank checks. Each thread keeps the ranks that it holds, lowest first: that order is the order of
 * locking, since each new rank must be above the last. Unlocking may happen in any order.
 */
#ifdef HG_DEBUG_LOCKS

static _Thread_local struct {
    enum hg_rank rank[HG_RANK_LOG];
    unsigned count;
} held;

static void rank_push(enum hg_rank rank)
{
    HG_REQUIRE(held.count == 0 || held.rank[held.count - 1] < rank);
    held.rank[held.count++] = rank;
}

static void rank_pop(enum hg_rank rank)
{
    unsigned i = held.count;
    while (i > 0 && held.rank[i - 1] != rank) {
        i--;
    }
    HG_REQUIRE(i > 0);
    for (; i < held.count; i++) {
        held.rank[i - 1] = held.rank[i];
    }
    held.count--;
}

/* A wait takes its mutex again, so nothing above it may be held meanwhile. */
static void rank_require_top(enum hg_rank rank)
{
    HG_REQUIRE(held.count > 0 && held.rank[held.count - 1] == rank);
}

#else

static void rank_push(enum hg_rank rank)
{
    (void)rank;
}

static void rank_pop(enum hg_rank rank)
{
    (void)rank;
}

static void rank_require_top(enum hg_rank rank)
{
    (void)rank;
}

#endif

void hg_mutex_init(struct hg_mutex *mutex, enum hg_rank rank)
{
    HG_REQUIRE(rank >= HG_RANK_ENGINE && rank <= HG_RANK_LOG);
    HG_REQUIRE(pthread_mutex_init(&mutex->native, NULL) == 0);
    mutex->rank = rank;
}

void hg_mutex_fini(struct hg_mutex *mutex)
{
    HG_REQUIRE(pthread_mutex_destroy(&mutex->native) == 0);
}

void hg_mutex_lock(struct hg_mutex *mutex)
{
    /* Before the lock: an inversion must abort rather than hang. */
    rank_push(mutex->rank);
    HG_REQUIRE(pthread_mutex_lock(&mutex->native) == 0);
}

void hg_mutex_unlock(struct hg_mutex *mutex)
{
    /* Before the unlock: afterwards another thread may already have destroyed the mutex. */
    rank_pop(mutex->rank);
    HG_REQUIRE(pthread_mutex_unlock(&mutex->native) == 0);
}

void hg_cond_init(struct hg_condition *cond)
{
    pthread_condattr_t attributes;
    HG_REQUIRE(pthread_condattr_init(&attributes) == 0);
    HG_REQUIRE(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    HG_REQUIRE(pthread_cond_init(&cond->native, &attributes) == 0);
    HG_REQUIRE(pthread_condattr_destroy(&attributes) == 0);
}

void hg_cond_fini(struct hg_condition *cond)
{
    HG_REQUIRE(pthread_cond_destroy(&cond->native) == 0);
}

void hg_cond_wait(struct hg_condition *cond, struct hg_mutex *mutex)
{
    rank_require_top(mutex->rank);
    HG_REQUIRE(pthread_cond_wait(&cond->native, &mutex->native) == 0);
}

/* The deadline is a time of hg_clock, which a test may have replaced; the kernel knows only its
 * own. What remains is measured on the one and added to the other. */
static struct timespec kernel_deadline(uint64_t deadline_ns)
{
    uint64_t now_ns = hg_clock_now_ns();
    uint64_t remaining_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    struct timespec deadline;
    HG_REQUIRE(clock_gettime(CLOCK_MONOTONIC, &deadline) == 0);
    uint64_t nsec = (uint64_t)deadline.tv_nsec + remaining_ns % HG_NS_PER_S;
    deadline.tv_sec += (time_t)(remaining_ns / HG_NS_PER_S + nsec / HG_NS_PER_S);
    deadline.tv_nsec = (long)(nsec % HG_NS_PER_S);
    return deadline;
}

void hg_cond_wait_until(struct hg_condition *cond, struct hg_mutex *mutex, uint64_t deadline_ns)
{
    rank_require_top(mutex->rank);
    struct timespec deadline = kernel_deadline(deadline_ns);
    int error = pthread_cond_timedwait(&cond->native, &mutex->native, &deadline);
    HG_REQUIRE(error == 0 || error == ETIMEDOUT);
}

void hg_cond_signal(struct hg_condition *cond)
{
    HG_REQUIRE(pthread_cond_signal(&cond->native) == 0);
}

void hg_cond_broadcast(struct hg_condition *cond)
{
    HG_REQUIRE(pthread_cond_broadcast(&cond->native) == 0);
}
