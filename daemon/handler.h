/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of handlers share: one function for each kind of request, and how they end.
 *
 * Threads: the loop's.
 */
#ifndef HG_DAEMON_HANDLER_H
#define HG_DAEMON_HANDLER_H

#include "daemon/handlers.h"

/* Does what STEP says, which is the request's own. The reply is cleared. */
typedef enum hg_handled hg_handler_fn(struct hg_request *request, const struct hg_step *step);
/* The work that a PENDING request waited for has ended. */
typedef enum hg_handled hg_ended_fn(struct hg_request *request);

static inline enum hg_handled hg_handled_done(void)
{
    return HG_HANDLED_DONE;
}

/* The engine says FAILED_PRECONDITION for exactly one reason: a buffer in use. */
static inline enum hg_handled hg_handled_done_or_busy(enum hg_status status)
{
    return status == HG_FAILED_PRECONDITION ? HG_HANDLED_BUSY : HG_HANDLED_DONE;
}

static inline enum hg_handled hg_handled_fail(struct hg_request *request, enum hg_status status,
                                              const char *reason)
{
    (void)hg_fail(&request->reply.error, status, "%s", reason);
    return HG_HANDLED_DONE;
}

/* ---- handlers_server.c ----------------------------------------------------------------------- */

hg_handler_fn hg_handle_hello;
hg_handler_fn hg_handle_ping;
hg_handler_fn hg_handle_stats;
hg_handler_fn hg_handle_list_ops;

/* ---- handlers_buffer.c ----------------------------------------------------------------------- */

hg_handler_fn hg_handle_alloc;
hg_handler_fn hg_handle_expect;
hg_handler_fn hg_handle_adopt;
hg_handler_fn hg_handle_free;
hg_handler_fn hg_handle_freeze;
hg_handler_fn hg_handle_write;
hg_handler_fn hg_handle_read;
hg_handler_fn hg_handle_publish;
hg_handler_fn hg_handle_unpublish;
hg_handler_fn hg_handle_open;
hg_handler_fn hg_handle_list_buffers;

/* ---- handlers_work.c ------------------------------------------------------------------------- */

/* Execute, execute_prepared, run_program, run_graph, eval. */
hg_handler_fn hg_handle_execute;
hg_ended_fn hg_handle_execute_ended;
hg_handler_fn hg_handle_batch;
hg_ended_fn hg_handle_batch_ended;
/* A batch that nothing may wait for any longer: its reply. */
void hg_handle_batch_give_up(struct hg_request *request);
hg_handler_fn hg_handle_load;
hg_handler_fn hg_handle_unload;
hg_handler_fn hg_handle_prepare;
hg_handler_fn hg_handle_unprepare;

/* ---- handlers_graph.c ------------------------------------------------------------------------ */

hg_handler_fn hg_handle_load_graph;
hg_handler_fn hg_handle_unload_graph;
hg_handler_fn hg_handle_explain_graph;
hg_ended_fn hg_handle_explain_graph_ended;
hg_handler_fn hg_handle_save_graph;
hg_handler_fn hg_handle_open_graph;
hg_handler_fn hg_handle_remove_graph;
hg_handler_fn hg_handle_list_graphs;
/* Of run_graph and eval, which handlers_work.c runs: submits the task, which is prepared, and says
 * how it went. */
enum hg_submitted hg_handle_graph_submit(struct hg_request *request, const struct hg_step *step);
void hg_handle_graph_reply(struct hg_request *request, const struct hg_execute_reply *execute);

/* ---- handlers_cache.c ------------------------------------------------------------------------ */

hg_handler_fn hg_handle_cache_list;
hg_handler_fn hg_handle_cache_top;
hg_handler_fn hg_handle_cache_show;
hg_handler_fn hg_handle_cache_what_if;
hg_handler_fn hg_handle_cache_flush;
hg_handler_fn hg_handle_cache_pin;
hg_handler_fn hg_handle_cache_profile;
hg_handler_fn hg_handle_cache_warm;
/* Of all of these. */
hg_ended_fn hg_handle_cache_ended;

#endif
