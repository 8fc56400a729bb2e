/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that work with buffers, from protobuf's structs to the daemon's.
 */
#ifndef HG_DAEMON_CODEC_WORK_H
#define HG_DAEMON_CODEC_WORK_H

#include "daemon/message.h"
#include "lib/base/arena.h"

struct Hologram__V1__Request;

/* Fills STEP, in ARENA, from a WIRE that makes, frees, fills or computes with buffers, or has a
 * body about graphs. INVALID_ARGUMENT, RESOURCE_EXHAUSTED; UNIMPLEMENTED if it has another body. */
HG_MUST_CHECK enum hg_status hg_codec_convert_work(const struct Hologram__V1__Request *wire,
                                                   struct hg_arena *arena, struct hg_step *step,
                                                   struct hg_error *error);

#endif
