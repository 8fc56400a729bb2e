/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/native/perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Relaxed: a descriptor means the same to whoever sees it. */
static _Atomic int map_fd = -1;

enum hg_status hg_perf_map_open(struct hg_error *error)
{
    char path[64];
    if (atomic_load_explicit(&map_fd, memory_order_relaxed) >= 0) {
        return HG_OK;
    }
    snprintf(path, sizeof(path), "/tmp/perf-%ld.map", (long)getpid());
    /* Others write to /tmp too: only a file that we make is written to, never a link. */
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        return hg_fail(error, HG_PERMISSION_DENIED, "%s: %s", path, strerror(errno));
    }
    int none = -1;
    if (!atomic_compare_exchange_strong_explicit(&map_fd, &none, fd, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        close(fd);
    }
    return HG_OK;
}

bool hg_perf_map_is_open(void)
{
    return atomic_load_explicit(&map_fd, memory_order_relaxed) >= 0;
}

void hg_perf_map_add(const void *start, size_t size, const char *name)
{
    char line[256];
    int fd = atomic_load_explicit(&map_fd, memory_order_relaxed);
    if (fd < 0) {
        return;
    }
    int length = snprintf(line, sizeof(line) - 1, "%llx %zx %s",
                          (unsigned long long)(uintptr_t)start, size, name);
    if (length < 0) {
        return;
    }
    size_t used = (size_t)length < sizeof(line) - 2 ? (size_t)length : sizeof(line) - 2;
    for (size_t i = 0; i < used; i++) {
        line[i] = line[i] == '\n' ? ' ' : line[i]; /* one line, one name */
    }
    line[used++] = '\n';
    ssize_t written = write(fd, line, used); /* a lost line costs a name in a report */
    (void)written;
}
