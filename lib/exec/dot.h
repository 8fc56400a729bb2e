/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order=dot: products of one column, each row of which is summed as REDUCE sums (spec/isa.md §6):
 * leaves of 1,536 terms, and a tree of these.
 *
 * Threads: a struct hg_dot belongs to one thread.
 */
#ifndef HG_LIB_EXEC_DOT_H
#define HG_LIB_EXEC_DOT_H

#include "lib/exec/run.h"

struct hg_dot {
    const struct hg_product *product;
    const struct hg_kernels *kernels;
    const struct hg_kernel_reduce *reduce; /* REDUCE.ADD of sums */
    const uint8_t *x;                      /* B, as wide as sums, terms side by side */
    uint8_t *line;                         /* a leaf of a row of A, likewise */
    uint64_t *leaves;                      /* of some rows */
    uint32_t element, sum;                 /* bytes */
};

/* Bytes of memory that PRODUCT needs, 64-byte aligned; 0: none. */
uint64_t hg_dot_bytes(const struct hg_product *product);
/* Gets ready for rows of PRODUCT, and reads B; MEMORY is hg_dot_bytes large. */
void hg_dot_init(struct hg_dot *dot, const struct hg_product *product,
                 const struct hg_kernels *kernels, bool ftz, uint8_t *memory);
/* The sums of ROWS rows from ROW on, side by side to SUMS. */
void hg_dot_rows(const struct hg_dot *dot, uint64_t row, uint64_t rows, uint8_t *sums);

#endif
