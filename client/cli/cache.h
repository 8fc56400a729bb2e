/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `cache` share: its commands, which take their arguments from one parser. */
#ifndef HG_CLIENT_CLI_CACHE_H
#define HG_CLIENT_CLI_CACHE_H

#include "client/cli/cli.h"

/* What the command line says, as far as the command knows it. */
struct cache_arguments {
    struct cli *cli;
    const struct cache_command *command;
    const char *cache; /* NULL = every one */
    uint64_t count;    /* 0 = not given */
    bool all;
    bool json;
    char **operands;
    int operand_count;
};

struct cache_command {
    struct cli_entry entry;
    const char *operands; /* as the usage names them; NULL: none */
    int operands_min;
    int operands_max;
    const struct argp_option *options;
    int (*run)(struct cache_arguments *arguments);
};

enum { CACHE_KEY_ALL = 'a', CACHE_KEY_CACHE = 'c', CACHE_KEY_JSON = 'j', CACHE_KEY_COUNT = 'n' };

/* Of how many digits of a key tables show: more than enough to tell thousands apart. */
#define CACHE_KEY_DIGITS 12

/* ---- cache_list.c ---------------------------------------------------------------------------- */

extern const struct argp_option cache_top_options[];
extern const struct argp_option cache_ls_options[];
extern const struct argp_option cache_stats_options[];
int cache_top(struct cache_arguments *arguments);
int cache_ls(struct cache_arguments *arguments);
int cache_stats(struct cache_arguments *arguments);
/* NULL when out of memory. */
json_t *cache_program_json(const hologram_cached_program *program);

/* ---- cache_show.c ---------------------------------------------------------------------------- */

extern const struct argp_option cache_json_options[];
int cache_show(struct cache_arguments *arguments);
int cache_what_if(struct cache_arguments *arguments);

/* ---- cache_admin.c --------------------------------------------------------------------------- */

extern const struct argp_option cache_flush_options[];
int cache_flush(struct cache_arguments *arguments);
int cache_pin(struct cache_arguments *arguments);
int cache_unpin(struct cache_arguments *arguments);
int cache_profile(struct cache_arguments *arguments);
int cache_warm(struct cache_arguments *arguments);

#endif
