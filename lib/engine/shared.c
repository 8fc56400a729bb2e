/* SPDX-License-Identifier: Apache-2.0 */
/* Shared buffers: adopting a client's memory, and the descriptors that clients are given. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/engine/internal.h"

enum hg_status hg_session_adopt(struct hg_session *session, uint64_t id,
                                const struct hg_buffer_spec *spec, int fd,
                                struct hg_buffer_info *info, struct hg_error *error)
{
    enum hg_status status = hg_session_check_id(session, id, error);
    if (status != HG_OK) {
        close(fd);
        return status;
    }
    struct hg_buffer *buffer;
    status = hg_buffer_adopt(session->account, spec, fd, session->id, session->options.gid, &buffer,
                             error);
    if (status != HG_OK) {
        return hg_error_prefix(error, "buffer %" PRIu64, id);
    }
    status = hg_session_bind(session, id, buffer, true, error);
    if (status != HG_OK) {
        hg_buffer_unref(&buffer);
        return status;
    }
    if (info != NULL) {
        hg_session_describe(session, id, buffer, info);
    }
    return HG_OK;
}

/* The same memory, opened anew so that it can only be mapped for reading. Lives as long as BUFFER;
 * -1 with errno. */
static int reader_of(struct hg_buffer *buffer)
{
    char path[32];
    /* Acquire pairs with the exchange below: the descriptor is there. */
    int known = atomic_load_explicit(&buffer->read_fd, memory_order_acquire);
    if (known >= 0) {
        return known;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", buffer->block.fd);
    int fresh = open(path, O_RDONLY | O_CLOEXEC);
    if (fresh < 0) {
        return -1;
    }
    if (atomic_compare_exchange_strong_explicit(&buffer->read_fd, &known, fresh,
                                                memory_order_acq_rel, memory_order_acquire)) {
        return fresh;
    }
    close(fresh); /* another session's thread was faster */
    return known;
}

enum hg_status hg_session_descriptor(struct hg_session *session, uint64_t id,
                                     struct hg_descriptor *descriptor, struct hg_error *error)
{
    *descriptor = (struct hg_descriptor){.fd = -1};
    const struct hg_idmap_entry *entry = hg_session_find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    struct hg_buffer *buffer = entry->value;
    bool writable = entry->flag;
    /* What kind of access a client's own memfd allows whom is not ours to say. */
    if (buffer->block.kind != HG_POOL_SHARED || (!writable && buffer->block.adopted)) {
        return HG_OK;
    }
    int fd = writable ? buffer->block.fd : reader_of(buffer);
    if (fd < 0) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "buffer %" PRIu64 ": no descriptor: %s", id,
                       strerror(errno));
    }
    *descriptor = (struct hg_descriptor){.buffer = hg_buffer_ref(buffer), .fd = fd};
    return HG_OK;
}

void hg_descriptor_release(struct hg_descriptor *descriptor)
{
    if (descriptor->buffer != NULL) {
        hg_buffer_unref(&descriptor->buffer);
    }
    descriptor->fd = -1;
}
