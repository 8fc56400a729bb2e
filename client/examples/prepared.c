/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds 1 a thousand times: the operation is prepared once, and its runs travel together.
 *
 *     cc prepared.c $(pkg-config --cflags --libs hologram) && ./a.out
 */
#include <stdio.h>

#include <hologram/hologram.h>

#define N    256
#define RUNS 1000

static hologram_status prepare_add(hologram_client *client, hologram_prepared **add)
{
    hologram_operand operand = {.dtype = HOLOGRAM_F32, .has_shape = true, .rank = 1, .shape = {N}};
    hologram_operand operands[] = {operand, operand, operand}; /* a, b, and their sum */
    hologram_pattern pattern = {.op = "vector_add", .operands = operands, .operand_count = 3};
    return hologram_prepare(client, &pattern, add);
}

/* x += one, RUNS times: nobody waits in between, and the server keeps the order. */
static hologram_status run(hologram_client *client, hologram_prepared *add, hologram_buffer x,
                           hologram_buffer one)
{
    hologram_buffer inputs[] = {x, one};
    hologram_prepared_call call = {
        .prepared = add, .inputs = inputs, .input_count = 2, .outputs = &x, .output_count = 1};
    hologram_status status = HOLOGRAM_OK;
    for (int i = 0; i < RUNS && status == HOLOGRAM_OK; i++) {
        status = hologram_submit_execute_prepared(client, &call, NULL, NULL);
    }
    return status == HOLOGRAM_OK ? hologram_wait_all(client) : status;
}

static hologram_status count(hologram_client *client, float *z)
{
    hologram_prepared *add = NULL;
    hologram_buffer x = 0;
    hologram_buffer one = 0;
    hologram_status status = hologram_alloc_vector(client, HOLOGRAM_F32, N, &x);
    if (status == HOLOGRAM_OK) {
        status = hologram_alloc_vector(client, HOLOGRAM_F32, N, &one);
    }
    if (status == HOLOGRAM_OK) {
        status = hologram_fill(client, one, 1.0, HOLOGRAM_AUTO);
    }
    if (status == HOLOGRAM_OK) {
        status = prepare_add(client, &add);
    }
    if (status == HOLOGRAM_OK) {
        status = run(client, add, x, one);
    }
    if (status == HOLOGRAM_OK) {
        status = hologram_read(client, x, 0, z, N * sizeof *z);
    }
    hologram_unprepare(client, &add);
    return status;
}

int main(void)
{
    float z[N];
    hologram_client *client = NULL;
    hologram_error error;
    if (hologram_connect(NULL, &client, &error) != HOLOGRAM_OK) {
        fprintf(stderr, "prepared: %s\n", error.message);
        return 1;
    }
    hologram_status status = count(client, z);
    if (status == HOLOGRAM_OK) {
        printf("%g ... %g\n", z[0], z[N - 1]);
    } else {
        fprintf(stderr, "prepared: %s\n", hologram_last_error(client)->message);
    }
    hologram_close(&client);
    return status == HOLOGRAM_OK ? 0 : 1;
}
