/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/python_peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct python_peer {
    FILE *requests;
    FILE *answers;
    pid_t pid;
};

/*
 * OpenBLAS of Debian 12 does not know newer CPUs and falls back to SSE3; torch takes AVX2 unless
 * asked for more. Without these the comparison would flatter us.
 */
static bool has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw");
}

const char *python_peer_settings(void)
{
    return has_avx512() ? "OPENBLAS_CORETYPE=SkylakeX ATEN_CPU_CAPABILITY=avx512"
                        : "OPENBLAS_CORETYPE=Haswell";
}

static void run_child(int requests, int answers, unsigned threads)
{
    char count[16];
    snprintf(count, sizeof count, "%u", threads);
    dup2(requests, STDIN_FILENO);
    dup2(answers, STDOUT_FILENO);
    setenv("OMP_NUM_THREADS", count, 1);
    setenv("OPENBLAS_NUM_THREADS", count, 1);
    setenv("NUMEXPR_NUM_THREADS", count, 1);
    setenv("OPENBLAS_CORETYPE", has_avx512() ? "SkylakeX" : "Haswell", 1);
    if (has_avx512()) {
        setenv("ATEN_CPU_CAPABILITY", "avx512", 1);
    }
    execl("/usr/bin/python3", "python3", "tests/bench/python_peer.py", (char *)NULL);
    _exit(127);
}

struct python_peer *python_peer_start(unsigned threads)
{
    int requests[2];
    int answers[2];
    struct python_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL || access("/usr/bin/python3", X_OK) != 0 || pipe2(requests, O_CLOEXEC) != 0) {
        free(peer);
        return NULL;
    }
    if (pipe2(answers, O_CLOEXEC) != 0) {
        close(requests[0]);
        close(requests[1]);
        free(peer);
        return NULL;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    peer->pid = fork();
    if (peer->pid == 0) {
        close(requests[1]);
        close(answers[0]);
        run_child(requests[0], answers[1], threads);
    }
    close(requests[0]);
    close(answers[1]);
    peer->requests = fdopen(requests[1], "w");
    peer->answers = fdopen(answers[0], "r");
    if (peer->pid < 0 || peer->requests == NULL || peer->answers == NULL) {
        python_peer_stop(&peer);
    }
    return peer;
}

int python_peer_add(struct python_peer *peer, const char *setup, const char *statement)
{
    char answer[1024];
    fputs("A\x1f", peer->requests);
    for (const char *c = setup; *c != '\0'; c++) {
        fputc(*c == '\n' ? '\x1e' : *c, peer->requests);
    }
    fprintf(peer->requests, "\x1f%s\n", statement);
    fflush(peer->requests);
    if (fgets(answer, sizeof answer, peer->answers) == NULL) {
        return -1;
    }
    if (strncmp(answer, "ok ", 3) != 0) {
        printf("left out: %s: %s", statement, answer);
        return -1;
    }
    return (int)strtol(answer + 3, NULL, 10);
}

void python_peer_drop(struct python_peer *peer, int number)
{
    fprintf(peer->requests, "D\x1f%d\n", number);
}

double python_peer_time(struct python_peer *peer, int number, unsigned times)
{
    return python_peer_time_by(peer, number, times, false);
}

double python_peer_time_by(struct python_peer *peer, int number, unsigned times, bool by_thread)
{
    char answer[64];
    fprintf(peer->requests, "%c\x1f%d\x1f%u\n", by_thread ? 'C' : 'T', number, times);
    fflush(peer->requests);
    if (fgets(answer, sizeof answer, peer->answers) == NULL) {
        fprintf(stderr, "bench: Python has gone\n");
        exit(1);
    }
    return strtod(answer, NULL) / times;
}

void python_peer_stop(struct python_peer **peer)
{
    if (*peer == NULL) {
        return;
    }
    if ((*peer)->requests != NULL) {
        (void)fclose((*peer)->requests);
    }
    if ((*peer)->answers != NULL) {
        (void)fclose((*peer)->answers);
    }
    if ((*peer)->pid > 0) {
        (void)waitpid((*peer)->pid, NULL, 0);
    }
    free(*peer);
    *peer = NULL;
}
