/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of lib/exec: what a run is made of, and what both executors share.
 */
#ifndef HG_LIB_EXEC_RUN_H
#define HG_LIB_EXEC_RUN_H

#include "lib/base/mutex.h"
#include "lib/exec/code.h"
#include "lib/exec/exec.h"
#include "lib/exec/kernels.h"
#include "lib/exec/walk.h"
#include "lib/native/native.h"

/* What a place holds between segments: a launch-uniform value, or one per row. */
struct hg_kept {
    uint64_t bits;      /* launch-uniform */
    uint8_t *rows;      /* one element per row, NULL if the place has no array */
    uint8_t *rows_next; /* where a region puts new ones, so that it can still read the old */
    uint8_t level;      /* enum hg_level; LANE: nothing that may be read */
    uint8_t bytes;      /* of an element of `rows` */
    uint8_t next_level; /* level and bytes when the region has ended, */
    uint8_t next_bytes; /*   0 bytes = no new value */
    uint64_t next_bits;
};

/* Bytes that a launch reads and writes from which on it pays to store past the caches, and the
 * fewest lanes that may have as many. */
#define HG_NATIVE_STREAM_BYTES (UINT64_C(24) << 20)
#define HG_NATIVE_STREAM_LANES (HG_NATIVE_STREAM_BYTES / (8 * HG_NATIVE_ACCESSES))

/* How lanes are cut into blocks. */
struct hg_cut {
    uint64_t lanes, rows, cols;
    uint32_t block_lanes;    /* B */
    uint64_t rows_per_block; /* > 0: blocks of whole rows */
    uint64_t blocks_per_row; /* > 0: each row is cut on its own */
    uint64_t block_count;
};

/* The lanes of a block, or of what is run like one. */
struct hg_span {
    uint64_t block; /* launch-wide index */
    uint64_t start; /* global index of the block's first lane: r252 counts from it */
    uint64_t first; /* lanes first .. first + count - 1 */
    uint64_t count;
};

enum hg_region_kind {
    HG_REGION_TOP,   /* top-level code on all lanes, which are one block at most */
    HG_REGION_ROWS,  /* the same code for rows only: there are no lanes, or it needs none */
    HG_REGION_BLOCKS /* a LOOP.BLOCKS body */
};

struct hg_region {
    enum hg_region_kind kind;
    uint32_t start;        /* index of the first instruction */
    uint32_t limit;        /* end of a LOOP.BLOCKS body, else HG_NO_LIMIT */
    uint32_t mma;          /* index of the MMA that starts the segment, or HG_NO_STEP */
    uint32_t reduce;       /* first of the REDUCE that end it */
    uint32_t reduce_count; /* 0 = none do */
    uint64_t units;        /* blocks, tiles of a product, or chunks of rows */
    uint32_t parts;        /* 0 = not asked for yet */
    /* Where the first pass stopped; all must stop there. HG_NO_STEP = none has. Relaxed: only
     * compared. */
    _Atomic uint32_t stop;
};
#define HG_NO_STEP UINT32_MAX

/* A product, as the launch sizes it. */
struct hg_product {
    const uint8_t *a, *b;
    uint64_t m, n, k, lda, ldb;
    enum hg_dtype type;
    bool trans_a, trans_b, dot;
    uint64_t tile_rows, tile_cols; /* of a unit of work */
    uint64_t row_tiles, col_tiles;
};

struct hg_failure {
    struct hg_mutex mutex; /* HG_RANK_RUN; guards the errors */
    /* Lowest lane that failed, UINT64_MAX if none; changed under the mutex. Relaxed: outside it
     * only a hint that lanes above need not run. */
    _Atomic uint64_t lane;
    /* Cancelled, past the deadline or out of memory. Relaxed: a hint to end early. */
    _Atomic bool stopped;
    struct hg_error error;      /* of the lowest lane */
    struct hg_error stop_error; /* why it stopped */
};

struct hg_block_memory;
struct hg_native_reduce;
struct hg_native_frame;

/* A function that stores past the caches, and what it stores. */
struct hg_native_stream {
    hg_native_fn *run; /* NULL: none */
    uint32_t offset;   /* from the operand's start */
    uint8_t slot;
    uint8_t width; /* of an element */
};

struct hg_run {
    struct hg_launch launch;
    struct hg_exec_code code;
    const struct hg_kernels *kernels;
    struct hg_cut cut;
    uint8_t *base[HG_OPERAND_ALL]; /* scratch's entry is not used: it is the block's own */
    uint64_t bytes[HG_OPERAND_ALL];
    bool one_row; /* row-uniform values are launch-uniform */
    bool ftz;
    bool done;

    const struct hg_native_code *native;          /* of the program, or NULL */
    const struct hg_native_region *native_region; /* the current region's code, or NULL */
    struct hg_native_stream stream;               /* that its lanes are stored by */
    struct hg_region region;
    uint32_t phase; /* of the block that top-level code runs in, as its memory is */
    uint32_t next_phase;
    struct hg_block_memory *memory;
    struct hg_kept *kept; /* by place */
    uint32_t kept_capacity;
    struct hg_product product;

    uint8_t *row_memory; /* behind the row arrays */
    size_t row_capacity;
    uint64_t *leaves; /* REDUCE of a region: [reduce][row][leaf], images of accumulators */
    size_t leaf_capacity;
    uint64_t leaves_per_row;
    struct hg_failure failure;
};

/* ---- cut.c ----------------------------------------------------------------------------------- */

void hg_cut_init(struct hg_cut *cut, const struct hg_code_facts *facts,
                 const uint64_t params[HG_PARAM_COUNT]);
void hg_cut_block(const struct hg_cut *cut, uint64_t index, struct hg_span *span);

/* ---- bind.c ---------------------------------------------------------------------------------- */

/* Checks the launch against its program and fills base, bytes, cut and product. */
HG_MUST_CHECK enum hg_status hg_run_bind(struct hg_run *run, struct hg_error *error);
/* Refuses operands that overlap an output otherwise than element for element. */
HG_MUST_CHECK enum hg_status hg_run_check_aliasing(const struct hg_run *run,
                                                   struct hg_error *error);
/* What a lane-affine address spans, in bytes from its operand's start. False if it has no element
 * or the end is beyond 2^64. */
struct hg_extent {
    uint64_t first, end;
};
HG_MUST_CHECK bool hg_run_extent(const struct hg_run *run, const struct hg_addr *addr,
                                 uint32_t width, struct hg_extent *extent, bool *empty);
/* Elements between the lanes of MOD and DIV: the factor, or cols. */
uint64_t hg_run_factor(const struct hg_run *run, const struct hg_addr *addr);
/* Sizes of the product at STEP and its operands, unchecked. */
void hg_run_product(const struct hg_run *run, const struct hg_step *step,
                    struct hg_product *product);

/* ---- region.c -------------------------------------------------------------------------------- */

/* Finds the next region from PC on, running in place what is too small to hand out. Sets run->done
 * at the program's end. */
void hg_run_settle(struct hg_run *run, uint32_t pc);
/* Makes the current region's results readable and gives the pc after it. */
uint32_t hg_run_complete(struct hg_run *run);
/* Parts FIRST .. END-1 of the units. */
void hg_run_units(const struct hg_run *run, uint32_t part, uint64_t *first, uint64_t *end);
/* Notes where a pass has stopped; false (and the run fails) if another stopped elsewhere, because a
 * client changed memory that control flow was read from. */
bool hg_run_stopped_at(struct hg_run *run, uint32_t pc);
/* The kernels of a REDUCE. */
const struct hg_kernel_reduce *hg_run_reduce(const struct hg_run *run, const struct hg_step *step);
/* Combines COUNT (at least 1) leaves as a binary tree, an odd last one passing up; overwrites them.
 */
uint64_t hg_run_fold_leaves(const struct hg_kernel_reduce *reduce, uint64_t *leaves,
                            uint64_t count);
/* Where the region's REDUCE number INDEX puts the folded accumulators of a leaf of ROW. */
static inline uint64_t *hg_run_leaf(const struct hg_run *run, uint32_t index, uint64_t row,
                                    uint64_t leaf)
{
    return run->leaves + (index * run->cut.rows + row) * run->leaves_per_row + leaf;
}

/* ---- failure.c ------------------------------------------------------------------------------- */

/* Remembers a failure of instruction PC at LANE, if none is at a lower lane. */
void hg_run_fail(struct hg_run *run, uint64_t lane, uint32_t pc, enum hg_status status,
                 const char *detail, const char *format, ...) HG_PRINTF(6, 7);
void hg_run_fail_division(struct hg_run *run, uint64_t lane, uint32_t pc);
void hg_run_fail_bounds(struct hg_run *run, uint64_t lane, uint32_t pc, uint64_t offset);
void hg_run_fail_fuel(struct hg_run *run, uint64_t lane, uint32_t pc);
/* Stops the run for a reason that has no lane. */
void hg_run_stop(struct hg_run *run, enum hg_status status, const char *format, ...)
    HG_PRINTF(3, 4);
bool hg_run_failed(const struct hg_run *run);
/* True if lanes from LANE on need not run. */
bool hg_run_skips(const struct hg_run *run, uint64_t lane);
/* Looks at cancellation and, with CLOCK, at the deadline; true if the run has stopped. */
bool hg_run_poll(struct hg_run *run, bool clock);

/* ---- the executors --------------------------------------------------------------------------- */

void hg_block_part(struct hg_run *run, uint32_t part);
void hg_reference_part(struct hg_run *run, uint32_t part);
void hg_native_part(struct hg_run *run, uint32_t part);

/* ---- native.c, native_code.c ----------------------------------------------------------------- */

/* The code of the region that starts at PC, if it has any and can run as KIND. */
const struct hg_native_region *hg_native_region_at(const struct hg_run *run, uint32_t pc,
                                                   enum hg_region_kind kind);
/* The program's code for MODE on this CPU, compiled by the first who asks; NULL if it has none. */
const struct hg_native_code *hg_native_code_of(const struct hg_program *program,
                                               enum hg_fp_mode mode);
/* The same in another form, compiled by the first who asks; NULL if there is none. */
const struct hg_native_code *hg_native_form_of(const struct hg_program *program,
                                               const struct hg_native_code *code,
                                               enum hg_native_form wanted);

/* ---- native_form.c --------------------------------------------------------------------------- */

/* Whether launches of N lanes, in rows of COLS, have no other form than CODE's own. */
static inline bool hg_native_is_plain(uint64_t n, uint64_t cols)
{
    return n < HG_NATIVE_STREAM_LANES && (cols != 1 || n == 1);
}
/* The code for a launch with PARAMS: CODE's own, or that for one column. */
const struct hg_native_code *hg_native_suited(const struct hg_program *program,
                                              const struct hg_native_code *code,
                                              const uint64_t params[HG_PARAM_COUNT]);
/* What CODE's launches with PARAMS are stored by, if that pays. */
struct hg_native_stream hg_native_stream_of(const struct hg_program *program,
                                            const struct hg_native_code *code,
                                            const uint64_t params[HG_PARAM_COUNT]);
/* FRAME's lanes: but for the first few with STREAM's function, which it has. */
void hg_native_run_past_cache(const struct hg_native_stream *stream,
                              const struct hg_native_region *region, struct hg_native_frame *frame);

/* FRAME's lanes with REGION's function, or STREAM's. */
static inline void hg_native_run_stream(const struct hg_native_stream *stream,
                                        const struct hg_native_region *region,
                                        struct hg_native_frame *frame)
{
    if (stream->run == NULL) {
        region->run(frame);
    } else {
        hg_native_run_past_cache(stream, region, frame);
    }
}

/* ---- native.c -------------------------------------------------------------------------------- */

/* What REDUCE number INDEX of a region has made of a leaf, as KERNEL's images are. */
uint64_t hg_native_sum(const struct hg_native_reduce *reduce, struct hg_native_frame *frame,
                       unsigned index, const struct hg_kernel_reduce *kernel);

/* ---- native_product.c ------------------------------------------------------------------------ */

/* Whether REGION's code computes PRODUCT as this launch sizes it. */
bool hg_native_takes_product(const struct hg_run *run, const struct hg_native_region *region,
                             const struct hg_product *product);
/* Chooses PRODUCT's units of work. */
void hg_native_cut_product(const struct hg_native_region *region, struct hg_product *product);
/* Runs PART with FRAME, of which everything is filled but what says where. */
void hg_native_product_part(struct hg_run *run, uint32_t part, struct hg_native_frame *frame);

/* ---- native_launch.c ------------------------------------------------------------------------- */

/* Runs LAUNCH at once, if that is all that its program needs, and gives the outcome; false if it
 * has not been run. */
bool hg_native_launch(const struct hg_launch *launch, enum hg_status *status,
                      struct hg_error *error);

#endif
