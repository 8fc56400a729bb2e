/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/ops/build.h"

static const char *const forms[] = {
    [HG_PROGRAM_UNROLLED] = "unrolled",
    [HG_PROGRAM_LOOP] = "loop",
    [HG_PROGRAM_UNROLLED_PHI] = "unrolled, boundary classes",
    [HG_PROGRAM_LOOP_PHI] = "loop, boundary classes",
};

static const char *const modes[] = {
    [HG_OPERAND_NONE] = "none",       [HG_OPERAND_LANE] = "lane",
    [HG_OPERAND_SCALAR] = "scalar",   [HG_OPERAND_ROW_BROADCAST] = "row broadcast",
    [HG_OPERAND_PER_ROW] = "per row", [HG_OPERAND_COLUMN_BROADCAST] = "column broadcast",
    [HG_OPERAND_MATRIX] = "matrix",   [HG_OPERAND_COMPUTED] = "computed",
};

static const struct {
    uint32_t bit;
    const char *name;
} structures[] = {
    {HG_STRUCTURE_TEMPERED, "tempered"},
    {HG_STRUCTURE_CLAMPED, "clamped"},
    {HG_STRUCTURE_TRANS_A, "A transposed"},
    {HG_STRUCTURE_TRANS_B, "B transposed"},
    {HG_STRUCTURE_SCALED, "alpha"},
    {HG_STRUCTURE_BETA, "beta"},
    {HG_STRUCTURE_DOT, "dot product"},
    {HG_STRUCTURE_IMMEDIATE, "sizes baked"},
    {HG_STRUCTURE_RELU, "relu"},
    {HG_STRUCTURE_GELU, "gelu"},
    {HG_STRUCTURE_OUTER, "more than one outer row"},
};

/* A text of fixed size that is added to; what does not fit is left out. */
struct line {
    char *text;
    size_t size;
    size_t length;
};

HG_PRINTF(2, 3) static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->length, line->size - line->length, format, arguments);
    va_end(arguments);
    HG_REQUIRE(length >= 0);
    line->length += (size_t)length;
    if (line->length >= line->size) {
        line->length = line->size - 1;
    }
}

static const char *separator(const struct line *line, const char *text)
{
    return line->length == 0 ? "" : text;
}

static const char *name_in(const char *const *names, size_t count, unsigned index)
{
    return index < count ? names[index] : "unknown";
}

static const char *form_name(const struct hg_key *key)
{
    return name_in(forms, HG_ARRAY_COUNT(forms), key->form);
}

static const char *mode_name(const struct hg_key *key, unsigned operand)
{
    return name_in(modes, HG_ARRAY_COUNT(modes), key->mode[operand]);
}

static const char *type_name(const struct hg_key *key, unsigned operand)
{
    return key->type[operand] < HG_DTYPE_COUNT ? hg_dtype_name((enum hg_dtype)key->type[operand])
                                               : "unknown";
}

static bool is_phi(const struct hg_key *key)
{
    return key->form == HG_PROGRAM_UNROLLED_PHI || key->form == HG_PROGRAM_LOOP_PHI;
}

static bool bakes_handles(const struct hg_key *key)
{
    bool any = false;
    for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
        any |= key->operand[i] != 0;
    }
    return any && !is_phi(key);
}

bool hg_key_bakes_values(const struct hg_key *key)
{
    return key->cache == HG_CACHE_USER || key->cache == HG_CACHE_GRAPH || key->constant[0] != 0 ||
           key->constant[1] != 0 || bakes_handles(key);
}

static void add_structure(struct line *line, const struct hg_key *key)
{
    uint32_t left = key->structure;
    for (size_t i = 0; i < HG_ARRAY_COUNT(structures); i++) {
        if ((left & structures[i].bit) != 0) {
            add(line, "%s%s", separator(line, ", "), structures[i].name);
            left &= ~structures[i].bit;
        }
    }
    if (left != 0) {
        add(line, "%s%#" PRIx32, separator(line, ", "), left);
    }
}

/* ---- field by field -------------------------------------------------------------------------- */

struct fields {
    struct hg_key_field *items;
    uint32_t count;
};

static struct line next_field(struct fields *fields, const char *name)
{
    HG_REQUIRE(fields->count < HG_KEY_FIELDS_MAX);
    struct hg_key_field *field = &fields->items[fields->count++];
    field->name = name;
    field->text[0] = '\0';
    return (struct line){.text = field->text, .size = sizeof field->text};
}

static void describe_operand(struct fields *fields, const struct hg_key *key, bool with_values,
                             unsigned i)
{
    static const char *const names[HG_KEY_OPERANDS] = {"operand 0", "operand 1", "operand 2",
                                                       "operand 3"};
    struct line line = next_field(fields, names[i]);
    add(&line, "%s, %s", type_name(key, i), mode_name(key, i));
    if (is_phi(key)) {
        add(&line, ", class %" PRIu64, key->operand[i] / HG_CLASS_BYTES);
    } else if (key->operand[i] != 0 && with_values) {
        add(&line, ", handle %#" PRIx64, key->operand[i]);
    }
}

/* A digest in the place of the operands: the program is known by its content. */
static void describe_digest(struct fields *fields, const struct hg_key *key)
{
    struct line line = next_field(fields, "sha256");
    uint8_t bytes[sizeof key->operand];
    memcpy(bytes, key->operand, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        add(&line, "%02x", bytes[i]);
    }
    line = next_field(fields, "size");
    add(&line, "%" PRIu64 " bytes", key->constant[0]);
}

static void describe_sizes(struct fields *fields, const struct hg_key *key)
{
    bool any = false;
    for (size_t i = 0; i < HG_ARRAY_COUNT(key->size); i++) {
        any |= key->size[i] != 0;
    }
    if (any) {
        struct line line = next_field(fields, "sizes");
        for (size_t i = 0; i < HG_ARRAY_COUNT(key->size); i++) {
            add(&line, "%s%" PRIu32, separator(&line, ", "), key->size[i]);
        }
    }
}

static void describe_constants(struct fields *fields, const struct hg_key *key)
{
    static const char *const names[] = {"constant 0", "constant 1"};
    for (unsigned i = 0; i < HG_ARRAY_COUNT(names); i++) {
        if (key->constant[i] != 0) {
            struct line line = next_field(fields, names[i]);
            add(&line, "%#" PRIx64, key->constant[i]);
        }
    }
}

static bool has_operands(const struct hg_key *key)
{
    bool any = false;
    for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
        any |= key->mode[i] != HG_OPERAND_NONE;
    }
    return any;
}

uint32_t hg_key_describe(const struct hg_key *key, bool with_values,
                         struct hg_key_field items[HG_KEY_FIELDS_MAX])
{
    struct fields fields = {items, 0};
    struct line line = next_field(&fields, "form");
    add(&line, "%s", form_name(key));
    line = next_field(&fields, "policy");
    add(&line, "%s%s", (key->policy & HG_KEY_FULL) != 0 ? "full" : "structure",
        (key->policy & HG_KEY_FUSED) != 0 ? ", fused" : "");
    for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
        if (key->mode[i] != HG_OPERAND_NONE) {
            describe_operand(&fields, key, with_values, i);
        }
    }
    if (key->structure != 0) {
        line = next_field(&fields, "structure");
        add_structure(&line, key);
    }
    describe_sizes(&fields, key);
    if (!with_values) {
        return fields.count;
    }
    if (!has_operands(key) && bakes_handles(key)) {
        describe_digest(&fields, key);
    } else {
        describe_constants(&fields, key);
    }
    return fields.count;
}

const char *hg_key_summary(const struct hg_key *key, char text[HG_KEY_SUMMARY_MAX])
{
    struct line line = {.text = text, .size = HG_KEY_SUMMARY_MAX};
    text[0] = '\0';
    for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
        if (key->mode[i] != HG_OPERAND_NONE) {
            add(&line, "%s%s[%s]", separator(&line, " "), type_name(key, i), mode_name(key, i));
        }
    }
    add(&line, "%s%s", separator(&line, "; "), form_name(key));
    if ((key->policy & HG_KEY_FULL) != 0) {
        add(&line, ", baked");
    }
    if (key->structure != 0) {
        char flags[HG_KEY_SUMMARY_MAX];
        struct line words = {.text = flags, .size = sizeof flags};
        flags[0] = '\0';
        add_structure(&words, key);
        add(&line, ", %s", flags);
    }
    return text;
}
