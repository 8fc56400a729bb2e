/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every operation runs as native code: each program of each operation and type, in every form and
 * structure, has a function for each of its regions, at both levels and in both floating-point
 * modes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/native/arena.h"
#include "lib/native/native.h"
#include "lib/ops/build.h"
#include "tests/ops/op_visit.h"

/* The number of regions without code; 1 if the program has none at all. */
static unsigned missing(const struct hg_native_code *code)
{
    unsigned count = code == NULL;
    for (uint32_t i = 0; code != NULL && i < code->region_count; i++) {
        const struct hg_native_region *region = &code->regions[i];
        count += region->run == NULL && region->product != HG_NATIVE_TILES;
    }
    return count;
}

static void check_step(const struct hg_plan_step *step, void *context)
{
    unsigned *programs = context;
    const struct hg_key *key = &step->key;
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_op_build(key, &program, &error), HG_OK);
    for (unsigned way = 0; way < 4; way++) {
        enum hg_isa_level level = way % 2 == 0 ? HG_ISA_AVX2 : HG_ISA_AVX512;
        enum hg_fp_mode mode = way < 2 ? HG_FP_IEEE : HG_FP_FTZ;
        struct hg_native_code *code = NULL;
        assert_int_equal(hg_native_compile(program, level, mode, &code), HG_OK);
        if (missing(code) != 0) {
            fail_msg("%s: %s of %s, form %u, structure %x: %u regions have no code",
                     hg_isa_level_name(level), hg_cache_name((enum hg_cache_id)key->cache),
                     hg_dtype_name((enum hg_dtype)key->type[0]), key->form, key->structure,
                     missing(code));
        }
        hg_native_destroy(&code);
    }
    (*programs)++;
    hg_program_unref(&program);
}

static void operations(void **state)
{
    (void)state;
    if (hg_code_arena_shared() == NULL) {
        skip();
    }
    unsigned programs = 0;
    visit_all(check_step, &programs);
    assert_true(programs > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(operations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
