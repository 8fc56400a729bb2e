/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffers that one piece of work uses, each once, and how. They are claimed together or not at
 * all.
 *
 * Threads: one at a time.
 */
#ifndef HG_LIB_ENGINE_CLAIMS_H
#define HG_LIB_ENGINE_CLAIMS_H

#include "lib/base/check.h"
#include "lib/engine/buffer.h"

/* A user's program may use all its slots and every class of the boundary pool. */
#define HG_CLAIMS_MAX (HG_SLOT_COUNT_MAX + HG_POOL_CLASS_COUNT)

struct hg_claim {
    struct hg_buffer *buffer;
    uint64_t id; /* by which the work named it first */
    bool writes;
};

struct hg_claims {
    uint32_t count;
    bool held;
    bool any_shared; /* other sessions may claim one of them meanwhile */
    bool any_constant;
    bool unsettled; /* when it was last looked: memory of one has to be zeroed before it is used */
    struct hg_claim items[HG_CLAIMS_MAX]; /* beyond COUNT: never initialised, for speed */
};

static inline void hg_claims_init(struct hg_claims *claims)
{
    claims->count = 0;
    claims->held = false;
    claims->any_shared = false;
    claims->any_constant = false;
    claims->unsettled = false;
}

/* Notes a use; nothing is claimed yet. */
static inline void hg_claims_add(struct hg_claims *claims, struct hg_buffer *buffer, uint64_t id,
                                 bool writes)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        if (claims->items[i].buffer == buffer) {
            claims->items[i].writes |= writes;
            return;
        }
    }
    HG_REQUIRE(claims->count < HG_CLAIMS_MAX);
    claims->items[claims->count++] = (struct hg_claim){buffer, id, writes};
    claims->any_shared |= hg_buffer_is_shared(buffer);
}

/*
 * For the session's thread, before it uses the buffers itself or has them used: claims everything
 * if others might do so too; else only looks whether that would do, since nobody but this thread
 * can claim them before it goes on. FAILED_PRECONDITION names the id of a buffer that is busy,
 * PERMISSION_DENIED that of a constant one that is to be written.
 */
HG_MUST_CHECK enum hg_status hg_claims_begin(struct hg_claims *claims, struct hg_error *error);
/* Claims everything, if it is not yet. Errors as above. */
HG_MUST_CHECK enum hg_status hg_claims_take(struct hg_claims *claims, struct hg_error *error);
/* Gives back what was taken, if it was. */
void hg_claims_give_back(struct hg_claims *claims);
/* Takes and drops references, for work that outlives the call. */
void hg_claims_ref(struct hg_claims *claims);
void hg_claims_unref(struct hg_claims *claims);

#endif
