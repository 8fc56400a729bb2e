/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/peers.h"

#include <dirent.h>
#include <pthread.h>
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

void peer_directory_make(char *path, size_t size)
{
    snprintf(path, size, "/tmp/hologram-bench-XXXXXX");
    if (mkdtemp(path) == NULL) {
        die(path);
    }
}

void peer_directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        die(path);
    }
    for (struct dirent *file = readdir(directory); file != NULL; file = readdir(directory)) {
        /* "." and ".." are no files that it could remove. */
        (void)unlinkat(dirfd(directory), file->d_name, 0);
    }
    closedir(directory);
    if (rmdir(path) != 0) {
        die(path);
    }
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

int peer_connect(const char *path)
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

static void connect_all(struct peer *peer, const char *path)
{
    for (unsigned i = 0; i < PEER_CLIENTS_MAX; i++) {
        peer->fds[i] = peer_connect(path);
    }
}

/* ---- libuv ----------------------------------------------------------------------------------- */

struct echo {
    uv_pipe_t pipe;
    size_t pending; /* bytes of an incomplete request */
};

static struct peer_sizes echo_sizes;
static char echo_input[FLIGHT_BYTES_MAX];
static char echo_output[FLIGHT_BYTES_MAX];

static void echo_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(echo_input, sizeof echo_input);
}

static void echo_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct echo *echo = stream->data;
    (void)buf;
    if (count < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        return;
    }
    echo->pending += (size_t)count;
    size_t bytes = echo->pending / echo_sizes.request * echo_sizes.response;
    echo->pending %= echo_sizes.request;
    uv_buf_t output = uv_buf_init(echo_output, (unsigned)bytes);
    if (bytes > 0 && uv_try_write(stream, &output, 1) != (int)bytes) {
        _exit(1);
    }
}

static void echo_accept(uv_stream_t *server, int status)
{
    struct echo *echo = calloc(1, sizeof *echo);
    if (echo == NULL || status < 0 || uv_pipe_init(server->loop, &echo->pipe, 0) != 0 ||
        uv_accept(server, (uv_stream_t *)&echo->pipe) != 0) {
        _exit(1);
    }
    echo->pipe.data = echo;
    uv_read_start((uv_stream_t *)&echo->pipe, echo_alloc, echo_read);
}

struct peer peer_start_uv_echo(const char *path, struct peer_sizes sizes)
{
    struct peer peer = {.process = peer_fork()};
    if (peer.process == 0) {
        uv_loop_t *loop = uv_default_loop();
        uv_pipe_t server;
        echo_sizes = sizes;
        uv_pipe_init(loop, &server, 0);
        if (uv_pipe_bind(&server, path) != 0 ||
            uv_listen((uv_stream_t *)&server, PEER_CLIENTS_MAX, echo_accept) != 0) {
            _exit(1);
        }
        uv_run(loop, UV_RUN_DEFAULT);
        _exit(0);
    }
    connect_all(&peer, path);
    return peer;
}

/* ---- raw socket ------------------------------------------------------------------------------ */

struct raw {
    pthread_t thread;
    int fd;
    struct peer_sizes sizes;
    bool singly;
};

static void *raw_serve(void *context)
{
    const struct raw *raw = context;
    char input[FLIGHT_BYTES_MAX];
    static const char output[FLIGHT_BYTES_MAX];
    size_t pending = 0;
    for (;;) {
        ssize_t count = recv(raw->fd, input, sizeof input, 0);
        if (count <= 0) {
            return NULL;
        }
        pending += (size_t)count;
        size_t answers = pending / raw->sizes.request;
        pending %= raw->sizes.request;
        while (answers > 0) {
            size_t some = raw->singly ? 1 : answers;
            size_t bytes = some * raw->sizes.response;
            if (send(raw->fd, output, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) {
                return NULL;
            }
            answers -= some;
        }
    }
}

static _Noreturn void raw_serve_all(const int fds[PEER_CLIENTS_MAX], struct peer_sizes sizes,
                                    bool singly)
{
    static struct raw raws[PEER_CLIENTS_MAX];
    for (unsigned i = 0; i < PEER_CLIENTS_MAX; i++) {
        raws[i] = (struct raw){.fd = fds[i], .sizes = sizes, .singly = singly};
        if (pthread_create(&raws[i].thread, NULL, raw_serve, &raws[i]) != 0) {
            _exit(1);
        }
    }
    for (unsigned i = 0; i < PEER_CLIENTS_MAX; i++) {
        pthread_join(raws[i].thread, NULL);
    }
    _exit(0);
}

struct peer peer_start_raw(struct peer_sizes sizes, bool singly)
{
    struct peer peer;
    int theirs[PEER_CLIENTS_MAX];
    for (unsigned i = 0; i < PEER_CLIENTS_MAX; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
            die("socketpair");
        }
        peer.fds[i] = pair[0];
        theirs[i] = pair[1];
    }
    peer.process = peer_fork();
    if (peer.process == 0) {
        raw_serve_all(theirs, sizes, singly);
    }
    for (unsigned i = 0; i < PEER_CLIENTS_MAX; i++) {
        close(theirs[i]);
    }
    return peer;
}

/* ---- Redis ----------------------------------------------------------------------------------- */

#define REDIS_SET                                                                                  \
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$64\r\n"                                                        \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
#define REDIS_GET "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"

/* Gives PATH, SIZE bytes, of NAME in one of $PATH's directories. */
static bool find_program(const char *name, char *path, size_t size)
{
    const char *directories = getenv("PATH");
    while (directories != NULL && *directories != '\0') {
        int length = (int)strcspn(directories, ":");
        snprintf(path, size, "%.*s/%s", length, directories, name);
        if (access(path, X_OK) == 0) {
            return true;
        }
        directories += length;
        directories += *directories == ':' ? 1 : 0;
    }
    return false;
}

struct peer peer_start_redis(const char *directory, const char *path)
{
    struct peer peer = {0};
    char program[512];
    /* One program under many names, which it goes by; Debian's redis-tools has it without the
     * service. */
    if (!find_program("redis-server", program, sizeof program) &&
        !find_program("redis-check-rdb", program, sizeof program)) {
        return peer;
    }
    peer.process = peer_fork();
    if (peer.process == 0) {
        /* It greets on standard output, whatever its log level. */
        if (freopen("/dev/null", "w", stdout) == NULL) {
            _exit(1);
        }
        execl(program, "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
              "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning", "--dir",
              directory, (char *)NULL);
        perror(program);
        _exit(1);
    }
    connect_all(&peer, path);
    return peer;
}

void peer_redis_fill(int fd)
{
    struct peer_link link = {.fd = fd,
                             .sizes = {.request = sizeof REDIS_SET - 1, .response = 5},
                             .requests = REDIS_SET,
                             .window = 1};
    peer_exchange(&link);
}

const char *peer_redis_get(struct peer_sizes *sizes, unsigned window)
{
    static char requests[FLIGHT_BYTES_MAX];
    const size_t bytes = sizeof REDIS_GET - 1;
    *sizes = (struct peer_sizes){.request = bytes, .response = 5 + 64 + 2};
    for (unsigned i = 0; i < window; i++) {
        memcpy(requests + i * bytes, REDIS_GET, bytes);
    }
    return requests;
}

/* ---- exchanges ------------------------------------------------------------------------------- */

static void send_all(int fd, const char *bytes, size_t size)
{
    if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) {
        die("send");
    }
}

static void receive_all(int fd, size_t size)
{
    char bytes[FLIGHT_BYTES_MAX];
    while (size > 0) {
        ssize_t got = recv(fd, bytes, size < sizeof bytes ? size : sizeof bytes, 0);
        if (got <= 0) {
            die("recv");
        }
        size -= (size_t)got;
    }
}

void peer_exchange(void *context)
{
    static const char zeros[FLIGHT_BYTES_MAX];
    const struct peer_link *link = context;
    const char *requests = link->requests != NULL ? link->requests : zeros;
    const unsigned sends = link->singly ? link->window : 1;
    const size_t bytes = link->sizes.request * (link->window / sends);
    for (unsigned i = 0; i < sends; i++) {
        send_all(link->fd, requests + i * bytes, bytes);
    }
    receive_all(link->fd, link->window * link->sizes.response);
}

void peer_stop(struct peer *peer)
{
    for (unsigned i = 0; i < PEER_CLIENTS_MAX; i++) {
        close(peer->fds[i]);
    }
    kill(peer->process, SIGKILL);
    waitpid(peer->process, NULL, 0);
}

/* ---- the daemon ------------------------------------------------------------------------------ */

/* In the child: becomes the daemon. */
static _Noreturn void daemon_exec(const char *path, const char *http_listen,
                                  const char *const *options)
{
    const char *build = getenv("HOLOGRAM_BUILD");
    char program[512], listen[64];
    snprintf(program, sizeof program, "%s/bin/hologramd", build != NULL ? build : "build/release");
    snprintf(listen, sizeof listen, "http.listen=%s", http_listen);
    const char *arguments[11 + 2 * PEER_OPTIONS_MAX + 1] = {program,
                                                            "--socket",
                                                            path,
                                                            "--log-level",
                                                            "warn",
                                                            "--set",
                                                            "server.poll_us=0",
                                                            "--set",
                                                            listen,
                                                            "--set",
                                                            "grpc.session_lease_s=86400"};
    for (size_t i = 0, at = 11; options[i] != NULL && i < PEER_OPTIONS_MAX; i++) {
        arguments[at++] = "--set";
        arguments[at++] = options[i];
    }
    execv(program, (char *const *)arguments);
    perror(program);
    _exit(1);
}

pid_t daemon_start_with(const char *path, const char *http_listen, const char *const *options)
{
    pid_t process = peer_fork();
    if (process == 0) {
        daemon_exec(path, http_listen, options);
    }
    close(peer_connect(path));
    return process;
}

pid_t daemon_start(const char *path, const char *http_listen)
{
    static const char *const none[] = {NULL};
    return daemon_start_with(path, http_listen, none);
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
