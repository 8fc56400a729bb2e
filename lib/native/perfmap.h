/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of code for profilers: /tmp/perf-PID.map, in the form that `perf report` reads (Linux,
 * tools/perf/Documentation/jit-interface.txt). Off until opened.
 *
 * Threads: any; a line is one write to a file opened for appending.
 * Process-wide state: the file, open until the process ends, as perf reads it afterwards.
 */
#ifndef HG_LIB_NATIVE_PERFMAP_H
#define HG_LIB_NATIVE_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/status.h"

/* Replaces the file of an earlier process of this number. A second call changes nothing. Errors:
 * HG_PERMISSION_DENIED, and the text says why. */
HG_MUST_CHECK enum hg_status hg_perf_map_open(struct hg_error *error);
bool hg_perf_map_is_open(void);
/* Tells that SIZE bytes at START are NAME, if the file is open. */
void hg_perf_map_add(const void *start, size_t size, const char *name);

#endif
