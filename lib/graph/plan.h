/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph ready to run: launches in order, each a program and what it is bound to, and the memory
 * between them. A plan is for inputs of certain types and sizes; its programs are for any.
 *
 *     hg_language_parse ──► graph ──► hg_ir_bind ──► hg_fuse ──► lower ──► plan
 *
 * Threads: built by one thread, then read only.
 */
#ifndef HG_LIB_GRAPH_PLAN_H
#define HG_LIB_GRAPH_PLAN_H

#include "lib/graph/fuse.h"
#include "lib/program/program.h"

/* Where an operand of a launch is. */
enum hg_plan_place {
    HG_PLACE_INPUT,  /* of the graph; index */
    HG_PLACE_OUTPUT, /* of the graph; index */
    HG_PLACE_ARENA   /* memory of the run; offset */
};

struct hg_plan_operand {
    uint8_t place; /* enum hg_plan_place */
    bool writes;
    uint16_t index;
    uint32_t node;   /* of the IR: whose elements they are */
    uint64_t offset; /* in the arena */
    uint64_t bytes;
};

struct hg_plan_launch {
    struct hg_program *program; /* shared with the plan */
    uint32_t group;
    uint8_t operand_count;
    struct hg_plan_operand operands[HG_SLOT_COUNT_MAX];
    uint64_t params[HG_PARAM_COUNT];
    uint32_t level; /* launches of one level do not depend on each other */
};

struct hg_graph_plan {
    struct hg_ir *ir;
    struct hg_fusion fusion;
    struct hg_plan_launch *launches;
    uint32_t launch_count;
    uint32_t level_count;
    uint64_t arena_bytes; /* at most; known before it runs */
    uint64_t bytes_moved; /* that launches load and store */
};

/* Gives the program of verified code: lets a cache have one for equal ones. The default verifies
 * and makes a new one. */
typedef enum hg_status hg_plan_make_fn(void *context, const struct hg_code *code,
                                       struct hg_program **program, struct hg_error *error);

struct hg_plan_options {
    uint32_t rules;        /* of fusion: HG_FUSION_RULES_ALL, or 0: every node is a launch */
    hg_plan_make_fn *make; /* NULL: the default */
    void *context;
    /* Inputs that are in the memory of outputs: by input, the output or UINT32_MAX. NULL: none. */
    const uint32_t *shared;
};

/*
 * Plans GRAPH for inputs bound as BINDINGS say. Errors: those of hg_ir_bind, and of making
 * programs. The caller destroys *PLAN.
 */
HG_MUST_CHECK enum hg_status hg_graph_plan(const struct hg_graph *graph,
                                           const struct hg_graph_binding *bindings, uint32_t count,
                                           const struct hg_plan_options *options,
                                           struct hg_graph_plan **plan, struct hg_error *error);
/* NULLs *PLAN; gives its programs back. */
void hg_graph_plan_destroy(struct hg_graph_plan **plan);

/* Type and shape of output INDEX. */
void hg_graph_plan_output(const struct hg_graph_plan *plan, uint32_t index,
                          struct hg_graph_binding *output);

/* ---- lower.c: one group's program -------------------------------------------------------------
 */

/* Slots of a program while it is written. */
struct hg_lowered {
    uint8_t operand_count;
    struct {
        uint32_t node;
        uint32_t output; /* of the graph, UINT32_MAX: where the node's elements are */
        bool writes;
    } operands[HG_SLOT_COUNT_MAX];
    uint64_t params[HG_PARAM_COUNT];
};

/*
 * Writes the program of group NUMBER and gives what it is bound to. Errors: HG_INTERNAL if it is
 * too large (of instructions, operands or registers): the caller fuses less then.
 */
HG_MUST_CHECK enum hg_status hg_lower_group(const struct hg_fusion *fusion, uint32_t number,
                                            const struct hg_plan_options *options,
                                            struct hg_lowered *lowered, struct hg_program **program,
                                            struct hg_error *error);

#endif
