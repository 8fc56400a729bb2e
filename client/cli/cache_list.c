/* SPDX-License-Identifier: Apache-2.0 */
/* cache top, ls and stats: the programs and what the caches did, as tables. */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/cache.h"
#include "client/cli/stats.h"

#define PAGE 500

const struct argp_option cache_top_options[] = {
    {"count", CACHE_KEY_COUNT, "N", 0, "How many (20)", 0},
    {"cache", CACHE_KEY_CACHE, "NAME", 0, "Only those of this cache", 0},
    {"json", CACHE_KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

const struct argp_option cache_ls_options[] = {
    {"count", CACHE_KEY_COUNT, "N", 0, "At most so many (all)", 0},
    {"cache", CACHE_KEY_CACHE, "NAME", 0, "Only those of this cache", 0},
    {"json", CACHE_KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

const struct argp_option cache_stats_options[] = {
    {"all", CACHE_KEY_ALL, NULL, 0, "Also caches that were never asked", 0},
    {"json", CACHE_KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

/* ---- programs -------------------------------------------------------------------------------- */

json_t *cache_program_json(const hologram_cached_program *program)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:b}", "key", program->key, "cache",
                     program->cache, "summary", program->summary, "hits", (json_int_t)program->hits,
                     "bytes", (json_int_t)program->bytes, "pinned", program->pinned, "held",
                     program->held);
}

/* "P" of what is pinned, "h" of what is held. */
static const char *flags_of(const hologram_cached_program *program)
{
    static const char *const flags[2][2] = {{"-", "h"}, {"P", "Ph"}};
    return flags[program->pinned][program->held];
}

static void print_head(void)
{
    printf("%-*s  %-22s %10s %9s %-5s %s\n", CACHE_KEY_DIGITS, "KEY", "CACHE", "HITS", "SIZE",
           "FLAGS", "PROGRAM");
}

static void print_programs(const hologram_cache_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const hologram_cached_program *program = &list->programs[i];
        char bytes[CLI_TEXT_MAX];
        printf("%.*s  %-22s %10" PRIu64 " %9s %-5s %s\n", CACHE_KEY_DIGITS, program->key,
               program->cache, program->hits, cli_bytes_text(program->bytes, bytes),
               flags_of(program), program->summary);
    }
}

/* Appends to ARRAY, or prints. */
static void take_programs(const hologram_cache_list *list, json_t *array)
{
    if (!array) {
        print_programs(list);
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        json_array_append_new(array, cache_program_json(&list->programs[i]));
    }
}

/* The table's head, or an array for JSON. */
static json_t *begin_programs(const struct cache_arguments *arguments)
{
    if (arguments->json) {
        return json_array();
    }
    print_head();
    return NULL;
}

/* A count beyond what the wire can say is more than the server gives anyway. */
static uint32_t clamp(uint64_t count)
{
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

int cache_top(struct cache_arguments *arguments)
{
    struct cli *cli = arguments->cli;
    const hologram_cache_list *list;
    if (hologram_cache_top(cli->client, arguments->cache, clamp(arguments->count), &list) !=
        HOLOGRAM_OK) {
        return cli_fail_client(cli, "cache top");
    }
    json_t *array = begin_programs(arguments);
    take_programs(list, array);
    hologram_cache_list_free(list);
    return arguments->json ? cli_print_json(array) : CLI_OK;
}

int cache_ls(struct cache_arguments *arguments)
{
    struct cli *cli = arguments->cli;
    uint64_t left = arguments->count != 0 ? arguments->count : UINT64_MAX;
    uint64_t position = 0;
    json_t *array = NULL;
    bool begun = false;
    do {
        const hologram_cache_list *list;
        uint32_t page = left < PAGE ? (uint32_t)left : PAGE;
        if (hologram_cache_programs(cli->client, arguments->cache, position, page, &list) !=
            HOLOGRAM_OK) {
            json_decref(array);
            return cli_fail_client(cli, "cache ls");
        }
        if (!begun) {
            array = begin_programs(arguments);
            begun = true;
        }
        take_programs(list, array);
        left -= list->count;
        position = list->position;
        hologram_cache_list_free(list);
    } while (position != 0 && left > 0);
    return arguments->json ? cli_print_json(array) : CLI_OK;
}

/* ---- caches ---------------------------------------------------------------------------------- */

static void print_cache(const hologram_cache_stats *cache)
{
    char rate[CLI_TEXT_MAX];
    char build[CLI_TEXT_MAX] = "-";
    char bytes[CLI_TEXT_MAX];
    if (cache->builds + cache->build_failures > 0) {
        (void)cli_time_text(
            (double)cache->build_ns / (double)(cache->builds + cache->build_failures), build);
    }
    printf("%-24s %11" PRIu64 " %9s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %7" PRIu64 " %8" PRIu64
           " %9s %8" PRIu64 " %8" PRIu64 " %9s\n",
           cache->cache, cache->hits, cli_rate_text(cache->hits, cache->misses, rate),
           cache->missed_first_seen, cache->missed_evicted, cache->missed_flushed,
           cache->missed_failed, cache->builds, build, cache->evictions, cache->entries,
           cli_bytes_text(cache->bytes, bytes));
}

static void print_caches(const hologram_stats *stats, bool all)
{
    const hologram_server_stats *server = hologram_stats_server(stats);
    char bytes[CLI_TEXT_MAX];
    char limit[CLI_TEXT_MAX];
    char packed[CLI_TEXT_MAX];
    char packed_limit[CLI_TEXT_MAX];
    printf("%" PRIu64 " of %" PRIu64 " programs in %s of %s; %" PRIu64 " came precompiled, %" PRIu64
           " by warming; %" PRIu64 " packed operands in %s of %s\n\n",
           server->cache_entries, server->cache_entries_max,
           cli_bytes_text(server->cache_bytes, bytes),
           cli_bytes_text(server->cache_bytes_max, limit), server->precompiled, server->warmed,
           server->packed_entries, cli_bytes_text(server->packed_bytes, packed),
           cli_bytes_text(server->packed_bytes_max, packed_limit));
    printf("%-24s %11s %9s %35s %8s %9s %8s %8s %9s\n", "", "", "",
           "-------------- MISSES -----------", "", "MEAN", "", "", "");
    printf("%-24s %11s %9s %8s %8s %8s %7s %8s %9s %8s %8s %9s\n", "CACHE", "HITS", "HIT RATE",
           "FIRST", "EVICTED", "FLUSHED", "FAILED", "BUILDS", "BUILD", "EVICTED", "ENTRIES",
           "SIZE");
    for (uint32_t i = 0; i < hologram_stats_cache_count(stats); i++) {
        const hologram_cache_stats *cache = hologram_stats_cache(stats, i);
        if (all || cache->hits + cache->misses + cache->entries > 0) {
            print_cache(cache);
        }
    }
}

static json_t *cache_json(const hologram_cache_stats *cache)
{
    json_t *missed =
        json_pack("{s:I, s:I, s:I, s:I}", "first_seen", (json_int_t)cache->missed_first_seen,
                  "evicted", (json_int_t)cache->missed_evicted, "flushed",
                  (json_int_t)cache->missed_flushed, "failed", (json_int_t)cache->missed_failed);
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "cache",
                     cache->cache, "help", cache->help, "hits", (json_int_t)cache->hits, "misses",
                     (json_int_t)cache->misses, "missed", missed, "builds",
                     (json_int_t)cache->builds, "build_failures", (json_int_t)cache->build_failures,
                     "build_ns", (json_int_t)cache->build_ns, "evictions",
                     (json_int_t)cache->evictions, "entries", (json_int_t)cache->entries, "bytes",
                     (json_int_t)cache->bytes, "unfused", cache->unfused);
}

static json_t *stats_json(const hologram_stats *stats)
{
    const hologram_server_stats *server = hologram_stats_server(stats);
    json_t *caches = json_array();
    for (uint32_t i = 0; i < hologram_stats_cache_count(stats); i++) {
        json_array_append_new(caches, cache_json(hologram_stats_cache(stats, i)));
    }
    json_t *packed = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "entries", (json_int_t)server->packed_entries, "bytes",
        (json_int_t)server->packed_bytes, "bytes_max", (json_int_t)server->packed_bytes_max, "hits",
        (json_int_t)server->packed_hits, "builds", (json_int_t)server->packed_builds, "evictions",
        (json_int_t)server->packed_evictions);
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "entries", (json_int_t)server->cache_entries,
        "entries_max", (json_int_t)server->cache_entries_max, "bytes",
        (json_int_t)server->cache_bytes, "bytes_max", (json_int_t)server->cache_bytes_max,
        "precompiled", (json_int_t)server->precompiled, "warmed", (json_int_t)server->warmed,
        "packed", packed, "caches", caches);
}

int cache_stats(struct cache_arguments *arguments)
{
    hologram_stats *stats;
    int code = CLI_OK;
    if (hologram_get_stats(arguments->cli->client, &stats) != HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, "cache stats");
    }
    if (arguments->json) {
        code = cli_print_json(stats_json(stats));
    } else {
        print_caches(stats, arguments->all);
    }
    hologram_stats_free(stats);
    return code;
}
