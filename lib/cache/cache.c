/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hit: hash, lock, probe, take a reference, unlock. A miss becomes the builder of its key, or
 * waits for the one there is. Builder and waiters keep their records on their own stacks; the
 * builder hands each waiter its result under the lock, so neither has to outlive the other.
 */
#include "lib/cache/cache.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mutex.h"
#include "lib/cache/hash.h"
#include "lib/cache/table.h"

/* Written under the cache's lock, read without: relaxed, a figure orders nothing. */
struct region {
    _Atomic uint64_t hits;
    _Atomic uint64_t misses;
    _Atomic uint64_t builds;
    _Atomic uint64_t build_failures;
    _Atomic uint64_t evictions;
    _Atomic uint64_t entries;
    _Atomic uint64_t bytes;
    _Atomic uint64_t build_ns_sum;
};

struct waiter {
    struct hg_condition ended; /* signalled once RESULT is set */
    struct waiter *next;
    bool is_ended;
    enum hg_status status;
    struct hg_program *program; /* a reference for the waiter, if the build succeeded */
    struct hg_error error;
};

struct build {
    const struct hg_key *key;
    struct waiter *waiters;
    struct build *next;
};

struct hg_cache {
    struct hg_mutex lock; /* HG_RANK_CACHE: everything below but what is constant or atomic */
    struct hg_cache_table table;
    struct build *builds;
    _Atomic uint64_t entries;
    _Atomic uint64_t program_bytes;
    _Atomic uint64_t table_bytes;

    uint64_t entries_max; /* constant from here on, but for the regions' figures */
    uint64_t bytes_max;
    struct hg_cache_seed seed;
    uint16_t region_count;
    struct region regions[];
};

const char *hg_cache_outcome_name(enum hg_cache_outcome outcome)
{
    static const char *const names[] = {
        [HG_CACHE_HIT] = "hit",
        [HG_CACHE_BUILD] = "build",
        [HG_CACHE_WAIT] = "wait",
        [HG_CACHE_PRECOMPILED] = "precompiled",
    };
    return (unsigned)outcome < HG_ARRAY_COUNT(names) ? names[outcome] : "invalid";
}

/* Of a figure that only the lock's holder writes: no atomic read-modify-write is needed. */
static void figure_add(_Atomic uint64_t *figure, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, value + amount, memory_order_relaxed);
}

static void figure_subtract(_Atomic uint64_t *figure, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, value - amount, memory_order_relaxed);
}

static uint64_t figure_read(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
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
    struct hg_cache *fresh = hg_calloc(
        HG_TAG_CACHE, 1, sizeof *fresh + (size_t)options->region_count * sizeof fresh->regions[0]);
    if (fresh == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: out of memory");
    }
    enum hg_status status = hg_cache_seed_init(&fresh->seed, error);
    if (status != HG_OK) {
        hg_free(HG_TAG_CACHE, fresh);
        return status;
    }
    hg_mutex_init(&fresh->lock, HG_RANK_CACHE);
    fresh->entries_max = options->entries_max < HG_CACHE_TABLE_ENTRIES_MAX
                             ? options->entries_max
                             : HG_CACHE_TABLE_ENTRIES_MAX;
    fresh->bytes_max = options->bytes_max;
    fresh->region_count = options->region_count;
    *cache = fresh;
    return HG_OK;
}

void hg_cache_destroy(struct hg_cache **cache)
{
    if (*cache == NULL) {
        return;
    }
    HG_REQUIRE((*cache)->builds == NULL);
    hg_cache_table_clear(&(*cache)->table);
    hg_mutex_fini(&(*cache)->lock);
    hg_free(HG_TAG_CACHE, *cache);
    *cache = NULL;
}

static struct region *region_of(struct hg_cache *cache, const struct hg_program *program)
{
    return &cache->regions[program->key.cache];
}

/* Accounts for PROGRAM as it leaves the table. */
static void discount(struct hg_cache *cache, const struct hg_program *program)
{
    struct region *region = region_of(cache, program);
    uint64_t bytes = hg_program_bytes(program);
    figure_subtract(&region->entries, 1);
    figure_subtract(&region->bytes, bytes);
    figure_subtract(&cache->entries, 1);
    figure_subtract(&cache->program_bytes, bytes);
}

/* Under the lock: evicts until one more program of BYTES bytes is within the bounds. */
static enum hg_status make_room(struct hg_cache *cache, uint64_t bytes, struct hg_error *error)
{
    if (bytes > cache->bytes_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "cache: a program of %" PRIu64 " bytes is larger than the bound of %" PRIu64,
                       bytes, cache->bytes_max);
    }
    while (figure_read(&cache->entries) >= cache->entries_max ||
           figure_read(&cache->program_bytes) > cache->bytes_max - bytes) {
        struct hg_program *victim = hg_cache_table_evict(&cache->table);
        if (victim == NULL) {
            return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                           "cache: all %" PRIu64 " programs are in use",
                           figure_read(&cache->entries));
        }
        figure_add(&region_of(cache, victim)->evictions, 1);
        discount(cache, victim);
        hg_program_unref(&victim);
    }
    return HG_OK;
}

/* Under the lock. The table takes a reference of its own. */
static enum hg_status keep(struct hg_cache *cache, uint32_t hash, struct hg_program *program,
                           struct hg_error *error)
{
    uint64_t bytes = hg_program_bytes(program);
    enum hg_status status = make_room(cache, bytes, error);
    if (status != HG_OK) {
        return status;
    }
    if (!hg_cache_table_reserve(&cache->table)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "cache: out of memory for the table");
    }
    atomic_store_explicit(&cache->table_bytes, hg_cache_table_bytes(&cache->table),
                          memory_order_relaxed);
    hg_cache_table_insert(&cache->table, hash, program);
    struct region *region = region_of(cache, program);
    figure_add(&region->entries, 1);
    figure_add(&region->bytes, bytes);
    figure_add(&cache->entries, 1);
    figure_add(&cache->program_bytes, bytes);
    return HG_OK;
}

static struct build *find_build(struct hg_cache *cache, const struct hg_key *key)
{
    struct build *build = cache->builds;
    while (build != NULL && !hg_key_equal(build->key, key)) {
        build = build->next;
    }
    return build;
}

static void unlink_build(struct hg_cache *cache, const struct build *build)
{
    struct build **link = &cache->builds;
    while (*link != build) {
        link = &(*link)->next;
    }
    *link = build->next;
}

/* Under the lock: gives every waiter the outcome. Signalled under the lock, so that no waiter can
 * leave, and with it its condition variable, before the signal is through. */
static void answer_waiters(const struct build *build, enum hg_status status,
                           struct hg_program *program, const struct hg_error *error)
{
    for (struct waiter *waiter = build->waiters; waiter != NULL;) {
        struct waiter *next = waiter->next;
        waiter->status = status;
        if (status == HG_OK) {
            waiter->program = hg_program_ref(program);
        } else {
            waiter->error = *error;
        }
        waiter->is_ended = true;
        hg_cond_signal(&waiter->ended);
        waiter = next;
    }
}

/* Called with the lock held and gives it back. */
static enum hg_status wait_for_build(struct hg_cache *cache, struct build *build,
                                     struct hg_program **program, struct hg_error *error)
{
    struct waiter waiter = {.next = build->waiters};
    hg_cond_init(&waiter.ended);
    /* The builder empties the list before this function returns. */
    /* cppcheck-suppress autoVariables */
    build->waiters = &waiter;
    while (!waiter.is_ended) {
        hg_cond_wait(&waiter.ended, &cache->lock);
    }
    hg_mutex_unlock(&cache->lock);
    hg_cond_fini(&waiter.ended);
    if (waiter.status != HG_OK) {
        if (error != NULL) {
            *error = waiter.error;
        }
        return waiter.status;
    }
    *program = waiter.program;
    return HG_OK;
}

/* Called with the lock held and gives it back; builds without it. */
static enum hg_status build_program(struct hg_cache *cache, const struct hg_key *key, uint32_t hash,
                                    hg_cache_build_fn *build_fn, void *context,
                                    struct hg_program **program, uint64_t *build_ns,
                                    struct hg_error *error)
{
    struct build build = {.key = key, .next = cache->builds};
    struct region *region = &cache->regions[key->cache];
    struct hg_program *built = NULL;
    struct hg_error failure = HG_ERROR_INIT;

    /* Unlinked below. */
    /* cppcheck-suppress autoVariables */
    cache->builds = &build;
    hg_mutex_unlock(&cache->lock);
    uint64_t start_ns = hg_clock_now_ns();
    enum hg_status status = build_fn(key, context, &built, &failure);
    *build_ns = hg_clock_now_ns() - start_ns;
    HG_REQUIRE(status != HG_OK || (built != NULL && hg_key_equal(&built->key, key)));

    hg_mutex_lock(&cache->lock);
    unlink_build(cache, &build);
    figure_add(status == HG_OK ? &region->builds : &region->build_failures, 1);
    figure_add(&region->build_ns_sum, *build_ns);
    if (status == HG_OK) {
        status = keep(cache, hash, built, &failure);
    }
    answer_waiters(&build, status, built, &failure);
    hg_mutex_unlock(&cache->lock);

    if (status != HG_OK) {
        if (built != NULL) {
            hg_program_unref(&built);
        }
        if (error != NULL) {
            *error = failure;
        }
        return status;
    }
    *program = built;
    return HG_OK;
}

/* Called with the lock held, after nothing was found; gives it back. */
static enum hg_status build_or_wait(struct hg_cache *cache, const struct hg_key *key, uint32_t hash,
                                    hg_cache_build_fn *build_fn, void *context,
                                    struct hg_program **program, struct hg_cache_result *result,
                                    struct hg_error *error)
{
    figure_add(&cache->regions[key->cache].misses, 1);
    struct build *running = find_build(cache, key);
    if (running != NULL) {
        result->outcome = HG_CACHE_WAIT;
        return wait_for_build(cache, running, program, error);
    }
    result->outcome = HG_CACHE_BUILD;
    return build_program(cache, key, hash, build_fn, context, program, &result->build_ns, error);
}

enum hg_status hg_cache_acquire(struct hg_cache *cache, const struct hg_key *key,
                                hg_cache_build_fn *build, void *context, struct hg_cache_pin *pin,
                                struct hg_cache_result *result, struct hg_error *error)
{
    HG_REQUIRE(key->cache < cache->region_count);
    uint32_t hash = hg_cache_hash(&cache->seed, key);
    struct hg_cache_result how = {HG_CACHE_HIT, 0};

    hg_mutex_lock(&cache->lock);
    struct hg_program *program = hg_cache_table_find(&cache->table, hash, key);
    if (program != NULL) {
        hg_program_ref(program);
        figure_add(&cache->regions[key->cache].hits, 1);
        hg_mutex_unlock(&cache->lock);
    } else {
        enum hg_status status =
            build_or_wait(cache, key, hash, build, context, &program, &how, error);
        if (status != HG_OK) {
            return status;
        }
    }
    pin->program = program;
    if (result != NULL) {
        *result = how;
    }
    return HG_OK;
}

void hg_cache_release(struct hg_cache *cache, struct hg_cache_pin *pin)
{
    (void)cache;
    hg_program_unref(&pin->program);
}

uint64_t hg_cache_flush(struct hg_cache *cache)
{
    hg_mutex_lock(&cache->lock);
    struct hg_cache_table dropped = cache->table;
    cache->table = (struct hg_cache_table){0};
    for (uint16_t i = 0; i < cache->region_count; i++) {
        atomic_store_explicit(&cache->regions[i].entries, 0, memory_order_relaxed);
        atomic_store_explicit(&cache->regions[i].bytes, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&cache->entries, 0, memory_order_relaxed);
    atomic_store_explicit(&cache->program_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&cache->table_bytes, 0, memory_order_relaxed);
    hg_mutex_unlock(&cache->lock);
    /* Thousands of programs may be freed here: not under the lock. */
    return hg_cache_table_clear(&dropped);
}

void hg_cache_region_stats(const struct hg_cache *cache, uint16_t region,
                           struct hg_cache_region_stats *stats)
{
    HG_REQUIRE(region < cache->region_count);
    const struct region *figures = &cache->regions[region];
    *stats = (struct hg_cache_region_stats){
        .hits = figure_read(&figures->hits),
        .misses = figure_read(&figures->misses),
        .builds = figure_read(&figures->builds),
        .build_failures = figure_read(&figures->build_failures),
        .evictions = figure_read(&figures->evictions),
        .entries = figure_read(&figures->entries),
        .bytes = figure_read(&figures->bytes),
        .build_ns_sum = figure_read(&figures->build_ns_sum),
    };
}

uint64_t hg_cache_bytes(const struct hg_cache *cache)
{
    return figure_read(&cache->program_bytes) + figure_read(&cache->table_bytes);
}

uint64_t hg_cache_entries(const struct hg_cache *cache)
{
    return figure_read(&cache->entries);
}
