/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creation, and lookups that hit: enter a section, hash, probe, count. What is not found goes to
 * flight.c.
 */
#include "lib/cache/cache.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/cache/lookup.h"

const char *hg_cache_outcome_name(enum hg_cache_outcome outcome)
{
    static const char *const names[] = {
        [HG_CACHE_HIT] = "hit",   [HG_CACHE_BUILD] = "build",
        [HG_CACHE_WAIT] = "wait", [HG_CACHE_PRECOMPILED] = "precompiled",
        [HG_CACHE_BUSY] = "busy",
    };
    return (unsigned)outcome < HG_ARRAY_COUNT(names) ? names[outcome] : "invalid";
}

/* ---- creation -------------------------------------------------------------------------------- */

static enum hg_status init_parts(struct hg_cache *cache, const struct hg_cache_options *options,
                                 struct hg_error *error)
{
    enum hg_status status = hg_cache_seed_init(&cache->seed, error);
    if (status != HG_OK) {
        return status;
    }
    cache->entrance.lend =
        cache->seed.hash == hg_cache_hash_portable ? hg_cache_lend_portable : hg_cache_lend_by_aes;
    if (!hg_cache_figures_init(&cache->figures, options->region_count, options->region_bounds)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: out of memory");
    }
    if (!hg_cache_ghost_init(&cache->ghost, options->entries_max)) {
        hg_cache_figures_fini(&cache->figures);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: out of memory");
    }
    return HG_OK;
}

enum hg_status hg_cache_create(const struct hg_cache_options *options, struct hg_cache **cache,
                               struct hg_error *error)
{
    if (options->entries_max == 0 || options->region_count == 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "cache: entries_max and region_count must be at least 1, got %" PRIu64
                       " and %u",
                       options->entries_max, (unsigned)options->region_count);
    }
    struct hg_cache *fresh =
        hg_aligned_alloc(HG_TAG_CACHE, _Alignof(struct hg_cache), sizeof *fresh);
    if (fresh == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: out of memory");
    }
    memset(fresh, 0, sizeof *fresh);
    enum hg_status status = init_parts(fresh, options, error);
    if (status != HG_OK) {
        hg_free(HG_TAG_CACHE, fresh);
        return status;
    }
    hg_epoch_start();
    hg_mutex_init(&fresh->lock, HG_RANK_CACHE);
    hg_retired_init(&fresh->retired);
    hg_cache_reuse_init(&fresh->reuse);
    atomic_init(&fresh->generation, 1);
    atomic_init(&fresh->front, hg_cache_front_of_none());
    fresh->entries_max = options->entries_max < HG_CACHE_TABLE_ENTRIES_MAX
                             ? options->entries_max
                             : HG_CACHE_TABLE_ENTRIES_MAX;
    fresh->bytes_max = options->bytes_max;
    fresh->has_region_bounds = options->region_bounds != NULL;
    *cache = fresh;
    return HG_OK;
}

void hg_cache_destroy(struct hg_cache **cache)
{
    struct hg_cache *gone = *cache;
    if (gone == NULL) {
        return;
    }
    HG_REQUIRE(gone->builds == NULL);
    hg_epoch_forget(gone);
    struct hg_cache_table *table = atomic_load_explicit(&gone->table, memory_order_acquire);
    if (table != NULL) {
        hg_cache_table_destroy(table);
    }
    hg_retired_fini(&gone->retired);
    hg_cache_ghost_fini(&gone->ghost);
    hg_cache_figures_fini(&gone->figures);
    hg_mutex_fini(&gone->lock);
    hg_free(HG_TAG_CACHE, gone);
    *cache = NULL;
}

/* ---- hits ------------------------------------------------------------------------------------ */

/* Sets the flag of a program that was not used since the hand came by; ends its watch if it has
 * one.
 */
static void note_use(struct hg_cache *cache, const struct hg_epoch_reader *reader,
                     struct hg_cache_table *table, uint32_t slot, uint64_t word, uint64_t hash)
{
    uint64_t used = word | HG_CACHE_VISITED;
    if ((word & HG_CACHE_WATCHED) != 0 && reader != NULL &&
        hg_cache_reuse_end(&cache->reuse, &reader->sampler, hash)) {
        used &= ~HG_CACHE_WATCHED;
    }
    if (used != word) {
        hg_cache_table_update(table, slot, word, used);
    }
    hg_cache_set_watched(hg_cache_word_program(word), (used & HG_CACHE_WATCHED) != 0);
}

static void watch(struct hg_cache *cache, const struct hg_epoch_reader *reader,
                  struct hg_cache_table *table, uint32_t slot, uint64_t hash)
{
    if (hg_cache_reuse_watch(&cache->reuse, &reader->sampler, hash)) {
        uint64_t word = hg_cache_slot_load(table, slot);
        if (word != 0) {
            hg_cache_table_update(table, slot, word, word | HG_CACHE_WATCHED);
            hg_cache_set_watched(hg_cache_word_program(word), true);
        }
    }
}

/* Looks for KEY again, so that hits that are not rare have less to carry. NONE if it was evicted
 * just now. */
static uint32_t find_again(const struct hg_cache *cache, struct hg_cache_table **table,
                           const struct hg_key *key, uint64_t *hash, uint64_t *word)
{
    *table = hg_cache_table_of(cache);
    *hash = hg_cache_hash(&cache->seed, key);
    return *table != NULL ? hg_cache_table_find(*table, *hash, key, word) : HG_CACHE_SLOT_NONE;
}

static void sample(struct hg_cache *cache, struct hg_epoch_reader *reader, const struct hg_key *key)
{
    uint32_t passed = hg_cache_sampler_next(&cache->reuse, &reader->sampler);
    struct hg_cache_table *table;
    uint64_t hash;
    uint64_t word;
    uint32_t slot = find_again(cache, &table, key, &hash, &word);
    if (slot != HG_CACHE_SLOT_NONE) {
        /* Relaxed: a figure. If the program is moved meanwhile, another gets the hits. */
        atomic_fetch_add_explicit(&table->hits[slot], passed, memory_order_relaxed);
        watch(cache, reader, table, slot, hash);
    }
}

/* Counts a hit of a thread whose counters are another cache's. */
static void count_unbound(struct hg_cache *cache, struct hg_epoch_reader *reader, uint16_t region)
{
    _Atomic uint64_t *own = hg_cache_own_hits(&cache->figures, reader->index);
    if (own == NULL) {
        hg_cache_count_shared_hit(&cache->figures, region);
    } else {
        reader->hits = own;
        atomic_store_explicit(&reader->hits_of, cache, memory_order_relaxed);
        hg_cache_figure_add(&own[region], 1);
    }
    reader->sampler.countdown--;
}

struct hg_cache_loan hg_cache_count_rest(struct hg_cache *cache, struct hg_epoch_reader *reader,
                                         const struct hg_key *key, struct hg_cache_loan loan)
{
    if (atomic_load_explicit(&reader->hits_of, memory_order_relaxed) != cache) {
        count_unbound(cache, reader, key->cache);
    }
    if (reader->sampler.countdown == 0) {
        sample(cache, reader, key);
    }
    return loan;
}

struct hg_cache_loan hg_cache_count_flags(struct hg_cache *cache, struct hg_epoch_reader *reader,
                                          const struct hg_key *key, struct hg_cache_loan loan)
{
    struct hg_cache_table *table;
    uint64_t hash;
    uint64_t word;
    uint32_t slot = find_again(cache, &table, key, &hash, &word);
    if (slot != HG_CACHE_SLOT_NONE) {
        note_use(cache, reader, table, slot, word, hash);
    }
    if (reader == NULL) {
        hg_cache_count_shared_hit(&cache->figures, key->cache);
        return loan;
    }
    return hg_cache_count(cache, reader, key->cache)
               ? loan
               : hg_cache_count_rest(cache, reader, key, loan);
}

struct hg_program *hg_cache_look(struct hg_cache *cache, struct hg_epoch_reader *reader,
                                 uint64_t hash, const struct hg_key *key)
{
    const struct hg_cache_table *table = hg_cache_table_of(cache);
    uint64_t word;
    if (table == NULL || hg_cache_table_find(table, hash, key, &word) == HG_CACHE_SLOT_NONE) {
        return NULL;
    }
    struct hg_cache_loan loan = {.program = hg_cache_word_program(word)};
    return hg_cache_count_flags(cache, reader, key, loan).program;
}

static const struct hg_cache_loan no_loan = {NULL, NULL};

struct hg_cache_loan hg_cache_lend_first(struct hg_cache *cache, const struct hg_key *key)
{
    struct hg_cache_section *opened;
    struct hg_epoch_reader *reader = hg_epoch_enter(&opened);
    if (reader == NULL) {
        return no_loan;
    }
    struct hg_program *program =
        hg_cache_look(cache, reader, hg_cache_hash(&cache->seed, key), key);
    if (program == NULL) {
        hg_epoch_leave(opened);
        return no_loan;
    }
    return (struct hg_cache_loan){program, opened};
}

/* ---- loans and pins -------------------------------------------------------------------------- */

/* Enters a section for MISS, whose key and wishes are set. */
static enum hg_status resolve(struct hg_cache *cache, struct hg_cache_miss *miss,
                              struct hg_cache_loan *loan, struct hg_cache_result *result,
                              struct hg_error *error)
{
    miss->hash = hg_cache_hash(&cache->seed, miss->key);
    miss->reader = hg_epoch_enter(&miss->opened);
    return hg_cache_resolve(cache, miss, loan, result, error);
}

enum hg_status hg_cache_borrow_missing(struct hg_cache *cache, const struct hg_key *key,
                                       hg_cache_build_fn *build, hg_cache_build_fn *meanwhile,
                                       void *context, struct hg_cache_loan *loan,
                                       struct hg_cache_result *result, struct hg_error *error)
{
    struct hg_cache_miss miss = {
        .key = key, .build = build, .meanwhile = meanwhile, .context = context};
    return resolve(cache, &miss, loan, result, error);
}

void hg_cache_hold(struct hg_cache_loan *loan)
{
    if (loan->section != HG_CACHE_COUNTED) {
        hg_program_ref(loan->program);
        hg_epoch_leave(loan->section);
        loan->section = HG_CACHE_COUNTED;
    }
}

enum hg_status hg_cache_acquire(struct hg_cache *cache, const struct hg_key *key,
                                hg_cache_build_fn *build, void *context, struct hg_cache_pin *pin,
                                struct hg_cache_result *result, struct hg_error *error)
{
    struct hg_cache_loan lent = hg_cache_lend(cache, key);
    if (lent.program != NULL) {
        pin->program = hg_program_ref(lent.program);
        hg_epoch_leave(lent.section);
        hg_cache_fill_hit(result);
        return HG_OK;
    }
    struct hg_cache_loan built;
    struct hg_cache_miss miss = {
        .key = key, .build = build, .context = context, .wants_count = true};
    enum hg_status status = resolve(cache, &miss, &built, result, error);
    if (status == HG_OK) {
        pin->program = built.program;
    }
    return status;
}

void hg_cache_release(struct hg_cache *cache, struct hg_cache_pin *pin)
{
    (void)cache;
    hg_program_unref(&pin->program);
}

/* ---- handles --------------------------------------------------------------------------------- */

void hg_cache_handle_init(const struct hg_cache *cache, const struct hg_key *key,
                          struct hg_cache_handle *handle)
{
    HG_REQUIRE(key->cache < cache->figures.region_count);
    *handle = (struct hg_cache_handle){
        .key = key, .hash = hg_cache_hash(&cache->seed, key), .region = key->cache};
}

/*
 * True if the handle's program may be used as it is. Whether it is in the cache its address does
 * not tell: it may have been freed and another built in its place. But the generation is raised
 * after a program is unlinked and before it is retired, so whoever reads the old one inside a
 * section is inside before the program is freed: of the proof in epoch.c, that load is the X. The
 * program need not be marked as used either: marks are taken away in search of one to evict, and
 * then the generation is raised.
 */
static inline bool is_current(const struct hg_cache *cache, const struct hg_cache_handle *handle)
{
    return atomic_load_explicit(&cache->generation, memory_order_acquire) == handle->generation &&
           !hg_cache_is_watched(handle->program);
}

/* Probes for the handle's key and remembers what it found. The generation is read before: it may be
 * older than what was found, never newer. */
__attribute__((noinline, cold)) static struct hg_cache_loan
lend_handle_again(struct hg_cache *cache, struct hg_cache_handle *handle)
{
    struct hg_cache_section *opened;
    struct hg_epoch_reader *reader = hg_epoch_enter(&opened);
    if (reader == NULL) {
        return no_loan;
    }
    uint64_t generation = atomic_load_explicit(&cache->generation, memory_order_acquire);
    struct hg_program *program = hg_cache_look(cache, reader, handle->hash, handle->key);
    if (program == NULL) {
        hg_epoch_leave(opened);
        return no_loan;
    }
    handle->program = program;
    handle->generation = generation;
    return (struct hg_cache_loan){program, opened};
}

struct hg_cache_loan hg_cache_lend_handle(struct hg_cache *cache, struct hg_cache_handle *handle)
{
    struct hg_epoch_reader *reader = hg_epoch_mine;
    struct hg_cache_section *opened = NULL;
    if (!hg_epoch_is_inside(reader)) {
        opened = hg_epoch_open(reader);
    } else if (hg_epoch_is_nobody(reader)) {
        return lend_handle_again(cache, handle);
    }
    if (__builtin_expect(!is_current(cache, handle), 0)) {
        hg_epoch_leave(opened);
        return lend_handle_again(cache, handle);
    }
    struct hg_cache_loan loan = {handle->program, opened};
    if (!hg_cache_count(cache, reader, handle->region)) {
        return hg_cache_count_rest(cache, reader, handle->key, loan);
    }
    return loan;
}
