/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fourth pass of the verifier: walks all ways through the program with what each register holds,
 * until nothing changes where ways meet. A program without branches is walked once, without memory.
 *
 *     CALL   goes on behind the call with the caller's cells, those replaced that the routine may
 *            write by what they hold at its RET
 *     LOOP   its body's end leads back to its start and on; its start also leads behind it
 *     LOOP.BLOCKS  iterations are unordered, so what the body writes is dead when it starts and
 *            when it is over, REDUCE destinations excepted; hence one walk through it is enough
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/isa/verify.h"

/* Walks allowed. Programs need a handful per join; this bounds what hostile ones can cost. */
#define WALKS_PER_JOIN 64
#define WALKS_ANYWAY   1024

static uint8_t meet_cell(uint8_t a, uint8_t b)
{
    if ((a & b & HG_CELL_KNOWN) != 0) {
        unsigned level_a = a & HG_CELL_LEVEL_MASK;
        unsigned level_b = b & HG_CELL_LEVEL_MASK;
        if (((a ^ b) & ~HG_CELL_LEVEL_MASK) != 0) {
            return HG_CELL_MIXED;
        }
        return level_a > level_b ? a : b;
    }
    if (((a | b) & HG_CELL_KNOWN) != 0) {
        return (a & HG_CELL_KNOWN) != 0 ? b : a;
    }
    return a > b ? a : b;
}

static void meet_range(uint8_t *into, const uint8_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (into[i] != from[i]) {
            into[i] = meet_cell(into[i], from[i]);
        }
    }
}

static void meet(struct hg_cells *into, const struct hg_cells *from)
{
    meet_range(into->regs, from->regs, sizeof into->regs);
    meet_range(into->preds, from->preds, sizeof into->preds);
}

/* Takes CELLS to the join at INDEX. */
static void lead_to(struct hg_verify *verify, uint32_t index, const struct hg_cells *cells)
{
    if (index >= verify->code->insn_count) {
        return;
    }
    HG_REQUIRE(verify->joins != NULL);
    struct hg_note *note = &verify->notes[index];
    struct hg_cells *join = &verify->joins[note->join];
    if ((note->flags & HG_NOTE_REACHED) == 0) {
        *join = *cells;
        note->flags |= HG_NOTE_REACHED | HG_NOTE_DIRTY;
        return;
    }
    struct hg_cells before = *join;
    meet(join, cells);
    if (memcmp(&before, join, sizeof before) != 0) {
        note->flags |= HG_NOTE_DIRTY;
    }
}

static void start_cells(struct hg_cells *cells)
{
    memset(cells, HG_CELL_UNWRITTEN, sizeof *cells);
    cells->regs[HG_REG_ROW] = hg_cell(HG_U64, HG_LEVEL_ROW);
    cells->regs[HG_REG_COLUMN] = hg_cell(HG_U64, HG_LEVEL_LANE);
    cells->regs[HG_REG_BLOCK_LANE] = hg_cell(HG_U32, HG_LEVEL_LANE);
    cells->regs[HG_REG_BLOCK] = hg_cell(HG_U32, HG_LEVEL_LANE);
    cells->regs[HG_REG_BLOCK_SIZE] = hg_cell(HG_U32, HG_LEVEL_LAUNCH);
    cells->regs[HG_REG_LANE] = hg_cell(HG_U64, HG_LEVEL_LANE);
}

/* Ends the segment for eight cells; the bits of those that now hold a value per row are given. */
static unsigned end_segment_cells(uint8_t cells[8])
{
    uint64_t all;
    memcpy(&all, cells, sizeof all);
    if ((all & UINT64_C(0x8080808080808080)) == 0) {
        return 0; /* none is known, as most are in most programs */
    }
    unsigned rows = 0;
    for (unsigned i = 0; i < 8; i++) {
        cells[i] &= (uint8_t)~HG_CELL_PENDING;
        if ((cells[i] & HG_CELL_KNOWN) == 0) {
            continue;
        }
        if (hg_cell_level(cells[i]) == HG_LEVEL_LANE) {
            cells[i] = HG_CELL_LANE_OVER;
        } else if (hg_cell_level(cells[i]) == HG_LEVEL_ROW) {
            rows |= 1u << i;
        }
    }
    return rows;
}

/* Per-lane values end with their segment; REDUCE destinations become readable. */
static void end_segment(struct hg_verify *verify, struct hg_cells *cells)
{
    uint8_t specials[HG_REGISTER_COUNT - HG_REG_SPECIAL];
    memcpy(specials, cells->regs + HG_REG_SPECIAL, sizeof specials);
    memset(cells->regs + HG_REG_SPECIAL, HG_CELL_UNWRITTEN, sizeof specials);
    for (unsigned r = 0; r < HG_REGISTER_COUNT; r += 8) {
        verify->row_regs.regs[r / 64] |= (uint64_t)end_segment_cells(cells->regs + r) << (r % 64);
    }
    memcpy(cells->regs + HG_REG_SPECIAL, specials, sizeof specials);
    for (unsigned p = 0; p < HG_PREDICATE_COUNT; p += 8) {
        (void)end_segment_cells(cells->preds + p);
    }
}

/* What SET names is over with each iteration of a LOOP.BLOCKS body. */
static void end_iteration(const struct hg_reg_set *set, struct hg_cells *cells)
{
    for (unsigned word = 0; word < HG_REGISTER_COUNT / 64; word++) {
        for (uint64_t rest = set->regs[word]; rest != 0; rest &= rest - 1) {
            cells->regs[64 * word + (unsigned)__builtin_ctzll(rest)] = HG_CELL_BODY_OVER;
        }
    }
    for (unsigned rest = set->preds; rest != 0; rest &= rest - 1) {
        cells->preds[__builtin_ctz(rest)] = HG_CELL_BODY_OVER;
    }
}

/* Entering the LOOP.BLOCKS at INDEX: CELLS become those of its body, AFTER those behind it. */
static void enter_blocks(struct hg_verify *verify, uint32_t index, struct hg_cells *cells,
                         struct hg_cells *after)
{
    uint32_t end = verify->code->insns[index].target;
    struct hg_reg_set writes = {{0}, 0};
    hg_verify_writes(verify, index + 1, end, &writes);
    end_iteration(&writes, cells);
    *after = *cells;
    for (uint32_t i = end; i > index + 1 && hg_is_reduce(verify->code->insns[i - 1].op); i--) {
        const struct hg_insn *reduce = &verify->code->insns[i - 1];
        after->regs[reduce->dst] = hg_cell(reduce->type, HG_LEVEL_ROW);
        hg_reg_set_add(&verify->row_regs, reduce->dst);
    }
}

/* The cells behind a call: the caller's but for what the routine may write. */
static void leave_callee(const struct hg_routine *callee, struct hg_cells *cells)
{
    for (unsigned r = 0; r < HG_REG_SPECIAL; r++) {
        if (hg_reg_set_has(&callee->writes, r)) {
            cells->regs[r] = callee->exit_cells.regs[r];
        }
    }
    for (unsigned p = 0; p < HG_PREDICATE_COUNT; p++) {
        if ((callee->writes.preds >> p & 1) != 0) {
            cells->preds[p] = callee->exit_cells.preds[p];
        }
    }
}

/* A RET of ROUTINE with CELLS: when that is news, all its callers are walked again. */
static void return_from(struct hg_verify *verify, uint16_t id, const struct hg_cells *cells)
{
    struct hg_routine *routine = &verify->routines[id - 1];
    if (!routine->returns) {
        routine->returns = true;
        routine->exit_cells = *cells;
    } else {
        struct hg_cells before = routine->exit_cells;
        meet(&routine->exit_cells, cells);
        if (memcmp(&before, &routine->exit_cells, sizeof before) == 0) {
            return;
        }
    }
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        const struct hg_insn *insn = &verify->code->insns[i];
        if (insn->op == HG_OP_CALL && insn->target == routine->entry &&
            (verify->notes[i].flags & HG_NOTE_REACHED) != 0) {
            verify->notes[verify->notes[i].start].flags |= HG_NOTE_DIRTY;
        }
    }
}

/* One walk, up to the next join. */
struct walk {
    uint32_t start;
    uint32_t index;
    bool ends;
    struct hg_cells cells;
    struct hg_cells after; /* behind the LOOP.BLOCKS whose body it is in; unused with joins */
};

/* Leaves every body that ends before END when its last instruction was in BODY. */
static void leave_bodies(struct hg_verify *verify, struct walk *walk, uint16_t body, uint32_t end)
{
    const struct hg_insn *insns = verify->code->insns;
    while (body != HG_NO_BODY && insns[body - 1].target == end) {
        if (insns[body - 1].op == HG_OP_LOOP) {
            lead_to(verify, body, &walk->cells);
        } else if (verify->joins != NULL) {
            walk->ends = true;
            return;
        } else {
            walk->cells = walk->after;
        }
        body = verify->notes[body - 1].body;
    }
}

static void walk_control(struct hg_verify *verify, struct walk *walk)
{
    const struct hg_insn *insn = &verify->code->insns[walk->index];
    struct hg_note *note = &verify->notes[walk->index];
    switch (insn->op) {
    case HG_OP_BRA:
        lead_to(verify, insn->target, &walk->cells);
        walk->ends = insn->pred == HG_PRED_NONE;
        break;
    case HG_OP_EXIT:
        walk->ends = insn->pred == HG_PRED_NONE;
        break;
    case HG_OP_RET:
        return_from(verify, note->routine, &walk->cells);
        walk->ends = true;
        break;
    case HG_OP_LOOP: {
        /* A count of 0 leads behind the body, out of all that end there too. */
        struct walk none = *walk;
        leave_bodies(verify, &none, note->body, insn->target);
        if (!none.ends) {
            lead_to(verify, insn->target, &none.cells);
        }
        break;
    }
    case HG_OP_CALL: {
        const struct hg_routine *callee = &verify->routines[verify->notes[insn->target].entry - 1];
        note->start = (uint16_t)walk->start;
        lead_to(verify, insn->target, &walk->cells);
        walk->ends = !callee->returns;
        leave_callee(callee, &walk->cells);
        break;
    }
    default:
        break;
    }
}

/* Walks from WALK->start, whose cells are set, until a join or an end. */
static enum hg_status walk_on(struct hg_verify *verify, struct walk *walk)
{
    for (walk->index = walk->start; walk->index < verify->code->insn_count; walk->index++) {
        uint32_t index = walk->index;
        struct hg_note *note = &verify->notes[index];
        if (index != walk->start && (note->flags & HG_NOTE_JOIN) != 0) {
            lead_to(verify, index, &walk->cells);
            return HG_OK;
        }
        note->flags |= HG_NOTE_REACHED;
        enum hg_status status = hg_verify_step(verify, index, &walk->cells);
        if (status != HG_OK) {
            return status;
        }
        walk_control(verify, walk);
        if (walk->ends) {
            return HG_OK;
        }
        if ((note->flags & HG_NOTE_SEGMENT_END) != 0) {
            end_segment(verify, &walk->cells);
        }
        if (verify->code->insns[index].op == HG_OP_LOOP_BLOCKS) {
            enter_blocks(verify, index, &walk->cells, &walk->after);
            if (verify->joins != NULL) {
                lead_to(verify, verify->code->insns[index].target, &walk->after);
            }
        }
        leave_bodies(verify, walk, note->body, index + 1);
        if (walk->ends) {
            return HG_OK;
        }
    }
    return HG_OK;
}

static enum hg_status walk_from(struct hg_verify *verify, uint32_t start,
                                const struct hg_cells *cells)
{
    struct walk walk = {.start = start, .cells = *cells};
    return walk_on(verify, &walk);
}

static enum hg_status walk_joins(struct hg_verify *verify)
{
    uint64_t walks = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < verify->code->insn_count; i++) {
            struct hg_note *note = &verify->notes[i];
            if ((note->flags & HG_NOTE_DIRTY) == 0) {
                continue;
            }
            if (++walks > WALKS_ANYWAY + (uint64_t)WALKS_PER_JOIN * verify->join_count) {
                return hg_verify_fail(verify, i, "the ways that lead here are too tangled");
            }
            note->flags &= (uint8_t)~HG_NOTE_DIRTY;
            enum hg_status status = walk_from(verify, i, &verify->joins[note->join]);
            if (status != HG_OK) {
                return status;
            }
            changed = true;
        }
    }
    return HG_OK;
}

enum hg_status hg_verify_types(struct hg_verify *verify)
{
    struct hg_cells cells;
    start_cells(&cells);
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        if ((verify->notes[i].flags & HG_NOTE_JOIN) != 0) {
            verify->notes[i].join = (uint16_t)verify->join_count++;
        }
    }
    if (verify->join_count == 0) {
        return walk_from(verify, 0, &cells);
    }
    verify->joins = hg_malloc(HG_TAG_PROGRAM, verify->join_count * sizeof *verify->joins);
    if (verify->joins == NULL) {
        return hg_verify_no_memory(verify);
    }
    lead_to(verify, 0, &cells);
    return walk_joins(verify);
}
