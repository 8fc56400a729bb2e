/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types and levels of one instruction: what it reads must be there with the right type and vary no
 * more than the instruction allows; its result varies as much as what it comes from.
 */
#include "lib/isa/verify.h"

static const char *level_name(unsigned level)
{
    static const char *const names[] = {"launch-uniform", "row-uniform", "per-lane"};
    return names[level];
}

static unsigned higher(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static enum hg_status check_cell(const struct hg_verify *verify, uint32_t index, char letter,
                                 unsigned number, uint8_t cell)
{
    if ((cell & HG_CELL_PENDING) != 0) {
        return hg_verify_fail(verify, index,
                              "%c%u comes from a reduce and is readable in later segments only",
                              letter, number);
    }
    if ((cell & HG_CELL_KNOWN) != 0) {
        return HG_OK;
    }
    switch (cell) {
    case HG_CELL_MIXED:
        return hg_verify_fail(verify, index, "%c%u holds different types on different ways here",
                              letter, number);
    case HG_CELL_LANE_OVER:
        return hg_verify_fail(verify, index, "%c%u is a per-lane value of an earlier segment",
                              letter, number);
    case HG_CELL_BODY_OVER:
        return hg_verify_fail(
            verify, index, "%c%u is written in a body of loop.blocks and ends with each iteration",
            letter, number);
    default:
        return hg_verify_fail(verify, index, "%c%u is read before it is written", letter, number);
    }
}

static enum hg_status check_reg(const struct hg_verify *verify, uint32_t index, unsigned reg,
                                unsigned type, uint8_t cell)
{
    enum hg_status status = check_cell(verify, index, 'r', reg, cell);
    if (status == HG_OK && (cell & HG_CELL_TYPE_MASK) != type) {
        return hg_verify_fail(verify, index, "r%u is %s here, not %s", reg,
                              hg_dtype_name(cell & HG_CELL_TYPE_MASK), hg_dtype_name(type));
    }
    return status;
}

/* Checks everything that is read; LEVELS gets the level of each read, PRED_LEVEL that of the
 * predicate. */
static enum hg_status check_reads(const struct hg_verify *verify, uint32_t index,
                                  const struct hg_insn_uses *uses, const struct hg_cells *cells,
                                  unsigned levels[4], unsigned *pred_level)
{
    for (unsigned i = 0; i < uses->read_count; i++) {
        unsigned run = i == 0 ? uses->run : 1;
        levels[i] = HG_LEVEL_LAUNCH;
        for (unsigned r = uses->reads[i].reg; r < uses->reads[i].reg + run; r++) {
            enum hg_status status =
                check_reg(verify, index, r, uses->reads[i].type, cells->regs[r]);
            if (status != HG_OK) {
                return status;
            }
            levels[i] = higher(levels[i], hg_cell_level(cells->regs[r]));
        }
    }
    *pred_level = HG_LEVEL_LAUNCH;
    if (uses->pred_read != HG_PRED_NONE) {
        uint8_t cell = cells->preds[uses->pred_read];
        enum hg_status status = check_cell(verify, index, 'p', uses->pred_read, cell);
        if (status != HG_OK) {
            return status;
        }
        *pred_level = hg_cell_level(cell);
    }
    return HG_OK;
}

/* Control flow and what works on the block as a whole must go the same way for all lanes. */
static enum hg_status check_uniform(const struct hg_verify *verify, uint32_t index,
                                    const struct hg_insn_uses *uses, const unsigned levels[4],
                                    unsigned pred_level)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    uint32_t flags = hg_insn_info(insn->op)->flags;
    /* The handle of POOL memory, for it is of the block as well. */
    bool pool = insn->op == HG_OP_POOL_LOAD || insn->op == HG_OP_POOL_STORE;
    if ((flags & (HG_INSN_CONTROL | HG_INSN_UNIFORM)) == 0 && !pool) {
        return HG_OK;
    }
    unsigned count = pool ? 1 : uses->read_count;
    for (unsigned i = 0; i < count; i++) {
        if (levels[i] != HG_LEVEL_LAUNCH) {
            return hg_verify_fail(verify, index, "r%u is %s and must be launch-uniform",
                                  uses->reads[i].reg, level_name(levels[i]));
        }
    }
    if (pred_level != HG_LEVEL_LAUNCH) {
        return hg_verify_fail(verify, index, "p%u is %s and must be launch-uniform",
                              uses->pred_read, level_name(pred_level));
    }
    return HG_OK;
}

static unsigned lane_level(const struct hg_addr *addr)
{
    return addr->lane == HG_LANE_NONE  ? HG_LEVEL_LAUNCH
           : addr->lane == HG_LANE_ROW ? HG_LEVEL_ROW
                                       : HG_LEVEL_LANE;
}

/* How far a value may vary that is stored through ADDR, whose offset register is of level BASE:
 * lanes that share the address must have the same. */
static unsigned stored_level(const struct hg_addr *addr, unsigned base)
{
    if (base == HG_LEVEL_LANE || addr->lane == HG_LANE_STRIDE) {
        return HG_LEVEL_LANE;
    }
    if (addr->lane == HG_LANE_ROW || (addr->lane == HG_LANE_DIV && addr->factor == 0)) {
        return HG_LEVEL_ROW;
    }
    return addr->lane == HG_LANE_NONE ? base : HG_LEVEL_LAUNCH;
}

static enum hg_status check_stored(const struct hg_verify *verify, uint32_t index, unsigned reg,
                                   unsigned level, unsigned allowed)
{
    if (level > allowed) {
        return hg_verify_fail(verify, index,
                              "r%u is %s, but lanes share its address: it must be %s", reg,
                              level_name(level), level_name(allowed));
    }
    return HG_OK;
}

/* Level of the instruction, from those of its operands; checks what is stored. */
static enum hg_status find_level(struct hg_verify *verify, uint32_t index, unsigned levels[4],
                                 unsigned count, unsigned *level)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    struct hg_note *note = &verify->notes[index];
    for (unsigned i = 0; i < count; i++) {
        *level = higher(*level, levels[i]);
    }
    switch (hg_insn_info(insn->op)->form) {
    case HG_FORM_LOAD:
        *level = higher(*level, lane_level(&insn->u.addr));
        note->addr_level = (uint8_t)higher(note->addr_level, count > 0 ? levels[0] : 0);
        return HG_OK;
    case HG_FORM_STORE: {
        unsigned base = count > 1 ? levels[1] : HG_LEVEL_LAUNCH;
        *level = higher(*level, lane_level(&insn->u.addr));
        note->addr_level = (uint8_t)higher(note->addr_level, base);
        return check_stored(verify, index, insn->a, levels[0], stored_level(&insn->u.addr, base));
    }
    case HG_FORM_POOL_LOAD:
        note->addr_level = (uint8_t)higher(note->addr_level, levels[1]);
        return HG_OK;
    case HG_FORM_POOL_STORE:
        note->addr_level = (uint8_t)higher(note->addr_level, levels[1]);
        return check_stored(verify, index, insn->c, levels[2], levels[1]);
    case HG_FORM_REDUCE:
    case HG_FORM_MMA:
        *level = HG_LEVEL_LANE;
        return HG_OK;
    default:
        return HG_OK;
    }
}

static enum hg_status write_result(const struct hg_verify *verify, uint32_t index,
                                   const struct hg_insn_uses *uses, unsigned level,
                                   struct hg_cells *cells)
{
    if (uses->pred_write != HG_PRED_NONE) {
        cells->preds[uses->pred_write] = hg_cell(0, level);
    }
    if (!uses->writes) {
        return HG_OK;
    }
    uint8_t *cell = &cells->regs[uses->write.reg];
    if (!hg_is_reduce(verify->code->insns[index].op)) {
        *cell = hg_cell(uses->write.type, level);
        return HG_OK;
    }
    if ((*cell & HG_CELL_PENDING) != 0) {
        return hg_verify_fail(verify, index, "r%u is the destination of two in one segment",
                              uses->write.reg);
    }
    *cell = (uint8_t)(hg_cell(uses->write.type, HG_LEVEL_ROW) | HG_CELL_PENDING);
    return HG_OK;
}

enum hg_status hg_verify_step(struct hg_verify *verify, uint32_t index, struct hg_cells *cells)
{
    struct hg_note *note = &verify->notes[index];
    struct hg_insn_uses uses;
    hg_insn_uses(&verify->code->insns[index], &uses);
    unsigned levels[4] = {0};
    unsigned level = HG_LEVEL_LAUNCH;
    enum hg_status status = check_reads(verify, index, &uses, cells, levels, &level);
    if (status != HG_OK) {
        return status;
    }
    status = check_uniform(verify, index, &uses, levels, level);
    if (status != HG_OK) {
        return status;
    }
    status = find_level(verify, index, levels, uses.read_count, &level);
    if (status != HG_OK) {
        return status;
    }
    note->level = (uint8_t)higher(note->level, level);
    return write_result(verify, index, &uses, level, cells);
}
