/* SPDX-License-Identifier: Apache-2.0 */
/* Operations by name: from a request to a call, its plan, and on to work. */
#include "lib/engine/steps.h"

/* Fills CALL and BUFFERS, which are large, as far as they will be used. */
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
    if (status == HG_OK) {
        hg_request_set_operands(call, buffers);
        status =
            hg_request_set_attributes(call, request->attributes, request->attribute_count, error);
    }
    return status;
}

/* Plans CALL and prepares it to run. False if there is nothing to run: it failed, which is in the
 * task's error, or there are no elements. */
static bool prepare_call(struct hg_prepared *prepared, const struct hg_op_call *call,
                         struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX])
{
    struct hg_error *error = &prepared->task->error;
    struct hg_plan plan; /* large, and filled only as far as it is used */
    if (hg_op_plan(call, &plan, error) != HG_OK) {
        return false;
    }
    const struct hg_steps steps = hg_steps_of_plan(&plan);
    return hg_steps_prepare(prepared, call->op, &steps, buffers, error) == HG_OK && steps.count > 0;
}

enum hg_submitted hg_session_execute(struct hg_session *session,
                                     const struct hg_execute_request *request, struct hg_task *task)
{
    struct hg_prepared prepared;
    struct hg_launch launches[HG_PLAN_STEPS_MAX];
    struct hg_buffer *buffers[HG_OP_OPERANDS_MAX];
    struct hg_op_call call;

    hg_task_begin(task);
    hg_prepared_init(&prepared, session, task, launches);
    const enum hg_status status =
        resolve(session, request, &call, buffers, &prepared.claims, &task->error);
    task->op = call.op;
    if (status != HG_OK) {
        return HG_TASK_DONE;
    }
    if (!prepare_call(&prepared, &call, buffers)) {
        hg_prepared_fini(&prepared);
        return HG_TASK_DONE;
    }
    return hg_work_start(&prepared);
}
