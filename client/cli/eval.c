/* SPDX-License-Identifier: Apache-2.0 */
/* eval and explain: expressions on files and named buffers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

#define OPERANDS_MAX HOLOGRAM_GRAPH_OUTPUTS_MAX

struct eval_arguments {
    struct cli *cli;
    const char *text;
    char *operands[OPERANDS_MAX]; /* NAME=VALUE, cut at the '=' */
    const char *values[OPERANDS_MAX];
    uint32_t operand_count;
    const char *targets[OPERANDS_MAX];      /* of --output */
    const char *target_names[OPERANDS_MAX]; /* NULL: of the only result */
    uint32_t target_count;
    bool all;
    bool dot;
    bool publishes; /* it takes the options of those that publish */
    struct cli_publish publish;
};

enum { KEY_ALL = 'a', KEY_OUTPUT = 'o', KEY_DOT = 0x100 };

static const struct argp_option eval_options[] = {
    {"output", KEY_OUTPUT, "[NAME=]TARGET", 0, "Where a result goes: a .npy file, or @BUFFER", 0},
    {"all", KEY_ALL, NULL, 0, "Print every element", 0},
    {0},
};

static const struct argp_option explain_options[] = {
    {"dot", KEY_DOT, NULL, 0, "Write a picture for graphviz's dot", 0},
    {0},
};

/* Cuts NAME=VALUE, which starts as a name does. Gives the value, or NULL. */
static char *split(char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || equals[1] == '\0' ||
        strcspn(text, "/.@") < (size_t)(equals - text)) {
        return NULL;
    }
    *equals = '\0';
    return equals + 1;
}

static void take_operand(struct eval_arguments *arguments, struct argp_state *state, char *arg)
{
    if (!arguments->text) {
        arguments->text = arg;
        return;
    }
    char *value = split(arg);
    if (!value) {
        argp_error(state, "expected INPUT=VALUE, got '%s'", arg);
    }
    if (arguments->operand_count == OPERANDS_MAX) {
        argp_error(state, "expected at most %d inputs", OPERANDS_MAX);
    }
    arguments->values[arguments->operand_count] = value;
    arguments->operands[arguments->operand_count++] = arg;
}

static void take_target(struct eval_arguments *arguments, struct argp_state *state, char *arg)
{
    if (arguments->target_count == OPERANDS_MAX) {
        argp_error(state, "expected at most %d outputs", OPERANDS_MAX);
    }
    char *target = split(arg);
    arguments->targets[arguments->target_count] = target ? target : arg;
    arguments->target_names[arguments->target_count++] = target ? arg : NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct eval_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        if (arguments->publishes) {
            state->child_inputs[1] = &arguments->publish;
        }
        return 0;
    case KEY_ALL:
        arguments->all = true;
        return 0;
    case KEY_DOT:
        arguments->dot = true;
        return 0;
    case KEY_OUTPUT:
        take_target(arguments, state, arg);
        return 0;
    case ARGP_KEY_ARG:
        take_operand(arguments, state, arg);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->text) {
            argp_error(state, "expected TEXT");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- eval ------------------------------------------------------------------------------------ */

static int open_inputs(const struct eval_arguments *arguments, hologram_graph_input *inputs)
{
    for (uint32_t i = 0; i < arguments->operand_count; i++) {
        const char *value = arguments->values[i];
        hologram_buffer_info info;
        int code = value[0] == '@'
                       ? cli_open(arguments->cli, value + 1, false, &inputs[i].buffer, &info)
                       : cli_load_npy(arguments->cli, value, &info);
        if (code != CLI_OK) {
            return code;
        }
        inputs[i].name = arguments->operands[i];
        inputs[i].buffer = info.buffer;
    }
    return CLI_OK;
}

static hologram_buffer_info info_of(const hologram_graph_output *output)
{
    hologram_buffer_info info = {.buffer = output->buffer,
                                 .spec = {.dtype = output->dtype, .rank = output->rank}};
    uint64_t elements = 0;
    memcpy(info.spec.shape, output->shape, sizeof info.spec.shape);
    (void)cli_elements(&info.spec, &elements); /* the server has made it, so it fits */
    info.bytes = elements * hologram_dtype_bytes(output->dtype);
    return info;
}

/* The target of OUTPUT; NULL: it is printed. */
static const char *target_of(const struct eval_arguments *arguments,
                             const hologram_graph_output *output, uint32_t count)
{
    for (uint32_t i = 0; i < arguments->target_count; i++) {
        const char *name = arguments->target_names[i];
        if (name ? strcmp(name, output->given_name) == 0 : count == 1) {
            return arguments->targets[i];
        }
    }
    return NULL;
}

static int deliver(const struct eval_arguments *arguments, const hologram_graph_output *output,
                   uint32_t count)
{
    struct cli *cli = arguments->cli;
    const char *target = target_of(arguments, output, count);
    const hologram_buffer_info info = info_of(output);
    char shape[CLI_SHAPE_MAX];
    if (target && target[0] == '@') {
        int code = cli_publish(cli, info.buffer, target + 1, &arguments->publish);
        if (code == CLI_OK) {
            cli_print_made(target + 1, &info);
        }
        return code;
    }
    if (!target) {
        printf("%s: %s %s\n", output->given_name, hologram_dtype_name(info.spec.dtype),
               cli_shape_text(&info.spec, shape));
    }
    return cli_show(cli, output->given_name, &info, target, arguments->all);
}

/* Each --output names a result. */
static int check_targets(const struct eval_arguments *arguments,
                         const hologram_graph_output *outputs, uint32_t count)
{
    for (uint32_t i = 0; i < arguments->target_count; i++) {
        const char *name = arguments->target_names[i];
        bool found = !name && count == 1;
        for (uint32_t k = 0; name && k < count; k++) {
            found = found || strcmp(name, outputs[k].given_name) == 0;
        }
        if (!found) {
            return name ? cli_fail(CLI_USAGE, "there is no result '%s'", name)
                        : cli_fail(CLI_USAGE, "of %u results, --output has to name one", count);
        }
    }
    return CLI_OK;
}

static int run_text(const struct eval_arguments *arguments, hologram_graph_run *run)
{
    struct cli *cli = arguments->cli;
    if (arguments->text[0] == '@' &&
        hologram_open_graph(cli->client, arguments->text + 1, &run->graph, NULL) != HOLOGRAM_OK) {
        return cli_fail_client(cli, arguments->text + 1);
    }
    return hologram_run_graph(cli->client, run) == HOLOGRAM_OK ? CLI_OK
                                                               : cli_fail_client(cli, "eval");
}

static int eval(const struct eval_arguments *arguments)
{
    hologram_graph_input inputs[OPERANDS_MAX];
    hologram_graph_output outputs[OPERANDS_MAX] = {{0}};
    const hologram_graph_source source = {.text = arguments->text};
    hologram_graph_run run = {.source = &source,
                              .inputs = inputs,
                              .input_count = arguments->operand_count,
                              .outputs = outputs,
                              .output_count = OPERANDS_MAX};
    int code = open_inputs(arguments, inputs);
    if (code == CLI_OK) {
        code = run_text(arguments, &run);
    }
    uint32_t count = 0;
    while (count < OPERANDS_MAX && outputs[count].given_name[0] != '\0') {
        count++;
    }
    if (code == CLI_OK) {
        code = check_targets(arguments, outputs, count);
    }
    for (uint32_t i = 0; i < count && code == CLI_OK; i++) {
        code = deliver(arguments, &outputs[i], count);
    }
    return code;
}

int cli_eval(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = eval_options,
        .parser = parse,
        .args_doc = "TEXT [INPUT=VALUE...]",
        .doc = "Evaluates TEXT, in NumPy's notation, or the named graph @NAME, as one request. A "
               "VALUE is a .npy file or a named buffer, @NAME. Results without --output are "
               "printed.\vhologramctl eval 'y = softmax(x @ w)' x=x.npy w=@weights -o y.npy",
        .children = cli_publishing};
    struct eval_arguments arguments = {.cli = cli, .publishes = true};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    return code == CLI_OK ? eval(&arguments) : code;
}

/* ---- explain --------------------------------------------------------------------------------- */

/* "f32[2, 3]". */
static bool parse_pattern(const char *text, hologram_buffer_spec *spec)
{
    char copy[CLI_SHAPE_MAX];
    const char *bracket = strchr(text, '[');
    const size_t length = strlen(text);
    if (!bracket || length >= sizeof copy || text[length - 1] != ']') {
        return false;
    }
    memcpy(copy, text, length);
    copy[bracket - text] = '\0';
    copy[length - 1] = '\0';
    char *to = copy + (bracket - text) + 1;
    const char *shape = to;
    for (const char *from = shape; *from; from++) {
        if (*from != ' ') {
            *to++ = *from;
        }
    }
    *to = '\0';
    return hologram_dtype_parse(copy, &spec->dtype) && cli_parse_shape(shape, spec);
}

static int describe(const struct eval_arguments *arguments, const char *value,
                    hologram_buffer_spec *spec)
{
    hologram_buffer buffer;
    hologram_buffer_info info;
    if (parse_pattern(value, spec)) {
        return CLI_OK;
    }
    if (value[0] != '@') {
        return cli_peek_npy(value, spec);
    }
    int code = cli_open(arguments->cli, value + 1, false, &buffer, &info);
    if (code == CLI_OK) {
        *spec = info.spec;
    }
    return code;
}

static int explain(const struct eval_arguments *arguments)
{
    hologram_graph_pattern patterns[OPERANDS_MAX] = {{0}};
    for (uint32_t i = 0; i < arguments->operand_count; i++) {
        hologram_buffer_spec spec = {0};
        int code = describe(arguments, arguments->values[i], &spec);
        if (code != CLI_OK) {
            return code;
        }
        patterns[i].name = arguments->operands[i];
        patterns[i].operand =
            (hologram_operand){.dtype = spec.dtype, .has_shape = true, .rank = spec.rank};
        memcpy(patterns[i].operand.shape, spec.shape, sizeof spec.shape);
    }
    const hologram_graph_source source = {.text = arguments->text};
    const char *text = NULL;
    if (hologram_explain_graph(arguments->cli->client, &source, patterns, arguments->operand_count,
                               arguments->dot, &text) != HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, "explain");
    }
    fputs(text, stdout);
    hologram_text_free(text);
    return CLI_OK;
}

int cli_explain(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = explain_options,
        .parser = parse,
        .args_doc = "TEXT [INPUT=VALUE...]",
        .doc =
            "Shows what TEXT becomes: what is fused and why not more, the programs, bytes moved, "
            "memory. A VALUE is a type and shape, a .npy file, or a named buffer, @NAME.\v"
            "hologramctl explain 'y = softmax(x @ w)' 'x=f32[16, 784]' w=@weights",
        .children = cli_common};
    struct eval_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    return code == CLI_OK ? explain(&arguments) : code;
}
