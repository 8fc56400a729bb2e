/* SPDX-License-Identifier: Apache-2.0 */
/* What the server is and does: hello, figures, operations. */
#include <string.h>

#include "daemon/handler.h"
#include "daemon/server.h"
#include "lib/base/log.h"

static void fill_hello(const struct hg_client *client, struct hg_hello_reply *hello)
{
    const struct hg_config *config = &client->server->config;
    *hello = (struct hg_hello_reply){
        .version = HG_PROTOCOL_VERSION_MAX,
        .session_id = hg_session_id(client->session),
        .admin = client->identity.admin,
        .message_bytes_max = client->message_bytes_max,
        .payload_bytes_max = client->payload_bytes_max,
        .requests_in_flight_max = client->in_flight_max,
        .buffers_max = (uint32_t)config->limits_buffers_max,
        .memory_bytes_max = config->limits_memory_bytes_max,
        .boundary_classes_max = (uint32_t)config->limits_boundary_classes_max,
        .batch_steps_max = client->batch_steps_max,
        .streams_max = client->in_flight_max,
    };
}

static void take_name(struct hg_client *client, const char *name)
{
    const size_t length = strnlen(name, HG_CLIENT_NAME_MAX);
    memcpy(client->name, name, length);
    client->name[length] = '\0';
}

enum hg_handled hg_handle_hello(struct hg_request *request, const struct hg_step *step)
{
    struct hg_client *client = request->client;
    struct hg_reply *reply = &request->reply;
    const struct hg_hello *hello = &step->hello;
    if (client->state != HG_CLIENT_NEW) {
        return hg_handled_fail(request, HG_INVALID_ARGUMENT,
                               "hello: expected once, as the first request");
    }
    if (hello->version_min > HG_PROTOCOL_VERSION_MAX ||
        hello->version_max < HG_PROTOCOL_VERSION_MIN) {
        client->hang_up = true;
        (void)hg_fail(&reply->error, HG_UNIMPLEMENTED,
                      "hello: unknown protocol version: expected %d to %d among those offered, "
                      "got %u to %u",
                      HG_PROTOCOL_VERSION_MIN, HG_PROTOCOL_VERSION_MAX, hello->version_min,
                      hello->version_max);
        return hg_handled_done();
    }
    take_name(client, hello->client_name);
    if (hg_client_open(client, &reply->error) != HG_OK) {
        client->hang_up = true;
        return hg_handled_done();
    }
    HG_LOG_DEBUG(SESSION, "client said hello", HG_U64("session", hg_session_id(client->session)),
                 HG_STR("name", client->name), HG_U64("uid", client->identity.uid),
                 HG_I64("pid", client->identity.pid));
    reply->kind = HG_REQUEST_HELLO;
    fill_hello(client, &reply->hello);
    return hg_handled_done();
}

enum hg_handled hg_handle_ping(struct hg_request *request, const struct hg_step *step)
{
    (void)request;
    (void)step;
    return hg_handled_done();
}

enum hg_handled hg_handle_stats(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    struct hg_stats_reply *stats = hg_arena_alloc(&request->arena, sizeof(*stats));
    if (stats == NULL) {
        return hg_handled_fail(request, HG_RESOURCE_EXHAUSTED, "stats: out of memory");
    }
    hg_server_stats(request->client->server, stats);
    request->reply.kind = HG_REQUEST_STATS;
    request->reply.stats = stats;
    return hg_handled_done();
}

enum hg_handled hg_handle_list_ops(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    request->reply.kind = HG_REQUEST_LIST_OPS;
    return hg_handled_done();
}
