/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asm and disasm: users' programs. The one file of the client that uses the instruction set's own
 * code (lib/isa), because text must mean here what it means in the daemon. The daemon trusts none
 * of it: it verifies the binary again and limits its fuel.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "lib/base/alloc.h"
#include "lib/isa/code.h"

#define SLOTS_MAX  HG_SLOT_COUNT_MAX
#define PARAMS_MAX (HG_PARAM_COUNT - HG_PARAM_FIRST)

struct asm_arguments {
    struct cli *cli;
    const char *path;
    const char *output;
    const char *buffers[SLOTS_MAX];
    uint32_t buffer_count;
    uint64_t params[PARAMS_MAX];
    uint32_t param_count;
    uint64_t rows;
    uint64_t cols;
    uint64_t fuel;
    bool has_cols;
    bool run;
};

/* A program in all its forms. */
struct program {
    struct hg_code_header header;
    struct hg_insn *insns;
    uint32_t insn_count;
    struct hg_code_facts facts;
    uint8_t *binary;
    size_t binary_bytes;
};

enum { KEY_OUTPUT = 'o', KEY_RUN = 'r', KEY_ROWS = 0x100, KEY_COLS, KEY_PARAM, KEY_FUEL };

static const struct argp_option asm_options[] = {
    {"output", KEY_OUTPUT, "FILE", 0, "Write the binary to FILE", 0},
    {"run", KEY_RUN, NULL, 0, "Run it on the named buffers BUFFER..., as b0, b1 and so on", 0},
    {"rows", KEY_ROWS, "N", 0, "Rows of the launch (1)", 0},
    {"cols", KEY_COLS, "N", 0, "Columns of the launch (the elements of b0, over the rows)", 0},
    {"param", KEY_PARAM, "[TYPE:]VALUE", 0,
     "Launch parameter, from k3 on: f32:1.5, i64:-1; without TYPE: u64", 0},
    {"fuel", KEY_FUEL, "N", 0, "Instructions that a block may take; 0 = the server's bound", 0},
    {0},
};

static const struct argp_option disasm_options[] = {
    {"output", KEY_OUTPUT, "FILE", 0, "Write the text to FILE", 0},
    {0},
};

/* ---- programs -------------------------------------------------------------------------------- */

static struct hg_code code_of(const struct program *program)
{
    return (struct hg_code){
        .header = program->header, .insns = program->insns, .insn_count = program->insn_count};
}

static void drop(struct program *program)
{
    hg_free(HG_TAG_PROGRAM, program->insns);
    hg_free(HG_TAG_PROGRAM, program->binary);
}

/* Text to a verified binary. */
static int assemble(const char *path, struct program *program)
{
    uint8_t *text = NULL;
    size_t size = 0;
    int code = cli_read_whole(path, &text, &size);
    if (code != CLI_OK) {
        return code;
    }
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_assemble((const char *)text, size, &program->header, &program->insns,
                                        &program->insn_count, &error);
    free(text);
    struct hg_code whole = code_of(program);
    if (status == HG_OK) {
        status = hg_code_verify(&whole, &program->facts, &error);
    }
    if (status == HG_OK) {
        status = hg_code_encode(&whole, &program->binary, &program->binary_bytes, &error);
    }
    return status == HG_OK ? CLI_OK : cli_fail(CLI_FILE, "%s: %s", path, error.message);
}

static void describe(const char *path, const struct program *program)
{
    fprintf(stderr,
            "%s: %" PRIu32 " instructions, %u slots, blocks of %" PRIu32 " lanes, %zu bytes\n",
            path, program->insn_count, program->facts.slot_count, program->facts.block_lanes,
            program->binary_bytes);
}

/* ---- asm ------------------------------------------------------------------------------------- */

/* "f32:1.5", or a plain unsigned number. */
static bool parse_param(const char *text, uint64_t *bits)
{
    char type[8];
    size_t length = strcspn(text, ":");
    if (text[length] == '\0') {
        return cli_parse_u64(text, bits);
    }
    hologram_dtype dtype;
    if (length >= sizeof type) {
        return false;
    }
    memcpy(type, text, length);
    type[length] = '\0';
    return hologram_dtype_parse(type, &dtype) && cli_parse_bits(dtype, text + length + 1, bits);
}

static void parse_size(const char *name, const char *arg, uint64_t *value,
                       const struct argp_state *state)
{
    if (!cli_parse_u64(arg, value)) {
        argp_error(state, "expected --%s as a number, got '%s'", name, arg);
    }
}

static error_t parse_asm_option(int key, char *arg, struct argp_state *state,
                                struct asm_arguments *arguments)
{
    switch (key) {
    case KEY_OUTPUT:
        arguments->output = arg;
        return 0;
    case KEY_RUN:
        arguments->run = true;
        return 0;
    case KEY_ROWS:
        parse_size("rows", arg, &arguments->rows, state);
        return 0;
    case KEY_COLS:
        parse_size("cols", arg, &arguments->cols, state);
        arguments->has_cols = true;
        return 0;
    case KEY_FUEL:
        parse_size("fuel", arg, &arguments->fuel, state);
        return 0;
    case KEY_PARAM:
        if (arguments->param_count == PARAMS_MAX ||
            !parse_param(arg, &arguments->params[arguments->param_count])) {
            argp_error(state, "expected up to %d times --param [TYPE:]VALUE, got '%s'", PARAMS_MAX,
                       arg);
        }
        arguments->param_count++;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_asm(int key, char *arg, struct argp_state *state)
{
    struct asm_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            arguments->path = arg;
        } else if (arguments->buffer_count == SLOTS_MAX) {
            argp_error(state, "expected at most %d buffers", SLOTS_MAX);
        } else {
            arguments->buffers[arguments->buffer_count++] = arg;
        }
        return 0;
    case ARGP_KEY_END:
        if (!arguments->path) {
            argp_error(state, "expected FILE");
        }
        if (arguments->buffer_count > 0 && !arguments->run) {
            argp_error(state, "BUFFER needs --run");
        }
        return 0;
    default:
        return parse_asm_option(key, arg, state, arguments);
    }
}

/* Opens what the program only reads without asking for the right to write. */
static int open_slots(const struct asm_arguments *arguments, const struct program *program,
                      hologram_buffer *buffers, hologram_buffer_info *first)
{
    for (uint32_t i = 0; i < arguments->buffer_count; i++) {
        hologram_buffer_info info;
        bool writes = (program->facts.slots_written >> i & 1) != 0;
        int code = cli_open(arguments->cli, arguments->buffers[i], writes, &buffers[i], &info);
        if (code != CLI_OK) {
            return code;
        }
        if (i == 0) {
            *first = info;
        }
    }
    return CLI_OK;
}

static void print_execution(const hologram_execution *execution)
{
    char run[CLI_TEXT_MAX];
    printf("ran %s (cache %s: %s)\n", cli_time_text((double)execution->run_ns, run),
           execution->cache, execution->outcome);
}

static int run_program(const struct asm_arguments *arguments, const struct program *program)
{
    struct cli *cli = arguments->cli;
    hologram_buffer buffers[SLOTS_MAX];
    hologram_buffer_info first = {.bytes = 0};
    int code = cli_connect(cli);
    if (code == CLI_OK) {
        code = open_slots(arguments, program, buffers, &first);
    }
    if (code != CLI_OK) {
        return code;
    }
    hologram_run run = {.buffers = buffers,
                        .buffer_count = arguments->buffer_count,
                        .params = arguments->params,
                        .param_count = arguments->param_count,
                        .rows = arguments->rows,
                        .cols = arguments->cols,
                        .fuel = arguments->fuel};
    if (!arguments->has_cols && arguments->buffer_count > 0) {
        uint64_t rows = arguments->rows > 0 ? arguments->rows : 1;
        run.cols = first.bytes / hologram_dtype_bytes(first.spec.dtype) / rows;
    }
    hologram_execution execution = {.cache = "", .outcome = ""};
    hologram_status status = hologram_load_program(cli->client, program->binary,
                                                   program->binary_bytes, &run.program, NULL);
    if (status == HOLOGRAM_OK) {
        status = hologram_run_program(cli->client, &run, &execution);
    }
    if (status != HOLOGRAM_OK) {
        return cli_fail_client(cli, arguments->path);
    }
    print_execution(&execution);
    return CLI_OK;
}

int cli_asm(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = asm_options,
        .parser = parse_asm,
        .args_doc = "FILE [BUFFER...]",
        .doc = "Assembles and verifies the program in FILE ('-' is standard input). With --run the "
               "server verifies it again and runs it on named buffers, limited by fuel.",
        .children = cli_common};
    struct asm_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    struct program program = {.insns = NULL};
    int code = assemble(arguments.path, &program);
    if (code == CLI_OK && arguments.output) {
        code = cli_write_whole(arguments.output, program.binary, program.binary_bytes);
    }
    if (code == CLI_OK && !arguments.output && !arguments.run) {
        describe(arguments.path, &program);
    }
    if (code == CLI_OK && arguments.run) {
        code = run_program(&arguments, &program);
    }
    drop(&program);
    return code;
}

/* ---- disasm ---------------------------------------------------------------------------------- */

static error_t parse_disasm(int key, char *arg, struct argp_state *state)
{
    struct asm_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case KEY_OUTPUT:
        arguments->output = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path) {
            argp_error(state, "expected one FILE, got also '%s'", arg);
        }
        arguments->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->path) {
            argp_error(state, "expected FILE");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int decode(const char *path, struct program *program)
{
    uint8_t *binary = NULL;
    size_t size = 0;
    int code = cli_read_whole(path, &binary, &size);
    if (code != CLI_OK) {
        return code;
    }
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_code_decode(binary, size, &program->header, &program->insns,
                                           &program->insn_count, &error);
    free(binary);
    return status == HG_OK ? CLI_OK : cli_fail(CLI_FILE, "%s: %s", path, error.message);
}

static int print_text(const struct asm_arguments *arguments, const struct program *program)
{
    struct hg_code code = code_of(program);
    size_t length = hg_disassemble(&code, NULL, 0);
    char *text = malloc(length + 1);
    if (!text) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    hg_disassemble(&code, text, length + 1);
    int result = cli_write_whole(arguments->output ? arguments->output : "-", text, length);
    free(text);
    return result;
}

int cli_disasm(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = disasm_options,
                                     .parser = parse_disasm,
                                     .args_doc = "FILE",
                                     .doc = "Prints a program's binary as text.",
                                     .children = cli_common};
    struct asm_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    struct program program = {.insns = NULL};
    int code = decode(arguments.path, &program);
    if (code == CLI_OK) {
        code = print_text(&arguments, &program);
    }
    drop(&program);
    return code;
}
