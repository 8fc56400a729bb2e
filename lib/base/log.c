/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line:
 *
 *     2024-05-01T12:00:00.123Z warn session: frame too large bytes=70000 peer="a b"
 *     <4>warn session: frame too large bytes=70000 peer="a b"              (under systemd)
 *
 * It is put together on the stack and written at once, so lines of different threads never mix.
 */
#include "lib/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/status.h"

#define LINE_BYTES       2048
#define BURST_PER_SECOND 10

static const struct {
    const char *name;
    char syslog; /* priority of syslog(3), which the journal reads between < and > */
} levels[] = {
    [HG_LOG_DEBUG] = {"debug", '7'}, [HG_LOG_INFO] = {"info", '6'},   [HG_LOG_WARN] = {"warn", '4'},
    [HG_LOG_ERROR] = {"error", '3'}, [HG_LOG_FATAL] = {"fatal", '2'},
};

static const char *const groups[HG_GROUP_COUNT] = {
    [HG_GROUP_MAIN] = "main",         [HG_GROUP_CONFIG] = "config",
    [HG_GROUP_LISTENER] = "listener", [HG_GROUP_SESSION] = "session",
    [HG_GROUP_DISPATCH] = "dispatch", [HG_GROUP_HTTP] = "http",
    [HG_GROUP_ENGINE] = "engine",     [HG_GROUP_CACHE] = "cache",
    [HG_GROUP_POOL] = "pool",         [HG_GROUP_SCHED] = "sched",
    [HG_GROUP_NOTIFY] = "notify",
};

/* Process-wide state: what is written and how. Relaxed: settings order nothing. */
static _Atomic unsigned threshold = HG_LOG_INFO;
static _Atomic int journal = -1; /* -1 until asked for the first time */

/* systemd sets JOURNAL_STREAM to the device and inode of the stream it connected; a process that
 * was started with the variable but another stderr does not log to the journal (systemd.exec(5)).
 */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat stat_buf;
    if (stream == NULL || fstat(STDERR_FILENO, &stat_buf) != 0) {
        return false;
    }
    char own[64];
    (void)snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)stat_buf.st_dev,
                   (uintmax_t)stat_buf.st_ino);
    return strcmp(own, stream) == 0;
}

static bool journal_is_on(void)
{
    int on = atomic_load_explicit(&journal, memory_order_relaxed);
    if (on < 0) {
        on = stderr_is_journal() ? 1 : 0;
        atomic_store_explicit(&journal, on, memory_order_relaxed);
    }
    return on != 0;
}

/* One place is kept free for the newline; what does not fit is cut off. */
struct line {
    char text[LINE_BYTES];
    size_t used;
};

static void put_char(struct line *line, char c)
{
    if (line->used < sizeof line->text - 1) {
        line->text[line->used++] = c;
    }
}

static void put_text(struct line *line, const char *text)
{
    for (; *text != '\0'; text++) {
        put_char(line, *text);
    }
}

static void put_format(struct line *line, const char *format, ...) HG_PRINTF(2, 3);
static void put_format(struct line *line, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_text(line, text);
}

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

/* Values may come from a peer: nothing that a terminal or a parser would act on passes as it is. */
static void put_quoted(struct line *line, const char *text)
{
    put_char(line, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            put_char(line, '\\');
            put_char(line, *text);
        } else if (c == '\n') {
            put_text(line, "\\n");
        } else if (c < ' ' || c >= 0x7f) {
            put_format(line, "\\x%02x", c);
        } else {
            put_char(line, *text);
        }
    }
    put_char(line, '"');
}

static void put_string(struct line *line, const char *text)
{
    const char *end = text;
    while (is_plain((unsigned char)*end)) {
        end++;
    }
    if (*text != '\0' && *end == '\0') {
        put_text(line, text);
    } else {
        put_quoted(line, text);
    }
}

static void put_field(struct line *line, const struct hg_log_field *field)
{
    put_char(line, ' ');
    put_text(line, field->key);
    put_char(line, '=');
    switch (field->kind) {
    case HG_FIELD_STR:
        put_string(line, field->value.str != NULL ? field->value.str : "");
        break;
    case HG_FIELD_U64:
        put_format(line, "%" PRIu64, field->value.u64);
        break;
    case HG_FIELD_I64:
        put_format(line, "%" PRId64, field->value.i64);
        break;
    case HG_FIELD_F64:
        put_format(line, "%.9g", field->value.f64);
        break;
    case HG_FIELD_END:
        break;
    }
}

static void put_time(struct line *line)
{
    struct timespec now;
    struct tm utc;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || gmtime_r(&now.tv_sec, &utc) == NULL) {
        return;
    }
    char text[32];
    if (strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) != 0) {
        put_format(line, "%s.%03ldZ ", text, now.tv_nsec / 1000000);
    }
}

static void write_line(const struct line *line)
{
    size_t written = 0;
    while (written < line->used) {
        ssize_t count = write(STDERR_FILENO, line->text + written, line->used - written);
        if (count < 0 && errno != EINTR) {
            return; /* There is nobody left to tell. */
        }
        written += count > 0 ? (size_t)count : 0;
    }
}

/* True if SITE may write now; else the line is counted as held back. Racing threads may let a line
 * too many through when a second begins, never hold one back for good. */
static bool site_admits(struct hg_log_site *site)
{
    /* Plus one, for a site that was never used has second 0. */
    uint64_t second = hg_clock_now_ns() / HG_NS_PER_S + 1;
    uint64_t seen = atomic_load_explicit(&site->second, memory_order_relaxed);
    if (seen != second &&
        atomic_compare_exchange_strong_explicit(&site->second, &seen, second, memory_order_relaxed,
                                                memory_order_relaxed)) {
        atomic_store_explicit(&site->in_second, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&site->in_second, 1, memory_order_relaxed) < BURST_PER_SECOND) {
        return true;
    }
    atomic_fetch_add_explicit(&site->held_back, 1, memory_order_relaxed);
    return false;
}

void hg_log_write(enum hg_log_level level, enum hg_log_group group, struct hg_log_site *site,
                  const char *sentence, const struct hg_log_field *fields)
{
    HG_REQUIRE(level <= HG_LOG_FATAL && group < HG_GROUP_COUNT);
    /* The last words of the process are never held back. */
    if (level != HG_LOG_FATAL && !site_admits(site)) {
        return;
    }
    struct line line = {.used = 0};
    if (journal_is_on()) {
        put_format(&line, "<%c>", levels[level].syslog);
    } else {
        put_time(&line);
    }
    put_format(&line, "%s %s: ", levels[level].name, groups[group]);
    put_text(&line, sentence);
    for (; fields->kind != HG_FIELD_END; fields++) {
        put_field(&line, fields);
    }
    uint32_t held_back = atomic_exchange_explicit(&site->held_back, 0, memory_order_relaxed);
    if (held_back != 0) {
        put_field(&line, &HG_U64("held_back", held_back));
    }
    line.text[line.used++] = '\n';
    write_line(&line);
}

void hg_log_set_level(enum hg_log_level level)
{
    HG_REQUIRE(level <= HG_LOG_FATAL);
    atomic_store_explicit(&threshold, (unsigned)level, memory_order_relaxed);
}

enum hg_log_level hg_log_level(void)
{
    return (enum hg_log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

bool hg_log_level_parse(const char *name, enum hg_log_level *level)
{
    for (unsigned i = 0; i <= HG_LOG_FATAL; i++) {
        if (strcmp(name, levels[i].name) == 0) {
            *level = (enum hg_log_level)i;
            return true;
        }
    }
    return false;
}

void hg_log_set_journal(bool on)
{
    atomic_store_explicit(&journal, on ? 1 : 0, memory_order_relaxed);
}
