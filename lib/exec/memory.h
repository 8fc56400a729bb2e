/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a block: LDS/STS scratch and POOL. Both start as zeros with the block.
 *
 * Threads: belongs to one pass at a time.
 */
#ifndef HG_LIB_EXEC_MEMORY_H
#define HG_LIB_EXEC_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/status.h"
#include "lib/isa/limits.h"

struct hg_block_memory {
    uint8_t *scratch;
    uint32_t scratch_bytes;
    uint32_t scratch_capacity;
    uint64_t pool_used; /* bytes of all live allocations */
    struct {
        uint8_t *base; /* NULL = free */
        uint64_t bytes;
    } pool[HG_POOL_HANDLES_MAX];
};

/* NULL when out of memory. */
struct hg_block_memory *hg_block_memory_new(void);
/* NULLs *MEMORY, which may be NULL. */
void hg_block_memory_destroy(struct hg_block_memory **memory);
/* Starts a block: zeroed scratch of BYTES, no pool. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_block_memory_reset(struct hg_block_memory *memory, uint32_t bytes);

/*
 * POOL.ALLOC: the lowest free handle (counted from 1), zeroed memory.
 * HG_RESOURCE_EXHAUSTED beyond HG_POOL_BYTES_MAX or HG_POOL_HANDLES_MAX, or out of memory.
 */
HG_MUST_CHECK enum hg_status hg_block_pool_alloc(struct hg_block_memory *memory, uint64_t bytes,
                                                 uint64_t *handle);
/* False for a handle that is not live. */
HG_MUST_CHECK bool hg_block_pool_free(struct hg_block_memory *memory, uint64_t handle);
/* Base and size of a live handle; false otherwise. */
HG_MUST_CHECK bool hg_block_pool_find(const struct hg_block_memory *memory, uint64_t handle,
                                      uint8_t **base, uint64_t *bytes);

#endif
