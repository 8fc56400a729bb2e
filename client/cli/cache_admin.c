/* SPDX-License-Identifier: Apache-2.0 */
/* cache flush, pin, unpin, profile and warm: for administrators. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/cache.h"

const struct argp_option cache_flush_options[] = {
    {"all", CACHE_KEY_ALL, NULL, 0, "Every program that is not pinned", 0},
    {"cache", CACHE_KEY_CACHE, "NAME", 0, "Those of this cache", 0},
    {0},
};

int cache_flush(struct cache_arguments *arguments)
{
    struct cli *cli = arguments->cli;
    const char *key = arguments->operand_count > 0 ? arguments->operands[0] : NULL;
    uint64_t dropped;
    if ((key != NULL) + (arguments->cache != NULL) + arguments->all != 1) {
        return cli_fail(CLI_USAGE, "cache flush: expected a KEY, --cache or --all: one of them");
    }
    if (hologram_cache_flush(cli->client, arguments->cache, key, &dropped) != HOLOGRAM_OK) {
        return cli_fail_client(cli, key ? key : "cache flush");
    }
    printf("%" PRIu64 " dropped\n", dropped);
    return CLI_OK;
}

/* Each of the keys; goes on after one that fails. Gives the first failure's code. */
static int set_pinned(struct cache_arguments *arguments, bool pinned)
{
    int code = CLI_OK;
    for (int i = 0; i < arguments->operand_count; i++) {
        if (hologram_cache_pin(arguments->cli->client, arguments->operands[i], pinned) !=
            HOLOGRAM_OK) {
            int failed = cli_fail_client(arguments->cli, arguments->operands[i]);
            code = code == CLI_OK ? failed : code;
        }
    }
    return code;
}

int cache_pin(struct cache_arguments *arguments)
{
    return set_pinned(arguments, true);
}

int cache_unpin(struct cache_arguments *arguments)
{
    return set_pinned(arguments, false);
}

int cache_profile(struct cache_arguments *arguments)
{
    const char *path = arguments->operand_count > 0 ? arguments->operands[0] : "-";
    const hologram_cache_keys *keys;
    if (arguments->operand_count == 0 && isatty(STDOUT_FILENO)) {
        return cli_fail(CLI_USAGE, "cache profile: expected a FILE: a terminal shows no keys");
    }
    if (hologram_cache_profile(arguments->cli->client, &keys) != HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, "cache profile");
    }
    int code = cli_write_whole(path, keys->data, keys->bytes);
    hologram_cache_keys_free(keys);
    return code;
}

/* What the server refuses as no key file is a file's fault. */
static int fail_warm(const struct cache_arguments *arguments)
{
    hologram_status status = hologram_last_error(arguments->cli->client)->status;
    int code = cli_fail_client(arguments->cli, arguments->operands[0]);
    return status == HOLOGRAM_DATA_LOSS || status == HOLOGRAM_INVALID_ARGUMENT ? CLI_FILE : code;
}

int cache_warm(struct cache_arguments *arguments)
{
    uint8_t *data = NULL;
    size_t size = 0;
    int code = cli_read_whole(arguments->operands[0], &data, &size);
    if (code == CLI_OK && hologram_cache_warm(arguments->cli->client, data, size) != HOLOGRAM_OK) {
        code = fail_warm(arguments);
    }
    free(data);
    return code;
}
