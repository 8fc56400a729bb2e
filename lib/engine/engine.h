/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: what the daemon and in-process users call. Buffers in sessions, operations on them,
 * users' programs, named buffers, statistics.
 *
 *     struct hg_engine *engine;                      one per process
 *     struct hg_session *session;                    one per client: ids, quotas, rights
 *     hg_session_alloc(session, 1, …);               ids are the client's to choose
 *     hg_session_execute(session, &request, task, …) in place or on the worker pool
 *
 * Threads: engine functions from any thread. A session's functions from one thread at a time,
 * except hg_task_cancel; tasks of one session may run at the same time on workers.
 * The cache's administration is in cache_admin.h.
 * Ownership: stated per function with the words takes, borrows, copies, gives, shares.
 * Errors: every fallible function gives a status and a text that names what was wrong; ERROR is
 * never NULL.
 */
#ifndef HG_LIB_ENGINE_ENGINE_H
#define HG_LIB_ENGINE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cpu.h"
#include "lib/base/status.h"
#include "lib/engine/cache_admin.h"
#include "lib/exec/exec.h"
#include "lib/graph/graph.h"
#include "lib/ops/ops.h"
#include "lib/pool/pool.h"
#include "lib/sched/sched.h"

/* What is declared from here on is exported by libhologram-engine.so, and nothing else is. */
#pragma GCC visibility push(default)

struct hg_engine;
struct hg_session;
struct hg_buffer;

/* ---- engine ---------------------------------------------------------------------------------- */

/* Which native code programs get. The first engine of a process decides. */
enum hg_native_choice {
    HG_NATIVE_AUTO,   /* the best that the CPU runs */
    HG_NATIVE_AVX512, /* that or none */
    HG_NATIVE_AVX2,   /* that or none */
    HG_NATIVE_OFF
};

struct hg_engine_options {
    uint32_t workers;        /* 0 = one per core, at most 64 */
    uint32_t queue_depth;    /* jobs that may wait for a worker */
    uint32_t spin_us;        /* workers spin this long before they park */
    uint64_t inline_max_ns;  /* work estimated below this runs on the caller; 0 = always the pool */
    uint64_t work_ms_max;    /* queued work has ended after so long, or is ended; 0 = for ever */
    uint64_t heap_bytes_max; /* heap pool, all sessions together; 0 = half of physical memory */
    uint64_t cache_entries_max;
    uint64_t cache_bytes_max;
    uint64_t packed_bytes_max; /* of constants' packed operands; 0 = none are kept */
    uint32_t graphs_max;       /* that are known at a time, with their plans */
    uint64_t graph_bytes_max;
    bool lock_boundary;
    bool fusion;          /* composites as one program (default) */
    bool specialize_full; /* cache.specialize = full */
    enum hg_fp_mode fp_mode;
    enum hg_executor executor; /* NATIVE (default) is BLOCK where there can be no native code */
    enum hg_native_choice native;
    uint64_t native_bytes_max; /* room for native code; programs without run as BLOCK does */
    bool perf_map;             /* names of native code go to /tmp/perf-PID.map */
};

/* Fills OPTIONS with the defaults. */
void hg_engine_options_init(struct hg_engine_options *options);
/* Gives an engine. Errors: HG_RESOURCE_EXHAUSTED, HG_INVALID_ARGUMENT (an option out of range). */
HG_MUST_CHECK enum hg_status hg_engine_create(const struct hg_engine_options *options,
                                              struct hg_engine **engine, struct hg_error *error);
/* No session may be left. Published buffers are dropped. NULLs *ENGINE. */
void hg_engine_destroy(struct hg_engine **engine);

/* ---- sessions -------------------------------------------------------------------------------- */

struct hg_session_options {
    uid_t uid;
    gid_t gid;
    const gid_t *groups; /* borrowed until return; supplementary groups, at most 64 are kept */
    uint32_t group_count;
    bool admin;
    uint64_t bytes_max;      /* heap and shared memory of the session's buffers and temporaries */
    uint64_t user_bytes_max; /* the same over all sessions of the uid, named buffers included */
    uint32_t buffers_max;
    uint32_t boundary_classes_max;
    uint32_t shared_buffers_max; /* of all sessions of the uid: each has a descriptor or two */
    uint32_t programs_max;
    uint32_t prepared_max; /* prepared operations */
    uint32_t graphs_max;   /* loaded graphs; also named ones of the uid */
    uint64_t fuel_max;     /* of a user's program, per block and segment */
};
void hg_session_options_init(struct hg_session_options *options);

/* Gives a session. Errors: HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_session_create(struct hg_engine *engine,
                                               const struct hg_session_options *options,
                                               struct hg_session **session, struct hg_error *error);
/* Frees the session's ids and programs; buffers that a running task uses go when it ends. Tasks
 * must have been waited for or cancelled and waited for. NULLs *SESSION. */
void hg_session_destroy(struct hg_session **session);

/* ---- buffers --------------------------------------------------------------------------------- */

struct hg_buffer_spec {
    enum hg_dtype dtype;
    uint8_t rank;                /* at most HG_RANK_MAX */
    uint64_t shape[HG_RANK_MAX]; /* dimensions may be 0: a buffer without elements */
    enum hg_pool_kind pool;
    bool boundary_fallback; /* take heap memory when no boundary class is to be had */
};

struct hg_buffer_info {
    uint64_t id;
    struct hg_buffer_spec spec; /* pool: where it really is */
    uint64_t bytes;             /* of its elements */
    int boundary_class;         /* -1 if not in the boundary pool */
    bool busy;                  /* a task in flight uses it */
    bool constant;              /* nobody may write it any more */
    char name[65];              /* when published, else "" */
    uid_t uid;                  /* owner */
    gid_t gid;
    uint32_t mode;
    uint64_t session_id;
};

/* Allocates a zeroed buffer under ID. Errors: INVALID_ARGUMENT (id 0, rank, product of the shape
 * overflows), ALREADY_EXISTS (id taken), RESOURCE_EXHAUSTED (quota, pool). INFO may be NULL. */
HG_MUST_CHECK enum hg_status hg_session_alloc(struct hg_session *session, uint64_t id,
                                              const struct hg_buffer_spec *spec,
                                              struct hg_buffer_info *info, struct hg_error *error);
/* Forgets ID. The memory goes when no task, name or other session uses it. NOT_FOUND. */
HG_MUST_CHECK enum hg_status hg_session_free(struct hg_session *session, uint64_t id,
                                             struct hg_error *error);
HG_MUST_CHECK enum hg_status hg_session_info(struct hg_session *session, uint64_t id,
                                             struct hg_buffer_info *info, struct hg_error *error);

/*
 * Makes ID's buffer constant, for everybody and for good: to write it afterwards, in whatever way,
 * is PERMISSION_DENIED. Again is no error. Errors: NOT_FOUND; PERMISSION_DENIED (its owner is
 * somebody else); FAILED_PRECONDITION (it is being written now); INVALID_ARGUMENT (shared memory,
 * which its clients could change; one that was adopted sealed with F_SEAL_WRITE is constant from
 * the start).
 */
HG_MUST_CHECK enum hg_status hg_session_freeze(struct hg_session *session, uint64_t id,
                                               struct hg_error *error);

/* Copies bytes in and out. OUT_OF_RANGE names id, offset, length and size; FAILED_PRECONDITION if
 * the buffer is busy (write: any task; read: a task that writes it); PERMISSION_DENIED if opened
 * read-only, or constant. */
HG_MUST_CHECK enum hg_status hg_session_write(struct hg_session *session, uint64_t id,
                                              uint64_t offset, const void *data, uint64_t length,
                                              struct hg_error *error);
HG_MUST_CHECK enum hg_status hg_session_read(struct hg_session *session, uint64_t id,
                                             uint64_t offset, void *data, uint64_t length,
                                             struct hg_error *error);

/* A pinned view of a buffer's bytes, for transports that receive into it or send from it. While a
 * view for writing is held the buffer counts as busy for tasks: hg_session_execute on it answers
 * FAILED_PRECONDITION, so a transport orders its own requests around it. */
struct hg_view {
    struct hg_buffer *buffer; /* shared */
    uint8_t *data;            /* first byte of the view */
    uint64_t length;
    bool writing;
};
/* LENGTH 0 with WRITING false means to the end. Errors as hg_session_write / read. */
HG_MUST_CHECK enum hg_status hg_session_view(struct hg_session *session, uint64_t id,
                                             uint64_t offset, uint64_t length, bool writing,
                                             struct hg_view *view, struct hg_buffer_info *info,
                                             struct hg_error *error);
void hg_view_release(struct hg_view *view);

/* Calls VISIT for each buffer of the session, ascending by id. */
typedef void hg_buffer_visit_fn(const struct hg_buffer_info *info, void *context);
void hg_session_list(struct hg_session *session, hg_buffer_visit_fn *visit, void *context);

/* ---- shared buffers -------------------------------------------------------------------------- */

/*
 * A buffer of the shared pool is memory that others may map, too, and change at any time, also
 * during a run: what a run then computes of it is unspecified, but nothing else is harmed. Tasks of
 * the engine are kept apart by claims as with any buffer; the others are not.
 */

/* As hg_session_alloc, in the memfd FD that somebody else made, which keeps its content; takes FD,
 * also on error. spec->pool counts for nothing. One that is sealed against writing makes a constant
 * buffer. INVALID_ARGUMENT also if it is no memfd that can be trusted to stay (hg_pool_adopt). */
HG_MUST_CHECK enum hg_status hg_session_adopt(struct hg_session *session, uint64_t id,
                                              const struct hg_buffer_spec *spec, int fd,
                                              struct hg_buffer_info *info, struct hg_error *error);

/* A buffer's descriptor, to be passed on. It keeps the memory, and the charge for it. */
struct hg_descriptor {
    struct hg_buffer *buffer; /* shared */
    int fd;                   /* borrowed from it; -1: none */
};
/* Gives the descriptor of ID's memory that this session may have: for writing, or for reading only
 * if it was opened so. None if the buffer is not in the shared pool, or was adopted and may only be
 * read. Errors: NOT_FOUND, RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_session_descriptor(struct hg_session *session, uint64_t id,
                                                   struct hg_descriptor *descriptor,
                                                   struct hg_error *error);
void hg_descriptor_release(struct hg_descriptor *descriptor);

/* ---- named buffers --------------------------------------------------------------------------- */

/* Gives ID's buffer a name (1 to 64 characters of A-Z a-z 0-9 . _ - /) so that it outlives the
 * session. Owner is the session's uid; GID must be one of its groups. MODE: read and write bits.
 * Errors: ALREADY_EXISTS, INVALID_ARGUMENT, PERMISSION_DENIED. */
HG_MUST_CHECK enum hg_status hg_session_publish(struct hg_session *session, uint64_t id,
                                                const char *name, uint32_t mode, gid_t gid,
                                                struct hg_error *error);
/* Owner or administrator. NOT_FOUND, PERMISSION_DENIED. */
HG_MUST_CHECK enum hg_status hg_session_unpublish(struct hg_session *session, const char *name,
                                                  struct hg_error *error);
/* Binds a named buffer to ID. A name that may not be read is NOT_FOUND, like one that is not there.
 */
HG_MUST_CHECK enum hg_status hg_session_open(struct hg_session *session, const char *name,
                                             uint64_t id, bool writable,
                                             struct hg_buffer_info *info, struct hg_error *error);
/* The named buffers that the session may read (an administrator: all), ascending by name. VISIT
 * must not call the engine. */
void hg_session_list_named(struct hg_session *session, hg_buffer_visit_fn *visit, void *context);
/* Every session's buffers; PERMISSION_DENIED unless administrator. VISIT must not call the engine.
 */
HG_MUST_CHECK enum hg_status hg_session_list_all(struct hg_session *session,
                                                 hg_buffer_visit_fn *visit, void *context,
                                                 struct hg_error *error);

/* ---- work ------------------------------------------------------------------------------------ */

struct hg_named_attribute {
    const char *name; /* LENGTH bytes, borrowed */
    size_t name_length;
    uint64_t bits;
};

struct hg_execute_request {
    const char *op; /* OP_LENGTH bytes, borrowed until the call returns */
    size_t op_length;
    const uint64_t *inputs;
    uint32_t input_count;
    const uint64_t *outputs;
    uint32_t output_count;
    const struct hg_named_attribute *attributes;
    uint32_t attribute_count;
};

struct hg_execute_prepared_request {
    uint64_t handle;
    const uint64_t *inputs;
    uint32_t input_count;
    const uint64_t *outputs;
    uint32_t output_count;
};

/* What an operand will be: its type, and its shape if that is known. */
struct hg_operand_pattern {
    enum hg_dtype dtype;
    bool has_shape;
    uint8_t rank;
    uint64_t shape[HG_RANK_MAX];
};

struct hg_prepare_request {
    const char *op; /* OP_LENGTH bytes, borrowed until the call returns, as all that follows */
    size_t op_length;
    const struct hg_operand_pattern *operands; /* inputs, then outputs */
    uint32_t operand_count;
    const struct hg_named_attribute *attributes;
    uint32_t attribute_count;
};

struct hg_run_request {
    uint64_t program;
    const uint64_t *buffers; /* slots b0, b1 … */
    uint32_t buffer_count;
    uint64_t rows; /* 0 = 1 */
    uint64_t cols;
    const uint64_t *params; /* k3 … */
    uint32_t param_count;
    uint64_t fuel; /* 0 = the session's bound */
};

struct hg_task;
struct hg_repeat;
/* Called once when a pending task ended, on the thread that ended it (never under a lock). */
typedef void hg_task_done_fn(struct hg_task *task);

/* One piece of work in flight. The caller's storage; it sets the first group, reads the second. */
struct hg_task {
    hg_task_done_fn *done;
    void *context;
    uint64_t deadline_ns; /* hg_clock time; 0 = none */
    bool allow_inline;    /* may run on the calling thread if small */
    bool wants_times; /* measure its stages also in place, for some tens of nanoseconds; of queued
                         work and of builds the times are known anyway */
    struct hg_repeat *repeat; /* filled if the call ran in place and can run again so, until DONE;
                                 NULL: nobody wants it */

    struct hg_error error;  /* error.status: the outcome */
    const struct hg_op *op; /* what ran; NULL: a user's program, or there is no such operation */
    const char *cache;      /* label of the (first) cache asked, static */
    enum hg_cache_outcome outcome;
    uint64_t queue_ns, lookup_ns, build_ns, run_ns;
    uint64_t
        ended_ticks; /* when it ended in place, as hg_clock_ticks; 0 if that was not measured */

    _Atomic bool cancelled; /* relaxed: only a hint that is polled */
    void *work;             /* the engine's own */
    bool is_awaited;        /* the engine's own: the calling thread has nothing else to do */
};

enum hg_submitted { HG_TASK_DONE, HG_TASK_PENDING };

/*
 * Checks, plans and runs an operation. TASK is borrowed until done. If it ran in place or failed
 * early the answer is HG_TASK_DONE (the outcome is in task->error.status and `done` is not called);
 * else HG_TASK_PENDING, and `done` will be called.
 * Statuses: those of hg_op_plan, of the cache, of hg_run_begin and hg_run_finish; NOT_FOUND names
 * the id; PERMISSION_DENIED if an output may not be written or is constant; FAILED_PRECONDITION if
 * a buffer is busy in a conflicting way (an output that any other task uses, or an input that
 * another task writes); RESOURCE_EXHAUSTED if the queue is full.
 */
HG_MUST_CHECK enum hg_submitted hg_session_execute(struct hg_session *session,
                                                   const struct hg_execute_request *request,
                                                   struct hg_task *task);
/* The same for an operation that was prepared; see below. NOT_FOUND names the handle. */
HG_MUST_CHECK enum hg_submitted
hg_session_execute_prepared(struct hg_session *session,
                            const struct hg_execute_prepared_request *request,
                            struct hg_task *task);
/* The same for a user's program. */
HG_MUST_CHECK enum hg_submitted hg_session_run(struct hg_session *session,
                                               const struct hg_run_request *request,
                                               struct hg_task *task);
/* Asks a pending task to stop; it ends with HG_CANCELLED unless it was too late. Any thread. */
void hg_task_cancel(struct hg_task *task);

/* Convenience for in-process users: submits and blocks until the end. */
HG_MUST_CHECK enum hg_status hg_session_execute_wait(struct hg_session *session,
                                                     const struct hg_execute_request *request,
                                                     struct hg_task *task);
HG_MUST_CHECK enum hg_status
hg_session_execute_prepared_wait(struct hg_session *session,
                                 const struct hg_execute_prepared_request *request,
                                 struct hg_task *task);
HG_MUST_CHECK enum hg_status hg_session_run_wait(struct hg_session *session,
                                                 const struct hg_run_request *request,
                                                 struct hg_task *task);

/*
 * Prepares an operation: finds it, checks operand types and attributes and keeps them under HANDLE,
 * which is never 0 and never given twice. With the shape of every operand all of the call is
 * checked, and its programs are built if they are not cached. Executing it with the buffers of one
 * call and then of another skips what has not changed: name, attributes, and for buffers of the
 * same shapes the plan; programs that were evicted meanwhile are built again.
 * Errors: as hg_session_execute; HG_RESOURCE_EXHAUSTED (the session's bound, memory).
 */
HG_MUST_CHECK enum hg_status hg_session_prepare(struct hg_session *session,
                                                const struct hg_prepare_request *request,
                                                uint64_t *handle, struct hg_error *error);
/* Forgets HANDLE; work in flight goes on. NOT_FOUND. */
HG_MUST_CHECK enum hg_status hg_session_unprepare(struct hg_session *session, uint64_t handle,
                                                  struct hg_error *error);

/*
 * Calls that come again. A repeat holds what a call that ran in place had found: buffers, program,
 * parameters. Running that does and says what the same call would, and looks at no more than
 * whether it still would: the same ids are the same buffers, nobody else uses them, and what was
 * prepared is not forgotten. A call gets into one through hg_task.repeat; into the same one comes
 * the same call only: operation, ids and attributes, or handle and ids; or the same run of a graph,
 * by its id or its text, with the same names and ids.
 * Threads: the session's. A repeat is of one session, which may end before it.
 */
HG_MUST_CHECK struct hg_repeat *hg_repeat_create(void); /* NULL: out of memory */
void hg_repeat_destroy(struct hg_repeat **repeat);
/* False: it holds no call, or none any more. */
bool hg_repeat_is_set(const struct hg_repeat *repeat);
/* Of what it holds: the operation, or what the run of a graph says of its outputs (the other is
 * NULL), and the cache that its program is in, a static text. */
const struct hg_op *hg_repeat_op(const struct hg_repeat *repeat);
const struct hg_graph_result *hg_repeat_graph(const struct hg_repeat *repeat);
const char *hg_repeat_cache(const struct hg_repeat *repeat);

enum hg_repeated {
    HG_REPEAT_NOT,   /* nothing happened: the call has to be submitted as ever */
    HG_REPEAT_RAN,   /* a success; it was a hit of the cache */
    HG_REPEAT_FAILED /* it ran, and the error says what came of it, as a task's would */
};
/* *READY_TICKS (NULL: nobody asks) is when it began to run. ERROR is filled by a failure only. */
HG_MUST_CHECK enum hg_repeated hg_session_repeat(struct hg_session *session,
                                                 struct hg_repeat *repeat, uint64_t *ready_ticks,
                                                 struct hg_error *error);

/* Verifies a program's binary and keeps it under ID (programs are shared process-wide by content).
 */
HG_MUST_CHECK enum hg_status hg_session_load(struct hg_session *session, uint64_t id,
                                             const void *binary, size_t size,
                                             struct hg_code_facts *facts, struct hg_error *error);
HG_MUST_CHECK enum hg_status hg_session_unload(struct hg_session *session, uint64_t id,
                                               struct hg_error *error);

/* ---- what it is doing ------------------------------------------------------------------------ */

uint64_t hg_session_id(const struct hg_session *session);
bool hg_session_admin(const struct hg_session *session);

struct hg_engine_stats {
    uint32_t sessions;
    uint64_t buffers;
    uint64_t buffer_bytes;
    uint32_t workers;
    uint32_t queue_depth;
    uint64_t worker_progress;
    uint32_t active_jobs;
    uint64_t precompiled; /* of the caches' builds, those that were there from the start */
    uint64_t warmed;      /* programs found or built by restoring and warming */
    bool is_warming;      /* that is going on */
    struct hg_pool_stats pool;
    const char *executor;
    const char *isa_level;
    const char *native;                      /* the level that code is emitted for, or "off" */
    uint64_t native_bytes, native_bytes_max; /* of code, in the whole process */
    uint64_t native_emitted;                 /* pieces of code put there so far */
    uint64_t native_refused;                 /* … for which there was no room */
};
void hg_engine_stats(const struct hg_engine *engine, struct hg_engine_stats *stats);
void hg_engine_cache_stats(const struct hg_engine *engine, enum hg_cache_id cache,
                           struct hg_cache_region_stats *stats);

/* Operands of products that were packed once because their buffers are constant. */
struct hg_packed_stats {
    uint64_t entries;
    uint64_t bytes;
    uint64_t bytes_max;
    uint64_t hits;   /* launches that had them */
    uint64_t builds; /* packed */
    uint64_t evictions;
};
void hg_engine_packed_stats(struct hg_engine *engine, struct hg_packed_stats *stats);
/* Drops every cached program, and what was packed; gives the number of programs. */
uint64_t hg_engine_cache_flush(struct hg_engine *engine);

/* ---- keeping the cache warm ------------------------------------------------------------------ */

/*
 * The keys of what is cached, hottest first, with their hits, as a key file (keyfile.h): for a
 * later process, and for `make PROFILE=`. Keys that mean nothing elsewhere (users' programs, baked
 * handles) are left out. Free with hg_engine_profile_free. Errors: HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_engine_profile(struct hg_engine *engine, uint8_t **bytes,
                                               size_t *size, struct hg_error *error);
void hg_engine_profile_free(uint8_t *bytes);
/*
 * Puts the profile into the file at PATH, at once and durably: whatever happens, the old file or
 * the new one is there. For one thread at a time; takes as long as the disk does. Errors:
 * HG_FAILED_PRECONDITION (restoring is not over), HG_RESOURCE_EXHAUSTED (memory, a full disk),
 * HG_UNAVAILABLE (what the system says). All of them leave the old file and harm nothing.
 */
HG_MUST_CHECK enum hg_status hg_engine_cache_save(struct hg_engine *engine, const char *path,
                                                  struct hg_error *error);
/*
 * Begins to build the programs of the file at PATH on a worker, and returns: reading it is done
 * there too. A file that is damaged, of another version or no key file is ignored with one line in
 * the log, one that is not there without. Call it once, at the start. Errors:
 * HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_engine_cache_restore(struct hg_engine *engine, const char *path,
                                                     struct hg_error *error);
/* The same for the bytes of a key file, checked before it returns (and copied). Errors:
 * HG_INVALID_ARGUMENT, HG_DATA_LOSS, HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_engine_cache_warm(struct hg_engine *engine, const uint8_t *bytes,
                                                  size_t size, struct hg_error *error);

#include "lib/engine/graphs.h"

#pragma GCC visibility pop

#endif
