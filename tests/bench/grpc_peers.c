/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/grpc_peers.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "tests/bench/peers.h"

/* Plenty for every client of the suite. */
#define CALLS_POSTED 16
#define ECHO_NAME    "grpc-echo" /* what the program is called when it is to be one */

/* Posted, answered, and posted again. */
struct echo_call {
    grpc_call *core; /* NULL until a call arrives */
    grpc_byte_buffer *payload;
    grpc_metadata_array metadata;
    gpr_timespec deadline;
    int cancelled;
    bool answered;
    struct echo_call *next;
};

struct echo_server {
    grpc_server *core;
    grpc_completion_queue *queue;
    void *method;
    enum grpc_echo_kind kind;
    uv_async_t wake;
    _Atomic(struct echo_call *) arrived; /* handed to the loop; newest first */
};

static void post(struct echo_server *server, struct echo_call *call)
{
    *call = (struct echo_call){0};
    grpc_metadata_array_init(&call->metadata);
    if (grpc_server_request_registered_call(server->core, server->method, &call->core,
                                            &call->deadline, &call->metadata, &call->payload,
                                            server->queue, server->queue, call) != GRPC_CALL_OK) {
        _exit(1);
    }
}

static void answer(struct echo_call *call)
{
    const grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->payload},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
         .data.send_status_from_server.status = GRPC_STATUS_OK},
        {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
         .data.recv_close_on_server.cancelled = &call->cancelled},
    };
    call->answered = true;
    if (grpc_call_start_batch(call->core, ops, sizeof ops / sizeof ops[0], call, NULL) !=
        GRPC_CALL_OK) {
        _exit(1);
    }
}

static void release(struct echo_call *call)
{
    grpc_byte_buffer_destroy(call->payload);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_call_unref(call->core);
}

/* ---- the hop --------------------------------------------------------------------------------- */

static void hand_over(struct echo_server *server, struct echo_call *call)
{
    call->next = atomic_load_explicit(&server->arrived, memory_order_relaxed);
    /* Release: the loop sees the call as it arrived. */
    while (!atomic_compare_exchange_weak_explicit(&server->arrived, &call->next, call,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    uv_async_send(&server->wake);
}

static void answer_arrived(uv_async_t *wake)
{
    struct echo_server *server = wake->data;
    struct echo_call *call = atomic_exchange_explicit(&server->arrived, NULL, memory_order_acquire);
    while (call != NULL) {
        /* The queue's thread may post it again as soon as it is answered. */
        struct echo_call *next = call->next;
        answer(call);
        call = next;
    }
}

/* ---- the server ------------------------------------------------------------------------------ */

static void *drain_queue(void *context)
{
    struct echo_server *server = context;
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    for (;;) {
        const grpc_event event = grpc_completion_queue_next(server->queue, never, NULL);
        struct echo_call *call = event.tag;
        if (event.type != GRPC_OP_COMPLETE) {
            return NULL;
        }
        if (call->answered) {
            release(call);
            post(server, call);
        } else if (server->kind == GRPC_ECHO_ONE_HOP) {
            hand_over(server, call);
        } else {
            answer(call);
        }
    }
}

static void listen_on(struct echo_server *server, const char *path)
{
    char target[128];
    snprintf(target, sizeof target, "unix:%s", path);
    grpc_init();
    server->queue = grpc_completion_queue_create_for_next(NULL);
    server->core = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(server->core, server->queue, NULL);
    server->method = grpc_server_register_method(server->core, GRPC_ECHO_METHOD, NULL,
                                                 GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    if (grpc_server_add_http2_port(server->core, target,
                                   grpc_insecure_server_credentials_create()) == 0) {
        fprintf(stderr, "bench: cannot listen on %s\n", target);
        _exit(1);
    }
    grpc_server_start(server->core);
}

static _Noreturn void serve(const char *path, enum grpc_echo_kind kind)
{
    static struct echo_call calls[CALLS_POSTED];
    static struct echo_server server;
    server.kind = kind;
    listen_on(&server, path);
    for (size_t i = 0; i < CALLS_POSTED; i++) {
        post(&server, &calls[i]);
    }
    if (kind == GRPC_ECHO_ONE_HOP) {
        uv_loop_t *loop = uv_default_loop();
        pthread_t thread;
        server.wake.data = &server;
        if (uv_async_init(loop, &server.wake, answer_arrived) != 0 ||
            pthread_create(&thread, NULL, drain_queue, &server) != 0) {
            _exit(1);
        }
        uv_run(loop, UV_RUN_DEFAULT);
    } else {
        drain_queue(&server);
    }
    _exit(0);
}

/* A program started afresh, as the daemon is: a fork would share its addresses, and with them what
 * the processor has learnt of its branches, with the client. */
pid_t grpc_echo_start(const char *path, enum grpc_echo_kind kind)
{
    pid_t process = peer_fork();
    if (process == 0) {
        execl("/proc/self/exe", ECHO_NAME, path, kind == GRPC_ECHO_BARE ? "bare" : "hop",
              (char *)NULL);
        perror("bench: exec");
        _exit(1);
    }
    return process;
}

void grpc_echo_serve_if_asked(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[0], ECHO_NAME) == 0) {
        serve(argv[1], strcmp(argv[2], "bare") == 0 ? GRPC_ECHO_BARE : GRPC_ECHO_ONE_HOP);
    }
}

void grpc_echo_stop(pid_t process)
{
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
}
