/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/op_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/ops/reference.h"

#define GUARD_BYTES 64
#define GUARD_VALUE 0xa5
#define FIRST_CLASS 20

/* Memory of a run: heap operands with a guard behind each, or classes of a boundary pool. */
struct memory {
    uint8_t *boundary;
    uint8_t *blocks[HG_OP_OPERANDS_MAX]; /* allocations in which heap operands lie */
    uint8_t *operands[HG_OP_OPERANDS_MAX];
    uint8_t *temps[HG_PLAN_TEMPS_MAX];
};

static unsigned output_of(const struct op_case *op_case)
{
    return op_case->call.op->inputs;
}

/* "gelu f16 of 17, heap, unfused, block, skew 1, level -2": where a failure happened. */
static const char *describe(const struct op_case *op_case, const struct op_way *way, char text[160])
{
    (void)snprintf(text, 160, "%s %s of %llu, %s%s%s%s, %s, skew %u, level -%u",
                   op_case->call.op->name, hg_dtype_name(hg_op_call_type(&op_case->call)),
                   (unsigned long long)op_case->call.operands[0].elements,
                   way->boundary ? "boundary" : "heap", way->unfused ? ", unfused" : "",
                   way->full ? ", full" : "", way->in_place ? ", in place" : "",
                   hg_executor_name(way->executor), way->skew, way->below_best);
    return text;
}

static uint8_t *allocate(uint64_t bytes)
{
    uint8_t *block = aligned_alloc(64, (bytes + GUARD_BYTES + 63) / 64 * 64);
    assert_non_null(block);
    return block;
}

void op_case_init(struct op_case *op_case, const struct hg_op_call *call, struct op_random *random)
{
    memset(op_case, 0, sizeof *op_case);
    op_case->call = *call;
    for (unsigned i = 0; i < call->operand_count; i++) {
        op_case->bytes[i] = call->operands[i].elements * hg_dtype_bytes(call->operands[i].type);
        op_case->contents[i] = allocate(op_case->bytes[i]);
        op_data_fill(call, i, random, op_case->contents[i]);
    }
}

void op_case_fini(struct op_case *op_case)
{
    for (unsigned i = 0; i < op_case->call.operand_count; i++) {
        free(op_case->contents[i]);
    }
}

bool op_case_fits_in_place(const struct op_case *op_case)
{
    const struct hg_op *op = op_case->call.op;
    unsigned output = output_of(op_case);
    return op->elementwise && op->inputs > 0 &&
           op_case->call.operands[output].type == op_case->call.operands[op->lead].type &&
           op_case->bytes[output] == op_case->bytes[op->lead];
}

bool op_case_fits_boundary(const struct op_case *op_case)
{
    for (unsigned i = 0; i < op_case->call.operand_count; i++) {
        if (op_case->bytes[i] > HG_CLASS_BYTES) {
            return false;
        }
    }
    return true;
}

/* ---- one run --------------------------------------------------------------------------------- */

static unsigned memory_index(const struct op_case *op_case, const struct op_way *way, unsigned i)
{
    return way->in_place && i == output_of(op_case) ? op_case->call.op->lead : i;
}

static void place_operands(const struct op_case *op_case, const struct op_way *way,
                           struct memory *memory, struct hg_op_call *call)
{
    memset(memory, 0, sizeof *memory);
    *call = op_case->call;
    call->policy =
        (struct hg_op_policy){.fusion = !way->unfused, .specialize_full = way->full, .phi = true};
    if (way->boundary) {
        memory->boundary = aligned_alloc(64, HG_BOUNDARY_BYTES);
        assert_non_null(memory->boundary);
        memset(memory->boundary, GUARD_VALUE, HG_BOUNDARY_BYTES);
    }
    for (unsigned i = 0; i < call->operand_count; i++) {
        unsigned index = memory_index(op_case, way, i);
        struct hg_op_operand *operand = &call->operands[i];
        operand->handle = 4000 + index;
        if (way->boundary) {
            operand->boundary_class = FIRST_CLASS + (int)(7 * index);
            memory->operands[i] = memory->boundary + operand->boundary_class * HG_CLASS_BYTES;
        } else if (index != i) {
            memory->operands[i] = memory->operands[index];
        } else {
            uint64_t skew = way->skew * hg_dtype_bytes(operand->type);
            memory->blocks[i] = allocate(skew + op_case->bytes[i]);
            memory->operands[i] = memory->blocks[i] + skew;
            memset(memory->operands[i] + op_case->bytes[i], GUARD_VALUE, GUARD_BYTES);
        }
        operand->base = memory->operands[i];
        if (index == i) {
            memcpy(memory->operands[i], op_case->contents[i], op_case->bytes[i]);
        }
    }
}

static void release(struct memory *memory)
{
    for (unsigned i = 0; i < HG_OP_OPERANDS_MAX; i++) {
        free(memory->blocks[i]);
    }
    for (unsigned i = 0; i < HG_PLAN_TEMPS_MAX; i++) {
        free(memory->temps[i]);
    }
    free(memory->boundary);
}

static void bind(const struct hg_op_call *call, const struct hg_plan *plan,
                 const struct hg_plan_step *step, const struct memory *memory,
                 struct hg_launch *launch)
{
    const struct hg_code_facts *facts = &launch->program->facts;
    launch->operand_count = (uint32_t)facts->slot_count + facts->handle_count;
    for (unsigned i = 0; i < step->operand_count; i++) {
        unsigned source = step->operand[i];
        struct hg_operand operand = {.writable = step->writes[i]};
        if (source >= HG_PLAN_TEMP) {
            operand.base = memory->temps[source - HG_PLAN_TEMP];
            operand.bytes = plan->temp_bytes[source - HG_PLAN_TEMP];
        } else {
            operand.base = memory->operands[source];
            operand.bytes =
                call->operands[source].elements * hg_dtype_bytes(call->operands[source].type);
            int class = call->operands[source].boundary_class;
            if (class >= 0) {
                launch->boundary_classes[class / 64] |= UINT64_C(1) << (class % 64);
                launch->first_class = launch->first_class < 0 ? class : launch->first_class;
            }
        }
        if (i < launch->operand_count) {
            launch->operands[i] = operand;
        }
    }
    memcpy(launch->params, step->params, sizeof launch->params);
}

static enum hg_status acquire(struct op_programs *programs, const struct hg_key *key,
                              struct hg_program **program, struct hg_error *error)
{
    for (uint32_t i = 0; programs != NULL && i < programs->count; i++) {
        if (hg_key_equal(&programs->programs[i]->key, key)) {
            *program = hg_program_ref(programs->programs[i]);
            return HG_OK;
        }
    }
    enum hg_status status = hg_op_build(key, program, error);
    if (status == HG_OK && programs != NULL) {
        assert_true(programs->count < HG_ARRAY_COUNT(programs->programs));
        programs->programs[programs->count++] = hg_program_ref(*program);
    }
    return status;
}

void op_programs_fini(struct op_programs *programs)
{
    for (uint32_t i = 0; i < programs->count; i++) {
        hg_program_unref(&programs->programs[i]);
    }
    programs->count = 0;
}

static enum hg_status run_step(const struct hg_op_call *call, const struct hg_plan *plan,
                               const struct hg_plan_step *step, const struct op_way *way,
                               const struct memory *memory, struct hg_error *error)
{
    struct hg_program *program = NULL;
    enum hg_status status = acquire(way->programs, &step->key, &program, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_launch launch;
    memset(&launch, 0, sizeof launch);
    launch.program = program;
    launch.first_class = -1;
    launch.boundary_base = memory->boundary;
    launch.executor = way->executor;
    bind(call, plan, step, memory, &launch);
    unsigned best = hg_cpu_isa_level();
    hg_cpu_limit((enum hg_isa_level)(best > way->below_best ? best - way->below_best : 0));
    status = hg_exec_launch(&launch, error);
    hg_cpu_limit((enum hg_isa_level)best);
    hg_program_unref(&program);
    return status;
}

static void check_untouched(const struct op_case *op_case, const struct op_way *way,
                            const struct memory *memory)
{
    char text[160];
    for (unsigned i = 0; i < op_case->call.operand_count; i++) {
        if (i != output_of(op_case) && !(way->in_place && i == op_case->call.op->lead) &&
            memcmp(memory->operands[i], op_case->contents[i], op_case->bytes[i]) != 0) {
            fail_msg("%s: input %u changed", describe(op_case, way, text), i);
        }
        uint64_t guard = way->boundary ? HG_CLASS_BYTES - op_case->bytes[i] : GUARD_BYTES;
        for (uint64_t byte = 0; byte < guard; byte++) {
            if (memory->operands[i][op_case->bytes[i] + byte] != GUARD_VALUE) {
                fail_msg("%s: memory behind operand %u changed", describe(op_case, way, text), i);
            }
        }
    }
}

/* In place, what stands behind the result is the input's; put back what the output had there. */
static void take_result(const struct op_case *op_case, const struct op_way *way,
                        const struct memory *memory, uint8_t *result)
{
    unsigned output = output_of(op_case);
    uint64_t bytes = op_case->bytes[output];
    memcpy(result, memory->operands[output], bytes);
    if (way->in_place) {
        uint64_t written = hg_op_reference_count(&op_case->call) *
                           hg_dtype_bytes(op_case->call.operands[output].type);
        char text[160];
        const uint8_t *input = op_case->contents[op_case->call.op->lead];
        if (memcmp(result + written, input + written, bytes - written) != 0) {
            fail_msg("%s: elements behind the result changed", describe(op_case, way, text));
        }
        memcpy(result + written, op_case->contents[output] + written, bytes - written);
    }
}

enum hg_status op_case_try(const struct op_case *op_case, const struct op_way *way, void *result,
                           struct hg_error *error)
{
    struct memory memory;
    struct hg_op_call call;
    struct hg_plan plan;
    place_operands(op_case, way, &memory, &call);
    enum hg_status status = hg_op_plan(&call, &plan, error);
    for (uint32_t i = 0; status == HG_OK && i < plan.temp_count; i++) {
        memory.temps[i] = allocate(plan.temp_bytes[i]);
        memset(memory.temps[i], GUARD_VALUE, plan.temp_bytes[i]);
    }
    for (uint32_t i = 0; status == HG_OK && i < plan.step_count; i++) {
        status = run_step(&call, &plan, &plan.steps[i], way, &memory, error);
    }
    check_untouched(op_case, way, &memory);
    take_result(op_case, way, &memory, result);
    release(&memory);
    return status;
}

void op_case_run(const struct op_case *op_case, const struct op_way *way, void *result)
{
    struct hg_error error = HG_ERROR_INIT;
    if (op_case_try(op_case, way, result, &error) != HG_OK) {
        char text[160];
        fail_msg("%s: %s", describe(op_case, way, text), error.message);
    }
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool same_element(enum hg_dtype type, const void *a, const void *b, uint64_t index)
{
    uint64_t x = hg_reference_bits(type, a, index);
    uint64_t y = hg_reference_bits(type, b, index);
    return x == y || (hg_dtype_in(type, HG_DT_FLOAT) && isnan(hg_reference_float(type, x)) &&
                      isnan(hg_reference_float(type, y)));
}

void op_case_same(const struct op_case *op_case, const struct op_way *way, const void *a,
                  const void *b)
{
    unsigned output = output_of(op_case);
    if (memcmp(a, b, op_case->bytes[output]) == 0) {
        return;
    }
    enum hg_dtype type = op_case->call.operands[output].type;
    for (uint64_t i = 0; i < op_case->call.operands[output].elements; i++) {
        if (!same_element(type, a, b, i)) {
            char text[160];
            fail_msg("%s: element %llu is %.17g (%llx), in the first way %.17g (%llx)",
                     describe(op_case, way, text), (unsigned long long)i, op_data_get(type, a, i),
                     (unsigned long long)hg_reference_bits(type, a, i), op_data_get(type, b, i),
                     (unsigned long long)hg_reference_bits(type, b, i));
        }
    }
}

static void judge_elements(const struct op_case *op_case, const struct op_way *way,
                           const struct hg_expected *expected, uint64_t count, const void *result)
{
    enum hg_dtype type = op_case->call.operands[output_of(op_case)].type;
    for (uint64_t i = 0; i < count; i++) {
        if (!hg_op_reference_meets(&expected[i], type, result, i)) {
            char text[160];
            fail_msg("%s: element %llu is %.17g (%llx), expected %s%.17Lg (%llx) within %Lg",
                     describe(op_case, way, text), (unsigned long long)i,
                     op_data_get(type, result, i),
                     (unsigned long long)hg_reference_bits(type, result, i),
                     expected[i].exact ? "exactly " : "", expected[i].value,
                     (unsigned long long)expected[i].bits, expected[i].error_max);
        }
    }
}

void op_case_right(const struct op_case *op_case, const struct op_way *way, const void *result)
{
    unsigned output = output_of(op_case);
    uint64_t count = hg_op_reference_count(&op_case->call);
    struct hg_expected *expected = calloc(count + 1, sizeof *expected);
    assert_non_null(expected);
    hg_op_reference(&op_case->call, (const void *const *)op_case->contents, expected);
    judge_elements(op_case, way, expected, count, result);
    free(expected);
    uint64_t written = count * hg_dtype_bytes(op_case->call.operands[output].type);
    if (memcmp((const uint8_t *)result + written, op_case->contents[output] + written,
               op_case->bytes[output] - written) != 0) {
        char text[160];
        fail_msg("%s: elements of the output behind the result changed",
                 describe(op_case, way, text));
    }
}

/* ---- every way ------------------------------------------------------------------------------- */

static uint32_t count_steps(const struct op_case *op_case, bool fusion)
{
    struct hg_op_call call = op_case->call;
    struct hg_plan plan;
    call.policy = (struct hg_op_policy){.fusion = fusion};
    return hg_op_plan(&call, &plan, NULL) == HG_OK ? plan.step_count : 0;
}

static bool way_exists(const struct op_case *op_case, const struct op_way *way, bool with_reference)
{
    if (way->boundary && !op_case_fits_boundary(op_case)) {
        return false;
    }
    if (way->unfused && count_steps(op_case, true) == count_steps(op_case, false)) {
        return false;
    }
    if (way->in_place && !op_case_fits_in_place(op_case)) {
        return false;
    }
    return with_reference || way->executor != HG_EXECUTOR_REFERENCE;
}

/* Whether the steps of the case round otherwise than its fused program: those of halves, where
 * each stores its result, and those of gelu, which are the literal ones. */
static bool steps_round_otherwise(const struct op_case *op_case)
{
    struct hg_op_call call = op_case->call;
    struct hg_plan plan;
    call.policy = (struct hg_op_policy){.fusion = false};
    bool otherwise = hg_dtype_in(hg_op_call_type(&call), HG_DT_HALF);
    uint32_t count = hg_op_plan(&call, &plan, NULL) == HG_OK ? plan.step_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        otherwise |= plan.steps[i].key.cache == HG_CACHE_GELU_ADD_ONE;
    }
    return otherwise;
}

static void run_other_way(const struct op_case *op_case, const struct op_way *way,
                          const uint8_t *first, uint8_t *result)
{
    op_case_run(op_case, way, result);
    if (way->unfused && steps_round_otherwise(op_case)) {
        op_case_right(op_case, way, result);
    } else {
        op_case_same(op_case, way, result, first);
    }
}

void op_case_all_ways(const struct op_case *op_case, bool with_reference)
{
    uint8_t *first = allocate(op_case->bytes[output_of(op_case)]);
    uint8_t *result = allocate(op_case->bytes[output_of(op_case)]);
    const struct op_way plain = {.executor = HG_EXECUTOR_BLOCK};
    op_case_run(op_case, &plain, first);
    op_case_right(op_case, &plain, first);
    for (unsigned bits = 1; bits < 32; bits++) {
        const struct op_way way = {
            .boundary = (bits & 1u) != 0,
            .unfused = (bits & 2u) != 0,
            .full = (bits & 4u) != 0,
            .in_place = (bits & 8u) != 0,
            .executor = (bits & 16u) != 0 ? HG_EXECUTOR_REFERENCE : HG_EXECUTOR_BLOCK,
            .skew = (uint8_t)(bits / 4 % 4),
            .below_best = (uint8_t)(bits % 3),
        };
        if (way_exists(op_case, &way, with_reference)) {
            run_other_way(op_case, &way, first, result);
        }
    }
    free(first);
    free(result);
}
