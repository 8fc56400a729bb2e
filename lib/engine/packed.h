/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed operands: the panels of products whose right operand is a constant buffer, kept for all
 * sessions until room is needed for others or the buffer goes.
 *
 *     take ─ found ─► the launch reads them ─► put back
 *          └ none ──► packed: at once if small, else by a worker; until then launches do without
 *
 * Results are the same with and without them, bit for bit. Nobody waits for anybody's packing.
 *
 * Threads: any. Panels that were taken stay until they are put back, whatever becomes of the table.
 */
#ifndef HG_LIB_ENGINE_PACKED_H
#define HG_LIB_ENGINE_PACKED_H

#include "lib/base/mutex.h"
#include "lib/engine/claims.h"
#include "lib/exec/panels.h"

struct hg_packed;

struct hg_packed_table {
    struct hg_mutex lock; /* HG_RANK_PACKED: all that follows, and the buffers' lists */
    uint64_t bytes_max;
    struct hg_packed *newest;
    struct hg_packed *oldest;
    struct hg_packed *hand; /* the next one that eviction looks at; NULL: the oldest */
    uint32_t packing; /* panels that are linked, or were, and not ready: they are not evicted, */
    uint64_t packing_bytes; /*   and take so much */
    struct hg_packed_stats stats;
};

void hg_packed_table_init(struct hg_packed_table *table, uint64_t bytes_max);
/* No buffer is left, and so no panels. */
void hg_packed_table_fini(struct hg_packed_table *table);

/* The panels of BUFFER, which is constant, in SHAPE; NULL if there are none (yet). */
struct hg_packed *hg_packed_get(struct hg_engine *engine, struct hg_buffer *buffer,
                                const struct hg_panels_shape *shape);
const struct hg_panels *hg_packed_panels(const struct hg_packed *packed);
void hg_packed_put_back(struct hg_packed **packed);

/* Which of CLAIMS' buffers LAUNCH would read as panels, and of which shape; NULL if none. */
struct hg_buffer *hg_packed_find_operand(const struct hg_claims *claims,
                                         const struct hg_launch *launch,
                                         struct hg_panels_shape *shape);

/* Drops the panels of BUFFER, which nobody refers to any more, or all that there are. */
void hg_packed_forget(struct hg_buffer *buffer);
void hg_packed_flush(struct hg_packed_table *table);

#endif
