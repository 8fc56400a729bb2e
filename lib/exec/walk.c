/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exec/walk.h"

#include "lib/base/check.h"

/* Turns of loops between two looks at cancellation. */
#define POLL_TURNS 1024

void hg_walk_start(struct hg_walk *walk, uint32_t pc, uint64_t fuel)
{
    walk->pc = pc;
    walk->depth = 0;
    walk->turns = 0;
    walk->fuel_left = fuel == 0 ? UINT64_MAX : fuel;
}

bool hg_walk_burn(struct hg_walk *walk, uint64_t cost)
{
    if (walk->fuel_left == UINT64_MAX) {
        return true;
    }
    if (cost > walk->fuel_left) {
        return false;
    }
    walk->fuel_left -= cost;
    return true;
}

static void push(struct hg_walk *walk, const struct hg_exec_code *code, struct hg_frame frame)
{
    HG_REQUIRE(walk->depth < code->frame_max);
    walk->frames[walk->depth++] = frame;
}

/* Counts a turn; tells when it is time to look at cancellation. */
static enum hg_walk_event turned(struct hg_walk *walk)
{
    return ++walk->turns % POLL_TURNS == 0 ? HG_WALK_POLL : HG_WALK_DATA;
}

/* A loop whose body has just been left at its end: another round, or on. */
static enum hg_walk_event turn(struct hg_walk *walk)
{
    struct hg_frame *frame = &walk->frames[walk->depth - 1];
    if (--frame->rounds == 0) {
        walk->depth--;
        return HG_WALK_DATA;
    }
    if (!hg_walk_burn(walk, frame->end - frame->start)) {
        return HG_WALK_NO_FUEL;
    }
    walk->pc = frame->start;
    return turned(walk);
}

static enum hg_walk_event branch(struct hg_walk *walk, uint32_t target)
{
    bool backward = target <= walk->pc;
    if (backward && !hg_walk_burn(walk, walk->pc - target + 1)) {
        return HG_WALK_NO_FUEL;
    }
    walk->pc = target;
    return backward ? turned(walk) : HG_WALK_DATA;
}

static enum hg_walk_event call(struct hg_walk *walk, const struct hg_exec_code *code,
                               const struct hg_step *step)
{
    if (!hg_walk_burn(walk, step->span)) {
        return HG_WALK_NO_FUEL;
    }
    push(walk, code, (struct hg_frame){walk->pc + 1, HG_FRAME_CALL, 0});
    walk->pc = step->insn.target;
    return turned(walk);
}

static enum hg_walk_event ret(struct hg_walk *walk)
{
    HG_REQUIRE(walk->depth > 0 && walk->frames[walk->depth - 1].end == HG_FRAME_CALL);
    walk->pc = walk->frames[--walk->depth].start;
    return HG_WALK_DATA;
}

static enum hg_walk_event loop(struct hg_walk *walk, const struct hg_exec_code *code,
                               const struct hg_step *step, uint32_t rounds)
{
    uint32_t start = walk->pc + 1;
    uint32_t end = step->insn.target;
    if (rounds == 0) {
        walk->pc = end;
        return HG_WALK_DATA;
    }
    if (!hg_walk_burn(walk, end - start)) {
        return HG_WALK_NO_FUEL;
    }
    push(walk, code, (struct hg_frame){start, end, rounds});
    walk->pc = start;
    return HG_WALK_DATA;
}

static bool holds(const struct hg_step *step, hg_walk_read_fn *read, void *context)
{
    return step->insn.pred == HG_PRED_NONE || (read(context, step->pred) & 1) != 0;
}

/* One control instruction. DATA means: pc has moved, look again. */
static enum hg_walk_event control(struct hg_walk *walk, const struct hg_exec_code *code,
                                  hg_walk_read_fn *read, void *context)
{
    const struct hg_step *step = &code->steps[walk->pc];
    switch (step->insn.op) {
    case HG_OP_BRA:
        if (holds(step, read, context)) {
            return branch(walk, step->insn.target);
        }
        break;
    case HG_OP_CALL:
        return call(walk, code, step);
    case HG_OP_RET:
        return ret(walk);
    case HG_OP_LOOP:
        return loop(walk, code, step, (uint32_t)read(context, step->a));
    case HG_OP_LOOP_BLOCKS:
        return HG_WALK_BLOCKS;
    default: /* EXIT */
        if (holds(step, read, context)) {
            return HG_WALK_EXIT;
        }
        break;
    }
    walk->pc++;
    return HG_WALK_DATA;
}

enum hg_walk_event hg_walk_next(struct hg_walk *walk, const struct hg_exec_code *code,
                                uint32_t limit, hg_walk_read_fn *read, void *context)
{
    for (;;) {
        enum hg_walk_event event;
        if (walk->depth > 0 && walk->frames[walk->depth - 1].end == walk->pc) {
            event = turn(walk);
        } else if (walk->pc == limit) {
            return HG_WALK_BODY_END;
        } else if (walk->pc >= code->facts.insn_count) {
            return HG_WALK_EXIT;
        } else {
            const struct hg_step *step = &code->steps[walk->pc];
            if ((step->flags & HG_STEP_SEGMENT_END) != 0) {
                return HG_WALK_SEGMENT_END;
            }
            if ((step->flags & HG_STEP_CONTROL) == 0) {
                return HG_WALK_DATA;
            }
            event = control(walk, code, read, context);
        }
        if (event != HG_WALK_DATA) {
            return event;
        }
    }
}
