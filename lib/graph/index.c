/* SPDX-License-Identifier: Apache-2.0 */
/* Reading by offsets: a lane's place along each axis, and from that the place of what it reads. */
#include <string.h>

#include "lib/base/check.h"
#include "lib/graph/lower.h"

/* Lanes are counted in 32 bits where they fit: divisions are much faster. */
static enum hg_dtype index_type(const struct hg_ir_shape *shape)
{
    uint64_t elements;
    return hg_ir_elements(shape, &elements) && elements <= UINT32_MAX ? HG_U32 : HG_U64;
}

static uint8_t imm(struct hg_lowerer *lowerer, enum hg_dtype type, uint64_t value)
{
    return hg_build_imm(&lowerer->builder, type, value);
}

static uint8_t binary(struct hg_lowerer *lowerer, enum hg_opcode op, enum hg_dtype type, uint8_t a,
                      uint8_t b)
{
    return hg_build_binary(&lowerer->builder, op, type, a, b);
}

/* A size: a parameter of the launch while there are some, so that the program fits other sizes. */
static uint8_t size_value(struct hg_lowerer *lowerer, enum hg_dtype type, uint64_t value)
{
    bool room = lowerer->param_count < HG_PARAM_COUNT - HG_PARAM_FIRST;
    return value > 8 && room ? hg_lower_param(lowerer, type, value) : imm(lowerer, type, value);
}

/* Axes of length 1 at the end do not count. */
static int last_axis(const struct hg_ir_shape *shape)
{
    int last = shape->rank - 1;
    while (last >= 0 && shape->size[last] == 1) {
        last--;
    }
    return last;
}

static int first_axis(const struct hg_ir_shape *shape)
{
    int first = 0;
    while (first < shape->rank && shape->size[first] == 1) {
        first++;
    }
    return first;
}

/*
 * This lane's index along each axis of SHAPE that is longer than 1 and WANTED, as U64; NO_REGISTER
 * for the others. Where the launch's rows are those of the shape, row and column are known without
 * a division.
 */
static void lane_indices(struct hg_lowerer *lowerer, const struct hg_ir_shape *shape,
                         uint32_t wanted, uint8_t indices[HG_GRAPH_RANK_MAX])
{
    enum hg_dtype type = index_type(shape);
    int first = first_axis(shape);
    int last = last_axis(shape);
    bool by_rows = last > first && shape->size[last] == lowerer->group->cols;
    uint8_t rest =
        hg_build_convert(&lowerer->builder, type, HG_U64, by_rows ? HG_REG_ROW : HG_REG_LANE);
    memset(indices, HG_NO_REGISTER, HG_GRAPH_RANK_MAX);
    for (int i = last; i >= first; i--) {
        bool is_wanted = (wanted >> i & 1u) != 0;
        if (shape->size[i] == 1) {
            continue;
        }
        if (i == last && by_rows) {
            indices[i] = is_wanted ? HG_REG_COLUMN : HG_NO_REGISTER;
            continue;
        }
        uint8_t index = rest;
        if (i != first) {
            uint8_t size = size_value(lowerer, type, shape->size[i]);
            uint8_t quotient = binary(lowerer, HG_OP_DIV, type, rest, size);
            if (is_wanted) {
                uint8_t whole = binary(lowerer, HG_OP_MUL, type, quotient, size);
                index = binary(lowerer, HG_OP_SUB, type, rest, whole);
            }
            rest = quotient;
        }
        if (is_wanted) {
            indices[i] = hg_build_convert(&lowerer->builder, HG_U64, type, index);
        }
    }
}

/* a + index * stride, of registers that may be missing. */
static uint8_t add_scaled(struct hg_lowerer *lowerer, uint8_t a, uint8_t index, uint64_t stride)
{
    if (index == HG_NO_REGISTER || stride == 0) {
        return a;
    }
    if (stride != 1) {
        index = binary(lowerer, HG_OP_MUL, HG_U64, index, size_value(lowerer, HG_U64, stride));
    }
    return a == HG_NO_REGISTER ? index : binary(lowerer, HG_OP_ADD, HG_U64, a, index);
}

static uint8_t or_zero(struct hg_lowerer *lowerer, uint8_t reg)
{
    return reg == HG_NO_REGISTER ? imm(lowerer, HG_U64, 0) : reg;
}

/* Element OFFSET (a register, U64) of SOURCE. */
static uint8_t load_at(struct hg_lowerer *lowerer, uint32_t source, uint8_t offset)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    enum hg_dtype type = (enum hg_dtype)ir->nodes[source].type;
    uint8_t bytes = add_scaled(lowerer, HG_NO_REGISTER, offset, hg_dtype_bytes(type));
    struct hg_addr addr = {.mode = HG_ADDR_COMPUTED,
                           .slot =
                               hg_lower_slot(lowerer, hg_ir_base(ir, source), UINT32_MAX, false),
                           .lane = HG_LANE_NONE,
                           .reg = or_zero(lowerer, bytes)};
    return hg_build_load(&lowerer->builder, type, addr);
}

static uint32_t axes_with_strides(const struct hg_ir_shape *shape,
                                  const uint64_t strides[HG_GRAPH_RANK_MAX])
{
    uint32_t wanted = 0;
    for (unsigned i = 0; i < shape->rank; i++) {
        wanted |= strides[i] != 0 ? 1u << i : 0u;
    }
    return wanted;
}

static uint8_t offset_of(struct hg_lowerer *lowerer, const struct hg_ir_shape *shape,
                         const uint64_t strides[HG_GRAPH_RANK_MAX])
{
    uint8_t indices[HG_GRAPH_RANK_MAX];
    lane_indices(lowerer, shape, axes_with_strides(shape, strides), indices);
    uint8_t offset = HG_NO_REGISTER;
    for (unsigned i = 0; i < shape->rank; i++) {
        offset = add_scaled(lowerer, offset, indices[i], strides[i]);
    }
    return or_zero(lowerer, offset);
}

uint8_t hg_lower_strided(struct hg_lowerer *lowerer, uint32_t source,
                         const struct hg_ir_shape *shape, const uint64_t strides[HG_GRAPH_RANK_MAX])
{
    return load_at(lowerer, source, offset_of(lowerer, shape, strides));
}

uint8_t hg_lower_transpose(struct hg_lowerer *lowerer, const struct hg_ir_node *node)
{
    const struct hg_ir_shape *from = &lowerer->fusion->ir->nodes[node->inputs[0]].shape;
    uint64_t row_major[HG_GRAPH_RANK_MAX];
    uint64_t strides[HG_GRAPH_RANK_MAX] = {0};
    hg_access_strides(from, from, row_major);
    for (unsigned i = 0; i < node->shape.rank; i++) {
        strides[i] = row_major[node->permutation[i]];
    }
    return hg_lower_strided(lowerer, node->inputs[0], &node->shape, strides);
}

/* Row-major strides of SHAPE from axis FIRST on, for COUNT axes, each times UNIT. */
static void set_strides(uint64_t strides[HG_GRAPH_RANK_MAX], const struct hg_ir_shape *shape,
                        unsigned first, unsigned count, uint64_t unit)
{
    for (unsigned i = first + count; i-- > first;) {
        strides[i] = unit;
        unit *= shape->size[i];
    }
}

static uint64_t product_of(const struct hg_ir_shape *shape, unsigned first, unsigned end)
{
    uint64_t product = 1;
    for (unsigned i = first; i < end; i++) {
        product *= shape->size[i];
    }
    return product;
}

/* An offset in elements that is outside of any buffer, in bytes too: the run fails by it. */
#define OFFSET_OUTSIDE (UINT64_C(1) << 60)

/* The index as U64, counted from the end if negative, and a predicate: it is less than SIZE. */
static uint8_t checked_index(struct hg_lowerer *lowerer, uint8_t value, enum hg_dtype type,
                             uint64_t size, uint8_t *inside)
{
    struct hg_builder *builder = &lowerer->builder;
    uint8_t index = hg_build_convert(builder, HG_I64, type, value);
    uint8_t length = imm(lowerer, HG_I64, size);
    uint8_t negative =
        hg_build_compare(builder, HG_COND_LT, HG_I64, index, imm(lowerer, HG_I64, 0));
    uint8_t wrapped = binary(lowerer, HG_OP_ADD, HG_I64, index, length);
    index = hg_build_convert(builder, HG_U64, HG_I64,
                             hg_build_select(builder, HG_I64, negative, wrapped, index));
    *inside = hg_build_compare(builder, HG_COND_LTU, HG_U64, index, imm(lowerer, HG_U64, size));
    return index;
}

uint8_t hg_lower_take(struct hg_lowerer *lowerer, const struct hg_ir_node *node)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    const struct hg_ir_node *from = &ir->nodes[node->inputs[0]];
    const struct hg_ir_node *by = &ir->nodes[node->inputs[1]];
    unsigned axis = (unsigned)node->axis;
    unsigned moved = by->shape.rank; /* axes that the index has in the result */
    uint64_t inner = product_of(&from->shape, axis + 1, from->shape.rank);
    uint64_t slices = from->shape.size[axis];

    uint64_t index_strides[HG_GRAPH_RANK_MAX] = {0};
    set_strides(index_strides, &node->shape, axis, moved, 1);
    uint64_t strides[HG_GRAPH_RANK_MAX] = {0};
    set_strides(strides, &node->shape, axis + moved, from->shape.rank - 1u - axis, 1);
    set_strides(strides, &node->shape, 0, axis, slices * inner);

    const struct hg_ir_node *base = &ir->nodes[hg_ir_base(ir, node->inputs[1])];
    uint8_t value = base->kind == HG_GRAPH_KIND_LITERAL
                        ? imm(lowerer, (enum hg_dtype)base->type, base->bits)
                        : hg_lower_strided(lowerer, node->inputs[1], &node->shape, index_strides);
    uint8_t inside;
    uint8_t index = checked_index(lowerer, value, (enum hg_dtype)by->type, slices, &inside);
    uint8_t offset = add_scaled(lowerer, offset_of(lowerer, &node->shape, strides), index, inner);
    offset = hg_build_select(&lowerer->builder, HG_U64, inside, offset,
                             imm(lowerer, HG_U64, OFFSET_OUTSIDE));
    return load_at(lowerer, node->inputs[0], offset);
}

/* Lanes of the other part read an element that exists, and drop it. */
uint8_t hg_lower_concatenate(struct hg_lowerer *lowerer, const struct hg_ir_node *node)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    struct hg_builder *builder = &lowerer->builder;
    unsigned axis = (unsigned)node->axis;
    uint64_t first_size = ir->nodes[node->inputs[0]].shape.size[axis];
    uint64_t second_size = ir->nodes[node->inputs[1]].shape.size[axis];
    uint64_t inner = product_of(&node->shape, axis + 1, node->shape.rank);
    uint8_t indices[HG_GRAPH_RANK_MAX];
    lane_indices(lowerer, &node->shape, UINT32_MAX, indices);

    uint8_t along = or_zero(lowerer, indices[axis]);
    uint8_t bound = imm(lowerer, HG_U64, first_size);
    uint8_t zero = imm(lowerer, HG_U64, 0);
    uint8_t first = hg_build_compare(builder, HG_COND_LTU, HG_U64, along, bound);
    uint8_t in_first = hg_build_select(builder, HG_U64, first, along, zero);
    uint8_t in_second = hg_build_select(builder, HG_U64, first, zero,
                                        binary(lowerer, HG_OP_SUB, HG_U64, along, bound));
    uint64_t rest[HG_GRAPH_RANK_MAX] = {0}; /* strides of the other axes, by part */
    uint8_t values[2];
    for (unsigned part = 0; part < 2; part++) {
        uint64_t size = part == 0 ? first_size : second_size;
        set_strides(rest, &node->shape, axis + 1, node->shape.rank - 1u - axis, 1);
        set_strides(rest, &node->shape, 0, axis, size * inner);
        uint8_t offset = HG_NO_REGISTER;
        for (unsigned i = 0; i < node->shape.rank; i++) {
            offset = i == axis
                         ? add_scaled(lowerer, offset, part == 0 ? in_first : in_second, inner)
                         : add_scaled(lowerer, offset, indices[i], rest[i]);
        }
        values[part] = load_at(lowerer, node->inputs[part], or_zero(lowerer, offset));
    }
    return hg_build_select(builder, (enum hg_dtype)node->type, first, values[0], values[1]);
}

uint8_t hg_lower_iota(struct hg_lowerer *lowerer, const struct hg_ir_node *node)
{
    uint64_t strides[HG_GRAPH_RANK_MAX] = {0};
    strides[node->axis] = 1;
    return hg_build_convert(&lowerer->builder, HG_I64, HG_U64,
                            offset_of(lowerer, &node->shape, strides));
}
