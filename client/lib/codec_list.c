/* SPDX-License-Identifier: Apache-2.0 */
/* Results that are lists: they take the arena in which they were built along. */
#include "client/lib/codec.h"

#define BODY(type) HOLOGRAM__V1__RESPONSE__BODY_##type

static hologram_status no_memory(hologram_error *error)
{
    return hg_client_error(error, HOLOGRAM_RESOURCE_EXHAUSTED, "out of memory in the client");
}

/* Hands the client's arena, in which the list was built, to the list. */
static struct hg_client_arena take_arena(hologram_client *client)
{
    struct hg_client_arena arena = client->arena;
    client->arena = (struct hg_client_arena){0};
    return arena;
}

static const hologram_cache_stats *list_caches(struct hg_client_arena *arena,
                                               const Hologram__V1__StatsResult *from)
{
    hologram_cache_stats *list = hg_client_arena_array(arena, from->n_caches, sizeof *list);
    for (size_t i = 0; list && i < from->n_caches; i++) {
        const Hologram__V1__CacheStats *cache = from->caches[i];
        list[i] = (hologram_cache_stats){.cache = cache->cache,
                                         .help = cache->help,
                                         .hits = cache->hits,
                                         .misses = cache->misses,
                                         .builds = cache->builds,
                                         .build_failures = cache->build_failures,
                                         .evictions = cache->evictions,
                                         .entries = cache->entries,
                                         .bytes = cache->bytes,
                                         .missed_first_seen = cache->missed_first_seen,
                                         .missed_evicted = cache->missed_evicted,
                                         .missed_flushed = cache->missed_flushed,
                                         .missed_failed = cache->missed_failed,
                                         .build_ns = cache->build_ns,
                                         .unfused = cache->unfused};
    }
    return list;
}

static const hologram_pool_stats *list_pools(struct hg_client_arena *arena,
                                             const Hologram__V1__StatsResult *from)
{
    hologram_pool_stats *list = hg_client_arena_array(arena, from->n_pools, sizeof *list);
    for (size_t i = 0; list && i < from->n_pools; i++) {
        const Hologram__V1__PoolStats *pool = from->pools[i];
        list[i] = (hologram_pool_stats){.pool = pool->pool,
                                        .bytes_used = pool->bytes_used,
                                        .bytes_limit = pool->bytes_limit,
                                        .buffers = pool->buffers};
    }
    return list;
}

hologram_status hg_client_take_stats(hologram_client *client, const struct hg_client_reply *reply,
                                     void *result, hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(STATS), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__StatsResult *from = response->stats;
    hologram_stats *stats = hg_client_arena_array(&client->arena, 1, sizeof *stats);
    const hologram_cache_stats *caches = list_caches(&client->arena, from);
    const hologram_pool_stats *pools = list_pools(&client->arena, from);
    if (!stats || !caches || !pools) {
        return no_memory(error);
    }
    stats->server = (hologram_server_stats){.version = from->server_version,
                                            .executor = from->executor,
                                            .isa_level = from->isa_level,
                                            .metrics_url = from->metrics_url,
                                            .uptime_ns = from->uptime_ns,
                                            .requests = from->requests,
                                            .errors = from->errors,
                                            .allocated_bytes = from->allocated_bytes,
                                            .resident_bytes = from->resident_bytes,
                                            .sessions = from->sessions,
                                            .workers = from->workers,
                                            .queue_depth = from->queue_depth,
                                            .precompiled = from->precompiled,
                                            .warmed = from->warmed,
                                            .cache_entries = from->cache_entries,
                                            .cache_entries_max = from->cache_entries_max,
                                            .cache_bytes = from->cache_bytes,
                                            .cache_bytes_max = from->cache_bytes_max,
                                            .packed_entries = from->packed_entries,
                                            .packed_bytes = from->packed_bytes,
                                            .packed_bytes_max = from->packed_bytes_max,
                                            .packed_hits = from->packed_hits,
                                            .packed_builds = from->packed_builds,
                                            .packed_evictions = from->packed_evictions};
    stats->caches = caches;
    stats->cache_count = (uint32_t)from->n_caches;
    stats->pools = pools;
    stats->pool_count = (uint32_t)from->n_pools;
    stats->arena = take_arena(client);
    *(hologram_stats **)result = stats;
    return HOLOGRAM_OK;
}

static bool fill_op(struct hg_client_arena *arena, const Hologram__V1__OpInfo *from,
                    struct hg_client_op *op)
{
    hologram_dtype *dtypes = hg_client_arena_array(arena, from->n_dtypes, sizeof *dtypes);
    hologram_attribute_info *attributes =
        hg_client_arena_array(arena, from->n_attributes, sizeof *attributes);
    uint32_t *operand_dtypes =
        hg_client_arena_array(arena, from->n_operand_names, sizeof *operand_dtypes);
    if (!dtypes || !attributes || !operand_dtypes) {
        return false;
    }
    /* A server that does not tell has no operands with types of their own. */
    for (size_t i = 0; i < from->n_operand_names; i++) {
        operand_dtypes[i] = i < from->n_operand_dtypes ? from->operand_dtypes[i] : 0;
    }
    for (size_t i = 0; i < from->n_dtypes; i++) {
        dtypes[i] = (hologram_dtype)from->dtypes[i];
    }
    for (size_t i = 0; i < from->n_attributes; i++) {
        const Hologram__V1__AttributeInfo *attribute = from->attributes[i];
        attributes[i] = (hologram_attribute_info){.name = attribute->name,
                                                  .kind = attribute->kind,
                                                  .summary = attribute->summary,
                                                  .default_bits = attribute->default_bits,
                                                  .required = attribute->required};
    }
    op->info = (hologram_op_info){.name = from->name,
                                  .module = from->module,
                                  .summary = from->summary,
                                  .inputs = from->inputs,
                                  .outputs = from->outputs,
                                  .operand_names = (const char *const *)from->operand_names,
                                  .operand_name_count = (uint32_t)from->n_operand_names,
                                  .dtype_count = (uint32_t)from->n_dtypes,
                                  .dtypes = dtypes,
                                  .attribute_count = (uint32_t)from->n_attributes,
                                  .operand_dtypes = operand_dtypes};
    op->attributes = attributes;
    return true;
}

hologram_status hg_client_take_ops(hologram_client *client, const struct hg_client_reply *reply,
                                   void *result, hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(LIST_OPS), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__ListOpsResult *from = response->list_ops;
    hologram_ops *ops = hg_client_arena_array(&client->arena, 1, sizeof *ops);
    struct hg_client_op *list = hg_client_arena_array(&client->arena, from->n_ops, sizeof *list);
    if (!ops || !list) {
        return no_memory(error);
    }
    for (size_t i = 0; i < from->n_ops; i++) {
        if (!fill_op(&client->arena, from->ops[i], &list[i])) {
            return no_memory(error);
        }
    }
    ops->ops = list;
    ops->count = (uint32_t)from->n_ops;
    ops->arena = take_arena(client);
    *(hologram_ops **)result = ops;
    return HOLOGRAM_OK;
}

hologram_status hg_client_take_buffers(hologram_client *client, const struct hg_client_reply *reply,
                                       void *result, hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, BODY(LIST_BUFFERS), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__ListBuffersResult *from = response->list_buffers;
    hologram_buffers *buffers = hg_client_arena_array(&client->arena, 1, sizeof *buffers);
    hologram_buffer_info *list =
        hg_client_arena_array(&client->arena, from->n_buffers, sizeof *list);
    if (!buffers || !list) {
        return no_memory(error);
    }
    for (size_t i = 0; i < from->n_buffers; i++) {
        status = hg_client_fill_info(from->buffers[i]->buffer, &list[i], error);
        if (status != HOLOGRAM_OK) {
            return status;
        }
        list[i].uid = from->buffers[i]->uid;
        list[i].gid = from->buffers[i]->gid;
        list[i].mode = from->buffers[i]->mode;
        list[i].session_id = from->buffers[i]->session_id;
    }
    buffers->buffers = list;
    buffers->count = (uint32_t)from->n_buffers;
    buffers->truncated = from->truncated;
    buffers->arena = take_arena(client);
    *(hologram_buffers **)result = buffers;
    return HOLOGRAM_OK;
}
