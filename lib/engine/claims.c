/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/claims.h"

#include <inttypes.h>

#include "lib/base/check.h"

void hg_claims_add(struct hg_claims *claims, struct hg_buffer *buffer, uint64_t id, bool writes)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        if (claims->items[i].buffer == buffer) {
            claims->items[i].writes |= writes;
            return;
        }
    }
    HG_REQUIRE(claims->count < HG_CLAIMS_MAX);
    claims->items[claims->count++] = (struct hg_claim){buffer, id, writes};
}

static void give_back(const struct hg_claims *claims, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hg_buffer_unclaim(claims->items[i].buffer, claims->items[i].writes);
    }
}

enum hg_status hg_claims_take(struct hg_claims *claims, struct hg_error *error)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        const struct hg_claim *claim = &claims->items[i];
        if (!hg_buffer_claim(claim->buffer, claim->writes)) {
            give_back(claims, i);
            return hg_fail(error, HG_FAILED_PRECONDITION, "buffer %" PRIu64 " is %s", claim->id,
                           claim->writes ? "to be written but in use elsewhere"
                                         : "being written elsewhere");
        }
    }
    claims->held = true;
    return HG_OK;
}

void hg_claims_give_back(struct hg_claims *claims)
{
    if (claims->held) {
        give_back(claims, claims->count);
        claims->held = false;
    }
}

void hg_claims_ref(struct hg_claims *claims)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        hg_buffer_ref(claims->items[i].buffer);
    }
}

void hg_claims_unref(struct hg_claims *claims)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        hg_buffer_unref(&claims->items[i].buffer);
    }
    claims->count = 0;
}

bool hg_claims_are_unsettled(const struct hg_claims *claims)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        if (hg_buffer_is_unsettled(claims->items[i].buffer)) {
            return true;
        }
    }
    return false;
}
