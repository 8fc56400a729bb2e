/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of config.def as data, for the parser and the printer. */
#ifndef HG_DAEMON_CONFIG_TABLE_H
#define HG_DAEMON_CONFIG_TABLE_H

#include "daemon/config.h"

enum hg_option_type {
    HG_OPTION_NUMBER,
    HG_OPTION_BYTES,
    HG_OPTION_SWITCH,
    HG_OPTION_TEXT,
    HG_OPTION_MODE,
    HG_OPTION_CHOICE
};

struct hg_option {
    enum hg_option_type type;
    const char *section;
    const char *key;
    const char *default_text;
    size_t offset; /* in struct hg_config */
    size_t size;
    const char *unit;
    uint64_t min;
    uint64_t max;
    const char *choices; /* a|b|c */
    bool reload;
    const char *doc;
};

extern const struct hg_option hg_options[];
extern const size_t hg_option_count;

static inline void *hg_option_field(const struct hg_option *option, struct hg_config *config)
{
    return (char *)config + option->offset;
}

/* Choice INDEX of OPTION: its first character, and its length in *LENGTH (0 past the last). */
const char *hg_option_choice(const struct hg_option *option, uint64_t index, size_t *length);

#endif
