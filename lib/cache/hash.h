/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash of a program's key, seeded per cache: parts of a key are a client's to choose, and
 * nobody outside may be able to make many keys meet in one place of the table.
 *
 * Threads: a seed is constant after init.
 */
#ifndef HG_LIB_CACHE_HASH_H
#define HG_LIB_CACHE_HASH_H

#include <stdint.h>

#include "lib/base/status.h"
#include "lib/program/key.h"

#define HG_CACHE_KEY_WORDS (sizeof(struct hg_key) / sizeof(uint64_t))

struct hg_cache_seed {
    uint64_t word[HG_CACHE_KEY_WORDS];
    uint64_t fold[2]; /* odd */
};

/* Errors: HG_INTERNAL if the system has no random bytes. */
HG_MUST_CHECK enum hg_status hg_cache_seed_init(struct hg_cache_seed *seed, struct hg_error *error);

/* All 32 bits are usable, also masked to fewer. */
uint32_t hg_cache_hash(const struct hg_cache_seed *seed, const struct hg_key *key);

#endif
