/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that came and wait for the adopt that they came with.
 *
 * A peer attaches one to the first byte of the request's frame, and the kernel never gives those of
 * two sendmsg calls in one recvmsg. So between two reads at most one is left over from a frame that
 * is not complete, and one more can come: two are room enough, and more is a flood.
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_TRANSPORT_DESCRIPTORS_H
#define HG_DAEMON_TRANSPORT_DESCRIPTORS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/status.h"

#define HG_DESCRIPTORS_MAX 2

struct hg_descriptors {
    int fds[HG_DESCRIPTORS_MAX];
    unsigned count;
};

/* Room for what one recvmsg may bring. */
union hg_descriptor_room {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * HG_DESCRIPTORS_MAX)];
};

/* Takes those that MESSAGE, which was received into a room, has brought. RESOURCE_EXHAUSTED if
 * there were more than there is room for. */
HG_MUST_CHECK enum hg_status hg_descriptors_receive(struct hg_descriptors *descriptors,
                                                    struct msghdr *message, struct hg_error *error);
/* Gives the oldest, or -1. */
int hg_descriptors_pop(struct hg_descriptors *descriptors);
/* Closes all. */
void hg_descriptors_fini(struct hg_descriptors *descriptors);

#endif
