/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a batch as bytes: each is packed where the batch keeps it, and travels from there. */
#include <stdlib.h>

#include "client/lib/codec.h"

#define STEP(type) HOLOGRAM__V1__STEP__BODY_##type

#define TAG_BYTES(field) ((uint8_t)((field) << 3 | 2)) /* protobuf: length-delimited field */
#define VARINT_BYTES_MAX 5u

static size_t store_varint(uint8_t *bytes, size_t value)
{
    size_t count = 0;
    while (value >= 0x80) {
        bytes[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[count++] = (uint8_t)value;
    return count;
}

static hologram_status reserve(hologram_client *client, struct hg_client_bytes *bytes, size_t more)
{
    if (more <= bytes->capacity - bytes->size) {
        return HOLOGRAM_OK;
    }
    size_t capacity = bytes->capacity == 0 ? 1024 : bytes->capacity;
    while (capacity - bytes->size < more) {
        capacity *= 2; /* bounded: check_size has seen the sum */
    }
    uint8_t *data = realloc(bytes->data, capacity);
    if (!data) {
        return hg_client_fail_memory(client);
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return HOLOGRAM_OK;
}

uint8_t *hg_client_add_step(hologram_client *client, struct hg_client_bytes *steps,
                            size_t step_bytes)
{
    size_t more = 1 + VARINT_BYTES_MAX + step_bytes;
    if (hg_client_check_size(client, steps->size + more) != HOLOGRAM_OK ||
        reserve(client, steps, more) != HOLOGRAM_OK) {
        return NULL;
    }
    uint8_t *at = steps->data + steps->size;
    at[0] = TAG_BYTES(1); /* Batch.steps */
    size_t prefix_bytes = 1 + store_varint(at + 1, step_bytes);
    steps->size += prefix_bytes + step_bytes;
    return at + prefix_bytes;
}

hologram_status hg_client_step_body(hologram_client *client, struct hg_client_bytes *steps,
                                    Hologram__V1__Step__BodyCase type, void *body)
{
    Hologram__V1__Step step = HOLOGRAM__V1__STEP__INIT;
    step.body_case = type;
    step.alloc = body;
    uint8_t *at = hg_client_add_step(client, steps, hologram__v1__step__get_packed_size(&step));
    if (!at) {
        return client->error.status;
    }
    hologram__v1__step__pack(&step, at);
    return HOLOGRAM_OK;
}

hologram_status hg_client_step_alloc(hologram_client *client, struct hg_client_bytes *steps,
                                     hologram_buffer buffer, const hologram_buffer_spec *spec)
{
    Hologram__V1__Alloc body = hg_client_alloc_body(buffer, spec);
    return hg_client_step_body(client, steps, STEP(ALLOC), &body);
}

hologram_status hg_client_step_free(hologram_client *client, struct hg_client_bytes *steps,
                                    hologram_buffer buffer)
{
    Hologram__V1__Free body = HOLOGRAM__V1__FREE__INIT;
    body.n_ids = 1;
    body.ids = &buffer;
    return hg_client_step_body(client, steps, STEP(FREE), &body);
}

hologram_status hg_client_step_freeze(hologram_client *client, struct hg_client_bytes *steps,
                                      hologram_buffer buffer)
{
    Hologram__V1__Freeze body = HOLOGRAM__V1__FREEZE__INIT;
    body.n_ids = 1;
    body.ids = &buffer;
    return hg_client_step_body(client, steps, STEP(FREEZE), &body);
}

hologram_status hg_client_step_write(hologram_client *client, struct hg_client_bytes *steps,
                                     hologram_buffer buffer, uint64_t offset, const void *data,
                                     uint64_t bytes)
{
    if (bytes > HG_CLIENT_MESSAGE_BYTES_MAX) {
        return hg_client_check_size(client, (size_t)bytes);
    }
    Hologram__V1__Write body = HOLOGRAM__V1__WRITE__INIT;
    body.id = buffer;
    body.offset = offset;
    body.data.len = (size_t)bytes;
    body.data.data = (uint8_t *)data;
    return hg_client_step_body(client, steps, STEP(WRITE), &body);
}

hologram_status hg_client_step_run(hologram_client *client, struct hg_client_bytes *steps,
                                   const hologram_run *run)
{
    Hologram__V1__RunProgram body = hg_client_run_body(run);
    return hg_client_step_body(client, steps, STEP(RUN_PROGRAM), &body);
}
