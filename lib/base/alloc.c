/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"

#ifdef HG_NO_JEMALLOC
#include <malloc.h>
#else
#include <jemalloc/jemalloc.h>
#endif

/*
 * Process-wide state: one count per tag, and the fault that a test has set. Each count has a cache
 * line of its own, for tags are used by different threads. Atomics: relaxed throughout; the counts
 * are figures and order nothing.
 */
static struct {
    _Alignas(64) _Atomic uint64_t live_bytes;
} tags[HG_TAG_COUNT];

static struct {
    _Atomic bool armed; /* set last, so that the fast path reads one flag */
    _Atomic bool forever;
    _Atomic bool fired;
    _Atomic uint64_t skip;
    _Atomic uint64_t seen;
} fault;

bool hg_alloc_fault_hit(void)
{
    if (!atomic_load_explicit(&fault.armed, memory_order_relaxed)) {
        return false;
    }
    uint64_t nth = atomic_fetch_add_explicit(&fault.seen, 1, memory_order_relaxed);
    uint64_t skip = atomic_load_explicit(&fault.skip, memory_order_relaxed);
    bool forever = atomic_load_explicit(&fault.forever, memory_order_relaxed);
    if (nth < skip || (nth > skip && !forever)) {
        return false;
    }
    atomic_store_explicit(&fault.fired, true, memory_order_relaxed);
    return true;
}

void hg_alloc_fault_set(uint64_t skip, bool forever)
{
    atomic_store_explicit(&fault.armed, false, memory_order_relaxed);
    atomic_store_explicit(&fault.skip, skip, memory_order_relaxed);
    atomic_store_explicit(&fault.seen, 0, memory_order_relaxed);
    atomic_store_explicit(&fault.forever, forever, memory_order_relaxed);
    atomic_store_explicit(&fault.fired, false, memory_order_relaxed);
    atomic_store_explicit(&fault.armed, true, memory_order_release);
}

bool hg_alloc_fault_fired(void)
{
    return atomic_load_explicit(&fault.fired, memory_order_relaxed);
}

void hg_alloc_fault_clear(void)
{
    atomic_store_explicit(&fault.armed, false, memory_order_relaxed);
    atomic_store_explicit(&fault.fired, false, memory_order_relaxed);
}

/*
 * The five things asked of an allocator. jemalloc is called by its own names, never as malloc, so
 * that a program in which another malloc won the link still keeps its blocks apart.
 */
#ifdef HG_NO_JEMALLOC

static size_t raw_usable(const void *block)
{
    return malloc_usable_size((void *)(uintptr_t)block);
}

static void *raw_alloc(size_t alignment, size_t size)
{
    if (alignment <= _Alignof(max_align_t)) {
        return malloc(size);
    }
    void *block = NULL;
    return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

static void *raw_calloc(size_t size)
{
    return calloc(1, size);
}

static void *raw_realloc(void *block, size_t size)
{
    return realloc(block, size);
}

static void raw_free(void *block)
{
    free(block);
}

#else

static size_t raw_usable(const void *block)
{
    return sallocx(block, 0);
}

static void *raw_alloc(size_t alignment, size_t size)
{
    return mallocx(size, alignment <= _Alignof(max_align_t) ? 0 : MALLOCX_ALIGN(alignment));
}

static void *raw_calloc(size_t size)
{
    return mallocx(size, MALLOCX_ZERO);
}

static void *raw_realloc(void *block, size_t size)
{
    return rallocx(block, size, 0);
}

static void raw_free(void *block)
{
    dallocx(block, 0);
}

#endif

/* Larger sizes cannot succeed; refused here because sanitizers abort on them. */
#define SIZE_LIMIT ((size_t)PTRDIFF_MAX / 2)

static bool may_allocate(enum hg_alloc_tag tag, size_t size)
{
    HG_REQUIRE(tag < HG_TAG_COUNT);
    return size <= SIZE_LIMIT && !hg_alloc_fault_hit();
}

static void *count_in(enum hg_alloc_tag tag, void *block)
{
    if (block != NULL) {
        atomic_fetch_add_explicit(&tags[tag].live_bytes, raw_usable(block), memory_order_relaxed);
    }
    return block;
}

static void count_out(enum hg_alloc_tag tag, size_t usable)
{
    uint64_t before =
        atomic_fetch_sub_explicit(&tags[tag].live_bytes, usable, memory_order_relaxed);
    /* Freed under another tag than it was allocated with. */
    HG_REQUIRE(before >= usable);
}

static size_t at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *hg_malloc(enum hg_alloc_tag tag, size_t size)
{
    if (!may_allocate(tag, size)) {
        return NULL;
    }
    return count_in(tag, raw_alloc(1, at_least_one(size)));
}

void *hg_calloc(enum hg_alloc_tag tag, size_t count, size_t size)
{
    uint64_t total;
    if (!hg_mul_u64(count, size, &total) || !may_allocate(tag, total)) {
        return NULL;
    }
    return count_in(tag, raw_calloc(at_least_one(total)));
}

void *hg_realloc(enum hg_alloc_tag tag, void *block, size_t size)
{
    if (block == NULL) {
        return hg_malloc(tag, size);
    }
    if (!may_allocate(tag, size)) {
        return NULL;
    }
    size_t usable = raw_usable(block);
    void *moved = raw_realloc(block, at_least_one(size));
    if (moved == NULL) {
        return NULL;
    }
    count_out(tag, usable);
    return count_in(tag, moved);
}

void *hg_aligned_alloc(enum hg_alloc_tag tag, size_t alignment, size_t size)
{
    HG_REQUIRE(alignment != 0 && (alignment & (alignment - 1)) == 0);
    if (!may_allocate(tag, size)) {
        return NULL;
    }
    return count_in(tag, raw_alloc(alignment, at_least_one(size)));
}

void hg_free(enum hg_alloc_tag tag, void *block)
{
    HG_REQUIRE(tag < HG_TAG_COUNT);
    if (block != NULL) {
        count_out(tag, raw_usable(block));
        raw_free(block);
    }
}

uint64_t hg_alloc_block_bytes(const void *block)
{
    return raw_usable(block);
}

uint64_t hg_alloc_live_bytes(enum hg_alloc_tag tag)
{
    HG_REQUIRE(tag < HG_TAG_COUNT);
    return atomic_load_explicit(&tags[tag].live_bytes, memory_order_relaxed);
}

uint64_t hg_alloc_live_bytes_all(void)
{
    uint64_t sum = 0;
    for (unsigned tag = 0; tag < HG_TAG_COUNT; tag++) {
        sum += hg_alloc_live_bytes((enum hg_alloc_tag)tag);
    }
    return sum;
}

#ifdef HG_NO_JEMALLOC

void hg_alloc_stats(struct hg_alloc_stats *stats)
{
    memset(stats, 0, sizeof *stats);
}

#else

static uint64_t read_stat(const char *name)
{
    size_t value = 0;
    size_t size = sizeof value;
    return mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

void hg_alloc_stats(struct hg_alloc_stats *stats)
{
    /* jemalloc's figures stand still until its epoch is advanced. */
    uint64_t epoch = 1;
    (void)mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
    stats->allocated_bytes = read_stat("stats.allocated");
    stats->active_bytes = read_stat("stats.active");
    stats->resident_bytes = read_stat("stats.resident");
    stats->retained_bytes = read_stat("stats.retained");
}

#endif
