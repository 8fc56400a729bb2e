/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hashes: every byte counts, seeds differ, and keys spread as at random, close ones and those
 * that somebody chooses to make the hash fail.
 */
#include "lib/cache/hash.h"

#include "tests/unit/cache/programs.h"

enum { BUCKETS = 1024, PER_BUCKET = 16, KEYS = BUCKETS * PER_BUCKET };

static hg_cache_hash_fn *const *each_hash(void)
{
    static hg_cache_hash_fn *hashes[3];
    hashes[0] = hg_cache_hash_portable;
    hashes[1] = hg_cache_hash_by_aes();
    return hashes;
}

static struct hg_cache_seed draw_seed(hg_cache_hash_fn *hash)
{
    struct hg_cache_seed seed;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_seed_init(&seed, &error), HG_OK);
    seed.hash = hash;
    return seed;
}

/* Init takes the AES rounds where the CPU has them. */
static void the_best_hash_is_chosen(void **state)
{
    (void)state;
    struct hg_cache_seed seed;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_seed_init(&seed, &error), HG_OK);
    hg_cache_hash_fn *best = hg_cache_hash_by_aes();
    assert_ptr_equal(seed.hash, best != NULL ? best : hg_cache_hash_portable);
}

/* Every bit of a key changes about half of the hash's bits, and two seeds give two hashes. */
static void every_bit_and_the_seed_count(void **state)
{
    (void)state;
    for (hg_cache_hash_fn *const *hash = each_hash(); *hash != NULL; hash++) {
        struct hg_cache_seed one = draw_seed(*hash);
        struct hg_cache_seed other = draw_seed(*hash);
        struct hg_key base = test_key(0, 0);
        assert_int_not_equal(hg_cache_hash(&one, &base), hg_cache_hash(&other, &base));
        uint64_t changed = 0;
        for (size_t bit = 0; bit < 8 * sizeof base; bit++) {
            struct hg_key key = base;
            ((uint8_t *)&key)[bit / 8] ^= (uint8_t)(1u << bit % 8);
            uint64_t difference = hg_cache_hash(&one, &key) ^ hg_cache_hash(&one, &base);
            assert_int_not_equal(difference, 0);
            changed += (uint64_t)__builtin_popcountll(difference);
        }
        /* 640 times 32 of 64 bits are expected: 20480, with a standard deviation of about 101. */
        assert_true(changed > 19500 && changed < 21500);
    }
}

/* Chi-squared of the buckets that MAKE's keys fall into, by the bits of the hash from SHIFT on. */
static double chi_squared(const struct hg_cache_seed *seed, void (*make)(uint64_t, struct hg_key *),
                          unsigned shift)
{
    static uint32_t bucket[BUCKETS];
    memset(bucket, 0, sizeof bucket);
    for (uint64_t number = 0; number < KEYS; number++) {
        struct hg_key key;
        hg_key_init(&key);
        make(number, &key);
        bucket[(hg_cache_hash(seed, &key) >> shift) % BUCKETS]++;
    }
    double sum = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        double off = (double)bucket[i] - PER_BUCKET;
        sum += off * off / PER_BUCKET;
    }
    return sum;
}

/* As operations make them: few values in many fields. */
static void make_real(uint64_t number, struct hg_key *key)
{
    key->cache = (uint16_t)(number % 42);
    key->form = (uint8_t)(number / 42 % 4);
    key->type[0] = key->type[1] = (uint8_t)(number / 168 % 10);
    key->mode[0] = (uint8_t)(1 + number / 1680 % 3);
    key->structure = (uint32_t)(number / 5040);
}

/* Offsets in the boundary pool: multiples of the class's size. */
static void make_offsets(uint64_t number, struct hg_key *key)
{
    key->operand[0] = number % 96 * 12288;
    key->operand[1] = number / 96 % 96 * 12288;
    key->operand[2] = number / 9216 * 12288;
}

static void make_counted(uint64_t number, struct hg_key *key)
{
    key->constant[0] = number;
}

/* In the upper bits alone, where a multiplication by a fixed number would lose them. */
static void make_high(uint64_t number, struct hg_key *key)
{
    key->constant[0] = number << 48;
}

/* Differences in one block that are to cancel the same ones in another. */
static void make_cancelling(uint64_t number, struct hg_key *key)
{
    key->operand[0] = number;
    key->operand[2] = number;
    key->constant[0] = ~number;
    key->constant[1] = number << 32;
}

/* One byte at a time takes all values in two places: the pairs of a differential attack. */
static void make_bytes(uint64_t number, struct hg_key *key)
{
    ((uint8_t *)key->operand)[3] = (uint8_t)number;
    ((uint8_t *)key->operand)[19] = (uint8_t)(number >> 8);
}

/* Whatever the keys, they fall into buckets as if at random, by the hash's high, middle and low
 * bits. */
static void keys_spread(void **state)
{
    (void)state;
    static void (*const makers[])(uint64_t, struct hg_key *) = {
        make_real, make_offsets, make_counted, make_high, make_cancelling, make_bytes,
    };
    static const unsigned shifts[] = {54, 32, 0};
    for (hg_cache_hash_fn *const *hash = each_hash(); *hash != NULL; hash++) {
        struct hg_cache_seed seed = draw_seed(*hash);
        for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
            for (size_t j = 0; j < sizeof shifts / sizeof shifts[0]; j++) {
                double chi = chi_squared(&seed, makers[i], shifts[j]);
                /* 1023 degrees of freedom: a standard deviation of 45; seven to either side. */
                if (chi > 1350) {
                    fail_msg("keys %zu, bits from %u: chi squared is %.0f", i, shifts[j], chi);
                }
            }
        }
    }
}

/* No two of the keys collide in all 64 bits: 6 times 16,384 keys would by chance once in thousands
 * of millions of runs. */
static void hashes_do_not_collide(void **state)
{
    (void)state;
    enum { SLOTS = 4 * KEYS };
    static uint64_t seen[SLOTS];
    for (hg_cache_hash_fn *const *hash = each_hash(); *hash != NULL; hash++) {
        struct hg_cache_seed seed = draw_seed(*hash);
        memset(seen, 0, sizeof seen);
        for (uint64_t number = 0; number < KEYS; number++) {
            struct hg_key key;
            hg_key_init(&key);
            make_cancelling(number, &key);
            uint64_t value = hg_cache_hash(&seed, &key);
            uint64_t slot = value % SLOTS;
            for (; seen[slot] != 0; slot = (slot + 1) % SLOTS) {
                assert_int_not_equal(seen[slot], value);
            }
            seen[slot] = value;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_hash_is_chosen),
        cmocka_unit_test(every_bit_and_the_seed_count),
        cmocka_unit_test(keys_spread),
        cmocka_unit_test(hashes_do_not_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
