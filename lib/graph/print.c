/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as text, for people and for comparing. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/graph/graph.h"

/* Writes on, and counts what did not fit as well. */
struct writer {
    char *text;
    size_t size;
    size_t length;
};

HG_PRINTF(2, 3) static void put(struct writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool room = writer->length < writer->size;
    int length = vsnprintf(room ? writer->text + writer->length : NULL,
                           room ? writer->size - writer->length : 0, format, arguments);
    va_end(arguments);
    HG_REQUIRE(length >= 0);
    writer->length += (size_t)length;
}

static void put_size(struct writer *writer, const struct hg_graph *graph, uint64_t size)
{
    if (size == HG_GRAPH_SIZE_OPEN) {
        put(writer, "?");
    } else if (size > HG_GRAPH_SIZE_MAX) {
        put(writer, "%s", graph->symbols[HG_GRAPH_SIZE_SYMBOL(0) - size]);
    } else {
        put(writer, "%" PRIu64, size);
    }
}

static void put_shape(struct writer *writer, const struct hg_graph *graph,
                      const struct hg_graph_node *node)
{
    if (node->rank == HG_GRAPH_RANK_OPEN) {
        put(writer, "[...]");
        return;
    }
    put(writer, "[");
    for (unsigned i = 0; i < node->rank; i++) {
        put(writer, i == 0 ? "" : ", ");
        put_size(writer, graph, node->sizes[i]);
    }
    put(writer, "]");
}

static void put_type(struct writer *writer, uint8_t type)
{
    switch (type) {
    case HG_GRAPH_TYPE_OPEN:
        put(writer, "?");
        break;
    case HG_GRAPH_TYPE_INT:
        put(writer, "int");
        break;
    case HG_GRAPH_TYPE_FLOAT:
        put(writer, "float");
        break;
    default:
        put(writer, "%s", hg_dtype_name((enum hg_dtype)type));
    }
}

static void put_value(struct writer *writer, const struct hg_graph_node *node)
{
    double number;
    memcpy(&number, &node->bits, sizeof number);
    if (node->type == HG_GRAPH_TYPE_FLOAT) {
        put(writer, " %.17g", number);
    } else if (node->type == HG_GRAPH_TYPE_INT) {
        put(writer, " %" PRId64, (int64_t)node->bits);
    } else {
        put(writer, " 0x%" PRIx64, node->bits);
    }
}

static void put_attributes(struct writer *writer, const struct hg_graph *graph,
                           const struct hg_graph_node *node)
{
    uint32_t attributes = hg_graph_kind_info((enum hg_graph_kind)node->kind)->attributes;
    if ((attributes & HG_GRAPH_TYPE) != 0) {
        put(writer, " ");
        put_type(writer, node->type);
    }
    if ((attributes & HG_GRAPH_VALUE) != 0) {
        put_value(writer, node);
    }
    if ((attributes & HG_GRAPH_SHAPE) != 0 || ((attributes & HG_GRAPH_AXES) != 0 && node->rank)) {
        put_shape(writer, graph, node);
    }
    if (node->axis != HG_GRAPH_AXIS_ALL) {
        put(writer, " axis=%" PRId32, node->axis);
    }
    if (node->keepdims) {
        put(writer, " keepdims");
    }
    if ((attributes & HG_GRAPH_EPS) != 0) {
        put(writer, " eps=%.17g", node->number);
    }
    if ((attributes & HG_GRAPH_TEMPERATURE) != 0) {
        put(writer, " temperature=%.17g", node->number);
    }
}

static void put_node(struct writer *writer, const struct hg_graph *graph, uint32_t index)
{
    const struct hg_graph_node *node = &graph->nodes[index];
    put(writer, "%%%" PRIu32 " = %s", index,
        hg_graph_kind_info((enum hg_graph_kind)node->kind)->name);
    if (node->kind == HG_GRAPH_KIND_INPUT) {
        put(writer, " %s", node->name);
    }
    for (unsigned i = 0; i < node->input_count; i++) {
        put(writer, "%s%%%" PRIu32, i == 0 ? "(" : ", ", node->inputs[i]);
    }
    put(writer, node->input_count == 0 ? "" : ")");
    put_attributes(writer, graph, node);
    put(writer, "\n");
}

size_t hg_graph_print(const struct hg_graph *graph, char *text, size_t size)
{
    struct writer writer = {text, size, 0};
    for (uint32_t i = 0; i < graph->node_count; i++) {
        put_node(&writer, graph, i);
    }
    for (uint32_t i = 0; i < graph->output_count; i++) {
        put(&writer, "return %%%" PRIu32 " as %s\n", graph->outputs[i].node,
            graph->outputs[i].name);
    }
    return writer.length;
}
