/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "lib/base/check.h"
#include "lib/native/arena.h"

/*
 * Process-wide state: programs outlive the engine that built them, and code can only be dropped
 * into the arena that it came from; so there is one arena, and it stays.
 */
static struct {
    pthread_once_t once;
    uint64_t bytes_max;          /* what the first caller asks for */
    struct hg_code_arena *arena; /* written once, inside `once`, which orders it for all */
    enum hg_status status;
    struct hg_error error;
} shared = {.once = PTHREAD_ONCE_INIT};

/* The first caller's size, seen by the start that follows in the same thread. */
static _Thread_local uint64_t asked_bytes = HG_CODE_ARENA_BYTES_DEFAULT;

static void start(void)
{
    shared.bytes_max = asked_bytes;
    shared.error = (struct hg_error)HG_ERROR_INIT;
    if (shared.bytes_max != 0) {
        shared.status = hg_code_arena_new(shared.bytes_max, &shared.arena, &shared.error);
    }
}

enum hg_status hg_code_arena_start(uint64_t bytes_max, struct hg_error *error)
{
    asked_bytes = bytes_max;
    HG_REQUIRE(pthread_once(&shared.once, start) == 0);
    if (shared.status != HG_OK && error != NULL) {
        *error = shared.error;
    }
    return shared.status;
}

struct hg_code_arena *hg_code_arena_shared(void)
{
    HG_REQUIRE(pthread_once(&shared.once, start) == 0);
    return shared.arena;
}
