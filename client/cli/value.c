/* SPDX-License-Identifier: Apache-2.0 */
/* Values between text and bits. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

bool cli_parse_u64(const char *text, uint64_t *value)
{
    if (*text < '0' || *text > '9') {
        return false; /* strtoull would take signs and spaces */
    }
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 0);
    if (*end != '\0' || errno != 0) {
        return false;
    }
    *value = parsed;
    return true;
}

static bool parse_signed(hologram_dtype dtype, const char *text, uint64_t *bits)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 0);
    uint32_t width = hologram_dtype_bytes(dtype) * 8;
    long long max = (long long)(UINT64_MAX >> (65 - width));
    if (end == text || *end != '\0' || errno != 0 || parsed > max || parsed < -max - 1) {
        return false;
    }
    *bits = (uint64_t)parsed & UINT64_MAX >> (64 - width);
    return true;
}

static bool parse_unsigned(hologram_dtype dtype, const char *text, uint64_t *bits)
{
    uint64_t parsed;
    if (!cli_parse_u64(text, &parsed) ||
        parsed > UINT64_MAX >> (64 - hologram_dtype_bytes(dtype) * 8)) {
        return false;
    }
    *bits = parsed;
    return true;
}

bool cli_parse_bits(hologram_dtype dtype, const char *text, uint64_t *bits)
{
    if (dtype <= HOLOGRAM_I64) {
        return parse_signed(dtype, text, bits);
    }
    if (dtype <= HOLOGRAM_U64) {
        return parse_unsigned(dtype, text, bits);
    }
    char *end;
    double value = strtod(text, &end);
    return end != text && *end == '\0' && hologram_bits_from_double(dtype, value, bits);
}

bool cli_parse_shape(const char *text, hologram_buffer_spec *spec)
{
    spec->rank = 0;
    while (*text != '\0') {
        char *end;
        errno = 0;
        unsigned long long dimension = strtoull(text, &end, 10);
        if (end == text || *text < '0' || *text > '9' || errno != 0 ||
            spec->rank == HOLOGRAM_RANK_MAX) {
            return false;
        }
        spec->shape[spec->rank++] = dimension;
        if (*end == '\0') {
            return true;
        }
        if ((*end != ',' && *end != 'x') || end[1] == '\0') {
            return false;
        }
        text = end + 1;
    }
    return true;
}

bool cli_elements(const hologram_buffer_spec *spec, uint64_t *elements)
{
    uint64_t product = 1;
    for (uint32_t i = 0; i < spec->rank; i++) {
        if (__builtin_mul_overflow(product, spec->shape[i], &product)) {
            return false;
        }
    }
    *elements = product;
    return true;
}

hologram_dtype cli_operand_dtype(const hologram_op_info *op, uint32_t index, hologram_dtype dtype)
{
    uint32_t own = op->operand_dtypes[index];
    if (own == 0 || (own >> (unsigned int)dtype & 1u) != 0) {
        return dtype;
    }
    return (hologram_dtype)__builtin_ctz(own);
}

uint64_t cli_load_bits(hologram_dtype dtype, const void *data, uint64_t index)
{
    uint32_t bytes = hologram_dtype_bytes(dtype);
    uint64_t bits = 0;
    memcpy(&bits, (const uint8_t *)data + index * bytes, bytes);
    return bits;
}

static int64_t extend_sign(hologram_dtype dtype, uint64_t bits)
{
    uint32_t unused = 64 - hologram_dtype_bytes(dtype) * 8;
    return (int64_t)(bits << unused) >> unused;
}

const char *cli_value_text(hologram_dtype dtype, uint64_t bits, char text[CLI_TEXT_MAX])
{
    if (dtype <= HOLOGRAM_I64) {
        (void)snprintf(text, CLI_TEXT_MAX, "%" PRId64, extend_sign(dtype, bits));
        return text;
    }
    if (dtype <= HOLOGRAM_U64) {
        (void)snprintf(text, CLI_TEXT_MAX, "%" PRIu64, bits);
        return text;
    }
    double value = hologram_bits_to_double(dtype, bits);
    for (int digits = 1; digits <= 17; digits++) {
        uint64_t again;
        (void)snprintf(text, CLI_TEXT_MAX, "%.*g", digits, value);
        bool same = hologram_bits_from_double(dtype, strtod(text, NULL), &again) && again == bits;
        /* "10", not "1e+01". */
        bool plain = !strchr(text, 'e') || value >= 1e6 || value <= -1e6;
        if (same && (plain || (value < 1e-4 && value > -1e-4))) {
            break;
        }
    }
    return text;
}

/* ---- values of options ----------------------------------------------------------------------- */

void cli_parse_dtype(struct argp_state *state, const char *text, hologram_dtype *dtype)
{
    if (!hologram_dtype_parse(text, dtype)) {
        argp_error(state, "there is no dtype '%s'", text);
    }
}

void cli_parse_pool(struct argp_state *state, const char *text, hologram_pool *pool)
{
    static const hologram_pool pools[] = {HOLOGRAM_POOL_HEAP, HOLOGRAM_POOL_BOUNDARY,
                                          HOLOGRAM_POOL_SHARED};
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        if (strcmp(text, cli_pool_name(pools[i])) == 0) {
            *pool = pools[i];
            return;
        }
    }
    argp_error(state, "expected --pool heap, boundary or shared, got '%s'", text);
}

void cli_take_name_and_file(struct argp_state *state, char *arg, const char **name,
                            const char **path)
{
    if (state->arg_num == 0) {
        *name = arg;
    } else if (state->arg_num == 1) {
        *path = arg;
    } else {
        argp_error(state, "expected NAME and FILE, got also '%s'", arg);
    }
}
