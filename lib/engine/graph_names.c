/* SPDX-License-Identifier: Apache-2.0 */
/* A session's graphs by id, and named graphs, which outlive sessions. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/internal.h"

#define NAMED_MAX 4096u

/* Guarded by the engine's lock. */
struct hg_named_graph {
    struct hg_known_graph *known; /* pinned */
    uid_t uid;
    gid_t gid;
    uint32_t mode;
    char name[HG_NAME_BYTES_MAX + 1];
};

/* ---- by id ----------------------------------------------------------------------------------- */

static enum hg_status check_id(const struct hg_session *session, uint64_t id,
                               struct hg_error *error)
{
    if (id == 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "0 is not an id: ids start at 1");
    }
    if (hg_idmap_find(&session->graphs, id) != NULL) {
        return hg_fail(error, HG_ALREADY_EXISTS, "a graph has id %" PRIu64 " already", id);
    }
    if (session->graphs.count >= session->options.graphs_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "the session may have %u graphs",
                       session->options.graphs_max);
    }
    return HG_OK;
}

/* Pins KNOWN under ID, which was checked. */
static enum hg_status bind(struct hg_session *session, uint64_t id, struct hg_known_graph *known,
                           struct hg_graph_facts *facts, struct hg_error *error)
{
    if (!hg_idmap_reserve(&session->graphs)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    enum hg_status status = hg_graph_table_pin(&session->engine->graphs, known, error);
    if (status == HG_OK) {
        hg_idmap_insert(&session->graphs, id, known, false);
        if (facts != NULL) {
            hg_known_graph_facts(known, facts);
        }
    }
    return status;
}

enum hg_status hg_session_load_graph(struct hg_session *session, uint64_t id,
                                     const struct hg_graph_source *source,
                                     struct hg_graph_facts *facts, struct hg_error *error)
{
    enum hg_status status = check_id(session, id, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_known_graph *known = NULL;
    status = hg_graph_table_open(&session->engine->graphs, source, &known, error);
    if (status == HG_OK) {
        status = bind(session, id, known, facts, error);
    }
    hg_graph_table_unref(&session->engine->graphs, &known);
    return status;
}

static struct hg_idmap_entry *find(const struct hg_session *session, uint64_t id,
                                   struct hg_error *error)
{
    struct hg_idmap_entry *entry = hg_idmap_find(&session->graphs, id);
    if (entry == NULL) {
        (void)hg_fail(error, HG_NOT_FOUND, "no graph has id %" PRIu64, id);
    }
    return entry;
}

enum hg_status hg_session_unload_graph(struct hg_session *session, uint64_t id,
                                       struct hg_error *error)
{
    struct hg_idmap_entry *entry = find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    struct hg_known_graph *known = entry->value;
    hg_idmap_remove(&session->graphs, entry);
    session->forgotten++; /* repeats of its runs may not go on */
    hg_graph_table_unpin(&session->engine->graphs, &known);
    return HG_OK;
}

void hg_session_unload_graphs(struct hg_session *session)
{
    uint32_t cursor = 0;
    const struct hg_idmap_entry *entry;
    while ((entry = hg_idmap_each(&session->graphs, &cursor)) != NULL) {
        struct hg_known_graph *known = entry->value;
        hg_graph_table_unpin(&session->engine->graphs, &known);
    }
}

const char *hg_session_graph_input(const struct hg_session *session, uint64_t id, uint32_t index)
{
    const struct hg_idmap_entry *entry = hg_idmap_find(&session->graphs, id);
    const struct hg_known_graph *known = entry != NULL ? entry->value : NULL;
    return known != NULL && index < known->input_count
               ? known->graph->nodes[known->inputs[index]].name
               : "";
}

const char *hg_session_graph_output(const struct hg_session *session, uint64_t id, uint32_t index)
{
    const struct hg_idmap_entry *entry = hg_idmap_find(&session->graphs, id);
    const struct hg_known_graph *known = entry != NULL ? entry->value : NULL;
    return known != NULL && index < known->graph->output_count ? known->graph->outputs[index].name
                                                               : "";
}

void hg_engine_graph_stats(struct hg_engine *engine, struct hg_graph_stats *stats)
{
    hg_mutex_lock(&engine->graphs.lock);
    *stats = engine->graphs.stats;
    hg_mutex_unlock(&engine->graphs.lock);
}

/* ---- by name --------------------------------------------------------------------------------- */

/* Where NAME is or would be; *FOUND tells which. Engine's lock held, here and below. */
static size_t search(const struct hg_graph_names *names, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = names->count;
    *found = false;
    while (low < high && !*found) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(names->items[middle]->name, name);
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

static bool may_read(const struct hg_session *session, const struct hg_named_graph *named)
{
    return (hg_session_rights(session, named->uid, named->gid, named->mode) & HG_MODE_READ) != 0;
}

/* Room for one more, in the table and of the user's. */
static enum hg_status check_room(const struct hg_session *session, struct hg_graph_names *names,
                                 struct hg_error *error)
{
    uint32_t own = 0;
    for (size_t i = 0; i < names->count; i++) {
        own += names->items[i]->uid == session->options.uid;
    }
    if (own >= session->options.graphs_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "user %lu may have %u named graphs",
                       (unsigned long)session->options.uid, session->options.graphs_max);
    }
    if (names->count == names->capacity) {
        const size_t capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        struct hg_named_graph **items = names->count < NAMED_MAX
                                            ? hg_realloc(HG_TAG_ENGINE, names->items,
                                                         capacity * sizeof(struct hg_named_graph *))
                                            : NULL;
        if (items == NULL) {
            return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                           "there is no room for another named graph");
        }
        names->items = items;
        names->capacity = capacity;
    }
    return HG_OK;
}

/* Takes FRESH. */
static enum hg_status insert(const struct hg_session *session, struct hg_named_graph *fresh,
                             struct hg_error *error)
{
    struct hg_graph_names *names = &session->engine->graph_names;
    bool taken;
    const size_t position = search(names, fresh->name, &taken);
    if (taken) {
        return hg_fail(error, HG_ALREADY_EXISTS, "the name '%s' is taken", fresh->name);
    }
    enum hg_status status = check_room(session, names, error);
    if (status == HG_OK) {
        status = hg_graph_table_pin(&session->engine->graphs, fresh->known, error);
    }
    if (status == HG_OK) {
        memmove(&names->items[position + 1], &names->items[position],
                (names->count - position) * sizeof(struct hg_named_graph *));
        names->items[position] = fresh;
        names->count++;
    }
    return status;
}

enum hg_status hg_session_save_graph(struct hg_session *session, uint64_t id, const char *name,
                                     uint32_t mode, gid_t gid, struct hg_error *error)
{
    const struct hg_idmap_entry *entry = find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    enum hg_status status = hg_session_check_name(session, name, mode, gid, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_named_graph *fresh = hg_calloc(HG_TAG_ENGINE, 1, sizeof *fresh);
    if (fresh == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    fresh->known = entry->value;
    fresh->uid = session->options.uid;
    fresh->gid = gid;
    fresh->mode = mode;
    memcpy(fresh->name, name, strlen(name) + 1);
    hg_mutex_lock(&session->engine->lock);
    status = insert(session, fresh, error);
    hg_mutex_unlock(&session->engine->lock);
    if (status != HG_OK) {
        hg_free(HG_TAG_ENGINE, fresh);
    }
    return status;
}

static enum hg_status fail_not_found(const char *name, struct hg_error *error)
{
    return hg_fail(error, HG_NOT_FOUND, "no graph is named '%.*s'", HG_NAME_BYTES_MAX, name);
}

enum hg_status hg_session_open_graph(struct hg_session *session, const char *name, uint64_t id,
                                     struct hg_graph_facts *facts, struct hg_error *error)
{
    enum hg_status status = check_id(session, id, error);
    if (status != HG_OK) {
        return status;
    }
    const struct hg_graph_names *names = &session->engine->graph_names;
    bool found;
    hg_mutex_lock(&session->engine->lock);
    const size_t position = search(names, name, &found);
    if (found && may_read(session, names->items[position])) {
        status = bind(session, id, names->items[position]->known, facts, error);
    } else {
        status = fail_not_found(name, error);
    }
    hg_mutex_unlock(&session->engine->lock);
    return status;
}

static void remove_at(struct hg_engine *engine, size_t position)
{
    struct hg_graph_names *names = &engine->graph_names;
    struct hg_named_graph *named = names->items[position];
    names->count--;
    memmove(&names->items[position], &names->items[position + 1],
            (names->count - position) * sizeof(struct hg_named_graph *));
    hg_graph_table_unpin(&engine->graphs, &named->known);
    hg_free(HG_TAG_ENGINE, named);
}

enum hg_status hg_session_remove_graph(struct hg_session *session, const char *name,
                                       struct hg_error *error)
{
    enum hg_status status = HG_OK;
    bool found;
    hg_mutex_lock(&session->engine->lock);
    const size_t position = search(&session->engine->graph_names, name, &found);
    const struct hg_named_graph *named =
        found ? session->engine->graph_names.items[position] : NULL;
    if (named != NULL && (named->uid == session->options.uid || session->options.admin)) {
        remove_at(session->engine, position);
    } else if (named == NULL || !may_read(session, named)) {
        status = fail_not_found(name, error);
    } else {
        status = hg_fail(error, HG_PERMISSION_DENIED, "'%s' belongs to user %lu", named->name,
                         (unsigned long)named->uid);
    }
    hg_mutex_unlock(&session->engine->lock);
    return status;
}

void hg_session_list_graphs(struct hg_session *session, hg_graph_visit_fn *visit, void *context)
{
    const struct hg_graph_names *names = &session->engine->graph_names;
    hg_mutex_lock(&session->engine->lock);
    for (size_t i = 0; i < names->count; i++) {
        const struct hg_named_graph *named = names->items[i];
        if (session->options.admin || may_read(session, named)) {
            struct hg_named_graph_info info = {
                .uid = named->uid, .gid = named->gid, .mode = named->mode};
            memcpy(info.name, named->name, sizeof info.name);
            hg_known_graph_facts(named->known, &info.facts);
            visit(&info, context);
        }
    }
    hg_mutex_unlock(&session->engine->lock);
}

void hg_engine_drop_graph_names(struct hg_engine *engine)
{
    hg_mutex_lock(&engine->lock);
    while (engine->graph_names.count > 0) {
        remove_at(engine, engine->graph_names.count - 1);
    }
    hg_mutex_unlock(&engine->lock);
    hg_free(HG_TAG_ENGINE, engine->graph_names.items);
    engine->graph_names = (struct hg_graph_names){0};
}
