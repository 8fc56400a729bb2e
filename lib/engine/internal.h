/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the engine share: the engine, the session, and looking things up in them.
 *
 * Locks: the engine's (HG_RANK_ENGINE) guards the lists of sessions, users and names, and what
 * buffers say it guards. A session's (HG_RANK_SESSION) guards changes of its tables against readers
 * on other threads; its own thread reads them without.
 */
#ifndef HG_LIB_ENGINE_INTERNAL_H
#define HG_LIB_ENGINE_INTERNAL_H

#include "lib/base/mutex.h"
#include "lib/engine/account.h"
#include "lib/engine/again.h"
#include "lib/engine/buffer.h"
#include "lib/engine/engine.h"
#include "lib/engine/graph_table.h"
#include "lib/engine/idmap.h"
#include "lib/engine/packed.h"
#include "lib/engine/recent.h"
#include "lib/engine/statement.h"

#define HG_SESSION_GROUPS_MAX 64

struct hg_keyfile_entry;

/* Published buffers, ascending by name; each holds a reference. */
struct hg_names {
    struct hg_buffer **items;
    size_t count;
    size_t capacity;
};

/* Of what has a name: the bits of its mode. */
#define HG_MODE_BITS  0666u
#define HG_MODE_READ  4u
#define HG_MODE_WRITE 2u

struct hg_named_graph;

/* Named graphs, ascending by name; each pins its graph. */
struct hg_graph_names {
    struct hg_named_graph **items;
    size_t count;
    size_t capacity;
};

struct hg_engine {
    struct hg_engine_options options; /* as they came into force; constant */
    struct hg_pool *pool;
    struct hg_cache *cache;
    struct hg_sched *sched;
    uint8_t *boundary_base;
    struct hg_op_policy policy;
    uint64_t id_seed;   /* random, for the tables of ids */
    uint64_t name_seed; /* random, for the names of keys: nobody can guess a key from its name */

    struct hg_mutex lock;
    struct hg_session *sessions;
    uint64_t last_session_id;
    struct hg_user *users;
    struct hg_names names;
    struct hg_graph_names graph_names;
    struct hg_keyfile_entry *restored; /* hits of earlier processes, see warm.c */
    uint32_t restored_count;

    struct hg_graph_table graphs;  /* has a lock of its own, */
    struct hg_packed_table packed; /*   and so has this */

    struct hg_mutex zero_lock; /* HG_RANK_RUN: zeroing of a block at its first use */

    /* Relaxed: figures and a source of numbers. */
    _Atomic uint32_t session_count;
    _Atomic uint64_t buffers;
    _Atomic uint64_t buffer_bytes;
    _Atomic uint64_t last_serial;
    _Atomic uint64_t precompiled;
    _Atomic uint64_t warmed;
    _Atomic bool stopping;      /* long jobs end early */
    _Atomic uint32_t restoring; /* such jobs that have not ended; not relaxed, see warm.c */
    _Atomic uint64_t loaded_programs;
    _Atomic uint64_t loaded_bytes;
};

struct hg_session {
    struct hg_engine *engine;
    struct hg_account *account;
    uint64_t id;
    struct hg_session_options options; /* constant; `groups` points to the array below */
    gid_t groups[HG_SESSION_GROUPS_MAX];

    struct hg_mutex lock;
    struct hg_idmap buffers;  /* struct hg_buffer; flag: may be written */
    struct hg_idmap programs; /* struct hg_loaded */
    struct hg_idmap graphs;   /* struct hg_known_graph, pinned */
    struct hg_statements statements;
    struct hg_recent recent; /* calls by name */
    struct hg_again again;   /* those with the same buffers */
    /* What repeats rest on: how often an id was freed; and how often something was forgotten that
     * they know, a prepared operation, a graph, or that a buffer is not constant. */
    uint64_t freed;
    uint64_t forgotten;
    struct hg_buffer
        *classes[HG_POOL_CLASS_COUNT]; /* by boundary class: made here and still known */

    struct hg_session *previous; /* engine's lock */
    struct hg_session *next;
};

/* The entry of a buffer; NULL after filling ERROR with NOT_FOUND. */
struct hg_idmap_entry *hg_session_find(const struct hg_session *session, uint64_t id,
                                       struct hg_error *error);
/* Checks that ID may be bound. Errors: INVALID_ARGUMENT (0), ALREADY_EXISTS, RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_session_check_id(const struct hg_session *session, uint64_t id,
                                                 struct hg_error *error);
/* Binds BUFFER to ID, which was checked, and takes the reference. On HG_RESOURCE_EXHAUSTED the
 * reference stays the caller's. */
HG_MUST_CHECK enum hg_status hg_session_bind(struct hg_session *session, uint64_t id,
                                             struct hg_buffer *buffer, bool writable,
                                             struct hg_error *error);
/* PERMISSION_DENIED: ID's buffer is constant, and was to be written. */
enum hg_status hg_buffer_fail_constant(uint64_t id, struct hg_error *error);
/* Fills INFO under the engine's lock. */
void hg_session_describe(struct hg_session *session, uint64_t id, const struct hg_buffer *buffer,
                         struct hg_buffer_info *info);
/* True if GID is the session's group or one of its supplementary groups. */
bool hg_session_in_group(const struct hg_session *session, gid_t gid);

/* The bits of MODE that apply to SESSION: owner's, group's or others'. */
uint32_t hg_session_rights(const struct hg_session *session, uid_t uid, gid_t gid, uint32_t mode);
/* Checks what a name is to be given with. Errors: INVALID_ARGUMENT, PERMISSION_DENIED. */
HG_MUST_CHECK enum hg_status hg_session_check_name(const struct hg_session *session,
                                                   const char *name, uint32_t mode, gid_t gid,
                                                   struct hg_error *error);

/* Drops every published buffer; no session is left. */
void hg_engine_drop_names(struct hg_engine *engine);
/* Drops every program that the session loaded. */
void hg_session_unload_all(struct hg_session *session);
/* The same of its graphs, and of all named graphs. */
void hg_session_unload_graphs(struct hg_session *session);
void hg_engine_drop_graph_names(struct hg_engine *engine);

#endif
