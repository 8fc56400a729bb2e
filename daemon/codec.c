/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes requests: bounds first, then protobuf-c into the arena, then our own structs. */
#include "daemon/codec.h"

#include "daemon/codec_cache.h"
#include "daemon/codec_hot.h"
#include "daemon/codec_protobuf.h"
#include "daemon/codec_work.h"
#include "proto/hologram/v1/hologram.pb-c.h"

const char *hg_request_kind_name(enum hg_request_kind kind)
{
    static const char *const names[] = {
#define HG_REQUEST_KIND_NAME(name, label) [HG_REQUEST_##name] = label,
        HG_REQUEST_KINDS(HG_REQUEST_KIND_NAME)
#undef HG_REQUEST_KIND_NAME
    };
    return names[kind];
}

static enum hg_status convert_request(const Hologram__V1__Request *wire, struct hg_arena *arena,
                                      struct hg_step *step, struct hg_error *error)
{
    switch (wire->body_case) {
    case HOLOGRAM__V1__REQUEST__BODY_HELLO:
        step->kind = HG_REQUEST_HELLO;
        step->hello =
            (struct hg_hello){wire->hello->protocol_version_min, wire->hello->protocol_version_max,
                              wire->hello->client_name};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_FREEZE:
        step->kind = HG_REQUEST_FREEZE;
        step->free = (struct hg_free_args){wire->freeze->ids, wire->freeze->n_ids};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_READ:
        step->kind = HG_REQUEST_READ;
        step->read = (struct hg_read_args){wire->read->id, wire->read->offset, wire->read->length};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_LOAD_PROGRAM:
        step->kind = HG_REQUEST_LOAD_PROGRAM;
        step->load = (struct hg_load_args){
            wire->load_program->id,
            {wire->load_program->binary.data, wire->load_program->binary.len}};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_UNLOAD_PROGRAM:
        step->kind = HG_REQUEST_UNLOAD_PROGRAM;
        step->id = wire->unload_program->id;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_PUBLISH:
        step->kind = HG_REQUEST_PUBLISH;
        step->publish =
            (struct hg_publish_args){wire->publish->id, wire->publish->name, wire->publish->mode,
                                     wire->publish->gid, wire->publish->has_gid != 0};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_UNPUBLISH:
        step->kind = HG_REQUEST_UNPUBLISH;
        step->unpublish_name = wire->unpublish->name;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_UNPREPARE:
        step->kind = HG_REQUEST_UNPREPARE;
        step->handle = wire->unprepare->handle;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_OPEN:
        step->kind = HG_REQUEST_OPEN;
        step->open =
            (struct hg_open_args){wire->open->name, wire->open->id, wire->open->writable != 0};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_STATS:
        step->kind = HG_REQUEST_STATS;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_LIST_OPS:
        step->kind = HG_REQUEST_LIST_OPS;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_LIST_BUFFERS:
        step->kind = HG_REQUEST_LIST_BUFFERS;
        step->list = (struct hg_list_args){wire->list_buffers->named != 0,
                                           wire->list_buffers->all_sessions != 0};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_CANCEL:
        step->kind = HG_REQUEST_CANCEL;
        step->id = wire->cancel->request_id;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_PING:
        step->kind = HG_REQUEST_PING;
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_EXPECT_DESCRIPTORS:
        step->kind = HG_REQUEST_EXPECT_DESCRIPTORS;
        return HG_OK;
    default:
        return hg_codec_convert_cache(wire, step) ? HG_OK
                                                  : hg_codec_convert_work(wire, arena, step, error);
    }
}

enum hg_decoded hg_codec_decode_general(const uint8_t *data, size_t size, struct hg_arena *arena,
                                        struct hg_message *message, struct hg_error *error)
{
    struct hg_error reason = HG_ERROR_INIT;
    ProtobufCMessage *unpacked = NULL;
    if (hg_codec_unpack(&hologram__v1__request__descriptor, data, size, arena, &unpacked, error) !=
        HG_OK) {
        return HG_DECODED_MALFORMED;
    }
    const Hologram__V1__Request *wire = (const Hologram__V1__Request *)unpacked;
    message->id = wire->id;
    message->stream = wire->stream;
    message->timeout_us = wire->timeout_us;
    message->step.kind = HG_REQUEST_NONE;
    if (convert_request(wire, arena, &message->step, &reason) != HG_OK) {
        (void)hg_fail(error, reason.status, "%s", reason.message);
        return HG_DECODED_INVALID;
    }
    return HG_DECODED_OK;
}

enum hg_decoded hg_codec_decode(const uint8_t *data, size_t size, struct hg_arena *arena,
                                struct hg_message *message, struct hg_error *error)
{
    return hg_codec_decode_hot(data, size, arena, message)
               ? HG_DECODED_OK
               : hg_codec_decode_general(data, size, arena, message, error);
}
