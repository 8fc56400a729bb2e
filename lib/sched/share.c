/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs whose submitter works with the others and waits for the end: the job goes into the queue for
 * whoever is free, and its submitter claims parts like a worker, by the same rules.
 *
 *     share ─► part 0 ─► claim ─► run ─► … ─► nothing left ─► wait for the parts of others ─► back
 *
 * Workers take parts from the other end. A worker that wakes late finds less to do, or nothing, and
 * nobody waits for it.
 */
#include "lib/base/clock.h"
#include "lib/sched/internal.h"

/* From putting a part into the queue until a spinning worker runs it, and from its end until the
 * other side sees that: a few moves of cache lines between cores. */
#define SPIN_HAND_OVER_NS 2000u
/* What a wake-up is taken for before one was measured, and counts for at most: a worker that is
 * preempted by others should not keep work from being shared for good. */
#define WAKE_FIRST_NS 50000u
#define WAKE_MAX_NS   200000u
/* Work of so many wake-ups is worth one: of two, if estimates were right; those of native code are
 * up to three times too high. */
#define WAKES_WORTH 4u
/*
 * The balance of sharing: what others did, less the time for asking them and waiting for them. On a
 * machine that others keep busy workers stop amid their parts, and that is lost. A debt is paid by
 * work that is not shared, with this part of its estimate, so that it stays some hundredths of all
 * time; work so many times longer is shared in spite of it. Bounded: what was is not what will be,
 * and a third of a second of work alone is enough to try again.
 */
#define DEBT_PAID_BY   32
#define DEBTS_WORTH    8
#define BALANCE_MIN_NS (-10 * (int64_t)HG_NS_PER_MS)
#define BALANCE_MAX_NS ((int64_t)HG_NS_PER_MS)
/* Weight of the latest wake-up: one part in so many. */
#define WAKE_WEIGHT 8u

#define SPINS_PER_CLOCK 16u

struct hg_share {
    struct hg_condition ended; /* used under the pool's mutex */
    bool is_parked;            /* under the mutex */
    _Atomic bool is_over;      /* release by who ended the last part, acquire by who waits */
};

static uint32_t read(const _Atomic uint32_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

/* ---- what a wake-up costs -------------------------------------------------------------------- */

void hg_sched_note_wake(struct hg_sched *sched)
{
    if (sched->signalled_ns == 0) {
        return;
    }
    const uint64_t took_ns = hg_clock_now_ns() - sched->signalled_ns;
    const uint64_t capped_ns = took_ns < WAKE_MAX_NS ? took_ns : WAKE_MAX_NS;
    const uint64_t old_ns = hg_sched_wake_ns(sched);
    sched->signalled_ns = 0;
    atomic_store_explicit(&sched->wake_ns, old_ns - old_ns / WAKE_WEIGHT + capped_ns / WAKE_WEIGHT,
                          memory_order_relaxed);
}

uint64_t hg_sched_wake_ns(const struct hg_sched *sched)
{
    const uint64_t measured_ns = atomic_load_explicit(&sched->wake_ns, memory_order_relaxed);
    return measured_ns != 0 ? measured_ns : WAKE_FIRST_NS;
}

/* Work that would be shared if a worker were awake: true if so much of it came in a row that waking
 * one would have paid, so that it pays if as much is to come. */
static bool comes_again(struct hg_sched *sched, uint64_t estimate_ns, uint64_t wake_ns)
{
    const uint64_t now_ns = hg_clock_now_ns();
    const uint64_t last_ns = atomic_load_explicit(&sched->short_end_ns, memory_order_relaxed);
    uint64_t sum_ns = estimate_ns / 2;
    if (now_ns <= last_ns + sched->spin_ns) { /* a worker would have spun until now */
        sum_ns += atomic_load_explicit(&sched->short_ns, memory_order_relaxed);
    }
    const bool pays = sum_ns >= 2 * wake_ns;
    atomic_store_explicit(&sched->short_ns, pays ? 0 : sum_ns, memory_order_relaxed);
    atomic_store_explicit(&sched->short_end_ns, now_ns + estimate_ns, memory_order_relaxed);
    return pays;
}

static void add_to_balance(struct hg_sched *sched, int64_t amount_ns)
{
    int64_t balance_ns = atomic_load_explicit(&sched->balance_ns, memory_order_relaxed) + amount_ns;
    balance_ns = balance_ns < BALANCE_MIN_NS ? BALANCE_MIN_NS : balance_ns;
    balance_ns = balance_ns > BALANCE_MAX_NS ? BALANCE_MAX_NS : balance_ns;
    atomic_store_explicit(&sched->balance_ns, balance_ns, memory_order_relaxed);
}

/* Whether work of ESTIMATE_NS may be shared as far as the balance goes; if not, it pays. */
static bool has_credit(struct hg_sched *sched, uint64_t estimate_ns)
{
    const int64_t balance_ns = atomic_load_explicit(&sched->balance_ns, memory_order_relaxed);
    if (balance_ns >= 0 || estimate_ns / DEBTS_WORTH >= (uint64_t)-balance_ns) {
        return true;
    }
    add_to_balance(sched, (int64_t)(estimate_ns / DEBT_PAID_BY));
    return false;
}

bool hg_sched_is_worth_sharing(struct hg_sched *sched, uint64_t estimate_ns)
{
    if (sched->helpers_max == 0 || estimate_ns < 2 * SPIN_HAND_OVER_NS ||
        !has_credit(sched, estimate_ns)) {
        return false;
    }
    if (read(&sched->spinning) != 0) {
        return true;
    }
    const uint64_t wake_ns = hg_sched_wake_ns(sched);
    return estimate_ns >= WAKES_WORTH * wake_ns ||
           (sched->spin_ns != 0 && comes_again(sched, estimate_ns, wake_ns));
}

/* ---- sharing --------------------------------------------------------------------------------- */

/* How many parked workers to wake for the parts of JOB that neither its submitter nor a spinning
 * worker will take at once. Mutex held. */
static uint32_t count_wanted(const struct hg_sched *sched, const struct hg_job *job)
{
    const uint32_t parts = job->parts - 1;
    const uint32_t helpers = parts < sched->helpers_max ? parts : sched->helpers_max;
    const uint32_t spinning = read(&sched->spinning);
    const uint32_t parked = read(&sched->parked);
    const uint32_t missing = helpers > spinning ? helpers - spinning : 0;
    return missing < parked ? missing : parked;
}

/* Queues JOB, whose first part is the caller's. */
static void offer(struct hg_sched *sched, struct hg_job *job, struct hg_share *share)
{
    const uint64_t now_ns = hg_clock_now_ns();
    hg_job_prepare(job, now_ns);
    job->share = share;
    atomic_store_explicit(&job->claimed, 1, memory_order_relaxed); /* nobody knows it yet */
    hg_mutex_lock(&sched->mutex);
    hg_job_queue_push_back(&sched->queue, job);
    const uint32_t wanted = count_wanted(sched, job);
    if (wanted != 0) {
        sched->signalled_ns = now_ns;
    }
    hg_mutex_unlock(&sched->mutex);
    /* Without the mutex, which the woken need at once; the job stays, for its first part does. */
    for (uint32_t i = 0; i < wanted; i++) {
        hg_cond_signal(&sched->work);
    }
}

static bool is_over(const struct hg_share *share)
{
    return atomic_load_explicit(&share->is_over, memory_order_acquire);
}

/* Waits from START_NS on for the parts that others still run: spinning first, for they began before
 * this. */
static void wait_for_others(struct hg_sched *sched, struct hg_share *share, uint64_t start_ns)
{
    const uint64_t deadline_ns = start_ns + sched->spin_ns;
    for (uint32_t spins = 1; !is_over(share); spins++) {
        if (spins % SPINS_PER_CLOCK == 0 && hg_clock_now_ns() >= deadline_ns) {
            break;
        }
        hg_cpu_relax();
    }
    if (is_over(share)) {
        return;
    }
    hg_mutex_lock(&sched->mutex);
    hg_cond_init(&share->ended);
    while (!is_over(share)) {
        share->is_parked = true;
        hg_cond_wait(&share->ended, &sched->mutex);
    }
    hg_cond_fini(&share->ended);
    hg_mutex_unlock(&sched->mutex);
}

void hg_sched_end_share(struct hg_sched *sched, struct hg_job *job)
{
    struct hg_share *share = job->share;
    hg_mutex_lock(&sched->mutex);
    const bool is_parked = share->is_parked;
    /* Whoever spins may be gone from here on; whoever is parked needs the mutex to go. */
    atomic_store_explicit(&share->is_over, true, memory_order_release);
    if (is_parked) {
        hg_cond_signal(&share->ended);
    }
    hg_mutex_unlock(&sched->mutex);
}

/* All parts here and now. */
static void run_alone(const struct hg_sched *sched, struct hg_job *job)
{
    for (uint32_t part = 0; part < job->parts; part++) {
        job->run_part(job, part, sched->workers);
    }
}

void hg_sched_share(struct hg_sched *sched, struct hg_job *job)
{
    if (job->parts == 1 || sched->helpers_max == 0) {
        run_alone(sched, job);
        return;
    }
    struct hg_share share;
    _Atomic uint64_t finished = 0; /* here; the watchdog looks at workers, not at callers */
    share.is_parked = false;
    atomic_init(&share.is_over, false);
    offer(sched, job, &share);
    const uint64_t offered_ns = hg_clock_now_ns();
    const bool is_last = hg_sched_run_parts(sched, job, 0, sched->workers, &finished);
    const uint64_t end_ns = hg_clock_now_ns();
    if (!is_last) {
        wait_for_others(sched, &share, end_ns);
    }
    const uint64_t lost_ns = offered_ns - job->queued_ns + (hg_clock_now_ns() - end_ns);
    const uint64_t saved_ns = (end_ns - offered_ns) / finished * (job->parts - finished);
    add_to_balance(sched, (int64_t)saved_ns - (int64_t)lost_ns);
}
