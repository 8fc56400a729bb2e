/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about graphs, between protobuf's structs and the daemon's.
 */
#ifndef HG_DAEMON_CODEC_GRAPH_H
#define HG_DAEMON_CODEC_GRAPH_H

#include "daemon/message.h"
#include "lib/base/arena.h"

struct Hologram__V1__Eval;
struct Hologram__V1__Request;
struct Hologram__V1__Response;
struct Hologram__V1__RunGraph;

/* Both fill STEP, in ARENA. Errors: INVALID_ARGUMENT (names the node), RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_codec_convert_run_graph(const struct Hologram__V1__RunGraph *wire,
                                                        struct hg_arena *arena,
                                                        struct hg_step *step,
                                                        struct hg_error *error);
HG_MUST_CHECK enum hg_status hg_codec_convert_eval(const struct Hologram__V1__Eval *wire,
                                                   struct hg_arena *arena, struct hg_step *step,
                                                   struct hg_error *error);
/* The same for a WIRE that has any body about graphs; UNIMPLEMENTED if it has another. */
HG_MUST_CHECK enum hg_status hg_codec_convert_graph(const struct Hologram__V1__Request *wire,
                                                    struct hg_arena *arena, struct hg_step *step,
                                                    struct hg_error *error);
/* Writes what a run's reply says of RESULT, which is all of it but what became of its execution.
 * Gives the bytes written; 0 if they are more than ROOM, or there are none. */
size_t hg_codec_pack_graph_result(const struct hg_graph_result *result, uint8_t *out, size_t room);
/* Fills the body of WIRE, in ARENA, from a REPLY about graphs. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_codec_fill_graph(const struct hg_reply *reply,
                                                 struct hg_arena *arena,
                                                 struct Hologram__V1__Response *wire);

#endif
