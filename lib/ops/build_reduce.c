/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/build.h"

/* The fold ends its segment (or the loop); what it gives is stored once per row after that. */
void hg_build_op_reduce(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t a = hg_recipe_load(builder, key, 0, type);
    uint8_t folded = hg_build_reduce(builder, recipe->opcode, type, a);
    hg_build_blocks_end(builder);
    hg_recipe_store(builder, key, 1, type, folded);
}
