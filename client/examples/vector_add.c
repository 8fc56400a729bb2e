/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds two vectors in the daemon:
 *
 *     cc vector_add.c $(pkg-config --cflags --libs hologram) && ./a.out
 */
#include <stdio.h>

#include <hologram/hologram.h>

#define N 1000

static int report(const char *what, const hologram_error *error)
{
    fprintf(stderr, "vector_add: %s: %s: %s\n", what, hologram_status_name(error->status),
            error->message);
    return 1;
}

/* c = a + b. The library is blocking here; hologram_submit_* pipelines. */
static hologram_status add(hologram_client *client, const float *x, const float *y, float *z)
{
    hologram_buffer a;
    hologram_buffer b;
    hologram_buffer c;
    hologram_status status = hologram_from_memory(client, HOLOGRAM_F32, x, N, &a);
    if (status == HOLOGRAM_OK) {
        status = hologram_from_memory(client, HOLOGRAM_F32, y, N, &b);
    }
    if (status == HOLOGRAM_OK) {
        status = hologram_alloc_vector(client, HOLOGRAM_F32, N, &c);
    }
    if (status == HOLOGRAM_OK) {
        status = hologram_vector_add(client, a, b, c, HOLOGRAM_AUTO);
    }
    if (status == HOLOGRAM_OK) {
        status = hologram_read(client, c, 0, z, N * sizeof *z);
    }
    return status; /* the buffers go when the client is closed */
}

int main(void)
{
    float x[N];
    float y[N];
    float z[N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)i;
        y[i] = (float)(2 * i);
    }

    hologram_client *client;
    hologram_error error;
    if (hologram_connect(NULL, &client, &error) != HOLOGRAM_OK) {
        return report("connect", &error);
    }
    if (add(client, x, y, z) != HOLOGRAM_OK) {
        int status = report("add", hologram_last_error(client));
        hologram_close(&client);
        return status;
    }
    hologram_close(&client);
    printf("%g + %g = %g, %g + %g = %g\n", x[10], y[10], z[10], x[N - 1], y[N - 1], z[N - 1]);
    return 0;
}
