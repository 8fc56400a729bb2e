/* SPDX-License-Identifier: Apache-2.0 */
/* What administrators ask for: flush, pins, entries by key, in turn, and by hits; what-if. */
#include "lib/base/check.h"
#include "lib/cache/internal.h"

/* ---- flush ----------------------------------------------------------------------------------- */

/* As many of the newest keys as can be remembered were flushed. */
static void remember_flushed(struct hg_cache *cache, const struct hg_cache_table *table)
{
    uint32_t left = hg_cache_ghost_capacity(&cache->ghost);
    for (uint32_t slot = table->all.newest; slot != HG_CACHE_SLOT_NONE && left > 0;
         slot = table->all.links[slot].older, left--) {
        if (!hg_cache_slot_is_pinned(table, slot)) {
            const struct hg_key *key = &hg_cache_word_program(hg_cache_slot_load(table, slot))->key;
            hg_cache_ghost_add(&cache->ghost, hg_cache_hash(&cache->seed, key),
                               HG_CACHE_MISS_FLUSHED);
        }
    }
}

static uint32_t count_pinned(const struct hg_cache_table *table)
{
    uint32_t count = 0;
    for (uint32_t slot = table->all.oldest; slot != HG_CACHE_SLOT_NONE;
         slot = table->all.links[slot].newer) {
        count += hg_cache_slot_is_pinned(table, slot);
    }
    return count;
}

/* A table with what is pinned in the old one, each with one more reference; NULL if that is
 * nothing. False when out of memory. */
static bool copy_pinned(struct hg_cache *cache, const struct hg_cache_table *table,
                        struct hg_cache_table **kept)
{
    uint32_t count = count_pinned(table);
    *kept = NULL;
    if (count == 0) {
        return true;
    }
    *kept =
        hg_cache_table_create(&cache->seed, hg_cache_table_slots_for(count), table->region_count);
    if (*kept == NULL) {
        return false;
    }
    hg_cache_table_copy(table, *kept, true);
    for (uint32_t slot = (*kept)->all.oldest; slot != HG_CACHE_SLOT_NONE;
         slot = (*kept)->all.links[slot].newer) {
        hg_program_ref(hg_cache_word_program(hg_cache_slot_load(*kept, slot)));
    }
    return true;
}

static void count_flushed(struct hg_cache *cache, const struct hg_cache_table *kept)
{
    struct hg_cache_figures *figures = &cache->figures;
    for (uint16_t i = 0; i < figures->region_count; i++) {
        hg_cache_figure_set(&figures->regions[i].entries, 0);
        hg_cache_figure_set(&figures->regions[i].bytes, 0);
    }
    hg_cache_figure_set(&figures->entries, 0);
    hg_cache_figure_set(&figures->program_bytes, 0);
    for (uint32_t slot = kept != NULL ? kept->all.oldest : HG_CACHE_SLOT_NONE;
         slot != HG_CACHE_SLOT_NONE; slot = kept->all.links[slot].newer) {
        hg_cache_count_in(figures, hg_cache_word_program(hg_cache_slot_load(kept, slot)));
    }
}

/* Under the lock. */
static uint64_t flush(struct hg_cache *cache)
{
    struct hg_cache_table *table = atomic_load_explicit(&cache->table, memory_order_relaxed);
    struct hg_cache_table *kept;
    if (table == NULL || !hg_retired_reserve(&cache->retired) ||
        !copy_pinned(cache, table, &kept)) {
        return 0;
    }
    remember_flushed(cache, table);
    uint64_t before = hg_cache_figure(&cache->figures.program_bytes);
    count_flushed(cache, kept);
    hg_cache_replace_table(cache, kept);
    /* Release: pairs with the acquire of a handle's lookup (cache.c). */
    atomic_fetch_add_explicit(&cache->generation, 1, memory_order_release);
    uint64_t dropped = table->count - (kept != NULL ? kept->count : 0);
    hg_retired_add_table(&cache->retired, table,
                         before - hg_cache_figure(&cache->figures.program_bytes));
    hg_retired_close(&cache->retired);
    return dropped;
}

uint64_t hg_cache_flush(struct hg_cache *cache)
{
    hg_mutex_lock(&cache->lock);
    uint64_t dropped = flush(cache);
    struct hg_retired_batch *unused = hg_retired_take(&cache->retired);
    hg_mutex_unlock(&cache->lock);
    /* Thousands of programs may be freed here: not under the lock. */
    hg_retired_free(unused);
    return dropped;
}

void hg_cache_reclaim(struct hg_cache *cache)
{
    hg_mutex_lock(&cache->lock);
    hg_retired_close(&cache->retired);
    struct hg_retired_batch *unused = hg_retired_take(&cache->retired);
    hg_mutex_unlock(&cache->lock);
    hg_retired_free(unused);
}

/* Under the lock: takes the program in SLOT out. False when out of memory. */
static bool drop(struct hg_cache *cache, struct hg_cache_table *table, uint32_t slot)
{
    if (!hg_retired_reserve(&cache->retired)) {
        return false;
    }
    struct hg_program *program = hg_cache_table_remove(table, slot);
    /* Release: pairs with the acquire of a handle's lookup (cache.c). */
    atomic_fetch_add_explicit(&cache->generation, 1, memory_order_release);
    hg_cache_count_out(&cache->figures, program);
    hg_cache_ghost_add(&cache->ghost, hg_cache_hash(&cache->seed, &program->key),
                       HG_CACHE_MISS_FLUSHED);
    hg_retired_add_program(&cache->retired, program);
    return true;
}

static bool is_to_go(const struct hg_cache_table *table, uint32_t slot, uint16_t region)
{
    uint64_t word = hg_cache_slot_load(table, slot);
    return word != 0 && hg_cache_word_program(word)->key.cache == region &&
           !hg_cache_slot_is_pinned(table, slot);
}

/* Under the lock. A removal moves a later program into the slot, so it is looked at again; one that
 * moves from the table's beginning to its end was looked at before. */
static uint64_t drop_region(struct hg_cache *cache, uint16_t region)
{
    struct hg_cache_table *table = atomic_load_explicit(&cache->table, memory_order_relaxed);
    uint64_t dropped = 0;
    for (uint64_t slot = 0; table != NULL && slot <= table->mask; slot++) {
        while (is_to_go(table, (uint32_t)slot, region)) {
            if (!drop(cache, table, (uint32_t)slot)) {
                return dropped;
            }
            dropped++;
        }
    }
    return dropped;
}

uint64_t hg_cache_flush_region(struct hg_cache *cache, uint16_t region)
{
    hg_mutex_lock(&cache->lock);
    uint64_t dropped = drop_region(cache, region);
    hg_retired_close(&cache->retired);
    struct hg_retired_batch *unused = hg_retired_take(&cache->retired);
    hg_mutex_unlock(&cache->lock);
    hg_retired_free(unused);
    return dropped;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* Under the lock: the slot of KEY in *TABLE. */
static uint32_t find_entry(struct hg_cache *cache, const struct hg_key *key,
                           struct hg_cache_table **table, uint64_t *word, struct hg_error *error)
{
    *table = atomic_load_explicit(&cache->table, memory_order_relaxed);
    uint32_t slot = HG_CACHE_SLOT_NONE;
    if (*table != NULL) {
        slot = hg_cache_table_find(*table, hg_cache_hash(&cache->seed, key), key, word);
    }
    if (slot == HG_CACHE_SLOT_NONE) {
        (void)hg_fail(error, HG_NOT_FOUND, "cache: there is no program with this key");
    }
    return slot;
}

enum hg_status hg_cache_set_pinned(struct hg_cache *cache, const struct hg_key *key, bool is_pinned,
                                   struct hg_error *error)
{
    struct hg_cache_table *table;
    uint64_t word;
    hg_mutex_lock(&cache->lock);
    uint32_t slot = find_entry(cache, key, &table, &word, error);
    if (slot != HG_CACHE_SLOT_NONE) {
        /* Relaxed: only writers, who hold the lock, look at this flag. */
        if (is_pinned) {
            atomic_fetch_or_explicit(&table->hits[slot], HG_CACHE_PINNED, memory_order_relaxed);
        } else {
            atomic_fetch_and_explicit(&table->hits[slot], ~HG_CACHE_PINNED, memory_order_relaxed);
        }
    }
    hg_mutex_unlock(&cache->lock);
    return slot != HG_CACHE_SLOT_NONE ? HG_OK : HG_NOT_FOUND;
}

static enum hg_status drop_key(struct hg_cache *cache, const struct hg_key *key,
                               struct hg_error *error)
{
    struct hg_cache_table *table;
    uint64_t word;
    uint32_t slot = find_entry(cache, key, &table, &word, error);
    if (slot == HG_CACHE_SLOT_NONE) {
        return HG_NOT_FOUND;
    }
    if (hg_cache_slot_is_pinned(table, slot)) {
        return hg_fail(error, HG_FAILED_PRECONDITION, "cache: the program is pinned");
    }
    if (!drop(cache, table, slot)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: out of memory");
    }
    return HG_OK;
}

enum hg_status hg_cache_flush_key(struct hg_cache *cache, const struct hg_key *key,
                                  struct hg_error *error)
{
    hg_mutex_lock(&cache->lock);
    enum hg_status status = drop_key(cache, key, error);
    hg_retired_close(&cache->retired);
    struct hg_retired_batch *unused = hg_retired_take(&cache->retired);
    hg_mutex_unlock(&cache->lock);
    hg_retired_free(unused);
    return status;
}

/* While the program is protected: under the lock, or in a section. */
static void describe(const struct hg_cache_table *table, uint32_t slot, uint64_t word,
                     struct hg_cache_entry *entry)
{
    const struct hg_program *program = hg_cache_word_program(word);
    *entry = (struct hg_cache_entry){
        .key = program->key,
        .hits = hg_cache_slot_hits(table, slot) & ~HG_CACHE_PINNED,
        .bytes = hg_program_bytes(program),
        .is_pinned = hg_cache_slot_is_pinned(table, slot),
        .is_held = atomic_load_explicit(&program->references, memory_order_relaxed) > 1,
    };
}

enum hg_status hg_cache_peek(struct hg_cache *cache, const struct hg_key *key,
                             struct hg_cache_entry *entry, struct hg_cache_pin *pin,
                             struct hg_error *error)
{
    struct hg_cache_table *table;
    uint64_t word;
    hg_mutex_lock(&cache->lock);
    uint32_t slot = find_entry(cache, key, &table, &word, error);
    if (slot != HG_CACHE_SLOT_NONE) {
        describe(table, slot, word, entry);
        if (pin != NULL) {
            pin->program = hg_program_ref(hg_cache_word_program(word));
        }
    }
    hg_mutex_unlock(&cache->lock);
    return slot != HG_CACHE_SLOT_NONE ? HG_OK : HG_NOT_FOUND;
}

/* Keeps the table and its programs from being freed: in a section, or else under the lock. Lists
 * are long and nobody has to wait for them. */
static const struct hg_cache_table *open_table(struct hg_cache *cache,
                                               struct hg_epoch_reader **reader,
                                               struct hg_cache_section **opened)
{
    *reader = hg_epoch_enter(opened);
    if (*reader == NULL) {
        hg_mutex_lock(&cache->lock);
    }
    return atomic_load_explicit(&cache->table, memory_order_acquire);
}

static void close_table(struct hg_cache *cache, const struct hg_epoch_reader *reader,
                        struct hg_cache_section *opened)
{
    if (reader == NULL) {
        hg_mutex_unlock(&cache->lock);
    } else {
        hg_epoch_leave(opened);
    }
}

uint32_t hg_cache_list(struct hg_cache *cache, uint64_t *position, struct hg_cache_entry *entries,
                       uint32_t count)
{
    struct hg_epoch_reader *reader;
    struct hg_cache_section *opened;
    const struct hg_cache_table *table = open_table(cache, &reader, &opened);
    uint32_t listed = 0;
    uint64_t slot = *position;
    for (; table != NULL && slot <= table->mask && listed < count; slot++) {
        uint64_t word = hg_cache_slot_load(table, (uint32_t)slot);
        if (word != 0) {
            describe(table, (uint32_t)slot, word, &entries[listed++]);
        }
    }
    close_table(cache, reader, opened);
    *position = slot;
    return listed;
}

/* ---- the best -------------------------------------------------------------------------------- */

/* Puts ENTRY in its place among the COUNT best, worst first in a heap: each has at most as many
 * hits as its children. */
static void sift_down(struct hg_cache_entry *heap, uint32_t count, struct hg_cache_entry entry)
{
    uint32_t hole = 0;
    for (;;) {
        uint32_t child = 2 * hole + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && heap[child + 1].hits < heap[child].hits) {
            child++;
        }
        if (entry.hits <= heap[child].hits) {
            break;
        }
        heap[hole] = heap[child];
        hole = child;
    }
    heap[hole] = entry;
}

static void sift_up(struct hg_cache_entry *heap, uint32_t count, struct hg_cache_entry entry)
{
    uint32_t hole = count;
    while (hole > 0 && entry.hits < heap[(hole - 1) / 2].hits) {
        heap[hole] = heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    heap[hole] = entry;
}

/* From a heap with the worst first to the order from the best to the worst. */
static void sort_heap(struct hg_cache_entry *heap, uint32_t count)
{
    for (uint32_t left = count; left > 1; left--) {
        struct hg_cache_entry worst = heap[0];
        sift_down(heap, left - 1, heap[left - 1]);
        heap[left - 1] = worst;
    }
}

uint32_t hg_cache_top(struct hg_cache *cache, uint16_t region, struct hg_cache_entry *entries,
                      uint32_t count)
{
    struct hg_epoch_reader *reader;
    struct hg_cache_section *opened;
    const struct hg_cache_table *table = open_table(cache, &reader, &opened);
    uint32_t kept = 0;
    for (uint64_t slot = 0; table != NULL && slot <= table->mask && count > 0; slot++) {
        uint64_t word = hg_cache_slot_load(table, (uint32_t)slot);
        if (word == 0 ||
            (region != HG_CACHE_EVERY_REGION && hg_cache_word_program(word)->key.cache != region)) {
            continue;
        }
        struct hg_cache_entry entry;
        describe(table, (uint32_t)slot, word, &entry);
        if (kept < count) {
            sift_up(entries, kept++, entry);
        } else if (entry.hits > entries[0].hits) {
            sift_down(entries, kept, entry);
        }
    }
    close_table(cache, reader, opened);
    sort_heap(entries, kept);
    return kept;
}

double hg_cache_what_if(struct hg_cache *cache, uint64_t entries, uint64_t *samples)
{
    uint64_t taken;
    return hg_cache_reuse_what_if(&cache->reuse, entries, samples != NULL ? samples : &taken);
}
