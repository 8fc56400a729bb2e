/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has left the cache but may still be looked at by readers inside a section: programs, and
 * tables that were replaced. It is collected in batches; a closed batch has a stamp (epoch.h) and
 * is freed once that has passed.
 *
 *     reserve ─ unlink ─ add ─► open batch ─ full, or close() ─► closed batches ─ passed ─► freed
 *
 * Threads: one at a time (the cache's lock); hg_retired_free needs no lock.
 * Ownership: takes a reference to each program, and tables as they are.
 */
#ifndef HG_LIB_CACHE_RETIRE_H
#define HG_LIB_CACHE_RETIRE_H

#include "lib/cache/table.h"

#define HG_RETIRED_BATCH 60 /* a batch is half a kilobyte */

struct hg_retired_batch {
    struct hg_retired_batch *next; /* closed after this one */
    uint64_t stamp;
    uint64_t bytes; /* of programs and tables */
    uint64_t count;
    uintptr_t items[HG_RETIRED_BATCH]; /* a program; a table, its lowest bits TABLE or HUSK */
};

struct hg_retired {
    struct hg_retired_batch *open; /* NULL, or has room */
    struct hg_retired_batch *oldest;
    struct hg_retired_batch **end;
    _Atomic uint64_t bytes; /* relaxed: a figure */
};

void hg_retired_init(struct hg_retired *retired);
/* Frees everything. There must be no reader that looks at it. */
void hg_retired_fini(struct hg_retired *retired);

/* Makes room for one more; false when out of memory. */
HG_MUST_CHECK bool hg_retired_reserve(struct hg_retired *retired);
/* After a reserve each. PROGRAM, TABLE with its programs, or TABLE without, were unlinked. */
void hg_retired_add_program(struct hg_retired *retired, struct hg_program *program);
void hg_retired_add_table(struct hg_retired *retired, struct hg_cache_table *table,
                          uint64_t program_bytes);
void hg_retired_add_husk(struct hg_retired *retired, struct hg_cache_table *table);

/* Closes the open batch, if there is one. */
void hg_retired_close(struct hg_retired *retired);
/* Gives the batches that nobody looks at any more; NULL if there are none. */
struct hg_retired_batch *hg_retired_take(struct hg_retired *retired);
/* Takes what hg_retired_take gave. */
void hg_retired_free(struct hg_retired_batch *batches);

#endif
