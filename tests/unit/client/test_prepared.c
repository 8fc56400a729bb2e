/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared operations: what goes over the wire, when it is said again, and running out of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/client/fake.h"

#define BODY(type) HOLOGRAM__V1__REQUEST__BODY_##type

static struct fake fake;

/* What the server was asked. */
struct seen {
    uint32_t prepares;
    uint32_t executes;
    uint32_t unprepares;
    uint64_t handle; /* the one that it has; others are not found */
    uint64_t last;   /* that was executed or given back */
    char what[256];  /* the last prepare in words */
};

static void end(hologram_client **client)
{
    hologram_close(client);
    fake_join(&fake);
}

static bool give_handle(struct fake *server, const Hologram__V1__Request *request,
                        struct seen *seen)
{
    const Hologram__V1__Prepare *prepare = request->prepare;
    Hologram__V1__PrepareResult result = HOLOGRAM__V1__PREPARE_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    int at = snprintf(seen->what, sizeof seen->what, "%s", prepare->op);
    for (size_t i = 0; i < prepare->n_operands; i++) {
        const Hologram__V1__OperandPattern *operand = prepare->operands[i];
        at += snprintf(seen->what + at, sizeof seen->what - (size_t)at, " %d/%d/%zu",
                       operand->dtype, operand->has_shape, operand->n_shape);
    }
    for (size_t i = 0; i < prepare->n_attributes; i++) {
        at += snprintf(seen->what + at, sizeof seen->what - (size_t)at, " %s=%llu",
                       prepare->attributes[i]->name,
                       (unsigned long long)prepare->attributes[i]->bits);
    }
    seen->prepares++;
    seen->handle = (uint64_t)seen->prepares << 32 | 1;
    result.handle = seen->handle;
    response.id = request->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_PREPARE;
    response.prepare = &result;
    return fake_send(server, &response, NULL, 0);
}

static bool not_prepared(struct fake *server, uint64_t id)
{
    Hologram__V1__Status failure = HOLOGRAM__V1__STATUS__INIT;
    failure.code = HOLOGRAM_NOT_FOUND;
    failure.message = (char *)"no prepared operation has that handle";
    failure.detail = (char *)"NOT_PREPARED";
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = id;
    response.status = &failure;
    return fake_send(server, &response, NULL, 0);
}

static bool execute(struct fake *server, const Hologram__V1__Request *request,
                    const Hologram__V1__ExecutePrepared *body, struct seen *seen)
{
    seen->executes++;
    seen->last = body->handle;
    if (body->handle != seen->handle) {
        return not_prepared(server, request->id);
    }
    if (body->n_inputs == 1) {
        return fake_fail(server, request->id, HOLOGRAM_NOT_FOUND, "no such buffer");
    }
    Hologram__V1__ExecuteResult result = HOLOGRAM__V1__EXECUTE_RESULT__INIT;
    Hologram__V1__BatchResult batch = HOLOGRAM__V1__BATCH_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    if (request->body_case == BODY(BATCH)) {
        batch.completed = (uint32_t)request->batch->n_steps;
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_BATCH;
        response.batch = &batch;
    } else {
        result.outcome = (char *)"hit";
        response.body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
        response.execute = &result;
    }
    return fake_send(server, &response, NULL, 0);
}

static bool serve(struct fake *server, const Hologram__V1__Request *request)
{
    struct seen *seen = server->context;
    switch (request->body_case) {
    case BODY(PREPARE):
        return give_handle(server, request, seen);
    case BODY(EXECUTE_PREPARED):
        return execute(server, request, request->execute_prepared, seen);
    case BODY(BATCH):
        return execute(server, request, request->batch->steps[0]->execute_prepared, seen);
    case BODY(UNPREPARE):
        seen->unprepares++;
        seen->last = request->unprepare->handle;
        return fake_ok(server, request);
    default:
        return fake_ok(server, request);
    }
}

static const hologram_operand operands[] = {
    {.dtype = HOLOGRAM_F32, .has_shape = true, .rank = 2, .shape = {2, 3}},
    {.dtype = HOLOGRAM_F32, .has_shape = true},
    {.dtype = HOLOGRAM_F64, .rank = 99}};
static const hologram_attribute attribute = {.name = "n", .bits = 6};
static const hologram_pattern pattern = {.op = "vector_add",
                                         .operands = operands,
                                         .operand_count = 3,
                                         .attributes = &attribute,
                                         .attribute_count = 1};
static const hologram_buffer buffers[] = {11, 12, 13};

static hologram_prepared_call call_of(hologram_prepared *prepared)
{
    return (hologram_prepared_call){.prepared = prepared,
                                    .inputs = buffers,
                                    .input_count = 2,
                                    .outputs = buffers + 2,
                                    .output_count = 1};
}

/* Prepared once, whatever the way it is executed; given back by number. */
static void prepared_once_and_executed_by_number(void **state)
{
    (void)state;
    struct seen seen = {0};
    hologram_client *client;
    hologram_prepared *prepared;
    hologram_execution execution = {0};
    hologram_batch *batch;
    hologram_ticket ticket;
    uint32_t completed = 0;
    fake_connect(&fake, serve, &seen, &client);
    assert_int_equal(hologram_prepare(client, &pattern, &prepared), HOLOGRAM_OK);
    assert_string_equal(seen.what, "vector_add 11/1/2 11/1/0 12/0/0 n=6");
    hologram_prepared_call call = call_of(prepared);
    assert_int_equal(hologram_execute_prepared(client, &call, &execution), HOLOGRAM_OK);
    assert_string_equal(execution.outcome, "hit");
    assert_int_equal(hologram_submit_execute_prepared(client, &call, NULL, NULL), HOLOGRAM_OK);
    assert_int_equal(hologram_submit_execute_prepared(client, &call, NULL, &ticket), HOLOGRAM_OK);
    assert_int_equal(hologram_wait(client, ticket), HOLOGRAM_OK);
    assert_int_equal(hologram_wait_all(client), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_new(client, &batch), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_execute_prepared(batch, &call), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_execute_prepared(batch, &call), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_run(batch, &completed), HOLOGRAM_OK);
    assert_int_equal(completed, 2);
    assert_int_equal(seen.executes, 4);
    assert_int_equal(seen.last, seen.handle);
    hologram_batch_free(&batch);
    hologram_unprepare(client, &prepared);
    assert_null(prepared);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK); /* takes it along */
    assert_int_equal(seen.unprepares, 1);
    assert_int_equal(seen.last, seen.handle);
    assert_int_equal(seen.prepares, 1);
    end(&client);
}

/* A number that the server lost is asked for again, once, and the call succeeds. A batch reports it
 * and its next recording asks again. */
static void lost_numbers_are_asked_for_again(void **state)
{
    (void)state;
    struct seen seen = {0};
    hologram_client *client;
    hologram_prepared *prepared;
    hologram_batch *batch;
    fake_connect(&fake, serve, &seen, &client);
    assert_int_equal(hologram_prepare(client, &pattern, &prepared), HOLOGRAM_OK);
    hologram_prepared_call call = call_of(prepared);
    seen.handle = 0;
    assert_int_equal(hologram_execute_prepared(client, &call, NULL), HOLOGRAM_OK);
    assert_int_equal(seen.prepares, 2);
    assert_int_equal(seen.executes, 2);
    assert_int_equal(hologram_batch_new(client, &batch), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_execute_prepared(batch, &call), HOLOGRAM_OK);
    seen.handle = 0;
    assert_int_equal(hologram_batch_run(batch, NULL), HOLOGRAM_NOT_FOUND);
    assert_string_equal(hologram_last_error(client)->detail, "NOT_PREPARED");
    hologram_batch_clear(batch);
    assert_int_equal(hologram_batch_execute_prepared(batch, &call), HOLOGRAM_OK);
    assert_int_equal(hologram_batch_run(batch, NULL), HOLOGRAM_OK);
    assert_int_equal(seen.prepares, 3);
    hologram_batch_free(&batch);
    hologram_unprepare(client, &prepared);
    end(&client);
}

/* A missing buffer is no missing number: nothing is prepared again, nothing is tried twice. */
static void a_missing_buffer_is_just_that(void **state)
{
    (void)state;
    struct seen seen = {0};
    hologram_client *client;
    hologram_prepared *prepared;
    fake_connect(&fake, serve, &seen, &client);
    assert_int_equal(hologram_prepare(client, &pattern, &prepared), HOLOGRAM_OK);
    hologram_prepared_call call = call_of(prepared);
    call.input_count = 1;
    assert_int_equal(hologram_execute_prepared(client, &call, NULL), HOLOGRAM_NOT_FOUND);
    assert_string_equal(hologram_last_error(client)->message, "no such buffer");
    assert_int_equal(seen.executes, 1);
    assert_int_equal(seen.prepares, 1);
    hologram_unprepare(client, &prepared);
    end(&client);
}

/* It outlives its client: another connection gets a number of its own at the first use, and what is
 * of another connection is not given back there. */
static void another_connection_gets_its_own_number(void **state)
{
    (void)state;
    struct seen seen = {0};
    hologram_client *client;
    hologram_prepared *prepared;
    fake_connect(&fake, serve, &seen, &client);
    assert_int_equal(hologram_prepare(client, &pattern, &prepared), HOLOGRAM_OK);
    end(&client);
    struct seen anew = {.prepares = 7};
    fake_connect(&fake, serve, &anew, &client);
    hologram_prepared_call call = call_of(prepared);
    assert_int_equal(hologram_submit_execute_prepared(client, &call, NULL, NULL), HOLOGRAM_OK);
    assert_int_equal(hologram_wait_all(client), HOLOGRAM_OK);
    assert_int_equal(anew.prepares, 8);
    assert_int_equal(anew.last, anew.handle);
    assert_string_equal(anew.what, seen.what);
    end(&client);
    struct seen third = {0};
    fake_connect(&fake, serve, &third, &client);
    hologram_unprepare(client, &prepared);
    hologram_unprepare(client, &prepared);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    assert_int_equal(third.unprepares, 0);
    end(&client);
}

/* What has no form on the wire is refused before it is sent, naming it. */
static void patterns_are_checked_here(void **state)
{
    (void)state;
    static const hologram_operand many[17];
    static const hologram_attribute attributes[17];
    static const hologram_operand deep = {.dtype = HOLOGRAM_F32, .has_shape = true, .rank = 9};
    static const struct {
        hologram_pattern pattern;
        const char *text;
    } cases[] = {
        {{.op = NULL}, "prepare: no operation is named"},
        {{.op = "x", .operands = many, .operand_count = 17}, "at most 16 operands, got 17"},
        {{.op = "x", .attributes = attributes, .attribute_count = 17},
         "at most 16 attributes, got 17"},
        {{.op = "x", .operands = &deep, .operand_count = 1},
         "prepare x: operand 0: expected at most 8 dimensions, got 9"},
    };
    struct seen seen = {0};
    hologram_client *client;
    fake_connect(&fake, serve, &seen, &client);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hologram_prepared *prepared = NULL;
        assert_int_equal(hologram_prepare(client, &cases[i].pattern, &prepared),
                         HOLOGRAM_INVALID_ARGUMENT);
        assert_null(prepared);
        assert_non_null(strstr(hologram_last_error(client)->message, cases[i].text));
    }
    assert_int_equal(seen.prepares, 0);
    end(&client);
}

/* Whichever allocation fails, the answer is RESOURCE_EXHAUSTED and the client goes on. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    uint64_t skip = 0;
    for (; failed; skip++) {
        struct seen seen = {0};
        hologram_client *client;
        hologram_prepared *prepared = NULL;
        fake_connect(&fake, serve, &seen, &client);
        fake_fail_allocations(skip);
        hologram_status status = hologram_prepare(client, &pattern, &prepared);
        failed = fake_allocations_failed();
        assert_int_equal(status, failed ? HOLOGRAM_RESOURCE_EXHAUSTED : HOLOGRAM_OK);
        hologram_unprepare(client, &prepared);
        end(&client);
    }
    assert_true(skip > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepared_once_and_executed_by_number),
        cmocka_unit_test(lost_numbers_are_asked_for_again),
        cmocka_unit_test(a_missing_buffer_is_just_that),
        cmocka_unit_test(another_connection_gets_its_own_number),
        cmocka_unit_test(patterns_are_checked_here),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
