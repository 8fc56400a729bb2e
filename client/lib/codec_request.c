/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as bytes. Messages are built on the stack from borrowed memory and packed straight into
 * the send queue, so that a request costs no allocation.
 */
#include <string.h>

#include "client/lib/codec.h"
#include "client/lib/codec_put.h"

typedef Hologram__V1__Request request;

#define BODY(type) HOLOGRAM__V1__REQUEST__BODY_##type

static size_t message_bytes_max(const hologram_client *client)
{
    uint64_t server = client->server.message_bytes_max;
    return server != 0 && server < HG_CLIENT_MESSAGE_BYTES_MAX ? (size_t)server
                                                               : HG_CLIENT_MESSAGE_BYTES_MAX;
}

hologram_status hg_client_check_size(hologram_client *client, size_t bytes)
{
    size_t max = message_bytes_max(client);
    if (bytes > max) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "the request is a message of %zu bytes, at most %zu are possible",
                              bytes, max);
    }
    return HOLOGRAM_OK;
}

void hg_client_address(const hologram_client *client, hologram_ticket ticket, request *message)
{
    message->id = ticket;
    message->stream = client->stream;
    message->timeout_us = client->timeout_us;
}

uint8_t *hg_client_put_frame(hologram_client *client, hologram_ticket ticket, size_t message_bytes,
                             uint64_t payload_bytes, size_t copy_bytes)
{
    if (hg_client_check_size(client, message_bytes) != HOLOGRAM_OK) {
        return NULL;
    }
    uint8_t *frame = hg_client_queue(client, HG_CLIENT_HEADER_BYTES + message_bytes + copy_bytes,
                                     hg_client_deadline(client, ticket));
    if (!frame) {
        return NULL;
    }
    put_header(frame, (uint32_t)message_bytes, payload_bytes);
    return frame + HG_CLIENT_HEADER_BYTES;
}

/* Queues MESSAGE and, copied behind it, COPY_BYTES bytes of payload of PAYLOAD_BYTES. */
static hologram_status put_payload(hologram_client *client, hologram_ticket ticket,
                                   request *message, const void *payload, size_t copy_bytes,
                                   uint64_t payload_bytes)
{
    hg_client_address(client, ticket, message);
    size_t bytes = hologram__v1__request__get_packed_size(message);
    uint8_t *at = hg_client_put_frame(client, ticket, bytes, payload_bytes, copy_bytes);
    if (!at) {
        return client->error.status;
    }
    hologram__v1__request__pack(message, at);
    if (copy_bytes > 0) {
        memcpy(at + bytes, payload, copy_bytes);
    }
    hg_client_queued(client, HG_CLIENT_HEADER_BYTES + bytes + copy_bytes);
    return HOLOGRAM_OK;
}

hologram_status hg_client_put_message(hologram_client *client, hologram_ticket ticket,
                                      request *message)
{
    return put_payload(client, ticket, message, NULL, 0, 0);
}

hologram_status hg_client_put_body(hologram_client *client, hologram_ticket ticket,
                                   Hologram__V1__Request__BodyCase type, void *body)
{
    request message = HOLOGRAM__V1__REQUEST__INIT;
    message.body_case = type;
    message.hello = body;
    return hg_client_put_message(client, ticket, &message);
}

/* ---- bodies that requests and steps share ---------------------------------------------------- */

Hologram__V1__Alloc hg_client_alloc_body(hologram_buffer buffer, const hologram_buffer_spec *spec)
{
    Hologram__V1__Alloc body = HOLOGRAM__V1__ALLOC__INIT;
    body.id = buffer;
    body.dtype = (Hologram__V1__DType)spec->dtype;
    body.n_shape = spec->rank;
    body.shape = (uint64_t *)spec->shape;
    body.pool = (Hologram__V1__Pool)spec->pool;
    body.boundary_fallback = spec->boundary_fallback
                                 ? HOLOGRAM__V1__BOUNDARY_FALLBACK__FALLBACK_HEAP
                                 : HOLOGRAM__V1__BOUNDARY_FALLBACK__FALLBACK_REFUSE;
    return body;
}

hologram_status hg_client_check_call(hologram_client *client, const hologram_call *call)
{
    if (!call->op) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT, "the call names no operation");
    }
    if (call->attribute_count > HG_CLIENT_ATTRIBUTES_MAX) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "%s: expected at most %u attributes, got %u", call->op,
                              HG_CLIENT_ATTRIBUTES_MAX, call->attribute_count);
    }
    return HOLOGRAM_OK;
}

Hologram__V1__RunProgram hg_client_run_body(const hologram_run *run)
{
    Hologram__V1__RunProgram body = HOLOGRAM__V1__RUN_PROGRAM__INIT;
    body.id = run->program;
    body.n_buffers = run->buffer_count;
    body.buffers = (uint64_t *)run->buffers;
    body.rows = run->rows;
    body.cols = run->cols;
    body.n_params = run->param_count;
    body.params = (uint64_t *)run->params;
    body.fuel = run->fuel;
    return body;
}

/* ---- requests -------------------------------------------------------------------------------- */

hologram_status hg_client_put_hello(hologram_client *client, hologram_ticket ticket,
                                    const char *name)
{
    Hologram__V1__Hello body = HOLOGRAM__V1__HELLO__INIT;
    body.protocol_version_min = HG_CLIENT_PROTOCOL_VERSION;
    body.protocol_version_max = HG_CLIENT_PROTOCOL_VERSION;
    body.client_name = (char *)name;
    return hg_client_put_body(client, ticket, BODY(HELLO), &body);
}

hologram_status hg_client_put_alloc(hologram_client *client, hologram_ticket ticket,
                                    hologram_buffer buffer, const hologram_buffer_spec *spec)
{
    Hologram__V1__Alloc body = hg_client_alloc_body(buffer, spec);
    return hg_client_put_body(client, ticket, BODY(ALLOC), &body);
}

hologram_status hg_client_put_expect(hologram_client *client, hologram_ticket ticket)
{
    Hologram__V1__ExpectDescriptors body = HOLOGRAM__V1__EXPECT_DESCRIPTORS__INIT;
    return hg_client_put_body(client, ticket, BODY(EXPECT_DESCRIPTORS), &body);
}

hologram_status hg_client_put_adopt(hologram_client *client, hologram_ticket ticket,
                                    hologram_buffer buffer, const hologram_buffer_spec *spec)
{
    Hologram__V1__Adopt body = HOLOGRAM__V1__ADOPT__INIT;
    body.id = buffer;
    body.dtype = (Hologram__V1__DType)spec->dtype;
    body.n_shape = spec->rank;
    body.shape = (uint64_t *)spec->shape;
    return hg_client_put_body(client, ticket, BODY(ADOPT), &body);
}

hologram_status hg_client_put_free(hologram_client *client, hologram_ticket ticket,
                                   hologram_buffer buffer)
{
    Hologram__V1__Free body = HOLOGRAM__V1__FREE__INIT;
    body.n_ids = 1;
    body.ids = &buffer;
    return hg_client_put_body(client, ticket, BODY(FREE), &body);
}

hologram_status hg_client_put_freeze(hologram_client *client, hologram_ticket ticket,
                                     hologram_buffer buffer)
{
    Hologram__V1__Freeze body = HOLOGRAM__V1__FREEZE__INIT;
    body.n_ids = 1;
    body.ids = &buffer;
    return hg_client_put_body(client, ticket, BODY(FREEZE), &body);
}

hologram_status hg_client_put_write(hologram_client *client, hologram_ticket ticket,
                                    hologram_buffer buffer, uint64_t offset, const void *data,
                                    uint64_t bytes)
{
    Hologram__V1__Write body = HOLOGRAM__V1__WRITE__INIT;
    body.id = buffer;
    body.offset = offset;
    request message = HOLOGRAM__V1__REQUEST__INIT;
    message.body_case = BODY(WRITE);
    message.write = &body;
    if (bytes <= HG_CLIENT_COPY_BYTES_MAX) {
        return put_payload(client, ticket, &message, data, (size_t)bytes, bytes);
    }
    hologram_status status = put_payload(client, ticket, &message, NULL, 0, bytes);
    if (status == HOLOGRAM_OK) {
        status = hg_client_send(client, data, bytes, hg_client_deadline(client, ticket));
    }
    return status;
}

hologram_status hg_client_put_read(hologram_client *client, hologram_ticket ticket,
                                   hologram_buffer buffer, uint64_t offset, uint64_t bytes)
{
    Hologram__V1__Read body = HOLOGRAM__V1__READ__INIT;
    body.id = buffer;
    body.offset = offset;
    body.length = bytes;
    return hg_client_put_body(client, ticket, BODY(READ), &body);
}

hologram_status hg_client_put_run(hologram_client *client, hologram_ticket ticket,
                                  const hologram_run *run)
{
    Hologram__V1__RunProgram body = hg_client_run_body(run);
    return hg_client_put_body(client, ticket, BODY(RUN_PROGRAM), &body);
}

hologram_status hg_client_put_load(hologram_client *client, hologram_ticket ticket,
                                   hologram_program program, const void *binary, size_t bytes)
{
    Hologram__V1__LoadProgram body = HOLOGRAM__V1__LOAD_PROGRAM__INIT;
    body.id = program;
    body.binary.len = bytes;
    body.binary.data = (uint8_t *)binary;
    return hg_client_put_body(client, ticket, BODY(LOAD_PROGRAM), &body);
}

hologram_status hg_client_put_unload(hologram_client *client, hologram_ticket ticket,
                                     hologram_program program)
{
    Hologram__V1__UnloadProgram body = HOLOGRAM__V1__UNLOAD_PROGRAM__INIT;
    body.id = program;
    return hg_client_put_body(client, ticket, BODY(UNLOAD_PROGRAM), &body);
}

hologram_status hg_client_put_publish(hologram_client *client, hologram_ticket ticket,
                                      hologram_buffer buffer, const char *name, uint32_t mode,
                                      uint32_t gid)
{
    Hologram__V1__Publish body = HOLOGRAM__V1__PUBLISH__INIT;
    body.id = buffer;
    body.name = (char *)name;
    body.mode = mode;
    body.has_gid = gid != HOLOGRAM_NO_GROUP;
    body.gid = body.has_gid ? gid : 0;
    return hg_client_put_body(client, ticket, BODY(PUBLISH), &body);
}

hologram_status hg_client_put_unpublish(hologram_client *client, hologram_ticket ticket,
                                        const char *name)
{
    Hologram__V1__Unpublish body = HOLOGRAM__V1__UNPUBLISH__INIT;
    body.name = (char *)name;
    return hg_client_put_body(client, ticket, BODY(UNPUBLISH), &body);
}

hologram_status hg_client_put_open(hologram_client *client, hologram_ticket ticket,
                                   const char *name, bool writable, hologram_buffer buffer)
{
    Hologram__V1__Open body = HOLOGRAM__V1__OPEN__INIT;
    body.name = (char *)name;
    body.id = buffer;
    body.writable = writable;
    return hg_client_put_body(client, ticket, BODY(OPEN), &body);
}

hologram_status hg_client_put_stats(hologram_client *client, hologram_ticket ticket)
{
    Hologram__V1__Stats body = HOLOGRAM__V1__STATS__INIT;
    return hg_client_put_body(client, ticket, BODY(STATS), &body);
}

hologram_status hg_client_put_list_ops(hologram_client *client, hologram_ticket ticket)
{
    Hologram__V1__ListOps body = HOLOGRAM__V1__LIST_OPS__INIT;
    return hg_client_put_body(client, ticket, BODY(LIST_OPS), &body);
}

hologram_status hg_client_put_list_buffers(hologram_client *client, hologram_ticket ticket,
                                           hologram_scope scope)
{
    Hologram__V1__ListBuffers body = HOLOGRAM__V1__LIST_BUFFERS__INIT;
    body.named = scope == HOLOGRAM_SCOPE_NAMED;
    body.all_sessions = scope == HOLOGRAM_SCOPE_ALL;
    return hg_client_put_body(client, ticket, BODY(LIST_BUFFERS), &body);
}

hologram_status hg_client_put_cancel(hologram_client *client, hologram_ticket ticket,
                                     hologram_ticket target)
{
    Hologram__V1__Cancel body = HOLOGRAM__V1__CANCEL__INIT;
    body.request_id = target;
    return hg_client_put_body(client, ticket, BODY(CANCEL), &body);
}
