/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/session.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/server.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

/* Supplementary groups of the peer; beyond the bound they are left out, which denies, not grants.
 */
static void take_groups(int fd, struct hg_identity *identity)
{
    gid_t groups[1024];
    socklen_t length = sizeof(groups);
    identity->group_count = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) {
        return;
    }
    uint32_t count = (uint32_t)(length / sizeof(groups[0]));
    if (count > HG_IDENTITY_GROUPS_MAX) {
        count = HG_IDENTITY_GROUPS_MAX;
    }
    memcpy(identity->groups, groups, count * sizeof(groups[0]));
    identity->group_count = count;
}

enum hg_status hg_identity_of(int fd, struct hg_identity *identity, struct hg_error *error)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        return hg_fail(error, HG_UNAUTHENTICATED, "peer credentials: %s", strerror(errno));
    }
    identity->uid = peer.uid;
    identity->gid = peer.gid;
    identity->pid = peer.pid;
    identity->admin = false;
    take_groups(fd, identity);
    return HG_OK;
}

bool hg_identity_is_admin(const struct hg_identity *identity, gid_t admin_group)
{
    if (identity->uid == 0 || identity->uid == geteuid()) {
        return true;
    }
    if (admin_group == (gid_t)-1) {
        return false;
    }
    bool member = identity->gid == admin_group;
    for (uint32_t i = 0; i < identity->group_count; i++) {
        member = member || identity->groups[i] == admin_group;
    }
    return member;
}

void hg_client_init(struct hg_client *client, struct hg_server *server,
                    const struct hg_transport *transport)
{
    const struct hg_config *config = &server->config;
    client->server = server;
    client->transport = transport;
    client->state = HG_CLIENT_NEW;
    client->identity.admin = hg_identity_is_admin(&client->identity, server->admin_group);
    client->connected_ns = hg_client_look(client);
    client->message_bytes_max = config->limits_message_bytes_max;
    client->payload_bytes_max = config->limits_payload_bytes_max;
    client->output_bytes_max = config->limits_output_bytes_max;
    client->in_flight_max = (uint32_t)config->limits_requests_in_flight_max;
    client->batch_steps_max = (uint32_t)config->limits_batch_steps_max;
}

enum hg_status hg_client_open(struct hg_client *client, struct hg_error *error)
{
    const struct hg_config *config = &client->server->config;
    const struct hg_identity *identity = &client->identity;
    struct hg_session_options options;
    if (client->server->draining) {
        return hg_fail(error, HG_UNAVAILABLE, "hello: the server is stopping");
    }
    hg_session_options_init(&options);
    options.uid = identity->uid;
    options.gid = identity->gid;
    options.groups = identity->groups;
    options.group_count = identity->group_count;
    options.admin = identity->admin;
    options.bytes_max = config->limits_memory_bytes_max;
    options.user_bytes_max = config->limits_user_memory_bytes_max;
    options.buffers_max = (uint32_t)config->limits_buffers_max;
    options.boundary_classes_max = (uint32_t)config->limits_boundary_classes_max;
    options.shared_buffers_max = (uint32_t)config->limits_shared_buffers_max;
    options.programs_max = (uint32_t)config->limits_programs_max;
    options.prepared_max = (uint32_t)config->limits_prepared_max;
    options.graphs_max = (uint32_t)config->limits_graphs_max;
    options.fuel_max = config->limits_fuel_max;
    const enum hg_status status =
        hg_session_create(client->server->engine, &options, &client->session, error);
    if (status == HG_OK) {
        client->state = HG_CLIENT_READY;
    }
    return status;
}

void hg_client_link(struct hg_client *client, struct hg_request *request)
{
    request->client = client;
    request->client_next = NULL;
    request->client_previous = client->last;
    if (client->last != NULL) {
        client->last->client_next = request;
    } else {
        client->first = request;
    }
    client->last = request;
    client->in_flight++;
}

void hg_client_unlink(struct hg_client *client, struct hg_request *request)
{
    if (request->client_previous != NULL) {
        request->client_previous->client_next = request->client_next;
    } else {
        client->first = request->client_next;
    }
    if (request->client_next != NULL) {
        request->client_next->client_previous = request->client_previous;
    } else {
        client->last = request->client_previous;
    }
    client->in_flight--;
}

static void drop(struct hg_client *client, struct hg_request *request)
{
    if (request->view_held) {
        hg_view_release(&request->view);
        request->view_held = false;
        client->views--;
    }
    hg_client_unlink(client, request);
    hg_request_put(&client->server->requests, request);
}

void hg_client_close(struct hg_client *client)
{
    client->state = HG_CLIENT_CLOSING;
    client->writing = NULL;
    struct hg_request *next;
    for (struct hg_request *request = client->first; request != NULL; request = next) {
        next = request->client_next;
        if (request->state == HG_STATE_RUNNING) {
            request->cancelled = true;
            hg_task_cancel(&request->task);
        } else {
            HG_REQUIRE(request->state != HG_STATE_SENDING);
            drop(client, request);
        }
    }
}

void hg_client_fini(struct hg_client *client)
{
    HG_REQUIRE(client->in_flight == 0 && client->views == 0 && client->running == 0);
    if (client->session != NULL) {
        hg_session_destroy(&client->session);
    }
}
