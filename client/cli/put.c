/* SPDX-License-Identifier: Apache-2.0 */
/* put: a named buffer from a .npy file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/npy.h"

struct put_arguments {
    struct cli *cli;
    const char *name;
    const char *path;
    hologram_dtype dtype; /* 0 = the file's */
    hologram_pool pool;
    bool force;
    bool constant;
    struct cli_publish publish;
};

enum { KEY_DTYPE = 'd', KEY_POOL = 'p', KEY_FORCE = 'f', KEY_CONSTANT = 'c' };

static const struct argp_option put_options[] = {
    {"dtype", KEY_DTYPE, "TYPE", 0,
     "Take the elements as this type of the same size: bf16 for a uint16 file", 0},
    {"pool", KEY_POOL, "POOL", 0, "heap, boundary or shared (heap)", 0},
    {"force", KEY_FORCE, NULL, 0, "Replace a buffer of another type or shape, or a constant one",
     0},
    {"constant", KEY_CONSTANT, NULL, 0, "Make it constant: nobody can write it afterwards", 0},
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
        cli_parse_dtype(state, arg, &arguments->dtype);
        return 0;
    case KEY_POOL:
        cli_parse_pool(state, arg, &arguments->pool);
        return 0;
    case KEY_FORCE:
        arguments->force = true;
        return 0;
    case KEY_CONSTANT:
        arguments->constant = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_take_name_and_file(state, arg, &arguments->name, &arguments->path);
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

/* Reads the header from FD; what was read of the data by then goes to REST. */
static int read_header(const struct put_arguments *arguments, int fd, struct npy *npy)
{
    uint8_t header[NPY_HEADER_BYTES_MAX];
    char error[NPY_ERROR_MAX];
    size_t done = 0;
    size_t header_bytes = 0;
    int code = cli_read_file(fd, header, NPY_PREFIX_BYTES, &done);
    if (code != 0 || done < NPY_PREFIX_BYTES) {
        return cli_fail_file(arguments->path, code);
    }
    if (!npy_header_bytes(header, &header_bytes, error)) {
        return cli_fail(CLI_FILE, "%s: %s", arguments->path, error);
    }
    size_t rest = header_bytes - NPY_PREFIX_BYTES; /* a header has at least two bytes of text */
    code = cli_read_file(fd, header + NPY_PREFIX_BYTES, rest, &done);
    if (code != 0 || done < rest) {
        return cli_fail_file(arguments->path, code);
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

/* What a file is put into. */
struct target {
    hologram_buffer buffer;
    hologram_buffer_info info;
    uint8_t *memory; /* of a shared buffer, which the file is read into; else NULL */
    bool fresh;      /* to be published */
};

/* Whether the buffer that is there can be written over. */
static bool suits(const struct put_arguments *arguments, const hologram_buffer_info *info,
                  const struct npy *npy)
{
    const hologram_buffer_spec *spec = &info->spec;
    return !info->constant && spec->dtype == npy->dtype && spec->rank == npy->rank &&
           memcmp(spec->shape, npy->shape, npy->rank * sizeof npy->shape[0]) == 0 &&
           (arguments->pool == HOLOGRAM_POOL_DEFAULT || arguments->pool == spec->pool);
}

/* Takes the name from the buffer that has it. */
static int replace(const struct put_arguments *arguments, struct target *target)
{
    char shape[CLI_SHAPE_MAX];
    const hologram_buffer_spec *spec = &target->info.spec;
    if (!arguments->force) {
        return cli_fail(CLI_REFUSED, "%s exists and is %s%s %s in the %s pool; --force replaces it",
                        arguments->name, target->info.constant ? "constant, " : "",
                        hologram_dtype_name(spec->dtype), cli_shape_text(spec, shape),
                        cli_pool_name(spec->pool));
    }
    hologram_unmap(target->memory, target->info.bytes);
    target->memory = NULL;
    if (hologram_unpublish(arguments->cli->client, arguments->name) != HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, arguments->name);
    }
    target->fresh = true;
    return CLI_OK;
}

/* Opens the buffer of that name to write it, or a constant one, which can be replaced, to read it.
 */
static hologram_status open_present(const struct put_arguments *arguments, struct target *target)
{
    hologram_client *client = arguments->cli->client;
    void *memory = NULL;
    hologram_status status = hologram_open_shared(client, arguments->name, true, &target->buffer,
                                                  &memory, &target->info);
    target->memory = memory;
    if (status == HOLOGRAM_PERMISSION_DENIED &&
        hologram_open(client, arguments->name, false, &target->buffer, &target->info) ==
            HOLOGRAM_OK &&
        target->info.constant) {
        return HOLOGRAM_OK;
    }
    return status;
}

/* The buffer of that name if it suits, else a new one. */
static int find_target(const struct put_arguments *arguments, const struct npy *npy,
                       struct target *target)
{
    struct cli *cli = arguments->cli;
    hologram_status status = open_present(arguments, target);
    if (status != HOLOGRAM_OK && status != HOLOGRAM_NOT_FOUND) {
        return cli_fail_client(cli, arguments->name);
    }
    target->fresh = status == HOLOGRAM_NOT_FOUND;
    if (status == HOLOGRAM_OK && !suits(arguments, &target->info, npy)) {
        int code = replace(arguments, target);
        if (code != CLI_OK) {
            return code;
        }
    }
    if (!target->fresh) {
        return CLI_OK;
    }
    hologram_buffer_spec spec = {.dtype = npy->dtype, .rank = npy->rank, .pool = arguments->pool};
    memcpy(spec.shape, npy->shape, sizeof spec.shape);
    void *memory = NULL;
    int code = cli_make(cli, arguments->name, &spec, &target->buffer, &target->info, &memory);
    target->memory = memory;
    return code;
}

static int read_piece(const struct cli_move *move, uint64_t offset, uint8_t *at, size_t bytes)
{
    size_t done = 0;
    int failure = cli_read_file(move->fd, at, bytes, &done);
    if (failure != 0 || done < bytes) {
        return cli_fail_file(move->path, failure);
    }
    if (!move->memory &&
        hologram_write(move->cli->client, move->buffer, offset, at, bytes) != HOLOGRAM_OK) {
        return cli_fail_client(move->cli, move->name);
    }
    return CLI_OK;
}

static int fill_target(const struct put_arguments *arguments, int fd, const struct target *target,
                       uint64_t bytes)
{
    struct cli_move move = {.cli = arguments->cli,
                            .name = arguments->name,
                            .path = arguments->path,
                            .fd = fd,
                            .buffer = target->buffer,
                            .memory = target->memory};
    return cli_move(&move, bytes, read_piece);
}

/* Opens what the arguments name. */
static int open_path(const struct put_arguments *arguments, int *fd)
{
    *fd = strcmp(arguments->path, "-") == 0 ? STDIN_FILENO
                                            : open(arguments->path, O_RDONLY | O_CLOEXEC);
    return *fd < 0 ? cli_fail_file(arguments->path, errno) : CLI_OK;
}

static void close_path(int fd)
{
    if (fd != STDIN_FILENO) {
        close(fd);
    }
}

int cli_load_npy(struct cli *cli, const char *path, hologram_buffer_info *info)
{
    const struct put_arguments arguments = {.cli = cli, .name = path, .path = path};
    struct npy npy = {.rank = 0};
    struct target target = {.memory = NULL};
    int fd;
    int code = open_path(&arguments, &fd);
    if (code != CLI_OK) {
        return code;
    }
    code = read_header(&arguments, fd, &npy);
    if (code == CLI_OK) {
        hologram_buffer_spec spec = {.dtype = npy.dtype, .rank = npy.rank};
        memcpy(spec.shape, npy.shape, sizeof spec.shape);
        code = cli_make(cli, path, &spec, &target.buffer, info, NULL);
    }
    if (code == CLI_OK) {
        info->buffer = target.buffer;
        code = fill_target(&arguments, fd, &target, npy.data_bytes);
    }
    close_path(fd);
    return code;
}

int cli_peek_npy(const char *path, hologram_buffer_spec *spec)
{
    const struct put_arguments arguments = {.path = path};
    struct npy npy = {.rank = 0};
    int fd;
    int code = open_path(&arguments, &fd);
    if (code != CLI_OK) {
        return code;
    }
    code = read_header(&arguments, fd, &npy);
    close_path(fd);
    if (code == CLI_OK) {
        *spec = (hologram_buffer_spec){.dtype = npy.dtype, .rank = npy.rank};
        memcpy(spec->shape, npy.shape, sizeof spec->shape);
    }
    return code;
}

static int put(const struct put_arguments *arguments, int fd)
{
    struct npy npy = {.rank = 0};
    struct target target = {.memory = NULL};
    int code = read_header(arguments, fd, &npy);
    if (code == CLI_OK) {
        code = cli_connect(arguments->cli);
    }
    if (code == CLI_OK) {
        code = find_target(arguments, &npy, &target);
    }
    if (code == CLI_OK) {
        code = fill_target(arguments, fd, &target, npy.data_bytes);
    }
    if (code == CLI_OK && arguments->constant &&
        hologram_freeze(arguments->cli->client, target.buffer) != HOLOGRAM_OK) {
        code = cli_fail_client(arguments->cli, arguments->name);
    }
    target.info.constant = arguments->constant;
    if (code == CLI_OK && target.fresh) {
        code = cli_publish(arguments->cli, target.buffer, arguments->name, &arguments->publish);
    }
    if (code == CLI_OK) {
        cli_print_made(arguments->name, &target.info);
    }
    hologram_unmap(target.memory, target.info.bytes);
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
            "is '-'. A buffer of that name, type and shape is written over. Into shared memory the "
            "file is read without a copy.",
        .children = cli_publishing};
    struct put_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    int fd;
    int code = open_path(&arguments, &fd);
    if (code == CLI_OK) {
        code = put(&arguments, fd);
        close_path(fd);
    }
    return code;
}
