/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/grpc_wire.h"

#include <string.h>

#include "daemon/limits.h"

static bool take_varint(struct hg_wire *wire, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned i = 0; i < HG_WIRE_VARINT_MAX && wire->position < wire->size; i++) {
        const uint8_t byte = wire->data[wire->position++];
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *value = result;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct hg_wire *wire, uint64_t size, struct hg_bytes *bytes)
{
    if (size > wire->size - wire->position) {
        return false;
    }
    *bytes = (struct hg_bytes){wire->data + wire->position, (size_t)size};
    wire->position += (size_t)size;
    return true;
}

static bool take_fixed(struct hg_wire *wire, size_t size, uint64_t *value)
{
    struct hg_bytes bytes;
    if (!take_bytes(wire, size, &bytes)) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < size; i++) {
        *value |= (uint64_t)bytes.data[i] << (8 * i);
    }
    return true;
}

static bool take_field(struct hg_wire *wire, struct hg_wire_field *field)
{
    uint64_t key;
    uint64_t length;
    field->start = wire->position;
    field->bytes = (struct hg_bytes){0};
    field->value = 0;
    if (!take_varint(wire, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) {
        return false;
    }
    field->number = (uint32_t)(key >> 3);
    field->type = (enum hg_wire_type)(key & 7);
    switch (field->type) {
    case HG_WIRE_VARINT:
        return take_varint(wire, &field->value);
    case HG_WIRE_FIXED64:
        return take_fixed(wire, 8, &field->value);
    case HG_WIRE_FIXED32:
        return take_fixed(wire, 4, &field->value);
    case HG_WIRE_BYTES:
        return take_varint(wire, &length) && take_bytes(wire, length, &field->bytes);
    }
    return false; /* groups are not in the schema */
}

bool hg_wire_next(struct hg_wire *wire, struct hg_wire_field *field)
{
    if (wire->failed || wire->position == wire->size) {
        return false;
    }
    wire->failed = !take_field(wire, field);
    return !wire->failed;
}

struct hg_bytes hg_wire_find(struct hg_bytes text, uint32_t number)
{
    struct hg_wire wire = hg_wire_of(text);
    struct hg_wire_field field;
    struct hg_bytes found = {0};
    while (hg_wire_next(&wire, &field)) {
        if (field.number == number && field.type == HG_WIRE_BYTES) {
            found = field.bytes;
        }
    }
    if (wire.failed) {
        found = (struct hg_bytes){0};
    }
    return found;
}

size_t hg_wire_put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        out[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[size++] = (uint8_t)value;
    return size;
}

size_t hg_wire_put_key(uint8_t *out, uint32_t number, uint64_t length)
{
    const size_t size = hg_wire_put_varint(out, (uint64_t)number << 3 | HG_WIRE_BYTES);
    return size + hg_wire_put_varint(out + size, length);
}

struct hg_bytes hg_wire_wrap(struct hg_arena *arena, uint32_t number, struct hg_bytes body)
{
    uint8_t *out = hg_arena_alloc(arena, HG_WIRE_KEY_MAX + body.size);
    if (out == NULL) {
        return (struct hg_bytes){0};
    }
    const size_t key = hg_wire_put_key(out, number, body.size);
    if (body.size != 0) {
        memcpy(out + key, body.data, body.size);
    }
    return (struct hg_bytes){out, key + body.size};
}

struct hg_bytes hg_wire_unwrap(struct hg_bytes response)
{
    struct hg_wire wire = hg_wire_of(response);
    struct hg_wire_field field;
    if (!hg_wire_next(&wire, &field) || field.type != HG_WIRE_BYTES) {
        return (struct hg_bytes){0};
    }
    return field.bytes;
}

enum hg_status hg_wire_parse_write(struct hg_bytes message, struct hg_write_args *write,
                                   struct hg_error *error)
{
    struct hg_wire wire = hg_wire_of(message);
    struct hg_wire_field field;
    *write = (struct hg_write_args){0};
    while (hg_wire_next(&wire, &field)) {
        if (field.number == 1 && field.type == HG_WIRE_VARINT) {
            write->id = field.value;
        } else if (field.number == 2 && field.type == HG_WIRE_VARINT) {
            write->offset = field.value;
        } else if (field.number == 3 && field.type == HG_WIRE_BYTES) {
            write->data = field.bytes;
        }
    }
    if (wire.failed) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "malformed message: not a Write");
    }
    return HG_OK;
}
