/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's allocator: jemalloc behind one seam that counts live bytes by tag and lets tests
 * fail the n-th allocation. Sanitizer builds use the C library's allocator instead.
 *
 * Threads: every function may be called from any thread.
 * Errors: NULL when out of memory; callers turn it into HG_RESOURCE_EXHAUSTED.
 */
#ifndef HG_LIB_BASE_ALLOC_H
#define HG_LIB_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

enum hg_alloc_tag {
    HG_TAG_BASE,
    HG_TAG_PROGRAM, /* programs with their keys: what the cache keeps */
    HG_TAG_CACHE,   /* the cache's tables */
    HG_TAG_POOL,
    HG_TAG_EXEC,
    HG_TAG_GRAPH,
    HG_TAG_SCHED,
    HG_TAG_ENGINE,
    HG_TAG_SESSION,
    HG_TAG_TRANSPORT,
    HG_TAG_TEST,
    HG_TAG_COUNT
};

/* Uninitialised, or zeroed. SIZE 0 is served as 1. */
HG_MUST_CHECK void *hg_malloc(enum hg_alloc_tag tag, size_t size);
HG_MUST_CHECK void *hg_calloc(enum hg_alloc_tag tag, size_t count, size_t size);
/* On failure BLOCK stays valid. BLOCK may be NULL. TAG must be the one it was allocated with; an
 * alignment beyond malloc's is not kept. */
HG_MUST_CHECK void *hg_realloc(enum hg_alloc_tag tag, void *block, size_t size);
/* ALIGNMENT is a power of two. Freed with hg_free as well. */
HG_MUST_CHECK void *hg_aligned_alloc(enum hg_alloc_tag tag, size_t alignment, size_t size);
/* BLOCK may be NULL. */
void hg_free(enum hg_alloc_tag tag, void *block);

/* Bytes that BLOCK occupies, its size class included: what it adds to its tag's count. */
uint64_t hg_alloc_block_bytes(const void *block);

/* Bytes that live allocations of TAG occupy, size classes included. */
uint64_t hg_alloc_live_bytes(enum hg_alloc_tag tag);
uint64_t hg_alloc_live_bytes_all(void);

/* jemalloc's own figures, for metrics; zeros in sanitizer builds. */
struct hg_alloc_stats {
    uint64_t allocated_bytes;
    uint64_t active_bytes;
    uint64_t resident_bytes;
    uint64_t retained_bytes;
};
void hg_alloc_stats(struct hg_alloc_stats *stats);

/*
 * Fault injection for tests: the allocation after SKIP successful ones fails; with FOREVER all
 * later ones fail too. hg_alloc_fault_fired() tells whether one did; hg_alloc_fault_clear() ends
 * it.
 */
void hg_alloc_fault_set(uint64_t skip, bool forever);
bool hg_alloc_fault_fired(void);
void hg_alloc_fault_clear(void);
/* For those who get memory elsewhere (mmap, an arena of jemalloc's): counts as one allocation, and
 * true means that it has to fail. */
HG_MUST_CHECK bool hg_alloc_fault_hit(void);

#endif
