/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread needs to run a part of a run with the block executor: a tile for each register, and
 * scratch. Workspaces are pooled; a thread takes one for a part and puts it back.
 *
 * Threads: taking and putting back from any thread; a workspace belongs to whoever took it.
 */
#ifndef HG_LIB_EXEC_WORKSPACE_H
#define HG_LIB_EXEC_WORKSPACE_H

#include "lib/exec/run.h"

/* Lanes of a tile of the widest type: a block is three of them. */
#define HG_TILE_BYTES 4096

/* Where the elements of a value are that is not launch-uniform. */
enum hg_value_state {
    HG_VALUE_READY,  /* at `data` */
    HG_VALUE_KEPT,   /* in the array over rows, not yet spread over the lanes */
    HG_VALUE_SPECIAL /* r250 .. r255, not yet written down */
};

/* The value at a place, for the lanes (or rows) of a pass. */
struct hg_value {
    uint8_t *tile;        /* the place's own memory */
    const uint8_t *data;  /* READY: the elements, in `tile` or in an operand's memory */
    uint64_t bits;        /* launch-uniform: the value, zeros above its type */
    uint64_t filled_bits; /* what `tile` was last filled with, */
    uint32_t filled;      /*   for how many elements (0 = it holds something else) */
    uint8_t filled_bytes; /*   of which size */
    uint8_t bytes;        /* READY: size of an element */
    uint8_t level;        /* enum hg_level */
    uint8_t state;        /* enum hg_value_state */
};

/* A leaf that a REDUCE is in the middle of. */
struct hg_leaf {
    _Alignas(64) uint8_t accumulators[HG_REDUCE_WIDTH_MAX * sizeof(uint64_t)];
    uint64_t used; /* elements so far */
};

struct hg_workspace {
    uint8_t *memory; /* tiles, offsets, temporaries */
    size_t memory_bytes;
    uint64_t *offsets;     /* byte offsets of computed addresses */
    uint8_t *temporary[2]; /* one tile of the widest type each */
    struct hg_value *values;
    uint32_t value_capacity;
    struct hg_frame *frames;
    uint32_t frame_capacity;
    struct hg_leaf *leaves;
    uint32_t leaf_capacity;
    struct hg_block_memory *blocks; /* scratch and pool of a block of a LOOP.BLOCKS body */
    uint8_t *product;               /* sums, panels of A and B */
    size_t product_bytes;
};

/* NULL when out of memory. */
struct hg_workspace *hg_workspace_take(void);
void hg_workspace_put_back(struct hg_workspace *workspace);
void hg_workspace_release_cached(void);

/* Makes room for passes over up to LANES lanes of CODE. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_workspace_reserve(struct hg_workspace *workspace,
                                                  const struct hg_exec_code *code, uint64_t lanes);
/* At least BYTES, 64-byte aligned, at workspace->product. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_workspace_reserve_product(struct hg_workspace *workspace,
                                                          size_t bytes);

#endif
