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
LEND_TARGET static __attribute__((noinline)) struct hg_program *
lend_far(struct hg_cache *cache, const struct hg_key *key, struct hg_cache_loan *loan,
         uint64_t hash, struct hg_cache_section *opened)
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
            loan->program = hg_cache_word_program(word);
            loan->section = opened;
            if (hg_cache_is_common(word)) {
                return hg_cache_count_use(cache, hg_epoch_mine, key, loan->program);
            }
            return hg_cache_count_flags(cache, hg_epoch_mine, key, loan->program);
        }
        slot = (slot + 1) & last;
    }
    hg_epoch_leave(opened);
    return NULL;
}

LEND_TARGET struct hg_program *LEND(struct hg_cache *cache, const struct hg_key *key,
                                    struct hg_cache_loan *loan)
{
    struct hg_epoch_reader *reader = hg_epoch_mine;
    if (__builtin_expect(reader == NULL, 0)) {
        return hg_cache_lend_first(cache, key, loan);
    }
    struct hg_cache_section *opened = hg_epoch_go_in(reader);
    uint64_t front = hg_cache_front_load(cache);
    LEND_KEY loaded = lend_load(key);
    uint64_t hash = lend_hash(&cache->seed, loaded);
    uint64_t word =
        hg_cache_word_load(hg_cache_front_slots(front), hash >> hg_cache_front_shift(front));
    struct hg_program *program = hg_cache_word_program(word);
    if (__builtin_expect(!hg_cache_is_expected(word, hash), 0) ||
        __builtin_expect(!lend_equal(&program->key, loaded), 0)) {
        return lend_far(cache, key, loan, hash, opened);
    }
    loan->program = program;
    loan->section = opened;
    return hg_cache_count_use(cache, reader, key, program);
}
