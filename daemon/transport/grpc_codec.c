/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/grpc_codec.h"

#include "daemon/codec_protobuf.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

static enum hg_status unpack(const ProtobufCMessageDescriptor *descriptor, struct hg_bytes message,
                             struct hg_arena *arena, ProtobufCMessage **unpacked)
{
    struct hg_error error = HG_ERROR_INIT;
    return hg_codec_unpack(descriptor, message.data, message.size, arena, unpacked, &error);
}

static struct hg_bytes pack(const ProtobufCMessage *message, struct hg_arena *arena)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *out = hg_arena_alloc(arena, size + 1);
    if (out == NULL) {
        return (struct hg_bytes){0};
    }
    return (struct hg_bytes){out, protobuf_c_message_pack(message, out)};
}

/* ---- health -------------------------------------------------------------------------------------
 */

enum hg_status hg_grpc_decode_health(struct hg_bytes message, struct hg_arena *arena,
                                     const char **service)
{
    ProtobufCMessage *request;
    const enum hg_status status =
        unpack(&grpc__health__v1__health_check_request__descriptor, message, arena, &request);
    if (status == HG_OK) {
        *service = ((Grpc__Health__V1__HealthCheckRequest *)(void *)request)->service;
    }
    return status;
}

struct hg_bytes hg_grpc_encode_health(enum hg_health health, struct hg_arena *arena)
{
    static const Grpc__Health__V1__HealthCheckResponse__ServingStatus statuses[] = {
        [HG_HEALTH_SERVING] = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
        [HG_HEALTH_NOT_SERVING] =
            GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
        [HG_HEALTH_SERVICE_UNKNOWN] =
            GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
    };
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = statuses[health];
    return pack(&response.base, arena);
}

/* ---- reflection ---------------------------------------------------------------------------------
 */

typedef Grpc__Reflection__V1__ServerReflectionRequest request_message;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_message;

enum hg_status hg_grpc_decode_reflection(struct hg_bytes message, struct hg_arena *arena,
                                         struct hg_reflection *reflection)
{
    ProtobufCMessage *unpacked;
    const enum hg_status status = unpack(
        &grpc__reflection__v1__server_reflection_request__descriptor, message, arena, &unpacked);
    if (status != HG_OK) {
        return status;
    }
    request_message *request = (void *)unpacked;
    *reflection = (struct hg_reflection){.kind = HG_REFLECT_OTHER, .text = "", .request = request};
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        reflection->kind = HG_REFLECT_FILE;
        reflection->text = request->file_by_filename;
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        reflection->kind = HG_REFLECT_SYMBOL;
        reflection->text = request->file_containing_symbol;
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        reflection->kind = HG_REFLECT_EXTENSION;
        reflection->text = request->file_containing_extension->containing_type;
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        reflection->kind = HG_REFLECT_EXTENSIONS;
        reflection->text = request->all_extension_numbers_of_type;
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        reflection->kind = HG_REFLECT_SERVICES;
        break;
    default:
        break;
    }
    return HG_OK;
}

static response_message response_to(const struct hg_reflection *reflection)
{
    response_message response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    request_message *request = reflection->request;
    response.valid_host = request->host;
    response.original_request = request;
    return response;
}

struct hg_bytes hg_grpc_encode_files(const struct hg_reflection *reflection,
                                     const struct hg_bytes *files, size_t count,
                                     struct hg_arena *arena)
{
    Grpc__Reflection__V1__FileDescriptorResponse body =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    response_message response = response_to(reflection);
    ProtobufCBinaryData *pieces = hg_arena_alloc(arena, count * sizeof(*pieces));
    if (pieces == NULL) {
        return (struct hg_bytes){0};
    }
    for (size_t i = 0; i < count; i++) {
        union {
            const uint8_t *in;
            uint8_t *out;
        } cast = {.in = files[i].data};
        pieces[i] = (ProtobufCBinaryData){files[i].size, cast.out};
    }
    body.n_file_descriptor_proto = count;
    body.file_descriptor_proto = pieces;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &body;
    return pack(&response.base, arena);
}

struct hg_bytes hg_grpc_encode_services(const struct hg_reflection *reflection,
                                        const char *const *names, size_t count,
                                        struct hg_arena *arena)
{
    typedef Grpc__Reflection__V1__ServiceResponse service_message;
    Grpc__Reflection__V1__ListServiceResponse body =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    response_message response = response_to(reflection);
    service_message *services = hg_arena_alloc(arena, count * sizeof(*services));
    service_message **rows = hg_arena_alloc(arena, count * sizeof(service_message *));
    if (services == NULL || rows == NULL) {
        return (struct hg_bytes){0};
    }
    for (size_t i = 0; i < count; i++) {
        grpc__reflection__v1__service_response__init(&services[i]);
        services[i].name = hg_codec_borrow(names[i]);
        rows[i] = &services[i];
    }
    body.n_service = count;
    body.service = rows;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &body;
    return pack(&response.base, arena);
}

struct hg_bytes hg_grpc_encode_extensions(const struct hg_reflection *reflection,
                                          struct hg_arena *arena)
{
    Grpc__Reflection__V1__ExtensionNumberResponse body =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    response_message response = response_to(reflection);
    body.base_type_name = hg_codec_borrow(reflection->text);
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    response.all_extension_numbers_response = &body;
    return pack(&response.base, arena);
}

struct hg_bytes hg_grpc_encode_refusal(const struct hg_reflection *reflection,
                                       enum hg_status status, const char *text,
                                       struct hg_arena *arena)
{
    Grpc__Reflection__V1__ErrorResponse body = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    response_message response = response_to(reflection);
    body.error_code = (int32_t)status;
    body.error_message = hg_codec_borrow(text);
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &body;
    return pack(&response.base, arena);
}
