/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/table.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"

#define NONE         HG_CACHE_SLOT_NONE
#define SLOTS_MIN    64u
#define SPARSE_UNTIL 8192u

/* ---- queues ---------------------------------------------------------------------------------- */

static void queue_init(struct hg_cache_queue *queue, struct hg_cache_links *links)
{
    *queue = (struct hg_cache_queue){.oldest = NONE, .newest = NONE, .hand = NONE, .links = links};
}

static void queue_push(struct hg_cache_queue *queue, uint32_t slot)
{
    queue->links[slot] = (struct hg_cache_links){.older = queue->newest, .newer = NONE};
    if (queue->newest != NONE) {
        queue->links[queue->newest].newer = slot;
    } else {
        queue->oldest = slot;
    }
    queue->newest = slot;
}

/* Makes SLOT's neighbours point to OLDER_NEXT and NEWER_NEXT in its stead. */
static void queue_redirect(struct hg_cache_queue *queue, uint32_t slot, uint32_t older_next,
                           uint32_t newer_next)
{
    struct hg_cache_links links = queue->links[slot];
    if (links.older != NONE) {
        queue->links[links.older].newer = older_next;
    } else {
        queue->oldest = older_next;
    }
    if (links.newer != NONE) {
        queue->links[links.newer].older = newer_next;
    } else {
        queue->newest = newer_next;
    }
}

static void queue_remove(struct hg_cache_queue *queue, uint32_t slot)
{
    struct hg_cache_links links = queue->links[slot];
    queue_redirect(queue, slot, links.newer, links.older);
    if (queue->hand == slot) {
        queue->hand = links.newer;
    }
}

static void queue_move(struct hg_cache_queue *queue, uint32_t from, uint32_t to)
{
    queue_redirect(queue, from, to, to);
    queue->links[to] = queue->links[from];
    if (queue->hand == from) {
        queue->hand = to;
    }
}

/* The queue of PROGRAM's region, or NULL if regions have none. */
static struct hg_cache_queue *region_queue(const struct hg_cache_table *table,
                                           const struct hg_program *program)
{
    return table->regions != NULL ? &table->regions[program->key.cache] : NULL;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static uint64_t slot_count(const struct hg_cache_table *table)
{
    return (uint64_t)table->mask + 1;
}

/* Three blocks, since powers of two are allocated without waste: the table with the regions'
 * queues, the slots, and what belongs to slots but is not looked at by lookups. */
static uint64_t head_bytes(uint16_t region_count)
{
    return sizeof(struct hg_cache_table) + region_count * sizeof(struct hg_cache_queue);
}

static uint64_t side_bytes(uint64_t slots, uint16_t region_count)
{
    return slots * (sizeof(uint64_t) + (region_count == 0 ? 1 : 2) * sizeof(struct hg_cache_links));
}

static void init_queues(struct hg_cache_table *table, uint16_t region_count)
{
    uint64_t slots = slot_count(table);
    struct hg_cache_links *links = (struct hg_cache_links *)(table->hits + slots);
    queue_init(&table->all, links);
    table->region_count = region_count;
    table->regions = region_count != 0 ? (struct hg_cache_queue *)(table + 1) : NULL;
    for (uint16_t i = 0; i < region_count; i++) {
        queue_init(&table->regions[i], links + slots);
    }
}

struct hg_cache_table *hg_cache_table_create(const struct hg_cache_seed *seed, uint32_t slots,
                                             uint16_t region_count)
{
    HG_REQUIRE(slots >= SLOTS_MIN && (slots & (slots - 1)) == 0);
    struct hg_cache_table *table = hg_calloc(HG_TAG_CACHE, 1, head_bytes(region_count));
    if (table == NULL) {
        return NULL;
    }
    table->slots =
        hg_aligned_alloc(HG_TAG_CACHE, HG_CACHE_FRONT_SHIFT + 1, slots * sizeof *table->slots);
    table->hits = hg_malloc(HG_TAG_CACHE, side_bytes(slots, region_count));
    if (table->slots == NULL || table->hits == NULL) {
        hg_cache_table_free(table);
        return NULL;
    }
    memset(table->slots, 0, slots * sizeof *table->slots);
    table->mask = slots - 1;
    table->shift = 64 - (uint32_t)__builtin_ctz(slots);
    table->seed = seed;
    init_queues(table, region_count);
    return table;
}

void hg_cache_table_free(struct hg_cache_table *table)
{
    hg_free(HG_TAG_CACHE, table->slots);
    hg_free(HG_TAG_CACHE, table->hits);
    hg_free(HG_TAG_CACHE, table);
}

void hg_cache_table_destroy(struct hg_cache_table *table)
{
    for (uint32_t slot = table->all.oldest; slot != NONE; slot = table->all.links[slot].newer) {
        struct hg_program *program = hg_cache_word_program(hg_cache_slot_load(table, slot));
        hg_program_unref(&program);
    }
    hg_cache_table_free(table);
}

uint64_t hg_cache_table_bytes(const struct hg_cache_table *table)
{
    return hg_alloc_block_bytes(table) + hg_alloc_block_bytes(table->slots) +
           hg_alloc_block_bytes(table->hits);
}

/* Programs that SLOTS slots may hold. The fewer, the more of them stand in their first slot, which
 * makes lookups faster; small tables can afford that. */
static uint64_t count_max(uint64_t slots)
{
    return slots < SPARSE_UNTIL ? slots / 8 : slots / 4 * 3;
}

bool hg_cache_table_has_room(const struct hg_cache_table *table)
{
    return table->count < count_max(slot_count(table));
}

uint32_t hg_cache_table_slots_for(uint32_t count)
{
    HG_REQUIRE(count <= HG_CACHE_TABLE_ENTRIES_MAX);
    uint32_t slots = SLOTS_MIN;
    while (count_max(slots) < count) {
        slots *= 2;
    }
    return slots;
}

/* ---- slots ----------------------------------------------------------------------------------- */

uint64_t hg_cache_front_of_none(void)
{
    static const _Alignas(HG_CACHE_FRONT_SHIFT + 1) _Atomic uint64_t free_slots[2];
    return (uintptr_t)free_slots | (64 - 1);
}

static uint32_t first_slot(const struct hg_cache_table *table, uint64_t hash)
{
    return (uint32_t)(hash >> table->shift);
}

uint32_t hg_cache_table_find(const struct hg_cache_table *table, uint64_t hash,
                             const struct hg_key *key, uint64_t *word)
{
    uint32_t slot = first_slot(table, hash);
    /* The writer may move programs towards a reader for as long as it likes: count the steps. */
    for (uint32_t step = 0; step <= table->mask; step++) {
        uint64_t seen = hg_cache_slot_load(table, slot);
        if (seen == 0) {
            break;
        }
        if (hg_cache_tag_equal(seen, hash) &&
            hg_key_equal(&hg_cache_word_program(seen)->key, key)) {
            *word = seen;
            return slot;
        }
        slot = (slot + 1) & table->mask;
    }
    return NONE;
}

void hg_cache_table_update(struct hg_cache_table *table, uint32_t slot, uint64_t word,
                           uint64_t wanted)
{
    /* Relaxed: flags order nothing, and a failure only means that they are set another time. */
    (void)!atomic_compare_exchange_strong_explicit(&table->slots[slot], &word, wanted,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Release: pairs with the readers' acquire. */
static void store_slot(struct hg_cache_table *table, uint32_t slot, uint64_t word)
{
    atomic_store_explicit(&table->slots[slot], word, memory_order_release);
}

void hg_cache_table_insert(struct hg_cache_table *table, uint64_t hash, struct hg_program *program,
                           uint64_t flags, uint64_t hits)
{
    HG_REQUIRE(hg_cache_table_has_room(table));
    uint64_t word = hg_cache_word(program, hash, flags);
    /* User space ends below 2^48, unless a mapping asks for more. */
    HG_REQUIRE(hg_cache_word_program(word) == program && (flags & ~HG_CACHE_FLAGS) == 0);
    uint32_t slot = first_slot(table, hash);
    while (hg_cache_slot_load(table, slot) != 0) {
        slot = (slot + 1) & table->mask;
    }
    queue_push(&table->all, slot);
    struct hg_cache_queue *region = region_queue(table, program);
    if (region != NULL) {
        queue_push(region, slot);
    }
    atomic_store_explicit(&table->hits[slot], hits, memory_order_relaxed);
    table->count++;
    store_slot(table, slot, word);
}

/* ---- removal --------------------------------------------------------------------------------- */

/* A reader that passed TO before and comes to FROM after misses the program, and looks again under
 * the lock. A flag or a hit that a reader adds to FROM meanwhile is lost. */
static void move_slot(struct hg_cache_table *table, uint32_t from, uint32_t to, uint64_t word)
{
    queue_move(&table->all, from, to);
    struct hg_cache_queue *region = region_queue(table, hg_cache_word_program(word));
    if (region != NULL) {
        queue_move(region, from, to);
    }
    atomic_store_explicit(&table->hits[to], hg_cache_slot_hits(table, from), memory_order_relaxed);
    store_slot(table, to, word);
}

/* Moves later members of the probe run that HOLE was in back, so that no run is broken and no slot
 * has to say "was taken once". */
static void close_hole(struct hg_cache_table *table, uint32_t hole)
{
    uint32_t mask = table->mask;
    uint32_t next = hole;
    for (;;) {
        next = (next + 1) & mask;
        uint64_t word = hg_cache_slot_load(table, next);
        if (word == 0) {
            break;
        }
        uint64_t hash = hg_cache_hash(table->seed, &hg_cache_word_program(word)->key);
        uint32_t home = first_slot(table, hash);
        bool may_move = ((next - home) & mask) >= ((next - hole) & mask);
        if (may_move) {
            move_slot(table, next, hole, word);
            hole = next;
        }
    }
    store_slot(table, hole, 0);
}

struct hg_program *hg_cache_table_remove(struct hg_cache_table *table, uint32_t slot)
{
    struct hg_program *program = hg_cache_word_program(hg_cache_slot_load(table, slot));
    queue_remove(&table->all, slot);
    struct hg_cache_queue *region = region_queue(table, program);
    if (region != NULL) {
        queue_remove(region, slot);
    }
    table->count--;
    close_hole(table, slot);
    return program;
}

/* True if only the table refers to PROGRAM by a count. A reader may take a reference right after;
 * then the program outlives its removal. */
static bool is_idle(const struct hg_program *program)
{
    return atomic_load_explicit(&program->references, memory_order_relaxed) == 1;
}

uint32_t hg_cache_table_victim(struct hg_cache_table *table, uint16_t region)
{
    struct hg_cache_queue *queue =
        region == HG_CACHE_ALL_REGIONS ? &table->all : &table->regions[region];
    /* The first round may only take flags away; after the second everything was seen without. */
    uint64_t steps = 2 * (uint64_t)table->count;
    for (uint64_t step = 0; step < steps; step++) {
        uint32_t slot = queue->hand != NONE ? queue->hand : queue->oldest;
        if (slot == NONE) {
            break;
        }
        uint64_t word = hg_cache_slot_load(table, slot);
        if (!hg_cache_slot_is_pinned(table, slot) && is_idle(hg_cache_word_program(word))) {
            if ((word & HG_CACHE_VISITED) == 0) {
                queue->hand = slot;
                return slot;
            }
            /* Relaxed: the flag orders nothing. */
            atomic_fetch_and_explicit(&table->slots[slot], ~HG_CACHE_VISITED, memory_order_relaxed);
        }
        queue->hand = queue->links[slot].newer;
    }
    return NONE;
}

void hg_cache_table_copy(const struct hg_cache_table *table, struct hg_cache_table *to,
                         bool pinned_only)
{
    for (uint32_t slot = table->all.oldest; slot != NONE; slot = table->all.links[slot].newer) {
        uint64_t word = hg_cache_slot_load(table, slot);
        if (pinned_only && !hg_cache_slot_is_pinned(table, slot)) {
            continue;
        }
        struct hg_program *program = hg_cache_word_program(word);
        hg_cache_table_insert(to, hg_cache_hash(table->seed, &program->key), program,
                              word & HG_CACHE_FLAGS, hg_cache_slot_hits(table, slot));
        struct hg_cache_queue *region = region_queue(to, program);
        if (region != NULL && table->regions[program->key.cache].hand == slot) {
            region->hand = region->newest;
        }
        if (table->all.hand == slot) {
            to->all.hand = to->all.newest;
        }
    }
}
