/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exec/memory.h"

#include <string.h>

#include "lib/base/alloc.h"

struct hg_block_memory *hg_block_memory_new(void)
{
    return hg_calloc(HG_TAG_EXEC, 1, sizeof(struct hg_block_memory));
}

static void free_pool(struct hg_block_memory *memory)
{
    for (uint32_t i = 0; memory->pool_used != 0 && i < HG_POOL_HANDLES_MAX; i++) {
        if (memory->pool[i].base != NULL) {
            (void)!hg_block_pool_free(memory, i + 1);
        }
    }
}

void hg_block_memory_destroy(struct hg_block_memory **memory)
{
    if (*memory == NULL) {
        return;
    }
    free_pool(*memory);
    hg_free(HG_TAG_EXEC, (*memory)->scratch);
    hg_free(HG_TAG_EXEC, *memory);
    *memory = NULL;
}

enum hg_status hg_block_memory_reset(struct hg_block_memory *memory, uint32_t bytes)
{
    free_pool(memory);
    if (bytes > memory->scratch_capacity) {
        hg_free(HG_TAG_EXEC, memory->scratch);
        memory->scratch_capacity = 0;
        memory->scratch = hg_malloc(HG_TAG_EXEC, bytes);
        if (memory->scratch == NULL) {
            memory->scratch_bytes = 0;
            return HG_RESOURCE_EXHAUSTED;
        }
        memory->scratch_capacity = bytes;
    }
    if (bytes != 0) {
        memset(memory->scratch, 0, bytes);
    }
    memory->scratch_bytes = bytes;
    return HG_OK;
}

/* What an allocation counts for: empty ones as a byte, so that `pool_used` tells whether any live.
 */
static uint64_t charge(uint64_t bytes)
{
    return bytes == 0 ? 1 : bytes;
}

enum hg_status hg_block_pool_alloc(struct hg_block_memory *memory, uint64_t bytes, uint64_t *handle)
{
    if (bytes > HG_POOL_BYTES_MAX || charge(bytes) > HG_POOL_BYTES_MAX - memory->pool_used) {
        return HG_RESOURCE_EXHAUSTED;
    }
    for (uint32_t i = 0; i < HG_POOL_HANDLES_MAX; i++) {
        if (memory->pool[i].base != NULL) {
            continue;
        }
        memory->pool[i].base = hg_calloc(HG_TAG_EXEC, charge(bytes), 1);
        if (memory->pool[i].base == NULL) {
            return HG_RESOURCE_EXHAUSTED;
        }
        memory->pool[i].bytes = bytes;
        memory->pool_used += charge(bytes);
        *handle = i + 1;
        return HG_OK;
    }
    return HG_RESOURCE_EXHAUSTED;
}

bool hg_block_pool_find(const struct hg_block_memory *memory, uint64_t handle, uint8_t **base,
                        uint64_t *bytes)
{
    if (handle == 0 || handle > HG_POOL_HANDLES_MAX || memory->pool[handle - 1].base == NULL) {
        return false;
    }
    *base = memory->pool[handle - 1].base;
    *bytes = memory->pool[handle - 1].bytes;
    return true;
}

bool hg_block_pool_free(struct hg_block_memory *memory, uint64_t handle)
{
    uint8_t *base;
    uint64_t bytes;
    if (!hg_block_pool_find(memory, handle, &base, &bytes)) {
        return false;
    }
    hg_free(HG_TAG_EXEC, base);
    memory->pool[handle - 1].base = NULL;
    memory->pool_used -= charge(bytes);
    return true;
}
