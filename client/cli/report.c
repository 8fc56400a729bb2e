/* SPDX-License-Identifier: Apache-2.0 */
/* What the user sees: errors with their exit codes, and numbers for people. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/cli.h"

int cli_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("hologramctl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

int cli_exit_of(hologram_status status)
{
    switch (status) {
    case HOLOGRAM_OK:
        return CLI_OK;
    case HOLOGRAM_UNAVAILABLE:
        return CLI_UNREACHABLE;
    case HOLOGRAM_NOT_FOUND:
        return CLI_NOT_FOUND;
    case HOLOGRAM_PERMISSION_DENIED:
    case HOLOGRAM_UNAUTHENTICATED:
        return CLI_DENIED;
    case HOLOGRAM_DEADLINE_EXCEEDED:
    case HOLOGRAM_CANCELLED:
        return CLI_TIMEOUT;
    case HOLOGRAM_RESOURCE_EXHAUSTED:
        return CLI_EXHAUSTED;
    case HOLOGRAM_INTERNAL:
    case HOLOGRAM_DATA_LOSS:
    case HOLOGRAM_UNIMPLEMENTED:
    case HOLOGRAM_UNKNOWN:
        return CLI_SERVER;
    default:
        return CLI_REFUSED;
    }
}

int cli_fail_client(const struct cli *cli, const char *subject)
{
    const hologram_error *error = hologram_last_error(cli->client);
    const char *space = error->detail[0] != '\0' ? " " : "";
    bool said = strstr(error->message, subject) != NULL;
    return cli_fail(cli_exit_of(error->status), "%s%s%s (%s%s%s)", said ? "" : subject,
                    said ? "" : ": ", error->message, hologram_status_name(error->status), space,
                    error->detail);
}

int cli_print_json(json_t *value)
{
    if (!value || json_dumpf(value, stdout, JSON_INDENT(2)) != 0) {
        json_decref(value);
        return cli_fail(CLI_FILE, "cannot write JSON");
    }
    json_decref(value);
    putchar('\n');
    return CLI_OK;
}

int cli_finish_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return cli_fail(CLI_FILE, "standard output: %s", strerror(errno));
    }
    return CLI_OK;
}

const char *cli_bytes_text(uint64_t bytes, char text[CLI_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(text, CLI_TEXT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

const char *cli_time_text(double ns, char text[CLI_TEXT_MAX])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    size_t unit = 0;
    while (ns >= 1000 && unit + 1 < sizeof units / sizeof units[0]) {
        ns /= 1000;
        unit++;
    }
    (void)snprintf(text, CLI_TEXT_MAX, unit == 0 ? "%.0f %s" : "%.2f %s", ns, units[unit]);
    return text;
}

const char *cli_uptime_text(uint64_t ns, char text[CLI_TEXT_MAX])
{
    uint64_t minutes = ns / 60000000000u;
    if (minutes < 2) {
        return cli_time_text((double)ns, text);
    }
    if (minutes < 48 * 60) {
        (void)snprintf(text, CLI_TEXT_MAX, "%" PRIu64 " h %02" PRIu64 " min", minutes / 60,
                       minutes % 60);
    } else {
        (void)snprintf(text, CLI_TEXT_MAX, "%" PRIu64 " d %02" PRIu64 " h", minutes / 1440,
                       minutes / 60 % 24);
    }
    return text;
}

const char *cli_shape_text(const hologram_buffer_spec *spec, char text[CLI_SHAPE_MAX])
{
    size_t used = 1;
    text[0] = '[';
    for (uint32_t i = 0; i < spec->rank && i < HOLOGRAM_RANK_MAX; i++) {
        int count = snprintf(text + used, CLI_SHAPE_MAX - used, "%s%" PRIu64, i == 0 ? "" : ", ",
                             spec->shape[i]);
        used += (size_t)count;
    }
    (void)snprintf(text + used, CLI_SHAPE_MAX - used, "]");
    return text;
}

const char *cli_pool_name(hologram_pool pool)
{
    switch (pool) {
    case HOLOGRAM_POOL_BOUNDARY:
        return "boundary";
    case HOLOGRAM_POOL_SHARED:
        return "shared";
    default:
        return "heap";
    }
}

uint64_t cli_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
