/* SPDX-License-Identifier: Apache-2.0 */
/* Building graphs: every node is checked as it comes, as far as it can be without types. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/graph/graph.h"

#define FIRST_CAPACITY 16

enum hg_status hg_graph_create(struct hg_graph **graph, struct hg_error *error)
{
    struct hg_graph *made = hg_calloc(HG_TAG_GRAPH, 1, sizeof *made);
    if (made == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph");
    }
    *graph = made;
    return HG_OK;
}

void hg_graph_destroy(struct hg_graph **graph)
{
    if (*graph == NULL) {
        return;
    }
    hg_free(HG_TAG_GRAPH, (*graph)->nodes);
    hg_free(HG_TAG_GRAPH, *graph);
    *graph = NULL;
}

void hg_graph_node_init(struct hg_graph_node *node, enum hg_graph_kind kind)
{
    memset(node, 0, sizeof *node);
    node->kind = (uint8_t)kind;
    node->axis = HG_GRAPH_AXIS_ALL;
    node->number = kind == HG_GRAPH_KIND_SOFTMAX ? 1 : kind == HG_GRAPH_KIND_LAYER_NORM ? 1e-5 : 0;
}

bool hg_graph_is_name(const char *name, size_t length)
{
    if (length == 0 || length > HG_GRAPH_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return true;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static const char *kind_name(const struct hg_graph_node *node)
{
    return hg_graph_kind_info((enum hg_graph_kind)node->kind)->name;
}

static enum hg_status refuse(const struct hg_graph *graph, const struct hg_graph_node *node,
                             struct hg_error *error, const char *what)
{
    return hg_fail(error, HG_INVALID_ARGUMENT, "node %u (%s): %s", graph->node_count,
                   kind_name(node), what);
}

static bool size_is_known(const struct hg_graph *graph, uint64_t size)
{
    bool symbol = size < HG_GRAPH_SIZE_OPEN && size > HG_GRAPH_SIZE_MAX;
    return symbol ? HG_GRAPH_SIZE_SYMBOL(0) - size < graph->symbol_count
                  : size <= HG_GRAPH_SIZE_MAX || size == HG_GRAPH_SIZE_OPEN;
}

static enum hg_status check_sizes(const struct hg_graph *graph, const struct hg_graph_node *node,
                                  struct hg_error *error)
{
    bool open_rank = node->kind == HG_GRAPH_KIND_INPUT && node->rank == HG_GRAPH_RANK_OPEN;
    if (open_rank) {
        return HG_OK;
    }
    if (node->rank > HG_GRAPH_RANK_MAX) {
        return refuse(graph, node, error, "a shape has at most 8 dimensions");
    }
    unsigned open = 0;
    for (unsigned i = 0; i < node->rank; i++) {
        if (!size_is_known(graph, node->sizes[i])) {
            return refuse(graph, node, error, "a size is too large, or an unknown symbol");
        }
        open += node->sizes[i] == HG_GRAPH_SIZE_OPEN ? 1 : 0;
    }
    if (node->kind == HG_GRAPH_KIND_RESHAPE && open > 1) {
        return refuse(graph, node, error, "only one size can follow from the others");
    }
    return HG_OK;
}

/* An order of axes has each once. */
static enum hg_status check_axes(const struct hg_graph *graph, const struct hg_graph_node *node,
                                 struct hg_error *error)
{
    uint32_t seen = 0;
    if (node->rank > HG_GRAPH_RANK_MAX) {
        return refuse(graph, node, error, "there are at most 8 axes");
    }
    for (unsigned i = 0; i < node->rank; i++) {
        if (node->sizes[i] >= node->rank || (seen >> node->sizes[i] & 1u) != 0) {
            return refuse(graph, node, error, "the axes are no order of all axes");
        }
        seen |= 1u << node->sizes[i];
    }
    return HG_OK;
}

static enum hg_status check_type(const struct hg_graph *graph, const struct hg_graph_node *node,
                                 struct hg_error *error)
{
    bool fits = node->type < HG_DTYPE_COUNT;
    if (node->kind == HG_GRAPH_KIND_INPUT) {
        fits = fits || node->type == HG_GRAPH_TYPE_OPEN;
    } else if (node->kind == HG_GRAPH_KIND_LITERAL) {
        fits = fits || node->type == HG_GRAPH_TYPE_INT || node->type == HG_GRAPH_TYPE_FLOAT;
    }
    return fits ? HG_OK : refuse(graph, node, error, "no such type");
}

static enum hg_status check_attributes(const struct hg_graph *graph,
                                       const struct hg_graph_node *node, struct hg_error *error)
{
    uint32_t attributes = hg_graph_kind_info((enum hg_graph_kind)node->kind)->attributes;
    enum hg_status status = HG_OK;
    if ((attributes & HG_GRAPH_TYPE) != 0) {
        status = check_type(graph, node, error);
    }
    if (status == HG_OK && (attributes & HG_GRAPH_SHAPE) != 0) {
        status = check_sizes(graph, node, error);
    }
    if (status == HG_OK && (attributes & HG_GRAPH_AXES) != 0) {
        status = check_axes(graph, node, error);
    }
    bool axis = node->axis != HG_GRAPH_AXIS_ALL;
    if (status == HG_OK && axis &&
        (node->axis < -HG_GRAPH_RANK_MAX || node->axis >= HG_GRAPH_RANK_MAX)) {
        status = refuse(graph, node, error, "no shape has such an axis");
    }
    if (status == HG_OK && axis && (attributes & HG_GRAPH_AXIS) == 0) {
        status = refuse(graph, node, error, "it has no axis to choose");
    }
    if (status == HG_OK && node->keepdims && (attributes & HG_GRAPH_KEEPDIMS) == 0) {
        status = refuse(graph, node, error, "it drops no dimension that could be kept");
    }
    if (status == HG_OK && (attributes & HG_GRAPH_TEMPERATURE) != 0 && !(node->number > 0)) {
        status = refuse(graph, node, error, "the temperature must be above 0");
    }
    if (status == HG_OK && (attributes & HG_GRAPH_EPS) != 0 &&
        !(node->number >= 0 && node->number < 1)) {
        status = refuse(graph, node, error, "eps must be at least 0 and below 1");
    }
    return status;
}

static enum hg_status check_inputs(const struct hg_graph *graph, const struct hg_graph_node *node,
                                   struct hg_error *error)
{
    const struct hg_graph_kind_info *info = hg_graph_kind_info((enum hg_graph_kind)node->kind);
    if (node->input_count < info->inputs_min || node->input_count > info->inputs_max) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       info->inputs_min == info->inputs_max
                           ? "node %u (%s): it takes %u inputs, got %u"
                           : "node %u (%s): it takes at least %u inputs, got %u",
                       graph->node_count, info->name, info->inputs_min, node->input_count);
    }
    for (unsigned i = 0; i < node->input_count; i++) {
        if (node->inputs[i] >= graph->node_count) {
            return hg_fail(error, HG_INVALID_ARGUMENT,
                           "node %u (%s): input %u is node %" PRIu32
                           ", expected one of the %u before it",
                           graph->node_count, info->name, i, node->inputs[i], graph->node_count);
        }
    }
    return HG_OK;
}

static enum hg_status check_name(const struct hg_graph *graph, const struct hg_graph_node *node,
                                 struct hg_error *error)
{
    size_t length = strnlen(node->name, sizeof node->name);
    bool input = node->kind == HG_GRAPH_KIND_INPUT;
    if ((length != 0 || input) && !hg_graph_is_name(node->name, length)) {
        return refuse(graph, node, error, "its name is none: letters, digits and _, at most 63");
    }
    if (input && hg_graph_find_input(graph, node->name, length) != UINT32_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "node %u (input): there is an input %s already",
                       graph->node_count, node->name);
    }
    return HG_OK;
}

static bool reserve(struct hg_graph *graph)
{
    if (graph->node_count < graph->node_capacity) {
        return true;
    }
    uint32_t capacity = graph->node_capacity == 0 ? FIRST_CAPACITY : 2 * graph->node_capacity;
    struct hg_graph_node *nodes =
        hg_realloc(HG_TAG_GRAPH, graph->nodes, capacity * sizeof *graph->nodes);
    if (nodes == NULL) {
        return false;
    }
    graph->nodes = nodes;
    graph->node_capacity = capacity;
    return true;
}

enum hg_status hg_graph_add(struct hg_graph *graph, const struct hg_graph_node *node,
                            uint32_t *index, struct hg_error *error)
{
    if (node->kind >= HG_GRAPH_KIND_COUNT ||
        hg_graph_kind_info((enum hg_graph_kind)node->kind)->class == HG_GRAPH_INTERNAL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "node %u: no such kind", graph->node_count);
    }
    if (graph->node_count == HG_GRAPH_NODES_MAX) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "a graph has at most %d nodes",
                       HG_GRAPH_NODES_MAX);
    }
    enum hg_status status = check_inputs(graph, node, error);
    if (status == HG_OK) {
        status = check_attributes(graph, node, error);
    }
    if (status == HG_OK) {
        status = check_name(graph, node, error);
    }
    if (status != HG_OK) {
        return status;
    }
    if (!reserve(graph)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for the nodes of a graph");
    }
    *index = graph->node_count++;
    graph->nodes[*index] = *node;
    return HG_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool same_name(const char *have, const char *name, size_t length)
{
    return strlen(have) == length && memcmp(have, name, length) == 0;
}

static void set_name(char into[HG_GRAPH_NAME_MAX + 1], const char *name, size_t length)
{
    memcpy(into, name, length);
    into[length] = '\0';
}

uint32_t hg_graph_find_input(const struct hg_graph *graph, const char *name, size_t length)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct hg_graph_node *node = &graph->nodes[i];
        if (node->kind == HG_GRAPH_KIND_INPUT && same_name(node->name, name, length)) {
            return i;
        }
    }
    return UINT32_MAX;
}

enum hg_status hg_graph_add_output(struct hg_graph *graph, uint32_t node, const char *name,
                                   size_t length, struct hg_error *error)
{
    if (!hg_graph_is_name(name, length)) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "output %u: its name is none: letters, digits and _, at most %d",
                       graph->output_count, HG_GRAPH_NAME_MAX);
    }
    if (node >= graph->node_count) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "output %.*s: there is no node %" PRIu32,
                       (int)length, name, node);
    }
    for (uint32_t i = 0; i < graph->output_count; i++) {
        if (same_name(graph->outputs[i].name, name, length)) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "output %.*s: named twice", (int)length,
                           name);
        }
    }
    if (graph->output_count == HG_GRAPH_OUTPUTS_MAX) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "a graph has at most %d outputs",
                       HG_GRAPH_OUTPUTS_MAX);
    }
    struct hg_graph_output *output = &graph->outputs[graph->output_count++];
    output->node = node;
    set_name(output->name, name, length);
    return HG_OK;
}

enum hg_status hg_graph_symbol(struct hg_graph *graph, const char *name, size_t length,
                               uint64_t *size, struct hg_error *error)
{
    if (!hg_graph_is_name(name, length)) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a symbol's name is none");
    }
    uint32_t i = 0;
    while (i < graph->symbol_count && !same_name(graph->symbols[i], name, length)) {
        i++;
    }
    if (i == HG_GRAPH_SYMBOLS_MAX) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "a graph has at most %d symbols",
                       HG_GRAPH_SYMBOLS_MAX);
    }
    if (i == graph->symbol_count) {
        set_name(graph->symbols[graph->symbol_count++], name, length);
    }
    *size = HG_GRAPH_SIZE_SYMBOL(i);
    return HG_OK;
}
