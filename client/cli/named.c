/* SPDX-License-Identifier: Apache-2.0 */
/* Named buffers: opening, making, publishing, alloc, free. */
#include <grp.h>
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

static int make_shared(struct cli *cli, const char *name, const hologram_buffer_spec *spec,
                       hologram_buffer *buffer, hologram_buffer_info *info, void **memory)
{
    uint64_t elements = 0;
    void *mapped = NULL;
    if (hologram_alloc_shared(cli->client, spec, buffer, &mapped) != HOLOGRAM_OK) {
        return cli_fail_client(cli, name);
    }
    (void)cli_elements(spec, &elements); /* the server has made it, so it fits */
    *info = (hologram_buffer_info){.buffer = *buffer, .spec = *spec};
    info->bytes = elements * hologram_dtype_bytes(spec->dtype);
    if (memory) {
        *memory = mapped;
    } else {
        hologram_unmap(mapped, info->bytes);
    }
    return CLI_OK;
}

int cli_make(struct cli *cli, const char *name, const hologram_buffer_spec *spec,
             hologram_buffer *buffer, hologram_buffer_info *info, void **memory)
{
    if (memory) {
        *memory = NULL;
    }
    if (spec->pool == HOLOGRAM_POOL_SHARED) {
        return make_shared(cli, name, spec, buffer, info, memory);
    }
    if (hologram_alloc(cli->client, spec, buffer, info) != HOLOGRAM_OK) {
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
    {"pool", KEY_POOL, "POOL", 0, "heap, boundary or shared (heap)", 0},
    {"fallback", KEY_FALLBACK, NULL, 0, "Take heap memory when the boundary pool has none", 0},
    {0},
};

static error_t parse_alloc_option(int key, const char *arg, struct argp_state *state,
                                  struct alloc_arguments *arguments)
{
    switch (key) {
    case KEY_DTYPE:
        cli_parse_dtype(state, arg, &arguments->spec.dtype);
        return 0;
    case KEY_SHAPE:
        arguments->has_shape = true;
        if (!cli_parse_shape(arg, &arguments->spec)) {
            argp_error(state, "expected --shape as up to %d numbers with commas, got '%s'",
                       HOLOGRAM_RANK_MAX, arg);
        }
        return 0;
    case KEY_POOL:
        cli_parse_pool(state, arg, &arguments->spec.pool);
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

int cli_alloc(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = alloc_options,
                                     .parser = parse_alloc,
                                     .args_doc = "NAME",
                                     .doc = "Makes a named buffer of zeros.",
                                     .children = cli_publishing};
    struct alloc_arguments arguments = {.cli = cli, .spec.dtype = HOLOGRAM_F32};
    cli_parse(&argp, argc, argv, &arguments);
    hologram_buffer buffer = 0;
    hologram_buffer_info info = {.buffer = 0};
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    code = cli_make(cli, arguments.name, &arguments.spec, &buffer, &info, NULL);
    if (code == CLI_OK) {
        code = cli_publish(cli, buffer, arguments.name, &arguments.publish);
    }
    if (code == CLI_OK) {
        cli_print_made(arguments.name, &info);
    }
    return code;
}

void cli_print_made(const char *name, const hologram_buffer_info *info)
{
    char shape[CLI_SHAPE_MAX];
    char bytes[CLI_TEXT_MAX];
    printf("%s: %s %s, %s in the %s pool%s\n", name, hologram_dtype_name(info->spec.dtype),
           cli_shape_text(&info->spec, shape), cli_bytes_text(info->bytes, bytes),
           cli_pool_name(info->spec.pool), info->constant ? ", constant" : "");
}

/* ---- free and freeze ------------------------------------------------------------------------- */

struct names_arguments {
    struct cli *cli;
    char **names;
    int count;
};

static error_t parse_names(int key, char *arg, struct argp_state *state)
{
    struct names_arguments *arguments = state->input;
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

static hologram_status free_named(hologram_client *client, const char *name)
{
    return hologram_unpublish(client, name);
}

static hologram_status freeze_named(hologram_client *client, const char *name)
{
    hologram_buffer buffer;
    hologram_status status = hologram_open(client, name, false, &buffer, NULL);
    return status == HOLOGRAM_OK ? hologram_freeze(client, buffer) : status;
}

/* Does it to each name, also after one that failed, whose code is the answer then. */
static int for_names(const struct argp *argp, struct cli *cli, int argc, char **argv,
                     hologram_status (*work)(hologram_client *client, const char *name))
{
    struct names_arguments arguments = {.cli = cli};
    cli_parse(argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    for (int i = 0; i < arguments.count; i++) {
        if (work(cli->client, arguments.names[i]) != HOLOGRAM_OK) {
            code = cli_fail_client(cli, arguments.names[i]);
        }
    }
    return code;
}

int cli_free(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_names,
        .args_doc = "NAME...",
        .doc = "Removes named buffers. Whoever has one open keeps it until they close.",
        .children = cli_common};
    return for_names(&argp, cli, argc, argv, free_named);
}

int cli_freeze(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_names,
        .args_doc = "NAME...",
        .doc = "Makes named buffers constant: nobody can write them any more, and what the server "
               "makes of them, such as a product's packed weights, is kept for all clients.",
        .children = cli_common};
    return for_names(&argp, cli, argc, argv, freeze_named);
}
