/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launches from beginning to end on the caller's stack: the checks of bind.c and alias.c for
 * programs whose addresses are few and lie in lines, and a walk over rows and regions. What is not
 * plainly right here is left to hg_run_begin, which also knows what to say about it.
 */
#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/exec/native_product.h"
#include "lib/native/native.h"

/* Beyond, a deadline or a wish to cancel is looked for on the way. */
#define UNWATCHED_BLOCKS 16
/* Levels of a tree of leaves: more than 2^48 lanes can have. */
#define TREE_LEVELS 40

struct range {
    uintptr_t first, end;
};

/* ---- checks ---------------------------------------------------------------------------------- */

/* The operand of ACCESS, a class as one of its own; false if the launch may not address it. */
static bool find_operand(const struct hg_launch *launch, const struct hg_native_access *access,
                         struct hg_operand *operand)
{
    if (access->slot != HG_NATIVE_BOUNDARY) {
        *operand = launch->operands[access->slot];
        return true;
    }
    uint32_t class_index = access->offset / HG_CLASS_BYTES;
    operand->base = launch->boundary_base;
    operand->bytes = (class_index + 1) * (uint64_t)HG_CLASS_BYTES;
    operand->writable = true;
    return launch->boundary_base != NULL && class_index < HG_CLASS_COUNT &&
           (launch->boundary_classes[class_index / 64] >> class_index % 64 & 1u) != 0;
}

/* The memory of ACCESS, as alias.c judges it: a matrix, which ends at MATRIX_END, stands for all of
 * its operand. False if it is not inside that. */
static bool find_range(const struct hg_launch *launch, const struct hg_native_access *access,
                       uint64_t matrix_end, struct range *range)
{
    struct hg_operand operand;
    const uint64_t *params = launch->params;
    if (access->lane == HG_NATIVE_MATRIX) {
        operand = launch->operands[access->slot];
        range->first = (uintptr_t)operand.base;
        range->end = range->first + operand.bytes;
        return matrix_end <= operand.bytes;
    }
    uint64_t elements = access->lane == HG_LANE_STRIDE ? params[HG_PARAM_N]
                        : access->lane == HG_LANE_NONE ? 1
                        : access->lane == HG_LANE_MOD  ? params[HG_PARAM_COLS]
                                                       : params[HG_PARAM_ROWS];
    /* Neither wraps: offsets and lanes are bounded far below 2^60. */
    uint64_t end = access->offset + elements * access->width;
    if (!find_operand(launch, access, &operand) || end > operand.bytes ||
        (access->written && !operand.writable)) {
        return false;
    }
    range->first = (uintptr_t)operand.base + access->offset;
    range->end = (uintptr_t)operand.base + end;
    return true;
}

/* Whether a range that is written overlaps another slot's otherwise than element for element. */
static bool conflicts(const struct hg_native_access *accesses, unsigned count,
                      const struct range *ranges)
{
    for (unsigned i = 0; i < count; i++) {
        const struct hg_native_access *a = &accesses[i];
        for (unsigned j = 0; a->written && j < count; j++) {
            const struct hg_native_access *b = &accesses[j];
            bool apart = ranges[i].first >= ranges[j].end || ranges[j].first >= ranges[i].end;
            bool same = ranges[i].first == ranges[j].first && ranges[i].end == ranges[j].end &&
                        a->width == b->width && a->lane == b->lane && !b->many;
            if (!apart && !same) {
                return true;
            }
        }
    }
    return false;
}

static bool is_plain(const struct hg_launch *launch, const struct hg_native_code *code)
{
    const struct hg_code_facts *facts = &launch->program->facts;
    const uint64_t *params = launch->params;
    uint64_t n = params[HG_PARAM_N];
    uint64_t product;
    if (n == 0 || n >= UINT64_C(1) << 48 ||
        __builtin_mul_overflow(params[HG_PARAM_ROWS], params[HG_PARAM_COLS], &product) ||
        product != n ||
        launch->operand_count != (uint32_t)facts->slot_count + facts->handle_count) {
        return false;
    }
    if (n > facts->block_lanes && (facts->facts & HG_FACT_TOP_LANES) != 0) {
        return false;
    }
    if (params[HG_PARAM_ROWS] > 1 && code->region_count > 1 && !code->row_by_row) {
        return false;
    }
    const struct hg_native_region *first = &code->regions[0];
    if (first->product == HG_NATIVE_WHOLE &&
        (params[HG_PARAM_ROWS] != first->rows || params[HG_PARAM_COLS] != first->cols ||
         launch->fuel != 0)) {
        return false;
    }
    bool watched = launch->deadline_ns != 0 || launch->cancelled != NULL;
    if (watched && n > UNWATCHED_BLOCKS * (uint64_t)facts->block_lanes) {
        return false;
    }
    return (launch->cancelled == NULL ||
            !atomic_load_explicit(launch->cancelled, memory_order_relaxed)) &&
           (launch->deadline_ns == 0 || hg_clock_now_ns() < launch->deadline_ns);
}

/* ---- running --------------------------------------------------------------------------------- */

/* A launch on its way: what registers hold between regions, for the row at hand. */
struct walk {
    const struct hg_native_code *code;
    const struct hg_kernels *kernels;
    bool ftz;
    uint64_t cols;
    uint64_t values[HG_REGISTER_COUNT];
    struct hg_native_frame frame;
};

/* What earlier regions have left for REGION. Once for all its stretches of a row, which must not
 * see what the first of them leaves. */
static void take_inputs(struct walk *walk, const struct hg_native_region *region)
{
    const struct hg_native_value *inputs = hg_native_values(walk->code, region);
    for (unsigned i = 0; i < region->input_count; i++) {
        walk->frame.inputs[i] = walk->values[inputs[i].reg];
    }
}

static void keep_outputs(struct walk *walk, const struct hg_native_region *region)
{
    const struct hg_native_value *outputs =
        hg_native_values(walk->code, region) + region->input_count;
    for (unsigned i = 0; i < region->output_count; i++) {
        walk->values[outputs[i].reg] = walk->frame.outputs[i];
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

/* True if LAUNCH may run as it is: its code can do what it asks for, its accesses lie inside its
 * operands and do not conflict. A product's sizes go to PRODUCT. */
static bool is_right(const struct hg_launch *launch, const struct hg_native_code *code,
                     struct hg_product *product)
{
    if (!code->direct || !is_plain(launch, code)) {
        return false;
    }
    const struct hg_native_access *accesses = hg_native_accesses(code);
    struct range ranges[HG_NATIVE_ACCESSES];
    uint64_t ends[2] = {0, 0};
    if (code->has_mma && !hg_native_size_product(launch, code, product, ends)) {
        return false;
    }
    for (unsigned i = 0; i < code->access_count; i++) {
        const struct hg_native_access *access = &accesses[i];
        uint64_t end = code->has_mma && i < 2 ? ends[i] : access->offset;
        if (!find_range(launch, access, end, &ranges[i])) {
            return false;
        }
    }
    return !conflicts(accesses, code->access_count, ranges);
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

static void start_frame(const struct hg_launch *launch, const struct hg_native_code *code,
                        struct hg_native_frame *frame)
{
    const struct hg_native_access *accesses = hg_native_accesses(code);
    for (unsigned i = 0; i < code->access_count; i++) {
        const unsigned slot = accesses[i].slot;
        frame->base[slot] =
            slot == HG_NATIVE_BOUNDARY ? launch->boundary_base : launch->operands[slot].base;
    }
    frame->params = launch->params;
    frame->fail_lane = HG_NATIVE_NO_FAILURE;
}

/* Runs LAUNCH, which is right and has no product. */
static enum hg_status run_launch(const struct hg_launch *launch, const struct hg_native_code *code,
                                 struct hg_error *error)
{
    struct walk walk;
    start_frame(launch, code, &walk.frame);
    uint32_t saved = hg_fp_enter(launch->fp_mode);
    if (is_whole(code)) {
        walk.frame.lane = walk.frame.col = 0;
        walk.frame.count = launch->params[HG_PARAM_N];
        walk.frame.is_first = 1;
        code->regions[0].run(&walk.frame);
    } else {
        run_rows(launch, code, &walk);
    }
    hg_fp_restore(saved);
    return walk.frame.fail_lane == HG_NATIVE_NO_FAILURE ? HG_OK
                                                        : fail_division(launch, &walk.frame, error);
}

static bool run_product(const struct hg_launch *launch, const struct hg_native_code *code,
                        const struct hg_product *product)
{
    struct hg_native_frame frame;
    start_frame(launch, code, &frame);
    uint32_t saved = hg_fp_enter(launch->fp_mode);
    bool done = hg_native_product_launch(launch, code, product, &frame);
    hg_fp_restore(saved);
    return done;
}

bool hg_native_launch(const struct hg_launch *launch, enum hg_status *status,
                      struct hg_error *error)
{
    struct hg_product product;
    const struct hg_native_code *code = hg_native_code_of(launch->program, launch->fp_mode);
    if (code == NULL || !is_right(launch, code, &product)) {
        return false;
    }
    if (code->has_mma) {
        *status = HG_OK;
        return run_product(launch, code, &product);
    }
    *status = run_launch(launch, code, error);
    return true;
}

/* ---- again and again ------------------------------------------------------------------------- */

bool hg_exec_is_direct(const struct hg_launch *launch)
{
    const struct hg_native_code *code = launch->executor == HG_EXECUTOR_NATIVE
                                            ? hg_native_code_of(launch->program, launch->fp_mode)
                                            : NULL;
    struct hg_product none;
    return code != NULL && !code->has_mma && launch->cancelled == NULL &&
           launch->deadline_ns == 0 && is_right(launch, code, &none);
}

enum hg_status hg_exec_launch_direct(const struct hg_launch *launch, struct hg_error *error)
{
    const struct hg_native_code *code = hg_native_code_of(launch->program, launch->fp_mode);
    return code != NULL ? run_launch(launch, code, error) : hg_exec_launch(launch, error);
}
