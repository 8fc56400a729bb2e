/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that verify and that no builder writes: what native code makes of them is what the
 * reference does, and neither compiling nor running them takes more than they may.
 */
#include "support.h"

#include "lib/exec/run.h"
#include "lib/native/native.h"

enum { ELEMENTS = 3000 };

/* Runs PROGRAM, which reads U64 from b0 and writes U64 to b1, in one of several WAYS. */
static enum hg_status run_way(const struct hg_program *program, const uint64_t shape[2],
                              unsigned way, const struct region *in, struct region *out,
                              struct hg_error *error)
{
    struct hg_launch launch = launch_of(program, shape[0], shape[1]);
    launch.executor = way == 0 ? HG_EXECUTOR_REFERENCE : HG_EXECUTOR_NATIVE;
    memset(out->data, 0x77, out->size);
    launch_bind(&launch, in, false);
    launch_bind(&launch, out, true);
    return way <= 1 ? hg_exec_launch(&launch, error) : run_in_parts(&launch, way - 1, error);
}

/* The reference's outcome, and its results if there are any, from beginning to end and in parts. */
static void check(const char *text, uint64_t rows, uint64_t cols)
{
    struct hg_program *program = program_of(text);
    const uint64_t shape[2] = {rows, cols};
    struct region in = region_new(ELEMENTS * sizeof(uint64_t), 0);
    struct region want = region_new(in.size, 0);
    struct region got = region_new(in.size, 0);
    for (unsigned i = 0; i < ELEMENTS; i++) {
        set_element(in.data, HG_U64, i, i + 1);
    }
    struct hg_error expected = HG_ERROR_INIT;
    enum hg_status status = run_way(program, shape, 0, &in, &want, &expected);
    for (unsigned way = 1; way < 4; way++) {
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(run_way(program, shape, way, &in, &got, &error), status);
        if (status != HG_OK) {
            assert_string_equal(error.message, expected.message);
        } else if (memcmp(want.data, got.data, got.size) != 0) {
            print_error("way %u of\n%s", way, text);
            fail();
        }
    }
    region_free(&in);
    region_free(&want);
    region_free(&got);
    hg_program_unref(&program);
}

/* Adds r5, of an earlier segment, to each element. */
#define ADD_R5                                                                                     \
    "bar.sync\nloop.blocks @f\nldg.u64 r6, [b0 + lane]\nadd.u64 r6, r6, r5\n"                      \
    "stg.u64 [b1 + lane], r6\nf:\nexit\n"

/* A value that differs from row to row only by the predicate that chose it is the row's own. */
static void chosen_by_row(void **state)
{
    (void)state;
    check("mov_imm.u64 r1, 1\nsetlt.u64 p0, r250, r1\nmov_imm.u64 r2, 5\nmov_imm.u64 r3, 9\n"
          "sel.u64 r5, p0, r2, r3\n" ADD_R5,
          7, 100);
    check("loop.blocks @e\nldg.u64 r1, [b0 + lane]\nreduce.add.u64 r2, r1\ne:\n"
          "mov_imm.u64 r3, 5100\nsetlt.u64 p1, r2, r3\nbar.sync\nmov_imm.u64 r6, 1\n"
          "mov_imm.u64 r7, 2\nsel.u64 r5, p1, r6, r7\n" ADD_R5,
          5, 100);
}

/* A row's number that a loop hands from register to register, one each round, arrives as that. */
static void handed_on(void **state)
{
    (void)state;
    check("mov_imm.u64 r1, 0\nmov_imm.u64 r2, 0\nmov_imm.u64 r3, 0\nmov_imm.u64 r4, 0\n"
          "mov_imm.u64 r5, 0\nmov_imm.u64 r6, 0\nmov_imm.u64 r7, 0\nmov_imm.u32 r20, 10\n"
          "loop r20, @l\nmov.u64 r5, r4\nmov.u64 r4, r3\nmov.u64 r3, r2\nmov.u64 r2, r7\n"
          "mov.u64 r7, r6\nmov.u64 r6, r1\nmov.u64 r1, r250\nl:\n" ADD_R5,
          7, 100);
}

/* EXIT in the body of a loop that does not run is not the program's end. */
static void exit_that_is_not_reached(void **state)
{
    (void)state;
    check("mov_imm.u32 r0, 0\nloop r0, @e\nexit\ne:\nmov_imm.u64 r1, 7\n"
          "stg.u64 [b1 + lane], r1\nexit\n",
          1, 100);
}

/* Of zero divisors in several leaves of a row the lowest is named. */
static void lowest_of_leaves(void **state)
{
    (void)state;
    check("loop.blocks @e\nldg.u64 r1, [b0 + lane]\ncvt.u32.u64 r1, r1\nmov_imm.u32 r2, 6\n"
          "sub.u32 r3, r1, r2\nmov_imm.u32 r4, 1538\nsub.u32 r5, r1, r4\nmul.u32 r3, r3, r5\n"
          "div.u32 r7, r1, r3\ncvt.u64.u32 r9, r7\nstg.u64 [b1 + lane], r9\nreduce.add.u32 r8, r7\n"
          "e:\nexit\n",
          1, ELEMENTS);
}

/* Loops in loops of instructions that emit nothing would go on for 64^12 rounds: such a region has
 * no code, which is found at once. */
static void nested_loops(void **state)
{
    (void)state;
    enum { DEPTH = 12 };
    char text[1024] = "mov_imm.u32 r0, 64\n";
    size_t length = strlen(text);
    for (int i = 0; i < DEPTH; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "loop r0, @e%d\n", i);
    }
    length += (size_t)snprintf(text + length, sizeof text - length, "mov.u32 r1, r0\n");
    for (int i = DEPTH; i-- > 0;) {
        length += (size_t)snprintf(text + length, sizeof text - length, "e%d:\n", i);
    }
    (void)snprintf(text + length, sizeof text - length, "exit\n");
    struct hg_program *program = program_of(text);
    assert_null(hg_native_code_of(program, HG_FP_IEEE));
    hg_program_unref(&program);
}

/* Strides that are parameters are at least the columns, as constants are: else a few bytes would
 * stand for any number of terms. */
static void overlapping_rows(void **state)
{
    (void)state;
    struct hg_program *program =
        program_of("mma.f32 r1, [b0], [b1], m=%1, n=%2, k=%3, lda=%4, ldb=%5, trans_a\n"
                   "stg.f32 [b2 + lane], r1\nexit\n");
    static float memory[3][8];
    struct hg_launch launch = launch_of(program, 2, 3);
    launch.params[3] = 2;
    launch.params[4] = 2;
    launch.params[5] = 3;
    for (unsigned i = 0; i < 3; i++) {
        launch.operands[i] = (struct hg_operand){memory[i], sizeof memory[i], i == 2};
    }
    launch.operand_count = 3;
    launch_ok(&launch);
    struct hg_error error = HG_ERROR_INIT;
    launch.params[5] = 2;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
    launch.params[5] = 3;
    launch.params[4] = 1;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "lda"));
    hg_program_unref(&program);
}

/* A product into the part of an operand that its matrix does not reach is refused by all. */
static void behind_a_matrix(void **state)
{
    (void)state;
    struct hg_program *program = program_of("mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2, ldb=2\n"
                                            "stg.f32 [b2 + 64 + lane], r1\nexit\n");
    static float memory[2][64];
    for (int executor = 0; executor < HG_EXECUTOR_COUNT; executor++) {
        struct hg_launch launch = launch_of(program, 2, 2);
        launch.executor = (enum hg_executor)executor;
        for (unsigned i = 0; i < 3; i++) {
            launch.operands[i] = (struct hg_operand){memory[i % 2], sizeof memory[0], i == 2};
        }
        launch.operand_count = 3;
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "overlap"));
    }
    hg_program_unref(&program);
}

/* Rows without lanes are run, too, and take their time: no loop thread should begin 2^48 of them.
 */
static void rows_without_lanes(void **state)
{
    (void)state;
    struct hg_program *program = program_of("mov.u64 r1, r250\nadd.u64 r2, r1, r1\nexit\n");
    const uint64_t params[HG_PARAM_COUNT] = {0, UINT64_C(1) << 48, 0};
    assert_true(hg_exec_estimate_ns(program, params) > UINT64_C(1) << 48);
    hg_program_unref(&program);
}

/* A product of known sizes stays short in a program that reads the first parameter, which is k of
 * others, for something else. */
static void a_product_beside_a_parameter(void **state)
{
    (void)state;
    struct hg_program *program =
        program_of("mma.f32 r1, [b0], [b1], m=2, n=2, k=32, lda=32, ldb=2\n"
                   "param.f32 r2, 3\nadd.f32 r1, r1, r2\nstg.f32 [b2 + lane], r1\nexit\n");
    const uint64_t params[HG_PARAM_COUNT] = {4, 2, 2, 1};
    assert_in_range(hg_exec_estimate_ns(program, params), 100, 10000);
    hg_program_unref(&program);
}

/* Each of the REDUCE that end a region has partial results of its own, and is charged for them. */
static void leaves_are_charged(void **state)
{
    (void)state;
    enum { REDUCES = 100, ROWS = 1000 };
    char text[8192] = "loop.blocks @e\nmov.u64 r100, r255\n";
    size_t length = strlen(text);
    for (int i = 0; i < REDUCES; i++) {
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "reduce.add.u64 r%d, r100\n", i);
    }
    (void)snprintf(text + length, sizeof text - length, "e:\nexit\n");
    struct hg_program *program = program_of(text);
    assert_true(hg_exec_scratch_bytes(program, ROWS, 2) >= REDUCES * ROWS * sizeof(uint64_t));
    hg_program_unref(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_by_row),      cmocka_unit_test(handed_on),
        cmocka_unit_test(lowest_of_leaves),   cmocka_unit_test(exit_that_is_not_reached),
        cmocka_unit_test(nested_loops),       cmocka_unit_test(overlapping_rows),
        cmocka_unit_test(rows_without_lanes), cmocka_unit_test(a_product_beside_a_parameter),
        cmocka_unit_test(leaves_are_charged), cmocka_unit_test(behind_a_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
