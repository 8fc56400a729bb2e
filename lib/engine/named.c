/* SPDX-License-Identifier: Apache-2.0 */
/* Named buffers: a name, an owner, a group and a mode, as files have them. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/internal.h"

#define NAMES_MAX 65536u

static bool is_name_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
}

static bool is_name(const char *name)
{
    size_t length = strnlen(name, HG_NAME_BYTES_MAX + 1);
    if (length == 0 || length > HG_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_name_character(name[i])) {
            return false;
        }
    }
    return true;
}

uint32_t hg_session_rights(const struct hg_session *session, uid_t uid, gid_t gid, uint32_t mode)
{
    if (session->options.uid == uid) {
        return mode >> 6 & 7;
    }
    if (hg_session_in_group(session, gid)) {
        return mode >> 3 & 7;
    }
    return mode & 7;
}

enum hg_status hg_session_check_name(const struct hg_session *session, const char *name,
                                     uint32_t mode, gid_t gid, struct hg_error *error)
{
    if (!is_name(name)) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "a name is 1 to %d characters of A-Z a-z 0-9 . _ - /", HG_NAME_BYTES_MAX);
    }
    if ((mode & ~HG_MODE_BITS) != 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "mode %#o has bits other than read and write (0666)", mode);
    }
    if (!hg_session_in_group(session, gid)) {
        return hg_fail(error, HG_PERMISSION_DENIED, "group %lu is not one of the session's",
                       (unsigned long)gid);
    }
    return HG_OK;
}

/* The bits of the mode that apply to SESSION. Engine's lock held. */
static uint32_t rights_of(const struct hg_session *session, const struct hg_buffer *buffer)
{
    return hg_session_rights(session, buffer->account->user->uid, buffer->gid, buffer->mode);
}

/* Where NAME is or would be; *FOUND tells which. Engine's lock held. */
static size_t search(const struct hg_names *names, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = names->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(names->items[middle]->name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool reserve(struct hg_names *names)
{
    if (names->count < names->capacity) {
        return true;
    }
    size_t capacity = names->capacity == 0 ? 16 : names->capacity * 2;
    struct hg_buffer **items =
        hg_realloc(HG_TAG_ENGINE, names->items, capacity * sizeof(struct hg_buffer *));
    if (items == NULL) {
        return false;
    }
    names->items = items;
    names->capacity = capacity;
    return true;
}

/* What publishing costs its user, which session quotas do not bound. Engine's lock held. */
static enum hg_status charge_name(const struct hg_session *session, struct hg_buffer *buffer,
                                  struct hg_error *error)
{
    struct hg_user *user = buffer->account->user;
    bool is_class = hg_buffer_class(buffer) >= 0;
    if (user->names >= session->options.buffers_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "user %lu may have %u named buffers",
                       (unsigned long)user->uid, session->options.buffers_max);
    }
    if (is_class && user->named_classes >= session->options.boundary_classes_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "user %lu may have %u named buffers in the boundary pool",
                       (unsigned long)user->uid, session->options.boundary_classes_max);
    }
    user->names++;
    user->named_classes += is_class;
    return HG_OK;
}

/* Takes the name from the buffer at POSITION and gives the reference. Engine's lock held. */
static struct hg_buffer *remove_at(struct hg_names *names, size_t position)
{
    struct hg_buffer *buffer = names->items[position];
    names->count--;
    memmove(&names->items[position], &names->items[position + 1],
            (names->count - position) * sizeof(struct hg_buffer *));
    buffer->name[0] = '\0';
    buffer->mode = 0;
    buffer->account->user->names--;
    buffer->account->user->named_classes -= hg_buffer_class(buffer) >= 0;
    return buffer;
}

static enum hg_status check_publish(const struct hg_session *session, uint64_t id,
                                    const struct hg_buffer *buffer, const char *name, uint32_t mode,
                                    gid_t gid, struct hg_error *error)
{
    enum hg_status status = hg_session_check_name(session, name, mode, gid, error);
    if (status != HG_OK) {
        return status;
    }
    if (buffer->account->user->uid != session->options.uid) {
        return hg_fail(error, HG_PERMISSION_DENIED, "buffer %" PRIu64 " belongs to user %lu", id,
                       (unsigned long)buffer->account->user->uid);
    }
    return HG_OK;
}

/* Engine's lock held. */
static enum hg_status insert(const struct hg_session *session, uint64_t id,
                             struct hg_buffer *buffer, const char *name, struct hg_error *error)
{
    struct hg_names *names = &session->engine->names;
    if (buffer->name[0] != '\0') {
        return hg_fail(error, HG_ALREADY_EXISTS, "buffer %" PRIu64 " is published already as '%s'",
                       id, buffer->name);
    }
    bool taken;
    size_t position = search(names, name, &taken);
    if (taken) {
        return hg_fail(error, HG_ALREADY_EXISTS, "the name '%s' is taken", name);
    }
    if (names->count >= NAMES_MAX || !reserve(names)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "there is no room for another named buffer");
    }
    enum hg_status status = charge_name(session, buffer, error);
    if (status != HG_OK) {
        return status;
    }
    memmove(&names->items[position + 1], &names->items[position],
            (names->count - position) * sizeof(struct hg_buffer *));
    names->items[position] = hg_buffer_ref(buffer);
    names->count++;
    atomic_store_explicit(&buffer->is_shared, true, memory_order_relaxed);
    memcpy(buffer->name, name, strlen(name) + 1);
    return HG_OK;
}

enum hg_status hg_session_publish(struct hg_session *session, uint64_t id, const char *name,
                                  uint32_t mode, gid_t gid, struct hg_error *error)
{
    const struct hg_idmap_entry *entry = hg_session_find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    struct hg_buffer *buffer = entry->value;
    enum hg_status status = check_publish(session, id, buffer, name, mode, gid, error);
    if (status != HG_OK) {
        return status;
    }
    hg_mutex_lock(&session->engine->lock);
    status = insert(session, id, buffer, name, error);
    if (status == HG_OK) {
        buffer->mode = mode;
        buffer->gid = gid;
    }
    hg_mutex_unlock(&session->engine->lock);
    return status;
}

static enum hg_status fail_not_found(const char *name, struct hg_error *error)
{
    return hg_fail(error, HG_NOT_FOUND, "no buffer is named '%.*s'", HG_NAME_BYTES_MAX, name);
}

/* Engine's lock held. */
static enum hg_status take_name(struct hg_session *session, const char *name,
                                struct hg_buffer **buffer, struct hg_error *error)
{
    struct hg_names *names = &session->engine->names;
    bool found;
    size_t position = search(names, name, &found);
    bool owns = found && names->items[position]->account->user->uid == session->options.uid;
    if (owns || (found && session->options.admin)) {
        *buffer = remove_at(names, position);
        return HG_OK;
    }
    if (!found || (rights_of(session, names->items[position]) & HG_MODE_READ) == 0) {
        return fail_not_found(name, error);
    }
    return hg_fail(error, HG_PERMISSION_DENIED, "'%s' belongs to user %lu", name,
                   (unsigned long)names->items[position]->account->user->uid);
}

enum hg_status hg_session_unpublish(struct hg_session *session, const char *name,
                                    struct hg_error *error)
{
    struct hg_buffer *buffer = NULL;
    hg_mutex_lock(&session->engine->lock);
    enum hg_status status = take_name(session, name, &buffer, error);
    hg_mutex_unlock(&session->engine->lock);
    if (status == HG_OK) {
        hg_buffer_unref(&buffer);
    }
    return status;
}

/* Gives a reference to the buffer that SESSION may use as asked. Engine's lock held. */
static enum hg_status look_up(struct hg_session *session, const char *name, bool writable,
                              struct hg_buffer **buffer, struct hg_error *error)
{
    const struct hg_names *names = &session->engine->names;
    bool found;
    size_t position = search(names, name, &found);
    uint32_t rights = found ? rights_of(session, names->items[position]) : 0;
    if ((rights & HG_MODE_READ) == 0) {
        return fail_not_found(name, error);
    }
    if (writable && (rights & HG_MODE_WRITE) == 0) {
        return hg_fail(error, HG_PERMISSION_DENIED, "'%s' may only be read", name);
    }
    if (writable && hg_buffer_is_constant(names->items[position])) {
        return hg_fail(error, HG_PERMISSION_DENIED, "'%s' is constant: it may only be read", name);
    }
    *buffer = hg_buffer_ref(names->items[position]);
    return HG_OK;
}

enum hg_status hg_session_open(struct hg_session *session, const char *name, uint64_t id,
                               bool writable, struct hg_buffer_info *info, struct hg_error *error)
{
    enum hg_status status = hg_session_check_id(session, id, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_buffer *buffer = NULL;
    hg_mutex_lock(&session->engine->lock);
    status = look_up(session, name, writable, &buffer, error);
    hg_mutex_unlock(&session->engine->lock);
    if (status != HG_OK) {
        return status;
    }
    status = hg_session_bind(session, id, buffer, writable, error);
    if (status != HG_OK) {
        hg_buffer_unref(&buffer);
        return status;
    }
    if (info != NULL) {
        hg_session_describe(session, id, buffer, info);
    }
    return HG_OK;
}

void hg_session_list_named(struct hg_session *session, hg_buffer_visit_fn *visit, void *context)
{
    struct hg_engine *engine = session->engine;
    hg_mutex_lock(&engine->lock);
    for (size_t i = 0; i < engine->names.count; i++) {
        const struct hg_buffer *buffer = engine->names.items[i];
        if (session->options.admin || (rights_of(session, buffer) & HG_MODE_READ) != 0) {
            struct hg_buffer_info info;
            hg_buffer_describe(buffer, 0, &info);
            visit(&info, context);
        }
    }
    hg_mutex_unlock(&engine->lock);
}

void hg_engine_drop_names(struct hg_engine *engine)
{
    while (engine->names.count > 0) {
        hg_mutex_lock(&engine->lock);
        struct hg_buffer *buffer = remove_at(&engine->names, engine->names.count - 1);
        hg_mutex_unlock(&engine->lock);
        hg_buffer_unref(&buffer);
    }
    hg_free(HG_TAG_ENGINE, engine->names.items);
    engine->names = (struct hg_names){0};
}
