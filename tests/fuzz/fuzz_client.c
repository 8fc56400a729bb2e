/* SPDX-License-Identifier: Apache-2.0 */
/* The client library against a server that greets properly and then sends any bytes at all. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/include/hologram/hologram.h"
#include "proto/hologram/v1/hologram.pb-c.h"

#define FRAME_HEADER 24
#define FIRST_TICKET 65536 /* slot 0, generation 1: the greeting's */
#define INPUT_MAX    65536 /* a socket's buffer takes this without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void greet(int fd)
{
    Hologram__V1__HelloResult hello = HOLOGRAM__V1__HELLO_RESULT__INIT;
    hello.protocol_version = 1;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = FIRST_TICKET;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_HELLO;
    response.hello = &hello;
    uint8_t frame[256] = {'H', 'G', 'R', 'M', 1};
    size_t bytes = hologram__v1__response__pack(&response, frame + FRAME_HEADER);
    frame[8] = (uint8_t)bytes;
    if (send(fd, frame, FRAME_HEADER + bytes, 0) != (ssize_t)(FRAME_HEADER + bytes)) {
        abort();
    }
}

/* Requests of every kind that has an answer with a body. */
static void use(hologram_client *client)
{
    static uint8_t place[256];
    hologram_buffer buffer;
    hologram_buffer_info info;
    hologram_stats *stats = NULL;
    hologram_ops *ops = NULL;
    hologram_buffers *buffers = NULL;
    hologram_execution execution;
    const hologram_buffer_spec spec = {.dtype = HOLOGRAM_F32, .rank = 1, .shape = {4}};
    const hologram_call call = {.op = "relu"};
    (void)hologram_submit_alloc(client, &spec, &buffer, &info, NULL);
    (void)hologram_submit_read(client, 16, 0, place, sizeof place, NULL);
    (void)hologram_submit_execute(client, &call, &execution, NULL);
    (void)hologram_wait_all(client);
    if (hologram_get_stats(client, &stats) == HOLOGRAM_OK) {
        hologram_stats_free(stats);
    }
    if (hologram_list_ops(client, &ops) == HOLOGRAM_OK) {
        hologram_ops_free(ops);
    }
    if (hologram_list_buffers(client, HOLOGRAM_SCOPE_NAMED, &buffers) == HOLOGRAM_OK) {
        hologram_buffers_free(buffers);
    }
    (void)hologram_open(client, "x", false, &buffer, &info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    hologram_client *client = NULL;
    if (size > INPUT_MAX) {
        return 0;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        abort();
    }
    greet(ends[1]);
    if (size > 0 && send(ends[1], data, size, MSG_DONTWAIT) < 0) {
        abort();
    }
    shutdown(ends[1], SHUT_WR);
    if (hologram_connect_fd(ends[0], NULL, &client, NULL) == HOLOGRAM_OK) {
        use(client);
    }
    hologram_close(&client);
    close(ends[1]);
    return 0;
}
