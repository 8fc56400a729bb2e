/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: descriptors by level and by edge, closing in the middle of a turn, timers, wakes
 * from other threads, posted work. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"

static struct hg_loop *loop;

static int start(void **state)
{
    struct hg_error error = HG_ERROR_INIT;
    (void)state;
    return hg_loop_create(&loop, &error) == HG_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    hg_loop_destroy(&loop);
    return hg_alloc_live_bytes_all() == 0 ? 0 : -1;
}

/* One end of a socket pair that is watched, and what was told of it. */
struct watched {
    int fd;
    int peer;
    struct hg_watch *watch;
    struct hg_watch **victim; /* closed by the callback */
    unsigned calls;
    unsigned events;
};

static void watched_cb(void *context, unsigned events)
{
    struct watched *watched = context;
    watched->calls++;
    watched->events = events;
    if (watched->victim != NULL) {
        hg_watch_close(watched->victim);
    }
}

static void watch_pair(struct watched *watched)
{
    struct hg_error error = HG_ERROR_INIT;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *watched = (struct watched){.fd = fds[0], .peer = fds[1]};
    assert_int_equal(hg_watch_create(loop, fds[0], watched_cb, watched, &watched->watch, &error),
                     HG_OK);
}

static void unwatch(struct watched *watched)
{
    hg_watch_close(&watched->watch);
    close(watched->fd);
    if (watched->peer >= 0) {
        close(watched->peer);
    }
}

static void say(const struct watched *watched)
{
    assert_int_equal(send(watched->peer, "x", 1, 0), 1);
}

/* Without an edge a descriptor is told of as long as there is something. */
static void level_is_told_again(void **state)
{
    struct watched watched;
    (void)state;
    watch_pair(&watched);
    hg_watch_set(watched.watch, HG_WATCH_READ);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 0);
    say(&watched);
    hg_loop_turn(loop);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 2);
    assert_int_equal(watched.events, HG_WATCH_READ);
    hg_watch_set(watched.watch, 0);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 2);
    unwatch(&watched);
}

/* An edge is told once, again when more comes, and again after any change of what is watched. */
static void edge_is_told_once(void **state)
{
    struct watched watched;
    (void)state;
    watch_pair(&watched);
    hg_watch_set(watched.watch, HG_WATCH_READ | HG_WATCH_EDGE);
    say(&watched);
    hg_loop_turn(loop);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 1);
    say(&watched);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 2);
    hg_watch_set(watched.watch, HG_WATCH_HANGUP);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 2);
    hg_watch_set(watched.watch, HG_WATCH_READ | HG_WATCH_EDGE);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 3);
    assert_int_equal(watched.events, HG_WATCH_READ);
    unwatch(&watched);
}

/* The last bytes and the end come as one edge, which says both: a reader must not stop early. */
static void edge_tells_of_the_end(void **state)
{
    struct watched watched;
    (void)state;
    watch_pair(&watched);
    hg_watch_set(watched.watch, HG_WATCH_READ | HG_WATCH_EDGE);
    say(&watched);
    assert_int_equal(shutdown(watched.peer, SHUT_WR), 0);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 1);
    assert_int_equal(watched.events, HG_WATCH_READ | HG_WATCH_HANGUP);
    unwatch(&watched);
}

/* A peer that is gone is told of once where nothing is watched for, and keeps no core busy. */
static void nothing_is_told_of_nothing(void **state)
{
    struct watched watched;
    (void)state;
    watch_pair(&watched);
    hg_watch_set(watched.watch, HG_WATCH_READ);
    hg_watch_set(watched.watch, 0);
    close(watched.peer);
    watched.peer = -1;
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 0);
    hg_watch_set(watched.watch, HG_WATCH_HANGUP);
    hg_loop_turn(loop);
    assert_int_equal(watched.calls, 1);
    assert_int_equal(watched.events & HG_WATCH_HANGUP, HG_WATCH_HANGUP);
    unwatch(&watched);
}

/* Of two descriptors that have something in the same turn the first closes the other: that one is
 * not told of any more. */
static void closed_in_the_same_turn(void **state)
{
    struct watched first, second;
    (void)state;
    watch_pair(&first);
    watch_pair(&second);
    hg_watch_set(first.watch, HG_WATCH_READ);
    hg_watch_set(second.watch, HG_WATCH_READ);
    first.victim = &second.watch;
    second.victim = &first.watch;
    say(&first);
    say(&second);
    hg_loop_turn(loop);
    assert_int_equal(first.calls + second.calls, 1);
    first.victim = second.victim = NULL;
    unwatch(&first);
    unwatch(&second);
}

static void count_cb(void *context)
{
    ++*(unsigned *)context;
}

static void stop_cb(void *context)
{
    ++*(unsigned *)context;
    hg_loop_stop(loop);
}

/* A sleeping loop is woken by its timers, in their order and not before their time. */
static void timers_end_the_sleep(void **state)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_timer *soon, *later, *never;
    unsigned soon_fired = 0, later_fired = 0, never_fired = 0;
    (void)state;
    assert_int_equal(hg_timer_create(loop, count_cb, &soon_fired, &soon, &error), HG_OK);
    assert_int_equal(hg_timer_create(loop, stop_cb, &later_fired, &later, &error), HG_OK);
    assert_int_equal(hg_timer_create(loop, count_cb, &never_fired, &never, &error), HG_OK);
    const uint64_t start_ns = hg_clock_now_ns();
    hg_timer_start(later, 30, 0);
    hg_timer_start(soon, 5, 5);
    hg_timer_start(never, 10, 0);
    hg_timer_stop(never);
    hg_loop_run(loop);
    /* libuv counts whole milliseconds. */
    assert_true(hg_clock_now_ns() - start_ns >= 29 * HG_NS_PER_MS);
    assert_int_equal(later_fired, 1);
    assert_true(soon_fired >= 1); /* a machine that stalls merges repeats */
    assert_int_equal(never_fired, 0);
    hg_timer_close(&soon);
    hg_timer_close(&later);
    hg_timer_close(&never);
}

static void raise_cb(void *context)
{
    (void)context;
    assert_int_equal(raise(SIGUSR1), 0);
}

/* A signal ends the sleep. */
static void signals_end_the_sleep(void **state)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_signal *handler;
    struct hg_post post;
    unsigned came = 0;
    (void)state;
    assert_int_equal(hg_signal_create(loop, SIGUSR1, stop_cb, &came, &handler, &error), HG_OK);
    hg_post_init(&post, raise_cb, NULL);
    hg_loop_post(loop, &post);
    hg_loop_run(loop);
    assert_int_equal(came, 1);
    hg_signal_close(&handler);
}

#define SENDS 20000u

/* What the other thread did, and what the loop has seen of it. */
struct sent {
    struct hg_wake *wake;
    _Atomic unsigned done; /* relaxed: the wake is to order it */
    unsigned seen;
    unsigned calls;
};

static void sent_cb(void *context)
{
    struct sent *sent = context;
    sent->calls++;
    sent->seen = atomic_load_explicit(&sent->done, memory_order_relaxed);
    if (sent->seen == SENDS) {
        hg_loop_stop(loop);
    }
}

static void *send_all(void *context)
{
    struct sent *sent = context;
    for (unsigned i = 1; i <= SENDS; i++) {
        atomic_store_explicit(&sent->done, i, memory_order_relaxed);
        hg_wake_send(sent->wake);
    }
    return NULL;
}

/* Another thread's wakes: the last one is never lost, and what came before it is seen. */
static void no_wake_is_lost(void **state)
{
    struct hg_error error = HG_ERROR_INIT;
    struct sent sent = {0};
    pthread_t thread;
    (void)state;
    assert_int_equal(hg_wake_create(loop, sent_cb, &sent, &sent.wake, &error), HG_OK);
    assert_int_equal(pthread_create(&thread, NULL, send_all, &sent), 0);
    hg_loop_run(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sent.seen, SENDS);
    assert_in_range(sent.calls, 1, SENDS);
    hg_wake_close(&sent.wake);
}

struct posted {
    struct hg_post post;
    unsigned runs;
};

static void again_cb(void *context)
{
    struct posted *posted = context;
    posted->runs++;
    hg_loop_post(loop, &posted->post);
}

/* What posts itself runs once a turn, and is not run after it was taken back. */
static void posted_work_runs_once_a_turn(void **state)
{
    struct posted posted = {.runs = 0};
    (void)state;
    hg_post_init(&posted.post, again_cb, &posted);
    hg_loop_post(loop, &posted.post);
    hg_loop_turn(loop);
    assert_int_equal(posted.runs, 1);
    hg_loop_turn(loop);
    assert_int_equal(posted.runs, 2);
    hg_loop_unpost(loop, &posted.post);
    hg_loop_turn(loop);
    assert_int_equal(posted.runs, 2);
}

/* Whatever runs out of memory says so and leaves nothing behind. */
static void out_of_memory(void **state)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_watch *watch;
    struct hg_wake *wake = NULL;
    (void)state;
    hg_alloc_fault_set(0, false);
    assert_int_equal(hg_watch_create(loop, 0, watched_cb, NULL, &watch, &error),
                     HG_RESOURCE_EXHAUSTED);
    for (uint64_t skip = 0; wake == NULL; skip++) {
        hg_alloc_fault_set(skip, false);
        const enum hg_status status = hg_wake_create(loop, count_cb, NULL, &wake, &error);
        assert_true(status == HG_OK || status == HG_RESOURCE_EXHAUSTED);
    }
    hg_alloc_fault_clear();
    hg_wake_close(&wake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_is_told_again),
        cmocka_unit_test(edge_is_told_once),
        cmocka_unit_test(edge_tells_of_the_end),
        cmocka_unit_test(nothing_is_told_of_nothing),
        cmocka_unit_test(closed_in_the_same_turn),
        cmocka_unit_test(timers_end_the_sleep),
        cmocka_unit_test(signals_end_the_sleep),
        cmocka_unit_test(no_wake_is_lost),
        cmocka_unit_test(posted_work_runs_once_a_turn),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
