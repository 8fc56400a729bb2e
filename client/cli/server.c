/* SPDX-License-Identifier: Apache-2.0 */
/* ping, info and ops: what the server is and knows. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/cli.h"

struct arguments {
    struct cli *cli;
    const char *name; /* of a buffer or an operation */
    uint64_t count;
    bool takes_name;
    bool json;
    bool names;
};

enum { KEY_COUNT = 'c', KEY_JSON = 'j', KEY_NAMES = 0x100 };

static const struct argp_option ping_options[] = {
    {"count", KEY_COUNT, "N", 0, "Round trips (5)", 0},
    {0},
};

static const struct argp_option info_options[] = {
    {"json", KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

static const struct argp_option ops_options[] = {
    {"json", KEY_JSON, NULL, 0, "As JSON", 0},
    {"names", KEY_NAMES, NULL, 0, "Only the names", 0},
    {0},
};

/* Each command offers only some of these. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case KEY_COUNT:
        if (!cli_parse_u64(arg, &arguments->count) || arguments->count == 0) {
            argp_error(state, "expected --count of at least 1, got '%s'", arg);
        }
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case KEY_NAMES:
        arguments->names = true;
        return 0;
    case ARGP_KEY_ARG:
        if (!arguments->takes_name || arguments->name) {
            argp_error(state, "unexpected argument '%s'", arg);
        }
        arguments->name = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- ping ------------------------------------------------------------------------------------ */

int cli_ping(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = ping_options,
                                     .parser = parse,
                                     .doc = "Measures the time of a round trip.",
                                     .children = cli_common};
    struct arguments arguments = {.cli = cli, .count = 5};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    uint64_t min_ns = UINT64_MAX;
    uint64_t max_ns = 0;
    uint64_t sum_ns = 0;
    for (uint64_t i = 0; i < arguments.count; i++) {
        uint64_t start_ns = cli_now_ns();
        if (hologram_ping(cli->client) != HOLOGRAM_OK) {
            return cli_fail_client(cli, "ping");
        }
        uint64_t took_ns = cli_now_ns() - start_ns;
        min_ns = took_ns < min_ns ? took_ns : min_ns;
        max_ns = took_ns > max_ns ? took_ns : max_ns;
        sum_ns += took_ns;
    }
    char least[CLI_TEXT_MAX];
    char mean[CLI_TEXT_MAX];
    char most[CLI_TEXT_MAX];
    printf("hologramd %s: %" PRIu64 " round trips, min %s, mean %s, max %s\n",
           hologram_server(cli->client)->version, arguments.count,
           cli_time_text((double)min_ns, least),
           cli_time_text((double)sum_ns / (double)arguments.count, mean),
           cli_time_text((double)max_ns, most));
    return CLI_OK;
}

/* ---- info ------------------------------------------------------------------------------------ */

static json_t *server_json(const hologram_server_info *server, const hologram_server_stats *stats)
{
    json_t *features = json_array();
    for (uint32_t i = 0; i < server->feature_count; i++) {
        json_array_append_new(features, json_string(server->features[i]));
    }
    return json_pack(
        "{s:s, s:i, s:o, s:I, s:b, s:s, s:s, s:i, s:s, s:{s:I, s:I, s:i, s:i, s:I, s:i, s:i, s:i}}",
        "version", server->version, "protocol_version", (int)server->protocol_version, "features",
        features, "session", (json_int_t)server->session_id, "admin", server->admin, "executor",
        stats->executor, "isa_level", stats->isa_level, "workers", (int)stats->workers,
        "metrics_url", stats->metrics_url, "limits", "message_bytes_max",
        (json_int_t)server->message_bytes_max, "payload_bytes_max",
        (json_int_t)server->payload_bytes_max, "requests_in_flight_max",
        (int)server->requests_in_flight_max, "buffers_max", (int)server->buffers_max,
        "memory_bytes_max", (json_int_t)server->memory_bytes_max, "boundary_classes_max",
        (int)server->boundary_classes_max, "batch_steps_max", (int)server->batch_steps_max,
        "streams_max", (int)server->streams_max);
}

static void print_server(const hologram_server_info *server, const hologram_server_stats *stats)
{
    char text[CLI_TEXT_MAX];
    printf("server            hologramd %s, up %s\n", server->version,
           cli_uptime_text(stats->uptime_ns, text));
    printf("protocol          version %" PRIu32 ";", server->protocol_version);
    for (uint32_t i = 0; i < server->feature_count; i++) {
        printf(" %s", server->features[i]);
    }
    printf("\nexecutor          %s, %s kernels, %" PRIu32 " workers\n", stats->executor,
           stats->isa_level, stats->workers);
    printf("metrics           %s\n", stats->metrics_url[0] != '\0' ? stats->metrics_url : "off");
    printf("you               session %" PRIu64 "%s\n", server->session_id,
           server->admin ? ", administrator" : "");
    puts("limits of a session");
    printf("  memory          %s\n", cli_bytes_text(server->memory_bytes_max, text));
    printf("  buffers         %" PRIu32 ", %" PRIu32 " of them in the boundary pool\n",
           server->buffers_max, server->boundary_classes_max);
    printf("  in flight       %" PRIu32 " requests on %" PRIu32 " streams\n",
           server->requests_in_flight_max, server->streams_max);
    printf("  message         %s, %" PRIu32 " steps of a batch\n",
           cli_bytes_text(server->message_bytes_max, text), server->batch_steps_max);
    printf("  payload         %s\n", cli_bytes_text(server->payload_bytes_max, text));
}

static int info_buffer(struct cli *cli, const struct arguments *arguments)
{
    hologram_buffer buffer;
    hologram_buffer_info info;
    int code = cli_open(cli, arguments->name, false, &buffer, &info);
    if (code != CLI_OK) {
        return code;
    }
    if (arguments->json) {
        return cli_print_json(cli_buffer_json(&info));
    }
    cli_print_made(arguments->name, &info);
    return CLI_OK;
}

int cli_info(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = info_options,
                                     .parser = parse,
                                     .args_doc = "[NAME]",
                                     .doc = "Describes the server, or the named buffer NAME.",
                                     .children = cli_common};
    struct arguments arguments = {.cli = cli, .takes_name = true};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code != CLI_OK || arguments.name) {
        return code != CLI_OK ? code : info_buffer(cli, &arguments);
    }
    hologram_stats *stats;
    if (hologram_get_stats(cli->client, &stats) != HOLOGRAM_OK) {
        return cli_fail_client(cli, "info");
    }
    if (arguments.json) {
        code =
            cli_print_json(server_json(hologram_server(cli->client), hologram_stats_server(stats)));
    } else {
        print_server(hologram_server(cli->client), hologram_stats_server(stats));
    }
    hologram_stats_free(stats);
    return code;
}

/* ---- ops ------------------------------------------------------------------------------------- */

/* "vector_add(a, b) -> c". */
static void print_signature(const hologram_op_info *op)
{
    printf("%s(", op->name);
    for (uint32_t i = 0; i < op->inputs && i < op->operand_name_count; i++) {
        printf("%s%s", i == 0 ? "" : ", ", op->operand_names[i]);
    }
    printf(") ->");
    for (uint32_t i = op->inputs; i < op->operand_name_count; i++) {
        printf(" %s", op->operand_names[i]);
    }
}

/* The type in which a default is to be read, for people: operands' types differ. */
static void print_default(const hologram_attribute_info *attribute)
{
    char text[CLI_TEXT_MAX];
    if (attribute->required) {
        fputs("required", stdout);
    } else if (strcmp(attribute->kind, "f32-or-operand") == 0) {
        printf("default %s", cli_value_text(HOLOGRAM_F32, attribute->default_bits, text));
    } else {
        fputs("optional", stdout);
    }
}

/* Of an operand whose type is not that of the others. */
static void print_own_types(const hologram_op_info *op, uint32_t operand)
{
    uint32_t types = op->operand_dtypes[operand];
    if (types == 0) {
        return;
    }
    printf("  types of %s:", op->operand_names[operand]);
    for (unsigned int dtype = HOLOGRAM_I8; dtype <= HOLOGRAM_F64; dtype++) {
        if ((types >> dtype & 1u) != 0) {
            printf(" %s", hologram_dtype_name((hologram_dtype)dtype));
        }
    }
    putchar('\n');
}

static json_t *own_types_json(uint32_t types)
{
    json_t *list = json_array();
    for (unsigned int dtype = HOLOGRAM_I8; dtype <= HOLOGRAM_F64; dtype++) {
        if ((types >> dtype & 1u) != 0) {
            json_array_append_new(list, json_string(hologram_dtype_name((hologram_dtype)dtype)));
        }
    }
    return list;
}

static void print_op(const hologram_ops *ops, const hologram_op_info *op)
{
    print_signature(op);
    printf("    [%s]\n  %s\n  types:", op->module, op->summary);
    for (uint32_t i = 0; i < op->dtype_count; i++) {
        printf(" %s", hologram_dtype_name(op->dtypes[i]));
    }
    putchar('\n');
    for (uint32_t i = 0; i < op->operand_name_count; i++) {
        print_own_types(op, i);
    }
    for (uint32_t i = 0; i < op->attribute_count; i++) {
        const hologram_attribute_info *attribute = hologram_ops_attribute(ops, op, i);
        printf("  --attr %s=%s (", attribute->name, attribute->kind);
        print_default(attribute);
        printf("): %s\n", attribute->summary);
    }
}

static json_t *op_json(const hologram_ops *ops, const hologram_op_info *op)
{
    json_t *dtypes = json_array();
    for (uint32_t i = 0; i < op->dtype_count; i++) {
        json_array_append_new(dtypes, json_string(hologram_dtype_name(op->dtypes[i])));
    }
    json_t *operands = json_array();
    json_t *operand_dtypes = json_array();
    for (uint32_t i = 0; i < op->operand_name_count; i++) {
        json_array_append_new(operands, json_string(op->operand_names[i]));
        json_array_append_new(operand_dtypes, own_types_json(op->operand_dtypes[i]));
    }
    json_t *attributes = json_array();
    for (uint32_t i = 0; i < op->attribute_count; i++) {
        const hologram_attribute_info *attribute = hologram_ops_attribute(ops, op, i);
        json_array_append_new(attributes,
                              json_pack("{s:s, s:s, s:b, s:I, s:s}", "name", attribute->name,
                                        "kind", attribute->kind, "required", attribute->required,
                                        "default_bits", (json_int_t)attribute->default_bits,
                                        "summary", attribute->summary));
    }
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o}", "name", op->name, "module",
                     op->module, "summary", op->summary, "inputs", (int)op->inputs, "outputs",
                     (int)op->outputs, "operands", operands, "dtypes", dtypes, "operand_dtypes",
                     operand_dtypes, "attributes", attributes);
}

static int print_ops(const hologram_ops *ops, const struct arguments *arguments)
{
    json_t *list = arguments->json ? json_array() : NULL;
    for (uint32_t i = 0; i < hologram_ops_count(ops); i++) {
        const hologram_op_info *op = hologram_ops_at(ops, i);
        if (arguments->json) {
            json_array_append_new(list, op_json(ops, op));
        } else if (arguments->names) {
            puts(op->name);
        } else {
            printf("%-11s %-21s %s\n", op->module, op->name, op->summary);
        }
    }
    return arguments->json ? cli_print_json(list) : CLI_OK;
}

static int print_named_op(const hologram_ops *ops, const struct arguments *arguments)
{
    const hologram_op_info *op = hologram_ops_find(ops, arguments->name);
    if (!op) {
        return cli_fail(CLI_NOT_FOUND, "there is no operation '%s'", arguments->name);
    }
    if (arguments->json) {
        return cli_print_json(op_json(ops, op));
    }
    print_op(ops, op);
    return CLI_OK;
}

int cli_ops(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = ops_options,
                                     .parser = parse,
                                     .args_doc = "[OP]",
                                     .doc = "Lists the operations, or describes OP.",
                                     .children = cli_common};
    struct arguments arguments = {.cli = cli, .takes_name = true};
    cli_parse(&argp, argc, argv, &arguments);
    hologram_ops *ops = NULL;
    int code = cli_get_ops(cli, &ops);
    if (code != CLI_OK) {
        return code;
    }
    code = arguments.name ? print_named_op(ops, &arguments) : print_ops(ops, &arguments);
    hologram_ops_free(ops);
    return code;
}
