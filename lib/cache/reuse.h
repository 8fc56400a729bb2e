/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampling: about how often each program is used, and after how many lookups a key comes back.
 *
 * Every thread counts its lookups down to its next sample; how many lie between two is drawn anew
 * each time, around a mean that grows with the thread's lookups from 1 to 64: few lookups are
 * counted exactly, many cheaply. At a sample the program found gets as many hits as lookups have
 * passed, and the key may be watched: what passes until it is looked up next is its reuse time.
 *
 * From the reuse times' distribution follows what a cache of any size that evicts the least
 * recently used would answer (X. Hu et al., Fast Miss Ratio Curve Modeling for Storage Cache, TOS
 * 2018: the average eviction time T of a cache of size c solves c = sum of P(reuse time > t) for t
 * < T, and its miss ratio is P(reuse time > T)). Watches that were given up before their key came
 * back count up to then (E. Kaplan, P. Meier, JASA 1958).
 *
 * Threads: any. Whoever finds the watches busy goes without a sample.
 */
#ifndef HG_LIB_CACHE_REUSE_H
#define HG_LIB_CACHE_REUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/cache/epoch.h"

#define HG_REUSE_WATCHES 512
/* Reuse times up to 2^40 lookups, four buckets to each doubling. */
#define HG_REUSE_BUCKETS 160

struct hg_cache_watch {
    uint64_t hash; /* 0 = free */
    uint64_t start;
};

struct hg_cache_reuse {
    _Atomic uint64_t clock; /* lookups, at their threads' last samples */
    atomic_flag is_busy;    /* acquire to take it, release to give it back: all below */
    uint64_t samples;       /* since the distribution was halved last */
    struct hg_cache_watch watches[HG_REUSE_WATCHES];
    uint32_t ended[HG_REUSE_BUCKETS];    /* watches whose key came back */
    uint32_t given_up[HG_REUSE_BUCKETS]; /* watches that made room for others */
};

void hg_cache_reuse_init(struct hg_cache_reuse *reuse);

/* At a sample: draws the gap to the next. Gives the lookups that passed. */
uint32_t hg_cache_sampler_next(struct hg_cache_reuse *reuse, struct hg_cache_sampler *sampler);
/* At a sample: watches the key of HASH. True if it now is watched. */
bool hg_cache_reuse_watch(struct hg_cache_reuse *reuse, const struct hg_cache_sampler *sampler,
                          uint64_t hash);
/* At a lookup of a key that may be watched: ends its watch. False if the watches were busy. */
bool hg_cache_reuse_end(struct hg_cache_reuse *reuse, const struct hg_cache_sampler *sampler,
                        uint64_t hash);

/* False too if the watches were busy. */
bool hg_cache_reuse_is_watched(struct hg_cache_reuse *reuse, uint64_t hash);

/* See hg_cache_what_if. */
double hg_cache_reuse_what_if(struct hg_cache_reuse *reuse, uint64_t entries, uint64_t *samples);

#endif
