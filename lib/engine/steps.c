/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/engine/precompiled.h"
#include "lib/native/perfmap.h"

/* ---- from a request -------------------------------------------------------------------------- */

/* As much of a client's text as an error shows. */
static int shown(size_t length)
{
    return length < 64 ? (int)length : 64;
}

const struct hg_op *hg_request_find_op(const char *name, size_t length, struct hg_error *error)
{
    const struct hg_op *op = hg_op_find(name, length);
    if (op == NULL) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "there is no operation '%.*s'", shown(length),
                      name);
    }
    return op;
}

enum hg_status hg_request_check_counts(const struct hg_op *op, uint32_t input_count,
                                       uint32_t output_count, struct hg_error *error)
{
    if (input_count != op->inputs || output_count != op->outputs) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%s takes %u inputs and %u outputs, got %u and %u", op->name, op->inputs,
                       op->outputs, input_count, output_count);
    }
    return HG_OK;
}

enum hg_status hg_request_find_buffers(const struct hg_session *session, const struct hg_op *op,
                                       const uint64_t *inputs, const uint64_t *outputs,
                                       struct hg_buffer *buffers[HG_OP_OPERANDS_MAX],
                                       struct hg_claims *claims, struct hg_error *error)
{
    const unsigned count = (unsigned)op->inputs + op->outputs;
    for (unsigned i = 0; i < count; i++) {
        bool writes = i >= op->inputs;
        uint64_t id = writes ? outputs[i - op->inputs] : inputs[i];
        const struct hg_idmap_entry *entry = hg_session_find(session, id, error);
        if (entry == NULL) {
            return hg_error_prefix(error, "%s: %s", op->name, op->operands[i].name);
        }
        if (writes && !entry->flag) {
            return hg_fail(error, HG_PERMISSION_DENIED,
                           "%s: %s: buffer %" PRIu64 " was opened for reading only", op->name,
                           op->operands[i].name, id);
        }
        buffers[i] = entry->value;
        hg_claims_add(claims, buffers[i], id, writes);
    }
    return HG_OK;
}

/* Index of the attribute in the operation's list, or its length. */
static unsigned find_attribute(const struct hg_op *op, const struct hg_named_attribute *attribute)
{
    unsigned i = 0;
    for (; i < op->attribute_count; i++) {
        const char *name = op->attributes[i].name;
        if (strlen(name) == attribute->name_length &&
            memcmp(name, attribute->name, attribute->name_length) == 0) {
            break;
        }
    }
    return i;
}

enum hg_status hg_request_set_attributes(struct hg_op_call *call,
                                         const struct hg_named_attribute *attributes,
                                         uint32_t count, struct hg_error *error)
{
    const struct hg_op *op = call->op;
    call->attributes_given = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct hg_named_attribute *attribute = &attributes[i];
        unsigned index = find_attribute(op, attribute);
        if (index == op->attribute_count) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "%s has no attribute '%.*s'", op->name,
                           shown(attribute->name_length), attribute->name);
        }
        if ((call->attributes_given >> index & 1) != 0) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "%s: attribute '%s' is given twice",
                           op->name, op->attributes[index].name);
        }
        call->attributes_given |= 1u << index;
        call->attribute[index] = attribute->bits;
    }
    return HG_OK;
}

/* ---- to prepared work ------------------------------------------------------------------------ */

static enum hg_status take_temps(struct hg_prepared *prepared, const struct hg_steps *steps,
                                 struct hg_error *error)
{
    for (uint32_t i = 0; i < steps->temp_count; i++) {
        enum hg_status status = hg_prepared_charge(prepared, steps->temp_bytes[i], error);
        if (status != HG_OK) {
            return status;
        }
        /* Not zeroed: a step writes each element before a later one reads it, and no client sees
         * the rest. */
        status = hg_pool_acquire(prepared->engine->pool, HG_POOL_HEAP, steps->temp_bytes[i], true,
                                 &prepared->temps[i], error);
        if (status != HG_OK) {
            return status;
        }
        prepared->temp_count++;
    }
    return HG_OK;
}

/* Binds what STEP touches: operands to the launch's slots, classes to what it may address. */
static void bind_step(const struct hg_prepared *prepared, const struct hg_plan_step *step,
                      struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX], struct hg_launch *launch)
{
    const struct hg_code_facts *facts = &launch->program->facts;
    launch->operand_count = (uint32_t)facts->slot_count + facts->handle_count;
    HG_REQUIRE(launch->operand_count <= step->operand_count);
    for (uint32_t i = 0; i < step->operand_count; i++) {
        unsigned index = step->operand[i];
        struct hg_operand operand = {.writable = step->writes[i]};
        if (index >= HG_PLAN_TEMP) {
            const struct hg_block *temp = &prepared->temps[index - HG_PLAN_TEMP];
            operand.base = temp->base;
            operand.bytes = temp->bytes;
        } else {
            const struct hg_buffer *buffer = buffers[index];
            int class_index = hg_buffer_class(buffer);
            operand.base = buffer->block.base;
            operand.bytes = buffer->bytes;
            if (class_index >= 0) {
                launch->boundary_classes[class_index / 64] |= UINT64_C(1) << (class_index % 64);
                launch->first_class = i == 0 ? class_index : launch->first_class;
            }
        }
        if (i < launch->operand_count) {
            launch->operands[i] = operand;
        }
    }
    memcpy(launch->params, step->params, sizeof launch->params);
}

/* What profilers call the code of KEY's program: "gelu.f32 loop". */
static void name_code(const struct hg_key *key, const struct hg_program *program,
                      enum hg_fp_mode mode)
{
    static const char *const forms[HG_PROGRAM_FORM_COUNT] = {"", " loop", " phi", " loop phi"};
    char name[64];
    (void)snprintf(name, sizeof name, "hologram:%s.%s%s",
                   hg_cache_name((enum hg_cache_id)key->cache),
                   hg_dtype_name((enum hg_dtype)key->type[0]), forms[key->form]);
    hg_exec_name(program, mode, name);
}

void hg_program_ready(const struct hg_engine *engine, const struct hg_key *key,
                      const struct hg_program *program)
{
    const struct hg_engine_options *options = &engine->options;
    hg_exec_prepare(program, options->executor, options->fp_mode);
    if (options->executor == HG_EXECUTOR_NATIVE && hg_perf_map_is_open()) {
        name_code(key, program, options->fp_mode);
    }
}

struct op_build {
    const struct hg_engine *engine;
    bool precompiled; /* written: the program was there from the start */
};

static enum hg_status build_op(const struct hg_key *key, void *context, struct hg_program **program,
                               struct hg_error *error)
{
    struct op_build *build = context;
    enum hg_status status = hg_precompiled_make(key, program, error);
    build->precompiled = status == HG_OK && *program != NULL;
    if (status == HG_OK && !build->precompiled) {
        status = hg_op_build(key, program, error);
    }
    if (status == HG_OK) {
        hg_program_ready(build->engine, key, *program);
    }
    return status;
}

enum hg_status hg_program_borrow(struct hg_engine *engine, const struct hg_key *key,
                                 struct hg_cache_handle *handle, struct hg_cache_loan *loan,
                                 struct hg_cache_result *result, struct hg_error *error)
{
    struct hg_cache_loan lent = handle != NULL ? hg_cache_lend_handle(engine->cache, handle)
                                               : hg_cache_lend(engine->cache, key);
    if (lent.program != NULL) {
        *loan = lent;
        hg_cache_fill_hit(result);
        return HG_OK;
    }
    /* Also meanwhile: an operation's program is built in a microsecond or two, and whoever waits
     * for another thread's sleeps and is woken, which takes tens. */
    struct op_build build = {.engine = engine};
    enum hg_status status = hg_cache_borrow_missing(engine->cache, key, build_op, build_op, &build,
                                                    loan, result, error);
    if (build.precompiled && result->outcome == HG_CACHE_BUILD) {
        result->outcome = HG_CACHE_PRECOMPILED;
        atomic_fetch_add_explicit(&engine->precompiled, 1, memory_order_relaxed);
    }
    return status;
}

/* Finds or builds each step's program and prepares its launch. */
static enum hg_status prepare_steps(struct hg_prepared *prepared, const struct hg_steps *steps,
                                    struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX],
                                    struct hg_error *error)
{
    struct hg_task *task = prepared->task;
    uint64_t start_ticks = hg_task_ticks(task);
    uint64_t scratch_max = 0;
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct hg_plan_step *step = &steps->items[i];
        struct hg_cache_handle *handle = steps->handles != NULL ? &steps->handles[i] : NULL;
        struct hg_cache_loan loan;
        struct hg_cache_result result;
        enum hg_status status =
            hg_program_borrow(prepared->engine, &step->key, handle, &loan, &result, error);
        if (status != HG_OK) {
            return status;
        }
        struct hg_launch *launch;
        hg_prepared_add_step(prepared, loan, &launch);
        bind_step(prepared, step, buffers, launch);
        uint64_t scratch = hg_exec_scratch_bytes(loan.program, step->params[HG_PARAM_ROWS],
                                                 step->params[HG_PARAM_COLS]);
        scratch_max = scratch > scratch_max ? scratch : scratch_max;
        task->build_ns += result.build_ns;
        if (i == 0) {
            task->outcome = result.outcome;
        }
    }
    prepared->ready_ticks = hg_task_ticks(task);
    uint64_t prepare_ns = hg_clock_ticks_ns(start_ticks, prepared->ready_ticks);
    task->lookup_ns = prepare_ns > task->build_ns ? prepare_ns - task->build_ns : 0;
    return scratch_max == 0 ? HG_OK : hg_prepared_charge(prepared, scratch_max, error);
}

enum hg_status hg_steps_prepare(struct hg_prepared *prepared, const struct hg_op *op,
                                const struct hg_steps *steps,
                                struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX],
                                struct hg_error *error)
{
    prepared->label = op->name;
    prepared->task->cache =
        hg_cache_name(steps->count > 0 ? (enum hg_cache_id)steps->items[0].key.cache : op->cache);
    enum hg_status status = hg_claims_begin(&prepared->claims, error);
    if (status == HG_OK && steps->temp_count > 0) {
        status = take_temps(prepared, steps, error);
    }
    if (status == HG_OK) {
        status = prepare_steps(prepared, steps, buffers, error);
    }
    if (status != HG_OK) {
        return hg_error_prefix(error, "%s", op->name);
    }
    if (prepared->repeat != NULL && steps->count == 1) {
        prepared->op = op;
        prepared->key = steps->items[0].key;
    }
    return HG_OK;
}
