/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/table.h"

#include "lib/base/alloc.h"
#include "lib/base/check.h"

#define TAG_USED     0x80000000u
#define CAPACITY_MIN 64u
#define SLOT_BYTES   (sizeof(struct hg_program *) + sizeof(uint32_t))

static uint32_t tag_of(uint32_t hash)
{
    return hash & ~TAG_USED;
}

static uint32_t home_of(const struct hg_cache_table *table, uint32_t tag)
{
    return tag & ~TAG_USED & (table->capacity - 1);
}

static uint32_t next_slot(const struct hg_cache_table *table, uint32_t slot)
{
    return (slot + 1) & (table->capacity - 1);
}

struct hg_program *hg_cache_table_find(struct hg_cache_table *table, uint32_t hash,
                                       const struct hg_key *key)
{
    if (table->count == 0) {
        return NULL;
    }
    uint32_t tag = tag_of(hash);
    for (uint32_t slot = home_of(table, tag);; slot = next_slot(table, slot)) {
        struct hg_program *program = table->programs[slot];
        if (program == NULL) {
            return NULL;
        }
        if (tag_of(table->tags[slot]) == tag && hg_key_equal(&program->key, key)) {
            table->tags[slot] |= TAG_USED;
            return program;
        }
    }
}

static void place(struct hg_cache_table *table, uint32_t tag, struct hg_program *program)
{
    uint32_t slot = home_of(table, tag);
    while (table->programs[slot] != NULL) {
        slot = next_slot(table, slot);
    }
    table->programs[slot] = program;
    table->tags[slot] = tag;
}

/* At most three quarters of the slots are taken, so every probe meets a free one soon. */
static bool has_room(const struct hg_cache_table *table)
{
    return table->count < table->capacity / 4 * 3;
}

bool hg_cache_table_reserve(struct hg_cache_table *table)
{
    if (has_room(table)) {
        return true;
    }
    uint32_t capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2;
    HG_REQUIRE(capacity != 0);
    /* One block: the pointers, then the tags. */
    struct hg_program **programs = hg_calloc(HG_TAG_CACHE, capacity, SLOT_BYTES);
    if (programs == NULL) {
        return false;
    }
    struct hg_cache_table grown = {
        .programs = programs,
        .tags = (uint32_t *)(programs + capacity),
        .capacity = capacity,
        .count = table->count,
    };
    for (uint32_t slot = 0; slot < table->capacity; slot++) {
        if (table->programs[slot] != NULL) {
            place(&grown, table->tags[slot], table->programs[slot]);
        }
    }
    hg_free(HG_TAG_CACHE, table->programs);
    *table = grown;
    return true;
}

void hg_cache_table_insert(struct hg_cache_table *table, uint32_t hash, struct hg_program *program)
{
    HG_REQUIRE(has_room(table));
    /* Not marked as used: a program that is asked for once leaves before one that is asked again.
     */
    place(table, tag_of(hash), hg_program_ref(program));
    table->count++;
}

/* Frees SLOT and moves later members of its probe run back, so that no run is broken and no slot
 * has to say "was taken once". */
static void remove_slot(struct hg_cache_table *table, uint32_t slot)
{
    uint32_t mask = table->capacity - 1;
    uint32_t hole = slot;
    for (uint32_t next = next_slot(table, slot); table->programs[next] != NULL;
         next = next_slot(table, next)) {
        uint32_t home = home_of(table, table->tags[next]);
        bool may_move = ((next - home) & mask) >= ((next - hole) & mask);
        if (may_move) {
            table->programs[hole] = table->programs[next];
            table->tags[hole] = table->tags[next];
            hole = next;
        }
    }
    table->programs[hole] = NULL;
    table->tags[hole] = 0;
    table->count--;
}

/* True if only the table refers to PROGRAM. New references come from the table alone, under the
 * lock, so the answer cannot turn false meanwhile. Acquire: pairs with the release of the last
 * user's unref, after which the program may be freed here. */
static bool is_idle(const struct hg_program *program)
{
    return atomic_load_explicit(&program->references, memory_order_acquire) == 1;
}

struct hg_program *hg_cache_table_evict(struct hg_cache_table *table)
{
    /* The first round may only take marks away; after the second everything was seen unmarked. */
    for (uint64_t step = 0; step < 2 * (uint64_t)table->capacity; step++) {
        uint32_t slot = table->hand;
        struct hg_program *program = table->programs[slot];
        if (program != NULL && is_idle(program)) {
            if ((table->tags[slot] & TAG_USED) == 0) {
                remove_slot(table, slot);
                return program;
            }
            table->tags[slot] &= ~TAG_USED;
        }
        table->hand = next_slot(table, slot);
    }
    return NULL;
}

uint64_t hg_cache_table_bytes(const struct hg_cache_table *table)
{
    return (uint64_t)table->capacity * SLOT_BYTES;
}

uint64_t hg_cache_table_clear(struct hg_cache_table *table)
{
    uint64_t dropped = table->count;
    for (uint32_t slot = 0; slot < table->capacity; slot++) {
        if (table->programs[slot] != NULL) {
            hg_program_unref(&table->programs[slot]);
        }
    }
    hg_free(HG_TAG_CACHE, table->programs);
    *table = (struct hg_cache_table){0};
    return dropped;
}
