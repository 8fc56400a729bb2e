/* SPDX-License-Identifier: Apache-2.0 */
/* hologramctl: picks the command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

#define DEFAULT_TIMEOUT_S 30
/* What the library waits for a greeting unless it is told otherwise. */
#define LIBRARY_CONNECT_TIMEOUT_US 5000000

const struct cli_command cli_commands[] = {
    {{"ping", "measure the time of a round trip"}, cli_ping},
    {{"info", "describe the server, or a named buffer"}, cli_info},
    {{"ops", "list the operations, or describe one"}, cli_ops},
    {{"put", "make a named buffer from a .npy file"}, cli_put},
    {{"get", "print a named buffer, or write it to a .npy file"}, cli_get},
    {{"alloc", "make a named buffer of zeros"}, cli_alloc},
    {{"free", "remove named buffers"}, cli_free},
    {{"freeze", "make named buffers constant"}, cli_freeze},
    {{"ls", "list named buffers"}, cli_ls},
    {{"run", "run an operation on named buffers"}, cli_run},
    {{"eval", "evaluate expressions on files and named buffers"}, cli_eval},
    {{"explain", "show what expressions become"}, cli_explain},
    {{"graph", "keep expressions under names"}, cli_graph},
    {{"stats", "show what the caches and pools did"}, cli_stats},
    {{"top", "show it live"}, cli_top},
    {{"cache", "look into the program cache, and administer it"}, cli_cache},
    {{"bench", "measure latency and throughput of an operation"}, cli_bench},
    {{"asm", "assemble, and with --run run, a program"}, cli_asm},
    {{"disasm", "print a program's binary as text"}, cli_disasm},
    {{NULL, NULL}, NULL},
};

enum { KEY_SOCKET = 's', KEY_TIMEOUT = 't' };

static const struct argp_option common_options[] = {
    {"socket", KEY_SOCKET, "PATH", 0, "Socket of the server", -1},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "Deadline of each request; 0 = none (30)", -1},
    {0},
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct cli *cli = state->input;
    char *end;
    switch (key) {
    case KEY_SOCKET:
        cli->socket = arg;
        return 0;
    case KEY_TIMEOUT:
        cli->timeout_s = strtod(arg, &end);
        if (end == arg || *end != '\0' || !(cli->timeout_s >= 0 && cli->timeout_s <= 1e9)) {
            argp_error(state, "expected --timeout in seconds, got '%s'", arg);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_common_argp = {.options = common_options, .parser = parse_common};

const struct argp_child cli_common[] = {{&cli_common_argp, 0, "Connection:", -1}, {0}};

void cli_common_init(struct argp_state *state, struct cli *cli)
{
    state->child_inputs[0] = cli;
}

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    if (argp_parse(argp, argc, argv, 0, NULL, input) != 0) {
        exit(CLI_USAGE);
    }
}

int cli_connect(struct cli *cli)
{
    if (cli->client) {
        return CLI_OK;
    }
    uint64_t timeout_us = (uint64_t)(cli->timeout_s * 1e6);
    hologram_options options = {
        .socket_path = cli->socket,
        .client_name = "hologramctl",
        /* Who waits for less than the library does wants to be told sooner. */
        .connect_timeout_us = timeout_us < LIBRARY_CONNECT_TIMEOUT_US ? timeout_us : 0,
        .timeout_us = timeout_us,
    };
    hologram_error error;
    hologram_status status = hologram_connect(&options, &cli->client, &error);
    if (status != HOLOGRAM_OK) {
        return cli_fail(CLI_UNREACHABLE, "%s (%s)", error.message, hologram_status_name(status));
    }
    return CLI_OK;
}

int cli_get_ops(struct cli *cli, hologram_ops **ops)
{
    int code = cli_connect(cli);
    if (code == CLI_OK && hologram_list_ops(cli->client, ops) != HOLOGRAM_OK) {
        code = cli_fail_client(cli, "ops");
    }
    return code;
}

int main(int argc, char **argv)
{
    argp_program_version = "hologramctl " HG_VERSION;
    argp_err_exit_status = CLI_USAGE;
    struct cli cli = {.timeout_s = DEFAULT_TIMEOUT_S};
    static char name[CLI_COMMAND_NAME_BYTES];
    const struct cli_menu menu = {
        .name = "hologramctl",
        .doc = "Talks to hologramd, the compute daemon of this host.\v ",
        .epilogue =
            "Without --socket: $HOLOGRAM_SOCKET, else hologram.sock in $RUNTIME_DIRECTORY, in "
            "$XDG_RUNTIME_DIR, or in /run/hologram.",
        .rows = cli_commands,
        .row_bytes = sizeof cli_commands[0],
        .command_name = name,
    };
    const struct cli_command *command = cli_choose(&menu, &cli, &argc, &argv);
    int code = command->run(&cli, argc, argv);
    hologram_close(&cli.client);
    int output = cli_finish_output();
    return code != CLI_OK ? code : output;
}
