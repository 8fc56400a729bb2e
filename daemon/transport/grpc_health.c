/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.health.v1: the daemon as a whole ("") and each of its services, which live and end together.
 */
#include <string.h>

#include "daemon/transport/grpc_codec.h"
#include "daemon/transport/grpc_core.h"

/* What call->state of a watch says. */
enum { WATCH_KNOWN = 1 };

static bool is_service(struct hg_bytes name)
{
    if (name.size == 0) {
        return true;
    }
    for (size_t i = 0; i < hg_grpc_method_count; i++) {
        const char *path = hg_grpc_methods[i].path + 1;
        if (strcspn(path, "/") == name.size && memcmp(path, name.data, name.size) == 0) {
            return true;
        }
    }
    return false;
}

static enum hg_health health_of(const struct hg_grpc *grpc)
{
    return hg_server_ready(grpc->server) && !grpc->draining ? HG_HEALTH_SERVING
                                                            : HG_HEALTH_NOT_SERVING;
}

/* The service that the call asks about; false if it has been refused. */
static bool take_service(struct hg_grpc_call *call, struct hg_arena *arena, bool *known)
{
    const grpc_slice message =
        call->payload != NULL ? hg_grpc_flatten(call->payload) : grpc_empty_slice();
    const char *service;
    const enum hg_status status = hg_grpc_decode_health(hg_grpc_bytes(&message), arena, &service);
    if (status == HG_OK) {
        *known = is_service((struct hg_bytes){(const uint8_t *)service, strlen(service)});
    }
    grpc_slice_unref(message);
    if (status != HG_OK) {
        hg_grpc_call_fail(call, status,
                          status == HG_INVALID_ARGUMENT
                              ? "malformed message: not a HealthCheckRequest"
                              : "health: out of memory");
    }
    return status == HG_OK;
}

static enum hg_status send_health(struct hg_grpc_call *call, enum hg_health health,
                                  struct hg_arena *arena)
{
    const struct hg_bytes body = hg_grpc_encode_health(health, arena);
    if (body.data == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    return hg_grpc_call_send(
        call, grpc_slice_from_copied_buffer((const char *)body.data, body.size), NULL, 0);
}

static void arena_init(struct hg_arena *arena)
{
    hg_arena_init(arena, HG_TAG_TRANSPORT, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
}

void hg_grpc_health_check(struct hg_grpc_call *call)
{
    struct hg_arena arena;
    bool known = false;
    arena_init(&arena);
    if (take_service(call, &arena, &known)) {
        if (!known) {
            hg_grpc_call_fail(call, HG_NOT_FOUND, "health: unknown service");
        } else if (send_health(call, health_of(call->grpc), &arena) != HG_OK) {
            hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "health: out of memory");
        } else {
            const struct hg_error success = HG_ERROR_INIT;
            hg_grpc_call_finish(call, &success, HG_GRPC_NO_STEPS);
        }
    }
    hg_arena_fini(&arena);
}

void hg_grpc_health_watch(struct hg_grpc_call *call)
{
    struct hg_arena arena;
    bool known = false;
    arena_init(&arena);
    if (take_service(call, &arena, &known)) {
        call->state = known ? WATCH_KNOWN : 0;
        if (send_health(call, known ? health_of(call->grpc) : HG_HEALTH_SERVICE_UNKNOWN, &arena) !=
            HG_OK) {
            hg_grpc_call_fail(call, HG_RESOURCE_EXHAUSTED, "health: out of memory");
        }
    }
    hg_arena_fini(&arena);
}

/* The last thing that a watch says. */
void hg_grpc_health_drain(struct hg_grpc_call *call)
{
    struct hg_arena arena;
    arena_init(&arena);
    if (call->state == WATCH_KNOWN) {
        (void)!send_health(call, HG_HEALTH_NOT_SERVING, &arena);
    }
    hg_arena_fini(&arena);
    hg_grpc_call_fail(call, HG_UNAVAILABLE, "the server is stopping");
}
