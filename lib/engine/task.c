/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mutex.h"
#include "lib/engine/engine.h"

void hg_task_cancel(struct hg_task *task)
{
    /* Relaxed: a hint; what was computed until it is seen is thrown away. */
    atomic_store_explicit(&task->cancelled, true, memory_order_relaxed);
}

/*
 * Lets one thread wait for the end of one task. Most end before anybody has to wait, so what
 * sleeping takes is made only then.
 */
struct waiter {
    /* Who comes second, the end of the task or the wait for it, finds the other here. */
    _Atomic enum { RUNNING, AWAITED, ENDED } state;
    struct hg_mutex mutex; /* HG_RANK_LOOP */
    struct hg_condition ended;
    bool is_ended; /* under the mutex */
};

static void wake(struct hg_task *task)
{
    struct waiter *waiter = task->context;
    /* Release: the outcome, for who does not sleep. Acquire: the mutex of who does. */
    if (atomic_exchange_explicit(&waiter->state, ENDED, memory_order_acq_rel) != AWAITED) {
        return; /* the waiter may be gone */
    }
    hg_mutex_lock(&waiter->mutex);
    waiter->is_ended = true;
    /* Under the mutex: as soon as it is let go, the waiter may be gone. */
    hg_cond_signal(&waiter->ended);
    hg_mutex_unlock(&waiter->mutex);
}

static void waiter_init(struct waiter *waiter, struct hg_task *task)
{
    atomic_init(&waiter->state, RUNNING);
    task->done = wake;
    task->context = waiter;
    task->is_awaited = true;
}

static void sleep_until_ended(struct waiter *waiter)
{
    hg_mutex_init(&waiter->mutex, HG_RANK_LOOP);
    hg_cond_init(&waiter->ended);
    waiter->is_ended = false;
    /* Release: the mutex. Acquire: the outcome. */
    if (atomic_exchange_explicit(&waiter->state, AWAITED, memory_order_acq_rel) == RUNNING) {
        hg_mutex_lock(&waiter->mutex);
        while (!waiter->is_ended) {
            hg_cond_wait(&waiter->ended, &waiter->mutex);
        }
        hg_mutex_unlock(&waiter->mutex);
    }
    hg_cond_fini(&waiter->ended);
    hg_mutex_fini(&waiter->mutex);
}

static enum hg_status wait_for(struct waiter *waiter, struct hg_task *task,
                               enum hg_submitted submitted)
{
    if (submitted == HG_TASK_PENDING) {
        sleep_until_ended(waiter);
    }
    task->done = NULL;
    task->context = NULL;
    task->is_awaited = false;
    return task->error.status;
}

enum hg_status hg_session_execute_wait(struct hg_session *session,
                                       const struct hg_execute_request *request,
                                       struct hg_task *task)
{
    struct waiter waiter;
    waiter_init(&waiter, task);
    return wait_for(&waiter, task, hg_session_execute(session, request, task));
}

enum hg_status hg_session_execute_prepared_wait(struct hg_session *session,
                                                const struct hg_execute_prepared_request *request,
                                                struct hg_task *task)
{
    struct waiter waiter;
    waiter_init(&waiter, task);
    return wait_for(&waiter, task, hg_session_execute_prepared(session, request, task));
}

enum hg_status hg_session_run_graph_wait(struct hg_session *session,
                                         const struct hg_graph_request *request,
                                         struct hg_graph_result *result, struct hg_task *task)
{
    enum hg_status status;
    do {
        struct waiter waiter;
        waiter_init(&waiter, task);
        status = wait_for(&waiter, task, hg_session_run_graph(session, request, result, task));
    } while (status == HG_OK && result->again);
    if (status != HG_OK) {
        hg_session_graph_failed(session, result);
    }
    return status;
}

enum hg_status hg_session_run_wait(struct hg_session *session, const struct hg_run_request *request,
                                   struct hg_task *task)
{
    struct waiter waiter;
    waiter_init(&waiter, task);
    return wait_for(&waiter, task, hg_session_run(session, request, task));
}
