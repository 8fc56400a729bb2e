/* SPDX-License-Identifier: Apache-2.0 */
/* Operations by name: from a request to a call, its plan, and on to work. */
#include "lib/engine/again.h"
#include "lib/engine/memo.h"
#include "lib/engine/recent.h"
#include "lib/engine/steps.h"

/* Fills BUFFERS, and CALL, which is large, but for its operands, as far as they will be used. */
static enum hg_status resolve(const struct hg_session *session,
                              const struct hg_execute_request *request, struct hg_op_call *call,
                              struct hg_buffer *buffers[HG_OP_OPERANDS_MAX],
                              struct hg_claims *claims, struct hg_error *error)
{
    call->op = hg_request_find_op(request->op, request->op_length, error);
    if (call->op == NULL) {
        return HG_INVALID_ARGUMENT;
    }
    call->policy = session->engine->policy;
    enum hg_status status =
        hg_request_check_counts(call->op, request->input_count, request->output_count, error);
    if (status == HG_OK) {
        status = hg_request_find_buffers(session, call->op, request->inputs, request->outputs,
                                         buffers, claims, error);
    }
    return status == HG_OK ? hg_request_set_attributes(call, request->attributes,
                                                       request->attribute_count, error)
                           : status;
}

/* The steps of CALL, whose operands it sets if it has to plan: those of a call like it, or in PLAN.
 */
static enum hg_status find_steps(struct hg_session *session, struct hg_op_call *call,
                                 struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX],
                                 struct hg_plan *plan, struct hg_steps *steps,
                                 struct hg_error *error)
{
    const uint64_t fingerprint = hg_recent_fingerprint(call, buffers);
    const struct hg_memo *memo = hg_recent_find(&session->recent, fingerprint, call, buffers);
    if (memo != NULL) {
        *steps = hg_memo_steps(memo);
        return HG_OK;
    }
    hg_request_set_operands(call, buffers);
    const enum hg_status status = hg_op_plan(call, plan, error);
    if (status == HG_OK) {
        hg_recent_note(&session->recent, fingerprint, session->engine->cache, call, plan);
        *steps = hg_steps_of_plan(plan);
    }
    return status;
}

/* Prepares CALL to run. False if there is nothing to run: it failed, which is in the task's error,
 * or there are no elements. */
static bool prepare_call(struct hg_session *session, struct hg_prepared *prepared,
                         struct hg_op_call *call,
                         struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX])
{
    struct hg_error *error = &prepared->task->error;
    struct hg_plan plan; /* large, and filled only as far as it is used */
    struct hg_steps steps;
    return find_steps(session, call, buffers, &plan, &steps, error) == HG_OK &&
           hg_steps_prepare(prepared, call->op, &steps, buffers, error) == HG_OK && steps.count > 0;
}

static enum hg_submitted execute(struct hg_session *session, const void *context,
                                 struct hg_repeat *repeat, struct hg_task *task)
{
    const struct hg_execute_request *request = context;
    struct hg_prepared prepared;
    struct hg_launch launches[HG_PLAN_STEPS_MAX];
    struct hg_buffer *buffers[HG_OP_OPERANDS_MAX];
    struct hg_op_call call;

    hg_task_begin(task);
    hg_prepared_init(&prepared, session, task, launches);
    prepared.repeat = repeat;
    const enum hg_status status =
        resolve(session, request, &call, buffers, &prepared.claims, &task->error);
    task->op = call.op;
    if (status != HG_OK) {
        return HG_TASK_DONE;
    }
    if (!prepare_call(session, &prepared, &call, buffers)) {
        hg_prepared_fini(&prepared);
        return HG_TASK_DONE;
    }
    return hg_work_start(&prepared);
}

enum hg_submitted hg_session_execute(struct hg_session *session,
                                     const struct hg_execute_request *request, struct hg_task *task)
{
    const struct hg_again_call call = {0, *request};
    return hg_again_execute(session, &call, execute, request, task);
}
