/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that make primitive nodes share (literal.c, primitive.c, axis.c); private to them.
 *
 * Threads: values.
 */
#ifndef HG_LIB_GRAPH_PRIMITIVE_H
#define HG_LIB_GRAPH_PRIMITIVE_H

#include <string.h>

#include "lib/graph/ir.h"

static inline void hg_ir_node_init(struct hg_ir_node *node, enum hg_graph_kind kind)
{
    memset(node, 0, sizeof *node);
    node->kind = (uint8_t)kind;
}

/* A number that has met nothing with a type. */
static inline bool hg_ir_is_open(const struct hg_ir_node *node)
{
    return node->type >= HG_DTYPE_COUNT;
}

/* The type of a node, of open numbers the one that they take by themselves. */
static inline enum hg_dtype hg_ir_default_type(const struct hg_ir_node *node)
{
    return !hg_ir_is_open(node)              ? (enum hg_dtype)node->type
           : node->type == HG_GRAPH_TYPE_INT ? HG_I64
                                             : HG_F64;
}

/* Computes with open numbers alone, as Python does: integers stay so while the result is one that a
 * double holds exactly, and not of a division. False: A or B is none, or not for this kind. */
bool hg_binder_fold_open(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, uint32_t b,
                         uint32_t *folded);

#endif
