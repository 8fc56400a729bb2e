/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the elements of one shape are read by the lanes of another, which it broadcasts to; private
 * to lib/graph.
 *
 * Threads: pure functions.
 */
#ifndef HG_LIB_GRAPH_ACCESS_H
#define HG_LIB_GRAPH_ACCESS_H

#include "lib/graph/ir.h"

enum hg_access_kind {
    HG_ACCESS_LANE,   /* element i by lane i */
    HG_ACCESS_SCALAR, /* one element by all */
    HG_ACCESS_MOD,    /* element i % period */
    HG_ACCESS_DIV,    /* element i / period */
    HG_ACCESS_STRIDED /* by offsets from strides */
};

struct hg_access {
    enum hg_access_kind kind;
    uint64_t period;
};

/* SOURCE broadcasts to TARGET. */
struct hg_access hg_access_of(const struct hg_ir_shape *source, const struct hg_ir_shape *target);

/* Elements between neighbours along each axis of TARGET: row-major strides of SOURCE, 0 where it
 * is repeated. */
void hg_access_strides(const struct hg_ir_shape *source, const struct hg_ir_shape *target,
                       uint64_t strides[HG_GRAPH_RANK_MAX]);

#endif
