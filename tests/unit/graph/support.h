/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of graphs share: texts run on tensors, fused and not, and an oracle beside them. */
#ifndef HG_TESTS_UNIT_GRAPH_SUPPORT_H
#define HG_TESTS_UNIT_GRAPH_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/exec/exec.h"
#include "lib/graph/language.h"
#include "lib/graph/plan.h"

#define INPUTS_MAX 16

struct tensor {
    struct hg_graph_binding binding;
    uint64_t elements;
    void *data;
};

static inline struct tensor tensor_new(enum hg_dtype type, uint8_t rank, const uint64_t *sizes)
{
    struct tensor tensor = {.binding = {.type = type, .shape = {.rank = rank}}};
    for (unsigned i = 0; i < rank; i++) {
        tensor.binding.shape.size[i] = sizes[i];
    }
    assert_true(hg_ir_elements(&tensor.binding.shape, &tensor.elements));
    /* One element more, so that nothing is an empty allocation. */
    tensor.data = calloc(tensor.elements + 1, hg_dtype_bytes(type));
    assert_non_null(tensor.data);
    return tensor;
}

static inline size_t tensor_bytes(const struct tensor *tensor)
{
    return tensor->elements * hg_dtype_bytes(tensor->binding.type);
}

/* Runs a plan's launches in their order: fused ones natively, so that two executors meet where
 * fused and unfused are compared. Gives the first failure. */
static inline enum hg_status run_plan(const struct hg_graph_plan *plan, const struct tensor *inputs,
                                      struct tensor *outputs, struct hg_error *error)
{
    if (plan == NULL) {
        fail_msg("no plan");
        abort(); /* not reached: says so to analysers */
    }
    uint8_t *arena = malloc(plan->arena_bytes + 1);
    assert_non_null(arena);
    memset(arena, 0xa5, plan->arena_bytes);
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; i < plan->launch_count && status == HG_OK; i++) {
        const struct hg_plan_launch *launch = &plan->launches[i];
        struct hg_launch run = {.program = launch->program,
                                .operand_count = launch->operand_count,
                                .first_class = -1,
                                .executor = plan->fusion.rules != 0 ? HG_EXECUTOR_NATIVE
                                                                    : HG_EXECUTOR_BLOCK};
        memcpy(run.params, launch->params, sizeof run.params);
        for (unsigned k = 0; k < launch->operand_count; k++) {
            const struct hg_plan_operand *operand = &launch->operands[k];
            const struct tensor *tensor = operand->place == HG_PLACE_INPUT
                                              ? &inputs[operand->index]
                                              : &outputs[operand->index];
            run.operands[k] =
                operand->place == HG_PLACE_ARENA
                    ? (struct hg_operand){arena + operand->offset, operand->bytes, true}
                    : (struct hg_operand){tensor->data, tensor_bytes(tensor), true};
        }
        status = hg_exec_launch(&run, error);
    }
    free(arena);
    return status;
}

static inline struct hg_graph *parse_text(const char *text)
{
    struct hg_graph *graph = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_language_parse(text, strlen(text), &graph, &error) != HG_OK) {
        fail_msg("%s\n%s", text, error.message);
    }
    return graph;
}

/* Plans and runs TEXT on INPUTS, in the order of their first use; gives the outputs (to be freed).
 */
static inline uint32_t run_text(const char *text, const struct tensor *inputs, uint32_t count,
                                uint32_t rules, struct tensor outputs[HG_GRAPH_OUTPUTS_MAX],
                                uint32_t *launches)
{
    struct hg_graph *graph = parse_text(text);
    struct hg_graph_binding bindings[INPUTS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        bindings[i] = inputs[i].binding;
    }
    struct hg_plan_options options = {.rules = rules};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_graph_plan(graph, bindings, count, &options, &plan, &error) != HG_OK) {
        fail_msg("%s\n%s", text, error.message);
    }
    uint32_t output_count = plan->ir->output_count;
    for (uint32_t i = 0; i < output_count; i++) {
        struct hg_graph_binding output;
        hg_graph_plan_output(plan, i, &output);
        outputs[i] = tensor_new(output.type, output.shape.rank, output.shape.size);
        memset(outputs[i].data, 0xa5, tensor_bytes(&outputs[i]));
    }
    if (run_plan(plan, inputs, outputs, &error) != HG_OK) {
        fail_msg("%s\n%s", text, error.message);
    }
    *launches = plan->launch_count;
    hg_graph_plan_destroy(&plan);
    hg_graph_destroy(&graph);
    return output_count;
}

/* A small generator with a printed seed. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Element INDEX as a number. Halves are not looked into. */
static inline double tensor_get(const struct tensor *tensor, uint64_t index)
{
    const void *data = tensor->data;
    switch (tensor->binding.type) {
    case HG_F32:
        return (double)((const float *)data)[index];
    case HG_F64:
        return ((const double *)data)[index];
    case HG_I32:
        return (double)((const int32_t *)data)[index];
    case HG_I64:
        return (double)((const int64_t *)data)[index];
    case HG_U8:
        return (double)((const uint8_t *)data)[index];
    default:
        fail();
        return 0;
    }
}

static inline void tensor_set(struct tensor *tensor, uint64_t index, double value)
{
    void *data = tensor->data;
    switch (tensor->binding.type) {
    case HG_F32:
        ((float *)data)[index] = (float)value;
        break;
    case HG_F64:
        ((double *)data)[index] = value;
        break;
    case HG_I32:
        ((int32_t *)data)[index] = (int32_t)value;
        break;
    case HG_I64:
        ((int64_t *)data)[index] = (int64_t)value;
        break;
    case HG_U8:
        ((uint8_t *)data)[index] = (uint8_t)value;
        break;
    default:
        fail();
    }
}

static inline struct tensor tensor_random(enum hg_dtype type, uint8_t rank, const uint64_t *sizes,
                                          uint64_t *state)
{
    struct tensor tensor = tensor_new(type, rank, sizes);
    for (uint64_t i = 0; i < tensor.elements; i++) {
        double unit = (double)(random_next(state) >> 11) * 0x1p-53;
        tensor_set(&tensor, i, hg_dtype_in(type, HG_DT_FLOAT) ? 4 * unit - 2 : floor(8 * unit) + 1);
    }
    return tensor;
}

#endif
