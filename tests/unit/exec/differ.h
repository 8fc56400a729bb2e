/* SPDX-License-Identifier: Apache-2.0 */
/* What all executors make of a random program: the same, at each level and in whatever parts. */
#ifndef HG_TESTS_UNIT_EXEC_DIFFER_H
#define HG_TESTS_UNIT_EXEC_DIFFER_H

#include "tests/unit/exec/generate.h"

static void print_program(const struct generator *g)
{
    static char text[20000];
    struct hg_code code = {{INPUTS + OUTPUTS, 0}, g->insns, g->count};
    hg_disassemble(&code, text, sizeof text);
    print_error("%s\n", text);
}

struct outcome {
    struct region out[OUTPUTS];
    enum hg_status status;
    struct hg_error error;
};

static void run_one(const struct hg_program *program, const struct region *inputs,
                    const uint64_t *params, enum hg_executor executor, enum hg_fp_mode mode,
                    uint32_t workers, struct outcome *outcome)
{
    struct hg_launch launch = {.program = program,
                               .first_class = -1,
                               .executor = executor,
                               .fp_mode = mode,
                               .fuel = 10000};
    memcpy(launch.params, params, sizeof launch.params);
    for (unsigned i = 0; i < INPUTS; i++) {
        launch_bind(&launch, &inputs[i], false);
    }
    for (unsigned i = 0; i < OUTPUTS; i++) {
        outcome->out[i] = region_new(INPUT_BYTES, i);
        memset(outcome->out[i].data, 0x3c, INPUT_BYTES);
        launch_bind(&launch, &outcome->out[i], true);
    }
    outcome->error = (struct hg_error)HG_ERROR_INIT;
    outcome->status = workers == 0 ? hg_exec_launch(&launch, &outcome->error)
                                   : run_in_parts(&launch, workers, &outcome->error);
}

static void free_outcome(struct outcome *outcome)
{
    for (unsigned i = 0; i < OUTPUTS; i++) {
        region_free(&outcome->out[i]);
    }
}

static bool same_outputs(const struct generator *g, const struct outcome *a,
                         const struct outcome *b)
{
    for (unsigned i = 0; i < g->outputs; i++) {
        enum hg_dtype type = g->output_type[i];
        int64_t offset = 0;
        for (uint32_t pc = 0; pc < g->count; pc++) {
            if (g->insns[pc].op == HG_OP_STG && g->insns[pc].u.addr.slot == INPUTS + i) {
                offset = g->insns[pc].u.addr.offset;
            }
        }
        uint64_t count = (INPUT_BYTES - (uint64_t)offset) / hg_dtype_bytes(type);
        for (uint64_t e = 0; e < count; e++) {
            uint64_t x = element_at(a->out[i].data + offset, type, e);
            uint64_t y = element_at(b->out[i].data + offset, type, e);
            if (!same_element(type, x, y)) {
                print_error("output %u (%s), element %llu: %llx, expected %llx\n", i,
                            hg_dtype_name(type), (unsigned long long)e, (unsigned long long)x,
                            (unsigned long long)y);
                return false;
            }
        }
    }
    return true;
}

static void fill_inputs(struct region inputs[INPUTS])
{
    static const enum hg_dtype types[INPUTS] = {HG_F32, HG_I32, HG_F64, HG_BF16};
    for (unsigned i = 0; i < INPUTS; i++) {
        inputs[i] = region_new(INPUT_BYTES, 0);
        for (uint64_t e = 0; e < INPUT_BYTES / hg_dtype_bytes(types[i]); e++) {
            set_element(inputs[i].data, types[i], e, random_element(types[i], &seed));
        }
    }
}

/* Gives whether the program ran to its end. */
static bool check_program(const struct generator *g, const struct hg_program *program,
                          const struct region *inputs, const uint64_t *params)
{
    enum hg_fp_mode mode = chance(70) ? HG_FP_IEEE : HG_FP_FTZ;
    struct outcome expected;
    run_one(program, inputs, params, HG_EXECUTOR_REFERENCE, mode, 1, &expected);
    for (int way = 0; way < 2 * HG_ISA_LEVEL_COUNT; way++) {
        hg_cpu_limit((enum hg_isa_level)(way / 2));
        enum hg_executor executor = way % 2 == 0 ? HG_EXECUTOR_BLOCK : HG_EXECUTOR_NATIVE;
        struct outcome got;
        run_one(program, inputs, params, executor, mode, below(5), &got);
        bool same = got.status == expected.status &&
                    strcmp(got.error.message, expected.error.message) == 0 &&
                    (got.status != HG_OK || same_outputs(g, &got, &expected));
        if (!same) {
            print_error("%s %s, mode %d, %llu x %llu: \"%s\", expected \"%s\"\n",
                        hg_executor_name(executor), hg_exec_isa_level(), (int)mode,
                        (unsigned long long)params[1], (unsigned long long)params[2],
                        got.error.message, expected.error.message);
            print_program(g);
            fail();
        }
        free_outcome(&got);
    }
    hg_cpu_limit(HG_ISA_AVX512);
    free_outcome(&expected);
    return expected.status == HG_OK;
}

static void choose_shape(const struct hg_program *program, uint64_t params[HG_PARAM_COUNT])
{
    static const uint32_t cols[] = {0,  1,   2,    3,    7,    16,   63,  64,
                                    65, 500, 1024, 1535, 1537, 3072, 5000};
    bool top = (program->facts.facts & HG_FACT_TOP_LANES) != 0;
    uint64_t most = top && program->facts.block_lanes < 8000 ? program->facts.block_lanes : 4000;
    for (int i = 0; i < HG_PARAM_COUNT; i++) {
        params[i] = next_random(&seed);
    }
    params[HG_PARAM_COLS] = cols[below(COUNT_OF(cols))];
    if (params[HG_PARAM_COLS] > most) {
        params[HG_PARAM_COLS] = below((uint32_t)most);
    }
    uint64_t rows_max = params[HG_PARAM_COLS] == 0 ? 5 : most / params[HG_PARAM_COLS];
    params[HG_PARAM_ROWS] = chance(30) ? 1 : below((uint32_t)(rows_max < 300 ? rows_max : 300) + 1);
    params[HG_PARAM_N] = params[HG_PARAM_ROWS] * params[HG_PARAM_COLS];
}

/* What DATA chooses: a program, a shape, a mode. Fails if executors differ. */
static inline void run_choices(const uint8_t *data, size_t size)
{
    static struct region inputs[INPUTS];
    if (inputs[0].data == NULL) {
        seed = 1;
        fill_inputs(inputs);
    }
    seed = size; /* what the bytes leave open */
    choices = data;
    choice_count = size;
    static struct generator g;
    gen_program(&g);
    struct hg_code code = {{INPUTS + OUTPUTS, 0}, g.insns, g.count};
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_program_create(&code, NULL, &program, &error) != HG_OK) {
        return;
    }
    uint64_t params[HG_PARAM_COUNT];
    choose_shape(program, params);
    (void)check_program(&g, program, inputs, params);
    hg_program_unref(&program);
}

#endif
