/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reductions over the first axis. Rows lie one behind the other, so lanes that lie side by side
 * fold side by side: vectors are loaded as they are, many lanes are there for many threads, and
 * nothing is gathered.
 *
 *     m rows of n ──► 32 slices of floor(m / 32) rows each ──► floor(m / 32) rows ──► … one row
 *                     and the rows that are left, folded to one, which is added at the end
 *
 * So the order depends on m alone, whoever computes it: row i of a slice is folded with row i of
 * the next one, from the first on; a sum of m rows has 31 roundings for each factor of 32 in m, and
 * as many for the rows that are left.
 */
#include "lib/base/check.h"
#include "lib/graph/lower.h"

/* Offsets in instructions are compact below this. */
#define BYTES_MAX (UINT64_C(1) << 30)

/* ---- binding --------------------------------------------------------------------------------- */

bool hg_binder_folds(const struct hg_binder *binder, uint32_t a, int32_t axis)
{
    if (binder->failed || axis == HG_GRAPH_AXIS_ALL) {
        return false;
    }
    const struct hg_ir_node *node = hg_binder_node(binder, a);
    uint64_t outer = 1;
    for (int32_t i = 0; i < axis; i++) {
        outer *= node->shape.size[i];
    }
    if (outer != 1 || node->shape.size[axis] < 2 || node->elements == 0 ||
        node->elements > BYTES_MAX / sizeof(uint64_t)) {
        return false;
    }
    /* Of a transpose that brings the last axis there, the rows are those of its source. */
    bool is_row =
        node->kind == HG_GRAPH_KIND_TRANSPOSE && node->permutation[axis] == node->shape.rank - 1;
    return node->elements / node->shape.size[axis] > 1 && !is_row;
}

/* PARTS slices of LANES elements each of A, from element FIRST on. */
static uint32_t fold(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, uint64_t first,
                     uint64_t parts, uint64_t lanes)
{
    if (binder->failed) {
        return 0;
    }
    enum hg_dtype type = (enum hg_dtype)hg_binder_node(binder, a)->type;
    HG_REQUIRE(parts >= 1 && parts <= HG_FOLD_PARTS_MAX);
    struct hg_ir_node node = {.kind = HG_GRAPH_KIND_FOLD,
                              .type = hg_dtype_in(type, HG_DT_HALF) ? HG_F32 : (uint8_t)type,
                              .folds = (uint8_t)kind,
                              .parts = (uint8_t)parts,
                              .bits = first,
                              .input_count = 1,
                              .inputs = {a},
                              .shape = {1, {lanes}}};
    return hg_binder_add(binder, &node);
}

static uint32_t combine(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, uint32_t b)
{
    switch (kind) {
    case HG_GRAPH_KIND_SUM:
        return hg_binder_map2(binder, HG_GRAPH_KIND_ADD, a, b);
    case HG_GRAPH_KIND_PROD:
        return hg_binder_map2(binder, HG_GRAPH_KIND_MULTIPLY, a, b);
    case HG_GRAPH_KIND_AMIN:
        return hg_binder_map2(binder, HG_GRAPH_KIND_MINIMUM, a, b);
    default:
        return hg_binder_map2(binder, HG_GRAPH_KIND_MAXIMUM, a, b);
    }
}

uint32_t hg_binder_fold(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, int32_t axis)
{
    uint32_t
        left[16]; /* of each round, from the first on: 32^13 elements are more than there are */
    unsigned left_count = 0;
    if (binder->failed) {
        return 0;
    }
    enum hg_dtype type = (enum hg_dtype)hg_binder_node(binder, a)->type;
    uint64_t rows = hg_binder_node(binder, a)->shape.size[axis];
    const uint64_t lanes = hg_binder_node(binder, a)->elements / rows;
    while (rows > HG_FOLD_PARTS_MAX) {
        const uint64_t slice = rows / HG_FOLD_PARTS_MAX;
        const uint64_t rest = rows % HG_FOLD_PARTS_MAX;
        if (rest != 0) {
            HG_REQUIRE(left_count < HG_ARRAY_COUNT(left));
            left[left_count++] = fold(binder, kind, a, (rows - rest) * lanes, rest, lanes);
        }
        a = fold(binder, kind, a, 0, HG_FOLD_PARTS_MAX, slice * lanes);
        rows = slice;
    }
    a = rows > 1 || left_count == 0 ? fold(binder, kind, a, 0, rows, lanes) : a;
    while (left_count > 0) {
        a = combine(binder, kind, a, left[--left_count]);
    }
    return hg_binder_cast(binder, type, a);
}

/* ---- lowering -------------------------------------------------------------------------------- */

static enum hg_opcode folding_op(enum hg_graph_kind kind)
{
    switch (kind) {
    case HG_GRAPH_KIND_SUM:
        return HG_OP_ADD;
    case HG_GRAPH_KIND_PROD:
        return HG_OP_MUL;
    case HG_GRAPH_KIND_AMIN:
        return HG_OP_MIN;
    default:
        HG_REQUIRE(kind == HG_GRAPH_KIND_AMAX);
        return HG_OP_MAX;
    }
}

uint8_t hg_lower_slices(struct hg_lowerer *lowerer, const struct hg_ir_node *node)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    struct hg_builder *builder = &lowerer->builder;
    const uint32_t source = hg_ir_base(ir, node->inputs[0]);
    const enum hg_dtype from = (enum hg_dtype)ir->nodes[source].type;
    const enum hg_dtype type = (enum hg_dtype)node->type;
    const enum hg_opcode op = folding_op((enum hg_graph_kind)node->folds);
    struct hg_addr addr =
        hg_addr_slot(hg_lower_slot(lowerer, source, UINT32_MAX, false), HG_LANE_STRIDE);
    uint8_t folded = HG_NO_REGISTER;
    for (unsigned i = 0; i < node->parts; i++) {
        addr.offset = (int64_t)((node->bits + i * node->elements) * hg_dtype_bytes(from));
        uint8_t part = hg_build_convert(builder, type, from, hg_build_load(builder, from, addr));
        folded = i == 0 ? part : hg_build_binary(builder, op, type, folded, part);
    }
    return folded;
}
