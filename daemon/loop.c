/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

struct hg_loop {
    uv_loop_t uv;
    uv_prepare_t prepare; /* runs before each poll: posted work */
    uv_idle_t idle;       /* while started, polls do not sleep */
    struct hg_post *first;
    struct hg_post *last;
    uint64_t poll_ns;
    uint64_t traffic_ns; /* when a watched descriptor last had something */
    uint64_t turns;
};

struct hg_watch {
    uv_poll_t uv; /* first: the handle is the allocation */
    struct hg_loop *loop;
    hg_watch_fn *fn;
    void *context;
    unsigned events;
};

struct hg_timer {
    uv_timer_t uv;
    hg_loop_fn *fn;
    void *context;
};

struct hg_signal {
    uv_signal_t uv;
    hg_loop_fn *fn;
    void *context;
};

/* Not a uv_async_t: its receiver spins until the sender's thread has run on, which on a busy
 * machine may be a while. */
struct hg_wake {
    uv_poll_t uv; /* first: the handle is the allocation */
    int fd;
    _Atomic bool pending;
    hg_loop_fn *fn;
    void *context;
};

static void *uv_malloc_cb(size_t size)
{
    return hg_malloc(HG_TAG_TRANSPORT, size);
}

static void *uv_calloc_cb(size_t count, size_t size)
{
    return hg_calloc(HG_TAG_TRANSPORT, count, size);
}

static void *uv_realloc_cb(void *block, size_t size)
{
    return hg_realloc(HG_TAG_TRANSPORT, block, size);
}

static void uv_free_cb(void *block)
{
    hg_free(HG_TAG_TRANSPORT, block);
}

static void free_handle_cb(uv_handle_t *handle)
{
    hg_free(HG_TAG_TRANSPORT, handle);
}

static enum hg_status fail_uv(struct hg_error *error, const char *what, int code)
{
    return hg_fail(error, HG_RESOURCE_EXHAUSTED, "%s: %s", what, uv_strerror(code));
}

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

/* That it is started is all there is to it. */
static void idle_cb(uv_idle_t *idle)
{
    (void)idle;
}

static void prepare_cb(uv_prepare_t *prepare)
{
    struct hg_loop *loop = prepare->data;
    loop->turns++;
    run_posted(loop);
    if (loop->first != NULL || keeps_polling(loop)) {
        (void)uv_idle_start(&loop->idle, idle_cb);
    } else {
        (void)uv_idle_stop(&loop->idle);
    }
}

enum hg_status hg_loop_create(struct hg_loop **loop, struct hg_error *error)
{
    /* Before anything of libuv is used; the same again is harmless. */
    uv_replace_allocator(uv_malloc_cb, uv_realloc_cb, uv_calloc_cb, uv_free_cb);
    struct hg_loop *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "event loop: out of memory");
    }
    const int code = uv_loop_init(&self->uv);
    if (code != 0) {
        hg_free(HG_TAG_TRANSPORT, self);
        return fail_uv(error, "event loop", code);
    }
    /* These three cannot fail. */
    HG_REQUIRE(uv_prepare_init(&self->uv, &self->prepare) == 0);
    HG_REQUIRE(uv_idle_init(&self->uv, &self->idle) == 0);
    HG_REQUIRE(uv_prepare_start(&self->prepare, prepare_cb) == 0);
    self->prepare.data = self;
    *loop = self;
    return HG_OK;
}

void hg_loop_destroy(struct hg_loop **loop)
{
    struct hg_loop *self = *loop;
    if (self == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&self->prepare, NULL);
    uv_close((uv_handle_t *)&self->idle, NULL);
    /* Closed handles are freed in callbacks of this last run. */
    uv_run(&self->uv, UV_RUN_NOWAIT);
    HG_REQUIRE(self->first == NULL);
    HG_REQUIRE(uv_loop_close(&self->uv) == 0);
    hg_free(HG_TAG_TRANSPORT, self);
    *loop = NULL;
}

void hg_loop_run(struct hg_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void hg_loop_turn(struct hg_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

void hg_loop_stop(struct hg_loop *loop)
{
    uv_stop(&loop->uv);
}

void hg_loop_set_poll(struct hg_loop *loop, uint64_t poll_ns)
{
    loop->poll_ns = poll_ns;
}

uint64_t hg_loop_turns(const struct hg_loop *loop)
{
    return loop->turns;
}

static void poll_cb(uv_poll_t *uv, int status, int events)
{
    struct hg_watch *watch = (struct hg_watch *)uv;
    if (watch->loop->poll_ns != 0) {
        watch->loop->traffic_ns = hg_clock_now_ns();
    }
    /* An error condition of the descriptor: whoever reads or writes it gets the errno. */
    unsigned happened = status < 0 ? watch->events : 0;
    happened |= (events & UV_READABLE) != 0 ? HG_WATCH_READ : 0;
    happened |= (events & UV_WRITABLE) != 0 ? HG_WATCH_WRITE : 0;
    happened |= (events & UV_DISCONNECT) != 0 ? HG_WATCH_HANGUP : 0;
    watch->fn(watch->context, happened);
}

enum hg_status hg_watch_create(struct hg_loop *loop, int fd, hg_watch_fn *fn, void *context,
                               struct hg_watch **watch, struct hg_error *error)
{
    struct hg_watch *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "watch: out of memory");
    }
    self->loop = loop;
    self->fn = fn;
    self->context = context;
    const int code = uv_poll_init(&loop->uv, &self->uv, fd);
    if (code != 0) {
        hg_free(HG_TAG_TRANSPORT, self);
        return fail_uv(error, "watch", code);
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
    int wanted = 0;
    wanted |= (events & HG_WATCH_READ) != 0 ? UV_READABLE : 0;
    wanted |= (events & HG_WATCH_WRITE) != 0 ? UV_WRITABLE : 0;
    wanted |= (events & HG_WATCH_HANGUP) != 0 ? UV_DISCONNECT : 0;
    /* Cannot fail on a handle that is not closing. */
    const int code =
        wanted != 0 ? uv_poll_start(&watch->uv, wanted, poll_cb) : uv_poll_stop(&watch->uv);
    HG_REQUIRE(code == 0);
}

void hg_watch_close(struct hg_watch **watch)
{
    if (*watch != NULL) {
        uv_close((uv_handle_t *)&(*watch)->uv, free_handle_cb);
        *watch = NULL;
    }
}

static void timer_cb(uv_timer_t *uv)
{
    struct hg_timer *timer = (struct hg_timer *)uv;
    timer->fn(timer->context);
}

enum hg_status hg_timer_create(struct hg_loop *loop, hg_loop_fn *fn, void *context,
                               struct hg_timer **timer, struct hg_error *error)
{
    struct hg_timer *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "timer: out of memory");
    }
    self->fn = fn;
    self->context = context;
    HG_REQUIRE(uv_timer_init(&loop->uv, &self->uv) == 0);
    *timer = self;
    return HG_OK;
}

void hg_timer_start(struct hg_timer *timer, uint64_t delay_ms, uint64_t repeat_ms)
{
    /* libuv's notion of now is that of the turn's start. */
    uv_update_time(timer->uv.loop);
    HG_REQUIRE(uv_timer_start(&timer->uv, timer_cb, delay_ms, repeat_ms) == 0);
}

void hg_timer_stop(struct hg_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

void hg_timer_close(struct hg_timer **timer)
{
    if (*timer != NULL) {
        uv_close((uv_handle_t *)&(*timer)->uv, free_handle_cb);
        *timer = NULL;
    }
}

static void signal_cb(uv_signal_t *uv, int number)
{
    (void)number;
    struct hg_signal *signal = (struct hg_signal *)uv;
    signal->fn(signal->context);
}

enum hg_status hg_signal_create(struct hg_loop *loop, int number, hg_loop_fn *fn, void *context,
                                struct hg_signal **signal, struct hg_error *error)
{
    struct hg_signal *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "signal: out of memory");
    }
    self->fn = fn;
    self->context = context;
    int code = uv_signal_init(&loop->uv, &self->uv);
    if (code != 0) {
        hg_free(HG_TAG_TRANSPORT, self);
        return fail_uv(error, "signal", code);
    }
    code = uv_signal_start(&self->uv, signal_cb, number);
    if (code != 0) {
        uv_close((uv_handle_t *)&self->uv, free_handle_cb);
        return fail_uv(error, "signal", code);
    }
    *signal = self;
    return HG_OK;
}

void hg_signal_close(struct hg_signal **signal)
{
    if (*signal != NULL) {
        uv_close((uv_handle_t *)&(*signal)->uv, free_handle_cb);
        *signal = NULL;
    }
}

static void wake_cb(uv_poll_t *uv, int status, int events)
{
    struct hg_wake *wake = (struct hg_wake *)uv;
    uint64_t count;
    (void)status;
    (void)events;
    (void)!read(wake->fd, &count, sizeof(count));
    /* Acquire: what was done before any call that found it pending is seen. */
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
    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd < 0) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "wake: %s", strerror(errno));
        hg_free(HG_TAG_TRANSPORT, self);
        return error->status;
    }
    const int code = uv_poll_init(&loop->uv, &self->uv, self->fd);
    if (code != 0) {
        close(self->fd);
        hg_free(HG_TAG_TRANSPORT, self);
        return fail_uv(error, "wake", code);
    }
    HG_REQUIRE(uv_poll_start(&self->uv, UV_READABLE, wake_cb) == 0);
    *wake = self;
    return HG_OK;
}

void hg_wake_send(struct hg_wake *wake)
{
    const uint64_t one = 1;
    if (!atomic_exchange_explicit(&wake->pending, true, memory_order_acq_rel)) {
        HG_REQUIRE(write(wake->fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    }
}

void hg_wake_close(struct hg_wake **wake)
{
    if (*wake != NULL) {
        const int fd = (*wake)->fd;
        uv_close((uv_handle_t *)&(*wake)->uv, free_handle_cb);
        close(fd);
        *wake = NULL;
    }
}

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
