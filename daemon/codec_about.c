/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes what the server says of itself: its counters and its operations. */
#include <string.h>

#include "daemon/codec_encoder.h"
#include "daemon/codec_protobuf.h"

static void fill_caches(const struct hg_stats_reply *stats, Hologram__V1__CacheStats *caches,
                        Hologram__V1__CacheStats **rows)
{
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        const struct hg_cache_region_stats *region = &stats->caches[i];
        hologram__v1__cache_stats__init(&caches[i]);
        caches[i].cache = hg_codec_borrow(hg_cache_name((enum hg_cache_id)i));
        caches[i].help = hg_codec_borrow(hg_cache_help((enum hg_cache_id)i));
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
        pools[i].pool = hg_codec_borrow(names[i]);
        pools[i].bytes_used = stats->bytes_used[i];
        pools[i].bytes_limit = stats->bytes_limit[i];
        pools[i].buffers = stats->blocks[i];
        rows[i] = &pools[i];
    }
}

enum hg_status hg_codec_encode_stats(struct hg_encoder *encoder)
{
    const struct hg_stats_reply *stats = encoder->reply->stats;
    Hologram__V1__CacheStats caches[HG_CACHE_COUNT];
    Hologram__V1__CacheStats *cache_rows[HG_CACHE_COUNT];
    Hologram__V1__PoolStats pools[HG_POOL_KIND_COUNT];
    Hologram__V1__PoolStats *pool_rows[HG_POOL_KIND_COUNT];
    Hologram__V1__StatsResult result = HOLOGRAM__V1__STATS_RESULT__INIT;
    fill_caches(stats, caches, cache_rows);
    fill_pools(&stats->engine.pool, pools, pool_rows);
    result.server_version = hg_codec_borrow(HG_VERSION);
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
    result.executor = hg_codec_borrow(stats->engine.executor);
    result.isa_level = hg_codec_borrow(stats->engine.isa_level);
    result.metrics_url = hg_codec_borrow(stats->metrics_url);
    result.precompiled = stats->engine.precompiled;
    result.warmed = stats->engine.warmed;
    result.cache_entries = stats->cache.entries;
    result.cache_entries_max = stats->cache.entries_max;
    result.cache_bytes = stats->cache.bytes;
    result.cache_bytes_max = stats->cache.bytes_max;
    result.packed_entries = stats->packed.entries;
    result.packed_bytes = stats->packed.bytes;
    result.packed_bytes_max = stats->packed.bytes_max;
    result.packed_hits = stats->packed.hits;
    result.packed_builds = stats->packed.builds;
    result.packed_evictions = stats->packed.evictions;
    encoder->response.body_case = HOLOGRAM__V1__RESPONSE__BODY_STATS;
    encoder->response.stats = &result;
    return hg_codec_finish(encoder);
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
            bits |= 1u << (unsigned)hg_codec_wire_dtype((enum hg_dtype)type);
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
    info->name = hg_codec_borrow(op->name);
    info->module = hg_codec_borrow(op->module);
    info->summary = hg_codec_borrow(op->summary);
    info->inputs = op->inputs;
    info->outputs = op->outputs;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        if (hg_dtype_in((enum hg_dtype)type, op->dtypes)) {
            row->dtypes[info->n_dtypes++] = hg_codec_wire_dtype((enum hg_dtype)type);
        }
    }
    info->dtypes = row->dtypes;
    for (unsigned i = 0; i < op->attribute_count; i++) {
        const struct hg_op_attribute *attribute = &op->attributes[i];
        hologram__v1__attribute_info__init(&row->attributes[i]);
        row->attributes[i].name = hg_codec_borrow(attribute->name);
        row->attributes[i].kind = hg_codec_borrow(kinds[attribute->kind]);
        row->attributes[i].required = attribute->required;
        row->attributes[i].default_bits = default_bits(attribute);
        row->attributes[i].summary = hg_codec_borrow(attribute->summary);
        row->attribute_rows[i] = &row->attributes[i];
    }
    info->n_attributes = op->attribute_count;
    info->attributes = row->attribute_rows;
    info->n_operand_names = (size_t)op->inputs + op->outputs;
    for (size_t i = 0; i < info->n_operand_names; i++) {
        row->operand_names[i] = hg_codec_borrow(op->operands[i].name);
        row->operand_dtypes[i] = wire_dtypes(op->operands[i].types);
    }
    info->operand_names = row->operand_names;
    info->n_operand_dtypes = info->n_operand_names;
    info->operand_dtypes = row->operand_dtypes;
}

enum hg_status hg_codec_encode_ops(struct hg_encoder *encoder)
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
    return hg_codec_finish(encoder);
}
