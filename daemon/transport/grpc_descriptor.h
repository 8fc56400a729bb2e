/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors that protoc wrote when the daemon was built: which file defines what. Pure
 * functions over constant bytes.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_DESCRIPTOR_H
#define HG_DAEMON_TRANSPORT_GRPC_DESCRIPTOR_H

#include "daemon/message.h"

/* Files in the set; a test holds it against the number there is. */
#define HG_DESCRIPTOR_FILES_MAX 16u

/* A FileDescriptorSet. */
struct hg_descriptors {
    struct hg_bytes files[HG_DESCRIPTOR_FILES_MAX]; /* after those that they import */
    size_t count;
};

/* The one that was built in. */
void hg_descriptors_load(struct hg_descriptors *set);
/* Index of file NAME, or of the file that defines SYMBOL, a full name such as
 * "hologram.v1.Hologram.Ping"; -1 if there is none. */
int hg_descriptors_file(const struct hg_descriptors *set, const char *name);
int hg_descriptors_symbol(const struct hg_descriptors *set, const char *symbol);
/* File INDEX and all that it imports, each after those that it imports itself; FILES has room for
 * HG_DESCRIPTOR_FILES_MAX. Gives their number. */
size_t hg_descriptors_closure(const struct hg_descriptors *set, int index, struct hg_bytes *files);

#endif
