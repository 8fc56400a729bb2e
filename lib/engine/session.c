/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/internal.h"

void hg_session_options_init(struct hg_session_options *options)
{
    *options = (struct hg_session_options){
        .uid = geteuid(),
        .gid = getegid(),
        .bytes_max = UINT64_C(1) << 30,
        .user_bytes_max = UINT64_C(4) << 30,
        .buffers_max = 4096,
        .boundary_classes_max = 16,
        .shared_buffers_max = 256,
        .programs_max = 64,
        .prepared_max = 1024,
        .graphs_max = 256,
        .fuel_max = 1u << 24,
    };
}

static void link_session(struct hg_engine *engine, struct hg_session *session)
{
    hg_mutex_lock(&engine->lock);
    session->id = ++engine->last_session_id;
    session->next = engine->sessions;
    if (session->next != NULL) {
        session->next->previous = session;
    }
    engine->sessions = session;
    atomic_fetch_add_explicit(&engine->session_count, 1, memory_order_relaxed);
    hg_mutex_unlock(&engine->lock);
}

static void unlink_session(struct hg_engine *engine, struct hg_session *session)
{
    hg_mutex_lock(&engine->lock);
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        engine->sessions = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    atomic_fetch_sub_explicit(&engine->session_count, 1, memory_order_relaxed);
    hg_mutex_unlock(&engine->lock);
}

enum hg_status hg_session_create(struct hg_engine *engine, const struct hg_session_options *options,
                                 struct hg_session **session, struct hg_error *error)
{
    struct hg_session *fresh = hg_calloc(HG_TAG_SESSION, 1, sizeof *fresh);
    if (fresh == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "session: out of memory");
    }
    enum hg_status status = hg_account_create(engine, options, &fresh->account, error);
    if (status != HG_OK) {
        hg_free(HG_TAG_SESSION, fresh);
        return status;
    }
    fresh->engine = engine;
    fresh->options = *options;
    fresh->options.groups = fresh->groups;
    if (fresh->options.group_count > HG_SESSION_GROUPS_MAX) {
        fresh->options.group_count = HG_SESSION_GROUPS_MAX;
    }
    for (uint32_t i = 0; i < fresh->options.group_count; i++) {
        fresh->groups[i] = options->groups[i];
    }
    hg_mutex_init(&fresh->lock, HG_RANK_SESSION);
    hg_idmap_init(&fresh->buffers, engine->id_seed);
    hg_idmap_init(&fresh->programs, engine->id_seed);
    hg_idmap_init(&fresh->graphs, engine->id_seed);
    link_session(engine, fresh);
    *session = fresh;
    return HG_OK;
}

/* Nobody else sees the session any more. */
static void unbind_all(struct hg_session *session)
{
    uint32_t cursor = 0;
    struct hg_idmap_entry *entry;
    while ((entry = hg_idmap_each(&session->buffers, &cursor)) != NULL) {
        struct hg_buffer *buffer = entry->value;
        hg_buffer_unref(&buffer);
    }
}

void hg_session_destroy(struct hg_session **session)
{
    struct hg_session *dropped = *session;
    if (dropped == NULL) {
        return;
    }
    *session = NULL;
    unlink_session(dropped->engine, dropped);
    unbind_all(dropped);
    hg_session_unload_all(dropped);
    hg_session_unload_graphs(dropped);
    hg_statements_fini(&dropped->statements);
    hg_recent_fini(&dropped->recent);
    hg_again_fini(&dropped->again);
    hg_idmap_fini(&dropped->buffers);
    hg_idmap_fini(&dropped->programs);
    hg_idmap_fini(&dropped->graphs);
    hg_mutex_fini(&dropped->lock);
    hg_account_unref(&dropped->account);
    hg_free(HG_TAG_SESSION, dropped);
}

uint64_t hg_session_id(const struct hg_session *session)
{
    return session->id;
}

bool hg_session_admin(const struct hg_session *session)
{
    return session->options.admin;
}

bool hg_session_in_group(const struct hg_session *session, gid_t gid)
{
    if (session->options.gid == gid) {
        return true;
    }
    for (uint32_t i = 0; i < session->options.group_count; i++) {
        if (session->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

struct hg_idmap_entry *hg_session_find(const struct hg_session *session, uint64_t id,
                                       struct hg_error *error)
{
    struct hg_idmap_entry *entry = hg_idmap_find(&session->buffers, id);
    if (entry == NULL) {
        (void)hg_fail(error, HG_NOT_FOUND, "no buffer has id %" PRIu64, id);
    }
    return entry;
}

enum hg_status hg_session_check_id(const struct hg_session *session, uint64_t id,
                                   struct hg_error *error)
{
    if (id == 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "0 is not an id: ids start at 1");
    }
    if (hg_idmap_find(&session->buffers, id) != NULL) {
        return hg_fail(error, HG_ALREADY_EXISTS, "a buffer has id %" PRIu64 " already", id);
    }
    if (session->buffers.count >= session->options.buffers_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "the session may have %u buffers",
                       session->options.buffers_max);
    }
    return HG_OK;
}

enum hg_status hg_session_bind(struct hg_session *session, uint64_t id, struct hg_buffer *buffer,
                               bool writable, struct hg_error *error)
{
    hg_mutex_lock(&session->lock);
    bool has_room = hg_idmap_reserve(&session->buffers);
    if (has_room) {
        hg_idmap_insert(&session->buffers, id, buffer, writable);
    }
    hg_mutex_unlock(&session->lock);
    return has_room ? HG_OK : hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
}
