/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as text, for people and for comparing. */
#include <inttypes.h>
#include <string.h>

#include "lib/graph/graph.h"
#include "lib/graph/text.h"

static void put_size(struct hg_text *writer, const struct hg_graph *graph, uint64_t size)
{
    if (size == HG_GRAPH_SIZE_OPEN) {
        hg_text_put(writer, "?");
    } else if (size > HG_GRAPH_SIZE_MAX) {
        hg_text_put(writer, "%s", graph->symbols[HG_GRAPH_SIZE_SYMBOL(0) - size]);
    } else {
        hg_text_put(writer, "%" PRIu64, size);
    }
}

static void put_shape(struct hg_text *writer, const struct hg_graph *graph,
                      const struct hg_graph_node *node)
{
    if (node->rank == HG_GRAPH_RANK_OPEN) {
        hg_text_put(writer, "[...]");
        return;
    }
    hg_text_put(writer, "[");
    for (unsigned i = 0; i < node->rank; i++) {
        hg_text_put(writer, i == 0 ? "" : ", ");
        put_size(writer, graph, node->sizes[i]);
    }
    hg_text_put(writer, "]");
}

static void put_type(struct hg_text *writer, uint8_t type)
{
    switch (type) {
    case HG_GRAPH_TYPE_OPEN:
        hg_text_put(writer, "?");
        break;
    case HG_GRAPH_TYPE_INT:
        hg_text_put(writer, "int");
        break;
    case HG_GRAPH_TYPE_FLOAT:
        hg_text_put(writer, "float");
        break;
    default:
        hg_text_put(writer, "%s", hg_dtype_name((enum hg_dtype)type));
    }
}

static void put_value(struct hg_text *writer, const struct hg_graph_node *node)
{
    double number;
    memcpy(&number, &node->bits, sizeof number);
    if (node->type == HG_GRAPH_TYPE_FLOAT) {
        hg_text_put(writer, " %.17g", number);
    } else if (node->type == HG_GRAPH_TYPE_INT) {
        hg_text_put(writer, " %" PRId64, (int64_t)node->bits);
    } else {
        hg_text_put(writer, " 0x%" PRIx64, node->bits);
    }
}

static void put_attributes(struct hg_text *writer, const struct hg_graph *graph,
                           const struct hg_graph_node *node)
{
    uint32_t attributes = hg_graph_kind_info((enum hg_graph_kind)node->kind)->attributes;
    if ((attributes & HG_GRAPH_TYPE) != 0) {
        hg_text_put(writer, " ");
        put_type(writer, node->type);
    }
    if ((attributes & HG_GRAPH_VALUE) != 0) {
        put_value(writer, node);
    }
    if ((attributes & HG_GRAPH_SHAPE) != 0 || ((attributes & HG_GRAPH_AXES) != 0 && node->rank)) {
        put_shape(writer, graph, node);
    }
    if (node->axis != HG_GRAPH_AXIS_ALL) {
        hg_text_put(writer, " axis=%" PRId32, node->axis);
    }
    if (node->keepdims) {
        hg_text_put(writer, " keepdims");
    }
    if ((attributes & HG_GRAPH_EPS) != 0) {
        hg_text_put(writer, " eps=%.17g", node->number);
    }
    if ((attributes & HG_GRAPH_TEMPERATURE) != 0) {
        hg_text_put(writer, " temperature=%.17g", node->number);
    }
}

static void put_node(struct hg_text *writer, const struct hg_graph *graph, uint32_t index)
{
    const struct hg_graph_node *node = &graph->nodes[index];
    hg_text_put(writer, "%%%" PRIu32 " = %s", index,
                hg_graph_kind_info((enum hg_graph_kind)node->kind)->name);
    if (node->kind == HG_GRAPH_KIND_INPUT) {
        hg_text_put(writer, " %s", node->name);
    }
    for (unsigned i = 0; i < node->input_count; i++) {
        hg_text_put(writer, "%s%%%" PRIu32, i == 0 ? "(" : ", ", node->inputs[i]);
    }
    hg_text_put(writer, node->input_count == 0 ? "" : ")");
    put_attributes(writer, graph, node);
    hg_text_put(writer, "\n");
}

size_t hg_graph_print(const struct hg_graph *graph, char *text, size_t size)
{
    struct hg_text writer = {text, size, 0};
    for (uint32_t i = 0; i < graph->node_count; i++) {
        put_node(&writer, graph, i);
    }
    for (uint32_t i = 0; i < graph->output_count; i++) {
        hg_text_put(&writer, "return %%%" PRIu32 " as %s\n", graph->outputs[i].node,
                    graph->outputs[i].name);
    }
    return writer.length;
}
