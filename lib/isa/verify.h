/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the verifier (private to lib/isa). It works in passes, each of which may rely on what the
 * ones before it found:
 *
 *     form      every instruction alone: opcode, types, registers, addresses
 *     flow      bodies, segments, branch targets, subroutines          fills notes, routines
 *     types     what each register holds at each instruction, and how far it varies
 *     memory    who reads what others write in a segment; scratch bounds
 *     facts     the summary
 *
 * Threads: a verification lives on its caller's stack.
 */
#ifndef HG_LIB_ISA_VERIFY_H
#define HG_LIB_ISA_VERIFY_H

#include "lib/isa/code.h"

/* Contexts in which an instruction runs; of a subroutine, of all its calls. */
#define HG_CONTEXT_TOP    1u /* outside LOOP.BLOCKS */
#define HG_CONTEXT_BLOCKS 2u /* in the body of a LOOP.BLOCKS */
#define HG_CONTEXT_MMA    4u /* in a segment that starts with MMA */

#define HG_NOTE_BLOCKS      1u /* stands in the body of a LOOP.BLOCKS */
#define HG_NOTE_MMA         2u /* stands in a segment that starts with MMA */
#define HG_NOTE_SEGMENT_END 4u /* ends its segment: REDUCE, BAR, MEMFENCE, LOOP.BLOCKS */
#define HG_NOTE_REACHED     8u
#define HG_NOTE_DIRTY       16u /* of a join: its state changed since it was last walked from */
#define HG_NOTE_JOIN        32u /* several ways lead here */

#define HG_NO_BODY 0 /* of a note's body */
#define HG_MAIN    1 /* routine of the program's first instruction */

/* What is known of one instruction. */
struct hg_note {
    uint16_t body;      /* 1 + index of the LOOP or LOOP.BLOCKS in whose body it stands, or 0 */
    uint16_t segment;   /* from 0 */
    uint16_t routine;   /* HG_MAIN or another; 0: never reached */
    uint16_t entry;     /* of the first instruction of a routine: the routine; else 0 */
    uint16_t join;      /* of a join: index of its state */
    uint16_t start;     /* of a CALL: where the walk through it started */
    uint8_t flags;      /* HG_NOTE_* */
    uint8_t level;      /* enum hg_level */
    uint8_t addr_level; /* enum hg_level of an address's offset register */
};

struct hg_reg_set {
    uint64_t regs[HG_REGISTER_COUNT / 64];
    uint16_t preds;
};

/* What registers and predicates hold: one cell each (below). */
struct hg_cells {
    uint8_t regs[HG_REGISTER_COUNT];
    uint8_t preds[HG_PREDICATE_COUNT];
};

struct hg_routine {
    uint16_t entry;
    uint16_t depth; /* calls that lead here, at most HG_CALL_DEPTH_MAX */
    uint8_t contexts;
    bool returns;             /* exit_cells is filled */
    struct hg_reg_set writes; /* what it and those that it calls may write */
    struct hg_cells exit_cells;
};

#define HG_VERIFY_INLINE 64 /* programs up to this many instructions need no memory for notes */

struct hg_verify {
    const struct hg_code *code;
    struct hg_error *error;
    struct hg_note *notes;
    struct hg_routine *routines; /* NULL: no subroutines */
    struct hg_cells *joins;
    uint64_t handles[HG_SLOT_COUNT_MAX];
    struct hg_reg_set row_regs; /* registers that hold a value per row when a segment ends */
    uint32_t routine_count;
    uint32_t join_count;
    uint32_t block_lanes;
    uint8_t handle_count;
    uint8_t segment_count;
    bool has_control;
    bool has_backward; /* a backward branch */
    struct hg_note inline_notes[HG_VERIFY_INLINE];
};

/* Fails with "instruction INDEX (its name): …". */
HG_MUST_CHECK enum hg_status hg_verify_fail(const struct hg_verify *verify, uint32_t index,
                                            const char *format, ...) HG_PRINTF(3, 4);
HG_MUST_CHECK enum hg_status hg_verify_no_memory(const struct hg_verify *verify);

/* The passes. */
HG_MUST_CHECK enum hg_status hg_verify_form(struct hg_verify *verify);
HG_MUST_CHECK enum hg_status hg_verify_flow(struct hg_verify *verify);
HG_MUST_CHECK enum hg_status hg_verify_routines(struct hg_verify *verify);
HG_MUST_CHECK enum hg_status hg_verify_types(struct hg_verify *verify);
/* Of the types pass: checks instruction INDEX against CELLS and makes its changes to them. */
HG_MUST_CHECK enum hg_status hg_verify_step(struct hg_verify *verify, uint32_t index,
                                            struct hg_cells *cells);
HG_MUST_CHECK enum hg_status hg_verify_memory(struct hg_verify *verify);
void hg_verify_facts(struct hg_verify *verify, struct hg_code_facts *facts);

/* HG_CONTEXT_* of instruction INDEX. */
uint32_t hg_verify_contexts(const struct hg_verify *verify, uint32_t index);
/* Adds to SET what instructions FROM to before TO may write, calls included. */
void hg_verify_writes(const struct hg_verify *verify, uint32_t from, uint32_t to,
                      struct hg_reg_set *set);
/* Slot of an address with declared slots first, then handles. */
uint8_t hg_verify_slot(const struct hg_verify *verify, const struct hg_addr *addr);

static inline bool hg_reg_set_has(const struct hg_reg_set *set, unsigned reg)
{
    return (set->regs[reg / 64] >> (reg % 64) & 1u) != 0;
}

static inline void hg_reg_set_add(struct hg_reg_set *set, unsigned reg)
{
    set->regs[reg / 64] |= UINT64_C(1) << (reg % 64);
}

/*
 * A cell: what a register or predicate holds at one place of the program. Either a value of a known
 * type (predicates: type 0) and level, pending when it comes from a REDUCE of a segment that has
 * not ended; or the reason why it may not be read. Where ways meet, the level only rises and a
 * reason never goes away, so the walk over types ends.
 */
enum {
    HG_CELL_UNWRITTEN = 1,
    HG_CELL_MIXED = 2,     /* different types on different ways */
    HG_CELL_LANE_OVER = 3, /* per-lane value of an earlier segment */
    HG_CELL_BODY_OVER = 4, /* written in a body of LOOP.BLOCKS, whose iterations are unordered */
    HG_CELL_TYPE_MASK = 0x0f,
    HG_CELL_LEVEL_SHIFT = 4,
    HG_CELL_LEVEL_MASK = 0x30,
    HG_CELL_PENDING = 0x40,
    HG_CELL_KNOWN = 0x80
};

static inline uint8_t hg_cell(unsigned type, unsigned level)
{
    return (uint8_t)(HG_CELL_KNOWN | level << HG_CELL_LEVEL_SHIFT | type);
}

static inline unsigned hg_cell_level(uint8_t cell)
{
    return (unsigned)(cell & HG_CELL_LEVEL_MASK) >> HG_CELL_LEVEL_SHIFT;
}

static inline bool hg_is_reduce(uint8_t op)
{
    return op >= HG_OP_REDUCE_ADD && op <= HG_OP_REDUCE_MUL;
}

#endif
