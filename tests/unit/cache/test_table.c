/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's table by itself: collisions, removal from probe runs, the order of eviction, growing.
 */
#include "lib/cache/table.h"

#include "tests/unit/cache/programs.h"

enum { SLOTS = 1024, ROOM = SLOTS / 8 };

static struct hg_program *new_program(uint16_t region, uint64_t number)
{
    struct test_build build = {0};
    struct hg_key key = test_key(region, number);
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(test_build_program(&key, &build, &program, &error), HG_OK);
    return program;
}

/* Hashes that crowd: few first slots, the last of the table among them, and few tags. */
static uint64_t crowded(const struct hg_cache_seed *seed, const struct hg_key *key)
{
    (void)seed;
    return ~(key->constant[0] % 5 * 3 << 56) ^ key->constant[0] % 3;
}

/* All keys have one hash. */
static uint64_t constant(const struct hg_cache_seed *seed, const struct hg_key *key)
{
    (void)seed;
    (void)key;
    return 5;
}

static uint64_t hash_of(const struct hg_cache_table *table, uint16_t region, uint64_t number)
{
    struct hg_key key = test_key(region, number);
    return hg_cache_hash(table->seed, &key);
}

static uint32_t slot_of(const struct hg_cache_table *table, uint16_t region, uint64_t number)
{
    struct hg_key key = test_key(region, number);
    uint64_t word = 0;
    uint32_t slot = hg_cache_table_find(table, hash_of(table, region, number), &key, &word);
    if (slot != HG_CACHE_SLOT_NONE) {
        assert_int_equal(word, hg_cache_slot_load(table, slot));
        assert_true(hg_key_equal(&hg_cache_word_program(word)->key, &key));
    }
    return slot;
}

static bool holds(const struct hg_cache_table *table, uint64_t number)
{
    return slot_of(table, 0, number) != HG_CACHE_SLOT_NONE;
}

static void insert(struct hg_cache_table *table, uint16_t region, uint64_t number)
{
    assert_true(hg_cache_table_has_room(table));
    hg_cache_table_insert(table, hash_of(table, region, number), new_program(region, number), 0, 0);
}

static void visit(struct hg_cache_table *table, uint64_t number)
{
    uint32_t slot = slot_of(table, 0, number);
    uint64_t word = hg_cache_slot_load(table, slot);
    hg_cache_table_update(table, slot, word, word | HG_CACHE_VISITED);
}

/* Evicts and tells which number it was; UINT64_MAX if none. */
static uint64_t evict(struct hg_cache_table *table, uint16_t region)
{
    uint32_t slot = hg_cache_table_victim(table, region);
    if (slot == HG_CACHE_SLOT_NONE) {
        return UINT64_MAX;
    }
    struct hg_program *victim = hg_cache_table_remove(table, slot);
    uint64_t number = victim->key.constant[0];
    hg_program_unref(&victim);
    return number;
}

static struct hg_cache_table *new_table(struct hg_cache_seed *seed, hg_cache_hash_fn *hash,
                                        uint16_t region_count)
{
    *seed = (struct hg_cache_seed){.hash = hash};
    struct hg_cache_table *table = hg_cache_table_create(seed, SLOTS, region_count);
    assert_non_null(table);
    return table;
}

/* Keys of one hash are told apart by the whole key. */
static void equal_hashes_are_told_apart(void **state)
{
    (void)state;
    struct hg_cache_seed seed;
    struct hg_cache_table *table = new_table(&seed, constant, 0);
    assert_false(holds(table, 0));
    for (uint64_t number = 0; number < ROOM; number++) {
        insert(table, 0, number);
    }
    assert_false(hg_cache_table_has_room(table));
    for (uint64_t number = 0; number < ROOM; number++) {
        assert_true(holds(table, number));
    }
    assert_false(holds(table, ROOM));
    hg_cache_table_destroy(table);
}

/* Against a model: programs with crowded hashes come and go by eviction, and the table holds
 * exactly those that have not left, also where probe runs go over the table's end. */
static void agrees_with_a_model(void **state)
{
    (void)state;
    enum { NUMBERS = 300 };
    static bool present[NUMBERS];
    memset(present, 0, sizeof present);
    struct hg_cache_seed seed;
    struct hg_cache_table *table = new_table(&seed, crowded, 0);
    uint32_t random = 12345;
    uint32_t count = 0;
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        uint32_t number = (random >> 8) % NUMBERS;
        assert_int_equal(holds(table, number), present[number]);
        if (present[number]) {
            visit(table, number);
        } else if (count < 90) {
            insert(table, 0, number);
            present[number] = true;
            count++;
        }
        if (count > 40 && (random >> 24) % 2 == 0) {
            uint64_t gone = evict(table, HG_CACHE_ALL_REGIONS);
            assert_true(gone < NUMBERS && present[gone]);
            present[gone] = false;
            count--;
        }
        assert_int_equal(table->count, count);
    }
    hg_cache_table_destroy(table);
}

/* The hand takes the oldest that was not used; one that was used loses its flag and is spared once;
 * the hand goes on where it was, in front of what came later. */
static void evicts_as_sieve_does(void **state)
{
    (void)state;
    struct hg_cache_seed seed;
    struct hg_cache_table *table = new_table(&seed, crowded, 0);
    for (uint64_t number = 0; number < 5; number++) {
        insert(table, 0, number);
    }
    visit(table, 0);
    visit(table, 1);
    visit(table, 3);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 2);
    insert(table, 0, 5);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 4);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 5);
    /* The hand is back at the oldest, whose flags are gone. */
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 0);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 1);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 3);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), UINT64_MAX);
    hg_cache_table_destroy(table);
}

/* A region's eviction takes the region's programs alone, in their order. */
static void regions_evict_their_own(void **state)
{
    (void)state;
    struct hg_cache_seed seed;
    struct hg_cache_table *table = new_table(&seed, crowded, 3);
    for (uint64_t number = 0; number < 12; number++) {
        insert(table, (uint16_t)(number % 2), number);
    }
    assert_int_equal(evict(table, 1), 1);
    assert_int_equal(evict(table, 1), 3);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 0);
    assert_int_equal(evict(table, 0), 2);
    assert_int_equal(evict(table, 2), UINT64_MAX);
    assert_int_equal(table->count, 8);
    hg_cache_table_destroy(table);
}

/* A program that somebody refers to, or that is pinned, is passed over, also when it is the only
 * one. */
static void eviction_passes_over_pins(void **state)
{
    (void)state;
    struct hg_cache_seed seed;
    struct hg_cache_table *table = new_table(&seed, crowded, 0);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), UINT64_MAX);
    struct hg_program *held = new_program(0, 1);
    hg_cache_table_insert(table, hash_of(table, 0, 1), hg_program_ref(held), 0, 0);
    hg_cache_table_insert(table, hash_of(table, 0, 2), new_program(0, 2), 0, HG_CACHE_PINNED);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), UINT64_MAX);
    insert(table, 0, 3);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 3);
    hg_program_unref(&held);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 1);
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), UINT64_MAX);
    hg_cache_table_destroy(table);
}

/* A copy holds the same programs with their flags and hits, and evicts in the same order from the
 * same place. */
static void copies_keep_order_and_hand(void **state)
{
    (void)state;
    struct hg_cache_seed seed;
    struct hg_cache_table *table = new_table(&seed, crowded, 2);
    for (uint64_t number = 0; number < 20; number++) {
        struct hg_program *program = new_program((uint16_t)(number % 2), number);
        hg_cache_table_insert(table, hash_of(table, 0, number), program,
                              number < 4 ? HG_CACHE_VISITED : 0, 100 + number);
    }
    assert_int_equal(evict(table, HG_CACHE_ALL_REGIONS), 4);
    struct hg_cache_table *copy = hg_cache_table_create(&seed, 4 * SLOTS, 2);
    assert_non_null(copy);
    hg_cache_table_copy(table, copy, false);
    hg_cache_table_free(table);
    assert_int_equal(copy->count, 19);
    assert_int_equal(hg_cache_slot_hits(copy, slot_of(copy, 0, 6)), 106);
    assert_int_equal(evict(copy, HG_CACHE_ALL_REGIONS), 5);
    assert_int_equal(evict(copy, 0), 0);
    assert_int_equal(evict(copy, HG_CACHE_ALL_REGIONS), 6);
    hg_cache_table_destroy(copy);
}

/* The number of slots asked for leaves room for one more program, and no table is too small. */
static void slots_are_enough(void **state)
{
    (void)state;
    assert_int_equal(hg_cache_table_slots_for(0), 64);
    assert_int_equal(hg_cache_table_slots_for(8), 64);
    assert_int_equal(hg_cache_table_slots_for(9), 128);
    assert_int_equal(hg_cache_table_slots_for(512), 4096);
    assert_int_equal(hg_cache_table_slots_for(513), 8192);
    assert_int_equal(hg_cache_table_slots_for(6144), 8192);
    assert_int_equal(hg_cache_table_slots_for(6145), 16384);
    assert_int_equal(hg_cache_table_slots_for(HG_CACHE_TABLE_ENTRIES_MAX), 1u << 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(evicts_as_sieve_does),
        cmocka_unit_test(regions_evict_their_own),
        cmocka_unit_test(eviction_passes_over_pins),
        cmocka_unit_test(copies_keep_order_and_hand),
        cmocka_unit_test(slots_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
