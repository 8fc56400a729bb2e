/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that work with buffers, alone and as steps of a batch. */
#include "daemon/codec_work.h"

#include <string.h>

#include "daemon/codec_graph.h"
#include "proto/hologram/v1/hologram.pb-c.h"

static enum hg_status out_of_arena(struct hg_error *error)
{
    return hg_fail(error, HG_RESOURCE_EXHAUSTED, "request: out of memory");
}

static enum hg_status convert_dtype(const char *what, Hologram__V1__DType wire,
                                    enum hg_dtype *dtype, struct hg_error *error)
{
    if (wire == HOLOGRAM__V1__DTYPE__DTYPE_UNSPECIFIED) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%s: dtype: expected one, got none", what);
    }
    if ((int)wire < 0 || (int)wire > HG_DTYPE_COUNT) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%s: dtype: expected 1 to %d, got %d", what,
                       HG_DTYPE_COUNT, (int)wire);
    }
    *dtype = (enum hg_dtype)((int)wire - 1);
    return HG_OK;
}

static enum hg_status convert_shape(const char *what, const uint64_t *shape, size_t count,
                                    struct hg_buffer_spec *spec, struct hg_error *error)
{
    if (count > HG_RANK_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%s: shape: expected at most %d dimensions, got %zu", what, HG_RANK_MAX,
                       count);
    }
    spec->rank = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        spec->shape[i] = shape[i];
    }
    return HG_OK;
}

static enum hg_status convert_pool(Hologram__V1__Pool wire, enum hg_pool_kind *pool,
                                   struct hg_error *error)
{
    switch (wire) {
    case HOLOGRAM__V1__POOL__POOL_UNSPECIFIED:
    case HOLOGRAM__V1__POOL__HEAP:
        *pool = HG_POOL_HEAP;
        return HG_OK;
    case HOLOGRAM__V1__POOL__BOUNDARY:
        *pool = HG_POOL_BOUNDARY;
        return HG_OK;
    case HOLOGRAM__V1__POOL__SHARED:
        *pool = HG_POOL_SHARED;
        return HG_OK;
    default:
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "alloc: pool: expected HEAP, BOUNDARY or SHARED, got %d", (int)wire);
    }
}

static enum hg_status convert_alloc(const Hologram__V1__Alloc *wire, struct hg_alloc_args *args,
                                    struct hg_error *error)
{
    args->id = wire->id;
    args->spec = (struct hg_buffer_spec){.pool = HG_POOL_HEAP};
    if (convert_dtype("alloc", wire->dtype, &args->spec.dtype, error) != HG_OK ||
        convert_shape("alloc", wire->shape, wire->n_shape, &args->spec, error) != HG_OK ||
        convert_pool(wire->pool, &args->spec.pool, error) != HG_OK) {
        return error->status;
    }
    args->spec.boundary_fallback =
        wire->boundary_fallback == HOLOGRAM__V1__BOUNDARY_FALLBACK__FALLBACK_HEAP;
    return HG_OK;
}

static enum hg_status convert_adopt(const Hologram__V1__Adopt *wire, struct hg_alloc_args *args,
                                    struct hg_error *error)
{
    args->id = wire->id;
    args->spec = (struct hg_buffer_spec){.pool = HG_POOL_SHARED};
    if (convert_dtype("adopt", wire->dtype, &args->spec.dtype, error) != HG_OK) {
        return error->status;
    }
    return convert_shape("adopt", wire->shape, wire->n_shape, &args->spec, error);
}

/* Gives *ATTRIBUTES, NULL if there are none. */
static enum hg_status convert_attributes(Hologram__V1__Attribute *const *wire, size_t count,
                                         struct hg_arena *arena,
                                         const struct hg_named_attribute **attributes,
                                         struct hg_error *error)
{
    struct hg_named_attribute *items = NULL;
    if (count != 0) {
        items = hg_arena_alloc(arena, count * sizeof(*items));
        if (items == NULL) {
            return out_of_arena(error);
        }
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct hg_named_attribute){
            .name = wire[i]->name,
            .name_length = strlen(wire[i]->name),
            .bits = wire[i]->bits,
        };
    }
    *attributes = items;
    return HG_OK;
}

/* Ids and attributes beyond any operation's are refused by the engine, which names the op. */
static enum hg_status convert_execute(const Hologram__V1__Execute *wire, struct hg_arena *arena,
                                      struct hg_execute_request *request, struct hg_error *error)
{
    const struct hg_named_attribute *attributes;
    if (convert_attributes(wire->attributes, wire->n_attributes, arena, &attributes, error) !=
        HG_OK) {
        return error->status;
    }
    *request = (struct hg_execute_request){
        .op = wire->op,
        .op_length = strlen(wire->op),
        .inputs = wire->inputs,
        .input_count = (uint32_t)wire->n_inputs,
        .outputs = wire->outputs,
        .output_count = (uint32_t)wire->n_outputs,
        .attributes = attributes,
        .attribute_count = (uint32_t)wire->n_attributes,
    };
    return HG_OK;
}

static enum hg_status convert_pattern(const Hologram__V1__OperandPattern *wire,
                                      struct hg_operand_pattern *pattern, struct hg_error *error)
{
    struct hg_buffer_spec spec = {.rank = 0};
    if (convert_dtype("prepare", wire->dtype, &spec.dtype, error) != HG_OK ||
        convert_shape("prepare", wire->shape, wire->n_shape, &spec, error) != HG_OK) {
        return error->status;
    }
    *pattern = (struct hg_operand_pattern){
        .dtype = spec.dtype, .has_shape = wire->has_shape != 0, .rank = spec.rank};
    memcpy(pattern->shape, spec.shape, sizeof(pattern->shape));
    return HG_OK;
}

static enum hg_status convert_prepare(const Hologram__V1__Prepare *wire, struct hg_arena *arena,
                                      struct hg_prepare_request *request, struct hg_error *error)
{
    const struct hg_named_attribute *attributes;
    /* One more than none: an operation without operands is for the engine to refuse. */
    struct hg_operand_pattern *operands =
        hg_arena_alloc(arena, (wire->n_operands + 1) * sizeof(*operands));
    if (operands == NULL) {
        return out_of_arena(error);
    }
    for (size_t i = 0; i < wire->n_operands; i++) {
        if (convert_pattern(wire->operands[i], &operands[i], error) != HG_OK) {
            return error->status;
        }
    }
    if (convert_attributes(wire->attributes, wire->n_attributes, arena, &attributes, error) !=
        HG_OK) {
        return error->status;
    }
    *request = (struct hg_prepare_request){
        .op = wire->op,
        .op_length = strlen(wire->op),
        .operands = operands,
        .operand_count = (uint32_t)wire->n_operands,
        .attributes = attributes,
        .attribute_count = (uint32_t)wire->n_attributes,
    };
    return HG_OK;
}

static struct hg_execute_prepared_request
convert_execute_prepared(const Hologram__V1__ExecutePrepared *wire)
{
    return (struct hg_execute_prepared_request){
        .handle = wire->handle,
        .inputs = wire->inputs,
        .input_count = (uint32_t)wire->n_inputs,
        .outputs = wire->outputs,
        .output_count = (uint32_t)wire->n_outputs,
    };
}

static struct hg_write_args convert_write(const Hologram__V1__Write *wire)
{
    return (struct hg_write_args){
        .id = wire->id, .offset = wire->offset, .data = {wire->data.data, wire->data.len}};
}

static struct hg_run_request convert_run(const Hologram__V1__RunProgram *wire)
{
    return (struct hg_run_request){
        .program = wire->id,
        .buffers = wire->buffers,
        .buffer_count = (uint32_t)wire->n_buffers,
        .rows = wire->rows,
        .cols = wire->cols,
        .params = wire->params,
        .param_count = (uint32_t)wire->n_params,
        .fuel = wire->fuel,
    };
}

static enum hg_status convert_step(const Hologram__V1__Step *wire, struct hg_arena *arena,
                                   struct hg_step *step, struct hg_error *error)
{
    switch (wire->body_case) {
    case HOLOGRAM__V1__STEP__BODY_ALLOC:
        step->kind = HG_REQUEST_ALLOC;
        return convert_alloc(wire->alloc, &step->alloc, error);
    case HOLOGRAM__V1__STEP__BODY_FREE:
        step->kind = HG_REQUEST_FREE;
        step->free = (struct hg_free_args){wire->free->ids, wire->free->n_ids};
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_FREEZE:
        step->kind = HG_REQUEST_FREEZE;
        step->free = (struct hg_free_args){wire->freeze->ids, wire->freeze->n_ids};
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_WRITE:
        step->kind = HG_REQUEST_WRITE;
        step->write = convert_write(wire->write);
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_EXECUTE:
        step->kind = HG_REQUEST_EXECUTE;
        return convert_execute(wire->execute, arena, &step->execute, error);
    case HOLOGRAM__V1__STEP__BODY_RUN_PROGRAM:
        step->kind = HG_REQUEST_RUN_PROGRAM;
        step->run = convert_run(wire->run_program);
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_EXECUTE_PREPARED:
        step->kind = HG_REQUEST_EXECUTE_PREPARED;
        step->execute_prepared = convert_execute_prepared(wire->execute_prepared);
        return HG_OK;
    case HOLOGRAM__V1__STEP__BODY_RUN_GRAPH:
        return hg_codec_convert_run_graph(wire->run_graph, arena, step, error);
    case HOLOGRAM__V1__STEP__BODY_EVAL:
        return hg_codec_convert_eval(wire->eval, arena, step, error);
    default:
        return hg_fail(error, HG_UNIMPLEMENTED, "no body that this server knows");
    }
}

static enum hg_status convert_batch(const Hologram__V1__Batch *wire, struct hg_arena *arena,
                                    struct hg_batch_args *batch, struct hg_error *error)
{
    struct hg_step *steps = hg_arena_alloc(arena, wire->n_steps * sizeof(*steps));
    if (steps == NULL) {
        return out_of_arena(error);
    }
    for (size_t i = 0; i < wire->n_steps; i++) {
        if (convert_step(wire->steps[i], arena, &steps[i], error) != HG_OK) {
            return hg_error_prefix(error, "batch: step %zu", i);
        }
    }
    *batch = (struct hg_batch_args){steps, (uint32_t)wire->n_steps};
    return HG_OK;
}

enum hg_status hg_codec_convert_work(const Hologram__V1__Request *wire, struct hg_arena *arena,
                                     struct hg_step *step, struct hg_error *error)
{
    switch (wire->body_case) {
    case HOLOGRAM__V1__REQUEST__BODY_ALLOC:
        step->kind = HG_REQUEST_ALLOC;
        return convert_alloc(wire->alloc, &step->alloc, error);
    case HOLOGRAM__V1__REQUEST__BODY_ADOPT:
        step->kind = HG_REQUEST_ADOPT;
        return convert_adopt(wire->adopt, &step->alloc, error);
    case HOLOGRAM__V1__REQUEST__BODY_FREE:
        step->kind = HG_REQUEST_FREE;
        step->free = (struct hg_free_args){wire->free->ids, wire->free->n_ids};
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_WRITE:
        step->kind = HG_REQUEST_WRITE;
        step->write = convert_write(wire->write);
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_EXECUTE:
        step->kind = HG_REQUEST_EXECUTE;
        return convert_execute(wire->execute, arena, &step->execute, error);
    case HOLOGRAM__V1__REQUEST__BODY_RUN_PROGRAM:
        step->kind = HG_REQUEST_RUN_PROGRAM;
        step->run = convert_run(wire->run_program);
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_EXECUTE_PREPARED:
        step->kind = HG_REQUEST_EXECUTE_PREPARED;
        step->execute_prepared = convert_execute_prepared(wire->execute_prepared);
        return HG_OK;
    case HOLOGRAM__V1__REQUEST__BODY_PREPARE:
        step->kind = HG_REQUEST_PREPARE;
        return convert_prepare(wire->prepare, arena, &step->prepare, error);
    case HOLOGRAM__V1__REQUEST__BODY_BATCH:
        step->kind = HG_REQUEST_BATCH;
        return convert_batch(wire->batch, arena, &step->batch, error);
    default:
        return hg_codec_convert_graph(wire, arena, step, error);
    }
}
