/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: libuv and epoll behind a few verbs, so that nothing else in the daemon includes
 * their headers.
 *
 * Each turn runs what was posted, then polls. Posted work runs once, in the order of posting: a
 * client that has more to do posts itself again and so waits for the others' turns.
 *
 * Threads: one, except hg_wake_send.
 * Ownership: handles are given; close takes them. A closed handle calls nothing any more, and a
 * watched descriptor may be closed right after hg_watch_close.
 */
#ifndef HG_DAEMON_LOOP_H
#define HG_DAEMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/status.h"

struct hg_loop;
struct hg_watch;
struct hg_timer;
struct hg_wake;
struct hg_signal;

HG_MUST_CHECK enum hg_status hg_loop_create(struct hg_loop **loop, struct hg_error *error);
/* Every handle must have been closed. NULLs *LOOP. */
void hg_loop_destroy(struct hg_loop **loop);
/* Runs until hg_loop_stop. */
void hg_loop_run(struct hg_loop *loop);
void hg_loop_stop(struct hg_loop *loop);
/* One turn that does not sleep. */
void hg_loop_turn(struct hg_loop *loop);
/* After traffic the loop polls for POLL_NS before it sleeps. */
void hg_loop_set_poll(struct hg_loop *loop, uint64_t poll_ns);
/* Turns since the start. */
uint64_t hg_loop_turns(const struct hg_loop *loop);

/* ---- descriptors -------------------------------------------------------------------------------
 */

#define HG_WATCH_READ   1u
#define HG_WATCH_WRITE  2u
#define HG_WATCH_HANGUP 4u
/* Tell of what there is to read or write only when more has come since the last time, and tell with
 * HG_WATCH_HANGUP that the peer will send no more: for who reads and writes until there is nothing
 * left. Whenever hg_watch_set changes anything, what there is is told again. */
#define HG_WATCH_EDGE 8u

typedef void hg_watch_fn(void *context, unsigned events);
/* Watches for nothing yet. FD is borrowed. */
HG_MUST_CHECK enum hg_status hg_watch_create(struct hg_loop *loop, int fd, hg_watch_fn *fn,
                                             void *context, struct hg_watch **watch,
                                             struct hg_error *error);
/* EVENTS is what to watch for from now on; 0 = nothing. */
void hg_watch_set(struct hg_watch *watch, unsigned events);
/* WATCH may hold NULL. */
void hg_watch_close(struct hg_watch **watch);

/* ---- timers ------------------------------------------------------------------------------------
 */

typedef void hg_loop_fn(void *context);
HG_MUST_CHECK enum hg_status hg_timer_create(struct hg_loop *loop, hg_loop_fn *fn, void *context,
                                             struct hg_timer **timer, struct hg_error *error);
/* Fires once after DELAY_MS, or again and again every REPEAT_MS when that is not 0. */
void hg_timer_start(struct hg_timer *timer, uint64_t delay_ms, uint64_t repeat_ms);
void hg_timer_stop(struct hg_timer *timer);
void hg_timer_close(struct hg_timer **timer);

/* ---- signals and other threads ------------------------------------------------------------------
 */

HG_MUST_CHECK enum hg_status hg_signal_create(struct hg_loop *loop, int number, hg_loop_fn *fn,
                                              void *context, struct hg_signal **signal,
                                              struct hg_error *error);
void hg_signal_close(struct hg_signal **signal);

HG_MUST_CHECK enum hg_status hg_wake_create(struct hg_loop *loop, hg_loop_fn *fn, void *context,
                                            struct hg_wake **wake, struct hg_error *error);
/* Makes FN run on the loop soon; calls may be merged. Any thread. */
void hg_wake_send(struct hg_wake *wake);
void hg_wake_close(struct hg_wake **wake);

/* ---- posted work -------------------------------------------------------------------------------
 */

struct hg_post {
    hg_loop_fn *fn;
    void *context;
    struct hg_post *next;
    struct hg_post *previous;
    uint64_t turn; /* in which it was posted */
    bool queued;
};
void hg_post_init(struct hg_post *post, hg_loop_fn *fn, void *context);
/* Runs at the start of the next turn; nothing if it is queued already. */
void hg_loop_post(struct hg_loop *loop, struct hg_post *post);
void hg_loop_unpost(struct hg_loop *loop, struct hg_post *post);

#endif
