/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/claims.h"

#include <inttypes.h>

#include "lib/engine/internal.h"

static void give_back(const struct hg_claims *claims, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hg_buffer_unclaim(claims->items[i].buffer, claims->items[i].writes);
    }
}

/* A class that a program addresses has no id in the claim; its buffer's is on nobody's mind. */
static enum hg_status fail_refused(const struct hg_claim *claim, struct hg_error *error)
{
    if (claim->writes && hg_buffer_is_constant(claim->buffer)) {
        return claim->id != 0 ? hg_buffer_fail_constant(claim->id, error)
                              : hg_fail(error, HG_PERMISSION_DENIED,
                                        "the buffer in class %d is constant: it may not be written",
                                        hg_buffer_class(claim->buffer));
    }
    return hg_fail(error, HG_FAILED_PRECONDITION, "buffer %" PRIu64 " is %s", claim->id,
                   claim->writes ? "to be written but in use elsewhere"
                                 : "being written elsewhere");
}

enum hg_status hg_claims_take(struct hg_claims *claims, struct hg_error *error)
{
    for (uint32_t i = 0; !claims->held && i < claims->count; i++) {
        const struct hg_claim *claim = &claims->items[i];
        if (!hg_buffer_claim(claim->buffer, claim->writes)) {
            give_back(claims, i);
            return fail_refused(claim, error);
        }
    }
    claims->held = true;
    return HG_OK;
}

enum hg_status hg_claims_begin(struct hg_claims *claims, struct hg_error *error)
{
    if (claims->any_shared) {
        enum hg_status status = hg_claims_take(claims, error);
        if (status != HG_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < claims->count; i++) {
        const struct hg_claim *claim = &claims->items[i];
        if (!claims->held && !hg_buffer_is_free_for(claim->buffer, claim->writes)) {
            return fail_refused(claim, error);
        }
        claims->unsettled |= hg_buffer_is_unsettled(claim->buffer);
        claims->any_constant |= hg_buffer_is_constant(claim->buffer);
    }
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
