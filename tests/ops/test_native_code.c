/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every operation runs as native code: each program of each operation and type, in every form and
 * structure, has a function for each of its regions, at both levels, but for a short list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/native/arena.h"
#include "lib/native/native.h"
#include "lib/ops/build.h"
#include "tests/ops/op_visit.h"

enum { AVX2 = 1u << HG_ISA_AVX2, AVX512 = 1u << HG_ISA_AVX512 };

/* What is left to the block executor, and why: only regions that start with a product. */
static const struct exception {
    const char *why;
    unsigned levels;
    uint32_t types; /* of the product's operands */
    uint8_t flags;  /* HG_MMA_* that it has */
} exceptions[] = {
    {"a dot product has the order of a reduction", AVX2 | AVX512, HG_DT_FLOAT, HG_MMA_ORDER_DOT},
};

/* Regions that were left for each reason. */
static unsigned met[HG_ARRAY_COUNT(exceptions)];

static struct hg_insn insn_at(const struct hg_program *program, uint32_t index)
{
    struct hg_insn insn = {0};
    uint32_t position = 0;
    for (uint32_t i = 0; i <= index; i++) {
        assert_int_equal(hg_insn_unpack(program->words, program->word_count, &position, &insn),
                         HG_OK);
    }
    return insn;
}

static bool is_exception(const struct hg_program *program, uint32_t start, unsigned level)
{
    struct hg_insn insn = insn_at(program, start);
    for (size_t i = 0; insn.op == HG_OP_MMA && i < HG_ARRAY_COUNT(exceptions); i++) {
        const struct exception *exception = &exceptions[i];
        if ((exception->levels >> level & 1u) != 0 &&
            hg_dtype_in((enum hg_dtype)insn.type, exception->types) &&
            (insn.u.mma.flags & exception->flags) == exception->flags) {
            met[i]++;
            return true;
        }
    }
    return false;
}

static void check_region(const struct hg_program *program, const struct hg_native_region *region,
                         unsigned level)
{
    if (region->run == NULL && region->product != HG_NATIVE_TILES &&
        !is_exception(program, region->start, level)) {
        print_error("%s: %s of %s, form %u, structure %x: instruction %u starts no code\n",
                    hg_isa_level_name((enum hg_isa_level)level),
                    hg_cache_name((enum hg_cache_id)program->key.cache),
                    hg_dtype_name((enum hg_dtype)program->key.type[0]), program->key.form,
                    program->key.structure, region->start);
        fail();
    }
}

static void check_step(const struct hg_plan_step *step, void *context)
{
    unsigned *regions = context;
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_op_build(&step->key, &program, &error), HG_OK);
    for (unsigned way = 0; way < 4; way++) {
        unsigned level = way % 2 == 0 ? HG_ISA_AVX2 : HG_ISA_AVX512;
        enum hg_fp_mode mode = way < 2 ? HG_FP_IEEE : HG_FP_FTZ;
        struct hg_native_code *code = NULL;
        assert_int_equal(hg_native_compile(program, (enum hg_isa_level)level, mode, &code), HG_OK);
        if (code == NULL) {
            const bool loop = insn_at(program, 0).op == HG_OP_LOOP_BLOCKS;
            check_region(program, &(struct hg_native_region){.start = loop ? 1 : 0}, level);
            continue;
        }
        for (uint32_t i = 0; i < code->region_count; i++) {
            check_region(program, &code->regions[i], level);
            regions[level]++;
        }
        hg_native_destroy(&code);
    }
    hg_program_unref(&program);
}

static void operations(void **state)
{
    (void)state;
    if (hg_code_arena_shared() == NULL) {
        skip();
    }
    unsigned regions[HG_ISA_LEVEL_COUNT] = {0};
    visit_all(check_step, regions);
    assert_true(regions[HG_ISA_AVX2] > 10000 && regions[HG_ISA_AVX512] > 10000);
    for (size_t i = 0; i < HG_ARRAY_COUNT(exceptions); i++) {
        if (met[i] == 0) {
            print_error("not true any more: %s\n", exceptions[i].why);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(operations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
