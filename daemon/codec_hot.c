/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes hot requests straight from the wire format, within the bounds that the scan enforces. */
#include "daemon/codec_hot.h"

#include <string.h>

#include "daemon/codec_hot_graph.h"
#include "daemon/codec_hot_wire.h"

/* More than any operation has. */
#define ATTRIBUTES_MAX 8

/* Lists that fit are decoded on the stack: then their length is known. */
#define FEW_IDS 8

static bool take_few_ids(struct hot *hot, struct span content, const uint64_t **ids,
                         uint32_t *count)
{
    uint64_t list[FEW_IDS];
    uint32_t taken = 0;
    while (content.at < content.end) {
        if (!take_varint(&content, &list[taken++])) {
            return false;
        }
    }
    uint64_t *kept = hg_arena_alloc(hot->arena, taken * sizeof(*kept));
    if (kept == NULL || taken > HG_DECODE_ELEMENTS_MAX - hot->elements) {
        return false;
    }
    hot->elements += taken;
    for (uint32_t i = 0; i < taken; i++) {
        kept[i] = list[i];
    }
    *ids = kept;
    *count = taken;
    return true;
}

static bool take_many_ids(struct hot *hot, struct span content, const uint64_t **ids,
                          uint32_t *count)
{
    uint32_t wanted = 0;
    for (const uint8_t *at = content.at; at < content.end; at++) {
        wanted += *at < 0x80; /* the last byte of a number */
    }
    if (wanted > HG_DECODE_ELEMENTS_MAX - hot->elements) {
        return false;
    }
    hot->elements += wanted;
    uint64_t *list = hg_arena_alloc(hot->arena, wanted * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < wanted; i++) {
        if (!take_varint(&content, &list[i])) {
            return false;
        }
    }
    *ids = list;
    *count = wanted;
    return content.at == content.end;
}

/* A packed list. */
static bool take_ids(struct hot *hot, struct span *span, const uint64_t **ids, uint32_t *count)
{
    struct span content;
    if (!take_bytes(span, &content)) {
        return false;
    }
    return content.end - content.at <= FEW_IDS ? take_few_ids(hot, content, ids, count)
                                               : take_many_ids(hot, content, ids, count);
}

/* ---- bodies -------------------------------------------------------------------------------------
 */

static bool take_attribute(struct hot *hot, struct span span, struct hg_named_attribute *attribute)
{
    uint32_t seen = 0;
    *attribute = (struct hg_named_attribute){.name = ""};
    if (!begin_message(hot)) {
        return false;
    }
    while (span.at < span.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (taken && tag == BYTES(1u)) {
            taken = first_time(&seen, tag) &&
                    take_text(hot, &span, &attribute->name, &attribute->name_length);
        } else {
            taken = taken && tag == FIXED64(2u) && first_time(&seen, tag) &&
                    take_fixed64(&span, &attribute->bits);
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}

/* Collects attributes on the stack until their number is known. */
struct attributes {
    struct hg_named_attribute items[ATTRIBUTES_MAX];
    uint32_t count;
};

static bool add_attribute(struct hot *hot, struct span *span, struct attributes *attributes)
{
    struct span content;
    return attributes->count < ATTRIBUTES_MAX && take_bytes(span, &content) &&
           take_attribute(hot, content, &attributes->items[attributes->count++]);
}

static bool keep_attributes(struct hot *hot, const struct attributes *attributes,
                            struct hg_execute_request *request)
{
    if (attributes->count == 0) {
        return true;
    }
    const size_t size = attributes->count * sizeof(attributes->items[0]);
    struct hg_named_attribute *kept = hg_arena_alloc(hot->arena, size);
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, attributes->items, size);
    request->attributes = kept;
    request->attribute_count = attributes->count;
    return true;
}

static void begin_call(struct span span, enum hg_request_kind kind, struct hg_step *step)
{
    step->kind = kind;
    step->wire = (struct hg_bytes){span.at, (size_t)(span.end - span.at)};
}

static bool take_execute(struct hot *hot, struct span span, struct hg_step *step)
{
    struct hg_execute_request *request = &step->execute;
    struct attributes attributes;
    uint32_t seen = 0;
    attributes.count = 0;
    begin_call(span, HG_REQUEST_EXECUTE, step);
    *request = (struct hg_execute_request){.op = ""};
    if (!begin_message(hot)) {
        return false;
    }
    while (span.at < span.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (!taken) {
            return false;
        }
        switch (tag) {
        case BYTES(1u):
            taken =
                first_time(&seen, tag) && take_text(hot, &span, &request->op, &request->op_length);
            break;
        case BYTES(2u):
            taken = first_time(&seen, tag) &&
                    take_ids(hot, &span, &request->inputs, &request->input_count);
            break;
        case BYTES(3u):
            taken = first_time(&seen, tag) &&
                    take_ids(hot, &span, &request->outputs, &request->output_count);
            break;
        case BYTES(4u):
            taken = add_attribute(hot, &span, &attributes);
            break;
        default:
            return false;
        }
        if (!taken) {
            return false;
        }
    }
    return keep_attributes(hot, &attributes, request);
}

static bool take_prepared(struct hot *hot, struct span span, struct hg_step *step)
{
    struct hg_execute_prepared_request *request = &step->execute_prepared;
    uint32_t seen = 0;
    begin_call(span, HG_REQUEST_EXECUTE_PREPARED, step);
    *request = (struct hg_execute_prepared_request){.handle = 0};
    if (!begin_message(hot)) {
        return false;
    }
    while (span.at < span.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (taken && tag == FIXED64(1u)) {
            taken = first_time(&seen, tag) && take_fixed64(&span, &request->handle);
        } else if (taken && tag == BYTES(2u)) {
            taken = first_time(&seen, tag) &&
                    take_ids(hot, &span, &request->inputs, &request->input_count);
        } else {
            taken = taken && tag == BYTES(3u) && first_time(&seen, tag) &&
                    take_ids(hot, &span, &request->outputs, &request->output_count);
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}

static bool take_data(struct hot *hot, struct span *span, struct hg_bytes *data)
{
    struct span content;
    if (!take_bytes(span, &content)) {
        return false;
    }
    const size_t size = (size_t)(content.end - content.at);
    uint8_t *copy = hg_arena_alloc(hot->arena, size);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, content.at, size);
    *data = (struct hg_bytes){copy, size};
    return true;
}

static bool take_write(struct hot *hot, struct span span, struct hg_write_args *write)
{
    uint32_t seen = 0;
    *write = (struct hg_write_args){0};
    if (!begin_message(hot)) {
        return false;
    }
    while (span.at < span.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (taken && tag == VARINT(1u)) {
            taken = take_varint(&span, &write->id);
        } else if (taken && tag == VARINT(2u)) {
            taken = take_varint(&span, &write->offset);
        } else {
            taken = taken && tag == BYTES(3u) && first_time(&seen, tag) &&
                    take_data(hot, &span, &write->data);
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}

static bool take_read(struct hot *hot, struct span span, struct hg_read_args *read)
{
    *read = (struct hg_read_args){0};
    if (!begin_message(hot)) {
        return false;
    }
    while (span.at < span.end) {
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (taken && tag == VARINT(1u)) {
            taken = take_varint(&span, &read->id);
        } else if (taken && tag == VARINT(2u)) {
            taken = take_varint(&span, &read->offset);
        } else {
            taken = taken && tag == VARINT(3u) && take_varint(&span, &read->length);
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}

/* A step has one body and nothing else. */
static bool take_step(struct hot *hot, struct span span, struct hg_step *step)
{
    struct span body;
    uint32_t tag;
    if (!begin_message(hot) || span.at == span.end || !take_tag(hot, &span, &tag) ||
        !take_bytes(&span, &body) || span.at != span.end) {
        return false;
    }
    switch (tag) {
    case BYTES(3u):
        step->kind = HG_REQUEST_WRITE;
        return take_write(hot, body, &step->write);
    case BYTES(4u):
        return take_execute(hot, body, step);
    case BYTES(6u):
        return take_prepared(hot, body, step);
    default:
        return false;
    }
}

static bool take_batch(struct hot *hot, struct span span, struct hg_batch_args *batch)
{
    struct hot counting = *hot;
    struct span rest = span;
    struct span content;
    uint32_t count = 0;
    uint32_t tag;
    if (!begin_message(hot)) {
        return false;
    }
    for (; rest.at < rest.end; count++) {
        if (!take_tag(&counting, &rest, &tag) || tag != BYTES(1u) || !take_bytes(&rest, &content)) {
            return false;
        }
    }
    if (count > HG_DECODE_MESSAGES_MAX) {
        return false;
    }
    struct hg_step *steps = hg_arena_alloc(hot->arena, count * sizeof(*steps));
    if (steps == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!take_tag(hot, &span, &tag) || !take_bytes(&span, &content) ||
            !take_step(hot, content, &steps[i])) {
            return false;
        }
    }
    *batch = (struct hg_batch_args){steps, count};
    return true;
}

/* ---- requests -----------------------------------------------------------------------------------
 */

/* The body that comes with TAG, if it is a hot one. */
static bool take_body(struct hot *hot, uint32_t tag, struct span body, struct hg_step *step)
{
    switch (tag) {
    case BYTES(13u):
        step->kind = HG_REQUEST_WRITE;
        return take_write(hot, body, &step->write);
    case BYTES(14u):
        step->kind = HG_REQUEST_READ;
        return take_read(hot, body, &step->read);
    case BYTES(15u):
        return take_execute(hot, body, step);
    case BYTES(16u):
        step->kind = HG_REQUEST_BATCH;
        return take_batch(hot, body, &step->batch);
    case BYTES(29u):
        return take_prepared(hot, body, step);
    case BYTES(62u):
        return hg_codec_hot_run_graph(hot, body, step);
    case BYTES(63u):
        return hg_codec_hot_eval(hot, body, step);
    case BYTES(27u):
        step->kind = HG_REQUEST_PING;
        return begin_message(hot) && body.at == body.end;
    default:
        return false;
    }
}

static bool take_request(struct hot *hot, struct span span, struct hg_message *message)
{
    uint64_t id = 0;
    uint64_t stream = 0;
    uint64_t timeout_us = 0;
    while (span.at < span.end) {
        struct span body;
        uint32_t tag;
        bool taken = take_tag(hot, &span, &tag);
        if (taken && tag == VARINT(1u)) {
            taken = take_varint(&span, &id);
        } else if (taken && tag == VARINT(2u)) {
            taken = take_varint(&span, &stream);
        } else if (taken && tag == VARINT(3u)) {
            taken = take_varint(&span, &timeout_us);
        } else {
            /* Only lists of bytes are bodies, and there is one of them. */
            taken = taken && (tag & 7) == 2 && message->step.kind == HG_REQUEST_NONE &&
                    take_bytes(&span, &body) && take_body(hot, tag, body, &message->step);
        }
        if (!taken) {
            return false;
        }
    }
    message->id = id;
    message->stream = (uint32_t)stream;
    message->timeout_us = timeout_us;
    return message->step.kind != HG_REQUEST_NONE;
}

bool hg_codec_decode_hot(const uint8_t *data, size_t size, struct hg_arena *arena,
                         struct hg_message *message)
{
    struct hot hot = {.arena = arena, .messages = 1};
    message->step.kind = HG_REQUEST_NONE;
    message->has_wire = true;
    if (take_request(&hot, (struct span){data, data + size}, message)) {
        return true;
    }
    message->step.kind = HG_REQUEST_NONE;
    message->has_wire = false;
    return false;
}
