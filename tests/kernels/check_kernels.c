/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every operation, type, form of its program, executor and level of the instruction set: the bits
 * of the reference interpreter, for lengths around every boundary, wherever the operands lie. The
 * seed is printed, HG_SEED repeats a run; HG_FULL=1 runs all of it; HG_SLACK_BYTES keeps operands
 * away from the fences behind them. Under an emulator the levels are those of the emulated CPU.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/cpu.h"
#include "tests/kernels/kernel_run.h"

static bool is_full;
static enum hg_isa_level best;
static struct op_random choices;

/* ---- ways ------------------------------------------------------------------------------------ */

static struct kernel_way draw_way(enum hg_executor executor, enum hg_isa_level level)
{
    uint64_t bits = op_random_bits(&choices);
    return (struct kernel_way){
        .executor = executor,
        .level = level,
        .at_end = (bits & 1) != 0,
        .skew = (uint8_t)((bits & 2) != 0 ? 0 : bits >> 8 & 15),
        .workers = (uint8_t)((bits & 12) == 12 ? 3 : 1),
        .boundary = (bits & 48) == 48,
        .in_place = (bits & 192) == 192,
    };
}

/* Each executor at each level that this CPU has; where operands lie is drawn. */
static void check_call(const struct hg_op_call *call)
{
    struct kernel_case kernel;
    kernel_case_init(&kernel, call, op_random_bits(&choices));
    for (unsigned level = HG_ISA_GENERIC; level <= best; level++) {
        for (unsigned executor = 0; executor < HG_EXECUTOR_COUNT; executor++) {
            if (executor == HG_EXECUTOR_REFERENCE) {
                continue;
            }
            for (unsigned i = 0; i < (is_full ? 4 : 1); i++) {
                struct kernel_way way =
                    draw_way((enum hg_executor)executor, (enum hg_isa_level)level);
                way.at_end = is_full ? i % 2 == 0 : way.at_end;
                if (!kernel_case_allows(&kernel, &way)) {
                    way.boundary = way.in_place = false;
                }
                kernel_case_check(&kernel, &way);
            }
        }
    }
    kernel_case_fini(&kernel);
}

static void check_fused_or_not(struct hg_op_call *call)
{
    check_call(call);
    if (is_full || op_random_bits(&choices) % 4 == 0) {
        call->policy.fusion = false;
        check_call(call);
        call->policy.fusion = true;
    }
}

/* ---- operations ------------------------------------------------------------------------------ */

static uint64_t draw_between(uint64_t low, uint64_t high)
{
    return low + op_random_bits(&choices) % (high - low + 1);
}

/* N elements: all of them alike, b of one element, b of one row, or rows that are folded. */
static void check_length(enum hg_op_id id, enum hg_dtype type, uint64_t n)
{
    struct hg_op_call call = op_call(id, type, n);
    const struct hg_op *op = call.op;
    op_set_required(&call);
    bool has_rows = op_has_attribute(op, "cols");
    if (!op->elementwise && op->inputs > 0) {
        op_operand_vector(&call.operands[op->inputs], 3);
    }
    check_fused_or_not(&call);
    if (op->elementwise && op->inputs == 2 && n > 1) {
        op_operand_vector(&call.operands[1], 1);
        check_call(&call);
        uint64_t cols = draw_between(2, n < 100 ? n : 100);
        uint64_t rows = n / cols;
        call = op_call(id, type, rows * cols);
        op_set_required(&call);
        op_operand_vector(&call.operands[1], cols);
        check_call(&call);
    }
    if (has_rows && n > 1) {
        uint64_t cols = draw_between(1, n);
        cols = op_random_bits(&choices) % 2 == 0 ? draw_between(1, cols) : cols;
        uint64_t rows = n / cols;
        call = op_call(id, type, rows * cols);
        op_set_required(&call);
        op_set(&call, "cols", (double)cols);
        for (unsigned i = 1; op->elementwise && i < op->inputs; i++) {
            op_operand_vector(&call.operands[i], cols);
        }
        if (!op->elementwise) {
            op_operand_vector(&call.operands[op->inputs], rows + 2);
        }
        check_fused_or_not(&call);
    }
}

static bool refuses_none(const struct hg_op *op)
{
    return !op->elementwise && strcmp(op->name, "sum") != 0 && strcmp(op->name, "fill") != 0;
}

/* Around multiples of every vector's length and of the unrolled loop, tiles, blocks and leaves. */
static void check_lengths(enum hg_op_id id, enum hg_dtype type)
{
    static const uint64_t edges[] = {8,   16,   32,   64,   128,  192,  256,  512,
                                     768, 1024, 1536, 3072, 4608, 6144, 12288};
    for (uint64_t n = refuses_none(hg_op_info(id)) ? 1 : 0; n < (is_full ? 70 : 6); n++) {
        check_length(id, type, n);
    }
    for (size_t i = 0; i < HG_ARRAY_COUNT(edges); i++) {
        if (is_full) {
            for (uint64_t n = edges[i] - 1; n <= edges[i] + 1; n++) {
                check_length(id, type, n);
            }
        } else if (i < 4 || op_random_bits(&choices) % 4 == 0) {
            check_length(id, type, edges[i] - 1 + op_random_bits(&choices) % 3);
        }
    }
    for (unsigned i = 0; i < (is_full ? 6 : 1); i++) {
        check_length(id, type, draw_between(70, 20000));
    }
    if (is_full) {
        check_length(id, type, draw_between(90000, 100003));
    }
}

/* Products of shapes around the tiles of every level. */
static void check_products(enum hg_op_id id, enum hg_dtype type)
{
    for (unsigned i = 0; i < (is_full ? 60 : 6); i++) {
        struct hg_op_call call = op_call(id, type, 1);
        uint64_t m = draw_between(1, 70);
        uint64_t k = draw_between(0, 70);
        uint64_t n = draw_between(1, 70);
        if (id == HG_OP_ID_GEMM) {
            op_shape_product(&call, m, k, n);
            op_set(&call, "alpha", i % 3 == 0 ? 1 : 0.75);
            op_set(&call, "beta", i % 2 == 0 ? 0 : 0.3);
        } else if (id == HG_OP_ID_LINEAR) {
            op_shape_product(&call, m, k, n);
            op_set(&call, "relu", i % 3 == 1 ? 1 : 0);
            op_set(&call, "gelu", i % 3 == 2 ? 1 : 0);
        } else {
            op_operand_shape(&call.operands[0], m, k);
            op_operand_vector(&call.operands[1], k);
            op_operand_vector(&call.operands[2], m);
        }
        check_call(&call);
    }
}

/* A zero divisor stops every executor with the same words. */
static void check_division_by_zero(enum hg_dtype type)
{
    for (unsigned i = 0; i < (is_full ? 40 : 4); i++) {
        uint64_t n = draw_between(1, i % 2 == 0 ? 200 : 9000);
        struct hg_op_call call = op_call(HG_OP_ID_VECTOR_DIV, type, n);
        struct kernel_case kernel;
        kernel_case_init(&kernel, &call, op_random_bits(&choices));
        op_data_set(type, kernel.contents[1], draw_between(0, n - 1), 0);
        op_data_set(type, kernel.contents[1], draw_between(0, n - 1), 0);
        for (unsigned level = HG_ISA_GENERIC; level <= best; level++) {
            for (unsigned executor = 0; executor < HG_EXECUTOR_COUNT; executor++) {
                struct kernel_way way =
                    draw_way((enum hg_executor)executor, (enum hg_isa_level)level);
                way.boundary = way.in_place = false;
                kernel_case_check(&kernel, &way);
            }
        }
        kernel_case_fini(&kernel);
    }
}

/* Few and many rows and columns, on both sides of a block. */
static void check_movement(enum hg_op_id id, enum hg_dtype type)
{
    for (unsigned i = 0; i < (is_full ? 40 : 5); i++) {
        struct hg_op_call call = op_call(id, type, 1);
        uint64_t rows = draw_between(1, i % 3 == 0 ? 3 : 200);
        op_shape_movement(&call, rows, draw_between(1, i % 2 == 0 ? 5 : 100));
        check_call(&call);
    }
}

static void check_operation(enum hg_op_id id, enum hg_dtype type)
{
    if (strcmp(hg_op_info(id)->module, "linalg") == 0) {
        check_products(id, type);
    } else if (op_has_shapes(hg_op_info(id))) {
        check_movement(id, type);
    } else {
        check_lengths(id, type);
    }
    if (id == HG_OP_ID_VECTOR_DIV && !hg_dtype_in(type, HG_DT_FLOAT)) {
        check_division_by_zero(type);
    }
}

int main(int argc, char **argv)
{
    const char *chosen = getenv("HG_SEED");
    const char *only = argc > 1 ? argv[1] : NULL; /* one operation's name */
    uint64_t seed = chosen != NULL ? strtoull(chosen, NULL, 10) : (uint64_t)time(NULL);
    const char *slack = getenv("HG_SLACK_BYTES");
    is_full = getenv("HG_FULL") != NULL;
    kernel_slack_bytes = slack != NULL ? strtoull(slack, NULL, 10) : 0;
    best = hg_cpu_isa_level();
    choices.state = seed * 0x9e3779b97f4a7c15u | 1;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a fault loses nothing */
    kernel_catch_faults();
    printf("kernels: seed %" PRIu64 ", up to %s\n", seed, hg_isa_level_name(best));
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        const struct hg_op *op = hg_op_info((enum hg_op_id)id);
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            if (hg_dtype_in((enum hg_dtype)type, op->dtypes) &&
                (only == NULL || strcmp(only, op->name) == 0)) {
                check_operation((enum hg_op_id)id, (enum hg_dtype)type);
            }
        }
    }
    printf("kernels: %" PRIu64 " cases, %" PRIu64 " programs, %" PRIu64 " runs, %" PRIu64
           " failures\n",
           kernel_figures.cases, kernel_figures.programs, kernel_figures.runs,
           kernel_figures.failures);
    return kernel_figures.failures != 0 || kernel_figures.runs == 0;
}
