/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "lib/cache/lookup.h"

_Static_assert(HG_CACHE_KEY_WORDS % 2 == 0, "words are multiplied in pairs");
_Static_assert(sizeof(struct hg_key) % sizeof(uint64_t) == 0, "a key is a number of whole words");

/* Of the portable hash: the words after those that are added to the key's. */
enum { FOLD = HG_CACHE_KEY_WORDS, FOLD_WORDS = 2 };
_Static_assert(FOLD + FOLD_WORDS <= HG_CACHE_SEED_WORDS, "the seed is long enough");

enum hg_status hg_cache_seed_init(struct hg_cache_seed *seed, struct hg_error *error)
{
    /* Requests of up to 256 bytes are never cut short (getrandom(2)). */
    _Static_assert(sizeof seed->word <= 256, "one request");
    ssize_t got;
    do {
        got = getrandom(seed->word, sizeof seed->word, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof seed->word) {
        return hg_fail(error, HG_INTERNAL, "cache: no random bytes for the hash: %s",
                       strerror(errno));
    }
    hg_cache_hash_fn *by_aes = hg_cache_hash_by_aes();
    seed->hash = by_aes != NULL ? by_aes : hg_cache_hash_portable;
    return HG_OK;
}

struct words {
    uint64_t word[HG_CACHE_KEY_WORDS];
};

static inline struct words load(const struct hg_key *key)
{
    struct words words;
    memcpy(&words, key, sizeof words);
    return words;
}

/* The finalizer of SplitMix64 (G. Steele et al., OOPSLA 2014; constants of D. Stafford's mix 13):
 * one to one, and every bit of the argument reaches every bit of the result. */
static inline uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/*
 * NH of UMAC (RFC 4418, section 5.2.2) with 64-bit words: for any two keys the chance that a random
 * seed makes them collide is 2^-64. But it is linear in each word, so keys that are counted up stay
 * in step: the 128-bit sum is mixed into 64 bits.
 */
static inline uint64_t hash_words(const struct hg_cache_seed *seed, struct words key)
{
    unsigned __int128 sum = 0;
    for (unsigned i = 0; i < HG_CACHE_KEY_WORDS; i += 2) {
        uint64_t a = key.word[i] + seed->word[i];
        uint64_t b = key.word[i + 1] + seed->word[i + 1];
        sum += (unsigned __int128)a * b;
    }
    const uint64_t *fold = &seed->word[FOLD];
    return mix(mix((uint64_t)sum ^ fold[0]) ^ (uint64_t)(sum >> 64) ^ fold[1]);
}

static inline bool equal(const struct hg_key *key, struct words other)
{
    return memcmp(key, &other, sizeof other) == 0;
}

uint64_t hg_cache_hash_portable(const struct hg_cache_seed *seed, const struct hg_key *key)
{
    return hash_words(seed, load(key));
}

uint64_t hg_cache_floor_portable(const struct hg_cache_seed *seed, const struct hg_key *key,
                                 const struct hg_key *other)
{
    struct words words = load(key);
    uint64_t hash = hash_words(seed, words);
    return equal(other, words) ? hash : 0;
}

#define LEND hg_cache_lend_portable
#define LEND_TARGET
#define LEND_KEY   struct words
#define lend_load  load
#define lend_hash  hash_words
#define lend_equal equal
#include "lib/cache/lend_body.h"
