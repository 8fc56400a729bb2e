/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are calls of before, and batches of nothing else: found by their bytes, repeated,
 * and answered from what was kept, without a request. Everything else, and whatever is not plainly
 * so, is left to receive.c as it lies there.
 *
 * Only where nothing of the connection is in flight, so that order needs no thought.
 */
#include "daemon/codec.h"
#include "daemon/codec_hot_put.h"
#include "daemon/codec_hot_wire.h"
#include "daemon/dispatch.h"
#include "daemon/server.h"
#include "daemon/transport/native.h"
#include "lib/base/log.h"

/* Larger batches are not looked at. */
#define STEPS_MAX 256

/* What an answer takes besides what is kept of it: tags, lengths and numbers. */
#define ANSWER_BYTES_MAX (HG_FRAME_BYTES + HG_KNOWN_REPLY_MAX + 64)

/* A request as far as it is looked at. */
struct glance {
    uint64_t id;
    enum hg_request_kind kind;
    struct span body;
    const uint8_t *end; /* of its frame */
};

/* ---- looking --------------------------------------------------------------------------------- */

/* Of what comes with a TAG of two bytes. */
static enum hg_request_kind kind_of(uint32_t tag)
{
    switch (tag) {
    case BYTES(16u):
        return HG_REQUEST_BATCH;
    case BYTES(29u):
        return HG_REQUEST_EXECUTE_PREPARED;
    case BYTES(62u):
        return HG_REQUEST_RUN_GRAPH;
    case BYTES(63u):
        return HG_REQUEST_EVAL;
    default:
        return HG_REQUEST_NONE;
    }
}

static bool take_tag_of(struct span *span, enum hg_request_kind *kind)
{
    if (span->end - span->at < 2) {
        return false;
    }
    const uint32_t tag = span->at[0];
    if (tag == BYTES(15u)) {
        *kind = HG_REQUEST_EXECUTE;
        span->at += 1;
        return true;
    }
    const uint32_t longer = (tag & 0x7fu) | (uint32_t)span->at[1] << 7;
    *kind = kind_of(longer);
    span->at += 2;
    return tag >= 0x80 && *kind != HG_REQUEST_NONE;
}

/* An id, perhaps a stream, and one body to the end; as those who encode in order write it. */
static bool look_at_message(struct span span, struct glance *glance)
{
    uint64_t stream;
    if (span.at == span.end || *span.at++ != VARINT(1u) || !take_varint(&span, &glance->id)) {
        return false;
    }
    if (span.at < span.end && *span.at == VARINT(2u)) {
        span.at++;
        if (!take_varint(&span, &stream)) {
            return false;
        }
    }
    return take_tag_of(&span, &glance->kind) && take_bytes(&span, &glance->body) &&
           span.at == span.end;
}

/* The frame at the front, if it is all there and has no payload. */
static bool look_at_frame(const struct hg_native *native, struct glance *glance)
{
    const uint8_t *data = native->in + native->in_start;
    const size_t size = native->in_end - native->in_start;
    uint32_t message_bytes;
    if (size < HG_FRAME_BYTES || !hg_frame_is_bare(data, &message_bytes) ||
        message_bytes > size - HG_FRAME_BYTES || message_bytes > native->client.message_bytes_max) {
        return false;
    }
    const uint8_t *message = data + HG_FRAME_BYTES;
    glance->end = message + message_bytes;
    return look_at_message((struct span){message, glance->end}, glance);
}

/* ---- answering ------------------------------------------------------------------------------- */

static void consume(struct hg_native *native, const struct glance *glance)
{
    native->in_start = (size_t)(glance->end - native->in);
    if (native->in_start == native->in_end) {
        native->in_start = native->in_end = 0;
    }
}

/* What is common to all: counts, and the time at which it was over. */
static void account(struct hg_native *native, enum hg_request_kind kind, uint64_t start_ticks,
                    uint64_t end_ticks)
{
    struct hg_client *client = &native->client;
    struct hg_metrics *metrics = &client->server->metrics;
    native->unsent++;
    native->answered_ns = hg_client_look_at(client, end_ticks);
    hg_counter_add_alone(&metrics->requests[kind][HG_OK], 1);
    hg_counter_add_alone(&metrics->repeats, 1);
    hg_histogram_observe_alone(&metrics->stages[HG_STAGE_TOTAL],
                               hg_clock_ticks_ns(start_ticks, end_ticks));
}

static void break_off(struct hg_native *native)
{
    HG_LOG_ERROR(SESSION, "no memory for a reply: closing the connection",
                 HG_STR("client", native->client.name));
    native->broken = true;
}

/* BYTES of room for an answer to GLANCE, behind its frame and id; NULL: the connection is over. */
static uint8_t *begin_answer(struct hg_native *native, const struct glance *glance, size_t bytes)
{
    uint8_t *room = hg_output_reserve(&native->output, bytes);
    if (room == NULL) {
        break_off(native);
        return NULL;
    }
    return put_number(room + HG_FRAME_BYTES, TAG_VARINT(1u), glance->id);
}

/* The answer, for which BYTES were reserved, ends at AT. */
static void end_answer(struct hg_native *native, const uint8_t *at, size_t bytes)
{
    struct hg_output *output = &native->output;
    uint8_t *room = output->data + output->end - bytes;
    const size_t size = (size_t)(at - room);
    const struct hg_frame frame = {.message_bytes = (uint32_t)(size - HG_FRAME_BYTES)};
    hg_frame_encode(room, &frame);
    hg_output_give_back(output, bytes - size);
}

/* What became of CALL, behind its length: one byte, what is kept and two numbers are less than 128.
 */
static uint8_t *put_execution(uint8_t *length, const struct hg_known_call *call, uint64_t lookup_ns,
                              uint64_t run_ns)
{
    uint8_t *at = length + 1;
    memcpy(at, call->reply, sizeof(call->reply));
    at = put_number(at + call->reply_size, TAG_VARINT(4u), lookup_ns);
    at = put_number(at, TAG_VARINT(6u), run_ns);
    *length = (uint8_t)(at - length - 1);
    return at;
}

static void answer_call(struct hg_native *native, const struct glance *glance,
                        const struct hg_known_call *call, uint64_t lookup_ns, uint64_t run_ns)
{
    uint8_t *at = begin_answer(native, glance, ANSWER_BYTES_MAX);
    if (at != NULL) {
        *at++ = TAG_BYTES(15u);
        end_answer(native, put_execution(at, call, lookup_ns, run_ns), ANSWER_BYTES_MAX);
    }
}

/* The same of a graph's run, and its outputs. */
static void answer_graph(struct hg_native *native, const struct glance *glance,
                         const struct hg_known_call *call, uint64_t lookup_ns, uint64_t run_ns)
{
    const size_t bytes = ANSWER_BYTES_MAX + call->tail_size;
    uint8_t *at = begin_answer(native, glance, bytes);
    if (at == NULL) {
        return;
    }
    const size_t execution_bytes =
        call->reply_size + number_bytes(lookup_ns) + number_bytes(run_ns);
    at = put_varint(at, 62u << 3 | 2u);
    at = put_varint(at, 2 + execution_bytes + call->tail_size);
    *at++ = TAG_BYTES(1u);
    at = put_execution(at, call, lookup_ns, run_ns);
    memcpy(at, call->tail, call->tail_size);
    end_answer(native, at + call->tail_size, bytes);
}

static void answer_batch(struct hg_native *native, const struct glance *glance, uint32_t completed)
{
    uint8_t *at = begin_answer(native, glance, ANSWER_BYTES_MAX);
    if (at == NULL) {
        return;
    }
    at = put_varint(at, 16u << 3 | 2u);
    at = put_varint(at, number_bytes(completed));
    end_answer(native, put_number(at, TAG_VARINT(1u), completed), ANSWER_BYTES_MAX);
}

/* ---- what cannot go on so -------------------------------------------------------------------- */

/* A request after all, of whose steps the first DONE are done. NULL: the connection is over. */
static struct hg_request *make_request(struct hg_native *native, const struct glance *glance,
                                       uint32_t done)
{
    struct hg_error error;
    const uint8_t *message = native->in + native->in_start + HG_FRAME_BYTES;
    struct hg_request *request = hg_request_get(&native->client.server->requests);
    if (request != NULL &&
        hg_codec_decode(message, (size_t)(glance->end - message), &request->arena,
                        &request->message, &error) == HG_DECODED_OK) {
        request->arrived_ns = native->client.now_ns;
        request->steps_done = done;
        consume(native, glance);
        return request;
    }
    if (request != NULL) {
        hg_request_put(&native->client.server->requests, request);
    }
    (void)hg_fail(&error, HG_RESOURCE_EXHAUSTED, "frame: out of memory");
    hg_native_stop(native, &error);
    return NULL;
}

/* The operation that came after the first DONE ran and failed. */
static void answer_failure(struct hg_native *native, const struct glance *glance, uint32_t done,
                           const struct hg_known_call *call, const struct hg_error *error)
{
    struct hg_metrics *metrics = &native->client.server->metrics;
    hg_counter_add_alone(&metrics->operations[call->operation_row][error->status], 1);
    struct hg_request *request = make_request(native, glance, done);
    if (request != NULL) {
        hg_dispatch_failed(&native->client, request, error);
    }
}

/* ---- repeating ------------------------------------------------------------------------------- */

static bool repeat_call(struct hg_native *native, const struct glance *glance)
{
    struct hg_client *client = &native->client;
    struct hg_metrics *metrics = &client->server->metrics;
    struct hg_error error; /* filled by a failure only */
    struct hg_known_call *call = hg_known_find(&native->known, glance->kind, glance->body.at,
                                               (size_t)(glance->body.end - glance->body.at));
    if (call == NULL) {
        return false;
    }
    const uint64_t start_ticks = hg_clock_ticks();
    uint64_t ready_ticks;
    const enum hg_repeated repeated =
        hg_session_repeat(client->session, call->repeat, &ready_ticks, &error);
    if (repeated == HG_REPEAT_NOT) {
        return false;
    }
    if (repeated == HG_REPEAT_FAILED) {
        answer_failure(native, glance, 0, call, &error);
        return true;
    }
    const uint64_t end_ticks = hg_clock_ticks();
    const uint64_t lookup_ns = hg_clock_ticks_ns(start_ticks, ready_ticks);
    const uint64_t run_ns = hg_clock_ticks_ns(ready_ticks, end_ticks);
    consume(native, glance);
    (hg_known_is_graph(glance->kind) ? answer_graph : answer_call)(native, glance, call, lookup_ns,
                                                                   run_ns);
    hg_counter_add_alone(&metrics->operations[call->operation_row][HG_OK], 1);
    hg_histogram_observe_alone(&metrics->stages[HG_STAGE_LOOKUP], lookup_ns);
    hg_histogram_observe_alone(&metrics->stages[HG_STAGE_RUN], run_ns);
    account(native, glance->kind, start_ticks, end_ticks);
    return true;
}

/* The calls of a batch's STEPS, if it is known all of it; gives their number, 0: it is not. */
static uint32_t find_steps(const struct hg_known *known, struct span steps, uint32_t max,
                           struct hg_known_call *calls[STEPS_MAX])
{
    uint32_t count = 0;
    while (steps.at < steps.end) {
        struct span step;
        struct span body;
        if (count == max || *steps.at++ != BYTES(1u) || !take_bytes(&steps, &step) ||
            step.at == step.end) {
            return 0;
        }
        const uint8_t tag = *step.at++;
        if ((tag != BYTES(4u) && tag != BYTES(6u)) || !take_bytes(&step, &body) ||
            step.at != step.end) {
            return 0;
        }
        calls[count] = hg_known_find(
            known, tag == BYTES(4u) ? HG_REQUEST_EXECUTE : HG_REQUEST_EXECUTE_PREPARED, body.at,
            (size_t)(body.end - body.at));
        if (calls[count++] == NULL) {
            return 0;
        }
    }
    return count;
}

/* One step, the time of which is taken if TIMED. */
static enum hg_repeated repeat_step(struct hg_client *client, const struct hg_known_call *call,
                                    bool timed, struct hg_error *error)
{
    struct hg_metrics *metrics = &client->server->metrics;
    uint64_t ready_ticks;
    if (!timed) {
        return hg_session_repeat(client->session, call->repeat, NULL, error);
    }
    const uint64_t start_ticks = hg_clock_ticks();
    const enum hg_repeated repeated =
        hg_session_repeat(client->session, call->repeat, &ready_ticks, error);
    if (repeated != HG_REPEAT_NOT) {
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_LOOKUP],
                                   hg_clock_ticks_ns(start_ticks, ready_ticks));
        hg_histogram_observe_alone(&metrics->stages[HG_STAGE_RUN],
                                   hg_clock_ticks_ns(ready_ticks, hg_clock_ticks()));
    }
    return repeated;
}

/* The rest of a batch, of which some is done, goes the way of all requests. */
static void submit_rest(struct hg_native *native, const struct glance *glance, uint32_t done)
{
    struct hg_request *request = make_request(native, glance, done);
    if (request != NULL) {
        native->client.learns = &native->known;
        hg_dispatch_submit(&native->client, request);
        native->client.learns = NULL;
    }
}

static bool repeat_batch(struct hg_native *native, const struct glance *glance)
{
    struct hg_client *client = &native->client;
    struct hg_metrics *metrics = &client->server->metrics;
    struct hg_known_call *calls[STEPS_MAX];
    struct hg_error error; /* filled by a failure only */
    const uint64_t start_ticks = hg_clock_ticks();
    const uint32_t max = client->batch_steps_max < STEPS_MAX ? client->batch_steps_max : STEPS_MAX;
    const uint32_t count = find_steps(&native->known, glance->body, max, calls);
    for (uint32_t i = 0; i < count; i++) {
        const bool timed = i % HG_STEPS_PER_TIMED == 0;
        /* As in every batch: what is over the turn goes to the workers. */
        const bool is_over = timed && i != 0 && hg_client_look(client) >= client->turn_end_ns;
        const enum hg_repeated repeated =
            is_over ? HG_REPEAT_NOT : repeat_step(client, calls[i], timed, &error);
        if (repeated == HG_REPEAT_RAN) {
            hg_counter_add_alone(&metrics->operations[calls[i]->operation_row][HG_OK], 1);
        } else if (repeated == HG_REPEAT_FAILED) {
            answer_failure(native, glance, i, calls[i], &error);
            return true;
        } else if (i == 0) {
            return false;
        } else {
            submit_rest(native, glance, i);
            return true;
        }
    }
    if (count == 0) {
        return false;
    }
    consume(native, glance);
    answer_batch(native, glance, count);
    account(native, HG_REQUEST_BATCH, start_ticks, hg_clock_ticks());
    return true;
}

bool hg_native_repeat(struct hg_native *native)
{
    const struct hg_client *client = &native->client;
    struct glance glance;
    if (native->known.count == 0 || client->first != NULL || client->state != HG_CLIENT_READY ||
        native->state != HG_RECEIVE_HEADER || !look_at_frame(native, &glance)) {
        return false;
    }
    return glance.kind == HG_REQUEST_BATCH ? repeat_batch(native, &glance)
                                           : repeat_call(native, &glance);
}
