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

static enum hg_status fail_va(struct hg_error *error, enum hg_status status, const char *detail,
                              const char *format, va_list args)
{
    if (error != NULL) {
        error->status = status;
        error->detail = detail;
        (void)vsnprintf(error->message, sizeof error->message, format, args);
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
    return error->status;
}
