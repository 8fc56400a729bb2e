/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets, batches, what typed functions put on the wire, and running out of memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/client/fake.h"

static struct fake fake;

#define BODY(type) HOLOGRAM__V1__REQUEST__BODY_##type

static void end(hologram_client **client)
{
    hologram_close(client);
    fake_join(&fake);
}

/* A server that does nothing, but answers everything properly. */
static bool answer(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    Hologram__V1__BufferInfo info = HOLOGRAM__V1__BUFFER_INFO__INIT;
    Hologram__V1__AllocResult alloc = HOLOGRAM__V1__ALLOC_RESULT__INIT;
    Hologram__V1__OpenResult open = HOLOGRAM__V1__OPEN_RESULT__INIT;
    Hologram__V1__ExecuteResult execute = HOLOGRAM__V1__EXECUTE_RESULT__INIT;
    Hologram__V1__BatchResult batch = HOLOGRAM__V1__BATCH_RESULT__INIT;
    Hologram__V1__ReadResult read = HOLOGRAM__V1__READ_RESULT__INIT;
    Hologram__V1__StatsResult stats = HOLOGRAM__V1__STATS_RESULT__INIT;
    Hologram__V1__CacheStats cache = HOLOGRAM__V1__CACHE_STATS__INIT;
    Hologram__V1__CacheStats *caches[] = {&cache, &cache};
    uint64_t shape[] = {2, 3};
    response.id = request->id;
    info.dtype = HOLOGRAM__V1__DTYPE__F64;
    info.n_shape = 2;
    info.shape = shape;
    info.bytes = 48;
    info.name = (char *)"weights";
    switch (request->body_case) {
    case BODY(ALLOC):
        info.id = request->alloc->id;
        info.dtype = request->alloc->dtype;
        alloc.buffer = &info;
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_ALLOC;
        response.alloc = &alloc;
        break;
    case BODY(OPEN):
        info.id = request->open->id;
        open.buffer = &info;
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_OPEN;
        response.open = &open;
        break;
    case BODY(EXECUTE):
        execute.cache = (char *)"vector_add";
        execute.outcome = (char *)"hit";
        execute.run_ns = 123;
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
        response.execute = &execute;
        break;
    case BODY(BATCH):
        batch.completed = (uint32_t)request->batch->n_steps;
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_BATCH;
        response.batch = &batch;
        break;
    case BODY(STATS):
        cache.cache = (char *)"gemm";
        cache.hits = 7;
        stats.n_caches = 2;
        stats.caches = caches;
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_STATS;
        response.stats = &stats;
        break;
    case BODY(READ):
        memset(server->payload, 0x5a, request->read->length);
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_READ;
        response.read = &read;
        return fake_send(server, &response, server->payload, request->read->length);
    default:
        break;
    }
    return fake_send(server, &response, NULL, 0);
}

/* ---- tickets --------------------------------------------------------------------------------- */

/* Ids of the requests that were held back. */
struct held {
    uint64_t ids[3];
    int count;
};

/* Answers three pings at once, in reverse; the second with an error. */
static bool answer_reversed(struct fake *server, const Hologram__V1__Request *request)
{
    struct held *held = server->context;
    held->ids[held->count++] = request->id;
    if (held->count < 3) {
        return true;
    }
    Hologram__V1__Request other = HOLOGRAM__V1__REQUEST__INIT;
    other.id = held->ids[2];
    bool sent = fake_ok(server, &other) &&
                fake_fail(server, held->ids[1], HOLOGRAM_NOT_FOUND, "the second is not there");
    other.id = held->ids[0];
    held->count = 0;
    return sent && fake_ok(server, &other);
}

/* Answers that come in another order reach their tickets, and every ticket is good once. */
static void answers_find_their_tickets(void **state)
{
    (void)state;
    struct held held = {.count = 0};
    hologram_client *client;
    hologram_ticket tickets[3];
    fake_connect(&fake, answer_reversed, &held, &client);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hologram_submit_ping(client, &tickets[i]), HOLOGRAM_OK);
    }
    assert_int_equal(hologram_wait(client, tickets[0]), HOLOGRAM_OK);
    assert_int_equal(hologram_wait(client, tickets[1]), HOLOGRAM_NOT_FOUND);
    assert_string_equal(hologram_last_error(client)->message, "the second is not there");
    assert_int_equal(hologram_wait(client, tickets[2]), HOLOGRAM_OK);
    assert_int_equal(hologram_wait(client, tickets[2]), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hologram_wait(client, 0), HOLOGRAM_INVALID_ARGUMENT);
    end(&client);
}

static bool hold_one(struct fake *server, const Hologram__V1__Request *request)
{
    struct held *held = server->context;
    if (request->body_case == BODY(PING) && held->count == 0) {
        held->ids[held->count++] = request->id;
        return true;
    }
    if (request->body_case == BODY(CANCEL)) {
        assert_int_equal(request->cancel->request_id, held->ids[0]);
        return fake_fail(server, held->ids[0], HOLOGRAM_CANCELLED, "cancelled") &&
               fake_ok(server, request);
    }
    return answer(server, request);
}

/* Cancel names the ticket's request; poll does not block; the ticket still has to be waited for. */
static void cancel_ends_a_request(void **state)
{
    (void)state;
    struct held held = {.count = 0};
    hologram_client *client;
    hologram_ticket ticket;
    bool done = true;
    fake_connect(&fake, hold_one, &held, &client);
    assert_int_equal(hologram_submit_ping(client, &ticket), HOLOGRAM_OK);
    assert_int_equal(hologram_poll(client, ticket, &done), HOLOGRAM_OK);
    assert_false(done);
    assert_int_equal(hologram_cancel(client, ticket), HOLOGRAM_OK);
    assert_int_equal(hologram_poll(client, ticket, &done), HOLOGRAM_OK);
    assert_true(done);
    assert_int_equal(hologram_wait(client, ticket), HOLOGRAM_CANCELLED);
    end(&client);
}

/* A server that never answers: the library gives up after the timeout and its grace; the connection
 * stays good for what comes later. */
static void silence_exceeds_the_deadline(void **state)
{
    (void)state;
    struct held held = {.count = 0};
    hologram_client *client;
    fake_connect(&fake, hold_one, &held, &client);
    hologram_set_timeout(client, 1000);
    assert_int_equal(hologram_ping(client), HOLOGRAM_DEADLINE_EXCEEDED);
    hologram_set_timeout(client, 0);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    end(&client);
}

/* A read that was forgotten leaves its destination alone, and later answers are understood. */
static void forgotten_reads_write_nothing(void **state)
{
    (void)state;
    hologram_client *client;
    hologram_ticket ticket;
    uint8_t data[1000];
    memset(data, 0xee, sizeof data);
    fake_connect(&fake, answer, NULL, &client);
    assert_int_equal(hologram_submit_read(client, 16, 0, data, sizeof data, &ticket), HOLOGRAM_OK);
    hologram_forget(client, ticket);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    assert_int_equal(data[0], 0xee);
    assert_int_equal(hologram_wait(client, ticket), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hologram_read(client, 16, 0, data, sizeof data), HOLOGRAM_OK);
    assert_int_equal(data[999], 0x5a);
    end(&client);
}

static bool fail_frees(struct fake *server, const Hologram__V1__Request *request)
{
    return request->body_case == BODY(FREE)
               ? fake_fail(server, request->id, HOLOGRAM_NOT_FOUND, "no buffer")
               : answer(server, request);
}

/* Failures of requests that nobody waits for come out of wait_all, once. */
static void detached_failures_are_reported(void **state)
{
    (void)state;
    hologram_client *client;
    fake_connect(&fake, fail_frees, NULL, &client);
    assert_int_equal(hologram_submit_ping(client, NULL), HOLOGRAM_OK);
    assert_int_equal(hologram_submit_free(client, 99, NULL), HOLOGRAM_OK);
    assert_int_equal(hologram_submit_ping(client, NULL), HOLOGRAM_OK);
    assert_int_equal(hologram_wait_all(client), HOLOGRAM_NOT_FOUND);
    assert_string_equal(hologram_last_error(client)->message, "no buffer");
    assert_int_equal(hologram_wait_all(client), HOLOGRAM_OK);
    end(&client);
}

/* Thousands of requests in flight, more than the server takes at once, with answers larger than the
 * sockets' buffers: neither side waits for the other for ever. */
static void full_sockets_do_not_deadlock(void **state)
{
    (void)state;
    enum { READS = 300, BYTES = 65536 };
    hologram_client *client;
    uint8_t *data = malloc(BYTES);
    uint8_t *large = calloc(1, FAKE_PAYLOAD_MAX);
    fake_connect(&fake, answer, NULL, &client);
    for (int i = 0; i < READS; i++) {
        assert_int_equal(hologram_submit_read(client, 16, 0, data, BYTES, NULL), HOLOGRAM_OK);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hologram_submit_write(client, 16, 0, large, FAKE_PAYLOAD_MAX, NULL),
                         HOLOGRAM_OK);
    }
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(hologram_submit_ping(client, NULL), HOLOGRAM_OK);
    }
    assert_int_equal(hologram_wait_all(client), HOLOGRAM_OK);
    assert_int_equal(data[BYTES - 1], 0x5a);
    end(&client);
    free(data);
    free(large);
}

/* ---- what goes over the wire ----------------------------------------------------------------- */

struct seen {
    char op[32];
    uint64_t operands[4];
    size_t operand_count;
    char names[16][16];
    uint64_t bits[16];
    size_t attribute_count;
    uint64_t timeout_us;
    uint32_t stream;
};

static bool see(struct fake *server, const Hologram__V1__Request *request)
{
    struct seen *seen = server->context;
    if (request->body_case == BODY(EXECUTE)) {
        const Hologram__V1__Execute *execute = request->execute;
        memset(seen, 0, sizeof *seen);
        strncpy(seen->op, execute->op, sizeof seen->op - 1);
        for (size_t i = 0; i < execute->n_inputs; i++) {
            seen->operands[seen->operand_count++] = execute->inputs[i];
        }
        for (size_t i = 0; i < execute->n_outputs; i++) {
            seen->operands[seen->operand_count++] = execute->outputs[i];
        }
        seen->attribute_count = execute->n_attributes;
        for (size_t i = 0; i < execute->n_attributes; i++) {
            strncpy(seen->names[i], execute->attributes[i]->name, sizeof seen->names[i] - 1);
            seen->bits[i] = execute->attributes[i]->bits;
        }
        seen->timeout_us = request->timeout_us;
        seen->stream = request->stream;
    }
    return answer(server, request);
}

static void assert_attribute(const struct seen *seen, const char *name, uint64_t bits)
{
    for (size_t i = 0; i < seen->attribute_count; i++) {
        if (strcmp(seen->names[i], name) == 0) {
            assert_int_equal(seen->bits[i], bits);
            return;
        }
    }
    fail_msg("%s has no attribute %s", seen->op, name);
}

/* Typed functions name the operation, its operands in order, and its scalars in the operand's type;
 * sizes left to the server do not travel. */
static void typed_functions_fill_the_call(void **state)
{
    (void)state;
    struct seen seen = {.op = ""};
    hologram_client *client;
    hologram_buffer f32;
    hologram_buffer f64;
    hologram_buffer u8;
    fake_connect(&fake, see, &seen, &client);
    assert_int_equal(hologram_alloc_vector(client, HOLOGRAM_F32, 4, &f32), HOLOGRAM_OK);
    assert_int_equal(hologram_alloc_vector(client, HOLOGRAM_U8, 4, &u8), HOLOGRAM_OK);
    assert_int_equal(hologram_open(client, "weights", false, &f64, NULL), HOLOGRAM_OK);

    hologram_set_stream(client, 3);
    hologram_set_timeout(client, 5000000);
    assert_int_equal(hologram_vector_add(client, f32, f64, u8, HOLOGRAM_AUTO), HOLOGRAM_OK);
    assert_string_equal(seen.op, "vector_add");
    assert_int_equal(seen.operand_count, 3);
    assert_int_equal(seen.operands[0], f32);
    assert_int_equal(seen.operands[2], u8);
    assert_int_equal(seen.attribute_count, 0);
    assert_int_equal(seen.timeout_us, 5000000);
    assert_int_equal(seen.stream, 3);

    assert_int_equal(hologram_clip(client, u8, u8, 3, 250, 17), HOLOGRAM_OK);
    assert_attribute(&seen, "lo", 3);
    assert_attribute(&seen, "hi", 250);
    assert_attribute(&seen, "n", 17);

    const hologram_gemm_options options = {
        .m = 2, .k = HOLOGRAM_AUTO, .n = HOLOGRAM_AUTO, .trans_b = true, .alpha = 2, .beta = 0.5};
    assert_int_equal(hologram_gemm_with(client, f64, f64, f64, &options), HOLOGRAM_OK);
    assert_int_equal(seen.attribute_count, 4);
    assert_attribute(&seen, "m", 2);
    assert_attribute(&seen, "trans_b", 1);
    assert_attribute(&seen, "alpha", 0x4000000000000000);
    assert_attribute(&seen, "beta", 0x3fe0000000000000);

    assert_int_equal(hologram_softmax(client, f32, f32, 8, 4, 1), HOLOGRAM_OK);
    assert_attribute(&seen, "temperature", 0x3f800000);
    assert_attribute(&seen, "cols", 4);
    assert_int_equal(hologram_fill(client, f32, -1, HOLOGRAM_AUTO), HOLOGRAM_OK);
    assert_attribute(&seen, "value", 0xbf800000);
    assert_int_equal(seen.operand_count, 1);
    end(&client);
}

/* A scalar that the operand's type cannot hold is refused here, naming op, attribute and value. */
static void scalars_have_to_fit(void **state)
{
    (void)state;
    hologram_client *client;
    hologram_buffer u8;
    fake_connect(&fake, answer, NULL, &client);
    assert_int_equal(hologram_alloc_vector(client, HOLOGRAM_U8, 4, &u8), HOLOGRAM_OK);
    assert_int_equal(hologram_scalar_add(client, u8, u8, 256, 4), HOLOGRAM_INVALID_ARGUMENT);
    assert_string_equal(hologram_last_error(client)->message,
                        "scalar_add: s: expected a value of type u8, got 256");
    assert_int_equal(hologram_scalar_add(client, u8, u8, 0.5, 4), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hologram_scalar_add(client, u8, u8, NAN, 4), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hologram_scalar_add(client, u8, u8, 255, 4), HOLOGRAM_OK);
    end(&client);
}

/* What the wire has no form for is refused before it is sent. */
static void limits_are_checked_here(void **state)
{
    (void)state;
    hologram_client *client;
    hologram_buffer buffer;
    uint8_t byte = 0;
    fake_connect(&fake, answer, NULL, &client);
    hologram_buffer_spec spec = {.dtype = HOLOGRAM_F32, .rank = 9};
    assert_int_equal(hologram_alloc(client, &spec, &buffer, NULL), HOLOGRAM_INVALID_ARGUMENT);
    spec = (hologram_buffer_spec){.dtype = (hologram_dtype)13};
    assert_int_equal(hologram_alloc(client, &spec, &buffer, NULL), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hologram_submit_write(client, 1, 0, &byte, FAKE_PAYLOAD_MAX + 1, NULL),
                     HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(hologram_submit_read(client, 1, 0, &byte, 0, NULL), HOLOGRAM_INVALID_ARGUMENT);
    uint8_t *program = calloc(1, 1 << 20);
    hologram_program id;
    assert_int_equal(hologram_load_program(client, program, 1 << 20, &id, NULL),
                     HOLOGRAM_INVALID_ARGUMENT);
    free(program);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    end(&client);
}

/* ---- batches --------------------------------------------------------------------------------- */

static bool check_batch(struct fake *server, const Hologram__V1__Request *request)
{
    if (request->body_case != BODY(BATCH)) {
        return answer(server, request);
    }
    Hologram__V1__Step **steps = request->batch->steps;
    bool *right = server->context;
    *right = request->batch->n_steps == 4 && request->stream == 2 &&
             steps[0]->body_case == HOLOGRAM__V1__STEP__BODY_ALLOC &&
             steps[0]->alloc->n_shape == 1 && steps[0]->alloc->shape[0] == 300 &&
             steps[1]->body_case == HOLOGRAM__V1__STEP__BODY_WRITE &&
             steps[1]->write->data.len == 300 && steps[1]->write->id == steps[0]->alloc->id &&
             steps[2]->body_case == HOLOGRAM__V1__STEP__BODY_EXECUTE &&
             strcmp(steps[2]->execute->op, "relu") == 0 &&
             steps[3]->body_case == HOLOGRAM__V1__STEP__BODY_FREE &&
             steps[3]->free->ids[0] == steps[0]->alloc->id;
    return answer(server, request);
}

/* A batch travels as one message with its steps in order, may be run again, and is bounded. */
static void batch_carries_its_steps(void **state)
{
    (void)state;
    static const uint8_t data[300];
    bool right = false;
    hologram_client *client;
    hologram_batch *batch;
    hologram_buffer buffer;
    uint32_t completed = 0;
    fake_connect(&fake, check_batch, &right, &client);
    hologram_set_stream(client, 2);
    assert_int_equal(hologram_batch_new(client, &batch), HOLOGRAM_OK);
    const hologram_buffer_spec spec = {.dtype = HOLOGRAM_U8, .rank = 1, .shape = {300}};
    assert_int_equal(hologram_batch_alloc(batch, &spec, &buffer), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_write(batch, buffer, 0, data, sizeof data), HOLOGRAM_OK);
    const hologram_call call = {
        .op = "relu", .inputs = &buffer, .input_count = 1, .outputs = &buffer, .output_count = 1};
    assert_int_equal(hologram_batch_execute(batch, &call), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_free_buffer(batch, buffer), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_steps(batch), 4);
    assert_int_equal(hologram_batch_free_buffer(batch, buffer), HOLOGRAM_INVALID_ARGUMENT);
    for (int i = 0; i < 2; i++) {
        right = false;
        assert_int_equal(hologram_batch_run(batch, &completed), HOLOGRAM_OK);
        assert_true(right);
        assert_int_equal(completed, 4);
    }
    hologram_batch_clear(batch);
    assert_int_equal(hologram_batch_run(batch, &completed), HOLOGRAM_OK);
    assert_int_equal(completed, 0);
    hologram_batch_free(&batch);
    assert_null(batch);
    end(&client);
}

static bool fail_batch(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__Status failed = HOLOGRAM__V1__STATUS__INIT;
    failed.code = HOLOGRAM_INVALID_ARGUMENT;
    failed.message = (char *)"an integer is divided by 0";
    failed.detail = (char *)"DIVISION_BY_ZERO";
    Hologram__V1__BatchResult batch = HOLOGRAM__V1__BATCH_RESULT__INIT;
    batch.completed = 1;
    batch.failed = &failed;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_BATCH;
    response.batch = &batch;
    return fake_send(server, &response, NULL, 0);
}

/* The failing step's status and text are the batch's; the steps before it are counted. */
static void batch_failure_names_its_step(void **state)
{
    (void)state;
    hologram_client *client;
    hologram_batch *batch;
    uint32_t completed = 9;
    fake_connect(&fake, fail_batch, NULL, &client);
    assert_int_equal(hologram_batch_new(client, &batch), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_run(batch, &completed), HOLOGRAM_INVALID_ARGUMENT);
    assert_int_equal(completed, 1);
    assert_string_equal(hologram_last_error(client)->message, "an integer is divided by 0");
    assert_string_equal(hologram_last_error(client)->detail, "DIVISION_BY_ZERO");
    hologram_batch_free(&batch);
    end(&client);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Every call of a session; stops at the first failure. */
static hologram_status use_everything(hologram_client *client)
{
    hologram_buffer a;
    hologram_buffer b;
    hologram_stats *stats = NULL;
    hologram_batch *batch = NULL;
    hologram_status status = hologram_alloc_vector(client, HOLOGRAM_F32, 4, &a);
    status = status == HOLOGRAM_OK ? hologram_open(client, "weights", false, &b, NULL) : status;
    status = status == HOLOGRAM_OK ? hologram_vector_add(client, a, b, a, 4) : status;
    status = status == HOLOGRAM_OK ? hologram_batch_new(client, &batch) : status;
    status = status == HOLOGRAM_OK ? hologram_batch_free_buffer(batch, a) : status;
    status = status == HOLOGRAM_OK ? hologram_batch_run(batch, NULL) : status;
    for (int i = 0; i < 100 && status == HOLOGRAM_OK; i++) {
        status = hologram_submit_ping(client, NULL);
    }
    status = status == HOLOGRAM_OK ? hologram_wait_all(client) : status;
    status = status == HOLOGRAM_OK ? hologram_get_stats(client, &stats) : status;
    hologram_stats_free(stats);
    hologram_batch_free(&batch);
    return status;
}

/* Whichever allocation fails, the answer is RESOURCE_EXHAUSTED and nothing is lost or broken. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    uint64_t skip = 0;
    for (; failed; skip++) {
        hologram_client *client = NULL;
        hologram_error error;
        fake_start(&fake, answer, NULL);
        fake_fail_allocations(skip);
        hologram_status status = hologram_connect_fd(fake.client_fd, NULL, &client, &error);
        if (status == HOLOGRAM_OK) {
            status = use_everything(client);
        }
        failed = fake_allocations_failed();
        assert_int_equal(status, failed ? HOLOGRAM_RESOURCE_EXHAUSTED : HOLOGRAM_OK);
        end(&client);
    }
    assert_true(skip > 8);
}

/* Statistics outlive the client that asked for them. */
static void results_outlive_the_client(void **state)
{
    (void)state;
    hologram_client *client;
    hologram_stats *stats;
    fake_connect(&fake, answer, NULL, &client);
    assert_int_equal(hologram_get_stats(client, &stats), HOLOGRAM_OK);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    end(&client);
    assert_int_equal(hologram_stats_cache_count(stats), 2);
    assert_string_equal(hologram_stats_cache(stats, 1)->cache, "gemm");
    assert_int_equal(hologram_stats_cache(stats, 1)->hits, 7);
    assert_null(hologram_stats_cache(stats, 2));
    assert_null(hologram_stats_pool(stats, 0));
    hologram_stats_free(stats);
    hologram_stats_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_find_their_tickets),
        cmocka_unit_test(cancel_ends_a_request),
        cmocka_unit_test(silence_exceeds_the_deadline),
        cmocka_unit_test(forgotten_reads_write_nothing),
        cmocka_unit_test(detached_failures_are_reported),
        cmocka_unit_test(full_sockets_do_not_deadlock),
        cmocka_unit_test(typed_functions_fill_the_call),
        cmocka_unit_test(scalars_have_to_fit),
        cmocka_unit_test(limits_are_checked_here),
        cmocka_unit_test(batch_carries_its_steps),
        cmocka_unit_test(batch_failure_names_its_step),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(results_outlive_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
