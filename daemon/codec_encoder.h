/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the encoders of replies share.
 */
#ifndef HG_DAEMON_CODEC_ENCODER_H
#define HG_DAEMON_CODEC_ENCODER_H

#include "daemon/codec.h"
#include "proto/hologram/v1/hologram.pb-c.h"

/* An encoder of one kind of body fills RESPONSE and finishes it while its own structs live; after
 * that the response has no body any more. */
struct hg_encoder {
    const struct hg_reply *reply;
    struct hg_arena *arena;
    hg_codec_reserve_fn *reserve;
    void *context;
    Hologram__V1__Response response;
};

/* Packs the response. RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_codec_finish(struct hg_encoder *encoder);

/* ---- codec_about.c: what the server says of itself ------------------------------------------- */

HG_MUST_CHECK enum hg_status hg_codec_encode_stats(struct hg_encoder *encoder);
HG_MUST_CHECK enum hg_status hg_codec_encode_ops(struct hg_encoder *encoder);

static inline Hologram__V1__DType hg_codec_wire_dtype(enum hg_dtype dtype)
{
    return (Hologram__V1__DType)((int)dtype + 1);
}

#endif
