/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes replies. */
#include "daemon/codec.h"

#include "daemon/codec_cache.h"
#include "daemon/codec_encoder.h"
#include "daemon/codec_graph.h"
#include "daemon/codec_hot.h"
#include "daemon/codec_protobuf.h"
#include "lib/base/check.h"

static Hologram__V1__Status wire_status(const struct hg_error *error)
{
    Hologram__V1__Status status = HOLOGRAM__V1__STATUS__INIT;
    status.code = (uint32_t)error->status;
    status.message = hg_codec_borrow(error->message);
    status.detail = hg_codec_borrow(error->detail);
    return status;
}

static void fill_buffer(const struct hg_buffer_info *info, Hologram__V1__BufferInfo *wire)
{
    union {
        const uint64_t *in;
        uint64_t *out;
    } shape = {.in = info->spec.shape};
    static const Hologram__V1__Pool pools[HG_POOL_KIND_COUNT] = {
        [HG_POOL_HEAP] = HOLOGRAM__V1__POOL__HEAP,
        [HG_POOL_BOUNDARY] = HOLOGRAM__V1__POOL__BOUNDARY,
        [HG_POOL_SHARED] = HOLOGRAM__V1__POOL__SHARED,
    };
    hologram__v1__buffer_info__init(wire);
    wire->id = info->id;
    wire->dtype = hg_codec_wire_dtype(info->spec.dtype);
    wire->n_shape = info->spec.rank;
    wire->shape = shape.out;
    wire->pool = pools[info->spec.pool];
    wire->bytes = info->bytes;
    wire->name = hg_codec_borrow(info->name);
    wire->boundary_class = info->boundary_class > 0 ? (uint32_t)info->boundary_class : 0;
    wire->constant = info->constant;
}

static enum hg_status put(const Hologram__V1__Response *response, hg_codec_reserve_fn *reserve,
                          void *context)
{
    uint8_t *out = reserve(context, hologram__v1__response__get_packed_size(response));
    if (out == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__response__pack(response, out);
    return HG_OK;
}

enum hg_status hg_codec_finish(struct hg_encoder *encoder)
{
    enum hg_status status = put(&encoder->response, encoder->reserve, encoder->context);
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY__NOT_SET;
    encoder->response.hello = NULL; /* one member of the union of all bodies */
    return status;
}

static enum hg_status encode_hello(struct hg_encoder *encoder)
{
    static const char *const features[] = {
        "batch",         "cancel",   "constant-buffers", "deadline",      "graphs",
        "named-buffers", "prepared", "programs",         "shared-memory", "streams"};
    const struct hg_hello_reply *hello = &encoder->reply->hello;
    char *names[HG_ARRAY_COUNT(features)];
    for (size_t i = 0; i < HG_ARRAY_COUNT(features); i++) {
        names[i] = hg_codec_borrow(features[i]);
    }
    Hologram__V1__Limits limits = HOLOGRAM__V1__LIMITS__INIT;
    limits.message_bytes_max = hello->message_bytes_max;
    limits.payload_bytes_max = hello->payload_bytes_max;
    limits.requests_in_flight_max = hello->requests_in_flight_max;
    limits.buffers_max = hello->buffers_max;
    limits.memory_bytes_max = hello->memory_bytes_max;
    limits.boundary_classes_max = hello->boundary_classes_max;
    limits.batch_steps_max = hello->batch_steps_max;
    limits.streams_max = hello->streams_max;
    Hologram__V1__HelloResult result = HOLOGRAM__V1__HELLO_RESULT__INIT;
    result.protocol_version = hello->version;
    result.server_version = hg_codec_borrow(HG_VERSION);
    result.n_features = HG_ARRAY_COUNT(features);
    result.features = names;
    result.limits = &limits;
    result.session_id = hello->session_id;
    result.admin = hello->admin;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_HELLO;
    encoder->response.hello = &result;
    return hg_codec_finish(encoder);
}

static enum hg_status encode_buffer(struct hg_encoder *encoder)
{
    Hologram__V1__BufferInfo buffer;
    Hologram__V1__AllocResult alloc = HOLOGRAM__V1__ALLOC_RESULT__INIT;
    Hologram__V1__OpenResult open = HOLOGRAM__V1__OPEN_RESULT__INIT;
    fill_buffer(&encoder->reply->buffer, &buffer);
    if (encoder->reply->kind == HG_REQUEST_ALLOC) {
        alloc.buffer = &buffer;
        alloc.descriptor = encoder->reply->descriptor;
        encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_ALLOC;
        encoder->response.alloc = &alloc;
    } else {
        open.buffer = &buffer;
        open.descriptor = encoder->reply->descriptor;
        encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_OPEN;
        encoder->response.open = &open;
    }
    return hg_codec_finish(encoder);
}

static enum hg_status encode_read(struct hg_encoder *encoder)
{
    struct hg_buffer_spec spec = encoder->reply->read.spec;
    Hologram__V1__ReadResult result = HOLOGRAM__V1__READ_RESULT__INIT;
    result.length = encoder->reply->read.length;
    result.dtype = hg_codec_wire_dtype(spec.dtype);
    result.n_shape = spec.rank;
    result.shape = spec.shape;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_READ;
    encoder->response.read = &result;
    return hg_codec_finish(encoder);
}

static enum hg_status encode_execute(struct hg_encoder *encoder)
{
    const struct hg_execute_reply *execute = &encoder->reply->execute;
    Hologram__V1__ExecuteResult result = HOLOGRAM__V1__EXECUTE_RESULT__INIT;
    result.cache = hg_codec_borrow(execute->cache);
    result.outcome = hg_codec_borrow(execute->outcome);
    result.queue_ns = execute->queue_ns;
    result.lookup_ns = execute->lookup_ns;
    result.build_ns = execute->build_ns;
    result.run_ns = execute->run_ns;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
    encoder->response.execute = &result;
    return hg_codec_finish(encoder);
}

static enum hg_status encode_prepare(struct hg_encoder *encoder)
{
    Hologram__V1__PrepareResult result = HOLOGRAM__V1__PREPARE_RESULT__INIT;
    result.handle = encoder->reply->handle;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_PREPARE;
    encoder->response.prepare = &result;
    return hg_codec_finish(encoder);
}

static enum hg_status encode_cache(struct hg_encoder *encoder)
{
    const enum hg_status status =
        hg_codec_fill_cache(encoder->reply, encoder->arena, &encoder->response);
    return status == HG_OK ? hg_codec_finish(encoder) : status;
}

static enum hg_status encode_graph(struct hg_encoder *encoder)
{
    const enum hg_status status =
        hg_codec_fill_graph(encoder->reply, encoder->arena, &encoder->response);
    return status == HG_OK ? hg_codec_finish(encoder) : status;
}

static enum hg_status encode_batch(struct hg_encoder *encoder)
{
    const struct hg_batch_reply *batch = &encoder->reply->batch;
    Hologram__V1__BatchResult result = HOLOGRAM__V1__BATCH_RESULT__INIT;
    Hologram__V1__Status failed = wire_status(&batch->failed);
    result.completed = batch->completed;
    result.failed = batch->failed.status != HG_OK ? &failed : NULL;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_BATCH;
    encoder->response.batch = &result;
    return hg_codec_finish(encoder);
}

static enum hg_status encode_load(struct hg_encoder *encoder)
{
    const struct hg_code_facts *facts = &encoder->reply->facts;
    Hologram__V1__LoadProgramResult result = HOLOGRAM__V1__LOAD_PROGRAM_RESULT__INIT;
    result.instructions = facts->insn_count;
    result.slots = facts->slot_count;
    result.block = facts->block_lanes;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_LOAD_PROGRAM;
    encoder->response.load_program = &result;
    return hg_codec_finish(encoder);
}

static enum hg_status encode_buffers(struct hg_encoder *encoder)
{
    const struct hg_list_reply *list = &encoder->reply->list;
    struct {
        Hologram__V1__ListedBuffer listed;
        Hologram__V1__BufferInfo buffer;
    } *wire = hg_arena_alloc(encoder->arena, list->count * sizeof(*wire));
    Hologram__V1__ListedBuffer **rows =
        hg_arena_alloc(encoder->arena, list->count * sizeof(Hologram__V1__ListedBuffer *));
    if (wire == NULL || rows == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct hg_buffer_info *info = &list->buffers[i];
        fill_buffer(info, &wire[i].buffer);
        hologram__v1__listed_buffer__init(&wire[i].listed);
        wire[i].listed.buffer = &wire[i].buffer;
        wire[i].listed.uid = info->uid;
        wire[i].listed.gid = info->gid;
        wire[i].listed.mode = info->mode;
        wire[i].listed.session_id = info->session_id;
        rows[i] = &wire[i].listed;
    }
    Hologram__V1__ListBuffersResult result = HOLOGRAM__V1__LIST_BUFFERS_RESULT__INIT;
    result.n_buffers = list->count;
    result.buffers = rows;
    result.truncated = list->truncated;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_LIST_BUFFERS;
    encoder->response.list_buffers = &result;
    return hg_codec_finish(encoder);
}

enum hg_status hg_codec_encode_general(const struct hg_reply *reply, struct hg_arena *arena,
                                       hg_codec_reserve_fn *reserve, void *context)
{
    struct hg_encoder encoder = {
        .reply = reply, .arena = arena, .reserve = reserve, .context = context};
    Hologram__V1__Status status;
    hologram__v1__response__init(&encoder.response);
    encoder.response.id = reply->id;
    if (reply->error.status != HG_OK) {
        status = wire_status(&reply->error);
        encoder.response.status = &status;
    }
    switch (reply->kind) {
    case HG_REQUEST_HELLO:
        return encode_hello(&encoder);
    case HG_REQUEST_ALLOC:
    case HG_REQUEST_OPEN:
        return encode_buffer(&encoder);
    case HG_REQUEST_READ:
        return encode_read(&encoder);
    case HG_REQUEST_EXECUTE:
    case HG_REQUEST_RUN_PROGRAM:
        return encode_execute(&encoder);
    case HG_REQUEST_CACHE_PROFILE:
    case HG_REQUEST_CACHE_LIST:
    case HG_REQUEST_CACHE_TOP:
    case HG_REQUEST_CACHE_SHOW:
    case HG_REQUEST_CACHE_FLUSH:
    case HG_REQUEST_CACHE_WHAT_IF:
        return encode_cache(&encoder);
    case HG_REQUEST_LOAD_GRAPH:
    case HG_REQUEST_RUN_GRAPH:
    case HG_REQUEST_EXPLAIN_GRAPH:
    case HG_REQUEST_LIST_GRAPHS:
        return encode_graph(&encoder);
    case HG_REQUEST_PREPARE:
        return encode_prepare(&encoder);
    case HG_REQUEST_BATCH:
        return encode_batch(&encoder);
    case HG_REQUEST_LOAD_PROGRAM:
        return encode_load(&encoder);
    case HG_REQUEST_LIST_BUFFERS:
        return encode_buffers(&encoder);
    case HG_REQUEST_STATS:
        return hg_codec_encode_stats(&encoder);
    case HG_REQUEST_LIST_OPS:
        return hg_codec_encode_ops(&encoder);
    default:
        return hg_codec_finish(&encoder);
    }
}

enum hg_status hg_codec_encode(const struct hg_reply *reply, struct hg_arena *arena,
                               hg_codec_reserve_fn *reserve, void *context)
{
    return hg_codec_is_hot(reply) ? hg_codec_encode_hot(reply, reserve, context)
                                  : hg_codec_encode_general(reply, arena, reserve, context);
}
