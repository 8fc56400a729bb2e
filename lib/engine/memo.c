/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/memo.h"

#include <string.h>

#include "lib/base/alloc.h"

void hg_memo_fini(struct hg_memo *memo)
{
    hg_free(HG_TAG_SESSION, memo->items);
    *memo = (struct hg_memo){.is_valid = false};
}

static void reserve(struct hg_memo *memo, uint32_t count)
{
    if (count > memo->capacity) {
        hg_free(HG_TAG_SESSION, memo->items);
        memo->items =
            hg_malloc(HG_TAG_SESSION, count * (sizeof *memo->items + sizeof *memo->handles));
        memo->handles = (struct hg_cache_handle *)(void *)(memo->items + count);
        memo->capacity = memo->items == NULL ? 0 : count;
    }
}

void hg_memo_keep(struct hg_memo *memo, const struct hg_cache *cache, const struct hg_plan *plan)
{
    reserve(memo, plan->step_count);
    memo->is_valid = plan->step_count <= memo->capacity;
    memo->count = plan->step_count;
    for (uint32_t i = 0; memo->is_valid && i < plan->step_count; i++) {
        memo->items[i] = plan->steps[i];
        hg_cache_handle_init(cache, &memo->items[i].key, &memo->handles[i]);
    }
    memo->temp_count = plan->temp_count;
    memcpy(memo->temp_bytes, plan->temp_bytes, plan->temp_count * sizeof memo->temp_bytes[0]);
}

/* True for the buffers of the last execution: a handle stands for type, shape and memory. */
static bool are_the_same(const struct hg_op_call *last, struct hg_buffer *const buffers[])
{
    for (unsigned i = 0; i < last->operand_count; i++) {
        if (last->operands[i].handle != buffers[i]->operand.handle) {
            return false;
        }
    }
    return true;
}

static bool is_alike(const struct hg_op_operand *a, const struct hg_op_operand *b)
{
    return a->type == b->type && a->rank == b->rank && a->elements == b->elements &&
           a->boundary_class == b->boundary_class &&
           memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

/* True for other buffers of which planning would say the same: they look the same, no two of them
 * are one, and their handles are not baked. */
static bool are_alike(const struct hg_op_call *last, struct hg_buffer *const buffers[])
{
    for (unsigned i = 0; i < last->operand_count; i++) {
        if (!is_alike(&last->operands[i], &buffers[i]->operand)) {
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (buffers[i] == buffers[j]) {
                return false;
            }
        }
    }
    return !last->policy.specialize_full;
}

bool hg_memo_fits(const struct hg_memo *memo, struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX])
{
    return memo->is_valid &&
           (are_the_same(&memo->call, buffers) || are_alike(&memo->call, buffers));
}
