/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/status.h"

#include <stdio.h>

const char *hg_status_name(enum hg_status status)
{
    switch (status) {
#define HG_STATUS(name, code, summary)                                                             \
    case HG_##name:                                                                                \
        return #name;
#include "lib/base/status.def"
#undef HG_STATUS
    }
    return "INVALID_STATUS";
}

/* Bytes of the UTF-8 character that begins TEXT (RFC 3629); 0 if none does. */
static size_t character_bytes(const unsigned char *text)
{
    static const struct {
        unsigned char first, last;  /* of the first byte */
        unsigned char lowest, most; /* of the second: no overlong forms, no surrogates */
        unsigned char bytes;
    } ranges[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (text[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (text[0] >= ranges[i].first && text[0] <= ranges[i].last) {
            size_t bytes = text[1] >= ranges[i].lowest && text[1] <= ranges[i].most ? 2 : 0;
            while (bytes != 0 && bytes < ranges[i].bytes) {
                bytes = (text[bytes] & 0xc0) == 0x80 ? bytes + 1 : 0;
            }
            return bytes;
        }
    }
    return 0;
}

/* Messages quote what peers sent, and are cut: what is no UTF-8 any more, which strict decoders
 * would refuse together with the whole answer, becomes question marks. */
static void mend(char *message)
{
    unsigned char *at = (unsigned char *)message;
    while (*at != '\0') {
        size_t bytes = character_bytes(at);
        if (bytes == 0) {
            *at = '?';
            bytes = 1;
        }
        at += bytes;
    }
}

static enum hg_status fail_va(struct hg_error *error, enum hg_status status, const char *detail,
                              const char *format, va_list args)
{
    if (error != NULL) {
        error->status = status;
        error->detail = detail;
        (void)vsnprintf(error->message, sizeof error->message, format, args);
        mend(error->message);
    }
    return status;
}

enum hg_status hg_fail(struct hg_error *error, enum hg_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fail_va(error, status, NULL, format, args);
    va_end(args);
    return status;
}

enum hg_status hg_fail_detail(struct hg_error *error, enum hg_status status, const char *detail,
                              const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fail_va(error, status, detail, format, args);
    va_end(args);
    return status;
}

enum hg_status hg_error_prefix(struct hg_error *error, const char *format, ...)
{
    char joined[sizeof error->message * 2];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(joined, sizeof error->message, format, args);
    va_end(args);
    if (used < 0) {
        used = 0;
    } else if ((size_t)used >= sizeof error->message) {
        used = (int)sizeof error->message - 1;
    }
    (void)snprintf(joined + used, sizeof joined - (size_t)used, ": %s", error->message);
    (void)snprintf(error->message, sizeof error->message, "%.*s", (int)sizeof error->message - 1,
                   joined);
    mend(error->message);
    return error->status;
}
