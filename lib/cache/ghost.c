/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/ghost.h"

#include "lib/base/alloc.h"
#include "lib/base/check.h"

enum { SET_CELLS = 8, SETS_MIN = 16, SETS_MAX = 512, REASON_MASK = 3 };

_Static_assert(HG_CACHE_MISS_FIRST == 0 && HG_CACHE_MISS_REASONS == 4, "a reason is two bits");

bool hg_cache_ghost_init(struct hg_cache_ghost *ghost, uint64_t entries_max)
{
    uint32_t sets = SETS_MIN;
    while (sets < SETS_MAX && (uint64_t)sets * SET_CELLS < entries_max) {
        sets *= 2;
    }
    ghost->cells = hg_calloc(HG_TAG_CACHE, (size_t)sets * SET_CELLS, sizeof *ghost->cells);
    ghost->mask = sets - 1;
    ghost->turn = 0;
    return ghost->cells != NULL;
}

void hg_cache_ghost_fini(struct hg_cache_ghost *ghost)
{
    hg_free(HG_TAG_CACHE, ghost->cells);
    ghost->cells = NULL;
}

uint32_t hg_cache_ghost_capacity(const struct hg_cache_ghost *ghost)
{
    return (ghost->mask + 1) * SET_CELLS;
}

/* The set is chosen by other bits of the hash than those that a cell keeps. */
static uint32_t *set_of(const struct hg_cache_ghost *ghost, uint64_t hash)
{
    return &ghost->cells[((uint32_t)hash & ghost->mask) * SET_CELLS];
}

static uint32_t cell_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32) & ~(uint32_t)REASON_MASK;
}

/* The index of the cell, or SET_CELLS. Free cells are no key's: their reason is 0. */
static unsigned find(const uint32_t *set, uint64_t hash)
{
    unsigned i = 0;
    while (i < SET_CELLS &&
           ((set[i] & REASON_MASK) == 0 || ((set[i] ^ cell_of(hash)) & ~(uint32_t)REASON_MASK))) {
        i++;
    }
    return i;
}

void hg_cache_ghost_add(struct hg_cache_ghost *ghost, uint64_t hash,
                        enum hg_cache_miss_reason reason)
{
    HG_REQUIRE(reason != HG_CACHE_MISS_FIRST);
    uint32_t *set = set_of(ghost, hash);
    unsigned i = find(set, hash);
    for (unsigned j = 0; i == SET_CELLS && j < SET_CELLS; j++) {
        i = set[j] == 0 ? j : i;
    }
    if (i == SET_CELLS) {
        i = ghost->turn++ % SET_CELLS;
    }
    set[i] = cell_of(hash) | (uint32_t)reason;
}

enum hg_cache_miss_reason hg_cache_ghost_find(const struct hg_cache_ghost *ghost, uint64_t hash)
{
    const uint32_t *set = set_of(ghost, hash);
    unsigned i = find(set, hash);
    return i == SET_CELLS ? HG_CACHE_MISS_FIRST : (enum hg_cache_miss_reason)(set[i] & REASON_MASK);
}

void hg_cache_ghost_remove(struct hg_cache_ghost *ghost, uint64_t hash)
{
    uint32_t *set = set_of(ghost, hash);
    unsigned i = find(set, hash);
    if (i != SET_CELLS) {
        set[i] = 0;
    }
}
