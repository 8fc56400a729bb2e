/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs whose submitter works with the others: every part once, help where there is some and none
 * where there is not, and when it is worth asking for. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/cpu.h"
#include "lib/sched/sched.h"

static struct hg_sched *start(uint32_t workers, uint32_t spin_us)
{
    const struct hg_sched_options options = {workers, 1, spin_us};
    struct hg_sched *sched = NULL;
    assert_int_equal(hg_sched_create(&options, &sched, NULL), HG_OK);
    return sched;
}

/* The counts are plain memory on purpose: the thread sanitizer sees whether the end of sharing is
 * ordered after every part. */
#define PARTS_MAX 40
struct counting {
    struct hg_job job;
    uint32_t workers;
    uint32_t runs[PARTS_MAX];
    _Atomic uint32_t bad;
};

static void count_part(struct hg_job *job, uint32_t part, uint32_t worker)
{
    struct counting *counting = (struct counting *)job;
    if (part >= job->parts || worker > counting->workers) {
        counting->bad++;
        return;
    }
    counting->runs[part]++;
}

static uint32_t share_counting(struct hg_sched *sched, uint32_t parts)
{
    struct counting counting = {.job = {.run_part = count_part, .parts = parts},
                                .workers = hg_sched_workers(sched)};
    hg_sched_share(sched, &counting.job);
    uint32_t wrong = counting.bad;
    for (uint32_t part = 0; part < PARTS_MAX; part++) {
        wrong += counting.runs[part] != (part < parts ? 1 : 0);
    }
    return wrong;
}

/* For 1 to 3 workers, spinning and not, and any number of parts: when sharing returns, each part
 * ran once, and nothing is left in the queue. */
static void every_part_runs_once(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 3; workers++) {
        for (uint32_t spin_us = 0; spin_us <= 50; spin_us += 50) {
            struct hg_sched *sched = start(workers, spin_us);
            for (uint32_t round = 0; round < 20; round++) {
                for (uint32_t parts = 1; parts <= PARTS_MAX; parts++) {
                    assert_int_equal(share_counting(sched, parts), 0);
                }
            }
            assert_int_equal(hg_sched_depth(sched), 0);
            assert_int_equal(hg_sched_active(sched), 0);
            hg_sched_destroy(&sched);
        }
    }
}

/* A job whose parts wait for one another, ten seconds at most. */
struct meeting {
    struct hg_job job;
    _Atomic uint32_t arrived;
    _Atomic uint32_t missed;
};

static void meet(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct meeting *meeting = (struct meeting *)job;
    const uint64_t deadline_ns = hg_clock_now_ns() + 10 * HG_NS_PER_S;
    meeting->arrived++;
    while (meeting->arrived < job->parts && hg_clock_now_ns() < deadline_ns) {
        hg_cpu_relax();
    }
    meeting->missed += meeting->arrived < job->parts;
}

/* A worker helps, whether it was parked or spun: two parts run at the same time. */
static void workers_help(void **state)
{
    (void)state;
    if (hg_cpu_count() < 2) {
        skip();
    }
    for (uint32_t spin_us = 0; spin_us <= 100; spin_us += 50) {
        struct hg_sched *sched = start(2, spin_us);
        for (uint32_t round = 0; round < 100; round++) {
            struct meeting meeting = {.job = {.run_part = meet, .parts = 2}};
            hg_sched_share(sched, &meeting.job);
            assert_int_equal(meeting.missed, 0);
        }
        hg_sched_destroy(&sched);
    }
}

/* A job whose first part submits another one, for which all other parts wait. */
struct submitting {
    struct hg_job job;
    struct hg_sched *sched;
    struct hg_job *other;
    enum hg_status status;
    _Atomic bool has_submitted;
};

static void submit_or_wait(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)worker;
    struct submitting *submitting = (struct submitting *)job;
    if (part == 0) {
        submitting->status = hg_sched_submit(submitting->sched, submitting->other);
        submitting->has_submitted = true;
    }
    while (!submitting->has_submitted) {
        hg_cpu_relax();
    }
}

static void do_nothing(struct hg_job *job, uint32_t worker)
{
    (void)job;
    (void)worker;
}

/* A job that is shared is in the queue until its last part is claimed, and waits for nobody: it
 * takes no place there. */
static void others_keep_their_places(void **state)
{
    (void)state;
    struct counting other = {.job = {.run_part = count_part, .done = do_nothing, .parts = 1},
                             .workers = 2};
    struct hg_sched *sched = start(2, 0);
    struct submitting submitting = {
        .job = {.run_part = submit_or_wait, .parts = 10}, .sched = sched, .other = &other.job};
    hg_sched_share(sched, &submitting.job);
    hg_sched_destroy(&sched);
    assert_int_equal(submitting.status, HG_OK);
    assert_int_equal(other.runs[0], 1);
}

struct ends {
    struct hg_job job;
    _Atomic bool has_help;      /* a worker ran some part */
    _Atomic bool helps_at_last; /* a worker ran the last part */
};

static void note_help(struct hg_job *job, uint32_t part, uint32_t worker)
{
    struct ends *ends = (struct ends *)job;
    const uint64_t deadline_ns = hg_clock_now_ns() + 10 * HG_NS_PER_S;
    if (worker == 0 || worker == 1) {
        if (part == job->parts - 1) {
            ends->helps_at_last = true;
        }
        ends->has_help = true;
    }
    while (part == 0 && !ends->has_help && hg_clock_now_ns() < deadline_ns) {
        hg_cpu_relax();
    }
}

/* The worker who claims first takes the last part, whichever of two it is and however late it runs
 * it, so that of what comes again each finds its parts' memory in its cache. */
static void workers_begin_at_the_back(void **state)
{
    (void)state;
    if (hg_cpu_count() < 2) {
        skip();
    }
    struct hg_sched *sched = start(2, 50);
    for (uint32_t parts = 2; parts <= PARTS_MAX; parts++) {
        struct ends ends = {.job = {.run_part = note_help, .parts = parts}};
        hg_sched_share(sched, &ends.job);
        assert_true(ends.helps_at_last);
    }
    hg_sched_destroy(&sched);
}

/* A job that keeps its worker until it is told to end. */
struct blocking {
    struct hg_job job;
    _Atomic bool started;
    _Atomic bool release;
    _Atomic bool ended;
};

static void block(struct hg_job *job, uint32_t part, uint32_t worker)
{
    (void)part;
    (void)worker;
    struct blocking *blocking = (struct blocking *)job;
    blocking->started = true;
    while (!blocking->release) {
        (void)usleep(100);
    }
}

static void block_done(struct hg_job *job, uint32_t worker)
{
    (void)worker;
    ((struct blocking *)job)->ended = true;
}

/* With no worker free the submitter runs all parts, and does not wait for anybody; the queue, which
 * is full, does not keep it from that. */
static void nobody_is_waited_for(void **state)
{
    (void)state;
    struct hg_sched *sched = start(2, 0);
    struct blocking busy[3] = {0};
    for (uint32_t i = 0; i < HG_ARRAY_COUNT(busy); i++) {
        busy[i].job = (struct hg_job){.run_part = block, .done = block_done, .parts = 1};
        assert_int_equal(hg_sched_submit(sched, &busy[i].job), HG_OK);
        while (i < 2 && !busy[i].started) {
            (void)usleep(100);
        }
    }
    assert_int_equal(hg_sched_depth(sched), 1);
    assert_int_equal(share_counting(sched, PARTS_MAX), 0);
    assert_int_equal(hg_sched_depth(sched), 1);
    for (uint32_t i = 0; i < HG_ARRAY_COUNT(busy); i++) {
        busy[i].release = true;
    }
    hg_sched_destroy(&sched);
    assert_true(busy[0].ended && busy[1].ended && busy[2].ended);
}

/* What one worker of a pool of one would be asked for, its caller does. */
static void one_worker_is_its_caller(void **state)
{
    (void)state;
    struct hg_sched *sched = start(1, 50);
    assert_int_equal(share_counting(sched, PARTS_MAX), 0);
    assert_int_equal(hg_sched_progress(sched), 0);
    assert_false(hg_sched_is_worth_sharing(sched, UINT64_MAX));
    hg_sched_destroy(&sched);
}

struct sharer {
    struct hg_sched *sched;
    uint32_t wrong;
};

static void *share_many(void *arg)
{
    struct sharer *sharer = arg;
    for (uint32_t i = 0; i < 1000; i++) {
        sharer->wrong += share_counting(sharer->sched, i % PARTS_MAX + 1);
    }
    return NULL;
}

/* Three threads share jobs of their own with three workers at the same time. */
static void many_share(void **state)
{
    (void)state;
    struct hg_sched *sched = start(3, 20);
    struct sharer sharers[3];
    pthread_t threads[3];
    for (uint32_t i = 0; i < HG_ARRAY_COUNT(sharers); i++) {
        sharers[i] = (struct sharer){.sched = sched};
        assert_int_equal(pthread_create(&threads[i], NULL, share_many, &sharers[i]), 0);
    }
    for (uint32_t i = 0; i < HG_ARRAY_COUNT(sharers); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(sharers[i].wrong, 0);
    }
    hg_sched_destroy(&sched);
}

/* Nothing spins here: work is worth sharing if it is longer than four wake-ups, which are measured
 * whenever there is one; and a little of it is not worth anything. */
static void sharing_has_to_pay(void **state)
{
    (void)state;
    if (hg_cpu_count() < 2) {
        skip();
    }
    struct hg_sched *sched = start(2, 0);
    const uint64_t first_ns = hg_sched_wake_ns(sched);
    assert_true(hg_sched_is_worth_sharing(sched, 4 * first_ns));
    for (uint32_t i = 0; i < 1000; i++) {
        assert_false(hg_sched_is_worth_sharing(sched, 4 * first_ns - 1));
    }
    for (uint32_t i = 0; i < 20; i++) {
        struct meeting meeting = {.job = {.run_part = meet, .parts = 2}};
        (void)usleep(100); /* so that the worker is parked again */
        hg_sched_share(sched, &meeting.job);
    }
    assert_int_not_equal(hg_sched_wake_ns(sched), first_ns);
    assert_true(hg_sched_wake_ns(sched) <= 200 * HG_NS_PER_US);
    assert_false(hg_sched_is_worth_sharing(sched, 0));
    hg_sched_destroy(&sched);
}

/* Part 1 takes long, on a worker. */
static void dawdle(struct hg_job *job, uint32_t part, uint32_t worker)
{
    meet(job, part, worker);
    if (part == 1) {
        (void)usleep(40000);
    }
}

/* Where workers stop amid their parts and are waited for, nothing is shared until work that was not
 * has made up for it, unless it is much longer than what was lost. */
static void waiting_is_a_loss(void **state)
{
    (void)state;
    if (hg_cpu_count() < 2) {
        skip();
    }
    enum { WORK_NS = 2000000, TRIES = 100000 };
    struct hg_sched *sched = start(2, 0);
    assert_true(hg_sched_is_worth_sharing(sched, WORK_NS));
    struct meeting meeting = {.job = {.run_part = dawdle, .parts = 2}};
    hg_sched_share(sched, &meeting.job);
    assert_false(hg_sched_is_worth_sharing(sched, WORK_NS));
    assert_true(hg_sched_is_worth_sharing(sched, UINT64_MAX));
    uint32_t refused = 0;
    while (refused < TRIES && !hg_sched_is_worth_sharing(sched, WORK_NS)) {
        refused++;
    }
    assert_in_range(refused, 1, TRIES - 1);
    hg_sched_destroy(&sched);
}

static _Atomic uint64_t fake_ns;

static uint64_t fake_clock(void)
{
    return fake_ns;
}

/* Work that is too short to wake a worker for: of a stream without pauses some is shared, so that a
 * worker wakes and spins for the rest; with pauses longer than a worker spins, none is. */
static void streams_wake_a_worker(void **state)
{
    (void)state;
    if (hg_cpu_count() < 2) {
        skip();
    }
    enum { SPIN_US = 30, CALL_NS = 20000, CALLS = 100 };
    fake_ns = 1000000;
    hg_clock_replace(fake_clock);
    struct hg_sched *sched = start(2, SPIN_US);
    for (uint32_t i = 0; i < 20; i++) { /* until whoever spins since the start has parked */
        (void)usleep(1000);
        fake_ns += 1000000;
    }
    uint32_t shared[2] = {0, 0};
    for (uint32_t pauses = 0; pauses < 2; pauses++) {
        for (uint32_t call = 0; call < CALLS; call++) {
            shared[pauses] += hg_sched_is_worth_sharing(sched, CALL_NS);
            fake_ns += CALL_NS + pauses * (SPIN_US + 1) * 1000;
        }
    }
    assert_int_equal(shared[0], CALLS / (2 * hg_sched_wake_ns(sched) / (CALL_NS / 2)));
    assert_int_equal(shared[1], 0);
    hg_sched_destroy(&sched);
    hg_clock_replace(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_once),
        cmocka_unit_test(workers_help),
        cmocka_unit_test(nobody_is_waited_for),
        cmocka_unit_test(one_worker_is_its_caller),
        cmocka_unit_test(many_share),
        cmocka_unit_test(sharing_has_to_pay),
        cmocka_unit_test(streams_wake_a_worker),
        cmocka_unit_test(waiting_is_a_loss),
        cmocka_unit_test(workers_begin_at_the_back),
        cmocka_unit_test(others_keep_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
