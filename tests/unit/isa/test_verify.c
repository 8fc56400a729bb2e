/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule of verification, broken once, with the exact error; and what each still allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/isa/support.h"

struct refusal {
    const char *text;
    const char *message;
};

static void check_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_refused(cases[i].text, cases[i].message);
    }
}

static void check_accepted(const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)facts_of(texts[i]);
    }
}

#define CHECK_REFUSALS(cases) check_refusals(cases, sizeof(cases) / sizeof(cases)[0])
#define CHECK_ACCEPTED(cases) check_accepted(cases, sizeof(cases) / sizeof(cases)[0])

/* What registers and predicates hold where they are read. */
static void reads_are_typed(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"mov.f32 r1, r2", "instruction 0 (mov): r2 is read before it is written"},
        {"mov_imm.f32 r1, 1\nadd.i32 r2, r1, r1", "instruction 1 (add): r1 is f32 here, not i32"},
        {"mov_imm.f32 r1, 1\nsel.f32 r2, p3, r1, r1",
         "instruction 1 (sel): p3 is read before it is written"},
        {"mov_imm.u64 r1, 1\nmov_imm.u64 r2, 1\nshl.u64 r3, r1, r2",
         "instruction 2 (shl): r2 is u64 here, not u32"},
        {"mov_imm.u32 r1, 1\nldg.f32 r2, [b0 + r1 + lane]",
         "instruction 1 (ldg): r1 is u32 here, not u64"},
        {"mov_imm.f32 r2, 1\nreduce.regs.add.f32 r1, r1, 2",
         "instruction 1 (reduce.regs.add): r1 is read before it is written"},
        {"mov.u32 r1, r255", "instruction 0 (mov): r255 is u64 here, not u32"},
        /* Different types on two ways, or a write on one way only. */
        {"mov_imm.u32 r1, 1\nseteq.u32 p0, r1, r1\nmov_imm.f32 r2, 1\nbra.p0 @x\n"
         "mov_imm.i32 r2, 1\nx: mov.f32 r3, r2",
         "instruction 5 (mov): r2 holds different types on different ways here"},
        {"mov_imm.u32 r1, 1\nseteq.u32 p0, r1, r1\nbra.p0 @x\nmov_imm.f32 r2, 1\n"
         "x: mov.f32 r3, r2",
         "instruction 4 (mov): r2 is read before it is written"},
        {"mov_imm.u32 r1, 1\nloop r1, @x\nmov_imm.f32 r2, 1\nx: mov.f32 r3, r2",
         "instruction 3 (mov): r2 is read before it is written"},
        {"mov_imm.u32 r1, 1\nmov_imm.f32 r2, 1\nloop r1, @x\nmov.f32 r3, r2\n"
         "mov_imm.i32 r2, 1\nx: exit",
         "instruction 3 (mov): r2 holds different types on different ways here"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        /* A register may change its type, and be written on both ways. */
        "mov_imm.f32 r1, 1\nmov_imm.i32 r1, 1\nadd.i32 r1, r1, r1",
        ("mov_imm.u32 r1, 1\nseteq.u32 p0, r1, r1\nbra.p0 @x\nmov_imm.f32 r2, 1\nbra @y\n"
         "x: mov_imm.f32 r2, 2\ny: mov.f32 r3, r2"),
        "reduce.regs.add.f32 r1, r2, 0",
        "bra @x\nmov.f32 r1, r2\nx: exit",
    };
    CHECK_ACCEPTED(accepted);
}

/* Control flow and what works on the block as a whole need launch-uniform operands. */
static void control_is_uniform(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"ldg.u32 r1, [b0 + lane]\nseteq.u32 p0, r1, r1\nbra.p0 @x\nx: exit",
         "instruction 2 (bra): p0 is per-lane and must be launch-uniform"},
        {"ldg.u32 r1, [b0 + row]\nseteq.u32 p0, r1, r1\nexit.p0",
         "instruction 2 (exit): p0 is row-uniform and must be launch-uniform"},
        {"ldg.u32 r1, [b0 + lane]\nloop r1, @x\nmov_imm.u32 r2, 1\nx: exit",
         "instruction 1 (loop): r1 is per-lane and must be launch-uniform"},
        {"mov_imm.i32 r1, 1\nloop r1, @x\nmov_imm.u32 r2, 1\nx: exit",
         "instruction 1 (loop): r1 is i32 here, not u32"},
        {"pool.alloc r1, r255", "instruction 0 (pool.alloc): r255 is per-lane and must be "
                                "launch-uniform"},
        {"ldg.u64 r1, [b0 + lane]\npool.free r1",
         "instruction 1 (pool.free): r1 is per-lane and must be launch-uniform"},
        {"mov_imm.u64 r2, 0\npool.load.f32 r1, r255, r2",
         "instruction 1 (pool.load): r255 is per-lane and must be launch-uniform"},
        {"phase.adv r252", "instruction 0 (phase.adv): r252 is per-lane and must be "
                           "launch-uniform"},
        /* A level rises around a loop. */
        {"mov_imm.u32 r1, 2\nmov_imm.u32 r2, 1\nloop r1, @x\nseteq.u32 p0, r2, r2\nbra.p0 @y\n"
         "y: mov.u32 r2, r252\nx: exit",
         "instruction 4 (bra): p0 is per-lane and must be launch-uniform"},
    };
    CHECK_REFUSALS(cases);
}

/* Lanes that share an address store one value. */
static void shared_stores_are_uniform(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"ldg.f32 r1, [b0 + lane]\nstg.f32 [b1], r1",
         "instruction 1 (stg): r1 is per-lane, but lanes share its address: it must be "
         "launch-uniform"},
        {"ldg.f32 r1, [b0 + row]\nstg.f32 [b1], r1",
         "instruction 1 (stg): r1 is row-uniform, but lanes share its address: it must be "
         "launch-uniform"},
        {"ldg.f32 r1, [b0 + lane]\nstg.f32 [b1 + row], r1",
         "instruction 1 (stg): r1 is per-lane, but lanes share its address: it must be "
         "row-uniform"},
        {"ldg.f32 r1, [b0 + lane]\nstg.f32 [b1 + lane/cols], r1",
         "instruction 1 (stg): r1 is per-lane, but lanes share its address: it must be "
         "row-uniform"},
        {"ldg.f32 r1, [b0 + row]\nstg.f32 [b1 + lane/4], r1",
         "instruction 1 (stg): r1 is row-uniform, but lanes share its address: it must be "
         "launch-uniform"},
        {"ldg.f32 r1, [b0 + row]\nstg.f32 [b1 + lane%cols], r1",
         "instruction 1 (stg): r1 is row-uniform, but lanes share its address: it must be "
         "launch-uniform"},
        {"mov_imm.u64 r2, 0\nldg.f32 r1, [b0 + lane]\nstg.f32 [b1: r2], r1",
         "instruction 2 (stg): r1 is per-lane, but lanes share its address: it must be "
         "launch-uniform"},
        {".scratch 64\nldg.f32 r1, [b0 + lane]\nsts.f32 [s], r1",
         "instruction 1 (sts): r1 is per-lane, but lanes share its address: it must be "
         "launch-uniform"},
        {"mov_imm.u64 r1, 64\npool.alloc r2, r1\nmov_imm.u64 r1, 0\npool.store.u64 r2, r1, r255",
         "instruction 3 (pool.store): r255 is per-lane, but lanes share its address: it must be "
         "launch-uniform"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "mov_imm.f32 r1, 1\nstg.f32 [b1], r1",
        "mov_imm.f32 r1, 1\nstg.f32 [b1 + lane%cols], r1",
        "ldg.f32 r1, [b0 + row]\nstg.f32 [b1 + row], r1",
        "ldg.f32 r1, [b0 + row]\nstg.f32 [b1 + lane/cols], r1",
        "ldg.f32 r1, [b0 + lane]\nstg.f32 [b1 + lane*3], r1",
        "ldg.f32 r1, [b0 + lane]\nstg.f32 [b1: r255], r1",
    };
    CHECK_ACCEPTED(accepted);
}

/* Per-lane values end with their segment, uniform ones and REDUCE results go on. */
static void segments_end_lanes(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"ldg.f32 r1, [b0 + lane]\nbar.sync\nmov.f32 r2, r1",
         "instruction 2 (mov): r1 is a per-lane value of an earlier segment"},
        {"ldg.f32 r1, [b0 + lane]\nmemfence\nmov.f32 r2, r1",
         "instruction 2 (mov): r1 is a per-lane value of an earlier segment"},
        {"ldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nadd.f32 r3, r1, r2",
         "instruction 2 (add): r1 is a per-lane value of an earlier segment"},
        {"setltu.u32 p0, r252, r252\nbar.sync\nmov_imm.f32 r1, 1\nsel.f32 r1, p0, r1, r1",
         "instruction 3 (sel): p0 is a per-lane value of an earlier segment"},
        {"ldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nreduce.max.f32 r3, r2",
         "instruction 2 (reduce.max): r2 comes from a reduce and is readable in later segments "
         "only"},
        {"ldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nreduce.max.f32 r2, r1",
         "instruction 2 (reduce.max): r2 is the destination of two in one segment"},
        {"ldg.f32 r1, [b0 + lane]\nloop.blocks @x\nmov.f32 r2, r1\nx: exit",
         "instruction 2 (mov): r1 is a per-lane value of an earlier segment"},
        {"loop.blocks @x\nmov_imm.f32 r1, 1\nx: mov.f32 r2, r1",
         "instruction 2 (mov): r1 is written in a body of loop.blocks and ends with each "
         "iteration"},
        /* A value from before the loop that its body overwrites. */
        {"mov_imm.f32 r1, 1\nloop.blocks @x\nadd.f32 r1, r1, r1\nx: exit",
         "instruction 2 (add): r1 is written in a body of loop.blocks and ends with each "
         "iteration"},
        {"mov_imm.u32 r1, 1\nloop.blocks @x\ncall @f\nx: mov.u32 r2, r1\nexit\n"
         "f: mov_imm.u32 r1, 2\nret",
         "instruction 3 (mov): r1 is written in a body of loop.blocks and ends with each "
         "iteration"},
        {"loop.blocks @x\nmov_imm.u32 r1, 1\nseteq.u32 p1, r1, r1\nx: exit.p1",
         "instruction 3 (exit): p1 is written in a body of loop.blocks and ends with each "
         "iteration"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "param.f32 r1, 3\nbar.sync\nmov.f32 r2, r1",
        ("ldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nreduce.max.f32 r3, r1\n"
         "add.f32 r4, r2, r3\nstg.f32 [b1 + row], r4"),
        ("loop.blocks @x\nldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nx: "
         "stg.f32 [b1 + row], r2"),
        ("param.f32 r9, 3\nloop.blocks @x\nldg.f32 r1, [b0 + lane]\nmul.f32 r1, r1, r9\n"
         "stg.f32 [b1 + lane], r1\nx: loop.blocks @y\nldg.f32 r1, [b1 + lane]\n"
         "mul.f32 r1, r1, r9\nstg.f32 [b1 + lane], r1\ny:"),
    };
    CHECK_ACCEPTED(accepted);
}

/* Where what ends segments may stand. */
static void cross_lane_stands_outside(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"mov_imm.u32 r1, 1\nloop r1, @x\nmov_imm.u32 r2, 1\nbar.sync\nx: exit",
         "instruction 3 (bar.sync): stands in the body of loop at instruction 1"},
        {"loop.blocks @x\nmov_imm.u32 r1, 1\nloop r1, @x\nmov_imm.u32 r2, 1\nmemfence\nx: exit",
         "instruction 4 (memfence): stands in the body of loop at instruction 2"},
        {"loop.blocks @x\nbar.sync\nmov_imm.u32 r1, 1\nx: exit",
         "instruction 1 (bar.sync): does not stand at the end of its loop.blocks body"},
        {"loop.blocks @x\nldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nbar.sync\nx: exit",
         "instruction 2 (reduce.add): does not stand at the end of its loop.blocks body"},
        {"call @f\nexit\nf: bar.sync\nret", "instruction 2 (bar.sync): stands in a subroutine"},
        {"call @f\nexit\nf: loop.blocks @x\nmov_imm.u32 r1, 1\nx: ret",
         "instruction 2 (loop.blocks): stands in a subroutine"},
        {"call @f\nexit\nf: mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\nret",
         "instruction 2 (mma): is not the first of its segment"},
        {"call @f\nbar.sync\nexit\nmemfence\n"
         "f: mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\nret",
         "instruction 4 (mma): stands in a subroutine"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "loop.blocks @x\nldg.f32 r1, [b0 + lane]\nbar.sync\nx: exit",
        "loop.blocks @x\nldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nreduce.min.f32 r3, r1\nx:",
    };
    CHECK_ACCEPTED(accepted);
}

/* Bodies nest, loops over blocks do not, and no branch crosses a border. */
static void bodies_are_closed(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"loop.blocks @x\nx: exit", "instruction 0 (loop.blocks): its body is empty"},
        {"x: mov_imm.u32 r1, 1\nloop r1, @x\nexit", "instruction 1 (loop): its body is empty"},
        {"loop.blocks @x\nloop.blocks @y\nmov_imm.u32 r1, 1\ny: mov_imm.u32 r1, 1\nx: exit",
         "instruction 1 (loop.blocks): stands in the body of instruction 0"},
        {"mov_imm.u32 r1, 1\nloop r1, @x\nloop.blocks @x\nmov_imm.u32 r2, 1\nx: exit",
         "instruction 2 (loop.blocks): stands in the body of instruction 1"},
        {"mov_imm.u32 r1, 1\nloop r1, @x\nloop r1, @y\nmov_imm.u32 r2, 1\nx: exit\ny: exit",
         "instruction 2 (loop): its body reaches out of that of instruction 1"},
        {"mov_imm.u32 r1, 1\nloop r1, @x\nbra @y\ny2: mov_imm.u32 r2, 1\nx: exit\ny: exit",
         "instruction 2 (bra): leads across the border of a body"},
        {"mov_imm.u32 r1, 1\nbra @y\nloop r1, @x\ny: mov_imm.u32 r2, 1\nx: exit",
         "instruction 1 (bra): leads across the border of a body"},
        {"mov_imm.u32 r1, 1\nloop r1, @x\nbra @x\nmov_imm.u32 r2, 1\nx: exit",
         "instruction 2 (bra): leads across the border of a body"},
        {"call @f\nexit\nloop.blocks @x\nf: mov_imm.u32 r1, 1\nx: ret",
         "instruction 0 (call): leads into the body of instruction 2"},
        {"loop.blocks @x\nexit\nx: exit",
         "instruction 1 (exit): stands in the body of loop.blocks"},
        {"loop.blocks @x\ncall @f\nx: exit\nf: exit",
         "instruction 3 (exit): is called from the body of loop.blocks"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        /* Loops in a loop that end together, in one over blocks. */
        "loop.blocks @x\nmov_imm.u32 r1, 2\nloop r1, @x\nloop r1, @x\nmov_imm.u32 r2, 1\nx:",
        /* Per-lane values go round a loop that ends with the program or with its blocks. */
        "mov.u32 r2, r252\nmov_imm.u32 r1, 2\nloop r1, @x\nadd.u32 r2, r2, r2\nx:",
        ("loop.blocks @x\nmov.u32 r2, r252\nmov_imm.u32 r1, 2\nloop r1, @x\n"
         "add.u32 r2, r2, r2\nx:"),
        "mov_imm.u32 r1, 2\nloop r1, @x\nbra @y\nmov_imm.u32 r2, 1\ny: mov_imm.u32 r3, 1\nx:",
    };
    CHECK_ACCEPTED(accepted);
}

/* Branches stay in their segment, so that segments are intervals. */
static void branches_stay_in_segments(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"bra @x\nbar.sync\nx: exit", "instruction 0 (bra): leads out of its segment"},
        {"x: mov_imm.u32 r1, 1\nbar.sync\nbra @x", "instruction 2 (bra): leads out of its segment"},
        {"bra @x\nbar.sync\nx:", "instruction 0 (bra): leads out of its segment"},
        {"bra @x\nbar.sync\nmov_imm.u32 r1, 1\nx:",
         "instruction 0 (bra): leads out of its segment"},
        {"bra @x\nloop.blocks @x\nmov_imm.u32 r1, 1\nx: exit",
         "instruction 0 (bra): leads out of its segment"},
        {"mov_imm.f32 r1, 1\nbra @x\nreduce.add.f32 r2, r1\nx: reduce.add.f32 r3, r1",
         "instruction 1 (bra): leads behind the first reduce of its segment"},
        {"x: mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\nbra @x",
         "instruction 1 (bra): leads to a product"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "bra @x\nmov_imm.u32 r1, 1\nx: loop.blocks @y\nmov_imm.u32 r1, 1\ny: exit",
        "bra @x\nmov_imm.u32 r1, 1\nx: bar.sync",
        "bar.sync\nbra @x\nmov_imm.u32 r1, 1\nx:",
        "x: bra @x",
    };
    CHECK_ACCEPTED(accepted);
}

/* Subroutines: one entry each, no recursion, bounded depth, they return. */
static void routines_are_apart(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"ret", "instruction 0 (ret): stands outside any subroutine"},
        {"call @f\nf: ret", "instruction 1 (ret): stands outside any subroutine"},
        {"call @f\nexit\nf: mov_imm.u32 r1, 1",
         "instruction 2 (mov_imm): a subroutine that starts here runs off the program's end"},
        {"call @f\ncall @g\nexit\nf: mov_imm.u32 r1, 1\ng: ret",
         "instruction 4 (ret): is reached from two routines, those of instructions 3 and 4"},
        {"call @f\nexit\nf: call @f\nret",
         "instruction 2 (call): calls recur or nest deeper than 256"},
        {"x: call @x", "instruction 0 (call): calls recur or nest deeper than 256"},
        {"call @f\nexit\nf: mov_imm.u32 r1, 1\nloop r1, @x\nmov_imm.u32 r2, 1\nret\nx: ret",
         "instruction 5 (ret): leaves the body of instruction 3"},
        /* What a call may write is what it leaves; the rest is the caller's. */
        {"mov_imm.f32 r1, 1\ncall @f\nmov.f32 r2, r1\nexit\nf: mov_imm.i32 r1, 1\nret",
         "instruction 2 (mov): r1 is i32 here, not f32"},
        {"call @f\nexit\nf: mov.f32 r2, r1\nret",
         "instruction 2 (mov): r1 is read before it is written"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "call @f\nexit\nf: ret",
        /* Two calls with different registers alive. */
        ("mov_imm.f32 r1, 1\ncall @f\nmov_imm.f32 r2, 2\ncall @f\nadd.f32 r3, r1, r2\n"
         "add.f32 r3, r3, r9\nexit\nf: mov_imm.f32 r9, 1\nret"),
        "call @f\nexit\nf: call @g\ncall @g\nret\ng: ret",
        ("loop.blocks @x\nldg.f32 r1, [b0 + lane]\ncall @f\nstg.f32 [b1 + lane], r1\nx: exit\n"
         "f: add.f32 r1, r1, r1\nret"),
    };
    CHECK_ACCEPTED(accepted);
}

/* Chains of 256 calls are allowed, of 257 not. */
static void call_depth_is_bounded(void **state)
{
    (void)state;
    for (unsigned depth = 256; depth <= 257; depth++) {
        struct hg_insn insns[2 * 257 + 2] = {0};
        insns[0] = (struct hg_insn){.op = HG_OP_CALL, .target = 2};
        insns[1] = (struct hg_insn){.op = HG_OP_EXIT, .pred = HG_PRED_NONE};
        for (unsigned i = 0; i < depth; i++) {
            insns[2 * i + 2] = (struct hg_insn){.op = HG_OP_CALL, .target = 2 * i + 4};
            insns[2 * i + 3] = (struct hg_insn){.op = HG_OP_RET};
        }
        insns[2 * depth] = (struct hg_insn){.op = HG_OP_RET};
        struct hg_code code = {{0, 0}, insns, 2 * depth + 1};
        struct hg_code_facts facts;
        struct hg_error error = HG_ERROR_INIT;
        enum hg_status status = hg_code_verify(&code, &facts, &error);
        if (depth == 256) {
            assert_int_equal(status, HG_OK);
        } else {
            assert_string_equal(error.message,
                                "instruction 512 (call): calls recur or nest deeper than 256");
        }
    }
}

/* In a segment no lane reads or writes what another lane writes. */
static void lanes_do_not_meet(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"ldg.f32 r1, [b0 + 4 + lane]\nstg.f32 [b0 + lane], r1",
         "instruction 0 (ldg): may read what another lane writes in this segment, at "
         "instruction 1"},
        {"ldg.u32 r1, [b0 + lane]\nmov_imm.f32 r2, 1\nstg.f32 [b0 + lane], r2",
         "instruction 0 (ldg): may read what another lane writes in this segment, at "
         "instruction 2"},
        {"mov_imm.f32 r2, 1\nstg.f32 [b0 + lane], r2\nldg.f32 r1, [b0]",
         "instruction 2 (ldg): may read what another lane writes in this segment, at "
         "instruction 1"},
        {"mov_imm.f32 r2, 1\nstg.f32 [b0 + lane%cols], r2\nldg.f32 r1, [b0 + lane%cols]",
         "instruction 2 (ldg): may read what another lane writes in this segment, at "
         "instruction 1"},
        /* One element for all lanes is written by every block. */
        {"loop.blocks @x\nldg.f32 r1, [b0]\nadd.f32 r1, r1, r1\nstg.f32 [b0], r1\nx:",
         "instruction 1 (ldg): may read what another lane writes in this segment, at "
         "instruction 3"},
        {"ldg.f32 r1, [b0: r255]\nstg.f32 [b0: r255], r1",
         "instruction 0 (ldg): may read what another lane writes in this segment, at "
         "instruction 1"},
        {"param.u64 r5, 3\nparam.u64 r5, 3\nldg.f32 r1, [b0 + r5 + lane]\n"
         "stg.f32 [b0 + r5 + lane], r1",
         "instruction 2 (ldg): may read what another lane writes in this segment, at "
         "instruction 3"},
        {"ldg.f32 r1, [buf7 + lane*2]\nstg.f32 [buf7 + lane], r1",
         "instruction 0 (ldg): may read what another lane writes in this segment, at "
         "instruction 1"},
        {"ldg.f32 r1, [Φ(3, 1, 0) + lane]\nstg.f32 [Φ(3, 0, 0) + lane], r1",
         "instruction 0 (ldg): may read what another lane writes in this segment, at "
         "instruction 1"},
        {"mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\nstg.f32 [b1 + lane], r1",
         "instruction 0 (mma): may read what another lane writes in this segment, at "
         "instruction 1"},
        {"mov_imm.f32 r1, 1\nstg.f32 [b0 + lane], r1\nstg.f32 [b0 + 4 + lane], r1",
         "instruction 2 (stg): may write what another lane writes in this segment, at "
         "instruction 1"},
        {"mov_imm.f32 r1, 1\nmov_imm.i32 r2, 1\nstg.f32 [b0 + lane], r1\nstg.i32 [b0 + lane], r2",
         "instruction 3 (stg): may write what another lane writes in this segment, at "
         "instruction 2"},
        {".scratch 24576\nmov_imm.f32 r1, 1\nsts.f32 [s + lane], r1\nlds.f32 r2, [s + 4 + lane]",
         "instruction 2 (lds): may read what another lane writes in this segment, at "
         "instruction 1"},
        {".scratch 24576\nmov_imm.f32 r1, 1\nsts.f32 [s + lane], r1\nsts.f32 [s + 4 + lane], r1",
         "instruction 2 (sts): may write what another lane writes in this segment, at "
         "instruction 1"},
        {"mov_imm.u64 r1, 64\npool.alloc r2, r1\npool.store.u64 r2, r255, r255\n"
         "mov.u64 r3, r255\npool.load.u64 r4, r2, r3",
         "instruction 4 (pool.load): may touch what another lane writes in this segment, at "
         "instruction 2"},
        /* A subroutine's accesses count in every segment. */
        {"call @f\nbar.sync\nldg.f32 r1, [b0 + 4 + lane]\nexit\n"
         "f: mov_imm.f32 r2, 1\nstg.f32 [b0 + lane], r2\nret",
         "instruction 2 (ldg): may read what another lane writes in this segment, at "
         "instruction 5"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "ldg.f32 r1, [b0 + lane]\nstg.f32 [b0 + lane], r1\nldg.f32 r2, [b0 + lane]",
        "mov_imm.f32 r2, 1\nstg.f32 [b0 + lane], r2\nbar.sync\nldg.f32 r1, [b0 + 4 + lane]",
        "ldg.f32 r1, [b0]\nadd.f32 r1, r1, r1\nstg.f32 [b0], r1",
        "ldg.f32 r1, [b0 + row]\nadd.f32 r1, r1, r1\nstg.f32 [b0 + row], r1",
        "param.u64 r5, 3\nldg.f32 r1, [b0 + r5 + lane]\nstg.f32 [b0 + r5 + lane], r1",
        "ldg.f32 r1, [b0: r255]\nstg.f32 [b1: r255], r1",
        "ldg.f32 r1, [buf7 + lane]\nstg.f32 [buf8 + lane], r1",
        "ldg.f32 r1, [Φ(3, 1, 0) + lane]\nstg.f32 [Φ(4, 0, 0) + lane], r1",
        "mov_imm.f32 r1, 1\nstg.f32 [b0], r1\nstg.f32 [b0 + 4], r1",
        "mov_imm.f32 r1, 1\nstg.f32 [b0 + lane*2], r1\nstg.f32 [b0 + 4 + lane*2], r1",
        (".scratch 24576\nmov_imm.f32 r1, 1\nsts.f32 [s + lane], r1\nlds.f32 r2, [s + lane]\n"
         "sts.f32 [s + 12288 + lane], r1"),
        ("mov_imm.u64 r1, 64\npool.alloc r2, r1\npool.store.u64 r2, r255, r255\n"
         "pool.load.u64 r4, r2, r255\npool.alloc r3, r1\npool.load.u64 r5, r3, r255"),
    };
    CHECK_ACCEPTED(accepted);
}

/* What a segment that starts with a product may not contain. */
static void product_segments_have_no_blocks(void **state)
{
    (void)state;
#define PRODUCT "mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\n"
    static const struct refusal cases[] = {
        {"mov_imm.u32 r2, 1\n" PRODUCT, "instruction 1 (mma): is not the first of its segment"},
        {PRODUCT "mov.u32 r2, r252", "instruction 1 (mov): reads r252 in a segment that starts "
                                     "with mma"},
        {PRODUCT "mov.u32 r2, r253", "instruction 1 (mov): reads r253 in a segment that starts "
                                     "with mma"},
        {PRODUCT "mov.u32 r2, r254", "instruction 1 (mov): reads r254 in a segment that starts "
                                     "with mma"},
        {".scratch 16384\n" PRODUCT "sts.f32 [s + lane], r1",
         "instruction 1 (sts): needs a block, in a segment that starts with mma"},
        {".scratch 16384\n" PRODUCT "lds.f32 r2, [s + lane]",
         "instruction 1 (lds): needs a block, in a segment that starts with mma"},
        {PRODUCT "phase.get r2", "instruction 1 (phase.get): needs a block, in a segment that "
                                 "starts with mma"},
        {PRODUCT "mov_imm.u64 r2, 1\npool.alloc r3, r2",
         "instruction 2 (pool.alloc): needs a block, in a segment that starts with mma"},
        {PRODUCT "call @f\nexit\nf: phase.get r2\nret",
         "instruction 3 (phase.get): needs a block, in a segment that starts with mma"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        PRODUCT "mov.u64 r2, r250\nmov.u64 r2, r251\nmov.u64 r2, r255",
        PRODUCT "stg.f32 [b2 + lane], r1\nbar.sync\nmov.u32 r2, r252",
        ("param.f32 r9, 4\nloop.blocks @x\n" PRODUCT "mul.f32 r1, r1, r9\nstg.f32 [b2 + lane], r1\n"
         "x:"),
        PRODUCT "ldg.f32 r2, [b2 + lane]\nadd.f32 r1, r1, r2\nstg.f32 [b2 + lane], r1",
    };
    CHECK_ACCEPTED(accepted);
#undef PRODUCT
}

/* Sizes of a product. */
static void product_sizes_are_checked(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"mma.f32 r1, [b0], [b1], m=2, n=1, k=2, lda=2, ldb=1",
         "instruction 0 (mma): the order is dot if and only if n = 1"},
        {"mma.f32 r1, [b0], [b1], m=1, n=2, k=2, lda=2, ldb=2, dot",
         "instruction 0 (mma): the order is dot if and only if n = 1"},
        {"mma.f32 r1, [b0], [b1], m=2, n=3, k=4, lda=3, ldb=3",
         "instruction 0 (mma): lda, ldb are at least 4, 3, not 3, 3"},
        {"mma.f32 r1, [b0], [b1], m=2, n=3, k=4, lda=2, ldb=3, trans_a, trans_b",
         "instruction 0 (mma): lda, ldb are at least 2, 4, not 2, 3"},
        {".slots 1\nmma.f32 r1, [b0], [b1], m=2, n=3, k=4, lda=4, ldb=3",
         "instruction 0 (mma): slot b1 is not declared (.slots 1)"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "mma.f32 r1, [b0], [b1], m=2, n=1, k=2, lda=2, ldb=1, dot",
        "mma.bf16 r1, [b0], [b1], m=%1, n=%2, k=%3, lda=%3, ldb=%2\nadd.f32 r2, r1, r1",
        "mma.f64 r1, [b0], [b1], m=0, n=0, k=0, lda=0, ldb=0\nadd.f64 r2, r1, r1",
    };
    CHECK_ACCEPTED(accepted);
}

/* Addresses: slots, bounds of Φ and scratch. */
static void addresses_are_checked(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {".slots 2\nldg.f32 r1, [b2 + lane]",
         "instruction 0 (ldg): slot b2 is not declared (.slots 2)"},
        {"ldg.f32 r1, [b0 - 4 + lane]",
         "instruction 0 (ldg): offset -4 is not in 0 to 140737488355328"},
        {"ldg.f64 r1, [Φ(1, 47, 252) + lane]",
         "instruction 0 (ldg): an element at byte 12284 leaves its class"},
        {"lds.f32 r1, [b0]", "instruction 0 (lds): addresses scratch, [s + …]"},
        {"ldg.f32 r1, [s]", "instruction 0 (ldg): does not address scratch"},
        {".scratch 12284\nlds.f32 r1, [s + lane]",
         "instruction 0 (lds): needs 12288 bytes of scratch, declared are 12284"},
        {".scratch 4\nlds.f32 r1, [s + 4]",
         "instruction 0 (lds): needs 8 bytes of scratch, declared are 4"},
        {".scratch 64\nlds.f32 r1, [s + lane*2]",
         "instruction 0 (lds): a scratch address has no lane term but lane"},
    };
    CHECK_REFUSALS(cases);
    static const char *const accepted[] = {
        "ldg.f32 r1, [Φ(1, 47, 252)]",
        ".scratch 12288\nlds.f32 r1, [s + lane]",
        ".scratch 8\nlds.f32 r1, [s + 4]",
        "mov_imm.u64 r1, 64\nldg.f32 r2, [b0: r1 - 32]",
    };
    CHECK_ACCEPTED(accepted);
}

/* What only a caller that writes instructions itself can get wrong. */
static void raw_instructions_are_checked(void **state)
{
    (void)state;
    const struct hg_addr lane = {.lane = HG_LANE_STRIDE, .factor = 1};
    struct {
        struct hg_insn insn;
        const char *message;
    } cases[] = {
        {{.op = 200}, "instruction 0: unknown opcode 200"},
        {{.op = HG_OP_CVT, .type = HG_F32, .type2 = 13},
         "instruction 0 (cvt): unknown source type 13"},
        {{.op = HG_OP_SETCC, .cond = 10}, "instruction 0 (set): unknown condition 10"},
        {{.op = HG_OP_SETCC, .dst = 16}, "instruction 0 (set): p16 does not exist"},
        {{.op = HG_OP_SEL, .pred = 16}, "instruction 0 (sel): p16 does not exist"},
        {{.op = HG_OP_SEL, .pred = HG_PRED_NONE}, "instruction 0 (sel): p255 does not exist"},
        {{.op = HG_OP_BRA, .pred = 16}, "instruction 0 (bra): p16 does not exist"},
        {{.op = HG_OP_UNITY_TEST, .dst = 77}, "instruction 0 (unity.test): p77 does not exist"},
        {{.op = HG_OP_BRA, .pred = HG_PRED_NONE, .target = 2},
         "instruction 0 (bra): leads to 2, behind the program's 1"},
        {{.op = HG_OP_CALL, .target = 1},
         "instruction 0 (call): leads to 1, behind the program's 1"},
        {{.op = HG_OP_LOOP_BLOCKS, .target = 9},
         "instruction 0 (loop.blocks): its body ends at 9, behind the program's 1"},
        {{.op = HG_OP_PARAM, .count = 16}, "instruction 0 (param): parameter 16 does not exist"},
        {{.op = HG_OP_REDUCE_REGS_ADD, .a = 250, .count = 7},
         "instruction 0 (reduce.regs.add): 7 registers from r250 on do not exist"},
        {{.op = HG_OP_LDG, .u.addr = {.mode = 5}}, "instruction 0 (ldg): unknown address mode 5"},
        {{.op = HG_OP_LDG, .u.addr = {.lane = 5}}, "instruction 0 (ldg): unknown lane mode 5"},
        {{.op = HG_OP_LDG, .u.addr = {.lane = HG_LANE_STRIDE}},
         "instruction 0 (ldg): a lane stride is at least 1"},
        {{.op = HG_OP_LDG,
          .u.addr = {.mode = HG_ADDR_INDIRECT, .lane = HG_LANE_STRIDE, .factor = 1}},
         "instruction 0 (ldg): a register-indirect address has no lane term"},
        {{.op = HG_OP_LDG, .u.addr = {.mode = HG_ADDR_COMPUTED, .offset = 4}},
         "instruction 0 (ldg): offset 4 is not in 0 to 0"},
        {{.op = HG_OP_LDG, .u.addr = {.mode = HG_ADDR_INDIRECT, .offset = INT64_MIN}},
         "instruction 0 (ldg): offset -9223372036854775808 is not in -140737488355328 to "
         "140737488355328"},
        {{.op = HG_OP_LDG, .u.addr = {.mode = HG_ADDR_PHI, .offset = 96 * 12288}},
         "instruction 0 (ldg): offset 1179648 is outside the boundary pool"},
        {{.op = HG_OP_LDG, .u.addr = {.mode = HG_ADDR_PHI, .offset = -1}},
         "instruction 0 (ldg): offset -1 is outside the boundary pool"},
        {{.op = HG_OP_MMA, .type = HG_F32, .u.mma = {.a = lane}},
         "instruction 0 (mma): a matrix is [b + offset] or [Φ(…)]"},
        {{.op = HG_OP_MMA, .type = HG_F32, .u.mma = {.flags = HG_MMA_PARAMS, .ldb = 16}},
         "instruction 0 (mma): parameter 16 does not exist"},
        {{.op = HG_OP_MMA, .type = HG_F32, .u.mma = {.m = 65, .n = 2, .k = 3}},
         "instruction 0 (mma): m, n, k as constants are at most 64, not 65, 2, 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_code code = {{1, 0}, &cases[i].insn, 1};
        struct hg_code_facts facts;
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
    }
}

/* Bounds of the whole program. */
static void programs_are_bounded(void **state)
{
    (void)state;
    static struct hg_insn insns[HG_PROGRAM_INSNS_MAX + 1];
    struct hg_code_facts facts;
    struct hg_error error = HG_ERROR_INIT;
    for (size_t i = 0; i <= HG_PROGRAM_INSNS_MAX; i++) {
        insns[i] = (struct hg_insn){.op = HG_OP_MOV_IMM, .type = HG_U32, .dst = 1};
    }
    struct hg_code code = {{0, 0}, insns, 0};
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has 1 to 4096 instructions, not 0");
    code.insn_count = HG_PROGRAM_INSNS_MAX;
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_OK);
    code.insn_count = HG_PROGRAM_INSNS_MAX + 1;
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has 1 to 4096 instructions, not 4097");
    code = (struct hg_code){{0, 65537}, insns, 1};
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has at most 65536 bytes of scratch, not 65537");
    code = (struct hg_code){{17, 0}, insns, 1};
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has at most 16 slots and handles, not 17 and 0");
    struct hg_insn load = {.op = HG_OP_LDG, .type = HG_F32, .u.addr.slot = HG_SLOT_HANDLE};
    code = (struct hg_code){{16, 0}, &load, 1};
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has at most 16 slots and handles, not 16 and 1");
    for (size_t i = 0; i < 512; i++) {
        insns[i] = (struct hg_insn){.op = HG_OP_BAR_SYNC};
    }
    code = (struct hg_code){{0, 0}, insns, 255};
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_OK);
    assert_int_equal(facts.segment_count, 255);
    code.insn_count = 256;
    assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has at most 255 segments, not 256");
}

/* A loop that hands a per-lane value on through 199 registers, one an iteration, with JOINS joins.
 */
static enum hg_status verify_tangle(uint32_t joins, struct hg_error *error)
{
    static struct hg_insn insns[HG_PROGRAM_INSNS_MAX];
    struct hg_code_facts facts;
    uint32_t count = 0;
    for (unsigned r = 0; r < 200; r++) {
        insns[count++] = (struct hg_insn){.op = HG_OP_MOV_IMM, .type = HG_U32, .dst = (uint8_t)r};
    }
    insns[count++] = (struct hg_insn){.op = HG_OP_SETCC, .type = HG_U32};
    uint32_t loop = count++;
    for (unsigned r = 1; r < 200; r++) {
        uint8_t from = r == 199 ? HG_REG_BLOCK_LANE : (uint8_t)(r + 1);
        insns[count++] =
            (struct hg_insn){.op = HG_OP_MOV, .type = HG_U32, .dst = (uint8_t)r, .a = from};
    }
    for (uint32_t i = 0; i < joins; i++) {
        insns[count] = (struct hg_insn){.op = HG_OP_BRA, .pred = 0, .target = count + 1};
        count++;
    }
    insns[count++] = (struct hg_insn){.op = HG_OP_MOV, .type = HG_U32, .dst = 200};
    insns[loop] = (struct hg_insn){.op = HG_OP_LOOP, .target = count};
    struct hg_code code = {{0, 0}, insns, count};
    return hg_code_verify(&code, &facts, error);
}

/* Ways that are long to walk are walked, up to a bound on what a hostile program can cost. */
static void tangles_are_bounded(void **state)
{
    (void)state;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(verify_tangle(1, &error), HG_OK);
    assert_int_equal(verify_tangle(100, &error), HG_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "): the ways that lead here are too tangled"));
}

/* Verification that runs out of memory says so, at whichever allocation, and loses nothing. */
static void out_of_memory_is_reported(void **state)
{
    (void)state;
    struct hg_code code = code_of("mov_imm.u32 r1, 2\nloop r1, @x\ncall @f\nx: exit\n"
                                  "f: mov_imm.u32 r2, 1\nret");
    static struct hg_insn insns[100];
    for (size_t i = 0; i < 100; i++) {
        insns[i] = (struct hg_insn){.op = HG_OP_MOV_IMM, .type = HG_U32};
    }
    struct hg_code longer = {{0, 0}, insns, 100};
    const struct hg_code *const codes[] = {&code, &longer};
    uint64_t live = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t skip = 0;; skip++) {
            struct hg_code_facts facts;
            struct hg_error error = HG_ERROR_INIT;
            hg_alloc_fault_set(skip, false);
            enum hg_status status = hg_code_verify(codes[i], &facts, &error);
            bool fired = hg_alloc_fault_fired();
            hg_alloc_fault_clear();
            assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), live);
            assert_int_equal(status, fired ? HG_RESOURCE_EXHAUSTED : HG_OK);
            if (!fired) {
                assert_true(skip > 0);
                break;
            }
            assert_string_equal(error.message, "out of memory while verifying");
        }
    }
    release_code(&code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_typed),
        cmocka_unit_test(control_is_uniform),
        cmocka_unit_test(shared_stores_are_uniform),
        cmocka_unit_test(segments_end_lanes),
        cmocka_unit_test(cross_lane_stands_outside),
        cmocka_unit_test(bodies_are_closed),
        cmocka_unit_test(branches_stay_in_segments),
        cmocka_unit_test(routines_are_apart),
        cmocka_unit_test(call_depth_is_bounded),
        cmocka_unit_test(lanes_do_not_meet),
        cmocka_unit_test(product_segments_have_no_blocks),
        cmocka_unit_test(product_sizes_are_checked),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(raw_instructions_are_checked),
        cmocka_unit_test(programs_are_bounded),
        cmocka_unit_test(tangles_are_bounded),
        cmocka_unit_test(out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
