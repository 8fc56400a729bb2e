/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about graphs, from protobuf's structs to the daemon's. */
#include "daemon/codec_graph.h"

#include <inttypes.h>
#include <string.h>

#include "proto/hologram/v1/hologram.pb-c.h"

#define REQUEST(body) HOLOGRAM__V1__REQUEST__BODY_##body

static enum hg_status out_of_arena(struct hg_error *error)
{
    return hg_fail(error, HG_RESOURCE_EXHAUSTED, "request: out of memory");
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static enum hg_status refuse(const Hologram__V1__GraphNode *wire, struct hg_error *error,
                             const char *what)
{
    return hg_fail(error, HG_INVALID_ARGUMENT, "%.32s: %s", wire->op, what);
}

static bool is_dtype(Hologram__V1__DType wire)
{
    return (int)wire >= 1 && (int)wire <= HG_DTYPE_COUNT;
}

static enum hg_status convert_name(const char *wire, char name[HG_GRAPH_NAME_MAX + 1],
                                   struct hg_error *error)
{
    const size_t length = strlen(wire);
    if (length > HG_GRAPH_NAME_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "name: expected at most %d characters, got %zu",
                       HG_GRAPH_NAME_MAX, length);
    }
    memcpy(name, wire, length + 1);
    return HG_OK;
}

/* The wire's -1 is open, its -2 - i symbol i. */
static uint64_t convert_size(int64_t size)
{
    return size >= 0
               ? (uint64_t)size
               : (size == -1 ? HG_GRAPH_SIZE_OPEN : HG_GRAPH_SIZE_SYMBOL((uint64_t)(-(size + 2))));
}

static enum hg_status convert_sizes(const Hologram__V1__GraphNode *wire, uint32_t attributes,
                                    struct hg_graph_node *node, struct hg_error *error)
{
    const bool is_input = node->kind == HG_GRAPH_KIND_INPUT;
    if (wire->n_sizes > HG_GRAPH_RANK_MAX) {
        return refuse(wire, error, "sizes: expected at most 8");
    }
    if (wire->n_sizes != 0 &&
        ((attributes & (HG_GRAPH_SHAPE | HG_GRAPH_AXES)) == 0 || (is_input && !wire->has_shape))) {
        return refuse(wire, error, "sizes: expected none");
    }
    node->rank = is_input && !wire->has_shape ? HG_GRAPH_RANK_OPEN : (uint8_t)wire->n_sizes;
    for (size_t i = 0; i < wire->n_sizes; i++) {
        node->sizes[i] = convert_size(wire->sizes[i]);
    }
    return HG_OK;
}

static enum hg_status convert_type(const Hologram__V1__GraphNode *wire, uint32_t attributes,
                                   struct hg_graph_node *node, struct hg_error *error)
{
    if (wire->dtype != HOLOGRAM__V1__DTYPE__DTYPE_UNSPECIFIED) {
        if (!is_dtype(wire->dtype) || (attributes & HG_GRAPH_TYPE) == 0) {
            return refuse(wire, error, "dtype: expected none, or 1 to 12 where it has a type");
        }
        node->type = (uint8_t)(wire->dtype - 1);
        return HG_OK;
    }
    if (node->kind == HG_GRAPH_KIND_CAST) {
        return refuse(wire, error, "dtype: expected one, got none");
    }
    node->type = node->kind != HG_GRAPH_KIND_LITERAL ? HG_GRAPH_TYPE_OPEN
                 : wire->is_float                    ? HG_GRAPH_TYPE_FLOAT
                                                     : HG_GRAPH_TYPE_INT;
    return HG_OK;
}

static enum hg_status convert_attributes(const Hologram__V1__GraphNode *wire,
                                         struct hg_graph_node *node, struct hg_error *error)
{
    const uint32_t attributes = hg_graph_kind_info((enum hg_graph_kind)node->kind)->attributes;
    if (convert_type(wire, attributes, node, error) != HG_OK ||
        convert_sizes(wire, attributes, node, error) != HG_OK) {
        return error->status;
    }
    node->bits = wire->bits;
    node->keepdims = wire->keepdims != 0;
    if (wire->has_axis) {
        node->axis = wire->axis;
    }
    if (wire->has_number && (attributes & (HG_GRAPH_EPS | HG_GRAPH_TEMPERATURE)) == 0) {
        return refuse(wire, error, "number: expected none");
    }
    if (wire->has_number) {
        node->number = wire->number;
    }
    return HG_OK;
}

static enum hg_status convert_node(const Hologram__V1__GraphNode *wire, struct hg_graph_node *node,
                                   struct hg_error *error)
{
    const enum hg_graph_kind kind = hg_graph_kind_find(wire->op, strlen(wire->op));
    if (kind == HG_GRAPH_KIND_COUNT || hg_graph_kind_info(kind)->class == HG_GRAPH_INTERNAL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "there is no operation '%.32s'", wire->op);
    }
    hg_graph_node_init(node, kind);
    if (wire->n_inputs > HG_GRAPH_NODE_INPUTS_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%s: expected at most %d inputs, got %zu",
                       wire->op, HG_GRAPH_NODE_INPUTS_MAX, wire->n_inputs);
    }
    node->input_count = (uint8_t)wire->n_inputs;
    for (size_t i = 0; i < wire->n_inputs; i++) {
        node->inputs[i] = wire->inputs[i];
    }
    return convert_name(wire->name, node->name, error) == HG_OK
               ? convert_attributes(wire, node, error)
               : error->status;
}

static enum hg_status convert_results(const Hologram__V1__Graph *wire,
                                      struct hg_graph_output *outputs, struct hg_error *error)
{
    for (size_t i = 0; i < wire->n_results; i++) {
        outputs[i].node = wire->results[i]->node;
        if (convert_name(wire->results[i]->name, outputs[i].name, error) != HG_OK) {
            return hg_error_prefix(error, "result %zu", i);
        }
    }
    return HG_OK;
}

static enum hg_status convert_list(const Hologram__V1__Graph *wire, struct hg_arena *arena,
                                   struct hg_graph_source *source, struct hg_error *error)
{
    if (wire->n_nodes > HG_GRAPH_NODES_MAX || wire->n_results > HG_GRAPH_OUTPUTS_MAX ||
        wire->n_symbols > HG_GRAPH_SYMBOLS_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "graph: expected at most %d nodes, %d results and %d symbols, "
                       "got %zu, %zu and %zu",
                       HG_GRAPH_NODES_MAX, HG_GRAPH_OUTPUTS_MAX, HG_GRAPH_SYMBOLS_MAX,
                       wire->n_nodes, wire->n_results, wire->n_symbols);
    }
    struct hg_graph_list *list = hg_arena_alloc(arena, sizeof(*list));
    struct hg_graph_node *nodes = hg_arena_alloc(arena, (wire->n_nodes + 1) * sizeof(*nodes));
    struct hg_graph_output *outputs =
        hg_arena_alloc(arena, (wire->n_results + 1) * sizeof(*outputs));
    if (list == NULL || nodes == NULL || outputs == NULL) {
        return out_of_arena(error);
    }
    for (size_t i = 0; i < wire->n_nodes; i++) {
        if (convert_node(wire->nodes[i], &nodes[i], error) != HG_OK) {
            return hg_error_prefix(error, "graph: node %zu", i);
        }
        nodes[i].origin = (uint32_t)i;
    }
    if (convert_results(wire, outputs, error) != HG_OK) {
        return hg_error_prefix(error, "graph");
    }
    *list = (struct hg_graph_list){.nodes = nodes,
                                   .node_count = (uint32_t)wire->n_nodes,
                                   .outputs = outputs,
                                   .output_count = (uint32_t)wire->n_results,
                                   .symbols = (const char *const *)wire->symbols,
                                   .symbol_count = (uint32_t)wire->n_symbols};
    *source = (struct hg_graph_source){.list = list};
    return HG_OK;
}

static enum hg_status convert_source(const char *text, const Hologram__V1__Graph *graph,
                                     struct hg_arena *arena, struct hg_graph_source *source,
                                     struct hg_error *error)
{
    const size_t length = strlen(text);
    if ((length != 0) == (graph != NULL)) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "expected a text or a graph, got %s",
                       graph != NULL ? "both" : "neither");
    }
    if (graph != NULL) {
        return convert_list(graph, arena, source, error);
    }
    *source = (struct hg_graph_source){.text = text, .length = length};
    return HG_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static enum hg_status convert_bindings(Hologram__V1__GraphBinding *const *wire, size_t count,
                                       struct hg_arena *arena, const struct hg_graph_bind **binds,
                                       struct hg_error *error)
{
    struct hg_graph_bind *items = hg_arena_alloc(arena, (count + 1) * sizeof(*items));
    if (items == NULL) {
        return out_of_arena(error);
    }
    if (count > HG_GRAPH_BINDINGS_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "expected at most %d bindings, got %zu",
                       HG_GRAPH_BINDINGS_MAX, count);
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct hg_graph_bind){
            .name = wire[i]->name, .length = strlen(wire[i]->name), .id = wire[i]->id};
    }
    *binds = items;
    return HG_OK;
}

enum hg_status hg_codec_convert_run_graph(const struct Hologram__V1__RunGraph *wire,
                                          struct hg_arena *arena, struct hg_step *step,
                                          struct hg_error *error)
{
    struct hg_graph_request *request = hg_arena_alloc(arena, sizeof(*request));
    if (request == NULL) {
        return out_of_arena(error);
    }
    *request = (struct hg_graph_request){.graph = wire->id,
                                         .input_count = (uint32_t)wire->n_inputs,
                                         .output_count = (uint32_t)wire->n_outputs,
                                         .outputs_from = wire->outputs_from};
    step->kind = HG_REQUEST_RUN_GRAPH;
    step->run_graph = request;
    if (convert_bindings(wire->inputs, wire->n_inputs, arena, &request->inputs, error) != HG_OK) {
        return error->status;
    }
    return convert_bindings(wire->outputs, wire->n_outputs, arena, &request->outputs, error);
}

enum hg_status hg_codec_convert_eval(const struct Hologram__V1__Eval *wire, struct hg_arena *arena,
                                     struct hg_step *step, struct hg_error *error)
{
    struct hg_graph_request *request = hg_arena_alloc(arena, sizeof(*request));
    if (request == NULL) {
        return out_of_arena(error);
    }
    *request = (struct hg_graph_request){.input_count = (uint32_t)wire->n_inputs,
                                         .output_count = (uint32_t)wire->n_outputs,
                                         .outputs_from = wire->outputs_from};
    step->kind = HG_REQUEST_EVAL;
    step->run_graph = request;
    if (convert_source(wire->text, wire->graph, arena, &request->source, error) != HG_OK ||
        convert_bindings(wire->inputs, wire->n_inputs, arena, &request->inputs, error) != HG_OK) {
        return error->status;
    }
    return convert_bindings(wire->outputs, wire->n_outputs, arena, &request->outputs, error);
}

/* ---- the others ------------------------------------------------------------------------------ */

static enum hg_status convert_load(const Hologram__V1__LoadGraph *wire, struct hg_arena *arena,
                                   struct hg_step *step, struct hg_error *error)
{
    struct hg_graph_source *source = hg_arena_alloc(arena, sizeof(*source));
    if (source == NULL) {
        return out_of_arena(error);
    }
    step->kind = HG_REQUEST_LOAD_GRAPH;
    step->load_graph = (struct hg_load_graph_args){wire->id, source};
    return convert_source(wire->text, wire->graph, arena, source, error);
}

static enum hg_status convert_pattern(const Hologram__V1__GraphPattern *wire,
                                      struct hg_graph_pattern *pattern, struct hg_error *error)
{
    const Hologram__V1__OperandPattern *operand = wire->operand;
    if (operand == NULL || !is_dtype(operand->dtype) || operand->n_shape > HG_RANK_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "input %.64s: expected a type and at most %d dimensions", wire->name,
                       HG_RANK_MAX);
    }
    *pattern = (struct hg_graph_pattern){.name = wire->name,
                                         .length = strlen(wire->name),
                                         .operand = {.dtype = (enum hg_dtype)(operand->dtype - 1),
                                                     .has_shape = true,
                                                     .rank = (uint8_t)operand->n_shape}};
    for (size_t i = 0; i < operand->n_shape; i++) {
        pattern->operand.shape[i] = operand->shape[i];
    }
    return HG_OK;
}

static enum hg_status convert_explain(const Hologram__V1__ExplainGraph *wire,
                                      struct hg_arena *arena, struct hg_step *step,
                                      struct hg_error *error)
{
    struct hg_graph_explain_request *request = hg_arena_alloc(arena, sizeof(*request));
    struct hg_graph_source *source = hg_arena_alloc(arena, sizeof(*source));
    struct hg_graph_pattern *patterns =
        hg_arena_alloc(arena, (wire->n_inputs + 1) * sizeof(*patterns));
    if (request == NULL || source == NULL || patterns == NULL) {
        return out_of_arena(error);
    }
    for (size_t i = 0; i < wire->n_inputs; i++) {
        if (convert_pattern(wire->inputs[i], &patterns[i], error) != HG_OK) {
            return error->status;
        }
    }
    *request = (struct hg_graph_explain_request){.source = source,
                                                 .inputs = patterns,
                                                 .input_count = (uint32_t)wire->n_inputs,
                                                 .dot = wire->dot != 0};
    step->kind = HG_REQUEST_EXPLAIN_GRAPH;
    step->explain_graph = request;
    return convert_source(wire->text, wire->graph, arena, source, error);
}

enum hg_status hg_codec_convert_graph(const struct Hologram__V1__Request *wire,
                                      struct hg_arena *arena, struct hg_step *step,
                                      struct hg_error *error)
{
    switch (wire->body_case) {
    case REQUEST(LOAD_GRAPH):
        return convert_load(wire->load_graph, arena, step, error);
    case REQUEST(UNLOAD_GRAPH):
        step->kind = HG_REQUEST_UNLOAD_GRAPH;
        step->id = wire->unload_graph->id;
        return HG_OK;
    case REQUEST(RUN_GRAPH):
        return hg_codec_convert_run_graph(wire->run_graph, arena, step, error);
    case REQUEST(EVAL):
        return hg_codec_convert_eval(wire->eval, arena, step, error);
    case REQUEST(EXPLAIN_GRAPH):
        return convert_explain(wire->explain_graph, arena, step, error);
    case REQUEST(SAVE_GRAPH):
        step->kind = HG_REQUEST_SAVE_GRAPH;
        step->publish = (struct hg_publish_args){wire->save_graph->id, wire->save_graph->name,
                                                 wire->save_graph->mode, wire->save_graph->gid,
                                                 wire->save_graph->has_gid != 0};
        return HG_OK;
    case REQUEST(OPEN_GRAPH):
        step->kind = HG_REQUEST_OPEN_GRAPH;
        step->open = (struct hg_open_args){wire->open_graph->name, wire->open_graph->id, false};
        return HG_OK;
    case REQUEST(REMOVE_GRAPH):
        step->kind = HG_REQUEST_REMOVE_GRAPH;
        step->unpublish_name = wire->remove_graph->name;
        return HG_OK;
    case REQUEST(LIST_GRAPHS):
        step->kind = HG_REQUEST_LIST_GRAPHS;
        return HG_OK;
    default:
        return hg_fail(error, HG_UNIMPLEMENTED, "request: no body that this server knows");
    }
}
