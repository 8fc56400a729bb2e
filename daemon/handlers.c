/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/handlers.h"

#include <string.h>

#include "daemon/foreign.h"
#include "daemon/server.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

static enum hg_handled done(void)
{
    return HG_HANDLED_DONE;
}

/* The engine says FAILED_PRECONDITION for exactly one reason: a buffer in use. */
static enum hg_handled done_or_busy(enum hg_status status)
{
    return status == HG_FAILED_PRECONDITION ? HG_HANDLED_BUSY : HG_HANDLED_DONE;
}

static enum hg_handled fail(struct hg_request *request, enum hg_status status, const char *reason)
{
    (void)hg_fail(&request->reply.error, status, "%s", reason);
    return HG_HANDLED_DONE;
}

/* Runs on whatever thread ended the task. */
static void task_done_cb(struct hg_task *task)
{
    struct hg_request *request = task->context;
    hg_completion_push(&request->client->server->completions, request);
}

static void prepare_task(struct hg_request *request)
{
    struct hg_task *task = &request->task;
    task->done = task_done_cb;
    task->context = request;
    task->deadline_ns = request->deadline_ns;
    /* A long batch leaves the loop to others: what is over the turn goes to the workers. */
    task->allow_inline =
        request->steps_done == 0 || hg_client_look(request->client) < request->client->turn_end_ns;
    task->wants_times = true;
    task->error.status = HG_OK;
    task->error.detail = NULL;
    task->error.message[0] = '\0';
    task->cache = NULL;
    task->outcome = HG_CACHE_HIT;
    task->queue_ns = task->lookup_ns = task->build_ns = task->run_ns = 0;
    /* Relaxed: nobody else knows the task yet. */
    atomic_store_explicit(&task->cancelled, false, memory_order_relaxed);
}

static unsigned operation_row(const struct hg_execute_request *execute)
{
    const struct hg_op *op = hg_op_find(execute->op, execute->op_length);
    return op != NULL ? (unsigned)(op - hg_op_info((enum hg_op_id)0)) : HG_OP_ID_UNKNOWN;
}

/* Counts an operation, in a batch or alone, by what became of it. */
static void count_operation(struct hg_request *request, const struct hg_step *step)
{
    struct hg_metrics *metrics = &request->client->server->metrics;
    const struct hg_task *task = &request->task;
    unsigned row = HG_OP_ID_UNKNOWN;
    if (step->kind == HG_REQUEST_EXECUTE) {
        row = operation_row(&step->execute);
    }
    hg_counter_add_alone(&metrics->operations[row][task->error.status], 1);
    hg_histogram_observe_alone(&metrics->stages[HG_STAGE_LOOKUP], task->lookup_ns);
    hg_histogram_observe_alone(&metrics->stages[HG_STAGE_RUN], task->run_ns);
    if (task->build_ns != 0) {
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_BUILD], task->build_ns);
    }
    if (task->queue_ns != 0) {
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_QUEUE], task->queue_ns);
    }
}

/* The outcome of the task becomes that of the request. */
static enum hg_handled end_task(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_task *task = &request->task;
    if (task->error.status == HG_FAILED_PRECONDITION) {
        request->reply.error = task->error;
        return HG_HANDLED_BUSY;
    }
    count_operation(request, step);
    if (task->error.status != HG_OK) {
        request->reply.error = task->error;
    }
    return HG_HANDLED_DONE;
}

static void reply_execute(struct hg_request *request)
{
    const struct hg_task *task = &request->task;
    if (request->reply.error.status != HG_OK) {
        return;
    }
    request->reply.kind = HG_REQUEST_EXECUTE;
    request->reply.execute = (struct hg_execute_reply){
        .cache = task->cache,
        .outcome = task->cache != NULL ? hg_cache_outcome_name(task->outcome) : NULL,
        .queue_ns = task->queue_ns,
        .lookup_ns = task->lookup_ns,
        .build_ns = task->build_ns,
        .run_ns = task->run_ns,
    };
}

static enum hg_submitted submit(struct hg_session *session, const struct hg_step *step,
                                struct hg_task *task)
{
    switch (step->kind) {
    case HG_REQUEST_EXECUTE:
        return hg_session_execute(session, &step->execute, task);
    case HG_REQUEST_EXECUTE_PREPARED:
        return hg_session_execute_prepared(session, &step->execute_prepared, task);
    default:
        return hg_session_run(session, &step->run, task);
    }
}

/* Submits an execute, execute_prepared or run_program step. */
static enum hg_handled submit_task(struct hg_request *request, const struct hg_step *step)
{
    prepare_task(request);
    if (submit(request->client->session, step, &request->task) == HG_TASK_PENDING) {
        return HG_HANDLED_PENDING;
    }
    return end_task(request, step);
}

static enum hg_handled handle_execute(struct hg_request *request, const struct hg_step *step)
{
    const enum hg_handled handled = submit_task(request, step);
    if (handled == HG_HANDLED_DONE) {
        reply_execute(request);
    }
    return handled;
}

/* The reply describes buffer ID, which is new: its descriptor, if it has one, goes with it. */
static void reply_buffer(struct hg_request *request, enum hg_request_kind kind, uint64_t id)
{
    struct hg_client *client = request->client;
    struct hg_reply *reply = &request->reply;
    struct hg_error unheard = HG_ERROR_INIT;
    if (reply->buffer.spec.pool == HG_POOL_SHARED && client->transport->passes_descriptors &&
        hg_session_descriptor(client->session, id, &request->passing, &reply->error) != HG_OK) {
        (void)!hg_session_free(client->session, id, &unheard);
        return;
    }
    reply->kind = kind;
    reply->descriptor = request->passing.fd >= 0;
}

static enum hg_handled handle_alloc(struct hg_request *request, const struct hg_step *step)
{
    struct hg_client *client = request->client;
    if (step->alloc.spec.pool == HG_POOL_SHARED && !client->transport->passes_descriptors) {
        return fail(request, HG_UNIMPLEMENTED,
                    "alloc: pool: SHARED needs the native protocol, which passes descriptors");
    }
    if (hg_session_alloc(client->session, step->alloc.id, &step->alloc.spec, &request->reply.buffer,
                         &request->reply.error) == HG_OK) {
        reply_buffer(request, HG_REQUEST_ALLOC, step->alloc.id);
    }
    return done();
}

static enum hg_handled handle_expect(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    if (!request->client->transport->passes_descriptors) {
        return fail(request, HG_UNIMPLEMENTED,
                    "expect_descriptors: only the native protocol passes descriptors");
    }
    request->client->takes_descriptors = true;
    return done();
}

static enum hg_handled handle_adopt(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    const int fd = request->adopted_fd;
    if (fd < 0) {
        return fail(request, HG_INVALID_ARGUMENT,
                    "adopt: expected a descriptor with the request, got none (expect_descriptors "
                    "has to be answered first)");
    }
    if (!hg_foreign_is_memory(fd)) {
        return fail(request, HG_INVALID_ARGUMENT,
                    "adopt: expected a memfd, got a descriptor of another kind");
    }
    request->adopted_fd = -1; /* the engine takes it */
    if (hg_session_adopt(request->client->session, step->alloc.id, &step->alloc.spec, fd,
                         &reply->buffer, &reply->error) == HG_OK) {
        reply->kind = HG_REQUEST_ALLOC;
    }
    return done();
}

static enum hg_handled handle_free(struct hg_request *request, const struct hg_step *step)
{
    for (size_t i = 0; i < step->free.count; i++) {
        if (hg_session_free(request->client->session, step->free.ids[i], &request->reply.error) !=
            HG_OK) {
            break;
        }
    }
    return done();
}

/* A write whose bytes came inside the message. */
static enum hg_handled handle_write(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_write_args *write = &step->write;
    return done_or_busy(hg_session_write(request->client->session, write->id, write->offset,
                                         write->data.data, write->data.size,
                                         &request->reply.error));
}

static enum hg_handled handle_read(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_read_args *read = &step->read;
    struct hg_client *client = request->client;
    struct hg_buffer_info info;
    const enum hg_status status =
        hg_session_view(client->session, read->id, read->offset, read->length, false,
                        &request->view, &info, &request->reply.error);
    if (status != HG_OK) {
        return done_or_busy(status);
    }
    if (request->view.length > client->payload_bytes_max) {
        (void)hg_fail(&request->reply.error, HG_OUT_OF_RANGE,
                      "read: length: expected at most %llu bytes, got %llu",
                      (unsigned long long)client->payload_bytes_max,
                      (unsigned long long)request->view.length);
        hg_view_release(&request->view);
        return done();
    }
    request->view_held = true;
    client->views++;
    request->reply.kind = HG_REQUEST_READ;
    request->reply.read = (struct hg_read_reply){.length = request->view.length, .spec = info.spec};
    return done();
}

/* One step of a batch. Fails without touching the request's own reply. */
static enum hg_handled handle_step(struct hg_request *request, const struct hg_step *step)
{
    switch (step->kind) {
    case HG_REQUEST_EXECUTE:
    case HG_REQUEST_EXECUTE_PREPARED:
    case HG_REQUEST_RUN_PROGRAM:
        return submit_task(request, step);
    case HG_REQUEST_ALLOC: {
        if (step->alloc.spec.pool == HG_POOL_SHARED) {
            return fail(request, HG_INVALID_ARGUMENT,
                        "alloc: pool: SHARED is no step of a batch: its descriptor needs an answer "
                        "of its own");
        }
        const enum hg_handled handled = handle_alloc(request, step);
        request->reply.kind = HG_REQUEST_NONE;
        return handled;
    }
    case HG_REQUEST_FREE:
        return handle_free(request, step);
    default:
        return handle_write(request, step);
    }
}

/* Why the next step of a batch must not start: cancelled, or too late. */
static bool batch_is_over(struct hg_request *request)
{
    if (request->cancelled) {
        (void)hg_fail(&request->reply.error, HG_CANCELLED, "cancelled");
    } else if (request->deadline_ns != 0 &&
               hg_client_look(request->client) >= request->deadline_ns) {
        (void)hg_fail(&request->reply.error, HG_DEADLINE_EXCEEDED, "deadline passed");
    }
    return request->reply.error.status != HG_OK;
}

/* The reply of a batch: its status is that of the failed step, named in the text and, bare, in the
 * body. */
static enum hg_handled end_batch(struct hg_request *request)
{
    struct hg_reply *reply = &request->reply;
    const uint32_t completed = request->steps_done;
    reply->kind = HG_REQUEST_BATCH;
    reply->batch.completed = completed;
    reply->batch.failed = reply->error;
    if (reply->error.status != HG_OK) {
        (void)hg_error_prefix(&reply->error, "batch: step %u", completed);
    }
    return done();
}

static enum hg_handled run_batch(struct hg_request *request)
{
    const struct hg_batch_args *batch = &request->message.step.batch;
    while (request->steps_done < batch->count && !batch_is_over(request)) {
        const enum hg_handled handled = handle_step(request, &batch->steps[request->steps_done]);
        if (handled != HG_HANDLED_DONE) {
            return handled;
        }
        if (request->reply.error.status != HG_OK) {
            break;
        }
        request->steps_done++;
    }
    return end_batch(request);
}

static enum hg_handled handle_batch(struct hg_request *request, const struct hg_step *step)
{
    if (step->batch.count > request->client->batch_steps_max) {
        (void)hg_fail(&request->reply.error, HG_INVALID_ARGUMENT,
                      "batch: steps: expected at most %u, got %u", request->client->batch_steps_max,
                      step->batch.count);
        return done();
    }
    return run_batch(request);
}

static enum hg_handled handle_load(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    if (hg_session_load(request->client->session, step->load.id, step->load.binary.data,
                        step->load.binary.size, &reply->facts, &reply->error) == HG_OK) {
        reply->kind = HG_REQUEST_LOAD_PROGRAM;
    }
    return done();
}

static enum hg_handled handle_unload(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_unload(request->client->session, step->id, &request->reply.error);
    return done();
}

static enum hg_handled handle_prepare(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    uint64_t handle;
    if (hg_session_prepare(request->client->session, &step->prepare, &handle, &reply->error) ==
        HG_OK) {
        reply->kind = HG_REQUEST_PREPARE;
        reply->handle = handle;
    }
    return done();
}

static enum hg_handled handle_unprepare(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_unprepare(request->client->session, step->handle, &request->reply.error);
    return done();
}

static enum hg_handled handle_publish(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_publish_args *publish = &step->publish;
    const gid_t gid = publish->has_gid ? publish->gid : request->client->identity.gid;
    (void)!hg_session_publish(request->client->session, publish->id, publish->name, publish->mode,
                              gid, &request->reply.error);
    return done();
}

static enum hg_handled handle_unpublish(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_unpublish(request->client->session, step->unpublish_name,
                                &request->reply.error);
    return done();
}

static enum hg_handled handle_open(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    if (hg_session_open(request->client->session, step->open.name, step->open.id,
                        step->open.writable, &reply->buffer, &reply->error) == HG_OK) {
        reply_buffer(request, HG_REQUEST_OPEN, step->open.id);
    }
    return done();
}

static enum hg_handled handle_stats(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    struct hg_stats_reply *stats = hg_arena_alloc(&request->arena, sizeof(*stats));
    if (stats == NULL) {
        return fail(request, HG_RESOURCE_EXHAUSTED, "stats: out of memory");
    }
    hg_server_stats(request->client->server, stats);
    request->reply.kind = HG_REQUEST_STATS;
    request->reply.stats = stats;
    return done();
}

/* What an answer holds besides the key file: generously. */
#define PROFILE_ROOM 64

static enum hg_status check_admin(struct hg_request *request)
{
    if (request->client->identity.admin) {
        return HG_OK;
    }
    return hg_fail(&request->reply.error, HG_PERMISSION_DENIED, "%s is for administrators",
                   hg_request_kind_name(request->message.step.kind));
}

static enum hg_handled reply_profile(struct hg_request *request, const uint8_t *bytes, size_t size)
{
    struct hg_reply *reply = &request->reply;
    const uint64_t max = request->client->message_bytes_max - PROFILE_ROOM;
    if (size > max) {
        (void)hg_fail(&reply->error, HG_OUT_OF_RANGE,
                      "cache_profile: expected at most %llu bytes in one message, got %zu",
                      (unsigned long long)max, size);
        return done();
    }
    uint8_t *copy = hg_arena_alloc(&request->arena, size);
    if (copy == NULL) {
        return fail(request, HG_RESOURCE_EXHAUSTED, "cache_profile: out of memory");
    }
    memcpy(copy, bytes, size);
    reply->kind = HG_REQUEST_CACHE_PROFILE;
    reply->key_file = (struct hg_bytes){copy, size};
    return done();
}

static enum hg_handled handle_cache_profile(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    uint8_t *bytes;
    size_t size;
    if (check_admin(request) != HG_OK || hg_engine_profile(request->client->server->engine, &bytes,
                                                           &size, &request->reply.error) != HG_OK) {
        return done();
    }
    const enum hg_handled handled = reply_profile(request, bytes, size);
    hg_engine_profile_free(bytes);
    return handled;
}

static enum hg_handled handle_cache_warm(struct hg_request *request, const struct hg_step *step)
{
    if (check_admin(request) == HG_OK) {
        (void)!hg_engine_cache_warm(request->client->server->engine, step->key_file.data,
                                    step->key_file.size, &request->reply.error);
    }
    return done();
}

static enum hg_handled handle_list_ops(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    request->reply.kind = HG_REQUEST_LIST_OPS;
    return done();
}

/* Collects buffers up to the bound; the first pass, without storage, counts. */
struct collect {
    struct hg_buffer_info *buffers;
    uint32_t count;
    uint32_t capacity;
    bool truncated;
};

static void collect_cb(const struct hg_buffer_info *info, void *context)
{
    struct collect *collect = context;
    if (collect->count == collect->capacity) {
        collect->truncated = true;
        return;
    }
    if (collect->buffers != NULL) {
        collect->buffers[collect->count] = *info;
    }
    collect->count++;
}

static enum hg_status visit_buffers(struct hg_session *session, const struct hg_list_args *list,
                                    struct collect *collect, struct hg_error *error)
{
    if (list->all_sessions) {
        return hg_session_list_all(session, collect_cb, collect, error);
    }
    if (list->named) {
        hg_session_list_named(session, collect_cb, collect);
    } else {
        hg_session_list(session, collect_cb, collect);
    }
    return HG_OK;
}

static enum hg_handled handle_list_buffers(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    struct hg_session *session = request->client->session;
    struct collect counted = {.capacity = HG_LISTED_BUFFERS_MAX};
    if (visit_buffers(session, &step->list, &counted, &reply->error) != HG_OK) {
        return done();
    }
    struct collect kept = {.capacity = counted.count, .truncated = counted.truncated};
    kept.buffers = hg_arena_alloc(&request->arena, counted.count * sizeof(*kept.buffers) + 1);
    if (kept.buffers == NULL) {
        return fail(request, HG_RESOURCE_EXHAUSTED, "list_buffers: out of memory");
    }
    if (visit_buffers(session, &step->list, &kept, &reply->error) == HG_OK) {
        reply->kind = HG_REQUEST_LIST_BUFFERS;
        reply->list = (struct hg_list_reply){kept.buffers, kept.count, kept.truncated};
    }
    return done();
}

static void fill_hello(const struct hg_client *client, struct hg_hello_reply *hello)
{
    const struct hg_config *config = &client->server->config;
    *hello = (struct hg_hello_reply){
        .version = HG_PROTOCOL_VERSION_MAX,
        .session_id = hg_session_id(client->session),
        .admin = client->identity.admin,
        .message_bytes_max = client->message_bytes_max,
        .payload_bytes_max = client->payload_bytes_max,
        .requests_in_flight_max = client->in_flight_max,
        .buffers_max = (uint32_t)config->limits_buffers_max,
        .memory_bytes_max = config->limits_memory_bytes_max,
        .boundary_classes_max = (uint32_t)config->limits_boundary_classes_max,
        .batch_steps_max = client->batch_steps_max,
        .streams_max = client->in_flight_max,
    };
}

static void take_name(struct hg_client *client, const char *name)
{
    const size_t length = strnlen(name, HG_CLIENT_NAME_MAX);
    memcpy(client->name, name, length);
    client->name[length] = '\0';
}

static enum hg_handled handle_hello(struct hg_request *request, const struct hg_step *step)
{
    struct hg_client *client = request->client;
    struct hg_reply *reply = &request->reply;
    const struct hg_hello *hello = &step->hello;
    if (client->state != HG_CLIENT_NEW) {
        return fail(request, HG_INVALID_ARGUMENT, "hello: expected once, as the first request");
    }
    if (hello->version_min > HG_PROTOCOL_VERSION_MAX ||
        hello->version_max < HG_PROTOCOL_VERSION_MIN) {
        client->hang_up = true;
        (void)hg_fail(&reply->error, HG_UNIMPLEMENTED,
                      "hello: unknown protocol version: expected %d to %d among those offered, "
                      "got %u to %u",
                      HG_PROTOCOL_VERSION_MIN, HG_PROTOCOL_VERSION_MAX, hello->version_min,
                      hello->version_max);
        return done();
    }
    take_name(client, hello->client_name);
    if (hg_client_open(client, &reply->error) != HG_OK) {
        client->hang_up = true;
        return done();
    }
    HG_LOG_DEBUG(SESSION, "client said hello", HG_U64("session", hg_session_id(client->session)),
                 HG_STR("name", client->name), HG_U64("uid", client->identity.uid),
                 HG_I64("pid", client->identity.pid));
    reply->kind = HG_REQUEST_HELLO;
    fill_hello(client, &reply->hello);
    return done();
}

static enum hg_handled handle_ping(struct hg_request *request, const struct hg_step *step)
{
    (void)request;
    (void)step;
    return done();
}

typedef enum hg_handled handler_fn(struct hg_request *request, const struct hg_step *step);

/* Cancel is not here: it does not wait for its turn, so dispatch answers it. */
static handler_fn *const handlers[HG_REQUEST_KIND_COUNT] = {
    [HG_REQUEST_HELLO] = handle_hello,
    [HG_REQUEST_ALLOC] = handle_alloc,
    [HG_REQUEST_FREE] = handle_free,
    [HG_REQUEST_WRITE] = handle_write,
    [HG_REQUEST_READ] = handle_read,
    [HG_REQUEST_EXECUTE] = handle_execute,
    [HG_REQUEST_BATCH] = handle_batch,
    [HG_REQUEST_LOAD_PROGRAM] = handle_load,
    [HG_REQUEST_UNLOAD_PROGRAM] = handle_unload,
    [HG_REQUEST_RUN_PROGRAM] = handle_execute,
    [HG_REQUEST_PUBLISH] = handle_publish,
    [HG_REQUEST_UNPUBLISH] = handle_unpublish,
    [HG_REQUEST_OPEN] = handle_open,
    [HG_REQUEST_STATS] = handle_stats,
    [HG_REQUEST_LIST_OPS] = handle_list_ops,
    [HG_REQUEST_LIST_BUFFERS] = handle_list_buffers,
    [HG_REQUEST_PING] = handle_ping,
    [HG_REQUEST_EXPECT_DESCRIPTORS] = handle_expect,
    [HG_REQUEST_ADOPT] = handle_adopt,
    [HG_REQUEST_PREPARE] = handle_prepare,
    [HG_REQUEST_EXECUTE_PREPARED] = handle_execute,
    [HG_REQUEST_UNPREPARE] = handle_unprepare,
    [HG_REQUEST_CACHE_PROFILE] = handle_cache_profile,
    [HG_REQUEST_CACHE_WARM] = handle_cache_warm,
};

enum hg_handled hg_handle(struct hg_request *request)
{
    struct hg_reply *reply = &request->reply;
    const struct hg_step *step = &request->message.step;
    reply->kind = HG_REQUEST_NONE;
    reply->error.status = HG_OK;
    reply->error.detail = NULL;
    reply->error.message[0] = '\0';
    HG_REQUIRE(handlers[step->kind] != NULL);
    return handlers[step->kind](request, step);
}

enum hg_handled hg_handle_ended(struct hg_request *request)
{
    const struct hg_step *step = &request->message.step;
    struct hg_reply *reply = &request->reply;
    reply->kind = HG_REQUEST_NONE;
    reply->error.status = HG_OK;
    if (step->kind != HG_REQUEST_BATCH) {
        const enum hg_handled handled = end_task(request, step);
        if (handled == HG_HANDLED_DONE) {
            reply_execute(request);
        }
        return handled;
    }
    const enum hg_handled handled = end_task(request, &step->batch.steps[request->steps_done]);
    if (handled != HG_HANDLED_DONE) {
        return handled;
    }
    if (reply->error.status != HG_OK) {
        return end_batch(request);
    }
    request->steps_done++;
    return run_batch(request);
}

void hg_handle_give_up(struct hg_request *request)
{
    request->reply.kind = HG_REQUEST_NONE;
    if (request->message.step.kind == HG_REQUEST_BATCH) {
        (void)end_batch(request);
    }
}
