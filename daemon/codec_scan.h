/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds a protobuf message before it is unpacked: protobuf-c itself has no limit on what a message
 * may grow to.
 */
#ifndef HG_DAEMON_CODEC_SCAN_H
#define HG_DAEMON_CODEC_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "lib/base/status.h"

/*
 * Walks the wire format with the schema's DESCRIPTOR. Refused with HG_INVALID_ARGUMENT: truncated
 * or overlong values, more fields, messages, elements or levels than limits.h allows, a
 * single-valued message given twice, two members of one oneof, NUL inside a text.
 */
HG_MUST_CHECK enum hg_status hg_codec_scan(const ProtobufCMessageDescriptor *descriptor,
                                           const uint8_t *data, size_t size,
                                           struct hg_error *error);

#endif
