/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in flight. A ticket is (generation << 16 | slot index); it is also the id on the wire.
 *
 *     FREE ──begin──► FLYING ──answer──► DONE ──wait──► FREE
 *                        └── answer, when detached or forgotten ──► FREE
 *
 * A forgotten request stays FLYING until its answer comes, so that the answer is recognised;
 * nothing of its caller's memory is touched any more.
 */
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"

#define SLOTS_FIRST 64u

static uint32_t index_of(hologram_ticket ticket)
{
    return (uint32_t)(ticket & 0xffffu);
}

/* The slot of TICKET, or NULL if it is not in flight. */
static struct hg_client_slot *find(const hologram_client *client, hologram_ticket ticket)
{
    uint32_t index = index_of(ticket);
    if (index >= client->slot_count) {
        return NULL;
    }
    struct hg_client_slot *slot = &client->slots[index];
    return slot->state != HG_CLIENT_FREE && slot->generation == ticket >> 16 ? slot : NULL;
}

static void release(hologram_client *client, struct hg_client_slot *slot)
{
    if (slot->state == HG_CLIENT_FLYING) {
        client->flying--;
    }
    if (slot->error) {
        free(slot->error);
        slot->error = NULL;
    }
    slot->state = HG_CLIENT_FREE; /* begin sets the rest */
    slot->detached = false;
    slot->forgotten = false;
    slot->next_free = client->slot_free;
    client->slot_free = (uint32_t)(slot - client->slots);
}

void hg_client_slots_free(hologram_client *client)
{
    for (uint32_t i = 0; i < client->slot_count; i++) {
        free(client->slots[i].error);
    }
    free(client->slots);
}

static hologram_status grow(hologram_client *client)
{
    if (client->slot_count >= HG_CLIENT_SLOTS_MAX) {
        return hg_client_fail(client, HOLOGRAM_RESOURCE_EXHAUSTED,
                              "%u tickets have not been waited for", client->slot_count);
    }
    uint32_t count = client->slot_count == 0 ? SLOTS_FIRST : client->slot_count * 2;
    struct hg_client_slot *slots = realloc(client->slots, count * sizeof *slots);
    if (!slots) {
        return hg_client_fail_memory(client);
    }
    memset(slots + client->slot_count, 0, (count - client->slot_count) * sizeof *slots);
    for (uint32_t i = client->slot_count; i < count; i++) {
        slots[i].next_free = i + 1;
    }
    client->slot_free = client->slot_count;
    client->slots = slots;
    client->slot_count = count;
    return HOLOGRAM_OK;
}

/* Stays below the number of requests that the server takes at once. */
static hologram_status throttle(hologram_client *client, uint64_t deadline_ns)
{
    uint32_t max = client->server.requests_in_flight_max;
    while (max != 0 && client->flying >= max) {
        hologram_status status = hg_client_send(client, NULL, 0, deadline_ns);
        if (status == HOLOGRAM_OK) {
            status = hg_client_receive(client, true, deadline_ns);
        }
        if (status != HOLOGRAM_OK) {
            return status;
        }
        if (deadline_ns != 0 && client->flying >= max && hg_client_now_ns() >= deadline_ns) {
            return hg_client_fail(client, HOLOGRAM_DEADLINE_EXCEEDED,
                                  "%u requests are in flight, and none ended in time", max);
        }
    }
    return HOLOGRAM_OK;
}

hologram_status hg_client_begin(hologram_client *client, const struct hg_client_want *want,
                                hologram_ticket *ticket)
{
    hologram_status status = hg_client_check(client);
    uint64_t deadline_ns = want->deadline_ns;
    uint32_t max = client->server.requests_in_flight_max;
    if (deadline_ns == 0 && client->timeout_us != 0) {
        deadline_ns = hg_client_now_ns() + client->timeout_us * 1000u + HG_CLIENT_GRACE_NS;
    }
    if (status == HOLOGRAM_OK && max != 0 && client->flying >= max) {
        status = throttle(client, deadline_ns);
    }
    if (status == HOLOGRAM_OK && client->slot_free == client->slot_count) {
        status = grow(client);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    uint32_t index = client->slot_free;
    struct hg_client_slot *slot = &client->slots[index];
    client->slot_free = slot->next_free;
    client->flying++;
    *slot = (struct hg_client_slot){
        .state = HG_CLIENT_FLYING,
        .detached = want->detached,
        .reads = want->destination != NULL,
        .generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1,
        .deadline_ns = deadline_ns,
        .destination = want->destination,
        .destination_bytes = want->destination_bytes,
        .take = want->take,
        .result = want->result,
    };
    *ticket = (uint64_t)slot->generation << 16 | index;
    return HOLOGRAM_OK;
}

hologram_status hg_client_submitted(hologram_client *client, hologram_ticket ticket,
                                    hologram_status status, hologram_ticket *caller_ticket)
{
    if (status != HOLOGRAM_OK) {
        struct hg_client_slot *slot = find(client, ticket);
        if (slot) {
            release(client, slot);
        }
    } else if (caller_ticket) {
        *caller_ticket = ticket;
    }
    return status;
}

hologram_status hg_client_complete(hologram_client *client, hologram_ticket ticket,
                                   hologram_status status)
{
    status = hg_client_submitted(client, ticket, status, NULL);
    return status == HOLOGRAM_OK ? hologram_wait(client, ticket) : status;
}

uint64_t hg_client_deadline(const hologram_client *client, hologram_ticket ticket)
{
    const struct hg_client_slot *slot = find(client, ticket);
    return slot ? slot->deadline_ns : 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void keep_error(hologram_client *client, struct hg_client_slot *slot,
                       const hologram_error *error)
{
    if (error->status == HOLOGRAM_NOT_FOUND && strcmp(error->detail, "NOT_PREPARED") == 0) {
        client->epoch++; /* no handle of this session is relied upon any more */
    }
    if (slot->detached) {
        if (client->detached_error.status == HOLOGRAM_OK) {
            client->detached_error = *error;
        }
        return;
    }
    slot->error = malloc(sizeof *error);
    if (slot->error) {
        *slot->error = *error;
    }
}

static void finish(hologram_client *client, struct hg_client_slot *slot)
{
    if (slot->detached || slot->forgotten) {
        release(client, slot);
        return;
    }
    client->flying--;
    slot->state = HG_CLIENT_DONE;
}

/* Outcome and results of REPLY, except a payload. */
static void settle(hologram_client *client, struct hg_client_slot *slot,
                   const struct hg_client_reply *reply)
{
    hologram_error error;
    slot->status = reply->status;
    error.status = reply->status;
    if (reply->status != HOLOGRAM_OK) {
        hg_client_copy_text(error.message, sizeof error.message, reply->message);
        hg_client_copy_text(error.detail, sizeof error.detail, reply->detail);
    }
    if (slot->take) {
        slot->status = slot->take(client, reply, slot->result, &error);
    }
    if (slot->status != HOLOGRAM_OK) {
        keep_error(client, slot, &error);
    }
}

static hologram_status check_payload(hologram_client *client, const struct hg_client_slot *slot,
                                     const struct hg_client_reply *reply, uint64_t payload_bytes)
{
    uint64_t expected = slot->reads && reply->status == HOLOGRAM_OK ? slot->destination_bytes : 0;
    if (payload_bytes != expected) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "expected an answer with %llu bytes of data, got %llu",
                               (unsigned long long)expected, (unsigned long long)payload_bytes);
    }
    return HOLOGRAM_OK;
}

hologram_status hg_client_answer(hologram_client *client, const struct hg_client_reply *reply,
                                 uint64_t payload_bytes)
{
    if (reply->id == 0 && reply->status != HOLOGRAM_OK) {
        return hg_client_break(client, reply->status, "%s", reply->message);
    }
    struct hg_client_slot *slot = find(client, reply->id);
    if (!slot || slot->state != HG_CLIENT_FLYING) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "got an answer to request %llu, which is not in flight",
                               (unsigned long long)reply->id);
    }
    hologram_status status = check_payload(client, slot, reply, payload_bytes);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    if (reply->has_fd && hg_client_pop_fd(client) != HOLOGRAM_OK) {
        return client->failure.status;
    }
    if (!slot->forgotten) {
        settle(client, slot, reply);
    }
    hg_client_drop_fd(client);
    if (payload_bytes > 0) {
        client->payload_left = payload_bytes;
        client->payload_to = slot->forgotten ? NULL : slot->destination;
        client->payload_slot = (uint32_t)(slot - client->slots);
        return HOLOGRAM_OK;
    }
    finish(client, slot);
    return HOLOGRAM_OK;
}

bool hg_client_answer_success(hologram_client *client, uint64_t id, bool is_execute)
{
    struct hg_client_slot *slot = find(client, id);
    if (!slot || slot->state != HG_CLIENT_FLYING || slot->reads || slot->result ||
        (slot->take && !(is_execute && slot->take == hg_client_take_execution))) {
        return false;
    }
    finish(client, slot);
    return true;
}

void hg_client_payload_done(hologram_client *client)
{
    client->payload_to = NULL;
    finish(client, &client->slots[client->payload_slot]);
}

/* ---- what callers do with tickets ------------------------------------------------------------ */

static void forget(hologram_client *client, struct hg_client_slot *slot)
{
    if (slot->state == HG_CLIENT_DONE) {
        release(client, slot);
        return;
    }
    slot->forgotten = true;
    slot->destination = NULL;
    slot->result = NULL;
    if (client->payload_left > 0 && &client->slots[client->payload_slot] == slot) {
        client->payload_to = NULL;
    }
}

void hologram_forget(hologram_client *client, hologram_ticket ticket)
{
    struct hg_client_slot *slot = find(client, ticket);
    if (slot && !slot->forgotten && !slot->detached) {
        forget(client, slot);
    }
}

static hologram_status no_such_ticket(hologram_client *client, hologram_ticket ticket)
{
    return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT, "ticket %#llx is not in flight",
                          (unsigned long long)ticket);
}

/* Receives until TICKET's answer is there. */
static hologram_status await_answer(hologram_client *client, hologram_ticket ticket)
{
    uint64_t deadline_ns = hg_client_deadline(client, ticket);
    hologram_status status = hg_client_send(client, NULL, 0, deadline_ns);
    while (status == HOLOGRAM_OK && find(client, ticket)->state == HG_CLIENT_FLYING) {
        status = hg_client_receive(client, true, deadline_ns);
        if (status == HOLOGRAM_OK && deadline_ns != 0 &&
            find(client, ticket)->state == HG_CLIENT_FLYING && hg_client_now_ns() >= deadline_ns) {
            status = hg_client_fail(client, HOLOGRAM_DEADLINE_EXCEEDED,
                                    "the server did not answer in time");
        }
    }
    return status;
}

hologram_status hologram_wait(hologram_client *client, hologram_ticket ticket)
{
    struct hg_client_slot *slot = find(client, ticket);
    if (!slot || slot->forgotten || slot->detached) {
        return no_such_ticket(client, ticket);
    }
    hologram_status status = HOLOGRAM_OK;
    if (slot->state == HG_CLIENT_FLYING) {
        status = await_answer(client, ticket);
        slot = find(client, ticket);
    }
    if (slot->state == HG_CLIENT_FLYING) {
        forget(client, slot);
        return status;
    }
    status = slot->status;
    if (status != HOLOGRAM_OK) {
        if (slot->error) {
            client->error = *slot->error;
        } else {
            (void)hg_client_fail(client, status, "%s", hologram_status_name(status));
        }
    }
    release(client, slot);
    return status;
}

hologram_status hologram_flush(hologram_client *client)
{
    uint64_t deadline_ns = 0;
    if (client->timeout_us != 0) {
        deadline_ns = hg_client_now_ns() + client->timeout_us * 1000u + HG_CLIENT_GRACE_NS;
    }
    hologram_status status = hg_client_check(client);
    return status == HOLOGRAM_OK ? hg_client_send(client, NULL, 0, deadline_ns) : status;
}

/* Receives until no detached request is left. */
static hologram_status wait_detached(hologram_client *client)
{
    for (uint32_t i = 0; i < client->slot_count; i++) {
        hologram_ticket ticket = (uint64_t)client->slots[i].generation << 16 | i;
        uint64_t deadline_ns = client->slots[i].deadline_ns;
        while (client->slots[i].detached && !client->slots[i].forgotten && find(client, ticket)) {
            hologram_status status = hg_client_receive(client, true, deadline_ns);
            if (status != HOLOGRAM_OK) {
                return status;
            }
            if (deadline_ns != 0 && find(client, ticket) && hg_client_now_ns() >= deadline_ns) {
                forget(client, &client->slots[i]);
                return hg_client_fail(client, HOLOGRAM_DEADLINE_EXCEEDED,
                                      "the server did not answer in time");
            }
        }
    }
    return HOLOGRAM_OK;
}

hologram_status hologram_wait_all(hologram_client *client)
{
    hologram_error first = {.status = HOLOGRAM_OK};
    if (hologram_flush(client) == HOLOGRAM_OK) {
        (void)wait_detached(client);
    }
    if (client->detached_error.status != HOLOGRAM_OK) {
        first = client->detached_error;
        client->detached_error.status = HOLOGRAM_OK;
    }
    for (uint32_t i = 0; i < client->slot_count; i++) {
        const struct hg_client_slot *slot = &client->slots[i];
        if (slot->state == HG_CLIENT_FREE || slot->forgotten || slot->detached) {
            continue;
        }
        hologram_ticket ticket = (uint64_t)slot->generation << 16 | i;
        if (hologram_wait(client, ticket) != HOLOGRAM_OK && first.status == HOLOGRAM_OK) {
            first = client->error;
        }
    }
    if (first.status == HOLOGRAM_OK) {
        return hg_client_check(client);
    }
    client->error = first;
    return first.status;
}

hologram_status hologram_poll(hologram_client *client, hologram_ticket ticket, bool *done)
{
    struct hg_client_slot *slot = find(client, ticket);
    if (!slot || slot->forgotten || slot->detached) {
        return no_such_ticket(client, ticket);
    }
    hologram_status status = HOLOGRAM_OK;
    if (slot->state == HG_CLIENT_FLYING) {
        status = hologram_flush(client);
        if (status == HOLOGRAM_OK) {
            status = hg_client_receive(client, false, 0);
        }
        slot = find(client, ticket);
    }
    if (slot->state == HG_CLIENT_DONE) {
        *done = true;
        return HOLOGRAM_OK;
    }
    if (status == HOLOGRAM_OK) {
        *done = false;
    }
    return status;
}
