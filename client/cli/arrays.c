/* SPDX-License-Identifier: Apache-2.0 */
/* put and get: named buffers from and to .npy files. */
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

/* ---- put ------------------------------------------------------------------------------------- */

struct put_arguments {
    struct cli *cli;
    const char *name;
    const char *path;
    hologram_dtype dtype; /* 0 = the file's */
    hologram_pool pool;
    bool force;
    struct cli_publish publish;
};

enum { KEY_DTYPE = 'd', KEY_POOL = 'p', KEY_FORCE = 'f', KEY_ALL = 'a' };

static const struct argp_option put_options[] = {
    {"dtype", KEY_DTYPE, "TYPE", 0,
     "Take the elements as this type of the same size: bf16 for a uint16 file", 0},
    {"pool", KEY_POOL, "POOL", 0, "heap or boundary (heap)", 0},
    {"force", KEY_FORCE, NULL, 0, "Replace a buffer of another type or shape", 0},
    {0},
};

static error_t parse_put(int key, char *arg, struct argp_state *state)
{
    struct put_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        state->child_inputs[1] = &arguments->publish;
        return 0;
    case KEY_DTYPE:
        if (!hologram_dtype_parse(arg, &arguments->dtype)) {
            argp_error(state, "there is no dtype '%s'", arg);
        }
        return 0;
    case KEY_POOL:
        if (!cli_parse_pool(arg, &arguments->pool)) {
            argp_error(state, "expected --pool heap or boundary, got '%s'", arg);
        }
        return 0;
    case KEY_FORCE:
        arguments->force = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            arguments->name = arg;
        } else if (state->arg_num == 1) {
            arguments->path = arg;
        } else {
            argp_error(state, "expected NAME and FILE, got also '%s'", arg);
        }
        return 0;
    case ARGP_KEY_END:
        if (!arguments->path) {
            argp_error(state, "expected NAME and FILE");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int fail_file(const char *path, int code)
{
    return cli_fail(CLI_FILE, "%s: %s", path, code == 0 ? "the file ends early" : strerror(code));
}

/* Reads the header from FD; what was read of the data by then goes to REST. */
static int read_header(const struct put_arguments *arguments, int fd, struct npy *npy)
{
    uint8_t header[NPY_HEADER_BYTES_MAX];
    char error[NPY_ERROR_MAX];
    size_t done = 0;
    size_t header_bytes = 0;
    int code = cli_read_file(fd, header, NPY_PREFIX_BYTES, &done);
    if (code != 0 || done < NPY_PREFIX_BYTES) {
        return fail_file(arguments->path, code);
    }
    if (!npy_header_bytes(header, &header_bytes, error)) {
        return cli_fail(CLI_FILE, "%s: %s", arguments->path, error);
    }
    size_t rest = header_bytes - NPY_PREFIX_BYTES; /* a header has at least two bytes of text */
    code = cli_read_file(fd, header + NPY_PREFIX_BYTES, rest, &done);
    if (code != 0 || done < rest) {
        return fail_file(arguments->path, code);
    }
    if (!npy_parse(header, header_bytes, npy, error)) {
        return cli_fail(CLI_FILE, "%s: %s", arguments->path, error);
    }
    if (arguments->dtype != 0) {
        if (hologram_dtype_bytes(arguments->dtype) != hologram_dtype_bytes(npy->dtype)) {
            return cli_fail(CLI_FILE, "%s holds %s, which is not the size of %s", arguments->path,
                            hologram_dtype_name(npy->dtype), hologram_dtype_name(arguments->dtype));
        }
        npy->dtype = arguments->dtype;
    }
    return CLI_OK;
}

static bool same_array(const hologram_buffer_spec *spec, const struct npy *npy)
{
    return spec->dtype == npy->dtype && spec->rank == npy->rank &&
           memcmp(spec->shape, npy->shape, npy->rank * sizeof npy->shape[0]) == 0;
}

/* The buffer to write to: the one of that name if it is of the same type and shape, else a new one
 * that *FRESH says has to be published. */
static int target(const struct put_arguments *arguments, const struct npy *npy,
                  hologram_buffer *buffer, hologram_buffer_info *info, bool *fresh)
{
    struct cli *cli = arguments->cli;
    hologram_status status = hologram_open(cli->client, arguments->name, true, buffer, info);
    *fresh = status == HOLOGRAM_NOT_FOUND;
    if (status == HOLOGRAM_OK && !same_array(&info->spec, npy)) {
        char shape[CLI_SHAPE_MAX];
        if (!arguments->force) {
            return cli_fail(CLI_REFUSED, "%s exists and is %s %s; --force replaces it",
                            arguments->name, hologram_dtype_name(info->spec.dtype),
                            cli_shape_text(&info->spec, shape));
        }
        status = hologram_unpublish(cli->client, arguments->name);
        *fresh = status == HOLOGRAM_OK;
    }
    if (*fresh) {
        hologram_buffer_spec spec = {
            .dtype = npy->dtype, .rank = npy->rank, .pool = arguments->pool};
        memcpy(spec.shape, npy->shape, sizeof spec.shape);
        status = hologram_alloc(cli->client, &spec, buffer, info);
    }
    return status == HOLOGRAM_OK ? CLI_OK : cli_fail_client(cli, arguments->name);
}

static int send_data(const struct put_arguments *arguments, int fd, hologram_buffer buffer,
                     uint64_t bytes)
{
    uint8_t *chunk = malloc(CLI_CHUNK_BYTES);
    if (!chunk) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    struct cli_progress progress;
    cli_progress_start(&progress, arguments->name, bytes);
    int code = CLI_OK;
    uint64_t offset = 0;
    while (code == CLI_OK && offset < bytes) {
        size_t part = bytes - offset < CLI_CHUNK_BYTES ? (size_t)(bytes - offset) : CLI_CHUNK_BYTES;
        size_t done = 0;
        int failure = cli_read_file(fd, chunk, part, &done);
        if (failure != 0 || done < part) {
            code = fail_file(arguments->path, failure);
        } else if (hologram_write(arguments->cli->client, buffer, offset, chunk, part) !=
                   HOLOGRAM_OK) {
            code = cli_fail_client(arguments->cli, arguments->name);
        }
        offset += part;
        cli_progress_show(&progress, offset);
    }
    cli_progress_end(&progress);
    free(chunk);
    return code;
}

static int put(const struct put_arguments *arguments, int fd)
{
    struct npy npy = {.rank = 0};
    int code = read_header(arguments, fd, &npy);
    if (code == CLI_OK) {
        code = cli_connect(arguments->cli);
    }
    if (code != CLI_OK) {
        return code;
    }
    hologram_buffer buffer;
    hologram_buffer_info info;
    bool fresh;
    code = target(arguments, &npy, &buffer, &info, &fresh);
    if (code == CLI_OK) {
        code = send_data(arguments, fd, buffer, npy.data_bytes);
    }
    if (code == CLI_OK && fresh) {
        code = cli_publish(arguments->cli, buffer, arguments->name, &arguments->publish);
    }
    if (code == CLI_OK) {
        cli_print_made(arguments->name, &info);
    }
    return code;
}

int cli_put(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = put_options,
        .parser = parse_put,
        .args_doc = "NAME FILE",
        .doc =
            "Makes the named buffer NAME from the .npy file FILE, or from standard input if FILE "
            "is '-'. A buffer of that name, type and shape is written over.",
        .children = cli_publishing};
    struct put_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    if (strcmp(arguments.path, "-") == 0) {
        return put(&arguments, STDIN_FILENO);
    }
    int fd = open(arguments.path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_file(arguments.path, errno);
    }
    int code = put(&arguments, fd);
    close(fd);
    return code;
}

/* ---- get ------------------------------------------------------------------------------------- */

struct get_arguments {
    struct cli *cli;
    const char *name;
    const char *path;
    bool all;
};

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
        if (state->arg_num == 0) {
            arguments->name = arg;
        } else if (state->arg_num == 1) {
            arguments->path = arg;
        } else {
            argp_error(state, "expected NAME and FILE, got also '%s'", arg);
        }
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

static int print_buffer(const struct get_arguments *arguments, hologram_buffer buffer,
                        const hologram_buffer_info *info)
{
    if (info->bytes > PRINT_BYTES_MAX) {
        char bytes[CLI_TEXT_MAX];
        return cli_fail(CLI_USAGE, "%s has %s; give a FILE", arguments->name,
                        cli_bytes_text(info->bytes, bytes));
    }
    void *data = malloc(info->bytes > 0 ? (size_t)info->bytes : 1);
    if (!data) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    int code = CLI_OK;
    if (hologram_read(arguments->cli->client, buffer, 0, data, info->bytes) == HOLOGRAM_OK) {
        cli_print_array(&info->spec, data, arguments->all);
    } else {
        code = cli_fail_client(arguments->cli, arguments->name);
    }
    free(data);
    return code;
}

static int receive_data(const struct get_arguments *arguments, int fd, hologram_buffer buffer,
                        uint64_t bytes)
{
    uint8_t *chunk = malloc(CLI_CHUNK_BYTES);
    if (!chunk) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    struct cli_progress progress;
    cli_progress_start(&progress, arguments->name, bytes);
    int code = CLI_OK;
    for (uint64_t offset = 0; code == CLI_OK && offset < bytes;) {
        size_t part = bytes - offset < CLI_CHUNK_BYTES ? (size_t)(bytes - offset) : CLI_CHUNK_BYTES;
        if (hologram_read(arguments->cli->client, buffer, offset, chunk, part) != HOLOGRAM_OK) {
            code = cli_fail_client(arguments->cli, arguments->name);
        } else {
            int failure = cli_write_file(fd, chunk, part);
            code = failure == 0 ? CLI_OK : fail_file(arguments->path, failure);
        }
        offset += part;
        cli_progress_show(&progress, offset);
    }
    cli_progress_end(&progress);
    free(chunk);
    return code;
}

static int write_npy(const struct get_arguments *arguments, int fd, hologram_buffer buffer,
                     const hologram_buffer_info *info)
{
    uint8_t header[NPY_HEADER_BYTES_MAX];
    struct npy npy = {.dtype = info->spec.dtype, .rank = info->spec.rank};
    memcpy(npy.shape, info->spec.shape, sizeof npy.shape);
    int failure = cli_write_file(fd, header, npy_format(&npy, header));
    if (failure != 0) {
        return fail_file(arguments->path, failure);
    }
    return receive_data(arguments, fd, buffer, info->bytes);
}

/* The file appears under its name only when it is complete. */
static int write_file(const struct get_arguments *arguments, hologram_buffer buffer,
                      const hologram_buffer_info *info)
{
    char *partial = NULL;
    if (asprintf(&partial, "%s.XXXXXX", arguments->path) < 0) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    int fd = mkostemp(partial, O_CLOEXEC);
    if (fd < 0) {
        int code = fail_file(arguments->path, errno);
        free(partial);
        return code;
    }
    mode_t mask = umask(0);
    umask(mask);
    int code = write_npy(arguments, fd, buffer, info);
    bool written = fchmod(fd, 0666 & ~mask) == 0;
    written = close(fd) == 0 && written;
    if (code == CLI_OK && (!written || rename(partial, arguments->path) != 0)) {
        code = fail_file(arguments->path, errno);
    }
    if (code != CLI_OK) {
        unlink(partial);
    }
    free(partial);
    return code;
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
    hologram_buffer buffer;
    hologram_buffer_info info;
    int code = cli_connect(cli);
    if (code == CLI_OK) {
        code = cli_open(cli, arguments.name, false, &buffer, &info);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (!arguments.path) {
        return print_buffer(&arguments, buffer, &info);
    }
    if (strcmp(arguments.path, "-") == 0) {
        return write_npy(&arguments, STDOUT_FILENO, buffer, &info);
    }
    return write_file(&arguments, buffer, &info);
}
