/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format's values as replies that are written by hand have them: zeros and empty texts are
 * left out, as protobuf-c does.
 *
 * Threads: any.
 */
#ifndef HG_DAEMON_CODEC_HOT_PUT_H
#define HG_DAEMON_CODEC_HOT_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TAG_VARINT(field) ((uint8_t)((field) << 3 | 0u))
#define TAG_BYTES(field)  ((uint8_t)((field) << 3 | 2u))

/* Bytes of VALUE as a varint: one for each started seven bits. */
static inline size_t varint_bytes(uint64_t value)
{
    const unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
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

static inline uint8_t *put_number(uint8_t *at, uint8_t tag, uint64_t value)
{
    if (value == 0) {
        return at;
    }
    *at++ = tag;
    return put_varint(at, value);
}

/* A text behind a tag of one byte; absent when empty. */
static inline size_t text_bytes(size_t length)
{
    return length != 0 ? 1 + varint_bytes(length) + length : 0;
}

static inline uint8_t *put_text(uint8_t *at, uint8_t tag, const char *text, size_t length)
{
    if (length == 0) {
        return at;
    }
    *at++ = tag;
    at = put_varint(at, length);
    memcpy(at, text, length);
    return at + length;
}

#endif
