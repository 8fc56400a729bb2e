/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a block of a product into tiles and finds the functions for all of them, before any runs. */
#include "lib/exec/native_product.h"

#include "lib/base/check.h"

struct builder {
    const struct hg_program *program;
    const struct hg_native_code *code;
    const struct hg_native_region *region;
    bool lacks_code;
};

static hg_native_fn *function_for(struct builder *builder, const struct hg_native_group *group,
                                  unsigned height, uint64_t tiles)
{
    if (tiles == 0) {
        return NULL;
    }
    struct hg_native_tile tile = {(uint8_t)height, group->vectors, group->masked};
    hg_native_fn *run = hg_native_tile_of(builder->program, builder->code, builder->region, tile);
    builder->lacks_code |= run == NULL;
    return run;
}

static void fill_column(struct builder *builder, const struct hg_native_group *group, uint64_t rows,
                        struct hg_native_column *column)
{
    unsigned height =
        hg_native_tile_rows((enum hg_isa_level)builder->code->level, rows, group->vectors);
    uint64_t tiles = hg_div_up_u64(rows, height);
    column->height = (uint8_t)height;
    column->tiles[0] = rows - tiles * (height - 1u);
    column->tiles[1] = tiles - column->tiles[0];
    column->run[0] = function_for(builder, group, height, column->tiles[0]);
    column->run[1] = function_for(builder, group, height - 1, column->tiles[1]);
}

/* The rows that come last, fewer than at once or as many. */
static uint64_t last_rows(const struct hg_native_block *block)
{
    return block->rows -
           (hg_div_up_u64(block->rows, block->rows_at_once) - 1) * block->rows_at_once;
}

/* As wide strips as are best for what is left, again and again. */
static void fill(struct builder *builder, const struct hg_native_block *block,
                 struct hg_native_schedule *schedule)
{
    schedule->block = *block;
    schedule->group_count = 0;
    for (uint64_t left = block->cols; left > 0 && !builder->lacks_code;) {
        if (schedule->group_count == HG_NATIVE_GROUPS) {
            builder->lacks_code = true;
            return;
        }
        struct hg_native_group *group = &schedule->groups[schedule->group_count++];
        uint64_t vectors = hg_div_up_u64(left, block->lanes);
        group->vectors =
            block->panel == 0
                ? hg_native_choose_tile((enum hg_isa_level)builder->code->level, block->rows,
                                        vectors, block->terms, block->crosses)
                      .vectors
            : vectors < block->panel ? (uint8_t)vectors
                                     : block->panel;
        uint64_t width = (uint64_t)group->vectors * block->lanes;
        group->masked = left < width;
        group->strips = group->masked ? 1 : left / width;
        left -= group->masked ? left : group->strips * width;
        fill_column(builder, group, block->rows_at_once, &group->column[0]);
        fill_column(builder, group, last_rows(block), &group->column[1]);
    }
}

bool hg_native_schedule_fill(const struct hg_program *program, const struct hg_native_code *code,
                             const struct hg_native_region *region,
                             const struct hg_native_block *block,
                             struct hg_native_schedule *schedule)
{
    struct builder builder = {program, code, region, false};
    fill(&builder, block, schedule);
    return !builder.lacks_code;
}

const struct hg_native_schedule *hg_native_schedule_of(const struct hg_program *program,
                                                       const struct hg_native_code *code,
                                                       const struct hg_native_region *region,
                                                       const struct hg_native_block *block,
                                                       struct hg_native_schedule *room)
{
    const struct hg_native_schedule *kept = hg_native_find_schedule(program, code, region, block);
    if (kept != NULL) {
        return kept;
    }
    if (!hg_native_schedule_fill(program, code, region, block, room)) {
        return NULL;
    }
    hg_native_keep_schedule(program, code, region, room);
    return room;
}
