/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between protobuf messages and the daemon's own structs. No I/O, no state.
 */
#ifndef HG_DAEMON_CODEC_H
#define HG_DAEMON_CODEC_H

#include "daemon/message.h"
#include "lib/base/arena.h"

enum hg_decoded {
    HG_DECODED_OK,
    HG_DECODED_INVALID,  /* a well-formed request that cannot be meant: answer it, go on */
    HG_DECODED_MALFORMED /* no request, or no memory for it: the connection is beyond repair */
};

/*
 * Decodes SIZE bytes into MESSAGE; what it points to lives in ARENA. Bounds on depth, counts and
 * decoded size are checked before anything is allocated. With HG_DECODED_INVALID message->id is
 * set, and ERROR tells why.
 */
HG_MUST_CHECK enum hg_decoded hg_codec_decode(const uint8_t *data, size_t size,
                                              struct hg_arena *arena, struct hg_message *message,
                                              struct hg_error *error);

/* Gives SIZE bytes to write to, or NULL when out of memory. */
typedef uint8_t *hg_codec_reserve_fn(void *context, size_t size);

/* Encodes REPLY into what RESERVE gives, called once at most; ARENA serves intermediates.
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_codec_encode(const struct hg_reply *reply, struct hg_arena *arena,
                                             hg_codec_reserve_fn *reserve, void *context);

#endif
