/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format's values as answers that are read by hand have them. Each verb is false if there
 * is no such value: then the answer is left to protobuf-c. */
#ifndef HG_CLIENT_LIB_CODEC_TAKE_H
#define HG_CLIENT_LIB_CODEC_TAKE_H

#include <string.h>

#include "client/lib/codec.h"

#define VARINT_BYTES_MAX 10u
#define LENGTH_BYTES_MAX 3u

struct span {
    const uint8_t *at;
    const uint8_t *end;
};

static inline bool take_varint(struct span *span, uint64_t *value, unsigned bytes_max)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < bytes_max && span->at < span->end; i++) {
        uint8_t byte = *span->at++;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static inline bool take_bytes(struct span *span, struct span *content)
{
    uint64_t length = 0;
    if (!take_varint(span, &length, LENGTH_BYTES_MAX) ||
        (uint64_t)(span->end - span->at) < length) {
        return false;
    }
    *content = (struct span){span->at, span->at + length};
    span->at += length;
    return true;
}

static inline bool take_text(hologram_client *client, struct span *span, char **text)
{
    struct span content;
    if (!take_bytes(span, &content)) {
        return false;
    }
    size_t length = (size_t)(content.end - content.at);
    char *copy = hg_client_arena_alloc(&client->arena, length + 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, content.at, length);
    copy[length] = '\0';
    *text = copy;
    return true;
}

/* codec_hot.c, codec_hot_graph.c: the bodies of answers, into RESULT with texts and lists in the
 * client's arena; EXECUTION becomes a part of RESULT. */
bool hg_client_take_hot_execution(hologram_client *client, struct span span,
                                  Hologram__V1__ExecuteResult *result);
bool hg_client_take_hot_run(hologram_client *client, struct span span,
                            Hologram__V1__RunGraphResult *result,
                            Hologram__V1__ExecuteResult *execution);

#endif
