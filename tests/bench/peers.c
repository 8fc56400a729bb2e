/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/peers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#define FLIGHT_BYTES_MAX 65536

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

pid_t peer_fork(void)
{
    fflush(NULL);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) {
        die("fork");
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
    }
    return child;
}

static int try_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket");
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

static int connect_when_ready(const char *path)
{
    for (int attempt = 0; attempt < 500; attempt++) {
        int fd = try_connect(path);
        if (fd >= 0) {
            return fd;
        }
        usleep(10000);
    }
    fprintf(stderr, "bench: nobody listens on %s\n", path);
    exit(1);
}

/* ---- libuv ----------------------------------------------------------------------------------- */

struct echo {
    uv_pipe_t pipe;
    struct peer_sizes sizes;
    size_t pending; /* bytes of an incomplete request */
    char input[FLIGHT_BYTES_MAX];
    char output[FLIGHT_BYTES_MAX];
};

static struct echo echo;

static void echo_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(echo.input, sizeof echo.input);
}

static void echo_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    (void)buf;
    if (count < 0) {
        _exit(0);
    }
    echo.pending += (size_t)count;
    size_t answers = echo.pending / echo.sizes.request;
    echo.pending %= echo.sizes.request;
    uv_buf_t output = uv_buf_init(echo.output, (unsigned)(answers * echo.sizes.response));
    if (answers > 0 && uv_try_write(stream, &output, 1) < 0) {
        _exit(1);
    }
}

static void echo_accept(uv_stream_t *server, int status)
{
    if (status < 0 || uv_pipe_init(server->loop, &echo.pipe, 0) != 0 ||
        uv_accept(server, (uv_stream_t *)&echo.pipe) != 0) {
        _exit(1);
    }
    uv_read_start((uv_stream_t *)&echo.pipe, echo_alloc, echo_read);
}

struct peer peer_start_uv_echo(const char *path, struct peer_sizes sizes)
{
    struct peer peer = {.process = peer_fork()};
    if (peer.process == 0) {
        uv_loop_t *loop = uv_default_loop();
        uv_pipe_t server;
        echo.sizes = sizes;
        uv_pipe_init(loop, &server, 0);
        if (uv_pipe_bind(&server, path) != 0 ||
            uv_listen((uv_stream_t *)&server, 8, echo_accept) != 0) {
            _exit(1);
        }
        uv_run(loop, UV_RUN_DEFAULT);
        _exit(0);
    }
    peer.fd = connect_when_ready(path);
    return peer;
}

/* ---- raw socket ------------------------------------------------------------------------------ */

/* Answers the complete requests of each recv, GROUP of them (0: all) with one send. */
static _Noreturn void raw_serve(int fd, struct peer_sizes sizes, size_t group)
{
    static char input[FLIGHT_BYTES_MAX];
    static char output[FLIGHT_BYTES_MAX];
    size_t pending = 0;
    for (;;) {
        ssize_t count = recv(fd, input, sizeof input, 0);
        if (count <= 0) {
            _exit(0);
        }
        pending += (size_t)count;
        size_t answers = pending / sizes.request;
        pending %= sizes.request;
        while (answers > 0) {
            size_t some = group != 0 && group < answers ? group : answers;
            size_t bytes = some * sizes.response;
            if (send(fd, output, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) {
                _exit(1);
            }
            answers -= some;
        }
    }
}

static struct peer start_raw(struct peer_sizes sizes, size_t group)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        die("socketpair");
    }
    struct peer peer = {.process = peer_fork(), .fd = pair[0]};
    if (peer.process == 0) {
        close(pair[0]);
        raw_serve(pair[1], sizes, group);
    }
    close(pair[1]);
    return peer;
}

struct peer peer_start_raw(struct peer_sizes sizes)
{
    return start_raw(sizes, 0);
}

struct peer peer_start_raw_singly(struct peer_sizes sizes)
{
    return start_raw(sizes, 1);
}

void peer_stop(struct peer *peer)
{
    close(peer->fd);
    kill(peer->process, SIGKILL);
    waitpid(peer->process, NULL, 0);
}

static char flight[FLIGHT_BYTES_MAX];

static void send_requests(const struct peer *peer, size_t bytes)
{
    if (send(peer->fd, flight, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) {
        die("send");
    }
}

static void receive_responses(const struct peer *peer, size_t in)
{
    while (in > 0) {
        ssize_t got = recv(peer->fd, flight, in < sizeof flight ? in : sizeof flight, 0);
        if (got <= 0) {
            die("recv");
        }
        in -= (size_t)got;
    }
}

void peer_exchange(const struct peer *peer, struct peer_sizes sizes, size_t count)
{
    send_requests(peer, count * sizes.request);
    receive_responses(peer, count * sizes.response);
}

void peer_exchange_singly(const struct peer *peer, struct peer_sizes sizes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        send_requests(peer, sizes.request);
    }
    receive_responses(peer, count * sizes.response);
}

/* ---- the daemon ------------------------------------------------------------------------------ */

pid_t daemon_start(const char *path)
{
    const char *build = getenv("HOLOGRAM_BUILD");
    char program[512];
    snprintf(program, sizeof program, "%s/bin/hologramd", build != NULL ? build : "build/release");
    pid_t process = peer_fork();
    if (process == 0) {
        execl(program, program, "--socket", path, "--log-level", "warn", "--set",
              "server.poll_us=0", "--set", "http.listen=", (char *)NULL);
        perror(program);
        _exit(1);
    }
    close(connect_when_ready(path));
    return process;
}

void daemon_stop(pid_t process)
{
    kill(process, SIGTERM);
    waitpid(process, NULL, 0);
}

uint64_t process_cpu_ns(pid_t process)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        die("cpu clock");
    }
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}
