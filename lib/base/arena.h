/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump arena with a cap: everything one request needs, freed at once.
 *
 * Threads: one thread at a time.
 */
#ifndef HG_LIB_BASE_ARENA_H
#define HG_LIB_BASE_ARENA_H

#include <stddef.h>

#include "lib/base/alloc.h"

struct hg_arena_chunk;

struct hg_arena {
    struct hg_arena_chunk *first; /* kept over resets */
    struct hg_arena_chunk *current;
    size_t used_bytes; /* handed out since the last reset */
    size_t cap_bytes;  /* bound on used_bytes */
    size_t chunk_bytes;
    enum hg_alloc_tag tag;
};

/* Allocates nothing yet. CHUNK_BYTES is the size of an ordinary chunk; the first is kept over
 * resets. */
void hg_arena_init(struct hg_arena *arena, enum hg_alloc_tag tag, size_t chunk_bytes,
                   size_t cap_bytes);
void hg_arena_fini(struct hg_arena *arena);
/* 16-byte aligned, uninitialised; NULL past the cap or out of memory. */
HG_MUST_CHECK void *hg_arena_alloc(struct hg_arena *arena, size_t size);
/* Everything handed out becomes invalid. */
void hg_arena_reset(struct hg_arena *arena);
/* The same; if one chunk was not enough, those to come are larger, up to CHUNK_BYTES_MAX: for an
 * arena that is used again and again for the like. */
void hg_arena_reset_larger(struct hg_arena *arena, size_t chunk_bytes_max);
/* What a reset keeps. */
size_t hg_arena_kept_bytes(const struct hg_arena *arena);

#endif
