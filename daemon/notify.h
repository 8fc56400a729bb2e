/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager: readiness, reloading, stopping, the watchdog, sockets it passes. Everything
 * here does nothing when there is no service manager.
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_NOTIFY_H
#define HG_DAEMON_NOTIFY_H

#include "daemon/loop.h"

struct hg_notify;
struct hg_engine;

/* Starts the watchdog's timer, if systemd asked for one: it is fed only when the loop turns and
 * workers that have work get on with it. */
HG_MUST_CHECK enum hg_status hg_notify_create(struct hg_loop *loop, const struct hg_engine *engine,
                                              struct hg_notify **notify, struct hg_error *error);
void hg_notify_destroy(struct hg_notify **notify);

void hg_notify_ready(const char *status);
void hg_notify_reloading(void);
void hg_notify_stopping(void);

/*
 * Listening Unix stream sockets that were passed, at most MAX, into FDS; gives their number, 0 if
 * none. INVALID_ARGUMENT for a descriptor of another kind.
 */
HG_MUST_CHECK enum hg_status hg_notify_sockets(int *fds, uint32_t max, uint32_t *count,
                                               struct hg_error *error);

#endif
