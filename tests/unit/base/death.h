/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs code that must abort, in a process of its own.
 */
#ifndef HG_TESTS_UNIT_BASE_DEATH_H
#define HG_TESTS_UNIT_BASE_DEATH_H

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* True if FN(ARG) ends in SIGABRT. TEXT (of SIZE bytes) gets what it wrote to stderr, terminated.
 */
static inline bool dies(void (*fn)(void *arg), void *arg, char *text, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(ends[1], STDERR_FILENO);
        /* cmocka and the sanitizers have handlers of their own. */
        (void)signal(SIGABRT, SIG_DFL);
        fn(arg);
        _exit(0);
    }
    (void)close(ends[1]);
    size_t used = 0;
    ssize_t count;
    while (used < size - 1 && (count = read(ends[0], text + used, size - 1 - used)) > 0) {
        used += (size_t)count;
    }
    text[used] = '\0';
    (void)close(ends[0]);
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

#endif
