/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native executor: what is expected to have code has it, and gives the reference's bits however
 * it is launched (from beginning to end, or in parts), for shapes around vectors, leaves and
 * blocks, misaligned and in place.
 */
#include "support.h"

#include <pthread.h>

#include "lib/exec/run.h"
#include "lib/native/native.h"

enum { OPERANDS = 4, LANES_MAX = 20000 };

static uint64_t seed = 7;

struct subject {
    const char *name;
    bool direct; /* launched from beginning to end */
    enum hg_dtype types[OPERANDS];
    unsigned outputs; /* the last so many operands */
    unsigned operands;
    const char *text; /* with LOOP and END where the body of a loop over blocks may stand */
};

static const struct subject subjects[] = {
    {"add",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nadd.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nEND\nexit\n"},
    {"scalar operand",
     true,
     {HG_F64, HG_F64, HG_F64},
     1,
     3,
     "LOOP\nldg.f64 r1, [b0 + lane]\nldg.f64 r2, [b1]\nmul.f64 r3, r1, r2\n"
     "stg.f64 [b2 + lane], r3\nEND\nexit\n"},
    {"bias",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane%cols]\nadd.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nEND\nexit\n"},
    {"per row",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane/cols]\nsub.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nEND\nexit\n"},
    {"clip",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nparam.f32 r1, 3\nparam.f32 r2, 4\nldg.f32 r3, [b0 + lane]\nmax.f32 r3, r3, r1\n"
     "min.f32 r3, r3, r2\nstg.f32 [b1 + lane], r3\nEND\nexit\n"},
    {"halves",
     true,
     {HG_F16, HG_BF16, HG_BF16},
     1,
     3,
     "LOOP\nldg.f16 r1, [b0 + lane]\nldg.bf16 r2, [b1 + lane]\ncvt.f32.f16 r3, r1\n"
     "cvt.f32.bf16 r4, r2\nfma.f32 r5, r3, r4, r3\ncvt.bf16.f32 r6, r5\n"
     "stg.bf16 [b2 + lane], r6\nEND\nexit\n"},
    {"bytes",
     true,
     {HG_I8, HG_U8, HG_F64},
     1,
     3,
     "LOOP\nldg.i8 r1, [b0 + lane]\nldg.u8 r2, [b1 + lane]\ncvt.f64.i8 r3, r1\n"
     "cvt.f64.u8 r4, r2\nmul.f64 r5, r3, r4\nstg.f64 [b2 + lane], r5\nEND\nexit\n"},
    {"spills",
     true,
     {HG_F64, HG_F64},
     1,
     2,
     "LOOP\nldg.f64 r1, [b0 + lane]\npow.f64 r2, r1, r1\nsin.f64 r3, r1\ntan.f64 r4, r2\n"
     "add.f64 r5, r3, r4\nsub.f64 r5, r5, r1\nstg.f64 [b1 + lane], r5\nEND\nexit\n"},
    {"sum",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nEND\nstg.f32 [b1 + row], r2\nexit\n"},
    {"sum of halves",
     true,
     {HG_F16, HG_F16},
     1,
     2,
     "LOOP\nldg.f16 r1, [b0 + lane]\nreduce.add.f16 r2, r1\nEND\nstg.f16 [b1 + row], r2\nexit\n"},
    {"sum of bytes",
     true,
     {HG_U8, HG_U8},
     1,
     2,
     "LOOP\nldg.u8 r1, [b0 + lane]\nreduce.add.u8 r2, r1\nEND\nstg.u8 [b1 + row], r2\nexit\n"},
    {"extremes",
     true,
     {HG_F64, HG_F64, HG_F64},
     2,
     3,
     "LOOP\nldg.f64 r1, [b0 + lane]\nreduce.min.f64 r2, r1\nreduce.max.f64 r3, r1\nEND\n"
     "stg.f64 [b1 + row], r2\nstg.f64 [b2 + row], r3\nexit\n"},
    {"extremes of integers",
     true,
     {HG_I16, HG_I16, HG_I16},
     2,
     3,
     "LOOP\nldg.i16 r1, [b0 + lane]\nreduce.min.i16 r2, r1\nreduce.max.i16 r3, r1\nEND\n"
     "stg.i16 [b1 + row], r2\nstg.i16 [b2 + row], r3\nexit\n"},
    {"product",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\nreduce.mul.f32 r2, r1\nEND\nstg.f32 [b1 + row], r2\nexit\n"},
    {"sum in a wide body",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\ncvt.f64.f32 r3, r1\nadd.f64 r3, r3, r3\ncvt.f32.f64 r4, r3\n"
     "reduce.add.f32 r2, r4\nEND\nstg.f32 [b1 + row], r2\nexit\n"},
    {"softmax",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\nreduce.max.f32 r2, r1\nEND\nLOOP\n"
     "ldg.f32 r3, [b0 + lane]\nsub.f32 r3, r3, r2\nexp.f32 r3, r3\nstg.f32 [b1 + lane], r3\n"
     "reduce.add.f32 r4, r3\nEND\nLOOP\nldg.f32 r5, [b1 + lane]\ndiv.f32 r5, r5, r4\n"
     "stg.f32 [b1 + lane], r5\nEND\nexit\n"},
    {"mean of squares",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nsub.f32 r3, r1, r2\n"
     "mul.f32 r3, r3, r3\nreduce.add.f32 r4, r3\nEND\nparam.u64 r5, 2\ncvt.f32.u64 r6, r5\n"
     "div.f32 r7, r4, r6\nstg.f32 [b2 + row], r7\nexit\n"},
    {"quotients",
     true,
     {HG_I32, HG_I32, HG_I32},
     1,
     3,
     "LOOP\nldg.i32 r1, [b0 + lane]\nldg.i32 r2, [b1 + lane]\nmov_imm.i32 r9, 1\n"
     "or.i32 r2, r2, r9\ndiv.i32 r3, r1, r2\nstg.i32 [b2 + lane], r3\nEND\nexit\n"},
    {"strides",
     false,
     {HG_F32, HG_F64, HG_F64},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane/3]\nldg.f64 r2, [b1 + lane%7]\nldg.f32 r3, [b0 + lane%1000]\n"
     "cvt.f64.f32 r1, r1\ncvt.f64.f32 r3, r3\nfma.f64 r4, r1, r2, r3\n"
     "stg.f64 [b2 + lane], r4\nEND\nexit\n"},
    {"a register anew",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "mov_imm.f32 r1, 3\nbar.sync\nldg.f32 r2, [b0 + lane]\nmul.f32 r2, r2, r1\nlog.f32 r3, r1\n"
     "mov_imm.f32 r1, 7\nadd.f32 r4, r1, r3\nreduce.add.f32 r5, r2\nadd.f32 r5, r5, r4\n"
     "mul.f32 r5, r5, r1\nstg.f32 [b1 + row], r5\nexit\n"},
    {"predicates",
     true,
     {HG_F32, HG_U8, HG_U8},
     1,
     3,
     "param.f32 r1, 3\nparam.f32 r2, 4\nsetlt.f32 p0, r1, r2\nsetgt.f32 p1, r1, r2\nLOOP\n"
     "ldg.f32 r3, [b0 + lane]\nreduce.max.f32 r4, r3\nEND\nsetgt.f32 p2, r4, r2\nbar.sync\nLOOP\n"
     "ldg.u8 r5, [b1 + lane]\nmov_imm.u8 r6, 7\nsel.u8 r5, p0, r5, r6\nsel.u8 r6, p1, r5, r6\n"
     "sel.u8 r5, p2, r5, r6\nstg.u8 [b2 + lane], r5\nEND\nexit\n"},
    {"gathered",
     false,
     {HG_U16, HG_U8, HG_F32},
     1,
     3,
     "LOOP\nldg.u16 r1, [b0 + lane]\ncvt.u64.u16 r2, r1\nparam.u64 r3, 0\nmov_imm.u64 r4, 1\n"
     "max.u64 r5, r3, r4\ndiv.u64 r6, r2, r5\nmul.u64 r6, r6, r5\nsub.u64 r2, r2, r6\n"
     "ldg.u8 r7, [b1 + r2]\nadd.u64 r8, r2, r2\nldg.u16 r9, [b0 + r8]\ncvt.f32.u8 r7, r7\n"
     "cvt.f32.u16 r9, r9\nsub.f32 r7, r7, r9\nstg.f32 [b2 + lane], r7\nEND\nexit\n"},
    {"scattered backwards",
     false,
     {HG_I64, HG_F64},
     1,
     2,
     "LOOP\nldg.i64 r1, [b0 + lane]\nparam.u64 r2, 0\nmov_imm.u64 r3, 8\nmul.u64 r4, r2, r3\n"
     "mul.u64 r5, r255, r3\nsub.u64 r4, r4, r5\ncvt.f64.i64 r6, r1\n"
     "stg.f64 [b1: r4 - 8], r6\nEND\nexit\n"},
    {"quotients of 64 bits",
     true,
     {HG_I64, HG_I64, HG_I64},
     1,
     3,
     "LOOP\nldg.i64 r1, [b0 + lane]\nldg.i64 r2, [b1 + lane]\nmov_imm.i64 r9, 1\n"
     "or.i64 r2, r2, r9\ndiv.i64 r3, r1, r2\nneg.i64 r9, r9\ndiv.i64 r4, r1, r9\n"
     "add.i64 r3, r3, r4\nstg.i64 [b2 + lane], r3\nEND\nexit\n"},
    {"every other",
     false,
     {HG_U8, HG_U8},
     1,
     2,
     "LOOP\nldg.u8 r1, [b0 + lane/2]\nldg.u8 r2, [b0 + lane%5]\nadd.u8 r1, r1, r2\n"
     "stg.u8 [b1 + lane], r1\nEND\nexit\n"},
    {"indices",
     true,
     {HG_U64, HG_U64, HG_U64},
     3,
     3,
     "LOOP\nstg.u64 [b0 + lane], r255\nstg.u64 [b1 + lane], r251\nmov.u64 r1, r250\n"
     "stg.u64 [b2 + lane], r1\nEND\nexit\n"},
};

static const uint64_t shapes[][2] = {
    {1, 1},    {1, 15},   {1, 16},    {1, 17},   {1, 63},   {1, 64},  {1, 65},   {1, 200},
    {1, 1535}, {1, 1536}, {1, 1537},  {3, 1},    {70, 3},   {5, 17},  {2, 100},  {1, 3072},
    {1, 3073}, {1, 9999}, {1, 12289}, {3, 4000}, {13, 500}, {300, 7}, {9, 1600}, {1, 20000},
};

/* TEXT with its loops over blocks, or as straight-line code. */
static struct hg_program *build(const char *text, bool loop)
{
    char out[2048];
    size_t used = 0;
    unsigned label = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (strncmp(p, "LOOP\n", 5) == 0) {
            used +=
                (size_t)(loop ? snprintf(out + used, sizeof out - used, "loop.blocks @l%u\n", label)
                              : 0);
            p += 4;
        } else if (strncmp(p, "END\n", 4) == 0) {
            used += (size_t)(loop ? snprintf(out + used, sizeof out - used, "l%u:\n", label) : 0);
            label++;
            p += 3;
        } else {
            out[used++] = *p;
        }
    }
    out[used] = '\0';
    return program_of(out);
}

struct memory {
    struct region operands[OPERANDS];
};

/* Sums of anything are mostly NaN: CALM values show their order. */
static void fill(struct region *region, enum hg_dtype type, bool calm)
{
    for (uint64_t i = 0; i < region->size / hg_dtype_bytes(type); i++) {
        uint64_t bits = random_element(type, &seed);
        if (calm && (type == HG_F32 || type == HG_F64)) {
            double value = (double)(int64_t)(next_random(&seed) % 20001) / 1000.0 - 10.0;
            float narrow = (float)value;
            memcpy(&bits, type == HG_F64 ? (void *)&value : (void *)&narrow, hg_dtype_bytes(type));
        }
        set_element(region->data, type, i, bits);
    }
}

static struct memory memory_new(const struct subject *subject, uint64_t lanes, unsigned skew,
                                bool calm)
{
    struct memory memory = {0};
    for (unsigned i = 0; i < subject->operands; i++) {
        memory.operands[i] = region_new(lanes * hg_dtype_bytes(subject->types[i]), skew * i);
        if (i < subject->operands - subject->outputs) {
            fill(&memory.operands[i], subject->types[i], calm);
        } else {
            memset(memory.operands[i].data, 0x5a, memory.operands[i].size);
        }
    }
    return memory;
}

static struct hg_launch prepare(const struct subject *subject, const struct hg_program *program,
                                const struct memory *inputs, const struct memory *outputs,
                                const uint64_t *shape)
{
    struct hg_launch launch = launch_of(program, shape[0], shape[1]);
    launch.params[3] = 0xbf800000; /* -1 */
    launch.params[4] = 0x40000000; /* 2 */
    for (unsigned i = 0; i < subject->operands; i++) {
        bool output = i >= subject->operands - subject->outputs;
        launch_bind(&launch, output ? &outputs->operands[i] : &inputs->operands[i], output);
    }
    return launch;
}

static void compare(const struct subject *subject, const struct memory *got,
                    const struct memory *want, const uint64_t *shape, const char *how)
{
    for (unsigned i = subject->operands - subject->outputs; i < subject->operands; i++) {
        enum hg_dtype type = subject->types[i];
        for (uint64_t e = 0; e < got->operands[i].size / hg_dtype_bytes(type); e++) {
            uint64_t x = element_at(got->operands[i].data, type, e);
            uint64_t y = element_at(want->operands[i].data, type, e);
            if (!same_element(type, x, y)) {
                print_error("%s, %s, %llu x %llu, operand %u, element %llu: %llx, expected %llx\n",
                            subject->name, how, (unsigned long long)shape[0],
                            (unsigned long long)shape[1], i, (unsigned long long)e,
                            (unsigned long long)x, (unsigned long long)y);
                fail();
            }
        }
    }
}

static void memory_free(struct memory *memory, const struct subject *subject)
{
    for (unsigned i = 0; i < subject->operands; i++) {
        region_free(&memory->operands[i]);
    }
}

static void check_shape(const struct subject *subject, const struct hg_program *program,
                        const uint64_t *shape, enum hg_fp_mode mode, bool calm)
{
    uint64_t lanes = shape[0] * shape[1];
    struct memory inputs = memory_new(subject, lanes, 0, calm);
    struct memory want = memory_new(subject, lanes, 0, false);
    struct hg_launch launch = prepare(subject, program, &inputs, &want, shape);
    launch.fp_mode = mode;
    launch.executor = HG_EXECUTOR_REFERENCE;
    launch_ok(&launch);
    for (unsigned workers = 0; workers < 3; workers++) {
        struct memory got = memory_new(subject, lanes, workers, false);
        struct hg_launch native = prepare(subject, program, &inputs, &got, shape);
        native.fp_mode = mode;
        native.executor = HG_EXECUTOR_NATIVE;
        struct hg_error error = HG_ERROR_INIT;
        enum hg_status status =
            workers == 0 ? hg_exec_launch(&native, &error) : run_in_parts(&native, workers, &error);
        assert_int_equal(status, HG_OK);
        compare(subject, &got, &want, shape, workers == 0 ? "launched" : "in parts");
        memory_free(&got, subject);
    }
    memory_free(&want, subject);
    memory_free(&inputs, subject);
}

/* All regions of PROGRAM have code on a CPU that code is emitted for. */
static void check_code(const struct subject *subject, const struct hg_program *program,
                       enum hg_fp_mode mode)
{
    const struct hg_native_code *code = hg_native_code_of(program, mode);
    if (!hg_native_available()) {
        return;
    }
    assert_non_null(code);
    for (uint32_t i = 0; i < code->region_count; i++) {
        if (code->regions[i].run == NULL) {
            print_error("%s, %s: region %u has no code\n", subject->name, hg_exec_isa_level(), i);
            fail();
        }
    }
    assert_int_equal(code->direct, subject->direct);
}

/* Straight-line (WAY 0 and 2) or over blocks, in both floating-point modes. */
static void check_way(const struct subject *subject, unsigned way)
{
    bool loop = way % 2 != 0;
    struct hg_program *program = build(subject->text, loop);
    enum hg_fp_mode mode = way < 2 ? HG_FP_IEEE : HG_FP_FTZ;
    check_code(subject, program, mode);
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        bool fits = (program->facts.facts & HG_FACT_TOP_LANES) == 0 ||
                    shapes[i][0] * shapes[i][1] <= program->facts.block_lanes;
        if (fits && (way < 2 || i % 4 == 1)) {
            check_shape(subject, program, shapes[i], mode, i % 2 != 0);
            check_shape(subject, program, shapes[i], mode, i % 2 == 0);
        }
    }
    hg_program_unref(&program);
}

/* Every subject at every level that has native code. */
static void gives_the_reference_s_bits(void **state)
{
    (void)state;
    for (int level = HG_ISA_AVX2; level < HG_ISA_LEVEL_COUNT; level++) {
        hg_cpu_limit((enum hg_isa_level)level);
        for (size_t s = 0; s < COUNT_OF(subjects); s++) {
            for (unsigned way = 0; way < 4; way++) {
                check_way(&subjects[s], way);
            }
        }
    }
}

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

/* Without memory for code the program runs another way. */
static void out_of_memory(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth < 4; nth++) {
        struct hg_program *program = build(subjects[0].text, true);
        hg_exec_release_cached();
        hg_alloc_fault_set(nth - 1, false);
        const struct hg_native_code *code = hg_native_code_of(program, HG_FP_IEEE);
        hg_alloc_fault_clear();
        assert_true(code == NULL || nth > 2);
        check_shape(&subjects[0], program, shapes[4], HG_FP_IEEE, true);
        hg_program_unref(&program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_reference_s_bits),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(several_ways_to_read),
        cmocka_unit_test(refusals),
        cmocka_unit_test(lowest_division),
        cmocka_unit_test(lowest_offset),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(fuel),
        cmocka_unit_test(classes),
        cmocka_unit_test(levels),
        cmocka_unit_test(other_forms),
        cmocka_unit_test(first_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
