/* SPDX-License-Identifier: Apache-2.0 */
/* From what a client sends to a graph; and explaining one. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/graph_table.h"
#include "lib/graph/explain.h"
#include "lib/graph/language.h"

static enum hg_status add_symbols(struct hg_graph *graph, const struct hg_graph_list *list,
                                  struct hg_error *error)
{
    for (uint32_t i = 0; i < list->symbol_count; i++) {
        const char *name = list->symbols[i];
        uint64_t size;
        enum hg_status status = hg_graph_symbol(graph, name, strlen(name), &size, error);
        if (status == HG_OK && size != HG_GRAPH_SIZE_SYMBOL(i)) {
            status = hg_fail(error, HG_INVALID_ARGUMENT, "it is named twice");
        }
        if (status != HG_OK) {
            return hg_error_prefix(error, "symbol %" PRIu32, i);
        }
    }
    return HG_OK;
}

static enum hg_status add_nodes(struct hg_graph *graph, const struct hg_graph_list *list,
                                struct hg_error *error)
{
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; i < list->node_count && status == HG_OK; i++) {
        uint32_t index;
        status = hg_graph_add(graph, &list->nodes[i], &index, error);
    }
    for (uint32_t i = 0; i < list->output_count && status == HG_OK; i++) {
        const struct hg_graph_output *output = &list->outputs[i];
        status =
            hg_graph_add_output(graph, output->node, output->name, strlen(output->name), error);
    }
    return status;
}

static enum hg_status build(const struct hg_graph_list *list, struct hg_graph **graph,
                            struct hg_error *error)
{
    struct hg_graph *made = NULL;
    enum hg_status status = hg_graph_create(&made, error);
    if (status == HG_OK) {
        status = add_symbols(made, list, error);
    }
    if (status == HG_OK) {
        status = add_nodes(made, list, error);
    }
    if (status == HG_OK && made->output_count == 0) {
        status = hg_fail(error, HG_INVALID_ARGUMENT, "a graph has at least one output, got none");
    }
    if (status != HG_OK) {
        hg_graph_destroy(&made);
        return status;
    }
    *graph = made;
    return HG_OK;
}

enum hg_status hg_graph_of_source(const struct hg_graph_source *source, struct hg_graph **graph,
                                  struct hg_error *error)
{
    enum hg_status status = source->text != NULL
                                ? hg_language_parse(source->text, source->length, graph, error)
                                : build(source->list, graph, error);
    return status == HG_OK ? HG_OK : hg_error_prefix(error, "graph");
}

/* ---- explaining ------------------------------------------------------------------------------ */

/* The input that pattern INDEX is of; it must be the only one. */
static enum hg_status bind_pattern(const struct hg_graph *graph,
                                   const struct hg_graph_explain_request *request, uint32_t index,
                                   struct hg_graph_binding *bindings, bool *bound,
                                   struct hg_error *error)
{
    const struct hg_graph_pattern *pattern = &request->inputs[index];
    const int shown =
        pattern->length < HG_GRAPH_NAME_MAX ? (int)pattern->length : HG_GRAPH_NAME_MAX;
    const uint32_t node = hg_graph_find_input(graph, pattern->name, pattern->length);
    if (node == UINT32_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "the graph has no input '%.*s'", shown,
                       pattern->name);
    }
    const struct hg_operand_pattern *operand = &pattern->operand;
    if ((unsigned)operand->dtype >= HG_DTYPE_COUNT || operand->rank > HG_GRAPH_RANK_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "input %.*s: a type and at most %d dimensions",
                       shown, pattern->name, HG_GRAPH_RANK_MAX);
    }
    uint32_t number = 0;
    for (uint32_t i = 0; i < node; i++) {
        number += graph->nodes[i].kind == HG_GRAPH_KIND_INPUT;
    }
    if (bound[number]) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "input %.*s is given twice", shown,
                       pattern->name);
    }
    bound[number] = true;
    bindings[number].type = operand->dtype;
    bindings[number].shape.rank = operand->rank;
    memcpy(bindings[number].shape.size, operand->shape, operand->rank * sizeof operand->shape[0]);
    return HG_OK;
}

static enum hg_status bind_patterns(const struct hg_graph *graph,
                                    const struct hg_graph_explain_request *request,
                                    struct hg_graph_binding *bindings, bool *bound, uint32_t *count,
                                    struct hg_error *error)
{
    *count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        *count += graph->nodes[i].kind == HG_GRAPH_KIND_INPUT;
    }
    if (*count > HG_GRAPH_BINDINGS_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a run binds at most %d buffers",
                       HG_GRAPH_BINDINGS_MAX);
    }
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; i < request->input_count && status == HG_OK; i++) {
        status = bind_pattern(graph, request, i, bindings, bound, error);
    }
    uint32_t number = 0;
    for (uint32_t i = 0; i < graph->node_count && status == HG_OK; i++) {
        if (graph->nodes[i].kind == HG_GRAPH_KIND_INPUT && !bound[number++]) {
            status = hg_fail(error, HG_INVALID_ARGUMENT, "input %s: no type and shape are given",
                             graph->nodes[i].name);
        }
    }
    return status;
}

static size_t write_text(const struct hg_graph *graph, const struct hg_graph_plan *plan,
                         const struct hg_graph_plan *single, bool dot, char *text, size_t size)
{
    return dot ? hg_graph_dot(graph, plan, text, size)
               : hg_graph_explain(graph, plan, single, text, size);
}

static enum hg_status explain(const struct hg_graph *graph, const struct hg_graph_binding *bindings,
                              uint32_t count, bool dot, char **text, size_t *length,
                              struct hg_error *error)
{
    const struct hg_plan_options fused = {.rules = HG_FUSION_RULES_ALL};
    const struct hg_plan_options unfused = {.rules = 0};
    struct hg_graph_plan *plan = NULL;
    struct hg_graph_plan *single = NULL;
    enum hg_status status = hg_graph_plan(graph, bindings, count, &fused, &plan, error);
    if (status == HG_OK) {
        status = hg_graph_plan(graph, bindings, count, &unfused, &single, error);
    }
    if (status == HG_OK) {
        *length = write_text(graph, plan, single, dot, NULL, 0);
        *text = hg_malloc(HG_TAG_GRAPH, *length + 1);
        if (*text != NULL) {
            (void)write_text(graph, plan, single, dot, *text, *length + 1);
        } else {
            status = hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for an explanation");
        }
    }
    hg_graph_plan_destroy(&plan);
    hg_graph_plan_destroy(&single);
    return status;
}

enum hg_status hg_engine_graph_explain(const struct hg_graph_explain_request *request, char **text,
                                       size_t *length, struct hg_error *error)
{
    struct hg_graph_binding bindings[HG_GRAPH_BINDINGS_MAX];
    bool bound[HG_GRAPH_BINDINGS_MAX] = {false};
    uint32_t count;
    struct hg_graph *graph = NULL;
    enum hg_status status = hg_graph_of_source(request->source, &graph, error);
    if (status != HG_OK) {
        return status;
    }
    HG_REQUIRE(graph != NULL);
    status = bind_patterns(graph, request, bindings, bound, &count, error);
    if (status == HG_OK) {
        status = explain(graph, bindings, count, request->dot, text, length, error);
    }
    hg_graph_destroy(&graph);
    return status == HG_OK ? HG_OK : hg_error_prefix(error, "graph");
}

void hg_engine_graph_text_free(char *text)
{
    hg_free(HG_TAG_GRAPH, text);
}
