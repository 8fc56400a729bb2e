/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launches from beginning to end on the caller's stack: a walk over rows and regions, when
 * native_bind.c has found nothing wrong. What is not plainly right is left to hg_run_begin, which
 * also knows what to say about it.
 */
#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/exec/native_product.h"
#include "lib/native/native.h"

/* Levels of a tree of leaves: more than 2^48 lanes can have. */
#define TREE_LEVELS 40

/* ---- running --------------------------------------------------------------------------------- */

/* A launch on its way: what registers hold between regions, for the row at hand. */
struct walk {
    const struct hg_native_code *code;
    const struct hg_kernels *kernels;
    bool ftz;
    uint64_t cols;
    uint64_t values[HG_NATIVE_PLACES];
    struct hg_native_frame frame;
};

/* What earlier regions have left for REGION. Once for all its stretches of a row, which must not
 * see what the first of them leaves. */
static void take_inputs(struct walk *walk, const struct hg_native_region *region)
{
    const struct hg_native_value *inputs = hg_native_values(walk->code, region);
    for (unsigned i = 0; i < region->input_count; i++) {
        walk->frame.inputs[i] = walk->values[hg_native_place(&inputs[i])];
    }
}

static void keep_outputs(struct walk *walk, const struct hg_native_region *region)
{
    const struct hg_native_value *outputs =
        hg_native_values(walk->code, region) + region->input_count;
    for (unsigned i = 0; i < region->output_count; i++) {
        walk->values[hg_native_place(&outputs[i])] = walk->frame.outputs[i];
    }
}

/* A binary tree, an odd last one passing up: finished subtrees wait for their right neighbour, that
 * of 2^i leaves at i. COUNT says which there are, bit by bit. */
struct tree {
    uint64_t nodes[TREE_LEVELS];
    uint64_t count; /* of leaves */
};

static void add_leaf(struct tree *tree, const struct hg_kernel_reduce *kernel, uint64_t leaf)
{
    unsigned level = 0;
    for (; (tree->count >> level & 1u) != 0; level++) {
        leaf = kernel->combine(tree->nodes[level], leaf);
    }
    tree->nodes[level] = leaf;
    tree->count++;
}

/* Of at least one leaf. */
static uint64_t finish_tree(const struct tree *tree, const struct hg_kernel_reduce *kernel)
{
    unsigned level = (unsigned)__builtin_ctzll(tree->count);
    uint64_t sum = tree->nodes[level];
    for (level++; tree->count >> level != 0; level++) {
        if ((tree->count >> level & 1u) != 0) {
            sum = kernel->combine(tree->nodes[level], sum);
        }
    }
    return kernel->finish(sum);
}

static const struct hg_kernel_reduce *kernel_of(const struct walk *walk,
                                                const struct hg_native_reduce *reduce)
{
    return &walk->kernels->reduce[walk->ftz][reduce->op - HG_OP_REDUCE_ADD][reduce->type];
}

/* The row at hand, leaf by leaf, up to one with a lane that fails. */
static void run_reduction(struct walk *walk, const struct hg_native_region *region, uint64_t row)
{
    struct hg_native_frame *frame = &walk->frame;
    const struct hg_native_reduce *reduces = hg_native_reduces(walk->code, region);
    struct tree trees[HG_NATIVE_REDUCES];
    unsigned count = region->reduce_count;
    for (unsigned i = 0; i < count; i++) {
        trees[i].count = 0;
    }
    take_inputs(walk, region);
    uint64_t col = 0;
    do { /* a row has a lane */
        uint64_t left = walk->cols - col;
        frame->col = col;
        frame->lane = row * walk->cols + col;
        frame->count = left < HG_LEAF_LANES ? left : HG_LEAF_LANES;
        frame->is_first = frame->lane == 0;
        region->run(frame);
        if (frame->fail_lane != HG_NATIVE_NO_FAILURE) {
            return;
        }
        for (unsigned i = 0; i < count; i++) {
            const struct hg_native_reduce *reduce = &reduces[i];
            const struct hg_kernel_reduce *kernel = kernel_of(walk, reduce);
            add_leaf(&trees[i], kernel, hg_native_sum(reduce, frame, i, kernel));
        }
        col += HG_LEAF_LANES;
    } while (col < walk->cols);
    keep_outputs(walk, region);
    for (unsigned i = 0; i < count; i++) {
        const struct hg_native_reduce *reduce = &reduces[i];
        walk->values[reduce->reg] = finish_tree(&trees[i], kernel_of(walk, reduce));
    }
}

static void run_row(struct walk *walk, uint64_t row)
{
    const struct hg_native_code *code = walk->code;
    struct hg_native_frame *frame = &walk->frame;
    frame->row = row;
    for (uint32_t i = 0; i < code->region_count; i++) {
        const struct hg_native_region *region = &code->regions[i];
        if (region->reduce_count != 0) {
            run_reduction(walk, region, row);
            continue;
        }
        frame->col = 0;
        frame->lane = row * walk->cols;
        frame->count = region->has_lanes ? walk->cols : 0;
        frame->is_first = row == 0;
        take_inputs(walk, region);
        region->run(frame);
        keep_outputs(walk, region);
    }
}

/* What a zero divisor is reported as, in hg_run_fail's words. */
static enum hg_status fail_division(const struct hg_launch *launch,
                                    const struct hg_native_frame *frame, struct hg_error *error)
{
    const struct hg_program *program = launch->program;
    struct hg_insn insn = {0};
    uint32_t position = 0;
    for (uint64_t pc = 0; pc <= frame->fail_pc; pc++) {
        enum hg_status status =
            hg_insn_unpack(program->words, program->word_count, &position, &insn);
        HG_REQUIRE(status == HG_OK);
    }
    return hg_fail_detail(
        error, HG_INVALID_ARGUMENT, HG_DETAIL_DIVISION_BY_ZERO,
        "integer division by zero at element %" PRIu64 " (instruction %" PRIu64 ", %s.%s)",
        frame->fail_lane, frame->fail_pc, hg_insn_info(insn.op)->text, hg_dtype_name(insn.type));
}

/* One call of one function does all of it. */
static bool is_whole(const struct hg_native_code *code)
{
    return code->region_count == 1 && !code->regions[0].by_row && code->regions[0].has_lanes;
}

static void run_rows(const struct hg_launch *launch, const struct hg_native_code *code,
                     struct walk *walk)
{
    walk->code = code;
    walk->kernels = hg_kernels_now();
    walk->ftz = launch->fp_mode == HG_FP_FTZ;
    walk->cols = launch->params[HG_PARAM_COLS];
    uint64_t rows = launch->params[HG_PARAM_ROWS];
    for (uint64_t row = 0; row < rows && walk->frame.fail_lane == HG_NATIVE_NO_FAILURE; row++) {
        run_row(walk, row);
    }
}

/* Runs LAUNCH with WALK's frame, which is bound. */
static enum hg_status run_bound(const struct hg_launch *launch, const struct hg_native_code *code,
                                struct walk *walk, struct hg_error *error)
{
    struct hg_native_frame *frame = &walk->frame;
    uint64_t cols = launch->params[HG_PARAM_COLS];
    struct hg_native_stream stream = {.run = NULL};
    if (__builtin_expect(!hg_native_is_plain(launch->params[HG_PARAM_N], cols), 0)) {
        code = hg_native_suited(launch->program, code, launch->params);
        stream = hg_native_stream_of(launch->program, code, launch->params);
    }
    uint32_t saved = hg_fp_enter(launch->fp_mode);
    if (is_whole(code)) {
        frame->lane = frame->col = 0;
        frame->count = launch->params[HG_PARAM_N];
        frame->is_first = 1;
        hg_native_run_stream(&stream, &code->regions[0], frame);
    } else {
        run_rows(launch, code, walk);
    }
    hg_fp_restore(saved);
    return __builtin_expect(frame->fail_lane == HG_NATIVE_NO_FAILURE, 1)
               ? HG_OK
               : fail_division(launch, frame, error);
}

static bool launch_product(const struct hg_launch *launch, const struct hg_native_code *code)
{
    struct hg_native_frame frame;
    struct hg_product product;
    if (!hg_native_bind_product(launch, code, &product, &frame)) {
        return false;
    }
    uint32_t saved = hg_fp_enter(launch->fp_mode);
    bool done = hg_native_product_launch(launch, code, &product, &frame);
    hg_fp_restore(saved);
    return done;
}

bool hg_native_launch(const struct hg_launch *launch, enum hg_status *status,
                      struct hg_error *error)
{
    const struct hg_native_code *code = hg_native_code_of(launch->program, launch->fp_mode);
    if (code == NULL) {
        return false;
    }
    if (code->has_mma) {
        *status = HG_OK;
        return launch_product(launch, code);
    }
    struct walk walk;
    if (!hg_native_bind(launch, code, &walk.frame)) {
        return false;
    }
    *status = run_bound(launch, code, &walk, error);
    return true;
}

/* ---- again and again ------------------------------------------------------------------------- */

bool hg_exec_is_direct(const struct hg_launch *launch)
{
    const struct hg_native_code *code = launch->executor == HG_EXECUTOR_NATIVE
                                            ? hg_native_code_of(launch->program, launch->fp_mode)
                                            : NULL;
    struct hg_native_frame none;
    return code != NULL && !code->has_mma && launch->cancelled == NULL &&
           launch->deadline_ns == 0 && hg_native_bind(launch, code, &none);
}

enum hg_status hg_exec_launch_direct(const struct hg_launch *launch, struct hg_error *error)
{
    const struct hg_native_code *code = hg_native_code_of(launch->program, launch->fp_mode);
    if (code == NULL) {
        return hg_exec_launch(launch, error);
    }
    struct walk walk;
    hg_native_start_frame(launch, code, &walk.frame);
    return run_bound(launch, code, &walk, error);
}
