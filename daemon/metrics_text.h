/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the Prometheus text exposition format, version 0.0.4.
 *
 * Threads: values.
 */
#ifndef HG_DAEMON_METRICS_TEXT_H
#define HG_DAEMON_METRICS_TEXT_H

#include "daemon/metrics.h"

/* Text that grows; a failed allocation is remembered and shown at the end. */
struct hg_metrics_text {
    char *data; /* hg_malloc, HG_TAG_TRANSPORT */
    size_t length;
    size_t capacity;
    bool failed;
};

/* At most 511 bytes at once. */
HG_PRINTF(2, 3) void hg_metrics_put(struct hg_metrics_text *text, const char *format, ...);
/* What a family begins with: names are without the prefix "hologram_", HELP ends in a full stop. */
void hg_metrics_head(struct hg_metrics_text *text, const char *name, const char *type,
                     const char *help);
/* Families of one sample. */
void hg_metrics_gauge(struct hg_metrics_text *text, const char *name, const char *help,
                      uint64_t value);
void hg_metrics_counter(struct hg_metrics_text *text, const char *name, const char *help,
                        uint64_t value);

/* metrics_cache.c: everything about the program cache. */
void hg_metrics_put_caches(struct hg_metrics_text *text, const struct hg_metrics_view *view);

#endif
