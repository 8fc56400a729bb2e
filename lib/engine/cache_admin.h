/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask about the program cache, and do to it.
 *
 * A cached program is known by the name of its key: 64 hexadecimal digits, of which any beginning
 * that no other key shares will do. Names hold for as long as the engine; they are hashes with a
 * secret of the engine's, so a name tells nothing of what its key bakes.
 *
 * Threads: any. What looks through the whole cache takes up to some milliseconds: an event loop
 * gives it to a worker (hg_engine_run_errand).
 * Rights: whoever calls has them; `with_values` says whether baked values may be shown.
 */
#ifndef HG_LIB_ENGINE_CACHE_ADMIN_H
#define HG_LIB_ENGINE_CACHE_ADMIN_H

#include "lib/cache/cache.h"
#include "lib/ops/describe.h"
#include "lib/sched/sched.h"

struct hg_engine;

#pragma GCC visibility push(default)

#define HG_CACHED_NAME_CHARS 64
#define HG_CACHED_PREFIX_MIN 4 /* of a name: fewer digits are more likely a mistake */

struct hg_cached {
    char name[HG_CACHED_NAME_CHARS + 1];
    const char *cache; /* the named cache, static */
    char summary[HG_KEY_SUMMARY_MAX];
    uint64_t hits; /* since it was built, about */
    uint64_t bytes;
    bool is_pinned; /* by an administrator */
    bool is_held;   /* by work in flight, or by whoever loaded it */
};

/* What all take that are given a cache by name: "" is every cache. HG_NOT_FOUND names it. */

/*
 * Lists from *POSITION (first 0) on into ITEMS, up to *COUNT, which becomes how many there are.
 * *POSITION becomes where to go on, or 0 at the end. Programs that come or go meanwhile may be
 * listed twice or not at all. Errors: HG_NOT_FOUND.
 */
HG_MUST_CHECK enum hg_status hg_engine_cache_list(struct hg_engine *engine, const char *cache,
                                                  uint64_t *position, struct hg_cached *items,
                                                  uint32_t *count, struct hg_error *error);
/* The *COUNT programs with most hits, best first. Errors: HG_NOT_FOUND, HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_engine_cache_top(struct hg_engine *engine, const char *cache,
                                                 struct hg_cached *items, uint32_t *count,
                                                 struct hg_error *error);

struct hg_cache_shown {
    struct hg_cached item;
    struct hg_key_field fields[HG_KEY_FIELDS_MAX];
    uint32_t field_count;
    const char *origin;    /* precompiled, built, or loaded */
    const char *executor;  /* what runs it */
    const char *isa_level; /* and with which kernels */
    uint64_t native_bytes; /* of its native code; 0: it has none */
    struct hg_code_facts facts;
    char *code; /* disassembly; NULL: it holds values that were not asked for */
    size_t code_length;
};
/* Everything about the program called NAME. Free with hg_engine_cache_shown_fini, also after an
 * error. Errors: HG_INVALID_ARGUMENT (NAME is none, or not that of one key only), HG_NOT_FOUND,
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_engine_cache_show(struct hg_engine *engine, const char *name,
                                                  bool with_values, struct hg_cache_shown *shown,
                                                  struct hg_error *error);
void hg_engine_cache_shown_fini(struct hg_cache_shown *shown);

/* Drops the program called NAME if that is not "", else those of CACHE, but what is pinned; with
 * all of them packed operands, too. Gives the number of programs. Errors: as hg_engine_cache_show;
 * HG_FAILED_PRECONDITION: NAME is pinned. */
HG_MUST_CHECK enum hg_status hg_engine_cache_drop(struct hg_engine *engine, const char *cache,
                                                  const char *name, uint64_t *dropped,
                                                  struct hg_error *error);
/* Keeps the program called NAME from eviction and flush, or no longer. Errors: as
 * hg_engine_cache_show. */
HG_MUST_CHECK enum hg_status hg_engine_cache_pin(struct hg_engine *engine, const char *name,
                                                 bool is_pinned, struct hg_error *error);

/* See hg_cache_what_if. */
double hg_engine_cache_what_if(struct hg_engine *engine, uint64_t entries, uint64_t *samples);

struct hg_cache_totals {
    uint64_t entries;
    uint64_t entries_max;
    uint64_t bytes; /* of the programs and the table */
    uint64_t bytes_max;
    uint64_t retired_bytes; /* evicted, and not free yet */
};
void hg_engine_cache_totals(const struct hg_engine *engine, struct hg_cache_totals *totals);
/* See hg_cache_region_build_times. */
void hg_engine_cache_build_times(const struct hg_engine *engine, enum hg_cache_id cache,
                                 uint64_t buckets[HG_HISTOGRAM_BUCKETS]);

/* ---- errands --------------------------------------------------------------------------------- */

struct hg_errand;
typedef void hg_errand_fn(struct hg_errand *errand);

/* Something to be done on a worker: RUN, then DONE, after which nothing touches the errand. The
 * caller's storage. */
struct hg_errand {
    hg_errand_fn *run;
    hg_errand_fn *done;
    void *context;
    struct hg_job job; /* the engine's own */
};
/* Errors: HG_RESOURCE_EXHAUSTED (the queue is full). */
HG_MUST_CHECK enum hg_status hg_engine_run_errand(struct hg_engine *engine,
                                                  struct hg_errand *errand, struct hg_error *error);

#pragma GCC visibility pop

#endif
