/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void grow(struct hg_metrics_text *text, size_t needed)
{
    size_t capacity = text->capacity != 0 ? text->capacity : 65536;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = hg_realloc(HG_TAG_TRANSPORT, text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return;
    }
    text->data = data;
    text->capacity = capacity;
}

void hg_metrics_put(struct hg_metrics_text *text, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(line)) {
        text->failed = true;
    }
    if (!text->failed && text->length + (size_t)length > text->capacity) {
        grow(text, text->length + (size_t)length);
    }
    if (!text->failed) {
        memcpy(text->data + text->length, line, (size_t)length);
        text->length += (size_t)length;
    }
}

void hg_metrics_head(struct hg_metrics_text *text, const char *name, const char *type,
                     const char *help)
{
    hg_metrics_put(text, "# HELP hologram_%s %s\n# TYPE hologram_%s %s\n", name, help, name, type);
}

void hg_metrics_gauge(struct hg_metrics_text *text, const char *name, const char *help,
                      uint64_t value)
{
    hg_metrics_head(text, name, "gauge", help);
    hg_metrics_put(text, "hologram_%s %" PRIu64 "\n", name, value);
}

void hg_metrics_counter(struct hg_metrics_text *text, const char *name, const char *help,
                        uint64_t value)
{
    hg_metrics_head(text, name, "counter", help);
    hg_metrics_put(text, "hologram_%s %" PRIu64 "\n", name, value);
}
