/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph for inputs of known types and sizes: primitive nodes only, each with its type and shape.
 * Made by binding (bind.c), which infers types and shapes, writes composites in terms of
 * primitives (expand.c), folds what is constant, and makes equal nodes one (ir.c).
 *
 * Canonical forms, so that what follows has few cases:
 *   - a reduction folds the last axis and keeps it with length 1; over the first axis it is FOLDs;
 *     others are brought to the end by TRANSPOSE, and dropped by RESHAPE
 *   - RESHAPE, and BROADCAST where it only adds leading axes of length 1, are another shape of the
 *     same elements in the same order
 *   - literals have types
 *
 * Threads: built by one thread, then read only.
 */
#ifndef HG_LIB_GRAPH_IR_H
#define HG_LIB_GRAPH_IR_H

#include "lib/graph/graph.h"

#define HG_IR_NODES_MAX 8192

struct hg_ir_shape {
    uint8_t rank;
    uint64_t size[HG_GRAPH_RANK_MAX];
};

struct hg_ir_node {
    uint8_t kind; /* enum hg_graph_kind, no COMPOSITE */
    uint8_t type; /* enum hg_dtype */
    uint8_t input_count;
    bool measured; /* LITERAL: follows from sizes, so it is a parameter of the launch */
    int8_t axis;   /* CONCATENATE, TAKE: from 0 */
    uint8_t folds; /* FOLD: the kind of reduction, */
    uint8_t parts; /*   and how many slices */
    uint8_t
        permutation[HG_GRAPH_RANK_MAX]; /* TRANSPOSE: axis i of the result is this of the input */
    uint32_t origin;                    /* index of the graph's node */
    uint32_t inputs[HG_GRAPH_NODE_INPUTS_MAX];
    uint64_t bits;     /* LITERAL: of its type; INPUT: which of the inputs, from 0; FOLD: the
                          first element */
    uint64_t elements; /* of the shape */
    struct hg_ir_shape shape;
};

struct hg_ir {
    struct hg_ir_node *nodes;
    uint32_t count;
    uint32_t capacity;
    uint32_t *table; /* equal nodes: open addressing, 1 + index, 0 = free; a power of two */
    uint32_t table_size;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t outputs[HG_GRAPH_OUTPUTS_MAX]; /* node of each of the graph's outputs */
};

/* What an input is bound to. */
struct hg_graph_binding {
    enum hg_dtype type;
    struct hg_ir_shape shape;
};

/*
 * Binds the graph's inputs, in the order of their nodes (COUNT of them), and gives its primitive
 * form, which the caller destroys. Errors: HG_INVALID_ARGUMENT names the node, what was expected
 * and what came; HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_ir_bind(const struct hg_graph *graph,
                                        const struct hg_graph_binding *bindings, uint32_t count,
                                        struct hg_ir **ir, struct hg_error *error);
/* NULLs *IR. */
void hg_ir_destroy(struct hg_ir **ir);

static inline bool hg_ir_reduces(const struct hg_ir_node *node)
{
    return hg_graph_kind_info((enum hg_graph_kind)node->kind)->class == HG_GRAPH_REDUCE;
}

/* The node whose elements a reshape shows. */
static inline uint32_t hg_ir_base(const struct hg_ir *ir, uint32_t index)
{
    while (ir->nodes[index].kind == HG_GRAPH_KIND_RESHAPE) {
        index = ir->nodes[index].inputs[0];
    }
    return index;
}

/* Writes "[2, 3]". */
#define HG_IR_SHAPE_TEXT 200
const char *hg_ir_shape_text(const struct hg_ir_shape *shape, char text[HG_IR_SHAPE_TEXT]);
bool hg_ir_shape_equal(const struct hg_ir_shape *a, const struct hg_ir_shape *b);
/* Product of the sizes; false beyond HG_GRAPH_SIZE_MAX. */
bool hg_ir_elements(const struct hg_ir_shape *shape, uint64_t *elements);

/* ---- inside of binding ----------------------------------------------------------------------- */

struct hg_binder {
    const struct hg_graph *graph;
    struct hg_ir *ir;
    struct hg_error *error;
    uint32_t origin;                        /* the graph's node at hand */
    bool failed;                            /* a step has failed: those that follow do nothing */
    uint32_t *values;                       /* by node of the graph: node of the IR */
    uint64_t symbols[HG_GRAPH_SYMBOLS_MAX]; /* HG_GRAPH_SIZE_OPEN until bound */
};

/* Fails the node at hand: "name: node 3 (add): " and then the text. */
void hg_binder_refuse(struct hg_binder *binder, const char *format, ...) HG_PRINTF(2, 3);
const struct hg_ir_node *hg_binder_node(const struct hg_binder *binder, uint32_t index);

/*
 * Each adds a primitive (or finds an equal one) and gives its index; 0 after a failure. Sources may
 * be of any shapes that broadcast to one; literals take the type of what they meet.
 */
uint32_t hg_binder_literal(struct hg_binder *binder, enum hg_dtype type, double value);
/* The same for a number that follows from sizes. */
uint32_t hg_binder_measure(struct hg_binder *binder, enum hg_dtype type, double value);
/* A size as a number without a type yet. */
uint32_t hg_binder_size(struct hg_binder *binder, uint64_t size);
/* A literal without a type yet, in the type of what it meets; others as they are. */
uint32_t hg_binder_adopt(struct hg_binder *binder, uint32_t a, enum hg_dtype type);
uint32_t hg_binder_map1(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a);
uint32_t hg_binder_map2(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a, uint32_t b);
/* a * b + c, rounded once, of B and C that are literals of A's type or have its shape. */
uint32_t hg_binder_fma(struct hg_binder *binder, uint32_t a, uint32_t b, uint32_t c);
uint32_t hg_binder_where(struct hg_binder *binder, uint32_t condition, uint32_t a, uint32_t b);
uint32_t hg_binder_cast(struct hg_binder *binder, enum hg_dtype type, uint32_t a);
/* Over AXIS (from 0) or everything (HG_GRAPH_AXIS_ALL); keeps the axes with length 1. */
uint32_t hg_binder_reduce(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a,
                          int32_t axis);
uint32_t hg_binder_reshape(struct hg_binder *binder, uint32_t a, const struct hg_ir_shape *shape);
uint32_t hg_binder_transpose(struct hg_binder *binder, uint32_t a,
                             const uint8_t permutation[HG_GRAPH_RANK_MAX]);
/* AXIS comes last and the others keep their order; BACK undoes that. */
uint32_t hg_binder_axis_last(struct hg_binder *binder, uint32_t a, int32_t axis, bool back);
/* Without AXIS, or all axes; what hg_binder_reduce kept. */
uint32_t hg_binder_drop_axis(struct hg_binder *binder, uint32_t a, int32_t axis);
/* Any primitive: type, shape and inputs are given. */
uint32_t hg_binder_add(struct hg_binder *binder, struct hg_ir_node *node);

/* An axis of A from 0 on; refuses what A has not. */
int32_t hg_binder_axis(struct hg_binder *binder, uint32_t a, int32_t axis);

/*
 * fold.c: reductions over the first axis, in which lanes lie side by side, as FOLDs and maps. A
 * FOLD of P parts of L lanes from element F on is, in lane l, elements F + l, F + L + l … F + (P-1)
 * L + l folded in this order.
 */
#define HG_FOLD_PARTS_MAX 32
/* Whether a reduction of A over AXIS (from 0) is done so. */
bool hg_binder_folds(const struct hg_binder *binder, uint32_t a, int32_t axis);
/* Of such: one value per lane, in a shape of one axis. */
uint32_t hg_binder_fold(struct hg_binder *binder, enum hg_graph_kind kind, uint32_t a,
                        int32_t axis);

/* move.c: VALUE in memory of its own; a VIEW, a MOVE and a product as the graph's node says. */
uint32_t hg_binder_copy(struct hg_binder *binder, uint32_t value);
uint32_t hg_binder_view(struct hg_binder *binder, const struct hg_graph_node *node, uint32_t a);
uint32_t hg_binder_move(struct hg_binder *binder, const struct hg_graph_node *node,
                        const uint32_t *inputs);
uint32_t hg_binder_matmul(struct hg_binder *binder, uint32_t a, uint32_t b);

/* expand.c: a composite in terms of primitives. A, B, C are its inputs, of the IR. */
uint32_t hg_binder_expand(struct hg_binder *binder, const struct hg_graph_node *node,
                          const uint32_t *inputs);

#endif
