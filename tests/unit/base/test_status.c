/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses have the names and numbers of gRPC, and error texts keep their context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/status.h"

/* Every row of status.def is named as in the table. */
static void names_follow_the_table(void **state)
{
    (void)state;
#define HG_STATUS(name, code, summary) assert_string_equal(hg_status_name(HG_##name), #name);
#include "lib/base/status.def"
#undef HG_STATUS
    assert_string_equal(hg_status_name((enum hg_status)99), "INVALID_STATUS");
}

/* A prefix goes before the message, and the status stays. */
static void prefix_keeps_status(void **state)
{
    (void)state;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_fail(&error, HG_NOT_FOUND, "buffer %d", 7), HG_NOT_FOUND);
    assert_int_equal(hg_error_prefix(&error, "op %s", "gemm"), HG_NOT_FOUND);
    assert_string_equal(error.message, "op gemm: buffer 7");
    assert_int_equal(error.status, HG_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_table),
        cmocka_unit_test(prefix_keeps_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
