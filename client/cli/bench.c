/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: latency and throughput of one operation through this client, in three ways: one request
 * after the other, many in flight, and as batches.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench.h"

#define OPERANDS_MAX 4
#define DEPTH_MAX    1024

struct bench_arguments {
    struct cli *cli;
    const char *op;
    uint64_t n;
    hologram_dtype dtype;
    unsigned int modes;
    uint64_t depth;
    double seconds;
    bool json;
};

/* One operation with its operands. */
struct subject {
    hologram_client *client;
    const hologram_op_info *op;
    hologram_buffer operands[OPERANDS_MAX];
    hologram_attribute attributes[OPERANDS_MAX];
    hologram_call call;
};

enum {
    KEY_N = 'n',
    KEY_DTYPE = 'd',
    KEY_MODE = 'm',
    KEY_DEPTH = 'k',
    KEY_SECONDS = 'l',
    KEY_JSON = 'j'
};

static const struct argp_option options[] = {
    {"elements", KEY_N, "N", 0, "Elements of each operand; rows and columns of matrices (256)", 0},
    {"dtype", KEY_DTYPE, "TYPE", 0, "Element type (f32)", 0},
    {"mode", KEY_MODE, "MODE", 0, "single, pipelined, batch or all (all)", 0},
    {"depth", KEY_DEPTH, "N", 0, "Requests in flight, steps of a batch (64)", 0},
    {"seconds", KEY_SECONDS, "SECONDS", 0, "Length of each measurement (1)", 0},
    {"json", KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

static bool parse_mode(const char *text, unsigned int *modes)
{
    static const struct {
        const char *name;
        unsigned int modes;
    } names[] = {{"single", BENCH_SINGLE},
                 {"pipelined", BENCH_PIPELINED},
                 {"batch", BENCH_BATCH},
                 {"all", BENCH_ALL}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].name) == 0) {
            *modes = names[i].modes;
            return true;
        }
    }
    return false;
}

static error_t parse_option(int key, char *arg, struct argp_state *state,
                            struct bench_arguments *arguments)
{
    char *end;
    switch (key) {
    case KEY_N:
        if (!cli_parse_u64(arg, &arguments->n) || arguments->n == 0) {
            argp_error(state, "expected --elements of at least 1, got '%s'", arg);
        }
        return 0;
    case KEY_DTYPE:
        cli_parse_dtype(state, arg, &arguments->dtype);
        return 0;
    case KEY_MODE:
        if (!parse_mode(arg, &arguments->modes)) {
            argp_error(state, "expected --mode single, pipelined, batch or all, got '%s'", arg);
        }
        return 0;
    case KEY_DEPTH:
        if (!cli_parse_u64(arg, &arguments->depth) || arguments->depth == 0 ||
            arguments->depth > DEPTH_MAX) {
            argp_error(state, "expected --depth from 1 to %d, got '%s'", DEPTH_MAX, arg);
        }
        return 0;
    case KEY_SECONDS:
        arguments->seconds = strtod(arg, &end);
        if (*end != '\0' || !(arguments->seconds > 0 && arguments->seconds <= 3600)) {
            argp_error(state, "expected --seconds up to 3600, got '%s'", arg);
        }
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) {
            argp_error(state, "expected one OP, got also '%s'", arg);
        }
        arguments->op = arg;
        return 0;
    default:
        return parse_option(key, arg, state, arguments);
    }
}

/* ---- the subject ----------------------------------------------------------------------------- */

/* A buffer whose elements are all 1, which no operation refuses. */
static hologram_status make_operand(struct subject *subject,
                                    const struct bench_arguments *arguments, uint32_t index)
{
    hologram_buffer *buffer = &subject->operands[index];
    bool product =
        strcmp(subject->op->module, "linalg") == 0 || strcmp(subject->op->module, "movement") == 0;
    hologram_buffer_spec spec = {.dtype = cli_operand_dtype(subject->op, index, arguments->dtype),
                                 .rank = product ? 2 : 1};
    spec.shape[0] = arguments->n;
    spec.shape[1] = product ? arguments->n : 0;
    hologram_status status = hologram_alloc(subject->client, &spec, buffer, NULL);
    return status == HOLOGRAM_OK ? hologram_fill(subject->client, *buffer, 1, HOLOGRAM_AUTO)
                                 : status;
}

/* Operands of products and of what moves elements that are no matrices. */
static bool is_vector(const hologram_op_info *op, uint32_t index)
{
    static const struct {
        const char *op;
        uint32_t index;
    } vectors[] = {{"matvec", 1}, {"matvec", 2}, {"linear", 2},
                   {"concat", 0}, {"concat", 1}, {"gather_rows", 1}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        if (strcmp(op->name, vectors[i].op) == 0 && index == vectors[i].index) {
            return true;
        }
    }
    return false;
}

static hologram_status make_vector(struct subject *subject, const struct bench_arguments *arguments,
                                   uint32_t index)
{
    hologram_buffer *buffer = &subject->operands[index];
    hologram_dtype dtype = cli_operand_dtype(subject->op, index, arguments->dtype);
    hologram_status status = hologram_alloc_vector(subject->client, dtype, arguments->n, buffer);
    return status == HOLOGRAM_OK ? hologram_fill(subject->client, *buffer, 1, HOLOGRAM_AUTO)
                                 : status;
}

/* Required scalars get the value 1: 1 is within every operation's bounds, and lo = hi is allowed.
 */
static void set_attributes(struct subject *subject, const hologram_ops *ops, hologram_dtype dtype)
{
    for (uint32_t i = 0; i < subject->op->attribute_count; i++) {
        const hologram_attribute_info *info = hologram_ops_attribute(ops, subject->op, i);
        if (info->required && subject->call.attribute_count < OPERANDS_MAX) {
            hologram_attribute *attribute = &subject->attributes[subject->call.attribute_count++];
            attribute->name = info->name;
            attribute->bits = 1;
            (void)hologram_bits_from_double(dtype, 1, &attribute->bits);
        }
    }
}

static int prepare(struct subject *subject, const struct bench_arguments *arguments,
                   const hologram_ops *ops)
{
    uint32_t count = subject->op->inputs + subject->op->outputs;
    if (count > OPERANDS_MAX) {
        return cli_fail(CLI_USAGE, "%s has too many operands to bench", subject->op->name);
    }
    for (uint32_t i = 0; i < count; i++) {
        hologram_status status = is_vector(subject->op, i) ? make_vector(subject, arguments, i)
                                                           : make_operand(subject, arguments, i);
        if (status != HOLOGRAM_OK) {
            return cli_fail_client(arguments->cli, "operands");
        }
    }
    subject->call = (hologram_call){.op = subject->op->name,
                                    .inputs = subject->operands,
                                    .input_count = subject->op->inputs,
                                    .outputs = subject->operands + subject->op->inputs,
                                    .output_count = subject->op->outputs,
                                    .attributes = subject->attributes};
    set_attributes(subject, ops, arguments->dtype);
    if (hologram_execute(subject->client, &subject->call, NULL) != HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, subject->op->name); /* and the cache is warm */
    }
    return CLI_OK;
}

/* ---- measuring and telling --------------------------------------------------------------------
 */

static void print_header(const struct bench_arguments *arguments)
{
    if (!arguments->json) {
        printf("%s, %" PRIu64 " x %s; times are per operation\n", arguments->op, arguments->n,
               hologram_dtype_name(arguments->dtype));
        printf("%-16s %12s %10s %10s %10s\n", "MODE", "OPS/S", "P50", "P99", "P99.9");
    }
}

static void report(const struct bench_result *result, json_t *list)
{
    double rate = (double)result->operations / result->seconds;
    if (list) {
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f}", "mode", result->mode, "operations",
                            (json_int_t)result->operations, "ops_per_s", rate, "p50_ns",
                            result->p50_ns, "p99_ns", result->p99_ns, "p999_ns", result->p999_ns));
        return;
    }
    char p50[CLI_TEXT_MAX];
    char p99[CLI_TEXT_MAX];
    char p999[CLI_TEXT_MAX];
    printf("%-16s %12.0f %10s %10s %10s\n", result->mode, rate, cli_time_text(result->p50_ns, p50),
           cli_time_text(result->p99_ns, p99), cli_time_text(result->p999_ns, p999));
}

/* Each of the ways that were asked for. */
static hologram_status measure_all(const struct subject *subject,
                                   const struct bench_arguments *arguments, double *samples,
                                   json_t *list)
{
    hologram_status status = HOLOGRAM_OK;
    for (unsigned int mode = 1; status == HOLOGRAM_OK && mode < BENCH_ALL; mode <<= 1) {
        struct bench_result result;
        if ((arguments->modes & mode) == 0) {
            continue;
        }
        status = bench_measure(subject->client, &subject->call, (enum bench_mode)mode,
                               arguments->depth, arguments->seconds, samples, &result);
        if (status == HOLOGRAM_OK) {
            report(&result, list);
        }
    }
    return status;
}

static int bench(const struct bench_arguments *arguments, const hologram_ops *ops)
{
    struct subject subject = {.client = arguments->cli->client,
                              .op = hologram_ops_find(ops, arguments->op)};
    if (!subject.op) {
        return cli_fail(CLI_NOT_FOUND, "there is no operation '%s'", arguments->op);
    }
    int code = prepare(&subject, arguments, ops);
    double *samples = code == CLI_OK ? malloc(BENCH_SAMPLES_MAX * sizeof *samples) : NULL;
    if (!samples) {
        return code != CLI_OK ? code : cli_fail(CLI_FILE, "out of memory");
    }
    json_t *list = arguments->json ? json_array() : NULL;
    print_header(arguments);
    if (measure_all(&subject, arguments, samples, list) != HOLOGRAM_OK) {
        code = cli_fail_client(arguments->cli, arguments->op);
    }
    free(samples);
    if (list && code == CLI_OK) {
        return cli_print_json(list);
    }
    json_decref(list);
    return code;
}

int cli_bench(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[OP]",
        .doc = "Measures latency and throughput of OP (vector_add) on buffers of its own.",
        .children = cli_common};
    struct bench_arguments arguments = {.cli = cli,
                                        .op = "vector_add",
                                        .n = 256,
                                        .dtype = HOLOGRAM_F32,
                                        .modes = BENCH_ALL,
                                        .depth = 64,
                                        .seconds = 1};
    cli_parse(&argp, argc, argv, &arguments);
    hologram_ops *ops = NULL;
    int code = cli_get_ops(cli, &ops);
    if (code != CLI_OK) {
        return code;
    }
    code = bench(&arguments, ops);
    hologram_ops_free(ops);
    return code;
}
