/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control flow, the same for both executors: branches, calls, loops and their fuel. Control is
 * launch-uniform, so one walk serves all lanes of a pass. A walk stays inside one segment, where it
 * starts outside every loop and call: the verifier lets no body or subroutine reach across.
 *
 * Threads: a walk belongs to one pass.
 */
#ifndef HG_LIB_EXEC_WALK_H
#define HG_LIB_EXEC_WALK_H

#include "lib/exec/code.h"

struct hg_frame {
    uint32_t start;  /* of a loop: first instruction of the body; of a call: where RET goes */
    uint32_t end;    /* of a loop: index after its body; of a call: HG_FRAME_CALL */
    uint32_t rounds; /* of a loop: still to run, this one included */
};
#define HG_FRAME_CALL UINT32_MAX

struct hg_walk {
    uint32_t pc;
    uint32_t depth;     /* active loops and calls; calls do not recur, so frame_max bounds it */
    uint32_t turns;     /* backward steps and calls so far */
    uint64_t fuel_left; /* UINT64_MAX = unlimited */
    struct hg_frame *frames; /* room for code->frame_max */
};

enum hg_walk_event {
    HG_WALK_DATA,        /* the instruction at pc computes; the caller runs it and adds 1 to pc */
    HG_WALK_SEGMENT_END, /* REDUCE, BAR or MEMFENCE at pc */
    HG_WALK_BLOCKS,      /* LOOP.BLOCKS at pc */
    HG_WALK_BODY_END,    /* pc is LIMIT, the end of a LOOP.BLOCKS body */
    HG_WALK_EXIT,        /* EXIT taken, or the program's end */
    HG_WALK_POLL,        /* many turns: the caller looks at cancellation and walks on */
    HG_WALK_NO_FUEL
};

/* Gives the walk a launch-uniform value: the bits at PLACE. */
typedef uint64_t hg_walk_read_fn(void *context, uint16_t place);

/* Starts at PC with FUEL to spend (0 = unlimited); FRAMES is set by the owner. */
void hg_walk_start(struct hg_walk *walk, uint32_t pc, uint64_t fuel);
/* Takes COST; false if there is not that much. */
bool hg_walk_burn(struct hg_walk *walk, uint64_t cost);
/* Follows control from pc to the next instruction that computes, or to what else ends the walk.
 * LIMIT is the end of the LOOP.BLOCKS body that the walk is in, else HG_NO_LIMIT. */
enum hg_walk_event hg_walk_next(struct hg_walk *walk, const struct hg_exec_code *code,
                                uint32_t limit, hg_walk_read_fn *read, void *context);
#define HG_NO_LIMIT UINT32_MAX

#endif
