/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cache_admin.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/internal.h"
#include "lib/engine/precompiled.h"
#include "lib/engine/sha256.h"

#define BATCH 64 /* entries looked at at once */

/* ---- names ----------------------------------------------------------------------------------- */

static void name_of(const struct hg_engine *engine, const struct hg_key *key,
                    char name[HG_CACHED_NAME_CHARS + 1])
{
    static const char digits[] = "0123456789abcdef";
    struct {
        uint64_t seed;
        struct hg_key key;
    } text = {engine->name_seed, *key};
    uint8_t digest[HG_SHA256_BYTES];
    _Static_assert(sizeof text == sizeof text.seed + sizeof text.key, "no padding is hashed");
    _Static_assert(HG_CACHED_NAME_CHARS == 2 * sizeof digest, "two digits a byte");
    hg_sha256(&text, sizeof text, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        name[2 * i] = digits[digest[i] >> 4];
        name[2 * i + 1] = digits[digest[i] & 15];
    }
    name[HG_CACHED_NAME_CHARS] = '\0';
}

static enum hg_status check_name(const char *name, struct hg_error *error)
{
    size_t length = strlen(name);
    if (length < HG_CACHED_PREFIX_MIN || length > HG_CACHED_NAME_CHARS ||
        strspn(name, "0123456789abcdef") != length) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "key: expected %d to %d of the digits 0-9 a-f, got '%.80s'",
                       HG_CACHED_PREFIX_MIN, HG_CACHED_NAME_CHARS, name);
    }
    return HG_OK;
}

/* What a search for a name has found. */
struct search {
    const struct hg_engine *engine;
    const char *prefix;
    size_t length;
    uint32_t found; /* 2: several */
    struct hg_key key;
};

static void compare(struct search *search, const struct hg_key *key)
{
    char name[HG_CACHED_NAME_CHARS + 1];
    name_of(search->engine, key, name);
    if (memcmp(name, search->prefix, search->length) != 0) {
        return;
    }
    /* A list may have an entry twice. */
    bool is_another = search->found == 0 || !hg_key_equal(key, &search->key);
    search->found += is_another && search->found < 2;
    search->key = *key;
}

static enum hg_status find_key(struct hg_engine *engine, const char *name, struct hg_key *key,
                               struct hg_error *error)
{
    enum hg_status status = check_name(name, error);
    if (status != HG_OK) {
        return status;
    }
    struct search search = {.engine = engine, .prefix = name, .length = strlen(name)};
    struct hg_cache_entry batch[BATCH];
    uint64_t position = 0;
    uint32_t count;
    while ((count = hg_cache_list(engine->cache, &position, batch, BATCH)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            compare(&search, &batch[i].key);
        }
    }
    if (search.found == 0) {
        return hg_fail(error, HG_NOT_FOUND, "key: no cached program's key begins with '%s'", name);
    }
    if (search.found > 1) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "key: several cached programs' keys begin with '%s': give more digits",
                       name);
    }
    *key = search.key;
    return HG_OK;
}

/* REGION becomes that of the cache called NAME, or HG_CACHE_EVERY_REGION. */
static enum hg_status find_region(const char *name, uint16_t *region, struct hg_error *error)
{
    *region = HG_CACHE_EVERY_REGION;
    if (name[0] == '\0') {
        return HG_OK;
    }
    enum hg_cache_id id = hg_cache_find(name);
    if (id == HG_CACHE_COUNT) {
        return hg_fail(error, HG_NOT_FOUND, "cache: there is none called '%.80s'", name);
    }
    *region = (uint16_t)id;
    return HG_OK;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void describe(const struct hg_engine *engine, const struct hg_cache_entry *entry,
                     struct hg_cached *item)
{
    name_of(engine, &entry->key, item->name);
    item->cache = hg_cache_name((enum hg_cache_id)entry->key.cache);
    (void)hg_key_summary(&entry->key, item->summary);
    item->hits = entry->hits;
    item->bytes = entry->bytes;
    item->is_pinned = entry->is_pinned;
    item->is_held = entry->is_held;
}

enum hg_status hg_engine_cache_list(struct hg_engine *engine, const char *cache, uint64_t *position,
                                    struct hg_cached *items, uint32_t *count,
                                    struct hg_error *error)
{
    uint16_t region;
    enum hg_status status = find_region(cache, &region, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_cache_entry batch[BATCH];
    uint32_t kept = 0;
    uint32_t listed = 1;
    while (kept < *count && listed > 0) {
        /* No more than there is room for, so that the position is behind the last one kept. */
        uint32_t room = *count - kept;
        listed = hg_cache_list(engine->cache, position, batch, room < BATCH ? room : BATCH);
        for (uint32_t i = 0; i < listed; i++) {
            if (region == HG_CACHE_EVERY_REGION || region == batch[i].key.cache) {
                describe(engine, &batch[i], &items[kept++]);
            }
        }
    }
    *position = listed > 0 ? *position : 0;
    *count = kept;
    return HG_OK;
}

enum hg_status hg_engine_cache_top(struct hg_engine *engine, const char *cache,
                                   struct hg_cached *items, uint32_t *count, struct hg_error *error)
{
    uint16_t region;
    enum hg_status status = find_region(cache, &region, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_cache_entry *entries = hg_malloc(HG_TAG_ENGINE, (size_t)*count * sizeof *entries + 1);
    if (entries == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    *count = hg_cache_top(engine->cache, region, entries, *count);
    for (uint32_t i = 0; i < *count; i++) {
        describe(engine, &entries[i], &items[i]);
    }
    hg_free(HG_TAG_ENGINE, entries);
    return HG_OK;
}

/* ---- one program ----------------------------------------------------------------------------- */

/* The text of PROGRAM into *TEXT. */
static enum hg_status disassemble(const struct hg_program *program, char **text, size_t *length,
                                  struct hg_error *error)
{
    const struct hg_code_facts *facts = &program->facts;
    struct hg_insn *insns = hg_malloc(HG_TAG_ENGINE, facts->insn_count * sizeof *insns + 1);
    *text = NULL;
    if (insns != NULL) {
        hg_program_unpack(program, insns);
        const struct hg_code code = {.header = {facts->slot_count, facts->scratch_bytes},
                                     .insns = insns,
                                     .insn_count = facts->insn_count};
        *length = hg_disassemble(&code, NULL, 0);
        *text = hg_malloc(HG_TAG_ENGINE, *length + 1);
        if (*text != NULL) {
            (void)hg_disassemble(&code, *text, *length + 1);
        }
        hg_free(HG_TAG_ENGINE, insns);
    }
    return *text != NULL ? HG_OK : hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
}

static const char *origin_of(const struct hg_key *key)
{
    return key->cache == HG_CACHE_USER ? "loaded"
           : hg_precompiled_has(key)   ? "precompiled"
                                       : "built";
}

/* What runs PROGRAM: native code where it has some, and its instructions where not. */
static void describe_running(const struct hg_engine *engine, const struct hg_program *program,
                             struct hg_cache_shown *shown)
{
    enum hg_executor executor = engine->options.executor;
    /* Acquire: pairs with the release of whoever attached it; its size is seen. */
    const struct hg_program_native *native =
        atomic_load_explicit(&program->native, memory_order_acquire);
    if (executor == HG_EXECUTOR_NATIVE && native == NULL) {
        executor = HG_EXECUTOR_BLOCK;
    }
    shown->executor = hg_executor_name(executor);
    shown->isa_level = hg_exec_isa_level();
    shown->native_bytes = native != NULL ? native->bytes : 0;
}

enum hg_status hg_engine_cache_show(struct hg_engine *engine, const char *name, bool with_values,
                                    struct hg_cache_shown *shown, struct hg_error *error)
{
    struct hg_key key;
    struct hg_cache_entry entry;
    struct hg_cache_pin pin;
    shown->code = NULL;
    shown->code_length = 0;
    enum hg_status status = find_key(engine, name, &key, error);
    if (status == HG_OK) {
        status = hg_cache_peek(engine->cache, &key, &entry, &pin, error);
    }
    if (status != HG_OK) {
        return status;
    }
    describe(engine, &entry, &shown->item);
    shown->field_count = hg_key_describe(&key, with_values, shown->fields);
    shown->origin = origin_of(&key);
    describe_running(engine, pin.program, shown);
    shown->facts = pin.program->facts;
    if (with_values || !hg_key_bakes_values(&key)) {
        status = disassemble(pin.program, &shown->code, &shown->code_length, error);
    }
    hg_cache_release(engine->cache, &pin);
    return status;
}

void hg_engine_cache_shown_fini(struct hg_cache_shown *shown)
{
    hg_free(HG_TAG_ENGINE, shown->code);
    shown->code = NULL;
}

/* ---- administration -------------------------------------------------------------------------- */

static enum hg_status drop_one(struct hg_engine *engine, const char *name, uint64_t *dropped,
                               struct hg_error *error)
{
    struct hg_key key;
    enum hg_status status = find_key(engine, name, &key, error);
    if (status == HG_OK) {
        status = hg_cache_flush_key(engine->cache, &key, error);
    }
    *dropped = status == HG_OK;
    return status;
}

enum hg_status hg_engine_cache_drop(struct hg_engine *engine, const char *cache, const char *name,
                                    uint64_t *dropped, struct hg_error *error)
{
    uint16_t region;
    if (name[0] != '\0') {
        return drop_one(engine, name, dropped, error);
    }
    enum hg_status status = find_region(cache, &region, error);
    if (status != HG_OK) {
        return status;
    }
    *dropped = region == HG_CACHE_EVERY_REGION ? hg_engine_cache_flush(engine)
                                               : hg_cache_flush_region(engine->cache, region);
    return HG_OK;
}

enum hg_status hg_engine_cache_pin(struct hg_engine *engine, const char *name, bool is_pinned,
                                   struct hg_error *error)
{
    struct hg_key key;
    enum hg_status status = find_key(engine, name, &key, error);
    return status == HG_OK ? hg_cache_set_pinned(engine->cache, &key, is_pinned, error) : status;
}

/* ---- figures --------------------------------------------------------------------------------- */

double hg_engine_cache_what_if(struct hg_engine *engine, uint64_t entries, uint64_t *samples)
{
    return hg_cache_what_if(engine->cache, entries, samples);
}

void hg_engine_cache_totals(const struct hg_engine *engine, struct hg_cache_totals *totals)
{
    *totals = (struct hg_cache_totals){
        .entries = hg_cache_entries(engine->cache),
        .entries_max = engine->options.cache_entries_max,
        .bytes = hg_cache_bytes(engine->cache),
        .bytes_max = engine->options.cache_bytes_max,
        .retired_bytes = hg_cache_retired_bytes(engine->cache),
    };
}

void hg_engine_cache_build_times(const struct hg_engine *engine, enum hg_cache_id cache,
                                 uint64_t buckets[HG_HISTOGRAM_BUCKETS])
{
    hg_cache_region_build_times(engine->cache, (uint16_t)cache, buckets);
}

/* ---- errands --------------------------------------------------------------------------------- */

static struct hg_errand *errand_of(struct hg_job *job)
{
    return (struct hg_errand *)(void *)((char *)job - offsetof(struct hg_errand, job));
}

static void run_errand(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct hg_errand *errand = errand_of(job);
    errand->run(errand);
}

static void errand_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    struct hg_errand *errand = errand_of(job);
    errand->done(errand);
}

enum hg_status hg_engine_run_errand(struct hg_engine *engine, struct hg_errand *errand,
                                    struct hg_error *error)
{
    errand->job = (struct hg_job){.run_part = run_errand, .done = errand_done, .parts = 1};
    if (hg_sched_submit(engine->sched, &errand->job) != HG_OK) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "the queue is full: %u jobs wait for a worker",
                       engine->options.queue_depth);
    }
    return HG_OK;
}
