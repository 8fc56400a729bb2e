/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads options from INI text (inih) and from command line overrides.
 *
 * inih's handler is not told the line: the reader below gives one line per call, so it counts them.
 */
#include "daemon/config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <ini.h>

#include "daemon/config_table.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"

/* Shows at most this much of a value that came from outside. */
#define SHOWN_MAX 60

struct parse {
    struct hg_config *config;
    const char *name;
    const char *text;
    size_t size;
    size_t position;
    int line;
    uint64_t seen[2]; /* one bit per option */
    struct hg_error *error;
};

static const struct hg_option *find_option(const char *section, const char *key)
{
    for (size_t i = 0; i < hg_option_count; i++) {
        if (strcmp(hg_options[i].section, section) == 0 && strcmp(hg_options[i].key, key) == 0) {
            return &hg_options[i];
        }
    }
    return NULL;
}

static bool section_exists(const char *section)
{
    for (size_t i = 0; i < hg_option_count; i++) {
        if (strcmp(hg_options[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

/* Digits in BASE, all of LENGTH; false on anything else or overflow. */
static bool parse_digits(const char *text, size_t length, unsigned base, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        const unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit >= base || !hg_mul_u64(sum, base, &sum) || !hg_add_u64(sum, digit, &sum)) {
            return false;
        }
    }
    *value = sum;
    return length > 0;
}

static bool parse_bytes(const char *text, uint64_t *value)
{
    static const char *const suffixes[] = {"KiB", "MiB", "GiB"};
    size_t length = strlen(text);
    uint64_t scale = 1;
    for (unsigned i = 0; i < HG_ARRAY_COUNT(suffixes); i++) {
        if (length > 3 && strcmp(text + length - 3, suffixes[i]) == 0) {
            scale = 1ull << (10 * (i + 1));
            length -= 3;
            break;
        }
    }
    return parse_digits(text, length, 10, value) && hg_mul_u64(*value, scale, value);
}

static enum hg_status set_number(const struct hg_option *option, uint64_t *field, const char *text,
                                 struct hg_error *error)
{
    uint64_t value = 0;
    const bool understood = option->type == HG_OPTION_BYTES
                                ? parse_bytes(text, &value)
                                : parse_digits(text, strlen(text), 10, &value);
    if (!understood || value < option->min || value > option->max) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%s.%s: expected %" PRIu64 " to %" PRIu64 " %s, got \"%.*s\"",
                       option->section, option->key, option->min, option->max, option->unit,
                       SHOWN_MAX, text);
    }
    *field = value;
    return HG_OK;
}

static enum hg_status set_choice(const struct hg_option *option, uint64_t *field, const char *text,
                                 struct hg_error *error)
{
    size_t length;
    for (uint64_t i = 0;; i++) {
        const char *choice = hg_option_choice(option, i, &length);
        if (choice == NULL) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "%s.%s: expected one of %s, got \"%.*s\"",
                           option->section, option->key, option->choices, SHOWN_MAX, text);
        }
        if (strlen(text) == length && memcmp(choice, text, length) == 0) {
            *field = i;
            return HG_OK;
        }
    }
}

static enum hg_status set_switch(const struct hg_option *option, bool *field, const char *text,
                                 struct hg_error *error)
{
    const bool on = strcmp(text, "on") == 0;
    if (!on && strcmp(text, "off") != 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%s.%s: expected on or off, got \"%.*s\"",
                       option->section, option->key, SHOWN_MAX, text);
    }
    *field = on;
    return HG_OK;
}

static enum hg_status set_mode(const struct hg_option *option, uint64_t *field, const char *text,
                               struct hg_error *error)
{
    uint64_t mode = 0;
    if (!parse_digits(text, strlen(text), 8, &mode) || mode > 0777) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%s.%s: expected octal permissions 0 to 0777, got \"%.*s\"", option->section,
                       option->key, SHOWN_MAX, text);
    }
    *field = mode;
    return HG_OK;
}

static enum hg_status set_text(const struct hg_option *option, char *field, const char *text,
                               struct hg_error *error)
{
    const size_t length = strlen(text);
    if (length > HG_CONFIG_TEXT_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%s.%s: expected at most %d characters, got %zu",
                       option->section, option->key, HG_CONFIG_TEXT_MAX, length);
    }
    for (size_t i = 0; i < length; i++) {
        /* A semicolon starts a comment where the value is written to a file and read again. */
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f || text[i] == ';') {
            return hg_fail(error, HG_INVALID_ARGUMENT,
                           "%s.%s: semicolon or control character in the value", option->section,
                           option->key);
        }
    }
    /* The rest is cleared so that options can be compared as bytes. */
    memset(field, 0, HG_CONFIG_TEXT_MAX + 1);
    memcpy(field, text, length + 1);
    return HG_OK;
}

static enum hg_status set_option(struct hg_config *config, const struct hg_option *option,
                                 const char *text, struct hg_error *error)
{
    void *field = hg_option_field(option, config);
    switch (option->type) {
    case HG_OPTION_NUMBER:
    case HG_OPTION_BYTES:
        return set_number(option, field, text, error);
    case HG_OPTION_CHOICE:
        return set_choice(option, field, text, error);
    case HG_OPTION_SWITCH:
        return set_switch(option, field, text, error);
    case HG_OPTION_MODE:
        return set_mode(option, field, text, error);
    case HG_OPTION_TEXT:
        return set_text(option, field, text, error);
    }
    return hg_fail(error, HG_INTERNAL, "option of unknown type");
}

void hg_config_init(struct hg_config *config)
{
    /* Padding too: two configurations are compared field by field as bytes. */
    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < hg_option_count; i++) {
        HG_REQUIRE(set_option(config, &hg_options[i], hg_options[i].default_text, NULL) == HG_OK);
    }
}

/* One line per call, as fgets; a line that does not fit is an error that names it. */
static char *read_line(char *line, int capacity, void *stream)
{
    struct parse *parse = stream;
    if (parse->position >= parse->size || capacity < 2 || parse->error->status != HG_OK) {
        return NULL;
    }
    parse->line++;
    const char *start = parse->text + parse->position;
    const size_t left = parse->size - parse->position;
    const char *newline = memchr(start, '\n', left);
    const size_t length = newline != NULL ? (size_t)(newline - start) + 1 : left;
    if (length >= (size_t)capacity) {
        (void)hg_fail(parse->error, HG_INVALID_ARGUMENT, "line longer than %d characters",
                      capacity - 2);
        return NULL;
    }
    if (memchr(start, '\0', length) != NULL) {
        (void)hg_fail(parse->error, HG_INVALID_ARGUMENT, "NUL byte in the line");
        return NULL;
    }
    memcpy(line, start, length);
    line[length] = '\0';
    parse->position += length;
    return line;
}

static enum hg_status take_line(struct parse *parse, const char *section, const char *key,
                                const char *value)
{
    const struct hg_option *option = find_option(section, key);
    if (option == NULL && !section_exists(section)) {
        return hg_fail(parse->error, HG_INVALID_ARGUMENT, "unknown section [%.*s]", SHOWN_MAX,
                       section);
    }
    if (option == NULL) {
        return hg_fail(parse->error, HG_INVALID_ARGUMENT, "unknown option \"%.*s\" in section [%s]",
                       SHOWN_MAX, key, section);
    }
    const size_t index = (size_t)(option - hg_options);
    const uint64_t bit = 1ull << (index % 64);
    if ((parse->seen[index / 64] & bit) != 0) {
        return hg_fail(parse->error, HG_INVALID_ARGUMENT, "%s.%s is given twice", section, key);
    }
    parse->seen[index / 64] |= bit;
    return set_option(parse->config, option, value, parse->error);
}

/* inih's handler: 0 tells it that the line is wrong. */
static int handle_line(void *user, const char *section, const char *key, const char *value)
{
    struct parse *parse = user;
    if (parse->error->status != HG_OK) {
        return 0;
    }
    return take_line(parse, section, key, value) == HG_OK;
}

enum hg_status hg_config_parse(struct hg_config *config, const char *name, const char *text,
                               size_t size, struct hg_error *error)
{
    HG_REQUIRE(hg_option_count <= 128);
    struct hg_error reason = HG_ERROR_INIT;
    struct hg_config fresh = *config;
    struct parse parse = {
        .config = &fresh, .name = name, .text = text, .size = size, .error = &reason};
    const int bad_line = ini_parse_stream(read_line, &parse, handle_line, &parse);
    if (reason.status != HG_OK) {
        return hg_fail(error, reason.status, "%s:%d: %s", name, parse.line, reason.message);
    }
    if (bad_line != 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%s:%d: expected [section], key = value or a comment", name, bad_line);
    }
    *config = fresh;
    return HG_OK;
}

static enum hg_status parse_file(struct hg_config *config, const char *path, FILE *file,
                                 struct hg_error *error)
{
    char *text = hg_malloc(HG_TAG_BASE, HG_CONFIG_BYTES_MAX);
    if (text == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "%s: out of memory", path);
    }
    const size_t size = fread(text, 1, HG_CONFIG_BYTES_MAX, file);
    enum hg_status status;
    if (ferror(file)) {
        status = hg_fail(error, HG_PERMISSION_DENIED, "%s: %s", path, strerror(errno));
    } else if (size == HG_CONFIG_BYTES_MAX) {
        status = hg_fail(error, HG_INVALID_ARGUMENT, "%s: larger than %u bytes", path,
                         HG_CONFIG_BYTES_MAX - 1);
    } else {
        status = hg_config_parse(config, path, text, size, error);
    }
    hg_free(HG_TAG_BASE, text);
    return status;
}

enum hg_status hg_config_load(struct hg_config *config, const char *path, struct hg_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return hg_fail(error, errno == ENOENT ? HG_NOT_FOUND : HG_PERMISSION_DENIED, "%s: %s", path,
                       strerror(errno));
    }
    const enum hg_status status = parse_file(config, path, file, error);
    fclose(file);
    return status;
}

enum hg_status hg_config_set(struct hg_config *config, const char *assignment,
                             struct hg_error *error)
{
    char name[64];
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    if (equals == NULL || dot == NULL || dot > equals ||
        (size_t)(equals - assignment) >= sizeof(name)) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "expected section.key=value, got \"%.*s\"",
                       SHOWN_MAX, assignment);
    }
    memcpy(name, assignment, (size_t)(equals - assignment));
    name[equals - assignment] = '\0';
    name[dot - assignment] = '\0';
    const struct hg_option *option = find_option(name, name + (dot - assignment) + 1);
    if (option == NULL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "unknown option %.*s",
                       (int)(equals - assignment), assignment);
    }
    return set_option(config, option, equals + 1, error);
}
