/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of order=dot. */
#include "lib/exec/dot.h"

#include <string.h>

#include "lib/base/check.h"

/* Rows whose leaves are found together. */
#define ROWS_TOGETHER 16u

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint32_t sum_bytes(const struct hg_product *product)
{
    return product->type == HG_F64 ? 8 : 4;
}

static uint64_t leaf_count(const struct hg_product *product)
{
    return hg_div_up_u64(product->k, HG_LEAF_LANES);
}

static bool is_half(const struct hg_product *product)
{
    return hg_dtype_in(product->type, HG_DT_HALF);
}

/* Elements between the terms of B. */
static uint64_t b_step(const struct hg_product *product)
{
    return product->trans_b ? 1 : product->ldb;
}

/* Whether rows of A, and B, can be read where they are. */
static bool reads_rows(const struct hg_product *product)
{
    return !is_half(product) && !product->trans_a;
}

static bool reads_b(const struct hg_product *product)
{
    return !is_half(product) && b_step(product) == 1;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static uint64_t x_bytes(const struct hg_product *product)
{
    return reads_b(product) ? 0 : hg_div_up_u64(product->k * sum_bytes(product), 64) * 64;
}

static uint64_t line_bytes(const struct hg_product *product)
{
    return reads_rows(product) ? 0 : HG_LEAF_LANES * sizeof(uint64_t);
}

uint64_t hg_dot_bytes(const struct hg_product *product)
{
    uint64_t leaves = leaf_count(product);
    return x_bytes(product) + line_bytes(product) +
           (leaves > 1 ? leaves * ROWS_TOGETHER * sizeof(uint64_t) : 0);
}

/* COUNT elements, STEP apart, as sums are typed. */
static void read_terms(const struct hg_dot *dot, uint8_t *to, const uint8_t *from, uint64_t step,
                       uint64_t count)
{
    uint16_t halves[HG_LEAF_LANES];
    const struct hg_kernels *kernels = dot->kernels;
    if (step != 1) {
        void *near = is_half(dot->product) ? (void *)halves : to;
        kernels->load_stride[hg_log2_bytes(dot->element)](near, from, step, count);
        from = near;
    }
    if (is_half(dot->product)) {
        kernels->convert[0][HG_F32][dot->product->type](to, from, count);
    } else if (from != to) {
        memcpy(to, from, count * dot->element);
    }
}

void hg_dot_init(struct hg_dot *dot, const struct hg_product *product,
                 const struct hg_kernels *kernels, bool ftz, uint8_t *memory)
{
    enum hg_dtype wide = product->type == HG_F64 ? HG_F64 : HG_F32;
    *dot = (struct hg_dot){.product = product,
                           .kernels = kernels,
                           .reduce = &kernels->reduce[ftz][0][wide],
                           .x = product->b,
                           .element = hg_dtype_bytes(product->type),
                           .sum = sum_bytes(product)};
    if (memory == NULL) {
        return;
    }
    dot->line = memory + x_bytes(product);
    dot->leaves = (uint64_t *)(void *)(dot->line + line_bytes(product));
    uint64_t step = b_step(product);
    for (uint64_t first = 0; !reads_b(product) && first < product->k; first += HG_LEAF_LANES) {
        read_terms(dot, memory + first * dot->sum, product->b + first * step * dot->element, step,
                   least(product->k - first, HG_LEAF_LANES));
        dot->x = memory;
    }
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The sums of COUNT terms from FIRST, a leaf, of ROWS rows. */
static void sum_leaf(const struct hg_dot *dot, uint64_t row, uint64_t rows, uint64_t first,
                     uint64_t count, uint8_t *sums)
{
    const struct hg_product *product = dot->product;
    hg_kernel_dots *dots =
        product->type == HG_F64 ? dot->kernels->matrix64.dots : dot->kernels->matrix32.dots;
    const uint8_t *x = dot->x + first * dot->sum;
    if (reads_rows(product)) {
        dots(sums, product->a + (row * product->lda + first) * dot->element, product->lda, rows, x,
             count);
        return;
    }
    uint64_t row_step = product->trans_a ? 1 : product->lda;
    uint64_t term_step = product->trans_a ? product->lda : 1;
    for (uint64_t i = 0; i < rows; i++) {
        read_terms(dot, dot->line,
                   product->a + ((row + i) * row_step + first * term_step) * dot->element,
                   term_step, count);
        dots(sums + i * dot->sum, dot->line, 0, 1, x, count);
    }
}

/* Rows of more than one leaf. */
static void sum_trees(const struct hg_dot *dot, uint64_t row, uint64_t rows, uint8_t *sums)
{
    uint64_t leaves = leaf_count(dot->product);
    for (uint64_t leaf = 0; leaf < leaves; leaf++) {
        uint64_t first = leaf * HG_LEAF_LANES;
        uint8_t some[ROWS_TOGETHER * sizeof(uint64_t)];
        sum_leaf(dot, row, rows, first, least(dot->product->k - first, HG_LEAF_LANES), some);
        for (uint64_t i = 0; i < rows; i++) {
            uint64_t bits = 0;
            memcpy(&bits, some + i * dot->sum, dot->sum);
            dot->leaves[i * leaves + leaf] = bits;
        }
    }
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t bits = hg_run_fold_leaves(dot->reduce, dot->leaves + i * leaves, leaves);
        memcpy(sums + i * dot->sum, &bits, dot->sum);
    }
}

void hg_dot_rows(const struct hg_dot *dot, uint64_t row, uint64_t rows, uint8_t *sums)
{
    uint64_t terms = dot->product->k;
    if (terms == 0) {
        memset(sums, 0, rows * dot->sum);
        return;
    }
    for (uint64_t done = 0; done < rows; done += ROWS_TOGETHER) {
        uint64_t count = least(rows - done, ROWS_TOGETHER);
        if (terms <= HG_LEAF_LANES) {
            sum_leaf(dot, row + done, count, 0, terms, sums + done * dot->sum);
        } else {
            sum_trees(dot, row + done, count, sums + done * dot->sum);
        }
    }
}
