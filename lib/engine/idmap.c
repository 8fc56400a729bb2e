/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/idmap.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"

#define BITS_MIN 4
#define BITS_MAX 31

void hg_idmap_init(struct hg_idmap *map, uint64_t seed)
{
    *map = (struct hg_idmap){.multiplier = seed | 1};
}

void hg_idmap_fini(struct hg_idmap *map)
{
    hg_free(HG_TAG_SESSION, map->entries);
    *map = (struct hg_idmap){0};
}

static void place(struct hg_idmap *map, const struct hg_idmap_entry *entry)
{
    uint32_t slot = hg_idmap_home(map, entry->id);
    while (map->entries[slot].id != 0) {
        slot = hg_idmap_next_slot(map, slot);
    }
    map->entries[slot] = *entry;
}

/* At most three quarters of the slots are taken, so that searches end. */
static bool has_room(const struct hg_idmap *map)
{
    return map->count < hg_idmap_capacity(map) / 4 * 3;
}

bool hg_idmap_reserve(struct hg_idmap *map)
{
    if (has_room(map)) {
        return true;
    }
    struct hg_idmap grown = *map;
    grown.bits = map->entries == NULL ? BITS_MIN : map->bits + 1;
    HG_REQUIRE(grown.bits <= BITS_MAX);
    grown.entries = hg_calloc(HG_TAG_SESSION, (size_t)1 << grown.bits, sizeof *grown.entries);
    if (grown.entries == NULL) {
        return false;
    }
    for (uint32_t slot = 0; slot < hg_idmap_capacity(map); slot++) {
        if (map->entries[slot].id != 0) {
            place(&grown, &map->entries[slot]);
        }
    }
    hg_free(HG_TAG_SESSION, map->entries);
    *map = grown;
    return true;
}

void hg_idmap_insert(struct hg_idmap *map, uint64_t id, void *value, bool flag)
{
    HG_REQUIRE(id != 0 && has_room(map));
    place(map, &(struct hg_idmap_entry){.id = id, .value = value, .flag = flag});
    map->count++;
}

/* Later members of the probe run move back, so that no search ends early. */
void hg_idmap_remove(struct hg_idmap *map, struct hg_idmap_entry *entry)
{
    uint32_t mask = hg_idmap_capacity(map) - 1;
    uint32_t hole = (uint32_t)(entry - map->entries);
    for (uint32_t next = hg_idmap_next_slot(map, hole); map->entries[next].id != 0;
         next = hg_idmap_next_slot(map, next)) {
        uint32_t home = hg_idmap_home(map, map->entries[next].id);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            map->entries[hole] = map->entries[next];
            hole = next;
        }
    }
    map->entries[hole] = (struct hg_idmap_entry){0};
    map->count--;
}

struct hg_idmap_entry *hg_idmap_each(const struct hg_idmap *map, uint32_t *cursor)
{
    while (*cursor < hg_idmap_capacity(map)) {
        struct hg_idmap_entry *entry = &map->entries[(*cursor)++];
        if (entry->id != 0) {
            return entry;
        }
    }
    return NULL;
}

uint32_t hg_idmap_next(const struct hg_idmap *map, uint64_t after, struct hg_idmap_entry *entries,
                       uint32_t max)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < hg_idmap_capacity(map); slot++) {
        const struct hg_idmap_entry *entry = &map->entries[slot];
        if (entry->id <= after || (count == max && entry->id >= entries[max - 1].id)) {
            continue;
        }
        uint32_t position = count < max ? count++ : max - 1;
        for (; position > 0 && entries[position - 1].id > entry->id; position--) {
            entries[position] = entries[position - 1];
        }
        entries[position] = *entry;
    }
    return count;
}
