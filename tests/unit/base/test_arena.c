/* SPDX-License-Identifier: Apache-2.0 */
/* The arena hands out aligned, separate pieces up to its cap and takes all back at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"

/* Pieces of all sizes around a chunk's are aligned and do not overlap. */
static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, 256, 1u << 20);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
    uint8_t *pieces[600];
    for (size_t i = 0; i < HG_ARRAY_COUNT(pieces); i++) {
        pieces[i] = hg_arena_alloc(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < HG_ARRAY_COUNT(pieces); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(pieces[i][j], i & 0xff);
        }
    }
    hg_arena_fini(&arena);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
}

/* The cap is reached exactly, and no size however large gets past it. */
static void cap_is_a_bound(void **state)
{
    (void)state;
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, 64, 160);
    assert_null(hg_arena_alloc(&arena, 161));
    assert_non_null(hg_arena_alloc(&arena, 100));
    assert_int_equal(arena.used_bytes, 112);
    assert_null(hg_arena_alloc(&arena, SIZE_MAX));
    assert_null(hg_arena_alloc(&arena, SIZE_MAX - 15));
    assert_null(hg_arena_alloc(&arena, 49));
    assert_non_null(hg_arena_alloc(&arena, 48));
    assert_null(hg_arena_alloc(&arena, 0));
    hg_arena_fini(&arena);
}

/* A cap at the end of the address space does not make the rounding overflow. */
static void unlimited_cap(void **state)
{
    (void)state;
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, 64, SIZE_MAX);
    assert_null(hg_arena_alloc(&arena, SIZE_MAX));
    assert_null(hg_arena_alloc(&arena, SIZE_MAX - 16));
    assert_non_null(hg_arena_alloc(&arena, 1));
    hg_arena_fini(&arena);
}

/* A reset keeps one chunk only and gives its space again without allocating. */
static void reset_keeps_the_first_chunk(void **state)
{
    (void)state;
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, 1024, 1u << 20);
    void *first = hg_arena_alloc(&arena, 16);
    assert_non_null(first);
    uint64_t one_chunk = hg_alloc_live_bytes(HG_TAG_TEST);
    assert_non_null(hg_arena_alloc(&arena, 100000));
    assert_true(hg_alloc_live_bytes(HG_TAG_TEST) >= one_chunk + 100000);
    hg_arena_reset(&arena);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), one_chunk);
    assert_int_equal(arena.used_bytes, 0);
    hg_alloc_fault_set(0, true);
    assert_ptr_equal(hg_arena_alloc(&arena, 1024), first);
    assert_null(hg_arena_alloc(&arena, 1));
    hg_alloc_fault_clear();
    hg_arena_fini(&arena);
    /* Both are allowed on an arena that holds nothing. */
    hg_arena_reset(&arena);
    hg_arena_fini(&arena);
}

/* What did not fit in one chunk does the next time, up to the bound, and no further than that. */
static void reset_makes_the_chunk_larger(void **state)
{
    (void)state;
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, 1024, 1u << 20);
    assert_int_equal(hg_arena_kept_bytes(&arena), 0);
    for (int i = 0; i < 2; i++) {
        assert_non_null(hg_arena_alloc(&arena, 1024));
        hg_arena_reset_larger(&arena, 8192);
        assert_int_equal(hg_arena_kept_bytes(&arena), 1024);
    }
    for (int i = 0; i < 3; i++) {
        assert_non_null(hg_arena_alloc(&arena, 1024));
    }
    hg_arena_reset_larger(&arena, 8192);
    assert_non_null(hg_arena_alloc(&arena, 3072));
    assert_int_equal(hg_arena_kept_bytes(&arena), 4096);
    assert_non_null(hg_arena_alloc(&arena, 1024));
    hg_alloc_fault_set(0, true); /* one chunk was enough: it is kept */
    hg_arena_reset_larger(&arena, 8192);
    assert_non_null(hg_arena_alloc(&arena, 4096));
    hg_alloc_fault_clear();
    for (int i = 0; i < 2; i++) {
        assert_non_null(hg_arena_alloc(&arena, 100000));
        hg_arena_reset_larger(&arena, 8192);
        assert_non_null(hg_arena_alloc(&arena, 1));
        assert_int_equal(hg_arena_kept_bytes(&arena), 8192);
    }
    hg_arena_fini(&arena);
}

/* Out of memory at each of its allocations: NULL, nothing lost, and it works afterwards. */
static void out_of_memory_sweep(void **state)
{
    (void)state;
    for (uint64_t skip = 0;; skip++) {
        struct hg_arena arena;
        hg_arena_init(&arena, HG_TAG_TEST, 64, 4096);
        hg_alloc_fault_set(skip, false);
        void *small = hg_arena_alloc(&arena, 48);
        void *large = hg_arena_alloc(&arena, 640);
        bool fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        assert_int_equal(fired, small == NULL || large == NULL);
        assert_non_null(hg_arena_alloc(&arena, 640));
        hg_arena_fini(&arena);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
        if (!fired) {
            assert_true(skip >= 2);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(cap_is_a_bound),
        cmocka_unit_test(unlimited_cap),
        cmocka_unit_test(reset_keeps_the_first_chunk),
        cmocka_unit_test(reset_makes_the_chunk_larger),
        cmocka_unit_test(out_of_memory_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
