/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which registers may stay in operands' memory. What is checked first and used after must be
 * copied, because a client may change shared memory in between; results cannot tell, so the flags
 * are looked at themselves.
 */
#include "lib/exec/code.h"
#include "support.h"

enum { PLACE = HG_STEP_IN_PLACE, DIRECT = HG_STEP_DIRECT };

struct sample {
    const char *text;
    uint32_t index; /* of the instruction asked about */
    uint8_t flag;
    bool set;
};

static const struct sample samples[] = {
    /* Add: both loads stay, the sum goes straight to the output. */
    {"ldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nadd.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nexit\n",
     0, PLACE, true},
    {"ldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nadd.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nexit\n",
     2, DIRECT, true},
    /* The divisor is copied, the dividend need not be. */
    {"ldg.i32 r1, [b0 + lane]\nldg.i32 r2, [b1 + lane]\ndiv.i32 r3, r1, r2\n"
     "stg.i32 [b2 + lane], r3\nexit\n",
     0, PLACE, true},
    {"ldg.i32 r1, [b0 + lane]\nldg.i32 r2, [b1 + lane]\ndiv.i32 r3, r1, r2\n"
     "stg.i32 [b2 + lane], r3\nexit\n",
     1, PLACE, false},
    /* So is an offset, and a class. */
    {"ldg.u64 r1, [b0 + lane]\nldg.u8 r2, [b1 + r1]\nstg.u8 [b2 + lane], r2\nexit\n", 0, PLACE,
     false},
    {"ldg.u8 r1, [b0 + lane]\nnbr.count r2, r1\nstg.u32 [b1 + lane], r2\nexit\n", 0, PLACE, false},
    /* A use after a store may see what was stored. */
    {"ldg.i32 r1, [b0 + lane]\nadd.i32 r2, r1, r1\nstg.i32 [b1 + lane], r2\nadd.i32 r2, r2, r1\n"
     "stg.i32 [b2 + lane], r2\nexit\n",
     0, PLACE, false},
    {"ldg.i32 r1, [b0 + lane]\nadd.i32 r2, r1, r1\nstg.i32 [b1 + lane], r2\nadd.i32 r2, r2, r2\n"
     "stg.i32 [b2 + lane], r2\nexit\n",
     0, PLACE, true},
    /* A result that is wanted again, by a division even, is kept. */
    {"ldg.i32 r1, [b0 + lane]\nadd.i32 r2, r1, r1\nstg.i32 [b1 + lane], r2\ndiv.i32 r3, r1, r2\n"
     "stg.i32 [b2 + lane], r3\nexit\n",
     1, DIRECT, false},
    /* What reads several registers one after the other does not write over any of them. */
    {"ldg.i32 r1, [b0 + lane]\nldg.i32 r2, [b1 + lane]\nreduce.regs.add.i32 r3, r1, 2\n"
     "stg.i32 [b2 + lane], r3\nexit\n",
     2, DIRECT, false},
    /* Other lane modes, and programs with jumps, have copies. */
    {"ldg.f32 r1, [b0 + lane*2]\nstg.f32 [b1 + lane], r1\nexit\n", 0, PLACE, false},
    {"mov_imm.u32 r9, 2\nldg.f32 r1, [b0 + lane]\nloop r9, @e\nadd.f32 r1, r1, r1\ne:\n"
     "stg.f32 [b1 + lane], r1\nexit\n",
     1, PLACE, false},
};

static void copies(void **state)
{
    (void)state;
    struct hg_exec_code code;
    memset(&code, 0, sizeof code);
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        struct hg_program *program = program_of(samples[i].text);
        assert_int_equal(hg_exec_code_load(&code, program), HG_OK);
        bool set = (code.steps[samples[i].index].flags & samples[i].flag) != 0;
        if (set != samples[i].set) {
            print_error("sample %zu, instruction %u\n%s", i, samples[i].index, samples[i].text);
            fail();
        }
        hg_program_unref(&program);
    }
    hg_exec_code_fini(&code);
}

/* The places of a program are the registers that it uses, in order, as wide as their widest use. */
static void places(void **state)
{
    (void)state;
    struct hg_exec_code code;
    memset(&code, 0, sizeof code);
    struct hg_program *program =
        program_of("ldg.u8 r200, [b0 + lane]\ncvt.u64.u8 r7, r200\nadd.u64 r7, r7, r255\n"
                   "setlt.u64 p9, r7, r255\ncvt.u8.u64 r200, r7\nsel.u8 r3, p9, r200, r200\n"
                   "stg.u8 [b1 + lane], r3\nexit\n");
    assert_int_equal(hg_exec_code_load(&code, program), HG_OK);
    assert_int_equal(code.reg_count, 4);
    assert_int_equal(code.place_count, 5);
    static const uint8_t widths[] = {1, 8, 1, 8, 1}; /* r3 r7 r200 r255 p9 */
    assert_memory_equal(code.width, widths, sizeof widths);
    assert_int_equal(code.special[HG_REG_LANE - HG_REG_SPECIAL], 3);
    assert_int_equal(code.special[0], HG_PLACE_NONE);
    assert_int_equal(code.steps[3].dst, 4);
    assert_int_equal(code.row_array_count, 0);
    hg_program_unref(&program);
    hg_exec_code_fini(&code);
}

/* Values per row that outlive a segment have an array, two if they may be computed from themselves.
 */
static void row_arrays(void **state)
{
    (void)state;
    uint8_t arrays[HG_PLACE_MAX];
    struct hg_program *program = program_of(
        "ldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nadd.f32 r3, r2, r2\nmov.f32 r4, r3\n"
        "mov_imm.f32 r5, 1\nbar.sync\nadd.f32 r3, r3, r5\nstg.f32 [b1 + row], r3\nexit\n");
    assert_int_equal(hg_exec_row_arrays(program, arrays), 3);
    assert_int_equal(arrays[2], 1);
    assert_int_equal(arrays[3], 2);
    assert_int_equal(arrays[4], 0);
    assert_int_equal(arrays[5], 0);
    hg_program_unref(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(places),
        cmocka_unit_test(row_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
