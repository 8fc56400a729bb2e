/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Panels: the right operand of a product, packed once for as many launches as there will be. Who
 * knows that an operand does not change asks a launch which panels it would read, packs them, keeps
 * them, and gives them to launches with it; results are the same without them, bit for bit.
 *
 *     hg_panels_of(launch, &shape) ──► hg_panels_bytes(&shape) ──► hg_panels_pack(&shape, …)
 *                                                     launch.panels = &(struct hg_panels){shape,
 * data}
 *
 * A panel has all terms of some columns: `width` of them beside each other for each term, zeros
 * behind the last. Panels follow one another. Cells are as wide as sums: halves become F32; of BF16
 * the second term of a pair goes first, and the last pair is completed with zeros, so that one
 * multiply-add after the other under FTZ gives the pair step (spec/isa.md §6).
 *
 * Threads: functions of their arguments. Panels that launches read must not change.
 */
#ifndef HG_LIB_EXEC_PANELS_H
#define HG_LIB_EXEC_PANELS_H

#include "lib/exec/exec.h"

/* All that the bytes of panels depend on, beside the operand's. Comparable by hg_panels_same. */
struct hg_panels_shape {
    enum hg_dtype type; /* of the operand's elements */
    uint8_t slot;       /* that the operand is bound to; it starts where the slot does */
    bool trans;         /* terms of a column lie side by side, else columns of a term */
    uint64_t terms, cols;
    uint64_t step;  /* elements from term to term; if `trans`, from column to column */
    uint64_t width; /* columns of a panel */
};

struct hg_panels {
    struct hg_panels_shape shape;
    const uint8_t *data; /* 64-byte aligned */
};

bool hg_panels_same(const struct hg_panels_shape *a, const struct hg_panels_shape *b);

/* Whether LAUNCH, to which `panels` need not be given, would be faster with panels, and which. Its
 * operands are not looked at; sizes that hg_run_begin would refuse give false, or panels of which
 * hg_panels_extent says how much they need. */
bool hg_panels_of(const struct hg_launch *launch, struct hg_panels_shape *shape);

/* Bytes of the operand that hg_panels_pack reads; UINT64_MAX if beyond 2^64. */
uint64_t hg_panels_extent(const struct hg_panels_shape *shape);
/* Bytes that it writes; UINT64_MAX if beyond 2^64. */
uint64_t hg_panels_bytes(const struct hg_panels_shape *shape);
/* Packs all panels of OPERAND into DATA, 64-byte aligned. */
void hg_panels_pack(const struct hg_panels_shape *shape, const void *operand, uint8_t *data);
/* COUNT panels from number FIRST on into DATA, where the first of them starts. */
void hg_panels_pack_some(const struct hg_panels_shape *shape, const void *operand, uint64_t first,
                         uint64_t count, uint8_t *data);

/* Bytes of one of SHAPE's panels. */
uint64_t hg_panel_bytes(const struct hg_panels_shape *shape);

#endif
