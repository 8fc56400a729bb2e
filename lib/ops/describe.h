/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in words, for people: what a program bakes in, field by field or on one line.
 *
 * A key may come from anywhere (a file, a peer's program): nothing here trusts its numbers.
 *
 * Threads: values.
 */
#ifndef HG_LIB_OPS_DESCRIBE_H
#define HG_LIB_OPS_DESCRIBE_H

#include "lib/ops/ops.h"

/* True if KEY or its program shows more than how an operation is computed: a caller's constants,
 * handles of buffers, or what a user's program is. */
bool hg_key_bakes_values(const struct hg_key *key);

#define HG_KEY_FIELDS_MAX     16
#define HG_KEY_FIELD_TEXT_MAX 96

struct hg_key_field {
    const char *name; /* static */
    char text[HG_KEY_FIELD_TEXT_MAX];
};

/* What KEY says, each field that says something; baked values only if WITH_VALUES. Gives how many
 * fields there are. */
uint32_t hg_key_describe(const struct hg_key *key, bool with_values,
                         struct hg_key_field fields[HG_KEY_FIELDS_MAX]);

/* The same on one line, without values: "f32[lane] f32[lane] f32[lane] loop". Gives TEXT. */
#define HG_KEY_SUMMARY_MAX 160
const char *hg_key_summary(const struct hg_key *key, char text[HG_KEY_SUMMARY_MAX]);

#endif
