/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations are counted by tag, aligned as asked, and fail when a test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"

/* Each way to allocate counts at least its size under its tag, and freeing returns to zero. */
static void live_bytes_follow_the_tag(void **state)
{
    (void)state;
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
    void *plain = hg_malloc(HG_TAG_TEST, 1000);
    void *zeroed = hg_calloc(HG_TAG_TEST, 10, 100);
    void *aligned = hg_aligned_alloc(HG_TAG_TEST, 4096, 1000);
    assert_non_null(plain);
    assert_non_null(zeroed);
    assert_non_null(aligned);
    assert_in_range(hg_alloc_live_bytes(HG_TAG_TEST), 3000, 20000);
    assert_int_equal(hg_alloc_live_bytes_all(), hg_alloc_live_bytes(HG_TAG_TEST));
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), hg_alloc_block_bytes(plain) +
                                                           hg_alloc_block_bytes(zeroed) +
                                                           hg_alloc_block_bytes(aligned));
    assert_int_equal((uintptr_t)aligned % 4096, 0);
    hg_free(HG_TAG_TEST, plain);
    hg_free(HG_TAG_TEST, zeroed);
    hg_free(HG_TAG_TEST, aligned);
    hg_free(HG_TAG_TEST, NULL);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
}

/* calloc's memory is zero also where something else lay before. */
static void calloc_gives_zeros(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        uint8_t *block = hg_calloc(HG_TAG_TEST, 3, 111);
        assert_non_null(block);
        for (size_t i = 0; i < 333; i++) {
            assert_int_equal(block[i], 0);
        }
        memset(block, 0xa5, 333);
        hg_free(HG_TAG_TEST, block);
    }
}

/* realloc keeps the contents and the count, growing and shrinking, from NULL on. */
static void realloc_keeps_contents(void **state)
{
    (void)state;
    uint8_t *block = hg_realloc(HG_TAG_TEST, NULL, 10);
    assert_non_null(block);
    memset(block, 7, 10);
    for (size_t size = 10; size <= 100000; size *= 10) {
        block = hg_realloc(HG_TAG_TEST, block, size);
        assert_non_null(block);
        assert_true(hg_alloc_live_bytes(HG_TAG_TEST) >= size);
    }
    block = hg_realloc(HG_TAG_TEST, block, 10);
    assert_non_null(block);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(block[i], 7);
    }
    assert_in_range(hg_alloc_live_bytes(HG_TAG_TEST), 10, 99999);
    hg_free(HG_TAG_TEST, block);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
}

/* Size 0 is a block of its own; a product that overflows and a size beyond any memory are NULL. */
static void odd_sizes(void **state)
{
    (void)state;
    void *first = hg_malloc(HG_TAG_TEST, 0);
    void *second = hg_calloc(HG_TAG_TEST, 0, 8);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_null(hg_calloc(HG_TAG_TEST, SIZE_MAX / 2, 3));
    assert_null(hg_malloc(HG_TAG_TEST, SIZE_MAX));
    assert_null(hg_realloc(HG_TAG_TEST, first, SIZE_MAX));
    assert_null(hg_aligned_alloc(HG_TAG_TEST, 64, SIZE_MAX - 10));
    hg_free(HG_TAG_TEST, first);
    hg_free(HG_TAG_TEST, second);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
}

/* Exactly the allocation after SKIP others fails, whichever function makes it. */
static void fault_fails_one(void **state)
{
    (void)state;
    void *blocks[4];
    for (uint64_t skip = 0; skip < 4; skip++) {
        hg_alloc_fault_set(skip, false);
        blocks[0] = hg_malloc(HG_TAG_TEST, 8);
        blocks[1] = hg_calloc(HG_TAG_TEST, 1, 8);
        blocks[2] = hg_realloc(HG_TAG_TEST, NULL, 8);
        blocks[3] = hg_aligned_alloc(HG_TAG_TEST, 64, 8);
        assert_true(hg_alloc_fault_fired());
        hg_alloc_fault_clear();
        assert_false(hg_alloc_fault_fired());
        for (uint64_t i = 0; i < HG_ARRAY_COUNT(blocks); i++) {
            assert_int_equal(blocks[i] == NULL, i == skip);
            hg_free(HG_TAG_TEST, blocks[i]);
        }
    }
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
}

/* With FOREVER all later ones fail too, until the fault is cleared; a block that could not grow
 * stays valid. */
static void fault_fails_forever(void **state)
{
    (void)state;
    hg_alloc_fault_set(1, true);
    uint8_t *block = hg_malloc(HG_TAG_TEST, 8);
    assert_non_null(block);
    assert_false(hg_alloc_fault_fired());
    block[0] = 42;
    for (int i = 0; i < 3; i++) {
        assert_null(hg_realloc(HG_TAG_TEST, block, 100000));
        assert_true(hg_alloc_fault_hit());
    }
    assert_int_equal(block[0], 42);
    hg_alloc_fault_clear();
    assert_false(hg_alloc_fault_hit());
    hg_free(HG_TAG_TEST, block);
    block = hg_malloc(HG_TAG_TEST, 8);
    assert_non_null(block);
    hg_free(HG_TAG_TEST, block);
}

/* jemalloc's figures move with what is allocated; sanitizer builds have none. */
static void stats_see_large_blocks(void **state)
{
    (void)state;
    struct hg_alloc_stats before;
    struct hg_alloc_stats after;
    const size_t size = 32u << 20;
    hg_alloc_stats(&before);
    void *block = hg_malloc(HG_TAG_TEST, size);
    assert_non_null(block);
    hg_alloc_stats(&after);
    hg_free(HG_TAG_TEST, block);
#ifdef HG_NO_JEMALLOC
    assert_int_equal(after.allocated_bytes, 0);
#else
    assert_true(after.allocated_bytes >= before.allocated_bytes + size);
    assert_true(after.active_bytes >= after.allocated_bytes);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_bytes_follow_the_tag), cmocka_unit_test(calloc_gives_zeros),
        cmocka_unit_test(realloc_keeps_contents),    cmocka_unit_test(odd_sizes),
        cmocka_unit_test(fault_fails_one),           cmocka_unit_test(fault_fails_forever),
        cmocka_unit_test(stats_see_large_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
