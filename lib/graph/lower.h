/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of lowering: the state of one program being written; private to lib/graph.
 *
 * Threads: values.
 */
#ifndef HG_LIB_GRAPH_LOWER_H
#define HG_LIB_GRAPH_LOWER_H

#include "lib/graph/plan.h"
#include "lib/program/builder.h"

#define HG_NO_REGISTER 255 /* r255 is a special: never a result */

struct hg_lowerer {
    const struct hg_fusion *fusion;
    const struct hg_group *group;
    uint32_t number;
    struct hg_builder builder;
    struct hg_lowered *lowered;
    bool overflowed; /* more operands or parameters than there are */
    uint8_t param_count;
    uint16_t segment; /* at hand */
    /* By node minus group->first: the register that holds its value here, the predicate of a
     * comparison. Of per-lane values they end with the segment. */
    uint8_t *registers;
    uint8_t *predicates;
    bool *wanted; /* in this segment */
};

static inline bool hg_lower_is_own(const struct hg_lowerer *lowerer, uint32_t index)
{
    return lowerer->fusion->nodes[index].group == lowerer->number;
}

/* operand.c. The slot of NODE's elements, or of OUTPUT. */
uint8_t hg_lower_slot(struct hg_lowerer *lowerer, uint32_t node, uint32_t output, bool writes);
/* A launch parameter of TYPE with BITS, in a register. */
uint8_t hg_lower_param(struct hg_lowerer *lowerer, enum hg_dtype type, uint64_t bits);
/* NODE's value for USER's lanes (its input I): in a register, or loaded. */
uint8_t hg_lower_input(struct hg_lowerer *lowerer, uint32_t user, unsigned i);
/* Puts VALUE where node INDEX is kept, and where the outputs are that it is. */
void hg_lower_put(struct hg_lowerer *lowerer, uint32_t index, uint8_t value);

/* index.c: nodes that read by offsets, and the index along an axis. */
uint8_t hg_lower_strided(struct hg_lowerer *lowerer, uint32_t source,
                         const struct hg_ir_shape *shape,
                         const uint64_t strides[HG_GRAPH_RANK_MAX]);
uint8_t hg_lower_transpose(struct hg_lowerer *lowerer, const struct hg_ir_node *node);
uint8_t hg_lower_take(struct hg_lowerer *lowerer, const struct hg_ir_node *node);
uint8_t hg_lower_concatenate(struct hg_lowerer *lowerer, const struct hg_ir_node *node);
/* fold.c */
uint8_t hg_lower_slices(struct hg_lowerer *lowerer, const struct hg_ir_node *node);
uint8_t hg_lower_iota(struct hg_lowerer *lowerer, const struct hg_ir_node *node);

/* map.c: the instructions of maps. */
uint8_t hg_lower_map(struct hg_lowerer *lowerer, uint32_t index);

#endif
