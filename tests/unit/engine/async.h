/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks that run while a test does something else, and programs that take their time. */
#ifndef HG_TESTS_UNIT_ENGINE_ASYNC_H
#define HG_TESTS_UNIT_ENGINE_ASYNC_H

#include "lib/base/mutex.h"
#include "tests/unit/engine/fixture.h"

/* Lanes that no machine gets through: the program below ends when it is told to. */
#define ENDLESS_LANES (UINT64_C(1) << 46)
/* Reads b0, whose first element goes to b1. */
#define ENDLESS_PROGRAM                                                                            \
    ".slots 2\n"                                                                                   \
    "ldg.f32 r1, [b0]\n"                                                                           \
    "loop.blocks @end\n"                                                                           \
    "cvt.f32.u64 r2, r255\n"                                                                       \
    "exp.f32 r3, r2\n"                                                                             \
    "stg.f32 [b1], r1\n"                                                                           \
    "end: exit\n"

struct test_async {
    struct hg_task task; /* first: `done` is given its address */
    struct hg_mutex mutex;
    struct hg_condition ended;
    bool is_ended;
};

static inline void test_async_done(struct hg_task *task)
{
    struct test_async *async = (struct test_async *)task;
    hg_mutex_lock(&async->mutex);
    async->is_ended = true;
    hg_cond_broadcast(&async->ended);
    hg_mutex_unlock(&async->mutex);
}

static inline void test_async_init(struct test_async *async)
{
    *async = (struct test_async){.task = {.done = test_async_done}};
    hg_mutex_init(&async->mutex, HG_RANK_LOOP);
    hg_cond_init(&async->ended);
}

/* Waits for the end and gives the outcome. */
static inline enum hg_status test_async_wait(struct test_async *async)
{
    hg_mutex_lock(&async->mutex);
    while (!async->is_ended) {
        hg_cond_wait(&async->ended, &async->mutex);
    }
    hg_mutex_unlock(&async->mutex);
    hg_cond_fini(&async->ended);
    hg_mutex_fini(&async->mutex);
    return async->task.error.status;
}

/* Starts PROGRAM (loaded from ENDLESS_PROGRAM) on buffers A and B; it must be accepted. */
static inline void test_start_endless(struct hg_session *session, uint64_t program, uint64_t a,
                                      uint64_t b, struct test_async *async)
{
    const uint64_t buffers[] = {a, b};
    const struct hg_run_request request = {
        .program = program,
        .buffers = buffers,
        .buffer_count = 2,
        .cols = ENDLESS_LANES,
    };
    if (hg_session_run(session, &request, &async->task) != HG_TASK_PENDING) {
        fail_msg("%s", async->task.error.message);
    }
}

#endif
