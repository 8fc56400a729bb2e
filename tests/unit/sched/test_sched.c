/* SPDX-License-Identifier: Apache-2.0 */
/* Every part runs once, `done` comes once and last, bounds hold, and no job waits without reason.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/sched/sched.h"

/* A count that threads raise and wait for. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    uint32_t count;
};

#define GATE_INIT                                                                                  \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                     \
    }

static void gate_raise(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->count++;
    (void)pthread_cond_broadcast(&gate->cond);
    (void)pthread_mutex_unlock(&gate->mutex);
}

/* False when the count is not reached within ten seconds: the case fails instead of hanging. */
static bool gate_wait(struct gate *gate, uint32_t count)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 10;
    int error = 0;
    (void)pthread_mutex_lock(&gate->mutex);
    while (gate->count < count && error == 0) {
        error = pthread_cond_timedwait(&gate->cond, &gate->mutex, &deadline);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    return error == 0;
}

static struct hg_sched *start(uint32_t workers, uint32_t queue_depth, uint32_t spin_us)
{
    const struct hg_sched_options options = {workers, queue_depth, spin_us};
    struct hg_sched *sched = NULL;
    assert_int_equal(hg_sched_create(&options, &sched, NULL), HG_OK);
    assert_non_null(sched);
    assert_int_equal(hg_sched_workers(sched), workers);
    return sched;
}

static void stop(struct hg_sched *sched)
{
    hg_sched_destroy(&sched);
    assert_null(sched);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_SCHED), 0);
}

/* A job that counts how often each of its parts ran. The counts are plain memory on purpose: the
 * thread sanitizer sees whether `done` is ordered after every part. */
#define PARTS_MAX 67
struct counting_job {
    struct hg_job job;
    struct gate *finished;
    uint32_t workers;
    uint32_t runs[PARTS_MAX];
    _Atomic uint32_t bad;
};

static void count_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    struct counting_job *counting = (struct counting_job *)job;
    if (part >= job->parts || worker >= counting->workers) {
        counting->bad++;
        return;
    }
    counting->runs[part]++;
}

static void count_done(struct hg_job *job, uint32_t worker)
{
    struct counting_job *counting = (struct counting_job *)job;
    for (uint32_t part = 0; part < PARTS_MAX; part++) {
        counting->bad += counting->runs[part] != (part < job->parts ? 1 : 0);
    }
    counting->bad += worker >= counting->workers;
    gate_raise(counting->finished);
}

static void counting_init(struct counting_job *counting, uint32_t parts, uint32_t workers,
                          struct gate *finished)
{
    *counting = (struct counting_job){
        .job = {.run_part = count_part, .done = count_done, .parts = parts},
        .finished = finished,
        .workers = workers,
    };
}

/* For 1 to 4 workers and 1 to 67 parts, spinning and not: each part once, and done once at the end.
 */
static void every_part_runs_once(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 4; workers++) {
        struct hg_sched *sched = start(workers, PARTS_MAX, workers % 2 == 0 ? 50 : 0);
        struct gate finished = GATE_INIT;
        struct counting_job jobs[PARTS_MAX];
        for (uint32_t i = 0; i < PARTS_MAX; i++) {
            counting_init(&jobs[i], i + 1, workers, &finished);
            assert_int_equal(hg_sched_submit(sched, &jobs[i].job), HG_OK);
        }
        assert_true(gate_wait(&finished, PARTS_MAX));
        assert_int_equal(hg_sched_depth(sched), 0);
        assert_int_equal(hg_sched_progress(sched), PARTS_MAX * (PARTS_MAX + 1) / 2);
        stop(sched);
        assert_int_equal(finished.count, PARTS_MAX);
        for (uint32_t i = 0; i < PARTS_MAX; i++) {
            assert_int_equal(jobs[i].bad, 0);
        }
    }
}

/* A job whose parts wait for one another. */
struct meeting_job {
    struct hg_job job;
    struct gate arrived;
    struct gate *finished;
    _Atomic uint32_t missed;
};

static void meet(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct meeting_job *meeting = (struct meeting_job *)job;
    gate_raise(&meeting->arrived);
    meeting->missed += !gate_wait(&meeting->arrived, job->parts);
}

static void meet_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    gate_raise(((struct meeting_job *)job)->finished);
}

static void meet_on_all_workers(uint32_t spin_us)
{
    struct hg_sched *sched = start(3, 1, spin_us);
    for (int round = 0; round < 50; round++) {
        struct gate finished = GATE_INIT;
        struct meeting_job meeting = {
            .job = {.run_part = meet, .done = meet_done, .parts = 3},
            .arrived = GATE_INIT,
            .finished = &finished,
        };
        assert_int_equal(hg_sched_submit(sched, &meeting.job), HG_OK);
        assert_true(gate_wait(&finished, 1));
        assert_int_equal(meeting.missed, 0);
    }
    stop(sched);
}

/* As many parts as workers run at the same time, whether workers park, spin or do both. */
static void workers_share_a_job(void **state)
{
    (void)state;
    meet_on_all_workers(0);
    meet_on_all_workers(20);
    meet_on_all_workers(5000);
}

/* A job of one part that opens one gate and waits for another. */
struct blocking_job {
    struct hg_job job;
    struct gate started;
    struct gate release;
    struct gate finished;
};

static void block_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct blocking_job *blocking = (struct blocking_job *)job;
    gate_raise(&blocking->started);
    (void)gate_wait(&blocking->release, 1);
}

static void block_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    gate_raise(&((struct blocking_job *)job)->finished);
}

static void blocking_init(struct blocking_job *blocking)
{
    *blocking = (struct blocking_job){
        .job = {.run_part = block_part, .done = block_done, .parts = 1},
        .started = GATE_INIT,
        .release = GATE_INIT,
        .finished = GATE_INIT,
    };
}

/* While one worker is kept, a job that comes later is done by the other: it never waits behind the
 * first one, also not when a spinning worker had been counted on for both. */
static void no_job_waits_behind_a_busy_worker(void **state)
{
    (void)state;
    const uint32_t spins_us[] = {0, 20, 2000};
    for (size_t i = 0; i < HG_ARRAY_COUNT(spins_us); i++) {
        struct hg_sched *sched = start(2, 4, spins_us[i]);
        for (int round = 0; round < 50; round++) {
            struct blocking_job blocking;
            struct counting_job counting;
            struct gate finished = GATE_INIT;
            blocking_init(&blocking);
            counting_init(&counting, 1, 2, &finished);
            assert_int_equal(hg_sched_submit(sched, &blocking.job), HG_OK);
            assert_int_equal(hg_sched_submit(sched, &counting.job), HG_OK);
            assert_true(gate_wait(&finished, 1));
            gate_raise(&blocking.release);
            assert_true(gate_wait(&blocking.finished, 1));
        }
        stop(sched);
    }
}

/* A job that notes when it ran. */
struct order {
    uint32_t next;
    uint32_t ran[8];
};

struct ordered_job {
    struct hg_job job;
    struct order *order;
    uint32_t number;
    struct gate *finished;
};

static void note_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct ordered_job *ordered = (struct ordered_job *)job;
    ordered->order->ran[ordered->order->next++] = ordered->number;
}

static void note_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    gate_raise(((struct ordered_job *)job)->finished);
}

/* The queue takes as many jobs as it is deep and refuses the next, which stays as it was; what is
 * resubmitted passes the bound and runs first, the others in order. */
static void queue_is_bounded_and_in_order(void **state)
{
    (void)state;
    struct hg_sched *sched = start(1, 3, 0);
    struct blocking_job blocking;
    struct gate finished = GATE_INIT;
    struct order order = {0};
    struct ordered_job jobs[5];
    blocking_init(&blocking);
    assert_int_equal(hg_sched_submit(sched, &blocking.job), HG_OK);
    assert_true(gate_wait(&blocking.started, 1));
    for (uint32_t i = 0; i < HG_ARRAY_COUNT(jobs); i++) {
        jobs[i] = (struct ordered_job){
            .job = {.run_part = note_part, .done = note_done, .parts = 1, .queued_ns = 77},
            .order = &order,
            .number = i,
            .finished = &finished,
        };
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(hg_sched_submit(sched, &jobs[i].job), HG_OK);
        assert_int_equal(hg_sched_depth(sched), i + 1);
        assert_true(jobs[i].job.queued_ns > 77);
    }
    assert_int_equal(hg_sched_submit(sched, &jobs[3].job), HG_RESOURCE_EXHAUSTED);
    assert_int_equal(jobs[3].job.queued_ns, 77);
    assert_int_equal(hg_sched_active(sched), 4);
    hg_sched_resubmit(sched, &jobs[4].job);
    assert_int_equal(hg_sched_depth(sched), 4);
    gate_raise(&blocking.release);
    assert_true(gate_wait(&finished, 4));
    assert_int_equal(hg_sched_submit(sched, &jobs[3].job), HG_OK);
    assert_true(gate_wait(&finished, 5));
    stop(sched);
    const uint32_t expected[] = {4, 0, 1, 2, 3};
    assert_memory_equal(order.ran, expected, sizeof expected);
}

/* A chain of regions: `done` puts the same job back until it has run often enough, then frees it.
 */
struct chain_job {
    struct hg_job job;
    struct hg_sched *sched;
    uint32_t regions_left;
    _Atomic uint32_t *parts_run;
};

static void chain_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    atomic_fetch_add(((struct chain_job *)job)->parts_run, 1);
}

static void chain_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    struct chain_job *chain = (struct chain_job *)job;
    if (--chain->regions_left > 0) {
        job->parts = chain->regions_left % 5 + 1;
        hg_sched_resubmit(chain->sched, job);
    } else {
        hg_free(HG_TAG_TEST, chain);
    }
}

/* Destroying runs to their end all that is queued and all that follows from it. */
static void destroy_drains_chains(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 3; workers++) {
        struct hg_sched *sched = start(workers, 20, workers == 2 ? 100 : 0);
        _Atomic uint32_t parts_run = 0;
        for (int i = 0; i < 20; i++) {
            struct chain_job *chain = hg_calloc(HG_TAG_TEST, 1, sizeof *chain);
            assert_non_null(chain);
            chain->job.run_part = chain_part;
            chain->job.done = chain_done;
            chain->job.parts = 1;
            chain->sched = sched;
            chain->regions_left = 101;
            chain->parts_run = &parts_run;
            assert_int_equal(hg_sched_submit(sched, &chain->job), HG_OK);
        }
        stop(sched);
        /* The first region has one part, the hundred after it 1 to 5 in turn. */
        assert_int_equal(parts_run, 20 * (1 + 20 * (1 + 2 + 3 + 4 + 5)));
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_TEST), 0);
    }
}

/* A job that submits another from inside its part. */
struct spawning_job {
    struct hg_job job;
    struct hg_sched *sched;
    struct counting_job *child;
    struct gate *finished;
    enum hg_status status;
};

static void spawn_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct spawning_job *spawning = (struct spawning_job *)job;
    spawning->status = hg_sched_submit(spawning->sched, &spawning->child->job);
}

static void spawn_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    gate_raise(((struct spawning_job *)job)->finished);
}

/* Jobs may be submitted from inside a part. */
static void parts_may_submit(void **state)
{
    (void)state;
    struct hg_sched *sched = start(1, 1, 0);
    struct gate finished = GATE_INIT;
    struct counting_job child;
    counting_init(&child, 5, 1, &finished);
    struct spawning_job spawning = {
        .job = {.run_part = spawn_part, .done = spawn_done, .parts = 1},
        .sched = sched,
        .child = &child,
        .finished = &finished,
        .status = HG_INTERNAL,
    };
    assert_int_equal(hg_sched_submit(sched, &spawning.job), HG_OK);
    assert_true(gate_wait(&finished, 2));
    stop(sched);
    assert_int_equal(spawning.status, HG_OK);
    assert_int_equal(child.bad, 0);
}

/* Active counts a job until its `done` has returned, and progress counts parts. */
static void figures_follow_the_work(void **state)
{
    (void)state;
    struct hg_sched *sched = start(1, 1, 0);
    struct blocking_job blocking;
    blocking_init(&blocking);
    assert_int_equal(hg_sched_active(sched), 0);
    assert_int_equal(hg_sched_submit(sched, &blocking.job), HG_OK);
    assert_true(gate_wait(&blocking.started, 1));
    assert_int_equal(hg_sched_active(sched), 1);
    assert_int_equal(hg_sched_depth(sched), 0);
    assert_int_equal(hg_sched_progress(sched), 0);
    gate_raise(&blocking.release);
    assert_true(gate_wait(&blocking.finished, 1));
    uint64_t deadline_ns = hg_clock_now_ns() + 10 * HG_NS_PER_S;
    while (hg_sched_active(sched) != 0 && hg_clock_now_ns() < deadline_ns) {
        (void)sched_yield();
    }
    assert_int_equal(hg_sched_active(sched), 0);
    assert_int_equal(hg_sched_progress(sched), 1);
    stop(sched);
}

#define SUBMITTERS         3
#define JOBS_PER_SUBMITTER 400

struct submitter {
    struct hg_sched *sched;
    uint32_t number;
    uint32_t refused;
    bool bad;
};

/* Submits short-lived jobs from its own stack, a few at a time, until all went through. */
static void *submit_many(void *arg)
{
    struct submitter *submitter = arg;
    uint32_t random = submitter->number + 1;
    for (int i = 0; i < JOBS_PER_SUBMITTER / 4; i++) {
        struct gate finished = GATE_INIT;
        struct counting_job jobs[4];
        for (uint32_t j = 0; j < 4; j++) {
            random = random * 1664525u + 1013904223u; /* Numerical Recipes, ranqd1 */
            counting_init(&jobs[j], (random >> 16) % PARTS_MAX + 1, 3, &finished);
            while (hg_sched_submit(submitter->sched, &jobs[j].job) != HG_OK) {
                submitter->refused++;
                (void)sched_yield();
            }
        }
        submitter->bad |= !gate_wait(&finished, 4);
        for (uint32_t j = 0; j < 4; j++) {
            submitter->bad |= jobs[j].bad != 0;
        }
    }
    return NULL;
}

/* Three threads feed three workers through a short queue, and nothing is lost or done twice. */
static void many_submitters(void **state)
{
    (void)state;
    struct hg_sched *sched = start(3, 2, 30);
    struct submitter submitters[SUBMITTERS];
    pthread_t threads[SUBMITTERS];
    for (uint32_t i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (struct submitter){.sched = sched, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &submitters[i]), 0);
    }
    for (uint32_t i = 0; i < SUBMITTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(submitters[i].bad);
    }
    stop(sched);
}

/* Out of memory or of threads at each step of the start: the status, its text, nothing left. */
static void start_fails_cleanly(void **state)
{
    (void)state;
    const struct hg_sched_options options = {3, 4, 10};
    for (uint64_t skip = 0;; skip++) {
        struct hg_sched *sched = NULL;
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(skip, false);
        enum hg_status status = hg_sched_create(&options, &sched, &error);
        bool fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        if (!fired) {
            assert_int_equal(status, HG_OK);
            assert_int_equal(skip, 4);
            stop(sched);
            return;
        }
        assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
        assert_int_equal(error.status, HG_RESOURCE_EXHAUSTED);
        assert_string_not_equal(error.message, "");
        assert_null(sched);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_SCHED), 0);
    }
}

/* A pool that never had a job stops, parked or spinning; so does none at all. */
static void idle_pools_stop(void **state)
{
    (void)state;
    stop(start(4, 1, 0));
    stop(start(4, 1, 1000000));
    struct hg_sched *none = NULL;
    hg_sched_destroy(&none);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_once),
        cmocka_unit_test(workers_share_a_job),
        cmocka_unit_test(no_job_waits_behind_a_busy_worker),
        cmocka_unit_test(queue_is_bounded_and_in_order),
        cmocka_unit_test(destroy_drains_chains),
        cmocka_unit_test(parts_may_submit),
        cmocka_unit_test(figures_follow_the_work),
        cmocka_unit_test(many_submitters),
        cmocka_unit_test(start_fails_cleanly),
        cmocka_unit_test(idle_pools_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
