/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/arena.h"

#include <stdint.h>

#include "lib/base/check.h"
#include "lib/base/poison.h"

#define ALIGNMENT 16

/* Chunks form a list from `first`; `current` is its last. Space is taken from the current one only,
 * so what an oversized piece leaves behind in the chunk before it is lost until the reset. */
struct hg_arena_chunk {
    _Alignas(ALIGNMENT) struct hg_arena_chunk *next;
    size_t size; /* of data */
    size_t used;
    _Alignas(ALIGNMENT) uint8_t data[];
};

void hg_arena_init(struct hg_arena *arena, enum hg_alloc_tag tag, size_t chunk_bytes,
                   size_t cap_bytes)
{
    HG_REQUIRE(chunk_bytes >= ALIGNMENT && chunk_bytes % ALIGNMENT == 0);
    *arena = (struct hg_arena){.cap_bytes = cap_bytes, .chunk_bytes = chunk_bytes, .tag = tag};
}

static void free_list(struct hg_arena *arena, struct hg_arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct hg_arena_chunk *next = chunk->next;
        hg_unpoison(chunk->data, chunk->size);
        hg_free(arena->tag, chunk);
        chunk = next;
    }
}

void hg_arena_fini(struct hg_arena *arena)
{
    free_list(arena, arena->first);
    arena->first = NULL;
    arena->current = NULL;
    arena->used_bytes = 0;
}

/* The first chunk is of ordinary size even if a larger piece is asked for first: it is kept over
 * resets, and must not keep the memory of one exceptional request. */
static bool add_chunk(struct hg_arena *arena, size_t size)
{
    uint64_t total;
    if (!hg_add_u64(sizeof(struct hg_arena_chunk), size, &total)) {
        return false;
    }
    struct hg_arena_chunk *chunk = hg_malloc(arena->tag, total);
    if (chunk == NULL) {
        return false;
    }
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    hg_poison(chunk->data, size);
    if (arena->current == NULL) {
        arena->first = chunk;
    } else {
        arena->current->next = chunk;
    }
    arena->current = chunk;
    return true;
}

static bool make_room(struct hg_arena *arena, size_t size)
{
    if (arena->first == NULL && !add_chunk(arena, arena->chunk_bytes)) {
        return false;
    }
    if (size <= arena->current->size - arena->current->used) {
        return true;
    }
    return add_chunk(arena, size > arena->chunk_bytes ? size : arena->chunk_bytes);
}

void *hg_arena_alloc(struct hg_arena *arena, size_t size)
{
    size_t left = arena->cap_bytes - arena->used_bytes;
    /* First without the rounding, which could overflow. */
    if (size > left) {
        return NULL;
    }
    size_t rounded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded < size || rounded > left || !make_room(arena, rounded)) {
        return NULL;
    }
    struct hg_arena_chunk *chunk = arena->current;
    void *piece = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    /* The rounding stays poisoned, so that overruns of less than 16 bytes are seen as well. */
    hg_unpoison(piece, size);
    return piece;
}

size_t hg_arena_kept_bytes(const struct hg_arena *arena)
{
    return arena->first != NULL ? arena->first->size : 0;
}

void hg_arena_reset_larger(struct hg_arena *arena, size_t chunk_bytes_max)
{
    const bool was_cramped = arena->first != NULL && arena->first->next != NULL;
    if (was_cramped) {
        size_t wanted = arena->chunk_bytes;
        while (wanted < arena->used_bytes && wanted < chunk_bytes_max) {
            wanted *= 2;
        }
        if (wanted > arena->first->size && wanted <= chunk_bytes_max) {
            arena->chunk_bytes = wanted;
            hg_arena_fini(arena);
            return;
        }
    }
    hg_arena_reset(arena);
}

void hg_arena_reset(struct hg_arena *arena)
{
    arena->used_bytes = 0;
    if (arena->first == NULL) {
        return;
    }
    free_list(arena, arena->first->next);
    arena->first->next = NULL;
    arena->first->used = 0;
    arena->current = arena->first;
    hg_poison(arena->first->data, arena->first->size);
}
