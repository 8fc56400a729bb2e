/* SPDX-License-Identifier: Apache-2.0 */
/* Replies from bytes, and results from replies. A reply lies in the client's arena until the next
 * one comes. */
#include <string.h>

#include "client/lib/codec.h"
#include "proto/hologram/v1/hologram.pb-c.h"

#define BODY(type) HOLOGRAM__V1__RESPONSE__BODY_##type

static void *unpack_alloc(void *arena, size_t size)
{
    return hg_client_arena_alloc(arena, size);
}

/* The arena frees everything at once. */
static void unpack_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

static hologram_status status_of(const Hologram__V1__Status *status)
{
    if (!status) {
        return HOLOGRAM_OK;
    }
    return status->code <= HOLOGRAM_UNAUTHENTICATED ? (hologram_status)status->code
                                                    : HOLOGRAM_UNKNOWN;
}

hologram_status hg_client_decode(hologram_client *client, const uint8_t *message, size_t bytes,
                                 struct hg_client_reply *reply)
{
    hg_client_arena_reset(&client->arena);
    if (hg_client_decode_hot(client, message, bytes, reply)) {
        return HOLOGRAM_OK;
    }
    hg_client_arena_reset(&client->arena);
    ProtobufCAllocator allocator = {unpack_alloc, unpack_free, &client->arena};
    Hologram__V1__Response *response = hologram__v1__response__unpack(&allocator, bytes, message);
    if (!response) {
        return client->arena.failed
                   ? hg_client_break(client, HOLOGRAM_RESOURCE_EXHAUSTED,
                                     "out of memory for an answer of %zu bytes", bytes)
                   : hg_client_break(client, HOLOGRAM_INTERNAL,
                                     "expected a response, got %zu bytes that are none", bytes);
    }
    reply->id = response->id;
    reply->status = status_of(response->status);
    reply->message = response->status ? response->status->message : "";
    reply->detail = response->status ? response->status->detail : "";
    reply->response = response;
    reply->has_fd = (response->body_case == BODY(ALLOC) && response->alloc->descriptor) ||
                    (response->body_case == BODY(OPEN) && response->open->descriptor);
    return HOLOGRAM_OK;
}

hologram_status hg_client_expect(const struct hg_client_reply *reply,
                                 Hologram__V1__Response__BodyCase type,
                                 const Hologram__V1__Response **response, hologram_error *error)
{
    if (reply->status != HOLOGRAM_OK) {
        return reply->status;
    }
    *response = reply->response;
    if ((*response)->body_case != type) {
        return hg_client_error(error, HOLOGRAM_INTERNAL,
                               "expected an answer of kind %d from the server, got kind %d",
                               (int)type, (int)(*response)->body_case);
    }
    return HOLOGRAM_OK;
}

/* ---- small results --------------------------------------------------------------------------- */

hologram_status hg_client_take_hello(hologram_client *client, const struct hg_client_reply *reply,
                                     void *result, hologram_error *error)
{
    (void)result;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(HELLO), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__HelloResult *hello = response->hello;
    if (hello->protocol_version != HG_CLIENT_PROTOCOL_VERSION) {
        return hg_client_error(error, HOLOGRAM_UNIMPLEMENTED,
                               "the server speaks version %u of the protocol, this library %u",
                               hello->protocol_version, HG_CLIENT_PROTOCOL_VERSION);
    }
    hologram_server_info *server = &client->server;
    server->protocol_version = hello->protocol_version;
    server->admin = hello->admin;
    server->session_id = hello->session_id;
    server->version = hello->server_version;
    server->features = (const char *const *)hello->features;
    server->feature_count = (uint32_t)hello->n_features;
    if (hello->limits) {
        server->requests_in_flight_max = hello->limits->requests_in_flight_max;
        server->message_bytes_max = hello->limits->message_bytes_max;
        server->payload_bytes_max = hello->limits->payload_bytes_max;
        server->memory_bytes_max = hello->limits->memory_bytes_max;
        server->buffers_max = hello->limits->buffers_max;
        server->boundary_classes_max = hello->limits->boundary_classes_max;
        server->batch_steps_max = hello->limits->batch_steps_max;
        server->streams_max = hello->limits->streams_max;
    }
    client->hello_arena = client->arena;
    client->arena = (struct hg_client_arena){0};
    return HOLOGRAM_OK;
}

hologram_status hg_client_fill_info(const Hologram__V1__BufferInfo *from,
                                    hologram_buffer_info *info, hologram_error *error)
{
    if (!from || hologram_dtype_bytes((hologram_dtype)from->dtype) == 0 ||
        from->n_shape > HOLOGRAM_RANK_MAX) {
        return hg_client_error(error, HOLOGRAM_INTERNAL, "the server describes a buffer of %s",
                               !from                               ? "which it says nothing"
                               : from->n_shape > HOLOGRAM_RANK_MAX ? "too many dimensions"
                                                                   : "unknown type");
    }
    *info = (hologram_buffer_info){.buffer = from->id,
                                   .spec.dtype = (hologram_dtype)from->dtype,
                                   .spec.rank = (uint32_t)from->n_shape,
                                   .spec.pool = (hologram_pool)from->pool,
                                   .bytes = from->bytes,
                                   .boundary_class = from->boundary_class,
                                   .constant = from->constant != 0};
    for (size_t i = 0; i < from->n_shape; i++) {
        info->spec.shape[i] = from->shape[i];
    }
    hg_client_copy_text(info->name, sizeof info->name, from->name);
    return HOLOGRAM_OK;
}

static hologram_status take_info(const Hologram__V1__BufferInfo *from, hologram_buffer_info *to,
                                 hologram_error *error)
{
    hologram_buffer_info info;
    hologram_status status = hg_client_fill_info(from, &info, error);
    if (status == HOLOGRAM_OK && to) {
        *to = info;
    }
    return status;
}

hologram_status hg_client_take_alloc(hologram_client *client, const struct hg_client_reply *reply,
                                     void *result, hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(ALLOC), &response, error);
    return status == HOLOGRAM_OK ? take_info(response->alloc->buffer, result, error) : status;
}

hologram_status hg_client_take_open(hologram_client *client, const struct hg_client_reply *reply,
                                    void *result, hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(OPEN), &response, error);
    return status == HOLOGRAM_OK ? take_info(response->open->buffer, result, error) : status;
}

/* The size that its type and shape give; false if there is none. */
static bool bytes_of(const hologram_buffer_spec *spec, uint64_t *bytes)
{
    uint64_t product = hologram_dtype_bytes(spec->dtype);
    bool empty = false;
    for (uint32_t i = 0; i < spec->rank; i++) {
        empty = empty || spec->shape[i] == 0;
    }
    for (uint32_t i = 0; i < spec->rank && !empty; i++) {
        if (__builtin_mul_overflow(product, spec->shape[i], &product)) {
            return false;
        }
    }
    *bytes = empty ? 0 : product;
    return true;
}

/* Callers use as much memory as type and shape give: no less may be mapped. */
static hologram_status check_mapped(const struct hg_client_mapped *mapped, hologram_error *error)
{
    const hologram_buffer_spec *got = &mapped->info.spec;
    const hologram_buffer_spec *expected = mapped->expected ? mapped->expected : got;
    uint64_t bytes;
    if (got->dtype != expected->dtype || got->rank != expected->rank ||
        memcmp(got->shape, expected->shape, got->rank * sizeof got->shape[0]) != 0) {
        return hg_client_error(error, HOLOGRAM_INTERNAL,
                               "the server made a buffer of another type or shape");
    }
    if (!bytes_of(got, &bytes) || bytes != mapped->info.bytes) {
        return hg_client_error(error, HOLOGRAM_INTERNAL,
                               "the server says that a buffer has %llu bytes, which its type and "
                               "shape do not give",
                               (unsigned long long)mapped->info.bytes);
    }
    return HOLOGRAM_OK;
}

static hologram_status take_mapped(hologram_client *client, hg_client_take_fn *take,
                                   const struct hg_client_reply *reply,
                                   struct hg_client_mapped *mapped, hologram_error *error)
{
    hologram_status status = take(client, reply, &mapped->info, error);
    if (status == HOLOGRAM_OK && client->reply_fd >= 0) {
        status = check_mapped(mapped, error);
    }
    if (status == HOLOGRAM_OK && client->reply_fd >= 0) {
        status =
            hg_client_map(client, mapped->info.bytes, mapped->writable, &mapped->memory, error);
    }
    return status;
}

hologram_status hg_client_take_alloc_mapped(hologram_client *client,
                                            const struct hg_client_reply *reply, void *result,
                                            hologram_error *error)
{
    hologram_status status = take_mapped(client, hg_client_take_alloc, reply, result, error);
    if (status == HOLOGRAM_OK && client->reply_fd < 0) {
        return hg_client_error(error, HOLOGRAM_INTERNAL,
                               "the server gave no descriptor of the buffer's memory");
    }
    return status;
}

hologram_status hg_client_take_open_mapped(hologram_client *client,
                                           const struct hg_client_reply *reply, void *result,
                                           hologram_error *error)
{
    return take_mapped(client, hg_client_take_open, reply, result, error);
}

hologram_status hg_client_take_execution(hologram_client *client,
                                         const struct hg_client_reply *reply, void *result,
                                         hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(EXECUTE), &response, error);
    if (status != HOLOGRAM_OK || !result) {
        return status;
    }
    const Hologram__V1__ExecuteResult *from = response->execute;
    hologram_execution *to = result;
    hg_client_copy_text(to->cache, sizeof to->cache, from->cache);
    hg_client_copy_text(to->outcome, sizeof to->outcome, from->outcome);
    to->queue_ns = from->queue_ns;
    to->lookup_ns = from->lookup_ns;
    to->build_ns = from->build_ns;
    to->run_ns = from->run_ns;
    return HOLOGRAM_OK;
}

/* A batch that failed says so in its own body, in the reply's status, or in both. */
hologram_status hg_client_take_batch(hologram_client *client, const struct hg_client_reply *reply,
                                     void *result, hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response = reply->response;
    uint32_t *completed = result;
    if (response->body_case != BODY(BATCH)) {
        if (completed && reply->status != HOLOGRAM_OK) {
            *completed = 0;
        }
        return hg_client_expect(reply, BODY(BATCH), &response, error);
    }
    if (completed) {
        *completed = response->batch->completed;
    }
    if (reply->status != HOLOGRAM_OK) {
        return reply->status;
    }
    const Hologram__V1__Status *failed = response->batch->failed;
    hologram_status status = status_of(failed);
    if (status != HOLOGRAM_OK) {
        error->status = status;
        hg_client_copy_text(error->message, sizeof error->message, failed->message);
        hg_client_copy_text(error->detail, sizeof error->detail, failed->detail);
    }
    return status;
}

hologram_status hg_client_take_program(hologram_client *client, const struct hg_client_reply *reply,
                                       void *result, hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(LOAD_PROGRAM), &response, error);
    if (status != HOLOGRAM_OK || !result) {
        return status;
    }
    hologram_program_info *to = result;
    to->instructions = response->load_program->instructions;
    to->slots = response->load_program->slots;
    to->block = response->load_program->block;
    return HOLOGRAM_OK;
}

hologram_status hg_client_take_handle(hologram_client *client, const struct hg_client_reply *reply,
                                      void *result, hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(PREPARE), &response, error);
    if (status == HOLOGRAM_OK) {
        *(uint64_t *)result = response->prepare->handle;
    }
    return status;
}
