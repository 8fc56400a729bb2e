/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured logging to stderr: a level, a group, one fixed sentence and fields.
 *
 *     HG_LOG_WARN(SESSION, "frame too large", HG_U64("bytes", n), HG_U64("limit", max));
 *
 * Levels: debug detail; info state change; warn handled but odd; error a request or resource lost;
 * fatal about to exit. Never payloads. Each call site is limited to a burst per second; what was
 * held back is counted in the next line; fatal lines always pass. Under systemd lines carry the
 * journal's <n> prefix, else the time.
 *
 * Threads: any. A line is one write.
 */
#ifndef HG_LIB_BASE_LOG_H
#define HG_LIB_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum hg_log_level { HG_LOG_DEBUG, HG_LOG_INFO, HG_LOG_WARN, HG_LOG_ERROR, HG_LOG_FATAL };

enum hg_log_group {
    HG_GROUP_MAIN,
    HG_GROUP_CONFIG,
    HG_GROUP_LISTENER,
    HG_GROUP_SESSION,
    HG_GROUP_DISPATCH,
    HG_GROUP_HTTP,
    HG_GROUP_ENGINE,
    HG_GROUP_CACHE,
    HG_GROUP_POOL,
    HG_GROUP_SCHED,
    HG_GROUP_NOTIFY,
    HG_GROUP_COUNT
};

struct hg_log_field {
    const char *key;
    enum { HG_FIELD_END, HG_FIELD_STR, HG_FIELD_U64, HG_FIELD_I64, HG_FIELD_F64 } kind;
    union {
        const char *str; /* escaped when written; NULL is written as "" */
        uint64_t u64;
        int64_t i64;
        double f64;
    } value;
};

#define HG_STR(k, v) ((struct hg_log_field){.key = (k), .kind = HG_FIELD_STR, .value.str = (v)})
#define HG_U64(k, v) ((struct hg_log_field){.key = (k), .kind = HG_FIELD_U64, .value.u64 = (v)})
#define HG_I64(k, v) ((struct hg_log_field){.key = (k), .kind = HG_FIELD_I64, .value.i64 = (v)})
#define HG_F64(k, v) ((struct hg_log_field){.key = (k), .kind = HG_FIELD_F64, .value.f64 = (v)})

/* Per call site: how many lines this second, how many held back. */
struct hg_log_site {
    _Atomic uint64_t second;
    _Atomic uint32_t in_second;
    _Atomic uint32_t held_back;
};

void hg_log_write(enum hg_log_level level, enum hg_log_group group, struct hg_log_site *site,
                  const char *sentence, const struct hg_log_field *fields);

/* Lines below LEVEL are dropped. Default: HG_LOG_INFO. */
void hg_log_set_level(enum hg_log_level level);
enum hg_log_level hg_log_level(void);
bool hg_log_level_parse(const char *name, enum hg_log_level *level);
/* Journal prefixes on or off; default: on when JOURNAL_STREAM names stderr, as systemd sets it. */
void hg_log_set_journal(bool on);

/* The sentence, and the fields after it with the end mark. (Not __VA_OPT__: analysers stumble.) */
#define HG_LOG_SENTENCE(sentence, ...) sentence
#define HG_LOG_FIELDS(sentence, ...)   __VA_ARGS__

#define HG_LOG_AT(level, group, ...)                                                               \
    do {                                                                                           \
        static struct hg_log_site hg_site_;                                                        \
        if ((level) >= hg_log_level()) {                                                           \
            const struct hg_log_field hg_fields_[] = {                                             \
                HG_LOG_FIELDS(__VA_ARGS__, {0, HG_FIELD_END, {0}})};                               \
            hg_log_write((level), HG_GROUP_##group, &hg_site_, HG_LOG_SENTENCE(__VA_ARGS__, 0),    \
                         hg_fields_);                                                              \
        }                                                                                          \
    } while (0)

#define HG_LOG_DEBUG(group, ...) HG_LOG_AT(HG_LOG_DEBUG, group, __VA_ARGS__)
#define HG_LOG_INFO(group, ...)  HG_LOG_AT(HG_LOG_INFO, group, __VA_ARGS__)
#define HG_LOG_WARN(group, ...)  HG_LOG_AT(HG_LOG_WARN, group, __VA_ARGS__)
#define HG_LOG_ERROR(group, ...) HG_LOG_AT(HG_LOG_ERROR, group, __VA_ARGS__)
#define HG_LOG_FATAL(group, ...) HG_LOG_AT(HG_LOG_FATAL, group, __VA_ARGS__)

#endif
