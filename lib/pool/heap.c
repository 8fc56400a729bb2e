/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pool/heap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/poison.h"
#include "lib/pool/pages.h"

/* No block can be larger; keeps every sum below from wrapping. */
#define CAPACITY_MAX ((uint64_t)PTRDIFF_MAX / 2)

static uint64_t round_up(uint64_t bytes, uint64_t multiple)
{
    return hg_div_up_u64(bytes, multiple) * multiple;
}

#ifdef HG_NO_JEMALLOC

bool hg_heap_init(struct hg_heap *heap)
{
    heap->arena = 0;
    return !hg_alloc_fault_hit();
}

void hg_heap_fini(struct hg_heap *heap)
{
    (void)heap;
}

/* Not rounded: the redzone begins right after what was asked for. */
static uint64_t arena_capacity(uint64_t bytes)
{
    return bytes;
}

static void *arena_alloc(const struct hg_heap *heap, uint64_t capacity, bool zero)
{
    (void)heap;
    void *base = NULL;
    if (hg_alloc_fault_hit() || posix_memalign(&base, HG_HEAP_ALIGNMENT, capacity) != 0) {
        return NULL;
    }
    if (zero) {
        memset(base, 0, capacity);
    }
    return base;
}

static void arena_free(const struct hg_heap *heap, void *base, uint64_t capacity)
{
    (void)heap;
    (void)capacity;
    free(base);
}

#else

#include <jemalloc/jemalloc.h>
#include <pthread.h>

/*
 * How the arena gets its pages (jemalloc(3), "arena.<i>.extent_hooks"): as all of the pool does,
 * that is, kept out of core dumps. False means success. Pages are never decommitted, may be split
 * and merged at will, and read as zeros after a purge. There is no dalloc hook: what the arena does
 * not need is purged and its addresses are kept, which is how jemalloc itself works on Linux (its
 * retain option); unmapping pieces of what was mapped as one corrupted its lists under 5.3.
 */
static void *extent_alloc(extent_hooks_t *hooks, void *wanted, size_t size, size_t alignment,
                          bool *zero, bool *commit, unsigned arena)
{
    (void)hooks;
    (void)arena;
    if (wanted != NULL) {
        return NULL;
    }
    void *base = hg_pages_map(size, alignment, false);
    if (base != NULL) {
        *zero = true;
        *commit = true;
    }
    return base;
}

static bool extent_purge(extent_hooks_t *hooks, void *base, size_t size, size_t offset,
                         size_t length, unsigned arena)
{
    (void)hooks;
    (void)size;
    (void)arena;
    return madvise((uint8_t *)base + offset, length, MADV_DONTNEED) != 0;
}

static bool extent_split(extent_hooks_t *hooks, void *base, size_t size, size_t size_a,
                         size_t size_b, bool committed, unsigned arena)
{
    (void)hooks;
    (void)base;
    (void)size;
    (void)size_a;
    (void)size_b;
    (void)committed;
    (void)arena;
    return false;
}

static bool extent_merge(extent_hooks_t *hooks, void *base_a, size_t size_a, void *base_b,
                         size_t size_b, bool committed, unsigned arena)
{
    (void)hooks;
    (void)base_a;
    (void)size_a;
    (void)base_b;
    (void)size_b;
    (void)committed;
    (void)arena;
    return false;
}

static const extent_hooks_t extent_hooks = {
    .alloc = extent_alloc,
    .purge_forced = extent_purge,
    .split = extent_split,
    .merge = extent_merge,
};

/*
 * Arenas that pools left behind, for the next pools: an arena is never destroyed, because jemalloc
 * 5.3 keeps looking at the descriptors of a destroyed arena's pages when it frees their neighbours.
 * A process has as many arenas as it had pools at the same time. The lock guards this list alone
 * and is a leaf: nothing is called under it.
 */
#define ARENAS_KEPT 64
static struct {
    pthread_mutex_t lock;
    unsigned arenas[ARENAS_KEPT];
    size_t count;
} left = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool take_left_arena(unsigned *arena)
{
    pthread_mutex_lock(&left.lock);
    const bool found = left.count > 0;
    if (found) {
        *arena = left.arenas[--left.count];
    }
    pthread_mutex_unlock(&left.lock);
    return found;
}

static void leave_arena(unsigned arena)
{
    pthread_mutex_lock(&left.lock);
    if (left.count < ARENAS_KEPT) {
        left.arenas[left.count++] = arena;
    }
    pthread_mutex_unlock(&left.lock);
}

bool hg_heap_init(struct hg_heap *heap)
{
    size_t size = sizeof heap->arena;
    /* jemalloc takes a pointer to non-const and only reads. */
    extent_hooks_t *hooks = (extent_hooks_t *)&extent_hooks;
    return !hg_alloc_fault_hit() &&
           (take_left_arena(&heap->arena) ||
            mallctl("arenas.create", &heap->arena, &size, &hooks, sizeof(void *)) == 0);
}

/* The pool has seen every block come back: what the arena still has are free pages. */
void hg_heap_fini(struct hg_heap *heap)
{
    size_t mib[3];
    size_t depth = HG_ARRAY_COUNT(mib);
    HG_REQUIRE(mallctlnametomib("arena.0.purge", mib, &depth) == 0);
    mib[1] = heap->arena;
    HG_REQUIRE(mallctlbymib(mib, depth, NULL, NULL, NULL, 0) == 0);
    leave_arena(heap->arena);
}

/* No thread cache: blocks of one client would pass to the next behind the arena's back, and threads
 * that end would have to flush it. */
static int arena_flags(const struct hg_heap *heap)
{
    return MALLOCX_ALIGN(HG_HEAP_ALIGNMENT) | MALLOCX_ARENA(heap->arena) | MALLOCX_TCACHE_NONE;
}

static uint64_t arena_capacity(uint64_t bytes)
{
    return nallocx(bytes, MALLOCX_ALIGN(HG_HEAP_ALIGNMENT));
}

static void *arena_alloc(const struct hg_heap *heap, uint64_t capacity, bool zero)
{
    if (hg_alloc_fault_hit()) {
        return NULL;
    }
    /* jemalloc knows which of its pages are zeros still, and clears only the others. */
    return mallocx(capacity, arena_flags(heap) | (zero ? MALLOCX_ZERO : 0));
}

static void arena_free(const struct hg_heap *heap, void *base, uint64_t capacity)
{
    sdallocx(base, capacity, arena_flags(heap));
}

#endif

uint64_t hg_heap_capacity(uint64_t bytes)
{
    if (bytes > CAPACITY_MAX) {
        return 0;
    }
    if (bytes < HG_HEAP_MAPPED_BYTES) {
        uint64_t capacity = arena_capacity(bytes);
        return capacity < HG_HEAP_MAPPED_BYTES ? capacity : HG_HEAP_MAPPED_BYTES;
    }
    return round_up(bytes, HG_HEAP_ALIGNMENT);
}

/* With AddressSanitizer a page is added, so that there is a redzone behind every capacity. */
static size_t mapped_size(uint64_t capacity)
{
    return round_up(capacity + (HG_HAS_POISON ? HG_PAGE_BYTES : 0), HG_PAGE_BYTES);
}

void *hg_heap_alloc(struct hg_heap *heap, uint64_t capacity, bool zero)
{
    if (capacity < HG_HEAP_MAPPED_BYTES) {
        return arena_alloc(heap, capacity, zero);
    }
    size_t size = mapped_size(capacity);
    uint8_t *base = hg_pages_map(size, HG_HUGE_PAGE_BYTES, true);
    if (base != NULL) {
        hg_poison(base + capacity, size - capacity);
    }
    return base;
}

void hg_heap_free(struct hg_heap *heap, void *base, uint64_t capacity)
{
    if (capacity < HG_HEAP_MAPPED_BYTES) {
        arena_free(heap, base, capacity);
        return;
    }
    size_t size = mapped_size(capacity);
    hg_unpoison(base, size);
    hg_pages_unmap(base, size);
}
