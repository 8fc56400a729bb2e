/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures in native code: lanes and messages are those of the reference executor, wherever in a
 * vector they are found and in whatever parts the launch runs.
 */
#include "support.h"

/* The lowest zero divisor is named, also where another instruction divides by a lower one later in
 * the same vector, and for whatever order of parts. */
static void lowest_division(void **state)
{
    (void)state;
    struct hg_program *program = program_of(
        "loop.blocks @e\nldg.i32 r1, [b0 + lane]\nldg.i32 r2, [b1 + lane]\ndiv.i32 r3, r1, r2\n"
        "div.i32 r4, r2, r1\nadd.i32 r3, r3, r4\nstg.i32 [b2 + lane], r3\ne:\nexit\n");
    struct region memory[3];
    for (unsigned i = 0; i < 3; i++) {
        memory[i] = region_new(40000, 0);
        for (unsigned e = 0; e < 10000; e++) {
            set_element(memory[i].data, HG_I32, e, 5);
        }
    }
    set_element(memory[1].data, HG_I32, 7004, 0);
    set_element(memory[0].data, HG_I32, 7002, 0);
    set_element(memory[1].data, HG_I32, 9000, 0);
    for (unsigned workers = 0; workers < 4; workers++) {
        struct hg_error messages[2] = {HG_ERROR_INIT, HG_ERROR_INIT};
        for (unsigned executor = 0; executor < 2; executor++) {
            struct hg_launch launch = launch_of(program, 1, 10000);
            launch.executor = executor == 0 ? HG_EXECUTOR_NATIVE : HG_EXECUTOR_REFERENCE;
            for (unsigned i = 0; i < 3; i++) {
                launch_bind(&launch, &memory[i], i == 2);
            }
            enum hg_status status = workers == 0
                                        ? hg_exec_launch(&launch, &messages[executor])
                                        : run_in_parts(&launch, workers, &messages[executor]);
            assert_int_equal(status, HG_INVALID_ARGUMENT);
        }
        assert_string_equal(messages[0].message, messages[1].message);
        assert_non_null(strstr(messages[0].message, "7002"));
    }
    for (unsigned i = 0; i < 3; i++) {
        region_free(&memory[i]);
    }
    hg_program_unref(&program);
}

/* The same for offsets: one that is a byte too far, in a later instruction, at a lower lane. */
static void lowest_offset(void **state)
{
    (void)state;
    static const char *const types[] = {"u8", "u16", "f32", "f64"};
    struct region memory[4];
    for (unsigned i = 0; i < 4; i++) {
        memory[i] = region_new(80000, 0);
        memset(memory[i].data, 0, 80000);
    }
    set_element(memory[0].data, HG_U64, 7004, UINT64_C(1) << 60);
    set_element(memory[0].data, HG_U64, 9000, 80000);
    for (unsigned way = 0; way < 32; way++) {
        const char *t = types[way / 8];
        set_element(memory[1].data, HG_U64, 7002, 80001 - (1u << way / 8));
        char text[256];
        snprintf(text, sizeof text,
                 "loop.blocks @e\nldg.u64 r1, [b0 + lane]\nldg.u64 r2, [b1 + lane]\n"
                 "ldg.%s r3, [b2 + r1]\nldg.%s r4, [b2 + r2]\nmax.%s r3, r3, r4\n"
                 "stg.%s [b3 + lane], r3\ne:\nexit\n",
                 t, t, t, t);
        struct hg_program *program = program_of(text);
        hg_cpu_limit(way % 2 == 0 ? HG_ISA_AVX512 : HG_ISA_AVX2);
        struct hg_error messages[2] = {HG_ERROR_INIT, HG_ERROR_INIT};
        for (unsigned executor = 0; executor < 2; executor++) {
            struct hg_launch launch = launch_of(program, 1, 10000);
            launch.executor = executor == 0 ? HG_EXECUTOR_NATIVE : HG_EXECUTOR_REFERENCE;
            for (unsigned i = 0; i < 4; i++) {
                launch_bind(&launch, &memory[i], i == 3);
            }
            enum hg_status status = way / 2 % 4 == 0
                                        ? hg_exec_launch(&launch, &messages[executor])
                                        : run_in_parts(&launch, way / 2 % 4, &messages[executor]);
            assert_int_equal(status, HG_OUT_OF_RANGE);
        }
        assert_string_equal(messages[0].message, messages[1].message);
        assert_non_null(strstr(messages[0].message, "7002"));
        hg_program_unref(&program);
    }
    hg_cpu_limit(HG_ISA_AVX512);
    for (unsigned i = 0; i < 4; i++) {
        region_free(&memory[i]);
    }
}

/* A loop's fuel is counted before it runs: too much of it fails as it does elsewhere. */
static void fuel(void **state)
{
    (void)state;
    struct hg_program *program = program_of(
        "mov_imm.u32 r1, 10\nldg.f32 r2, [b0 + lane]\nloop r1, @e\nadd.f32 r2, r2, r2\ne:\n"
        "stg.f32 [b1 + lane], r2\nexit\n");
    struct region memory[2] = {region_new(400, 0), region_new(400, 0)};
    for (unsigned given = 8; given < 12; given++) {
        struct hg_error messages[2] = {HG_ERROR_INIT, HG_ERROR_INIT};
        enum hg_status statuses[2];
        for (unsigned executor = 0; executor < 2; executor++) {
            struct hg_launch launch = launch_of(program, 1, 100);
            launch.executor = executor == 0 ? HG_EXECUTOR_NATIVE : HG_EXECUTOR_REFERENCE;
            launch.fuel = given;
            launch_bind(&launch, &memory[0], false);
            launch_bind(&launch, &memory[1], true);
            statuses[executor] = hg_exec_launch(&launch, &messages[executor]);
        }
        assert_int_equal(statuses[0], given < 10 ? HG_RESOURCE_EXHAUSTED : HG_OK);
        assert_int_equal(statuses[0], statuses[1]);
        assert_string_equal(messages[0].message, messages[1].message);
    }
    region_free(&memory[0]);
    region_free(&memory[1]);
    hg_program_unref(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_division),
        cmocka_unit_test(lowest_offset),
        cmocka_unit_test(fuel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
