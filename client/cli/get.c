/* SPDX-License-Identifier: Apache-2.0 */
/* get: prints a named buffer, or writes it to a .npy file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/npy.h"

#define PRINT_BYTES_MAX (256u << 20) /* larger buffers are not printed */

struct get_arguments {
    struct cli *cli;
    const char *name;
    const char *path;
    bool all;
};

enum { KEY_ALL = 'a' };

static const struct argp_option get_options[] = {
    {"all", KEY_ALL, NULL, 0, "Print every element", 0},
    {0},
};

static error_t parse_get(int key, char *arg, struct argp_state *state)
{
    struct get_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case KEY_ALL:
        arguments->all = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_take_name_and_file(state, arg, &arguments->name, &arguments->path);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->name) {
            argp_error(state, "expected NAME");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is written or printed. */
struct source {
    hologram_buffer buffer;
    hologram_buffer_info info;
    uint8_t *memory; /* of a shared buffer, which needs no reading; else NULL */
};

static int print_buffer(const struct get_arguments *arguments, const struct source *source)
{
    const hologram_buffer_info *info = &source->info;
    if (info->bytes > PRINT_BYTES_MAX) {
        char bytes[CLI_TEXT_MAX];
        return cli_fail(CLI_USAGE, "%s has %s; give a FILE", arguments->name,
                        cli_bytes_text(info->bytes, bytes));
    }
    if (source->memory) {
        cli_print_array(&info->spec, source->memory, arguments->all);
        return CLI_OK;
    }
    void *data = malloc(info->bytes > 0 ? (size_t)info->bytes : 1);
    if (!data) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    int code = CLI_OK;
    if (hologram_read(arguments->cli->client, source->buffer, 0, data, info->bytes) ==
        HOLOGRAM_OK) {
        cli_print_array(&info->spec, data, arguments->all);
    } else {
        code = cli_fail_client(arguments->cli, arguments->name);
    }
    free(data);
    return code;
}

static int write_piece(const struct cli_move *move, uint64_t offset, uint8_t *at, size_t bytes)
{
    if (!move->memory &&
        hologram_read(move->cli->client, move->buffer, offset, at, bytes) != HOLOGRAM_OK) {
        return cli_fail_client(move->cli, move->name);
    }
    int failure = cli_write_file(move->fd, at, bytes);
    return failure == 0 ? CLI_OK : cli_fail_file(move->path, failure);
}

static int write_npy(const struct get_arguments *arguments, int fd, const struct source *source)
{
    uint8_t header[NPY_HEADER_BYTES_MAX];
    struct npy npy = {.dtype = source->info.spec.dtype, .rank = source->info.spec.rank};
    memcpy(npy.shape, source->info.spec.shape, sizeof npy.shape);
    int failure = cli_write_file(fd, header, npy_format(&npy, header));
    if (failure != 0) {
        return cli_fail_file(arguments->path, failure);
    }
    struct cli_move move = {.cli = arguments->cli,
                            .name = arguments->name,
                            .path = arguments->path,
                            .fd = fd,
                            .buffer = source->buffer,
                            .memory = source->memory};
    return cli_move(&move, source->info.bytes, write_piece);
}

/* The file appears under its name only when it is complete. */
static int write_file(const struct get_arguments *arguments, const struct source *source)
{
    char *partial = NULL;
    if (asprintf(&partial, "%s.XXXXXX", arguments->path) < 0) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    int fd = mkostemp(partial, O_CLOEXEC);
    if (fd < 0) {
        int code = cli_fail_file(arguments->path, errno);
        free(partial);
        return code;
    }
    mode_t mask = umask(0);
    umask(mask);
    int code = write_npy(arguments, fd, source);
    bool written = fchmod(fd, 0666 & ~mask) == 0;
    written = close(fd) == 0 && written;
    if (code == CLI_OK && (!written || rename(partial, arguments->path) != 0)) {
        code = cli_fail_file(arguments->path, errno);
    }
    if (code != CLI_OK) {
        unlink(partial);
    }
    free(partial);
    return code;
}

static int show(const struct get_arguments *arguments, const struct source *source)
{
    if (!arguments->path) {
        return print_buffer(arguments, source);
    }
    return strcmp(arguments->path, "-") == 0 ? write_npy(arguments, STDOUT_FILENO, source)
                                             : write_file(arguments, source);
}

int cli_show(struct cli *cli, const char *name, const hologram_buffer_info *info, const char *path,
             bool all)
{
    const struct get_arguments arguments = {.cli = cli, .name = name, .path = path, .all = all};
    const struct source source = {.buffer = info->buffer, .info = *info};
    return show(&arguments, &source);
}

int cli_get(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = get_options,
        .parser = parse_get,
        .args_doc = "NAME [FILE]",
        .doc = "Prints the named buffer NAME, or writes it to the .npy file FILE ('-' is standard "
               "output). bf16 is written as uint16.",
        .children = cli_common};
    struct get_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    struct source source;
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    void *memory = NULL;
    if (hologram_open_shared(cli->client, arguments.name, false, &source.buffer, &memory,
                             &source.info) != HOLOGRAM_OK) {
        return cli_fail_client(cli, arguments.name);
    }
    source.memory = memory;
    code = show(&arguments, &source);
    hologram_unmap(memory, source.info.bytes);
    return code;
}
