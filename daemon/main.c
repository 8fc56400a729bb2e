/* SPDX-License-Identifier: Apache-2.0 */
/* hologramd: options, configuration, and the server's life. */
#include <argp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/config.h"
#include "daemon/server.h"
#include "lib/base/log.h"

#define EXIT_CONFIG   2
#define OVERRIDES_MAX 64
/* Longest override that a short option stands for: "server.socket=" and the value. */
#define OVERRIDE_BYTES 160

/* Visible, since libc's argp looks it up. */
__attribute__((visibility("default"))) const char *argp_program_version = "hologramd " HG_VERSION;

struct arguments {
    const char *config_path;
    const char *overrides[OVERRIDES_MAX];
    uint32_t override_count;
    char shorthand[3][OVERRIDE_BYTES]; /* what --socket, --http and --log-level stand for */
    bool print_config;
    bool check_config;
};

enum { KEY_SET = 256, KEY_PRINT, KEY_CHECK, KEY_HTTP, KEY_LOG_LEVEL };

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "Read options from FILE", 0},
    {"set", KEY_SET, "SECTION.KEY=VALUE", 0, "Set one option, over the file's", 0},
    {"socket", 's', "PATH", 0, "Short for --set server.socket=PATH", 0},
    {"http", KEY_HTTP, "ADDRESS:PORT", 0, "Short for --set http.listen=ADDRESS:PORT", 0},
    {"log-level", KEY_LOG_LEVEL, "LEVEL", 0, "Short for --set log.level=LEVEL", 0},
    {"print-config", KEY_PRINT, NULL, 0, "Print every option with its value and exit", 1},
    {"check-config", KEY_CHECK, NULL, 0, "Check the options and exit", 1},
    {0},
};

static void add_override(struct argp_state *state, const char *assignment)
{
    struct arguments *arguments = state->input;
    if (arguments->override_count == OVERRIDES_MAX) {
        argp_error(state, "more than %d options set", OVERRIDES_MAX);
        return;
    }
    arguments->overrides[arguments->override_count++] = assignment;
}

static void add_shorthand(struct argp_state *state, unsigned slot, const char *name,
                          const char *value)
{
    struct arguments *arguments = state->input;
    char *text = arguments->shorthand[slot];
    if ((size_t)snprintf(text, OVERRIDE_BYTES, "%s=%s", name, value) >= OVERRIDE_BYTES) {
        argp_error(state, "%s: value too long", name);
        return;
    }
    add_override(state, text);
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'c':
        arguments->config_path = value;
        return 0;
    case 's':
        add_shorthand(state, 0, "server.socket", value);
        return 0;
    case KEY_HTTP:
        add_shorthand(state, 1, "http.listen", value);
        return 0;
    case KEY_LOG_LEVEL:
        add_shorthand(state, 2, "log.level", value);
        return 0;
    case KEY_SET:
        add_override(state, value);
        return 0;
    case KEY_PRINT:
        arguments->print_config = true;
        return 0;
    case KEY_CHECK:
        arguments->check_config = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .doc =
        "Keeps tensors and compiled programs warm, and computes with them for every process that "
        "connects to its socket."
        "\vExit status: 0 after a drain; 1 if it could not start; 2 if an option is wrong.\n"
        "SIGTERM and SIGINT drain, SIGHUP reloads the configuration.",
};

static enum hg_status configure(const struct arguments *arguments, struct hg_config *config,
                                struct hg_error *error)
{
    hg_config_init(config);
    if (arguments->config_path != NULL &&
        hg_config_load(config, arguments->config_path, error) != HG_OK) {
        return error->status;
    }
    for (uint32_t i = 0; i < arguments->override_count; i++) {
        if (hg_config_set(config, arguments->overrides[i], error) != HG_OK) {
            return error->status;
        }
    }
    return HG_OK;
}

/* Every client takes a descriptor; the soft limit is often far below what is allowed. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* While it stops its handlers go, and the defaults would kill it: who asks again has to wait. Other
 * threads hear no signals anyway. */
static void hold_signals(void)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &held, NULL);
}

static int serve(const struct arguments *arguments, const struct hg_config *config)
{
    static struct hg_server server;
    struct hg_error error = HG_ERROR_INIT;
    server.config_path = arguments->config_path;
    server.overrides = arguments->overrides;
    server.override_count = arguments->override_count;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    if (hg_server_start(&server, config, &error) != HG_OK) {
        fprintf(stderr, "hologramd: %s\n", error.message);
        return EXIT_FAILURE;
    }
    hg_server_run(&server);
    hold_signals();
    hg_server_stop(&server);
    HG_LOG_INFO(MAIN, "stopped");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct arguments arguments;
    static struct hg_config config;
    struct hg_error error = HG_ERROR_INIT;
    argp_err_exit_status = EXIT_CONFIG;
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if (configure(&arguments, &config, &error) != HG_OK) {
        fprintf(stderr, "hologramd: %s\n", error.message);
        return EXIT_CONFIG;
    }
    if (arguments.print_config) {
        hg_config_print(&config, stdout);
        return EXIT_SUCCESS;
    }
    if (arguments.check_config) {
        puts("hologramd: the configuration is valid");
        return EXIT_SUCCESS;
    }
    return serve(&arguments, &config);
}
