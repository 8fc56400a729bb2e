/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/npy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ALIGNMENT 64u /* numpy pads headers so that the data is aligned */

static const uint8_t magic[8] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}; /* and version 1.0 */
#define MAGIC_BYTES 6u

struct code {
    const char *text; /* without the byte order */
    hologram_dtype dtype;
    uint32_t bytes;
};

/* bf16 is written as u2; reading u2 gives u16. */
static const struct code codes[] = {
    {"i1", HOLOGRAM_I8, 1},  {"i2", HOLOGRAM_I16, 2}, {"i4", HOLOGRAM_I32, 4},
    {"i8", HOLOGRAM_I64, 8}, {"u1", HOLOGRAM_U8, 1},  {"u2", HOLOGRAM_U16, 2},
    {"u4", HOLOGRAM_U32, 4}, {"u8", HOLOGRAM_U64, 8}, {"f2", HOLOGRAM_F16, 2},
    {"f4", HOLOGRAM_F32, 4}, {"f8", HOLOGRAM_F64, 8}, {"u2", HOLOGRAM_BF16, 2},
};
#define CODE_COUNT (sizeof codes / sizeof codes[0])

static bool fail(char error[NPY_ERROR_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(char error[NPY_ERROR_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error, NPY_ERROR_MAX, format, args);
    va_end(args);
    return false;
}

bool npy_header_bytes(const uint8_t prefix[NPY_PREFIX_BYTES], size_t *header_bytes,
                      char error[NPY_ERROR_MAX])
{
    if (memcmp(prefix, magic, MAGIC_BYTES) != 0) {
        return fail(error, "not a .npy file");
    }
    unsigned int major = prefix[6];
    if (major < 1 || major > 3) {
        return fail(error, ".npy version %u is not known", major);
    }
    size_t length = (size_t)prefix[8] | (size_t)prefix[9] << 8;
    size_t start = 10;
    if (major > 1) {
        length |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
        start = 12;
    }
    if (length < 2 || start + length > NPY_HEADER_BYTES_MAX) {
        return fail(error, "the header has %zu bytes, at most %u are read", length,
                    NPY_HEADER_BYTES_MAX);
    }
    *header_bytes = start + length;
    return true;
}

/* ---- the dictionary -------------------------------------------------------------------------- */

/* Text that is read from the left. */
struct cursor {
    const char *at;
    const char *end;
};

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\n')) {
        cursor->at++;
    }
}

static bool accept(struct cursor *cursor, char wanted)
{
    skip_space(cursor);
    if (cursor->at < cursor->end && *cursor->at == wanted) {
        cursor->at++;
        return true;
    }
    return false;
}

static bool accept_word(struct cursor *cursor, const char *word)
{
    size_t length = strlen(word);
    skip_space(cursor);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0) {
        return false;
    }
    cursor->at += length;
    return true;
}

/* A quoted string without escapes, at most SIZE - 1 bytes. */
static bool read_string(struct cursor *cursor, char *text, size_t size)
{
    char quote = '\'';
    if (!accept(cursor, quote)) {
        quote = '"';
        if (!accept(cursor, quote)) {
            return false;
        }
    }
    size_t length = 0;
    while (cursor->at < cursor->end && *cursor->at != quote && length + 1 < size) {
        text[length++] = *cursor->at++;
    }
    text[length] = '\0';
    return accept(cursor, quote);
}

static bool read_number(struct cursor *cursor, uint64_t *value)
{
    skip_space(cursor);
    uint64_t number = 0;
    const char *start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        uint64_t digit = (uint64_t)(*cursor->at - '0');
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number)) {
            return false;
        }
        cursor->at++;
    }
    *value = number;
    return cursor->at > start;
}

static bool read_descr(struct cursor *cursor, struct npy *npy, char error[NPY_ERROR_MAX])
{
    char descr[16];
    if (!read_string(cursor, descr, sizeof descr)) {
        return fail(error, "the element type is not one of ours");
    }
    if (descr[0] == '>' && descr[1] != '\0' && descr[2] != '1') {
        return fail(error, "the data is big-endian ('%s'); convert it with .astype('<%s')", descr,
                    descr + 1);
    }
    const char *code = strchr("<>|=", descr[0]) && descr[0] != '\0' ? descr + 1 : descr;
    for (size_t i = 0; i < CODE_COUNT; i++) {
        if (strcmp(codes[i].text, code) == 0) {
            npy->dtype = codes[i].dtype;
            return true;
        }
    }
    return fail(error, "the element type '%s' is not one of ours", descr);
}

static bool read_shape(struct cursor *cursor, struct npy *npy, char error[NPY_ERROR_MAX])
{
    if (!accept(cursor, '(')) {
        return fail(error, "the shape is not a tuple");
    }
    npy->rank = 0;
    while (!accept(cursor, ')')) {
        if (npy->rank == HOLOGRAM_RANK_MAX) {
            return fail(error, "more than %d dimensions", HOLOGRAM_RANK_MAX);
        }
        if (!read_number(cursor, &npy->shape[npy->rank])) {
            return fail(error, "a dimension is not a number of 64 bits");
        }
        npy->rank++;
        if (!accept(cursor, ',')) {
            if (!accept(cursor, ')')) {
                return fail(error, "the shape does not end");
            }
            break;
        }
    }
    return true;
}

enum { HAVE_DESCR = 1, HAVE_ORDER = 2, HAVE_SHAPE = 4, HAVE_ALL = 7 };

/* One "key: value" of the dictionary; sets its bit in *HAVE. */
static bool read_entry(struct cursor *cursor, struct npy *npy, unsigned int *have, bool *fortran,
                       char error[NPY_ERROR_MAX])
{
    char key[32];
    if (!read_string(cursor, key, sizeof key) || !accept(cursor, ':')) {
        return fail(error, "the header is not a dictionary");
    }
    if (strcmp(key, "descr") == 0) {
        *have |= HAVE_DESCR;
        return read_descr(cursor, npy, error);
    }
    if (strcmp(key, "shape") == 0) {
        *have |= HAVE_SHAPE;
        return read_shape(cursor, npy, error);
    }
    if (strcmp(key, "fortran_order") == 0) {
        *have |= HAVE_ORDER;
        *fortran = accept_word(cursor, "True");
        return *fortran || accept_word(cursor, "False") ||
               fail(error, "fortran_order is neither True nor False");
    }
    return fail(error, "the header has an unknown key '%s'", key);
}

static bool count_bytes(struct npy *npy, char error[NPY_ERROR_MAX])
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < CODE_COUNT; i++) {
        bytes = codes[i].dtype == npy->dtype ? codes[i].bytes : bytes;
    }
    for (uint32_t i = 0; i < npy->rank; i++) {
        if (__builtin_mul_overflow(bytes, npy->shape[i], &bytes)) {
            return fail(error, "the shape is too large");
        }
    }
    npy->data_bytes = bytes;
    return true;
}

bool npy_parse(const uint8_t *header, size_t header_bytes, struct npy *npy,
               char error[NPY_ERROR_MAX])
{
    size_t start = header[6] == 1 ? 10 : 12;
    struct cursor cursor = {(const char *)header + start, (const char *)header + header_bytes};
    struct npy read = {.rank = 0};
    unsigned int have = 0;
    bool fortran = false;
    if (!accept(&cursor, '{')) {
        return fail(error, "the header is not a dictionary");
    }
    while (!accept(&cursor, '}')) {
        if (!read_entry(&cursor, &read, &have, &fortran, error)) {
            return false;
        }
        if (!accept(&cursor, ',') && (cursor.at >= cursor.end || *cursor.at != '}')) {
            return fail(error, "the header is not a dictionary");
        }
    }
    if (have != HAVE_ALL) {
        return fail(error, "the header lacks descr, fortran_order or shape");
    }
    if (fortran && read.rank > 1) {
        return fail(error, "the data is column-major; convert it with numpy.ascontiguousarray");
    }
    if (!count_bytes(&read, error)) {
        return false;
    }
    *npy = read;
    return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

size_t npy_format(const struct npy *npy, uint8_t *header)
{
    const struct code *code = codes;
    while (code->dtype != npy->dtype) {
        code++; /* every type has a row */
    }
    char *text = (char *)header + 10;
    size_t room = NPY_HEADER_BYTES_MAX - 10;
    size_t used =
        (size_t)snprintf(text, room, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                         code->bytes == 1 ? '|' : '<', code->text);
    for (uint32_t i = 0; i < npy->rank; i++) {
        used += (size_t)snprintf(text + used, room - used, "%s%" PRIu64, i == 0 ? "" : ", ",
                                 npy->shape[i]);
    }
    used += (size_t)snprintf(text + used, room - used, "%s), }", npy->rank == 1 ? "," : "");
    while ((10 + used + 1) % ALIGNMENT != 0) {
        text[used++] = ' ';
    }
    text[used++] = '\n';
    memcpy(header, magic, sizeof magic);
    header[8] = (uint8_t)used;
    header[9] = (uint8_t)(used >> 8);
    return 10 + used;
}
