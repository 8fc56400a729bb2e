/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the block executor: a pass runs the instructions of a segment, each for all lanes of a
 * tile, before the next.
 *
 * Threads: a pass belongs to one thread.
 */
#ifndef HG_LIB_EXEC_BLOCK_H
#define HG_LIB_EXEC_BLOCK_H

#include "lib/exec/workspace.h"

struct hg_pass {
    struct hg_run *run;
    const struct hg_kernels *kernels;
    struct hg_workspace *workspace;
    struct hg_value *values;        /* by place */
    struct hg_block_memory *memory; /* NULL unless the program has scratch or pool */
    struct hg_walk walk;
    uint64_t lanes; /* most lanes of a pass */
    struct hg_span span;
    uint64_t first;     /* lane of the first element; of rows only: its row */
    uint64_t count;     /* elements; fewer after a failure */
    uint64_t first_row; /* of lane FIRST, */
    uint64_t first_col;
    bool rows_only; /* elements are rows, lanes do not exist */
    bool owner;     /* does what is done once per launch */
    bool failed;    /* at the first element, or in what is uniform: nothing is left to do */
    uint32_t phase;
    const uint8_t *sums; /* what MMA gives the elements */
};

/* ---- block_value.c: the values of places ----------------------------------------------------- */

/* Sets the values that are there before the first instruction. */
void hg_pass_start_values(struct hg_pass *pass);
/* Puts away what the segment's end leaves: uniform values (the owner) and new values per row. */
void hg_pass_keep_values(struct hg_pass *pass);
/* The elements at PLACE, of BYTES each, whatever its level. */
const void *hg_pass_elements(struct hg_pass *pass, uint16_t place, uint32_t bytes);
/* The same as a source of an instruction that writes elements of DST_BYTES at DST: where these
 * would run over elements of another size that are still to be read, a copy in temporary INDEX. */
const void *hg_pass_source(struct hg_pass *pass, uint16_t place, uint32_t bytes, uint16_t dst,
                           uint32_t dst_bytes, uint32_t index);
void hg_pass_set_uniform(struct hg_pass *pass, uint16_t place, uint64_t bits);
/* PLACE's own memory, about to be overwritten with elements of LEVEL. */
void *hg_pass_tile(struct hg_pass *pass, uint16_t place, enum hg_level level, uint32_t bytes);
/* Elements of LEVEL at DATA, which the pass may read until its end. */
void hg_pass_set_elements(struct hg_pass *pass, uint16_t place, enum hg_level level, uint32_t bytes,
                          const void *data);
/* Spreads one element per row, the first for first_row, over the lanes. */
void hg_pass_spread_rows(struct hg_pass *pass, void *dst, const uint8_t *rows, uint32_t bytes);
/* The lane that a failure of ELEMENT is reported for. */
uint64_t hg_pass_lane(const struct hg_pass *pass, uint64_t element);
/* ELEMENT has failed: the elements before it go on. */
void hg_pass_cut(struct hg_pass *pass, uint64_t element);

/* ---- block_step.c, block_access.c, block_pool.c ---------------------------------------------- */

/* Runs the computing instruction at PC. Failures shorten the pass. */
void hg_pass_step(struct hg_pass *pass, uint32_t pc);
void hg_pass_load(struct hg_pass *pass, uint32_t pc);
void hg_pass_store(struct hg_pass *pass, uint32_t pc);
/* Where the STG at PC puts the pass's lanes, one after the other. */
void *hg_pass_destination(const struct hg_pass *pass, uint32_t pc);
void hg_pass_pool(struct hg_pass *pass, uint32_t pc);
void hg_pass_class(struct hg_pass *pass, uint32_t pc);

/* ---- block_reduce.c, block_product.c --------------------------------------------------------- */

void hg_pass_reduce(struct hg_pass *pass);
/* Units FIRST .. END-1 of the region's product, each with the segment's passes over its lanes. */
void hg_pass_product_units(struct hg_pass *pass, uint64_t first, uint64_t end);

/* ---- block.c --------------------------------------------------------------------------------- */

/* Runs the segment for COUNT lanes from FIRST. */
void hg_pass_run(struct hg_pass *pass, uint64_t first, uint64_t count);

#endif
