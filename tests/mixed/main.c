/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the clients, starts those again that were killed, and sums up. The last line of its output
 * is one JSON object; the exit status is 0 only if every client checked everything.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mixed/mixed.h"

#define CLIENTS_MAX 1000u

/* ---- what clients call --------------------------------------------------------------------------
 */

void mixed_fail(const struct mixed_client *client, const char *format, ...)
{
    static const char *const kinds[MIXED_KINDS] = {"native", "batch", "shared", "stream", "unary"};
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "mixed: client %u (%s): %s\n", client->number, kinds[client->kind], text);
    _exit(1);
}

uint32_t mixed_roll(struct mixed_client *client, uint32_t limit)
{
    /* splitmix64 (Steele, Lea and Flood 2014). */
    uint64_t z = client->dice += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32) % limit;
}

void mixed_die(struct mixed_client *client)
{
    mixed_count(&client->progress->kills);
    kill(getpid(), SIGKILL);
    for (;;) {
        pause();
    }
}

void mixed_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- lives --------------------------------------------------------------------------------------
 */

static void live(struct mixed_client *client)
{
    const uint64_t asked = client->progress->asked;
    const uint64_t left = client->goal - asked;
    const uint64_t wanted = 20 + mixed_roll(client, 1000);
    mixed_count(&client->progress->lives);
    client->life_goal = wanted < left ? wanted : left;
    client->end = (enum mixed_end)mixed_roll(client, 3);
    if (client->life_goal == left) {
        client->end = MIXED_CLOSE;
    }
    if (client->kind == MIXED_UNARY) {
        mixed_unary(client);
    } else {
        mixed_converse(client);
    }
}

static pid_t start(struct mixed_client *client)
{
    const pid_t process = fork();
    if (process != 0) {
        return process;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Another life, other dice. */
    client->dice += client->progress->lives * 1000003u;
    while (client->progress->asked < client->goal) {
        live(client);
    }
    _exit(0);
}

static bool was_killed_by_itself(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Until all have done their part; false if one failed. */
static bool wait_for_all(struct mixed_client *clients, pid_t *processes, unsigned count)
{
    unsigned running = count;
    bool good = true;
    int status;
    while (running != 0) {
        const pid_t process = wait(&status);
        unsigned i = 0;
        while (i < count && processes[i] != process) {
            i++;
        }
        if (i == count) {
            return false;
        }
        if (was_killed_by_itself(status)) {
            processes[i] = start(&clients[i]);
            continue;
        }
        running--;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "mixed: client %u ended with status %d\n", i, status);
            good = false;
        }
    }
    return good;
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static uint64_t total(const struct mixed_progress *progress, unsigned count, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += *(const _Atomic uint64_t *)((const char *)&progress[i] + offset);
    }
    return sum;
}

static void report(const struct mixed_progress *progress, unsigned count)
{
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {
        {"asked", offsetof(struct mixed_progress, asked)},
        {"answered", offsetof(struct mixed_progress, answered)},
        {"abandoned", offsetof(struct mixed_progress, abandoned)},
        {"late", offsetof(struct mixed_progress, late)},
        {"cancelled", offsetof(struct mixed_progress, cancelled)},
        {"checked", offsetof(struct mixed_progress, checked)},
        {"lives", offsetof(struct mixed_progress, lives)},
        {"kills", offsetof(struct mixed_progress, kills)},
    };
    printf("{");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        printf("%s\"%s\": %llu", i != 0 ? ", " : "", rows[i].name,
               (unsigned long long)total(progress, count, rows[i].offset));
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct mixed_client clients[CLIENTS_MAX];
    static pid_t processes[CLIENTS_MAX];
    const unsigned count = argc == 5 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (count == 0 || count > CLIENTS_MAX) {
        fprintf(stderr, "usage: mixed SOCKET CLIENTS REQUESTS SEED\n");
        return 2;
    }
    struct mixed_progress *progress = mmap(NULL, count * sizeof(*progress), PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        perror("mixed");
        return 1;
    }
    const uint64_t seed = strtoull(argv[4], NULL, 10);
    for (unsigned i = 0; i < count; i++) {
        clients[i] = (struct mixed_client){.path = argv[1],
                                           .kind = (enum mixed_kind)(i % MIXED_KINDS),
                                           .number = i,
                                           .goal = strtoull(argv[3], NULL, 10),
                                           .dice = seed * 7919 + i,
                                           .progress = &progress[i]};
        processes[i] = start(&clients[i]);
    }
    const bool good = wait_for_all(clients, processes, count);
    const uint64_t answered = total(progress, count, offsetof(struct mixed_progress, answered));
    const uint64_t abandoned = total(progress, count, offsetof(struct mixed_progress, abandoned));
    const uint64_t asked = total(progress, count, offsetof(struct mixed_progress, asked));
    report(progress, count);
    if (asked != answered + abandoned) {
        fprintf(stderr, "mixed: %llu requests were never answered\n",
                (unsigned long long)(asked - answered - abandoned));
        return 1;
    }
    return good ? 0 : 1;
}
