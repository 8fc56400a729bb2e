/* SPDX-License-Identifier: Apache-2.0 */
/* What verification tells of a program: blocks, levels, slots, handles, facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/isa/support.h"

static const char softmax[] = "param.f32 r9, 3\n"
                              "loop.blocks @a\n"
                              "ldg.f32 r1, [b0 + lane]\n"
                              "reduce.max.f32 r2, r1\n"
                              "a: loop.blocks @b\n"
                              "ldg.f32 r1, [b0 + lane]\n"
                              "sub.f32 r1, r1, r2\n"
                              "div.f32 r1, r1, r9\n"
                              "exp.f32 r1, r1\n"
                              "stg.f32 [b1 + lane], r1\n"
                              "reduce.add.f32 r3, r1\n"
                              "b: loop.blocks @c\n"
                              "ldg.f32 r1, [b1 + lane]\n"
                              "div.f32 r1, r1, r3\n"
                              "stg.f32 [b1 + lane], r1\n"
                              "c:";

/* B follows the widest type that a per-lane instruction names; uniform ones do not count. */
static void block_follows_the_widest_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t lanes;
    } cases[] = {
        {"ldg.u8 r1, [b0 + lane]\nstg.u8 [b1 + lane], r1", 12288},
        {"ldg.bf16 r1, [b0 + lane]\nstg.bf16 [b1 + lane], r1", 6144},
        {"ldg.f32 r1, [b0 + lane]\nstg.f32 [b1 + lane], r1", 3072},
        {"ldg.f64 r1, [b0 + lane]\nstg.f64 [b1 + lane], r1", 1536},
        {"ldg.u8 r1, [b0 + lane]\ncvt.f64.u8 r2, r1", 1536},
        {"ldg.f64 r1, [b0 + lane]\ncvt.u8.f64 r2, r1", 1536},
        {"param.f64 r9, 3\ncvt.f32.f64 r9, r9\nldg.f32 r1, [b0 + lane]\nmul.f32 r1, r1, r9\n"
         "stg.f32 [b1 + lane], r1",
         3072},
        {"ldg.f64 r2, [b1 + row]\nldg.f32 r1, [b0 + lane]", 3072},
        {"mov_imm.f32 r1, 0\nstg.f32 [b0 + lane], r1", 3072},
        {"mov_imm.f32 r1, 0\nreduce.add.f32 r2, r1", 3072},
        {"exit", 12288},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_code_facts facts = facts_of(cases[i].text);
        assert_int_equal(facts.block_lanes, cases[i].lanes);
        struct hg_code code = code_of(cases[i].text);
        assert_int_equal(hg_block_lanes(&code), cases[i].lanes);
        release_code(&code);
    }
    struct hg_code bad = code_of("mov.f32 r1, r2");
    assert_int_equal(hg_block_lanes(&bad), 0);
    release_code(&bad);
}

/* Softmax, as the builders write it. */
static void softmax_has_its_facts(void **state)
{
    (void)state;
    struct hg_code_facts facts = facts_of(softmax);
    assert_int_equal(facts.facts, HG_FACT_LOOP_BLOCKS | HG_FACT_REDUCE);
    assert_int_equal(facts.slots_read, 3);
    assert_int_equal(facts.slots_written, 2);
    assert_int_equal(facts.slot_count, 2);
    assert_int_equal(facts.handle_count, 0);
    assert_int_equal(facts.params_read, 1 << 3);
    assert_int_equal(facts.reduce_count, 2);
    assert_int_equal(facts.segment_count, 4);
    assert_int_equal(facts.insn_count, 15);
    /* 7 of cost 1, 2 divisions, an exponential, 2 reductions */
    assert_int_equal(facts.cost, 6 + 2 * 4 + 8 + 2);
}

/* How often each instruction runs. */
static void levels_follow_operands(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *levels; /* one digit per instruction */
    } cases[] = {
        {softmax, "002202222220222"},
        {"param.f32 r1, 3\nldg.f32 r2, [b0]\nadd.f32 r3, r1, r2\nstg.f32 [b1], r3", "0000"},
        {"ldg.f32 r1, [b0 + row]\nadd.f32 r2, r1, r1\nstg.f32 [b1 + row], r2", "111"},
        {"mov_imm.f32 r1, 0\nstg.f32 [b1 + row], r1\nstg.f32 [b2 + lane], r1", "012"},
        {"mov.u64 r1, r250\nmov.u64 r2, r251\nmov.u32 r3, r254\nmov.u64 r4, r255", "1202"},
        {"ldg.f32 r1, [b0 + lane%cols]\nldg.f32 r1, [b0 + lane/cols]\nldg.f32 r1, [b0: r250]\n"
         "ldg.f32 r1, [b0: r255]",
         "2212"},
        {"seteq.u64 p0, r250, r250\nmov_imm.f32 r1, 1\nsel.f32 r2, p0, r1, r1", "101"},
        {"mov_imm.f32 r1, 1\nreduce.add.f32 r2, r1\nadd.f32 r3, r2, r1", "021"},
        {"mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\nadd.f32 r1, r1, r1", "22"},
        {"cls.get r1\nmirror r2, r1\nphase.get r3\nnbr.count r4, r1", "0000"},
        {".scratch 16384\nlds.f32 r1, [s]\nlds.f32 r1, [s + lane]", "02"},
        {"exit\nadd.f32 r1, r1, r1", "00"},
        /* In a loop the level is the highest of all iterations. */
        {"mov_imm.u32 r1, 1\nmov_imm.u32 r2, 3\nloop r2, @x\nadd.u32 r3, r1, r1\nmov.u32 r1, r252\n"
         "x:",
         "00022"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_code code = code_of(cases[i].text);
        struct hg_code_facts facts;
        struct hg_error error = HG_ERROR_INIT;
        uint8_t levels[32];
        char digits[33] = {0};
        assert_int_equal(hg_code_levels(&code, levels, &facts, &error), HG_OK);
        for (uint32_t k = 0; k < code.insn_count; k++) {
            digits[k] = (char)('0' + levels[k]);
        }
        assert_string_equal(digits, cases[i].levels);
        release_code(&code);
    }
}

/* Each fact has a program that has it and nothing else, as far as that can be. */
static void facts_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t facts;
    } cases[] = {
        {"mov_imm.f32 r1, 0\nstg.f32 [b0], r1", 0},
        {"ldg.f32 r1, [b0 + row]\nstg.f32 [b1 + row], r1", HG_FACT_ROWS},
        {"ldg.f32 r1, [b0 + lane%cols]", HG_FACT_TOP_LANES | HG_FACT_ROWS},
        {"ldg.f32 r1, [b0 + lane/3]", HG_FACT_TOP_LANES},
        {"mov_imm.f32 r1, 0\nstg.f32 [b0 + lane], r1", HG_FACT_TOP_LANES},
        {"loop.blocks @x\nmov_imm.f32 r1, 0\nstg.f32 [b0 + lane], r1\nx:", HG_FACT_LOOP_BLOCKS},
        {"mov_imm.f32 r1, 0\nreduce.add.f32 r2, r1", HG_FACT_REDUCE | HG_FACT_TOP_LANES},
        {"loop.blocks @x\nmma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\nmov.f32 r1, r1\nx:",
         HG_FACT_LOOP_BLOCKS | HG_FACT_MMA},
        {"mov_imm.u64 r1, 4\nldg.f32 r2, [b0: r1]", HG_FACT_COMPUTED | HG_FACT_CAN_FAIL},
        {"mov_imm.u64 r1, 4\nmov_imm.f32 r2, 4\nstg.f32 [b0 + r1], r2",
         HG_FACT_COMPUTED | HG_FACT_CAN_FAIL},
        {"mov_imm.f32 r2, 4\nstg.f32 [b0: r255], r2",
         HG_FACT_COMPUTED | HG_FACT_CAN_FAIL | HG_FACT_LANE_SCATTER | HG_FACT_TOP_LANES},
        {".scratch 4\nlds.f32 r1, [s]", HG_FACT_SCRATCH},
        {"mov_imm.u64 r1, 4\npool.alloc r2, r1\npool.free r2",
         HG_FACT_POOL | HG_FACT_COMPUTED | HG_FACT_CAN_FAIL},
        {"ldg.f32 r1, [Φ(1, 2, 3)]", HG_FACT_PHI},
        {"bra @x\nx: exit", HG_FACT_CONTROL},
        {"mov_imm.i32 r1, 1\ndiv.i32 r1, r1, r1", HG_FACT_CAN_FAIL},
        {"mov_imm.f32 r1, 1\ndiv.f32 r1, r1, r1", 0},
        /* A subroutine is where it is called from. */
        {"loop.blocks @x\ncall @f\nx: exit\nf: mov.u32 r1, r252\nret",
         HG_FACT_LOOP_BLOCKS | HG_FACT_CONTROL},
        {"call @f\nexit\nf: mov.u32 r1, r252\nret", HG_FACT_TOP_LANES | HG_FACT_CONTROL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_code_facts facts = facts_of(cases[i].text);
        if (facts.facts != cases[i].facts) {
            fail_msg("facts 0x%x instead of 0x%x for:\n%s", facts.facts, cases[i].facts,
                     cases[i].text);
        }
    }
}

/* Handles get slots after the declared ones, in order of first use. */
static void handles_follow_slots(void **state)
{
    (void)state;
    static const char text[] = ".slots 2\n"
                               "ldg.f32 r1, [buf7 + lane]\n"
                               "ldg.f32 r2, [buf5 + lane]\n"
                               "ldg.f32 r3, [buf7 + lane]\n"
                               "ldg.f32 r4, [b1 + lane]\n"
                               "stg.f32 [buf9 + lane], r1\n";
    struct hg_code code = code_of(text);
    uint64_t handles[HG_SLOT_COUNT_MAX];
    assert_int_equal(hg_code_handles(&code, handles), 3);
    assert_true(handles[0] == 7 && handles[1] == 5 && handles[2] == 9);
    struct hg_code_facts facts;
    assert_verifies(&code, &facts);
    assert_int_equal(facts.slot_count, 2);
    assert_int_equal(facts.handle_count, 3);
    assert_int_equal(facts.slots_read, 1 << 1 | 1 << 2 | 1 << 3);
    assert_int_equal(facts.slots_written, 1 << 4);
    release_code(&code);
    struct hg_insn insns[20] = {0};
    for (unsigned i = 0; i < 20; i++) {
        insns[i].op = HG_OP_LDG;
        insns[i].u.addr.slot = HG_SLOT_HANDLE;
        insns[i].u.addr.handle = i;
    }
    code = (struct hg_code){{0, 0}, insns, 16};
    assert_int_equal(hg_code_handles(&code, handles), 16);
    code.insn_count = 20;
    assert_int_equal(hg_code_handles(&code, handles), 17);
}

/* Registers that hold a value per row when a segment ends: results of REDUCE and from them. */
static void row_registers_are_counted(void **state)
{
    (void)state;
    assert_int_equal(
        facts_of("mov_imm.f32 r1, 0\nreduce.add.f32 r2, r1\nreduce.max.f32 r3, r1").reduce_count,
        2);
    assert_int_equal(facts_of("mov_imm.f32 r1, 0\nreduce.add.f32 r2, r1\nadd.f32 r3, r2, r2\n"
                              "bar.sync\nstg.f32 [b0 + row], r3")
                         .reduce_count,
                     2);
    assert_int_equal(facts_of("ldg.f32 r1, [b0 + row]\nstg.f32 [b1 + row], r1").reduce_count, 0);
    assert_int_equal(
        facts_of("mov_imm.f32 r1, 0\nreduce.add.f32 r2, r1\nbar.sync\nreduce.add.f32 r3, r1\n"
                 "reduce.add.f32 r2, r1")
            .reduce_count,
        2);
}

/* Cost grows with what is costly, and never is 0. */
static void cost_is_estimated(void **state)
{
    (void)state;
    assert_int_equal(facts_of("exit").cost, 1);
    uint32_t add = facts_of("ldg.f32 r1, [b0 + lane]\nadd.f32 r1, r1, r1").cost;
    static const char *const product = "mma.f32 r1, [b0], [b1], m=2, n=2, k=33, lda=33, ldb=2\n"
                                       "add.f32 r1, r1, r1";
    assert_int_equal(facts_of(product).mma_cost, 33);
    assert_int_equal(facts_of("ldg.f32 r1, [b0 + lane]").mma_cost, 0);
    assert_int_equal(add, 2);
    assert_int_equal(facts_of("ldg.f32 r1, [b0 + lane]\nadd.f32 r1, r1, r1").row_cost_bits, 0);
    assert_int_equal(facts_of("ldg.f64 r1, [b0 + row]\npow.f64 r2, r1, r1\npow.f64 r2, r2, r1\n"
                              "mov_imm.u64 r3, 5\nstg.f64 [b1 + row], r2")
                         .row_cost_bits,
                     8); /* 164 */
    assert_int_equal(facts_of("ldg.f64 r1, [b0 + lane]\nadd.f64 r1, r1, r1").cost, 2 * add);
    assert_int_equal(facts_of("ldg.f32 r1, [b0 + lane]\npow.f32 r1, r1, r1").cost, 41);
    assert_int_equal(facts_of("ldg.f32 r1, [b0 + lane]\nmov_imm.u32 r2, 9\nloop r2, @x\n"
                              "add.f32 r1, r1, r1\nx:")
                         .cost,
                     9);
    assert_int_equal(
        facts_of("mma.f32 r1, [b0], [b1], m=2, n=2, k=33, lda=33, ldb=2\nadd.f32 r1, r1, r1").cost,
        34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_follows_the_widest_type),
        cmocka_unit_test(softmax_has_its_facts),
        cmocka_unit_test(levels_follow_operands),
        cmocka_unit_test(facts_are_found),
        cmocka_unit_test(handles_follow_slots),
        cmocka_unit_test(row_registers_are_counted),
        cmocka_unit_test(cost_is_estimated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
