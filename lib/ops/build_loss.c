/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses, fused and as sub-programs; both ways do the same operations in the same order. Each is a
 * fold over one row and a division by n after it.
 */
#include "lib/ops/build.h"

/* max(p, eps), if eps is not 0. */
static uint8_t build_floor(struct hg_builder *builder, const struct hg_key *key, enum hg_dtype type,
                           uint8_t p)
{
    if ((key->structure & HG_STRUCTURE_CLAMPED) == 0) {
        return p;
    }
    uint8_t eps = hg_build_param(builder, type, HG_PARAM_SCALAR);
    return hg_build_binary(builder, HG_OP_MAX, type, p, eps);
}

static uint8_t build_one_minus(struct hg_builder *builder, enum hg_dtype type, uint8_t a)
{
    uint8_t one = hg_build_imm_f64(builder, type, 1);
    return hg_build_binary(builder, HG_OP_SUB, type, one, a);
}

/* p within [eps, 1 - eps], if eps is not 0. */
static uint8_t build_clamp(struct hg_builder *builder, const struct hg_key *key, enum hg_dtype type,
                           uint8_t p)
{
    if ((key->structure & HG_STRUCTURE_CLAMPED) == 0) {
        return p;
    }
    uint8_t eps = hg_build_param(builder, type, HG_PARAM_SCALAR);
    uint8_t high = build_one_minus(builder, type, eps);
    uint8_t raised = hg_build_binary(builder, HG_OP_MAX, type, p, eps);
    return hg_build_binary(builder, HG_OP_MIN, type, raised, high);
}

/* ---- sub-programs ---------------------------------------------------------------------------- */

void hg_build_op_log_floor(struct hg_builder *builder, const struct hg_key *key,
                           const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t p = build_floor(builder, key, type, hg_recipe_load(builder, key, 0, type));
    hg_recipe_store(builder, key, 1, type, hg_build_unary(builder, HG_OP_LOG, type, p));
    hg_build_blocks_end(builder);
}

void hg_build_op_log_clamped(struct hg_builder *builder, const struct hg_key *key,
                             const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t p = build_clamp(builder, key, type, hg_recipe_load(builder, key, 0, type));
    hg_recipe_store(builder, key, 1, type, hg_build_unary(builder, HG_OP_LOG, type, p));
    hg_build_blocks_end(builder);
}

void hg_build_op_one_minus_clamped(struct hg_builder *builder, const struct hg_key *key,
                                   const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t a = build_clamp(builder, key, type, hg_recipe_load(builder, key, 0, type));
    hg_recipe_store(builder, key, 1, type, build_one_minus(builder, type, a));
    hg_build_blocks_end(builder);
}

static void build_mean(struct hg_builder *builder, const struct hg_key *key, enum hg_dtype type,
                       uint8_t sum, unsigned result, unsigned divisor_param)
{
    uint8_t n = hg_recipe_divisor(builder, key, divisor_param, type);
    uint8_t mean = hg_build_binary(builder, HG_OP_DIV, type, sum, n);
    hg_recipe_store(builder, key, result, type, mean);
}

/* The launch of a last sub-program is one row of one lane: the sum that it divides. */
void hg_build_op_divide(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    uint8_t sum = hg_recipe_load(builder, key, 0, type);
    build_mean(builder, key, type, sum, 1, HG_PARAM_DIVISOR);
}

void hg_build_op_negate_divide(struct hg_builder *builder, const struct hg_key *key,
                               const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    uint8_t sum = hg_recipe_load(builder, key, 0, type);
    uint8_t negated = hg_build_unary(builder, HG_OP_NEG, type, sum);
    build_mean(builder, key, type, negated, 1, HG_PARAM_DIVISOR);
}

/* ---- fused ----------------------------------------------------------------------------------- */

void hg_build_op_mse(struct hg_builder *builder, const struct hg_key *key,
                     const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t p = hg_recipe_load(builder, key, 0, type);
    uint8_t t = hg_recipe_load(builder, key, 1, type);
    uint8_t difference = hg_build_binary(builder, HG_OP_SUB, type, p, t);
    uint8_t square = hg_build_binary(builder, HG_OP_MUL, type, difference, difference);
    uint8_t sum = hg_build_reduce(builder, HG_OP_REDUCE_ADD, type, square);
    hg_build_blocks_end(builder);
    build_mean(builder, key, type, sum, 2, HG_PARAM_N);
}

void hg_build_op_cross_entropy(struct hg_builder *builder, const struct hg_key *key,
                               const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t p = build_floor(builder, key, type, hg_recipe_load(builder, key, 0, type));
    uint8_t t = hg_recipe_load(builder, key, 1, type);
    uint8_t log_p = hg_build_unary(builder, HG_OP_LOG, type, p);
    uint8_t term = hg_build_binary(builder, HG_OP_MUL, type, t, log_p);
    uint8_t sum = hg_build_reduce(builder, HG_OP_REDUCE_ADD, type, term);
    hg_build_blocks_end(builder);
    uint8_t negated = hg_build_unary(builder, HG_OP_NEG, type, sum);
    build_mean(builder, key, type, negated, 2, HG_PARAM_N);
}

void hg_build_op_binary_cross_entropy(struct hg_builder *builder, const struct hg_key *key,
                                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t p = build_clamp(builder, key, type, hg_recipe_load(builder, key, 0, type));
    uint8_t t = hg_recipe_load(builder, key, 1, type);
    uint8_t log_p = hg_build_unary(builder, HG_OP_LOG, type, p);
    uint8_t positive = hg_build_binary(builder, HG_OP_MUL, type, t, log_p);
    uint8_t other_p = build_one_minus(builder, type, p);
    uint8_t log_other = hg_build_unary(builder, HG_OP_LOG, type, other_p);
    uint8_t other_t = build_one_minus(builder, type, t);
    uint8_t negative = hg_build_binary(builder, HG_OP_MUL, type, other_t, log_other);
    uint8_t term = hg_build_binary(builder, HG_OP_ADD, type, positive, negative);
    uint8_t sum = hg_build_reduce(builder, HG_OP_REDUCE_ADD, type, term);
    hg_build_blocks_end(builder);
    uint8_t negated = hg_build_unary(builder, HG_OP_NEG, type, sum);
    build_mean(builder, key, type, negated, 2, HG_PARAM_N);
}
