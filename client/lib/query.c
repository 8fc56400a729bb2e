/* SPDX-License-Identifier: Apache-2.0 */
/* Ping, cancel, and what the server knows: statistics, operations, buffers. */
#include <string.h>

#include "client/lib/internal.h"

hologram_status hologram_submit_ping(hologram_client *client, hologram_ticket *ticket)
{
    struct hg_client_want want = {.detached = !ticket};
    hologram_ticket request;
    hologram_status status = hg_client_begin(client, &want, &request);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_submitted(client, request, hg_client_put_ping(client, request), ticket);
}

hologram_status hologram_ping(hologram_client *client)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_ping(client, &ticket);
    return status == HOLOGRAM_OK ? hologram_wait(client, ticket) : status;
}

hologram_status hologram_cancel(hologram_client *client, hologram_ticket target)
{
    struct hg_client_want want = {0};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_cancel(client, ticket, target));
}

/* ---- statistics ------------------------------------------------------------------------------ */

hologram_status hologram_get_stats(hologram_client *client, hologram_stats **stats)
{
    struct hg_client_want want = {.take = hg_client_take_stats, .result = stats};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_stats(client, ticket));
}

void hologram_stats_free(hologram_stats *stats)
{
    if (stats) {
        struct hg_client_arena arena = stats->arena;
        hg_client_arena_free(&arena);
    }
}

const hologram_server_stats *hologram_stats_server(const hologram_stats *stats)
{
    return &stats->server;
}

uint32_t hologram_stats_cache_count(const hologram_stats *stats)
{
    return stats->cache_count;
}

const hologram_cache_stats *hologram_stats_cache(const hologram_stats *stats, uint32_t index)
{
    return index < stats->cache_count ? &stats->caches[index] : NULL;
}

uint32_t hologram_stats_pool_count(const hologram_stats *stats)
{
    return stats->pool_count;
}

const hologram_pool_stats *hologram_stats_pool(const hologram_stats *stats, uint32_t index)
{
    return index < stats->pool_count ? &stats->pools[index] : NULL;
}

/* ---- operations ------------------------------------------------------------------------------ */

hologram_status hologram_list_ops(hologram_client *client, hologram_ops **ops)
{
    struct hg_client_want want = {.take = hg_client_take_ops, .result = ops};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_list_ops(client, ticket));
}

void hologram_ops_free(hologram_ops *ops)
{
    if (ops) {
        struct hg_client_arena arena = ops->arena;
        hg_client_arena_free(&arena);
    }
}

uint32_t hologram_ops_count(const hologram_ops *ops)
{
    return ops->count;
}

const hologram_op_info *hologram_ops_at(const hologram_ops *ops, uint32_t index)
{
    return index < ops->count ? &ops->ops[index].info : NULL;
}

const hologram_op_info *hologram_ops_find(const hologram_ops *ops, const char *name)
{
    for (uint32_t i = 0; i < ops->count; i++) {
        if (strcmp(ops->ops[i].info.name, name) == 0) {
            return &ops->ops[i].info;
        }
    }
    return NULL;
}

const hologram_attribute_info *hologram_ops_attribute(const hologram_ops *ops,
                                                      const hologram_op_info *op, uint32_t index)
{
    (void)ops;
    const struct hg_client_op *whole = (const struct hg_client_op *)op;
    return index < op->attribute_count ? &whole->attributes[index] : NULL;
}

/* ---- buffers --------------------------------------------------------------------------------- */

hologram_status hologram_list_buffers(hologram_client *client, hologram_scope scope,
                                      hologram_buffers **buffers)
{
    struct hg_client_want want = {.take = hg_client_take_buffers, .result = buffers};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_list_buffers(client, ticket, scope));
}

void hologram_buffers_free(hologram_buffers *buffers)
{
    if (buffers) {
        struct hg_client_arena arena = buffers->arena;
        hg_client_arena_free(&arena);
    }
}

uint32_t hologram_buffers_count(const hologram_buffers *buffers)
{
    return buffers->count;
}

const hologram_buffer_info *hologram_buffers_at(const hologram_buffers *buffers, uint32_t index)
{
    return index < buffers->count ? &buffers->buffers[index] : NULL;
}

bool hologram_buffers_truncated(const hologram_buffers *buffers)
{
    return buffers->truncated;
}
