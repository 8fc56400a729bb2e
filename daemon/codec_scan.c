/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/codec_scan.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/limits.h"
#include "lib/base/check.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define VARINT_BYTES_MAX 10

struct scan {
    uint32_t fields;
    uint32_t messages;
    uint32_t elements;
    struct hg_error *error;
};

struct span {
    const uint8_t *at;
    const uint8_t *end;
};

static bool refuse(struct scan *scan, const char *reason)
{
    (void)hg_fail(scan->error, HG_INVALID_ARGUMENT, "malformed message: %s", reason);
    return false;
}

static bool take_varint(struct span *span, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && span->at < span->end; i++) {
        const uint8_t byte = *span->at++;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static bool skip(struct span *span, uint64_t size)
{
    if ((uint64_t)(span->end - span->at) < size) {
        return false;
    }
    span->at += size;
    return true;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor,
                                                  uint64_t number)
{
    /* Requests have few fields; numbers ascend. */
    for (unsigned i = 0; i < descriptor->n_fields && descriptor->fields[i].id <= number; i++) {
        if (descriptor->fields[i].id == number) {
            return &descriptor->fields[i];
        }
    }
    return NULL;
}

/* Values in a packed field: varints end in a byte without the high bit. */
static uint64_t count_packed(const ProtobufCFieldDescriptor *field, struct span values)
{
    const uint64_t size = (uint64_t)(values.end - values.at);
    switch (field->type) {
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return size / 8;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return size / 4;
    default:
        break;
    }
    uint64_t count = 0;
    for (const uint8_t *at = values.at; at < values.end; at++) {
        count += (*at & 0x80) == 0;
    }
    return count;
}

static bool scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                         struct span span, unsigned depth);

/* A length-delimited field: its bytes are CONTENT. FIELD is NULL for one the schema has not. */
static bool scan_bytes(struct scan *scan, const ProtobufCFieldDescriptor *field,
                       struct span content, unsigned depth)
{
    if (field == NULL || field->type == PROTOBUF_C_TYPE_BYTES) {
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return scan_message(scan, field->descriptor, content, depth + 1);
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return memchr(content.at, 0, (size_t)(content.end - content.at)) == NULL ||
               refuse(scan, "NUL byte in a text");
    }
    const uint64_t count = count_packed(field, content);
    if (count > HG_DECODE_ELEMENTS_MAX - scan->elements) {
        return refuse(scan, "too many list elements");
    }
    scan->elements += (uint32_t)count;
    return true;
}

/* The value after a tag. */
static bool scan_value(struct scan *scan, const ProtobufCFieldDescriptor *field, unsigned wire,
                       struct span *span, unsigned depth)
{
    uint64_t value = 0;
    switch (wire) {
    case WIRE_VARINT:
        return take_varint(span, &value) || refuse(scan, "truncated or overlong number");
    case WIRE_FIXED64:
        return skip(span, 8) || refuse(scan, "truncated number");
    case WIRE_FIXED32:
        return skip(span, 4) || refuse(scan, "truncated number");
    case WIRE_BYTES: {
        const uint8_t *start;
        if (!take_varint(span, &value)) {
            return refuse(scan, "truncated or overlong length");
        }
        start = span->at;
        if (!skip(span, value)) {
            return refuse(scan, "field longer than its message");
        }
        return scan_bytes(scan, field, (struct span){start, span->at}, depth);
    }
    default:
        return refuse(scan, "unknown wire type");
    }
}

/* Single messages and members of a oneof may come once: merging them is where decoders err. */
static bool check_single(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                         const ProtobufCFieldDescriptor *field, uint64_t *seen, bool *oneof_seen)
{
    const bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (oneof && *oneof_seen) {
        return refuse(scan, "two bodies");
    }
    *oneof_seen = *oneof_seen || oneof;
    if (field->label == PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return true;
    }
    const uint64_t bit = 1ull << ((size_t)(field - descriptor->fields) % 64);
    if ((*seen & bit) != 0) {
        return refuse(scan, "a single field is given twice");
    }
    *seen |= bit;
    return true;
}

/* Recursion is bounded by the schema, which is not recursive, and by the check here. */
static bool scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                         struct span span, unsigned depth)
{
    uint64_t seen = 0;
    bool oneof_seen = false;
    if (depth > HG_DECODE_DEPTH_MAX || ++scan->messages > HG_DECODE_MESSAGES_MAX) {
        return refuse(scan, "too many nested messages");
    }
    while (span.at < span.end) {
        uint64_t tag = 0;
        if (!take_varint(&span, &tag) || tag >> 3 == 0 || tag >> 32 != 0) {
            return refuse(scan, "bad field tag");
        }
        if (++scan->fields > HG_DECODE_FIELDS_MAX) {
            return refuse(scan, "too many fields");
        }
        const ProtobufCFieldDescriptor *field = find_field(descriptor, tag >> 3);
        if (field != NULL && !check_single(scan, descriptor, field, &seen, &oneof_seen)) {
            return false;
        }
        if (!scan_value(scan, field, tag & 7, &span, depth)) {
            return false;
        }
    }
    return true;
}

enum hg_status hg_codec_scan(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                             size_t size, struct hg_error *error)
{
    struct hg_error reason = HG_ERROR_INIT;
    struct scan scan = {.error = &reason};
    if (scan_message(&scan, descriptor, (struct span){data, data + size}, 0)) {
        return HG_OK;
    }
    return hg_fail(error, reason.status, "%s", reason.message);
}
