/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, as far as a transport needs it: typed messages become the Request that
 * they would be a body of, and a Response gives out its body, so one codec serves all.
 *
 * Everything a peer can send is bounds-checked here. No state, no I/O.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_WIRE_H
#define HG_DAEMON_TRANSPORT_GRPC_WIRE_H

#include "daemon/message.h"
#include "lib/base/arena.h"

#define HG_WIRE_VARINT_MAX 10
#define HG_WIRE_KEY_MAX    (2 * HG_WIRE_VARINT_MAX)

enum hg_wire_type {
    HG_WIRE_VARINT = 0,
    HG_WIRE_FIXED64 = 1,
    HG_WIRE_BYTES = 2,
    HG_WIRE_FIXED32 = 5
};

struct hg_wire_field {
    uint32_t number;
    enum hg_wire_type type;
    uint64_t value;        /* of VARINT, FIXED64, FIXED32 */
    struct hg_bytes bytes; /* of BYTES, borrowed */
    size_t start;          /* offset of the field's key */
};

struct hg_wire {
    const uint8_t *data;
    size_t size;
    size_t position;
    bool failed; /* the rest is no message */
};

static inline struct hg_wire hg_wire_of(struct hg_bytes bytes)
{
    return (struct hg_wire){.data = bytes.data, .size = bytes.size};
}
/* Gives the next field; false at the end, or when `failed` is set. */
bool hg_wire_next(struct hg_wire *wire, struct hg_wire_field *field);
/* The last field of number NUMBER that holds bytes; empty if there is none or TEXT is no message.
 */
struct hg_bytes hg_wire_find(struct hg_bytes text, uint32_t number);

/* Write at OUT and give the number of bytes written, at most HG_WIRE_VARINT_MAX or KEY_MAX. */
size_t hg_wire_put_varint(uint8_t *out, uint64_t value);
/* Key and length of field NUMBER with LENGTH bytes, which follow. */
size_t hg_wire_put_key(uint8_t *out, uint32_t number, uint64_t length);

/* The request that BODY is the body of, as field NUMBER. NULL data when out of memory. */
struct hg_bytes hg_wire_wrap(struct hg_arena *arena, uint32_t number, struct hg_bytes body);
/* What RESPONSE, an encoded Response without id and status, holds as its body; empty if none. */
struct hg_bytes hg_wire_unwrap(struct hg_bytes response);

/* A Write message whose data stays where it is. INVALID_ARGUMENT. */
HG_MUST_CHECK enum hg_status
hg_wire_parse_write(struct hg_bytes message, struct hg_write_args *write, struct hg_error *error);

/* Response.read and ReadResult.data of the schema. */
#define HG_WIRE_RESPONSE_READ 14
#define HG_WIRE_READ_DATA     4

#endif
