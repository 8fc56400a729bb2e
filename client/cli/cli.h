/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands of hologramctl share. A command parses its arguments with argp, connects, does
 * its work through libhologram and gives an exit code.
 *
 * Threads: one.
 */
#ifndef HG_CLIENT_CLI_CLI_H
#define HG_CLIENT_CLI_CLI_H

#include <argp.h>
#include <jansson.h>

#include "client/include/hologram/hologram.h"

/* Exit codes; hologramctl(1) documents them. */
enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1,     /* the server refused the request as it is */
    CLI_USAGE = 2,       /* wrong arguments */
    CLI_UNREACHABLE = 3, /* no connection, or it broke */
    CLI_FILE = 4,        /* a local file cannot be read, written or understood */
    CLI_NOT_FOUND = 5,
    CLI_DENIED = 6,
    CLI_TIMEOUT = 7, /* deadline or cancelled */
    CLI_EXHAUSTED = 8,
    CLI_SERVER = 9 /* a fault of the server, or something it cannot do */
};

struct cli {
    const char *socket; /* NULL: the library's default */
    double timeout_s;   /* of each request; 0 = none */
    hologram_client *client;
};

/* What a command is called, and what it does in a few words. */
struct cli_entry {
    const char *name;
    const char *summary;
};

struct cli_command {
    struct cli_entry entry;
    int (*run)(struct cli *cli, int argc, char **argv);
};

/* The commands, one per row; a name of NULL ends the table. */
extern const struct cli_command cli_commands[];

int cli_ping(struct cli *cli, int argc, char **argv);
int cli_info(struct cli *cli, int argc, char **argv);
int cli_ops(struct cli *cli, int argc, char **argv);
int cli_put(struct cli *cli, int argc, char **argv);
int cli_get(struct cli *cli, int argc, char **argv);
int cli_alloc(struct cli *cli, int argc, char **argv);
int cli_free(struct cli *cli, int argc, char **argv);
int cli_freeze(struct cli *cli, int argc, char **argv);
int cli_ls(struct cli *cli, int argc, char **argv);
int cli_run(struct cli *cli, int argc, char **argv);
int cli_stats(struct cli *cli, int argc, char **argv);
int cli_top(struct cli *cli, int argc, char **argv);
int cli_cache(struct cli *cli, int argc, char **argv);
int cli_eval(struct cli *cli, int argc, char **argv);
int cli_explain(struct cli *cli, int argc, char **argv);
int cli_graph(struct cli *cli, int argc, char **argv);
int cli_bench(struct cli *cli, int argc, char **argv);
int cli_asm(struct cli *cli, int argc, char **argv);
int cli_disasm(struct cli *cli, int argc, char **argv);

/* ---- main.c ---------------------------------------------------------------------------------- */

/* --socket and --timeout; the only child of every command's argp, with the struct cli as input. */
extern const struct argp_child cli_common[];
extern const struct argp cli_common_argp;
/* Parses a command's arguments: INPUT goes to its parser, whose ARGP_KEY_INIT calls
 * cli_common_init. On wrong arguments it prints why and exits with CLI_USAGE. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);
void cli_common_init(struct argp_state *state, struct cli *cli);
/* Connects unless that is done. Prints why not. */
int cli_connect(struct cli *cli);
/* Connects and gives the server's operations: hologram_ops_free. Prints why not. */
int cli_get_ops(struct cli *cli, hologram_ops **ops);

/* ---- menu.c ---------------------------------------------------------------------------------- */

#define CLI_COMMAND_NAME_BYTES 64

/* Several commands to choose from. */
struct cli_menu {
    const char *name; /* what they are called with: "hologramctl cache" */
    const char *doc;
    const char *epilogue; /* below the table in the help */
    const void *rows;     /* each begins with a struct cli_entry; one without a name ends them */
    size_t row_bytes;
    char *command_name; /* CLI_COMMAND_NAME_BYTES, for the name of the one that is chosen */
};
/* Gives the row that the arguments name, and leaves its own arguments in ARGC and ARGV. On wrong
 * arguments it prints why and exits with CLI_USAGE. */
const void *cli_choose(const struct cli_menu *menu, struct cli *cli, int *argc, char ***argv);

/* ---- report.c -------------------------------------------------------------------------------- */

/* Prints "hologramctl: …" to standard error and gives CODE. */
int cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same about the client's last error; SUBJECT, unless the error names it, says what was tried.
 */
int cli_fail_client(const struct cli *cli, const char *subject);
int cli_exit_of(hologram_status status);
/* Prints VALUE as JSON and frees it; NULL is out of memory. */
int cli_print_json(json_t *value);
/* Flushes standard output: a full disk is an error, too. */
int cli_finish_output(void);

#define CLI_TEXT_MAX 40
/* "1.5 MiB", "12.3 us", "[2, 3]"; all give TEXT. */
const char *cli_bytes_text(uint64_t bytes, char text[CLI_TEXT_MAX]);
const char *cli_time_text(double ns, char text[CLI_TEXT_MAX]);
const char *cli_uptime_text(uint64_t ns, char text[CLI_TEXT_MAX]);
#define CLI_SHAPE_MAX 192
const char *cli_shape_text(const hologram_buffer_spec *spec, char text[CLI_SHAPE_MAX]);
const char *cli_pool_name(hologram_pool pool);
uint64_t cli_now_ns(void);

/* ---- value.c --------------------------------------------------------------------------------- */

/* TEXT as a value of DTYPE, in the low bits. False if it is none or out of range. */
bool cli_parse_bits(hologram_dtype dtype, const char *text, uint64_t *bits);
bool cli_parse_u64(const char *text, uint64_t *value);
/* The type of operand INDEX when OP works in DTYPE: one of its own types if it has any. */
hologram_dtype cli_operand_dtype(const hologram_op_info *op, uint32_t index, hologram_dtype dtype);
/* Values of options; the wrong ones are usage errors, which exit. */
void cli_parse_dtype(struct argp_state *state, const char *text, hologram_dtype *dtype);
void cli_parse_pool(struct argp_state *state, const char *text, hologram_pool *pool);
/* One of the arguments NAME and FILE. */
void cli_take_name_and_file(struct argp_state *state, char *arg, const char **name,
                            const char **path);
/* "2,3" or "2x3"; empty for a scalar. */
bool cli_parse_shape(const char *text, hologram_buffer_spec *spec);
/* The shortest text that reads back as BITS. */
const char *cli_value_text(hologram_dtype dtype, uint64_t bits, char text[CLI_TEXT_MAX]);
/* Element INDEX of an array of DTYPE. */
uint64_t cli_load_bits(hologram_dtype dtype, const void *data, uint64_t index);
/* Elements of a shape; false if they do not fit. */
bool cli_elements(const hologram_buffer_spec *spec, uint64_t *elements);

/* ---- print.c --------------------------------------------------------------------------------- */

/* Prints an array as nested rows; unless ALL, only the ends of long dimensions. */
void cli_print_array(const hologram_buffer_spec *spec, const void *data, bool all);

/* ---- transfer.c ------------------------------------------------------------------------------ */

/* A progress bar on standard error for what takes longer than a second; only on a terminal. */
struct cli_progress {
    const char *label;
    uint64_t total_bytes;
    uint64_t start_ns;
    uint64_t shown_ns; /* when it was last drawn; 0 = never */
};
void cli_progress_start(struct cli_progress *progress, const char *label, uint64_t total_bytes);
void cli_progress_show(struct cli_progress *progress, uint64_t done_bytes);
void cli_progress_end(struct cli_progress *progress);

/* Reads or writes exactly SIZE bytes; *DONE counts them. Gives 0 or an errno. */
int cli_read_file(int fd, void *data, size_t size, size_t *done);
int cli_write_file(int fd, const void *data, size_t size);
/* Small files as a whole; "-" is standard input or output. Both print what is wrong and give an
 * exit code. *DATA is the caller's: free(). */
#define CLI_INPUT_BYTES_MAX ((size_t)1 << 20)
int cli_read_whole(const char *path, uint8_t **data, size_t *size);
int cli_write_whole(const char *path, const void *data, size_t size);
/* Prints what is wrong with PATH: the errno FAILURE, or with 0 that it ended early. */
int cli_fail_file(const char *path, int failure);
/* Between a file and a named buffer, piece by piece, with a bar. */
struct cli_move {
    struct cli *cli;
    const char *name;
    const char *path;
    int fd;
    hologram_buffer buffer;
    uint8_t *memory; /* of a shared buffer, which needs no copies; else NULL */
};
/* Moves BYTES bytes at AT, which is the buffer's memory at OFFSET or room for a copy of it. Prints
 * why not. */
typedef int cli_move_fn(const struct cli_move *move, uint64_t offset, uint8_t *at, size_t bytes);
int cli_move(const struct cli_move *move, uint64_t bytes, cli_move_fn *move_piece);

/* ---- named.c --------------------------------------------------------------------------------- */

/* Opens a published buffer. Prints why not. */
int cli_open(struct cli *cli, const char *name, bool writable, hologram_buffer *buffer,
             hologram_buffer_info *info);

/* Makes a buffer of zeros for NAME. Of shared memory *MEMORY, unless MEMORY is NULL, is its
 * mapping; else it is NULL. Prints why not. */
int cli_make(struct cli *cli, const char *name, const hologram_buffer_spec *spec,
             hologram_buffer *buffer, hologram_buffer_info *info, void **memory);

/* How a command publishes what it makes: --mode and --group. */
struct cli_publish {
    uint32_t mode;
    uint32_t gid;
};
/* The argp children of commands that publish; input 1 is a struct cli_publish. */
extern const struct argp_child cli_publishing[];
int cli_publish(struct cli *cli, hologram_buffer buffer, const char *name,
                const struct cli_publish *how);
/* "x: f32 [2, 3], 24 B in the heap pool". */
void cli_print_made(const char *name, const hologram_buffer_info *info);

/* ---- get.c, put.c ---------------------------------------------------------------------------- */

/* Prints a buffer, or writes it to the .npy file PATH; NAME is for errors. */
int cli_show(struct cli *cli, const char *name, const hologram_buffer_info *info, const char *path,
             bool all);
/* A buffer without a name from a .npy file. */
int cli_load_npy(struct cli *cli, const char *path, hologram_buffer_info *info);
/* Type and shape of what a .npy file holds. */
int cli_peek_npy(const char *path, hologram_buffer_spec *spec);

/* ---- list.c ---------------------------------------------------------------------------------- */

/* NULL when out of memory. */
json_t *cli_buffer_json(const hologram_buffer_info *info);

#endif
