/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format's values as codec_hot.c takes them, within the bounds that the scan enforces.
 * Each verb is false if there is no such value, or none that encoders write.
 *
 * Threads: any.
 */
#ifndef HG_DAEMON_CODEC_HOT_WIRE_H
#define HG_DAEMON_CODEC_HOT_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/limits.h"
#include "lib/base/arena.h"

/* A tag as it lies on the wire: field number and wire type in one varint. */
#define VARINT(field)  ((field) << 3 | 0u)
#define FIXED64(field) ((field) << 3 | 1u)
#define BYTES(field)   ((field) << 3 | 2u)

#define VARINT_BYTES_MAX 10
/* Longer lengths than the largest message has are left to the general way. */
#define LENGTH_BYTES_MAX 3

struct span {
    const uint8_t *at;
    const uint8_t *end;
};

struct hot {
    struct hg_arena *arena;
    uint32_t fields;
    uint32_t messages;
    uint32_t elements;
};

static inline bool take_long_varint(struct span *span, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && span->at < span->end; i++) {
        const uint8_t byte = *span->at++;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static inline bool take_varint(struct span *span, uint64_t *value)
{
    const uint8_t *at = span->at;
    if (at < span->end && at[0] < 0x80) {
        *value = at[0];
        span->at = at + 1;
        return true;
    }
    if (span->end - at >= 2 && at[1] < 0x80) {
        *value = (at[0] & 0x7fu) | (uint64_t)at[1] << 7;
        span->at = at + 2;
        return true;
    }
    return take_long_varint(span, value);
}

/* A tag of one or two bytes, and the bound on how many there may be. */
static inline bool take_tag(struct hot *hot, struct span *span, uint32_t *tag)
{
    *tag = *span->at++;
    if (++hot->fields > HG_DECODE_FIELDS_MAX) {
        return false;
    }
    if (*tag < 0x80) {
        return true;
    }
    if (span->at == span->end || *span->at == 0 || *span->at >= 0x80) {
        return false;
    }
    *tag = (*tag & 0x7f) | (uint32_t)*span->at++ << 7;
    return true;
}

/* A length and the bytes after it. */
static inline bool take_bytes(struct span *span, struct span *content)
{
    const uint8_t *const start = span->at;
    uint64_t length;
    if (!take_varint(span, &length) || span->at - start > LENGTH_BYTES_MAX ||
        (size_t)(span->end - span->at) < length) {
        return false;
    }
    *content = (struct span){span->at, span->at + length};
    span->at += length;
    return true;
}

/* A text without a NUL, which the copy in the arena has behind it. */
static inline bool take_text(struct hot *hot, struct span *span, const char **text, size_t *length)
{
    struct span content;
    if (!take_bytes(span, &content)) {
        return false;
    }
    const size_t size = (size_t)(content.end - content.at);
    char *copy = hg_arena_alloc(hot->arena, size + 1);
    if (copy == NULL || (size != 0 && memchr(content.at, 0, size) != NULL)) {
        return false;
    }
    memcpy(copy, content.at, size);
    copy[size] = '\0';
    *text = copy;
    *length = size;
    return true;
}

static inline bool begin_message(struct hot *hot)
{
    return ++hot->messages <= HG_DECODE_MESSAGES_MAX;
}

/* True the first time: what an encoder writes once may come once. Of a field beyond 31, which none
 * of ours is, always false. */
static inline bool first_time(uint32_t *seen, uint32_t tag)
{
    const uint32_t bit = tag >> 3 < 32 ? 1u << (tag >> 3) : 0;
    const bool first = bit != 0 && (*seen & bit) == 0;
    *seen |= bit;
    return first;
}

static inline uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

static inline bool take_fixed64(struct span *span, uint64_t *value)
{
    if (span->end - span->at < 8) {
        return false;
    }
    *value = load_u64(span->at);
    span->at += 8;
    return true;
}

#endif
