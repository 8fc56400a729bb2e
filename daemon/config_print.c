/* SPDX-License-Identifier: Apache-2.0 */
/* The options as data, and as the documented file that --print-config shows. */
#include <inttypes.h>
#include <string.h>

#include "daemon/config_table.h"

const struct hg_option hg_options[] = {
#define HG_OPTION(type_, section_, key_, default_, ...)                                            \
    {.type = HG_OPTION_##type_,                                                                    \
     .section = #section_,                                                                         \
     .key = #key_,                                                                                 \
     .default_text = default_,                                                                     \
     .offset = offsetof(struct hg_config, section_##_##key_),                                      \
     .size = sizeof(((struct hg_config *)0)->section_##_##key_),                                   \
     __VA_ARGS__},
#include "daemon/config.def"
};
const size_t hg_option_count = sizeof(hg_options) / sizeof(hg_options[0]);

static const struct {
    const char *name;
    const char *doc;
} sections[] = {
#define HG_SECTION(section, doc) {#section, doc},
#define HG_OPTION(type, section, key, ...)
#include "daemon/config.def"
};

const char *hg_option_choice(const struct hg_option *option, uint64_t index, size_t *length)
{
    const char *choice = option->choices;
    for (; index > 0 && choice != NULL; index--) {
        choice = strchr(choice, '|');
        choice = choice != NULL ? choice + 1 : NULL;
    }
    *length = choice != NULL ? strcspn(choice, "|") : 0;
    return choice;
}

/* Writes TEXT as comment lines of at most 90 columns. */
static void print_wrapped(FILE *file, const char *text)
{
    const size_t columns = 88;
    while (*text != '\0') {
        size_t length = strlen(text);
        if (length > columns) {
            length = columns;
            while (length > 0 && text[length] != ' ') {
                length--;
            }
            length = length > 0 ? length : strcspn(text, " ");
        }
        fprintf(file, "# %.*s\n", (int)length, text);
        text += length + strspn(text + length, " ");
    }
}

static void print_bytes(FILE *file, uint64_t value)
{
    static const char *const suffixes[] = {"", "KiB", "MiB", "GiB"};
    size_t suffix = 0;
    while (suffix < 3 && value != 0 && value % 1024 == 0) {
        value /= 1024;
        suffix++;
    }
    fprintf(file, "%" PRIu64 "%s", value, suffixes[suffix]);
}

static uint64_t number_of(const struct hg_option *option, const struct hg_config *config)
{
    uint64_t number;
    memcpy(&number, (const char *)config + option->offset, sizeof(number));
    return number;
}

static void print_value(FILE *file, const struct hg_option *option, const struct hg_config *config)
{
    const char *field = (const char *)config + option->offset;
    switch (option->type) {
    case HG_OPTION_NUMBER:
        fprintf(file, "%" PRIu64, number_of(option, config));
        return;
    case HG_OPTION_BYTES:
        print_bytes(file, number_of(option, config));
        return;
    case HG_OPTION_MODE:
        fprintf(file, "%04" PRIo64, number_of(option, config));
        return;
    case HG_OPTION_SWITCH:
        fputs(*(const bool *)field ? "on" : "off", file);
        return;
    case HG_OPTION_TEXT:
        fputs(field, file);
        return;
    case HG_OPTION_CHOICE: {
        size_t length;
        const char *choice = hg_option_choice(option, number_of(option, config), &length);
        fprintf(file, "%.*s", (int)length, choice != NULL ? choice : "");
        return;
    }
    }
}

/* What a value may be, its unit, its default, and when a change takes effect. */
static void print_facts(FILE *file, const struct hg_option *option)
{
    fputs("# ", file);
    switch (option->type) {
    case HG_OPTION_NUMBER:
        fprintf(file, "Number of %s, %" PRIu64 " to %" PRIu64 ". ", option->unit, option->min,
                option->max);
        break;
    case HG_OPTION_BYTES:
        fputs("Bytes, ", file);
        print_bytes(file, option->min);
        fputs(" to ", file);
        print_bytes(file, option->max);
        fputs(". ", file);
        break;
    case HG_OPTION_MODE:
        fputs("Octal permissions. ", file);
        break;
    case HG_OPTION_SWITCH:
        fputs("on or off. ", file);
        break;
    case HG_OPTION_TEXT:
        fprintf(file, "Text, at most %d characters. ", HG_CONFIG_TEXT_MAX);
        break;
    case HG_OPTION_CHOICE:
        fprintf(file, "One of %s. ", option->choices);
        break;
    }
    fprintf(file, "Default: %s. %s\n",
            option->default_text[0] != '\0' ? option->default_text : "empty",
            option->reload ? "SIGHUP reloads it." : "Needs a restart.");
}

void hg_config_print(const struct hg_config *config, FILE *file)
{
    fputs("# hologramd.conf: every option of the daemon. Written by `hologramd --print-config`.\n"
          "# A line that starts with # or ; is a comment. Bytes take the suffixes KiB, MiB and "
          "GiB.\n",
          file);
    for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
        fputc('\n', file);
        print_wrapped(file, sections[s].doc);
        fprintf(file, "[%s]\n", sections[s].name);
        for (size_t o = 0; o < hg_option_count; o++) {
            const struct hg_option *option = &hg_options[o];
            if (strcmp(option->section, sections[s].name) != 0) {
                continue;
            }
            fputc('\n', file);
            print_wrapped(file, option->doc);
            print_facts(file, option);
            const bool empty =
                option->type == HG_OPTION_TEXT && *((const char *)config + option->offset) == '\0';
            fprintf(file, empty ? "%s =" : "%s = ", option->key);
            print_value(file, option, config);
            fputc('\n', file);
        }
    }
}

const char *hg_config_reload(struct hg_config *config, const struct hg_config *fresh)
{
    static const char *const names[] = {
#define HG_OPTION(type, section, key, ...) #section "." #key,
#include "daemon/config.def"
    };
    const char *needs_restart = NULL;
    for (size_t o = 0; o < hg_option_count; o++) {
        const struct hg_option *option = &hg_options[o];
        char *current = hg_option_field(option, config);
        const char *wanted = (const char *)fresh + option->offset;
        if (memcmp(current, wanted, option->size) == 0) {
            continue;
        }
        if (option->reload) {
            memcpy(current, wanted, option->size);
        } else if (needs_restart == NULL) {
            needs_restart = names[o];
        }
    }
    return needs_restart;
}
