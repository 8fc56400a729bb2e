/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that clients' buffers live in, owned by the daemon.
 *
 *   boundary  96 classes of 12,288 bytes in one 64-aligned mapping of 1,179,648 bytes, locked
 *             if the system allows. A boundary block is one whole class, from byte 0. Programs
 *             may address it as Φ(class, page, byte): the address of a class never changes.
 *   heap      blocks of any size, 64-byte aligned, from a dedicated jemalloc arena; from 2 MiB
 *             on each from a mapping of its own, with huge pages where the system has them.
 *   shared    blocks that clients map as well, each in a sealed memfd of its own, or in one that a
 *             client gave. Others may change them at any time.
 *
 * Memory is zeroed whenever it changes owner: a block that a caller gets reads as zeros. Memory is
 * kept out of core dumps.
 *
 * Threads: every function may be called from any thread.
 * Ownership: a block is the caller's until hg_pool_release.
 */
#ifndef HG_LIB_POOL_POOL_H
#define HG_LIB_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/status.h"

enum hg_pool_kind { HG_POOL_HEAP, HG_POOL_BOUNDARY, HG_POOL_SHARED, HG_POOL_KIND_COUNT };

#define HG_POOL_CLASS_COUNT 96
#define HG_POOL_CLASS_BYTES 12288
#define HG_POOL_PAGE_BYTES  4096 /* shared blocks are whole pages */

struct hg_pool;

struct hg_pool_options {
    uint64_t heap_bytes_max; /* bound on live bytes of heap and shared memory together */
    bool lock_boundary;      /* try to mlock the boundary pool; failing is not an error */
};

struct hg_block {
    void *base;     /* 64-byte aligned */
    uint64_t bytes; /* capacity: at least what was asked for; a class is 12,288 */
    enum hg_pool_kind kind;
    uint8_t class_index; /* of a boundary block */
    bool zeroed;         /* false after hg_pool_acquire with `lazy_zero`: see there */
    bool adopted;        /* a shared block whose memfd somebody else made */
    bool read_only;      /* … and sealed against writing: nothing can ever change it */
    int fd;              /* of a shared block; it lives as long as the block */
};

struct hg_pool_stats {
    uint64_t bytes_used[HG_POOL_KIND_COUNT];
    uint64_t bytes_limit[HG_POOL_KIND_COUNT];
    uint64_t blocks[HG_POOL_KIND_COUNT];
    bool boundary_locked;
};

HG_MUST_CHECK enum hg_status hg_pool_create(const struct hg_pool_options *options,
                                            struct hg_pool **pool, struct hg_error *error);
/* NULLs *POOL. Every block must have been released: one that was not is our bug (HG_REQUIRE). */
void hg_pool_destroy(struct hg_pool **pool);

/*
 * Gets a block of at least BYTES (0 is served as 1) from KIND. The memory reads as zeros; large
 * heap blocks come zeroed from the system, smaller ones are zeroed here. With LAZY_ZERO a heap
 * block that would need more than 256 KiB of explicit zeroing is given with zeroed = false, and
 * the caller runs hg_pool_zero (on a worker, say) before anyone else can see it.
 * Errors: HG_RESOURCE_EXHAUSTED (no class left, over the bound, out of memory),
 * HG_INVALID_ARGUMENT (more than 12,288 bytes asked of the boundary pool).
 */
HG_MUST_CHECK enum hg_status hg_pool_acquire(struct hg_pool *pool, enum hg_pool_kind kind,
                                             uint64_t bytes, bool lazy_zero, struct hg_block *block,
                                             struct hg_error *error);
/* Gives a shared block of at least BYTES in the memfd FD, which it takes, also on error. The memfd
 * must be sealed against shrinking, writable or sealed against writing, large enough, of ordinary
 * pages and without holes. It keeps its content. Errors: HG_INVALID_ARGUMENT (says what it is not),
 * HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_pool_adopt(struct hg_pool *pool, int fd, uint64_t bytes,
                                           struct hg_block *block, struct hg_error *error);
/* Zeroes a block that was given with zeroed = false. */
void hg_pool_zero(struct hg_block *block);
/* Gives BLOCK back and clears it. A boundary class is zeroed here, before it can be given again. A
 * shared block of our own is emptied, also for those who kept its descriptor. */
void hg_pool_release(struct hg_pool *pool, struct hg_block *block);

/* First byte of class 0; classes follow one another. */
void *hg_pool_boundary_base(const struct hg_pool *pool);
void hg_pool_stats(const struct hg_pool *pool, struct hg_pool_stats *stats);

#endif
