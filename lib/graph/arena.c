/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/graph/arena.h"

#include <stdbool.h>

static bool live_together(const struct hg_arena_piece *a, const struct hg_arena_piece *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static uint64_t end_of(const struct hg_arena_piece *piece)
{
    return piece->offset + piece->bytes;
}

/* The lowest place where PIECE meets none of those placed before it. Each try moves it behind one
 * that is in the way, so it ends. */
static void place(struct hg_arena_piece *pieces, uint32_t index)
{
    struct hg_arena_piece *piece = &pieces[index];
    piece->offset = 0;
    for (uint32_t i = 0; i < index; i++) {
        const struct hg_arena_piece *other = &pieces[i];
        bool overlaps = piece->offset < end_of(other) && other->offset < end_of(piece);
        if (live_together(piece, other) && overlaps) {
            piece->offset = end_of(other);
            i = UINT32_MAX; /* from the first again */
        }
    }
}

bool hg_arena_place(struct hg_arena_piece *pieces, uint32_t count, uint64_t *total)
{
    uint64_t sum = 0;
    *total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].bytes > (UINT64_C(1) << 62) ||
            __builtin_add_overflow(sum, pieces[i].bytes + HG_ARENA_ALIGNMENT, &sum) ||
            sum > INT64_MAX) {
            return false;
        }
        pieces[i].bytes =
            (pieces[i].bytes + HG_ARENA_ALIGNMENT - 1) & ~(uint64_t)(HG_ARENA_ALIGNMENT - 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        place(pieces, i);
        *total = end_of(&pieces[i]) > *total ? end_of(&pieces[i]) : *total;
    }
    return true;
}
