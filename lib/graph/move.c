/* SPDX-License-Identifier: Apache-2.0 */
/* Binding nodes that see elements otherwise or take them from other places, and products. */
#include <inttypes.h>
#include <string.h>

#include "lib/graph/ir.h"

uint32_t hg_binder_copy(struct hg_binder *binder, uint32_t value)
{
    const struct hg_ir_node *node = hg_binder_node(binder, value);
    struct hg_ir_node copy;
    memset(&copy, 0, sizeof copy);
    copy.kind = HG_GRAPH_KIND_BROADCAST;
    copy.type = node->type;
    copy.shape = node->shape;
    copy.input_count = 1;
    copy.inputs[0] = value;
    return hg_binder_add(binder, &copy);
}

/* ---- views and moves ------------------------------------------------------------------------- */

static uint64_t size_of(const struct hg_binder *binder, uint64_t size)
{
    bool symbol = size != HG_GRAPH_SIZE_OPEN && size > HG_GRAPH_SIZE_MAX;
    return symbol ? binder->symbols[HG_GRAPH_SIZE_SYMBOL(0) - size] : size;
}

static uint32_t bind_reshape(struct hg_binder *binder, const struct hg_graph_node *node, uint32_t a)
{
    uint64_t elements = hg_binder_node(binder, a)->elements;
    struct hg_ir_shape shape = {.rank = node->rank};
    uint64_t known = 1;
    int open = -1;
    for (unsigned i = 0; i < node->rank; i++) {
        shape.size[i] = size_of(binder, node->sizes[i]);
        if (shape.size[i] == HG_GRAPH_SIZE_OPEN) {
            open = (int)i;
        } else if (__builtin_mul_overflow(known, shape.size[i], &known)) {
            hg_binder_refuse(binder, "the new shape has too many elements");
            return 0;
        }
    }
    if (open >= 0) {
        shape.size[open] = known == 0 ? 0 : elements / known;
        known *= shape.size[open];
    }
    if (known != elements) {
        char text[HG_IR_SHAPE_TEXT];
        hg_binder_refuse(binder, "%" PRIu64 " elements do not make the new shape %s", elements,
                         hg_ir_shape_text(&shape, text));
    }
    return hg_binder_reshape(binder, a, &shape);
}

static uint32_t bind_transpose(struct hg_binder *binder, const struct hg_graph_node *node,
                               uint32_t a)
{
    uint8_t rank = hg_binder_node(binder, a)->shape.rank;
    uint8_t permutation[HG_GRAPH_RANK_MAX] = {0};
    if (node->rank != 0 && node->rank != rank) {
        hg_binder_refuse(binder, "%u axes given, the input has %u", node->rank, rank);
    }
    for (uint8_t i = 0; i < rank; i++) {
        permutation[i] = node->rank != 0 ? (uint8_t)node->sizes[i] : (uint8_t)(rank - 1 - i);
    }
    return hg_binder_transpose(binder, a, permutation);
}

/* Repeating is a map that copies: x broadcast against the shape. */
static uint32_t bind_broadcast(struct hg_binder *binder, const struct hg_graph_node *node,
                               uint32_t a)
{
    a = hg_binder_adopt(binder, a, HG_F64);
    if (binder->failed) {
        return 0;
    }
    const struct hg_ir_node *from = hg_binder_node(binder, a);
    struct hg_ir_node made;
    memset(&made, 0, sizeof made);
    made.kind = HG_GRAPH_KIND_BROADCAST;
    made.type = from->type;
    made.input_count = 1;
    made.inputs[0] = a;
    made.shape.rank = node->rank;
    bool fits = node->rank >= from->shape.rank;
    for (unsigned i = 0; i < node->rank; i++) {
        made.shape.size[i] = size_of(binder, node->sizes[i]);
    }
    for (unsigned i = 0; fits && i < from->shape.rank; i++) {
        uint64_t have = from->shape.size[i];
        fits = have == 1 || have == made.shape.size[node->rank - from->shape.rank + i];
    }
    if (!fits) {
        char text[HG_IR_SHAPE_TEXT];
        char target[HG_IR_SHAPE_TEXT];
        hg_binder_refuse(binder, "%s does not broadcast to %s",
                         hg_ir_shape_text(&from->shape, text),
                         hg_ir_shape_text(&made.shape, target));
        return 0;
    }
    return hg_ir_shape_equal(&made.shape, &from->shape) ? a : hg_binder_add(binder, &made);
}

uint32_t hg_binder_view(struct hg_binder *binder, const struct hg_graph_node *node, uint32_t a)
{
    switch (node->kind) {
    case HG_GRAPH_KIND_TRANSPOSE:
        return bind_transpose(binder, node, a);
    case HG_GRAPH_KIND_RESHAPE:
        return bind_reshape(binder, node, a);
    default:
        return bind_broadcast(binder, node, a);
    }
}

/* A number has no memory to read from: a launch writes it there. */
static uint32_t with_memory(struct hg_binder *binder, uint32_t value)
{
    return !binder->failed && hg_binder_node(binder, hg_ir_base(binder->ir, value))->kind ==
                                  HG_GRAPH_KIND_LITERAL
               ? hg_binder_copy(binder, value)
               : value;
}

/* The first axis unless another is given. */
static int32_t move_axis(struct hg_binder *binder, const struct hg_graph_node *node, uint32_t a)
{
    return hg_binder_axis(binder, a, node->axis == HG_GRAPH_AXIS_ALL ? 0 : node->axis);
}

/* Two at a time, those without elements left out: a program has room for two ways to read. */
static uint32_t join_parts(struct hg_binder *binder, const struct hg_ir_node *all)
{
    uint32_t joined = UINT32_MAX;
    for (unsigned i = 0; i < all->input_count && !binder->failed; i++) {
        const struct hg_ir_node *part = hg_binder_node(binder, all->inputs[i]);
        if (joined == UINT32_MAX || hg_binder_node(binder, joined)->elements == 0) {
            joined = all->inputs[i];
        } else if (part->elements != 0) {
            struct hg_ir_node pair = *all;
            uint64_t before = hg_binder_node(binder, joined)->shape.size[all->axis];
            pair.shape.size[all->axis] = before + part->shape.size[all->axis];
            memset(pair.inputs, 0, sizeof pair.inputs);
            pair.input_count = 2;
            pair.inputs[0] = joined;
            pair.inputs[1] = all->inputs[i];
            joined = hg_binder_add(binder, &pair);
        }
    }
    return binder->failed ? 0 : joined;
}

static uint32_t bind_concatenate(struct hg_binder *binder, const struct hg_graph_node *node,
                                 const uint32_t *inputs)
{
    struct hg_ir_node made;
    memset(&made, 0, sizeof made);
    made.kind = HG_GRAPH_KIND_CONCATENATE;
    made.input_count = node->input_count;
    int32_t axis = move_axis(binder, node, inputs[0]);
    for (unsigned i = 0; i < node->input_count && !binder->failed; i++) {
        const struct hg_ir_node *part = hg_binder_node(binder, inputs[i]);
        if (part->type >= HG_DTYPE_COUNT) {
            hg_binder_refuse(binder, "input %u is a number: it has no axis", i);
            return 0;
        }
        made.inputs[i] = with_memory(binder, inputs[i]);
        part = hg_binder_node(binder, inputs[i]); /* nodes may have moved */
        if (i == 0) {
            made.type = part->type;
            made.axis = (int8_t)axis;
            made.shape = part->shape;
            continue;
        }
        struct hg_ir_shape like = made.shape;
        if (part->shape.rank == like.rank) {
            like.size[axis] = part->shape.size[axis];
        }
        if (part->type != made.type || !hg_ir_shape_equal(&like, &part->shape)) {
            char text[HG_IR_SHAPE_TEXT];
            char first[HG_IR_SHAPE_TEXT];
            hg_binder_refuse(
                binder, "input %u is %s %s, which does not continue %s %s", i,
                hg_dtype_name((enum hg_dtype)part->type), hg_ir_shape_text(&part->shape, text),
                hg_dtype_name((enum hg_dtype)made.type), hg_ir_shape_text(&made.shape, first));
            return 0;
        }
        made.shape.size[axis] += part->shape.size[axis];
    }
    return join_parts(binder, &made);
}

static uint32_t bind_take(struct hg_binder *binder, const struct hg_graph_node *node, uint32_t a,
                          uint32_t indices)
{
    indices = hg_binder_adopt(binder, indices, HG_I64);
    a = with_memory(binder, a);
    int32_t axis = move_axis(binder, node, a);
    if (binder->failed) {
        return 0;
    }
    const struct hg_ir_node *from = hg_binder_node(binder, a);
    const struct hg_ir_node *by = hg_binder_node(binder, indices);
    struct hg_ir_node made;
    memset(&made, 0, sizeof made);
    made.kind = HG_GRAPH_KIND_TAKE;
    made.type = from->type;
    made.axis = (int8_t)axis;
    made.input_count = 2;
    made.inputs[0] = a;
    made.inputs[1] = indices;
    if (from->type >= HG_DTYPE_COUNT || !hg_dtype_in((enum hg_dtype)by->type, HG_DT_INT)) {
        hg_binder_refuse(binder, "it takes slices of a tensor by integers");
        return 0;
    }
    if (from->shape.rank - 1 + by->shape.rank > HG_GRAPH_RANK_MAX) {
        hg_binder_refuse(binder, "the result has more than %d dimensions", HG_GRAPH_RANK_MAX);
        return 0;
    }
    for (int32_t i = 0; i < from->shape.rank; i++) {
        for (unsigned k = 0; i == axis && k < by->shape.rank; k++) {
            made.shape.size[made.shape.rank++] = by->shape.size[k];
        }
        if (i != axis) {
            made.shape.size[made.shape.rank++] = from->shape.size[i];
        }
    }
    return hg_binder_add(binder, &made);
}

uint32_t hg_binder_move(struct hg_binder *binder, const struct hg_graph_node *node,
                        const uint32_t *inputs)
{
    return node->kind == HG_GRAPH_KIND_TAKE ? bind_take(binder, node, inputs[0], inputs[1])
                                            : bind_concatenate(binder, node, inputs);
}

/* ---- products -------------------------------------------------------------------------------- */

/* As NumPy: a vector on the left is a row, on the right a column, and that axis goes again. */
uint32_t hg_binder_matmul(struct hg_binder *binder, uint32_t a, uint32_t b)
{
    struct hg_ir_shape left = hg_binder_node(binder, a)->shape;
    struct hg_ir_shape right = hg_binder_node(binder, b)->shape;
    enum hg_dtype type = (enum hg_dtype)hg_binder_node(binder, a)->type;
    if (left.rank == 0 || right.rank == 0 || left.rank > 2 || right.rank > 2) {
        hg_binder_refuse(binder, "it takes vectors and matrices, not %u and %u dimensions",
                         left.rank, right.rank);
        return 0;
    }
    if (!hg_dtype_in(type, HG_DT_FLOAT) || hg_binder_node(binder, b)->type != type) {
        hg_binder_refuse(binder, "it takes floats of one type, not %s and %s", hg_dtype_name(type),
                         hg_dtype_name((enum hg_dtype)hg_binder_node(binder, b)->type));
        return 0;
    }
    struct hg_ir_shape rows = {2, {left.rank == 1 ? 1 : left.size[0], left.size[left.rank - 1]}};
    struct hg_ir_shape cols = {2, {right.size[0], right.rank == 1 ? 1 : right.size[1]}};
    if (rows.size[1] != cols.size[0]) {
        char text[HG_IR_SHAPE_TEXT];
        char other[HG_IR_SHAPE_TEXT];
        hg_binder_refuse(binder, "%s @ %s: the inner sizes differ", hg_ir_shape_text(&left, text),
                         hg_ir_shape_text(&right, other));
        return 0;
    }
    struct hg_ir_node made;
    memset(&made, 0, sizeof made);
    made.kind = HG_GRAPH_KIND_MATMUL;
    made.type = (uint8_t)type;
    made.input_count = 2;
    made.inputs[0] = hg_binder_reshape(binder, with_memory(binder, a), &rows);
    made.inputs[1] = hg_binder_reshape(binder, with_memory(binder, b), &cols);
    made.shape = (struct hg_ir_shape){2, {rows.size[0], cols.size[1]}};
    uint32_t product = hg_binder_add(binder, &made);
    struct hg_ir_shape shape = {0};
    if (left.rank == 2) {
        shape.size[shape.rank++] = rows.size[0];
    }
    if (right.rank == 2) {
        shape.size[shape.rank++] = cols.size[1];
    }
    return hg_binder_reshape(binder, product, &shape);
}
