/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/rpc_regime.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/peers.h"

enum side { CLIENT, SERVER, SIDES };

static struct {
    cpu_set_t all;
    cpu_set_t core[SIDES]; /* one each */
    size_t cores;          /* how many of them differ */
    pid_t spinners[SIDES];
} machine;

static const struct {
    const char *name;
    const char *suffix;
} names[REGIME_COUNT] = {
    [REGIME_ONE_CORE] = {"one core", ""},
    [REGIME_HALTING] = {"halting", " [halting]"},
    [REGIME_AWAKE] = {"awake", " [awake]"},
};

const char *regime_name(enum regime regime)
{
    return names[regime].name;
}

const char *regime_suffix(enum regime regime)
{
    return names[regime].suffix;
}

static pid_t start_spinner(const cpu_set_t *core)
{
    pid_t process = peer_fork();
    if (process == 0) {
        const struct sched_param param = {0};
        if (sched_setaffinity(0, sizeof *core, core) != 0 ||
            sched_setscheduler(0, SCHED_IDLE, &param) != 0) {
            perror("bench: spinner");
            _exit(1);
        }
        for (;;) {
            __asm__ volatile("" ::: "memory");
        }
    }
    kill(process, SIGSTOP);
    return process;
}

void regimes_start(void)
{
    if (sched_getaffinity(0, sizeof machine.all, &machine.all) != 0) {
        perror("sched_getaffinity");
        exit(1);
    }
    for (size_t cpu = 0; cpu < CPU_SETSIZE && machine.cores < SIDES; cpu++) {
        if (CPU_ISSET(cpu, &machine.all)) {
            CPU_SET(cpu, &machine.core[machine.cores++]);
        }
    }
    for (size_t side = 0; side < machine.cores; side++) {
        machine.spinners[side] = start_spinner(&machine.core[side]);
    }
}

bool regime_possible(enum regime regime)
{
    return machine.cores == SIDES || regime == REGIME_ONE_CORE;
}

/* Every thread of PROCESS; those to come inherit it. */
static void move_process(pid_t process, const cpu_set_t *cores)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        perror(path);
        exit(1);
    }
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        const pid_t thread = (pid_t)strtol(task->d_name, NULL, 10);
        /* A thread may have ended since; whichever is left obeys. */
        if (thread > 0) {
            (void)sched_setaffinity(thread, sizeof *cores, cores);
        }
    }
    closedir(tasks);
}

void regime_enter(enum regime regime, const pid_t *servers, size_t count)
{
    const enum side server_side = regime == REGIME_ONE_CORE ? CLIENT : SERVER;
    move_process(getpid(), &machine.core[CLIENT]);
    for (size_t i = 0; i < count; i++) {
        move_process(servers[i], &machine.core[server_side]);
    }
    for (size_t side = 0; side < machine.cores; side++) {
        kill(machine.spinners[side], regime == REGIME_AWAKE ? SIGCONT : SIGSTOP);
    }
}

void regimes_stop(void)
{
    move_process(getpid(), &machine.all);
    for (size_t side = 0; side < machine.cores; side++) {
        kill(machine.spinners[side], SIGKILL);
        waitpid(machine.spinners[side], NULL, 0);
    }
}
