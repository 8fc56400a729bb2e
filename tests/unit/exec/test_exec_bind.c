/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a launch is refused for, with its text; aliasing; memory that runs out; parts on several
 * threads; estimates.
 */
#include <pthread.h>

#include "support.h"

static const char *const add_text =
    "ldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nadd.f32 r3, r1, r2\n"
    "stg.f32 [b2 + lane], r3\nexit\n";
static const char *const add_loop =
    "loop.blocks @end\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nadd.f32 r3, r1, r2\n"
    "stg.f32 [b2 + lane], r3\nend:\nexit\n";

struct add {
    struct hg_program *program;
    struct hg_launch launch;
    struct region region[3];
};

static struct add add_of(const char *text, uint64_t n)
{
    struct add add = {.program = program_of(text)};
    add.launch = launch_of(add.program, 1, n);
    for (int i = 0; i < 3; i++) {
        add.region[i] = region_new(n * 4, 0);
        for (uint64_t e = 0; e < n; e++) {
            float value = (float)(e + (uint64_t)i);
            memcpy(add.region[i].data + 4 * e, &value, 4);
        }
        launch_bind(&add.launch, &add.region[i], i == 2);
    }
    return add;
}

static void add_free(struct add *add)
{
    for (int i = 0; i < 3; i++) {
        region_free(&add->region[i]);
    }
    hg_program_unref(&add->program);
}

static void expect(const struct hg_launch *launch, enum hg_status status, const char *text)
{
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status got = hg_exec_launch(launch, &error);
    if (got != status || strstr(error.message, text) == NULL) {
        print_error("%s: %s; expected %s: %s\n", hg_status_name(got), error.message,
                    hg_status_name(status), text);
        fail();
    }
}

/* Every refusal names what was expected and what came. */
static void refusals(void **state)
{
    (void)state;
    struct add add = add_of(add_text, 100);
    struct hg_launch launch = add.launch;
    launch.operand_count = 2;
    expect(&launch, HG_INVALID_ARGUMENT, "program takes 3 operands, not 2");
    launch = add.launch;
    launch.operands[2].writable = false;
    expect(&launch, HG_INVALID_ARGUMENT, "slot b2: the program writes it, but it is read-only");
    launch = add.launch;
    launch.params[HG_PARAM_N] = 99;
    expect(&launch, HG_INVALID_ARGUMENT, "launch of 99 elements: expected rows * cols, 1 * 100");
    launch = add.launch;
    launch.operands[1].bytes = 399;
    expect(&launch, HG_OUT_OF_RANGE, "slot b1, offset 0: needs 400 bytes, has 399");
    launch = add.launch;
    launch.params[HG_PARAM_N] = launch.params[HG_PARAM_COLS] = 3073;
    expect(&launch, HG_INVALID_ARGUMENT,
           "launch of 3073 elements: the program has no loop over blocks and takes at most 3072");
    launch.params[HG_PARAM_ROWS] = 1ull << 32;
    launch.params[HG_PARAM_COLS] = 1ull << 32;
    launch.params[HG_PARAM_N] = 0;
    expect(&launch, HG_INVALID_ARGUMENT, "expected rows * cols");
    launch.params[HG_PARAM_ROWS] = 0;
    launch.params[HG_PARAM_COLS] = 1ull << 60;
    expect(&launch, HG_INVALID_ARGUMENT, "at most");
    add_free(&add);
}

/* The end of an address is computed without wrapping. */
static void far_addresses(void **state)
{
    (void)state;
    struct hg_program *program =
        program_of("loop.blocks @end\nldg.u64 r1, [b0 + lane*4294967295]\nend:\nexit\n");
    struct region in = region_new(64, 0);
    struct hg_launch launch = launch_of(program, 1, 1ull << 47);
    launch_bind(&launch, &in, false);
    expect(&launch, HG_OUT_OF_RANGE, "slot b0, offset 0");
    launch = launch_of(program, 1, 2);
    launch_bind(&launch, &in, false);
    expect(&launch, HG_OUT_OF_RANGE, "needs 34359738368 bytes, has 64");
    hg_program_unref(&program);
    region_free(&in);
}

/* In place is the identical range, width and lane mode; everything else that touches an output is
 * refused; inputs may overlap as they like. */
static void aliasing(void **state)
{
    (void)state;
    struct add add = add_of(add_text, 100);
    uint8_t *memory = add.region[0].data;
    struct hg_launch launch = add.launch;
    launch.operands[2] = launch.operands[0];
    launch.operands[2].writable = true;
    launch_ok(&launch);
    for (uint64_t e = 0; e < 100; e++) {
        float want = (float)(2 * e + 1);
        assert_memory_equal(memory + 4 * e, &want, 4);
    }
    launch.operands[1] = launch.operands[0];
    launch_ok(&launch);
    /* One element further on. */
    launch = add.launch;
    launch.params[HG_PARAM_N] = launch.params[HG_PARAM_COLS] = 50;
    launch.operands[2] = (struct hg_operand){memory + 4, 200, true};
    expect(&launch, HG_INVALID_ARGUMENT, "slots b0 and b2 overlap");
    /* Side by side in one buffer. */
    launch.operands[2] = (struct hg_operand){memory + 200, 200, true};
    launch_ok(&launch);
    /* Inputs of one another. */
    launch.operands[1] = (struct hg_operand){memory + 4, 200, false};
    launch.operands[2] = add.launch.operands[2];
    launch_ok(&launch);
    add_free(&add);
    static const char *const others[] = {
        /* another lane mode */
        "loop.blocks @end\nldg.f32 r1, [b0 + lane%cols]\nstg.f32 [b1 + lane], r1\nend:\nexit\n",
        /* another width */
        "loop.blocks @end\nldg.u16 r1, [b0 + lane]\ncvt.u32.u16 r2, r1\nstg.u32 [b1 + lane], r2\n"
        "end:\nexit\n",
        /* a scalar that the output has in it */
        "loop.blocks @end\nldg.f32 r1, [b0]\nstg.f32 [b1 + lane], r1\nend:\nexit\n",
        /* the same elements by another lane mode */
        "loop.blocks @end\nldg.f32 r1, [b0 + lane/1]\nstg.f32 [b1 + lane], r1\nend:\nexit\n",
        /* a computed address */
        "mov_imm.u64 r2, 0\nloop.blocks @end\nldg.f32 r1, [b0 + r2 + lane]\n"
        "stg.f32 [b1 + lane], r1\nend:\nexit\n",
        /* a matrix */
        "loop.blocks @end\nmma.f32 r1, [b0], [b0], m=%1, n=%2, k=%3, lda=%3, ldb=%2\n"
        "stg.f32 [b1 + lane], r1\nend:\nexit\n",
    };
    struct region both = region_new(4000, 0);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct hg_program *program = program_of(others[i]);
        launch = launch_of(program, 4, 5);
        launch.params[3] = 2;
        launch_bind(&launch, &both, false);
        launch_bind(&launch, &both, true);
        expect(&launch, HG_INVALID_ARGUMENT, "slots b0 and b1 overlap");
        hg_program_unref(&program);
    }
    region_free(&both);
}

/* Φ classes and slots that are the same memory. */
static void aliasing_of_classes(void **state)
{
    (void)state;
    struct hg_program *program = program_of(
        "ldg.u32 r1, [phi(3, 0, 0) + lane]\nldg.u32 r2, [b0 + lane]\nadd.u32 r1, r1, r2\n"
        "stg.u32 [phi(3, 0, 0) + lane], r1\nexit\n");
    struct region pool = region_new(HG_BOUNDARY_BYTES, 0);
    memset(pool.data, 1, pool.size);
    struct hg_launch launch = launch_of(program, 1, 100);
    launch.boundary_base = pool.data;
    launch.boundary_classes[0] = 1u << 3;
    launch.operands[0] = (struct hg_operand){pool.data + 3 * 12288, 12288, false};
    launch.operand_count = 1;
    launch_ok(&launch);
    assert_int_equal(element_at(pool.data + 3 * 12288, HG_U32, 99), 0x02020202);
    assert_int_equal(element_at(pool.data + 3 * 12288, HG_U32, 100), 0x01010101);
    launch.operands[0].base = pool.data + 3 * 12288 + 64;
    launch.operands[0].bytes -= 64;
    expect(&launch, HG_INVALID_ARGUMENT, "slot b0 overlaps a class");
    launch.operands[0] = (struct hg_operand){pool.data + 4 * 12288, 12288, false};
    launch_ok(&launch);
    hg_program_unref(&program);
    region_free(&pool);
}

/* ---- out of memory --------------------------------------------------------------------------- */

/* Whichever allocation fails, the launch says so, nothing is lost, and the next one works. */
static void out_of_memory(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "loop.blocks @a\nldg.f32 r1, [b0 + lane]\nreduce.max.f32 r2, r1\na:\n"
        "mov_imm.f32 r9, 2\nmul.f32 r3, r2, r9\nloop.blocks @b\nldg.f32 r1, [b0 + lane]\n"
        "sub.f32 r1, r1, r3\nstg.f32 [b1 + lane], r1\nb:\nexit\n",
        "loop.blocks @a\nmma.f32 r1, [b0], [b0], m=%1, n=%2, k=%3, lda=%3, ldb=%2\n"
        "stg.f32 [b1 + lane], r1\na:\nexit\n",
        ".scratch 12288\nmov_imm.u64 r9, 64\nmov_imm.u32 r7, 2\nloop.blocks @a\n"
        "pool.alloc r8, r9\nldg.f32 r1, [b0 + lane]\nsts.f32 [s + lane], r1\n"
        "lds.f32 r2, [s + lane]\nloop r7, @l\nadd.f32 r2, r2, r2\nl:\nstg.f32 [b1 + lane], r2\n"
        "a:\nexit\n",
    };
    struct region in = region_new(4000 * 4, 0);
    memset(in.data, 0, in.size);
    struct region out = region_new(4000 * 4, 0);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct hg_program *program = program_of(texts[i]);
        for (int e = 0; e < 2; e++) {
            struct hg_launch launch = launch_of(program, 40, 100);
            launch.executor = (enum hg_executor)e;
            launch.params[3] = 20;
            launch_bind(&launch, &in, false);
            launch_bind(&launch, &out, true);
            unsigned failures = 0;
            for (uint64_t skip = 0;; skip++) {
                hg_exec_release_cached();
                assert_int_equal(hg_alloc_live_bytes(HG_TAG_EXEC), 0);
                hg_alloc_fault_set(skip, false);
                struct hg_error error = HG_ERROR_INIT;
                enum hg_status status = hg_exec_launch(&launch, &error);
                bool fired = hg_alloc_fault_fired();
                hg_alloc_fault_clear();
                if (!fired) {
                    assert_int_equal(status, HG_OK);
                    break;
                }
                assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
                assert_null(error.detail);
                failures++;
                launch_ok(&launch);
            }
            assert_true(failures > 3);
        }
        hg_program_unref(&program);
    }
    hg_exec_release_cached();
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_EXEC), 0);
    region_free(&in);
    region_free(&out);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct crew {
    struct hg_run *run;
    _Atomic uint32_t next;
    uint32_t parts;
};

static void *work(void *context)
{
    struct crew *crew = context;
    for (;;) {
        uint32_t part = atomic_fetch_add(&crew->next, 1);
        if (part >= crew->parts) {
            return NULL;
        }
        hg_run_part(crew->run, part);
    }
}

static enum hg_status run_on_threads(const struct hg_launch *launch, uint32_t threads,
                                     struct hg_error *error)
{
    struct crew crew = {.next = 0};
    enum hg_status status = hg_run_begin(launch, &crew.run, error);
    if (status != HG_OK) {
        return status;
    }
    do {
        crew.parts = hg_run_parts(crew.run, threads);
        atomic_store(&crew.next, 0);
        pthread_t started[8];
        for (uint32_t i = 0; i < threads; i++) {
            assert_int_equal(pthread_create(&started[i], NULL, work, &crew), 0);
        }
        for (uint32_t i = 0; i < threads; i++) {
            assert_int_equal(pthread_join(started[i], NULL), 0);
        }
    } while (hg_run_advance(crew.run));
    return hg_run_finish(&crew.run, error);
}

/* Threads that share a run give the bits of one: softmax of long and short rows, a product, a
 * failing division. */
static void threads(void **state)
{
    (void)state;
    static const char *const softmax =
        "loop.blocks @a\nldg.f32 r1, [b0 + lane]\nreduce.max.f32 r2, r1\na:\n"
        "loop.blocks @b\nldg.f32 r1, [b0 + lane]\nsub.f32 r1, r1, r2\nexp.f32 r1, r1\n"
        "stg.f32 [b1 + lane], r1\nreduce.add.f32 r3, r1\nb:\n"
        "loop.blocks @c\nldg.f32 r1, [b1 + lane]\ndiv.f32 r1, r1, r3\nstg.f32 [b1 + lane], r1\n"
        "c:\nexit\n";
    static const char *const product =
        "loop.blocks @a\nmma.f32 r1, [b0], [b0], m=%1, n=%2, k=%3, lda=%3, ldb=%2\n"
        "stg.f32 [b1 + lane], r1\na:\nexit\n";
    static const char *const division =
        "loop.blocks @a\nldg.i32 r1, [b0 + lane]\nmov_imm.i32 r2, 0x3f000000\nsub.i32 r1, r1, r2\n"
        "div.i32 r1, r2, r1\nstg.i32 [b1 + lane], r1\na:\nexit\n";
    static const char *const uniform_store =
        "loop.blocks @a\nparam.u32 r1, 3\nldg.u32 r2, [b0]\nadd.u32 r1, r1, r2\n"
        "stg.u32 [b1], r1\na:\nexit\n";
    static const struct {
        const char *text;
        uint64_t rows, cols;
    } cases[] = {{uniform_store, 1, 60000}, {softmax, 1, 60000}, {softmax, 600, 100},
                 {softmax, 7, 8000},        {product, 200, 300}, {division, 1, 60000}};
    struct region in = region_new(60000 * 4, 0);
    for (uint64_t i = 0; i < 60000; i++) {
        float value = (float)(i * 7919 % 1000) / 500.0f;
        memcpy(in.data + 4 * i, &value, 4);
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct hg_program *program = program_of(cases[i].text);
        struct region out[2];
        struct hg_error errors[2] = {HG_ERROR_INIT, HG_ERROR_INIT};
        for (uint32_t t = 0; t < 2; t++) {
            out[t] = region_new(60000 * 4, 0);
            memset(out[t].data, 0, out[t].size);
            struct hg_launch launch = launch_of(program, cases[i].rows, cases[i].cols);
            launch.params[3] = 100;
            launch_bind(&launch, &in, false);
            launch_bind(&launch, &out[t], true);
            enum hg_status status = run_on_threads(&launch, t == 0 ? 1 : 4, &errors[t]);
            assert_int_equal(status, cases[i].text == division ? HG_INVALID_ARGUMENT : HG_OK);
        }
        assert_string_equal(errors[0].message, errors[1].message);
        if (cases[i].text != division) {
            assert_memory_equal(out[0].data, out[1].data, out[0].size);
        }
        region_free(&out[0]);
        region_free(&out[1]);
        hg_program_unref(&program);
    }
    region_free(&in);
}

/* ---- figures --------------------------------------------------------------------------------- */

/* What is computed for rows counts, also where there are no lanes; and a product of known sizes
 * does not take any parameter for its terms. */
static void costs_of_rows(void)
{
    char text[4096];
    int at = snprintf(text, sizeof text, "ldg.f64 r1, [b0 + row]\n");
    for (unsigned i = 0; i < 100; i++) {
        at += snprintf(text + at, sizeof text - (size_t)at, "pow.f64 r1, r1, r1\n");
    }
    (void)snprintf(text + at, sizeof text - (size_t)at, "stg.f64 [b1 + row], r1\nexit\n");
    struct hg_program *rows = program_of(text);
    uint64_t params[HG_PARAM_COUNT] = {0, 1000, 0};
    assert_true(hg_exec_estimate_ns(rows, params) > 300000);
    params[HG_PARAM_N] = 1000;
    params[HG_PARAM_COLS] = 1;
    assert_true(hg_exec_estimate_ns(rows, params) > 300000);
    hg_program_unref(&rows);
    struct hg_program *product =
        program_of("mma.f32 r1, [b0], [b1], m=2, n=2, k=4, lda=4, ldb=2\nparam.f32 r2, 3\n"
                   "mul.f32 r1, r1, r2\nstg.f32 [b2 + lane], r1\nexit\n");
    const uint64_t sizes[HG_PARAM_COUNT] = {4, 2, 2, 0x3f800000};
    assert_true(hg_exec_estimate_ns(product, sizes) < 1000);
    hg_program_unref(&product);
}

/* Scratch grows with rows and leaves, estimates with lanes; names are the documented ones. */
static void figures(void **state)
{
    (void)state;
    struct hg_program *add = program_of(add_loop);
    struct hg_program *mean =
        program_of("loop.blocks @a\nldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\na:\n"
                   "stg.f32 [b1 + row], r2\nexit\n");
    assert_int_equal(hg_exec_scratch_bytes(add, 1000, 1000), 0);
    assert_int_equal(hg_exec_scratch_bytes(mean, 1, 1536), 8);
    assert_int_equal(hg_exec_scratch_bytes(mean, 1, 1537), 16);
    assert_int_equal(hg_exec_scratch_bytes(mean, 1000, 10), 16000);
    uint64_t params[HG_PARAM_COUNT] = {100, 1, 100};
    uint64_t small = hg_exec_estimate_ns(add, params);
    params[0] = params[2] = 1000000;
    uint64_t large = hg_exec_estimate_ns(add, params);
    assert_true(small < 1000 && large > 10 * small && large < 100000000);
    /* Short rows that are told apart cost more than their lanes, but for rows of one lane. */
    struct hg_program *bias = program_of("loop.blocks @a\nldg.f32 r1, [b0 + lane%cols]\n"
                                         "stg.f32 [b1 + lane], r1\na:\nexit\n");
    params[1] = 500000;
    params[2] = 2;
    assert_true(hg_exec_estimate_ns(bias, params) > 10 * hg_exec_estimate_ns(add, params));
    params[1] = 1000000;
    params[2] = 1;
    assert_true(hg_exec_estimate_ns(bias, params) < 2 * hg_exec_estimate_ns(add, params));
    costs_of_rows();
    assert_string_equal(hg_executor_name(HG_EXECUTOR_BLOCK), "block");
    assert_string_equal(hg_executor_name(HG_EXECUTOR_REFERENCE), "reference");
    hg_cpu_limit(HG_ISA_GENERIC);
    assert_string_equal(hg_exec_isa_level(), "generic");
    hg_cpu_limit(HG_ISA_AVX512);
    hg_program_unref(&add);
    hg_program_unref(&mean);
    hg_program_unref(&bias);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),      cmocka_unit_test(far_addresses),
        cmocka_unit_test(aliasing),      cmocka_unit_test(aliasing_of_classes),
        cmocka_unit_test(out_of_memory), cmocka_unit_test(threads),
        cmocka_unit_test(figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
