/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format as it is written by hand: sizes first, then the bytes, as protobuf-c lays them
 * out. Zeros and empty texts are left out. */
#ifndef HG_CLIENT_LIB_CODEC_PUT_H
#define HG_CLIENT_LIB_CODEC_PUT_H

#include <endian.h>
#include <string.h>

#include "client/lib/internal.h"

/* A tag: field number and wire type. */
#define VARINT(field)  ((field) << 3 | 0u)
#define FIXED64(field) ((field) << 3 | 1u)
#define BYTES(field)   ((field) << 3 | 2u)

/* Bytes of VALUE as a varint: one for each started seven bits. */
static inline size_t varint_bytes(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits * 9 + 64) / 64;
}

static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* A number behind a tag of one byte; absent when 0. */
static inline size_t number_bytes(uint64_t value)
{
    return value != 0 ? 1 + varint_bytes(value) : 0;
}

static inline uint8_t *put_number(uint8_t *at, uint32_t tag, uint64_t value)
{
    if (value == 0) {
        return at;
    }
    *at++ = (uint8_t)tag;
    return put_varint(at, value);
}

/* CONTENT bytes behind a tag of one byte and their length; absent when there are none. */
static inline size_t content_bytes(size_t content)
{
    return content != 0 ? 1 + varint_bytes(content) + content : 0;
}

static inline uint8_t *put_text(uint8_t *at, uint32_t tag, const char *text, size_t length)
{
    if (length == 0) {
        return at;
    }
    *at++ = (uint8_t)tag;
    at = put_varint(at, length);
    memcpy(at, text, length);
    return at + length;
}

static inline size_t ids_bytes(const uint64_t *ids, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += varint_bytes(ids[i]);
    }
    return bytes;
}

static inline uint8_t *put_ids(uint8_t *at, uint32_t tag, size_t bytes, const uint64_t *ids,
                               uint32_t count)
{
    if (count == 0) {
        return at;
    }
    *at++ = (uint8_t)tag;
    at = put_varint(at, bytes);
    for (uint32_t i = 0; i < count; i++) {
        at = put_varint(at, ids[i]);
    }
    return at;
}

/* Eight bytes behind a tag of one; absent when 0. */
static inline size_t fixed64_bytes(uint64_t value)
{
    return value != 0 ? 1 + sizeof value : 0;
}

static inline uint8_t *put_fixed64(uint8_t *at, uint32_t tag, uint64_t value)
{
    if (value == 0) {
        return at;
    }
    *at++ = (uint8_t)tag;
    const uint64_t bytes = htole64(value);
    memcpy(at, &bytes, sizeof bytes);
    return at + sizeof bytes;
}

/* The native frame's header. */
static inline void put_header(uint8_t at[HG_CLIENT_HEADER_BYTES], uint32_t message_bytes,
                              uint64_t payload_bytes)
{
    static const uint8_t start[8] = {'H', 'G', 'R', 'M', HG_CLIENT_PROTOCOL_VERSION};
    const uint64_t lengths[2] = {htole64(message_bytes), htole64(payload_bytes)};
    memcpy(at, start, sizeof start);
    memcpy(at + sizeof start, lengths, sizeof lengths);
}

/* ---- in one pass ----------------------------------------------------------------------------- */

/* Messages for which room for this much suffices are written in one pass: each of their lengths is
 * a byte, which is filled in when what it counts is written. */
#define QUICK_BYTES_MAX 127u

/* Bytes that a list of COUNT ids takes at most, with its tag and length. */
static inline size_t ids_bound(uint32_t count)
{
    return 2 + (size_t)count * 10;
}

static inline uint8_t *quick_ids(uint8_t *at, uint32_t tag, const uint64_t *ids, uint32_t count)
{
    if (count == 0) {
        return at;
    }
    *at++ = (uint8_t)tag;
    uint8_t *length = at++;
    for (uint32_t i = 0; i < count; i++) {
        at = put_varint(at, ids[i]);
    }
    *length = (uint8_t)(at - length - 1);
    return at;
}

static inline uint8_t *quick_text(uint8_t *at, uint32_t tag, const char *text, size_t length)
{
    if (length == 0) {
        return at;
    }
    *at++ = (uint8_t)tag;
    *at++ = (uint8_t)length;
    memcpy(at, text, length);
    return at + length;
}

/* Who asks: id, stream and timeout. */
static inline size_t envelope_bytes(const hologram_client *client, hologram_ticket ticket)
{
    return number_bytes(ticket) + number_bytes(client->stream) + number_bytes(client->timeout_us);
}

static inline uint8_t *put_envelope(uint8_t *at, const hologram_client *client,
                                    hologram_ticket ticket)
{
    at = put_number(at, VARINT(1u), ticket);
    at = put_number(at, VARINT(2u), client->stream);
    return put_number(at, VARINT(3u), client->timeout_us);
}

/* As put_envelope at most: three numbers behind tags. */
#define ENVELOPE_BYTES_MAX 33u

/* Room for a frame of a quick message, where the message begins; NULL: there is none, or the server
 * takes none so large. quick_queued follows. */
static inline uint8_t *quick_room(const hologram_client *client)
{
    const size_t bytes = HG_CLIENT_HEADER_BYTES + ENVELOPE_BYTES_MAX + 4 + QUICK_BYTES_MAX;
    const bool fits = client->out_requests < HG_CLIENT_OUT_REQUESTS &&
                      client->out_end + bytes <= HG_CLIENT_OUT_BYTES &&
                      client->out_end + bytes <= client->out_size;
    const uint64_t max = client->server.message_bytes_max;
    return fits && (max == 0 || max >= bytes)
               ? client->out + client->out_end + HG_CLIENT_HEADER_BYTES
               : NULL;
}

/* The message from what quick_room gave to END is there. */
static inline void quick_queued(hologram_client *client, const uint8_t *end)
{
    uint8_t *frame = client->out + client->out_end;
    const size_t bytes = (size_t)(end - frame);
    put_header(frame, (uint32_t)(bytes - HG_CLIENT_HEADER_BYTES), 0);
    client->out_end += bytes;
    client->out_requests++;
}

#endif
