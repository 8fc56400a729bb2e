/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/dispatch.h"

#include "daemon/handlers.h"
#include "daemon/server.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

static void clear_reply(struct hg_request *request)
{
    request->reply.kind = HG_REQUEST_NONE;
    request->reply.error.status = HG_OK;
    request->reply.error.detail = NULL;
    request->reply.error.message[0] = '\0';
}

static void observe(struct hg_request *request)
{
    struct hg_metrics *metrics = &request->client->server->metrics;
    const enum hg_request_kind kind = request->message.step.kind;
    hg_counter_add_alone(&metrics->requests[kind][request->reply.error.status], 1);
    /* A transport that read the clock itself may be a moment ahead. */
    const uint64_t now_ns = hg_client_look_at(
        request->client, request->ended_ticks != 0 ? request->ended_ticks : hg_clock_ticks());
    hg_histogram_observe_alone(&metrics->stages[HG_STAGE_TOTAL],
                               now_ns > request->arrived_ns ? now_ns - request->arrived_ns : 0);
}

void hg_dispatch_release_view(struct hg_request *request)
{
    if (request->view_held) {
        hg_view_release(&request->view);
        request->view_held = false;
        request->client->views--;
        request->client->pump = true;
    }
}

static void retire(struct hg_request *request)
{
    struct hg_client *client = request->client;
    hg_client_unlink(client, request);
    hg_request_put(&client->server->requests, request);
}

/* Sends the reply; REQUEST is gone afterwards unless its payload is still to be sent. */
static void finish(struct hg_request *request)
{
    struct hg_client *client = request->client;
    request->reply.id = request->message.id;
    observe(request);
    if (client->state == HG_CLIENT_CLOSING) {
        hg_dispatch_release_view(request);
        retire(request);
        return;
    }
    client->transport->reply(client, request);
    if (request->view_held) {
        request->state = HG_STATE_SENDING;
        return;
    }
    retire(request);
}

static void finish_with(struct hg_request *request, enum hg_status status, const char *reason)
{
    clear_reply(request);
    (void)hg_fail(&request->reply.error, status, "%s: %s",
                  hg_request_kind_name(request->message.step.kind), reason);
    finish(request);
}

/* Ends a request that was cancelled or is too late before it starts. */
static bool ends_early(struct hg_request *request)
{
    if (request->cancelled) {
        finish_with(request, HG_CANCELLED, "cancelled before it started");
        return true;
    }
    if (request->deadline_ns != 0 && hg_client_look(request->client) >= request->deadline_ns) {
        finish_with(request, HG_DEADLINE_EXCEEDED, "the deadline passed before it started");
        return true;
    }
    return false;
}

/* Acts on what a handler said. */
static void settle(struct hg_request *request, enum hg_handled handled)
{
    struct hg_client *client = request->client;
    switch (handled) {
    case HG_HANDLED_DONE:
        finish(request);
        return;
    case HG_HANDLED_PENDING:
        request->state = HG_STATE_RUNNING;
        client->running++;
        return;
    case HG_HANDLED_BUSY:
        if (client->running == 0 && client->views == 0) {
            /* Somebody else's work uses the buffer: the client has to know. */
            hg_handle_give_up(request);
            finish(request);
            return;
        }
        request->state = HG_STATE_PARKED;
        if (request->deadline_ns != 0) {
            hg_server_due(client->server, request->deadline_ns);
        }
        return;
    }
}

static void run(struct hg_request *request)
{
    if (!ends_early(request)) {
        settle(request, hg_handle(request));
    }
}

/* A request that holds up the later ones of its stream. */
static bool blocks_stream(const struct hg_request *request)
{
    return request->state != HG_STATE_SENDING;
}

/* True if an earlier request of the same stream is not answered yet. */
static bool waits_for_stream(const struct hg_request *request)
{
    const struct hg_request *earlier = request->client->first;
    for (; earlier != request; earlier = earlier->client_next) {
        if (earlier->message.stream == request->message.stream && blocks_stream(earlier)) {
            return true;
        }
    }
    return false;
}

static struct hg_request *find_request(struct hg_client *client, uint64_t id,
                                       const struct hg_request *but)
{
    struct hg_request *request = client->first;
    while (request != NULL &&
           (request == but || request->message.id != id || request->state == HG_STATE_SENDING)) {
        request = request->client_next;
    }
    return request;
}

static void cancel_request(struct hg_client *client, struct hg_request *request)
{
    request->cancelled = true;
    if (request->state == HG_STATE_RUNNING) {
        hg_task_cancel(&request->task);
        return;
    }
    if (request == client->writing) {
        hg_dispatch_release_view(request);
        client->writing = NULL;
    }
    finish_with(request, HG_CANCELLED, "cancelled before it started");
    client->pump = true;
}

void hg_dispatch_cancel(struct hg_request *request)
{
    struct hg_client *client = request->client;
    if (request->state != HG_STATE_SENDING) {
        cancel_request(client, request);
        client->transport->wake(client);
    }
}

/* A cancel does not queue behind what it cancels: it is answered at once, whatever its stream. */
static void handle_cancel(struct hg_client *client, struct hg_request *request)
{
    const uint64_t id = request->message.step.id;
    struct hg_request *victim = find_request(client, id, request);
    clear_reply(request);
    if (victim == NULL) {
        (void)hg_fail(&request->reply.error, HG_NOT_FOUND,
                      "cancel: request %llu: expected one in flight", (unsigned long long)id);
    }
    finish(request);
    if (victim != NULL) {
        cancel_request(client, victim);
    }
}

/* The first request is a hello: anything else ends the connection. */
static bool refuse_before_hello(struct hg_client *client, struct hg_request *request)
{
    if (client->state != HG_CLIENT_NEW || request->message.step.kind == HG_REQUEST_HELLO) {
        return false;
    }
    client->hang_up = true;
    clear_reply(request);
    (void)hg_fail(&request->reply.error, HG_INVALID_ARGUMENT,
                  "%s: expected hello as the first request",
                  hg_request_kind_name(request->message.step.kind));
    finish(request);
    return true;
}

static void admit(struct hg_client *client, struct hg_request *request)
{
    hg_client_link(client, request);
    if (request->message.timeout_us != 0) {
        uint64_t timeout_ns;
        if (!hg_mul_u64(request->message.timeout_us, HG_NS_PER_US, &timeout_ns) ||
            !hg_add_u64(request->arrived_ns, timeout_ns, &request->deadline_ns)) {
            request->deadline_ns = 0; /* centuries from now: none */
        }
    }
}

void hg_dispatch_submit(struct hg_client *client, struct hg_request *request)
{
    admit(client, request);
    if (refuse_before_hello(client, request)) {
        return;
    }
    if (request->message.step.kind == HG_REQUEST_CANCEL) {
        handle_cancel(client, request);
        return;
    }
    if (waits_for_stream(request)) {
        request->state = HG_STATE_QUEUED;
        if (request->deadline_ns != 0) {
            hg_server_due(client->server, request->deadline_ns);
        }
        return;
    }
    run(request);
}

void hg_dispatch_refuse(struct hg_client *client, struct hg_request *request,
                        const struct hg_error *error)
{
    admit(client, request);
    clear_reply(request);
    request->reply.error = *error;
    finish(request);
}

void hg_dispatch_failed(struct hg_client *client, struct hg_request *request,
                        const struct hg_error *error)
{
    admit(client, request);
    clear_reply(request);
    request->reply.error = *error;
    hg_handle_give_up(request);
    finish(request);
}

void hg_dispatch_write_begin(struct hg_client *client, struct hg_request *request, uint64_t length)
{
    HG_REQUIRE(client->writing == NULL);
    admit(client, request);
    if (refuse_before_hello(client, request)) {
        return;
    }
    if (request->message.step.write.data.size != 0) {
        finish_with(request, HG_INVALID_ARGUMENT,
                    "expected bytes in the message or after it, got both");
        return;
    }
    request->payload_length = length;
    request->state = HG_STATE_WAITING;
    client->writing = request;
    if (request->deadline_ns != 0) {
        hg_server_due(client->server, request->deadline_ns);
    }
}

enum hg_write_state hg_dispatch_write_poll(struct hg_client *client)
{
    struct hg_request *request = client->writing;
    if (request == NULL) {
        return HG_WRITE_REFUSED;
    }
    if (request->state == HG_STATE_RECEIVING) {
        return HG_WRITE_READY;
    }
    if (waits_for_stream(request)) {
        return HG_WRITE_WAIT;
    }
    const struct hg_write_args *write = &request->message.step.write;
    clear_reply(request);
    const enum hg_status status =
        hg_session_view(client->session, write->id, write->offset, request->payload_length, true,
                        &request->view, NULL, &request->reply.error);
    if (status == HG_FAILED_PRECONDITION && (client->running != 0 || client->views != 0)) {
        return HG_WRITE_WAIT;
    }
    if (status != HG_OK) {
        client->writing = NULL;
        finish(request);
        return HG_WRITE_REFUSED;
    }
    request->view_held = true;
    request->state = HG_STATE_RECEIVING;
    client->views++;
    return HG_WRITE_READY;
}

void hg_dispatch_write_end(struct hg_client *client)
{
    struct hg_request *request = client->writing;
    client->writing = NULL;
    clear_reply(request);
    hg_dispatch_release_view(request);
    finish(request);
}

void hg_dispatch_write_abort(struct hg_client *client)
{
    struct hg_request *request = client->writing;
    if (request != NULL) {
        client->writing = NULL;
        hg_dispatch_release_view(request);
        retire(request);
    }
}

/* Streams that an earlier request blocks, as a set of 64 bits: a clear bit means "surely not". */
static uint64_t stream_bit(const struct hg_request *request)
{
    return 1ull << (request->message.stream % 64);
}

bool hg_dispatch_pump(struct hg_client *client)
{
    while (client->pump) {
        client->pump = false;
        uint64_t blocked = 0;
        struct hg_request *next;
        for (struct hg_request *request = client->first; request != NULL; request = next) {
            const bool startable =
                request->state == HG_STATE_QUEUED || request->state == HG_STATE_PARKED;
            const uint64_t bit = stream_bit(request);
            next = request->client_next;
            if (startable && ((blocked & bit) == 0 || !waits_for_stream(request))) {
                if (client->now_ns >= client->turn_end_ns) {
                    client->pump = true;
                    return false;
                }
                /* It may be gone afterwards; when it is not, it still blocks. */
                const uint32_t before = client->in_flight;
                run(request);
                blocked |= client->in_flight == before ? bit : 0;
            } else if (blocks_stream(request)) {
                blocked |= bit;
            }
        }
    }
    return true;
}

void hg_dispatch_complete(struct hg_request *request)
{
    struct hg_client *client = request->client;
    client->running--;
    client->pump = true;
    if (client->state == HG_CLIENT_CLOSING) {
        retire(request);
    } else {
        settle(request, hg_handle_ended(request));
    }
    client->transport->wake(client);
}

void hg_dispatch_sent(struct hg_request *request)
{
    hg_dispatch_release_view(request);
    retire(request);
}

/* Waits in a queue or for a buffer, and its deadline has passed. */
static bool is_overdue(const struct hg_request *request, uint64_t now_ns)
{
    const bool waits = request->state == HG_STATE_QUEUED || request->state == HG_STATE_PARKED ||
                       request->state == HG_STATE_WAITING;
    return waits && request->deadline_ns != 0 && now_ns >= request->deadline_ns;
}

static uint64_t next_due(const struct hg_request *request, uint64_t due_ns)
{
    const bool waits = request->state != HG_STATE_RUNNING && request->state != HG_STATE_SENDING &&
                       request->state != HG_STATE_RECEIVING;
    return waits && request->deadline_ns != 0 && request->deadline_ns < due_ns
               ? request->deadline_ns
               : due_ns;
}

uint64_t hg_dispatch_sweep(struct hg_client *client, uint64_t now_ns)
{
    uint64_t due_ns = UINT64_MAX;
    bool any = false;
    struct hg_request *next;
    for (struct hg_request *request = client->first; request != NULL; request = next) {
        next = request->client_next;
        if (!is_overdue(request, now_ns)) {
            due_ns = next_due(request, due_ns);
            continue;
        }
        if (request == client->writing) {
            client->writing = NULL;
        }
        finish_with(request, HG_DEADLINE_EXCEEDED, "the deadline passed before it started");
        any = true;
    }
    if (any) {
        client->pump = true;
        client->transport->wake(client);
    }
    return due_ns;
}
