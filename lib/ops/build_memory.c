/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy and fill. The first system had eight functions here: a main one that chooses, unrolled, LOOP
 * and Φ for each. Here the key has chosen, and one builder writes every form.
 */
#include "lib/ops/build.h"

void hg_build_op_copy(struct hg_builder *builder, const struct hg_key *key,
                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t value = hg_recipe_load(builder, key, 0, type);
    hg_recipe_store(builder, key, 1, type, value);
    hg_build_blocks_end(builder);
}

void hg_build_op_fill(struct hg_builder *builder, const struct hg_key *key,
                      const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t value = hg_build_imm(builder, type, key->constant[0]);
    hg_recipe_store(builder, key, 0, type, value);
    hg_build_blocks_end(builder);
}
