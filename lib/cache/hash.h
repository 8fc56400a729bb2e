/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash of a program's key, and the comparison of two. The hash is seeded per cache: parts
 * of a key are a client's to choose, and nobody outside may be able to make many keys meet in one
 * place of the table.
 *
 * Two functions, chosen by what the CPU has when a seed is drawn: AES rounds (hash_aes.c), or
 * multiplications (hash.c). Each of the two files also has the lookup (lookup.h) with its hash in
 * line, for a call costs as much as the hash does.
 *
 * Threads: a seed is constant after init.
 */
#ifndef HG_LIB_CACHE_HASH_H
#define HG_LIB_CACHE_HASH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/status.h"
#include "lib/program/key.h"

#define HG_CACHE_KEY_WORDS  (sizeof(struct hg_key) / sizeof(uint64_t))
#define HG_CACHE_SEED_WORDS 26

struct hg_cache_seed;

/* All 64 bits are usable, also masked to fewer. */
typedef uint64_t hg_cache_hash_fn(const struct hg_cache_seed *seed, const struct hg_key *key);

struct hg_cache_seed {
    hg_cache_hash_fn *hash;
    _Alignas(16) uint64_t word[HG_CACHE_SEED_WORDS]; /* random */
};

/* Errors: HG_INTERNAL if the system has no random bytes. */
HG_MUST_CHECK enum hg_status hg_cache_seed_init(struct hg_cache_seed *seed, struct hg_error *error);

/* Runs on every CPU. */
hg_cache_hash_fn hg_cache_hash_portable;
/* The hash by AES rounds; NULL where this CPU lacks them. */
hg_cache_hash_fn *hg_cache_hash_by_aes(void);
/* What a hit costs at least, for benchmarks: the hash of KEY and its comparison with OTHER, both in
 * line as in a lookup. Gives the hash if the keys are equal, else 0. */
typedef uint64_t hg_cache_floor_fn(const struct hg_cache_seed *seed, const struct hg_key *key,
                                   const struct hg_key *other);
hg_cache_floor_fn hg_cache_floor_portable;
hg_cache_floor_fn *hg_cache_floor_by_aes(void);

static inline uint64_t hg_cache_hash(const struct hg_cache_seed *seed, const struct hg_key *key)
{
    return seed->hash(seed, key);
}

#endif
