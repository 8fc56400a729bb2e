/* SPDX-License-Identifier: Apache-2.0 */
/* Levels are detected, named and capped; the floating-point mode does what it says. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/cpu.h"

/* Names and levels are inverses, and other names are refused. */
static void level_names_are_inverses(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HG_ISA_LEVEL_COUNT; i++) {
        enum hg_isa_level level = HG_ISA_LEVEL_COUNT;
        assert_true(hg_isa_level_parse(hg_isa_level_name((enum hg_isa_level)i), &level));
        assert_int_equal(level, i);
    }
    enum hg_isa_level level = HG_ISA_AVX2;
    assert_false(hg_isa_level_parse("avx1024", &level));
    assert_false(hg_isa_level_parse("", &level));
    assert_int_equal(level, HG_ISA_AVX2);
}

#if defined(__x86_64__)

/* The compiler's run-time library sees the same CPU. */
static void detection_agrees_with_the_compiler(void **state)
{
    (void)state;
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd");
    enum hg_isa_level expected = avx512 ? HG_ISA_AVX512 : avx2 ? HG_ISA_AVX2 : HG_ISA_GENERIC;
    assert_int_equal(hg_cpu_isa_level(), expected);
    assert_int_equal(hg_cpu_has_fma(), __builtin_cpu_supports("fma") != 0);
}

#endif

/* A cap lowers the level and never raises it. */
static void limit_caps_the_level(void **state)
{
    (void)state;
    enum hg_isa_level best = hg_cpu_isa_level();
    for (unsigned cap = 0; cap < HG_ISA_LEVEL_COUNT; cap++) {
        hg_cpu_limit((enum hg_isa_level)cap);
        assert_int_equal(hg_cpu_isa_level(), cap < (unsigned)best ? cap : (unsigned)best);
    }
    assert_int_equal(hg_cpu_isa_level(), best);
}

/* There is at least one CPU, and a pause returns. */
static void count_and_relax(void **state)
{
    (void)state;
    assert_in_range(hg_cpu_count(), 1, 1u << 16);
    hg_cpu_relax();
}

/* Denormal results survive in IEEE mode; modes nest and are restored. */
static void modes_nest(void **state)
{
    (void)state;
    volatile float tiny = FLT_MIN;
    volatile float half = 0.5f;
    uint32_t outer = hg_fp_enter(HG_FP_IEEE);
    assert_true(tiny * half > 0.0f);
    uint32_t inner = hg_fp_enter(HG_FP_FTZ);
#if defined(__x86_64__)
    volatile float denormal = FLT_TRUE_MIN;
    assert_true(tiny * half == 0.0f);
    assert_true(denormal * 0x1p30f == 0.0f);
#endif
    hg_fp_restore(inner);
    assert_true(tiny * half > 0.0f);
    hg_fp_restore(outer);
    assert_true(tiny * half > 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_names_are_inverses),
#if defined(__x86_64__)
        cmocka_unit_test(detection_agrees_with_the_compiler),
#endif
        cmocka_unit_test(limit_caps_the_level),
        cmocka_unit_test(count_and_relax),
        cmocka_unit_test(modes_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
