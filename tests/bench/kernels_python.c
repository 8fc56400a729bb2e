/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of kernels_peers.py in python_peer.h's processes. */
#include <stdio.h>
#include <string.h>

#include "tests/bench/kernels_peers.h"
#include "tests/bench/python_peer.h"

#define LIBRARIES_MAX 3

/* The one statement that a library keeps: each has vectors of its own. */
struct statement {
    const char *library;
    const char *op; /* NULL: none yet */
    size_t n;
    int number; /* -1: the library has no such operation */
};

static struct {
    struct python_peer *process;
    struct statement statements[LIBRARIES_MAX];
} pythons[KERNELS_THREADS_MAX];

static struct statement *statement_of(const char *name, unsigned threads)
{
    struct statement *statement = pythons[threads - 1].statements;
    while (statement->library != NULL && strcmp(statement->library, name) != 0) {
        statement++;
    }
    statement->library = name;
    return statement;
}

bool kernels_python_start(const char *name, unsigned threads)
{
    struct python_peer **process = &pythons[threads - 1].process;
    char setup[80];
    if (threads > 1 && strcmp(name, "numpy") == 0) {
        return false; /* its loops know of one */
    }
    if (*process == NULL) {
        *process = python_peer_start(threads);
    }
    snprintf(setup, sizeof setup, "import kernels_peers, %s", name);
    return *process != NULL && python_peer_add(*process, setup, "pass") >= 0;
}

double kernels_python_time(const char *name, const struct kernels_work *work, size_t calls)
{
    struct python_peer *process = pythons[work->threads - 1].process;
    struct statement *statement = statement_of(name, work->threads);
    if (statement->op != work->op || statement->n != work->n) {
        char setup[160];
        if (statement->op != NULL && statement->number >= 0) {
            python_peer_drop(process, statement->number);
        }
        snprintf(setup, sizeof setup,
                 "from kernels_peers import make\ncall = make('%s', '%s', %zu)", name, work->op,
                 work->n);
        statement->number = python_peer_add(process, setup, "call()");
        statement->op = work->op;
        statement->n = work->n;
    }
    return statement->number >= 0 ? python_peer_time_by(process, statement->number, (unsigned)calls,
                                                        work->threads == 1)
                                  : -1;
}

void kernels_python_stop(void)
{
    for (unsigned i = 0; i < KERNELS_THREADS_MAX; i++) {
        python_peer_stop(&pythons[i].process);
    }
}
