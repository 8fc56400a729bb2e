/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from a peer into a real connection: frames, requests and operations, cut into pieces as the
 * kernel may cut them. The first byte of the input says how; the rest is sent.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "daemon/server.h"
#include "daemon/transport/native.h"
#include "lib/base/check.h"
#include "lib/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hg_server server;

/* So that what is alive only by the server is not taken for a leak: the cache's words hold more
 * than an address, and hide it from the sanitizer. */
static void stop(void)
{
    hg_server_stop(&server);
}

static void start(void)
{
    static struct hg_config config;
    struct hg_error error = HG_ERROR_INIT;
    hg_config_init(&config);
    /* Everything in place and small: a run is the same every time. */
    HG_REQUIRE(hg_config_set(&config, "engine.workers=1", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "engine.inline_max_ns=100000000", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "engine.heap_bytes_max=4MiB", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "limits.fuel_max=1000", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "log.level=fatal", &error) == HG_OK);
    HG_REQUIRE(hg_server_start_core(&server, &config, &error) == HG_OK);
    HG_REQUIRE(atexit(stop) == 0);
}

/* A hello, so that what follows is about something. */
static const uint8_t hello[] = {'H', 'G', 'R', 'M', 1, 0, 0, 0, 8, 0, 0,    0, 0, 0, 0,  0,
                                0,   0,   0,   0,   0, 0, 0, 0, 8, 1, 0x52, 4, 8, 1, 16, 1};

static void take_answers(int fd)
{
    static uint8_t answers[65536];
    while (recv(fd, answers, sizeof(answers), MSG_DONTWAIT) > 0) {
    }
}

static void send_piece(int fd, const uint8_t *data, size_t size)
{
    (void)!send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    hg_loop_turn(server.loop);
    hg_loop_turn(server.loop);
    take_answers(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_error error = HG_ERROR_INIT;
    int fds[2];
    if (server.loop == NULL) {
        start();
    }
    if (size < 1 || size > 65536) {
        return 0;
    }
    HG_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    HG_REQUIRE(hg_native_accept(&server, fds[0], &error) == HG_OK);
    const size_t piece = (data[0] & 0x7f) != 0 ? (size_t)(data[0] & 0x7f) * 7 : size;
    if ((data[0] & 0x80) == 0) {
        send_piece(fds[1], hello, sizeof(hello));
    }
    for (size_t at = 1; at < size; at += piece) {
        send_piece(fds[1], data + at, size - at < piece ? size - at : piece);
    }
    shutdown(fds[1], SHUT_WR);
    for (int i = 0; i < 4; i++) {
        hg_loop_turn(server.loop);
        take_answers(fds[1]);
    }
    close(fds[1]);
    while (server.natives != NULL) {
        hg_loop_turn(server.loop);
    }
    /* Whatever came, nothing of it is left. */
    struct hg_engine_stats stats;
    hg_engine_stats(server.engine, &stats);
    HG_REQUIRE(stats.sessions == 0 && server.requests.live_count == 0);
    /* Nor in the cache: a run is the same every time, and the sanitizer, which looks between runs,
     * does not find programs that it cannot see anybody hold. */
    (void)hg_engine_cache_flush(server.engine);
    return 0;
}
