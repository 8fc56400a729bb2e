/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses and their texts. */
#include "client/lib/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT(x)    #x
#define TEXT_OF(x) TEXT(x)

const char *hologram_version(void)
{
    return TEXT_OF(HOLOGRAM_VERSION_MAJOR) "." TEXT_OF(HOLOGRAM_VERSION_MINOR) "." TEXT_OF(
        HOLOGRAM_VERSION_PATCH);
}

const char *hologram_status_name(hologram_status status)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    if ((unsigned int)status >= sizeof names / sizeof names[0]) {
        return "INVALID_STATUS";
    }
    return names[status];
}

void hg_client_copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

static void fill(hologram_error *error, hologram_status status, const char *format, va_list args)
    HG_CLIENT_PRINTF(3, 0);

static void fill(hologram_error *error, hologram_status status, const char *format, va_list args)
{
    error->status = status;
    error->detail[0] = '\0';
    if (vsnprintf(error->message, sizeof error->message, format, args) < 0) {
        error->message[0] = '\0';
    }
}

hologram_status hg_client_error(hologram_error *error, hologram_status status, const char *format,
                                ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        fill(error, status, format, args);
        va_end(args);
    }
    return status;
}

hologram_status hg_client_fail(hologram_client *client, hologram_status status, const char *format,
                               ...)
{
    va_list args;
    va_start(args, format);
    fill(&client->error, status, format, args);
    va_end(args);
    return status;
}

hologram_status hg_client_fail_memory(hologram_client *client)
{
    return hg_client_fail(client, HOLOGRAM_RESOURCE_EXHAUSTED, "out of memory in the client");
}

hologram_status hg_client_break(hologram_client *client, hologram_status status, const char *format,
                                ...)
{
    if (client->failure.status == HOLOGRAM_OK) {
        va_list args;
        va_start(args, format);
        fill(&client->failure, status, format, args);
        va_end(args);
    }
    client->error = client->failure;
    return client->failure.status;
}

hologram_status hg_client_check(hologram_client *client)
{
    if (client->failure.status != HOLOGRAM_OK) {
        client->error = client->failure;
    }
    return client->failure.status;
}

const hologram_error *hologram_last_error(const hologram_client *client)
{
    return &client->error;
}
