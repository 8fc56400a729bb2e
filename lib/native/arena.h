/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where code lives: one memory file mapped twice, to write and to run. No page is ever both, in any
 * mapping, at any time; so it works where the system forbids that (systemd's
 * MemoryDenyWriteExecute, PR_SET_MDWE).
 *
 *     put ──► granules of 64 bytes ──► drop ──► pending ── membarrier ──► free
 *
 * Dropped space is written again only after a core-serialising membarrier: what a CPU has decoded
 * of the old code is gone by then. Where the kernel refuses that, dropped space is not used again.
 *
 * Threads: put, drop and the figures from any. Whoever drops code knows that nobody runs it.
 */
#ifndef HG_LIB_NATIVE_ARENA_H
#define HG_LIB_NATIVE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

#define HG_CODE_GRANULE 64 /* space is given in multiples of this, aligned to it */

struct hg_code_arena;

struct hg_code_arena_stats {
    uint64_t bytes_max;     /* what the arena may hold */
    uint64_t used_bytes;    /* held by code that was not dropped */
    uint64_t pending_bytes; /* dropped, not yet to be used again */
    uint64_t puts;          /* since the start */
    uint64_t refusals;      /* puts that found no room */
    uint64_t barriers;      /* membarriers */
    uint32_t reuses;        /* 1 unless dropped space cannot be used again */
};

/* An arena of up to BYTES_MAX bytes (rounded up to pages); memory is taken as it is used.
 * Errors: HG_UNIMPLEMENTED, and the text says what the system refused; HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_code_arena_new(uint64_t bytes_max, struct hg_code_arena **arena,
                                               struct hg_error *error);
/* All code must have been dropped. NULLs *ARENA, which may be NULL. */
void hg_code_arena_destroy(struct hg_code_arena **arena);

/*
 * Copies SIZE bytes of position-independent code; *WHERE is where they may be run, once whoever
 * runs them has seen something that was written after this returned. HG_RESOURCE_EXHAUSTED, and
 * nothing is said, when there is no room.
 */
HG_MUST_CHECK enum hg_status hg_code_arena_put(struct hg_code_arena *arena, const void *code,
                                               size_t size, void **where);
/* Takes back SIZE bytes of code at WHERE, as put. */
void hg_code_arena_drop(struct hg_code_arena *arena, void *where, size_t size);

/* What SIZE bytes of code occupy. */
static inline uint64_t hg_code_arena_bytes(size_t size)
{
    return ((uint64_t)size + HG_CODE_GRANULE - 1) / HG_CODE_GRANULE * HG_CODE_GRANULE;
}

void hg_code_arena_read(struct hg_code_arena *arena, struct hg_code_arena_stats *stats);

/* ---- arena_shared.c: the arena of this process ------------------------------------------------
 */

#define HG_CODE_ARENA_BYTES_DEFAULT (64u << 20)

/*
 * Makes the process's arena, of BYTES_MAX bytes; 0 = none, on purpose. Later calls change nothing
 * and give the first one's outcome. Errors: as hg_code_arena_new; then this process has none.
 */
HG_MUST_CHECK enum hg_status hg_code_arena_start(uint64_t bytes_max, struct hg_error *error);
/* The process's arena, started with the default if nobody has; NULL if there is none. */
struct hg_code_arena *hg_code_arena_shared(void);

#endif
