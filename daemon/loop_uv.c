/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the loop that is libuv's: timers and signals. */
#include <stddef.h>
#include <sys/timerfd.h>

#include "daemon/loop_internal.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

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

enum hg_status hg_loop_fail(struct hg_error *error, const char *what, int code)
{
    return hg_fail(error, HG_RESOURCE_EXHAUSTED, "%s: %s", what, uv_strerror(code));
}

int hg_loop_uv_init(struct hg_loop *loop)
{
    /* Before anything of libuv is used; the same again is harmless. */
    uv_replace_allocator(uv_malloc_cb, uv_realloc_cb, uv_calloc_cb, uv_free_cb);
    return uv_loop_init(&loop->uv);
}

void hg_loop_uv_fini(struct hg_loop *loop)
{
    /* Closed handles are freed in callbacks of this last run. */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    HG_REQUIRE(uv_loop_close(&loop->uv) == 0);
}

void hg_loop_uv_run(struct hg_loop *loop)
{
    loop->uv_told = false;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    const int due_ms = uv_loop_alive(&loop->uv) ? uv_backend_timeout(&loop->uv) : -1;
    if (due_ms == 0) {
        loop->uv_told = true;
        return;
    }
    struct itimerspec due = {.it_value = {0}}; /* none */
    if (due_ms > 0) {
        due.it_value.tv_sec = due_ms / 1000;
        due.it_value.tv_nsec = due_ms % 1000 * (long)HG_NS_PER_MS;
    }
    HG_REQUIRE(timerfd_settime(loop->timer_fd, 0, &due, NULL) == 0);
}

/* ---- timers -------------------------------------------------------------------------------------
 */

static struct hg_loop *loop_of(const uv_loop_t *uv)
{
    return (struct hg_loop *)((char *)uv - offsetof(struct hg_loop, uv));
}

/* A handle that is closed, or was told to begin or to end. */
static void tell_uv(const uv_loop_t *uv)
{
    loop_of(uv)->uv_told = true;
}

static void close_handle(uv_handle_t *handle)
{
    uv_close(handle, free_handle_cb);
    tell_uv(handle->loop);
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
    tell_uv(timer->uv.loop);
}

void hg_timer_stop(struct hg_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

void hg_timer_close(struct hg_timer **timer)
{
    if (*timer != NULL) {
        close_handle((uv_handle_t *)&(*timer)->uv);
        *timer = NULL;
    }
}

/* ---- signals and other threads ------------------------------------------------------------------
 */

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
        return hg_loop_fail(error, "signal", code);
    }
    code = uv_signal_start(&self->uv, signal_cb, number);
    if (code != 0) {
        close_handle((uv_handle_t *)&self->uv);
        return hg_loop_fail(error, "signal", code);
    }
    tell_uv(&loop->uv);
    *signal = self;
    return HG_OK;
}

void hg_signal_close(struct hg_signal **signal)
{
    if (*signal != NULL) {
        close_handle((uv_handle_t *)&(*signal)->uv);
        *signal = NULL;
    }
}
