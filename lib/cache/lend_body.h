/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hit: enter a section, hash, probe, compare, count. Some sixty instructions, every one of
 * which shows; so there is one copy for each hash, with the hash in line. Included by the files of
 * the hashes, once each, after they define
 *
 *     LEND           the name of the function; see hg_cache_lend
 *     LEND_TARGET    its attributes
 *     LEND_KEY       the type of a key in registers
 *     lend_load      its value: const struct hg_key * -> LEND_KEY
 *     lend_hash      const struct hg_cache_seed *, LEND_KEY -> uint64_t
 *     lend_equal     const struct hg_key *, LEND_KEY -> bool
 */

/* What is not in its first slot, was not used of late, is watched, or is not there. */
LEND_TARGET static __attribute__((noinline)) struct hg_cache_loan
lend_far(struct hg_cache *cache, const struct hg_key *key, uint64_t hash,
         struct hg_cache_section *opened)
{
    uint64_t front = hg_cache_front_load(cache);
    uint64_t last = UINT64_MAX >> hg_cache_front_shift(front);
    uint64_t slot = hash >> hg_cache_front_shift(front);
    LEND_KEY loaded = lend_load(key);
    /* As hg_cache_table_find. */
    for (uint64_t step = 0; step <= last; step++) {
        uint64_t word = hg_cache_word_load(hg_cache_front_slots(front), slot);
        if (word == 0) {
            break;
        }
        if (hg_cache_tag_equal(word, hash) &&
            lend_equal(&hg_cache_word_program(word)->key, loaded)) {
            struct hg_cache_loan loan = {hg_cache_word_program(word), opened};
            if (!hg_cache_is_common(word)) {
                return hg_cache_count_flags(cache, hg_epoch_mine, key, loan);
            }
            if (!hg_cache_count(cache, hg_epoch_mine, key->cache)) {
                return hg_cache_count_rest(cache, hg_epoch_mine, key, loan);
            }
            return loan;
        }
        slot = (slot + 1) & last;
    }
    hg_epoch_leave(opened);
    return (struct hg_cache_loan){NULL, NULL};
}

/* clang-format off: it takes the name for a macro's. */
LEND_TARGET struct hg_cache_loan LEND(struct hg_cache *cache, const struct hg_key *key)
/* clang-format on */
{
    struct hg_epoch_reader *reader = hg_epoch_mine;
    struct hg_cache_section *opened = NULL;
    if (!hg_epoch_is_inside(reader)) {
        opened = hg_epoch_open(reader);
    } else if (hg_epoch_is_nobody(reader)) {
        return hg_cache_lend_first(cache, key);
    }
    uint64_t front = hg_cache_front_load(cache);
    LEND_KEY loaded = lend_load(key);
    uint64_t hash = lend_hash(&cache->seed, loaded);
    uint64_t word =
        hg_cache_word_load(hg_cache_front_slots(front), hash >> hg_cache_front_shift(front));
    struct hg_program *program = hg_cache_word_program(word);
    if (__builtin_expect(!hg_cache_is_expected(word, hash), 0) ||
        __builtin_expect(!lend_equal(&program->key, loaded), 0)) {
        return lend_far(cache, key, hash, opened);
    }
    struct hg_cache_loan loan = {program, opened};
    if (!hg_cache_count(cache, reader, key->cache)) {
        return hg_cache_count_rest(cache, reader, key, loan);
    }
    return loan;
}
