/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/codec_hot_graph.h"

/* Where the fields are that both kinds of run have. */
struct layout {
    uint32_t inputs;
    uint32_t outputs;
    uint32_t outputs_from;
};

static const struct layout run_layout = {BYTES(2u), BYTES(3u), VARINT(4u)};
static const struct layout eval_layout = {BYTES(3u), BYTES(4u), VARINT(5u)};

static bool take_binding(struct hot *hot, struct span *span, struct hg_graph_bind *bind)
{
    struct span content;
    uint32_t seen = 0;
    *bind = (struct hg_graph_bind){.name = ""};
    if (!begin_message(hot) || !take_bytes(span, &content)) {
        return false;
    }
    while (content.at < content.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &content, &tag) && first_time(&seen, tag);
        if (taken && tag == BYTES(1u)) {
            taken = take_text(hot, &content, &bind->name, &bind->length);
        } else {
            taken = taken && tag == VARINT(2u) && take_varint(&content, &bind->id);
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}

/* How many bindings a body has, each of which begins with TAG and lies beside the others. */
static uint32_t count_bindings(struct span span, uint32_t tag)
{
    struct span content;
    uint32_t count = 0;
    while (span.at < span.end && *span.at == tag) {
        span.at++;
        if (!take_bytes(&span, &content)) {
            return 0;
        }
        count++;
    }
    return count;
}

/* Those that lie from SPAN on, the tag of the first of which was taken. */
static bool take_bindings(struct hot *hot, struct span *span, uint32_t tag,
                          const struct hg_graph_bind **bindings, uint32_t *count)
{
    const uint32_t wanted = count_bindings((struct span){span->at - 1, span->end}, tag);
    if (*count != 0 || wanted == 0 || wanted > HG_GRAPH_BINDINGS_MAX) {
        return false;
    }
    struct hg_graph_bind *items = hg_arena_alloc(hot->arena, wanted * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t next;
        if ((i != 0 && !take_tag(hot, span, &next)) || !take_binding(hot, span, &items[i])) {
            return false;
        }
    }
    *bindings = items;
    *count = wanted;
    return true;
}

/* What is at SPAN behind TAG, unless it is what the kinds of run differ in. */
static bool take_common(struct hot *hot, struct span *span, uint32_t tag,
                        const struct layout *layout, struct hg_graph_request *request)
{
    if (tag == layout->inputs) {
        return take_bindings(hot, span, tag, &request->inputs, &request->input_count);
    }
    if (tag == layout->outputs) {
        return take_bindings(hot, span, tag, &request->outputs, &request->output_count);
    }
    return tag == layout->outputs_from && take_varint(span, &request->outputs_from);
}

static struct hg_graph_request *begin(struct hot *hot, struct span span, struct hg_step *step)
{
    struct hg_graph_request *request = hg_arena_alloc(hot->arena, sizeof(*request));
    if (request == NULL || !begin_message(hot)) {
        return NULL;
    }
    *request = (struct hg_graph_request){.graph = 0};
    step->run_graph = request;
    step->wire = (struct hg_bytes){span.at, (size_t)(span.end - span.at)};
    return request;
}

bool hg_codec_hot_run_graph(struct hot *hot, struct span span, struct hg_step *step)
{
    struct hg_graph_request *request = begin(hot, span, step);
    step->kind = HG_REQUEST_RUN_GRAPH;
    while (request != NULL && span.at < span.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (taken && tag == VARINT(1u)) {
            taken = take_varint(&span, &request->graph);
        } else {
            taken = taken && take_common(hot, &span, tag, &run_layout, request);
        }
        if (!taken) {
            return false;
        }
    }
    return request != NULL;
}

bool hg_codec_hot_eval(struct hot *hot, struct span span, struct hg_step *step)
{
    struct hg_graph_request *request = begin(hot, span, step);
    step->kind = HG_REQUEST_EVAL;
    while (request != NULL && span.at < span.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (taken && tag == BYTES(1u)) {
            struct hg_graph_source *source = &request->source;
            taken = source->text == NULL && take_text(hot, &span, &source->text, &source->length);
        } else {
            taken = taken && take_common(hot, &span, tag, &eval_layout, request);
        }
        if (!taken) {
            return false;
        }
    }
    return request != NULL && request->source.length != 0;
}
