/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the cache warm from one process to the next: its keys with their hits go into a key file,
 * and a job of the worker pool builds their programs again, some at a time, so that it is never in
 * anybody's way.
 *
 *     cache ─► portable keys ─┬─► by hits ─► file           file ─► job: [read] ─► 32 keys ─► 32 …
 *     what was restored ──────┘                                       └─► what was restored
 *
 * Hits of earlier processes count half with each restart: a key that nobody uses any more is gone
 * after as many as its hits have bits.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/engine/keyfile.h"
#include "lib/engine/steps.h"

#define LIST_BATCH 64
#define JOB_KEYS   32 /* built before other jobs get their turn */

struct hg_warm_job {
    struct hg_job job; /* first: the scheduler gives this pointer back */
    struct hg_engine *engine;
    char *path;     /* to be read; NULL when BYTES were given */
    uint8_t *bytes; /* of a key file */
    const uint8_t *entries_at;
    uint32_t count;
    uint32_t next; /* entry to be built */
    uint32_t found;
};

/* True for keys that mean the same in every process, and of which a program can be built. */
static bool is_portable(const struct hg_key *key)
{
    return key->cache < HG_CACHE_COUNT && key->cache != HG_CACHE_USER &&
           key->cache != HG_CACHE_GRAPH && (key->policy & HG_KEY_FULL) == 0;
}

/* ---- what there is to save ------------------------------------------------------------------- */

struct entries {
    struct hg_keyfile_entry *items;
    uint32_t count;
    uint32_t capacity;
};

static bool append(struct entries *entries, const struct hg_key *key, uint64_t hits)
{
    HG_REQUIRE(key != NULL);
    if (entries->count == HG_KEYFILE_ENTRIES_MAX) {
        return true; /* more than that are not worth a thought */
    }
    if (entries->count == entries->capacity) {
        uint32_t capacity = entries->capacity == 0 ? 256 : entries->capacity * 2;
        struct hg_keyfile_entry *items =
            hg_realloc(HG_TAG_ENGINE, entries->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        entries->items = items;
        entries->capacity = capacity;
    }
    entries->items[entries->count++] = (struct hg_keyfile_entry){*key, hits};
    return true;
}

static bool list_cached(struct hg_engine *engine, struct entries *entries)
{
    struct hg_cache_entry batch[LIST_BATCH];
    uint64_t position = 0;
    uint32_t count;
    while ((count = hg_cache_list(engine->cache, &position, batch, LIST_BATCH)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (is_portable(&batch[i].key) && !append(entries, &batch[i].key, batch[i].hits)) {
                return false;
            }
        }
    }
    return true;
}

static bool list_restored(const struct hg_engine *engine, struct entries *entries)
{
    for (uint32_t i = 0; i < engine->restored_count; i++) {
        const struct hg_keyfile_entry *entry = &engine->restored[i];
        if (is_portable(&entry->key) && !append(entries, &entry->key, entry->hits)) {
            return false;
        }
    }
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct hg_key)); /* an entry begins with its key */
}

/* Most hits first; then by key, so that the same cache gives the same file. */
static int compare_hits(const void *a, const void *b)
{
    const struct hg_keyfile_entry *x = a;
    const struct hg_keyfile_entry *y = b;
    if (x->hits != y->hits) {
        return x->hits > y->hits ? -1 : 1;
    }
    return compare_keys(a, b);
}

static void sort(struct entries *entries, int (*compare)(const void *, const void *))
{
    if (entries->count > 1) {
        qsort(entries->items, entries->count, sizeof *entries->items, compare);
    }
}

/* Adds half of the hits that RESTORED has to those of ENTRIES; both are sorted by key. A key that
 * was restored, and that nobody has used since, goes with its last hit. */
static bool merge(const struct entries *entries, const struct entries *restored,
                  struct entries *merged)
{
    uint32_t i = 0;
    uint32_t j = 0;
    bool fits = true;
    while (fits && (i < entries->count || j < restored->count)) {
        int order = i == entries->count    ? 1
                    : j == restored->count ? -1
                                           : compare_keys(&entries->items[i], &restored->items[j]);
        const struct hg_keyfile_entry *old = order >= 0 ? &restored->items[j++] : NULL;
        const struct hg_keyfile_entry *now = order <= 0 ? &entries->items[i++] : NULL;
        uint64_t hits = (old == NULL ? 0 : old->hits / 2);
        hits += now == NULL ? 0 : now->hits;
        if (old == NULL || hits > 0) {
            fits = append(merged, now != NULL ? &now->key : &old->key, hits);
        }
    }
    return fits;
}

/* The keys worth keeping, hottest first, into *ENTRIES, which the caller frees in any case. */
static enum hg_status collect(struct hg_engine *engine, struct entries *merged,
                              struct hg_error *error)
{
    struct entries cached = {0};
    struct entries restored = {0};
    hg_mutex_lock(&engine->lock);
    bool listed = list_restored(engine, &restored);
    hg_mutex_unlock(&engine->lock);
    listed = listed && list_cached(engine, &cached);
    if (listed) {
        sort(&cached, compare_keys);
        sort(&restored, compare_keys);
        listed = merge(&cached, &restored, merged);
    }
    hg_free(HG_TAG_ENGINE, cached.items);
    hg_free(HG_TAG_ENGINE, restored.items);
    if (!listed) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "profile: out of memory");
    }
    sort(merged, compare_hits);
    uint64_t bound = engine->options.cache_entries_max;
    merged->count = merged->count < bound ? merged->count : (uint32_t)bound;
    return HG_OK;
}

enum hg_status hg_engine_profile(struct hg_engine *engine, uint8_t **bytes, size_t *size,
                                 struct hg_error *error)
{
    struct entries entries = {0};
    enum hg_status status = collect(engine, &entries, error);
    if (status == HG_OK) {
        status = hg_keyfile_encode(entries.items, entries.count, bytes, size, error);
    }
    hg_free(HG_TAG_ENGINE, entries.items);
    return status;
}

void hg_engine_profile_free(uint8_t *bytes)
{
    hg_free(HG_TAG_ENGINE, bytes);
}

enum hg_status hg_engine_cache_save(struct hg_engine *engine, const char *path,
                                    struct hg_error *error)
{
    /* Acquire pairs with the release at the job's end: what was restored is seen. */
    if (atomic_load_explicit(&engine->restoring, memory_order_acquire) > 0) {
        return hg_fail(error, HG_FAILED_PRECONDITION,
                       "the cache is being restored: what is saved is not all in it yet");
    }
    uint8_t *bytes;
    size_t size;
    enum hg_status status = hg_engine_profile(engine, &bytes, &size, error);
    if (status == HG_OK) {
        status = hg_keyfile_replace(path, bytes, size, error);
        hg_free(HG_TAG_ENGINE, bytes);
    }
    return status;
}

/* ---- the job --------------------------------------------------------------------------------- */

static void destroy_job(struct hg_warm_job *warm)
{
    hg_free(HG_TAG_ENGINE, warm->path);
    hg_free(HG_TAG_ENGINE, warm->bytes);
    hg_free(HG_TAG_ENGINE, warm);
}

/* Remembers the hits of the file for the next one, of which there is one per process. Without
 * memory they are forgotten. */
static void keep_restored(const struct hg_warm_job *warm)
{
    struct hg_engine *engine = warm->engine;
    size_t bytes = warm->count * sizeof(struct hg_keyfile_entry);
    struct hg_keyfile_entry *entries = hg_malloc(HG_TAG_ENGINE, bytes);
    if (entries == NULL) {
        return;
    }
    memcpy(entries, warm->entries_at, bytes);
    hg_mutex_lock(&engine->lock);
    struct hg_keyfile_entry *before = engine->restored;
    engine->restored = entries;
    engine->restored_count = warm->count;
    hg_mutex_unlock(&engine->lock);
    hg_free(HG_TAG_ENGINE, before);
}

static void read_file(struct hg_warm_job *warm)
{
    struct hg_error error = HG_ERROR_INIT;
    size_t size;
    enum hg_status status = hg_keyfile_read(warm->path, &warm->bytes, &size, &error);
    if (status == HG_NOT_FOUND) {
        return; /* the first start */
    }
    if (status == HG_OK) {
        status = hg_keyfile_check(warm->bytes, size, &warm->entries_at, &warm->count, &error);
    }
    if (status != HG_OK) {
        warm->count = 0;
        HG_LOG_WARN(CACHE, "saved keys are ignored", HG_STR("path", warm->path),
                    HG_STR("reason", error.message));
        return;
    }
    keep_restored(warm);
}

/* Warming evicts nothing: what was asked for since the start is worth more. */
static bool has_room(const struct hg_engine *engine)
{
    const struct hg_engine_options *options = &engine->options;
    return hg_cache_entries(engine->cache) < options->cache_entries_max / 4 * 3 &&
           hg_cache_bytes(engine->cache) < options->cache_bytes_max / 4 * 3;
}

static bool is_stopping(const struct hg_warm_job *warm)
{
    return atomic_load_explicit(&warm->engine->stopping, memory_order_relaxed);
}

static bool is_over(const struct hg_warm_job *warm)
{
    return warm->next >= warm->count || is_stopping(warm);
}

/* Builds ENTRY's program; a key that has none, from a file that is right otherwise, is passed over.
 */
static void build_entry(struct hg_warm_job *warm, const struct hg_keyfile_entry *entry)
{
    struct hg_cache_loan loan;
    struct hg_cache_result result;
    if (is_portable(&entry->key) &&
        hg_program_borrow(warm->engine, &entry->key, NULL, &loan, &result, NULL) == HG_OK) {
        hg_cache_return(&loan);
        warm->found++;
    }
}

/* Builds the next few programs, or none any more if there is no room. */
static void build_some(struct hg_warm_job *warm)
{
    for (uint32_t i = 0; i < JOB_KEYS && !is_over(warm); i++) {
        if (!has_room(warm->engine)) {
            warm->next = warm->count;
            return;
        }
        struct hg_keyfile_entry entry;
        hg_keyfile_entry_at(warm->entries_at, warm->next++, &entry);
        build_entry(warm, &entry);
    }
}

static void run_warm(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct hg_warm_job *warm = (struct hg_warm_job *)job;
    if (warm->bytes == NULL) {
        read_file(warm);
    } else {
        build_some(warm);
    }
}

static void warm_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    struct hg_warm_job *warm = (struct hg_warm_job *)job;
    struct hg_engine *engine = warm->engine;
    if (!is_over(warm)) {
        /* At the end of the queue, behind everybody; if it is full, there is no end to join. */
        if (hg_sched_submit(engine->sched, job) != HG_OK) {
            hg_sched_resubmit(engine->sched, job);
        }
        return;
    }
    if (warm->count > 0 && !is_stopping(warm)) {
        HG_LOG_INFO(CACHE, "cache warmed", HG_U64("keys", warm->count),
                    HG_U64("programs", warm->found));
    }
    atomic_fetch_add_explicit(&engine->warmed, warm->found, memory_order_relaxed);
    destroy_job(warm);
    /* Release: pairs with the acquire of those who wait for the end, or save after it. */
    atomic_fetch_sub_explicit(&engine->restoring, 1, memory_order_release);
}

static struct hg_warm_job *create_job(struct hg_engine *engine)
{
    struct hg_warm_job *warm = hg_calloc(HG_TAG_ENGINE, 1, sizeof *warm);
    if (warm != NULL) {
        warm->job.run_part = run_warm;
        warm->job.done = warm_done;
        warm->job.parts = 1;
        warm->engine = engine;
    }
    return warm;
}

/* Takes WARM. */
static enum hg_status submit(struct hg_warm_job *warm, struct hg_error *error)
{
    struct hg_engine *engine = warm->engine;
    atomic_fetch_add_explicit(&engine->restoring, 1, memory_order_relaxed);
    enum hg_status status = hg_sched_submit(engine->sched, &warm->job);
    if (status != HG_OK) {
        atomic_fetch_sub_explicit(&engine->restoring, 1, memory_order_relaxed);
        destroy_job(warm);
        return hg_fail(error, status, "the queue is full: %u jobs wait for a worker",
                       engine->options.queue_depth);
    }
    return HG_OK;
}

enum hg_status hg_engine_cache_restore(struct hg_engine *engine, const char *path,
                                       struct hg_error *error)
{
    struct hg_warm_job *warm = create_job(engine);
    size_t size = strlen(path) + 1;
    char *copy = warm == NULL ? NULL : hg_malloc(HG_TAG_ENGINE, size);
    if (copy == NULL) {
        hg_free(HG_TAG_ENGINE, warm);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    memcpy(copy, path, size);
    warm->path = copy;
    return submit(warm, error);
}

enum hg_status hg_engine_cache_warm(struct hg_engine *engine, const uint8_t *bytes, size_t size,
                                    struct hg_error *error)
{
    const uint8_t *entries_at;
    uint32_t count;
    enum hg_status status = hg_keyfile_check(bytes, size, &entries_at, &count, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_warm_job *warm = create_job(engine);
    uint8_t *copy = warm == NULL ? NULL : hg_malloc(HG_TAG_ENGINE, size);
    if (copy == NULL) {
        hg_free(HG_TAG_ENGINE, warm);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    memcpy(copy, bytes, size);
    warm->bytes = copy;
    warm->entries_at = copy + (entries_at - bytes);
    warm->count = count;
    return submit(warm, error);
}
