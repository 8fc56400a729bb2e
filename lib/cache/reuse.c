/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/reuse.h"

#include <sched.h>
#include <string.h>

#include "lib/base/check.h"

enum {
    GAP_LEVEL_MAX = 6,        /* a mean gap of 64 */
    LOOKUPS_PER_LEVEL = 4096, /* that a thread makes at mean gap 1; each doubling adds a level */
    WATCH_ONE_OF = 4,         /* samples, once the gap is at its largest */
    SAMPLES_BEFORE_HALVING = 1 << 16
};

/* xorshift32 (G. Marsaglia, Journal of Statistical Software 8:14, 2003). */
static uint32_t draw(struct hg_cache_sampler *sampler)
{
    uint32_t x = sampler->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    sampler->random = x;
    return x;
}

void hg_cache_reuse_init(struct hg_cache_reuse *reuse)
{
    memset(reuse, 0, sizeof *reuse);
    atomic_flag_clear_explicit(&reuse->is_busy, memory_order_relaxed);
}

static unsigned level_of(const struct hg_cache_sampler *sampler)
{
    unsigned level = 0;
    while (level < GAP_LEVEL_MAX && sampler->references >> level >= LOOKUPS_PER_LEVEL) {
        level++;
    }
    return level;
}

uint32_t hg_cache_sampler_next(struct hg_cache_reuse *reuse, struct hg_cache_sampler *sampler)
{
    uint32_t passed = sampler->gap;
    sampler->references += passed;
    /* Relaxed: a figure. */
    atomic_fetch_add_explicit(&reuse->clock, passed, memory_order_relaxed);
    /* Evenly from 1 to twice the mean less one: no period of the lookups is favoured. */
    uint32_t mean = 1u << level_of(sampler);
    sampler->gap = 1 + draw(sampler) % (2 * mean - 1);
    sampler->countdown = sampler->gap;
    return passed;
}

/* Lookups so far, as far as this thread knows. */
static uint64_t now(const struct hg_cache_reuse *reuse, const struct hg_cache_sampler *sampler)
{
    uint64_t clock = atomic_load_explicit(&reuse->clock, memory_order_relaxed);
    return clock + sampler->gap - sampler->countdown;
}

static bool try_take(struct hg_cache_reuse *reuse)
{
    return !atomic_flag_test_and_set_explicit(&reuse->is_busy, memory_order_acquire);
}

static void give_back(struct hg_cache_reuse *reuse)
{
    atomic_flag_clear_explicit(&reuse->is_busy, memory_order_release);
}

/* The lower bound of bucket INDEX: 2^(INDEX/4) and three steps up to the next power. */
static double bucket_bound(unsigned index)
{
    return (double)(UINT64_C(1) << index / 4) * (1 + 0.25 * (index % 4));
}

static unsigned bucket_of(uint64_t time)
{
    if (time < 1) {
        return 0;
    }
    unsigned power = 63 - (unsigned)__builtin_clzll(time);
    unsigned quarter = (unsigned)((power >= 2 ? time >> (power - 2) : time << (2 - power)) & 3);
    unsigned index = 4 * power + quarter;
    return index < HG_REUSE_BUCKETS ? index : HG_REUSE_BUCKETS - 1;
}

static struct hg_cache_watch *watch_of(struct hg_cache_reuse *reuse, uint64_t hash)
{
    return &reuse->watches[(hash >> 32) % HG_REUSE_WATCHES];
}

/* So that what is measured now outweighs what was measured long ago. */
static void count_sample(struct hg_cache_reuse *reuse)
{
    if (++reuse->samples < SAMPLES_BEFORE_HALVING) {
        return;
    }
    for (unsigned i = 0; i < HG_REUSE_BUCKETS; i++) {
        reuse->ended[i] /= 2;
        reuse->given_up[i] /= 2;
    }
    reuse->samples /= 2;
}

static uint64_t age_of(const struct hg_cache_watch *watch, uint64_t time)
{
    return time > watch->start ? time - watch->start : 0;
}

bool hg_cache_reuse_watch(struct hg_cache_reuse *reuse, const struct hg_cache_sampler *sampler,
                          uint64_t hash)
{
    bool is_rare = level_of(sampler) == GAP_LEVEL_MAX;
    if ((is_rare && sampler->random % WATCH_ONE_OF != 0) || hash == 0 || !try_take(reuse)) {
        return false;
    }
    uint64_t time = now(reuse, sampler);
    struct hg_cache_watch *watch = watch_of(reuse, hash);
    if (watch->hash != 0) {
        reuse->given_up[bucket_of(age_of(watch, time))]++;
        count_sample(reuse);
    }
    *watch = (struct hg_cache_watch){.hash = hash, .start = time};
    give_back(reuse);
    return true;
}

bool hg_cache_reuse_end(struct hg_cache_reuse *reuse, const struct hg_cache_sampler *sampler,
                        uint64_t hash)
{
    if (!try_take(reuse)) {
        return false;
    }
    struct hg_cache_watch *watch = watch_of(reuse, hash);
    if (watch->hash == hash && hash != 0) {
        reuse->ended[bucket_of(age_of(watch, now(reuse, sampler)))]++;
        count_sample(reuse);
        watch->hash = 0;
    }
    give_back(reuse);
    return true;
}

bool hg_cache_reuse_is_watched(struct hg_cache_reuse *reuse, uint64_t hash)
{
    if (!try_take(reuse)) {
        return false;
    }
    bool is_watched = hash != 0 && watch_of(reuse, hash)->hash == hash;
    give_back(reuse);
    return is_watched;
}

/* How many watches ended, or were not followed further, in each bucket. */
struct lifetimes {
    double ended[HG_REUSE_BUCKETS];
    double lost[HG_REUSE_BUCKETS];
    double at_risk;
};

static void copy_lifetimes(struct hg_cache_reuse *reuse, struct lifetimes *lifetimes,
                           uint64_t *samples)
{
    /* Holders are quick: tens of nanoseconds. */
    while (!try_take(reuse)) {
        sched_yield();
    }
    uint64_t time = atomic_load_explicit(&reuse->clock, memory_order_relaxed);
    for (unsigned i = 0; i < HG_REUSE_BUCKETS; i++) {
        lifetimes->ended[i] = reuse->ended[i];
        lifetimes->lost[i] = reuse->given_up[i];
    }
    for (unsigned i = 0; i < HG_REUSE_WATCHES; i++) {
        if (reuse->watches[i].hash != 0) {
            lifetimes->lost[bucket_of(age_of(&reuse->watches[i], time))]++;
        }
    }
    *samples = reuse->samples;
    give_back(reuse);
    lifetimes->at_risk = 0;
    for (unsigned i = 0; i < HG_REUSE_BUCKETS; i++) {
        lifetimes->at_risk += lifetimes->ended[i] + lifetimes->lost[i];
    }
}

double hg_cache_reuse_what_if(struct hg_cache_reuse *reuse, uint64_t entries, uint64_t *samples)
{
    struct lifetimes lifetimes;
    copy_lifetimes(reuse, &lifetimes, samples);
    double area = 0;     /* sum of P up to here: programs that fit */
    double survival = 1; /* P: the share of keys that were not back yet */
    double at_risk = lifetimes.at_risk;
    double from = 0;
    for (unsigned i = 0; i < HG_REUSE_BUCKETS - 1 && at_risk >= 1; i++) {
        double to = bucket_bound(i + 1);
        /* Those that were lost in the bucket count for half of it. */
        double exposed = at_risk - lifetimes.lost[i] / 2;
        double after = exposed > 0 ? survival * (1 - lifetimes.ended[i] / exposed) : survival;
        double step = (to - from) * (survival + after) / 2;
        if (area + step >= (double)entries) {
            double share = ((double)entries - area) / step;
            return 1 - (survival + (after - survival) * share);
        }
        area += step;
        survival = after;
        at_risk -= lifetimes.ended[i] + lifetimes.lost[i];
        from = to;
    }
    return 1 - survival;
}
