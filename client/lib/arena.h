/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is freed all at once: what a reply unpacks to. Capped, because a few bytes of
 * protobuf can unpack to many.
 *
 * Threads: a value. Errors: NULL when out of memory or beyond the cap; `failed` then stays set
 * until the next reset.
 */
#ifndef HG_CLIENT_LIB_ARENA_H
#define HG_CLIENT_LIB_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define HG_CLIENT_ARENA_BYTES_MAX ((size_t)64 << 20)

struct hg_client_arena_chunk;

/* All zeros is an empty arena. */
struct hg_client_arena {
    struct hg_client_arena_chunk *chunk; /* the newest, from which memory comes */
    size_t total_bytes;
    bool failed;
};

/* Uninitialised, aligned for any type. */
void *hg_client_arena_alloc(struct hg_client_arena *arena, size_t bytes);
/* Zeroed; COUNT * SIZE is checked. */
void *hg_client_arena_array(struct hg_client_arena *arena, size_t count, size_t size);
/* Forgets the content; keeps one chunk, so that small replies need no malloc. */
void hg_client_arena_reset(struct hg_client_arena *arena);
void hg_client_arena_free(struct hg_client_arena *arena);

#endif
