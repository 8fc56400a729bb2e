/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of graphs as bytes, and their answers from bytes: as codec_hot.c does it for executes. */
#include "client/lib/codec_put.h"
#include "client/lib/codec_take.h"
#include "client/lib/graph.h"

/* ---- writing --------------------------------------------------------------------------------- */

/* Where the fields are that a run by id and a run by text have. */
struct layout {
    uint32_t body;
    uint32_t inputs;
    uint32_t outputs;
};

static const struct layout run_layout = {BYTES(62u), BYTES(2u), BYTES(3u)};
static const struct layout eval_layout = {BYTES(63u), BYTES(3u), BYTES(4u)};

static size_t length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

static size_t binding_bytes(size_t length, uint64_t id)
{
    return content_bytes(length) + number_bytes(id);
}

static size_t row_bytes(const char *name, uint64_t id)
{
    size_t bytes = binding_bytes(length_of(name), id);
    return 1 + varint_bytes(bytes) + bytes;
}

static uint8_t *put_row(uint8_t *at, uint32_t tag, const char *name, uint64_t id)
{
    size_t length = length_of(name);
    *at++ = (uint8_t)tag;
    at = put_varint(at, binding_bytes(length, id));
    at = put_text(at, BYTES(1u), name, length);
    return put_number(at, VARINT(2u), id);
}

static size_t bindings_bytes(const hologram_graph_run *run)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < run->input_count; i++) {
        bytes += row_bytes(run->inputs[i].name, run->inputs[i].buffer);
    }
    for (uint32_t i = 0; i < run->output_count; i++) {
        bytes += row_bytes(run->outputs[i].name, run->outputs[i].buffer);
    }
    return bytes;
}

static void put_bindings(uint8_t *at, const struct layout *layout, const hologram_graph_run *run)
{
    for (uint32_t i = 0; i < run->input_count; i++) {
        at = put_row(at, layout->inputs, run->inputs[i].name, run->inputs[i].buffer);
    }
    for (uint32_t i = 0; i < run->output_count; i++) {
        at = put_row(at, layout->outputs, run->outputs[i].name, run->outputs[i].buffer);
    }
}

hologram_status hg_client_put_hot_run(hologram_client *client, hologram_ticket ticket,
                                      const hologram_graph_run *run)
{
    const struct layout *layout = run->graph != 0 ? &run_layout : &eval_layout;
    const char *text = run->graph != 0 ? NULL : run->source->text;
    const size_t length = length_of(text);
    size_t whole = number_bytes(run->graph) + content_bytes(length) + bindings_bytes(run);
    size_t bytes =
        envelope_bytes(client, ticket) + varint_bytes(layout->body) + varint_bytes(whole) + whole;
    uint8_t *at = hg_client_put_frame(client, ticket, bytes, 0, 0);
    if (!at) {
        return client->error.status;
    }
    at = put_varint(put_envelope(at, client, ticket), layout->body);
    at = put_varint(at, whole);
    at = put_number(at, VARINT(1u), run->graph);
    at = put_text(at, BYTES(1u), text, length);
    put_bindings(at, layout, run);
    hg_client_queued(client, HG_CLIENT_HEADER_BYTES + bytes);
    return HOLOGRAM_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* One output and its buffer; they lie together. */
struct row {
    Hologram__V1__GraphOutput output;
    Hologram__V1__BufferInfo buffer;
    uint64_t shape[HOLOGRAM_RANK_MAX];
};

static bool take_shape(struct span *span, struct row *row)
{
    struct span list;
    if (row->buffer.n_shape != 0 || !take_bytes(span, &list)) {
        return false;
    }
    row->buffer.shape = row->shape;
    while (list.at < list.end) {
        if (row->buffer.n_shape == HOLOGRAM_RANK_MAX ||
            !take_varint(&list, &row->shape[row->buffer.n_shape], VARINT_BYTES_MAX)) {
            return false;
        }
        row->buffer.n_shape++;
    }
    return true;
}

static bool take_buffer(struct span span, struct row *row)
{
    uint64_t number = 0;
    while (span.at < span.end) {
        bool taken = false;
        switch (*span.at++) {
        case VARINT(1u):
            taken = take_varint(&span, &row->buffer.id, VARINT_BYTES_MAX);
            break;
        case VARINT(2u):
            taken = take_varint(&span, &number, VARINT_BYTES_MAX);
            row->buffer.dtype = (Hologram__V1__DType)number;
            break;
        case BYTES(3u):
            taken = take_shape(&span, row);
            break;
        case VARINT(4u):
            taken = take_varint(&span, &number, VARINT_BYTES_MAX);
            row->buffer.pool = (Hologram__V1__Pool)number;
            break;
        case VARINT(5u):
            taken = take_varint(&span, &row->buffer.bytes, VARINT_BYTES_MAX);
            break;
        default:
            break;
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}

static bool take_output(hologram_client *client, struct span span, struct row *row)
{
    struct span body;
    uint64_t number = 0;
    hologram__v1__graph_output__init(&row->output);
    hologram__v1__buffer_info__init(&row->buffer);
    while (span.at < span.end) {
        bool taken = false;
        switch (*span.at++) {
        case BYTES(1u):
            taken = take_text(client, &span, &row->output.name);
            break;
        case BYTES(2u):
            taken = !row->output.buffer && take_bytes(&span, &body) && take_buffer(body, row);
            row->output.buffer = &row->buffer;
            break;
        case VARINT(3u):
            taken = take_varint(&span, &number, LENGTH_BYTES_MAX);
            row->output.made = number != 0;
            break;
        default:
            break;
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}

/* How many outputs lie from SPAN on beside each other. */
static uint32_t count_outputs(struct span span)
{
    struct span body;
    uint32_t count = 0;
    while (span.at < span.end && *span.at == BYTES(2u)) {
        span.at++;
        count += 1;
        if (!take_bytes(&span, &body)) {
            return 0;
        }
    }
    return count;
}

/* Those from SPAN on, the tag of the first of which was taken. */
static bool take_outputs(hologram_client *client, struct span *span,
                         Hologram__V1__RunGraphResult *result)
{
    const uint32_t count = count_outputs((struct span){span->at - 1, span->end});
    if (count == 0 || result->n_outputs != 0) {
        return false;
    }
    struct row *rows = hg_client_arena_alloc(&client->arena, count * sizeof *rows);
    result->outputs = hg_client_arena_alloc(&client->arena, count * sizeof *result->outputs);
    if (!rows || !result->outputs) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct span body;
        span->at += i > 0; /* the tag */
        if (!take_bytes(span, &body) || !take_output(client, body, &rows[i])) {
            return false;
        }
        result->outputs[i] = &rows[i].output;
    }
    result->n_outputs = count;
    return true;
}

bool hg_client_take_hot_run(hologram_client *client, struct span span,
                            Hologram__V1__RunGraphResult *result,
                            Hologram__V1__ExecuteResult *execution)
{
    struct span body;
    uint64_t number = 0;
    hologram__v1__run_graph_result__init(result);
    while (span.at < span.end) {
        bool taken = false;
        switch (*span.at++) {
        case BYTES(1u):
            taken = !result->execute && take_bytes(&span, &body) &&
                    hg_client_take_hot_execution(client, body, execution);
            result->execute = execution;
            break;
        case BYTES(2u):
            taken = take_outputs(client, &span, result);
            break;
        case VARINT(3u):
            taken = take_varint(&span, &number, VARINT_BYTES_MAX);
            result->launches = (uint32_t)number;
            break;
        case VARINT(4u):
            taken = take_varint(&span, &result->arena_bytes, VARINT_BYTES_MAX);
            break;
        default:
            break;
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}
