/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/recent.h"

#include "lib/base/alloc.h"
#include "lib/engine/memo.h"

/* More than most programs have kinds of calls; a slot with a plan takes about a kilobyte. */
#define SLOT_BITS 6

/* 2^64 divided by the golden ratio: spreads what is multiplied over the high bits (Knuth, The Art
 * of Computer Programming, vol. 3, §6.4). */
#define SPREAD UINT64_C(0x9e3779b97f4a7c15)

struct hg_recent_slot {
    uint64_t last; /* fingerprint of the last call that was planned */
    struct hg_memo *memo;
};

void hg_recent_fini(struct hg_recent *recent)
{
    for (unsigned i = 0; recent->slots != NULL && i < 1u << SLOT_BITS; i++) {
        if (recent->slots[i].memo != NULL) {
            hg_memo_fini(recent->slots[i].memo);
            hg_free(HG_TAG_SESSION, recent->slots[i].memo);
        }
    }
    hg_free(HG_TAG_SESSION, recent->slots);
    recent->slots = NULL;
}

uint64_t hg_recent_fingerprint(const struct hg_op_call *call,
                               struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX])
{
    const unsigned count = (unsigned)call->op->inputs + call->op->outputs;
    uint64_t sum = (uint64_t)(uintptr_t)call->op + call->attributes_given;
    for (unsigned i = 0; i < count; i++) {
        sum = (sum ^ buffers[i]->operand.elements) * SPREAD + buffers[i]->operand.type;
        /* Calls that use one buffer twice have plans of their own. */
        for (unsigned j = 0; j < i; j++) {
            sum += buffers[i] == buffers[j] ? SPREAD << (4 * i + j) : 0;
        }
    }
    for (uint32_t left = call->attributes_given; left != 0; left &= left - 1) {
        sum = (sum ^ call->attribute[__builtin_ctz(left)]) * SPREAD;
    }
    return sum ^ sum >> 32;
}

static struct hg_recent_slot *slot_of(const struct hg_recent *recent, uint64_t fingerprint)
{
    return &recent->slots[fingerprint * SPREAD >> (64 - SLOT_BITS)];
}

/* True if all of the calls but their operands is the same. */
static bool is_same_call(const struct hg_op_call *a, const struct hg_op_call *b)
{
    bool same = a->op == b->op && a->attributes_given == b->attributes_given;
    for (uint32_t left = same ? a->attributes_given : 0; left != 0; left &= left - 1) {
        const unsigned index = (unsigned)__builtin_ctz(left);
        same = same && a->attribute[index] == b->attribute[index];
    }
    return same;
}

struct hg_memo *hg_recent_find(const struct hg_recent *recent, uint64_t fingerprint,
                               const struct hg_op_call *call,
                               struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX])
{
    struct hg_memo *memo = recent->slots != NULL ? slot_of(recent, fingerprint)->memo : NULL;
    return memo != NULL && is_same_call(&memo->call, call) && hg_memo_fits(memo, buffers) ? memo
                                                                                          : NULL;
}

/* Without memory for it nothing is kept, and the next call is planned, too. */
static void keep(struct hg_recent_slot *slot, const struct hg_cache *cache,
                 const struct hg_op_call *call, const struct hg_plan *plan)
{
    if (slot->memo == NULL) {
        slot->memo = hg_calloc(HG_TAG_SESSION, 1, sizeof *slot->memo);
    }
    if (slot->memo != NULL) {
        slot->memo->call = *call;
        hg_memo_keep(slot->memo, cache, plan);
    }
}

void hg_recent_note(struct hg_recent *recent, uint64_t fingerprint, const struct hg_cache *cache,
                    const struct hg_op_call *call, const struct hg_plan *plan)
{
    if (recent->slots == NULL) {
        recent->slots = hg_calloc(HG_TAG_SESSION, 1u << SLOT_BITS, sizeof *recent->slots);
        if (recent->slots == NULL) {
            return;
        }
    }
    struct hg_recent_slot *slot = slot_of(recent, fingerprint);
    if (slot->last == fingerprint) {
        keep(slot, cache, call, plan);
    }
    slot->last = fingerprint;
}
