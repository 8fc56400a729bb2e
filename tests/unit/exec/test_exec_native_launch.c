/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launches of the native executor: what they refuse, operands that overlap or are read in several
 * ways, the boundary pool, forms that code has besides the plain one, and first launches at once.
 */
#include <pthread.h>

#include "native_subjects.h"

#include "lib/exec/run.h"
#include "lib/native/native.h"

/* In place: the output is an input, element for element. Otherwise overlapping: refused, by the
 * checks of a direct launch as by the others. */
static void overlaps(void **state)
{
    (void)state;
    struct hg_program *program = build(subjects[0].text, true);
    struct region a = region_new(4004, 0);
    struct region b = region_new(4000, 0);
    for (unsigned i = 0; i < 1000; i++) {
        set_element(a.data, HG_F32, i, 0x3f800000);
        set_element(b.data, HG_F32, i, 0x40000000);
    }
    struct hg_launch launch = launch_of(program, 1, 1000);
    launch.executor = HG_EXECUTOR_NATIVE;
    launch.operands[0] = (struct hg_operand){a.data, 4000, false};
    launch.operands[1] = (struct hg_operand){b.data, 4000, false};
    launch.operands[2] = (struct hg_operand){a.data, 4000, true};
    launch.operand_count = 3;
    launch_ok(&launch);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(element_at(a.data, HG_F32, i), 0x40400000);
    }
    launch.operands[2].base = a.data + 4;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "overlap"));
    hg_program_unref(&program);
    region_free(&a);
    region_free(&b);
}

/* An operand that is read in several ways is launched directly; a result in the memory of one of
 * them is refused, as without native code. */
static void several_ways_to_read(void **state)
{
    (void)state;
    struct hg_program *program =
        build("LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b0 + 400 + lane]\n"
              "add.f32 r3, r1, r2\nstg.f32 [b1 + lane], r3\nEND\nexit\n",
              false);
    struct region a = region_new(800, 0);
    struct region b = region_new(400, 0);
    for (unsigned i = 0; i < 200; i++) {
        set_element(a.data, HG_F32, i, i < 100 ? 0x3f800000 : 0x40000000);
    }
    struct hg_launch launch = launch_of(program, 1, 100);
    launch.executor = HG_EXECUTOR_NATIVE;
    launch.operands[0] = (struct hg_operand){a.data, 800, false};
    launch.operands[1] = (struct hg_operand){b.data, 400, true};
    launch.operand_count = 2;
    launch_ok(&launch);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(element_at(b.data, HG_F32, i), 0x40400000);
    }
    const struct hg_native_code *code = hg_native_code_of(program, HG_FP_IEEE);
    assert_true(code == NULL || code->direct);
    for (unsigned i = 0; i < 2; i++) {
        struct hg_error error = HG_ERROR_INIT;
        launch.executor = i == 0 ? HG_EXECUTOR_NATIVE : HG_EXECUTOR_BLOCK;
        launch.operands[1].base = a.data + 400;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "overlap"));
    }
    hg_program_unref(&program);
    region_free(&a);
    region_free(&b);
}

/* A direct launch refuses what the other way refuses: short and read-only operands, wrong counts
 * and sizes, a wish to cancel. */
static void refusals(void **state)
{
    (void)state;
    struct hg_program *program = build(subjects[0].text, true);
    struct region memory[3] = {region_new(400, 0), region_new(400, 0), region_new(400, 0)};
    struct hg_launch good = launch_of(program, 1, 100);
    good.executor = HG_EXECUTOR_NATIVE;
    for (unsigned i = 0; i < 3; i++) {
        memset(memory[i].data, 0, 400);
        launch_bind(&good, &memory[i], i == 2);
    }
    launch_ok(&good);
    struct hg_error error = HG_ERROR_INIT;
    struct hg_launch launch = good;
    launch.operands[1].bytes = 399;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_OUT_OF_RANGE);
    launch = good;
    launch.operands[2].writable = false;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
    launch = good;
    launch.operand_count = 2;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
    launch = good;
    launch.params[HG_PARAM_COLS] = 99;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
    _Atomic bool cancelled = true;
    launch = good;
    launch.cancelled = &cancelled;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_CANCELLED);
    launch = good;
    launch.deadline_ns = 1;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_DEADLINE_EXCEEDED);
    for (unsigned i = 0; i < 3; i++) {
        region_free(&memory[i]);
    }
    hg_program_unref(&program);
}

/* Classes of the boundary pool: those that the launch may address, inside their own bytes. */
static void classes(void **state)
{
    (void)state;
    struct hg_program *program =
        program_of("loop.blocks @e\nldg.f32 r1, [phi(2, 0, 0) + lane]\nadd.f32 r1, r1, r1\n"
                   "stg.f32 [phi(70, 1, 0) + lane], r1\ne:\nexit\n");
    struct region pool = region_new(HG_BOUNDARY_BYTES, 0);
    for (uint64_t i = 0; i < HG_BOUNDARY_BYTES / 4; i++) {
        set_element(pool.data, HG_F32, i, 0x3f800000);
    }
    struct hg_launch launch = launch_of(program, 1, 3000);
    launch.executor = HG_EXECUTOR_NATIVE;
    launch.boundary_base = pool.data;
    launch.boundary_classes[0] = 1u << 2;
    launch.boundary_classes[1] = 1u << (70 - 64);
    launch_ok(&launch);
    uint64_t first = (70 * HG_CLASS_BYTES + HG_PAGE_BYTES) / 4;
    assert_int_equal(element_at(pool.data, HG_F32, first - 1), 0x3f800000);
    assert_int_equal(element_at(pool.data, HG_F32, first), 0x40000000);
    assert_int_equal(element_at(pool.data, HG_F32, first + 2999), 0x40000000);
    assert_int_equal(element_at(pool.data, HG_F32, first + 3000), 0x3f800000);
    struct hg_error error = HG_ERROR_INIT;
    launch.boundary_classes[1] = 0;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_PERMISSION_DENIED);
    launch.boundary_classes[1] = 1u << (70 - 64);
    launch.params[HG_PARAM_N] = launch.params[HG_PARAM_COLS] = 3009; /* one too many */
    assert_int_equal(hg_exec_launch(&launch, &error), HG_OUT_OF_RANGE);
    region_free(&pool);
    hg_program_unref(&program);
}

/* A register that has held a value of each row, and then the launch's, is the launch's also where a
 * region without code stores it: once. */
static void levels(void **state)
{
    (void)state;
    struct hg_program *program = program_of(
        "mov_imm.u32 r9, 1\nldg.f32 r1, [b0 + row]\nloop r9, @e\nadd.f32 r2, r1, r1\ne:\n"
        "param.f32 r1, 3\nbar.sync\nadd.f32 r4, r1, r1\nbar.sync\nmov.u32 r5, r252\n"
        "stg.u32 [b1 + lane], r5\nstg.f32 [b2], r4\nexit\n");
    struct region memory[3] = {region_new(400, 0), region_new(400, 0), region_new(400, 0)};
    for (unsigned i = 0; i < 3; i++) {
        memset(memory[i].data, 0, 400);
    }
    struct hg_launch launch = launch_of(program, 10, 10);
    launch.executor = HG_EXECUTOR_NATIVE;
    launch.params[3] = 0x3f800000;
    for (unsigned i = 0; i < 3; i++) {
        launch_bind(&launch, &memory[i], i != 0);
    }
    launch_ok(&launch);
    assert_int_equal(element_at(memory[2].data, HG_F32, 0), 0x40000000);
    assert_int_equal(element_at(memory[2].data, HG_F32, 1), 0);
    for (unsigned i = 0; i < 3; i++) {
        region_free(&memory[i]);
    }
    hg_program_unref(&program);
}

/* Launches of other forms: rows of one lane, and outputs so large that they are stored past the
 * caches, wherever these begin. All have the block executor's bits, and nothing else is touched. */
static void other_forms(void **state)
{
    (void)state;
    static const struct {
        enum hg_dtype type;
        uint64_t rows, cols;
        const char *text;
    } cases[] = {
        {HG_F32, 1, 2200003,
         "loop.blocks @e\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\n"
         "add.f32 r3, r1, r2\nstg.f32 [b2 + lane], r3\ne:\nexit\n"},
        {HG_U8, 1, 9000011,
         "loop.blocks @e\nldg.u8 r1, [b0 + lane]\nldg.u8 r2, [b1 + lane]\n"
         "max.u8 r3, r1, r2\nstg.u8 [b2 + lane], r3\ne:\nexit\n"},
        {HG_F64, 3, 400001,
         "loop.blocks @e\nldg.f64 r1, [b0 + lane]\nldg.f64 r2, [b1 + lane]\n"
         "exp.f64 r3, r1\nfma.f64 r3, r3, r2, r1\nstg.f64 [b2 + lane], r3\ne:\n"
         "exit\n"},
        {HG_F32, 5003, 1,
         "loop.blocks @e\nldg.f32 r1, [b0 + lane/cols]\n"
         "ldg.f32 r2, [b1 + lane%cols]\nsub.f32 r3, r1, r2\nmov.u64 r4, r250\n"
         "add.u64 r4, r4, r251\ncvt.f32.u64 r5, r4\nadd.f32 r3, r3, r5\n"
         "stg.f32 [b2 + lane], r3\ne:\nexit\n"},
        {HG_F32, 257, 1,
         "ldg.f32 r1, [b0 + row]\nldg.f32 r2, [b1 + lane]\nmul.f32 r1, r1, r1\n"
         "add.f32 r3, r1, r2\nstg.f32 [b2 + lane], r3\nexit\n"},
    };
    for (unsigned i = 0; i < 4 * COUNT_OF(cases); i++) {
        enum hg_dtype type = cases[i / 4].type;
        uint64_t lanes = cases[i / 4].rows * cases[i / 4].cols;
        unsigned skew = i % 2 == 0 ? i * hg_dtype_bytes(type) % 64 : 7;
        hg_cpu_limit(i % 4 < 2 ? HG_ISA_AVX512 : HG_ISA_AVX2);
        struct hg_program *program = program_of(cases[i / 4].text);
        struct region memory[4];
        for (unsigned m = 0; m < 4; m++) {
            memory[m] = region_new(lanes * hg_dtype_bytes(type), skew);
            for (uint64_t e = 0; e < lanes; e++) {
                set_element(memory[m].data, type, e, m < 2 ? (e * 2654435761u) >> (m * 5) : 0);
            }
        }
        for (unsigned way = 0; way < 3; way++) {
            struct hg_launch launch = launch_of(program, cases[i / 4].rows, cases[i / 4].cols);
            launch.executor = way == 0 ? HG_EXECUTOR_BLOCK : HG_EXECUTOR_NATIVE;
            launch_bind(&launch, &memory[0], false);
            launch_bind(&launch, &memory[1], false);
            launch_bind(&launch, &memory[way == 0 ? 2 : 3], true);
            struct hg_error error = HG_ERROR_INIT;
            assert_int_equal(way == 2 ? run_in_parts(&launch, 2, &error)
                                      : hg_exec_launch(&launch, &error),
                             HG_OK);
            for (uint64_t e = 0; way != 0 && e < lanes; e++) {
                assert_true(same_element(type, element_at(memory[3].data, type, e),
                                         element_at(memory[2].data, type, e)));
            }
            memset(memory[3].data, 0x5a, memory[3].size);
            const struct hg_native_code *code = hg_native_code_of(program, HG_FP_IEEE);
            assert_true(code == NULL || hg_native_suited(program, code, launch.params) != code ||
                        hg_native_stream_of(program, code, launch.params).run != NULL);
        }
        for (unsigned m = 0; m < 4; m++) {
            region_free(&memory[m]);
        }
        hg_program_unref(&program);
    }
    hg_cpu_limit(HG_ISA_AVX512);
}

struct contest {
    const struct hg_program *program;
    pthread_barrier_t *start;
    uint32_t sum;
};

static void *contend(void *argument)
{
    struct contest *contest = argument;
    uint32_t a[100];
    uint32_t c[100];
    for (unsigned i = 0; i < 100; i++) {
        a[i] = i;
    }
    struct hg_launch launch = launch_of(contest->program, 1, 100);
    launch.executor = HG_EXECUTOR_NATIVE;
    launch.operands[0] = (struct hg_operand){a, sizeof a, false};
    launch.operands[1] = (struct hg_operand){c, sizeof c, true};
    launch.operand_count = 2;
    pthread_barrier_wait(contest->start);
    struct hg_error error = HG_ERROR_INIT;
    if (hg_exec_launch(&launch, &error) == HG_OK) {
        for (unsigned i = 0; i < 100; i++) {
            contest->sum += c[i];
        }
    }
    return NULL;
}

/* Threads that meet a fresh program at once: one of them compiles it for all. */
static void first_come(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    for (unsigned round = 0; round < 30; round++) {
        struct hg_program *program = program_of(
            "ldg.u32 r1, [b0 + lane]\nadd.u32 r2, r1, r1\nstg.u32 [b1 + lane], r2\nexit\n");
        pthread_barrier_t start;
        assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
        pthread_t threads[THREADS];
        struct contest contests[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
            contests[i] = (struct contest){program, &start, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, contend, &contests[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(contests[i].sum, 9900);
        }
        pthread_barrier_destroy(&start);
        hg_program_unref(&program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlaps),   cmocka_unit_test(several_ways_to_read),
        cmocka_unit_test(refusals),   cmocka_unit_test(classes),
        cmocka_unit_test(levels),     cmocka_unit_test(other_forms),
        cmocka_unit_test(first_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
