/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses have the names and numbers of gRPC, and error texts keep their context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

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

/* Whatever is quoted, and wherever the text is cut, the message is UTF-8. */
static void messages_are_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *quoted;
        const char *message;
    } cases[] = {
        {"é€𝄞", "é€𝄞"},
        {"\x80", "?"},
        {"\xc3", "?"},
        {"\xe2\x82", "??"},
        {"\xf0\x9d\x84z", "???z"},
        {"\xc0\xaf", "??"},
        {"\xed\xa0\x80", "???"},
        {"\xf4\x90\x80\x80", "????"},
        {"a\xff\xfez", "a??z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_error error = HG_ERROR_INIT;
        (void)hg_fail(&error, HG_NOT_FOUND, "%s", cases[i].quoted);
        assert_string_equal(error.message, cases[i].message);
    }
    struct hg_error error = HG_ERROR_INIT;
    (void)hg_fail(&error, HG_NOT_FOUND, "a%.3s", "éé");
    assert_string_equal(error.message, "aé?");
    char accents[401];
    for (size_t i = 0; i < 400; i += 2) {
        memcpy(accents + i, "é", 2);
    }
    accents[400] = '\0';
    (void)hg_fail(&error, HG_NOT_FOUND, "%s", accents);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_int_equal(error.message[sizeof error.message - 2], '?');
    (void)hg_error_prefix(&error, "p");
    assert_memory_equal(error.message, "p: é", 5);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_table),
        cmocka_unit_test(prefix_keeps_status),
        cmocka_unit_test(messages_are_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
