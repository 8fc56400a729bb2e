/* SPDX-License-Identifier: Apache-2.0 */
/* top: statistics and their rates, live on the terminal, busiest caches first. */
#include <inttypes.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/stats.h"

struct top_arguments {
    struct cli *cli;
    double interval_s;
    bool once;
};

/* Two moments between which rates are taken. */
struct view {
    hologram_stats *now;
    hologram_stats *before; /* NULL at first */
    double seconds;         /* between them */
};

struct row {
    const hologram_cache_stats *cache;
    double hits_per_s;
    double misses_per_s;
};

enum { KEY_ONCE = 'o', KEY_INTERVAL = 'i' };

static const struct argp_option options[] = {
    {"once", KEY_ONCE, NULL, 0, "Print once, without taking the terminal over", 0},
    {"interval", KEY_INTERVAL, "SECONDS", 0, "Time between two looks (1)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct top_arguments *arguments = state->input;
    char *end;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_common_init(state, arguments->cli);
        return 0;
    case KEY_ONCE:
        arguments->once = true;
        return 0;
    case KEY_INTERVAL:
        arguments->interval_s = strtod(arg, &end);
        if (*end != '\0' || !(arguments->interval_s >= 0.1 && arguments->interval_s <= 3600)) {
            argp_error(state, "expected --interval from 0.1 to 3600 seconds, got '%s'", arg);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return seconds > 0 && now >= before ? (double)(now - before) / seconds : 0;
}

static int busier(const void *left, const void *right)
{
    const struct row *a = left;
    const struct row *b = right;
    double rate_a = a->hits_per_s + a->misses_per_s;
    double rate_b = b->hits_per_s + b->misses_per_s;
    if (rate_a != rate_b) {
        return rate_a < rate_b ? 1 : -1;
    }
    uint64_t all_a = a->cache->hits + a->cache->misses;
    uint64_t all_b = b->cache->hits + b->cache->misses;
    return all_a == all_b ? 0 : all_a < all_b ? 1 : -1;
}

/* Caches that were asked; the server keeps their order from one look to the next. */
static uint32_t make_rows(const struct view *view, struct row *rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < hologram_stats_cache_count(view->now); i++) {
        const hologram_cache_stats *cache = hologram_stats_cache(view->now, i);
        const hologram_cache_stats *before =
            view->before ? hologram_stats_cache(view->before, i) : NULL;
        if (cache->hits + cache->misses == 0) {
            continue;
        }
        rows[count++] = (struct row){
            .cache = cache,
            .hits_per_s = before ? rate(cache->hits, before->hits, view->seconds) : 0,
            .misses_per_s = before ? rate(cache->misses, before->misses, view->seconds) : 0};
    }
    qsort(rows, count, sizeof *rows, busier);
    return count;
}

/* ---- the screen ------------------------------------------------------------------------------ */

static void draw_server(const struct view *view)
{
    const hologram_server_stats *now = hologram_stats_server(view->now);
    const hologram_server_stats *before = view->before ? hologram_stats_server(view->before) : now;
    char up[CLI_TEXT_MAX];
    char resident[CLI_TEXT_MAX];
    mvprintw(0, 0, "hologramd %s  up %s  %s, %s kernels  %s resident", now->version,
             cli_uptime_text(now->uptime_ns, up), now->executor, now->isa_level,
             cli_bytes_text(now->resident_bytes, resident));
    mvprintw(1, 0,
             "sessions %" PRIu32 "  requests/s %.0f  errors/s %.0f  workers %" PRIu32
             "  queued %" PRIu32,
             now->sessions, rate(now->requests, before->requests, view->seconds),
             rate(now->errors, before->errors, view->seconds), now->workers, now->queue_depth);
}

static int draw_pools(const hologram_stats *stats, int line)
{
    char used[CLI_TEXT_MAX];
    char limit[CLI_TEXT_MAX];
    for (uint32_t i = 0; i < hologram_stats_pool_count(stats); i++) {
        const hologram_pool_stats *pool = hologram_stats_pool(stats, i);
        mvprintw(line++, 0, "pool %-10s %10s of %10s  %" PRIu64 " buffers", pool->pool,
                 cli_bytes_text(pool->bytes_used, used), cli_bytes_text(pool->bytes_limit, limit),
                 pool->buffers);
    }
    return line;
}

static void draw_rows(const struct row *rows, uint32_t count, int line)
{
    attron(A_REVERSE);
    mvprintw(line, 0, "%-24s %10s %10s %10s %12s %8s %10s", "CACHE", "HITS/S", "MISSES/S",
             "HIT RATE", "HITS", "ENTRIES", "SIZE");
    attroff(A_REVERSE);
    for (uint32_t i = 0; i < count && line + 1 < LINES - 1; i++) {
        const hologram_cache_stats *cache = rows[i].cache;
        char rate_text[CLI_TEXT_MAX];
        char bytes[CLI_TEXT_MAX];
        mvprintw(++line, 0, "%-24s %10.0f %10.0f %10s %12" PRIu64 " %8" PRIu64 " %10s",
                 cache->cache, rows[i].hits_per_s, rows[i].misses_per_s,
                 cli_rate_text(cache->hits, cache->misses, rate_text), cache->hits, cache->entries,
                 cli_bytes_text(cache->bytes, bytes));
    }
    mvprintw(LINES - 1, 0, "q quits");
}

static bool draw(const struct view *view)
{
    uint32_t caches = hologram_stats_cache_count(view->now);
    struct row *rows = calloc(caches > 0 ? caches : 1, sizeof *rows);
    if (!rows) {
        return false;
    }
    uint32_t count = make_rows(view, rows);
    erase();
    draw_server(view);
    draw_rows(rows, count, draw_pools(view->now, 2) + 1);
    refresh();
    free(rows);
    return true;
}

/* Until q or an error; the client's last error then says which. */
static hologram_status watch(const struct top_arguments *arguments)
{
    struct view view = {.now = NULL};
    uint64_t looked_ns = 0;
    hologram_status status;
    for (;;) {
        hologram_stats *stats;
        status = hologram_get_stats(arguments->cli->client, &stats);
        if (status != HOLOGRAM_OK) {
            break;
        }
        uint64_t now_ns = cli_now_ns();
        hologram_stats_free(view.before);
        view.before = view.now;
        view.now = stats;
        view.seconds = (double)(now_ns - looked_ns) / 1e9;
        looked_ns = now_ns;
        if (!draw(&view)) {
            break;
        }
        timeout((int)(arguments->interval_s * 1000));
        int key = getch();
        if (key == 'q' || key == 'Q') {
            break;
        }
    }
    hologram_stats_free(view.before);
    hologram_stats_free(view.now);
    return status;
}

static int print_once(struct cli *cli)
{
    hologram_stats *stats;
    if (hologram_get_stats(cli->client, &stats) != HOLOGRAM_OK) {
        return cli_fail_client(cli, "top");
    }
    cli_print_stats(stats, false);
    hologram_stats_free(stats);
    return CLI_OK;
}

int cli_top(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.options = options,
                                     .parser = parse,
                                     .doc = "Shows the statistics live; q quits.",
                                     .children = cli_common};
    struct top_arguments arguments = {.cli = cli, .interval_s = 1};
    cli_parse(&argp, argc, argv, &arguments);
    int code = cli_connect(cli);
    if (code != CLI_OK || arguments.once) {
        return code != CLI_OK ? code : print_once(cli);
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return cli_fail(CLI_USAGE, "top needs a terminal; use --once");
    }
    setlocale(LC_ALL, "");
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        return cli_fail(CLI_USAGE, "top does not know this terminal; use --once");
    }
    cbreak();
    noecho();
    curs_set(0);
    hologram_status status = watch(&arguments);
    endwin();
    delscreen(screen);
    return status == HOLOGRAM_OK ? CLI_OK : cli_fail_client(cli, "top");
}
