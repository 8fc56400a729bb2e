/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two layers. libuv has timers and signals. Descriptors and wakes, which is where traffic comes
 * from, are in an epoll set of our own, beside libuv's own descriptor and a timer descriptor that
 * stands for libuv's next timer: so a request costs one epoll_wait, no clock and no round of
 * libuv's phases. libuv runs when one of the two has something, or when it was told something.
 *
 *     epoll set ─┬─ watched descriptors, wakes ──► their callbacks
 *                └─ libuv's descriptor, next timer ──► uv_run(NOWAIT) ──► timers, signals
 */

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/loop_internal.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

struct hg_watch {
    struct hg_loop *loop;
    int fd;
    hg_watch_fn *fn;
    void *context;
    unsigned events;
};

struct hg_wake {
    struct hg_watch *watch;
    int fd;
    /* Sent and not seen. Exchanged with acquire and release: what was done before a send that rides
     * along is seen, too. */
    _Atomic bool pending;
    hg_loop_fn *fn;
    void *context;
};

/* Runs what was posted before this turn; what these post waits for the next one. */
static void run_posted(struct hg_loop *loop)
{
    while (loop->first != NULL && loop->first->turn < loop->turns) {
        struct hg_post *post = loop->first;
        hg_loop_unpost(loop, post);
        post->fn(post->context);
    }
}

static bool keeps_polling(const struct hg_loop *loop)
{
    return loop->poll_ns != 0 && hg_clock_now_ns() - loop->traffic_ns < loop->poll_ns;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static int add_to_set(const struct hg_loop *loop, int fd, uint32_t mask, void *context)
{
    struct epoll_event event = {.events = mask, .data.ptr = context};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* The two descriptors of the epoll set. An expired timer is an edge, so that nobody need read it;
 * events without a watch are libuv's. */
static bool open_set(struct hg_loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return loop->epoll_fd >= 0 && loop->timer_fd >= 0 &&
           add_to_set(loop, loop->timer_fd, EPOLLIN | EPOLLET, NULL) == 0 &&
           add_to_set(loop, uv_backend_fd(&loop->uv), EPOLLIN, NULL) == 0;
}

static void close_set(struct hg_loop *loop)
{
    if (loop->timer_fd >= 0) {
        close(loop->timer_fd);
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
}

enum hg_status hg_loop_create(struct hg_loop **loop, struct hg_error *error)
{
    struct hg_loop *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "event loop: out of memory");
    }
    int code = hg_loop_uv_init(self);
    if (code != 0) {
        hg_free(HG_TAG_TRANSPORT, self);
        return hg_loop_fail(error, "event loop", code);
    }
    if (!open_set(self)) {
        code = -errno;
        close_set(self);
        hg_loop_uv_fini(self);
        hg_free(HG_TAG_TRANSPORT, self);
        return hg_loop_fail(error, "event loop", code);
    }
    *loop = self;
    return HG_OK;
}

void hg_loop_destroy(struct hg_loop **loop)
{
    struct hg_loop *self = *loop;
    if (self == NULL) {
        return;
    }
    HG_REQUIRE(self->first == NULL);
    hg_loop_uv_fini(self);
    close_set(self);
    hg_free(HG_TAG_TRANSPORT, self);
    *loop = NULL;
}

/* ---- turns --------------------------------------------------------------------------------------
 */

/* What MASK means to who watches. An error condition of the descriptor: whoever reads or writes it
 * gets the errno. */
static unsigned meaning_of(const struct hg_watch *watch, uint32_t mask)
{
    unsigned happened = (mask & (EPOLLERR | EPOLLHUP)) != 0 ? watch->events & ~HG_WATCH_EDGE : 0;
    happened |= (mask & EPOLLIN) != 0 ? HG_WATCH_READ : 0;
    happened |= (mask & EPOLLOUT) != 0 ? HG_WATCH_WRITE : 0;
    happened |= (mask & (EPOLLRDHUP | EPOLLHUP)) != 0 ? HG_WATCH_HANGUP : 0;
    return watch->events != 0 ? happened : 0;
}

static void serve_events(struct hg_loop *loop)
{
    bool is_uv_due = false;
    for (loop->event_next = 0; loop->event_next < loop->event_count;) {
        const struct epoll_event *event = &loop->events[loop->event_next++];
        const struct hg_watch *watch = event->data.ptr;
        /* None: libuv's, or it was closed a moment ago, which is told by an empty mask. */
        const unsigned happened = watch != NULL ? meaning_of(watch, event->events) : 0;
        is_uv_due = is_uv_due || (watch == NULL && event->events != 0);
        if (happened != 0) {
            watch->fn(watch->context, happened);
        }
    }
    loop->event_count = 0;
    if (is_uv_due) {
        hg_loop_uv_run(loop);
    }
}

static void turn(struct hg_loop *loop, bool may_sleep)
{
    loop->turns++;
    run_posted(loop);
    if (loop->uv_told) {
        hg_loop_uv_run(loop);
    }
    const bool sleeps = may_sleep && !loop->stopped && loop->first == NULL && !loop->uv_told &&
                        !keeps_polling(loop);
    const int count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_MAX, sleeps ? -1 : 0);
    if (count > 0) {
        loop->traffic_ns = loop->poll_ns != 0 ? hg_clock_now_ns() : 0;
        loop->event_count = count;
        serve_events(loop);
    }
}

void hg_loop_run(struct hg_loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        turn(loop, true);
    }
}

void hg_loop_turn(struct hg_loop *loop)
{
    turn(loop, false);
}

void hg_loop_stop(struct hg_loop *loop)
{
    loop->stopped = true;
}

void hg_loop_set_poll(struct hg_loop *loop, uint64_t poll_ns)
{
    loop->poll_ns = poll_ns;
}

uint64_t hg_loop_turns(const struct hg_loop *loop)
{
    return loop->turns;
}

/* ---- descriptors --------------------------------------------------------------------------------
 */

/* Without any event there are still errors and hang-ups: an edge tells of them but once. */
static uint32_t mask_of(unsigned events)
{
    uint32_t mask = 0;
    mask |= (events & HG_WATCH_READ) != 0 ? EPOLLIN : 0;
    mask |= (events & HG_WATCH_WRITE) != 0 ? EPOLLOUT : 0;
    mask |= (events & (HG_WATCH_HANGUP | HG_WATCH_EDGE)) != 0 ? EPOLLRDHUP : 0;
    mask |= (events & HG_WATCH_EDGE) != 0 || events == 0 ? EPOLLET : 0;
    return mask;
}

enum hg_status hg_watch_create(struct hg_loop *loop, int fd, hg_watch_fn *fn, void *context,
                               struct hg_watch **watch, struct hg_error *error)
{
    struct hg_watch *self = hg_malloc(HG_TAG_TRANSPORT, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "watch: out of memory");
    }
    *self = (struct hg_watch){.loop = loop, .fd = fd, .fn = fn, .context = context};
    if (add_to_set(loop, fd, mask_of(0), self) != 0) {
        const int code = -errno;
        hg_free(HG_TAG_TRANSPORT, self);
        return hg_loop_fail(error, "watch", code);
    }
    *watch = self;
    return HG_OK;
}

void hg_watch_set(struct hg_watch *watch, unsigned events)
{
    if (events == watch->events) {
        return;
    }
    watch->events = events;
    struct epoll_event event = {.events = mask_of(events), .data.ptr = watch};
    HG_REQUIRE(epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0);
}

/* Events of WATCH that this turn has not come to are nobody's any more. */
static void forget_events(struct hg_loop *loop, const struct hg_watch *watch)
{
    for (int i = loop->event_next; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch) {
            loop->events[i] = (struct epoll_event){.events = 0};
        }
    }
}

void hg_watch_close(struct hg_watch **watch)
{
    struct hg_watch *self = *watch;
    if (self != NULL) {
        HG_REQUIRE(epoll_ctl(self->loop->epoll_fd, EPOLL_CTL_DEL, self->fd, NULL) == 0);
        forget_events(self->loop, self);
        hg_free(HG_TAG_TRANSPORT, self);
        *watch = NULL;
    }
}

/* ---- other threads
 * -------------------------------------------------------------------------------
 */

static void wake_cb(void *context, unsigned events)
{
    struct hg_wake *wake = context;
    (void)events;
    (void)atomic_exchange_explicit(&wake->pending, false, memory_order_acq_rel);
    wake->fn(wake->context);
}

enum hg_status hg_wake_create(struct hg_loop *loop, hg_loop_fn *fn, void *context,
                              struct hg_wake **wake, struct hg_error *error)
{
    struct hg_wake *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "wake: out of memory");
    }
    self->fn = fn;
    self->context = context;
    self->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->fd < 0) {
        const int code = -errno;
        hg_free(HG_TAG_TRANSPORT, self);
        return hg_loop_fail(error, "wake", code);
    }
    if (hg_watch_create(loop, self->fd, wake_cb, self, &self->watch, error) != HG_OK) {
        close(self->fd);
        hg_free(HG_TAG_TRANSPORT, self);
        return error->status;
    }
    hg_watch_set(self->watch, HG_WATCH_READ | HG_WATCH_EDGE);
    *wake = self;
    return HG_OK;
}

/* Each write is an edge, so nobody reads the counter; it would overflow after 2^64 of them. */
void hg_wake_send(struct hg_wake *wake)
{
    const uint64_t one = 1;
    if (!atomic_exchange_explicit(&wake->pending, true, memory_order_acq_rel)) {
        HG_REQUIRE(write(wake->fd, &one, sizeof(one)) == sizeof(one));
    }
}

void hg_wake_close(struct hg_wake **wake)
{
    struct hg_wake *self = *wake;
    if (self != NULL) {
        hg_watch_close(&self->watch);
        close(self->fd);
        hg_free(HG_TAG_TRANSPORT, self);
        *wake = NULL;
    }
}

/* ---- posted work --------------------------------------------------------------------------------
 */

void hg_post_init(struct hg_post *post, hg_loop_fn *fn, void *context)
{
    *post = (struct hg_post){.fn = fn, .context = context};
}

void hg_loop_post(struct hg_loop *loop, struct hg_post *post)
{
    if (post->queued) {
        return;
    }
    post->queued = true;
    post->turn = loop->turns;
    post->next = NULL;
    post->previous = loop->last;
    if (loop->last != NULL) {
        loop->last->next = post;
    } else {
        loop->first = post;
    }
    loop->last = post;
}

void hg_loop_unpost(struct hg_loop *loop, struct hg_post *post)
{
    if (!post->queued) {
        return;
    }
    if (post->previous != NULL) {
        post->previous->next = post->next;
    } else {
        loop->first = post->next;
    }
    if (post->next != NULL) {
        post->next->previous = post->previous;
    } else {
        loop->last = post->previous;
    }
    post->queued = false;
}
