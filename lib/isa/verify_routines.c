/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Third pass of the verifier: which instructions are reached, and from which routine. A routine is
 * what is reached from the program's start or from the target of a CALL without following calls;
 * each instruction belongs to one at most, calls do not recur, and their depth is bounded.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/isa/verify.h"

/* Instructions still to be visited; each is pushed at most once for each way that leads to it. */
struct frontier {
    uint16_t *indices;
    uint32_t count;
};

/* Whether the program needs the search for routines because of INSN. */
static bool is_call(const struct hg_insn *insn)
{
    return insn->op == HG_OP_CALL || insn->op == HG_OP_RET;
}

/* Checks that hold in subroutines only. */
static enum hg_status check_subroutine(const struct hg_verify *verify, uint32_t index)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    bool cross_lane = (hg_insn_info(insn->op)->flags & HG_INSN_SEGMENT_END) != 0;
    if (cross_lane || insn->op == HG_OP_LOOP_BLOCKS || insn->op == HG_OP_MMA) {
        return hg_verify_fail(verify, index, "stands in a subroutine");
    }
    if (insn->op == HG_OP_RET && verify->notes[index].body != HG_NO_BODY) {
        return hg_verify_fail(verify, index, "leaves the body of instruction %u",
                              verify->notes[index].body - 1);
    }
    return HG_OK;
}

static void visit(struct frontier *frontier, uint32_t index)
{
    frontier->indices[frontier->count++] = (uint16_t)index;
}

/* Puts what follows INDEX on the frontier; the routine of a CALL is numbered when first met. */
static void visit_next(struct hg_verify *verify, uint32_t index, struct frontier *frontier)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    bool conditional = insn->pred != HG_PRED_NONE;
    if (insn->op == HG_OP_BRA || insn->op == HG_OP_LOOP || insn->op == HG_OP_LOOP_BLOCKS) {
        visit(frontier, insn->target);
    } else if (insn->op == HG_OP_CALL && verify->notes[insn->target].entry == 0) {
        struct hg_routine *routine = &verify->routines[verify->routine_count++];
        routine->entry = (uint16_t)insn->target;
        verify->notes[insn->target].entry = (uint16_t)verify->routine_count;
    }
    bool leaves = insn->op == HG_OP_BRA || insn->op == HG_OP_EXIT;
    if (insn->op != HG_OP_RET && (!leaves || conditional)) {
        visit(frontier, index + 1);
    }
}

/* Marks what is reached from the entry of routine ID. */
static enum hg_status explore(struct hg_verify *verify, uint16_t id, uint16_t *indices)
{
    struct frontier frontier = {.indices = indices};
    visit(&frontier, verify->routines[id - 1].entry);
    while (frontier.count > 0) {
        uint32_t index = frontier.indices[--frontier.count];
        if (index == verify->code->insn_count) {
            if (id != HG_MAIN) {
                return hg_verify_fail(verify, verify->routines[id - 1].entry,
                                      "a subroutine that starts here runs off the program's end");
            }
            continue;
        }
        struct hg_note *note = &verify->notes[index];
        if (note->routine == id) {
            continue;
        }
        if (note->routine != 0) {
            return hg_verify_fail(
                verify, index, "is reached from two routines, those of instructions %u and %u",
                verify->routines[note->routine - 1].entry, verify->routines[id - 1].entry);
        }
        note->routine = id;
        if (id == HG_MAIN && verify->code->insns[index].op == HG_OP_RET) {
            return hg_verify_fail(verify, index, "stands outside any subroutine");
        }
        enum hg_status status = id == HG_MAIN ? HG_OK : check_subroutine(verify, index);
        if (status != HG_OK) {
            return status;
        }
        visit_next(verify, index, &frontier);
    }
    return HG_OK;
}

/* Takes what the caller of instruction INDEX knows to the routine that it calls. */
static enum hg_status enter_callee(struct hg_verify *verify, uint32_t index, bool *changed)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    const struct hg_routine *caller = &verify->routines[verify->notes[index].routine - 1];
    struct hg_routine *callee = &verify->routines[verify->notes[insn->target].entry - 1];
    uint32_t contexts = callee->contexts | hg_verify_contexts(verify, index);
    if (callee->depth < caller->depth + 1) {
        callee->depth = (uint16_t)(caller->depth + 1);
        *changed = true;
    }
    if (callee->depth > HG_CALL_DEPTH_MAX) {
        return hg_verify_fail(verify, index, "calls recur or nest deeper than %d",
                              HG_CALL_DEPTH_MAX);
    }
    *changed |= contexts != callee->contexts;
    callee->contexts = (uint8_t)contexts;
    return HG_OK;
}

/* Contexts and depth go from callers to callees until nothing changes. */
static enum hg_status close_calls(struct hg_verify *verify)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < verify->code->insn_count; i++) {
            if (verify->code->insns[i].op != HG_OP_CALL || verify->notes[i].routine == 0) {
                continue;
            }
            enum hg_status status = enter_callee(verify, i, &changed);
            if (status != HG_OK) {
                return status;
            }
        }
    }
    return HG_OK;
}

/* What routines write goes from callees to callers; calls do not recur, so depth bounds the rounds.
 */
static void close_writes(struct hg_verify *verify)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < verify->code->insn_count; i++) {
            if (verify->notes[i].routine <= HG_MAIN) {
                continue;
            }
            struct hg_reg_set *writes = &verify->routines[verify->notes[i].routine - 1].writes;
            struct hg_reg_set before = *writes;
            hg_verify_writes(verify, i, i + 1, writes);
            changed |= memcmp(&before.regs, &writes->regs, sizeof before.regs) != 0 ||
                       before.preds != writes->preds;
        }
    }
}

/* Rules on what a routine contains that depend on where it is called from. */
static enum hg_status check_contexts(const struct hg_verify *verify)
{
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        const struct hg_insn *insn = &verify->code->insns[i];
        uint32_t contexts = hg_verify_contexts(verify, i);
        if (insn->op == HG_OP_EXIT && (contexts & HG_CONTEXT_BLOCKS) != 0) {
            return hg_verify_fail(verify, i, "is called from the body of loop.blocks");
        }
        if ((contexts & HG_CONTEXT_MMA) == 0) {
            continue;
        }
        if ((hg_insn_info(insn->op)->flags & HG_INSN_BLOCK) != 0) {
            return hg_verify_fail(verify, i, "needs a block, in a segment that starts with mma");
        }
        struct hg_insn_uses uses;
        hg_insn_uses(insn, &uses);
        for (unsigned r = 0; r < uses.read_count; r++) {
            unsigned first = uses.reads[r].reg;
            unsigned last = r == 0 ? first + uses.run - 1 : first;
            if (last >= HG_REG_BLOCK_LANE && first <= HG_REG_BLOCK_SIZE) {
                return hg_verify_fail(verify, i, "reads r%u in a segment that starts with mma",
                                      first > HG_REG_BLOCK_LANE ? first : HG_REG_BLOCK_LANE);
            }
        }
    }
    return HG_OK;
}

static enum hg_status find_routines(struct hg_verify *verify, uint32_t call_count)
{
    /* Every instruction is pushed by at most two others, and the entry once. */
    size_t frontier_size = 2 * (size_t)verify->code->insn_count + 2;
    uint16_t *frontier = hg_malloc(HG_TAG_PROGRAM, frontier_size * sizeof *frontier);
    verify->routines = hg_calloc(HG_TAG_PROGRAM, (size_t)call_count + 1, sizeof *verify->routines);
    if (frontier == NULL || verify->routines == NULL) {
        hg_free(HG_TAG_PROGRAM, frontier);
        return hg_verify_no_memory(verify);
    }
    verify->routine_count = HG_MAIN;
    verify->notes[0].entry = HG_MAIN;
    enum hg_status status = HG_OK;
    for (uint16_t id = HG_MAIN; status == HG_OK && id <= verify->routine_count; id++) {
        status = explore(verify, id, frontier);
    }
    hg_free(HG_TAG_PROGRAM, frontier);
    if (status == HG_OK) {
        status = close_calls(verify);
    }
    if (status == HG_OK) {
        close_writes(verify);
    }
    return status;
}

enum hg_status hg_verify_routines(struct hg_verify *verify)
{
    uint32_t call_count = 0;
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        call_count += is_call(&verify->code->insns[i]);
    }
    if (call_count == 0) {
        for (uint32_t i = 0; i < verify->code->insn_count; i++) {
            verify->notes[i].routine = HG_MAIN;
        }
        return check_contexts(verify);
    }
    enum hg_status status = find_routines(verify, call_count);
    return status == HG_OK ? check_contexts(verify) : status;
}
