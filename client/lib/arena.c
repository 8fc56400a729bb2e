/* SPDX-License-Identifier: Apache-2.0 */
#include "client/lib/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 8192u

struct hg_client_arena_chunk {
    struct hg_client_arena_chunk *older;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

static struct hg_client_arena_chunk *grow(struct hg_client_arena *arena, size_t bytes)
{
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    if (size > HG_CLIENT_ARENA_BYTES_MAX - arena->total_bytes) {
        return NULL;
    }
    struct hg_client_arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (!chunk) {
        return NULL;
    }
    chunk->older = arena->chunk;
    chunk->size = size;
    chunk->used = 0;
    arena->chunk = chunk;
    arena->total_bytes += size;
    return chunk;
}

void *hg_client_arena_alloc(struct hg_client_arena *arena, size_t bytes)
{
    size_t aligned = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (aligned < bytes) {
        arena->failed = true;
        return NULL;
    }
    struct hg_client_arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->size - chunk->used < aligned) {
        chunk = grow(arena, aligned);
        if (!chunk) {
            arena->failed = true;
            return NULL;
        }
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += aligned;
    return memory;
}

void *hg_client_arena_array(struct hg_client_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        arena->failed = true;
        return NULL;
    }
    void *memory = hg_client_arena_alloc(arena, count * size);
    if (memory) {
        memset(memory, 0, count * size);
    }
    return memory;
}

void hg_client_arena_reset(struct hg_client_arena *arena)
{
    arena->failed = false;
    struct hg_client_arena_chunk *chunk = arena->chunk;
    while (chunk && (chunk->older || chunk->size > CHUNK_BYTES)) {
        struct hg_client_arena_chunk *older = chunk->older;
        arena->total_bytes -= chunk->size;
        free(chunk);
        chunk = older;
    }
    arena->chunk = chunk;
    if (chunk) {
        chunk->used = 0;
    }
}

void hg_client_arena_free(struct hg_client_arena *arena)
{
    struct hg_client_arena_chunk *chunk = arena->chunk;
    *arena = (struct hg_client_arena){0};
    while (chunk) {
        struct hg_client_arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
}
