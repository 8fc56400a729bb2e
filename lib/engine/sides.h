/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of a script that do not depend on each other, run side by side: each by one thread from
 * beginning to end. The bits are those of one after the other.
 *
 *     make ──► [ run 0 … count-1, any thread, any order ] ──► end
 *
 * Threads: hg_sides_run from several at once, with different indices; the rest one at a time, with
 * a happens-before edge to and from the runs (the scheduler's does).
 */
#ifndef HG_LIB_ENGINE_SIDES_H
#define HG_LIB_ENGINE_SIDES_H

#include "lib/engine/work.h"

struct hg_side {
    struct hg_error error; /* its status says how it went */
    struct hg_packed *packed;
};

struct hg_sides {
    struct hg_prepared *prepared;
    uint32_t count;
    struct hg_side side[HG_SIDES_MAX]; /* beyond COUNT: never initialised */
};

/* How many steps from STEP on are better run side by side than one after the other, each by all
 * workers: they are independent, long enough to be shared out, and none is much longer than its
 * fair part. 1: none are. */
uint32_t hg_sides_count(const struct hg_prepared *prepared, uint32_t step);
/* Makes COUNT steps from STEP on. On errors nothing is to be ended. */
HG_MUST_CHECK enum hg_status hg_sides_make(struct hg_sides *sides, struct hg_prepared *prepared,
                                           uint32_t step, uint32_t count, struct hg_error *error);
/* Runs one, unless nobody wants it any more. */
void hg_sides_run(struct hg_sides *sides, uint32_t index);
/* Gives back what the steps used. Of several that failed the first one's error is told. */
HG_MUST_CHECK enum hg_status hg_sides_end(struct hg_sides *sides, struct hg_error *error);

#endif
