/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/handlers.h"

#include "daemon/handler.h"
#include "lib/base/check.h"

struct handler {
    hg_handler_fn *run;
    hg_ended_fn *ended; /* of kinds that may be PENDING */
};

/* Cancel is not here: it does not wait for its turn, so dispatch answers it. */
static const struct handler handlers[HG_REQUEST_KIND_COUNT] = {
    [HG_REQUEST_HELLO] = {hg_handle_hello, NULL},
    [HG_REQUEST_ALLOC] = {hg_handle_alloc, NULL},
    [HG_REQUEST_FREE] = {hg_handle_free, NULL},
    [HG_REQUEST_FREEZE] = {hg_handle_freeze, NULL},
    [HG_REQUEST_WRITE] = {hg_handle_write, NULL},
    [HG_REQUEST_READ] = {hg_handle_read, NULL},
    [HG_REQUEST_EXECUTE] = {hg_handle_execute, hg_handle_execute_ended},
    [HG_REQUEST_BATCH] = {hg_handle_batch, hg_handle_batch_ended},
    [HG_REQUEST_LOAD_PROGRAM] = {hg_handle_load, NULL},
    [HG_REQUEST_UNLOAD_PROGRAM] = {hg_handle_unload, NULL},
    [HG_REQUEST_RUN_PROGRAM] = {hg_handle_execute, hg_handle_execute_ended},
    [HG_REQUEST_PUBLISH] = {hg_handle_publish, NULL},
    [HG_REQUEST_UNPUBLISH] = {hg_handle_unpublish, NULL},
    [HG_REQUEST_OPEN] = {hg_handle_open, NULL},
    [HG_REQUEST_STATS] = {hg_handle_stats, NULL},
    [HG_REQUEST_LIST_OPS] = {hg_handle_list_ops, NULL},
    [HG_REQUEST_LIST_BUFFERS] = {hg_handle_list_buffers, NULL},
    [HG_REQUEST_PING] = {hg_handle_ping, NULL},
    [HG_REQUEST_EXPECT_DESCRIPTORS] = {hg_handle_expect, NULL},
    [HG_REQUEST_ADOPT] = {hg_handle_adopt, NULL},
    [HG_REQUEST_PREPARE] = {hg_handle_prepare, NULL},
    [HG_REQUEST_EXECUTE_PREPARED] = {hg_handle_execute, hg_handle_execute_ended},
    [HG_REQUEST_UNPREPARE] = {hg_handle_unprepare, NULL},
    [HG_REQUEST_CACHE_PROFILE] = {hg_handle_cache_profile, hg_handle_cache_ended},
    [HG_REQUEST_CACHE_WARM] = {hg_handle_cache_warm, hg_handle_cache_ended},
    [HG_REQUEST_CACHE_LIST] = {hg_handle_cache_list, hg_handle_cache_ended},
    [HG_REQUEST_CACHE_TOP] = {hg_handle_cache_top, hg_handle_cache_ended},
    [HG_REQUEST_CACHE_SHOW] = {hg_handle_cache_show, hg_handle_cache_ended},
    [HG_REQUEST_CACHE_FLUSH] = {hg_handle_cache_flush, hg_handle_cache_ended},
    [HG_REQUEST_CACHE_PIN] = {hg_handle_cache_pin, hg_handle_cache_ended},
    [HG_REQUEST_CACHE_WHAT_IF] = {hg_handle_cache_what_if, hg_handle_cache_ended},
    [HG_REQUEST_LOAD_GRAPH] = {hg_handle_load_graph, NULL},
    [HG_REQUEST_UNLOAD_GRAPH] = {hg_handle_unload_graph, NULL},
    [HG_REQUEST_RUN_GRAPH] = {hg_handle_execute, hg_handle_execute_ended},
    [HG_REQUEST_EVAL] = {hg_handle_execute, hg_handle_execute_ended},
    [HG_REQUEST_EXPLAIN_GRAPH] = {hg_handle_explain_graph, hg_handle_explain_graph_ended},
    [HG_REQUEST_SAVE_GRAPH] = {hg_handle_save_graph, NULL},
    [HG_REQUEST_OPEN_GRAPH] = {hg_handle_open_graph, NULL},
    [HG_REQUEST_REMOVE_GRAPH] = {hg_handle_remove_graph, NULL},
    [HG_REQUEST_LIST_GRAPHS] = {hg_handle_list_graphs, NULL},
};

enum hg_handled hg_handle(struct hg_request *request)
{
    struct hg_reply *reply = &request->reply;
    const struct hg_step *step = &request->message.step;
    reply->kind = HG_REQUEST_NONE;
    reply->error.status = HG_OK;
    reply->error.detail = NULL;
    reply->error.message[0] = '\0';
    HG_REQUIRE(handlers[step->kind].run != NULL);
    return handlers[step->kind].run(request, step);
}

enum hg_handled hg_handle_ended(struct hg_request *request)
{
    const enum hg_request_kind kind = request->message.step.kind;
    HG_REQUIRE(handlers[kind].ended != NULL);
    return handlers[kind].ended(request);
}

void hg_handle_give_up(struct hg_request *request)
{
    request->reply.kind = HG_REQUEST_NONE;
    if (request->message.step.kind == HG_REQUEST_BATCH) {
        hg_handle_batch_give_up(request);
    }
}
