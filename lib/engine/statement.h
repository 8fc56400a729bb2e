/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's prepared operations, by handle: the number of a slot, and how often the slot was
 * given before, so that a handle that was forgotten stays unknown.
 *
 * Threads: the session's.
 */
#ifndef HG_LIB_ENGINE_STATEMENT_H
#define HG_LIB_ENGINE_STATEMENT_H

#include <stdint.h>

#include "lib/base/status.h"

struct hg_statement;

struct hg_statement_slot {
    struct hg_statement *statement; /* NULL = free */
    uint32_t generation;            /* of the handle that it has or will have; from 1 */
};

/* All zeros: none yet. */
struct hg_statements {
    struct hg_statement_slot *slots;
    uint32_t count; /* slots that are not free */
    uint32_t capacity;
    uint32_t first_free; /* no slot below is free */
};

void hg_statements_fini(struct hg_statements *statements);

#endif
