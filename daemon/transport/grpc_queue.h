/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C core's completion queue, and the way from its thread to the loop.
 *
 *     C core ──► queue thread: hg_grpc_tag.fn ──► hg_grpc_post ──► loop: hg_grpc_event.fn
 *
 * The queue thread does what needs no daemon state (arm the next operation, free a call that is
 * over). The loop gets the rest: whoever finds the list empty wakes it, so that a burst costs one
 * wake, and it works through the list within a turn's share of its time.
 *
 * Threads: named at each function.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_QUEUE_H
#define HG_DAEMON_TRANSPORT_GRPC_QUEUE_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "daemon/loop.h"

/* The struct that holds MEMBER, which POINTER points to. */
#define HG_GRPC_OF(type, member, pointer)                                                          \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Work for the loop, embedded in what it is about. Posted again only after it has run. */
struct hg_grpc_event {
    void (*fn)(struct hg_grpc_event *event);
    struct hg_grpc_event *next;
};

/* What C core gives back when an operation has ended; FN runs on the queue thread. */
struct hg_grpc_tag {
    void (*fn)(struct hg_grpc_tag *tag, bool ok);
    /* C core orders "operation started" before "ended", but ThreadSanitizer does not see into it:
     * release at the start, acquire at the end. */
    _Atomic unsigned starts;
};

struct hg_grpc_queue {
    grpc_completion_queue *core;
    pthread_t thread;
    bool started;
    struct hg_loop *loop;
    struct hg_wake *wake;
    struct hg_post post;                 /* goes on in the loop's next turn */
    _Atomic(struct hg_grpc_event *) top; /* posted, newest first */
    struct hg_grpc_event *later;         /* the queue thread's: to be posted before it waits */
    struct hg_grpc_event *first;         /* taken by the loop, oldest first */
    uint64_t turn_ns;
};

/* Loop. On error nothing is left behind. */
HG_MUST_CHECK enum hg_status hg_grpc_queue_start(struct hg_grpc_queue *queue, struct hg_loop *loop,
                                                 uint64_t turn_ns, struct hg_error *error);
/* Loop. Nothing can start operations any more: waits for the thread, which drains the queue, and
 * runs what it posted. */
void hg_grpc_queue_stop(struct hg_grpc_queue *queue);

/* Any thread: EVENT runs on the loop soon. */
void hg_grpc_post(struct hg_grpc_queue *queue, struct hg_grpc_event *event);

/* Queue thread: the same, once there is nothing more to do at once. */
void hg_grpc_post_later(struct hg_grpc_queue *queue, struct hg_grpc_event *event);

/* Any thread: TAG is about to be handed to C core. */
static inline void *hg_grpc_tag_start(struct hg_grpc_tag *tag)
{
    atomic_fetch_add_explicit(&tag->starts, 1, memory_order_release);
    return tag;
}

#endif
