/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutexes with ranks: a thread may only take a mutex of higher rank than those it holds. Taking a
 * lower or equal one is our bug; builds with HG_DEBUG_LOCKS (all test builds) abort on it.
 */
#ifndef HG_LIB_BASE_MUTEX_H
#define HG_LIB_BASE_MUTEX_H

#include <pthread.h>
#include <stdint.h>

/* In the order in which they may be nested. */
enum hg_rank {
    HG_RANK_ENGINE = 1,  /* named buffers, list of sessions */
    HG_RANK_SESSION,     /* a session's tables */
    HG_RANK_GRAPHS,      /* the table of graphs */
    HG_RANK_CACHE,       /* the program cache's table */
    HG_RANK_CACHE_BUILD, /* one build in flight */
    HG_RANK_POOL,        /* a pool's free lists */
    HG_RANK_SCHED,       /* the worker queue */
    HG_RANK_RUN,         /* one run in flight */
    HG_RANK_PACKED,      /* the table of packed operands */
    HG_RANK_LOOP,        /* completions on their way to the loop */
    HG_RANK_NATIVE,      /* space for code */
    HG_RANK_LOG
};

struct hg_mutex {
    pthread_mutex_t native;
    enum hg_rank rank;
};

void hg_mutex_init(struct hg_mutex *mutex, enum hg_rank rank);
void hg_mutex_fini(struct hg_mutex *mutex);
void hg_mutex_lock(struct hg_mutex *mutex);
void hg_mutex_unlock(struct hg_mutex *mutex);

/* A condition variable on CLOCK_MONOTONIC. */
struct hg_condition {
    pthread_cond_t native;
};
void hg_cond_init(struct hg_condition *cond);
void hg_cond_fini(struct hg_condition *cond);
void hg_cond_wait(struct hg_condition *cond, struct hg_mutex *mutex);
/* Waits until DEADLINE_NS (hg_clock time) at the latest. Wake-ups may be spurious. */
void hg_cond_wait_until(struct hg_condition *cond, struct hg_mutex *mutex, uint64_t deadline_ns);
void hg_cond_signal(struct hg_condition *cond);
void hg_cond_broadcast(struct hg_condition *cond);

#endif
