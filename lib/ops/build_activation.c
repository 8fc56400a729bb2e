/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gelu and softmax, fused and as sub-programs. Those of softmax do the same operations in the same
 * order as the fused one, so F32 and F64 give identical bits. Those of gelu are the literal steps;
 * the fused one is the same function without a division.
 */
#include "lib/ops/build.h"

/* c = constant * a. */
void hg_build_op_scale(struct hg_builder *builder, const struct hg_key *key,
                       const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t factor = hg_build_imm_f64(builder, type, recipe->constant);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t c = hg_build_binary(builder, HG_OP_MUL, type, a, factor);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}

/* c = 1 + e^a. */
void hg_build_op_add_one(struct hg_builder *builder, const struct hg_key *key,
                         const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t one = hg_build_imm_f64(builder, type, 1);
    uint8_t e = hg_build_unary(builder, HG_OP_EXP, type, a);
    uint8_t c = hg_build_binary(builder, HG_OP_ADD, type, e, one);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}

/* x / (1 + e^(-2u)) = x sigmoid(2u), 2u = x (2 s + 2 s c x^2) with the slope s and the cubic c. */
uint8_t hg_build_gelu(struct hg_builder *builder, enum hg_dtype type, uint8_t x)
{
    uint8_t cubic = hg_build_imm_f64(builder, type, 2 * HG_GELU_SLOPE * HG_GELU_CUBIC);
    uint8_t slope = hg_build_imm_f64(builder, type, 2 * HG_GELU_SLOPE);
    uint8_t square = hg_build_binary(builder, HG_OP_MUL, type, x, x);
    uint8_t factor = hg_build_ternary(builder, HG_OP_FMA, type, square, cubic, slope);
    uint8_t exponent = hg_build_binary(builder, HG_OP_MUL, type, x, factor);
    uint8_t share = hg_build_unary(builder, HG_OP_SIGMOID, type, exponent);
    return hg_build_binary(builder, HG_OP_MUL, type, x, share);
}

void hg_build_op_gelu(struct hg_builder *builder, const struct hg_key *key,
                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t x = hg_recipe_load(builder, key, 0, type);
    uint8_t c = hg_build_gelu(builder, type, x);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}

/* (x - max) / temperature; a temperature of 1 needs no division. */
static uint8_t build_shifted(struct hg_builder *builder, const struct hg_key *key,
                             enum hg_dtype type, uint8_t x, uint8_t max)
{
    uint8_t shifted = hg_build_binary(builder, HG_OP_SUB, type, x, max);
    if ((key->structure & HG_STRUCTURE_TEMPERED) == 0) {
        return shifted;
    }
    uint8_t temperature = hg_build_param(builder, type, HG_PARAM_SCALAR);
    return hg_build_binary(builder, HG_OP_DIV, type, shifted, temperature);
}

void hg_build_op_sub_max(struct hg_builder *builder, const struct hg_key *key,
                         const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t x = hg_recipe_load(builder, key, 0, type);
    uint8_t max = hg_recipe_load(builder, key, 1, type);
    uint8_t c = build_shifted(builder, key, type, x, max);
    hg_recipe_store(builder, key, 2, type, c);
    hg_build_blocks_end(builder);
}

/* e / sum, as e (1 / sum): one division for a row. A sum is at least 1, for the greatest element's
 * e, or NaN. */
static uint8_t build_share(struct hg_builder *builder, enum hg_dtype type, uint8_t e, uint8_t sum)
{
    uint8_t one = hg_build_imm_f64(builder, type, 1);
    uint8_t inverse = hg_build_binary(builder, HG_OP_DIV, type, one, sum);
    return hg_build_binary(builder, HG_OP_MUL, type, e, inverse);
}

void hg_build_op_share(struct hg_builder *builder, const struct hg_key *key,
                       const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t e = hg_recipe_load(builder, key, 0, type);
    uint8_t sum = hg_recipe_load(builder, key, 1, type);
    uint8_t c = build_share(builder, type, e, sum);
    hg_recipe_store(builder, key, 2, type, c);
    hg_build_blocks_end(builder);
}

/* Three segments: the maximum; e, stored and summed before it is rounded to the output's type; the
 * shares. The output holds e in between, so input and output may be the same memory. */
void hg_build_op_softmax(struct hg_builder *builder, const struct hg_key *key,
                         const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t x = hg_recipe_load(builder, key, 0, type);
    uint8_t max = hg_build_reduce(builder, HG_OP_REDUCE_MAX, type, x);
    hg_build_blocks_end(builder);

    hg_build_blocks_begin(builder, key);
    x = hg_recipe_load(builder, key, 0, type);
    uint8_t shifted = build_shifted(builder, key, type, x, max);
    uint8_t e = hg_build_unary(builder, HG_OP_EXP, type, shifted);
    hg_recipe_store(builder, key, 1, type, e);
    uint8_t sum = hg_build_reduce(builder, HG_OP_REDUCE_ADD, type, e);
    hg_build_blocks_end(builder);

    hg_build_blocks_begin(builder, key);
    e = hg_recipe_load(builder, key, 1, type);
    uint8_t c = build_share(builder, type, e, sum);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}
