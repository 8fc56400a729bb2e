/* SPDX-License-Identifier: Apache-2.0 */
/* Checks abort in every build, and sizes are computed without overflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/check.h"
#include "tests/unit/base/death.h"

static void break_a_promise(void *arg)
{
    int *evaluated = arg;
    HG_REQUIRE(++*evaluated == 1);
    HG_REQUIRE(++*evaluated == 1);
}

/* A condition that holds is evaluated once; one that does not aborts and is named on stderr. */
static void require_aborts_and_names_the_condition(void **state)
{
    (void)state;
    int evaluated = 0;
    char text[512];
    assert_true(dies(break_a_promise, &evaluated, text, sizeof text));
    assert_non_null(strstr(text, "test_check.c:"));
    assert_non_null(strstr(text, "check failed: ++*evaluated == 1"));
    HG_REQUIRE(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

/* Products and sums are exact up to the largest value and refused one beyond. */
static void sizes_do_not_wrap(void **state)
{
    (void)state;
    uint64_t result = 5;
    assert_true(hg_mul_u64(1ull << 32, (1ull << 32) - 1, &result));
    assert_true(result == UINT64_MAX - (1ull << 32) + 1);
    assert_false(hg_mul_u64(1ull << 32, 1ull << 32, &result));
    assert_true(result == UINT64_MAX - (1ull << 32) + 1);
    assert_true(hg_add_u64(UINT64_MAX - 1, 1, &result));
    assert_true(result == UINT64_MAX);
    result = 5;
    assert_false(hg_add_u64(UINT64_MAX, 1, &result));
    assert_int_equal(result, 5);
}

/* Division rounds up, also where adding B - 1 first would wrap. */
static void division_rounds_up(void **state)
{
    (void)state;
    assert_int_equal(hg_div_up_u64(0, 7), 0);
    assert_int_equal(hg_div_up_u64(7, 7), 1);
    assert_int_equal(hg_div_up_u64(8, 7), 2);
    assert_true(hg_div_up_u64(UINT64_MAX, 2) == 1ull << 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(require_aborts_and_names_the_condition),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(division_rounds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
