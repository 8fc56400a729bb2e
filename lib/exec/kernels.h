/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loops over tiles, for one ISA level: plain C that the compiler vectorises. kernels_body.h holds
 * them once; kernels_<level>.c compile it with that level's flags. The objects have nothing but
 * static functions and their table, so that no function compiled for a newer CPU can be linked into
 * code that runs on an older one.
 *
 * Pointers need no alignment. A destination may be one of the sources; otherwise nothing overlaps.
 *
 * Threads: const tables.
 */
#ifndef HG_LIB_EXEC_KERNELS_H
#define HG_LIB_EXEC_KERNELS_H

#include <stddef.h>

#include "lib/base/cpu.h"
#include "lib/isa/insn.h"

typedef void hg_kernel1(void *dst, const void *a, size_t n);
typedef void hg_kernel2(void *dst, const void *a, const void *b, size_t n);
typedef void hg_kernel3(void *dst, const void *a, const void *b, const void *c, size_t n);
/* Stops before the first zero divisor; gives its index, or N. */
typedef size_t hg_kernel_div(void *dst, const void *a, const void *b, size_t n);
/* dst = predicate ? a : b. */
typedef void hg_kernel_select(void *dst, const uint8_t *predicate, const void *a, const void *b,
                              size_t n);
typedef void hg_kernel_fill(void *dst, uint64_t bits, size_t n);
/* dst[i] = src[i * stride], and the reverse. */
typedef void hg_kernel_stride(void *dst, const void *src, size_t stride, size_t n);
/* dst[i] = the element at base + offset[i], and the reverse, ascending. */
typedef void hg_kernel_gather(void *dst, const uint8_t *base, const uint64_t *offset, size_t n);
typedef void hg_kernel_scatter(uint8_t *base, const uint64_t *offset, const void *src, size_t n);

/*
 * REDUCE: element i of a leaf goes to accumulator i mod HG_REDUCE_WIDTH(type). Accumulators are of
 * the type itself, F32 for halves, and travel as 64-bit images once folded.
 */
#define HG_REDUCE_WIDTH(bytes) ((bytes) == 8 ? 32u : 64u)
#define HG_REDUCE_WIDTH_MAX    64

struct hg_kernel_reduce {
    void (*start)(void *accumulators);
    /* Adds N elements, the first to accumulator PHASE. */
    void (*add)(void *accumulators, const void *src, size_t n, size_t phase);
    /* Folds; only the first USED accumulators (at least 1) have had an element. */
    uint64_t (*fold)(void *accumulators, size_t used);
    uint64_t (*combine)(uint64_t left, uint64_t right);
    uint64_t empty;                   /* image of the destination type: a row without elements */
    uint64_t (*finish)(uint64_t sum); /* image of an accumulator to one of the destination */
};

/*
 * A register tile of a product: C[rows][columns] (+)= A[rows][k] * B[k][columns], one fma per term,
 * ascending k. A is read at a[i * a_row + p * a_step], B at b[p * b_step + j], C written at
 * c[i * c_row + j]; all in elements. With `add` the sums start from C, else from +0.
 */
struct hg_tile_product {
    size_t rows;    /* 1 .. the kernel's rows */
    size_t columns; /* a multiple of the kernel's unit, up to its columns; all of them exist */
    size_t k;
    const void *a;
    size_t a_row, a_step;
    const void *b;
    size_t b_step;
    void *c;
    size_t c_row;
    bool add;
};
typedef void hg_kernel_product(const struct hg_tile_product *tile);
/* sums[r] = a leaf of REDUCE.ADD over the terms a[r * a_row + i] * b[i], i < N, at least one, each
 * of which is an fma on its accumulator. */
typedef void hg_kernel_dots(void *sums, const void *a, size_t a_row, size_t rows, const void *b,
                            size_t n);

struct hg_kernel_matrix {
    size_t rows;    /* most rows of a register tile */
    size_t unit;    /* columns of one vector */
    size_t columns; /* most columns of a register tile */
    hg_kernel_product *product;
    hg_kernel_dots *dots;
};

struct hg_kernels {
    const char *name;
    /* By the flush mode (where it matters to the kernel), opcode or condition, and type. */
    hg_kernel1 *unary[HG_OPCODE_COUNT][HG_DTYPE_COUNT];
    hg_kernel2 *binary[2][HG_OPCODE_COUNT][HG_DTYPE_COUNT];
    hg_kernel3 *ternary[HG_OPCODE_COUNT][HG_DTYPE_COUNT];
    hg_kernel_div *divide[HG_DTYPE_COUNT]; /* integers */
    hg_kernel2 *compare[2][HG_COND_COUNT][HG_DTYPE_COUNT];
    hg_kernel1 *convert[2][HG_DTYPE_COUNT][HG_DTYPE_COUNT]; /* [to][from] */
    struct hg_kernel_reduce reduce[2][4][HG_DTYPE_COUNT];   /* ADD, MIN, MAX, MUL */
    /* By the logarithm of the element size. */
    hg_kernel_select *select[4];
    hg_kernel_fill *fill[4];
    hg_kernel_stride *load_stride[4];
    hg_kernel_stride *store_stride[4];
    hg_kernel_gather *gather[4];
    hg_kernel_scatter *scatter[4];
    /* start, start + 1, … as U64 or U32. */
    void (*count64)(uint64_t *dst, uint64_t start, size_t n);
    void (*count32)(uint32_t *dst, uint32_t start, size_t n);
    /* dst[i] = a[i] + start + i * step, modulo 2^64. */
    void (*offsets)(uint64_t *dst, const uint64_t *a, uint64_t start, uint64_t step, size_t n);
    /* Index of the first offset above LIMIT, or N. */
    size_t (*first_above)(const uint64_t *offset, uint64_t limit, size_t n);
    /* Whether the product kernels' fma flushes when the thread's mode does: then two of them under
     * FTZ are the pair step of BF16 products. */
    bool fma_flushes;
    struct hg_kernel_matrix matrix32;
    struct hg_kernel_matrix matrix64;
};

/* Those for the level that hg_cpu_isa_level() says; looked up anew each time, for it can be capped.
 */
const struct hg_kernels *hg_kernels_now(void);

extern const struct hg_kernels hg_kernels_generic;
#if defined(__x86_64__)
extern const struct hg_kernels hg_kernels_avx2;
extern const struct hg_kernels hg_kernels_avx512;
#endif

/* 0, 1, 2, 3 for 1, 2, 4, 8. */
static inline unsigned hg_log2_bytes(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes);
}

#endif
