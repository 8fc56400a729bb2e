/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/warm.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mutex.h"
#include "lib/engine/engine.h"

struct hg_warm {
    struct hg_engine *engine;
    uint64_t interval_ns;
    bool has_thread;
    bool failing; /* the last save did: it is not told again. Of the thread, then of its ender */
    pthread_t thread;
    struct hg_mutex mutex; /* HG_RANK_LOOP; not held while saving */
    struct hg_condition stop;
    bool stopping;
    char path[PATH_MAX];
};

static void save(struct hg_warm *warm)
{
    struct hg_error error = HG_ERROR_INIT;
    const enum hg_status status = hg_engine_cache_save(warm->engine, warm->path, &error);
    if (status == HG_FAILED_PRECONDITION) {
        return; /* restoring goes on: what the file has is better than what the cache has */
    }
    if (status != HG_OK && !warm->failing) {
        HG_LOG_WARN(CACHE, "keys not saved", HG_STR("path", warm->path),
                    HG_STR("reason", error.message));
    }
    warm->failing = status != HG_OK;
}

/* True when the interval is over, false when all is. */
static bool wait_interval(struct hg_warm *warm)
{
    const uint64_t due_ns = hg_clock_now_ns() + warm->interval_ns;
    hg_mutex_lock(&warm->mutex);
    while (!warm->stopping && hg_clock_now_ns() < due_ns) {
        hg_cond_wait_until(&warm->stop, &warm->mutex, due_ns);
    }
    const bool stopping = warm->stopping;
    hg_mutex_unlock(&warm->mutex);
    return !stopping;
}

static void *save_main(void *argument)
{
    struct hg_warm *warm = argument;
    while (wait_interval(warm)) {
        save(warm);
    }
    return NULL;
}

static void destroy(struct hg_warm *warm)
{
    hg_cond_fini(&warm->stop);
    hg_mutex_fini(&warm->mutex);
    hg_free(HG_TAG_TRANSPORT, warm);
}

/* The file that OPTION names into PATH, of PATH_MAX bytes; empty if there shall be none. */
static enum hg_status find_path(const char *option, char *path, struct hg_error *error)
{
    const char *const state = getenv("STATE_DIRECTORY");
    int length = 0;
    path[0] = '\0';
    if (option[0] != '\0') {
        length = strcmp(option, "off") == 0 ? 0 : snprintf(path, PATH_MAX, "%s", option);
    } else if (state != NULL && state[0] == '/') {
        /* systemd separates several directories by colons; the first is ours. */
        length = snprintf(path, PATH_MAX, "%.*s/cache.keys", (int)strcspn(state, ":"), state);
    }
    if (length < 0 || length >= PATH_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "cache.warm_file: the path is too long");
    }
    return HG_OK;
}

enum hg_status hg_warm_start(struct hg_engine *engine, const char *option, uint64_t interval_ns,
                             struct hg_warm **warm, struct hg_error *error)
{
    *warm = NULL;
    struct hg_warm *self = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*self));
    if (self == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache.warm_file: out of memory");
    }
    const enum hg_status status = find_path(option, self->path, error);
    if (status != HG_OK || self->path[0] == '\0') {
        hg_free(HG_TAG_TRANSPORT, self);
        return status;
    }
    self->engine = engine;
    self->interval_ns = interval_ns;
    hg_mutex_init(&self->mutex, HG_RANK_LOOP);
    hg_cond_init(&self->stop);
    self->has_thread =
        interval_ns != 0 && pthread_create(&self->thread, NULL, save_main, self) == 0;
    if (interval_ns != 0 && !self->has_thread) {
        destroy(self);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache.save_interval_s: no thread to be had");
    }
    struct hg_error reason = HG_ERROR_INIT;
    if (hg_engine_cache_restore(engine, self->path, &reason) != HG_OK) {
        HG_LOG_WARN(CACHE, "keys not restored", HG_STR("path", self->path),
                    HG_STR("reason", reason.message));
    }
    *warm = self;
    return HG_OK;
}

void hg_warm_stop(struct hg_warm **warm)
{
    struct hg_warm *self = *warm;
    if (self == NULL) {
        return;
    }
    if (self->has_thread) {
        hg_mutex_lock(&self->mutex);
        self->stopping = true;
        hg_cond_signal(&self->stop);
        hg_mutex_unlock(&self->mutex);
        (void)pthread_join(self->thread, NULL);
    }
    save(self);
    destroy(self);
    *warm = NULL;
}
