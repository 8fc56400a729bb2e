/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native code of programs: one linear pass from verified instructions to x86-64, a function per
 * region (a top-level segment, or the body of a LOOP.BLOCKS). A function runs a stretch of lanes;
 * any thread may run any stretch. What is not emitted (native.c and emit_vop.c say what) has no
 * function, and the executor runs that region another way: the results are the same, bit for bit.
 *
 *     program ──► regions ──► vector operations ──► registers ──► bytes
 *                 native.c     emit_lower*.c         emit_regs.c   emit_code.c
 *
 * Threads: compilation is a function of its arguments; code objects never change.
 */
#ifndef HG_LIB_NATIVE_NATIVE_H
#define HG_LIB_NATIVE_NATIVE_H

#include "lib/base/cpu.h"
#include "lib/program/program.h"

/* Operands as functions see them: the bound slots, then the boundary pool. */
#define HG_NATIVE_BOUNDARY HG_SLOT_COUNT_MAX
#define HG_NATIVE_BASES    (HG_SLOT_COUNT_MAX + 1)

#define HG_NATIVE_REGIONS 16 /* of a program; more have no native code */
#define HG_NATIVE_VALUES  16 /* uniform values that a region takes over, or leaves */
#define HG_NATIVE_REDUCES 4  /* REDUCE that end one region */
#define HG_NATIVE_SPILLS  48 /* vectors that do not fit into registers */

/* Bytes of the accumulators of one REDUCE: 64 of up to 4 bytes, or 32 of 8. The code folds those of
 * 4 and 8 bytes: then the first has the sum. */
#define HG_NATIVE_SUM_BYTES 256

/* Sums of a tile of a product that are kept in registers at most, and the longest vector. */
#define HG_NATIVE_TILE_SUMS 28
#define HG_NATIVE_VECTOR    64

#define HG_NATIVE_NO_FAILURE UINT64_MAX

/* What a function that computes tiles of a product works on: some of them, one under the other, in
 * some strips of columns, one beside the other. What is _left is used up. */
struct hg_native_strip {
    const uint8_t *a;    /* the first row's first term */
    uint64_t a_step;     /* bytes from row to row; if A is transposed, from term to term */
    const uint8_t *b;    /* the first column's first term; columns lie side by side; used up */
    uint64_t b_step;     /* bytes from term to term, */
    uint64_t b_next;     /*   and from strip to strip */
    uint64_t terms;      /* at least 1 */
    uint64_t tiles;      /* at least 1 */
    uint64_t strips;     /* at least 1; used up */
    uint64_t lane;       /* of the first row's first column; used up */
    uint64_t cols;       /* of the product: lanes from row to row */
    uint64_t row;        /* the first */
    uint64_t last;       /* lanes of the last vector, where the function is `masked` */
    uint8_t *sums;       /* of terms before and after these: a vector after the other, row by row */
    uint64_t ahead_step; /* bytes of B behind these terms of the strip that each round fetches: 64,
                            or 0 where B is not in panels */
    uint64_t stage;      /* HG_NATIVE_FIRST | HG_NATIVE_LAST: both, for several strips */
    const uint8_t *tile_a; /* the function's own: of the tile at hand, */
    uint64_t tiles_left;   /*   and how many there are with it, */
    const uint8_t *ahead;  /*   what of B is fetched next, */
    uint64_t mode;         /*   and MXCSR while terms of BF16 are added up */
};
#define HG_NATIVE_FIRST 1u /* no terms before: sums start from 0 */
#define HG_NATIVE_LAST  2u /* none after: the region's other instructions follow */

/*
 * What a function works on, and its scratch. The caller fills the first part; the code knows the
 * offsets. A stretch lies in one row if the region is `by_row`, in one leaf if it reduces.
 */
struct hg_native_frame {
    uint64_t lane;  /* global index of the first lane */
    uint64_t count; /* lanes; 0 = only what is uniform */
    uint64_t row;   /* row and column of the first lane, where the region is by_row */
    uint64_t col;
    uint64_t is_first; /* 1 if the stretch starts the launch, else 0 */
    const uint64_t *params;
    /* Of a zero divisor or an offset outside: the lowest lane, and its instruction. The caller sets
     * fail_lane to HG_NATIVE_NO_FAILURE. */
    uint64_t fail_lane;
    uint64_t fail_pc;
    uint8_t *base[HG_NATIVE_BASES];
    uint64_t inputs[HG_NATIVE_VALUES];  /* bits of region->inputs, for the row at hand */
    uint64_t outputs[HG_NATIVE_VALUES]; /* written: bits of region->outputs */
    /* Written: the accumulators of each REDUCE, folded if region->folds says so. */
    _Alignas(64) uint8_t sums[HG_NATIVE_REDUCES][HG_NATIVE_SUM_BYTES];
    _Alignas(64) uint8_t spills[HG_NATIVE_SPILLS][64];
    struct hg_native_strip strip;
    _Alignas(64) uint8_t tile[HG_NATIVE_TILE_SUMS][HG_NATIVE_VECTOR];
    /* Where lanes pass one by one. */
    _Alignas(64) uint8_t stage[2][HG_NATIVE_VECTOR];
    uint64_t bytes[HG_NATIVE_BASES]; /* of the operands that offsets are checked against */
    uint64_t fail_offset;            /* that was outside */
    uint64_t live;  /* lanes of the vector at hand that exist, where k1 does not say */
    uint64_t saved; /* a register, for a moment */
};

typedef void hg_native_fn(struct hg_native_frame *frame);

/* A uniform value on its way from one region to another. */
struct hg_native_value {
    uint8_t reg;   /* register or predicate */
    uint8_t bytes; /* of its type; 0: a predicate, which is a byte, 0 or 1 */
    uint8_t level; /* enum hg_level: LAUNCH or ROW */
};

/* Registers, then predicates. */
#define HG_NATIVE_PLACES (HG_REGISTER_COUNT + HG_PREDICATE_COUNT)

static inline unsigned hg_native_place(const struct hg_native_value *value)
{
    return value->reg + (value->bytes == 0 ? HG_REGISTER_COUNT : 0u);
}

static inline unsigned hg_native_value_bytes(const struct hg_native_value *value)
{
    return value->bytes == 0 ? 1 : value->bytes;
}

/* A REDUCE that ends a region. */
struct hg_native_reduce {
    uint8_t op;   /* enum hg_opcode */
    uint8_t type; /* enum hg_dtype */
    uint8_t reg;  /* its destination */
    bool folds;   /* the code folds its accumulators */
};

/* A region that starts with MMA. */
enum hg_native_product {
    HG_NATIVE_NO_PRODUCT,
    HG_NATIVE_WHOLE, /* `run` computes all of it: lane and col are 0, the strip is not filled */
    HG_NATIVE_TILES  /* there is no `run`, but hg_native_compile_tile gives functions */
};

/* Rows and vectors of a tile of sums; masked: the last vector has fewer columns. */
struct hg_native_tile {
    uint8_t rows;
    uint8_t vectors;
    bool masked;
};

struct hg_native_region {
    hg_native_fn *run;    /* NULL: not emitted */
    uint32_t fuel;        /* what its loops cost, a block */
    uint16_t start;       /* index of the first instruction */
    uint16_t first_value; /* of code's values: inputs, then outputs */
    uint8_t first_reduce;
    uint8_t reduce_count; /* of the REDUCE that end it: a stretch is (part of) a leaf */
    uint8_t input_count, output_count;
    bool has_lanes; /* else all of it is uniform: call it once per row, with no lanes */
    bool by_row;    /* a stretch must lie in one row */
    bool can_fail;
    bool hops;          /* lanes that follow each other read far from each other */
    uint8_t product;    /* enum hg_native_product */
    uint8_t rows, cols; /* of WHOLE */
};

/* The whole of a matrix: `offset` is its end, in bytes from the operand's start; of a product whose
 * sizes a launch says, that is for the launch to find out. */
#define HG_NATIVE_MATRIX 0xff

/* An MMA on bound slots, from their starts on; sizes as in struct hg_mma. */
struct hg_native_mma {
    uint8_t a_slot, b_slot;
    uint8_t type;
    uint8_t flags;
    uint32_t m, n, k, lda, ldb;
};

/* How a program touches an operand: bounds and aliasing of a launch follow from these. */
struct hg_native_access {
    uint8_t slot; /* of frame->base; HG_NATIVE_BOUNDARY: offset says which class */
    uint8_t lane; /* enum hg_lane_mode, or HG_NATIVE_MATRIX */
    uint8_t width;
    bool written : 1;
    bool many : 1; /* one of several of its slot: in place with nothing */
    uint32_t offset;
};
#define HG_NATIVE_ACCESSES 48 /* in one launch: a fold of slices has an access for each */

/* One allocation: behind the regions stand the accesses, reductions and values. */
struct hg_native_code {
    void *text;     /* where the code lies */
    uint32_t bytes; /* of code and constants */
    uint8_t level;  /* enum hg_isa_level */
    uint8_t mode;   /* enum hg_fp_mode */
    uint8_t region_count;
    uint8_t access_count;
    uint8_t reduce_count;
    /*
     * A program of which every region has code, with addresses in lines, that `accesses` has all
     * of, and where only the lanes of a single region can fail: it can be launched from these
     * alone. Its rows may follow each other, each through all regions, if it is `row_by_row`.
     */
    bool direct;
    bool row_by_row;
    /* The direct program is one product of HG_NATIVE_TILES: which, stands behind the regions;
     * the first two accesses are its matrices. */
    bool has_mma;
    struct hg_native_region regions[];
};

static inline const struct hg_native_mma *hg_native_mma(const struct hg_native_code *code)
{
    return (const void *)(code->regions + code->region_count);
}

static inline const struct hg_native_access *hg_native_accesses(const struct hg_native_code *code)
{
    return (const void *)(hg_native_mma(code) + (code->has_mma ? 1 : 0));
}

static inline const struct hg_native_reduce *
hg_native_reduces(const struct hg_native_code *code, const struct hg_native_region *region)
{
    const struct hg_native_reduce *first =
        (const void *)(hg_native_accesses(code) + code->access_count);
    return first + region->first_reduce;
}

/* The inputs of REGION, its outputs behind them. */
static inline const struct hg_native_value *hg_native_values(const struct hg_native_code *code,
                                                             const struct hg_native_region *region)
{
    const struct hg_native_reduce *reduces =
        (const void *)(hg_native_accesses(code) + code->access_count);
    return (const struct hg_native_value *)(const void *)(reduces + code->reduce_count) +
           region->first_value;
}

/* Caps the level that code is emitted for (GENERIC: none); without a cap it is the CPU's. For the
 * start of the process, and tests. */
void hg_native_limit(enum hg_isa_level level);
/* What code is emitted for: the CPU's level within both caps; GENERIC if there is nowhere to put
 * code, or it is capped to none. */
enum hg_isa_level hg_native_level(void);

/* Whether code can be emitted for this CPU at its current level, and whether it may run. */
bool hg_native_available(void);

/*
 * Emits what it can of PROGRAM for LEVEL (AVX2 or AVX512) and MODE. *CODE is NULL, with HG_OK, if
 * nothing of it has native code. Errors: HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_native_compile(const struct hg_program *program,
                                               enum hg_isa_level level, enum hg_fp_mode mode,
                                               struct hg_native_code **code);
/*
 * The function that computes tiles of shape TILE in the region that starts at instruction START and
 * is HG_NATIVE_TILES, as code of its own: it has `run`. *CODE is NULL, with HG_OK, if there is
 * none. Errors: HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_native_compile_tile(const struct hg_program *program,
                                                    enum hg_isa_level level, enum hg_fp_mode mode,
                                                    uint32_t start, struct hg_native_tile tile,
                                                    struct hg_native_code **code);
/*
 * How a product of ROWS rows by VECTORS vectors over TERMS terms is cut best: VECTORS of a strip,
 * the last of which may have fewer, and ROWS of its tiles, some of which may have one less.
 * CROSSES: B's terms do not start where lines do.
 */
struct hg_native_tile hg_native_choose_tile(enum hg_isa_level level, uint64_t rows,
                                            uint64_t vectors, uint64_t terms, bool crosses);
/* The height of tiles of VECTORS vectors that ROWS rows are cut into, as evenly as can be. */
uint8_t hg_native_tile_rows(enum hg_isa_level level, uint64_t rows, unsigned vectors);
/* Code for launches of which more is known, of a program of one region. */
enum hg_native_form {
    HG_NATIVE_PLAIN,
    HG_NATIVE_PAST_CACHE, /* whole vectors are stored past the caches: at multiples of 64 bytes */
    HG_NATIVE_ONE_COLUMN, /* rows of one lane each: they are lanes like others */
    HG_NATIVE_FORM_COUNT
};
/* As hg_native_compile, for such launches. */
HG_MUST_CHECK enum hg_status hg_native_compile_form(const struct hg_program *program,
                                                    enum hg_isa_level level, enum hg_fp_mode mode,
                                                    enum hg_native_form form,
                                                    struct hg_native_code **code);
/* What CODE occupies, in memory and in the arena. */
uint64_t hg_native_bytes(const struct hg_native_code *code);
/* Frees *CODE, which nothing runs any more, and NULLs it. */
void hg_native_destroy(struct hg_native_code **code);

#endif
