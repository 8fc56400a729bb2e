/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache's messages, between protobuf's structs and the daemon's.
 */
#ifndef HG_DAEMON_CODEC_CACHE_H
#define HG_DAEMON_CODEC_CACHE_H

#include "daemon/message.h"
#include "lib/base/arena.h"

struct Hologram__V1__Request;
struct Hologram__V1__Response;

/* Fills STEP from a WIRE that has one of the cache's bodies; false if it has another. */
bool hg_codec_convert_cache(const struct Hologram__V1__Request *wire, struct hg_step *step);
/* Fills the body of WIRE, in ARENA, from a REPLY of one of the cache's kinds.
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_codec_fill_cache(const struct hg_reply *reply,
                                                 struct hg_arena *arena,
                                                 struct Hologram__V1__Response *wire);

#endif
