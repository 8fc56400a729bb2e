/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exec/workspace.h"

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/exec/memory.h"

#define POOLED_WORKSPACES 16
/* A pooled workspace keeps at most this much of each kind of memory. */
#define POOLED_BYTES (4u << 20)

/* Process-wide state: workspaces that nobody uses, as the pooled runs in run.c. */
static _Atomic(struct hg_workspace *) pooled[POOLED_WORKSPACES];

struct hg_workspace *hg_workspace_take(void)
{
    for (uint32_t i = 0; i < POOLED_WORKSPACES; i++) {
        if (atomic_load_explicit(&pooled[i], memory_order_relaxed) == NULL) {
            continue;
        }
        struct hg_workspace *workspace =
            atomic_exchange_explicit(&pooled[i], NULL, memory_order_acquire);
        if (workspace != NULL) {
            return workspace;
        }
    }
    return hg_calloc(HG_TAG_EXEC, 1, sizeof(struct hg_workspace));
}

static void free_memory(struct hg_workspace *workspace)
{
    hg_free(HG_TAG_EXEC, workspace->memory);
    workspace->memory = NULL;
    workspace->memory_bytes = 0;
}

static void free_product(struct hg_workspace *workspace)
{
    hg_free(HG_TAG_EXEC, workspace->product);
    workspace->product = NULL;
    workspace->product_bytes = 0;
}

static void destroy(struct hg_workspace *workspace)
{
    free_memory(workspace);
    free_product(workspace);
    hg_block_memory_destroy(&workspace->blocks);
    hg_free(HG_TAG_EXEC, workspace->values);
    hg_free(HG_TAG_EXEC, workspace->frames);
    hg_free(HG_TAG_EXEC, workspace->leaves);
    hg_free(HG_TAG_EXEC, workspace);
}

void hg_workspace_put_back(struct hg_workspace *workspace)
{
    if (workspace->memory_bytes > POOLED_BYTES) {
        free_memory(workspace);
    }
    if (workspace->product_bytes > POOLED_BYTES) {
        free_product(workspace);
    }
    for (uint32_t i = 0; i < POOLED_WORKSPACES; i++) {
        struct hg_workspace *expected = NULL;
        if (atomic_load_explicit(&pooled[i], memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(&pooled[i], &expected, workspace,
                                                    memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
    destroy(workspace);
}

void hg_workspace_release_cached(void)
{
    for (uint32_t i = 0; i < POOLED_WORKSPACES; i++) {
        struct hg_workspace *workspace =
            atomic_exchange_explicit(&pooled[i], NULL, memory_order_acquire);
        if (workspace != NULL) {
            destroy(workspace);
        }
    }
}

/* Makes *ARRAY hold COUNT elements of SIZE, aligned to 64; what was there is lost. */
static bool reserve_array(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count <= *capacity) {
        return true;
    }
    hg_free(HG_TAG_EXEC, *array);
    *array = hg_aligned_alloc(HG_TAG_EXEC, 64, count * size);
    *capacity = *array != NULL ? count : 0;
    return *array != NULL;
}

/* Tiles start on a cache line, a line apart, so that they do not all start in the same set. */
static uint64_t padded(uint64_t bytes)
{
    return (bytes + 127) / 64 * 64;
}

static bool reserve_tiles(struct hg_workspace *workspace, const struct hg_exec_code *code,
                          uint64_t lanes)
{
    if (lanes > SIZE_MAX / 64 / (code->width_sum + 24u)) {
        return false;
    }
    uint64_t bytes = 3 * padded(lanes * sizeof(uint64_t));
    for (uint32_t i = 0; i < code->place_count; i++) {
        bytes += padded(lanes * code->width[i]);
    }
    if (bytes > workspace->memory_bytes) {
        free_memory(workspace);
        workspace->memory = hg_aligned_alloc(HG_TAG_EXEC, 64, bytes);
        if (workspace->memory == NULL) {
            return false;
        }
        workspace->memory_bytes = bytes;
    }
    uint8_t *next = workspace->memory;
    for (uint32_t i = 0; i < code->place_count; i++) {
        workspace->values[i] = (struct hg_value){.tile = next};
        next += padded(lanes * code->width[i]);
    }
    workspace->offsets = (uint64_t *)(void *)next;
    for (uint32_t i = 0; i < 2; i++) {
        next += padded(lanes * sizeof(uint64_t));
        workspace->temporary[i] = next;
    }
    return true;
}

enum hg_status hg_workspace_reserve(struct hg_workspace *workspace, const struct hg_exec_code *code,
                                    uint64_t lanes)
{
    bool ok = reserve_array((void **)&workspace->values, &workspace->value_capacity,
                            code->place_count, sizeof *workspace->values) &&
              reserve_array((void **)&workspace->frames, &workspace->frame_capacity,
                            code->frame_max, sizeof *workspace->frames) &&
              reserve_array((void **)&workspace->leaves, &workspace->leaf_capacity,
                            code->reduce_max, sizeof *workspace->leaves) &&
              reserve_tiles(workspace, code, lanes);
    if (ok && (code->facts.facts & (HG_FACT_SCRATCH | HG_FACT_POOL)) != 0 &&
        workspace->blocks == NULL) {
        workspace->blocks = hg_block_memory_new();
        ok = workspace->blocks != NULL;
    }
    return ok ? HG_OK : HG_RESOURCE_EXHAUSTED;
}

enum hg_status hg_workspace_reserve_product(struct hg_workspace *workspace, size_t bytes)
{
    if (bytes > workspace->product_bytes) {
        free_product(workspace);
        workspace->product = hg_aligned_alloc(HG_TAG_EXEC, 64, bytes);
        if (workspace->product == NULL) {
            return HG_RESOURCE_EXHAUSTED;
        }
        workspace->product_bytes = bytes;
    }
    return HG_OK;
}
