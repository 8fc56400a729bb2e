/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the reference interpreter: every instruction is performed for one lane after the other,
 * with the scalar functions of scalar.h. It shares binding, regions and control flow with the block
 * executor, and nothing of how that gets its results.
 *
 * Threads: a frame of it belongs to one thread.
 */
#ifndef HG_LIB_EXEC_REFERENCE_H
#define HG_LIB_EXEC_REFERENCE_H

#include "lib/exec/run.h"

/* A value: one image for all lanes, one for each row or one for each lane. */
struct hg_ref_value {
    enum hg_level level;
    uint64_t bits;    /* LAUNCH */
    uint64_t *images; /* ROW: by row from first_row; LANE: by lane from first */
    uint8_t bytes;    /* of the type last written */
    bool kept;        /* ROW: still what the segment started with */
};

struct hg_ref {
    struct hg_run *run;
    struct hg_walk walk;
    struct hg_block_memory *memory;
    struct hg_ref_value *values; /* by place */
    uint64_t *images;            /* behind the values, and one more: */
    uint64_t *results; /* what an instruction has given so far; its sources are still whole */
    uint64_t capacity; /* lanes, or rows, that a value has room for */
    struct hg_ref_leaf *leaves; /* by REDUCE of the region */

    uint64_t block, start; /* block, and its first lane */
    uint64_t first, count; /* lanes of the pass */
    uint64_t first_row, row_count;
    bool rows_only;
    bool owner;
    bool failed;
    uint32_t phase;
};

/* A leaf of a reduction on the way. */
struct hg_ref_leaf {
    uint64_t accumulators[HG_REDUCE_WIDTH_MAX];
};

/* The instance of an instruction: for all lanes, for a row or for a lane. */
struct hg_ref_at {
    uint64_t lane; /* global; the row's first in the pass */
    uint64_t row;
};

/* ---- reference.c ----------------------------------------------------------------------------- */

/* The image at PLACE as instance AT sees it. */
uint64_t hg_ref_read(const struct hg_ref *ref, uint16_t place, struct hg_ref_at at);
/* What is done to one instance of the instruction at PC; false if it failed. */
typedef bool hg_ref_instance_fn(struct hg_ref *ref, uint32_t pc, enum hg_level level,
                                struct hg_ref_at at, uint64_t *result);
/*
 * Performs INSTANCE once, for each row, or for each lane, as LEVEL says, and makes the results the
 * value at DST (HG_PLACE_NONE: none).
 */
void hg_ref_each(struct hg_ref *ref, uint32_t pc, enum hg_level level, uint16_t dst, uint32_t bytes,
                 hg_ref_instance_fn *instance);

/* ---- reference_step.c, reference_eval.c, reference_cross.c ----------------------------------- */

void hg_ref_step(struct hg_ref *ref, uint32_t pc);
/* ALU instructions that cannot fail: image of the result. */
uint64_t hg_ref_eval(const struct hg_insn *insn, uint64_t a, uint64_t b, uint64_t c, bool ftz);
uint64_t hg_ref_convert(enum hg_dtype to, enum hg_dtype from, uint64_t a, bool ftz);
bool hg_ref_compare(enum hg_cond cond, enum hg_dtype type, uint64_t a, uint64_t b, bool ftz);
uint64_t hg_ref_reduce_regs(const struct hg_insn *insn, const uint64_t *registers, bool ftz);
/* Adds the pass's lanes to the REDUCE that end the segment. */
void hg_ref_reduce(struct hg_ref *ref);
/* Element (I, J) of the region's product: image of the sum. */
uint64_t hg_ref_product(const struct hg_run *run, uint64_t i, uint64_t j);

#endif
