/* SPDX-License-Identifier: Apache-2.0 */
/* A Python process that is asked "peer op n calls" and answers with nanoseconds, a line each. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/kernels_peers.h"
#include "tests/bench/peers.h"

static FILE *questions;
static FILE *answers;

static bool start_process(void)
{
    int down[2];
    int up[2];
    if (pipe(down) != 0 || pipe(up) != 0) {
        return false;
    }
    signal(SIGPIPE, SIG_IGN);
    pid_t process = peer_fork();
    if (process == 0) {
        dup2(down[0], STDIN_FILENO);
        dup2(up[1], STDOUT_FILENO);
        close(down[1]);
        close(up[0]);
        /* What the libraries do not find out here by themselves. */
        setenv("OMP_NUM_THREADS", "1", 1);
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
        setenv("ATEN_CPU_CAPABILITY", __builtin_cpu_supports("avx512f") ? "avx512" : "avx2", 0);
        execl("/usr/bin/python3", "python3", "tests/bench/kernels_peers.py", (char *)NULL);
        _exit(1);
    }
    close(down[0]);
    close(up[1]);
    questions = fdopen(down[1], "w");
    answers = fdopen(up[0], "r");
    return process > 0 && questions != NULL && answers != NULL;
}

static double ask(const char *name, const char *op, size_t n, size_t calls)
{
    char line[64];
    if (fprintf(questions, "%s %s %zu %zu\n", name, op, n, calls) < 0 || fflush(questions) != 0 ||
        fgets(line, sizeof(line), answers) == NULL) {
        return -1;
    }
    return strtod(line, NULL);
}

bool kernels_python_start(const char *name)
{
    return (questions != NULL || start_process()) && ask(name, "start", 0, 0) >= 0;
}

double kernels_python_time(const char *name, const struct kernels_work *work, size_t calls)
{
    return ask(name, work->op, work->n, calls);
}
