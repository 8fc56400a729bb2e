/* SPDX-License-Identifier: Apache-2.0 */
/* The short way through the client's codec against protobuf-c, on random messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/lib/codec.h"
#include "client/lib/graph.h"
#include "proto/hologram/v1/hologram.pb-c.h"

#define MESSAGES      20000
#define MESSAGE_BYTES 4096
#define IDS_MAX       6
#define ATTRIBUTES    3 /* at most */
#define OUTPUTS       3 /* of a graph, at most */

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    /* splitmix64: http://prng.di.unimi.it/splitmix64.c, public domain */
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static unsigned below(unsigned bound)
{
    return (unsigned)(next_random() % bound);
}

static uint64_t number(void)
{
    return next_random() >> below(64);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* A call and the same as protobuf-c's struct. */
struct pair {
    hologram_call call;
    Hologram__V1__Execute wire;
    char op[40];
    char names[ATTRIBUTES][12];
    uint64_t inputs[IDS_MAX];
    uint64_t outputs[IDS_MAX];
    hologram_attribute attributes[ATTRIBUTES];
    Hologram__V1__Attribute wire_attributes[ATTRIBUTES];
    Hologram__V1__Attribute *pointers[ATTRIBUTES];
};

static void random_text(char *text, size_t size)
{
    size_t length = below((unsigned)size);
    for (size_t i = 0; i < length; i++) {
        text[i] = (char)(1 + below(126));
    }
    text[length] = '\0';
}

static void random_pair(struct pair *pair)
{
    random_text(pair->op, sizeof pair->op);
    hologram__v1__execute__init(&pair->wire);
    pair->wire.op = pair->op;
    pair->wire.n_inputs = below(IDS_MAX + 1);
    pair->wire.n_outputs = below(IDS_MAX + 1);
    pair->wire.n_attributes = below(ATTRIBUTES + 1);
    for (unsigned i = 0; i < IDS_MAX; i++) {
        pair->inputs[i] = number();
        pair->outputs[i] = number();
    }
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        random_text(pair->names[i], sizeof pair->names[i]);
        pair->attributes[i] =
            (hologram_attribute){.name = pair->names[i], .bits = below(3) * number()};
        hologram__v1__attribute__init(&pair->wire_attributes[i]);
        pair->wire_attributes[i].name = pair->names[i];
        pair->wire_attributes[i].bits = pair->attributes[i].bits;
        pair->pointers[i] = &pair->wire_attributes[i];
    }
    pair->wire.inputs = pair->inputs;
    pair->wire.outputs = pair->outputs;
    pair->wire.attributes = pair->pointers;
    pair->call = (hologram_call){.op = pair->op,
                                 .inputs = pair->inputs,
                                 .input_count = (uint32_t)pair->wire.n_inputs,
                                 .outputs = pair->outputs,
                                 .output_count = (uint32_t)pair->wire.n_outputs,
                                 .attributes = pair->attributes,
                                 .attribute_count = (uint32_t)pair->wire.n_attributes};
}

/* The one frame that CLIENT has queued holds exactly REQUEST. */
static void expect_queued(hologram_client *client, Hologram__V1__Request *request, uint64_t ticket)
{
    uint8_t expected[MESSAGE_BYTES];
    request->id = ticket;
    request->stream = client->stream;
    request->timeout_us = client->timeout_us;
    size_t bytes = hologram__v1__request__pack(request, expected);
    const uint8_t *frame = client->out;
    assert_int_equal(client->out_end, HG_CLIENT_HEADER_BYTES + bytes);
    assert_memory_equal(frame, "HGRM", 4);
    assert_int_equal(frame[8] | frame[9] << 8, bytes);
    assert_memory_equal(frame + HG_CLIENT_HEADER_BYTES, expected, bytes);
    client->out_end = 0;
    client->out_requests = 0;
}

/* The operands of PAIR under HANDLE. */
static void prepare_pair(struct pair *pair, uint64_t handle, hologram_prepared_call *call,
                         Hologram__V1__ExecutePrepared *wire)
{
    *call = (hologram_prepared_call){.inputs = pair->inputs,
                                     .input_count = pair->call.input_count,
                                     .outputs = pair->outputs,
                                     .output_count = pair->call.output_count};
    hologram__v1__execute_prepared__init(wire);
    wire->handle = handle;
    wire->n_inputs = pair->wire.n_inputs;
    wire->inputs = pair->inputs;
    wire->n_outputs = pair->wire.n_outputs;
    wire->outputs = pair->outputs;
}

/* A run of a graph and the same as protobuf-c's structs. */
struct run_pair {
    hologram_graph_run run;
    hologram_graph_source source;
    hologram_graph_input inputs[IDS_MAX];
    hologram_graph_output output;
    Hologram__V1__GraphBinding bindings[IDS_MAX + 1]; /* the last one is the output's */
    Hologram__V1__GraphBinding *rows[IDS_MAX + 1];
    Hologram__V1__RunGraph by_id;
    Hologram__V1__Eval by_text;
    char names[IDS_MAX][20];
    char text[40];
};

static void random_run(struct run_pair *pair)
{
    for (unsigned k = 0; k <= IDS_MAX; k++) {
        hologram__v1__graph_binding__init(&pair->bindings[k]);
        pair->rows[k] = &pair->bindings[k];
        pair->bindings[k].id = number();
    }
    for (unsigned k = 0; k < IDS_MAX; k++) {
        random_text(pair->names[k], sizeof pair->names[k]);
        pair->bindings[k].name = pair->names[k];
        pair->inputs[k] = (hologram_graph_input){pair->names[k], pair->bindings[k].id};
    }
    const bool is_named = below(4) != 0;
    pair->bindings[IDS_MAX].name = is_named ? pair->names[0] : (char *)"";
    pair->output = (hologram_graph_output){.name = is_named ? pair->names[0] : NULL,
                                           .buffer = pair->bindings[IDS_MAX].id};
    random_text(pair->text, sizeof pair->text);
    pair->source = (hologram_graph_source){.text = pair->text};
    pair->run = (hologram_graph_run){.graph = below(2) * number(),
                                     .source = &pair->source,
                                     .inputs = pair->inputs,
                                     .input_count = below(IDS_MAX + 1),
                                     .outputs = &pair->output,
                                     .output_count = below(2)};
}

static void fill_run(struct run_pair *pair, Hologram__V1__Request *request)
{
    Hologram__V1__RunGraph *by_id = &pair->by_id;
    Hologram__V1__Eval *by_text = &pair->by_text;
    hologram__v1__run_graph__init(by_id);
    hologram__v1__eval__init(by_text);
    by_id->id = pair->run.graph;
    by_id->n_inputs = by_text->n_inputs = pair->run.input_count;
    by_id->inputs = by_text->inputs = pair->rows;
    by_id->n_outputs = by_text->n_outputs = pair->run.output_count;
    by_id->outputs = by_text->outputs = &pair->rows[IDS_MAX];
    by_text->text = pair->text;
    if (pair->run.graph != 0) {
        request->body_case = HOLOGRAM__V1__REQUEST__BODY_RUN_GRAPH;
        request->run_graph = by_id;
    } else {
        request->body_case = HOLOGRAM__V1__REQUEST__BODY_EVAL;
        request->eval = by_text;
    }
}

/* Runs of graphs, by id and by text, are the bytes that protobuf-c packs. */
static void runs_are_the_bytes_of_protobuf(void **state)
{
    (void)state;
    static struct run_pair pair;
    hologram_client client = {0};
    for (int i = 0; i < MESSAGES; i++) {
        uint64_t ticket = number();
        Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
        random_run(&pair);
        fill_run(&pair, &request);
        assert_int_equal(hg_client_put_run_graph(&client, ticket, &pair.run), HOLOGRAM_OK);
        expect_queued(&client, &request, ticket);
    }
    free(client.out);
}

/* Executes, pings and batches are the bytes that protobuf-c packs. */
static void requests_are_the_bytes_of_protobuf(void **state)
{
    (void)state;
    static struct pair pair;
    hologram_client client = {0};
    for (int i = 0; i < MESSAGES; i++) {
        uint64_t ticket = number();
        client.stream = below(2) * (uint32_t)number();
        client.timeout_us = below(2) * number();
        random_pair(&pair);
        Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
        request.body_case = HOLOGRAM__V1__REQUEST__BODY_EXECUTE;
        request.execute = &pair.wire;
        assert_int_equal(hg_client_put_execute(&client, ticket, &pair.call), HOLOGRAM_OK);
        expect_queued(&client, &request, ticket);

        uint64_t handle = below(8) * number();
        hologram_prepared_call by_handle;
        Hologram__V1__ExecutePrepared prepared;
        prepare_pair(&pair, handle, &by_handle, &prepared);
        request.body_case = HOLOGRAM__V1__REQUEST__BODY_EXECUTE_PREPARED;
        request.execute_prepared = &prepared;
        assert_int_equal(hg_client_put_execute_prepared(&client, ticket, handle, &by_handle),
                         HOLOGRAM_OK);
        expect_queued(&client, &request, ticket);

        Hologram__V1__Ping ping = HOLOGRAM__V1__PING__INIT;
        request.body_case = HOLOGRAM__V1__REQUEST__BODY_PING;
        request.ping = &ping;
        assert_int_equal(hg_client_put_ping(&client, ticket), HOLOGRAM_OK);
        expect_queued(&client, &request, ticket);

        struct hg_client_bytes steps = {0};
        Hologram__V1__Step step = HOLOGRAM__V1__STEP__INIT;
        step.body_case = HOLOGRAM__V1__STEP__BODY_EXECUTE;
        step.execute = &pair.wire;
        Hologram__V1__Step prepared_step = HOLOGRAM__V1__STEP__INIT;
        prepared_step.body_case = HOLOGRAM__V1__STEP__BODY_EXECUTE_PREPARED;
        prepared_step.execute_prepared = &prepared;
        Hologram__V1__Step *pointers[] = {&step, &prepared_step, &step};
        Hologram__V1__Batch batch = HOLOGRAM__V1__BATCH__INIT;
        batch.n_steps = below(4);
        batch.steps = pointers;
        request.body_case = HOLOGRAM__V1__REQUEST__BODY_BATCH;
        request.batch = &batch;
        for (size_t k = 0; k < batch.n_steps; k++) {
            assert_int_equal(
                k == 1 ? hg_client_step_execute_prepared(&client, &steps, handle, &by_handle)
                       : hg_client_step_execute(&client, &steps, &pair.call),
                HOLOGRAM_OK);
        }
        assert_int_equal(hg_client_put_batch(&client, ticket, &steps), HOLOGRAM_OK);
        expect_queued(&client, &request, ticket);
        free(steps.data);
    }
    free(client.out);
}

/* A call that names no operation, or has more attributes than there is room for, is refused. */
static void calls_that_cannot_be_meant_are_refused(void **state)
{
    (void)state;
    hologram_client client = {0};
    struct hg_client_bytes steps = {0};
    const hologram_call nameless = {0};
    const hologram_call crowded = {.op = "relu", .attribute_count = HG_CLIENT_ATTRIBUTES_MAX + 1};
    assert_int_equal(hg_client_put_execute(&client, 1, &nameless), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hg_client_put_execute(&client, 1, &crowded), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hg_client_step_execute(&client, &steps, &crowded), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(client.out_end, 0);
    assert_int_equal(steps.size, 0);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* An answer that may be hot or not. */
struct answer {
    Hologram__V1__Response response;
    Hologram__V1__Status status;
    Hologram__V1__ExecuteResult execute;
    Hologram__V1__BatchResult batch;
    Hologram__V1__ReadResult read;
    Hologram__V1__RunGraphResult run;
    Hologram__V1__GraphOutput outputs[OUTPUTS];
    Hologram__V1__BufferInfo buffers[OUTPUTS];
    Hologram__V1__GraphOutput *rows[OUTPUTS];
    uint64_t shape[HOLOGRAM_RANK_MAX];
    char cache[20];
    char outcome[20];
};

static void random_run_answer(struct answer *answer)
{
    hologram__v1__run_graph_result__init(&answer->run);
    answer->run.execute = below(4) != 0 ? &answer->execute : NULL;
    answer->run.n_outputs = below(OUTPUTS + 1);
    answer->run.outputs = answer->rows;
    answer->run.launches = (uint32_t)number();
    answer->run.arena_bytes = number();
    for (unsigned i = 0; i < HOLOGRAM_RANK_MAX; i++) {
        answer->shape[i] = number();
    }
    for (unsigned i = 0; i < answer->run.n_outputs; i++) {
        Hologram__V1__BufferInfo *buffer = &answer->buffers[i];
        hologram__v1__graph_output__init(&answer->outputs[i]);
        hologram__v1__buffer_info__init(buffer);
        answer->outputs[i].name = answer->cache;
        answer->outputs[i].made = below(2) == 0;
        answer->outputs[i].buffer = below(8) != 0 ? buffer : NULL;
        buffer->id = number();
        buffer->dtype = (Hologram__V1__DType)below(12);
        buffer->n_shape = below(HOLOGRAM_RANK_MAX + 1);
        buffer->shape = answer->shape;
        buffer->pool = (Hologram__V1__Pool)below(3);
        buffer->bytes = number();
        answer->rows[i] = &answer->outputs[i];
    }
}

static void random_answer(struct answer *answer)
{
    Hologram__V1__Response *response = &answer->response;
    random_text(answer->cache, sizeof answer->cache);
    random_text(answer->outcome, sizeof answer->outcome);
    hologram__v1__response__init(response);
    hologram__v1__status__init(&answer->status);
    hologram__v1__execute_result__init(&answer->execute);
    hologram__v1__batch_result__init(&answer->batch);
    hologram__v1__read_result__init(&answer->read);
    answer->status.code = 1 + below(16);
    answer->execute.cache = answer->cache;
    answer->execute.outcome = answer->outcome;
    answer->execute.queue_ns = below(2) * number();
    answer->execute.lookup_ns = number();
    answer->execute.build_ns = below(2) * number();
    answer->execute.run_ns = number();
    answer->batch.completed = (uint32_t)number();
    answer->batch.failed = below(4) == 0 ? &answer->status : NULL;
    answer->read.length = number();
    response->id = number();
    response->status = below(6) == 0 ? &answer->status : NULL;
    random_run_answer(answer);
    switch (below(5)) {
    case 0:
        response->body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
        response->execute = &answer->execute;
        break;
    case 3:
        response->body_case = HOLOGRAM__V1__RESPONSE__BODY_RUN_GRAPH;
        response->run_graph = &answer->run;
        break;
    case 1:
        response->body_case = HOLOGRAM__V1__RESPONSE__BODY_BATCH;
        response->batch = &answer->batch;
        break;
    case 2:
        response->body_case = HOLOGRAM__V1__RESPONSE__BODY_READ;
        response->read = &answer->read;
        break;
    default:
        break;
    }
}

/* Whichever way an answer goes, packing what it was decoded to gives its bytes back; successes of
 * executes, of batches and of graphs, and those without a body, go the short way. */
static void answers_are_decoded_alike(void **state)
{
    (void)state;
    static struct answer answer;
    hologram_client client = {0};
    for (int i = 0; i < MESSAGES; i++) {
        uint8_t message[MESSAGE_BYTES], again[MESSAGE_BYTES];
        struct hg_client_reply reply;
        random_answer(&answer);
        const Hologram__V1__Response *response = &answer.response;
        size_t bytes = hologram__v1__response__pack(response, message);
        bool hot = response->status == NULL &&
                   response->body_case != HOLOGRAM__V1__RESPONSE__BODY_READ &&
                   (response->body_case != HOLOGRAM__V1__RESPONSE__BODY_BATCH ||
                    answer.batch.failed == NULL);
        hg_client_arena_reset(&client.arena);
        assert_int_equal(hg_client_decode_hot(&client, message, bytes, &reply), hot);
        assert_int_equal(hg_client_decode(&client, message, bytes, &reply), HOLOGRAM_OK);
        assert_int_equal(reply.id, response->id);
        assert_int_equal(reply.status, response->status ? answer.status.code : 0);
        assert_int_equal(hologram__v1__response__get_packed_size(reply.response), bytes);
        (void)hologram__v1__response__pack(reply.response, again);
        assert_memory_equal(again, message, bytes);
    }
    hg_client_arena_free(&client.arena);
}

/* Bytes changed and lost: what the short way takes protobuf-c takes too, with the same content. */
static void broken_answers_are_not_taken(void **state)
{
    (void)state;
    static struct answer answer;
    hologram_client client = {0};
    unsigned refused = 0;
    for (int i = 0; i < MESSAGES; i++) {
        uint8_t message[MESSAGE_BYTES], hot[MESSAGE_BYTES], general[MESSAGE_BYTES];
        struct hg_client_reply reply;
        random_answer(&answer);
        size_t bytes = hologram__v1__response__pack(&answer.response, message);
        if (bytes == 0) {
            continue;
        }
        message[below((unsigned)bytes)] ^= (uint8_t)(1u << below(8));
        bytes -= below(3) == 0 ? below((unsigned)bytes) : 0;
        Hologram__V1__Response *unpacked = hologram__v1__response__unpack(NULL, bytes, message);
        hg_client_arena_reset(&client.arena);
        if (hg_client_decode_hot(&client, message, bytes, &reply)) {
            assert_non_null(unpacked);
            size_t size = hologram__v1__response__pack(reply.response, hot);
            assert_int_equal(hologram__v1__response__pack(unpacked, general), size);
            assert_memory_equal(hot, general, size);
        }
        refused += unpacked == NULL;
        if (unpacked != NULL) {
            hologram__v1__response__free_unpacked(unpacked, NULL);
        }
    }
    assert_in_range(refused, MESSAGES / 20, MESSAGES);
    hg_client_arena_free(&client.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_the_bytes_of_protobuf),
        cmocka_unit_test(runs_are_the_bytes_of_protobuf),
        cmocka_unit_test(calls_that_cannot_be_meant_are_refused),
        cmocka_unit_test(answers_are_decoded_alike),
        cmocka_unit_test(broken_answers_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
