/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache's table: open addressing with linear probing over programs, which hold their own keys,
 * and the order in which SIEVE looks for what to evict.
 *
 * A slot is one word: the program's address, 14 bits of its hash, two flags. Readers load slots and
 * set flags in them; everything else in a table belongs to the one writer.
 *
 *     slots   │ address:48 │ tag:14 │ WATCHED │ VISITED │     0 = free
 *     links   │ older, newer │  hits │ PINNED, about how many │     beside the slots
 *
 * SIEVE (Y. Zhang et al., NSDI 2024): programs stand in the order in which they came; the hand goes
 * from the oldest to the newest, takes VISITED away where it is set and evicts where it is not.
 * What came anew stands in front of the hand, so keys that are used once leave soon.
 *
 * Threads: one writer at a time (the cache's lock); readers inside a read section (epoch.h).
 * Ownership: the table keeps one reference to each program in it.
 */
#ifndef HG_LIB_CACHE_TABLE_H
#define HG_LIB_CACHE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cache/hash.h"
#include "lib/program/program.h"

#define HG_CACHE_TABLE_ENTRIES_MAX (1u << 30)
#define HG_CACHE_SLOT_NONE         UINT32_MAX
#define HG_CACHE_ALL_REGIONS       UINT16_MAX

#define HG_CACHE_VISITED UINT64_C(1) /* was found since the hand last came by */
#define HG_CACHE_WATCHED UINT64_C(2) /* its next use is timed (reuse.h) */
#define HG_CACHE_FLAGS   UINT64_C(3)
/* In hits: an administrator's wish, not to be evicted. */
#define HG_CACHE_PINNED (UINT64_C(1) << 63)

/* A queue through slots: from the oldest over `newer` to the newest. */
struct hg_cache_links {
    uint32_t older;
    uint32_t newer;
};
struct hg_cache_queue {
    uint32_t oldest;
    uint32_t newest;
    uint32_t hand; /* where the search for a victim goes on; NONE: at the oldest */
    struct hg_cache_links *links;
};

struct hg_cache_table {
    _Atomic uint64_t *slots; /* aligned to 64 bytes */
    uint32_t mask;           /* slots - 1 */
    uint32_t shift;          /* a key's first slot is its hash shifted right by this */
    uint32_t count;
    _Atomic uint64_t *hits; /* per slot, since the program was built, about; and PINNED */
    const struct hg_cache_seed *seed;
    struct hg_cache_queue all;
    struct hg_cache_queue *regions; /* NULL, or one queue per region, over links of their own */
    uint16_t region_count;
};

static inline struct hg_program *hg_cache_word_program(uint64_t word)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): a word holds more than an address. */
    return (struct hg_program *)(uintptr_t)(word >> 16);
}

/* The tag is the hash's lowest bits; its highest give the first slot. */
static inline uint64_t hg_cache_word(const struct hg_program *program, uint64_t hash,
                                     uint64_t flags)
{
    return (uint64_t)(uintptr_t)program << 16 | (uint16_t)(hash << 2) | flags;
}

static inline bool hg_cache_tag_equal(uint64_t word, uint64_t hash)
{
    return ((word ^ hash << 2) & 0xfffc) == 0;
}

/* Of a program that was used of late and is not watched: no flag has to change at a hit. */
static inline bool hg_cache_is_common(uint64_t word)
{
    return (word & HG_CACHE_FLAGS) == HG_CACHE_VISITED;
}

/* WATCHED is beside the program too, for those that come by without looking at its slot. Relaxed:
 * it orders nothing, and one that is not seen only costs a sample. */
static inline bool hg_cache_is_watched(const struct hg_program *program)
{
    return atomic_load_explicit(&program->watched, memory_order_relaxed);
}
static inline void hg_cache_set_watched(struct hg_program *program, bool watched)
{
    if (hg_cache_is_watched(program) != watched) {
        atomic_store_explicit(&program->watched, watched, memory_order_relaxed);
    }
}

/* Both in one comparison. Never true of a free slot. */
static inline bool hg_cache_is_expected(uint64_t word, uint64_t hash)
{
    return (uint16_t)word == (uint16_t)(hash << 2 | HG_CACHE_VISITED);
}

/*
 * Where lookups begin: the slots' address and the table's shift in one word, so that both are of
 * the same table and a lookup loads nothing else. An empty cache has a front of two free slots.
 */
#define HG_CACHE_FRONT_SHIFT 63u
static inline uint64_t hg_cache_front(const struct hg_cache_table *table)
{
    return (uintptr_t)table->slots | table->shift;
}
static inline const _Atomic uint64_t *hg_cache_front_slots(uint64_t front)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): as above. */
    return (const _Atomic uint64_t *)(uintptr_t)(front & ~(uint64_t)HG_CACHE_FRONT_SHIFT);
}
static inline unsigned hg_cache_front_shift(uint64_t front)
{
    return front & HG_CACHE_FRONT_SHIFT;
}
uint64_t hg_cache_front_of_none(void);

static inline uint64_t hg_cache_word_load(const _Atomic uint64_t *slots, uint64_t slot)
{
    /* Acquire: pairs with the writer's release; what the program holds is seen. */
    return atomic_load_explicit(&slots[slot], memory_order_acquire);
}

static inline uint64_t hg_cache_slot_load(const struct hg_cache_table *table, uint32_t slot)
{
    return hg_cache_word_load(table->slots, slot);
}

/* Also PINNED. Relaxed: a figure, and a flag that only the writer looks at. */
static inline uint64_t hg_cache_slot_hits(const struct hg_cache_table *table, uint32_t slot)
{
    return atomic_load_explicit(&table->hits[slot], memory_order_relaxed);
}

static inline bool hg_cache_slot_is_pinned(const struct hg_cache_table *table, uint32_t slot)
{
    return (hg_cache_slot_hits(table, slot) & HG_CACHE_PINNED) != 0;
}

/* An empty table of SLOTS (a power of two) slots; with queues for REGION_COUNT regions, if that is
 * not 0. SEED is borrowed. NULL when out of memory. */
struct hg_cache_table *hg_cache_table_create(const struct hg_cache_seed *seed, uint32_t slots,
                                             uint16_t region_count);
/* Drops the references to the programs that are in it. */
void hg_cache_table_destroy(struct hg_cache_table *table);
/* Frees the table after its programs have been copied to another. */
void hg_cache_table_free(struct hg_cache_table *table);

/* The slot of KEY's program and, in *WORD, what it holds; NONE if there is none. A reader may be
 * told NONE of a program that is being moved meanwhile; the writer is not. */
uint32_t hg_cache_table_find(const struct hg_cache_table *table, uint64_t hash,
                             const struct hg_key *key, uint64_t *word);
/* Puts WANTED, WORD with other flags, into SLOT unless that has changed since WORD was read. */
void hg_cache_table_update(struct hg_cache_table *table, uint32_t slot, uint64_t word,
                           uint64_t wanted);

/* ---- the writer ------------------------------------------------------------------------------ */

/* At most three quarters of the slots are taken, so every probe meets a free one soon; of small
 * tables an eighth. */
bool hg_cache_table_has_room(const struct hg_cache_table *table);
/* Slots for COUNT programs. */
uint32_t hg_cache_table_slots_for(uint32_t count);
/* Takes the caller's reference to PROGRAM. There must be room and no equal key. HITS may have
 * PINNED.
 */
void hg_cache_table_insert(struct hg_cache_table *table, uint64_t hash, struct hg_program *program,
                           uint64_t flags, uint64_t hits);
/* Gives the reference of the program in SLOT; readers may still be looking at it. */
struct hg_program *hg_cache_table_remove(struct hg_cache_table *table, uint32_t slot);
/* The slot of the program to evict, of REGION or of all: one that is not pinned and to which only
 * the table refers. NONE if there is none. */
uint32_t hg_cache_table_victim(struct hg_cache_table *table, uint16_t region);
/* Copies all programs, or those that are pinned, in their order, with the table's references. */
void hg_cache_table_copy(const struct hg_cache_table *table, struct hg_cache_table *to,
                         bool pinned_only);
/* Bytes of the table itself. */
uint64_t hg_cache_table_bytes(const struct hg_cache_table *table);

#endif
