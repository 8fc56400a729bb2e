/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: an operation on named buffers. Outputs that do not exist are made, of the inputs' type
 * and of the shape that the operation gives.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/cli.h"

#define OPERANDS_MAX   8
#define ATTRIBUTES_MAX 16

struct run_arguments {
    struct cli *cli;
    const char *op;
    const char *inputs[OPERANDS_MAX];
    uint32_t input_count;
    const char *outputs[OPERANDS_MAX];
    uint32_t output_count;
    char *attributes[ATTRIBUTES_MAX]; /* name=value */
    uint32_t attribute_count;
    struct cli_publish publish;
    hologram_pool pool; /* of outputs that are made */
    bool json;
};

/* What is run, as the server is told. */
struct plan {
    const hologram_ops *ops;
    const hologram_op_info *op;
    hologram_buffer inputs[OPERANDS_MAX];
    hologram_buffer outputs[OPERANDS_MAX];
    hologram_buffer_info input_infos[OPERANDS_MAX];
    hologram_buffer_info output_infos[OPERANDS_MAX];
    bool fresh[OPERANDS_MAX]; /* outputs to publish */
    hologram_attribute attributes[ATTRIBUTES_MAX];
};

enum { KEY_OUTPUT = 'o', KEY_ATTRIBUTE = 'a', KEY_POOL = 'p', KEY_JSON = 'j' };

static const struct argp_option options[] = {
    {"output", KEY_OUTPUT, "NAME", 0, "Output; made if it does not exist", 0},
    {"attr", KEY_ATTRIBUTE, "NAME=VALUE", 0, "Scalar or size of the operation; see `ops OP'", 0},
    {"pool", KEY_POOL, "POOL", 0, "Where it is made: heap, boundary or shared (heap)", 0},
    {"json", KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

static void add_argument(struct run_arguments *arguments, char *arg, struct argp_state *state)
{
    if (state->arg_num == 0) {
        arguments->op = arg;
    } else if (arguments->input_count == OPERANDS_MAX) {
        argp_error(state, "expected at most %d inputs", OPERANDS_MAX);
    } else {
        arguments->inputs[arguments->input_count++] = arg;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct run_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        state->child_inputs[1] = &arguments->publish;
        return 0;
    case KEY_OUTPUT:
        if (arguments->output_count == OPERANDS_MAX) {
            argp_error(state, "expected at most %d outputs", OPERANDS_MAX);
        }
        arguments->outputs[arguments->output_count++] = arg;
        return 0;
    case KEY_ATTRIBUTE:
        if (arguments->attribute_count == ATTRIBUTES_MAX || !strchr(arg, '=')) {
            argp_error(state, "expected at most %d times --attr NAME=VALUE, got '%s'",
                       ATTRIBUTES_MAX, arg);
        }
        arguments->attributes[arguments->attribute_count++] = arg;
        return 0;
    case KEY_POOL:
        cli_parse_pool(state, arg, &arguments->pool);
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        add_argument(arguments, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->op || arguments->output_count == 0) {
            argp_error(state, "expected OP, its inputs, and -o OUTPUT");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- attributes ------------------------------------------------------------------------------ */

static const hologram_attribute_info *find_attribute(const struct plan *plan, const char *name,
                                                     size_t length)
{
    for (uint32_t i = 0; i < plan->op->attribute_count; i++) {
        const hologram_attribute_info *info = hologram_ops_attribute(plan->ops, plan->op, i);
        if (strlen(info->name) == length && memcmp(info->name, name, length) == 0) {
            return info;
        }
    }
    return NULL;
}

static bool parse_flag(const char *text, uint64_t *bits)
{
    if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0) {
        *bits = 1;
        return true;
    }
    if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0) {
        *bits = 0;
        return true;
    }
    return false;
}

/* The type of an attribute of KIND; FIRST is that of the first operand. */
static hologram_dtype attribute_dtype(const char *kind, hologram_dtype first)
{
    if (strcmp(kind, "u64") == 0) {
        return HOLOGRAM_U64;
    }
    if (strcmp(kind, "operand") == 0 || first == HOLOGRAM_F64) {
        return first;
    }
    return HOLOGRAM_F32;
}

static int parse_attribute(const struct plan *plan, const hologram_attribute_info *info,
                           hologram_dtype first, const char *text, uint64_t *bits)
{
    bool flag = strcmp(info->kind, "flag") == 0;
    hologram_dtype dtype = attribute_dtype(info->kind, first);
    if (flag ? parse_flag(text, bits) : cli_parse_bits(dtype, text, bits)) {
        return CLI_OK;
    }
    return cli_fail(CLI_USAGE, "%s: attribute %s: expected a value of type %s, got '%s'",
                    plan->op->name, info->name, flag ? "true or false" : hologram_dtype_name(dtype),
                    text);
}

static int read_attributes(const struct run_arguments *arguments, struct plan *plan)
{
    hologram_dtype first =
        plan->op->inputs > 0 ? plan->input_infos[0].spec.dtype : plan->output_infos[0].spec.dtype;
    for (uint32_t i = 0; i < arguments->attribute_count; i++) {
        const char *text = arguments->attributes[i];
        size_t length = strcspn(text, "=");
        const hologram_attribute_info *info = find_attribute(plan, text, length);
        if (!info) {
            return cli_fail(CLI_USAGE, "%s has no attribute '%.*s'; see `hologramctl ops %s'",
                            plan->op->name, (int)length, text, plan->op->name);
        }
        plan->attributes[i].name = info->name;
        int code = parse_attribute(plan, info, first, text + length + 1, &plan->attributes[i].bits);
        if (code != CLI_OK) {
            return code;
        }
    }
    return CLI_OK;
}

/* Value of the attribute NAME, or OTHERWISE if it was not given. */
static uint64_t attribute(const struct run_arguments *arguments, const struct plan *plan,
                          const char *name, uint64_t otherwise)
{
    for (uint32_t i = 0; i < arguments->attribute_count; i++) {
        if (strcmp(plan->attributes[i].name, name) == 0) {
            return plan->attributes[i].bits;
        }
    }
    return otherwise;
}

/* ---- outputs --------------------------------------------------------------------------------- */

/* Rows or columns of a matrix as it is used. A vector is one column. */
static uint64_t side(const hologram_buffer_spec *spec, bool columns, bool transposed)
{
    bool last = columns != transposed;
    if (spec->rank == 0) {
        return 1;
    }
    if (spec->rank == 1) {
        return last ? 1 : spec->shape[0];
    }
    return last ? spec->shape[spec->rank - 1] : spec->shape[spec->rank - 2];
}

static void gemm_shape(const struct run_arguments *arguments, const struct plan *plan,
                       hologram_buffer_spec *spec)
{
    bool trans_a = attribute(arguments, plan, "trans_a", 0) != 0;
    bool trans_b = attribute(arguments, plan, "trans_b", 0) != 0 ||
                   attribute(arguments, plan, "trans_w", 0) != 0;
    spec->rank = 2;
    spec->shape[0] =
        attribute(arguments, plan, "m", side(&plan->input_infos[0].spec, false, trans_a));
    spec->shape[1] =
        attribute(arguments, plan, "n", side(&plan->input_infos[1].spec, true, trans_b));
}

static void reduced_shape(const struct run_arguments *arguments, const struct plan *plan,
                          hologram_buffer_spec *spec)
{
    uint64_t n = 0;
    (void)cli_elements(&plan->input_infos[0].spec, &n);
    n = attribute(arguments, plan, "n", n);
    uint64_t cols = attribute(arguments, plan, "cols", 0);
    spec->rank = 1;
    spec->shape[0] = cols == 0 ? 1 : n / cols;
}

static uint64_t elements_of(const struct plan *plan, uint32_t input)
{
    uint64_t elements = 0;
    (void)cli_elements(&plan->input_infos[input].spec, &elements);
    return elements;
}

/* Of what is shaped wrongly the server says so: any shape will do then. */
static void sum_axis_shape(const struct run_arguments *arguments, const struct plan *plan,
                           hologram_buffer_spec *spec)
{
    const hologram_buffer_spec *a = &plan->input_infos[0].spec;
    uint64_t n = attribute(arguments, plan, "n", 0);
    uint64_t behind = 1;
    for (uint32_t i = 1; n == 0 && i < a->rank; i++) {
        behind *= a->shape[i];
    }
    n = n == 0 ? elements_of(plan, 0) : n;
    uint64_t inner = attribute(arguments, plan, "inner", behind);
    uint64_t length = attribute(arguments, plan, "length", inner == 0 ? 0 : n / inner);
    spec->rank = 1;
    spec->shape[0] = length == 0 ? inner : n / length;
}

static void moved_shape(const struct run_arguments *arguments, const struct plan *plan,
                        hologram_buffer_spec *spec)
{
    const hologram_buffer_spec *a = &plan->input_infos[0].spec;
    uint64_t rows = attribute(arguments, plan, "rows", side(a, false, false));
    uint64_t cols = attribute(arguments, plan, "cols", side(a, true, false));
    if (strcmp(plan->op->name, "sum_axis") == 0) {
        sum_axis_shape(arguments, plan, spec);
        return;
    }
    spec->rank = 2;
    if (strcmp(plan->op->name, "transpose") == 0) {
        spec->shape[0] = cols;
        spec->shape[1] = rows;
    } else if (strcmp(plan->op->name, "gather_rows") == 0) {
        spec->shape[0] = attribute(arguments, plan, "n", elements_of(plan, 1));
        spec->shape[1] = cols;
    } else {
        uint64_t total = elements_of(plan, 0) + elements_of(plan, 1);
        rows = attribute(arguments, plan, "rows", 1);
        spec->rank = rows == 1 ? 1 : 2;
        spec->shape[0] = rows == 1 ? total : rows;
        spec->shape[1] = rows <= 1 ? 0 : total / rows;
    }
}

/* Of the first input that has no types of its own. */
static hologram_dtype lead_dtype(const struct plan *plan)
{
    uint32_t lead = 0;
    while (lead + 1 < plan->op->inputs && plan->op->operand_dtypes[lead] != 0) {
        lead++;
    }
    return plan->input_infos[lead].spec.dtype;
}

/* The output of the operation if it is not there yet. */
static int infer(const struct run_arguments *arguments, const struct plan *plan,
                 hologram_buffer_spec *spec)
{
    if (plan->op->inputs == 0) {
        return cli_fail(CLI_NOT_FOUND,
                        "%s: %s has no input to take type and shape from; make it "
                        "with `hologramctl alloc'",
                        arguments->outputs[0], plan->op->name);
    }
    *spec = plan->input_infos[0].spec;
    spec->pool = arguments->pool;
    spec->dtype = cli_operand_dtype(plan->op, plan->op->inputs, lead_dtype(plan));
    if (strcmp(plan->op->name, "gemm") == 0 || strcmp(plan->op->name, "linear") == 0) {
        gemm_shape(arguments, plan, spec);
    } else if (strcmp(plan->op->name, "matvec") == 0) {
        bool trans = attribute(arguments, plan, "trans", 0) != 0;
        spec->rank = 1;
        spec->shape[0] =
            attribute(arguments, plan, "m", side(&plan->input_infos[0].spec, false, trans));
    } else if (strcmp(plan->op->module, "reduce") == 0) {
        reduced_shape(arguments, plan, spec);
    } else if (strcmp(plan->op->module, "movement") == 0) {
        moved_shape(arguments, plan, spec);
    } else if (strcmp(plan->op->module, "loss") == 0) {
        spec->rank = 1;
        spec->shape[0] = 1;
    }
    return CLI_OK;
}

static int open_output(const struct run_arguments *arguments, struct plan *plan, uint32_t index)
{
    struct cli *cli = arguments->cli;
    const char *name = arguments->outputs[index];
    hologram_status status =
        hologram_open(cli->client, name, true, &plan->outputs[index], &plan->output_infos[index]);
    if (status == HOLOGRAM_OK) {
        return CLI_OK;
    }
    if (status != HOLOGRAM_NOT_FOUND) {
        return cli_fail_client(cli, name);
    }
    hologram_buffer_spec spec;
    int code = infer(arguments, plan, &spec);
    if (code != CLI_OK) {
        return code;
    }
    plan->fresh[index] = true;
    return cli_make(cli, name, &spec, &plan->outputs[index], &plan->output_infos[index], NULL);
}

/* ---- running --------------------------------------------------------------------------------- */

static int check_operands(const struct run_arguments *arguments, const hologram_op_info *op)
{
    if (arguments->input_count != op->inputs || arguments->output_count != op->outputs) {
        return cli_fail(
            CLI_USAGE,
            "%s: expected %" PRIu32 " inputs and %" PRIu32 " outputs, got %" PRIu32 " and %" PRIu32,
            op->name, op->inputs, op->outputs, arguments->input_count, arguments->output_count);
    }
    return CLI_OK;
}

/* Buffers and attributes. Without inputs the attributes need the output's type, with inputs the
 * output's shape needs the attributes. */
static int resolve(const struct run_arguments *arguments, struct plan *plan)
{
    int code = CLI_OK;
    for (uint32_t i = 0; code == CLI_OK && i < arguments->input_count; i++) {
        code = cli_open(arguments->cli, arguments->inputs[i], false, &plan->inputs[i],
                        &plan->input_infos[i]);
    }
    if (code == CLI_OK && arguments->input_count > 0) {
        code = read_attributes(arguments, plan);
    }
    for (uint32_t i = 0; code == CLI_OK && i < arguments->output_count; i++) {
        code = open_output(arguments, plan, i);
    }
    if (code == CLI_OK && arguments->input_count == 0) {
        code = read_attributes(arguments, plan);
    }
    return code;
}

static int print_execution(const struct run_arguments *arguments, const struct plan *plan,
                           const hologram_execution *execution)
{
    if (arguments->json) {
        return cli_print_json(
            json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:I, s:I}", "op", plan->op->name, "output",
                      cli_buffer_json(&plan->output_infos[0]), "cache", execution->cache, "outcome",
                      execution->outcome, "queue_ns", (json_int_t)execution->queue_ns, "lookup_ns",
                      (json_int_t)execution->lookup_ns, "build_ns", (json_int_t)execution->build_ns,
                      "run_ns", (json_int_t)execution->run_ns));
    }
    char shape[CLI_SHAPE_MAX];
    char run[CLI_TEXT_MAX];
    char build[CLI_TEXT_MAX];
    printf("%s: %s %s  (cache %s: %s", arguments->outputs[0],
           hologram_dtype_name(plan->output_infos[0].spec.dtype),
           cli_shape_text(&plan->output_infos[0].spec, shape), execution->cache,
           execution->outcome);
    if (execution->build_ns != 0) {
        printf(", built in %s", cli_time_text((double)execution->build_ns, build));
    }
    printf(", ran %s)\n", cli_time_text((double)execution->run_ns, run));
    return CLI_OK;
}

static int execute(const struct run_arguments *arguments, struct plan *plan)
{
    hologram_execution execution = {.cache = "", .outcome = ""};
    hologram_call call = {.op = plan->op->name,
                          .inputs = plan->inputs,
                          .input_count = arguments->input_count,
                          .outputs = plan->outputs,
                          .output_count = arguments->output_count,
                          .attributes = plan->attributes,
                          .attribute_count = arguments->attribute_count};
    if (hologram_execute(arguments->cli->client, &call, &execution) != HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, plan->op->name);
    }
    int code = CLI_OK;
    for (uint32_t i = 0; code == CLI_OK && i < arguments->output_count; i++) {
        if (plan->fresh[i]) {
            code = cli_publish(arguments->cli, plan->outputs[i], arguments->outputs[i],
                               &arguments->publish);
        }
    }
    return code == CLI_OK ? print_execution(arguments, plan, &execution) : code;
}

static int run(const struct run_arguments *arguments, const hologram_ops *ops)
{
    struct plan plan = {.ops = ops, .op = hologram_ops_find(ops, arguments->op)};
    if (!plan.op) {
        return cli_fail(CLI_NOT_FOUND, "there is no operation '%s'; see `hologramctl ops'",
                        arguments->op);
    }
    int code = check_operands(arguments, plan.op);
    if (code == CLI_OK) {
        code = resolve(arguments, &plan);
    }
    return code == CLI_OK ? execute(arguments, &plan) : code;
}

int cli_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "OP INPUT... -o OUTPUT",
        .doc = "Runs the operation OP on named buffers. An OUTPUT that does not exist is made.",
        .children = cli_publishing};
    struct run_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    hologram_ops *ops = NULL;
    int code = cli_get_ops(cli, &ops);
    if (code != CLI_OK) {
        return code;
    }
    code = run(&arguments, ops);
    hologram_ops_free(ops);
    return code;
}
