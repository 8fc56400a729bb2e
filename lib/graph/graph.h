/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph: many operations as one request. A flat list of nodes in topological order, each made
 * from earlier ones; no cycle and no recursion can be written down. Clients send it as a list
 * (proto/) or as text (language.h); plans are made from it once the sizes of its inputs are known
 * (plan.h).
 *
 * Shapes are NumPy's: broadcasting from the last axis. A size of an input may be a symbol, which
 * stands for one size wherever it occurs, or be left open; both are bound when the graph runs.
 *
 * Threads: a graph is built by one thread, then read only.
 * Errors: HG_INVALID_ARGUMENT names the node; HG_RESOURCE_EXHAUSTED.
 */
#ifndef HG_LIB_GRAPH_GRAPH_H
#define HG_LIB_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"
#include "lib/isa/dtype.h"

#define HG_GRAPH_NODES_MAX       2048
#define HG_GRAPH_NODE_INPUTS_MAX 16
#define HG_GRAPH_OUTPUTS_MAX     64
#define HG_GRAPH_SYMBOLS_MAX     64
#define HG_GRAPH_NAME_MAX        63
#define HG_GRAPH_RANK_MAX        8

/* How a node relates to the elements of its inputs. */
enum hg_graph_class {
    HG_GRAPH_SOURCE,    /* has no inputs */
    HG_GRAPH_MAP,       /* element by element, broadcasting; result of the inputs' type */
    HG_GRAPH_COMPARE,   /* the same with a result of 0 or 1 of type u8 */
    HG_GRAPH_REDUCE,    /* folds an axis */
    HG_GRAPH_PRODUCT,   /* of matrices */
    HG_GRAPH_VIEW,      /* the same elements, seen otherwise */
    HG_GRAPH_MOVE,      /* elements from other places */
    HG_GRAPH_COMPOSITE, /* stands for several others */
    HG_GRAPH_INTERNAL,  /* made by expansion, not by clients */
    HG_GRAPH_CLASS_COUNT
};

/* Attributes that a kind of node may have. */
#define HG_GRAPH_NONE        0u
#define HG_GRAPH_TYPE        0x01u /* type */
#define HG_GRAPH_VALUE       0x02u /* bits */
#define HG_GRAPH_SHAPE       0x04u /* rank, sizes */
#define HG_GRAPH_AXES        0x08u /* rank, sizes: axes */
#define HG_GRAPH_AXIS        0x10u
#define HG_GRAPH_KEEPDIMS    0x20u
#define HG_GRAPH_EPS         0x40u /* number, 0 unless given (layer_norm: 1e-5) */
#define HG_GRAPH_TEMPERATURE 0x80u /* number, 1 unless given */

enum hg_graph_kind {
#define HG_NODE(id, name, least, most, class, attributes, summary) HG_GRAPH_KIND_##id,
#include "lib/graph/nodes.def"
#undef HG_NODE
    HG_GRAPH_KIND_COUNT
};

struct hg_graph_kind_info {
    const char *name;
    uint8_t inputs_min;
    uint8_t inputs_max;
    enum hg_graph_class class;
    uint32_t attributes;
    const char *summary;
};

/* KIND < HG_GRAPH_KIND_COUNT. */
const struct hg_graph_kind_info *hg_graph_kind_info(enum hg_graph_kind kind);
/* By name, LENGTH bytes; HG_GRAPH_KIND_COUNT if there is none. */
enum hg_graph_kind hg_graph_kind_find(const char *name, size_t length);

/* Types of a node before inference. LITERAL: how its bits are to be read until the type of what it
 * meets is known. INPUT: OPEN if the binding decides. */
#define HG_GRAPH_TYPE_OPEN  0xffu
#define HG_GRAPH_TYPE_INT   0xfeu /* bits: an I64 */
#define HG_GRAPH_TYPE_FLOAT 0xfdu /* bits: an F64 */

/* A size that is not a number: symbols of a graph are numbered from 0. RESHAPE: OPEN is the one
 * size that follows from the others. INPUT: the binding decides. */
#define HG_GRAPH_SIZE_OPEN      UINT64_MAX
#define HG_GRAPH_SIZE_SYMBOL(i) (UINT64_MAX - 1 - (i))
#define HG_GRAPH_SIZE_MAX       (UINT64_C(1) << 48)
#define HG_GRAPH_RANK_OPEN      0xffu     /* INPUT: shape decided by the binding */
#define HG_GRAPH_AXIS_ALL       INT32_MIN /* no axis given */

struct hg_graph_node {
    uint8_t kind; /* enum hg_graph_kind */
    uint8_t type; /* INPUT, LITERAL, CAST */
    uint8_t rank; /* INPUT, RESHAPE, BROADCAST; TRANSPOSE (0 = reversed) */
    uint8_t input_count;
    bool keepdims;
    int32_t axis;    /* from 0, or from -1 backwards */
    uint32_t origin; /* where it was written: index of the client's node, or byte of the text */
    uint32_t inputs[HG_GRAPH_NODE_INPUTS_MAX]; /* earlier nodes */
    uint64_t bits;                             /* LITERAL */
    double number;                             /* EPS, TEMPERATURE */
    uint64_t sizes[HG_GRAPH_RANK_MAX];
    char name[HG_GRAPH_NAME_MAX + 1]; /* INPUT; else for errors and explanations, may be "" */
};

struct hg_graph_output {
    uint32_t node;
    char name[HG_GRAPH_NAME_MAX + 1];
};

struct hg_graph {
    struct hg_graph_node *nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    uint32_t output_count;
    uint32_t symbol_count;
    struct hg_graph_output outputs[HG_GRAPH_OUTPUTS_MAX];
    char symbols[HG_GRAPH_SYMBOLS_MAX][HG_GRAPH_NAME_MAX + 1];
};

/* Gives an empty graph; HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_graph_create(struct hg_graph **graph, struct hg_error *error);
/* NULLs *GRAPH. */
void hg_graph_destroy(struct hg_graph **graph);

/* A node of KIND with nothing set. */
void hg_graph_node_init(struct hg_graph_node *node, enum hg_graph_kind kind);

/*
 * Appends a copy of NODE and gives its index. Checks what needs no types or shapes: kind, number of
 * inputs and that they are there, attributes that the kind has not, ranges, names. Errors:
 * HG_INVALID_ARGUMENT, HG_RESOURCE_EXHAUSTED (more than HG_GRAPH_NODES_MAX, memory).
 */
HG_MUST_CHECK enum hg_status hg_graph_add(struct hg_graph *graph, const struct hg_graph_node *node,
                                          uint32_t *index, struct hg_error *error);
/* Names NODE as a result. HG_INVALID_ARGUMENT: no such node, name taken or not a name. */
HG_MUST_CHECK enum hg_status hg_graph_add_output(struct hg_graph *graph, uint32_t node,
                                                 const char *name, size_t length,
                                                 struct hg_error *error);
/* The size that stands for the symbol of that name, made if need be. */
HG_MUST_CHECK enum hg_status hg_graph_symbol(struct hg_graph *graph, const char *name,
                                             size_t length, uint64_t *size, struct hg_error *error);

/* The INPUT of that name; UINT32_MAX if there is none. */
uint32_t hg_graph_find_input(const struct hg_graph *graph, const char *name, size_t length);
/* Letters, digits and _, not starting with a digit, 1 to HG_GRAPH_NAME_MAX of them. */
bool hg_graph_is_name(const char *name, size_t length);

/*
 * Writes GRAPH as text, a node a line (`%3 = add(%1, %2)`), the same for graphs that are the same
 * but for names of inner nodes and places. As snprintf: at most SIZE bytes, the final NUL
 * included; gives the length that it needs.
 */
size_t hg_graph_print(const struct hg_graph *graph, char *text, size_t size);

#endif
