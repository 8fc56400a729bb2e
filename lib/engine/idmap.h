/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's ids: 64-bit numbers that the client chose, each with a pointer and a flag. Open
 * addressing; the multiplier of the hash is random per map, so ids cannot be chosen to collide.
 *
 * Threads: the caller's matter.
 */
#ifndef HG_LIB_ENGINE_IDMAP_H
#define HG_LIB_ENGINE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

struct hg_idmap_entry {
    uint64_t id; /* 0 = the slot is free: no id is 0 */
    void *value;
    bool flag;
};

struct hg_idmap {
    struct hg_idmap_entry *entries;
    uint64_t multiplier;
    uint32_t count;
    uint32_t bits; /* capacity is 1 << bits; 0 before the first insert */
};

/* Allocates nothing. SEED is random. */
void hg_idmap_init(struct hg_idmap *map, uint64_t seed);
void hg_idmap_fini(struct hg_idmap *map);

static inline uint32_t hg_idmap_capacity(const struct hg_idmap *map)
{
    return map->entries == NULL ? 0 : 1u << map->bits;
}

/* Multiply-shift with a random odd factor (Dietzfelbinger et al., 1997): two given ids meet with
 * probability at most 2 / capacity. */
static inline uint32_t hg_idmap_home(const struct hg_idmap *map, uint64_t id)
{
    return (uint32_t)((id * map->multiplier) >> (64 - map->bits));
}

static inline uint32_t hg_idmap_next_slot(const struct hg_idmap *map, uint32_t slot)
{
    return (slot + 1) & (hg_idmap_capacity(map) - 1);
}

/* Borrowed until the map changes; NULL if ID is not there. */
static inline struct hg_idmap_entry *hg_idmap_find(const struct hg_idmap *map, uint64_t id)
{
    if (map->count == 0 || id == 0) {
        return NULL;
    }
    uint32_t slot = hg_idmap_home(map, id);
    while (map->entries[slot].id != id) {
        if (map->entries[slot].id == 0) {
            return NULL;
        }
        slot = hg_idmap_next_slot(map, slot);
    }
    return &map->entries[slot];
}

/* Makes room for one more; false when out of memory. */
HG_MUST_CHECK bool hg_idmap_reserve(struct hg_idmap *map);
/* ID is not 0, not there yet, and there is room. */
void hg_idmap_insert(struct hg_idmap *map, uint64_t id, void *value, bool flag);
/* ENTRY is what find gave. */
void hg_idmap_remove(struct hg_idmap *map, struct hg_idmap_entry *entry);
/* Visits all entries: the next one from *CURSOR (first 0) on, or NULL. The map must not change. */
struct hg_idmap_entry *hg_idmap_each(const struct hg_idmap *map, uint32_t *cursor);
/* Puts the entries with the smallest ids above AFTER into ENTRIES, ascending, at most MAX of them.
 * Gives their number. */
uint32_t hg_idmap_next(const struct hg_idmap *map, uint64_t after, struct hg_idmap_entry *entries,
                       uint32_t max);

#endif
