/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every computing row of isa.def, for every type: the block and the native executor at each ISA
 * level give the bits of the reference interpreter, in both floating-point modes, for lengths
 * around tiles and blocks. A lane's result does not depend on the launch's length, so the reference
 * runs once, for the longest.
 */
#include "support.h"

#define LONGEST 12289

static const uint64_t lengths[] = {0,    1,    15,   16,   17,   1023, 1024, 1025,  1535,  1536,
                                   1537, 3071, 3072, 3073, 6143, 6144, 6145, 12287, 12288, LONGEST};

/* A program: its body between the addresses of inputs and the store. */
struct sample {
    enum hg_dtype inputs[3];
    unsigned input_count;
    enum hg_dtype output;
    char text[640];
};

static uint64_t seed = 20240611;

/* The body as a loop over blocks, for any length. */
static struct hg_program *loop_of(const char *body)
{
    char text[1024];
    snprintf(text, sizeof text, "loop.blocks @end\n%send:\nexit\n", body);
    return program_of(text);
}

static void fill(struct region *region, enum hg_dtype type)
{
    for (uint64_t i = 0; i < LONGEST; i++) {
        set_element(region->data, type, i, random_element(type, &seed));
    }
}

struct bench {
    const struct sample *sample;
    struct region inputs[3];
    struct region expected;
};

static void bind_all(struct hg_launch *launch, const struct bench *bench, const struct region *out,
                     uint64_t n)
{
    for (unsigned i = 0; i < bench->sample->input_count; i++) {
        launch->operands[launch->operand_count++] = (struct hg_operand){
            bench->inputs[i].data, n * hg_dtype_bytes(bench->sample->inputs[i]), false};
    }
    launch_bind(launch, out, true);
}

static void check_length(const struct bench *bench, const struct hg_program *program,
                         enum hg_fp_mode mode, enum hg_executor executor, uint64_t n)
{
    enum hg_dtype type = bench->sample->output;
    struct region out = region_new(n * hg_dtype_bytes(type), n % 2 == 0 ? 0 : 3);
    memset(out.data, 0x5a, out.size);
    struct hg_launch launch = launch_of(program, 1, n);
    launch.fp_mode = mode;
    launch.executor = executor;
    bind_all(&launch, bench, &out, n);
    struct hg_error error = HG_ERROR_INIT;
    bool whole = executor == HG_EXECUTOR_NATIVE && n % 2 == 0;
    enum hg_status status = whole ? hg_exec_launch(&launch, &error)
                                  : run_in_parts(&launch, (uint32_t)(n % 3) + 1, &error);
    if (status != HG_OK) {
        print_error("%s\n", error.message);
        fail();
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t got = element_at(out.data, type, i);
        uint64_t want = element_at(bench->expected.data, type, i);
        if (!same_element(type, got, want)) {
            print_error("%s %s, mode %d, n %llu, element %llu: %llx, expected %llx\nin\n%s",
                        hg_executor_name(executor), hg_exec_isa_level(), (int)mode,
                        (unsigned long long)n, (unsigned long long)i, (unsigned long long)got,
                        (unsigned long long)want, bench->sample->text);
            for (unsigned k = 0; k < 3 && bench->inputs[k].data != NULL; k++) {
                print_error("input %u: %llx\n", k,
                            (unsigned long long)element_at(bench->inputs[k].data,
                                                           bench->sample->inputs[k], i));
            }
            fail();
        }
    }
    region_free(&out);
}

static void check_mode(struct bench *bench, enum hg_fp_mode mode)
{
    struct hg_program *unrolled = program_of(bench->sample->text);
    struct hg_program *looped = loop_of(bench->sample->text);
    struct hg_launch launch = launch_of(looped, 1, LONGEST);
    launch.executor = HG_EXECUTOR_REFERENCE;
    launch.fp_mode = mode;
    bind_all(&launch, bench, &bench->expected, LONGEST);
    launch_ok(&launch);
    for (int level = HG_ISA_GENERIC; level < HG_ISA_LEVEL_COUNT; level++) {
        hg_cpu_limit((enum hg_isa_level)level);
        if (hg_cpu_isa_level() != (enum hg_isa_level)level) {
            break;
        }
        /* Every length at the widest level, the longest and an odd one at the others. */
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            bool all = mode == HG_FP_IEEE && level == HG_ISA_AVX512;
            if (!all && i % 6 != 1) {
                continue;
            }
            check_length(bench, looped, mode, HG_EXECUTOR_BLOCK, lengths[i]);
            check_length(bench, looped, mode, HG_EXECUTOR_NATIVE, lengths[i]);
            if (lengths[i] <= unrolled->facts.block_lanes) {
                check_length(bench, unrolled, mode, HG_EXECUTOR_BLOCK, lengths[i]);
                check_length(bench, unrolled, mode, HG_EXECUTOR_NATIVE, lengths[i]);
            }
        }
        check_length(bench, looped, mode, HG_EXECUTOR_BLOCK, LONGEST);
        check_length(bench, looped, mode, HG_EXECUTOR_NATIVE, LONGEST);
    }
    hg_cpu_limit(HG_ISA_AVX512);
    hg_program_unref(&unrolled);
    hg_program_unref(&looped);
}

static void check(const struct sample *sample)
{
    struct bench bench = {.sample = sample};
    for (unsigned i = 0; i < sample->input_count; i++) {
        bench.inputs[i] = region_new(LONGEST * hg_dtype_bytes(sample->inputs[i]), i);
        fill(&bench.inputs[i], sample->inputs[i]);
    }
    bench.expected = region_new(LONGEST * hg_dtype_bytes(sample->output), 0);
    check_mode(&bench, HG_FP_IEEE);
    check_mode(&bench, HG_FP_FTZ);
    for (unsigned i = 0; i < sample->input_count; i++) {
        region_free(&bench.inputs[i]);
    }
    region_free(&bench.expected);
}

/* ---- samples, from the table ----------------------------------------------------------------- */

static const char *name_of(enum hg_dtype type)
{
    return hg_dtype_name(type);
}

/* COUNT loads of TYPE into r1 .. */
static int loads(char *text, size_t size, unsigned count, const enum hg_dtype *types)
{
    int used = 0;
    for (unsigned i = 0; i < count; i++) {
        used += snprintf(text + used, size - (size_t)used, "ldg.%s r%u, [b%u + lane]\n",
                         name_of(types[i]), i + 1, i);
    }
    return used;
}

static void check_plain(enum hg_opcode op, enum hg_dtype type, unsigned sources)
{
    struct sample sample = {.input_count = sources, .output = type};
    for (unsigned i = 0; i < sources; i++) {
        sample.inputs[i] = type;
    }
    const struct hg_insn_info *info = hg_insn_info(op);
    if (info->form == HG_FORM_SHIFT) {
        sample.inputs[1] = HG_U32;
    }
    int used = loads(sample.text, sizeof sample.text, sources, sample.inputs);
    char *rest = sample.text + used;
    size_t size = sizeof sample.text - (size_t)used;
    const char *t = name_of(type);
    if (op == HG_OP_DIV && hg_dtype_in(type, HG_DT_INT)) {
        int more = snprintf(rest, size, "mov_imm.%s r9, 1\nor.%s r2, r2, r9\n", t, t);
        rest += more;
        size -= (size_t)more;
    }
    snprintf(rest, size, "%s.%s r5, r1%s%s\nstg.%s [b%u + lane], r5\n", info->text, t,
             sources > 1 ? ", r2" : "", sources > 2 ? ", r3" : "", t, sources);
    check(&sample);
}

/* Every row of the forms with one, two and three sources, for each of its types. */
static void arithmetic(void **state)
{
    (void)state;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const struct hg_insn_info *info = hg_insn_info((enum hg_opcode)op);
        unsigned sources = info->form == HG_FORM_MOV                                     ? 1
                           : info->form == HG_FORM_TERNARY                               ? 3
                           : info->form == HG_FORM_BINARY || info->form == HG_FORM_SHIFT ? 2
                                                                                         : 0;
        for (unsigned type = 0; sources != 0 && type < HG_DTYPE_COUNT; type++) {
            if (hg_dtype_in((enum hg_dtype)type, info->types)) {
                check_plain((enum hg_opcode)op, (enum hg_dtype)type, sources);
            }
        }
    }
}

/* CVT between all pairs of types. */
static void conversions(void **state)
{
    (void)state;
    for (unsigned to = 0; to < HG_DTYPE_COUNT; to++) {
        for (unsigned from = 0; from < HG_DTYPE_COUNT; from++) {
            struct sample sample = {
                .inputs = {(enum hg_dtype)from}, .input_count = 1, .output = (enum hg_dtype)to};
            /* Into the same register: source and destination tile are one. */
            const char *dst = from % 2 == 0 ? "r1" : "r2";
            snprintf(sample.text, sizeof sample.text,
                     "ldg.%s r1, [b0 + lane]\ncvt.%s.%s %s, r1\nstg.%s [b1 + lane], %s\n",
                     name_of(sample.inputs[0]), name_of(sample.output), name_of(sample.inputs[0]),
                     dst, name_of(sample.output), dst);
            check(&sample);
        }
    }
}

/* SETcc under every condition and type, into a byte by SEL; and SEL of every type. */
static void comparisons(void **state)
{
    (void)state;
    static const char *const conditions[] = {"eq", "ne",  "lt",  "le",  "gt",
                                             "ge", "ltu", "leu", "gtu", "geu"};
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        const char *t = name_of((enum hg_dtype)type);
        unsigned count = hg_dtype_in((enum hg_dtype)type, HG_DT_UINT) ? 10 : 6;
        for (unsigned cond = 0; cond < count; cond++) {
            struct sample sample = {.inputs = {(enum hg_dtype)type, (enum hg_dtype)type},
                                    .input_count = 2,
                                    .output = HG_U8};
            snprintf(sample.text, sizeof sample.text,
                     "ldg.%s r1, [b0 + lane]\nldg.%s r2, [b1 + lane]\nset%s.%s p3, r1, r2\n"
                     "mov_imm.u8 r4, 1\nmov_imm.u8 r5, 0\nsel.u8 r6, p3, r4, r5\n"
                     "stg.u8 [b2 + lane], r6\n",
                     t, t, conditions[cond], t);
            check(&sample);
        }
        struct sample sample = {.inputs = {(enum hg_dtype)type, (enum hg_dtype)type, HG_U8},
                                .input_count = 3,
                                .output = (enum hg_dtype)type};
        snprintf(sample.text, sizeof sample.text,
                 "ldg.%s r1, [b0 + lane]\nldg.%s r2, [b1 + lane]\nldg.u8 r3, [b2 + lane]\n"
                 "mov_imm.u8 r4, 100\nsetlt.u8 p0, r3, r4\nsel.%s r2, p0, r1, r2\n"
                 "stg.%s [b3 + lane], r2\n",
                 t, t, t, t);
        check(&sample);
    }
}

/* REDUCE.REGS of none, one and three registers, among them the destination. */
static void register_folds(void **state)
{
    (void)state;
    static const char *const ops[] = {"add", "min", "max", "mul"};
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        for (unsigned op = 0; op < 4; op++) {
            for (unsigned count = 0; count <= 3; count++) {
                struct sample sample = {
                    .inputs = {(enum hg_dtype)type, (enum hg_dtype)type, (enum hg_dtype)type},
                    .input_count = 3,
                    .output = (enum hg_dtype)type};
                int used = loads(sample.text, sizeof sample.text, 3, sample.inputs);
                snprintf(sample.text + used, sizeof sample.text - (size_t)used,
                         "reduce.regs.%s.%s r2, r1, %u\nstg.%s [b3 + lane], r2\n", ops[op],
                         name_of((enum hg_dtype)type), count, name_of((enum hg_dtype)type));
                check(&sample);
            }
        }
    }
}

/* Registers that stay in the operands' memory, are overwritten in place, or mix with uniform ones,
 * give what copies give. */
static void chains(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "ldg.f32 r1, [b0 + lane]\nmov_imm.f32 r2, 0.5\nmul.f32 r3, r1, r2\nmul.f32 r4, r1, r3\n"
        "add.f32 r1, r4, r1\ntanh.f32 r1, r1\nstg.f32 [b1 + lane], r1\n",
        "ldg.f32 r1, [b0 + lane]\ncvt.f64.f32 r2, r1\nmul.f64 r2, r2, r2\ncvt.f32.f64 r2, r2\n"
        "stg.f32 [b1 + lane], r2\n",
        "ldg.f32 r1, [b0 + lane]\nparam.u32 r2, 0\ncvt.f32.u32 r3, r2\ncvt.u32.f32 r2, r1\n"
        "mov_imm.u32 r4, 0\nand.u32 r2, r2, r4\ncvt.f32.u32 r2, r2\nadd.f32 r1, r1, r2\n"
        "stg.f32 [b1 + lane], r1\n",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct sample sample = {.inputs = {HG_F32}, .input_count = 1, .output = HG_F32};
        snprintf(sample.text, sizeof sample.text, "%s", bodies[i]);
        check(&sample);
    }
}

/* Under ftz denormals are zeros of their sign to everything that computes, and to nothing that
 * moves bits; by default they are numbers. */
static void flushing(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* r1: -2^-140, r2: 2^-126, both F32; leaves r9 */
        uint32_t ieee, ftz;
    } cases[] = {
        {"mov.f32 r9, r1\n", 0x80000200, 0x80000200},
        {"neg.f32 r9, r1\n", 0x00000200, 0x00000200},
        {"min.f32 r9, r1, r2\n", 0x80000200, 0x80000000},
        {"max.f32 r9, r1, r1\n", 0x80000200, 0x80000000},
        {"add.f32 r9, r1, r1\n", 0x80000400, 0x80000000},
        {"mov_imm.f32 r3, 0.5\nmul.f32 r9, r2, r3\n", 0x00400000, 0},
        {"sqrt.f32 r9, r1\n", 0x7fc00000, 0x80000000},
        {"cvt.f64.f32 r3, r1\nmov_imm.f64 r4, 0\nseteq.f64 p0, r3, r4\nsel.f32 r9, p0, r1, r2\n",
         0x00800000, 0x80000200},
        {"mov_imm.f32 r3, 0\nsetlt.f32 p0, r1, r3\nsel.f32 r9, p0, r1, r2\n", 0x80000200,
         0x00800000},
        {"reduce.regs.add.f32 r9, r1, 1\n", 0x80000200, 0x80000000},
        {"cvt.bf16.f32 r3, r1\ncvt.f32.bf16 r9, r3\n", 0x80000000, 0x80000000},
        {"cvt.f16.f32 r3, r2\ncvt.f32.f16 r9, r3\n", 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "ldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\n%sstg.f32 [b2 + lane], r9\n"
                 "exit\n",
                 cases[i].text);
        struct hg_program *program = program_of(text);
        for (int run = 0; run < 2 * (HG_ISA_LEVEL_COUNT + 1); run++) {
            hg_cpu_limit((enum hg_isa_level)(run / 2 < HG_ISA_LEVEL_COUNT ? run / 2 : 2));
            uint32_t a[20];
            uint32_t b[20];
            uint32_t c[20];
            for (int e = 0; e < 20; e++) {
                a[e] = 0x80000200;
                b[e] = 0x00800000;
            }
            struct hg_launch launch = launch_of(program, 1, 20);
            launch.fp_mode = run % 2 == 0 ? HG_FP_IEEE : HG_FP_FTZ;
            launch.executor =
                run / 2 < HG_ISA_LEVEL_COUNT ? HG_EXECUTOR_BLOCK : HG_EXECUTOR_REFERENCE;
            launch.operands[0] = (struct hg_operand){a, sizeof a, false};
            launch.operands[1] = (struct hg_operand){b, sizeof b, false};
            launch.operands[2] = (struct hg_operand){c, sizeof c, true};
            launch.operand_count = 3;
            launch_ok(&launch);
            for (int e = 0; e < 20; e++) {
                uint32_t want = run % 2 == 0 ? cases[i].ieee : cases[i].ftz;
                if (!same_element(HG_F32, c[e], want)) {
                    print_error("case %zu, run %d: %x, expected %x\n", i, run, c[e], want);
                    fail();
                }
            }
        }
        hg_cpu_limit(HG_ISA_AVX512);
        hg_program_unref(&program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),  cmocka_unit_test(conversions),
        cmocka_unit_test(comparisons), cmocka_unit_test(register_folds),
        cmocka_unit_test(chains),      cmocka_unit_test(flushing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
