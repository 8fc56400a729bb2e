/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans of a session's recent calls by name, so that the next one like it is planned no more: a few
 * slots, found by what a plan depends on. A plan is kept when two calls in a row that fall into its
 * slot are alike: a stream of calls that never come again costs nothing but the comparison, and one
 * that goes round through more plans than there are slots does not drive out what is there.
 *
 * Threads: the session's.
 */
#ifndef HG_LIB_ENGINE_RECENT_H
#define HG_LIB_ENGINE_RECENT_H

#include <stdint.h>

#include "lib/ops/ops.h"

struct hg_buffer;
struct hg_cache;
struct hg_memo;
struct hg_recent_slot;

/* All zeros: nothing yet. */
struct hg_recent {
    struct hg_recent_slot *slots; /* NULL before the first call */
};

void hg_recent_fini(struct hg_recent *recent);

/* What to find the plan of a call by. CALL's operands need not be set. */
uint64_t hg_recent_fingerprint(const struct hg_op_call *call,
                               struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX]);
/* A plan that is right for CALL, whose operands need not be set, with BUFFERS; NULL: there is none.
 * Valid until the next hg_recent_note. */
struct hg_memo *hg_recent_find(const struct hg_recent *recent, uint64_t fingerprint,
                               const struct hg_op_call *call,
                               struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX]);
/* CALL was planned: keeps PLAN, or notes that it was here. */
void hg_recent_note(struct hg_recent *recent, uint64_t fingerprint, const struct hg_cache *cache,
                    const struct hg_op_call *call, const struct hg_plan *plan);

#endif
