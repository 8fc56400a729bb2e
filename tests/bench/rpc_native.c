/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/rpc_native.h"

#include <stdio.h>
#include <stdlib.h>

#include <hologram/hologram.h>

#include "proto/hologram/v1/hologram.pb-c.h"

#define FRAME_HEADER 24

struct native {
    hologram_client *client;
    hologram_buffer inputs[2];
    hologram_buffer output;
    hologram_call add;
    hologram_prepared_call prepared;
    hologram_batch *batch;
    hologram_batch *chain;
    hologram_batch *prepared_batch;
};

static void check(const struct native *native, hologram_status status)
{
    if (status != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s: %s\n", hologram_status_name(status),
                hologram_last_error(native->client)->message);
        exit(1);
    }
}

struct peer_sizes native_sizes(void)
{
    char op[] = "vector_add";
    char outcome[] = "hit";
    uint64_t inputs[] = {1, 2};
    uint64_t outputs[] = {3};
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    execute.op = op;
    execute.n_inputs = 2;
    execute.inputs = inputs;
    execute.n_outputs = 1;
    execute.outputs = outputs;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    request.id = 1000;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_EXECUTE;
    request.execute = &execute;
    Hologram__V1__ExecuteResult result = HOLOGRAM__V1__EXECUTE_RESULT__INIT;
    result.cache = op;
    result.outcome = outcome;
    result.lookup_ns = 200;
    result.run_ns = 200;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = 1000;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_EXECUTE;
    response.execute = &result;
    return (struct peer_sizes){
        .request = FRAME_HEADER + hologram__v1__request__get_packed_size(&request),
        .response = FRAME_HEADER + hologram__v1__response__get_packed_size(&response),
    };
}

static void prepare(struct native *native)
{
    const hologram_operand vector = {
        .dtype = HOLOGRAM_F32, .has_shape = true, .rank = 1, .shape = {NATIVE_ELEMENTS}};
    const hologram_operand operands[] = {vector, vector, vector};
    const hologram_pattern pattern = {.op = "vector_add", .operands = operands, .operand_count = 3};
    native->prepared = (hologram_prepared_call){
        .inputs = native->inputs, .input_count = 2, .outputs = &native->output, .output_count = 1};
    check(native, hologram_prepare(native->client, &pattern, &native->prepared.prepared));
}

static void fill_batches(struct native *native)
{
    const hologram_buffer chained[] = {native->output, native->inputs[1]};
    hologram_call next = native->add;
    next.inputs = chained;
    check(native, hologram_batch_new(native->client, &native->batch));
    check(native, hologram_batch_new(native->client, &native->chain));
    check(native, hologram_batch_new(native->client, &native->prepared_batch));
    for (int i = 0; i < NATIVE_STEPS; i++) {
        check(native, hologram_batch_execute(native->batch, &native->add));
        check(native, hologram_batch_execute(native->chain, i == 0 ? &native->add : &next));
        check(native, hologram_batch_execute_prepared(native->prepared_batch, &native->prepared));
    }
}

struct native *native_open(const char *path)
{
    static const float zeros[NATIVE_ELEMENTS];
    const hologram_options options = {.socket_path = path};
    struct native *native = calloc(1, sizeof *native);
    hologram_error error;
    if (native == NULL || hologram_connect(&options, &native->client, &error) != HOLOGRAM_OK) {
        fprintf(stderr, "bench: %s\n", native != NULL ? error.message : "out of memory");
        exit(1);
    }
    hologram_client *client = native->client;
    for (int i = 0; i < 2; i++) {
        check(native, hologram_from_memory(client, HOLOGRAM_F32, zeros, NATIVE_ELEMENTS,
                                           &native->inputs[i]));
    }
    check(native, hologram_alloc_vector(client, HOLOGRAM_F32, NATIVE_ELEMENTS, &native->output));
    native->add = (hologram_call){.op = "vector_add",
                                  .inputs = native->inputs,
                                  .input_count = 2,
                                  .outputs = &native->output,
                                  .output_count = 1};
    prepare(native);
    fill_batches(native);
    return native;
}

void native_close(struct native *native)
{
    hologram_batch_free(&native->batch);
    hologram_batch_free(&native->chain);
    hologram_batch_free(&native->prepared_batch);
    hologram_unprepare(native->client, &native->prepared.prepared);
    hologram_close(&native->client);
    free(native);
}

void native_ping(void *context)
{
    const struct native *native = context;
    check(native, hologram_ping(native->client));
}

void native_add(void *context)
{
    const struct native *native = context;
    check(native, hologram_vector_add(native->client, native->inputs[0], native->inputs[1],
                                      native->output, NATIVE_ELEMENTS));
}

void native_pipelined(void *context)
{
    const struct native *native = context;
    for (int i = 0; i < NATIVE_WINDOW; i++) {
        check(native, hologram_submit_execute(native->client, &native->add, NULL, NULL));
    }
    check(native, hologram_wait_all(native->client));
}

void native_batch(void *context)
{
    const struct native *native = context;
    check(native, hologram_batch_run(native->batch, NULL));
}

void native_prepared(void *context)
{
    const struct native *native = context;
    check(native, hologram_execute_prepared(native->client, &native->prepared, NULL));
}

void native_prepared_pipelined(void *context)
{
    const struct native *native = context;
    for (int i = 0; i < NATIVE_WINDOW; i++) {
        check(native,
              hologram_submit_execute_prepared(native->client, &native->prepared, NULL, NULL));
    }
    check(native, hologram_wait_all(native->client));
}

void native_prepared_batch(void *context)
{
    const struct native *native = context;
    check(native, hologram_batch_run(native->prepared_batch, NULL));
}

void native_chained(void *context)
{
    const struct native *native = context;
    check(native, hologram_batch_run(native->chain, NULL));
}
