/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control flow, fuel and what stops a run; class arithmetic; the small facts of the instruction
 * set. Each program runs with both executors.
 */
#include <math.h>
#include <pthread.h>

#include "lib/base/clock.h"
#include "support.h"

/* Runs TEXT over N lanes with operand 0 read and 1 written (8 bytes a lane each). */
static enum hg_status run_text(const char *text, uint64_t n, enum hg_executor executor,
                               uint64_t fuel, uint64_t *in, uint64_t *out, struct hg_error *error)
{
    struct hg_program *program = program_of(text);
    struct hg_launch launch = launch_of(program, 1, n);
    launch.executor = executor;
    launch.fuel = fuel;
    launch.params[3] = 5;
    launch.first_class = 17;
    const struct hg_operand operands[] = {{in, n * 8, false}, {out, n * 8, true}};
    launch.operand_count = program->facts.slot_count;
    launch.operands[0] = program->facts.slot_count > 1 ? operands[0] : operands[1];
    launch.operands[1] = operands[1];
    enum hg_status status = hg_exec_launch(&launch, error);
    hg_program_unref(&program);
    return status;
}

/* The value that TEXT, which stores launch-uniformly through b0, leaves. */
static uint64_t value_of(const char *text)
{
    uint64_t results[2];
    for (int e = 0; e < 2; e++) {
        struct hg_error error = HG_ERROR_INIT;
        results[e] = 0x5555555555555555;
        if (run_text(text, 1, (enum hg_executor)e, 0, NULL, &results[e], &error) != HG_OK) {
            print_error("%s\nin\n%s", error.message, text);
            fail();
        }
    }
    assert_int_equal(results[0], results[1]);
    return results[0];
}

#define UPPER 0x5555555500000000u

/* The instruction set's small facts. */
static void small_facts(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* leaves r9 */
        const char *type;
        uint32_t value;
    } facts[] = {
        {"mov_imm.u8 r1, 250\nmov_imm.u8 r2, 10\nadd.u8 r3, r1, r2\ncvt.u32.u8 r9, r3\n", "u32", 4},
        {"mov_imm.f32 r1, 99.7\ncvt.i32.f32 r9, r1\n", "i32", 99},
        {"mov_imm.f32 r1, 3e9\ncvt.i32.f32 r9, r1\n", "i32", 2147483647},
        {"mov_imm.f32 r1, -1.5\ncvt.u32.f32 r9, r1\n", "u32", 0},
        {"mov_imm.f32 r1, 0\ndiv.f32 r1, r1, r1\ncvt.i32.f32 r9, r1\n", "i32", 0},
        {"mov_imm.i32 r1, 2\nmov_imm.i32 r2, 3\nmov_imm.i32 r3, 5\nmad.i32 r9, r1, r2, r3\n", "i32",
         11},
        {"mov_imm.f32 r1, 2\nmov_imm.f32 r2, 3\nmov_imm.f32 r3, 5\nfma.f32 r4, r1, r2, r3\n"
         "cvt.u32.f32 r9, r4\n",
         "u32", 11},
        {"mov_imm.u32 r1, 0xff00\nmov_imm.u32 r2, 0x0fff\nand.u32 r9, r1, r2\n", "u32", 0x0f00},
        {"mov_imm.u32 r1, 0xff00\nmov_imm.u32 r2, 0x0fff\nor.u32 r9, r1, r2\n", "u32", 0xffff},
        {"mov_imm.u32 r1, 0xff00\nmov_imm.u32 r2, 0x0fff\nxor.u32 r9, r1, r2\n", "u32", 0xf0ff},
        {"mov_imm.i32 r1, 1\nmov_imm.u32 r2, 33\nshl.i32 r9, r1, r2\n", "i32", 2},
        {"mov_imm.i32 r1, -8\nmov_imm.u32 r2, 1\nshr.i32 r9, r1, r2\n", "i32", (uint32_t)-4},
        {"mov_imm.i8 r1, -128\nmov_imm.u32 r2, 9\nshr.i8 r3, r1, r2\ncvt.i32.i8 r9, r3\n", "i32",
         (uint32_t)-64},
        {"mov_imm.i8 r1, -128\nmov_imm.i8 r2, -1\ndiv.i8 r3, r1, r2\ncvt.i32.i8 r9, r3\n", "i32",
         (uint32_t)-128},
        {"mov_imm.i32 r1, -2147483648\nabs.i32 r9, r1\n", "i32", 0x80000000},
        {"mov_imm.u32 r1, 1\nmov_imm.u32 r2, 2\nmov_imm.u32 r3, 3\nmov_imm.u32 r4, 4\n"
         "mov_imm.u32 r5, 5\nreduce.regs.add.u32 r9, r1, 5\n",
         "u32", 15},
        {"mov_imm.u32 r2, 2\nmov_imm.u32 r3, 3\nmov_imm.u32 r4, 4\nmov_imm.u32 r5, 5\n"
         "reduce.regs.mul.u32 r9, r2, 4\n",
         "u32", 120},
        {"reduce.regs.min.f32 r1, r1, 0\nmov_imm.u32 r9, 0\nmov_imm.f32 r2, 3e38\n"
         "mov_imm.u32 r3, 1\nsetgt.f32 p0, r1, r2\nsel.u32 r9, p0, r3, r9\n",
         "u32", 1},
        {"mov_imm.u32 r9, 0\nmov_imm.u32 r1, 1\nmov_imm.u32 r2, 3\nloop r2, @e\n"
         "add.u32 r9, r9, r1\ne:\n",
         "u32", 3},
        {"mov_imm.u32 r9, 0\nmov_imm.u32 r1, 1\nmov_imm.u32 r2, 0\nloop r2, @e\n"
         "add.u32 r9, r9, r1\ne:\n",
         "u32", 0},
        {"mov_imm.u8 r1, 1\nmov_imm.u32 r2, 2\nmov_imm.u32 r3, 3\nbound.map r4, r1, r2, r3\n"
         "cvt.u32.u64 r9, r4\n",
         "u32", 12803},
        {"mov_imm.u32 r1, 750\nphase.adv r1\nmov_imm.u32 r1, 30\nphase.adv r1\nphase.get r9\n",
         "u32", 12},
        {"mov_imm.u32 r1, 700\nphase.adv r1\nbar.sync\nphase.adv r1\nphase.get r9\n", "u32", 632},
        {"cls.get r1\ncvt.u32.u8 r9, r1\n", "u32", 17},
        {"param.u32 r9, 3\n", "u32", 5},
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        char text[500];
        snprintf(text, sizeof text, "%sstg.%s [b0], r9\nexit\n", facts[i].text, facts[i].type);
        uint64_t value = value_of(text);
        if (value != (0x5555555500000000u | facts[i].value)) {
            print_error("%llx, expected %x\nin\n%s", (unsigned long long)value, facts[i].value,
                        text);
            fail();
        }
    }
}

/* ---- branches -------------------------------------------------------------------------------- */

/* Nested loops, calls, conditional and backward branches, an EXIT that is taken and one that is
 * not. */
static void control(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t value;
    } cases[] = {
        /* 4 x 5 rounds, each calls a subroutine that adds 2. */
        {"mov_imm.u32 r9, 0\nmov_imm.u32 r1, 4\nmov_imm.u32 r2, 5\nmov_imm.u32 r3, 2\n"
         "loop r1, @a\nloop r2, @a\ncall @sub\na:\nstg.u32 [b0], r9\nexit\n"
         "sub:\nadd.u32 r9, r9, r3\nret\n",
         40},
        /* Counts down by a backward branch; LOOP reads its count once. */
        {"mov_imm.u32 r9, 0\nmov_imm.u32 r1, 10\nmov_imm.u32 r2, 1\nmov_imm.u32 r3, 0\n"
         "again:\nadd.u32 r9, r9, r1\nsub.u32 r1, r1, r2\nsetne.u32 p1, r1, r3\nbra.p1 @again\n"
         "mov_imm.u32 r4, 2\nloop r4, @e\nmov_imm.u32 r4, 100\nadd.u32 r9, r9, r2\ne:\n"
         "stg.u32 [b0], r9\nexit\n",
         57},
        /* A call inside a call, and a branch over code. */
        {"mov_imm.u32 r9, 1\nmov_imm.u32 r1, 3\ncall @outer\nbra @over\nmov_imm.u32 r9, 0\n"
         "over:\nstg.u32 [b0], r9\nexit\nouter:\ncall @inner\ncall @inner\nret\n"
         "inner:\nmul.u32 r9, r9, r1\nret\n",
         9},
        {"mov_imm.u32 r9, 7\nmov_imm.u32 r1, 0\nsetne.u32 p0, r9, r1\nseteq.u32 p1, r9, r1\n"
         "exit.p1\nstg.u32 [b0], r9\nexit.p0\nmov_imm.u32 r9, 8\nstg.u32 [b0], r9\nexit\n",
         7},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(value_of(cases[i].text), UPPER | cases[i].value);
    }
}

/* Loops and branches around per-lane code do the same for every lane. */
static void lane_loops(void **state)
{
    (void)state;
    static const char *const text =
        "mov_imm.u32 r8, 12\nmov_imm.u64 r7, 3\nloop.blocks @end\nldg.u64 r1, [b0 + lane]\n"
        "loop r8, @turn\nmul.u64 r1, r1, r7\nadd.u64 r1, r1, r255\nturn:\n"
        "stg.u64 [b1 + lane], r1\nend:\nexit\n";
    enum { N = 5000 };
    static uint64_t in[N];
    static uint64_t out[N];
    for (uint64_t i = 0; i < N; i++) {
        in[i] = i * i;
    }
    for (int e = 0; e < 2; e++) {
        struct hg_error error = HG_ERROR_INIT;
        memset(out, 0, sizeof out);
        assert_int_equal(run_text(text, N, (enum hg_executor)e, 0, in, out, &error), HG_OK);
        for (uint64_t i = 0; i < N; i++) {
            uint64_t want = in[i];
            for (int turn = 0; turn < 12; turn++) {
                want = want * 3 + i;
            }
            assert_int_equal(out[i], want);
        }
    }
}

/* A launch-uniform register that changes from round to round, mixed with per-lane ones. */
static void uniform_rounds(void **state)
{
    (void)state;
    static const char *const text =
        "mov_imm.u32 r8, 5\nmov_imm.u64 r7, 1\nloop.blocks @end\nldg.u64 r1, [b0 + lane]\n"
        "mov_imm.u64 r6, 3\nloop r8, @turn\nadd.u64 r6, r6, r7\nmul.u64 r1, r1, r6\n"
        "turn:\nstg.u64 [b1 + lane], r1\nend:\nexit\n";
    enum { N = 4000 };
    static uint64_t in[N];
    static uint64_t out[N];
    for (uint64_t i = 0; i < N; i++) {
        in[i] = i + 1;
    }
    for (int e = 0; e < 2; e++) {
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(run_text(text, N, (enum hg_executor)e, 0, in, out, &error), HG_OK);
        for (uint64_t i = 0; i < N; i++) {
            assert_int_equal(out[i], in[i] * 4 * 5 * 6 * 7 * 8);
        }
    }
}

/* ---- fuel ------------------------------------------------------------------------------------ */

/* The least fuel with which TEXT ends. */
static uint64_t fuel_of(const char *text, uint64_t n, enum hg_executor executor)
{
    static uint64_t out[4000];
    static uint64_t in[4000];
    for (uint64_t fuel = 1;; fuel++) {
        struct hg_error error = HG_ERROR_INIT;
        enum hg_status status = run_text(text, n, executor, fuel, in, out, &error);
        if (status == HG_OK) {
            return fuel;
        }
        assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
        assert_string_equal(error.detail, HG_DETAIL_FUEL_EXHAUSTED);
        assert_non_null(strstr(error.message, "at element 0 "));
        assert_true(fuel < 100000);
    }
}

/* A loop's round and a call cost the instructions they span, a backward branch too, a product its
 * terms by 4,096; counted per block, so that lanes cost nothing more. */
static void fuel(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t n;
        uint64_t fuel;
    } cases[] = {
        {"mov_imm.u32 r1, 10\nmov_imm.u32 r2, 0\nloop r1, @e\nmov_imm.u32 r2, 1\nmov_imm.u32 r2, "
         "1\ne:\n"
         "stg.u32 [b0], r2\nexit\n",
         1, 20},
        {"mov_imm.u32 r1, 10\nloop.blocks @end\nmov_imm.u32 r2, 0\nloop r1, @e\n"
         "mov_imm.u32 r2, 1\ne:\nstg.u32 [b0 + lane], r2\nend:\nexit\n",
         4000, 10},
        {"mov_imm.u32 r2, 0\ncall @s\ncall @s\nstg.u32 [b0], r2\nexit\ns:\nmov_imm.u32 r2, 1\n"
         "mov_imm.u32 r2, 2\nret\n",
         1, 6},
        {"mov_imm.u32 r1, 5\nmov_imm.u32 r2, 1\nmov_imm.u32 r3, 0\na:\nsub.u32 r1, r1, r2\n"
         "setne.u32 p0, r1, r3\nbra.p0 @a\nstg.u32 [b0], r1\nexit\n",
         1, 12},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int e = 0; e < 2; e++) {
            assert_int_equal(fuel_of(cases[i].text, cases[i].n, (enum hg_executor)e),
                             cases[i].fuel);
        }
    }
    /* 64 * 64 * 4096 terms cost 4096. */
    struct hg_program *program =
        program_of("loop.blocks @end\nmma.f32 r1, [b0], [b0], m=%1, n=%2, k=%3, lda=%3, ldb=%1\n"
                   "stg.f32 [b1 + lane], r1\nend:\nexit\n");
    static float matrix[64 * 4096];
    static float sums[4096];
    for (int e = 0; e < 2; e++) {
        struct hg_launch launch = launch_of(program, 64, 64);
        launch.executor = (enum hg_executor)e;
        launch.params[3] = 4096;
        launch.operands[0] = (struct hg_operand){matrix, sizeof matrix, false};
        launch.operands[1] = (struct hg_operand){sums, sizeof sums, true};
        launch.operand_count = 2;
        struct hg_error error = HG_ERROR_INIT;
        launch.fuel = 4095;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_RESOURCE_EXHAUSTED);
        launch.fuel = 4096;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_OK);
    }
    hg_program_unref(&program);
}

/* A branch to itself ends for want of fuel, or by cancel, or by the deadline. */
static const char *const endless = "ldg.u8 r1, [b0]\nstg.u8 [b0], r1\na:\nbra @a\nexit\n";

static uint64_t fake_now;
static uint64_t fake_clock(void)
{
    return fake_now += 1000;
}

static void stops(void **state)
{
    (void)state;
    uint8_t byte = 0;
    struct hg_program *program = program_of(endless);
    for (int e = 0; e < 2; e++) {
        struct hg_launch launch = launch_of(program, 1, 1);
        launch.executor = (enum hg_executor)e;
        launch.operands[0] = (struct hg_operand){&byte, 1, true};
        launch.operand_count = 1;
        struct hg_error error = HG_ERROR_INIT;
        launch.fuel = 1000000;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_RESOURCE_EXHAUSTED);
        assert_string_equal(error.detail, HG_DETAIL_FUEL_EXHAUSTED);
        launch.fuel = 0;
        hg_clock_replace(fake_clock);
        fake_now = 0;
        launch.deadline_ns = 50000;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_DEADLINE_EXCEEDED);
        hg_clock_replace(NULL);
        launch.deadline_ns = 0;
        _Atomic bool cancelled = true;
        launch.cancelled = &cancelled;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_CANCELLED);
    }
    hg_program_unref(&program);
}

/* Cancelled between blocks: a long launch ends early. */
static _Atomic bool cancel_now;
static uint32_t clock_reads;
static uint64_t cancelling_clock(void)
{
    if (++clock_reads == 5) {
        atomic_store(&cancel_now, true);
    }
    return clock_reads;
}

static void cancelled_between_blocks(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    struct hg_program *program =
        program_of("loop.blocks @end\ncvt.u32.u64 r1, r255\nstg.u32 [b0 + lane], r1\nend:\nexit\n");
    for (int e = 0; e < 2; e++) {
        struct region out = region_new(N * 4, 0);
        memset(out.data, 0xff, out.size);
        struct hg_launch launch = launch_of(program, 1, N);
        launch.executor = (enum hg_executor)e;
        launch_bind(&launch, &out, true);
        launch.deadline_ns = UINT64_MAX;
        launch.cancelled = &cancel_now;
        atomic_store(&cancel_now, false);
        clock_reads = 0;
        hg_clock_replace(cancelling_clock);
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_CANCELLED);
        hg_clock_replace(NULL);
        assert_int_equal(element_at(out.data, HG_U32, N - 1), UINT32_MAX);
        assert_int_equal(element_at(out.data, HG_U32, 0), 0);
        region_free(&out);
    }
    hg_program_unref(&program);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Whatever the parts and whichever instruction meets it, the lowest failing lane is reported, and
 * the lanes below it are done. */
static void lowest_lane(void **state)
{
    (void)state;
    static const char *const text =
        "mov_imm.i64 r9, 3\nmov_imm.i64 r8, 0\nloop.blocks @end\nldg.i64 r1, [b0 + lane]\n"
        "div.i64 r2, r9, r1\nsub.i64 r3, r1, r9\ndiv.i64 r4, r9, r3\nadd.i64 r2, r2, r4\n"
        "stg.i64 [b1 + lane], r2\nend:\nexit\n";
    enum { N = 20000 };
    static const uint64_t fails[][2] = {{19999, 0}, {19999, 3}, {0, 0},     {700, 3},
                                        {1536, 0},  {1535, 3},  {12000, 3}, {4097, 0}};
    struct hg_program *program = program_of(text);
    struct region in = region_new(N * 8, 0);
    for (size_t f = 0; f < COUNT_OF(fails); f++) {
        for (uint64_t i = 0; i < N; i++) {
            /* Above the first failing lane every other one fails as well, by either division. */
            uint64_t value = i < fails[f][0] ? 100 + i : i == fails[f][0] ? fails[f][1] : i % 5;
            set_element(in.data, HG_I64, i, value);
        }
        for (uint32_t run = 0; run < 8; run++) {
            struct region out = region_new(N * 8, 0);
            struct hg_launch launch = launch_of(program, 1, N);
            launch.executor = run % 2 == 0 ? HG_EXECUTOR_BLOCK : HG_EXECUTOR_REFERENCE;
            launch_bind(&launch, &in, false);
            launch_bind(&launch, &out, true);
            struct hg_error error = HG_ERROR_INIT;
            assert_int_equal(run_in_parts(&launch, run / 2 + 1, &error), HG_INVALID_ARGUMENT);
            assert_string_equal(error.detail, HG_DETAIL_DIVISION_BY_ZERO);
            char want[100];
            snprintf(want, sizeof want, "integer division by zero at element %llu (instruction %d",
                     (unsigned long long)fails[f][0], fails[f][1] == 0 ? 4 : 6);
            if (strncmp(error.message, want, strlen(want)) != 0) {
                print_error("%s, expected %s\n", error.message, want);
                fail();
            }
            region_free(&out);
        }
    }
    region_free(&in);
    hg_program_unref(&program);
}

/* ---- class arithmetic ------------------------------------------------------------------------ */

/* The graph by its definition: 256 edges, degrees 5 and 6, neighbours ascending; mirror and unity;
 * and what is no class. */
static void classes(void **state)
{
    (void)state;
    static const char *const text =
        "ldg.u64 r1, [b0 + lane]\ncvt.u8.u64 r2, r1\nmov_imm.u32 r7, 8\nshr.u64 r3, r1, r7\n"
        "cvt.u32.u64 r3, r3\nnbr.count r4, r2\nnbr.get r5, r2, r3\nmirror r6, r2\n"
        "unity.test p0, r2\nmov_imm.u64 r10, 1\nmov_imm.u64 r11, 0\nsel.u64 r12, p0, r10, r11\n"
        "mov_imm.u32 r13, 8\nshl.u64 r12, r12, r13\ncvt.u64.u8 r14, r6\nor.u64 r12, r12, r14\n"
        "shl.u64 r12, r12, r13\ncvt.u64.u8 r14, r5\nor.u64 r12, r12, r14\nshl.u64 r12, r12, r13\n"
        "cvt.u64.u32 r14, r4\nor.u64 r12, r12, r14\nstg.u64 [b1 + lane], r12\nexit\n";
    enum { N = 110 * 8 };
    static uint64_t in[N];
    static uint64_t out[N];
    for (uint64_t i = 0; i < N; i++) {
        in[i] = i / 8 | (i % 8) << 8;
    }
    for (int e = 0; e < 2; e++) {
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(run_text(text, N, (enum hg_executor)e, 0, in, out, &error), HG_OK);
        uint32_t edges = 0;
        for (uint32_t c = 0; c < 110; c++) {
            uint32_t neighbours[8];
            uint32_t degree = 0;
            for (uint32_t other = 0; c < 96 && other < 96; other++) {
                int d = (int)(c % 3) - 1;
                int d2 = (int)(other % 3) - 1;
                uint32_t differs = c / 3 ^ other / 3; /* e1 e2 e3 e6 e7 */
                bool flip =
                    d == d2 && (differs == 2 || differs == 4 || differs == 8 || differs == 16);
                bool moves = differs == 0 && d != d2 && (d == 0 || d2 == 0);
                if (flip || moves) {
                    neighbours[degree++] = other;
                }
            }
            edges += degree;
            uint64_t got = out[c * 8];
            assert_int_equal(got & 0xff, degree);
            assert_int_equal(got >> 16 & 0xff, c < 96 ? (c / 3 % 2 == 0 ? c + 3 : c - 3) : 255);
            assert_int_equal(got >> 24 & 0xff, c == 1 || c == 4);
            for (uint32_t i = 0; i < 8; i++) {
                assert_int_equal(out[c * 8 + i] >> 8 & 0xff, i < degree ? neighbours[i] : 255);
            }
        }
        assert_int_equal(edges, 2 * 256);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_facts),
        cmocka_unit_test(control),
        cmocka_unit_test(lane_loops),
        cmocka_unit_test(uniform_rounds),
        cmocka_unit_test(fuel),
        cmocka_unit_test(stops),
        cmocka_unit_test(cancelled_between_blocks),
        cmocka_unit_test(lowest_lane),
        cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
