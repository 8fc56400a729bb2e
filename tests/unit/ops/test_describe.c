/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/isa/limits.h"
#include "lib/ops/build.h"
#include "lib/ops/describe.h"

static struct hg_key product(void)
{
    struct hg_key key;
    hg_key_init(&key);
    key.cache = HG_CACHE_GEMM;
    key.form = HG_PROGRAM_LOOP;
    key.policy = HG_KEY_FUSED;
    for (unsigned i = 0; i < 3; i++) {
        key.type[i] = HG_BF16;
        key.mode[i] = i < 2 ? HG_OPERAND_MATRIX : HG_OPERAND_LANE;
    }
    key.structure = HG_STRUCTURE_TRANS_B | HG_STRUCTURE_IMMEDIATE;
    key.size[0] = 16;
    key.size[1] = 8;
    key.size[2] = 4;
    return key;
}

static const char *text_of(const struct hg_key *key, bool with_values, const char *name)
{
    static struct hg_key_field fields[HG_KEY_FIELDS_MAX];
    uint32_t count = hg_key_describe(key, with_values, fields);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return fields[i].text;
        }
    }
    return "";
}

/* Every field that says something is there in words, and no other. */
static void fields_say_what_is_baked(void **state)
{
    (void)state;
    struct hg_key key = product();
    struct hg_key_field fields[HG_KEY_FIELDS_MAX];
    assert_int_equal(hg_key_describe(&key, true, fields), 7);
    assert_string_equal(text_of(&key, true, "form"), "loop");
    assert_string_equal(text_of(&key, true, "policy"), "structure, fused");
    assert_string_equal(text_of(&key, true, "operand 0"), "bf16, matrix");
    assert_string_equal(text_of(&key, true, "structure"), "B transposed, sizes baked");
    assert_string_equal(text_of(&key, true, "sizes"), "16, 8, 4, 0");
    char text[HG_KEY_SUMMARY_MAX];
    assert_string_equal(hg_key_summary(&key, text),
                        "bf16[matrix] bf16[matrix] bf16[lane]; loop, B transposed, sizes baked");
}

/* Boundary classes are numbers of classes; handles and constants are shown only with values. */
static void values_need_permission(void **state)
{
    (void)state;
    struct hg_key key = product();
    assert_false(hg_key_bakes_values(&key));
    key.form = HG_PROGRAM_LOOP_PHI;
    key.operand[1] = 7 * HG_CLASS_BYTES;
    assert_false(hg_key_bakes_values(&key));
    assert_string_equal(text_of(&key, false, "operand 1"), "bf16, matrix, class 7");
    key.form = HG_PROGRAM_LOOP;
    key.policy = HG_KEY_FULL;
    key.operand[1] = 0xabc;
    assert_true(hg_key_bakes_values(&key));
    assert_string_equal(text_of(&key, false, "operand 1"), "bf16, matrix");
    assert_string_equal(text_of(&key, true, "operand 1"), "bf16, matrix, handle 0xabc");
    key = product();
    key.constant[1] = 255;
    assert_true(hg_key_bakes_values(&key));
    assert_string_equal(text_of(&key, false, "constant 1"), "");
    assert_string_equal(text_of(&key, true, "constant 1"), "0xff");
}

/* A program that is known by its content shows the digest and the size, to who may see it. */
static void digests_are_shown_as_such(void **state)
{
    (void)state;
    struct hg_key key;
    hg_key_init(&key);
    key.cache = HG_CACHE_USER;
    memset(key.operand, 0xa5, sizeof key.operand);
    key.constant[0] = 321;
    assert_true(hg_key_bakes_values(&key));
    assert_string_equal(text_of(&key, true, "sha256"),
                        "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");
    assert_string_equal(text_of(&key, true, "size"), "321 bytes");
    assert_string_equal(text_of(&key, false, "sha256"), "");
}

/* A key of any bytes whatever is described without harm, within the texts' bounds. */
static void any_bytes_are_described(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        struct hg_key key;
        struct hg_key_field fields[HG_KEY_FIELDS_MAX];
        char text[HG_KEY_SUMMARY_MAX];
        memset(&key, (int)value, sizeof key);
        uint32_t count = hg_key_describe(&key, true, fields);
        assert_in_range(count, 2, HG_KEY_FIELDS_MAX);
        for (uint32_t i = 0; i < count; i++) {
            assert_in_range(strlen(fields[i].text), 1, HG_KEY_FIELD_TEXT_MAX - 1);
        }
        assert_in_range(strlen(hg_key_summary(&key, text)), 1, HG_KEY_SUMMARY_MAX - 1);
    }
}

/* The caches that count only without fusion are those of the composites' sub-programs. */
static void caches_are_found(void **state)
{
    (void)state;
    unsigned unfused = 0;
    for (unsigned id = 0; id < HG_CACHE_COUNT; id++) {
        unfused += hg_cache_is_unfused((enum hg_cache_id)id);
        assert_int_equal(hg_cache_find(hg_cache_name((enum hg_cache_id)id)), id);
    }
    assert_int_equal(unfused, 15);
    assert_true(hg_cache_is_unfused(HG_CACHE_BCE_FINAL));
    assert_false(hg_cache_is_unfused(HG_CACHE_VECTOR_ADD));
    assert_int_equal(hg_cache_find("vector"), HG_CACHE_COUNT);
    assert_int_equal(hg_cache_find(""), HG_CACHE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_say_what_is_baked),  cmocka_unit_test(values_need_permission),
        cmocka_unit_test(digests_are_shown_as_such), cmocka_unit_test(any_bytes_are_described),
        cmocka_unit_test(caches_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
