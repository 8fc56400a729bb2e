/* SPDX-License-Identifier: Apache-2.0 */
/* Replies about graphs, from the daemon's structs to protobuf's. */
#include <string.h>

#include "daemon/codec_graph.h"
#include "daemon/codec_protobuf.h"
#include "lib/base/check.h"
#include "proto/hologram/v1/hologram.pb-c.h"

#define RESPONSE(body) HOLOGRAM__V1__RESPONSE__BODY_##body

/* As hexadecimal digits, in ARENA; NULL when out of memory. */
static char *digits_of(const struct hg_graph_facts *facts, struct hg_arena *arena)
{
    static const char hex[] = "0123456789abcdef";
    char *text = hg_arena_alloc(arena, 65);
    for (unsigned i = 0; text != NULL && i < 32; i++) {
        text[2 * i] = hex[facts->digest[i] >> 4];
        text[2 * i + 1] = hex[facts->digest[i] & 15];
    }
    if (text != NULL) {
        text[64] = '\0';
    }
    return text;
}

static char **borrow_all(const char *const *names, uint32_t count, struct hg_arena *arena)
{
    char **rows = hg_arena_alloc(arena, ((size_t)count + 1) * sizeof(char *));
    for (uint32_t i = 0; rows != NULL && i < count; i++) {
        rows[i] = hg_codec_borrow(names[i]);
    }
    return rows;
}

static enum hg_status fill_load(const struct hg_graph_reply *graph, struct hg_arena *arena,
                                Hologram__V1__Response *wire)
{
    Hologram__V1__LoadGraphResult *result = hg_arena_alloc(arena, sizeof(*result));
    if (result == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__load_graph_result__init(result);
    result->digest = digits_of(&graph->facts, arena);
    result->nodes = graph->facts.nodes;
    result->n_inputs = graph->facts.input_count;
    result->inputs = borrow_all(graph->inputs, graph->facts.input_count, arena);
    result->n_outputs = graph->facts.output_count;
    result->outputs = borrow_all(graph->outputs, graph->facts.output_count, arena);
    wire->body_case = RESPONSE(LOAD_GRAPH);
    wire->load_graph = result;
    return result->digest != NULL && result->inputs != NULL && result->outputs != NULL
               ? HG_OK
               : HG_RESOURCE_EXHAUSTED;
}

/* Runs with more outputs are encoded each time. */
#define PACKED_OUTPUTS_MAX 16

/* One output and its buffer; they lie together. */
struct output_row {
    Hologram__V1__GraphOutput output;
    Hologram__V1__BufferInfo buffer;
};

static void fill_output(const struct hg_graph_made *made, struct output_row *row)
{
    union {
        const uint64_t *in;
        uint64_t *out;
    } shape = {.in = made->shape};
    hologram__v1__graph_output__init(&row->output);
    hologram__v1__buffer_info__init(&row->buffer);
    row->output.name = hg_codec_borrow(made->name);
    row->output.made = made->made;
    row->output.buffer = &row->buffer;
    row->buffer.id = made->id;
    row->buffer.dtype = (Hologram__V1__DType)((int)made->dtype + 1);
    row->buffer.n_shape = made->rank;
    row->buffer.shape = shape.out;
    row->buffer.pool = made->made ? HOLOGRAM__V1__POOL__HEAP : HOLOGRAM__V1__POOL__POOL_UNSPECIFIED;
    row->buffer.bytes = hg_dtype_bytes(made->dtype);
    for (unsigned i = 0; i < made->rank; i++) {
        row->buffer.bytes *= made->shape[i];
    }
}

static Hologram__V1__GraphOutput **fill_outputs(const struct hg_graph_result *result,
                                                struct hg_arena *arena)
{
    const size_t count = (size_t)result->output_count + 1;
    struct output_row *rows = hg_arena_alloc(arena, count * sizeof(*rows));
    Hologram__V1__GraphOutput **list =
        hg_arena_alloc(arena, count * sizeof(Hologram__V1__GraphOutput *));
    if (rows == NULL || list == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < result->output_count; i++) {
        fill_output(&result->outputs[i], &rows[i]);
        list[i] = &rows[i].output;
    }
    return list;
}

static enum hg_status fill_run(const struct hg_run_graph_reply *reply, struct hg_arena *arena,
                               Hologram__V1__Response *wire)
{
    struct {
        Hologram__V1__RunGraphResult run;
        Hologram__V1__ExecuteResult execute;
    } *result = hg_arena_alloc(arena, sizeof(*result));
    if (result == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__run_graph_result__init(&result->run);
    hologram__v1__execute_result__init(&result->execute);
    result->execute.cache = hg_codec_borrow(reply->execute.cache);
    result->execute.outcome = hg_codec_borrow(reply->execute.outcome);
    result->execute.queue_ns = reply->execute.queue_ns;
    result->execute.lookup_ns = reply->execute.lookup_ns;
    result->execute.build_ns = reply->execute.build_ns;
    result->execute.run_ns = reply->execute.run_ns;
    result->run.execute = &result->execute;
    result->run.n_outputs = reply->result->output_count;
    result->run.outputs = fill_outputs(reply->result, arena);
    result->run.launches = reply->result->launches;
    result->run.arena_bytes = reply->result->arena_bytes;
    wire->body_case = RESPONSE(RUN_GRAPH);
    wire->run_graph = &result->run;
    return result->run.outputs != NULL ? HG_OK : HG_RESOURCE_EXHAUSTED;
}

size_t hg_codec_pack_graph_result(const struct hg_graph_result *result, uint8_t *out, size_t room)
{
    struct output_row rows[PACKED_OUTPUTS_MAX];
    Hologram__V1__GraphOutput *list[PACKED_OUTPUTS_MAX];
    Hologram__V1__RunGraphResult wire;
    if (result->output_count > PACKED_OUTPUTS_MAX) {
        return 0;
    }
    for (uint32_t i = 0; i < result->output_count; i++) {
        fill_output(&result->outputs[i], &rows[i]);
        list[i] = &rows[i].output;
    }
    hologram__v1__run_graph_result__init(&wire);
    wire.n_outputs = result->output_count;
    wire.outputs = list;
    wire.launches = result->launches;
    wire.arena_bytes = result->arena_bytes;
    return protobuf_c_message_get_packed_size(&wire.base) <= room
               ? protobuf_c_message_pack(&wire.base, out)
               : 0;
}

static enum hg_status fill_explain(const char *text, struct hg_arena *arena,
                                   Hologram__V1__Response *wire)
{
    Hologram__V1__ExplainGraphResult *result = hg_arena_alloc(arena, sizeof(*result));
    if (result == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__explain_graph_result__init(result);
    result->text = hg_codec_borrow(text);
    wire->body_case = RESPONSE(EXPLAIN_GRAPH);
    wire->explain_graph = result;
    return HG_OK;
}

static enum hg_status fill_named(const struct hg_named_graph_info *info, struct hg_arena *arena,
                                 Hologram__V1__NamedGraph *wire)
{
    hologram__v1__named_graph__init(wire);
    wire->name = hg_codec_borrow(info->name);
    wire->digest = digits_of(&info->facts, arena);
    wire->nodes = info->facts.nodes;
    wire->inputs = info->facts.input_count;
    wire->outputs = info->facts.output_count;
    wire->uid = info->uid;
    wire->gid = info->gid;
    wire->mode = info->mode;
    return wire->digest != NULL ? HG_OK : HG_RESOURCE_EXHAUSTED;
}

static enum hg_status fill_list(const struct hg_list_graphs_reply *reply, struct hg_arena *arena,
                                Hologram__V1__Response *wire)
{
    const size_t count = (size_t)reply->count + 1;
    Hologram__V1__ListGraphsResult *result = hg_arena_alloc(arena, sizeof(*result));
    Hologram__V1__NamedGraph *graphs = hg_arena_alloc(arena, count * sizeof(*graphs));
    Hologram__V1__NamedGraph **rows =
        hg_arena_alloc(arena, count * sizeof(Hologram__V1__NamedGraph *));
    if (result == NULL || graphs == NULL || rows == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__list_graphs_result__init(result);
    for (uint32_t i = 0; i < reply->count; i++) {
        rows[i] = &graphs[i];
        if (fill_named(&reply->graphs[i], arena, &graphs[i]) != HG_OK) {
            return HG_RESOURCE_EXHAUSTED;
        }
    }
    result->n_graphs = reply->count;
    result->graphs = rows;
    result->truncated = reply->truncated;
    wire->body_case = RESPONSE(LIST_GRAPHS);
    wire->list_graphs = result;
    return HG_OK;
}

enum hg_status hg_codec_fill_graph(const struct hg_reply *reply, struct hg_arena *arena,
                                   struct Hologram__V1__Response *wire)
{
    switch (reply->kind) {
    case HG_REQUEST_LOAD_GRAPH:
        return fill_load(reply->graph, arena, wire);
    case HG_REQUEST_RUN_GRAPH:
        return fill_run(reply->run_graph, arena, wire);
    case HG_REQUEST_EXPLAIN_GRAPH:
        return fill_explain(reply->explanation, arena, wire);
    default:
        HG_REQUIRE(reply->kind == HG_REQUEST_LIST_GRAPHS);
        return fill_list(&reply->graphs, arena, wire);
    }
}
