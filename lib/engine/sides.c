/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/sides.h"

#include "lib/engine/packed.h"
#include "lib/sched/sched.h"

/* The longest of several steps may take so much of what each thread would have of all, in quarters:
 * beyond, the others wait longer for it than sharing out each step loses. */
#define UNEVEN_QUARTERS 6u

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Whether COUNT steps from STEP on take about as long on THREADS threads side by side as evenly
 * shared out. */
static bool is_even(const struct hg_script *script, uint32_t step, uint32_t count, uint64_t threads)
{
    uint64_t longest_ns = 0;
    uint64_t sum_ns = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t estimate_ns = script->estimate(script, step + i);
        sum_ns += estimate_ns;
        longest_ns = estimate_ns > longest_ns ? estimate_ns : longest_ns;
    }
    return longest_ns * least(threads, count) <= sum_ns / 4 * UNEVEN_QUARTERS;
}

uint32_t hg_sides_count(const struct hg_prepared *prepared, uint32_t step)
{
    const struct hg_script *script = prepared->script;
    struct hg_sched *sched = prepared->engine->sched;
    const uint32_t threads = hg_sched_workers(sched);
    if (threads == 1 || script->count_independent == NULL) {
        return 1;
    }
    const uint32_t count = (uint32_t)least(script->count_independent(script, step), HG_SIDES_MAX);
    const uint64_t worth_ns = 2 * hg_sched_wake_ns(sched);
    for (uint32_t i = 0; i < count; i++) {
        if (script->estimate(script, step + i) < worth_ns) {
            return 1;
        }
    }
    return count > 1 && is_even(script, step, count, threads) ? count : 1;
}

static void give_back(struct hg_sides *sides)
{
    for (uint32_t i = sides->count; i-- > 0;) {
        hg_packed_put_back(&sides->side[i].packed);
    }
    hg_prepared_return_loans(sides->prepared);
}

enum hg_status hg_sides_make(struct hg_sides *sides, struct hg_prepared *prepared, uint32_t step,
                             uint32_t count, struct hg_error *error)
{
    struct hg_script *script = prepared->script;
    enum hg_status status = HG_OK;
    sides->prepared = prepared;
    sides->count = 0;
    hg_prepared_return_loans(prepared);
    while (sides->count < count && status == HG_OK) {
        const uint32_t i = sides->count;
        status = script->make(script, prepared, step + i, error);
        if (status == HG_OK) {
            struct hg_side *side = &sides->side[sides->count++];
            hg_cache_hold(&prepared->loans[i]);
            side->error.status = HG_OK;
            side->packed = hg_prepared_find_panels(prepared, &prepared->launches[i]);
        }
    }
    if (status != HG_OK) {
        give_back(sides);
    }
    return status;
}

void hg_sides_run(struct hg_sides *sides, uint32_t index)
{
    struct hg_error *error = &sides->side[index].error;
    *error = (struct hg_error)HG_ERROR_INIT;
    enum hg_status status = hg_task_check_wanted(sides->prepared->task, error);
    if (status == HG_OK) {
        status = hg_exec_launch(&sides->prepared->launches[index], error);
    }
    error->status = status;
}

enum hg_status hg_sides_end(struct hg_sides *sides, struct hg_error *error)
{
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; i < sides->count && status == HG_OK; i++) {
        status = sides->side[i].error.status;
        if (status != HG_OK) {
            *error = sides->side[i].error;
        }
    }
    give_back(sides);
    return status;
}
