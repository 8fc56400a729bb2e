/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's two halves: descriptors (loop.c), and libuv's timers and signals (loop_uv.c).
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_LOOP_INTERNAL_H
#define HG_DAEMON_LOOP_INTERNAL_H

#include <sys/epoll.h>
#include <uv.h>

#include "daemon/loop.h"

/* Descriptors that one turn serves. */
#define EVENTS_MAX 64

struct hg_loop {
    int epoll_fd;
    int timer_fd; /* fires when libuv's next timer is due */
    struct epoll_event events[EVENTS_MAX];
    int event_count; /* of this turn, */
    int event_next;  /*   and the first that is not served yet */
    struct hg_post *first;
    struct hg_post *last;
    uint64_t poll_ns;
    uint64_t traffic_ns; /* when a watched descriptor last had something */
    uint64_t turns;
    bool stopped;
    bool uv_told; /* libuv knows something that it has not acted upon */
    uv_loop_t uv;
};

/* What a libuv call that gave CODE, or a system call that left -CODE in errno, means. */
enum hg_status hg_loop_fail(struct hg_error *error, const char *what, int code);

/* Prepares libuv's part of LOOP; gives libuv's code. */
HG_MUST_CHECK int hg_loop_uv_init(struct hg_loop *loop);
/* Every handle must have been closed. */
void hg_loop_uv_fini(struct hg_loop *loop);
/* Has libuv act, and the timer descriptor stand for its next timer. */
void hg_loop_uv_run(struct hg_loop *loop);

#endif
