/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products: MMA gives each lane its sum, the rest is ordinary lane code. Small sizes are
 * immediates (key.size = m, n, k), others are launch parameters.
 */
#include "lib/ops/build.h"

static struct hg_mma product(const struct hg_key *key)
{
    struct hg_mma mma = {.a = hg_addr_operand(key, 0), .b = hg_addr_operand(key, 1)};
    bool trans_a = (key->structure & HG_STRUCTURE_TRANS_A) != 0;
    bool trans_b = (key->structure & HG_STRUCTURE_TRANS_B) != 0;
    mma.flags = (uint8_t)((trans_a ? HG_MMA_TRANS_A : 0u) | (trans_b ? HG_MMA_TRANS_B : 0u) |
                          ((key->structure & HG_STRUCTURE_DOT) != 0 ? HG_MMA_ORDER_DOT : 0u));
    if ((key->structure & HG_STRUCTURE_IMMEDIATE) != 0) {
        mma.m = key->size[0];
        mma.n = key->size[1];
        mma.k = key->size[2];
        mma.lda = trans_a ? mma.m : mma.k;
        mma.ldb = trans_b ? mma.k : mma.n;
    } else {
        mma.flags |= HG_MMA_PARAMS;
        mma.m = HG_PARAM_ROWS;
        mma.n = HG_PARAM_COLS;
        mma.k = HG_PARAM_PRODUCT_K;
        mma.lda = HG_PARAM_PRODUCT_LDA;
        mma.ldb = HG_PARAM_PRODUCT_LDB;
    }
    return mma;
}

void hg_build_op_gemm(struct hg_builder *builder, const struct hg_key *key,
                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    struct hg_mma mma = product(key);
    hg_build_blocks_begin(builder, key);
    uint8_t sum = hg_build_mma(builder, (enum hg_dtype)key->type[0], &mma);
    uint8_t c = sum;
    if ((key->structure & HG_STRUCTURE_SCALED) != 0) {
        uint8_t alpha = hg_build_param(builder, type, HG_PARAM_ALPHA);
        c = hg_build_binary(builder, HG_OP_MUL, type, sum, alpha);
    }
    if ((key->structure & HG_STRUCTURE_BETA) != 0) {
        uint8_t beta = hg_build_param(builder, type, HG_PARAM_BETA);
        uint8_t old = hg_recipe_load(builder, key, 2, type);
        uint8_t scaled = hg_build_binary(builder, HG_OP_MUL, type, old, beta);
        c = hg_build_binary(builder, HG_OP_ADD, type, c, scaled);
    }
    hg_recipe_store(builder, key, 2, type, c);
    hg_build_blocks_end(builder);
}

void hg_build_op_matvec(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    struct hg_mma mma = product(key);
    hg_build_blocks_begin(builder, key);
    uint8_t sum = hg_build_mma(builder, (enum hg_dtype)key->type[0], &mma);
    hg_recipe_store(builder, key, 2, type, sum);
    hg_build_blocks_end(builder);
}

void hg_build_op_linear(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    struct hg_mma mma = product(key);
    hg_build_blocks_begin(builder, key);
    uint8_t sum = hg_build_mma(builder, (enum hg_dtype)key->type[0], &mma);
    uint8_t bias = hg_recipe_load(builder, key, 2, type);
    uint8_t y = hg_build_binary(builder, HG_OP_ADD, type, sum, bias);
    if ((key->structure & HG_STRUCTURE_RELU) != 0) {
        uint8_t zero = hg_build_imm(builder, type, 0);
        y = hg_build_binary(builder, HG_OP_MAX, type, y, zero);
    } else if ((key->structure & HG_STRUCTURE_GELU) != 0) {
        y = hg_build_gelu(builder, type, y);
    }
    hg_recipe_store(builder, key, 3, type, y);
    hg_build_blocks_end(builder);
}
