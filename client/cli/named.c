/* SPDX-License-Identifier: Apache-2.0 */
/* Named buffers: opening, publishing, alloc, free, ls. */
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

#define DEFAULT_MODE 0600

int cli_open(struct cli *cli, const char *name, bool writable, hologram_buffer *buffer,
             hologram_buffer_info *info)
{
    if (hologram_open(cli->client, name, writable, buffer, info) != HOLOGRAM_OK) {
        return cli_fail_client(cli, name);
    }
    return CLI_OK;
}

int cli_publish(struct cli *cli, hologram_buffer buffer, const char *name,
                const struct cli_publish *how)
{
    if (hologram_publish(cli->client, buffer, name, how->mode, how->gid) != HOLOGRAM_OK) {
        return cli_fail_client(cli, name);
    }
    return CLI_OK;
}

static bool parse_mode(const char *text, uint32_t *mode)
{
    char *end;
    unsigned long parsed = strtoul(text, &end, 8);
    if (*text < '0' || *text > '7' || *end != '\0' || parsed > 0666) {
        return false;
    }
    *mode = (uint32_t)parsed;
    return true;
}

/* ---- options of those that publish ----------------------------------------------------------- */

enum { KEY_MODE = 'm', KEY_GROUP = 'g' };

static const struct argp_option publish_options[] = {
    {"mode", KEY_MODE, "OCTAL", 0, "Permissions of the named buffer (600)", 0},
    {"group", KEY_GROUP, "GROUP", 0, "Group that the middle digit of the mode speaks of", 0},
    {0},
};

static bool parse_group(const char *text, uint32_t *gid)
{
    const struct group *group = getgrnam(text);
    uint64_t number;
    if (group) {
        *gid = group->gr_gid;
        return true;
    }
    if (!cli_parse_u64(text, &number) || number >= UINT32_MAX) {
        return false;
    }
    *gid = (uint32_t)number;
    return true;
}

static error_t parse_publish(int key, char *arg, struct argp_state *state)
{
    struct cli_publish *publish = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        publish->mode = DEFAULT_MODE;
        publish->gid = HOLOGRAM_NO_GROUP;
        return 0;
    case KEY_MODE:
        if (!parse_mode(arg, &publish->mode)) {
            argp_error(state, "expected --mode as octal digits up to 666, got '%s'", arg);
        }
        return 0;
    case KEY_GROUP:
        if (!parse_group(arg, &publish->gid)) {
            argp_error(state, "there is no group '%s'", arg);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp publish_argp = {.options = publish_options, .parser = parse_publish};

const struct argp_child cli_publishing[] = {
    {&cli_common_argp, 0, "Connection:", -1}, {&publish_argp, 0, NULL, 0}, {0}};

/* ---- alloc ----------------------------------------------------------------------------------- */

struct alloc_arguments {
    struct cli *cli;
    const char *name;
    hologram_buffer_spec spec;
    struct cli_publish publish;
    bool has_shape;
};

enum { KEY_DTYPE = 'd', KEY_SHAPE = 'n', KEY_POOL = 'p', KEY_FALLBACK = 0x100 };

static const struct argp_option alloc_options[] = {
    {"dtype", KEY_DTYPE, "TYPE", 0, "i8 … i64, u8 … u64, f16, bf16, f32 or f64 (f32)", 0},
    {"shape", KEY_SHAPE, "N,N,…", 0, "Elements of each dimension; '' = a scalar", 0},
    {"pool", KEY_POOL, "POOL", 0, "heap or boundary (heap)", 0},
    {"fallback", KEY_FALLBACK, NULL, 0, "Take heap memory when the boundary pool has none", 0},
    {0},
};

static error_t parse_alloc_option(int key, const char *arg, struct argp_state *state,
                                  struct alloc_arguments *arguments)
{
    switch (key) {
    case KEY_DTYPE:
        if (!hologram_dtype_parse(arg, &arguments->spec.dtype)) {
            argp_error(state, "there is no dtype '%s'", arg);
        }
        return 0;
    case KEY_SHAPE:
        arguments->has_shape = true;
        if (!cli_parse_shape(arg, &arguments->spec)) {
            argp_error(state, "expected --shape as up to %d numbers with commas, got '%s'",
                       HOLOGRAM_RANK_MAX, arg);
        }
        return 0;
    case KEY_POOL:
        if (!cli_parse_pool(arg, &arguments->spec.pool)) {
            argp_error(state, "expected --pool heap or boundary, got '%s'", arg);
        }
        return 0;
    case KEY_FALLBACK:
        arguments->spec.boundary_fallback = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_alloc(int key, char *arg, struct argp_state *state)
{
    struct alloc_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        state->child_inputs[1] = &arguments->publish;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->name) {
            argp_error(state, "expected one NAME, got also '%s'", arg);
        }
        arguments->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->name || !arguments->has_shape) {
            argp_error(state, "expected a NAME and --shape");
        }
        return 0;
    default:
        return parse_alloc_option(key, arg, state, arguments);
    }
}

bool cli_parse_pool(const char *text, hologram_pool *pool)
{
    if (strcmp(text, "heap") == 0) {
        *pool = HOLOGRAM_POOL_HEAP;
        return true;
    }
    if (strcmp(text, "boundary") == 0) {
        *pool = HOLOGRAM_POOL_BOUNDARY;
        return true;
    }
    return false;
}

int cli_alloc(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = alloc_options,
                                     .parser = parse_alloc,
                                     .args_doc = "NAME",
                                     .doc = "Makes a named buffer of zeros.",
                                     .children = cli_publishing};
    struct alloc_arguments arguments = {.cli = cli, .spec.dtype = HOLOGRAM_F32};
    cli_parse(&argp, argc, argv, &arguments);
    hologram_buffer buffer;
    hologram_buffer_info info;
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    if (hologram_alloc(cli->client, &arguments.spec, &buffer, &info) != HOLOGRAM_OK) {
        return cli_fail_client(cli, arguments.name);
    }
    code = cli_publish(cli, buffer, arguments.name, &arguments.publish);
    if (code == CLI_OK) {
        cli_print_made(arguments.name, &info);
    }
    return code;
}

void cli_print_made(const char *name, const hologram_buffer_info *info)
{
    char shape[CLI_SHAPE_MAX];
    char bytes[CLI_TEXT_MAX];
    printf("%s: %s %s, %s in the %s pool\n", name, hologram_dtype_name(info->spec.dtype),
           cli_shape_text(&info->spec, shape), cli_bytes_text(info->bytes, bytes),
           cli_pool_name(info->spec.pool));
}

/* ---- free ------------------------------------------------------------------------------------ */

struct free_arguments {
    struct cli *cli;
    char **names;
    int count;
};

static error_t parse_free(int key, char *arg, struct argp_state *state)
{
    struct free_arguments *arguments = state->input;
    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->names = state->argv + state->next;
        arguments->count = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "expected at least one NAME");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_free(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_free,
        .args_doc = "NAME...",
        .doc = "Removes named buffers. Whoever has one open keeps it until they close.",
        .children = cli_common};
    struct free_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    for (int i = 0; i < arguments.count; i++) {
        if (hologram_unpublish(cli->client, arguments.names[i]) != HOLOGRAM_OK) {
            code = cli_fail_client(cli, arguments.names[i]);
        }
    }
    return code;
}

/* ---- ls -------------------------------------------------------------------------------------- */

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
    printf("%-24s %-5s %-16s %10s %-8s %04" PRIo32 " %-8s %s\n", name,
           hologram_dtype_name(info->spec.dtype), cli_shape_text(&info->spec, shape),
           cli_bytes_text(info->bytes, bytes), cli_pool_name(info->spec.pool), info->mode,
           user_name(info->uid, user), group_name(info->gid, group));
}

json_t *cli_buffer_json(const hologram_buffer_info *info)
{
    char mode[16];
    (void)snprintf(mode, sizeof mode, "%04" PRIo32, info->mode);
    json_t *shape = json_array();
    for (uint32_t i = 0; i < info->spec.rank; i++) {
        json_array_append_new(shape, json_integer((json_int_t)info->spec.shape[i]));
    }
    return json_pack("{s:s, s:s, s:o, s:I, s:s, s:s, s:i, s:i, s:I}", "name", info->name, "dtype",
                     hologram_dtype_name(info->spec.dtype), "shape", shape, "bytes",
                     (json_int_t)info->bytes, "pool", cli_pool_name(info->spec.pool), "mode", mode,
                     "uid", (int)info->uid, "gid", (int)info->gid, "session",
                     (json_int_t)info->session_id);
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
