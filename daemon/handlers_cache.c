/* SPDX-License-Identifier: Apache-2.0 */
/* The program cache: its keys as a file, and warming. */
#include <string.h>

#include "daemon/handler.h"
#include "daemon/server.h"

/* What an answer holds besides the key file: generously. */
#define PROFILE_ROOM 64

static enum hg_status check_admin(struct hg_request *request)
{
    if (request->client->identity.admin) {
        return HG_OK;
    }
    return hg_fail(&request->reply.error, HG_PERMISSION_DENIED, "%s is for administrators",
                   hg_request_kind_name(request->message.step.kind));
}

static enum hg_handled reply_profile(struct hg_request *request, const uint8_t *bytes, size_t size)
{
    struct hg_reply *reply = &request->reply;
    const uint64_t max = request->client->message_bytes_max - PROFILE_ROOM;
    if (size > max) {
        (void)hg_fail(&reply->error, HG_OUT_OF_RANGE,
                      "cache_profile: expected at most %llu bytes in one message, got %zu",
                      (unsigned long long)max, size);
        return hg_handled_done();
    }
    uint8_t *copy = hg_arena_alloc(&request->arena, size);
    if (copy == NULL) {
        return hg_handled_fail(request, HG_RESOURCE_EXHAUSTED, "cache_profile: out of memory");
    }
    memcpy(copy, bytes, size);
    reply->kind = HG_REQUEST_CACHE_PROFILE;
    reply->key_file = (struct hg_bytes){copy, size};
    return hg_handled_done();
}

enum hg_handled hg_handle_cache_profile(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    uint8_t *bytes;
    size_t size;
    if (check_admin(request) != HG_OK || hg_engine_profile(request->client->server->engine, &bytes,
                                                           &size, &request->reply.error) != HG_OK) {
        return hg_handled_done();
    }
    const enum hg_handled handled = reply_profile(request, bytes, size);
    hg_engine_profile_free(bytes);
    return handled;
}

enum hg_handled hg_handle_cache_warm(struct hg_request *request, const struct hg_step *step)
{
    if (check_admin(request) == HG_OK) {
        (void)!hg_engine_cache_warm(request->client->server->engine, step->key_file.data,
                                    step->key_file.size, &request->reply.error);
    }
    return hg_handled_done();
}
