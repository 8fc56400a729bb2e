/* SPDX-License-Identifier: Apache-2.0 */
/* A session's buffers by id: alloc and free, reading and writing, views, listings. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/engine/internal.h"

#define LIST_BATCH 256

void hg_session_describe(struct hg_session *session, uint64_t id, const struct hg_buffer *buffer,
                         struct hg_buffer_info *info)
{
    hg_mutex_lock(&session->engine->lock);
    hg_buffer_describe(buffer, id, info);
    hg_mutex_unlock(&session->engine->lock);
}

enum hg_status hg_session_alloc(struct hg_session *session, uint64_t id,
                                const struct hg_buffer_spec *spec, struct hg_buffer_info *info,
                                struct hg_error *error)
{
    enum hg_status status = hg_session_check_id(session, id, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_buffer *buffer;
    status =
        hg_buffer_create(session->account, spec, session->id, session->options.gid, &buffer, error);
    if (status != HG_OK) {
        return hg_error_prefix(error, "buffer %" PRIu64, id);
    }
    status = hg_session_bind(session, id, buffer, true, error);
    if (status != HG_OK) {
        hg_buffer_unref(&buffer);
        return status;
    }
    if (hg_buffer_class(buffer) >= 0) {
        session->classes[hg_buffer_class(buffer)] = buffer;
    }
    if (info != NULL) {
        hg_session_describe(session, id, buffer, info);
    }
    return HG_OK;
}

enum hg_status hg_session_free(struct hg_session *session, uint64_t id, struct hg_error *error)
{
    struct hg_idmap_entry *entry = hg_session_find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    struct hg_buffer *buffer = entry->value;
    hg_mutex_lock(&session->lock);
    hg_idmap_remove(&session->buffers, entry);
    hg_mutex_unlock(&session->lock);
    session->freed++;
    int class_index = hg_buffer_class(buffer);
    if (class_index >= 0 && session->classes[class_index] == buffer) {
        session->classes[class_index] = NULL;
    }
    hg_buffer_unref(&buffer);
    return HG_OK;
}

enum hg_status hg_session_info(struct hg_session *session, uint64_t id, struct hg_buffer_info *info,
                               struct hg_error *error)
{
    const struct hg_idmap_entry *entry = hg_session_find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    hg_session_describe(session, id, entry->value, info);
    return HG_OK;
}

enum hg_status hg_buffer_fail_constant(uint64_t id, struct hg_error *error)
{
    return hg_fail(error, HG_PERMISSION_DENIED,
                   "buffer %" PRIu64 " is constant: it may not be written", id);
}

enum hg_status hg_session_freeze(struct hg_session *session, uint64_t id, struct hg_error *error)
{
    const struct hg_idmap_entry *entry = hg_session_find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    struct hg_buffer *buffer = entry->value;
    const uid_t owner = buffer->account->user->uid;
    if (owner != session->options.uid) {
        return hg_fail(error, HG_PERMISSION_DENIED,
                       "buffer %" PRIu64 " belongs to user %lu, who alone can make it constant", id,
                       (unsigned long)owner);
    }
    if (hg_buffer_is_constant(buffer)) {
        return HG_OK;
    }
    if (buffer->block.kind == HG_POOL_SHARED) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "buffer %" PRIu64 " is shared memory that is not sealed against writing "
                       "(F_SEAL_WRITE before it is adopted): it cannot be made constant",
                       id);
    }
    if (!hg_buffer_freeze(buffer)) {
        return hg_fail(error, HG_FAILED_PRECONDITION,
                       "buffer %" PRIu64 " is in use by a task that writes it", id);
    }
    session->forgotten++; /* repeats may use panels now */
    return HG_OK;
}

/* Finds ID's buffer and claims it for an access to the range; NULL after filling ERROR. */
static struct hg_buffer *begin_access(struct hg_session *session, uint64_t id, uint64_t offset,
                                      uint64_t length, bool writing, struct hg_error *error)
{
    const struct hg_idmap_entry *entry = hg_session_find(session, id, error);
    if (entry == NULL) {
        return NULL;
    }
    struct hg_buffer *buffer = entry->value;
    if (writing && !entry->flag) {
        (void)hg_fail(error, HG_PERMISSION_DENIED, "buffer %" PRIu64 " was opened for reading only",
                      id);
        return NULL;
    }
    if (offset > buffer->bytes || length > buffer->bytes - offset) {
        (void)hg_fail(error, HG_OUT_OF_RANGE,
                      "buffer %" PRIu64 ": offset %" PRIu64 " and length %" PRIu64
                      " pass its size of %" PRIu64 " bytes",
                      id, offset, length, buffer->bytes);
        return NULL;
    }
    if (!hg_buffer_claim(buffer, writing)) {
        if (writing && hg_buffer_is_constant(buffer)) {
            (void)hg_buffer_fail_constant(id, error);
            return NULL;
        }
        (void)hg_fail(error, HG_FAILED_PRECONDITION, "buffer %" PRIu64 " is in use by %s", id,
                      writing ? "a task" : "a task that writes it");
        return NULL;
    }
    return buffer;
}

enum hg_status hg_session_write(struct hg_session *session, uint64_t id, uint64_t offset,
                                const void *data, uint64_t length, struct hg_error *error)
{
    struct hg_buffer *buffer = begin_access(session, id, offset, length, true, error);
    if (buffer == NULL) {
        return error->status;
    }
    hg_buffer_write(buffer, offset, data, length);
    hg_buffer_unclaim(buffer, true);
    return HG_OK;
}

enum hg_status hg_session_read(struct hg_session *session, uint64_t id, uint64_t offset, void *data,
                               uint64_t length, struct hg_error *error)
{
    struct hg_buffer *buffer = begin_access(session, id, offset, length, false, error);
    if (buffer == NULL) {
        return error->status;
    }
    if (length > 0) {
        hg_buffer_settle(buffer);
        memcpy(data, (const uint8_t *)buffer->block.base + offset, length);
    }
    hg_buffer_unclaim(buffer, false);
    return HG_OK;
}

enum hg_status hg_session_view(struct hg_session *session, uint64_t id, uint64_t offset,
                               uint64_t length, bool writing, struct hg_view *view,
                               struct hg_buffer_info *info, struct hg_error *error)
{
    struct hg_buffer *buffer = begin_access(session, id, offset, length, writing, error);
    if (buffer == NULL) {
        return error->status;
    }
    if (length == 0 && !writing) {
        length = buffer->bytes - offset;
    }
    hg_buffer_settle(buffer);
    *view = (struct hg_view){
        .buffer = hg_buffer_ref(buffer),
        .data = (uint8_t *)buffer->block.base + offset,
        .length = length,
        .writing = writing,
    };
    if (info != NULL) {
        hg_session_describe(session, id, buffer, info);
    }
    return HG_OK;
}

void hg_view_release(struct hg_view *view)
{
    if (view->buffer != NULL) {
        hg_buffer_unclaim(view->buffer, view->writing);
        hg_buffer_unref(&view->buffer);
        *view = (struct hg_view){0};
    }
}

void hg_session_list(struct hg_session *session, hg_buffer_visit_fn *visit, void *context)
{
    struct hg_idmap_entry batch[LIST_BATCH];
    uint64_t last_id = 0;
    uint32_t count;
    while ((count = hg_idmap_next(&session->buffers, last_id, batch, LIST_BATCH)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            struct hg_buffer_info info;
            hg_session_describe(session, batch[i].id, batch[i].value, &info);
            visit(&info, context);
        }
        last_id = batch[count - 1].id;
    }
}

/* Engine's lock held. */
static void list_of(struct hg_session *session, hg_buffer_visit_fn *visit, void *context)
{
    struct hg_idmap_entry *entry;
    uint32_t cursor = 0;
    hg_mutex_lock(&session->lock);
    while ((entry = hg_idmap_each(&session->buffers, &cursor)) != NULL) {
        struct hg_buffer_info info;
        hg_buffer_describe(entry->value, entry->id, &info);
        info.session_id = session->id;
        visit(&info, context);
    }
    hg_mutex_unlock(&session->lock);
}

enum hg_status hg_session_list_all(struct hg_session *session, hg_buffer_visit_fn *visit,
                                   void *context, struct hg_error *error)
{
    if (!session->options.admin) {
        return hg_fail(error, HG_PERMISSION_DENIED,
                       "only an administrator may list the buffers of all sessions");
    }
    struct hg_engine *engine = session->engine;
    hg_mutex_lock(&engine->lock);
    for (struct hg_session *other = engine->sessions; other != NULL; other = other->next) {
        list_of(other, visit, context);
    }
    hg_mutex_unlock(&engine->lock);
    return HG_OK;
}
