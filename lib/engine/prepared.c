/* SPDX-License-Identifier: Apache-2.0 */
/* What work has while it is prepared and runs, and gives back. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/engine/packed.h"
#include "lib/engine/work.h"

void hg_prepared_add_step(struct hg_prepared *prepared, struct hg_cache_loan loan,
                          struct hg_launch **launch)
{
    HG_REQUIRE(prepared->step_count < HG_PLAN_STEPS_MAX);
    const struct hg_engine *engine = prepared->engine;
    struct hg_launch *fresh = &prepared->launches[prepared->step_count];
    prepared->loans[prepared->step_count++] = loan;
    bool phi = (loan.program->facts.facts & HG_FACT_PHI) != 0;
    fresh->program = loan.program;
    fresh->operand_count = 0;
    fresh->boundary_base = phi ? engine->boundary_base : NULL;
    fresh->boundary_classes[0] = 0;
    fresh->boundary_classes[1] = 0;
    fresh->first_class = -1;
    fresh->fuel = 0;
    fresh->panels = NULL;
    fresh->deadline_ns = prepared->task->deadline_ns;
    fresh->cancelled = &prepared->task->cancelled;
    fresh->executor = engine->options.executor;
    fresh->fp_mode = engine->options.fp_mode;
    *launch = fresh;
}

enum hg_status hg_prepared_charge(struct hg_prepared *prepared, uint64_t bytes,
                                  struct hg_error *error)
{
    enum hg_status status = hg_account_charge(prepared->account, bytes, error);
    if (status == HG_OK) {
        prepared->charged_bytes += bytes;
    }
    return status;
}

struct hg_packed *hg_prepared_find_panels(const struct hg_prepared *prepared,
                                          struct hg_launch *launch)
{
    launch->panels = NULL;
    if (!prepared->claims.any_constant || (launch->program->facts.facts & HG_FACT_MMA) == 0) {
        return NULL;
    }
    struct hg_panels_shape shape;
    struct hg_buffer *constant = hg_packed_find_operand(&prepared->claims, launch, &shape);
    struct hg_packed *packed =
        constant != NULL ? hg_packed_get(prepared->engine, constant, &shape) : NULL;
    if (packed != NULL) {
        launch->panels = hg_packed_panels(packed);
    }
    return packed;
}

void hg_prepared_take_panels(struct hg_prepared *prepared, struct hg_launch *launch)
{
    hg_packed_put_back(&prepared->packed);
    prepared->packed = hg_prepared_find_panels(prepared, launch);
}

void hg_prepared_return_loans(struct hg_prepared *prepared)
{
    hg_packed_put_back(&prepared->packed);
    for (uint32_t i = prepared->step_count; i-- > 0;) { /* the last one first */
        hg_cache_return(&prepared->loans[i]);
    }
    prepared->step_count = 0;
}

void hg_prepared_fini(struct hg_prepared *prepared)
{
    hg_prepared_return_loans(prepared);
    if (prepared->limited) { /* the caller may use the task again */
        prepared->task->deadline_ns = prepared->given_ns;
    }
    if (prepared->script != NULL) {
        prepared->script->end(prepared->script, prepared->task->error.status == HG_OK);
    }
    for (uint32_t i = 0; i < prepared->temp_count; i++) {
        hg_pool_release(prepared->engine->pool, &prepared->temps[i]);
    }
    if (prepared->charged_bytes > 0) {
        hg_account_refund(prepared->account, prepared->charged_bytes);
    }
    hg_claims_give_back(&prepared->claims);
}

enum hg_status hg_task_check_wanted(const struct hg_task *task, struct hg_error *error)
{
    if (atomic_load_explicit(&task->cancelled, memory_order_relaxed)) {
        return hg_fail(error, HG_CANCELLED, "cancelled before it ran");
    }
    if (task->deadline_ns != 0 && hg_clock_now_ns() >= task->deadline_ns) {
        return hg_fail(error, HG_DEADLINE_EXCEEDED, "the deadline passed before it ran");
    }
    return HG_OK;
}

void hg_launch_explain(const struct hg_op *op, const struct hg_launch *launch,
                       struct hg_error *error)
{
    if (op->explain == NULL || error->detail == NULL ||
        strcmp(error->detail, HG_DETAIL_OUT_OF_BOUNDS) != 0) {
        return;
    }
    const void *operands[HG_OP_OPERANDS_MAX];
    unsigned count =
        launch->operand_count < HG_OP_OPERANDS_MAX ? launch->operand_count : HG_OP_OPERANDS_MAX;
    for (unsigned i = 0; i < count; i++) {
        operands[i] = launch->operands[i].base;
    }
    op->explain(&launch->program->key, launch->params, operands, count, error);
}

/* A deadline that the client did not give has to be told. */
static void explain_limit(const struct hg_prepared *prepared)
{
    struct hg_error *error = &prepared->task->error;
    if (prepared->limited && error->status == HG_DEADLINE_EXCEEDED) {
        (void)hg_fail(error, HG_DEADLINE_EXCEEDED,
                      "not done after %" PRIu64 " ms (work_ms_max), its waiting included",
                      prepared->engine->options.work_ms_max);
    }
}

void hg_prepared_explain(struct hg_prepared *prepared)
{
    struct hg_task *task = prepared->task;
    if (task->op != NULL && prepared->step_count == 1) {
        hg_launch_explain(task->op, &prepared->launches[0], &task->error);
    }
    explain_limit(prepared);
    (void)hg_error_prefix(&task->error, "%s", prepared->label);
}

void hg_prepared_limit_time(struct hg_prepared *prepared)
{
    prepared->ready_ns = hg_clock_now_ns();
    struct hg_task *task = prepared->task;
    const uint64_t bound_ns = prepared->engine->options.work_ms_max * HG_NS_PER_MS;
    const uint64_t end_ns = prepared->ready_ns + bound_ns;
    prepared->limited = bound_ns != 0 && (task->deadline_ns == 0 || end_ns < task->deadline_ns);
    if (!prepared->limited) {
        return;
    }
    prepared->given_ns = task->deadline_ns;
    task->deadline_ns = end_ns;
    for (uint32_t i = 0; i < prepared->step_count; i++) {
        prepared->launches[i].deadline_ns = end_ns;
    }
}
