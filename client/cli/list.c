/* SPDX-License-Identifier: Apache-2.0 */
/* ls: the named buffers, and buffers as JSON. */
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "client/cli/cli.h"

struct ls_arguments {
    struct cli *cli;
    bool all;
    bool names;
    bool json;
};

enum { KEY_ALL = 'a', KEY_NAMES = 0x101, KEY_JSON = 'j' };

static const struct argp_option ls_options[] = {
    {"all", KEY_ALL, NULL, 0, "Buffers of every session (administrators)", 0},
    {"names", KEY_NAMES, NULL, 0, "Only the names", 0},
    {"json", KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

static error_t parse_ls(int key, char *arg, struct argp_state *state)
{
    struct ls_arguments *arguments = state->input;
    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case KEY_ALL:
        arguments->all = true;
        return 0;
    case KEY_NAMES:
        arguments->names = true;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *user_name(uint32_t uid, char text[CLI_TEXT_MAX])
{
    const struct passwd *user = getpwuid(uid);
    if (user) {
        (void)snprintf(text, CLI_TEXT_MAX, "%s", user->pw_name);
    } else {
        (void)snprintf(text, CLI_TEXT_MAX, "%" PRIu32, uid);
    }
    return text;
}

static const char *group_name(uint32_t gid, char text[CLI_TEXT_MAX])
{
    const struct group *group = getgrgid(gid);
    if (group) {
        (void)snprintf(text, CLI_TEXT_MAX, "%s", group->gr_name);
    } else {
        (void)snprintf(text, CLI_TEXT_MAX, "%" PRIu32, gid);
    }
    return text;
}

static void print_row(const hologram_buffer_info *info)
{
    char shape[CLI_SHAPE_MAX];
    char bytes[CLI_TEXT_MAX];
    char user[CLI_TEXT_MAX];
    char group[CLI_TEXT_MAX];
    char name[HOLOGRAM_NAME_MAX + 32];
    if (info->name[0] != '\0') {
        (void)snprintf(name, sizeof name, "%s", info->name);
    } else {
        (void)snprintf(name, sizeof name, "(session %" PRIu64 ")", info->session_id);
    }
    printf("%-24s %-5s %-16s %10s %-8s %04" PRIo32 " %-8s %s%s\n", name,
           hologram_dtype_name(info->spec.dtype), cli_shape_text(&info->spec, shape),
           cli_bytes_text(info->bytes, bytes), cli_pool_name(info->spec.pool), info->mode,
           user_name(info->uid, user), group_name(info->gid, group),
           info->constant ? " constant" : "");
}

json_t *cli_buffer_json(const hologram_buffer_info *info)
{
    char mode[16];
    (void)snprintf(mode, sizeof mode, "%04" PRIo32, info->mode);
    json_t *shape = json_array();
    for (uint32_t i = 0; i < info->spec.rank; i++) {
        json_array_append_new(shape, json_integer((json_int_t)info->spec.shape[i]));
    }
    return json_pack("{s:s, s:s, s:o, s:I, s:s, s:s, s:i, s:i, s:I, s:b}", "name", info->name,
                     "dtype", hologram_dtype_name(info->spec.dtype), "shape", shape, "bytes",
                     (json_int_t)info->bytes, "pool", cli_pool_name(info->spec.pool), "mode", mode,
                     "uid", (int)info->uid, "gid", (int)info->gid, "session",
                     (json_int_t)info->session_id, "constant", (int)info->constant);
}

static int print_buffers(const hologram_buffers *buffers, const struct ls_arguments *arguments)
{
    json_t *list = arguments->json ? json_array() : NULL;
    if (!arguments->json && !arguments->names) {
        printf("%-24s %-5s %-16s %10s %-8s %-4s %-8s %s\n", "NAME", "TYPE", "SHAPE", "SIZE", "POOL",
               "MODE", "USER", "GROUP");
    }
    for (uint32_t i = 0; i < hologram_buffers_count(buffers); i++) {
        const hologram_buffer_info *info = hologram_buffers_at(buffers, i);
        if (arguments->json) {
            json_array_append_new(list, cli_buffer_json(info));
        } else if (arguments->names) {
            puts(info->name);
        } else {
            print_row(info);
        }
    }
    if (hologram_buffers_truncated(buffers)) {
        fputs("hologramctl: there are more than the server lists at once\n", stderr);
    }
    return arguments->json ? cli_print_json(list) : CLI_OK;
}

int cli_ls(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = ls_options,
                                     .parser = parse_ls,
                                     .doc = "Lists the named buffers that you may read.",
                                     .children = cli_common};
    struct ls_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    hologram_buffers *buffers;
    hologram_scope scope = arguments.all ? HOLOGRAM_SCOPE_ALL : HOLOGRAM_SCOPE_NAMED;
    if (hologram_list_buffers(cli->client, scope, &buffers) != HOLOGRAM_OK) {
        return cli_fail_client(cli, "ls");
    }
    code = print_buffers(buffers, &arguments);
    hologram_buffers_free(buffers);
    return code;
}
