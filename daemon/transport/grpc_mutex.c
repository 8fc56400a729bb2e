/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debian builds abseil, whose mutexes C core uses, with its detector of deadlocks on: each lock is
 * looked up in a graph of all locks that is behind a lock of its own, which is a quarter of what a
 * call costs, and an order that the detector does not like aborts the process. It is for developers
 * of C core; abseil has a switch for it, of which C knows only the mangled name.
 */
#include <dlfcn.h>
#include <string.h>

#include "daemon/transport/grpc_core.h"
#include "lib/base/log.h"

/* absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle) in the inline namespace of Debian's
 * build (absl/synchronization/mutex.h of libabsl 20220623). */
#define SWITCH "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE"
/* absl::OnDeadlockCycle::kIgnore */
#define IGNORE 0

void hg_grpc_mutex_quicken(void)
{
    void (*set_mode)(int);
    void *symbol = dlsym(RTLD_DEFAULT, SWITCH);
    if (symbol == NULL) {
        /* Another build of the library: all is well, if perhaps slower. */
        HG_LOG_DEBUG(LISTENER, "abseil has no switch for its deadlock detector");
        return;
    }
    /* A conversion that C leaves open and POSIX defines. */
    memcpy(&set_mode, &symbol, sizeof(set_mode));
    set_mode(IGNORE);
}
