/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

_Static_assert(HG_CACHE_KEY_WORDS % 2 == 0, "words are multiplied in pairs");
_Static_assert(sizeof(struct hg_key) % sizeof(uint64_t) == 0, "a key is a number of whole words");

enum hg_status hg_cache_seed_init(struct hg_cache_seed *seed, struct hg_error *error)
{
    ssize_t got;
    do {
        got = getrandom(seed, sizeof *seed, 0);
    } while (got < 0 && errno == EINTR);
    /* Requests of up to 256 bytes are never cut short (getrandom(2)). */
    if (got != (ssize_t)sizeof *seed) {
        return hg_fail(error, HG_INTERNAL, "cache: no random bytes for the hash: %s",
                       strerror(errno));
    }
    seed->fold[0] |= 1;
    seed->fold[1] |= 1;
    return HG_OK;
}

/*
 * NH of UMAC (RFC 4418, section 5.2.2) with 64-bit words: for any two keys the chance that a random
 * seed makes them collide is 2^-64. The 128-bit sum is then folded by multiplication, of which the
 * high bits are the good ones.
 */
uint32_t hg_cache_hash(const struct hg_cache_seed *seed, const struct hg_key *key)
{
    uint64_t word[HG_CACHE_KEY_WORDS];
    memcpy(word, key, sizeof word);
    unsigned __int128 sum = 0;
    for (unsigned i = 0; i < HG_CACHE_KEY_WORDS; i += 2) {
        uint64_t a = word[i] + seed->word[i];
        uint64_t b = word[i + 1] + seed->word[i + 1];
        sum += (unsigned __int128)a * b;
    }
    uint64_t low = (uint64_t)sum;
    uint64_t high = (uint64_t)(sum >> 64);
    return (uint32_t)((low * seed->fold[0] + high * seed->fold[1]) >> 32);
}
