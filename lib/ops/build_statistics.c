/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mean, variance, the index of the maximum and layer_norm: folds of rows, and what follows from
 * them. Each is the sequence that a graph has for it (lib/graph/expand.c): the same bits.
 */
#include "lib/ops/build.h"

/* Larger than any index. */
#define NO_INDEX (UINT64_C(1) << 62)

/* A row of operand 0, in the computing type: its mean, of COUNT elements. Ends a segment. */
static uint8_t build_mean(struct hg_builder *builder, const struct hg_key *key, enum hg_dtype type,
                          uint8_t count)
{
    hg_build_blocks_begin(builder, key);
    uint8_t x = hg_recipe_load(builder, key, 0, type);
    uint8_t sum = hg_build_reduce(builder, HG_OP_REDUCE_ADD, type, x);
    hg_build_blocks_end(builder);
    return hg_build_binary(builder, HG_OP_DIV, type, sum, count);
}

static uint8_t build_distance(struct hg_builder *builder, const struct hg_key *key,
                              enum hg_dtype type, uint8_t mean)
{
    uint8_t x = hg_recipe_load(builder, key, 0, type);
    return hg_build_binary(builder, HG_OP_SUB, type, x, mean);
}

/* The mean of the squared distances from MEAN. Ends a segment. */
static uint8_t build_variance(struct hg_builder *builder, const struct hg_key *key,
                              enum hg_dtype type, uint8_t mean, uint8_t count)
{
    hg_build_blocks_begin(builder, key);
    uint8_t distance = build_distance(builder, key, type, mean);
    uint8_t square = hg_build_binary(builder, HG_OP_MUL, type, distance, distance);
    uint8_t sum = hg_build_reduce(builder, HG_OP_REDUCE_ADD, type, square);
    hg_build_blocks_end(builder);
    return hg_build_binary(builder, HG_OP_DIV, type, sum, count);
}

void hg_build_op_mean(struct hg_builder *builder, const struct hg_key *key,
                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    uint8_t count = hg_recipe_divisor(builder, key, HG_PARAM_COLS, type);
    hg_recipe_store(builder, key, 1, type, build_mean(builder, key, type, count));
}

void hg_build_op_var(struct hg_builder *builder, const struct hg_key *key,
                     const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    uint8_t count = hg_recipe_divisor(builder, key, HG_PARAM_COLS, type);
    uint8_t mean = build_mean(builder, key, type, count);
    hg_recipe_store(builder, key, 1, type, build_variance(builder, key, type, mean, count));
}

/* (x - mean) / sqrt(variance + eps) * gamma + beta. */
void hg_build_op_layer_norm(struct hg_builder *builder, const struct hg_key *key,
                            const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    uint8_t count = hg_recipe_divisor(builder, key, HG_PARAM_COLS, type);
    uint8_t mean = build_mean(builder, key, type, count);
    uint8_t variance = build_variance(builder, key, type, mean, count);
    uint8_t eps = hg_build_param(builder, type, HG_PARAM_SCALAR);
    uint8_t spread = hg_build_binary(builder, HG_OP_ADD, type, variance, eps);
    uint8_t factor = hg_build_unary(builder, HG_OP_RSQRT, type, spread);

    hg_build_blocks_begin(builder, key);
    uint8_t distance = build_distance(builder, key, type, mean);
    uint8_t result = hg_build_binary(builder, HG_OP_MUL, type, distance, factor);
    uint8_t gamma = hg_recipe_load(builder, key, 1, type);
    result = hg_build_binary(builder, HG_OP_MUL, type, result, gamma);
    uint8_t beta = hg_recipe_load(builder, key, 2, type);
    result = hg_build_binary(builder, HG_OP_ADD, type, result, beta);
    hg_recipe_store(builder, key, 3, type, result);
    hg_build_blocks_end(builder);
}

/* The least index whose element is the maximum; where all are NaN no element equals it, and the
 * result is 0. */
void hg_build_op_argmax(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t x = hg_recipe_load(builder, key, 0, type);
    uint8_t max = hg_build_reduce(builder, HG_OP_REDUCE_MAX, type, x);
    hg_build_blocks_end(builder);

    hg_build_blocks_begin(builder, key);
    uint8_t index = hg_build_convert(builder, HG_I64, HG_U64, HG_REG_COLUMN);
    uint8_t none = hg_build_imm(builder, HG_I64, NO_INDEX);
    x = hg_recipe_load(builder, key, 0, type);
    uint8_t is_max = hg_build_compare(builder, HG_COND_EQ, type, x, max);
    uint8_t candidate = hg_build_select(builder, HG_I64, is_max, index, none);
    uint8_t first = hg_build_reduce(builder, HG_OP_REDUCE_MIN, HG_I64, candidate);
    hg_build_blocks_end(builder);

    none = hg_build_imm(builder, HG_I64, NO_INDEX);
    uint8_t is_found = hg_build_compare(builder, HG_COND_LT, HG_I64, first, none);
    uint8_t zero = hg_build_imm(builder, HG_I64, 0);
    uint8_t result = hg_build_select(builder, HG_I64, is_found, first, zero);
    hg_recipe_store(builder, key, 1, HG_I64, result);
}
