/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/request.h"

#include "daemon/foreign.h"
#include "daemon/limits.h"
#include "lib/base/check.h"

static struct hg_request *request_new(void)
{
    struct hg_request *request = hg_calloc(HG_TAG_SESSION, 1, sizeof(*request));
    if (request != NULL) {
        hg_arena_init(&request->arena, HG_TAG_SESSION, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    }
    return request;
}

struct hg_request *hg_request_get(struct hg_request_pool *pool)
{
    struct hg_request *request = pool->free;
    if (request != NULL) {
        pool->free = request->next;
        pool->free_count--;
        pool->free_bytes -= hg_arena_kept_bytes(&request->arena);
    } else {
        request = request_new();
        if (request == NULL) {
            return NULL;
        }
    }
    pool->live_count++;
    request->client = NULL;
    request->call = NULL;
    request->next = NULL;
    request->state = HG_STATE_QUEUED;
    request->deadline_ns = 0;
    request->ended_ticks = 0;
    request->steps_done = 0;
    request->cancelled = false;
    request->view_held = false;
    request->adopted_fd = -1;
    request->passing = (struct hg_descriptor){.fd = -1};
    request->reply.descriptor = false;
    request->payload_length = 0;
    request->message.id = 0;
    request->message.stream = 0;
    request->message.timeout_us = 0;
    request->message.has_wire = false;
    request->message.step.kind = HG_REQUEST_NONE;
    return request;
}

static void request_free(struct hg_request *request)
{
    hg_arena_fini(&request->arena);
    hg_free(HG_TAG_SESSION, request);
}

void hg_request_put(struct hg_request_pool *pool, struct hg_request *request)
{
    HG_REQUIRE(!request->view_held && pool->live_count > 0);
    pool->live_count--;
    hg_descriptor_release(&request->passing);
    if (request->adopted_fd >= 0) {
        hg_foreign_close(request->adopted_fd);
    }
    hg_arena_reset_larger(&request->arena, HG_ARENA_CHUNK_BYTES_MAX);
    const size_t bytes = hg_arena_kept_bytes(&request->arena);
    if (pool->free_count >= HG_REQUESTS_KEPT_MAX ||
        pool->free_bytes + bytes > HG_REQUESTS_KEPT_BYTES_MAX) {
        request_free(request);
        return;
    }
    pool->free_bytes += bytes;
    request->next = pool->free;
    pool->free = request;
    pool->free_count++;
}

void hg_request_pool_fini(struct hg_request_pool *pool)
{
    HG_REQUIRE(pool->live_count == 0);
    while (pool->free != NULL) {
        struct hg_request *request = pool->free;
        pool->free = request->next;
        request_free(request);
    }
    pool->free_count = 0;
    pool->free_bytes = 0;
}
