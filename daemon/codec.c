/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes requests: bounds first, then protobuf-c into the arena, then our own structs. */
#include "daemon/codec.h"

#include <string.h>

#include "daemon/codec_cache.h"
#include "daemon/codec_graph.h"
#include "daemon/codec_hot.h"
#include "daemon/codec_scan.h"
#include "daemon/limits.h"
#include "proto/hologram/v1/hologram.pb-c.h"

const char *hg_request_kind_name(enum hg_request_kind kind)
{
    static const char *const names[] = {
#define HG_REQUEST_KIND_NAME(name, label) [HG_REQUEST_##name] = label,
        HG_REQUEST_KINDS(HG_REQUEST_KIND_NAME)
#undef HG_REQUEST_KIND_NAME
    };
    return names[kind];
}

/* What protobuf-c allocates from; it only says that it failed, not why. */
struct unpack_memory {
    struct hg_arena *arena;
    bool exhausted;
};

static void *arena_alloc_cb(void *context, size_t size)
{
    struct unpack_memory *memory = context;
    void *block = hg_arena_alloc(memory->arena, size);
    memory->exhausted = memory->exhausted || block == NULL;
    return block;
}

/* The arena is reset as a whole. */
static void arena_free_cb(void *context, void *block)
{
    (void)context;
    (void)block;
}

static enum hg_status out_of_arena(struct hg_error *error)
{
    return hg_fail(error, HG_RESOURCE_EXHAUSTED, "request: out of memory");
}

static enum hg_status convert_dtype(const char *what, Hologram__V1__DType wire,
                                    enum hg_dtype *dtype, struct hg_error *error)
{
    if (wire == HOLOGRAM__V1__DTYPE__DTYPE_UNSPECIFIED) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%s: dtype: expected one, got none", what);
    }
    if ((int)wire < 0 || (int)wire > HG_DTYPE_COUNT) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%s: dtype: expected 1 to %d, got %d", what,
                       HG_DTYPE_COUNT, (int)wire);
    }
    *dtype = (enum hg_dtype)((int)wire - 1);
    return HG_OK;
}

static enum hg_status convert_shape(const char *what, const uint64_t *shape, size_t count,
                                    struct hg_buffer_spec *spec, struct hg_error *error)
{
    if (count > HG_RANK_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%s: shape: expected at most %d dimensions, got %zu", what, HG_RANK_MAX,
                       count);
    }
    spec->rank = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        spec->shape[i] = shape[i];
    }
    return HG_OK;
}

static enum hg_status convert_pool(Hologram__V1__Pool wire, enum hg_pool_kind *pool,
                                   struct hg_error *error)
{
    switch (wire) {
    case HOLOGRAM__V1__POOL__POOL_UNSPECIFIED:
    case HOLOGRAM__V1__POOL__HEAP:
        *pool = HG_POOL_HEAP;
        return HG_OK;
    case HOLOGRAM__V1__POOL__BOUNDARY:
        *pool = HG_POOL_BOUNDARY;
        return HG_OK;
    case HOLOGRAM__V1__POOL__SHARED:
        *pool = HG_POOL_SHARED;
        return HG_OK;
    default:
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "alloc: pool: expected HEAP, BOUNDARY or SHARED, got %d", (int)wire);
    }
}

static enum hg_status convert_alloc(const Hologram__V1__Alloc *wire, struct hg_alloc_args *args,
                                    struct hg_error *error)
{
    args->id = wire->id;
    args->spec = (struct hg_buffer_spec){.pool = HG_POOL_HEAP};
    if (convert_dtype("alloc", wire->dtype, &args->spec.dtype, error) != HG_OK ||
        convert_shape("alloc", wire->shape, wire->n_shape, &args->spec, error) != HG_OK ||
        convert_pool(wire->pool, &args->spec.pool, error) != HG_OK) {
        return error->status;
    }
    args->spec.boundary_fallback =
        wire->boundary_fallback == HOLOGRAM__V1__BOUNDARY_FALLBACK__FALLBACK_HEAP;
    return HG_OK;
}

static enum hg_status convert_adopt(const Hologram__V1__Adopt *wire, struct hg_alloc_args *args,
                                    struct hg_error *error)
{
    args->id = wire->id;
    args->spec = (struct hg_buffer_spec){.pool = HG_POOL_SHARED};
    if (convert_dtype("adopt", wire->dtype, &args->spec.dtype, error) != HG_OK) {
        return error->status;
    }
    return convert_shape("adopt", wire->shape, wire->n_shape, &args->spec, error);
}

/* Gives *ATTRIBUTES, NULL if there are none. */
static enum hg_status convert_attributes(Hologram__V1__Attribute *const *wire, size_t count,
                                         struct hg_arena *arena,
                                         const struct hg_named_attribute **attributes,
                                         struct hg_error *error)
{
    struct hg_named_attribute *items = NULL;
    if (count != 0) {
        items = hg_arena_alloc(arena, count * sizeof(*items));
        if (items == NULL) {
            return out_of_arena(error);
        }
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct hg_named_attribute){
            .name = wire[i]->name,
            .name_length = strlen(wire[i]->name),
            .bits = wire[i]->bits,
        };
    }
    *attributes = items;
    return HG_OK;
}

/* Ids and attributes beyond any operation's are refused by the engine, which names the op. */
static enum hg_status convert_execute(const Hologram__V1__Execute *wire, struct hg_arena *arena,
                                      struct hg_execute_request *request, struct hg_error *error)
{
    const struct hg_named_attribute *attributes;
    if (convert_attributes(wire->attributes, wire->n_attributes, arena, &attributes, error) !=
        HG_OK) {
        return error->status;
    }
    *request = (struct hg_execute_request){
        .op = wire->op,
        .op_length = strlen(wire->op),
        .inputs = wire->inputs,
        .input_count = (uint32_t)wire->n_inputs,
        .outputs = wire->outputs,
        .output_count = (uint32_t)wire->n_outputs,
        .attributes = attributes,
        .attribute_count = (uint32_t)wire->n_attributes,
    };
    return HG_OK;
}

static enum hg_status convert_pattern(const Hologram__V1__OperandPattern *wire,
                                      struct hg_operand_pattern *pattern, struct hg_error *error)
{
    struct hg_buffer_spec spec = {.rank = 0};
    if (convert_dtype("prepare", wire->dtype, &spec.dtype, error) != HG_OK ||
        convert_shape("prepare", wire->shape, wire->n_shape, &spec, error) != HG_OK) {
        return error->status;
    }
    *pattern = (struct hg_operand_pattern){
        .dtype = spec.dtype, .has_shape = wire->has_shape != 0, .rank = spec.rank};
    memcpy(pattern->shape, spec.shape, sizeof(pattern->shape));
    return HG_OK;
}

static enum hg_status convert_prepare(const Hologram__V1__Prepare *wire, struct hg_arena *arena,
                                      struct hg_prepare_request *request, struct hg_error *error)
{
    const struct hg_named_attribute *attributes;
    /* One more than none: an operation without operands is for the engine to refuse. */
    struct hg_operand_pattern *operands =
        hg_arena_alloc(arena, (wire->n_operands + 1) * sizeof(*operands));
    if (operands == NULL) {
        return out_of_arena(error);
    }
    for (size_t i = 0; i < wire->n_operands; i++) {
        if (convert_pattern(wire->operands[i], &operands[i], error) != HG_OK) {
            return error->status;
        }
    }
    if (convert_attributes(wire->attributes, wire->n_attributes, arena, &attributes, error) !=
        HG_OK) {
        return error->status;
    }
    *request = (struct hg_prepare_request){
        .op = wire->op,
        .op_length = strlen(wire->op),
        .operands = operands,
        .operand_count = (uint32_t)wire->n_operands,
        .attributes = attributes,
        .attribute_count = (uint32_t)wire->n_attributes,
    };
    return HG_OK;
}

static struct hg_execute_prepared_request
convert_execute_prepared(const Hologram__V1__ExecutePrepared *wire)
{
    return (struct hg_execute_prepared_request){
        .handle = wire->handle,
        .inputs = wire->inputs,
        .input_count = (uint32_t)wire->n_inputs,
        .outputs = wire->outputs,
        .output_count = (uint32_t)wire->n_outputs,
    };
}

static struct hg_bytes convert_bytes(const ProtobufCBinaryData *wire)
{
    return (struct hg_bytes){.data = wire->data, .size = wire->len};
}

static struct hg_write_args convert_write(const Hologram__V1__Write *wire)
{
    return (struct hg_write_args){
        .id = wire->id, .offset = wire->offset, .data = convert_bytes(&wire->data)};
}

static struct hg_run_request convert_run(const Hologram__V1__RunProgram *wire)
{
    return (struct hg_run_request){
        .program = wire->id,
        .buffers = wire->buffers,
        .buffer_count = (uint32_t)wire->n_buffers,
        .rows = wire->rows,
        .cols = wire->cols,
        .params = wire->params,
        .param_count = (uint32_t)wire->n_params,
        .fuel = wire->fuel,
    };
}

static enum hg_status convert_step(const Hologram__V1__Step *wire, struct hg_arena *arena,
                                   struct hg_step *step, struct hg_error *error)
{
    switch (wire->body_case) {
    case HOLOGRAM__V1__STEP__BODY_ALLOC:
        step->kind = HG_REQUEST_ALLOC;
        return convert_alloc(wire->alloc, &step->alloc, error);
    case HOLOGRAM__V1__STEP__BODY_FREE:
        step->kind = HG_REQUEST_FREE;
        step->free = (struct hg_free_args){wire->free->ids, wire->free->n_ids};
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_WRITE:
        step->kind = HG_REQUEST_WRITE;
        step->write = convert_write(wire->write);
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_EXECUTE:
        step->kind = HG_REQUEST_EXECUTE;
        return convert_execute(wire->execute, arena, &step->execute, error);
    case HOLOGRAM__V1__STEP__BODY_RUN_PROGRAM:
        step->kind = HG_REQUEST_RUN_PROGRAM;
        step->run = convert_run(wire->run_program);
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_EXECUTE_PREPARED:
        step->kind = HG_REQUEST_EXECUTE_PREPARED;
        step->execute_prepared = convert_execute_prepared(wire->execute_prepared);
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_RUN_GRAPH:
        return hg_codec_convert_run_graph(wire->run_graph, arena, step, error);
    case HOLOGRAM__V1__STEP__BODY_EVAL:
        return hg_codec_convert_eval(wire->eval, arena, step, error);
    default:
        return hg_fail(error, HG_UNIMPLEMENTED, "no body that this server knows");
    }
}

static enum hg_status convert_batch(const Hologram__V1__Batch *wire, struct hg_arena *arena,
                                    struct hg_batch_args *batch, struct hg_error *error)
{
    struct hg_step *steps = hg_arena_alloc(arena, wire->n_steps * sizeof(*steps));
    if (steps == NULL) {
        return out_of_arena(error);
    }
    for (size_t i = 0; i < wire->n_steps; i++) {
        if (convert_step(wire->steps[i], arena, &steps[i], error) != HG_OK) {
            return hg_error_prefix(error, "batch: step %zu", i);
        }
    }
    *batch = (struct hg_batch_args){steps, (uint32_t)wire->n_steps};
    return HG_OK;
}

/* What stands alone in a request: everything that a batch cannot hold. */
static enum hg_status convert_rest(const Hologram__V1__Request *wire, struct hg_arena *arena,
                                   struct hg_step *step, struct hg_error *error)
{
    switch (wire->body_case) {
    case HOLOGRAM__V1__REQUEST__BODY_HELLO:
        step->kind = HG_REQUEST_HELLO;
        step->hello =
            (struct hg_hello){wire->hello->protocol_version_min, wire->hello->protocol_version_max,
                              wire->hello->client_name};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_READ:
        step->kind = HG_REQUEST_READ;
        step->read = (struct hg_read_args){wire->read->id, wire->read->offset, wire->read->length};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_LOAD_PROGRAM:
        step->kind = HG_REQUEST_LOAD_PROGRAM;
        step->load = (struct hg_load_args){wire->load_program->id,
                                           convert_bytes(&wire->load_program->binary)};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_UNLOAD_PROGRAM:
        step->kind = HG_REQUEST_UNLOAD_PROGRAM;
        step->id = wire->unload_program->id;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_PUBLISH:
        step->kind = HG_REQUEST_PUBLISH;
        step->publish =
            (struct hg_publish_args){wire->publish->id, wire->publish->name, wire->publish->mode,
                                     wire->publish->gid, wire->publish->has_gid != 0};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_UNPUBLISH:
        step->kind = HG_REQUEST_UNPUBLISH;
        step->unpublish_name = wire->unpublish->name;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_UNPREPARE:
        step->kind = HG_REQUEST_UNPREPARE;
        step->handle = wire->unprepare->handle;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_OPEN:
        step->kind = HG_REQUEST_OPEN;
        step->open =
            (struct hg_open_args){wire->open->name, wire->open->id, wire->open->writable != 0};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_STATS:
        step->kind = HG_REQUEST_STATS;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_LIST_OPS:
        step->kind = HG_REQUEST_LIST_OPS;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_LIST_BUFFERS:
        step->kind = HG_REQUEST_LIST_BUFFERS;
        step->list = (struct hg_list_args){wire->list_buffers->named != 0,
                                           wire->list_buffers->all_sessions != 0};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_CANCEL:
        step->kind = HG_REQUEST_CANCEL;
        step->id = wire->cancel->request_id;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_PING:
        step->kind = HG_REQUEST_PING;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_EXPECT_DESCRIPTORS:
        step->kind = HG_REQUEST_EXPECT_DESCRIPTORS;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_ADOPT:
        step->kind = HG_REQUEST_ADOPT;
        return convert_adopt(wire->adopt, &step->alloc, error);
    default:
        return hg_codec_convert_cache(wire, step)
                   ? HG_OK
                   : hg_codec_convert_graph(wire, arena, step, error);
    }
}

static enum hg_status convert_request(const Hologram__V1__Request *wire, struct hg_arena *arena,
                                      struct hg_step *step, struct hg_error *error)
{
    switch (wire->body_case) {
    case HOLOGRAM__V1__REQUEST__BODY_ALLOC:
        step->kind = HG_REQUEST_ALLOC;
        return convert_alloc(wire->alloc, &step->alloc, error);
    case HOLOGRAM__V1__REQUEST__BODY_FREE:
        step->kind = HG_REQUEST_FREE;
        step->free = (struct hg_free_args){wire->free->ids, wire->free->n_ids};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_WRITE:
        step->kind = HG_REQUEST_WRITE;
        step->write = convert_write(wire->write);
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_EXECUTE:
        step->kind = HG_REQUEST_EXECUTE;
        return convert_execute(wire->execute, arena, &step->execute, error);
    case HOLOGRAM__V1__REQUEST__BODY_RUN_PROGRAM:
        step->kind = HG_REQUEST_RUN_PROGRAM;
        step->run = convert_run(wire->run_program);
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_EXECUTE_PREPARED:
        step->kind = HG_REQUEST_EXECUTE_PREPARED;
        step->execute_prepared = convert_execute_prepared(wire->execute_prepared);
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_PREPARE:
        step->kind = HG_REQUEST_PREPARE;
        return convert_prepare(wire->prepare, arena, &step->prepare, error);
    case HOLOGRAM__V1__REQUEST__BODY_BATCH:
        step->kind = HG_REQUEST_BATCH;
        return convert_batch(wire->batch, arena, &step->batch, error);
    default:
        return convert_rest(wire, arena, step, error);
    }
}

enum hg_decoded hg_codec_decode_general(const uint8_t *data, size_t size, struct hg_arena *arena,
                                        struct hg_message *message, struct hg_error *error)
{
    struct hg_error reason = HG_ERROR_INIT;
    if (hg_codec_scan(&hologram__v1__request__descriptor, data, size, error) != HG_OK) {
        return HG_DECODED_MALFORMED;
    }
    struct unpack_memory memory = {.arena = arena};
    ProtobufCAllocator allocator = {arena_alloc_cb, arena_free_cb, &memory};
    const Hologram__V1__Request *wire = hologram__v1__request__unpack(&allocator, size, data);
    if (memory.exhausted) {
        (void)out_of_arena(error);
        return HG_DECODED_MALFORMED;
    }
    if (wire == NULL) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "malformed message: not a Request");
        return HG_DECODED_MALFORMED;
    }
    message->id = wire->id;
    message->stream = wire->stream;
    message->timeout_us = wire->timeout_us;
    message->step.kind = HG_REQUEST_NONE;
    if (convert_request(wire, arena, &message->step, &reason) != HG_OK) {
        (void)hg_fail(error, reason.status, "%s", reason.message);
        return HG_DECODED_INVALID;
    }
    return HG_DECODED_OK;
}

enum hg_decoded hg_codec_decode(const uint8_t *data, size_t size, struct hg_arena *arena,
                                struct hg_message *message, struct hg_error *error)
{
    return hg_codec_decode_hot(data, size, arena, message)
               ? HG_DECODED_OK
               : hg_codec_decode_general(data, size, arena, message, error);
}
