/* SPDX-License-Identifier: Apache-2.0 */
/* Work: operations by name and by handle, users' programs, batches. */
#include "daemon/handler.h"
#include "daemon/known.h"
#include "daemon/server.h"

/* Runs on whatever thread ended the task. */
static void task_done_cb(struct hg_task *task)
{
    struct hg_request *request = task->context;
    hg_completion_push(&request->client->server->completions, request);
}

/* What the task of STEP is to fill, if the step's bytes may come again. */
static struct hg_repeat *wanted_repeat(const struct hg_request *request, const struct hg_step *step)
{
    struct hg_known *known = request->client->learns;
    /* Graphs of a batch would be learnt in vain: it is decoded each time. */
    const bool is_call = step->kind == HG_REQUEST_EXECUTE ||
                         step->kind == HG_REQUEST_EXECUTE_PREPARED ||
                         hg_known_is_graph(request->message.step.kind);
    return known != NULL && is_call && request->message.has_wire
               ? hg_known_learn(known, step->kind, step->wire.data, step->wire.size)
               : NULL;
}

static void prepare_task(struct hg_request *request, const struct hg_step *step)
{
    struct hg_task *task = &request->task;
    task->done = task_done_cb;
    task->context = request;
    task->deadline_ns = request->deadline_ns;
    /* A long batch leaves the loop to others: what is over the turn goes to the workers. */
    task->allow_inline =
        request->steps_done == 0 || hg_client_look(request->client) < request->client->turn_end_ns;
    request->graph.output_count = 0;
    request->graph.again = false;
    task->wants_times = request->steps_done % HG_STEPS_PER_TIMED == 0;
    task->repeat = wanted_repeat(request, step);
}

static unsigned operation_row(const struct hg_op *op)
{
    return op != NULL ? (unsigned)(op - hg_op_info((enum hg_op_id)0)) : HG_OP_ID_UNKNOWN;
}

/* Counts an operation, in a batch or alone, by what became of it. */
static void count_operation(struct hg_request *request)
{
    struct hg_metrics *metrics = &request->client->server->metrics;
    const struct hg_task *task = &request->task;
    hg_counter_add_alone(&metrics->operations[operation_row(task->op)][task->error.status], 1);
    if (task->wants_times || task->queue_ns != 0) {
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_LOOKUP], task->lookup_ns);
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_RUN], task->run_ns);
    }
    if (task->build_ns != 0) {
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_BUILD], task->build_ns);
    }
    if (task->queue_ns != 0) {
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_QUEUE], task->queue_ns);
    }
}

/* The outcome of the task becomes that of the request. */
static enum hg_handled end_task(struct hg_request *request)
{
    const struct hg_task *task = &request->task;
    if (task->error.status == HG_FAILED_PRECONDITION) {
        request->reply.error = task->error;
        return HG_HANDLED_BUSY;
    }
    count_operation(request);
    if (task->error.status != HG_OK) {
        request->reply.error = task->error;
        hg_session_graph_failed(request->client->session, &request->graph);
    }
    return HG_HANDLED_DONE;
}

static bool is_graph(const struct hg_step *step)
{
    return step->kind == HG_REQUEST_RUN_GRAPH || step->kind == HG_REQUEST_EVAL;
}

static void reply_execute(struct hg_request *request)
{
    const struct hg_task *task = &request->task;
    if (request->reply.error.status != HG_OK) {
        return;
    }
    const struct hg_execute_reply execute = {
        .cache = task->cache,
        .outcome = task->cache != NULL ? hg_cache_outcome_name(task->outcome) : NULL,
        .queue_ns = task->queue_ns,
        .lookup_ns = task->lookup_ns,
        .build_ns = task->build_ns,
        .run_ns = task->run_ns,
    };
    if (is_graph(&request->message.step)) {
        hg_handle_graph_reply(request, &execute);
        return;
    }
    request->reply.kind = HG_REQUEST_EXECUTE;
    request->reply.execute = execute;
}

static enum hg_submitted submit(struct hg_request *request, const struct hg_step *step)
{
    struct hg_session *session = request->client->session;
    struct hg_task *task = &request->task;
    switch (step->kind) {
    case HG_REQUEST_RUN_GRAPH:
    case HG_REQUEST_EVAL:
        return hg_handle_graph_submit(request, step);
    case HG_REQUEST_EXECUTE:
        return hg_session_execute(session, &step->execute, task);
    case HG_REQUEST_EXECUTE_PREPARED:
        return hg_session_execute_prepared(session, &step->execute_prepared, task);
    default:
        return hg_session_run(session, &step->run, task);
    }
}

/* Submits what hg_handle_execute is for, alone or as a step. */
static enum hg_handled submit_task(struct hg_request *request, const struct hg_step *step)
{
    prepare_task(request, step);
    if (submit(request, step) == HG_TASK_PENDING) {
        return HG_HANDLED_PENDING;
    }
    return end_task(request);
}

enum hg_handled hg_handle_execute(struct hg_request *request, const struct hg_step *step)
{
    const enum hg_handled handled = submit_task(request, step);
    if (handled == HG_HANDLED_DONE) {
        request->ended_ticks = request->task.ended_ticks;
        reply_execute(request);
    }
    return handled;
}

/* Why what follows must not start: cancelled, or too late. */
static bool is_over(struct hg_request *request)
{
    if (request->cancelled) {
        (void)hg_fail(&request->reply.error, HG_CANCELLED, "cancelled");
    } else if (request->deadline_ns != 0 &&
               hg_client_look(request->client) >= request->deadline_ns) {
        (void)hg_fail(&request->reply.error, HG_DEADLINE_EXCEEDED, "deadline passed");
    }
    return request->reply.error.status != HG_OK;
}

/* The task of STEP ended on a worker. A large graph is only planned then: its run follows. */
static enum hg_handled task_ended(struct hg_request *request, const struct hg_step *step)
{
    request->reply.kind = HG_REQUEST_NONE;
    request->reply.error.status = HG_OK;
    if (!request->graph.again) {
        return end_task(request);
    }
    return is_over(request) ? HG_HANDLED_DONE : submit_task(request, step);
}

enum hg_handled hg_handle_execute_ended(struct hg_request *request)
{
    const enum hg_handled handled = task_ended(request, &request->message.step);
    if (handled == HG_HANDLED_DONE) {
        reply_execute(request);
    }
    return handled;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* One step of a batch. Fails without touching the request's own reply. */
static enum hg_handled handle_step(struct hg_request *request, const struct hg_step *step)
{
    switch (step->kind) {
    case HG_REQUEST_EXECUTE:
    case HG_REQUEST_EXECUTE_PREPARED:
    case HG_REQUEST_RUN_PROGRAM:
    case HG_REQUEST_RUN_GRAPH:
    case HG_REQUEST_EVAL:
        return submit_task(request, step);
    case HG_REQUEST_ALLOC: {
        if (step->alloc.spec.pool == HG_POOL_SHARED) {
            return hg_handled_fail(
                request, HG_INVALID_ARGUMENT,
                "alloc: pool: SHARED is no step of a batch: its descriptor needs an answer "
                "of its own");
        }
        const enum hg_handled handled = hg_handle_alloc(request, step);
        request->reply.kind = HG_REQUEST_NONE;
        return handled;
    }
    case HG_REQUEST_FREE:
        return hg_handle_free(request, step);
    case HG_REQUEST_FREEZE:
        return hg_handle_freeze(request, step);
    default:
        return hg_handle_write(request, step);
    }
}

/* The reply of a batch: its status is that of the failed step, named in the text and, bare, in the
 * body. */
static enum hg_handled end_batch(struct hg_request *request)
{
    struct hg_reply *reply = &request->reply;
    const uint32_t completed = request->steps_done;
    reply->kind = HG_REQUEST_BATCH;
    reply->batch.completed = completed;
    reply->batch.failed = reply->error;
    if (reply->error.status != HG_OK) {
        (void)hg_error_prefix(&reply->error, "batch: step %u", completed);
    }
    return hg_handled_done();
}

static enum hg_handled run_batch(struct hg_request *request)
{
    const struct hg_batch_args *batch = &request->message.step.batch;
    while (request->steps_done < batch->count && !is_over(request)) {
        const enum hg_handled handled = handle_step(request, &batch->steps[request->steps_done]);
        if (handled != HG_HANDLED_DONE) {
            return handled;
        }
        if (request->reply.error.status != HG_OK) {
            break;
        }
        request->steps_done++;
    }
    return end_batch(request);
}

enum hg_handled hg_handle_batch(struct hg_request *request, const struct hg_step *step)
{
    if (step->batch.count > request->client->batch_steps_max) {
        (void)hg_fail(&request->reply.error, HG_INVALID_ARGUMENT,
                      "batch: steps: expected at most %u, got %u", request->client->batch_steps_max,
                      step->batch.count);
        return hg_handled_done();
    }
    return run_batch(request);
}

enum hg_handled hg_handle_batch_ended(struct hg_request *request)
{
    const enum hg_handled handled =
        task_ended(request, &request->message.step.batch.steps[request->steps_done]);
    if (handled != HG_HANDLED_DONE) {
        return handled;
    }
    if (request->reply.error.status != HG_OK) {
        return end_batch(request);
    }
    request->steps_done++;
    return run_batch(request);
}

void hg_handle_batch_give_up(struct hg_request *request)
{
    (void)end_batch(request);
}

/* ---- programs and prepared operations -------------------------------------------------------- */

enum hg_handled hg_handle_load(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    if (hg_session_load(request->client->session, step->load.id, step->load.binary.data,
                        step->load.binary.size, &reply->facts, &reply->error) == HG_OK) {
        reply->kind = HG_REQUEST_LOAD_PROGRAM;
    }
    return hg_handled_done();
}

enum hg_handled hg_handle_unload(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_unload(request->client->session, step->id, &request->reply.error);
    return hg_handled_done();
}

enum hg_handled hg_handle_prepare(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    uint64_t handle;
    if (hg_session_prepare(request->client->session, &step->prepare, &handle, &reply->error) ==
        HG_OK) {
        reply->kind = HG_REQUEST_PREPARE;
        reply->handle = handle;
    }
    return hg_handled_done();
}

enum hg_handled hg_handle_unprepare(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_unprepare(request->client->session, step->handle, &request->reply.error);
    return hg_handled_done();
}
