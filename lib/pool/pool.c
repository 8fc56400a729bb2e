/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pool/pool.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/mutex.h"
#include "lib/base/poison.h"
#include "lib/pool/heap.h"
#include "lib/pool/pages.h"
#include "lib/pool/shared.h"

#define BOUNDARY_BYTES ((size_t)HG_POOL_CLASS_COUNT * HG_POOL_CLASS_BYTES)
/* Zeroing more than this takes longer than what the caller's thread may be kept. */
#define LAZY_BYTES (256u << 10)
/* Of the descriptors that the process may have, shared blocks take one in so many. */
#define DESCRIPTOR_SHARE 4
#define SHARED_MAX       65536u

/* Classes in words of 64 bits; a set bit is a free class. */
#define CLASS_WORDS ((HG_POOL_CLASS_COUNT + 63) / 64)

struct hg_pool {
    uint8_t *boundary;
    bool boundary_locked;
    uint64_t bytes_limit[HG_POOL_KIND_COUNT];
    uint64_t shared_max; /* shared blocks at the same time: each has a descriptor */
    struct hg_heap heap; /* has locks of its own */

    struct hg_mutex mutex; /* HG_RANK_POOL: all below */
    uint64_t free_classes[CLASS_WORDS];
    uint64_t bytes_used[HG_POOL_KIND_COUNT];
    uint64_t blocks[HG_POOL_KIND_COUNT];
};

/* Life of the pool. */

static bool map_boundary(struct hg_pool *pool, bool lock)
{
    pool->boundary = hg_pages_map(BOUNDARY_BYTES, HG_PAGE_BYTES, false);
    if (pool->boundary == NULL) {
        return false;
    }
    pool->boundary_locked = lock && mlock(pool->boundary, BOUNDARY_BYTES) == 0;
    hg_poison(pool->boundary, BOUNDARY_BYTES);
    return true;
}

static void unmap_boundary(struct hg_pool *pool)
{
    hg_unpoison(pool->boundary, BOUNDARY_BYTES);
    hg_pages_unmap(pool->boundary, BOUNDARY_BYTES);
}

static void free_all_classes(struct hg_pool *pool)
{
    for (unsigned index = 0; index < HG_POOL_CLASS_COUNT; index++) {
        pool->free_classes[index / 64] |= 1ull << index % 64;
    }
}

static uint64_t shared_max(void)
{
    struct rlimit limit = {.rlim_cur = 0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    uint64_t share = limit.rlim_cur / DESCRIPTOR_SHARE;
    return share < SHARED_MAX ? share : SHARED_MAX;
}

enum hg_status hg_pool_create(const struct hg_pool_options *options, struct hg_pool **pool,
                              struct hg_error *error)
{
    struct hg_pool *created = hg_calloc(HG_TAG_POOL, 1, sizeof *created);
    if (created == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "pool: out of memory");
    }
    if (!map_boundary(created, options->lock_boundary)) {
        hg_fail(error, HG_RESOURCE_EXHAUSTED, "boundary pool: the system has no %zu bytes to map",
                BOUNDARY_BYTES);
        goto out_pool;
    }
    if (!hg_heap_init(&created->heap)) {
        hg_fail(error, HG_RESOURCE_EXHAUSTED, "heap pool: no arena to be had");
        goto out_boundary;
    }
    hg_mutex_init(&created->mutex, HG_RANK_POOL);
    free_all_classes(created);
    created->bytes_limit[HG_POOL_BOUNDARY] = BOUNDARY_BYTES;
    created->bytes_limit[HG_POOL_HEAP] = options->heap_bytes_max;
    created->bytes_limit[HG_POOL_SHARED] = options->heap_bytes_max;
    created->shared_max = shared_max();
    *pool = created;
    return HG_OK;

out_boundary:
    unmap_boundary(created);
out_pool:
    hg_free(HG_TAG_POOL, created);
    return HG_RESOURCE_EXHAUSTED;
}

void hg_pool_destroy(struct hg_pool **pool)
{
    if (*pool == NULL) {
        return;
    }
    struct hg_pool *destroyed = *pool;
    for (unsigned kind = 0; kind < HG_POOL_KIND_COUNT; kind++) {
        HG_REQUIRE(destroyed->blocks[kind] == 0 && destroyed->bytes_used[kind] == 0);
    }
    hg_mutex_fini(&destroyed->mutex);
    hg_heap_fini(&destroyed->heap);
    unmap_boundary(destroyed);
    hg_free(HG_TAG_POOL, destroyed);
    *pool = NULL;
}

/* Accounting. What is given out is counted before it is there, so that no bound is passed even for
 * a moment, and until it is gone. */

/* Heap and shared memory have one bound together. */
static bool count_in(struct hg_pool *pool, enum hg_pool_kind kind, uint64_t bytes, uint64_t *in_use)
{
    hg_mutex_lock(&pool->mutex);
    *in_use = pool->bytes_used[HG_POOL_HEAP] + pool->bytes_used[HG_POOL_SHARED];
    bool fits = bytes <= pool->bytes_limit[HG_POOL_HEAP] - *in_use;
    fits = fits && (kind != HG_POOL_SHARED || pool->blocks[kind] < pool->shared_max);
    if (fits) {
        pool->bytes_used[kind] += bytes;
        pool->blocks[kind]++;
    }
    hg_mutex_unlock(&pool->mutex);
    return fits;
}

static enum hg_status fail_full(const struct hg_pool *pool, const char *kind, uint64_t bytes,
                                uint64_t in_use, struct hg_error *error)
{
    uint64_t limit = pool->bytes_limit[HG_POOL_HEAP];
    return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                   "%s pool: %" PRIu64 " bytes asked for, at most %" PRIu64 " of %" PRIu64
                   " are free",
                   kind, bytes, limit - in_use, limit);
}

static void count_out(struct hg_pool *pool, enum hg_pool_kind kind, uint64_t bytes)
{
    hg_mutex_lock(&pool->mutex);
    HG_REQUIRE(pool->blocks[kind] > 0 && pool->bytes_used[kind] >= bytes);
    pool->bytes_used[kind] -= bytes;
    pool->blocks[kind]--;
    hg_mutex_unlock(&pool->mutex);
}

/* The boundary pool. */

/* The lowest free class, or HG_POOL_CLASS_COUNT. */
static unsigned take_class(struct hg_pool *pool)
{
    unsigned index = HG_POOL_CLASS_COUNT;
    hg_mutex_lock(&pool->mutex);
    for (unsigned word = 0; word < CLASS_WORDS && index == HG_POOL_CLASS_COUNT; word++) {
        uint64_t bits = pool->free_classes[word];
        if (bits != 0) {
            index = word * 64 + (unsigned)__builtin_ctzll(bits);
            pool->free_classes[word] = bits & (bits - 1);
            pool->bytes_used[HG_POOL_BOUNDARY] += HG_POOL_CLASS_BYTES;
            pool->blocks[HG_POOL_BOUNDARY]++;
        }
    }
    hg_mutex_unlock(&pool->mutex);
    return index;
}

static void return_class(struct hg_pool *pool, unsigned index)
{
    uint64_t bit = 1ull << index % 64;
    hg_mutex_lock(&pool->mutex);
    HG_REQUIRE((pool->free_classes[index / 64] & bit) == 0);
    pool->free_classes[index / 64] |= bit;
    pool->bytes_used[HG_POOL_BOUNDARY] -= HG_POOL_CLASS_BYTES;
    pool->blocks[HG_POOL_BOUNDARY]--;
    hg_mutex_unlock(&pool->mutex);
}

static enum hg_status acquire_class(struct hg_pool *pool, uint64_t bytes, struct hg_block *block,
                                    struct hg_error *error)
{
    if (bytes > HG_POOL_CLASS_BYTES) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "boundary pool: at most %d bytes expected, %" PRIu64 " asked for",
                       HG_POOL_CLASS_BYTES, bytes);
    }
    unsigned index = take_class(pool);
    if (index == HG_POOL_CLASS_COUNT) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "boundary pool: all %d classes are in use",
                       HG_POOL_CLASS_COUNT);
    }
    uint8_t *base = pool->boundary + (size_t)index * HG_POOL_CLASS_BYTES;
    hg_unpoison(base, HG_POOL_CLASS_BYTES);
    *block = (struct hg_block){
        .base = base,
        .bytes = HG_POOL_CLASS_BYTES,
        .kind = HG_POOL_BOUNDARY,
        .class_index = (uint8_t)index,
        .zeroed = true,
    };
    return HG_OK;
}

static void release_class(struct hg_pool *pool, const struct hg_block *block)
{
    unsigned index = block->class_index;
    HG_REQUIRE(index < HG_POOL_CLASS_COUNT &&
               block->base == pool->boundary + (size_t)index * HG_POOL_CLASS_BYTES);
    /* Before it is free: still nobody else's, and outside the lock. */
    memset(block->base, 0, HG_POOL_CLASS_BYTES);
    hg_poison(block->base, HG_POOL_CLASS_BYTES);
    return_class(pool, index);
}

/* The heap. */

static enum hg_status acquire_heap(struct hg_pool *pool, uint64_t bytes, bool lazy_zero,
                                   struct hg_block *block, struct hg_error *error)
{
    uint64_t capacity = hg_heap_capacity(bytes == 0 ? 1 : bytes);
    uint64_t in_use = 0;
    if (capacity == 0 || !count_in(pool, HG_POOL_HEAP, capacity, &in_use)) {
        return fail_full(pool, "heap", bytes, in_use, error);
    }
    bool lazy = lazy_zero && capacity > LAZY_BYTES && capacity < HG_HEAP_MAPPED_BYTES;
    void *base = hg_heap_alloc(&pool->heap, capacity, !lazy);
    if (base == NULL) {
        count_out(pool, HG_POOL_HEAP, capacity);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "heap pool: the system has no memory for %" PRIu64 " bytes", bytes);
    }
    *block =
        (struct hg_block){.base = base, .bytes = capacity, .kind = HG_POOL_HEAP, .zeroed = !lazy};
    return HG_OK;
}

static void release_heap(struct hg_pool *pool, const struct hg_block *block)
{
    hg_heap_free(&pool->heap, block->base, block->bytes);
    count_out(pool, HG_POOL_HEAP, block->bytes);
}

/* Shared memory. */

/* Counts a shared block for BYTES in and gives its capacity. */
static enum hg_status count_shared(struct hg_pool *pool, uint64_t bytes, uint64_t *capacity,
                                   struct hg_error *error)
{
    uint64_t in_use = 0;
    *capacity = hg_shared_capacity(bytes);
    if (*capacity == 0 || !count_in(pool, HG_POOL_SHARED, *capacity, &in_use)) {
        uint64_t limit = pool->bytes_limit[HG_POOL_SHARED];
        if (*capacity != 0 && *capacity <= limit - in_use) {
            return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                           "shared pool: all %" PRIu64 " descriptors are in use", pool->shared_max);
        }
        return fail_full(pool, "shared", bytes, in_use, error);
    }
    return HG_OK;
}

static enum hg_status acquire_shared(struct hg_pool *pool, uint64_t bytes, struct hg_block *block,
                                     struct hg_error *error)
{
    uint64_t capacity;
    enum hg_status status = count_shared(pool, bytes, &capacity, error);
    if (status != HG_OK) {
        return status;
    }
    status = hg_shared_create(capacity, block, error);
    if (status != HG_OK) {
        count_out(pool, HG_POOL_SHARED, capacity);
    }
    return status;
}

enum hg_status hg_pool_adopt(struct hg_pool *pool, int fd, uint64_t bytes, struct hg_block *block,
                             struct hg_error *error)
{
    uint64_t capacity;
    enum hg_status status = count_shared(pool, bytes, &capacity, error);
    if (status != HG_OK) {
        close(fd);
        return status;
    }
    status = hg_shared_adopt(fd, bytes, capacity, block, error);
    if (status != HG_OK) {
        count_out(pool, HG_POOL_SHARED, capacity);
    }
    return status;
}

static void release_shared(struct hg_pool *pool, const struct hg_block *block)
{
    hg_shared_release(block);
    count_out(pool, HG_POOL_SHARED, block->bytes);
}

/* Blocks. */

enum hg_status hg_pool_acquire(struct hg_pool *pool, enum hg_pool_kind kind, uint64_t bytes,
                               bool lazy_zero, struct hg_block *block, struct hg_error *error)
{
    HG_REQUIRE(kind < HG_POOL_KIND_COUNT);
    if (kind == HG_POOL_BOUNDARY) {
        return acquire_class(pool, bytes, block, error);
    }
    if (kind == HG_POOL_SHARED) {
        return acquire_shared(pool, bytes, block, error);
    }
    return acquire_heap(pool, bytes, lazy_zero, block, error);
}

void hg_pool_zero(struct hg_block *block)
{
    if (!block->zeroed) {
        memset(block->base, 0, block->bytes);
        block->zeroed = true;
    }
}

void hg_pool_release(struct hg_pool *pool, struct hg_block *block)
{
    HG_REQUIRE(block->base != NULL);
    if (block->kind == HG_POOL_BOUNDARY) {
        release_class(pool, block);
    } else if (block->kind == HG_POOL_SHARED) {
        release_shared(pool, block);
    } else {
        release_heap(pool, block);
    }
    *block = (struct hg_block){.base = NULL};
}

void *hg_pool_boundary_base(const struct hg_pool *pool)
{
    return pool->boundary;
}

void hg_pool_stats(const struct hg_pool *pool, struct hg_pool_stats *stats)
{
    /* The lock is no part of what a reader sees of the pool. */
    struct hg_mutex *mutex = (struct hg_mutex *)&pool->mutex;
    hg_mutex_lock(mutex);
    memcpy(stats->bytes_used, pool->bytes_used, sizeof stats->bytes_used);
    memcpy(stats->blocks, pool->blocks, sizeof stats->blocks);
    hg_mutex_unlock(mutex);
    memcpy(stats->bytes_limit, pool->bytes_limit, sizeof stats->bytes_limit);
    stats->boundary_locked = pool->boundary_locked;
}
