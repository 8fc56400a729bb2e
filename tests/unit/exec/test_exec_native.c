/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native executor: what is expected to have code has it, and gives the reference's bits however
 * it is launched (from beginning to end, or in parts), for shapes around vectors, leaves and
 * blocks, misaligned and in place.
 */
#include "native_subjects.h"

#include "lib/exec/run.h"
#include "lib/native/native.h"

static uint64_t seed = 7;

static const uint64_t shapes[][2] = {
    {1, 1},    {1, 15},   {1, 16},    {1, 17},   {1, 63},   {1, 64},  {1, 65},   {1, 200},
    {1, 1535}, {1, 1536}, {1, 1537},  {3, 1},    {70, 3},   {5, 17},  {2, 100},  {1, 3072},
    {1, 3073}, {1, 9999}, {1, 12289}, {3, 4000}, {13, 500}, {300, 7}, {9, 1600}, {1, 20000},
};

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
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
