/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second pass of the verifier: bodies, segments and branches. Segments are intervals of the
 * instruction list because no branch leaves its segment and what ends one stands at top level.
 */
#include "lib/isa/verify.h"

static uint32_t body_end(const struct hg_verify *verify, uint16_t body)
{
    return verify->code->insns[body - 1].target;
}

static bool is_segment_end(uint8_t op)
{
    return (hg_insn_info(op)->flags & HG_INSN_SEGMENT_END) != 0;
}

static enum hg_status check_body(const struct hg_verify *verify, uint32_t index, uint16_t outer)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    if (insn->target > verify->code->insn_count) {
        return hg_verify_fail(verify, index, "its body ends at %u, behind the program's %u",
                              insn->target, verify->code->insn_count);
    }
    if (insn->target < index + 2) {
        return hg_verify_fail(verify, index, "its body is empty");
    }
    if (outer == HG_NO_BODY) {
        return HG_OK;
    }
    if (insn->op == HG_OP_LOOP_BLOCKS) {
        return hg_verify_fail(verify, index, "stands in the body of instruction %u", outer - 1);
    }
    if (insn->target > body_end(verify, outer)) {
        return hg_verify_fail(verify, index, "its body reaches out of that of instruction %u",
                              outer - 1);
    }
    return HG_OK;
}

/* Fills body and HG_NOTE_BLOCKS. */
static enum hg_status find_bodies(struct hg_verify *verify)
{
    uint16_t body = HG_NO_BODY;
    uint8_t flags = 0;
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        while (body != HG_NO_BODY && body_end(verify, body) == i) {
            body = verify->notes[body - 1].body;
            flags = body == HG_NO_BODY ? 0 : flags;
        }
        verify->notes[i].body = body;
        verify->notes[i].flags |= flags;
        uint8_t op = verify->code->insns[i].op;
        if (op != HG_OP_LOOP && op != HG_OP_LOOP_BLOCKS) {
            continue;
        }
        enum hg_status status = check_body(verify, i, body);
        if (status != HG_OK) {
            return status;
        }
        body = (uint16_t)(i + 1);
        if (op == HG_OP_LOOP_BLOCKS) {
            flags = HG_NOTE_BLOCKS;
        }
    }
    return HG_OK;
}

/* Whether instruction INDEX ends its segment by what it is; a run of REDUCE ends it together. */
static bool ends_segment(const struct hg_verify *verify, uint32_t index)
{
    const struct hg_insn *insns = verify->code->insns;
    const struct hg_note *notes = verify->notes;
    bool run = index + 1 < verify->code->insn_count && hg_is_reduce(insns[index].op) &&
               hg_is_reduce(insns[index + 1].op) && notes[index].body == notes[index + 1].body;
    return insns[index].op == HG_OP_LOOP_BLOCKS || (is_segment_end(insns[index].op) && !run);
}

/* Whether a segment ends behind instruction INDEX because the program or a LOOP.BLOCKS body does.
 */
static bool is_last_of_body(const struct hg_verify *verify, uint32_t index)
{
    return index + 1 == verify->code->insn_count ||
           ((verify->notes[index].flags & HG_NOTE_BLOCKS) != 0 &&
            (verify->notes[index + 1].flags & HG_NOTE_BLOCKS) == 0);
}

static enum hg_status check_cross_lane(const struct hg_verify *verify, uint32_t index)
{
    const struct hg_note *note = &verify->notes[index];
    if (note->body == HG_NO_BODY) {
        return HG_OK;
    }
    if (verify->code->insns[note->body - 1].op == HG_OP_LOOP) {
        return hg_verify_fail(verify, index, "stands in the body of loop at instruction %u",
                              note->body - 1);
    }
    bool last = index + 1 == body_end(verify, note->body);
    bool run = hg_is_reduce(verify->code->insns[index].op) && !last &&
               hg_is_reduce(verify->code->insns[index + 1].op);
    if (!last && !run) {
        return hg_verify_fail(verify, index, "does not stand at the end of its loop.blocks body");
    }
    return HG_OK;
}

/* Fills segment, HG_NOTE_SEGMENT_END and HG_NOTE_MMA. */
static enum hg_status find_segments(struct hg_verify *verify)
{
    uint16_t segment = 0;
    uint16_t empty = 0; /* segments of a LOOP.BLOCKS alone */
    bool first = true;
    uint8_t mma = 0;
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        struct hg_note *note = &verify->notes[i];
        uint8_t op = verify->code->insns[i].op;
        if (first) {
            mma = op == HG_OP_MMA ? HG_NOTE_MMA : 0;
        } else if (op == HG_OP_MMA) {
            return hg_verify_fail(verify, i, "is not the first of its segment");
        }
        if (is_segment_end(op)) {
            enum hg_status status = check_cross_lane(verify, i);
            if (status != HG_OK) {
                return status;
            }
        }
        note->segment = segment;
        note->flags |= mma;
        empty = (uint16_t)(empty + (first && op == HG_OP_LOOP_BLOCKS));
        if (ends_segment(verify, i)) {
            note->flags |= HG_NOTE_SEGMENT_END;
        }
        first = (note->flags & HG_NOTE_SEGMENT_END) != 0 || is_last_of_body(verify, i);
        segment = (uint16_t)(segment + first);
    }
    if (segment - empty > UINT8_MAX) {
        return hg_fail(verify->error, HG_INVALID_ARGUMENT,
                       "a program has at most %d segments, not %d", UINT8_MAX, segment - empty);
    }
    verify->segment_count = (uint8_t)(segment - empty);
    return HG_OK;
}

/* Whether a REDUCE of the same segment stands before instruction INDEX. */
static bool is_inside_run(const struct hg_verify *verify, uint32_t index)
{
    return index > 0 && index < verify->code->insn_count &&
           hg_is_reduce(verify->code->insns[index - 1].op) &&
           verify->notes[index - 1].segment == verify->notes[index].segment;
}

static enum hg_status check_branch(struct hg_verify *verify, uint32_t index)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    const struct hg_note *note = &verify->notes[index];
    uint32_t count = verify->code->insn_count;
    if (insn->target > count) {
        return hg_verify_fail(verify, index, "leads to %u, behind the program's %u", insn->target,
                              count);
    }
    bool inside = insn->target < count;
    /* The end of the program belongs to the last segment, unless that is ended by its last one. */
    const struct hg_note *target = &verify->notes[inside ? insn->target : count - 1];
    if ((inside ? target->body : HG_NO_BODY) != note->body) {
        return hg_verify_fail(verify, index, "leads across the border of a body");
    }
    if (note->segment != target->segment ||
        (!inside && is_segment_end(verify->code->insns[count - 1].op))) {
        return hg_verify_fail(verify, index, "leads out of its segment");
    }
    if (is_inside_run(verify, insn->target)) {
        return hg_verify_fail(verify, index, "leads behind the first reduce of its segment");
    }
    if (inside && verify->code->insns[insn->target].op == HG_OP_MMA) {
        return hg_verify_fail(verify, index, "leads to a product");
    }
    verify->has_backward |= insn->target <= index;
    return HG_OK;
}

static enum hg_status check_call(const struct hg_verify *verify, uint32_t index)
{
    uint32_t target = verify->code->insns[index].target;
    if (target >= verify->code->insn_count) {
        return hg_verify_fail(verify, index, "leads to %u, behind the program's %u", target,
                              verify->code->insn_count);
    }
    if (verify->notes[target].body != HG_NO_BODY) {
        return hg_verify_fail(verify, index, "leads into the body of instruction %u",
                              verify->notes[target].body - 1);
    }
    return HG_OK;
}

static void add_join(struct hg_verify *verify, uint32_t index)
{
    if (index < verify->code->insn_count) {
        verify->notes[index].flags |= HG_NOTE_JOIN;
    }
}

static enum hg_status check_targets(struct hg_verify *verify)
{
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        const struct hg_insn *insn = &verify->code->insns[i];
        enum hg_status status = HG_OK;
        switch (insn->op) {
        case HG_OP_BRA:
            status = check_branch(verify, i);
            add_join(verify, insn->target);
            break;
        case HG_OP_LOOP:
            add_join(verify, i + 1);
            add_join(verify, insn->target);
            break;
        case HG_OP_CALL:
            status = check_call(verify, i);
            add_join(verify, insn->target);
            break;
        case HG_OP_EXIT:
            if ((verify->notes[i].flags & HG_NOTE_BLOCKS) != 0) {
                return hg_verify_fail(verify, i, "stands in the body of loop.blocks");
            }
            continue;
        default:
            continue;
        }
        if (status != HG_OK) {
            return status;
        }
        verify->has_control = true;
    }
    return HG_OK;
}

enum hg_status hg_verify_flow(struct hg_verify *verify)
{
    enum hg_status status = find_bodies(verify);
    if (status == HG_OK) {
        status = find_segments(verify);
    }
    if (status == HG_OK) {
        status = check_targets(verify);
    }
    if (status == HG_OK && verify->has_control) {
        /* The walk over types comes to the end of a body in pieces then. */
        add_join(verify, 0);
        for (uint32_t i = 0; i < verify->code->insn_count; i++) {
            if (verify->code->insns[i].op == HG_OP_LOOP_BLOCKS) {
                add_join(verify, verify->code->insns[i].target);
            }
        }
    }
    return status;
}
