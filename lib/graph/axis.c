/* SPDX-License-Identifier: Apache-2.0 */
/* Primitives along axes: other shapes and orders of the same elements, and reductions. */
#include <inttypes.h>
#include <string.h>

#include "lib/graph/primitive.h"

int32_t hg_binder_axis(struct hg_binder *binder, uint32_t a, int32_t axis)
{
    if (binder->failed || axis == HG_GRAPH_AXIS_ALL) {
        return axis;
    }
    int32_t rank = hg_binder_node(binder, a)->shape.rank;
    if (axis < -rank || axis >= rank) {
        hg_binder_refuse(binder, "axis %" PRId32 " of a shape of %" PRId32 " dimensions", axis,
                         rank);
        return 0;
    }
    return axis < 0 ? axis + rank : axis;
}

uint32_t hg_binder_reshape(struct hg_binder *binder, uint32_t a, const struct hg_ir_shape *shape)
{
    if (!binder->failed) {
        a = hg_binder_adopt(binder, a, hg_ir_default_type(hg_binder_node(binder, a)));
    }
    if (binder->failed || hg_ir_shape_equal(&hg_binder_node(binder, a)->shape, shape)) {
        return a;
    }
    /* Of a reshape: its source at once. */
    while (hg_binder_node(binder, a)->kind == HG_GRAPH_KIND_RESHAPE) {
        a = hg_binder_node(binder, a)->inputs[0];
    }
    struct hg_ir_node node;
    hg_ir_node_init(&node, HG_GRAPH_KIND_RESHAPE);
    node.type = hg_binder_node(binder, a)->type;
    node.shape = *shape;
    memset(node.shape.size + shape->rank, 0,
           (HG_GRAPH_RANK_MAX - shape->rank) * sizeof node.shape.size[0]);
    node.input_count = 1;
    node.inputs[0] = a;
    return hg_ir_shape_equal(&hg_binder_node(binder, a)->shape, shape)
               ? a
               : hg_binder_add(binder, &node);
}

uint32_t hg_binder_transpose(struct hg_binder *binder, uint32_t a,
                             const uint8_t permutation[HG_GRAPH_RANK_MAX])
{
    if (binder->failed) {
        return 0;
    }
    const struct hg_ir_node *from = hg_binder_node(binder, a);
    if (from->kind == HG_GRAPH_KIND_TRANSPOSE) {
        /* Of a transpose: of its source at once. */
        uint8_t whole[HG_GRAPH_RANK_MAX] = {0};
        for (unsigned i = 0; i < from->shape.rank; i++) {
            whole[i] = from->permutation[permutation[i]];
        }
        return hg_binder_transpose(binder, from->inputs[0], whole);
    }
    struct hg_ir_node node;
    hg_ir_node_init(&node, HG_GRAPH_KIND_TRANSPOSE);
    node.type = from->type;
    node.shape.rank = from->shape.rank;
    node.input_count = 1;
    node.inputs[0] = a;
    bool moves = false; /* an axis that is longer than 1 past another one */
    int last = -1;
    for (unsigned i = 0; i < from->shape.rank; i++) {
        node.permutation[i] = permutation[i];
        node.shape.size[i] = from->shape.size[permutation[i]];
        if (node.shape.size[i] != 1) {
            moves = moves || permutation[i] < last;
            last = permutation[i];
        }
    }
    return moves ? hg_binder_add(binder, &node) : hg_binder_reshape(binder, a, &node.shape);
}

uint32_t hg_binder_axis_last(struct hg_binder *binder, uint32_t a, int32_t axis, bool back)
{
    if (binder->failed) {
        return 0;
    }
    uint8_t permutation[HG_GRAPH_RANK_MAX] = {0};
    uint8_t rank = hg_binder_node(binder, a)->shape.rank;
    for (uint8_t i = 0; i < rank; i++) {
        uint8_t moved = i < axis ? i : i == rank - 1 ? (uint8_t)axis : (uint8_t)(i + 1);
        if (back) {
            permutation[moved] = i;
        } else {
            permutation[i] = moved;
        }
    }
    return hg_binder_transpose(binder, a, permutation);
}

uint32_t hg_binder_reduce(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a,
                          int32_t axis)
{
    if (binder->failed) {
        return 0;
    }
    a = hg_binder_adopt(binder, a, hg_ir_default_type(hg_binder_node(binder, a)));
    axis = hg_binder_axis(binder, a, axis);
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_shape kept = hg_binder_node(binder, a)->shape;
    uint8_t rank = kept.rank;
    bool extremum = kind == HG_GRAPH_KIND_AMIN || kind == HG_GRAPH_KIND_AMAX;
    uint64_t folded =
        axis == HG_GRAPH_AXIS_ALL ? hg_binder_node(binder, a)->elements : kept.size[axis];
    if (extremum && folded == 0) {
        hg_binder_refuse(binder, "nothing to choose from: the axis has no elements");
        return 0;
    }
    if (axis == HG_GRAPH_AXIS_ALL) {
        struct hg_ir_shape line = {1, {hg_binder_node(binder, a)->elements}};
        a = hg_binder_reshape(binder, a, &line);
        for (unsigned i = 0; i < rank; i++) {
            kept.size[i] = 1;
        }
    } else {
        kept.size[axis] = 1;
        if (hg_binder_folds(binder, a, axis)) {
            return hg_binder_reshape(binder, hg_binder_fold(binder, kind, a, axis), &kept);
        }
        a = hg_binder_axis_last(binder, a, axis, false);
    }
    if (binder->failed) {
        return 0;
    }
    struct hg_ir_node node;
    hg_ir_node_init(&node, kind);
    node.type = hg_binder_node(binder, a)->type;
    node.shape = hg_binder_node(binder, a)->shape;
    node.shape.size[node.shape.rank - 1] = 1;
    node.input_count = 1;
    node.inputs[0] = a;
    /* Where the folded axis stood elsewhere, its length of 1 makes the way back a reshape. */
    uint32_t reduced = hg_binder_add(binder, &node);
    return binder->failed ? 0 : hg_binder_reshape(binder, reduced, &kept);
}

uint32_t hg_binder_drop_axis(struct hg_binder *binder, uint32_t a, int32_t axis)
{
    if (binder->failed) {
        return 0;
    }
    const struct hg_ir_shape *have = &hg_binder_node(binder, a)->shape;
    struct hg_ir_shape shape = {0};
    for (unsigned i = 0; axis != HG_GRAPH_AXIS_ALL && i < have->rank; i++) {
        if ((int32_t)i != axis) {
            shape.size[shape.rank++] = have->size[i];
        }
    }
    return hg_binder_reshape(binder, a, &shape);
}
