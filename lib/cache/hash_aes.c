/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash by AES rounds. Each 16 bytes of the key go through two rounds under secret round keys of
 * their own; the results are added without carry and go through two more.
 *
 * Two rounds have at least five active S-boxes of 2^-6 each (J. Daemen, V. Rijmen, The Design of
 * Rijndael, 2002, section 9.5): for any two keys that differ in one of the five parts the chance
 * that random round keys make their sums equal is at most about 2^-30, and the chance that a chosen
 * difference in one part cancels one in another is no larger. The last two rounds carry every byte
 * of the sum to all bits.
 */
#include "lib/cache/hash.h"
#include "lib/cache/lookup.h"

#ifdef __x86_64__

#include <immintrin.h>

enum { PARTS = sizeof(struct hg_key) / sizeof(__m128i) };
/* Whitening and one round key for each part, one for all parts' second round, two at the end. */
_Static_assert(2 * (2 * PARTS + 3) <= HG_CACHE_SEED_WORDS, "the seed is long enough");

/* AVX for its three operands: what was loaded for the hash is there for the comparison. BMI2 for
 * shifts by any register. */
#define BY_AES __attribute__((target("aes,avx,bmi2")))

struct parts {
    __m128i part[PARTS];
};

BY_AES static inline struct parts load(const struct hg_key *key)
{
    const __m128i *part = (const __m128i *)(const void *)key;
    return (struct parts){{_mm_loadu_si128(part), _mm_loadu_si128(part + 1),
                           _mm_loadu_si128(part + 2), _mm_loadu_si128(part + 3),
                           _mm_loadu_si128(part + 4)}};
}

BY_AES static inline __m128i mix(const __m128i *secret, struct parts key, int i)
{
    __m128i mixed = _mm_xor_si128(key.part[i], secret[i]);
    mixed = _mm_aesenc_si128(mixed, secret[PARTS + i]);
    return _mm_aesenc_si128(mixed, secret[2 * PARTS]);
}

BY_AES static inline uint64_t hash_parts(const struct hg_cache_seed *seed, struct parts key)
{
    const __m128i *secret = (const __m128i *)(const void *)seed->word;
    __m128i sum = mix(secret, key, 0);
    sum = _mm_xor_si128(sum, mix(secret, key, 1));
    sum = _mm_xor_si128(sum, mix(secret, key, 2));
    sum = _mm_xor_si128(sum, mix(secret, key, 3));
    sum = _mm_xor_si128(sum, mix(secret, key, 4));
    sum = _mm_aesenc_si128(sum, secret[2 * PARTS + 1]);
    sum = _mm_aesenc_si128(sum, secret[2 * PARTS + 2]);
    return (uint64_t)_mm_cvtsi128_si64(sum);
}

BY_AES static inline __m128i difference(const struct hg_key *key, struct parts other, int i)
{
    const __m128i *part = (const __m128i *)(const void *)key;
    return _mm_xor_si128(other.part[i], _mm_loadu_si128(part + i));
}

BY_AES static inline bool equal(const struct hg_key *key, struct parts other)
{
    __m128i any = _mm_or_si128(_mm_or_si128(difference(key, other, 0), difference(key, other, 1)),
                               _mm_or_si128(difference(key, other, 2), difference(key, other, 3)));
    any = _mm_or_si128(any, difference(key, other, 4));
    return _mm_testz_si128(any, any) != 0;
}

BY_AES static uint64_t hash(const struct hg_cache_seed *seed, const struct hg_key *key)
{
    return hash_parts(seed, load(key));
}

BY_AES static uint64_t floor_by_aes(const struct hg_cache_seed *seed, const struct hg_key *key,
                                    const struct hg_key *other)
{
    struct parts parts = load(key);
    uint64_t value = hash_parts(seed, parts);
    return equal(other, parts) ? value : 0;
}

#define LEND        hg_cache_lend_by_aes
#define LEND_TARGET BY_AES
#define LEND_KEY    struct parts
#define lend_load   load
#define lend_hash   hash_parts
#define lend_equal  equal
#include "lib/cache/lend_body.h"

hg_cache_floor_fn *hg_cache_floor_by_aes(void)
{
    return hg_cache_hash_by_aes() != NULL ? floor_by_aes : NULL;
}

hg_cache_hash_fn *hg_cache_hash_by_aes(void)
{
    bool has_all = __builtin_cpu_supports("aes") && __builtin_cpu_supports("avx") &&
                   __builtin_cpu_supports("bmi2");
    return has_all ? hash : NULL;
}

#else

struct hg_cache_loan hg_cache_lend_by_aes(struct hg_cache *cache, const struct hg_key *key)
{
    return hg_cache_lend_portable(cache, key);
}

hg_cache_hash_fn *hg_cache_hash_by_aes(void)
{
    return NULL;
}

hg_cache_floor_fn *hg_cache_floor_by_aes(void)
{
    return NULL;
}

#endif
