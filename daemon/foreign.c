/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/foreign.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "lib/base/log.h"

/* Closings that have not returned. Beyond this descriptors stay open: they are what is lost. */
#define CLOSINGS_MAX 32u

/* Process-wide: threads that hang in a close outlive servers. Relaxed: a bound orders nothing. */
static _Atomic unsigned closings;

bool hg_foreign_is_memory(int fd)
{
    return fcntl(fd, F_GET_SEALS) >= 0;
}

static void *close_main(void *context)
{
    close((int)(intptr_t)context);
    atomic_fetch_sub_explicit(&closings, 1, memory_order_relaxed);
    return NULL;
}

/* The thread takes no signal: they are the loop's. */
static bool close_elsewhere(int fd)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&thread, NULL, close_main, (void *)(intptr_t)fd) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        pthread_detach(thread);
    }
    return started;
}

void hg_foreign_close(int fd)
{
    if (hg_foreign_is_memory(fd)) {
        close(fd);
        return;
    }
    const bool room = atomic_fetch_add_explicit(&closings, 1, memory_order_relaxed) < CLOSINGS_MAX;
    if (!room || !close_elsewhere(fd)) {
        atomic_fetch_sub_explicit(&closings, 1, memory_order_relaxed);
        HG_LOG_WARN(SESSION, "a descriptor that a peer sent cannot be closed", HG_I64("fd", fd));
    }
}
