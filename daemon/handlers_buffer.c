/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: their life, their bytes, their names. */
#include <string.h>

#include "daemon/foreign.h"
#include "daemon/handler.h"

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

enum hg_handled hg_handle_alloc(struct hg_request *request, const struct hg_step *step)
{
    struct hg_client *client = request->client;
    if (step->alloc.spec.pool == HG_POOL_SHARED && !client->transport->passes_descriptors) {
        return hg_handled_fail(
            request, HG_UNIMPLEMENTED,
            "alloc: pool: SHARED needs the native protocol, which passes descriptors");
    }
    if (hg_session_alloc(client->session, step->alloc.id, &step->alloc.spec, &request->reply.buffer,
                         &request->reply.error) == HG_OK) {
        reply_buffer(request, HG_REQUEST_ALLOC, step->alloc.id);
    }
    return hg_handled_done();
}

enum hg_handled hg_handle_expect(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    if (!request->client->transport->passes_descriptors) {
        return hg_handled_fail(request, HG_UNIMPLEMENTED,
                               "expect_descriptors: only the native protocol passes descriptors");
    }
    request->client->takes_descriptors = true;
    return hg_handled_done();
}

enum hg_handled hg_handle_adopt(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    const int fd = request->adopted_fd;
    if (!request->client->transport->passes_descriptors) {
        return hg_handled_fail(request, HG_UNIMPLEMENTED,
                               "adopt: only the native protocol passes descriptors");
    }
    if (fd < 0) {
        return hg_handled_fail(
            request, HG_INVALID_ARGUMENT,
            "adopt: expected a descriptor with the request, got none (expect_descriptors "
            "has to be answered first)");
    }
    if (!hg_foreign_is_memory(fd)) {
        return hg_handled_fail(request, HG_INVALID_ARGUMENT,
                               "adopt: expected a memfd, got a descriptor of another kind");
    }
    request->adopted_fd = -1; /* the engine takes it */
    if (hg_session_adopt(request->client->session, step->alloc.id, &step->alloc.spec, fd,
                         &reply->buffer, &reply->error) == HG_OK) {
        reply->kind = HG_REQUEST_ALLOC;
    }
    return hg_handled_done();
}

enum hg_handled hg_handle_free(struct hg_request *request, const struct hg_step *step)
{
    for (size_t i = 0; i < step->free.count; i++) {
        if (hg_session_free(request->client->session, step->free.ids[i], &request->reply.error) !=
            HG_OK) {
            break;
        }
    }
    return hg_handled_done();
}

/* Waiting for one that is being written begins again at the first: freezing twice does no harm. */
enum hg_handled hg_handle_freeze(struct hg_request *request, const struct hg_step *step)
{
    enum hg_status status = HG_OK;
    for (size_t i = 0; i < step->free.count && status == HG_OK; i++) {
        status =
            hg_session_freeze(request->client->session, step->free.ids[i], &request->reply.error);
    }
    return hg_handled_done_or_busy(status);
}

/* A write whose bytes came inside the message. */
enum hg_handled hg_handle_write(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_write_args *write = &step->write;
    return hg_handled_done_or_busy(hg_session_write(request->client->session, write->id,
                                                    write->offset, write->data.data,
                                                    write->data.size, &request->reply.error));
}

enum hg_handled hg_handle_read(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_read_args *read = &step->read;
    struct hg_client *client = request->client;
    struct hg_buffer_info info;
    const enum hg_status status =
        hg_session_view(client->session, read->id, read->offset, read->length, false,
                        &request->view, &info, &request->reply.error);
    if (status != HG_OK) {
        return hg_handled_done_or_busy(status);
    }
    if (request->view.length > client->payload_bytes_max) {
        (void)hg_fail(&request->reply.error, HG_OUT_OF_RANGE,
                      "read: length: expected at most %llu bytes, got %llu",
                      (unsigned long long)client->payload_bytes_max,
                      (unsigned long long)request->view.length);
        hg_view_release(&request->view);
        return hg_handled_done();
    }
    request->view_held = true;
    client->views++;
    request->reply.kind = HG_REQUEST_READ;
    request->reply.read = (struct hg_read_reply){.length = request->view.length, .spec = info.spec};
    return hg_handled_done();
}

/* ---- names and lists ------------------------------------------------------------------------- */

enum hg_handled hg_handle_publish(struct hg_request *request, const struct hg_step *step)
{
    const struct hg_publish_args *publish = &step->publish;
    const gid_t gid = publish->has_gid ? publish->gid : request->client->identity.gid;
    (void)!hg_session_publish(request->client->session, publish->id, publish->name, publish->mode,
                              gid, &request->reply.error);
    return hg_handled_done();
}

enum hg_handled hg_handle_unpublish(struct hg_request *request, const struct hg_step *step)
{
    (void)!hg_session_unpublish(request->client->session, step->unpublish_name,
                                &request->reply.error);
    return hg_handled_done();
}

enum hg_handled hg_handle_open(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    if (hg_session_open(request->client->session, step->open.name, step->open.id,
                        step->open.writable, &reply->buffer, &reply->error) == HG_OK) {
        reply_buffer(request, HG_REQUEST_OPEN, step->open.id);
    }
    return hg_handled_done();
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

enum hg_handled hg_handle_list_buffers(struct hg_request *request, const struct hg_step *step)
{
    struct hg_reply *reply = &request->reply;
    struct hg_session *session = request->client->session;
    struct collect counted = {.capacity = HG_LISTED_BUFFERS_MAX};
    if (visit_buffers(session, &step->list, &counted, &reply->error) != HG_OK) {
        return hg_handled_done();
    }
    struct collect kept = {.capacity = counted.count, .truncated = counted.truncated};
    kept.buffers = hg_arena_alloc(&request->arena, counted.count * sizeof(*kept.buffers) + 1);
    if (kept.buffers == NULL) {
        return hg_handled_fail(request, HG_RESOURCE_EXHAUSTED, "list_buffers: out of memory");
    }
    if (visit_buffers(session, &step->list, &kept, &reply->error) == HG_OK) {
        reply->kind = HG_REQUEST_LIST_BUFFERS;
        reply->list = (struct hg_list_reply){kept.buffers, kept.count, kept.truncated};
    }
    return hg_handled_done();
}
