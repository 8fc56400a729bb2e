/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which parts of a big block still hold what its last owner wrote. Such parts (chunks) are zeroed
 * at their first use or overwritten whole, so that nobody waits for a gigabyte to be zeroed at
 * once.
 *
 * Threads: any. Each chunk is checked and zeroed under the lock, so two readers may meet in it;
 * writers have the buffer to themselves (buffer.h).
 */
#ifndef HG_LIB_ENGINE_LAZY_H
#define HG_LIB_ENGINE_LAZY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/mutex.h"
#include "lib/base/status.h"

#define HG_LAZY_CHUNK_BYTES 262144u

struct hg_lazy {
    struct hg_mutex lock; /* HG_RANK_RUN: the bits */
    uint8_t *base;
    uint64_t bytes;
    _Atomic uint64_t dirty; /* chunks; 0 (acquire) means that all memory may be read */
    uint64_t chunk_count;
    uint64_t bits[]; /* 1 = dirty */
};

/* For BYTES bytes at BASE, all dirty. NULL when out of memory. */
HG_MUST_CHECK struct hg_lazy *hg_lazy_create(void *base, uint64_t bytes);
/* LAZY may be NULL. */
void hg_lazy_destroy(struct hg_lazy *lazy);

/* LAZY may be NULL: then there is nothing dirty. */
bool hg_lazy_is_clean(const struct hg_lazy *lazy);
/* Zeroes what is dirty in a range that is about to be read. Stops early when *CANCELLED (may be
 * NULL) turns true. */
void hg_lazy_before_read(struct hg_lazy *lazy, uint64_t offset, uint64_t length,
                         const _Atomic bool *cancelled);
/* Zeroes the dirty chunks that a write of the range would cover in part. */
void hg_lazy_before_write(struct hg_lazy *lazy, uint64_t offset, uint64_t length);
/* The whole range was written. */
void hg_lazy_after_write(struct hg_lazy *lazy, uint64_t offset, uint64_t length);

#endif
