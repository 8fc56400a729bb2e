/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/known.h"

#include "daemon/codec_graph.h"
#include "daemon/codec_hot_put.h"
#include "daemon/metrics.h"
#include "lib/base/alloc.h"

void hg_known_init(struct hg_known *known, uint32_t max)
{
    *known = (struct hg_known){.max = max, .bits = 1};
    while ((1u << known->bits) / 2 < max) {
        known->bits++;
    }
}

static void destroy(struct hg_known_call *call)
{
    if (call != NULL) {
        hg_repeat_destroy(&call->repeat);
        hg_free(HG_TAG_TRANSPORT, call->tail);
        hg_free(HG_TAG_TRANSPORT, call);
    }
}

static void forget_all(struct hg_known *known)
{
    for (uint32_t i = 0; known->slots != NULL && i < 1u << known->bits; i++) {
        destroy(known->slots[i].call);
        known->slots[i] = (struct hg_known_slot){0, NULL};
    }
    known->count = 0;
}

void hg_known_fini(struct hg_known *known)
{
    forget_all(known);
    hg_free(HG_TAG_TRANSPORT, known->slots);
    known->slots = NULL;
}

static struct hg_known_call *create(uint64_t fingerprint, enum hg_request_kind kind,
                                    const uint8_t *body, size_t size)
{
    struct hg_known_call *call = hg_malloc(HG_TAG_TRANSPORT, sizeof(*call) + size);
    if (call == NULL) {
        return NULL;
    }
    call->repeat = hg_repeat_create();
    if (call->repeat == NULL) {
        hg_free(HG_TAG_TRANSPORT, call);
        return NULL;
    }
    call->fingerprint = fingerprint;
    call->kind = kind;
    call->size = (uint32_t)size;
    call->reply_size = 0;
    call->tail_size = 0;
    call->tail = NULL;
    memcpy(call->body, body, size);
    return call;
}

/* CALL is decoded again, perhaps because its buffers are others now: so may be what it says. */
static void forget_reply(struct hg_known_call *call)
{
    hg_free(HG_TAG_TRANSPORT, call->tail);
    call->tail = NULL;
    call->tail_size = 0;
    call->reply_size = 0;
}

struct hg_repeat *hg_known_learn(struct hg_known *known, enum hg_request_kind kind,
                                 const uint8_t *body, size_t size)
{
    if (known->max == 0 || !hg_known_fits(kind, size)) {
        return NULL;
    }
    if (known->slots == NULL) {
        known->slots = hg_calloc(HG_TAG_TRANSPORT, (size_t)1 << known->bits, sizeof(*known->slots));
        if (known->slots == NULL) {
            return NULL;
        }
    }
    const uint64_t fingerprint = hg_known_fingerprint(kind, body, size);
    struct hg_known_slot *slot = hg_known_slot(known, fingerprint);
    if (slot->fingerprint == 0) {
        if (known->count == known->max) {
            forget_all(known);
            slot = hg_known_slot(known, fingerprint);
        }
        slot->fingerprint = fingerprint;
        known->count++;
        return NULL;
    }
    if (slot->call == NULL) {
        slot->call = create(fingerprint, kind, body, size);
    }
    const bool is_it = slot->call != NULL && hg_known_is_body(slot->call, kind, body, size);
    if (!is_it) {
        return NULL;
    }
    forget_reply(slot->call);
    return slot->call->repeat;
}

/* What the run of a graph says of its outputs; false: too much, or no memory for it. */
static bool make_tail(struct hg_known_call *call, const struct hg_graph_result *result)
{
    uint8_t tail[HG_KNOWN_TAIL_MAX];
    const size_t size = hg_codec_pack_graph_result(result, tail, sizeof(tail));
    hg_free(HG_TAG_TRANSPORT, call->tail);
    call->tail = size != 0 ? hg_malloc(HG_TAG_TRANSPORT, size) : NULL;
    if (call->tail == NULL) {
        return false;
    }
    memcpy(call->tail, tail, size);
    call->tail_size = (uint32_t)size;
    return true;
}

bool hg_known_make_reply(struct hg_known_call *call)
{
    if (!hg_repeat_is_set(call->repeat)) {
        return false;
    }
    const struct hg_graph_result *graph = hg_repeat_graph(call->repeat);
    if (graph != NULL && !make_tail(call, graph)) {
        return false;
    }
    const char *cache = hg_repeat_cache(call->repeat);
    const char *outcome = hg_cache_outcome_name(HG_CACHE_HIT);
    if (text_bytes(strlen(cache)) + text_bytes(strlen(outcome)) > sizeof(call->reply)) {
        return false;
    }
    uint8_t *at = put_text(call->reply, TAG_BYTES(1u), cache, strlen(cache));
    at = put_text(at, TAG_BYTES(2u), outcome, strlen(outcome));
    call->reply_size = (uint32_t)(at - call->reply);
    const struct hg_op *op = hg_repeat_op(call->repeat);
    call->operation_row =
        op != NULL ? (uint32_t)(op - hg_op_info((enum hg_op_id)0)) : HG_OP_ID_UNKNOWN;
    return true;
}
