/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared operations as bytes. What is to be prepared is packed once, as a request without an
 * address, because it may have to be said again; protobuf makes one message of an address and it.
 */
#include <stdlib.h>
#include <string.h>

#include "client/lib/codec.h"
#include "client/lib/codec_put.h"

#define BODY(type) HOLOGRAM__V1__REQUEST__BODY_##type

typedef Hologram__V1__Request request;

static hologram_status check_pattern(hologram_client *client, const hologram_pattern *pattern)
{
    if (!pattern->op) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT, "prepare: no operation is named");
    }
    if (pattern->attribute_count > HG_CLIENT_ATTRIBUTES_MAX) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "prepare %s: expected at most %u attributes, got %u", pattern->op,
                              HG_CLIENT_ATTRIBUTES_MAX, pattern->attribute_count);
    }
    if (pattern->operand_count > HG_CLIENT_OPERANDS_MAX) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "prepare %s: expected at most %u operands, got %u", pattern->op,
                              HG_CLIENT_OPERANDS_MAX, pattern->operand_count);
    }
    for (uint32_t i = 0; i < pattern->operand_count; i++) {
        if (pattern->operands[i].has_shape && pattern->operands[i].rank > HOLOGRAM_RANK_MAX) {
            return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                                  "prepare %s: operand %u: expected at most %d dimensions, got %u",
                                  pattern->op, i, HOLOGRAM_RANK_MAX, pattern->operands[i].rank);
        }
    }
    return HOLOGRAM_OK;
}

static Hologram__V1__OperandPattern operand_body(const hologram_operand *operand)
{
    Hologram__V1__OperandPattern body = HOLOGRAM__V1__OPERAND_PATTERN__INIT;
    body.dtype = (Hologram__V1__DType)operand->dtype;
    body.has_shape = operand->has_shape;
    body.n_shape = operand->has_shape ? operand->rank : 0;
    body.shape = (uint64_t *)operand->shape;
    return body;
}

static Hologram__V1__Attribute attribute_body(const hologram_attribute *attribute)
{
    Hologram__V1__Attribute body = HOLOGRAM__V1__ATTRIBUTE__INIT;
    body.name = (char *)(attribute->name ? attribute->name : "");
    body.bits = attribute->bits;
    return body;
}

static hologram_status pack(hologram_client *client, const request *message,
                            struct hg_client_bytes *bytes)
{
    size_t size = hologram__v1__request__get_packed_size(message);
    uint8_t *data = malloc(size);
    if (!data) {
        return hg_client_fail_memory(client);
    }
    hologram__v1__request__pack(message, data);
    *bytes = (struct hg_client_bytes){.data = data, .size = size, .capacity = size};
    return HOLOGRAM_OK;
}

hologram_status hg_client_pack_prepare(hologram_client *client, const hologram_pattern *pattern,
                                       struct hg_client_bytes *bytes)
{
    Hologram__V1__OperandPattern operands[HG_CLIENT_OPERANDS_MAX];
    Hologram__V1__OperandPattern *operand_pointers[HG_CLIENT_OPERANDS_MAX];
    Hologram__V1__Attribute attributes[HG_CLIENT_ATTRIBUTES_MAX];
    Hologram__V1__Attribute *attribute_pointers[HG_CLIENT_ATTRIBUTES_MAX];
    hologram_status status = check_pattern(client, pattern);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    for (uint32_t i = 0; i < pattern->operand_count; i++) {
        operands[i] = operand_body(&pattern->operands[i]);
        operand_pointers[i] = &operands[i];
    }
    for (uint32_t i = 0; i < pattern->attribute_count; i++) {
        attributes[i] = attribute_body(&pattern->attributes[i]);
        attribute_pointers[i] = &attributes[i];
    }
    Hologram__V1__Prepare body = HOLOGRAM__V1__PREPARE__INIT;
    body.op = (char *)pattern->op;
    body.n_operands = pattern->operand_count;
    body.operands = operand_pointers;
    body.n_attributes = pattern->attribute_count;
    body.attributes = attribute_pointers;
    request message = HOLOGRAM__V1__REQUEST__INIT;
    message.body_case = BODY(PREPARE);
    message.prepare = &body;
    return pack(client, &message, bytes);
}

hologram_status hg_client_put_prepare(hologram_client *client, hologram_ticket ticket,
                                      const struct hg_client_bytes *body)
{
    request address = HOLOGRAM__V1__REQUEST__INIT;
    hg_client_address(client, ticket, &address);
    size_t address_bytes = hologram__v1__request__get_packed_size(&address);
    size_t bytes = address_bytes + body->size;
    uint8_t *at = hg_client_put_frame(client, ticket, bytes, 0, 0);
    if (!at) {
        return client->error.status;
    }
    hologram__v1__request__pack(&address, at);
    memcpy(at + address_bytes, body->data, body->size);
    hg_client_queued(client, HG_CLIENT_HEADER_BYTES + bytes);
    return HOLOGRAM_OK;
}

/* ---- executing, without generated structs ---------------------------------------------------- */

#define EXECUTE_PREPARED_TAG BYTES(29u)

struct prepared_sizes {
    size_t inputs;
    size_t outputs;
    size_t whole;
};

static struct prepared_sizes measure(uint64_t handle, const hologram_prepared_call *call)
{
    struct prepared_sizes sizes = {
        .inputs = ids_bytes(call->inputs, call->input_count),
        .outputs = ids_bytes(call->outputs, call->output_count),
    };
    sizes.whole =
        fixed64_bytes(handle) + content_bytes(sizes.inputs) + content_bytes(sizes.outputs);
    return sizes;
}

static void put_prepared(uint8_t *at, uint64_t handle, const hologram_prepared_call *call,
                         const struct prepared_sizes *sizes)
{
    at = put_varint(at, sizes->whole);
    at = put_fixed64(at, FIXED64(1u), handle);
    at = put_ids(at, BYTES(2u), sizes->inputs, call->inputs, call->input_count);
    (void)put_ids(at, BYTES(3u), sizes->outputs, call->outputs, call->output_count);
}

/* In one pass. False, and nothing happened, if it is too long or there is no room. */
static bool quick_prepared(hologram_client *client, hologram_ticket ticket, uint64_t handle,
                           const hologram_prepared_call *call)
{
    size_t bound = 1 + sizeof handle + ids_bound(call->input_count) + ids_bound(call->output_count);
    uint8_t *at = bound <= QUICK_BYTES_MAX ? quick_room(client) : NULL;
    if (!at) {
        return false;
    }
    at = put_varint(put_envelope(at, client, ticket), EXECUTE_PREPARED_TAG);
    uint8_t *length = at++;
    at = put_fixed64(at, FIXED64(1u), handle);
    at = quick_ids(at, BYTES(2u), call->inputs, call->input_count);
    at = quick_ids(at, BYTES(3u), call->outputs, call->output_count);
    *length = (uint8_t)(at - length - 1);
    quick_queued(client, at);
    return true;
}

hologram_status hg_client_put_execute_prepared(hologram_client *client, hologram_ticket ticket,
                                               uint64_t handle, const hologram_prepared_call *call)
{
    if (quick_prepared(client, ticket, handle, call)) {
        return HOLOGRAM_OK;
    }
    struct prepared_sizes sizes = measure(handle, call);
    size_t bytes = envelope_bytes(client, ticket) + varint_bytes(EXECUTE_PREPARED_TAG) +
                   varint_bytes(sizes.whole) + sizes.whole;
    uint8_t *at = hg_client_put_frame(client, ticket, bytes, 0, 0);
    if (!at) {
        return client->error.status;
    }
    at = put_varint(put_envelope(at, client, ticket), EXECUTE_PREPARED_TAG);
    put_prepared(at, handle, call, &sizes);
    hg_client_queued(client, HG_CLIENT_HEADER_BYTES + bytes);
    return HOLOGRAM_OK;
}

hologram_status hg_client_step_execute_prepared(hologram_client *client,
                                                struct hg_client_bytes *steps, uint64_t handle,
                                                const hologram_prepared_call *call)
{
    struct prepared_sizes sizes = measure(handle, call);
    uint8_t *at = hg_client_add_step(client, steps, 1 + varint_bytes(sizes.whole) + sizes.whole);
    if (!at) {
        return client->error.status;
    }
    *at++ = (uint8_t)BYTES(6u);
    put_prepared(at, handle, call, &sizes);
    return HOLOGRAM_OK;
}

hologram_status hg_client_put_unprepare(hologram_client *client, hologram_ticket ticket,
                                        uint64_t handle)
{
    Hologram__V1__Unprepare body = HOLOGRAM__V1__UNPREPARE__INIT;
    body.handle = handle;
    return hg_client_put_body(client, ticket, BODY(UNPREPARE), &body);
}
