/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks are aligned, apart, within bounds, counted, and zero whoever had their memory before. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/poison.h"
#include "lib/pool/pool.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static struct hg_pool *make_pool(uint64_t heap_bytes_max)
{
    const struct hg_pool_options options = {heap_bytes_max, true};
    struct hg_pool *pool = NULL;
    assert_int_equal(hg_pool_create(&options, &pool, NULL), HG_OK);
    assert_non_null(pool);
    return pool;
}

static void end_pool(struct hg_pool *pool)
{
    hg_pool_destroy(&pool);
    assert_null(pool);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_POOL), 0);
}

static struct hg_block acquire(struct hg_pool *pool, enum hg_pool_kind kind, uint64_t bytes)
{
    struct hg_block block = {0};
    assert_int_equal(hg_pool_acquire(pool, kind, bytes, false, &block, NULL), HG_OK);
    assert_true(block.bytes >= bytes && block.bytes > 0);
    assert_int_equal(block.kind, kind);
    assert_int_equal((uintptr_t)block.base % 64, 0);
    assert_true(block.zeroed);
    return block;
}

static bool is_zero(const struct hg_block *block)
{
    const uint8_t *bytes = block->base;
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, block->bytes - 1) == 0;
}

static struct hg_pool_stats stats_of(const struct hg_pool *pool)
{
    struct hg_pool_stats stats;
    hg_pool_stats(pool, &stats);
    return stats;
}

/* All 96 classes are given, each once, one after the other from the base; the 97th is refused with
 * its reason, and a class that came back is given again. */
static void boundary_gives_each_class_once(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(0);
    struct hg_block blocks[HG_POOL_CLASS_COUNT];
    bool seen[HG_POOL_CLASS_COUNT] = {false};
    for (unsigned i = 0; i < HG_POOL_CLASS_COUNT; i++) {
        blocks[i] = acquire(pool, HG_POOL_BOUNDARY, i * 128);
        assert_int_equal(blocks[i].bytes, HG_POOL_CLASS_BYTES);
        assert_false(seen[blocks[i].class_index]);
        seen[blocks[i].class_index] = true;
        assert_ptr_equal(blocks[i].base, (uint8_t *)hg_pool_boundary_base(pool) +
                                             (size_t)blocks[i].class_index * HG_POOL_CLASS_BYTES);
        memset(blocks[i].base, 0xff, blocks[i].bytes);
    }
    struct hg_error error = HG_ERROR_INIT;
    struct hg_block none = {.class_index = 77};
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_BOUNDARY, 1, false, &none, &error),
                     HG_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "boundary pool: all 96 classes are in use");
    assert_int_equal(none.class_index, 77);
    assert_int_equal(stats_of(pool).blocks[HG_POOL_BOUNDARY], 96);
    assert_int_equal(stats_of(pool).bytes_used[HG_POOL_BOUNDARY], 1179648);
    assert_int_equal(stats_of(pool).bytes_limit[HG_POOL_BOUNDARY], 1179648);

    uint8_t returned = blocks[70].class_index;
    hg_pool_release(pool, &blocks[70]);
    assert_null(blocks[70].base);
    blocks[70] = acquire(pool, HG_POOL_BOUNDARY, 0);
    assert_int_equal(blocks[70].class_index, returned);
    for (unsigned i = 0; i < HG_POOL_CLASS_COUNT; i++) {
        hg_pool_release(pool, &blocks[i]);
    }
    assert_int_equal(stats_of(pool).bytes_used[HG_POOL_BOUNDARY], 0);
    end_pool(pool);
}

/* One byte more than a class is refused with what was expected and what came. */
static void boundary_refuses_more_than_a_class(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(0);
    struct hg_block block = acquire(pool, HG_POOL_BOUNDARY, 12288);
    hg_pool_release(pool, &block);
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_BOUNDARY, 12289, false, &block, &error),
                     HG_INVALID_ARGUMENT);
    assert_string_equal(error.message,
                        "boundary pool: at most 12288 bytes expected, 12289 asked for");
    end_pool(pool);
}

/* Whatever the last owner wrote, the next one reads zeros: every class, and heap blocks of every
 * size class up to a mapping, filled and given back many times. */
static void memory_is_zero_for_the_next_owner(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(64 * MIB);
    for (int round = 0; round < 3; round++) {
        struct hg_block classes[HG_POOL_CLASS_COUNT];
        for (unsigned i = 0; i < HG_POOL_CLASS_COUNT; i++) {
            classes[i] = acquire(pool, HG_POOL_BOUNDARY, 1);
            assert_true(is_zero(&classes[i]));
            memset(classes[i].base, 0xa5, classes[i].bytes);
        }
        for (unsigned i = 0; i < HG_POOL_CLASS_COUNT; i++) {
            hg_pool_release(pool, &classes[i]);
        }
        for (uint64_t bytes = 1; bytes <= 4 * MIB; bytes = bytes * 5 / 4 + 1) {
            struct hg_block first = acquire(pool, HG_POOL_HEAP, bytes);
            struct hg_block second = acquire(pool, HG_POOL_HEAP, bytes);
            assert_true(is_zero(&first) && is_zero(&second));
            memset(first.base, 0x5a, first.bytes);
            memset(second.base, 0x5a, second.bytes);
            hg_pool_release(pool, &first);
            hg_pool_release(pool, &second);
        }
    }
    end_pool(pool);
}

/* Asked lazily, a block above 256 KiB and below a mapping comes unzeroed and says so; hg_pool_zero
 * makes it zero. Smaller and larger ones, and classes, are zero at once. */
static void lazy_zeroing_is_announced(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(64 * MIB);
    const struct {
        uint64_t bytes;
        bool zeroed;
    } cases[] = {
        {1, true},        {64 * KIB, true},     {256 * KIB, true}, {257 * KIB, false},
        {1 * MIB, false}, {3 * MIB / 2, false}, {2 * MIB, true},   {8 * MIB, true},
    };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < HG_ARRAY_COUNT(cases); i++) {
            struct hg_block block = {0};
            assert_int_equal(
                hg_pool_acquire(pool, HG_POOL_HEAP, cases[i].bytes, true, &block, NULL), HG_OK);
            assert_int_equal(block.zeroed, cases[i].zeroed);
            hg_pool_zero(&block);
            assert_true(block.zeroed);
            assert_true(is_zero(&block));
            memset(block.base, 0xff, block.bytes);
            /* Zeroing is for fresh blocks: what an owner wrote stays. */
            hg_pool_zero(&block);
            assert_int_equal(*(uint8_t *)block.base, 0xff);
            hg_pool_release(pool, &block);
        }
    }
    struct hg_block block = {0};
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_BOUNDARY, 9, true, &block, NULL), HG_OK);
    assert_true(block.zeroed);
    hg_pool_release(pool, &block);
    end_pool(pool);
}

/* The bound is met exactly, passed never, and what comes back can be given again. */
static void heap_bound_is_exact(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(4 * MIB);
    struct hg_block large = acquire(pool, HG_POOL_HEAP, 3 * MIB);
    struct hg_block medium = acquire(pool, HG_POOL_HEAP, MIB);
    assert_int_equal(stats_of(pool).bytes_used[HG_POOL_HEAP], 4 * MIB);
    assert_int_equal(stats_of(pool).bytes_limit[HG_POOL_HEAP], 4 * MIB);
    assert_int_equal(stats_of(pool).blocks[HG_POOL_HEAP], 2);
    struct hg_block block = {.bytes = 77};
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_HEAP, 0, false, &block, &error),
                     HG_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message,
                        "heap pool: 0 bytes asked for, at most 0 of 4194304 are free");
    assert_int_equal(block.bytes, 77);
    hg_pool_release(pool, &medium);
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_HEAP, MIB + 1, false, &block, NULL),
                     HG_RESOURCE_EXHAUSTED);
    medium = acquire(pool, HG_POOL_HEAP, MIB);
    hg_pool_release(pool, &medium);
    hg_pool_release(pool, &large);
    assert_int_equal(stats_of(pool).bytes_used[HG_POOL_HEAP], 0);
    end_pool(pool);
}

/* Sizes near the end of the address space are refused, with and without a bound. */
static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 62, 1ull << 63, (1ull << 62) - 1,
                              1ull << 50};
    const uint64_t bounds[] = {MIB, UINT64_MAX};
    for (size_t i = 0; i < HG_ARRAY_COUNT(bounds); i++) {
        struct hg_pool *pool = make_pool(bounds[i]);
        for (size_t j = 0; j < HG_ARRAY_COUNT(sizes); j++) {
            struct hg_block block = {0};
            struct hg_error error = HG_ERROR_INIT;
            assert_int_equal(hg_pool_acquire(pool, HG_POOL_HEAP, sizes[j], true, &block, &error),
                             HG_RESOURCE_EXHAUSTED);
            assert_non_null(strstr(error.message, "heap pool: "));
            assert_int_equal(stats_of(pool).bytes_used[HG_POOL_HEAP], 0);
        }
        end_pool(pool);
    }
}

/* The VmFlags of the mapping that holds ADDRESS, from the kernel; false where it does not tell. */
static bool vm_flags(const void *address, char *flags, size_t size)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    if (smaps == NULL) {
        return false;
    }
    bool inside = false;
    bool found = false;
    char line[512];
    while (!found && fgets(line, sizeof line, smaps) != NULL) {
        /* A mapping begins with a line "start-end …", in hexadecimal. */
        char *dash = NULL;
        uintptr_t begin = strtoull(line, &dash, 16);
        if (dash != line && *dash == '-') {
            inside =
                begin <= (uintptr_t)address && (uintptr_t)address < strtoull(dash + 1, NULL, 16);
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = snprintf(flags, size, "%s", line) > 0;
        }
    }
    (void)fclose(smaps);
    return found;
}

/* Sanitizers make mlock do nothing, and the C library in the arena's place lets its pages be
 * dumped. */
#ifdef HG_NO_JEMALLOC
#define OWN_ARENA 0
#else
#define OWN_ARENA 1
#endif

/* Clients' bytes stay out of core dumps, wherever they lie; large blocks ask for huge pages; and
 * the boundary pool is locked when its figures say so. */
static void pages_have_their_flags(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(64 * MIB);
    char flags[512];
    if (!vm_flags(hg_pool_boundary_base(pool), flags, sizeof flags)) {
        end_pool(pool);
        skip();
    }
    assert_non_null(strstr(flags, " dd"));
    assert_true(!OWN_ARENA || stats_of(pool).boundary_locked == (strstr(flags, " lo") != NULL));
    const uint64_t sizes[] = {100, 100 * KIB, 3 * MIB};
    for (size_t i = 0; i < HG_ARRAY_COUNT(sizes); i++) {
        struct hg_block block = acquire(pool, HG_POOL_HEAP, sizes[i]);
        bool mapped = sizes[i] >= 2 * MIB;
        assert_true(vm_flags(block.base, flags, sizeof flags));
        assert_true((!OWN_ARENA && !mapped) || strstr(flags, " dd") != NULL);
        assert_true(!mapped || strstr(flags, " hg") != NULL);
        assert_true(!mapped || (uintptr_t)block.base % (2 * MIB) == 0);
        hg_pool_release(pool, &block);
    }
    end_pool(pool);
}

/* Out of memory at each step of creating: the status and a text, nothing left. */
static void create_fails_cleanly(void **state)
{
    (void)state;
    const struct hg_pool_options options = {MIB, false};
    for (uint64_t nth = 0;; nth++) {
        struct hg_pool *pool = NULL;
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(nth, false);
        enum hg_status status = hg_pool_create(&options, &pool, &error);
        bool fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        if (!fired) {
            assert_int_equal(status, HG_OK);
            assert_true(nth >= 3);
            assert_false(stats_of(pool).boundary_locked);
            end_pool(pool);
            return;
        }
        assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
        assert_string_not_equal(error.message, "");
        assert_null(pool);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_POOL), 0);
    }
}

/* Out of memory for a block of any size: the status and a text, nothing counted, and the pool
 * serves the same size right afterwards. */
static void acquire_fails_cleanly(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(64 * MIB);
    const uint64_t sizes[] = {1, 100 * KIB, MIB, 5 * MIB};
    for (size_t i = 0; i < HG_ARRAY_COUNT(sizes); i++) {
        struct hg_block block = {.bytes = 77};
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(0, true);
        enum hg_status status =
            hg_pool_acquire(pool, HG_POOL_HEAP, sizes[i], false, &block, &error);
        hg_alloc_fault_clear();
        assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
        assert_non_null(strstr(error.message, "heap pool: the system has no memory"));
        assert_int_equal(block.bytes, 77);
        assert_int_equal(stats_of(pool).bytes_used[HG_POOL_HEAP], 0);
        assert_int_equal(stats_of(pool).blocks[HG_POOL_HEAP], 0);
        block = acquire(pool, HG_POOL_HEAP, sizes[i]);
        hg_pool_release(pool, &block);
    }
    end_pool(pool);
}

#define ROUNDS 300

struct owner {
    struct hg_pool *pool;
    uint8_t pattern;
    unsigned refused;
    bool bad;
};

static bool holds_only(const struct hg_block *block, uint8_t pattern)
{
    const uint8_t *bytes = block->base;
    return bytes[0] == pattern && memcmp(bytes, bytes + 1, block->bytes - 1) == 0;
}

/* Takes blocks, finds them zero, writes its pattern, and finds it whole before it gives them back.
 */
static void *own_blocks(void *arg)
{
    struct owner *owner = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct hg_block blocks[6];
        unsigned count = 0;
        for (unsigned j = 0; j < HG_ARRAY_COUNT(blocks); j++) {
            enum hg_pool_kind kind = j % 2 == 0 ? HG_POOL_HEAP : HG_POOL_BOUNDARY;
            uint64_t bytes = kind == HG_POOL_HEAP ? (i * 37 + 1) << j : 1;
            if (hg_pool_acquire(owner->pool, kind, bytes, false, &blocks[count], NULL) != HG_OK) {
                owner->refused++;
                continue;
            }
            owner->bad |= !is_zero(&blocks[count]);
            memset(blocks[count].base, owner->pattern, blocks[count].bytes);
            count++;
        }
        while (count > 0) {
            owner->bad |= !holds_only(&blocks[--count], owner->pattern);
            hg_pool_release(owner->pool, &blocks[count]);
        }
    }
    return NULL;
}

/* Three threads never get the same memory, never dirty memory, and leave nothing behind. */
static void owners_are_kept_apart(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(64 * MIB);
    struct owner owners[3];
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++) {
        owners[i] = (struct owner){.pool = pool, .pattern = (uint8_t)(i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, own_blocks, &owners[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(owners[i].bad);
        assert_int_equal(owners[i].refused, 0);
    }
    for (unsigned kind = 0; kind < HG_POOL_KIND_COUNT; kind++) {
        assert_int_equal(stats_of(pool).blocks[kind], 0);
        assert_int_equal(stats_of(pool).bytes_used[kind], 0);
    }
    end_pool(pool);
}

/* A hundred pools come and go, one after the other and two at a time: arenas are given back. */
static void pools_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct hg_pool *first = make_pool(MIB);
        struct hg_pool *second = make_pool(MIB);
        struct hg_block block = acquire(first, HG_POOL_HEAP, 100 * KIB);
        struct hg_block other = acquire(second, HG_POOL_HEAP, 100 * KIB);
        hg_pool_release(first, &block);
        hg_pool_destroy(&first);
        assert_true(is_zero(&other));
        hg_pool_release(second, &other);
        end_pool(second);
    }
    struct hg_pool *none = NULL;
    hg_pool_destroy(&none);
}

#if HG_HAS_POISON

/* With AddressSanitizer the bytes behind a block, and classes that nobody has, may not be touched.
 */
static void redzones_are_poisoned(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(64 * MIB);
    const uint8_t *boundary = hg_pool_boundary_base(pool);
    assert_true(__asan_address_is_poisoned(boundary));
    struct hg_block class_block = acquire(pool, HG_POOL_BOUNDARY, 1);
    assert_false(__asan_address_is_poisoned(boundary));
    assert_true(__asan_address_is_poisoned(boundary + HG_POOL_CLASS_BYTES));
    hg_pool_release(pool, &class_block);
    assert_true(__asan_address_is_poisoned(boundary));
    const uint64_t sizes[] = {5, 100 * KIB, 2 * MIB, 3 * MIB + 1};
    for (size_t i = 0; i < HG_ARRAY_COUNT(sizes); i++) {
        struct hg_block block = acquire(pool, HG_POOL_HEAP, sizes[i]);
        const uint8_t *bytes = block.base;
        assert_false(__asan_address_is_poisoned(bytes + block.bytes - 1));
        assert_true(__asan_address_is_poisoned(bytes + block.bytes));
        hg_pool_release(pool, &block);
    }
    end_pool(pool);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boundary_gives_each_class_once),
        cmocka_unit_test(boundary_refuses_more_than_a_class),
        cmocka_unit_test(memory_is_zero_for_the_next_owner),
        cmocka_unit_test(lazy_zeroing_is_announced),
        cmocka_unit_test(heap_bound_is_exact),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(pages_have_their_flags),
        cmocka_unit_test(create_fails_cleanly),
        cmocka_unit_test(acquire_fails_cleanly),
        cmocka_unit_test(owners_are_kept_apart),
        cmocka_unit_test(pools_come_and_go),
#if HG_HAS_POISON
        cmocka_unit_test(redzones_are_poisoned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
