/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from a peer into the HTTP server, over a socket pair. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/http/http.h"
#include "daemon/loop.h"
#include "daemon/server.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hg_server server;

static void start(void)
{
    static struct hg_config config;
    struct hg_error error = HG_ERROR_INIT;
    hg_config_init(&config);
    HG_REQUIRE(hg_config_set(&config, "engine.workers=1", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "engine.heap_bytes_max=4MiB", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "log.level=fatal", &error) == HG_OK);
    HG_REQUIRE(hg_server_start_core(&server, &config, &error) == HG_OK);
    HG_REQUIRE(hg_http_start_core(&server, &server.http, &error) == HG_OK);
}

static void take_answers(int fd)
{
    static uint8_t answers[65536];
    while (recv(fd, answers, sizeof(answers), MSG_DONTWAIT) > 0) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    if (server.loop == NULL) {
        start();
    }
    if (size < 1 || size > 32768) {
        return 0;
    }
    HG_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    hg_http_add(server.http, fds[0]);
    const size_t piece = data[0] != 0 ? (size_t)data[0] * 3 : size;
    for (size_t at = 1; at < size; at += piece) {
        (void)!send(fds[1], data + at, size - at < piece ? size - at : piece,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
        hg_loop_turn(server.loop);
        take_answers(fds[1]);
    }
    close(fds[1]);
    for (int i = 0; i < 3; i++) {
        hg_loop_turn(server.loop);
    }
    return 0;
}
