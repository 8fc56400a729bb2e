/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way through the codec for the messages that make up nearly all traffic: one pass, no
 * generated structs.
 *
 *     bytes ──► hot ──yes──► message          reply ──► hot ──yes──► bytes
 *                └──no──► general ──► message             └──no──► general ──► bytes
 *
 * The general way, protobuf-c behind a scan, defines what a message means. The hot way takes only
 * what both surely read alike, and leaves the rest, everything malformed included, to the general
 * one; tests and a fuzz target compare the two.
 */
#ifndef HG_DAEMON_CODEC_HOT_H
#define HG_DAEMON_CODEC_HOT_H

#include "daemon/codec.h"

/*
 * Decodes an execute by name or by handle, ping, read, write, or a batch of executes and writes, in
 * the form that encoders give it. False: it is something else, or there is no memory; MESSAGE is
 * then undefined but for its kind, NONE.
 */
HG_MUST_CHECK bool hg_codec_decode_hot(const uint8_t *data, size_t size, struct hg_arena *arena,
                                       struct hg_message *message);
/* As hg_codec_decode, whatever the message. */
HG_MUST_CHECK enum hg_decoded hg_codec_decode_general(const uint8_t *data, size_t size,
                                                      struct hg_arena *arena,
                                                      struct hg_message *message,
                                                      struct hg_error *error);

/* True if REPLY is a success with an empty body or one of execute, batch or read. */
HG_MUST_CHECK bool hg_codec_is_hot(const struct hg_reply *reply);
/* As hg_codec_encode, byte for byte; REPLY is hot. */
HG_MUST_CHECK enum hg_status hg_codec_encode_hot(const struct hg_reply *reply,
                                                 hg_codec_reserve_fn *reserve, void *context);
/* As hg_codec_encode, whatever the reply. */
HG_MUST_CHECK enum hg_status hg_codec_encode_general(const struct hg_reply *reply,
                                                     struct hg_arena *arena,
                                                     hg_codec_reserve_fn *reserve, void *context);

#endif
