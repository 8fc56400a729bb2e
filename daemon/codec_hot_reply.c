/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes hot replies: sizes first, from the inside out, then the bytes, as protobuf-c lays them
 * out (fields ascending, zeros and empty texts left out). */
#include <string.h>

#include "daemon/codec_hot.h"
#include "daemon/codec_hot_put.h"

/* Reserves a response of one body of BODY_BYTES and writes what comes before it. BODY_TAG 0: there
 * is none. NULL when out of memory. */
static uint8_t *begin(const struct hg_reply *reply, uint32_t body_tag, size_t body_bytes,
                      hg_codec_reserve_fn *reserve, void *context)
{
    size_t size = number_bytes(reply->id);
    if (body_tag != 0) {
        size += varint_bytes(body_tag) + varint_bytes(body_bytes) + body_bytes;
    }
    uint8_t *at = reserve(context, size);
    if (at == NULL) {
        return NULL;
    }
    at = put_number(at, TAG_VARINT(1u), reply->id);
    if (body_tag != 0) {
        at = put_varint(at, body_tag);
        at = put_varint(at, body_bytes);
    }
    return at;
}

static enum hg_status encode_execute(const struct hg_reply *reply, hg_codec_reserve_fn *reserve,
                                     void *context)
{
    const struct hg_execute_reply *execute = &reply->execute;
    const size_t cache = execute->cache != NULL ? strlen(execute->cache) : 0;
    const size_t outcome = execute->outcome != NULL ? strlen(execute->outcome) : 0;
    const size_t size = text_bytes(cache) + text_bytes(outcome) + number_bytes(execute->queue_ns) +
                        number_bytes(execute->lookup_ns) + number_bytes(execute->build_ns) +
                        number_bytes(execute->run_ns);
    uint8_t *at = begin(reply, TAG_BYTES(15u), size, reserve, context);
    if (at == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    at = put_text(at, TAG_BYTES(1u), execute->cache, cache);
    at = put_text(at, TAG_BYTES(2u), execute->outcome, outcome);
    at = put_number(at, TAG_VARINT(3u), execute->queue_ns);
    at = put_number(at, TAG_VARINT(4u), execute->lookup_ns);
    at = put_number(at, TAG_VARINT(5u), execute->build_ns);
    (void)put_number(at, TAG_VARINT(6u), execute->run_ns);
    return HG_OK;
}

static enum hg_status encode_batch(const struct hg_reply *reply, hg_codec_reserve_fn *reserve,
                                   void *context)
{
    const uint64_t completed = reply->batch.completed;
    uint8_t *at = begin(reply, 16u << 3 | 2u, number_bytes(completed), reserve, context);
    if (at == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    (void)put_number(at, TAG_VARINT(1u), completed);
    return HG_OK;
}

static enum hg_status encode_read(const struct hg_reply *reply, hg_codec_reserve_fn *reserve,
                                  void *context)
{
    const struct hg_buffer_spec *spec = &reply->read.spec;
    const uint64_t dtype = (uint64_t)spec->dtype + 1; /* 0 stands for none given */
    size_t shape = 0;
    for (unsigned i = 0; i < spec->rank; i++) {
        shape += varint_bytes(spec->shape[i]);
    }
    const size_t size = number_bytes(reply->read.length) + number_bytes(dtype) + text_bytes(shape);
    uint8_t *at = begin(reply, TAG_BYTES(14u), size, reserve, context);
    if (at == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    at = put_number(at, TAG_VARINT(1u), reply->read.length);
    at = put_number(at, TAG_VARINT(2u), dtype);
    if (spec->rank != 0) {
        *at++ = TAG_BYTES(3u);
        at = put_varint(at, shape);
    }
    for (unsigned i = 0; i < spec->rank; i++) {
        at = put_varint(at, spec->shape[i]);
    }
    return HG_OK;
}

bool hg_codec_is_hot(const struct hg_reply *reply)
{
    if (reply->error.status != HG_OK) {
        return false;
    }
    switch (reply->kind) {
    case HG_REQUEST_NONE:
    case HG_REQUEST_EXECUTE:
    case HG_REQUEST_READ:
        return true;
    case HG_REQUEST_BATCH:
        return reply->batch.failed.status == HG_OK;
    default:
        return false;
    }
}

enum hg_status hg_codec_encode_hot(const struct hg_reply *reply, hg_codec_reserve_fn *reserve,
                                   void *context)
{
    switch (reply->kind) {
    case HG_REQUEST_EXECUTE:
        return encode_execute(reply, reserve, context);
    case HG_REQUEST_READ:
        return encode_read(reply, reserve, context);
    case HG_REQUEST_BATCH:
        return encode_batch(reply, reserve, context);
    default:
        return begin(reply, 0, 0, reserve, context) != NULL ? HG_OK : HG_RESOURCE_EXHAUSTED;
    }
}
