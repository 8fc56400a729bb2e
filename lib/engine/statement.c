/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared operations. A statement keeps its call with attributes checked, and the plan of its last
 * execution with what that plan depends on; the next execution uses it again where nothing of that
 * has changed, and plans anew where something has.
 */
#include "lib/engine/statement.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/again.h"
#include "lib/engine/memo.h"
#include "lib/engine/steps.h"

#define SLOTS_MIN 16

struct hg_statement {
    struct hg_memo memo; /* of the last execution */
};

/* ---- handles --------------------------------------------------------------------------------- */

static uint64_t handle_of(const struct hg_statements *statements, uint32_t index)
{
    return (uint64_t)statements->slots[index].generation << 32 | (index + 1);
}

/* NULL after filling ERROR. */
static struct hg_statement_slot *find_slot(const struct hg_statements *statements, uint64_t handle,
                                           struct hg_error *error)
{
    uint64_t index = (handle & UINT32_MAX) - 1;
    if (index < statements->capacity) {
        struct hg_statement_slot *slot = &statements->slots[index];
        if (slot->statement != NULL && slot->generation == handle >> 32) {
            return slot;
        }
    }
    (void)hg_fail_detail(error, HG_NOT_FOUND, HG_DETAIL_NOT_PREPARED,
                         "no prepared operation has handle %#" PRIx64, handle);
    return NULL;
}

static bool reserve_slot(struct hg_statements *statements)
{
    if (statements->count < statements->capacity) {
        return true;
    }
    uint32_t capacity = statements->capacity == 0 ? SLOTS_MIN : statements->capacity * 2;
    struct hg_statement_slot *slots =
        hg_realloc(HG_TAG_SESSION, statements->slots, capacity * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = statements->capacity; i < capacity; i++) {
        slots[i] = (struct hg_statement_slot){.generation = 1};
    }
    statements->slots = slots;
    statements->capacity = capacity;
    return true;
}

/* There is a free slot. */
static uint64_t keep(struct hg_statements *statements, struct hg_statement *statement)
{
    uint32_t index = statements->first_free;
    while (statements->slots[index].statement != NULL) {
        index++;
    }
    statements->slots[index].statement = statement;
    statements->first_free = index + 1;
    statements->count++;
    return handle_of(statements, index);
}

static void destroy(struct hg_statement *statement)
{
    hg_memo_fini(&statement->memo);
    hg_free(HG_TAG_SESSION, statement);
}

void hg_statements_fini(struct hg_statements *statements)
{
    for (uint32_t i = 0; i < statements->capacity; i++) {
        if (statements->slots[i].statement != NULL) {
            destroy(statements->slots[i].statement);
        }
    }
    hg_free(HG_TAG_SESSION, statements->slots);
    *statements = (struct hg_statements){0};
}

enum hg_status hg_session_unprepare(struct hg_session *session, uint64_t handle,
                                    struct hg_error *error)
{
    struct hg_statements *statements = &session->statements;
    struct hg_statement_slot *slot = find_slot(statements, handle, error);
    if (slot == NULL) {
        return HG_NOT_FOUND;
    }
    uint32_t index = (uint32_t)(slot - statements->slots);
    destroy(slot->statement);
    slot->statement = NULL;
    /* After 2^32 times a slot starts over, but no handle is 0. */
    slot->generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
    session->forgotten++;
    statements->count--;
    statements->first_free = index < statements->first_free ? index : statements->first_free;
    return HG_OK;
}

/* ---- the plan that is kept ------------------------------------------------------------------- */

static enum hg_status check_types(const struct hg_statement *statement,
                                  struct hg_buffer *const buffers[], struct hg_error *error)
{
    const struct hg_op_call *call = &statement->memo.call;
    for (unsigned i = 0; i < call->operand_count; i++) {
        enum hg_dtype type = buffers[i]->operand.type;
        if (type != call->operands[i].type) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "%s: %s: it was prepared for %s, got %s",
                           call->op->name, call->op->operands[i].name,
                           hg_dtype_name(call->operands[i].type), hg_dtype_name(type));
        }
    }
    return HG_OK;
}

/* Plans for BUFFERS into PLAN and keeps it. What is remembered is always for the operands that the
 * call holds: nothing is, while these change. */
static enum hg_status plan_anew(const struct hg_engine *engine, struct hg_statement *statement,
                                struct hg_buffer *const buffers[], struct hg_plan *plan,
                                struct hg_error *error)
{
    enum hg_status status = check_types(statement, buffers, error);
    if (status != HG_OK) {
        return status;
    }
    statement->memo.is_valid = false;
    hg_request_set_operands(&statement->memo.call, buffers);
    status = hg_op_plan(&statement->memo.call, plan, error);
    if (status == HG_OK) {
        hg_memo_keep(&statement->memo, engine->cache, plan);
    }
    return status;
}

/* The steps for BUFFERS, remembered or in PLAN. */
static enum hg_status find_steps(const struct hg_engine *engine, struct hg_statement *statement,
                                 struct hg_buffer *const buffers[], struct hg_plan *plan,
                                 struct hg_steps *steps, struct hg_error *error)
{
    if (hg_memo_fits(&statement->memo, buffers)) {
        *steps = hg_memo_steps(&statement->memo);
        return HG_OK;
    }
    enum hg_status status = plan_anew(engine, statement, buffers, plan, error);
    *steps = hg_steps_of_plan(plan);
    return status;
}

/* ---- preparing ------------------------------------------------------------------------------- */

/* Operands that have no memory yet are planned as if they lay this far apart, so none overlap. */
#define APART_BYTES ((uint64_t)1 << 56)

/* Elements of PATTERN's shape; false where they would need APART_BYTES. */
static bool count_elements(const struct hg_operand_pattern *pattern, uint64_t *elements)
{
    uint64_t bytes = hg_dtype_bytes(pattern->dtype);
    bool fits = true;
    bool empty = false;
    for (unsigned i = 0; i < pattern->rank; i++) {
        empty |= pattern->shape[i] == 0;
        fits = fits && hg_mul_u64(bytes, pattern->shape[i], &bytes) && bytes < APART_BYTES;
    }
    *elements = empty ? 0 : bytes / hg_dtype_bytes(pattern->dtype);
    return fits || empty;
}

/* Operand number INDEX as PATTERN describes it. */
static enum hg_status set_operand(const struct hg_operand_pattern *pattern, unsigned index,
                                  struct hg_op_operand *operand, struct hg_error *error)
{
    uint64_t elements;
    if ((unsigned)pattern->dtype >= HG_DTYPE_COUNT) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "unknown type %u", (unsigned)pattern->dtype);
    }
    if (pattern->rank > HG_RANK_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "rank %u is above the limit of %d",
                       pattern->rank, HG_RANK_MAX);
    }
    if (!count_elements(pattern, &elements)) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "the product of the shape overflows");
    }
    *operand = (struct hg_op_operand){.type = pattern->dtype,
                                      .rank = pattern->rank,
                                      .elements = elements,
                                      .base = (const void *)(uintptr_t)(APART_BYTES * (index + 1)),
                                      .boundary_class = -1};
    memcpy(operand->shape, pattern->shape, pattern->rank * sizeof pattern->shape[0]);
    return HG_OK;
}

static enum hg_status set_call(const struct hg_session *session,
                               const struct hg_prepare_request *request, struct hg_op_call *call,
                               bool *all_shapes, struct hg_error *error)
{
    call->op = hg_request_find_op(request->op, request->op_length, error);
    if (call->op == NULL) {
        return HG_INVALID_ARGUMENT;
    }
    const struct hg_op *op = call->op;
    call->policy = session->engine->policy;
    call->operand_count = (uint8_t)(op->inputs + op->outputs);
    if (request->operand_count != call->operand_count) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%s takes %u operands, inputs and outputs together, got %u", op->name,
                       call->operand_count, request->operand_count);
    }
    *all_shapes = true;
    for (unsigned i = 0; i < call->operand_count; i++) {
        enum hg_status status = set_operand(&request->operands[i], i, &call->operands[i], error);
        if (status != HG_OK) {
            return hg_error_prefix(error, "%s: %s", op->name, op->operands[i].name);
        }
        *all_shapes &= request->operands[i].has_shape;
    }
    enum hg_status status =
        hg_request_set_attributes(call, request->attributes, request->attribute_count, error);
    return status == HG_OK ? hg_op_check(call, error) : status;
}

/* Checks the whole call and has its programs built. */
static enum hg_status warm(struct hg_session *session, const struct hg_op_call *call,
                           struct hg_error *error)
{
    struct hg_plan plan;
    enum hg_status status = hg_op_plan(call, &plan, error);
    /* Programs that bake handles are other ones for each buffer. */
    uint32_t count = status == HG_OK && !call->policy.specialize_full ? plan.step_count : 0;
    for (uint32_t i = 0; i < count && status == HG_OK; i++) {
        struct hg_cache_loan loan;
        struct hg_cache_result result;
        status =
            hg_program_borrow(session->engine, &plan.steps[i].key, NULL, &loan, &result, error);
        if (status == HG_OK) {
            hg_cache_return(&loan);
        }
    }
    return status;
}

static enum hg_status check_room(struct hg_session *session, struct hg_error *error)
{
    if (session->statements.count >= session->options.prepared_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "the session may have %u prepared operations",
                       session->options.prepared_max);
    }
    return reserve_slot(&session->statements)
               ? HG_OK
               : hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
}

enum hg_status hg_session_prepare(struct hg_session *session,
                                  const struct hg_prepare_request *request, uint64_t *handle,
                                  struct hg_error *error)
{
    enum hg_status status = check_room(session, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_statement *statement = hg_calloc(HG_TAG_SESSION, 1, sizeof *statement);
    if (statement == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    bool all_shapes = false;
    status = set_call(session, request, &statement->memo.call, &all_shapes, error);
    if (status == HG_OK && all_shapes) {
        status = warm(session, &statement->memo.call, error);
    }
    if (status != HG_OK) {
        destroy(statement);
        return status;
    }
    *handle = keep(&session->statements, statement);
    return HG_OK;
}

/* ---- executing ------------------------------------------------------------------------------- */

static enum hg_status prepare_work(struct hg_session *session,
                                   const struct hg_execute_prepared_request *request,
                                   struct hg_prepared *prepared, struct hg_error *error)
{
    const struct hg_statement_slot *slot = find_slot(&session->statements, request->handle, error);
    if (slot == NULL) {
        return HG_NOT_FOUND;
    }
    const struct hg_op *op = slot->statement->memo.call.op;
    prepared->task->op = op;
    struct hg_buffer *buffers[HG_OP_OPERANDS_MAX];
    enum hg_status status =
        hg_request_check_counts(op, request->input_count, request->output_count, error);
    if (status == HG_OK) {
        status = hg_request_find_buffers(session, op, request->inputs, request->outputs, buffers,
                                         &prepared->claims, error);
    }
    struct hg_plan plan; /* large, and usually not used */
    struct hg_steps steps;
    if (status == HG_OK) {
        status = find_steps(session->engine, slot->statement, buffers, &plan, &steps, error);
    }
    return status == HG_OK ? hg_steps_prepare(prepared, op, &steps, buffers, error) : status;
}

static enum hg_submitted execute(struct hg_session *session, const void *context,
                                 struct hg_repeat *repeat, struct hg_task *task)
{
    const struct hg_execute_prepared_request *request = context;
    struct hg_prepared prepared;
    struct hg_launch launches[HG_PLAN_STEPS_MAX];
    hg_task_begin(task);
    hg_prepared_init(&prepared, session, task, launches);
    prepared.repeat = repeat;
    if (prepare_work(session, request, &prepared, &task->error) != HG_OK ||
        prepared.step_count == 0) {
        hg_prepared_fini(&prepared);
        return HG_TASK_DONE;
    }
    return hg_work_start(&prepared);
}

enum hg_submitted hg_session_execute_prepared(struct hg_session *session,
                                              const struct hg_execute_prepared_request *request,
                                              struct hg_task *task)
{
    const struct hg_again_call call = {request->handle,
                                       {.inputs = request->inputs,
                                        .input_count = request->input_count,
                                        .outputs = request->outputs,
                                        .output_count = request->output_count}};
    return hg_again_execute(session, &call, execute, request, task);
}
