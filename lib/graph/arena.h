/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory between the launches of a plan: pieces that live over a range of levels get places that
 * do not overlap while both live; private to lib/graph.
 *
 * Threads: values.
 */
#ifndef HG_LIB_GRAPH_ARENA_H
#define HG_LIB_GRAPH_ARENA_H

#include "lib/base/status.h"

#include <stdint.h>

#define HG_ARENA_ALIGNMENT 64

struct hg_arena_piece {
    uint64_t bytes;
    uint32_t first, last; /* levels, both included */
    uint64_t offset;      /* given */
};

/* Places COUNT pieces and gives the bytes that all need; false beyond 2^63. */
HG_MUST_CHECK _Bool hg_arena_place(struct hg_arena_piece *pieces, uint32_t count, uint64_t *total);

#endif
