/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call and its plan, kept to be used again: with the same buffers, or with others of which
 * planning would say the same. Each step has a handle into the cache beside it, so that its program
 * is found without a key.
 *
 * Threads: one at a time.
 */
#ifndef HG_LIB_ENGINE_MEMO_H
#define HG_LIB_ENGINE_MEMO_H

#include "lib/engine/buffer.h"
#include "lib/engine/steps.h"

struct hg_memo {
    struct hg_op_call call;          /* its operands are those of the plan */
    bool is_valid;                   /* there is a plan */
    struct hg_plan_step *items;      /* one block with the handles behind them */
    struct hg_cache_handle *handles; /* of their keys */
    uint32_t capacity;               /* of each */
    uint32_t count;
    uint32_t temp_count;
    uint64_t temp_bytes[HG_PLAN_TEMPS_MAX];
};

/* Frees what MEMO, which may be all zeros, points to. */
void hg_memo_fini(struct hg_memo *memo);
/* Keeps PLAN, made for the call in MEMO. Without memory for it MEMO is not valid. */
void hg_memo_keep(struct hg_memo *memo, const struct hg_cache *cache, const struct hg_plan *plan);
/* True if the plan is also right for BUFFERS, as many as the call has operands. */
bool hg_memo_fits(const struct hg_memo *memo, struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX]);

static inline struct hg_steps hg_memo_steps(const struct hg_memo *memo)
{
    return (struct hg_steps){memo->items, memo->count, memo->temp_count, memo->temp_bytes,
                             memo->handles};
}

#endif
