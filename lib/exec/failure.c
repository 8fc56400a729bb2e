/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run fails. Failures of lanes are compared, so that the one of the lowest lane is reported
 * whichever thread meets it first; everything else only stops the run.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/exec/run.h"

/* "add.f32", in TEXT. */
static void name_step(const struct hg_step *step, char *text, size_t size)
{
    const struct hg_insn_info *info = hg_insn_info(step->insn.op);
    if (info->types == 0) {
        snprintf(text, size, "%s", info->text);
    } else {
        snprintf(text, size, "%s.%s", info->text, hg_dtype_name(step->insn.type));
    }
}

void hg_run_fail(struct hg_run *run, uint64_t lane, uint32_t pc, enum hg_status status,
                 const char *detail, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    char name[32] = "end";
    if (pc < run->code.facts.insn_count) {
        name_step(&run->code.steps[pc], name, sizeof name);
    }
    struct hg_failure *failure = &run->failure;
    hg_mutex_lock(&failure->mutex);
    if (lane < atomic_load_explicit(&failure->lane, memory_order_relaxed)) {
        atomic_store_explicit(&failure->lane, lane, memory_order_relaxed);
        (void)hg_fail_detail(&failure->error, status, detail,
                             "%s at element %" PRIu64 " (instruction %u, %s)", what, lane, pc,
                             name);
    }
    hg_mutex_unlock(&failure->mutex);
}

void hg_run_fail_division(struct hg_run *run, uint64_t lane, uint32_t pc)
{
    hg_run_fail(run, lane, pc, HG_INVALID_ARGUMENT, HG_DETAIL_DIVISION_BY_ZERO,
                "integer division by zero");
}

void hg_run_fail_bounds(struct hg_run *run, uint64_t lane, uint32_t pc, uint64_t offset)
{
    const struct hg_step *step = &run->code.steps[pc];
    uint8_t slot = hg_insn_has_addr(&step->insn) ? step->insn.u.addr.slot : HG_OPERAND_ALL;
    if (slot < HG_OPERAND_BOUNDARY) {
        hg_run_fail(run, lane, pc, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                    "slot b%u: byte offset %" PRIu64 " with %u bytes to access is outside its "
                    "%" PRIu64 " bytes",
                    slot, offset, step->bytes, run->bytes[slot]);
    } else {
        hg_run_fail(run, lane, pc, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                    "byte offset %" PRIu64 " is outside the block's memory", offset);
    }
}

void hg_run_fail_fuel(struct hg_run *run, uint64_t lane, uint32_t pc)
{
    hg_run_fail(run, lane, pc, HG_RESOURCE_EXHAUSTED, HG_DETAIL_FUEL_EXHAUSTED,
                "more than the %" PRIu64 " units of fuel that a block of a segment has",
                run->launch.fuel);
}

void hg_run_stop(struct hg_run *run, enum hg_status status, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    struct hg_failure *failure = &run->failure;
    hg_mutex_lock(&failure->mutex);
    if (!atomic_load_explicit(&failure->stopped, memory_order_relaxed)) {
        (void)hg_fail(&failure->stop_error, status, "%s", what);
        atomic_store_explicit(&failure->stopped, true, memory_order_relaxed);
    }
    hg_mutex_unlock(&failure->mutex);
}

bool hg_run_skips(const struct hg_run *run, uint64_t lane)
{
    uint64_t failed = atomic_load_explicit(&run->failure.lane, memory_order_relaxed);
    return (failed != UINT64_MAX && failed <= lane) ||
           atomic_load_explicit(&run->failure.stopped, memory_order_relaxed);
}

bool hg_run_failed(const struct hg_run *run)
{
    return atomic_load_explicit(&run->failure.lane, memory_order_relaxed) != UINT64_MAX ||
           atomic_load_explicit(&run->failure.stopped, memory_order_relaxed);
}

bool hg_run_poll(struct hg_run *run, bool clock)
{
    if (atomic_load_explicit(&run->failure.stopped, memory_order_relaxed)) {
        return true;
    }
    const struct hg_launch *launch = &run->launch;
    /* Relaxed: only a flag, nothing is read because of it. */
    if (launch->cancelled != NULL &&
        atomic_load_explicit(launch->cancelled, memory_order_relaxed)) {
        hg_run_stop(run, HG_CANCELLED, "cancelled while running");
        return true;
    }
    if (clock && launch->deadline_ns != 0 && hg_clock_now_ns() >= launch->deadline_ns) {
        hg_run_stop(run, HG_DEADLINE_EXCEEDED, "deadline passed while running");
        return true;
    }
    return false;
}
