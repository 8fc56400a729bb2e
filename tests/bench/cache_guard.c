/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to keep what a lookup found from being freed: the cache's own read sections, and
 * liburcu's QSBR where threads announce a quiescent state after each use, or go offline and online
 * around it, as threads must that may sleep. (liburcu's flavour with membarrier cannot be linked
 * beside QSBR; on a machine where QSBR with announcements took 1.4 ns it took 14.)
 */
#define URCU_INLINE_SMALL_FUNCTIONS
#define RCU_QSBR
#include <urcu/urcu-qsbr.h>

#include "lib/cache/epoch.h"
#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"

enum { ROUNDS = 20000, SLICES = 150, KINDS = 4 };

static uint64_t *volatile shared;
static uint64_t value;
static volatile uint64_t sink;

static uint64_t unguarded(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        sum += *shared;
    }
    return sum;
}

static uint64_t own_sections(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        /* As a lookup does: the record is there. */
        struct hg_cache_section *opened = hg_epoch_go_in(hg_epoch_mine);
        sum += *shared;
        hg_epoch_leave(opened);
    }
    return sum;
}

static uint64_t announced(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        urcu_qsbr_read_lock();
        sum += *shared;
        urcu_qsbr_read_unlock();
        urcu_qsbr_quiescent_state();
    }
    return sum;
}

static uint64_t offline(void)
{
    uint64_t sum = 0;
    urcu_qsbr_thread_offline();
    for (int i = 0; i < ROUNDS; i++) {
        urcu_qsbr_thread_online();
        sum += *shared;
        urcu_qsbr_thread_offline();
    }
    urcu_qsbr_thread_online();
    return sum;
}

void bench_cache_guard(void)
{
    static uint64_t (*const kinds[KINDS])(void) = {unguarded, own_sections, announced, offline};
    static double ns[KINDS][SLICES];
    struct hg_cache_section *opened;
    if (hg_epoch_enter(&opened) == NULL) {
        return;
    }
    hg_epoch_leave(opened);
    if (hg_epoch_is_nobody(hg_epoch_mine)) {
        return; /* No membarrier here. */
    }
    shared = &value;
    urcu_qsbr_register_thread();
    for (int slice = 0; slice < SLICES; slice++) {
        for (int i = 0; i < KINDS; i++) {
            uint64_t start_ns = bench_now_ns();
            sink += kinds[i]();
            ns[i][slice] = (double)(bench_now_ns() - start_ns) / ROUNDS;
        }
    }
    urcu_qsbr_unregister_thread();
    double none = bench_median(ns[0], SLICES);
    double own = bench_median(ns[1], SLICES) - none;
    double quiet = bench_median(ns[2], SLICES) - none;
    double around = bench_median(ns[3], SLICES) - none;
    bench_row("guard: own section / QSBR announced", own, "ns", quiet, own / quiet);
    bench_row("guard: own section / QSBR offline", own, "ns", around, own / around);
}
