/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing descriptors that peers sent. To close one may wait for whoever is behind it (a file of a
 * file system in user space, a socket that lingers), and the loop must not.
 *
 * Threads: any.
 */
#ifndef HG_DAEMON_FOREIGN_H
#define HG_DAEMON_FOREIGN_H

#include <stdbool.h>

/* True for memory, which closes at once and can be asked about its seals. */
bool hg_foreign_is_memory(int fd);
/* Closes FD, on a thread of its own unless it is memory. */
void hg_foreign_close(int fd);

#endif
