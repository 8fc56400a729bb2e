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

/* Values of unsigned types compare as such. */
static enum hg_cond condition_for(enum hg_cond condition, enum hg_dtype type)
{
    if (!hg_dtype_in(type, HG_DT_UINT)) {
        return condition;
    }
    switch (condition) {
    case HG_COND_LT:
        return HG_COND_LTU;
    case HG_COND_LE:
        return HG_COND_LEU;
    case HG_COND_GT:
        return HG_COND_GTU;
    case HG_COND_GE:
        return HG_COND_GEU;
    default:
        return condition;
    }
}

void hg_build_op_compare(struct hg_builder *builder, const struct hg_key *key,
                         const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t b = hg_recipe_load(builder, key, 1, type);
    uint8_t holds = hg_build_compare(builder, condition_for(recipe->condition, type), type, a, b);
    uint8_t one = hg_build_imm(builder, HG_U8, 1);
    uint8_t zero = hg_build_imm(builder, HG_U8, 0);
    hg_recipe_store(builder, key, 2, HG_U8, hg_build_select(builder, HG_U8, holds, one, zero));
    hg_build_blocks_end(builder);
}

void hg_build_op_where(struct hg_builder *builder, const struct hg_key *key,
                       const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t condition = hg_recipe_load(builder, key, 0, HG_U8);
    uint8_t zero = hg_build_imm(builder, HG_U8, 0);
    uint8_t holds = hg_build_compare(builder, HG_COND_NE, HG_U8, condition, zero);
    uint8_t a = hg_recipe_load(builder, key, 1, type);
    uint8_t b = hg_recipe_load(builder, key, 2, type);
    hg_recipe_store(builder, key, 3, type, hg_build_select(builder, type, holds, a, b));
    hg_build_blocks_end(builder);
}
