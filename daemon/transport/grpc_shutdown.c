/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of gRPC's library, waited for within reason.
 *
 * Once a write had to wait for its peer, C core 1.51 has a thread that looks after such writes
 * (run_poller of its tcp_posix.cc): it sleeps for ten seconds at a time, sees only then that
 * nothing is left to do, and the library's shutdown joins it. By then every call, connection and
 * queue has ended, so that what it may finish later concerns nobody.
 */
#include <grpc/grpc.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "daemon/transport/grpc_core.h"

#define PATIENCE_S 1

static void *shut_down(void *unused)
{
    (void)unused;
    grpc_shutdown_blocking();
    return NULL;
}

void hg_grpc_shut_down(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int code = pthread_create(&thread, NULL, shut_down, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        grpc_shutdown_blocking();
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        pthread_detach(thread);
    }
}
