/* SPDX-License-Identifier: Apache-2.0 */
/* Storage of primitive nodes. Equal nodes are one: whatever adds a node twice gets the first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/graph/ir.h"

void hg_ir_destroy(struct hg_ir **ir)
{
    if (*ir == NULL) {
        return;
    }
    hg_free(HG_TAG_GRAPH, (*ir)->nodes);
    hg_free(HG_TAG_GRAPH, (*ir)->table);
    hg_free(HG_TAG_GRAPH, *ir);
    *ir = NULL;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

const char *hg_ir_shape_text(const struct hg_ir_shape *shape, char text[HG_IR_SHAPE_TEXT])
{
    int length = snprintf(text, HG_IR_SHAPE_TEXT, "[");
    for (unsigned i = 0; i < shape->rank; i++) {
        length += snprintf(text + length, HG_IR_SHAPE_TEXT - (size_t)length, "%s%" PRIu64,
                           i == 0 ? "" : ", ", shape->size[i]);
    }
    snprintf(text + length, HG_IR_SHAPE_TEXT - (size_t)length, "]");
    return text;
}

bool hg_ir_shape_equal(const struct hg_ir_shape *a, const struct hg_ir_shape *b)
{
    return a->rank == b->rank && memcmp(a->size, b->size, a->rank * sizeof a->size[0]) == 0;
}

bool hg_ir_elements(const struct hg_ir_shape *shape, uint64_t *elements)
{
    uint64_t product = 1;
    for (unsigned i = 0; i < shape->rank; i++) {
        if (__builtin_mul_overflow(product, shape->size[i], &product) ||
            product > HG_GRAPH_SIZE_MAX) {
            return false;
        }
    }
    *elements = product;
    return true;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    /* Multiplication by the golden ratio's odd approximation; a bad distribution would cost time
     * in the bounded table only. */
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* Of everything but where the node comes from. */
static uint64_t hash_node(const struct hg_ir_node *node)
{
    uint64_t hash = mix(node->kind, node->type);
    hash = mix(hash, node->bits ^ (node->measured ? 1 : 0) ^ (uint64_t)node->parts << 32);
    for (unsigned i = 0; i < node->input_count; i++) {
        hash = mix(hash, node->inputs[i]);
    }
    for (unsigned i = 0; i < node->shape.rank; i++) {
        hash = mix(hash, node->shape.size[i]);
    }
    return hash;
}

static bool equal_nodes(const struct hg_ir_node *a, const struct hg_ir_node *b)
{
    return a->kind == b->kind && a->type == b->type && a->bits == b->bits &&
           a->measured == b->measured && a->axis == b->axis && a->folds == b->folds &&
           a->parts == b->parts && a->input_count == b->input_count &&
           memcmp(a->inputs, b->inputs, a->input_count * sizeof a->inputs[0]) == 0 &&
           memcmp(a->permutation, b->permutation, sizeof a->permutation) == 0 &&
           hg_ir_shape_equal(&a->shape, &b->shape);
}

static void insert(struct hg_ir *ir, uint32_t index)
{
    uint64_t at = hash_node(&ir->nodes[index]);
    while (ir->table[at & (ir->table_size - 1)] != 0) {
        at++;
    }
    ir->table[at & (ir->table_size - 1)] = index + 1;
}

/* Nodes and a table twice their number. */
static bool reserve(struct hg_ir *ir)
{
    if (ir->count < ir->capacity) {
        return true;
    }
    uint32_t capacity = ir->capacity == 0 ? 32 : 2 * ir->capacity;
    uint32_t *table = hg_calloc(HG_TAG_GRAPH, (size_t)capacity * 2, sizeof *table);
    struct hg_ir_node *nodes =
        table != NULL ? hg_realloc(HG_TAG_GRAPH, ir->nodes, capacity * sizeof *nodes) : NULL;
    if (nodes == NULL) {
        hg_free(HG_TAG_GRAPH, table);
        return false;
    }
    hg_free(HG_TAG_GRAPH, ir->table);
    ir->nodes = nodes;
    ir->capacity = capacity;
    ir->table = table;
    ir->table_size = capacity * 2;
    for (uint32_t i = 0; i < ir->count; i++) {
        insert(ir, i);
    }
    return true;
}

static uint32_t find(const struct hg_ir *ir, const struct hg_ir_node *node)
{
    if (ir->table_size == 0) {
        return UINT32_MAX;
    }
    uint64_t at = hash_node(node);
    for (;; at++) {
        uint32_t entry = ir->table[at & (ir->table_size - 1)];
        if (entry == 0) {
            return UINT32_MAX;
        }
        if (equal_nodes(&ir->nodes[entry - 1], node)) {
            return entry - 1;
        }
    }
}

uint32_t hg_binder_add(struct hg_binder *binder, struct hg_ir_node *node)
{
    struct hg_ir *ir = binder->ir;
    if (binder->failed) {
        return 0;
    }
    node->origin = binder->origin;
    if (!hg_ir_elements(&node->shape, &node->elements)) {
        char text[HG_IR_SHAPE_TEXT];
        hg_binder_refuse(binder, "the result %s has too many elements",
                         hg_ir_shape_text(&node->shape, text));
        return 0;
    }
    uint32_t index = find(ir, node);
    if (index != UINT32_MAX) {
        return index;
    }
    if (ir->count == HG_IR_NODES_MAX || !reserve(ir)) {
        binder->failed = true;
        hg_fail(binder->error, HG_RESOURCE_EXHAUSTED,
                ir->count == HG_IR_NODES_MAX ? "the graph has more than %d primitive nodes"
                                             : "no memory for a graph of up to %d nodes",
                HG_IR_NODES_MAX);
        return 0;
    }
    ir->nodes[ir->count] = *node;
    insert(ir, ir->count);
    return ir->count++;
}
