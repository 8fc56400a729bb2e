/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/notify.h"

#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/engine/engine.h"

struct hg_notify {
    const struct hg_engine *engine;
    struct hg_timer *timer;
    uint64_t progress; /* of the workers when the dog was last fed */
};

/* Runs on the loop, so that it runs shows that the loop turns. */
static void feed_cb(void *context)
{
    struct hg_notify *notify = context;
    struct hg_engine_stats stats;
    hg_engine_stats(notify->engine, &stats);
    if (stats.active_jobs != 0 && stats.worker_progress == notify->progress) {
        HG_LOG_WARN(NOTIFY, "workers have jobs and finish nothing: watchdog not fed",
                    HG_U64("active_jobs", stats.active_jobs));
        return;
    }
    notify->progress = stats.worker_progress;
    (void)sd_notify(0, "WATCHDOG=1");
}

enum hg_status hg_notify_create(struct hg_loop *loop, const struct hg_engine *engine,
                                struct hg_notify **notify, struct hg_error *error)
{
    uint64_t period_us = 0;
    struct hg_notify *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "notify: out of memory");
    }
    self->engine = engine;
    if (sd_watchdog_enabled(0, &period_us) > 0) {
        if (hg_timer_create(loop, feed_cb, self, &self->timer, error) != HG_OK) {
            hg_free(HG_TAG_TRANSPORT, self);
            return error->status;
        }
        /* Three times a period, so that one late feeding is no death. */
        const uint64_t interval_ms = period_us / 3000 != 0 ? period_us / 3000 : 1;
        hg_timer_start(self->timer, interval_ms, interval_ms);
    }
    *notify = self;
    return HG_OK;
}

void hg_notify_destroy(struct hg_notify **notify)
{
    if (*notify != NULL) {
        hg_timer_close(&(*notify)->timer);
        hg_free(HG_TAG_TRANSPORT, *notify);
        *notify = NULL;
    }
}

void hg_notify_ready(const char *status)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void hg_notify_reloading(void)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                     (unsigned long long)(hg_clock_now_ns() / HG_NS_PER_US));
}

void hg_notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=draining");
}

enum hg_status hg_notify_sockets(int *fds, uint32_t max, uint32_t *count, struct hg_error *error)
{
    const int passed = sd_listen_fds(1);
    *count = 0;
    if (passed < 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "socket activation: %s", strerror(-passed));
    }
    if ((uint32_t)passed > max) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "socket activation: expected at most %u, got %d",
                       max, passed);
    }
    for (int i = 0; i < passed; i++) {
        const int fd = SD_LISTEN_FDS_START + i;
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
            return hg_fail(error, HG_INVALID_ARGUMENT,
                           "socket activation: descriptor %d: expected a listening Unix stream "
                           "socket",
                           fd);
        }
        fds[i] = fd;
    }
    *count = (uint32_t)passed;
    return HG_OK;
}
