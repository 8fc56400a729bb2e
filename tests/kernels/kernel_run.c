/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/kernel_run.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/ops/reference_value.h"

#define FIRST_CLASS   20
#define FAILURES_MAX  20
#define BOUNDARY_BYTE 0x5a

struct kernel_figures kernel_figures;
size_t kernel_slack_bytes;

/* What runs now, for the handler of faults. */
static char running[256] = "nothing";

static struct fenced memory[HG_OP_OPERANDS_MAX];
static struct fenced temps[HG_PLAN_TEMPS_MAX];
static uint8_t *boundary;

/* ---- words ----------------------------------------------------------------------------------- */

static void describe(const struct kernel_case *kernel, const struct kernel_way *way)
{
    const struct hg_op_call *call = &kernel->call;
    const struct hg_op_operand *first = &call->operands[0];
    snprintf(running, sizeof(running),
             "%s %s of %" PRIu64 " (b %" PRIu64
             "), %s %s, %s%s, skew %u, %u workers%s, seed %" PRIu64,
             call->op->name, hg_dtype_name(first->type), first->elements,
             call->operand_count > 2 ? call->operands[1].elements : 0,
             hg_executor_name(way->executor), hg_isa_level_name(way->level),
             way->boundary ? "boundary"
             : way->at_end ? "at the end"
                           : "at the start",
             way->in_place ? ", in place" : "", way->skew, way->workers,
             call->policy.fusion ? "" : ", unfused", kernel->seed);
}

static void failed(const char *what)
{
    printf("kernels: %s: %s\n", running, what);
    if (++kernel_figures.failures >= FAILURES_MAX) {
        printf("kernels: and so on\n");
        exit(1);
    }
}

/* Nothing can be done about a line that is not written. */
static void say(const char *text, size_t length)
{
    ssize_t written = write(STDOUT_FILENO, text, length);
    (void)written;
}

static void on_fault(int number)
{
    static const char before[] = "kernels: signal ";
    const char digits[] = {
        (char)('0' + number / 10), (char)('0' + number % 10), ' ', 'i', 'n', ' '};
    say(before, sizeof(before) - 1);
    say(digits, sizeof(digits));
    say(running, strlen(running));
    say("\n", 1);
    _exit(1);
}

void kernel_catch_faults(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    const struct sigaction action = {.sa_handler = on_fault};
    for (size_t i = 0; i < HG_ARRAY_COUNT(numbers); i++) {
        sigaction(numbers[i], &action, NULL);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void make_memory(void)
{
    if (boundary != NULL) {
        return;
    }
    boundary = aligned_alloc(64, HG_BOUNDARY_BYTES);
    HG_REQUIRE(boundary != NULL);
    for (unsigned i = 0; i < HG_OP_OPERANDS_MAX; i++) {
        fenced_init(&memory[i], KERNEL_BYTES_MAX);
    }
    for (unsigned i = 0; i < HG_PLAN_TEMPS_MAX; i++) {
        fenced_init(&temps[i], KERNEL_BYTES_MAX);
    }
}

static unsigned output_of(const struct kernel_case *kernel)
{
    return kernel->call.op->inputs;
}

static unsigned memory_of(const struct kernel_case *kernel, const struct kernel_way *way,
                          unsigned i)
{
    return way->in_place && i == output_of(kernel) ? kernel->call.op->lead : i;
}

/* Where operand I lies, with its contents. */
static uint8_t *place_operand(const struct kernel_case *kernel, const struct kernel_way *way,
                              unsigned i, struct hg_op_operand *operand)
{
    const unsigned index = memory_of(kernel, way, i);
    uint8_t *data;
    operand->handle = 4000 + index;
    operand->boundary_class = -1;
    if (way->boundary) {
        operand->boundary_class = FIRST_CLASS + (int)(7 * index);
        data = boundary + operand->boundary_class * HG_CLASS_BYTES;
    } else {
        if (index == i) {
            size_t skew = (size_t)(way->skew + i) % 16 * hg_dtype_bytes(operand->type);
            fenced_place(&memory[i], kernel->bytes[i],
                         skew + (way->at_end ? kernel_slack_bytes : 0), way->at_end);
        }
        data = memory[index].data;
    }
    if (index == i) {
        memcpy(data, kernel->contents[i], kernel->bytes[i]);
    }
    operand->base = data;
    return data;
}

/* ---- one launch ------------------------------------------------------------------------------ */

static enum hg_status run_in_parts(const struct hg_launch *launch, uint32_t workers,
                                   struct hg_error *error)
{
    struct hg_run *run;
    if (workers <= 1) {
        return hg_exec_launch(launch, error);
    }
    enum hg_status status = hg_run_begin(launch, &run, error);
    if (status != HG_OK) {
        return status;
    }
    do {
        uint32_t parts = hg_run_parts(run, workers);
        while (parts-- > 0) {
            hg_run_part(run, parts);
        }
    } while (hg_run_advance(run));
    return hg_run_finish(&run, error);
}

struct binding {
    const struct hg_op_call *call;
    const struct hg_plan *plan;
    uint8_t *const *data;
};

static void bind(const struct binding *binding, const struct hg_plan_step *step,
                 struct hg_launch *launch)
{
    const struct hg_code_facts *facts = &launch->program->facts;
    launch->operand_count = (uint32_t)facts->slot_count + facts->handle_count;
    for (unsigned i = 0; i < step->operand_count; i++) {
        unsigned source = step->operand[i];
        struct hg_operand operand = {.writable = step->writes[i]};
        if (source >= HG_PLAN_TEMP) {
            operand.base = temps[source - HG_PLAN_TEMP].data;
            operand.bytes = binding->plan->temp_bytes[source - HG_PLAN_TEMP];
        } else {
            const struct hg_op_operand *from = &binding->call->operands[source];
            operand.base = binding->data[source];
            operand.bytes = from->elements * hg_dtype_bytes(from->type);
            if (from->boundary_class >= 0) {
                int class = from->boundary_class;
                launch->boundary_classes[class / 64] |= UINT64_C(1) << class % 64;
                launch->first_class = launch->first_class < 0 ? class : launch->first_class;
            }
        }
        if (i < launch->operand_count) {
            launch->operands[i] = operand;
        }
    }
    memcpy(launch->params, step->params, sizeof(launch->params));
}

/* The case's programs are kept: what was emitted for one run is what later ones run. */
static enum hg_status program_of(struct kernel_case *kernel, const struct kernel_way *way,
                                 uint32_t index, const struct hg_key *key,
                                 struct hg_program **program, struct hg_error *error)
{
    struct hg_program **place = &kernel->programs[way->boundary][index];
    if (*place != NULL && !hg_key_equal(&(*place)->key, key)) {
        hg_program_unref(place);
    }
    if (*place == NULL) {
        enum hg_status status = hg_op_build(key, place, error);
        if (status != HG_OK) {
            return status;
        }
        kernel_figures.programs++;
    }
    *program = *place;
    return HG_OK;
}

static enum hg_status run_steps(struct kernel_case *kernel, const struct kernel_way *way,
                                const struct binding *binding, struct hg_error *error)
{
    const struct hg_plan *plan = binding->plan;
    enum hg_status status = HG_OK;
    for (uint32_t i = 0; status == HG_OK && i < plan->step_count; i++) {
        struct hg_program *program = NULL;
        status = program_of(kernel, way, i, &plan->steps[i].key, &program, error);
        if (status == HG_OK) {
            struct hg_launch launch = {.program = program,
                                       .first_class = -1,
                                       .boundary_base = boundary,
                                       .executor = way->executor};
            bind(binding, &plan->steps[i], &launch);
            status = run_in_parts(&launch, way->workers, error);
        }
    }
    return status;
}

/* Runs the case and leaves its output at *RESULT, in the operands' memory. */
static enum hg_status run(struct kernel_case *kernel, const struct kernel_way *way,
                          uint8_t **result, struct hg_error *error)
{
    struct hg_op_call call = kernel->call;
    struct hg_plan plan;
    uint8_t *data[HG_OP_OPERANDS_MAX] = {NULL};
    make_memory();
    describe(kernel, way);
    if (way->boundary) {
        memset(boundary, BOUNDARY_BYTE, HG_BOUNDARY_BYTES);
    }
    for (unsigned i = 0; i < call.operand_count; i++) {
        data[i] = place_operand(kernel, way, i, &call.operands[i]);
    }
    *result = data[output_of(kernel)];
    enum hg_status status = hg_op_plan(&call, &plan, error);
    if (status != HG_OK) {
        failed(error->message); /* a case of the harness is right, or proves nothing */
        return status;
    }
    for (uint32_t i = 0; i < plan.temp_count; i++) {
        HG_REQUIRE(plan.temp_bytes[i] <= KERNEL_BYTES_MAX);
        fenced_place(&temps[i], plan.temp_bytes[i], kernel_slack_bytes, way->at_end);
    }
    hg_cpu_limit(way->level);
    status = run_steps(kernel, way, &(struct binding){&call, &plan, data}, error);
    hg_cpu_limit(HG_ISA_LEVEL_COUNT - 1);
    kernel_figures.runs++;
    for (uint32_t i = 0; i < plan.temp_count; i++) {
        if (!fenced_is_intact(&temps[i])) {
            failed("memory near a temporary changed");
        }
    }
    return status;
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool is_nan(enum hg_dtype type, uint64_t bits)
{
    return hg_dtype_in(type, HG_DT_FLOAT) && isnan(hg_reference_float(type, bits));
}

static void check_result(const struct kernel_case *kernel, const uint8_t *result)
{
    const struct hg_op_operand *output = &kernel->call.operands[output_of(kernel)];
    if (memcmp(result, kernel->expected, kernel->bytes[output_of(kernel)]) == 0) {
        return;
    }
    for (uint64_t i = 0; i < output->elements; i++) {
        uint64_t is = hg_reference_bits(output->type, result, i);
        uint64_t should = hg_reference_bits(output->type, kernel->expected, i);
        if (is != should && !(is_nan(output->type, is) && is_nan(output->type, should))) {
            char what[160];
            snprintf(what, sizeof(what),
                     "element %" PRIu64 " is %.17g (%" PRIx64 "), should be %.17g (%" PRIx64 ")", i,
                     op_data_get(output->type, result, i), is,
                     op_data_get(output->type, kernel->expected, i), should);
            failed(what);
            return;
        }
    }
}

/* Inputs, and what lies near the operands. */
static void check_rest(const struct kernel_case *kernel, const struct kernel_way *way)
{
    const unsigned output = output_of(kernel);
    for (unsigned i = 0; i < kernel->call.operand_count; i++) {
        bool is_written = i == output || (way->in_place && i == kernel->call.op->lead);
        const uint8_t *data = way->boundary ? boundary + (FIRST_CLASS + 7 * i) * HG_CLASS_BYTES
                                            : memory[memory_of(kernel, way, i)].data;
        if (!is_written && memcmp(data, kernel->contents[i], kernel->bytes[i]) != 0) {
            failed("an input changed");
        }
        if (!way->boundary && !fenced_is_intact(&memory[memory_of(kernel, way, i)])) {
            failed("memory near an operand changed");
        }
    }
}

/* All of the pool that is no operand of the case. */
static void check_boundary(const struct kernel_case *kernel, const struct kernel_way *way)
{
    for (unsigned i = 0; i < kernel->call.operand_count; i++) {
        unsigned index = memory_of(kernel, way, i);
        memset(boundary + (FIRST_CLASS + 7 * index) * HG_CLASS_BYTES, BOUNDARY_BYTE,
               kernel->bytes[i]);
    }
    for (size_t i = 0; i < HG_BOUNDARY_BYTES; i++) {
        if (boundary[i] != BOUNDARY_BYTE) {
            failed("the boundary pool changed elsewhere");
            return;
        }
    }
}

/* ---- cases ----------------------------------------------------------------------------------- */

void kernel_case_init(struct kernel_case *kernel, const struct hg_op_call *call, uint64_t seed)
{
    struct op_random random = {.state = seed | 1};
    memset(kernel, 0, sizeof(*kernel));
    kernel->call = *call;
    kernel->seed = seed;
    for (unsigned i = 0; i < call->operand_count; i++) {
        kernel->bytes[i] = call->operands[i].elements * hg_dtype_bytes(call->operands[i].type);
        HG_REQUIRE(kernel->bytes[i] + 1024 <= KERNEL_BYTES_MAX);
        kernel->contents[i] = malloc(kernel->bytes[i] + 1);
        HG_REQUIRE(kernel->contents[i] != NULL);
        op_data_fill(call, i, &random, kernel->contents[i]);
    }
}

static void run_reference(struct kernel_case *kernel)
{
    const unsigned output = output_of(kernel);
    const struct kernel_way way = {.executor = HG_EXECUTOR_REFERENCE};
    uint8_t *result;
    kernel->error = (struct hg_error)HG_ERROR_INIT;
    kernel->status = run(kernel, &way, &result, &kernel->error);
    kernel->expected = malloc(kernel->bytes[output] + 1);
    HG_REQUIRE(kernel->expected != NULL);
    memcpy(kernel->expected, result, kernel->bytes[output]);
    check_rest(kernel, &way);
    kernel_figures.cases++;
}

void kernel_case_fini(struct kernel_case *kernel)
{
    for (unsigned i = 0; i < kernel->call.operand_count; i++) {
        free(kernel->contents[i]);
    }
    for (unsigned i = 0; i < 2 * HG_PLAN_STEPS_MAX; i++) {
        hg_program_unref(&kernel->programs[i / HG_PLAN_STEPS_MAX][i % HG_PLAN_STEPS_MAX]);
    }
    free(kernel->expected);
}

bool kernel_case_allows(const struct kernel_case *kernel, const struct kernel_way *way)
{
    const struct hg_op *op = kernel->call.op;
    const unsigned output = output_of(kernel);
    if (way->in_place &&
        (!op->elementwise || op->inputs == 0 ||
         kernel->call.operands[output].type != kernel->call.operands[op->lead].type ||
         kernel->bytes[output] != kernel->bytes[op->lead])) {
        return false;
    }
    for (unsigned i = 0; way->boundary && i < kernel->call.operand_count; i++) {
        if (kernel->bytes[i] > HG_CLASS_BYTES) {
            return false;
        }
    }
    return true;
}

void kernel_case_check(struct kernel_case *kernel, const struct kernel_way *way)
{
    struct hg_error error = HG_ERROR_INIT;
    uint8_t *result;
    if (kernel->expected == NULL) {
        run_reference(kernel);
    }
    enum hg_status status = run(kernel, way, &result, &error);
    if (status != kernel->status || strcmp(error.message, kernel->error.message) != 0) {
        char what[640];
        snprintf(what, sizeof(what), "%s \"%s\", should be %s \"%s\"", hg_status_name(status),
                 error.message, hg_status_name(kernel->status), kernel->error.message);
        failed(what);
    } else if (status == HG_OK) {
        check_result(kernel, result);
    }
    check_rest(kernel, way);
    if (way->boundary) {
        check_boundary(kernel, way);
    }
}
