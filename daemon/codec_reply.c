/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes replies. Texts are borrowed by protobuf-c's structs, which want them without const. */
#include "daemon/codec.h"

#include <string.h>

#include "daemon/codec_cache.h"
#include "daemon/codec_graph.h"
#include "daemon/codec_hot.h"
#include "daemon/limits.h"
#include "lib/base/check.h"
#include "proto/hologram/v1/hologram.pb-c.h"

/* protobuf-c's structs hold char * also for what is only read. */
static char *borrow(const char *text)
{
    union {
        const char *in;
        char *out;
    } cast = {.in = text != NULL ? text : ""};
    return cast.out;
}

static Hologram__V1__DType wire_dtype(enum hg_dtype dtype)
{
    return (Hologram__V1__DType)((int)dtype + 1);
}

static Hologram__V1__Status wire_status(const struct hg_error *error)
{
    Hologram__V1__Status status = HOLOGRAM__V1__STATUS__INIT;
    status.code = (uint32_t)error->status;
    status.message = borrow(error->message);
    status.detail = borrow(error->detail);
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
    wire->dtype = wire_dtype(info->spec.dtype);
    wire->n_shape = info->spec.rank;
    wire->shape = shape.out;
    wire->pool = pools[info->spec.pool];
    wire->bytes = info->bytes;
    wire->name = borrow(info->name);
    wire->boundary_class = info->boundary_class > 0 ? (uint32_t)info->boundary_class : 0;
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

/* An encoder of one kind of body fills RESPONSE and puts it while its own structs live; after that
 * the response has no body any more. */
struct encoder {
    const struct hg_reply *reply;
    struct hg_arena *arena;
    hg_codec_reserve_fn *reserve;
    void *context;
    Hologram__V1__Response response;
};

static enum hg_status finish(struct encoder *encoder)
{
    enum hg_status status = put(&encoder->response, encoder->reserve, encoder->context);
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY__NOT_SET;
    encoder->response.hello = NULL; /* one member of the union of all bodies */
    return status;
}

static enum hg_status encode_hello(struct encoder *encoder)
{
    static const char *const features[] = {"batch",    "cancel",        "deadline",
                                           "graphs",   "named-buffers", "prepared",
                                           "programs", "shared-memory", "streams"};
    const struct hg_hello_reply *hello = &encoder->reply->hello;
    char *names[HG_ARRAY_COUNT(features)];
    for (size_t i = 0; i < HG_ARRAY_COUNT(features); i++) {
        names[i] = borrow(features[i]);
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
    result.server_version = borrow(HG_VERSION);
    result.n_features = HG_ARRAY_COUNT(features);
    result.features = names;
    result.limits = &limits;
    result.session_id = hello->session_id;
    result.admin = hello->admin;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_HELLO;
    encoder->response.hello = &result;
    return finish(encoder);
}

static enum hg_status encode_buffer(struct encoder *encoder)
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
    return finish(encoder);
}

static enum hg_status encode_read(struct encoder *encoder)
{
    struct hg_buffer_spec spec = encoder->reply->read.spec;
    Hologram__V1__ReadResult result = HOLOGRAM__V1__READ_RESULT__INIT;
    result.length = encoder->reply->read.length;
    result.dtype = wire_dtype(spec.dtype);
    result.n_shape = spec.rank;
    result.shape = spec.shape;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_READ;
    encoder->response.read = &result;
    return finish(encoder);
}

static enum hg_status encode_execute(struct encoder *encoder)
{
    const struct hg_execute_reply *execute = &encoder->reply->execute;
    Hologram__V1__ExecuteResult result = HOLOGRAM__V1__EXECUTE_RESULT__INIT;
    result.cache = borrow(execute->cache);
    result.outcome = borrow(execute->outcome);
    result.queue_ns = execute->queue_ns;
    result.lookup_ns = execute->lookup_ns;
    result.build_ns = execute->build_ns;
    result.run_ns = execute->run_ns;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
    encoder->response.execute = &result;
    return finish(encoder);
}

static enum hg_status encode_prepare(struct encoder *encoder)
{
    Hologram__V1__PrepareResult result = HOLOGRAM__V1__PREPARE_RESULT__INIT;
    result.handle = encoder->reply->handle;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_PREPARE;
    encoder->response.prepare = &result;
    return finish(encoder);
}

static enum hg_status encode_cache(struct encoder *encoder)
{
    const enum hg_status status =
        hg_codec_fill_cache(encoder->reply, encoder->arena, &encoder->response);
    return status == HG_OK ? finish(encoder) : status;
}

static enum hg_status encode_graph(struct encoder *encoder)
{
    const enum hg_status status =
        hg_codec_fill_graph(encoder->reply, encoder->arena, &encoder->response);
    return status == HG_OK ? finish(encoder) : status;
}

static enum hg_status encode_batch(struct encoder *encoder)
{
    const struct hg_batch_reply *batch = &encoder->reply->batch;
    Hologram__V1__BatchResult result = HOLOGRAM__V1__BATCH_RESULT__INIT;
    Hologram__V1__Status failed = wire_status(&batch->failed);
    result.completed = batch->completed;
    result.failed = batch->failed.status != HG_OK ? &failed : NULL;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_BATCH;
    encoder->response.batch = &result;
    return finish(encoder);
}

static enum hg_status encode_load(struct encoder *encoder)
{
    const struct hg_code_facts *facts = &encoder->reply->facts;
    Hologram__V1__LoadProgramResult result = HOLOGRAM__V1__LOAD_PROGRAM_RESULT__INIT;
    result.instructions = facts->insn_count;
    result.slots = facts->slot_count;
    result.block = facts->block_lanes;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_LOAD_PROGRAM;
    encoder->response.load_program = &result;
    return finish(encoder);
}

static enum hg_status encode_buffers(struct encoder *encoder)
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
    return finish(encoder);
}

static void fill_caches(const struct hg_stats_reply *stats, Hologram__V1__CacheStats *caches,
                        Hologram__V1__CacheStats **rows)
{
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        const struct hg_cache_region_stats *region = &stats->caches[i];
        hologram__v1__cache_stats__init(&caches[i]);
        caches[i].cache = borrow(hg_cache_name((enum hg_cache_id)i));
        caches[i].help = borrow(hg_cache_help((enum hg_cache_id)i));
        caches[i].hits = region->hits;
        caches[i].misses = region->misses;
        caches[i].builds = region->builds;
        caches[i].build_failures = region->build_failures;
        caches[i].evictions = region->evictions;
        caches[i].entries = region->entries;
        caches[i].bytes = region->bytes;
        caches[i].missed_first_seen = region->misses_by_reason[HG_CACHE_MISS_FIRST];
        caches[i].missed_evicted = region->misses_by_reason[HG_CACHE_MISS_EVICTED];
        caches[i].missed_flushed = region->misses_by_reason[HG_CACHE_MISS_FLUSHED];
        caches[i].missed_failed = region->misses_by_reason[HG_CACHE_MISS_FAILED];
        caches[i].build_ns = region->build_ns_sum;
        caches[i].unfused = hg_cache_is_unfused((enum hg_cache_id)i);
        rows[i] = &caches[i];
    }
}

static void fill_pools(const struct hg_pool_stats *stats, Hologram__V1__PoolStats *pools,
                       Hologram__V1__PoolStats **rows)
{
    static const char *const names[HG_POOL_KIND_COUNT] = {
        [HG_POOL_HEAP] = "heap", [HG_POOL_BOUNDARY] = "boundary", [HG_POOL_SHARED] = "shared"};
    for (unsigned i = 0; i < HG_POOL_KIND_COUNT; i++) {
        hologram__v1__pool_stats__init(&pools[i]);
        pools[i].pool = borrow(names[i]);
        pools[i].bytes_used = stats->bytes_used[i];
        pools[i].bytes_limit = stats->bytes_limit[i];
        pools[i].buffers = stats->blocks[i];
        rows[i] = &pools[i];
    }
}

static enum hg_status encode_stats(struct encoder *encoder)
{
    const struct hg_stats_reply *stats = encoder->reply->stats;
    Hologram__V1__CacheStats caches[HG_CACHE_COUNT];
    Hologram__V1__CacheStats *cache_rows[HG_CACHE_COUNT];
    Hologram__V1__PoolStats pools[HG_POOL_KIND_COUNT];
    Hologram__V1__PoolStats *pool_rows[HG_POOL_KIND_COUNT];
    Hologram__V1__StatsResult result = HOLOGRAM__V1__STATS_RESULT__INIT;
    fill_caches(stats, caches, cache_rows);
    fill_pools(&stats->engine.pool, pools, pool_rows);
    result.server_version = borrow(HG_VERSION);
    result.uptime_ns = stats->uptime_ns;
    result.sessions = stats->engine.sessions;
    result.requests = stats->requests;
    result.errors = stats->errors;
    result.workers = stats->engine.workers;
    result.queue_depth = stats->engine.queue_depth;
    result.allocated_bytes = stats->alloc.allocated_bytes;
    result.resident_bytes = stats->alloc.resident_bytes;
    result.n_caches = HG_CACHE_COUNT;
    result.caches = cache_rows;
    result.n_pools = HG_POOL_KIND_COUNT;
    result.pools = pool_rows;
    result.executor = borrow(stats->engine.executor);
    result.isa_level = borrow(stats->engine.isa_level);
    result.metrics_url = borrow(stats->metrics_url);
    result.precompiled = stats->engine.precompiled;
    result.warmed = stats->engine.warmed;
    result.cache_entries = stats->cache.entries;
    result.cache_entries_max = stats->cache.entries_max;
    result.cache_bytes = stats->cache.bytes;
    result.cache_bytes_max = stats->cache.bytes_max;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_STATS;
    encoder->response.stats = &result;
    return finish(encoder);
}

/* Storage of one row of ListOps. */
struct op_row {
    Hologram__V1__OpInfo info;
    Hologram__V1__AttributeInfo attributes[HG_OP_ATTRIBUTES_MAX];
    Hologram__V1__AttributeInfo *attribute_rows[HG_OP_ATTRIBUTES_MAX];
    Hologram__V1__DType dtypes[HG_DTYPE_COUNT];
    char *operand_names[HG_OP_OPERANDS_MAX];
    uint32_t operand_dtypes[HG_OP_OPERANDS_MAX];
};

/* A default as the bits that a client would send: sizes and flags as integers, scalars as F32 or as
 * the first input's type, for which F64's pattern stands. */
static uint64_t default_bits(const struct hg_op_attribute *attribute)
{
    uint64_t bits = 0;
    if (attribute->kind == HG_ATTRIBUTE_SIZE || attribute->kind == HG_ATTRIBUTE_FLAG) {
        return (uint64_t)attribute->default_value;
    }
    if (attribute->kind == HG_ATTRIBUTE_WIDE) {
        const float value = (float)attribute->default_value;
        memcpy(&bits, &value, sizeof(value));
        return bits;
    }
    memcpy(&bits, &attribute->default_value, sizeof(bits));
    return bits;
}

/* A set of types with the wire's numbers as bits. */
static uint32_t wire_dtypes(uint32_t types)
{
    uint32_t bits = 0;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        if (hg_dtype_in((enum hg_dtype)type, types)) {
            bits |= 1u << (unsigned)wire_dtype((enum hg_dtype)type);
        }
    }
    return bits;
}

static void fill_op(const struct hg_op *op, struct op_row *row)
{
    static const char *const kinds[] = {[HG_ATTRIBUTE_OPERAND] = "operand",
                                        [HG_ATTRIBUTE_WIDE] = "f32-or-operand",
                                        [HG_ATTRIBUTE_SIZE] = "u64",
                                        [HG_ATTRIBUTE_FLAG] = "flag"};
    Hologram__V1__OpInfo *info = &row->info;
    hologram__v1__op_info__init(info);
    info->name = borrow(op->name);
    info->module = borrow(op->module);
    info->summary = borrow(op->summary);
    info->inputs = op->inputs;
    info->outputs = op->outputs;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        if (hg_dtype_in((enum hg_dtype)type, op->dtypes)) {
            row->dtypes[info->n_dtypes++] = wire_dtype((enum hg_dtype)type);
        }
    }
    info->dtypes = row->dtypes;
    for (unsigned i = 0; i < op->attribute_count; i++) {
        const struct hg_op_attribute *attribute = &op->attributes[i];
        hologram__v1__attribute_info__init(&row->attributes[i]);
        row->attributes[i].name = borrow(attribute->name);
        row->attributes[i].kind = borrow(kinds[attribute->kind]);
        row->attributes[i].required = attribute->required;
        row->attributes[i].default_bits = default_bits(attribute);
        row->attributes[i].summary = borrow(attribute->summary);
        row->attribute_rows[i] = &row->attributes[i];
    }
    info->n_attributes = op->attribute_count;
    info->attributes = row->attribute_rows;
    info->n_operand_names = (size_t)op->inputs + op->outputs;
    for (size_t i = 0; i < info->n_operand_names; i++) {
        row->operand_names[i] = borrow(op->operands[i].name);
        row->operand_dtypes[i] = wire_dtypes(op->operands[i].types);
    }
    info->operand_names = row->operand_names;
    info->n_operand_dtypes = info->n_operand_names;
    info->operand_dtypes = row->operand_dtypes;
}

static enum hg_status encode_ops(struct encoder *encoder)
{
    Hologram__V1__OpInfo *rows[HG_OP_ID_COUNT];
    struct op_row *storage = hg_arena_alloc(encoder->arena, HG_OP_ID_COUNT * sizeof(*storage));
    if (storage == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    for (unsigned i = 0; i < HG_OP_ID_COUNT; i++) {
        fill_op(hg_op_info((enum hg_op_id)i), &storage[i]);
        rows[i] = &storage[i].info;
    }
    Hologram__V1__ListOpsResult result = HOLOGRAM__V1__LIST_OPS_RESULT__INIT;
    result.n_ops = HG_OP_ID_COUNT;
    result.ops = rows;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_LIST_OPS;
    encoder->response.list_ops = &result;
    return finish(encoder);
}

enum hg_status hg_codec_encode_general(const struct hg_reply *reply, struct hg_arena *arena,
                                       hg_codec_reserve_fn *reserve, void *context)
{
    struct encoder encoder = {
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
        return encode_stats(&encoder);
    case HG_REQUEST_LIST_OPS:
        return encode_ops(&encoder);
    default:
        return finish(&encoder);
    }
}

enum hg_status hg_codec_encode(const struct hg_reply *reply, struct hg_arena *arena,
                               hg_codec_reserve_fn *reserve, void *context)
{
    return hg_codec_is_hot(reply) ? hg_codec_encode_hot(reply, reserve, context)
                                  : hg_codec_encode_general(reply, arena, reserve, context);
}
