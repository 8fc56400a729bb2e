/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/descriptors.h"

#include <string.h>

#include "daemon/foreign.h"

/* Keeps FD or, if there is no room, closes it. */
static bool push(struct hg_descriptors *descriptors, int fd)
{
    if (descriptors->count == HG_DESCRIPTORS_MAX) {
        hg_foreign_close(fd);
        return false;
    }
    descriptors->fds[descriptors->count++] = fd;
    return true;
}

enum hg_status hg_descriptors_receive(struct hg_descriptors *descriptors, struct msghdr *message,
                                      struct hg_error *error)
{
    bool fit = (message->msg_flags & MSG_CTRUNC) == 0;
    struct cmsghdr *part = CMSG_FIRSTHDR(message);
    for (; part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
            fit = push(descriptors, fd) && fit;
        }
    }
    if (fit) {
        return HG_OK;
    }
    return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                   "descriptors: expected one with each adopt, got more than can be kept");
}

int hg_descriptors_pop(struct hg_descriptors *descriptors)
{
    if (descriptors->count == 0) {
        return -1;
    }
    const int fd = descriptors->fds[0];
    descriptors->count--;
    memmove(descriptors->fds, descriptors->fds + 1, descriptors->count * sizeof(int));
    return fd;
}

void hg_descriptors_fini(struct hg_descriptors *descriptors)
{
    while (descriptors->count != 0) {
        hg_foreign_close(hg_descriptors_pop(descriptors));
    }
}
