/* SPDX-License-Identifier: Apache-2.0 */
/* From a graph to its primitives, once the types and sizes of the inputs are known. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/graph/ir.h"

void hg_binder_refuse(struct hg_binder *binder, const char *format, ...)
{
    if (binder->failed) {
        return; /* the first failure is the one to tell */
    }
    binder->failed = true;
    const struct hg_graph_node *node = &binder->graph->nodes[binder->origin];
    char what[sizeof binder->error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const char *kind = hg_graph_kind_info((enum hg_graph_kind)node->kind)->name;
    hg_fail(binder->error, HG_INVALID_ARGUMENT,
            node->name[0] != '\0' ? "node %u (%s %s): %s" : "node %u (%s%s): %s", binder->origin,
            kind, node->name, what);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

/* The size that a declared one must be. */
static void bind_size(struct hg_binder *binder, unsigned axis, uint64_t declared, uint64_t size)
{
    uint64_t expected = declared;
    const char *symbol = NULL;
    if (declared != HG_GRAPH_SIZE_OPEN && declared > HG_GRAPH_SIZE_MAX) {
        uint64_t index = HG_GRAPH_SIZE_SYMBOL(0) - declared;
        if (binder->symbols[index] == HG_GRAPH_SIZE_OPEN) {
            binder->symbols[index] = size;
        }
        expected = binder->symbols[index];
        symbol = binder->graph->symbols[index];
    }
    if (expected != HG_GRAPH_SIZE_OPEN && expected != size) {
        hg_binder_refuse(binder, "axis %u is %" PRIu64 ", expected %s%s%" PRIu64, axis, size,
                         symbol != NULL ? symbol : "", symbol != NULL ? " = " : "", expected);
    }
}

static uint32_t bind_input(struct hg_binder *binder, const struct hg_graph_node *node,
                           const struct hg_graph_binding *binding, uint32_t number)
{
    if (node->type != HG_GRAPH_TYPE_OPEN && node->type != binding->type) {
        hg_binder_refuse(binder, "it is bound to %s, expected %s", hg_dtype_name(binding->type),
                         hg_dtype_name((enum hg_dtype)node->type));
    }
    if (node->rank != HG_GRAPH_RANK_OPEN && node->rank != binding->shape.rank) {
        hg_binder_refuse(binder, "it is bound to %u dimensions, expected %u", binding->shape.rank,
                         node->rank);
    }
    for (unsigned i = 0; node->rank != HG_GRAPH_RANK_OPEN && !binder->failed && i < node->rank;
         i++) {
        bind_size(binder, i, node->sizes[i], binding->shape.size[i]);
    }
    struct hg_ir_node input;
    memset(&input, 0, sizeof input);
    input.kind = HG_GRAPH_KIND_INPUT;
    input.type = (uint8_t)binding->type;
    input.bits = number;
    input.shape.rank = binding->shape.rank;
    memcpy(input.shape.size, binding->shape.size, binding->shape.rank * sizeof(uint64_t));
    return hg_binder_add(binder, &input);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint32_t bind_reduce(struct hg_binder *binder, const struct hg_graph_node *node, uint32_t a)
{
    int32_t axis = hg_binder_axis(binder, a, node->axis);
    uint32_t reduced = hg_binder_reduce(binder, (enum hg_graph_kind)node->kind, a, axis);
    return node->keepdims ? reduced : hg_binder_drop_axis(binder, reduced, axis);
}

static uint32_t bind_map(struct hg_binder *binder, const struct hg_graph_node *node,
                         const uint32_t *in)
{
    enum hg_graph_kind kind = (enum hg_graph_kind)node->kind;
    switch (node->input_count) {
    case 1:
        return kind == HG_GRAPH_KIND_CAST ? hg_binder_cast(binder, (enum hg_dtype)node->type, in[0])
                                          : hg_binder_map1(binder, kind, in[0]);
    case 2:
        return hg_binder_map2(binder, kind, in[0], in[1]);
    default:
        return hg_binder_where(binder, in[0], in[1], in[2]);
    }
}

static uint32_t bind_literal(struct hg_binder *binder, const struct hg_graph_node *node)
{
    struct hg_ir_node literal;
    memset(&literal, 0, sizeof literal);
    literal.kind = HG_GRAPH_KIND_LITERAL;
    literal.type = node->type;
    literal.bits = node->bits;
    return hg_binder_add(binder, &literal);
}

static uint32_t bind_node(struct hg_binder *binder, const struct hg_graph_node *node)
{
    uint32_t in[HG_GRAPH_NODE_INPUTS_MAX] = {0};
    for (unsigned i = 0; i < node->input_count; i++) {
        in[i] = binder->values[node->inputs[i]];
    }
    switch (hg_graph_kind_info((enum hg_graph_kind)node->kind)->class) {
    case HG_GRAPH_SOURCE:
        return bind_literal(binder, node);
    case HG_GRAPH_MAP:
    case HG_GRAPH_COMPARE:
        return bind_map(binder, node, in);
    case HG_GRAPH_REDUCE:
        return bind_reduce(binder, node, in[0]);
    case HG_GRAPH_PRODUCT:
        return hg_binder_matmul(binder, in[0], in[1]);
    case HG_GRAPH_VIEW:
        return hg_binder_view(binder, node, in[0]);
    case HG_GRAPH_MOVE:
        return hg_binder_move(binder, node, in);
    default:
        return hg_binder_expand(binder, node, in);
    }
}

static void bind_nodes(struct hg_binder *binder, const struct hg_graph_binding *bindings,
                       uint32_t count)
{
    const struct hg_graph *graph = binder->graph;
    uint32_t inputs = 0;
    for (uint32_t i = 0; i < graph->node_count && !binder->failed; i++) {
        const struct hg_graph_node *node = &graph->nodes[i];
        binder->origin = i;
        if (node->kind != HG_GRAPH_KIND_INPUT) {
            binder->values[i] = bind_node(binder, node);
        } else if (inputs == count) {
            hg_binder_refuse(binder, "it is not bound");
        } else {
            binder->values[i] = bind_input(binder, node, &bindings[inputs], inputs);
            inputs++;
        }
    }
    if (!binder->failed && inputs != count) {
        binder->failed = true;
        hg_fail(binder->error, HG_INVALID_ARGUMENT,
                "the graph has %" PRIu32 " inputs, %" PRIu32 " are bound", inputs, count);
    }
    binder->ir->input_count = inputs;
}

/* A result is computed by a launch, if only by one that copies. */
static uint32_t computed(struct hg_binder *binder, uint32_t value)
{
    uint8_t kind = hg_binder_node(binder, hg_ir_base(binder->ir, value))->kind;
    bool source = kind == HG_GRAPH_KIND_INPUT || kind == HG_GRAPH_KIND_LITERAL;
    return source ? hg_binder_copy(binder, value) : value;
}

static void bind_outputs(struct hg_binder *binder)
{
    const struct hg_graph *graph = binder->graph;
    for (uint32_t i = 0; i < graph->output_count && !binder->failed; i++) {
        binder->origin = graph->outputs[i].node;
        uint32_t value = binder->values[binder->origin];
        bool whole = hg_binder_node(binder, value)->type == HG_GRAPH_TYPE_INT;
        value = hg_binder_adopt(binder, value, whole ? HG_I64 : HG_F64);
        binder->ir->outputs[i] = binder->failed ? 0 : computed(binder, value);
    }
    binder->ir->output_count = graph->output_count;
}

enum hg_status hg_ir_bind(const struct hg_graph *graph, const struct hg_graph_binding *bindings,
                          uint32_t count, struct hg_ir **ir, struct hg_error *error)
{
    struct hg_binder binder = {.graph = graph, .error = error};
    memset(binder.symbols, 0xff, sizeof binder.symbols); /* HG_GRAPH_SIZE_OPEN */
    binder.ir = hg_calloc(HG_TAG_GRAPH, 1, sizeof *binder.ir);
    binder.values = hg_calloc(HG_TAG_GRAPH, (size_t)graph->node_count + 1, sizeof(uint32_t));
    if (binder.ir == NULL || binder.values == NULL) {
        hg_free(HG_TAG_GRAPH, binder.ir);
        hg_free(HG_TAG_GRAPH, binder.values);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph");
    }
    bind_nodes(&binder, bindings, count);
    bind_outputs(&binder);
    hg_free(HG_TAG_GRAPH, binder.values);
    if (binder.failed) {
        hg_ir_destroy(&binder.ir);
        return error->status;
    }
    *ir = binder.ir;
    return HG_OK;
}
