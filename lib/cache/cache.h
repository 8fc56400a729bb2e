/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ProgramCache: process-wide, key -> program, one build per key at a time, bounded.
 *
 * The table is one structure; the named caches (one per builder, caches.def) are accounted regions
 * in it. A hit takes no lock and, but for a flag that is usually set, writes nothing that other
 * threads read.
 *
 * Threads: every function may be called from any thread. A thread that looks something up gets a
 * record at its first call and gives it back when it ends; it has to announce nothing, and may
 * sleep as long as it likes while it holds no loan. More than 128 threads at a time work too, the
 * rest under the lock. Ownership: programs are shared; a pin or a loan keeps one alive until it is
 * given back, evicted or not.
 */
#ifndef HG_LIB_CACHE_CACHE_H
#define HG_LIB_CACHE_CACHE_H

#include "lib/base/metric.h"
#include "lib/program/program.h"

struct hg_cache;

/* How an acquire was answered. */
enum hg_cache_outcome {
    HG_CACHE_HIT,   /* the program was there */
    HG_CACHE_BUILD, /* this call built it */
    HG_CACHE_WAIT,  /* another call was building it; this one waited */
    /* A build that had nothing to do: the program was there from the start. Said by the
     * caller whose build function knows it, never by the cache. */
    HG_CACHE_PRECOMPILED,
    HG_CACHE_BUSY /* another call was building it; this one was given a program of its own */
};
const char *hg_cache_outcome_name(enum hg_cache_outcome outcome);

/* Why a program was not there, as far back as the cache remembers: some thousands of keys. */
enum hg_cache_miss_reason {
    HG_CACHE_MISS_FIRST,   /* its key was not seen before */
    HG_CACHE_MISS_EVICTED, /* it had to make room */
    HG_CACHE_MISS_FLUSHED,
    HG_CACHE_MISS_FAILED, /* its last build failed */
    HG_CACHE_MISS_REASONS
};
/* "first_seen", "evicted", "flushed", "failed". */
const char *hg_cache_miss_reason_name(enum hg_cache_miss_reason reason);

/* Builds the program for KEY. Runs without locks held; at most one at a time per key. */
typedef enum hg_status hg_cache_build_fn(const struct hg_key *key, void *context,
                                         struct hg_program **program, struct hg_error *error);

/* 0 = no bound. */
struct hg_cache_bound {
    uint64_t entries_max;
    uint64_t bytes_max;
};

struct hg_cache_options {
    uint16_t region_count; /* named caches; keys' `cache` field is below this */
    uint64_t entries_max;  /* bound on programs, at least 1 */
    uint64_t bytes_max;    /* bound on keys, metadata and code together */
    const struct hg_cache_bound *region_bounds; /* of each region, copied; NULL: none */
};

HG_MUST_CHECK enum hg_status hg_cache_create(const struct hg_cache_options *options,
                                             struct hg_cache **cache, struct hg_error *error);
/* No loan may be held. */
void hg_cache_destroy(struct hg_cache **cache);

/* ---- looking up ------------------------------------------------------------------------------ */

struct hg_cache_result {
    enum hg_cache_outcome outcome;
    uint64_t build_ns; /* time of the build when this call built */
};

/* A counted reference: any thread may use it and release it. */
struct hg_cache_pin {
    struct hg_program *program;
};

/*
 * Finds the program for KEY or builds it with BUILD. A failed build reaches every caller that
 * waited for it and is not kept. When the bounds are reached, entries that are not pinned are
 * evicted; while too much that was evicted is still looked at, what is built is given but not kept.
 * Errors: what BUILD gives; HG_RESOURCE_EXHAUSTED if everything is pinned or memory ran
 * out. PIN and RESULT are untouched on error. RESULT may be NULL.
 */
HG_MUST_CHECK enum hg_status hg_cache_acquire(struct hg_cache *cache, const struct hg_key *key,
                                              hg_cache_build_fn *build, void *context,
                                              struct hg_cache_pin *pin,
                                              struct hg_cache_result *result,
                                              struct hg_error *error);
void hg_cache_release(struct hg_cache *cache, struct hg_cache_pin *pin);

/*
 * The cheap kind, for work that is done in place: the program is protected by the thread's being
 * inside the cache, not by a count. The same thread returns it, soon: memory of evicted programs
 * stays while it does not. A thread may have several loans; it returns, or holds, the one that it
 * borrowed last first.
 */
struct hg_cache_loan {
    struct hg_program *program;
    /* Which this loan opened; NULL: one was open; HG_CACHE_COUNTED: a counted reference after all.
     */
    struct hg_cache_section *section;
};
#define HG_CACHE_COUNTED ((struct hg_cache_section *)1)

/* What a thread shows of its being inside; see lib/cache/epoch.h. */
struct hg_cache_section {
    _Atomic uint64_t entered; /* the epoch when it went in; 0 = outside */
};

/* A loan travels in two registers: one that went through memory would cost a hit a tenth. */
typedef struct hg_cache_loan hg_cache_lend_fn(struct hg_cache *cache, const struct hg_key *key);

/* How a cache begins: with the lookup that this CPU is best at. */
struct hg_cache_entrance {
    hg_cache_lend_fn *lend;
};

/* If KEY's program is there, a loan of it; else one whose program is NULL, which is none. */
static inline struct hg_cache_loan hg_cache_lend(struct hg_cache *cache, const struct hg_key *key)
{
    return ((const struct hg_cache_entrance *)(const void *)cache)->lend(cache, key);
}
/*
 * As hg_cache_borrow, where nothing was lent. While another call builds the program this one waits,
 * which costs a wake-up; or, if MEANWHILE is not NULL, calls that for a program of its own, which
 * nobody keeps: for programs that are built in less.
 */
HG_MUST_CHECK enum hg_status
hg_cache_borrow_missing(struct hg_cache *cache, const struct hg_key *key, hg_cache_build_fn *build,
                        hg_cache_build_fn *meanwhile, void *context, struct hg_cache_loan *loan,
                        struct hg_cache_result *result, struct hg_error *error);

static inline void hg_cache_fill_hit(struct hg_cache_result *result)
{
    if (result != NULL) {
        result->outcome = HG_CACHE_HIT;
        result->build_ns = 0;
    }
}

/* As hg_cache_acquire. In line: a hit needs few of the arguments. */
HG_MUST_CHECK static inline enum hg_status
hg_cache_borrow(struct hg_cache *cache, const struct hg_key *key, hg_cache_build_fn *build,
                void *context, struct hg_cache_loan *loan, struct hg_cache_result *result,
                struct hg_error *error)
{
    struct hg_cache_loan lent = hg_cache_lend(cache, key);
    if (__builtin_expect(lent.program == NULL, 0)) {
        struct hg_cache_loan built = {NULL, NULL}; /* so that LOAN can stay in registers */
        enum hg_status status =
            hg_cache_borrow_missing(cache, key, build, NULL, context, &built, result, error);
        *loan = built;
        return status;
    }
    *loan = lent;
    hg_cache_fill_hit(result);
    return HG_OK;
}
/* Makes LOAN a counted reference, by the thread that borrowed: from then on any thread may use and
 * return it, in any order. */
void hg_cache_hold(struct hg_cache_loan *loan);

static inline void hg_cache_return(struct hg_cache_loan *loan)
{
    if (__builtin_expect((uintptr_t)loan->section > (uintptr_t)HG_CACHE_COUNTED, 1)) {
        /* Release: pairs with the acquire of hg_epoch_passed; what was read is before the free. */
        atomic_store_explicit(&loan->section->entered, 0, memory_order_release);
    } else if (loan->section == HG_CACHE_COUNTED) {
        struct hg_program *program = loan->program; /* so that LOAN can stay in registers */
        hg_program_unref(&program);
        loan->program = NULL;
    }
}

/*
 * A key that is looked up again and again: its hash, and what was found last. A handle is valid as
 * long as its key is there; one whose program was evicted finds or builds it as a key does.
 * Threads: one at a time.
 */
struct hg_cache_handle {
    uint64_t generation;        /* of the cache when the program was found; 0 = never */
    struct hg_program *program; /* as long as the cache's generation is the same */
    const struct hg_key *key;
    uint64_t hash;
    uint16_t region; /* the key's, so that a hit need not look at it */
};
/* Borrows KEY for as long as HANDLE is used. */
void hg_cache_handle_init(const struct hg_cache *cache, const struct hg_key *key,
                          struct hg_cache_handle *handle);
/* As hg_cache_lend and hg_cache_borrow of the handle's key; hash nothing, and look at nothing but
 * the handle and the program unless a program left the cache since. */
struct hg_cache_loan hg_cache_lend_handle(struct hg_cache *cache, struct hg_cache_handle *handle);
HG_MUST_CHECK static inline enum hg_status
hg_cache_borrow_handle(struct hg_cache *cache, struct hg_cache_handle *handle,
                       hg_cache_build_fn *build, void *context, struct hg_cache_loan *loan,
                       struct hg_cache_result *result, struct hg_error *error)
{
    struct hg_cache_loan lent = hg_cache_lend_handle(cache, handle);
    if (__builtin_expect(lent.program == NULL, 0)) {
        struct hg_cache_loan built = {NULL, NULL}; /* so that LOAN can stay in registers */
        enum hg_status status = hg_cache_borrow_missing(cache, handle->key, build, NULL, context,
                                                        &built, result, error);
        *loan = built;
        return status;
    }
    *loan = lent;
    hg_cache_fill_hit(result);
    return HG_OK;
}

/* ---- administration -------------------------------------------------------------------------- */

/* Drops every entry but those that an administrator pinned (programs in use live on until given
 * back). Gives the number dropped; 0 also if some are pinned and memory for them ran out. */
uint64_t hg_cache_flush(struct hg_cache *cache);
/* The same for the entries of REGION; fewer are dropped if memory runs out meanwhile. */
uint64_t hg_cache_flush_region(struct hg_cache *cache, uint16_t region);
/* Drops KEY's program. Errors: HG_NOT_FOUND, HG_FAILED_PRECONDITION (an administrator pinned it),
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_cache_flush_key(struct hg_cache *cache, const struct hg_key *key,
                                                struct hg_error *error);
/* Frees what was evicted and is not looked at any more: evictions do so too, but only the next. */
void hg_cache_reclaim(struct hg_cache *cache);

/* Keeps KEY's program from eviction and flush, or no longer. Errors: HG_NOT_FOUND. */
HG_MUST_CHECK enum hg_status hg_cache_set_pinned(struct hg_cache *cache, const struct hg_key *key,
                                                 bool is_pinned, struct hg_error *error);

struct hg_cache_entry {
    struct hg_key key;
    uint64_t hits;  /* since it was built; sampled, so about right where it is large */
    uint64_t bytes; /* as the allocator counts them */
    bool is_pinned; /* by an administrator */
    bool is_held;   /* by counted references */
};

/* KEY's program, without counting as a use. PIN may be NULL. Errors: HG_NOT_FOUND. */
HG_MUST_CHECK enum hg_status hg_cache_peek(struct hg_cache *cache, const struct hg_key *key,
                                           struct hg_cache_entry *entry, struct hg_cache_pin *pin,
                                           struct hg_error *error);
/* Lists entries from *POSITION (first 0) on, up to COUNT; gives how many, 0 = that was all. Entries
 * that come, go or move meanwhile may be listed twice or not at all. */
uint32_t hg_cache_list(struct hg_cache *cache, uint64_t *position, struct hg_cache_entry *entries,
                       uint32_t count);
/* The COUNT entries that have most hits, best first; of REGION, or HG_CACHE_EVERY_REGION. Gives how
 * many there are. */
#define HG_CACHE_EVERY_REGION UINT16_MAX
uint32_t hg_cache_top(struct hg_cache *cache, uint16_t region, struct hg_cache_entry *entries,
                      uint32_t count);

/* ---- figures --------------------------------------------------------------------------------- */

struct hg_cache_region_stats {
    uint64_t hits;
    uint64_t misses; /* acquires that found nothing: builds + waits */
    uint64_t builds; /* builds that succeeded */
    uint64_t build_failures;
    uint64_t evictions;
    uint64_t entries;
    uint64_t bytes;
    uint64_t build_ns_sum;
    uint64_t misses_by_reason[HG_CACHE_MISS_REASONS]; /* their sum is misses */
};

/* REGION < region_count. */
void hg_cache_region_stats(const struct hg_cache *cache, uint16_t region,
                           struct hg_cache_region_stats *stats);
/* Builds, failed ones too, by duration: bucket I is up to hg_histogram_bound_ns(I). */
void hg_cache_region_build_times(const struct hg_cache *cache, uint16_t region,
                                 uint64_t buckets[HG_HISTOGRAM_BUCKETS]);
/* Of the programs and the table. */
uint64_t hg_cache_bytes(const struct hg_cache *cache);
uint64_t hg_cache_entries(const struct hg_cache *cache);
/* Bytes that were evicted or replaced and could not be freed yet. */
uint64_t hg_cache_retired_bytes(const struct hg_cache *cache);

/*
 * What share of all lookups a cache of ENTRIES programs would have answered, had it thrown out what
 * was not used for longest: an estimate from sampled reuse times. SAMPLES, which may be NULL, is
 * what it rests on; below some hundreds it says little.
 */
double hg_cache_what_if(struct hg_cache *cache, uint64_t entries, uint64_t *samples);

#endif
