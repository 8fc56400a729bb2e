/* SPDX-License-Identifier: Apache-2.0 */
/* Executing operations, users' programs and batches. */
#include <stdlib.h>

#include "client/lib/internal.h"

hologram_status hologram_submit_execute(hologram_client *client, const hologram_call *call,
                                        hologram_execution *execution, hologram_ticket *ticket)
{
    struct hg_client_want want = {
        .take = hg_client_take_execution, .result = execution, .detached = !ticket};
    hologram_ticket request;
    hologram_status status = hg_client_begin(client, &want, &request);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_submitted(client, request, hg_client_put_execute(client, request, call),
                               ticket);
}

hologram_status hologram_execute(hologram_client *client, const hologram_call *call,
                                 hologram_execution *execution)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_execute(client, call, execution, &ticket);
    return status == HOLOGRAM_OK ? hologram_wait(client, ticket) : status;
}

/* ---- programs -------------------------------------------------------------------------------- */

hologram_status hologram_load_program(hologram_client *client, const void *binary, size_t bytes,
                                      hologram_program *program, hologram_program_info *info)
{
    struct hg_client_want want = {.take = hg_client_take_program, .result = info};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    hologram_program id = hg_client_mint(client, (hologram_dtype)0);
    status =
        hg_client_complete(client, ticket, hg_client_put_load(client, ticket, id, binary, bytes));
    if (status == HOLOGRAM_OK) {
        *program = id;
    }
    return status;
}

hologram_status hologram_unload_program(hologram_client *client, hologram_program program)
{
    struct hg_client_want want = {0};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_unload(client, ticket, program));
}

hologram_status hologram_submit_run_program(hologram_client *client, const hologram_run *run,
                                            hologram_execution *execution, hologram_ticket *ticket)
{
    struct hg_client_want want = {
        .take = hg_client_take_execution, .result = execution, .detached = !ticket};
    hologram_ticket request;
    hologram_status status = hg_client_begin(client, &want, &request);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_submitted(client, request, hg_client_put_run(client, request, run), ticket);
}

hologram_status hologram_run_program(hologram_client *client, const hologram_run *run,
                                     hologram_execution *execution)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_run_program(client, run, execution, &ticket);
    return status == HOLOGRAM_OK ? hologram_wait(client, ticket) : status;
}

/* ---- batches --------------------------------------------------------------------------------- */

hologram_status hologram_batch_new(hologram_client *client, hologram_batch **batch)
{
    hologram_batch *made = calloc(1, sizeof *made);
    if (!made) {
        return hg_client_fail_memory(client);
    }
    made->client = client;
    *batch = made;
    return HOLOGRAM_OK;
}

void hologram_batch_free(hologram_batch **batch)
{
    if (*batch) {
        free((*batch)->steps.data);
        free(*batch);
        *batch = NULL;
    }
}

void hologram_batch_clear(hologram_batch *batch)
{
    batch->steps.size = 0;
    batch->count = 0;
}

uint32_t hologram_batch_steps(const hologram_batch *batch)
{
    return batch->count;
}

hologram_status hg_client_check_room(hologram_batch *batch)
{
    uint32_t max = batch->client->server.batch_steps_max;
    if (max != 0 && batch->count >= max) {
        return hg_client_fail(batch->client, HOLOGRAM_INVALID_ARGUMENT,
                              "batch: expected at most %u steps", max);
    }
    return HOLOGRAM_OK;
}

hologram_status hg_client_added(hologram_batch *batch, hologram_status status)
{
    if (status == HOLOGRAM_OK) {
        batch->count++;
    }
    return status;
}

hologram_status hologram_batch_alloc(hologram_batch *batch, const hologram_buffer_spec *spec,
                                     hologram_buffer *buffer)
{
    hologram_client *client = batch->client;
    hologram_status status = hg_client_check_room(batch);
    if (status == HOLOGRAM_OK) {
        status = hg_client_check_spec(client, spec);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    hologram_buffer id = hg_client_mint(client, spec->dtype);
    status = hg_client_added(batch, hg_client_step_alloc(client, &batch->steps, id, spec));
    if (status == HOLOGRAM_OK) {
        *buffer = id;
    }
    return status;
}

hologram_status hologram_batch_free_buffer(hologram_batch *batch, hologram_buffer buffer)
{
    hologram_status status = hg_client_check_room(batch);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_added(batch, hg_client_step_free(batch->client, &batch->steps, buffer));
}

hologram_status hologram_batch_freeze(hologram_batch *batch, hologram_buffer buffer)
{
    hologram_status status = hg_client_check_room(batch);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_added(batch, hg_client_step_freeze(batch->client, &batch->steps, buffer));
}

hologram_status hologram_batch_write(hologram_batch *batch, hologram_buffer buffer, uint64_t offset,
                                     const void *data, uint64_t bytes)
{
    hologram_status status = hg_client_check_room(batch);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_added(
        batch, hg_client_step_write(batch->client, &batch->steps, buffer, offset, data, bytes));
}

hologram_status hologram_batch_execute(hologram_batch *batch, const hologram_call *call)
{
    hologram_status status = hg_client_check_room(batch);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_added(batch, hg_client_step_execute(batch->client, &batch->steps, call));
}

hologram_status hologram_batch_run_program(hologram_batch *batch, const hologram_run *run)
{
    hologram_status status = hg_client_check_room(batch);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_added(batch, hg_client_step_run(batch->client, &batch->steps, run));
}

hologram_status hologram_submit_batch(hologram_batch *batch, uint32_t *completed,
                                      hologram_ticket *ticket)
{
    hologram_client *client = batch->client;
    struct hg_client_want want = {
        .take = hg_client_take_batch, .result = completed, .detached = !ticket};
    hologram_ticket request;
    hologram_status status = hg_client_begin(client, &want, &request);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_submitted(client, request, hg_client_put_batch(client, request, &batch->steps),
                               ticket);
}

hologram_status hologram_batch_run(hologram_batch *batch, uint32_t *completed)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_batch(batch, completed, &ticket);
    return status == HOLOGRAM_OK ? hologram_wait(batch->client, ticket) : status;
}
