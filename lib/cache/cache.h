/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ProgramCache: process-wide, key -> program, one build per key at a time.
 *
 * The table is one structure; the named caches (one per builder, caches.def) are accounted regions
 * in it.
 *
 * Threads: every function may be called from any thread.
 * Ownership: programs are shared; a pin keeps one alive until it is released, evicted or not.
 */
#ifndef HG_LIB_CACHE_CACHE_H
#define HG_LIB_CACHE_CACHE_H

#include "lib/program/program.h"

struct hg_cache;

/* How an acquire was answered. */
enum hg_cache_outcome {
    HG_CACHE_HIT,   /* the program was there */
    HG_CACHE_BUILD, /* this call built it */
    HG_CACHE_WAIT,  /* another call was building it; this one waited */
    /* A build that had nothing to do: the program was there from the start. Said by the
     * caller whose build function knows it, never by the cache. */
    HG_CACHE_PRECOMPILED
};
const char *hg_cache_outcome_name(enum hg_cache_outcome outcome);

/* Builds the program for KEY. Runs without locks held; at most one at a time per key. */
typedef enum hg_status hg_cache_build_fn(const struct hg_key *key, void *context,
                                         struct hg_program **program, struct hg_error *error);

struct hg_cache_options {
    uint16_t region_count; /* named caches; keys' `cache` field is below this */
    uint64_t entries_max;  /* bound on programs, at least 1 */
    uint64_t bytes_max;    /* bound on keys, metadata and code together */
};

struct hg_cache_region_stats {
    uint64_t hits;
    uint64_t misses; /* acquires that found nothing: builds + waits */
    uint64_t builds; /* builds that succeeded */
    uint64_t build_failures;
    uint64_t evictions;
    uint64_t entries;
    uint64_t bytes;
    uint64_t build_ns_sum;
};

struct hg_cache_pin {
    struct hg_program *program;
};

struct hg_cache_result {
    enum hg_cache_outcome outcome;
    uint64_t build_ns; /* time of the build when this call built */
};

HG_MUST_CHECK enum hg_status hg_cache_create(const struct hg_cache_options *options,
                                             struct hg_cache **cache, struct hg_error *error);
/* No pin may be held. */
void hg_cache_destroy(struct hg_cache **cache);

/*
 * Finds the program for KEY or builds it with BUILD. A failed build reaches every caller that
 * waited for it and is not kept. When the bounds are reached, entries that are not pinned are
 * evicted. Errors: what BUILD gives; HG_RESOURCE_EXHAUSTED if everything is pinned or memory ran
 * out. PIN and RESULT are untouched on error. RESULT may be NULL.
 */
HG_MUST_CHECK enum hg_status hg_cache_acquire(struct hg_cache *cache, const struct hg_key *key,
                                              hg_cache_build_fn *build, void *context,
                                              struct hg_cache_pin *pin,
                                              struct hg_cache_result *result,
                                              struct hg_error *error);
void hg_cache_release(struct hg_cache *cache, struct hg_cache_pin *pin);

/* Drops every entry (pinned programs live on until released). Gives the number dropped. */
uint64_t hg_cache_flush(struct hg_cache *cache);

/* REGION < region_count. */
void hg_cache_region_stats(const struct hg_cache *cache, uint16_t region,
                           struct hg_cache_region_stats *stats);
uint64_t hg_cache_bytes(const struct hg_cache *cache);
uint64_t hg_cache_entries(const struct hg_cache *cache);

#endif
