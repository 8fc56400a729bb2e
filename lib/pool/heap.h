/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap behind the pool, for this directory only: a jemalloc arena of its own for blocks below
 * HG_HEAP_MAPPED_BYTES, a mapping of its own for each larger one. In sanitizer builds the C
 * library's allocator takes the arena's place, so that its redzones guard each block.
 *
 * Threads: every function may be called from any thread, but init and fini.
 */
#ifndef HG_LIB_POOL_HEAP_H
#define HG_LIB_POOL_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/status.h"

/* From here on a block comes as zeros from the system, and with huge pages where there are any. */
#define HG_HEAP_MAPPED_BYTES (2u << 20)
#define HG_HEAP_ALIGNMENT    64

struct hg_heap {
    unsigned arena; /* jemalloc's number of it */
};

/* False if the system or jemalloc refuses. */
HG_MUST_CHECK bool hg_heap_init(struct hg_heap *heap);
/* Every block has been freed. */
void hg_heap_fini(struct hg_heap *heap);

/* The bytes that a block for BYTES (at least 1) has; 0 if no block can be that large. */
uint64_t hg_heap_capacity(uint64_t bytes);
/* CAPACITY comes from hg_heap_capacity. With ZERO the block reads as zeros; blocks from
 * HG_HEAP_MAPPED_BYTES on always do. NULL when out of memory. */
HG_MUST_CHECK void *hg_heap_alloc(struct hg_heap *heap, uint64_t capacity, bool zero);
void hg_heap_free(struct hg_heap *heap, void *base, uint64_t capacity);

#endif
