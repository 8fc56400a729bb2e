/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the cache warm across restarts: restores the keys of a file in the background when the
 * server starts, and saves them now and then and at the end.
 *
 *     start ─► restore (a job of the workers)      thread: wait ─► save ─► wait ─► …
 *     stop  ─► ends the thread ─► last save
 *
 * Nothing here is fatal to the server: a file that cannot be read or written costs warmth only.
 *
 * Threads: the loop's, and one of its own, which waits for the disk in the loop's place.
 */
#ifndef HG_DAEMON_WARM_H
#define HG_DAEMON_WARM_H

#include <stdint.h>

#include "lib/base/status.h"

struct hg_engine;
struct hg_warm;

/* Begins to restore the file that OPTION (cache.warm_file) names, and to save into it every
 * INTERVAL_NS; 0: only at the end. WARM is NULL if there shall be none. ENGINE outlives WARM.
 * Errors: RESOURCE_EXHAUSTED, INVALID_ARGUMENT (the path is too long). */
HG_MUST_CHECK enum hg_status hg_warm_start(struct hg_engine *engine, const char *option,
                                           uint64_t interval_ns, struct hg_warm **warm,
                                           struct hg_error *error);
/* Saves a last time. WARM may hold NULL. */
void hg_warm_stop(struct hg_warm **warm);

#endif
