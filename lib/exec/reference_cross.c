/* SPDX-License-Identifier: Apache-2.0 */
/* What goes across lanes: REDUCE and MMA, in the order that the instruction set gives. */
#include <string.h>

#include "lib/exec/reference.h"
#include "lib/exec/scalar.h"

/* ---- REDUCE ---------------------------------------------------------------------------------- */

static const uint8_t fold_ops[] = {HG_OP_ADD, HG_OP_MIN, HG_OP_MAX, HG_OP_MUL};

static unsigned reduce_op(const struct hg_step *step)
{
    return step->insn.op - HG_OP_REDUCE_ADD;
}

static enum hg_dtype wide_type(const struct hg_step *step)
{
    bool half = hg_dtype_in((enum hg_dtype)step->insn.type, HG_DT_HALF);
    return half ? HG_F32 : (enum hg_dtype)step->insn.type;
}

/* What changes nothing: -0 of sums of floats, 1 of products, NaN of MIN and MAX, which yields. For
 * integers the value that an empty row gives. */
static uint64_t start_image(const struct hg_step *step, enum hg_dtype wide)
{
    bool narrow = wide == HG_F32;
    if (hg_dtype_in(wide, HG_DT_INT)) {
        return hg_kernels_generic.reduce[0][reduce_op(step)][wide].empty;
    }
    switch (step->insn.op) {
    case HG_OP_REDUCE_ADD:
        return narrow ? 0x80000000u : 0x8000000000000000u;
    case HG_OP_REDUCE_MUL:
        return narrow ? 0x3f800000u : 0x3ff0000000000000u;
    default:
        return narrow ? 0x7fc00000u : 0x7ff8000000000000u;
    }
}

static uint64_t combine(const struct hg_step *step, enum hg_dtype wide, uint64_t a, uint64_t b,
                        bool ftz)
{
    struct hg_insn insn = {.op = fold_ops[reduce_op(step)], .type = (uint8_t)wide};
    return hg_ref_eval(&insn, a, b, 0, ftz);
}

static uint64_t fold(const struct hg_step *step, enum hg_dtype wide, uint64_t *accumulators,
                     unsigned width, bool ftz)
{
    for (unsigned half = width / 2; half > 0; half /= 2) {
        for (unsigned i = 0; i < half; i++) {
            accumulators[i] = combine(step, wide, accumulators[i], accumulators[i + half], ftz);
        }
    }
    return accumulators[0];
}

static void reduce_one(struct hg_ref *ref, uint32_t index)
{
    const struct hg_run *run = ref->run;
    const struct hg_step *step = &run->code.steps[run->region.reduce + index];
    enum hg_dtype wide = wide_type(step);
    unsigned width = HG_REDUCE_WIDTH(hg_dtype_bytes(wide));
    uint64_t *accumulators = ref->leaves[index].accumulators;
    for (uint64_t i = 0; i < ref->count; i++) {
        struct hg_ref_at at = {.lane = ref->first + i, .row = (ref->first + i) / run->cut.cols};
        uint64_t column = at.lane % run->cut.cols;
        uint64_t in_leaf = column % HG_LEAF_LANES;
        for (unsigned j = 0; in_leaf == 0 && j < width; j++) {
            accumulators[j] = start_image(step, wide);
        }
        uint64_t element = hg_ref_convert(wide, (enum hg_dtype)step->insn.type,
                                          hg_ref_read(ref, step->a, at), run->ftz);
        accumulators[in_leaf % width] =
            combine(step, wide, accumulators[in_leaf % width], element, run->ftz);
        if (in_leaf + 1 == HG_LEAF_LANES || column + 1 == run->cut.cols) {
            *hg_run_leaf(run, index, at.row, column / HG_LEAF_LANES) =
                fold(step, wide, accumulators, width, run->ftz);
        }
    }
}

void hg_ref_reduce(struct hg_ref *ref)
{
    for (uint32_t i = 0; !ref->failed && i < ref->run->region.reduce_count; i++) {
        reduce_one(ref, i);
    }
}

/* ---- MMA ------------------------------------------------------------------------------------- */

static uint64_t element_of(const uint8_t *matrix, uint64_t index, uint32_t bytes)
{
    uint64_t image = 0;
    memcpy(&image, matrix + index * bytes, bytes);
    return image;
}

static uint64_t a_image(const struct hg_product *product, uint64_t i, uint64_t p)
{
    uint64_t index = product->trans_a ? p * product->lda + i : i * product->lda + p;
    return element_of(product->a, index, hg_dtype_bytes(product->type));
}

static uint64_t b_image(const struct hg_product *product, uint64_t p, uint64_t j)
{
    uint64_t index = product->trans_b ? j * product->ldb + p : p * product->ldb + j;
    return element_of(product->b, index, hg_dtype_bytes(product->type));
}

static uint64_t fused(enum hg_dtype wide, uint64_t a, uint64_t b, uint64_t sum)
{
    struct hg_insn insn = {.op = HG_OP_FMA, .type = (uint8_t)wide};
    return hg_ref_eval(&insn, a, b, sum, false);
}

static uint64_t pairs(const struct hg_product *product, uint64_t i, uint64_t j)
{
    float sum = 0.0f;
    for (uint64_t p = 0; p < product->k; p += 2) {
        bool whole = p + 1 < product->k;
        uint16_t a1 = whole ? (uint16_t)a_image(product, i, p + 1) : 0;
        uint16_t b1 = whole ? (uint16_t)b_image(product, p + 1, j) : 0;
        sum = hg_scalar_mma_pair_bf16(sum, (uint16_t)a_image(product, i, p), a1,
                                      (uint16_t)b_image(product, p, j), b1);
    }
    return hg_scalar_put_f32(sum);
}

/* order=dot: the leaves and accumulators of REDUCE.ADD, with fma. */
static uint64_t dot(const struct hg_run *run, uint64_t i, enum hg_dtype wide)
{
    const struct hg_product *product = &run->product;
    const struct hg_step add = {.insn = {.op = HG_OP_REDUCE_ADD, .type = (uint8_t)wide}};
    unsigned width = HG_REDUCE_WIDTH(hg_dtype_bytes(wide));
    uint64_t levels[64]; /* of the tree: what waits for its right neighbour */
    uint64_t leaves = 0;
    for (uint64_t first = 0; first < product->k; first += HG_LEAF_LANES) {
        uint64_t accumulators[HG_REDUCE_WIDTH_MAX];
        for (unsigned j = 0; j < width; j++) {
            accumulators[j] = start_image(&add, wide);
        }
        for (uint64_t q = 0; q < HG_LEAF_LANES && first + q < product->k; q++) {
            accumulators[q % width] = fused(
                wide, hg_ref_convert(wide, product->type, a_image(product, i, first + q), false),
                hg_ref_convert(wide, product->type, b_image(product, first + q, 0), false),
                accumulators[q % width]);
        }
        uint64_t value = fold(&add, wide, accumulators, width, run->ftz);
        unsigned level = 0;
        for (uint64_t before = leaves++; (before & 1u) != 0; before >>= 1) {
            value = combine(&add, wide, levels[level++], value, run->ftz);
        }
        levels[level] = value;
    }
    if (leaves == 0) {
        return 0;
    }
    /* What waits at the end, from the right: each is the left neighbour of all that follows it. */
    bool any = false;
    uint64_t sum = 0;
    for (unsigned level = 0; level < 64; level++) {
        if ((leaves >> level & 1u) != 0) {
            sum = any ? combine(&add, wide, levels[level], sum, run->ftz) : levels[level];
            any = true;
        }
    }
    return sum;
}

uint64_t hg_ref_product(const struct hg_run *run, uint64_t i, uint64_t j)
{
    const struct hg_product *product = &run->product;
    bool half = hg_dtype_in(product->type, HG_DT_HALF);
    enum hg_dtype wide = half ? HG_F32 : product->type;
    if (product->dot) {
        return dot(run, i, wide);
    }
    if (product->type == HG_BF16) {
        return pairs(product, i, j);
    }
    uint64_t sum = 0;
    for (uint64_t p = 0; p < product->k; p++) {
        sum = fused(wide, hg_ref_convert(wide, product->type, a_image(product, i, p), false),
                    hg_ref_convert(wide, product->type, b_image(product, p, j), false), sum);
    }
    return sum;
}
