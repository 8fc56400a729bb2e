/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launches that are one call of one function: the checks of bind.c and alias.c for programs whose
 * addresses are few and lie in lines. What is not plainly right here is left to hg_run_begin, which
 * also knows what to say about it.
 */
#include "lib/base/clock.h"
#include "lib/exec/run.h"
#include "lib/native/native.h"

/* Beyond, a deadline or a wish to cancel is looked for on the way. */
#define UNWATCHED_BLOCKS 16

struct range {
    uintptr_t first, end;
};

/* The memory of access I of CODE for LANES lanes; false if it is not inside its operand. */
static bool find_range(const struct hg_launch *launch, const struct hg_native_access *access,
                       uint64_t lanes, struct range *range)
{
    if (access->slot >= launch->operand_count) {
        return false;
    }
    const struct hg_operand *operand = &launch->operands[access->slot];
    uint64_t elements = access->lane == HG_LANE_NONE ? 1 : lanes;
    /* Neither wraps: offsets and lanes are bounded far below 2^60. */
    uint64_t end = access->offset + elements * access->width;
    if (end > operand->bytes || (access->written && !operand->writable)) {
        return false;
    }
    range->first = (uintptr_t)operand->base + access->offset;
    range->end = (uintptr_t)operand->base + end;
    return true;
}

/* Whether a range that is written overlaps another slot's otherwise than element for element. */
static bool conflicts(const struct hg_native_code *code, const struct range *ranges)
{
    for (unsigned i = 0; i < code->access_count; i++) {
        const struct hg_native_access *a = &code->accesses[i];
        for (unsigned j = 0; a->written && j < code->access_count; j++) {
            const struct hg_native_access *b = &code->accesses[j];
            bool apart = ranges[i].first >= ranges[j].end || ranges[j].first >= ranges[i].end;
            bool same = ranges[i].first == ranges[j].first && ranges[i].end == ranges[j].end &&
                        a->width == b->width && a->lane == b->lane;
            if (a->slot != b->slot && !apart && !same) {
                return true;
            }
        }
    }
    return false;
}

static bool is_plain(const struct hg_launch *launch, const struct hg_code_facts *facts)
{
    const uint64_t *params = launch->params;
    uint64_t n = params[HG_PARAM_N];
    uint64_t product;
    bool sizes = n != 0 && n < UINT64_C(1) << 48 &&
                 !__builtin_mul_overflow(params[HG_PARAM_ROWS], params[HG_PARAM_COLS], &product) &&
                 product == n;
    bool form = n <= facts->block_lanes || (facts->facts & HG_FACT_TOP_LANES) == 0;
    bool watched = launch->deadline_ns != 0 || launch->cancelled != NULL;
    bool short_enough = !watched || n <= UNWATCHED_BLOCKS * (uint64_t)facts->block_lanes;
    bool wanted =
        launch->cancelled == NULL || !atomic_load_explicit(launch->cancelled, memory_order_relaxed);
    bool in_time = launch->deadline_ns == 0 || hg_clock_now_ns() < launch->deadline_ns;
    return sizes && form && short_enough && wanted && in_time &&
           launch->operand_count == facts->slot_count + facts->handle_count;
}

bool hg_native_launch(const struct hg_launch *launch)
{
    const struct hg_native_code *code = hg_native_code_of(launch->program, launch->fp_mode);
    if (code == NULL || !code->direct || !is_plain(launch, &launch->program->facts)) {
        return false;
    }
    struct hg_native_frame frame;
    struct range ranges[HG_NATIVE_ACCESSES];
    for (unsigned i = 0; i < code->access_count; i++) {
        const struct hg_native_access *access = &code->accesses[i];
        if (!find_range(launch, access, launch->params[HG_PARAM_N], &ranges[i])) {
            return false;
        }
        frame.base[access->slot] = launch->operands[access->slot].base;
    }
    if (conflicts(code, ranges)) {
        return false;
    }
    frame.lane = 0;
    frame.count = launch->params[HG_PARAM_N];
    frame.is_first = 1;
    frame.params = launch->params;
    uint32_t saved = hg_fp_enter(launch->fp_mode);
    code->regions[0].run(&frame);
    hg_fp_restore(saved);
    return true;
}
