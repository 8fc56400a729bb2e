/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers. An id is (number << 4 | element type), so that scalars can be turned into the operand's
 * type without asking the server. A buffer that was opened by name gets its id before its type is
 * known: its low bits are 0 and its type is in a small table.
 */
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"

uint64_t hg_client_mint(hologram_client *client, hologram_dtype dtype)
{
    return client->next_id++ << 4 | (uint64_t)dtype;
}

/* Index of BUFFER in the table, or where it would be. */
static uint32_t search(const hologram_client *client, hologram_buffer buffer)
{
    uint32_t low = 0;
    uint32_t high = client->opened_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (client->opened[middle].buffer < buffer) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_opened(const hologram_client *client, hologram_buffer buffer, uint32_t *index)
{
    *index = search(client, buffer);
    return *index < client->opened_count && client->opened[*index].buffer == buffer;
}

hologram_dtype hg_client_dtype(const hologram_client *client, hologram_buffer buffer)
{
    uint32_t index;
    if ((buffer & 15) != 0) {
        return (hologram_dtype)(buffer & 15);
    }
    return is_opened(client, buffer, &index) ? client->opened[index].dtype : (hologram_dtype)0;
}

static hologram_status reserve_opened(hologram_client *client)
{
    if (client->opened_count < client->opened_size) {
        return HOLOGRAM_OK;
    }
    uint32_t size = client->opened_size == 0 ? 16 : client->opened_size * 2;
    struct hg_client_opened *opened = realloc(client->opened, size * sizeof *opened);
    if (!opened) {
        return hg_client_fail_memory(client);
    }
    client->opened = opened;
    client->opened_size = size;
    return HOLOGRAM_OK;
}

hologram_status hg_client_note_type(hologram_client *client, hologram_buffer buffer,
                                    hologram_dtype dtype)
{
    uint32_t index;
    if (is_opened(client, buffer, &index)) {
        return HOLOGRAM_OK;
    }
    hologram_status status = reserve_opened(client);
    if (status == HOLOGRAM_OK) {
        memmove(client->opened + index + 1, client->opened + index,
                (client->opened_count - index) * sizeof *client->opened);
        client->opened[index] = (struct hg_client_opened){.buffer = buffer, .dtype = dtype};
        client->opened_count++;
    }
    return status;
}

static void forget_opened(hologram_client *client, hologram_buffer buffer)
{
    uint32_t index;
    if ((buffer & 15) == 0 && is_opened(client, buffer, &index)) {
        client->opened_count--;
        memmove(client->opened + index, client->opened + index + 1,
                (client->opened_count - index) * sizeof *client->opened);
    }
}

/* ---- alloc and free -------------------------------------------------------------------------- */

hologram_status hg_client_check_spec(hologram_client *client, const hologram_buffer_spec *spec)
{
    if (hologram_dtype_bytes(spec->dtype) == 0) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT, "alloc: there is no dtype %d",
                              (int)spec->dtype);
    }
    if (spec->rank > HOLOGRAM_RANK_MAX) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "alloc: expected at most %d dimensions, got %u", HOLOGRAM_RANK_MAX,
                              spec->rank);
    }
    return HOLOGRAM_OK;
}

/* The memory of a shared buffer is lost to whoever does not take its descriptor. */
static hologram_status check_pool(hologram_client *client, const hologram_buffer_spec *spec)
{
    if (spec->pool == HOLOGRAM_POOL_SHARED) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "alloc: shared memory comes from hologram_alloc_shared");
    }
    return hg_client_check_spec(client, spec);
}

hologram_status hologram_submit_alloc(hologram_client *client, const hologram_buffer_spec *spec,
                                      hologram_buffer *buffer, hologram_buffer_info *info,
                                      hologram_ticket *ticket)
{
    struct hg_client_want want = {
        .take = hg_client_take_alloc, .result = info, .detached = !ticket};
    hologram_ticket request;
    hologram_status status = check_pool(client, spec);
    if (status == HOLOGRAM_OK) {
        status = hg_client_begin(client, &want, &request);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    hologram_buffer id = hg_client_mint(client, spec->dtype);
    status = hg_client_submitted(client, request, hg_client_put_alloc(client, request, id, spec),
                                 ticket);
    if (status == HOLOGRAM_OK) {
        *buffer = id;
    }
    return status;
}

hologram_status hologram_alloc(hologram_client *client, const hologram_buffer_spec *spec,
                               hologram_buffer *buffer, hologram_buffer_info *info)
{
    hologram_buffer made;
    hologram_ticket ticket;
    hologram_status status = hologram_submit_alloc(client, spec, &made, info, &ticket);
    if (status == HOLOGRAM_OK) {
        status = hologram_wait(client, ticket);
    }
    if (status == HOLOGRAM_OK) {
        *buffer = made;
    }
    return status;
}

hologram_status hologram_alloc_vector(hologram_client *client, hologram_dtype dtype, uint64_t n,
                                      hologram_buffer *buffer)
{
    hologram_buffer_spec spec = {.dtype = dtype, .rank = 1, .shape = {n}};
    return hologram_alloc(client, &spec, buffer, NULL);
}

hologram_status hologram_alloc_matrix(hologram_client *client, hologram_dtype dtype, uint64_t rows,
                                      uint64_t cols, hologram_buffer *buffer)
{
    hologram_buffer_spec spec = {.dtype = dtype, .rank = 2, .shape = {rows, cols}};
    return hologram_alloc(client, &spec, buffer, NULL);
}

void hg_client_undo_alloc(hologram_client *client, hologram_buffer buffer)
{
    hologram_error error = client->error;
    hologram_ticket ticket;
    if (hologram_submit_free(client, buffer, &ticket) == HOLOGRAM_OK) {
        hologram_forget(client, ticket);
    }
    client->error = error;
}

hologram_status hologram_from_memory(hologram_client *client, hologram_dtype dtype,
                                     const void *data, uint64_t n, hologram_buffer *buffer)
{
    hologram_buffer made;
    hologram_status status = hologram_alloc_vector(client, dtype, n, &made);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    if (n > 0) {
        status = hologram_write(client, made, 0, data, n * hologram_dtype_bytes(dtype));
    }
    if (status != HOLOGRAM_OK) {
        hg_client_undo_alloc(client, made);
        return status;
    }
    *buffer = made;
    return HOLOGRAM_OK;
}

hologram_status hologram_submit_free(hologram_client *client, hologram_buffer buffer,
                                     hologram_ticket *ticket)
{
    struct hg_client_want want = {.detached = !ticket};
    hologram_ticket request;
    hologram_status status = hg_client_begin(client, &want, &request);
    if (status == HOLOGRAM_OK) {
        status = hg_client_submitted(client, request, hg_client_put_free(client, request, buffer),
                                     ticket);
    }
    if (status == HOLOGRAM_OK) {
        forget_opened(client, buffer);
    }
    return status;
}

hologram_status hologram_free(hologram_client *client, hologram_buffer buffer)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_free(client, buffer, &ticket);
    return status == HOLOGRAM_OK ? hologram_wait(client, ticket) : status;
}

hologram_status hologram_submit_freeze(hologram_client *client, hologram_buffer buffer,
                                       hologram_ticket *ticket)
{
    struct hg_client_want want = {.detached = !ticket};
    hologram_ticket request;
    hologram_status status = hg_client_begin(client, &want, &request);
    if (status == HOLOGRAM_OK) {
        status = hg_client_submitted(client, request, hg_client_put_freeze(client, request, buffer),
                                     ticket);
    }
    return status;
}

hologram_status hologram_freeze(hologram_client *client, hologram_buffer buffer)
{
    hologram_ticket ticket;
    hologram_status status = hologram_submit_freeze(client, buffer, &ticket);
    return status == HOLOGRAM_OK ? hologram_wait(client, ticket) : status;
}

/* ---- write and read -------------------------------------------------------------------------- */

static uint64_t payload_max(const hologram_client *client)
{
    uint64_t max = client->server.payload_bytes_max;
    return max == 0 ? UINT64_MAX : max;
}

static uint64_t chunk_bytes(const hologram_client *client)
{
    uint64_t max = payload_max(client);
    return max < HG_CLIENT_CHUNK_BYTES ? max : HG_CLIENT_CHUNK_BYTES;
}

static hologram_status check_payload(hologram_client *client, const char *call, uint64_t bytes)
{
    if (bytes > payload_max(client)) {
        return hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                              "%s: expected at most %llu bytes, got %llu", call,
                              (unsigned long long)payload_max(client), (unsigned long long)bytes);
    }
    return HOLOGRAM_OK;
}

hologram_status hologram_submit_write(hologram_client *client, hologram_buffer buffer,
                                      uint64_t offset, const void *data, uint64_t bytes,
                                      hologram_ticket *ticket)
{
    struct hg_client_want want = {.detached = !ticket};
    hologram_ticket request;
    hologram_status status = check_payload(client, "write", bytes);
    if (status == HOLOGRAM_OK) {
        status = hg_client_begin(client, &want, &request);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_submitted(
        client, request, hg_client_put_write(client, request, buffer, offset, data, bytes), ticket);
}

hologram_status hologram_submit_read(hologram_client *client, hologram_buffer buffer,
                                     uint64_t offset, void *data, uint64_t bytes,
                                     hologram_ticket *ticket)
{
    struct hg_client_want want = {
        .destination = data, .destination_bytes = bytes, .detached = !ticket};
    hologram_ticket request;
    hologram_status status = check_payload(client, "read", bytes);
    if (status == HOLOGRAM_OK && (bytes == 0 || !data)) {
        status = hg_client_fail(client, HOLOGRAM_INVALID_ARGUMENT,
                                "read: expected at least 1 byte and a place for it");
    }
    if (status == HOLOGRAM_OK) {
        status = hg_client_begin(client, &want, &request);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_submitted(client, request,
                               hg_client_put_read(client, request, buffer, offset, bytes), ticket);
}

/* One piece of a blocking transfer, which goes in pieces so that other clients have their turn. Two
 * are on their way at a time: PREVIOUS is waited for once the next has been submitted. */
static hologram_status settle_previous(hologram_client *client, hologram_ticket *previous,
                                       hologram_ticket next)
{
    hologram_status status = *previous != 0 ? hologram_wait(client, *previous) : HOLOGRAM_OK;
    *previous = next;
    return status;
}

/* After a failure of STATUS: the piece still in flight must not touch the caller's memory. */
static hologram_status finish_pieces(hologram_client *client, hologram_status status,
                                     hologram_ticket last)
{
    if (last == 0) {
        return status;
    }
    hologram_error error = client->error;
    hologram_status last_status = hologram_wait(client, last);
    if (status != HOLOGRAM_OK) {
        client->error = error;
        return status;
    }
    return last_status;
}

hologram_status hologram_write(hologram_client *client, hologram_buffer buffer, uint64_t offset,
                               const void *data, uint64_t bytes)
{
    const uint8_t *from = data;
    hologram_ticket previous = 0;
    hologram_status status = HOLOGRAM_OK;
    do {
        uint64_t part = bytes < chunk_bytes(client) ? bytes : chunk_bytes(client);
        hologram_ticket ticket = 0;
        status = hologram_submit_write(client, buffer, offset, from, part, &ticket);
        if (status != HOLOGRAM_OK) {
            break;
        }
        status = settle_previous(client, &previous, ticket);
        if (part > 0) {
            from += part;
            offset += part;
            bytes -= part;
        }
    } while (status == HOLOGRAM_OK && bytes > 0);
    return finish_pieces(client, status, previous);
}

hologram_status hologram_read(hologram_client *client, hologram_buffer buffer, uint64_t offset,
                              void *data, uint64_t bytes)
{
    uint8_t *to = data;
    hologram_ticket previous = 0;
    hologram_status status = HOLOGRAM_OK;
    while (status == HOLOGRAM_OK && bytes > 0) {
        uint64_t part = bytes < chunk_bytes(client) ? bytes : chunk_bytes(client);
        hologram_ticket ticket = 0;
        status = hologram_submit_read(client, buffer, offset, to, part, &ticket);
        if (status != HOLOGRAM_OK) {
            break;
        }
        status = hologram_flush(client);
        hologram_status settled = settle_previous(client, &previous, ticket);
        status = status == HOLOGRAM_OK ? settled : status;
        to += part;
        offset += part;
        bytes -= part;
    }
    return finish_pieces(client, status, previous);
}

/* ---- named buffers --------------------------------------------------------------------------- */

hologram_status hologram_publish(hologram_client *client, hologram_buffer buffer, const char *name,
                                 uint32_t mode, uint32_t gid)
{
    struct hg_client_want want = {0};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket,
                              hg_client_put_publish(client, ticket, buffer, name, mode, gid));
}

hologram_status hologram_unpublish(hologram_client *client, const char *name)
{
    struct hg_client_want want = {0};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_unpublish(client, ticket, name));
}

hologram_status hg_client_open(hologram_client *client, const char *name, bool writable,
                               hg_client_take_fn *take, void *result, hologram_buffer_info *info,
                               hologram_buffer *buffer)
{
    struct hg_client_want want = {.take = take, .result = result};
    hologram_ticket ticket;
    hologram_status status = reserve_opened(client);
    client->takes_fds = true;
    if (status == HOLOGRAM_OK) {
        status = hg_client_begin(client, &want, &ticket);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    hologram_buffer id = hg_client_mint(client, (hologram_dtype)0);
    status =
        hg_client_complete(client, ticket, hg_client_put_open(client, ticket, name, writable, id));
    if (status != HOLOGRAM_OK) {
        return status;
    }
    (void)hg_client_note_type(client, id, info->spec.dtype); /* room was reserved */
    info->buffer = id;
    *buffer = id;
    return HOLOGRAM_OK;
}

hologram_status hologram_open(hologram_client *client, const char *name, bool writable,
                              hologram_buffer *buffer, hologram_buffer_info *info)
{
    hologram_buffer_info found;
    hologram_status status =
        hg_client_open(client, name, writable, hg_client_take_open, &found, &found, buffer);
    if (status == HOLOGRAM_OK && info) {
        *info = found;
    }
    return status;
}
