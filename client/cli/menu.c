/* SPDX-License-Identifier: Apache-2.0 */
/* Picks one of several commands: the program's own, or those of one of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

struct choice {
    struct cli *cli;
    const struct cli_menu *menu;
    const struct cli_entry *entry;
    int index; /* in argv, of the command */
};

/* Row INDEX of the table; NULL behind the last. */
static const struct cli_entry *entry_at(const struct cli_menu *menu, size_t index)
{
    const void *row = (const char *)menu->rows + index * menu->row_bytes;
    const struct cli_entry *entry = row;
    return entry->name ? entry : NULL;
}

static const struct cli_entry *find(const struct cli_menu *menu, const char *name)
{
    const struct cli_entry *entry;
    for (size_t i = 0; (entry = entry_at(menu, i)) != NULL; i++) {
        if (strcmp(entry->name, name) == 0) {
            return entry;
        }
    }
    return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct choice *choice = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, choice->cli);
        return 0;
    case ARGP_KEY_ARG:
        choice->entry = find(choice->menu, arg);
        if (!choice->entry) {
            argp_error(state, "there is no command '%s'", arg);
        }
        choice->index = state->next - 1;
        state->next = state->argc; /* the rest is the command's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Appends the table of commands to the help. */
static char *help_filter(int key, const char *text, void *input)
{
    const struct choice *choice = input;
    char *help = NULL;
    size_t size = 0;
    bool here = key == ARGP_KEY_HELP_POST_DOC && choice;
    FILE *stream = here ? open_memstream(&help, &size) : NULL;
    if (!stream) {
        return (char *)text;
    }
    const struct cli_entry *entry;
    fputs("Commands:\n", stream);
    for (size_t i = 0; (entry = entry_at(choice->menu, i)) != NULL; i++) {
        fprintf(stream, "  %-8s %s\n", entry->name, entry->summary);
    }
    fprintf(stream, "\n`%s COMMAND --help' describes each. %s", choice->menu->name,
            choice->menu->epilogue);
    return fclose(stream) == 0 ? help : (char *)text;
}

const void *cli_choose(const struct cli_menu *menu, struct cli *cli, int *argc, char ***argv)
{
    const struct argp argp = {
        .parser = parse,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = menu->doc,
        .children = cli_common,
        .help_filter = help_filter,
    };
    struct choice choice = {.cli = cli, .menu = menu};
    if (argp_parse(&argp, *argc, *argv, ARGP_IN_ORDER, NULL, &choice) != 0) {
        exit(CLI_USAGE);
    }
    *argc -= choice.index;
    *argv += choice.index;
    (void)snprintf(menu->command_name, CLI_COMMAND_NAME_BYTES, "%s %s", menu->name,
                   choice.entry->name);
    (*argv)[0] = menu->command_name;
    return choice.entry;
}
