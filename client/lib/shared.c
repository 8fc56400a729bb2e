/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory: mapping what the server gives, and giving it ours.
 *
 * Descriptors come with the first byte of the answer that says so. From the first request on that
 * may have such an answer, all receiving is done with room for them (takes_fds), and each is put to
 * its answer when that is decoded, whether anybody still wants it or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/lib/internal.h"

/* Of all systems that we know of; mappings are whole pages. */
#define PAGE_BYTES 4096u

static size_t mapped_bytes(uint64_t bytes)
{
    uint64_t pages = bytes / PAGE_BYTES + (bytes % PAGE_BYTES != 0);
    return (size_t)(pages == 0 ? 1 : pages) * PAGE_BYTES;
}

void hologram_unmap(void *memory, uint64_t bytes)
{
    if (memory) {
        (void)munmap(memory, mapped_bytes(bytes));
    }
}

/* ---- descriptors that came ------------------------------------------------------------------- */

hologram_status hg_client_push_fds(hologram_client *client, struct msghdr *message)
{
    bool fit = true;
    size_t came = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        came += count;
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (client->fd_count < HG_CLIENT_FDS_MAX) {
                client->fds[client->fd_count++] = fd;
            } else {
                close(fd);
                fit = false;
            }
        }
    }
    bool cut = (message->msg_flags & MSG_CTRUNC) != 0;
    if (!fit || (cut && came == HG_CLIENT_FDS_MAX)) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "got descriptors that belong to no answer");
    }
    if (cut) {
        return hg_client_break(client, HOLOGRAM_RESOURCE_EXHAUSTED,
                               "this process has no descriptor left for the one that came");
    }
    return HOLOGRAM_OK;
}

hologram_status hg_client_pop_fd(hologram_client *client)
{
    if (client->fd_count == 0) {
        return hg_client_break(client, HOLOGRAM_INTERNAL,
                               "expected a descriptor with an answer, got none");
    }
    client->reply_fd = client->fds[0];
    client->fd_count--;
    memmove(client->fds, client->fds + 1, client->fd_count * sizeof(int));
    return HOLOGRAM_OK;
}

void hg_client_drop_fd(hologram_client *client)
{
    if (client->reply_fd >= 0) {
        close(client->reply_fd);
        client->reply_fd = -1;
    }
}

void hg_client_close_fds(hologram_client *client)
{
    while (client->fd_count > 0) {
        close(client->fds[--client->fd_count]);
    }
}

hologram_status hg_client_map(hologram_client *client, uint64_t bytes, bool writable, void **memory,
                              hologram_error *error)
{
    struct stat file;
    size_t size = mapped_bytes(bytes);
    int seals = fcntl(client->reply_fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
        return hg_client_error(error, HOLOGRAM_INTERNAL,
                               "the server's memory is not sealed, and could shrink under us");
    }
    if (fstat(client->reply_fd, &file) != 0 || (uint64_t)file.st_size < bytes) {
        return hg_client_error(error, HOLOGRAM_INTERNAL,
                               "the server's memory is smaller than its buffer");
    }
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mapped = mmap(NULL, size, protection, MAP_SHARED, client->reply_fd, 0);
    if (mapped == MAP_FAILED) {
        return hg_client_error(error, HOLOGRAM_RESOURCE_EXHAUSTED,
                               "cannot map %llu bytes of the server's memory: %s",
                               (unsigned long long)bytes, strerror(errno));
    }
    *memory = mapped;
    return HOLOGRAM_OK;
}

/* ---- the server's memory --------------------------------------------------------------------- */

hologram_status hologram_alloc_shared(hologram_client *client, const hologram_buffer_spec *spec,
                                      hologram_buffer *buffer, void **memory)
{
    struct hg_client_mapped made = {.expected = spec, .memory = NULL, .writable = true};
    struct hg_client_want want = {.take = hg_client_take_alloc_mapped, .result = &made};
    hologram_buffer_spec shared = *spec;
    hologram_ticket ticket;
    shared.pool = HOLOGRAM_POOL_SHARED;
    client->takes_fds = true;
    hologram_status status = hg_client_check_spec(client, spec);
    if (status == HOLOGRAM_OK) {
        status = hg_client_begin(client, &want, &ticket);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    hologram_buffer id = hg_client_mint(client, spec->dtype);
    status = hg_client_complete(client, ticket, hg_client_put_alloc(client, ticket, id, &shared));
    if (status == HOLOGRAM_OK) {
        *buffer = id;
        *memory = made.memory;
    } else if (made.info.buffer == id) {
        hg_client_undo_alloc(client, id); /* it was made, and could not be mapped */
    }
    return status;
}

hologram_status hologram_open_shared(hologram_client *client, const char *name, bool writable,
                                     hologram_buffer *buffer, void **memory,
                                     hologram_buffer_info *info)
{
    struct hg_client_mapped found = {.memory = NULL, .writable = writable};
    hologram_status status = hg_client_open(client, name, writable, hg_client_take_open_mapped,
                                            &found, &found.info, buffer);
    if (status == HOLOGRAM_OK) {
        *memory = found.memory;
        if (info) {
            *info = found.info;
        }
    }
    return status;
}

/* ---- our memory ------------------------------------------------------------------------------ */

/* Once for each connection, and answered before any descriptor leaves. */
static hologram_status announce(hologram_client *client)
{
    if (client->gives_fds) {
        return HOLOGRAM_OK;
    }
    struct hg_client_want want = {0};
    hologram_ticket ticket;
    hologram_status status = hg_client_begin(client, &want, &ticket);
    if (status == HOLOGRAM_OK) {
        status = hg_client_complete(client, ticket, hg_client_put_expect(client, ticket));
    }
    client->gives_fds = status == HOLOGRAM_OK;
    return status;
}

/* The server wants no holes: fills them, if FD allows it. It says what else it does not like. */
static void fill_holes(int fd)
{
    struct stat file;
    if (fstat(fd, &file) == 0 && file.st_size > 0) {
        (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, file.st_size);
    }
}

hologram_status hologram_adopt(hologram_client *client, int fd, const hologram_buffer_spec *spec,
                               hologram_buffer *buffer)
{
    struct hg_client_want want = {0};
    hologram_ticket ticket;
    hologram_status status = hg_client_check_spec(client, spec);
    if (status == HOLOGRAM_OK) {
        status = announce(client);
    }
    if (status == HOLOGRAM_OK) {
        status = hg_client_begin(client, &want, &ticket);
    }
    if (status != HOLOGRAM_OK) {
        return status;
    }
    fill_holes(fd);
    hologram_buffer id = hg_client_mint(client, spec->dtype);
    /* So that the request's first byte is that of the send which takes FD along. */
    status = hg_client_send(client, NULL, 0, hg_client_deadline(client, ticket));
    if (status == HOLOGRAM_OK) {
        status = hg_client_put_adopt(client, ticket, id, spec);
    }
    client->send_fd = status == HOLOGRAM_OK ? fd : -1;
    status = hg_client_complete(client, ticket, status);
    client->send_fd = -1;
    if (status == HOLOGRAM_OK) {
        *buffer = id;
    }
    return status;
}
