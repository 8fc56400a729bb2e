/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/grpc_queue.h"

#include <signal.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

/* ---- the queue thread ---------------------------------------------------------------------------
 */

/* What was put off, in the order in which it came. */
static void post_put_off(struct hg_grpc_queue *queue)
{
    struct hg_grpc_event *event = queue->later;
    queue->later = NULL;
    while (event != NULL) {
        struct hg_grpc_event *next = event->next;
        hg_grpc_post(queue, event);
        event = next;
    }
}

void hg_grpc_post_later(struct hg_grpc_queue *queue, struct hg_grpc_event *event)
{
    struct hg_grpc_event **last = &queue->later;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    event->next = NULL;
    *last = event;
}

static void *drain_queue(void *context)
{
    struct hg_grpc_queue *queue = context;
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    const gpr_timespec at_once = gpr_inf_past(GPR_CLOCK_MONOTONIC);
    for (;;) {
        const grpc_event event =
            grpc_completion_queue_next(queue->core, queue->later != NULL ? at_once : never, NULL);
        if (event.type != GRPC_OP_COMPLETE) {
            post_put_off(queue);
        }
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        if (event.type == GRPC_QUEUE_TIMEOUT) {
            continue;
        }
        struct hg_grpc_tag *tag = event.tag;
        (void)atomic_load_explicit(&tag->starts, memory_order_acquire);
        tag->fn(tag, event.success != 0);
    }
}

void hg_grpc_post(struct hg_grpc_queue *queue, struct hg_grpc_event *event)
{
    struct hg_grpc_event *top = atomic_load_explicit(&queue->top, memory_order_relaxed);
    do {
        event->next = top;
        /* Release: pairs with the acquire in take. */
    } while (!atomic_compare_exchange_weak_explicit(&queue->top, &top, event, memory_order_release,
                                                    memory_order_relaxed));
    if (top == NULL) {
        hg_wake_send(queue->wake);
    }
}

/* ---- the loop -----------------------------------------------------------------------------------
 */

/* Puts what was posted behind what is taken already, oldest first. */
static void take(struct hg_grpc_queue *queue)
{
    struct hg_grpc_event *newest =
        atomic_exchange_explicit(&queue->top, NULL, memory_order_acquire);
    struct hg_grpc_event *oldest = NULL;
    while (newest != NULL) {
        struct hg_grpc_event *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    queue->first = oldest;
}

static struct hg_grpc_event *next_event(struct hg_grpc_queue *queue)
{
    if (queue->first == NULL) {
        take(queue);
    }
    struct hg_grpc_event *event = queue->first;
    if (event != NULL) {
        queue->first = event->next;
    }
    return event;
}

static void run_cb(void *context)
{
    struct hg_grpc_queue *queue = context;
    const uint64_t end_ns = hg_clock_now_ns() + queue->turn_ns;
    struct hg_grpc_event *event;
    while ((event = next_event(queue)) != NULL) {
        event->fn(event);
        if (hg_clock_now_ns() >= end_ns) {
            hg_loop_post(queue->loop, &queue->post);
            return;
        }
    }
}

/* Signals are the loop's. */
static int start_thread(struct hg_grpc_queue *queue)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int code = pthread_create(&queue->thread, NULL, drain_queue, queue);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

enum hg_status hg_grpc_queue_start(struct hg_grpc_queue *queue, struct hg_loop *loop,
                                   uint64_t turn_ns, struct hg_error *error)
{
    queue->loop = loop;
    queue->turn_ns = turn_ns;
    atomic_init(&queue->top, NULL);
    queue->first = NULL;
    hg_post_init(&queue->post, run_cb, queue);
    if (hg_wake_create(loop, run_cb, queue, &queue->wake, error) != HG_OK) {
        return error->status;
    }
    queue->core = grpc_completion_queue_create_for_next(NULL);
    const int code = start_thread(queue);
    if (code != 0) {
        grpc_completion_queue_shutdown(queue->core);
        grpc_completion_queue_destroy(queue->core);
        queue->core = NULL;
        hg_wake_close(&queue->wake);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "grpc: queue thread: %s", strerror(code));
    }
    (void)pthread_setname_np(queue->thread, "hg-grpc");
    queue->started = true;
    return HG_OK;
}

void hg_grpc_queue_stop(struct hg_grpc_queue *queue)
{
    if (!queue->started) {
        return;
    }
    grpc_completion_queue_shutdown(queue->core);
    HG_REQUIRE(pthread_join(queue->thread, NULL) == 0);
    struct hg_grpc_event *event;
    while ((event = next_event(queue)) != NULL) {
        event->fn(event);
    }
    grpc_completion_queue_destroy(queue->core);
    hg_loop_unpost(queue->loop, &queue->post);
    hg_wake_close(&queue->wake);
    queue->started = false;
}
