/* SPDX-License-Identifier: Apache-2.0 */
/* graph: named graphs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

#define OPERANDS_MAX 64

struct graph_arguments;

struct graph_command {
    struct cli_entry entry;
    const char *operands;
    uint32_t operands_min;
    uint32_t operands_max;
    const struct argp_option *options;
    const struct argp_child *children;
    int (*run)(const struct graph_arguments *arguments);
};

struct graph_arguments {
    struct cli *cli;
    const struct graph_command *command;
    const char *operands[OPERANDS_MAX];
    uint32_t operand_count;
    bool json;
    struct cli_publish publish;
};

enum { KEY_JSON = 'j' };

/* ---- save and load --------------------------------------------------------------------------- */

static int save(const struct graph_arguments *arguments)
{
    struct cli *cli = arguments->cli;
    const char *name = arguments->operands[0];
    const hologram_graph_source source = {.text = arguments->operands[1]};
    hologram_graph graph;
    if (hologram_load_graph(cli->client, &source, &graph, NULL) != HOLOGRAM_OK) {
        return cli_fail_client(cli, name);
    }
    if (hologram_save_graph(cli->client, graph, name, arguments->publish.mode,
                            arguments->publish.gid) != HOLOGRAM_OK) {
        return cli_fail_client(cli, name);
    }
    return CLI_OK;
}

static void print_names(const char *what, const char *const *names, uint32_t count)
{
    printf("%-8s", what);
    for (uint32_t i = 0; i < count; i++) {
        printf("%s%s", i == 0 ? "" : ", ", names[i]);
    }
    putchar('\n');
}

static int load(const struct graph_arguments *arguments)
{
    struct cli *cli = arguments->cli;
    const hologram_graph_info *info = NULL;
    hologram_graph graph;
    if (hologram_open_graph(cli->client, arguments->operands[0], &graph, &info) != HOLOGRAM_OK) {
        return cli_fail_client(cli, arguments->operands[0]);
    }
    print_names("takes", info->inputs, info->input_count);
    print_names("gives", info->outputs, info->output_count);
    printf("%-8s%u\n%-8s%s\n", "nodes", info->nodes, "digest", info->digest);
    hologram_graph_info_free(info);
    return CLI_OK;
}

/* ---- list and remove ------------------------------------------------------------------------- */

static json_t *graph_json(const hologram_named_graph *graph)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name", graph->name, "digest",
                     graph->digest, "nodes", (json_int_t)graph->nodes, "inputs",
                     (json_int_t)graph->inputs, "outputs", (json_int_t)graph->outputs, "uid",
                     (json_int_t)graph->uid, "gid", (json_int_t)graph->gid, "mode",
                     (json_int_t)graph->mode);
}

static int print_list_json(const hologram_named_graphs *list)
{
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < list->count; i++) {
        if (json_array_append_new(array, graph_json(&list->graphs[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return cli_print_json(array);
}

static int print_list(const hologram_named_graphs *list)
{
    printf("%-32s %6s %6s %7s %5s %6s  %s\n", "NAME", "NODES", "INPUTS", "OUTPUTS", "MODE", "UID",
           "DIGEST");
    for (uint32_t i = 0; i < list->count; i++) {
        const hologram_named_graph *graph = &list->graphs[i];
        printf("%-32s %6u %6u %7u %5o %6u  %.12s\n", graph->name, graph->nodes, graph->inputs,
               graph->outputs, graph->mode, graph->uid, graph->digest);
    }
    if (list->truncated) {
        printf("… and more\n");
    }
    return CLI_OK;
}

static int list(const struct graph_arguments *arguments)
{
    const hologram_named_graphs *graphs = NULL;
    if (hologram_graphs(arguments->cli->client, &graphs) != HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, "graphs");
    }
    int code = arguments->json ? print_list_json(graphs) : print_list(graphs);
    hologram_named_graphs_free(graphs);
    return code;
}

static int remove_names(const struct graph_arguments *arguments)
{
    int code = CLI_OK;
    for (uint32_t i = 0; i < arguments->operand_count; i++) {
        const char *name = arguments->operands[i];
        if (hologram_remove_graph(arguments->cli->client, name) != HOLOGRAM_OK) {
            code = cli_fail_client(arguments->cli, name);
        }
    }
    return code;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static const struct argp_option list_options[] = {
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {0},
};

static const struct graph_command commands[] = {
    {{"save", "keep a text under a name, beyond this session"},
     "NAME TEXT",
     2,
     2,
     NULL,
     cli_publishing,
     save},
    {{"load", "describe a named graph: what it takes and gives"},
     "NAME",
     1,
     1,
     NULL,
     cli_common,
     load},
    {{"ls", "list named graphs"}, NULL, 0, 0, list_options, cli_common, list},
    {{"rm", "remove named graphs"}, "NAME...", 1, OPERANDS_MAX, NULL, cli_common, remove_names},
    {{NULL, NULL}, NULL, 0, 0, NULL, NULL, NULL},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct graph_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        if (arguments->command->children == cli_publishing) {
            state->child_inputs[1] = &arguments->publish;
        }
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->operand_count == arguments->command->operands_max) {
            argp_error(state, "unexpected argument '%s'", arg);
        }
        arguments->operands[arguments->operand_count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->operand_count < arguments->command->operands_min) {
            argp_error(state, "expected %s", arguments->command->operands);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_graph(struct cli *cli, int argc, char **argv)
{
    static char name[CLI_COMMAND_NAME_BYTES];
    const struct cli_menu menu = {
        .name = "hologramctl graph",
        .doc = "Keeps expressions under names.\v ",
        .epilogue =
            "A TEXT is in NumPy's notation, as of `eval', which runs a named graph as @NAME.",
        .rows = commands,
        .row_bytes = sizeof commands[0],
        .command_name = name,
    };
    const struct graph_command *command = cli_choose(&menu, cli, &argc, &argv);
    char doc[128];
    (void)snprintf(doc, sizeof doc, "%c%s.", command->entry.summary[0] - 'a' + 'A',
                   command->entry.summary + 1);
    const struct argp argp = {.options = command->options,
                              .parser = parse,
                              .args_doc = command->operands,
                              .doc = doc,
                              .children = command->children};
    struct graph_arguments arguments = {.cli = cli, .command = command};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    return code == CLI_OK ? command->run(&arguments) : code;
}
