/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared operations. An object keeps what was asked for, as bytes, beside the handle that a
 * session gave for it:
 *
 *     epoch = the client's epoch ──► the handle is good
 *           ≠                    ──► ask again first: another client, or one whose handles are gone
 *
 * Epochs are times of the monotonic clock, so no two clients of a process share one, also not those
 * at the same address.
 */
#include <stdlib.h>

#include "client/lib/internal.h"

struct hologram_prepared {
    uint64_t epoch; /* of the client that the handle is of; 0 = there is none */
    uint64_t handle;
    struct hg_client_bytes request;
};

/* Asks for a handle, and waits for it. */
static hologram_status ask(hologram_client *client, hologram_prepared *prepared)
{
    uint64_t handle = 0;
    struct hg_client_want want = {.take = hg_client_take_handle, .result = &handle};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    status = hg_client_complete(client, ticket,
                                hg_client_put_prepare(client, ticket, &prepared->request));
    if (status == HOLOGRAM_OK) {
        prepared->handle = handle;
        prepared->epoch = client->epoch;
    }
    return status;
}

static hologram_status ensure(hologram_client *client, hologram_prepared *prepared)
{
    return prepared->epoch == client->epoch ? HOLOGRAM_OK : ask(client, prepared);
}

hologram_status hologram_prepare(hologram_client *client, const hologram_pattern *pattern,
                                 hologram_prepared **prepared)
{
    hologram_prepared *made = calloc(1, sizeof *made);
    if (!made) {
        return hg_client_fail_memory(client);
    }
    hologram_status status = hg_client_pack_prepare(client, pattern, &made->request);
    if (status == HOLOGRAM_OK) {
        status = ask(client, made);
    }
    if (status != HOLOGRAM_OK) {
        hologram_unprepare(NULL, &made);
        return status;
    }
    *prepared = made;
    return HOLOGRAM_OK;
}

/* Nobody waits for the answer, and none of them changes anything here. */
static void tell(hologram_client *client, uint64_t handle)
{
    struct hg_client_want want = {0};
    hologram_ticket ticket;
    if (hg_client_begin(client, &want, &ticket) != HOLOGRAM_OK) {
        return;
    }
    hologram_status status = hg_client_put_unprepare(client, ticket, handle);
    if (hg_client_submitted(client, ticket, status, NULL) == HOLOGRAM_OK) {
        hologram_forget(client, ticket);
    }
}

void hologram_unprepare(hologram_client *client, hologram_prepared **prepared)
{
    hologram_prepared *gone = *prepared;
    *prepared = NULL;
    if (!gone) {
        return;
    }
    if (client && gone->epoch == client->epoch) {
        tell(client, gone->handle);
    }
    free(gone->request.data);
    free(gone);
}

/* ---- executing ------------------------------------------------------------------------------- */

hologram_status hologram_submit_execute_prepared(hologram_client *client,
                                                 const hologram_prepared_call *call,
                                                 hologram_execution *execution,
                                                 hologram_ticket *ticket)
{
    struct hg_client_want want = {
        .take = hg_client_take_execution, .result = execution, .detached = !ticket};
    hologram_ticket request;
    hologram_status status = ensure(client, call->prepared);
    if (status == HOLOGRAM_OK) {
        status = hg_client_begin(client, &want, &request);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    status = hg_client_put_execute_prepared(client, request, call->prepared->handle, call);
    return hg_client_submitted(client, request, status, ticket);
}

static hologram_status execute_once(hologram_client *client, const hologram_prepared_call *call,
                                    hologram_execution *execution)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_execute_prepared(client, call, execution, &ticket);
    return status == HOLOGRAM_OK ? hologram_wait(client, ticket) : status;
}

hologram_status hologram_execute_prepared(hologram_client *client,
                                          const hologram_prepared_call *call,
                                          hologram_execution *execution)
{
    uint64_t epoch = client->epoch;
    hologram_status status = execute_once(client, call, execution);
    if (status == HOLOGRAM_NOT_FOUND && epoch != client->epoch) {
        status = execute_once(client, call, execution);
    }
    return status;
}

hologram_status hologram_batch_execute_prepared(hologram_batch *batch,
                                                const hologram_prepared_call *call)
{
    hologram_status status = hg_client_check_room(batch);
    if (status == HOLOGRAM_OK) {
        status = ensure(batch->client, call->prepared);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_added(batch, hg_client_step_execute_prepared(batch->client, &batch->steps,
                                                                  call->prepared->handle, call));
}
