/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native frame's header (proto/README.md). No I/O.
 */
#ifndef HG_DAEMON_TRANSPORT_FRAME_H
#define HG_DAEMON_TRANSPORT_FRAME_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/status.h"

#define HG_FRAME_BYTES   24
#define HG_FRAME_VERSION 1
/* Magic, version and two reserved bytes, as they lie there. */
#define HG_FRAME_START htole64(UINT64_C(0x4d524748) | (uint64_t)HG_FRAME_VERSION << 32)

struct hg_frame {
    uint32_t message_bytes;
    uint64_t payload_bytes;
};

enum hg_frame_state { HG_FRAME_COMPLETE, HG_FRAME_PARTIAL, HG_FRAME_WRONG };

/*
 * Decodes the header at DATA, of which SIZE bytes are there. What is wrong is found as early as the
 * bytes that are there show it. Errors: INVALID_ARGUMENT (magic, reserved bytes), UNIMPLEMENTED
 * (version), RESOURCE_EXHAUSTED (a length over its maximum).
 */
HG_MUST_CHECK enum hg_frame_state hg_frame_decode(const uint8_t *data, size_t size,
                                                  uint64_t message_bytes_max,
                                                  uint64_t payload_bytes_max,
                                                  struct hg_frame *frame, struct hg_error *error);
/* True for a whole header without anything wrong and without a payload; *MESSAGE_BYTES is what it
 * says. */
static inline bool hg_frame_is_bare(const uint8_t data[HG_FRAME_BYTES], uint32_t *message_bytes)
{
    uint64_t words[3];
    memcpy(words, data, sizeof(words));
    *message_bytes = (uint32_t)le64toh(words[1]);
    return words[0] == HG_FRAME_START && le64toh(words[1]) >> 32 == 0 && words[2] == 0;
}
void hg_frame_encode(uint8_t data[HG_FRAME_BYTES], const struct hg_frame *frame);

#endif
