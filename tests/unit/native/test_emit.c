/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the emitter takes on and what it leaves, how large and how repeatable its code is. That the
 * code is right is shown by tests/unit/exec, where all executors are compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/native/arena.h"
#include "lib/native/native.h"

static struct hg_program *program_of(const char *text)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_code code = {.header = {0, 0}};
    struct hg_insn *insns = NULL;
    struct hg_program *program = NULL;
    enum hg_status status =
        hg_assemble(text, strlen(text), &code.header, &insns, &code.insn_count, &error);
    if (status == HG_OK) {
        code.insns = insns;
        status = hg_program_create(&code, NULL, &program, &error);
    }
    hg_free(HG_TAG_PROGRAM, insns);
    if (status != HG_OK) {
        print_error("%s\nin\n%s\n", error.message, text);
        fail();
    }
    return program;
}

/* Whether all regions of TEXT have code for LEVEL. */
static bool is_emitted(const char *text, enum hg_isa_level level)
{
    struct hg_program *program = program_of(text);
    struct hg_native_code *code = NULL;
    assert_int_equal(hg_native_compile(program, level, HG_FP_IEEE, &code), HG_OK);
    bool all = code != NULL;
    for (uint32_t i = 0; code != NULL && i < code->region_count; i++) {
        all &= code->regions[i].run != NULL;
    }
    hg_native_destroy(&code);
    hg_program_unref(&program);
    return all;
}

/* Every computing instruction of every type has code, at both levels. */
static void every_instruction(void **state)
{
    (void)state;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const struct hg_insn_info *info = hg_insn_info((enum hg_opcode)op);
        unsigned sources = info->form == HG_FORM_MOV                                     ? 1
                           : info->form == HG_FORM_TERNARY                               ? 3
                           : info->form == HG_FORM_BINARY || info->form == HG_FORM_SHIFT ? 2
                                                                                         : 0;
        for (unsigned type = 0; sources != 0 && type < HG_DTYPE_COUNT; type++) {
            if (!hg_dtype_in((enum hg_dtype)type, info->types)) {
                continue;
            }
            const char *t = hg_dtype_name((enum hg_dtype)type);
            const char *b = info->form == HG_FORM_SHIFT ? "u32" : t;
            char text[512];
            snprintf(text, sizeof text,
                     "ldg.%s r1, [b0 + lane]\nldg.%s r2, [b1 + lane]\nldg.%s r3, [b2 + lane]\n"
                     "%s.%s r4, r1%s%s\nstg.%s [b3 + lane], r4\nexit\n",
                     t, b, t, info->text, t, sources > 1 ? ", r2" : "", sources > 2 ? ", r3" : "",
                     t);
            if (!is_emitted(text, HG_ISA_AVX512) || !is_emitted(text, HG_ISA_AVX2)) {
                print_error("%s.%s\n", info->text, t);
                fail();
            }
        }
    }
}

/* All conversions but those that must round once from more than F32 holds, to a half. */
static void every_conversion(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < HG_DTYPE_COUNT * HG_DTYPE_COUNT; pair++) {
        enum hg_dtype to = (enum hg_dtype)(pair / HG_DTYPE_COUNT);
        enum hg_dtype from = (enum hg_dtype)(pair % HG_DTYPE_COUNT);
        char text[256];
        snprintf(text, sizeof text,
                 "ldg.%s r1, [b0 + lane]\ncvt.%s.%s r2, r1\nstg.%s [b1 + lane], r2\nexit\n",
                 hg_dtype_name(from), hg_dtype_name(to), hg_dtype_name(from), hg_dtype_name(to));
        bool wide_int = hg_dtype_in(from, HG_DT_INT) && hg_dtype_bytes(from) >= 4;
        bool expected = !hg_dtype_in(to, HG_DT_HALF) || (from != HG_F64 && !wide_int);
        assert_int_equal(is_emitted(text, HG_ISA_AVX512), expected);
        assert_int_equal(is_emitted(text, HG_ISA_AVX2), expected);
    }
}

/* What has no code says so by having none: it is no error. */
static void what_is_left(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "param.u32 r1, 3\nloop r1, @e\nmov.u32 r2, r1\ne:\nexit\n",
        "mov_imm.u32 r1, 9\nseteq.u32 p0, r1, r1\nexit.p0\nstg.u32 [b1 + lane], r1\nexit\n",
        "ldg.f32 r2, [b0 + lane]\nbra @e\ne:\nstg.f32 [b1 + lane], r2\nexit\n",
        "mov_imm.f32 r2, 0\nstg.f32 [b2 + lane/3], r2\nexit\n",
        ".scratch 16384\nldg.f32 r1, [b0 + lane]\nsts.f32 [s + lane], r1\nexit\n",
        "mov.u32 r1, r252\nstg.u32 [b0 + lane], r1\nexit\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (is_emitted(texts[i], HG_ISA_AVX512)) {
            print_error("%s\n", texts[i]);
            fail();
        }
    }
    assert_true(is_emitted("mov_imm.u32 r1, 3\nldg.f32 r2, [b0 + lane]\nloop r1, @e\n"
                           "mul.f32 r2, r2, r2\ne:\nstg.f32 [b1 + lane], r2\nexit\n",
                           HG_ISA_AVX512));
    char longer[8192];
    size_t used = (size_t)snprintf(longer, sizeof longer, "ldg.f32 r1, [b0 + lane]\n");
    for (unsigned i = 0; i < 200; i++) {
        used += (size_t)snprintf(longer + used, sizeof longer - used, "add.f32 r1, r1, r1\n");
    }
    snprintf(longer + used, sizeof longer - used, "stg.f32 [b1 + lane], r1\nexit\n");
    assert_false(is_emitted(longer, HG_ISA_AVX512));
    assert_true(
        is_emitted("ldg.u32 r1, [b0 + lane]\nstg.u32 [b1 + lane], r1\nexit\n", HG_ISA_AVX2));
}

/* Code is small, the same each time, and gives its space back. */
static void size_and_space(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t bytes_max;
    } subjects[] = {
        {"ldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nadd.f32 r3, r1, r2\n"
         "stg.f32 [b2 + lane], r3\nexit\n",
         320},
        {"ldg.f32 r1, [b0 + lane]\nexp.f32 r2, r1\nstg.f32 [b1 + lane], r2\nexit\n", 448},
        {"ldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nstg.f32 [b1 + row], r2\nexit\n", 448},
    };
    struct hg_code_arena_stats before;
    struct hg_code_arena_stats after;
    hg_code_arena_read(hg_code_arena_shared(), &before);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        struct hg_program *program = program_of(subjects[i].text);
        struct hg_native_code *one;
        struct hg_native_code *two;
        assert_int_equal(hg_native_compile(program, HG_ISA_AVX512, HG_FP_IEEE, &one), HG_OK);
        assert_int_equal(hg_native_compile(program, HG_ISA_AVX512, HG_FP_IEEE, &two), HG_OK);
        assert_non_null(one);
        assert_non_null(two);
        assert_true(one->bytes <= subjects[i].bytes_max);
        assert_int_equal(one->bytes, two->bytes);
        assert_memory_equal(one->text, two->text, one->bytes);
        assert_true(hg_native_bytes(one) >= one->bytes);
        hg_native_destroy(&one);
        hg_native_destroy(&two);
        hg_program_unref(&program);
    }
    hg_code_arena_read(hg_code_arena_shared(), &after);
    assert_int_equal(after.used_bytes, before.used_bytes);
}

/* A function touches the lanes that it is given and no others, from none to several vectors. */
static void lanes_that_exist(void **state)
{
    (void)state;
    if (!hg_native_available()) {
        skip();
    }
    struct hg_program *program =
        program_of("ldg.f32 r1, [b0 + lane]\nadd.f32 r2, r1, r1\nstg.f32 [b1 + lane], r2\nexit\n");
    struct hg_native_code *code;
    assert_int_equal(hg_native_compile(program, hg_cpu_isa_level(), HG_FP_IEEE, &code), HG_OK);
    assert_non_null(code);
    for (uint64_t count = 0; count < 150; count++) {
        float in[200];
        float out[200];
        for (unsigned i = 0; i < 200; i++) {
            in[i] = (float)i;
            out[i] = -1;
        }
        struct hg_native_frame frame = {.lane = 7, .count = count};
        frame.base[0] = (uint8_t *)in;
        frame.base[1] = (uint8_t *)out;
        code->regions[0].run(&frame);
        for (unsigned i = 0; i < 200; i++) {
            assert_true(out[i] == (i >= 7 && i < 7 + count ? 2 * (float)i : -1));
        }
    }
    hg_native_destroy(&code);
    hg_program_unref(&program);
}

/* Without memory for the code object: an error, and no space lost. */
static void out_of_memory(void **state)
{
    (void)state;
    struct hg_program *program = program_of("ldg.f32 r1, [b0 + lane]\nstg.f32 [b1 + lane], r1\n");
    struct hg_native_code *code;
    hg_alloc_fault_set(0, false);
    assert_int_equal(hg_native_compile(program, HG_ISA_AVX512, HG_FP_IEEE, &code),
                     HG_RESOURCE_EXHAUSTED);
    hg_alloc_fault_clear();
    assert_null(code);
    assert_int_equal(hg_native_compile(program, HG_ISA_AVX512, HG_FP_IEEE, &code), HG_OK);
    hg_native_destroy(&code);
    hg_program_unref(&program);
}

/* Where the system gives no place for code there is nothing to show. */
static void no_place_for_code(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction), cmocka_unit_test(every_conversion),
        cmocka_unit_test(what_is_left),      cmocka_unit_test(size_and_space),
        cmocka_unit_test(lanes_that_exist),  cmocka_unit_test(out_of_memory),
    };
    const struct CMUnitTest none[] = {cmocka_unit_test(no_place_for_code)};
    if (hg_code_arena_shared() == NULL) {
        return cmocka_run_group_tests(none, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
