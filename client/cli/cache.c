/* SPDX-License-Identifier: Apache-2.0 */
/* cache: picks one of its own commands. */
#include "client/cli/cache.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static const struct cache_command commands[] = {
    {{"top", "show the most used programs"}, NULL, 0, 0, cache_top_options, cache_top},
    {{"ls", "list programs"}, NULL, 0, 0, cache_ls_options, cache_ls},
    {{"stats", "show what each cache did, and why it missed"},
     NULL,
     0,
     0,
     cache_stats_options,
     cache_stats},
    {{"show", "describe a program: its key, its code, how it runs"},
     "KEY",
     1,
     1,
     cache_json_options,
     cache_show},
    {{"what-if", "estimate what caches of other sizes would have answered"},
     "[ENTRIES...]",
     0,
     64,
     cache_json_options,
     cache_what_if},
    {{"flush", "drop programs: one, those of a cache, or all"},
     "[KEY]",
     0,
     1,
     cache_flush_options,
     cache_flush},
    {{"pin", "keep programs from eviction and flush"}, "KEY...", 1, INT_MAX, NULL, cache_pin},
    {{"unpin", "keep them no longer"}, "KEY...", 1, INT_MAX, NULL, cache_unpin},
    {{"profile", "write the keys of what is cached, hottest first"},
     "[FILE]",
     0,
     1,
     NULL,
     cache_profile},
    {{"warm", "build the programs of such a file in the background"},
     "FILE",
     1,
     1,
     NULL,
     cache_warm},
    {{NULL, NULL}, NULL, 0, 0, NULL, NULL},
};

/* ---- one command's arguments ----------------------------------------------------------------- */

static void take_operand(struct cache_arguments *arguments, struct argp_state *state, char *arg)
{
    if (arguments->operand_count == arguments->command->operands_max) {
        argp_error(state, "unexpected argument '%s'", arg);
    }
    arguments->operands[arguments->operand_count++] = arg;
}

static error_t parse_command(int key, char *arg, struct argp_state *state)
{
    struct cache_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case CACHE_KEY_ALL:
        arguments->all = true;
        return 0;
    case CACHE_KEY_CACHE:
        arguments->cache = arg;
        return 0;
    case CACHE_KEY_JSON:
        arguments->json = true;
        return 0;
    case CACHE_KEY_COUNT:
        if (!cli_parse_u64(arg, &arguments->count) || arguments->count == 0) {
            argp_error(state, "expected --count of at least 1, got '%s'", arg);
        }
        return 0;
    case ARGP_KEY_ARG:
        take_operand(arguments, state, arg);
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

static int run_command(struct cli *cli, const struct cache_command *command, int argc, char **argv)
{
    char doc[128];
    (void)snprintf(doc, sizeof doc, "%c%s.", command->entry.summary[0] - 'a' + 'A',
                   command->entry.summary + 1);
    const struct argp argp = {.options = command->options,
                              .parser = parse_command,
                              .args_doc = command->operands,
                              .doc = doc,
                              .children = cli_common};
    struct cache_arguments arguments = {
        .cli = cli, .command = command, .operands = calloc((size_t)argc, sizeof(char *))};
    if (!arguments.operands) {
        return cli_fail(CLI_EXHAUSTED, "out of memory");
    }
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code == CLI_OK) {
        code = command->run(&arguments);
    }
    free(arguments.operands);
    return code;
}

int cli_cache(struct cli *cli, int argc, char **argv)
{
    static char name[CLI_COMMAND_NAME_BYTES];
    const struct cli_menu menu = {
        .name = "hologramctl cache",
        .doc = "Looks into the program cache, and administers it.\v ",
        .epilogue =
            "A KEY is what `top' and `ls' print, or any beginning of it, of at least 4 digits, "
            "that no other key shares; it holds for as long as the server runs. Changing "
            "anything is for administrators, as is seeing constants and users' programs.",
        .rows = commands,
        .row_bytes = sizeof commands[0],
        .command_name = name,
    };
    const struct cache_command *command = cli_choose(&menu, cli, &argc, &argv);
    return run_command(cli, command, argc, argv);
}
