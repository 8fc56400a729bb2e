/* SPDX-License-Identifier: Apache-2.0 */
/* stats: what the caches and pools did. */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/cli.h"
#include "client/cli/stats.h"

struct stats_arguments {
    struct cli *cli;
    bool all;
    bool json;
};

enum { KEY_ALL = 'a', KEY_JSON = 'j' };

static const struct argp_option options[] = {
    {"all", KEY_ALL, NULL, 0, "Also caches that were never asked", 0},
    {"json", KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct stats_arguments *arguments = state->input;
    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case KEY_ALL:
        arguments->all = true;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void cli_sum_caches(const hologram_stats *stats, hologram_cache_stats *sum)
{
    *sum = (hologram_cache_stats){.cache = "total", .help = ""};
    for (uint32_t i = 0; i < hologram_stats_cache_count(stats); i++) {
        const hologram_cache_stats *cache = hologram_stats_cache(stats, i);
        sum->hits += cache->hits;
        sum->misses += cache->misses;
        sum->builds += cache->builds;
        sum->build_failures += cache->build_failures;
        sum->evictions += cache->evictions;
        sum->entries += cache->entries;
        sum->bytes += cache->bytes;
    }
}

const char *cli_rate_text(uint64_t hits, uint64_t misses, char text[CLI_TEXT_MAX])
{
    if (hits + misses == 0) {
        (void)snprintf(text, CLI_TEXT_MAX, "-");
    } else {
        (void)snprintf(text, CLI_TEXT_MAX, "%.2f %%",
                       100 * (double)hits / ((double)hits + (double)misses));
    }
    return text;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_cache(const hologram_cache_stats *cache)
{
    char rate[CLI_TEXT_MAX];
    char bytes[CLI_TEXT_MAX];
    printf("%-24s %12" PRIu64 " %10" PRIu64 " %10s %8" PRIu64 " %8" PRIu64 " %10s\n", cache->cache,
           cache->hits, cache->misses, cli_rate_text(cache->hits, cache->misses, rate),
           cache->builds, cache->entries, cli_bytes_text(cache->bytes, bytes));
}

static void print_caches(const hologram_stats *stats, bool all)
{
    printf("%-24s %12s %10s %10s %8s %8s %10s\n", "CACHE", "HITS", "MISSES", "HIT RATE", "BUILDS",
           "ENTRIES", "SIZE");
    for (uint32_t i = 0; i < hologram_stats_cache_count(stats); i++) {
        const hologram_cache_stats *cache = hologram_stats_cache(stats, i);
        if (all || cache->hits + cache->misses + cache->entries > 0) {
            print_cache(cache);
        }
    }
    hologram_cache_stats sum;
    cli_sum_caches(stats, &sum);
    print_cache(&sum);
}

static void print_pools(const hologram_stats *stats)
{
    char used[CLI_TEXT_MAX];
    char limit[CLI_TEXT_MAX];
    printf("\n%-24s %12s %12s %10s\n", "POOL", "USED", "LIMIT", "BUFFERS");
    for (uint32_t i = 0; i < hologram_stats_pool_count(stats); i++) {
        const hologram_pool_stats *pool = hologram_stats_pool(stats, i);
        printf("%-24s %12s %12s %10" PRIu64 "\n", pool->pool,
               cli_bytes_text(pool->bytes_used, used), cli_bytes_text(pool->bytes_limit, limit),
               pool->buffers);
    }
}

void cli_print_stats(const hologram_stats *stats, bool all)
{
    const hologram_server_stats *server = hologram_stats_server(stats);
    char up[CLI_TEXT_MAX];
    char resident[CLI_TEXT_MAX];
    printf("hologramd %s, up %s; %" PRIu32 " sessions, %" PRIu64 " requests, %" PRIu64
           " errors; %" PRIu32 " workers, %" PRIu32 " jobs queued; %s resident\n\n",
           server->version, cli_uptime_text(server->uptime_ns, up), server->sessions,
           server->requests, server->errors, server->workers, server->queue_depth,
           cli_bytes_text(server->resident_bytes, resident));
    print_caches(stats, all);
    print_pools(stats);
    if (server->metrics_url[0] != '\0') {
        printf("\nmetrics: %s\n", server->metrics_url);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *cache_json(const hologram_cache_stats *cache)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "cache", cache->cache, "hits",
                     (json_int_t)cache->hits, "misses", (json_int_t)cache->misses, "builds",
                     (json_int_t)cache->builds, "build_failures", (json_int_t)cache->build_failures,
                     "evictions", (json_int_t)cache->evictions, "entries",
                     (json_int_t)cache->entries, "bytes", (json_int_t)cache->bytes);
}

static json_t *stats_json(const hologram_stats *stats)
{
    const hologram_server_stats *server = hologram_stats_server(stats);
    json_t *caches = json_array();
    for (uint32_t i = 0; i < hologram_stats_cache_count(stats); i++) {
        json_array_append_new(caches, cache_json(hologram_stats_cache(stats, i)));
    }
    json_t *pools = json_array();
    for (uint32_t i = 0; i < hologram_stats_pool_count(stats); i++) {
        const hologram_pool_stats *pool = hologram_stats_pool(stats, i);
        json_array_append_new(pools, json_pack("{s:s, s:I, s:I, s:I}", "pool", pool->pool,
                                               "bytes_used", (json_int_t)pool->bytes_used,
                                               "bytes_limit", (json_int_t)pool->bytes_limit,
                                               "buffers", (json_int_t)pool->buffers));
    }
    return json_pack("{s:s, s:I, s:i, s:I, s:I, s:i, s:i, s:I, s:I, s:s, s:s, s:s, s:o, s:o}",
                     "server_version", server->version, "uptime_ns", (json_int_t)server->uptime_ns,
                     "sessions", (int)server->sessions, "requests", (json_int_t)server->requests,
                     "errors", (json_int_t)server->errors, "workers", (int)server->workers,
                     "queue_depth", (int)server->queue_depth, "allocated_bytes",
                     (json_int_t)server->allocated_bytes, "resident_bytes",
                     (json_int_t)server->resident_bytes, "executor", server->executor, "isa_level",
                     server->isa_level, "metrics_url", server->metrics_url, "caches", caches,
                     "pools", pools);
}

int cli_stats(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Shows hits, misses and builds of every cache, and the pools.",
        .children = cli_common};
    struct stats_arguments arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code != CLI_OK) {
        return code;
    }
    hologram_stats *stats;
    if (hologram_get_stats(cli->client, &stats) != HOLOGRAM_OK) {
        return cli_fail_client(cli, "stats");
    }
    if (arguments.json) {
        code = cli_print_json(stats_json(stats));
    } else {
        cli_print_stats(stats, arguments.all);
    }
    hologram_stats_free(stats);
    return code;
}
