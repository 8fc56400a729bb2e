/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c as all codecs use it: bounded, and without memory of its own.
 */
#ifndef HG_DAEMON_CODEC_PROTOBUF_H
#define HG_DAEMON_CODEC_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/arena.h"
#include "lib/base/status.h"

/* A message within the bounds of codec_scan.h, in ARENA. INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_codec_unpack(const ProtobufCMessageDescriptor *descriptor,
                                             const uint8_t *data, size_t size,
                                             struct hg_arena *arena, ProtobufCMessage **message,
                                             struct hg_error *error);

/* protobuf-c's structs hold char * also for what is only read. NULL is an empty text. */
static inline char *hg_codec_borrow(const char *text)
{
    union {
        const char *in;
        char *out;
    } cast = {.in = text != NULL ? text : ""};
    return cast.out;
}

#endif
