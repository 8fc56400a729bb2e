/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the cache share: its state, and what they do for each other. */
#ifndef HG_LIB_CACHE_INTERNAL_H
#define HG_LIB_CACHE_INTERNAL_H

#include "lib/base/mutex.h"
#include "lib/cache/cache.h"
#include "lib/cache/epoch.h"
#include "lib/cache/figures.h"
#include "lib/cache/ghost.h"
#include "lib/cache/hash.h"
#include "lib/cache/retire.h"
#include "lib/cache/reuse.h"
#include "lib/cache/table.h"

struct hg_cache_build; /* one that is running; flight.c */
/* See hg_cache_lend; one for each hash. */
hg_cache_lend_fn hg_cache_lend_portable;
hg_cache_lend_fn hg_cache_lend_by_aes;

struct hg_cache {
    /* Read by every lookup, written when the table is replaced and when a program leaves it. */
    _Alignas(64) struct hg_cache_entrance entrance; /* constant; first: see cache.h */
    _Atomic uint64_t front;                         /* the table's; see table.h */
    _Atomic(struct hg_cache_table *) table;         /* NULL: empty */
    _Atomic uint64_t
        generation; /* from 1; raised after a program is unlinked, before it is retired */

    /* Constant. */
    struct hg_cache_seed seed;
    uint64_t entries_max;
    uint64_t bytes_max;
    bool has_region_bounds;

    struct hg_cache_figures figures;

    _Alignas(64) struct hg_mutex lock; /* HG_RANK_CACHE: all that follows, and writing the table */
    struct hg_cache_build *builds;
    struct hg_cache_ghost ghost;
    struct hg_retired retired;

    _Alignas(64) struct hg_cache_reuse reuse;
};

/* ---- store.c: the table's one writer; under the lock ------------------------------------------
 */

/* Puts PROGRAM into the table, which takes the caller's reference, and evicts what has to go. If
 * too much that was evicted cannot be freed yet, nothing is evicted: PROGRAM is not kept, and the
 * caller's still. Errors: HG_RESOURCE_EXHAUSTED; PROGRAM is the caller's still. */
HG_MUST_CHECK enum hg_status hg_cache_store(struct hg_cache *cache, uint64_t hash,
                                            struct hg_program *program, bool *is_kept,
                                            struct hg_error *error);
/* Puts TABLE, which may be NULL, in place of the old one. */
void hg_cache_replace_table(struct hg_cache *cache, struct hg_cache_table *table);
/* Closes what is collected if it is much; gives what may be freed, without the lock. */
struct hg_retired_batch *hg_cache_collect(struct hg_cache *cache);

/* ---- cache.c: hits --------------------------------------------------------------------------- */

/* Lends to a thread that has no record yet, can have none, or has to run a fence. */
hg_cache_lend_fn hg_cache_lend_first;
/* The rare ends of a hit on KEY, inside, after hg_cache_count has said so; gives its LOAN. READER
 * counts in another cache, or shares counters; or it is time for a sample. */
struct hg_cache_loan hg_cache_count_rest(struct hg_cache *cache, struct hg_epoch_reader *reader,
                                         const struct hg_key *key, struct hg_cache_loan loan);
/* Sets or takes away KEY's flags, then counts the hit. READER may be NULL, under the lock. */
struct hg_cache_loan hg_cache_count_flags(struct hg_cache *cache, struct hg_epoch_reader *reader,
                                          const struct hg_key *key, struct hg_cache_loan loan);
/* Under the lock: finds KEY's program and counts a hit. READER may be NULL. */
struct hg_program *hg_cache_look(struct hg_cache *cache, struct hg_epoch_reader *reader,
                                 uint64_t hash, const struct hg_key *key);

/* ---- flight.c: misses ------------------------------------------------------------------------ */

struct hg_cache_miss {
    const struct hg_key *key;
    uint64_t hash;
    struct hg_epoch_reader *reader;  /* inside; NULL: this thread has no record */
    struct hg_cache_section *opened; /* by this lookup, or NULL */
    hg_cache_build_fn *build;
    hg_cache_build_fn *meanwhile; /* instead of waiting; NULL: waits */
    void *context;
    bool wants_count; /* a reference for the caller, although it is in a section */
};

/* Finds the program after all, builds it, or waits. LOAN is counted if the caller has no record or
 * wants a count, or did not build what is kept. Leaves the section unless LOAN depends on it. LOAN
 * and RESULT are untouched on error. */
HG_MUST_CHECK enum hg_status hg_cache_resolve(struct hg_cache *cache,
                                              const struct hg_cache_miss *miss,
                                              struct hg_cache_loan *loan,
                                              struct hg_cache_result *result,
                                              struct hg_error *error);

#endif
