/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a unary call through gRPC C core costs without hologramd: an echo in a process of its own.
 */
#ifndef HG_TESTS_BENCH_GRPC_PEERS_H
#define HG_TESTS_BENCH_GRPC_PEERS_H

#include <sys/types.h>

#define GRPC_ECHO_METHOD "/hologram.bench.Echo/Echo"

enum grpc_echo_kind {
    GRPC_ECHO_BARE,    /* the thread that takes a call from the completion queue answers it */
    GRPC_ECHO_ONE_HOP, /* it hands the call to a libuv loop on another thread, which answers */
};

/*
 * Serves GRPC_ECHO_METHOD on the Unix socket PATH; the answer is the request's bytes. May not
 * listen yet when this returns. C core does not survive a fork: the caller has not started it. The
 * echo is this program, started again.
 */
pid_t grpc_echo_start(const char *path, enum grpc_echo_kind kind);
/* First thing in main: does not return if the program was started to be an echo. */
void grpc_echo_serve_if_asked(int argc, char **argv);
void grpc_echo_stop(pid_t process);

#endif
