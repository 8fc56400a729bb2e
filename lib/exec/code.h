/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program as the executors walk it: unpacked, its registers renumbered to the few that it uses,
 * and with what can be told from the text alone (segments, which values cross them, which loads and
 * stores need no copy).
 *
 * Threads: filled by one thread, then read only.
 */
#ifndef HG_LIB_EXEC_CODE_H
#define HG_LIB_EXEC_CODE_H

#include "lib/program/program.h"

/* Operand numbers beyond the bound slots. */
#define HG_OPERAND_BOUNDARY HG_SLOT_COUNT_MAX
#define HG_OPERAND_SCRATCH  (HG_SLOT_COUNT_MAX + 1)
#define HG_OPERAND_ALL      (HG_SLOT_COUNT_MAX + 2)

/* A value's place: registers that the program uses, ascending (so that the runs of REDUCE.REGS stay
 * consecutive), then predicates. */
#define HG_PLACE_MAX  (HG_REGISTER_COUNT + HG_PREDICATE_COUNT)
#define HG_PLACE_NONE UINT16_MAX

/* Of a step. */
#define HG_STEP_CONTROL     0x01u /* BRA, CALL, RET, LOOP, LOOP.BLOCKS, EXIT */
#define HG_STEP_SEGMENT_END 0x02u
#define HG_STEP_IN_PLACE    0x04u /* LDG: its register may be read in the operand's memory */
#define HG_STEP_DIRECT      0x08u /* the result may be computed into the memory of the STG after it */

/* One instruction. Registers in `insn` stay as written; the places are what executors use. */
struct hg_step {
    struct hg_insn insn;   /* address slots are operand numbers, handles resolved to theirs */
    uint16_t dst, a, b, c; /* places; dst also of a predicate */
    uint16_t pred;         /* of a source predicate */
    uint16_t offset;       /* of an address's offset register */
    uint16_t span;         /* CALL: instructions from its target to the next RET, its fuel */
    uint8_t flags;         /* HG_STEP_* */
    uint8_t bytes;         /* size of the type, 0 if the instruction has none */
};

static inline bool hg_step_reduces(const struct hg_step *step)
{
    return step->insn.op >= HG_OP_REDUCE_ADD && step->insn.op <= HG_OP_REDUCE_MUL;
}

struct hg_exec_code {
    struct hg_code_facts facts;
    uint32_t word_count;
    uint64_t *words;       /* what was decoded; the same words need no decoding again */
    struct hg_step *steps; /* facts.insn_count of them */
    size_t capacity_bytes; /* of the allocation behind words and steps */

    uint16_t place_count;                                 /* registers, then predicates */
    uint16_t reg_count;                                   /* of those, registers */
    uint16_t special[HG_REGISTER_COUNT - HG_REG_SPECIAL]; /* places of r250 .., or NONE */
    uint16_t place_of[HG_PLACE_MAX]; /* of registers, then predicates; or NONE */
    uint8_t width[HG_PLACE_MAX];     /* bytes of the widest type that the place is used as */
    uint32_t width_sum;              /* of all places */
    /* Arrays over rows that the place needs: 1 if it may hold a row-uniform value over a segment's
     * end, 2 if it may be computed anew from its old value. */
    uint8_t row_arrays[HG_PLACE_MAX];
    uint32_t row_array_count; /* their sum */
    uint64_t handles[HG_SLOT_COUNT_MAX];
    uint32_t operand_count; /* declared slots and handles */
    uint32_t frame_max;     /* loops and calls that can be active at once */
    uint32_t reduce_max;    /* most REDUCE that end one segment together */
    bool one_pass;          /* each instruction must run once for a whole block */
    bool lane_by_lane;      /* each lane must finish before the next starts */
    bool in_memory;         /* straight from operands to operands: tiles would only add dispatch */
};

/*
 * Makes CODE (all zeros, or loaded before) describe PROGRAM. Cheap when it did already.
 * Errors: HG_RESOURCE_EXHAUSTED; CODE may be loaded again.
 */
HG_MUST_CHECK enum hg_status hg_exec_code_load(struct hg_exec_code *code,
                                               const struct hg_program *program);
void hg_exec_code_fini(struct hg_exec_code *code);

/*
 * How many arrays over rows each register (first) and predicate (after them) of PROGRAM needs (see
 * row_arrays above); gives their sum.
 */
uint32_t hg_exec_row_arrays(const struct hg_program *program, uint8_t arrays[HG_PLACE_MAX]);

#endif
