/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's table and hash by themselves: collisions, removal from probe runs, seeds. */
#include "lib/cache/table.h"

#include "lib/cache/hash.h"
#include "tests/unit/cache/programs.h"

static struct hg_program *new_program(uint64_t number)
{
    struct test_build build = {0};
    struct hg_key key = test_key(0, number);
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(test_build_program(&key, &build, &program, &error), HG_OK);
    return program;
}

static bool holds(struct hg_cache_table *table, uint32_t hash, uint64_t number)
{
    struct hg_key key = test_key(0, number);
    struct hg_program *found = hg_cache_table_find(table, hash, &key);
    assert_true(found == NULL || hg_key_equal(&found->key, &key));
    return found != NULL;
}

static void insert(struct hg_cache_table *table, uint32_t hash, uint64_t number)
{
    struct hg_program *program = new_program(number);
    assert_true(hg_cache_table_reserve(table));
    hg_cache_table_insert(table, hash, program);
    hg_program_unref(&program);
}

/* Keys of one hash are told apart by the whole key. */
static void equal_hashes_are_told_apart(void **state)
{
    (void)state;
    struct hg_cache_table table = {0};
    assert_false(holds(&table, 5, 0));
    for (uint64_t number = 0; number < 200; number++) {
        insert(&table, 5, number);
    }
    for (uint64_t number = 0; number < 200; number++) {
        assert_true(holds(&table, 5, number));
    }
    assert_false(holds(&table, 5, 200));
    assert_int_equal(hg_cache_table_clear(&table), 200);
}

/* Against a model: programs with crowded hashes come and go by eviction, and the table holds
 * exactly those that have not left. */
static void agrees_with_a_model(void **state)
{
    (void)state;
    enum { NUMBERS = 300 };
    static bool present[NUMBERS];
    memset(present, 0, sizeof present);
    struct hg_cache_table table = {0};
    uint32_t random = 12345;
    uint32_t count = 0;
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        uint32_t number = (random >> 8) % NUMBERS;
        uint32_t hash = number % 17 * 3; /* long probe runs that overlap */
        assert_int_equal(holds(&table, hash, number), present[number]);
        if (!present[number] && count < 90) {
            insert(&table, hash, number);
            present[number] = true;
            count++;
        } else if (count > 40 && (random >> 24) % 2 == 0) {
            struct hg_program *victim = hg_cache_table_evict(&table);
            assert_non_null(victim);
            assert_true(present[victim->key.constant[0]]);
            present[victim->key.constant[0]] = false;
            hg_program_unref(&victim);
            count--;
        }
        assert_int_equal(table.count, count);
    }
    hg_cache_table_clear(&table);
}

/* A program that somebody refers to is passed over, also when it is the only one. */
static void eviction_passes_over_references(void **state)
{
    (void)state;
    struct hg_cache_table table = {0};
    struct hg_program *held = new_program(1);
    assert_null(hg_cache_table_evict(&table));
    assert_true(hg_cache_table_reserve(&table));
    hg_cache_table_insert(&table, 1, held);
    assert_null(hg_cache_table_evict(&table));
    insert(&table, 2, 2);
    struct hg_program *victim = hg_cache_table_evict(&table);
    assert_int_equal(victim->key.constant[0], 2);
    hg_program_unref(&victim);
    hg_program_unref(&held);
    victim = hg_cache_table_evict(&table);
    assert_int_equal(victim->key.constant[0], 1);
    hg_program_unref(&victim);
    hg_cache_table_clear(&table);
}

/* Every byte of a key reaches the hash, two seeds differ, and close keys spread over a table. */
static void hash_depends_on_key_and_seed(void **state)
{
    (void)state;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_cache_seed one;
    struct hg_cache_seed other;
    assert_int_equal(hg_cache_seed_init(&one, &error), HG_OK);
    assert_int_equal(hg_cache_seed_init(&other, &error), HG_OK);
    struct hg_key base = test_key(0, 0);
    for (size_t i = 0; i < sizeof base; i++) {
        struct hg_key key = base;
        ((uint8_t *)&key)[i] = 0x55;
        assert_int_not_equal(hg_cache_hash(&one, &key), hg_cache_hash(&one, &base));
    }
    assert_int_not_equal(hg_cache_hash(&one, &base), hg_cache_hash(&other, &base));

    enum { BUCKETS = 256, KEYS = 16 * BUCKETS };
    uint32_t bucket[BUCKETS] = {0};
    uint32_t fullest = 0;
    for (uint64_t number = 0; number < KEYS; number++) {
        struct hg_key key = test_key(0, number);
        uint32_t *count = &bucket[hg_cache_hash(&one, &key) % BUCKETS];
        fullest = ++*count > fullest ? *count : fullest;
    }
    /* 16 are expected; 60 would be eleven standard deviations away. */
    assert_true(fullest < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(eviction_passes_over_references),
        cmocka_unit_test(hash_depends_on_key_and_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
