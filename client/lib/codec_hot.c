/* SPDX-License-Identifier: Apache-2.0 */
/* Executes and pings as bytes, and their answers from bytes. Sizes first, from the inside out, then
 * the bytes, as protobuf-c lays them out: fields ascending, zeros and empty texts left out. */
#include <string.h>

#include "client/lib/codec.h"
#include "client/lib/codec_put.h"
#include "client/lib/codec_take.h"

#define EXECUTE_TAG   BYTES(15u)
#define BATCH_TAG     BYTES(16u)
#define PING_TAG      BYTES(27u)
#define RUN_GRAPH_TAG BYTES(62u)

/* ---- writing --------------------------------------------------------------------------------- */

/* The sizes of an execute's parts. */
struct execute_sizes {
    size_t op;
    size_t inputs;
    size_t outputs;
    size_t whole;
};

static size_t name_bytes(const hologram_attribute *attribute)
{
    return attribute->name ? strlen(attribute->name) : 0;
}

static size_t attribute_bytes(const hologram_attribute *attribute)
{
    return content_bytes(name_bytes(attribute)) + fixed64_bytes(attribute->bits);
}

static struct execute_sizes measure_execute(const hologram_call *call)
{
    struct execute_sizes sizes = {
        .op = strlen(call->op),
        .inputs = ids_bytes(call->inputs, call->input_count),
        .outputs = ids_bytes(call->outputs, call->output_count),
    };
    sizes.whole =
        content_bytes(sizes.op) + content_bytes(sizes.inputs) + content_bytes(sizes.outputs);
    for (uint32_t i = 0; i < call->attribute_count; i++) {
        size_t bytes = attribute_bytes(&call->attributes[i]);
        sizes.whole += 1 + varint_bytes(bytes) + bytes;
    }
    return sizes;
}

static uint8_t *put_attribute(uint8_t *at, const hologram_attribute *attribute)
{
    *at++ = (uint8_t)BYTES(4u);
    at = put_varint(at, attribute_bytes(attribute));
    at = put_text(at, BYTES(1u), attribute->name, name_bytes(attribute));
    return put_fixed64(at, FIXED64(2u), attribute->bits);
}

/* The execute behind TAG. */
static uint8_t *put_execute(uint8_t *at, uint32_t tag, const hologram_call *call,
                            const struct execute_sizes *sizes)
{
    *at++ = (uint8_t)tag;
    at = put_varint(at, sizes->whole);
    at = put_text(at, BYTES(1u), call->op, sizes->op);
    at = put_ids(at, BYTES(2u), sizes->inputs, call->inputs, call->input_count);
    at = put_ids(at, BYTES(3u), sizes->outputs, call->outputs, call->output_count);
    for (uint32_t i = 0; i < call->attribute_count; i++) {
        at = put_attribute(at, &call->attributes[i]);
    }
    return at;
}

/* Bytes that CALL, whose operation's name is OP_BYTES long, takes at most. */
static size_t bound_execute(const hologram_call *call, size_t op_bytes)
{
    size_t bound = 2 + op_bytes + ids_bound(call->input_count) + ids_bound(call->output_count);
    for (uint32_t i = 0; i < call->attribute_count; i++) {
        bound += 2 + 2 + name_bytes(&call->attributes[i]) + 1 + sizeof(uint64_t);
    }
    return bound;
}

static uint8_t *quick_attribute(uint8_t *at, const hologram_attribute *attribute)
{
    *at++ = (uint8_t)BYTES(4u);
    uint8_t *length = at++;
    at = quick_text(at, BYTES(1u), attribute->name, name_bytes(attribute));
    at = put_fixed64(at, FIXED64(2u), attribute->bits);
    *length = (uint8_t)(at - length - 1);
    return at;
}

/* In one pass. False, and nothing happened, if it is too long or there is no room. */
static bool quick_execute(hologram_client *client, hologram_ticket ticket,
                          const hologram_call *call)
{
    size_t op_bytes = strlen(call->op);
    uint8_t *at = bound_execute(call, op_bytes) <= QUICK_BYTES_MAX ? quick_room(client) : NULL;
    if (!at) {
        return false;
    }
    at = put_envelope(at, client, ticket);
    *at++ = (uint8_t)EXECUTE_TAG;
    uint8_t *length = at++;
    at = quick_text(at, BYTES(1u), call->op, op_bytes);
    at = quick_ids(at, BYTES(2u), call->inputs, call->input_count);
    at = quick_ids(at, BYTES(3u), call->outputs, call->output_count);
    for (uint32_t i = 0; i < call->attribute_count; i++) {
        at = quick_attribute(at, &call->attributes[i]);
    }
    *length = (uint8_t)(at - length - 1);
    quick_queued(client, at);
    return true;
}

hologram_status hg_client_put_execute(hologram_client *client, hologram_ticket ticket,
                                      const hologram_call *call)
{
    hologram_status status = hg_client_check_call(client, call);
    if (status != HOLOGRAM_OK || quick_execute(client, ticket, call)) {
        return status;
    }
    struct execute_sizes sizes = measure_execute(call);
    size_t bytes = envelope_bytes(client, ticket) + 1 + varint_bytes(sizes.whole) + sizes.whole;
    uint8_t *at = hg_client_put_frame(client, ticket, bytes, 0, 0);
    if (!at) {
        return client->error.status;
    }
    at = put_envelope(at, client, ticket);
    (void)put_execute(at, EXECUTE_TAG, call, &sizes);
    hg_client_queued(client, HG_CLIENT_HEADER_BYTES + bytes);
    return HOLOGRAM_OK;
}

hologram_status hg_client_put_ping(hologram_client *client, hologram_ticket ticket)
{
    size_t bytes = envelope_bytes(client, ticket) + varint_bytes(PING_TAG) + 1;
    uint8_t *at = hg_client_put_frame(client, ticket, bytes, 0, 0);
    if (!at) {
        return client->error.status;
    }
    at = put_varint(put_envelope(at, client, ticket), PING_TAG);
    *at = 0;
    hg_client_queued(client, HG_CLIENT_HEADER_BYTES + bytes);
    return HOLOGRAM_OK;
}

hologram_status hg_client_step_execute(hologram_client *client, struct hg_client_bytes *steps,
                                       const hologram_call *call)
{
    hologram_status status = hg_client_check_call(client, call);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    struct execute_sizes sizes = measure_execute(call);
    uint8_t *at = hg_client_add_step(client, steps, 1 + varint_bytes(sizes.whole) + sizes.whole);
    if (!at) {
        return client->error.status;
    }
    (void)put_execute(at, BYTES(4u), call, &sizes);
    return HOLOGRAM_OK;
}

hologram_status hg_client_put_batch(hologram_client *client, hologram_ticket ticket,
                                    const struct hg_client_bytes *steps)
{
    size_t bytes = envelope_bytes(client, ticket) + varint_bytes(BATCH_TAG) +
                   varint_bytes(steps->size) + steps->size;
    uint8_t *at = hg_client_put_frame(client, ticket, bytes, 0, 0);
    if (!at) {
        return client->error.status;
    }
    at = put_varint(put_envelope(at, client, ticket), BATCH_TAG);
    at = put_varint(at, steps->size);
    if (steps->size > 0) {
        memcpy(at, steps->data, steps->size);
    }
    hg_client_queued(client, HG_CLIENT_HEADER_BYTES + bytes);
    return HOLOGRAM_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What an answer becomes: the generated structs, so that whoever takes it need not know how it was
 * decoded. */
struct answer {
    Hologram__V1__Response response;
    Hologram__V1__ExecuteResult execute;
    Hologram__V1__BatchResult batch;
    Hologram__V1__RunGraphResult run_graph;
};

bool hg_client_take_hot_execution(hologram_client *client, struct span span,
                                  Hologram__V1__ExecuteResult *result)
{
    hologram__v1__execute_result__init(result);
    while (span.at < span.end) {
        bool taken = false;
        switch (*span.at++) {
        case BYTES(1u):
            taken = take_text(client, &span, &result->cache);
            break;
        case BYTES(2u):
            taken = take_text(client, &span, &result->outcome);
            break;
        case VARINT(3u):
            taken = take_varint(&span, &result->queue_ns, VARINT_BYTES_MAX);
            break;
        case VARINT(4u):
            taken = take_varint(&span, &result->lookup_ns, VARINT_BYTES_MAX);
            break;
        case VARINT(5u):
            taken = take_varint(&span, &result->build_ns, VARINT_BYTES_MAX);
            break;
        case VARINT(6u):
            taken = take_varint(&span, &result->run_ns, VARINT_BYTES_MAX);
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

static bool take_batch(struct span span, Hologram__V1__BatchResult *result)
{
    uint64_t completed = 0;
    hologram__v1__batch_result__init(result);
    while (span.at < span.end) {
        if (*span.at++ != VARINT(1u) || !take_varint(&span, &completed, VARINT_BYTES_MAX)) {
            return false;
        }
    }
    result->completed = (uint32_t)completed;
    return true;
}

/* Behind the varint at AT, or NULL if there is none. */
static inline const uint8_t *skip_varint(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *last = end - at > (ptrdiff_t)VARINT_BYTES_MAX ? at + VARINT_BYTES_MAX : end;
    while (at < last && *at >= 0x80) {
        at++;
    }
    return at < last ? at + 1 : NULL;
}

/* True if these are the fields of an ExecuteResult and nothing else, with short texts. */
static bool is_execution(const uint8_t *at, const uint8_t *end)
{
    while (at && end - at >= 2) {
        uint32_t tag = *at++;
        if (tag == BYTES(1u) || tag == BYTES(2u)) {
            size_t length = *at++;
            at = length < 0x80 && length <= (size_t)(end - at) ? at + length : NULL;
        } else {
            bool is_number = tag >= VARINT(3u) && tag <= VARINT(6u) && (tag & 7u) == 0;
            at = is_number ? skip_varint(at, end) : NULL;
        }
    }
    return at == end;
}

bool hg_client_glance(const uint8_t *message, size_t bytes, uint64_t *id, bool *is_execute)
{
    struct span span = {message, message + bytes};
    if (bytes < 2 || *span.at++ != VARINT(1u) || !take_varint(&span, id, VARINT_BYTES_MAX)) {
        return false;
    }
    const uint8_t *at = span.at;
    *is_execute = at < span.end;
    return !*is_execute || (span.end - at >= 2 && at[0] == EXECUTE_TAG && at[1] < 0x80 &&
                            at[1] == span.end - at - 2 && is_execution(at + 2, span.end));
}

/* The one body that there may be. */
static bool take_body(hologram_client *client, struct span *span, uint64_t tag,
                      struct answer *answer)
{
    struct span body;
    Hologram__V1__Response *response = &answer->response;
    if (response->body_case != HOLOGRAM__V1__RESPONSE__BODY__NOT_SET ||
        (tag != EXECUTE_TAG && tag != BATCH_TAG && tag != RUN_GRAPH_TAG) ||
        !take_bytes(span, &body)) {
        return false;
    }
    if (tag == EXECUTE_TAG) {
        response->body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
        response->execute = &answer->execute;
        return hg_client_take_hot_execution(client, body, &answer->execute);
    }
    if (tag == RUN_GRAPH_TAG) {
        response->body_case = HOLOGRAM__V1__RESPONSE__BODY_RUN_GRAPH;
        response->run_graph = &answer->run_graph;
        return hg_client_take_hot_run(client, body, &answer->run_graph, &answer->execute);
    }
    response->body_case = HOLOGRAM__V1__RESPONSE__BODY_BATCH;
    response->batch = &answer->batch;
    return take_batch(body, &answer->batch);
}

bool hg_client_decode_hot(hologram_client *client, const uint8_t *message, size_t bytes,
                          struct hg_client_reply *reply)
{
    struct span span = {message, message + bytes};
    struct answer *answer = hg_client_arena_alloc(&client->arena, sizeof *answer);
    if (!answer) {
        return false;
    }
    hologram__v1__response__init(&answer->response);
    while (span.at < span.end) {
        uint64_t tag = 0;
        bool taken = take_varint(&span, &tag, 2);
        taken =
            taken && (tag == VARINT(1u) ? take_varint(&span, &answer->response.id, VARINT_BYTES_MAX)
                                        : take_body(client, &span, tag, answer));
        if (!taken) {
            return false;
        }
    }
    *reply = (struct hg_client_reply){.id = answer->response.id,
                                      .status = HOLOGRAM_OK,
                                      .message = "",
                                      .detail = "",
                                      .response = &answer->response};
    return true;
}
