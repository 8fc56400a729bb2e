/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/build.h"

void hg_build_op_binary(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t b = hg_recipe_load(builder, key, 1, type);
    uint8_t c = hg_build_binary(builder, recipe->opcode, type, a, b);
    hg_recipe_store(builder, key, 2, type, c);
    hg_build_blocks_end(builder);
}

void hg_build_op_unary(struct hg_builder *builder, const struct hg_key *key,
                       const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t c = hg_build_unary(builder, recipe->opcode, type, a);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}

void hg_build_op_relu(struct hg_builder *builder, const struct hg_key *key,
                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t zero = hg_build_imm(builder, type, 0);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t c = hg_build_binary(builder, HG_OP_MAX, type, a, zero);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}

void hg_build_op_scalar(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t s = hg_build_param(builder, type, HG_PARAM_SCALAR);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t c = hg_build_binary(builder, recipe->opcode, type, a, s);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}

void hg_build_op_clip(struct hg_builder *builder, const struct hg_key *key,
                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t low = hg_build_param(builder, type, HG_PARAM_SCALAR);
    uint8_t high = hg_build_param(builder, type, HG_PARAM_HIGH);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t raised = hg_build_binary(builder, HG_OP_MAX, type, a, low);
    uint8_t c = hg_build_binary(builder, HG_OP_MIN, type, raised, high);
    hg_recipe_store(builder, key, 1, type, c);
    hg_build_blocks_end(builder);
}
