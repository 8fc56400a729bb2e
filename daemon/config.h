/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of the daemon: one table (config.def), an INI file, overrides.
 *
 * Threads: values, no shared state.
 */
#ifndef HG_DAEMON_CONFIG_H
#define HG_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/limits.h"
#include "lib/base/status.h"

/* One member per row, named section_key. A CHOICE holds the index among its choices. */
struct hg_config {
#define HG_CONFIG_NUMBER(name)             uint64_t name;
#define HG_CONFIG_BYTES(name)              uint64_t name;
#define HG_CONFIG_MODE(name)               uint64_t name;
#define HG_CONFIG_CHOICE(name)             uint64_t name;
#define HG_CONFIG_SWITCH(name)             bool name;
#define HG_CONFIG_TEXT(name)               char name[HG_CONFIG_TEXT_MAX + 1];
#define HG_OPTION(type, section, key, ...) HG_CONFIG_##type(section##_##key)
#include "daemon/config.def"
};

void hg_config_init(struct hg_config *config);

/*
 * Applies the INI text (SIZE bytes) over CONFIG. NAME stands for it in messages: "NAME:LINE:
 * reason". Unknown sections and keys, values out of range and keys given twice are
 * HG_INVALID_ARGUMENT; CONFIG is untouched then.
 */
HG_MUST_CHECK enum hg_status hg_config_parse(struct hg_config *config, const char *name,
                                             const char *text, size_t size, struct hg_error *error);
/* The same for a file. HG_NOT_FOUND, HG_PERMISSION_DENIED if it cannot be read. */
HG_MUST_CHECK enum hg_status hg_config_load(struct hg_config *config, const char *path,
                                            struct hg_error *error);
/* Applies one "section.key=value". */
HG_MUST_CHECK enum hg_status hg_config_set(struct hg_config *config, const char *assignment,
                                           struct hg_error *error);

/* Writes CONFIG as a documented file that hg_config_parse reads back. */
void hg_config_print(const struct hg_config *config, FILE *file);

/*
 * Takes from FRESH what can change while the daemon runs. Gives the first option (as section.key,
 * static) that differs but needs a restart, or NULL.
 */
const char *hg_config_reload(struct hg_config *config, const struct hg_config *fresh);

#endif
