/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements from other places. A lane knows its row and column; from those, and sizes that are
 * parameters of the launch, follows the byte offset of what it reads. What only moves bits is
 * written for unsigned types: others of the same width have the same program.
 */
#include "lib/ops/build.h"

/* An offset in bytes that is outside of any buffer: the run fails by it. */
#define OFFSET_OUTSIDE (UINT64_C(1) << 60)

static uint8_t times(struct hg_builder *builder, uint8_t a, uint8_t b)
{
    return hg_build_binary(builder, HG_OP_MUL, HG_U64, a, b);
}

static uint8_t plus(struct hg_builder *builder, uint8_t a, uint8_t b)
{
    return hg_build_binary(builder, HG_OP_ADD, HG_U64, a, b);
}

static uint8_t minus(struct hg_builder *builder, uint8_t a, uint8_t b)
{
    return hg_build_binary(builder, HG_OP_SUB, HG_U64, a, b);
}

static uint8_t size_param(struct hg_builder *builder, unsigned index)
{
    return hg_build_param(builder, HG_U64, index);
}

static uint8_t width_of(struct hg_builder *builder, enum hg_dtype type)
{
    return hg_build_imm(builder, HG_U64, hg_dtype_bytes(type));
}

/* The element of operand INDEX at byte OFFSET, a register, and the lane term. */
static uint8_t load_at(struct hg_builder *builder, const struct hg_key *key, unsigned index,
                       uint8_t offset, enum hg_lane_mode lane)
{
    struct hg_addr addr = hg_addr_operand(key, index);
    addr.mode = HG_ADDR_COMPUTED;
    addr.reg = offset;
    addr.lane = (uint8_t)lane;
    addr.factor = lane == HG_LANE_STRIDE ? 1 : 0;
    return hg_build_load(builder, (enum hg_dtype)key->type[index], addr);
}

/* The launch has the output's rows and columns. */
void hg_build_op_transpose(struct hg_builder *builder, const struct hg_key *key,
                           const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t width = width_of(builder, type);
    uint8_t stride = times(builder, size_param(builder, HG_PARAM_ROWS), width);
    uint8_t start = times(builder, HG_REG_ROW, width);
    uint8_t offset = plus(builder, times(builder, HG_REG_COLUMN, stride), start);
    uint8_t value = load_at(builder, key, 0, offset, HG_LANE_NONE);
    hg_recipe_store(builder, key, 1, type, value);
    hg_build_blocks_end(builder);
}

/* Lanes of the one part read an element of the other that exists, and drop it. */
void hg_build_op_concat(struct hg_builder *builder, const struct hg_key *key,
                        const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t width = width_of(builder, type);
    uint8_t zero = hg_build_imm(builder, HG_U64, 0);
    uint8_t first_cols = size_param(builder, HG_PARAM_FIRST_COLS);
    uint8_t second_cols = minus(builder, size_param(builder, HG_PARAM_COLS), first_cols);
    uint8_t first = hg_build_compare(builder, HG_COND_LTU, HG_U64, HG_REG_COLUMN, first_cols);
    uint8_t past = minus(builder, HG_REG_COLUMN, first_cols);
    uint8_t in_first = hg_build_select(builder, HG_U64, first, HG_REG_COLUMN, zero);
    uint8_t in_second = hg_build_select(builder, HG_U64, first, zero, past);
    uint8_t first_start = times(builder, HG_REG_ROW, first_cols);
    uint8_t second_start = times(builder, HG_REG_ROW, second_cols);
    uint8_t a = load_at(builder, key, 0,
                        times(builder, plus(builder, first_start, in_first), width), HG_LANE_NONE);
    uint8_t b =
        load_at(builder, key, 1, times(builder, plus(builder, second_start, in_second), width),
                HG_LANE_NONE);
    hg_recipe_store(builder, key, 2, type, hg_build_select(builder, type, first, a, b));
    hg_build_blocks_end(builder);
}

/* The row's index, counted from the end if negative, as U64, and a predicate: the table has it. */
static uint8_t build_index(struct hg_builder *builder, const struct hg_key *key, uint8_t *inside)
{
    uint8_t index = hg_recipe_load(builder, key, 0, HG_I64);
    uint8_t rows = hg_build_param(builder, HG_I64, HG_PARAM_TABLE_ROWS);
    uint8_t zero = hg_build_imm(builder, HG_I64, 0);
    uint8_t negative = hg_build_compare(builder, HG_COND_LT, HG_I64, index, zero);
    uint8_t wrapped = hg_build_binary(builder, HG_OP_ADD, HG_I64, index, rows);
    index = hg_build_select(builder, HG_I64, negative, wrapped, index);
    index = hg_build_convert(builder, HG_U64, HG_I64, index);
    *inside = hg_build_compare(builder, HG_COND_LTU, HG_U64, index,
                               size_param(builder, HG_PARAM_TABLE_ROWS));
    return index;
}

/* The indices come first: they are what is read first. Lane by lane the output and the table's row
 * go on together: one offset per row is enough. It is relative to the lane, hence modulo 2^64. */
void hg_build_op_gather_rows(struct hg_builder *builder, const struct hg_key *key,
                             const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t inside;
    uint8_t index = build_index(builder, key, &inside);
    uint8_t row_bytes = times(builder, size_param(builder, HG_PARAM_COLS), width_of(builder, type));
    uint8_t offset = times(builder, minus(builder, index, HG_REG_ROW), row_bytes);
    uint8_t outside = hg_build_imm(builder, HG_U64, OFFSET_OUTSIDE);
    offset = hg_build_select(builder, HG_U64, inside, offset, outside);
    uint8_t value = load_at(builder, key, 1, offset, HG_LANE_STRIDE);
    hg_recipe_store(builder, key, 2, type, value);
    hg_build_blocks_end(builder);
}

/* The launch has a row per result, outer x inner of them, and the axis as its columns. */
void hg_build_op_sum_axis(struct hg_builder *builder, const struct hg_key *key,
                          const struct hg_recipe *recipe)
{
    enum hg_dtype type = hg_recipe_type(recipe, key);
    hg_build_blocks_begin(builder, key);
    uint8_t width = width_of(builder, type);
    uint8_t inner = size_param(builder, HG_PARAM_INNER);
    uint8_t start = HG_REG_ROW;
    if ((key->structure & HG_STRUCTURE_OUTER) != 0) {
        uint8_t outer = hg_build_binary(builder, HG_OP_DIV, HG_U64, HG_REG_ROW, inner);
        uint8_t before = times(builder, outer, inner);
        uint8_t within = minus(builder, HG_REG_ROW, before);
        start = plus(builder, times(builder, before, size_param(builder, HG_PARAM_COLS)), within);
    }
    uint8_t start_bytes = times(builder, start, width);
    uint8_t stride = times(builder, inner, width);
    uint8_t offset = plus(builder, times(builder, HG_REG_COLUMN, stride), start_bytes);
    uint8_t value = load_at(builder, key, 0, offset, HG_LANE_NONE);
    uint8_t sum = hg_build_reduce(builder, HG_OP_REDUCE_ADD, type, value);
    hg_build_blocks_end(builder);
    hg_recipe_store(builder, key, 1, type, sum);
}
