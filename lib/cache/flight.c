/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Misses. A thread that misses looks again under the lock; then it builds its key, or waits for the
 * one that does, or builds for itself alone where that is cheaper than to wait. Builder and waiters
 * keep their records on their own stacks; the builder hands each waiter its result under the lock,
 * so neither has to outlive the other.
 */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/cache/internal.h"

struct waiter {
    struct hg_condition ended; /* signalled once RESULT is set */
    struct waiter *next;
    bool is_ended;
    enum hg_status status;
    struct hg_program *program; /* a reference for the waiter, if the build succeeded */
    struct hg_error error;
};

struct hg_cache_build {
    const struct hg_key *key;
    struct waiter *waiters;
    struct hg_cache_build *next;
};

static struct hg_cache_build *find_build(struct hg_cache *cache, const struct hg_key *key)
{
    struct hg_cache_build *build = cache->builds;
    while (build != NULL && !hg_key_equal(build->key, key)) {
        build = build->next;
    }
    return build;
}

static void unlink_build(struct hg_cache *cache, const struct hg_cache_build *build)
{
    struct hg_cache_build **link = &cache->builds;
    while (*link != build) {
        link = &(*link)->next;
    }
    *link = build->next;
}

/* Under the lock: gives every waiter the outcome. Signalled under the lock, so that no waiter can
 * leave, and with it its condition variable, before the signal is through. */
static void answer_waiters(const struct hg_cache_build *build, enum hg_status status,
                           struct hg_program *program, const struct hg_error *error)
{
    for (struct waiter *waiter = build->waiters; waiter != NULL;) {
        struct waiter *next = waiter->next;
        waiter->status = status;
        if (status == HG_OK) {
            waiter->program = hg_program_ref(program);
        } else {
            waiter->error = *error;
        }
        waiter->is_ended = true;
        hg_cond_signal(&waiter->ended);
        waiter = next;
    }
}

/* Called with the lock held and gives it back. */
static enum hg_status wait_for_build(struct hg_cache *cache, struct hg_cache_build *build,
                                     struct hg_cache_loan *loan, struct hg_error *error)
{
    struct waiter waiter = {.next = build->waiters};
    hg_cond_init(&waiter.ended);
    /* The builder empties the list before this function returns. */
    /* cppcheck-suppress autoVariables */
    build->waiters = &waiter;
    while (!waiter.is_ended) {
        hg_cond_wait(&waiter.ended, &cache->lock);
    }
    hg_mutex_unlock(&cache->lock);
    hg_cond_fini(&waiter.ended);
    if (waiter.status != HG_OK) {
        if (error != NULL) {
            *error = waiter.error;
        }
        return waiter.status;
    }
    *loan = (struct hg_cache_loan){.program = waiter.program, .section = HG_CACHE_COUNTED};
    return HG_OK;
}

/* Called with the lock held and gives it back. */
static enum hg_status build_for_itself(struct hg_cache *cache, const struct hg_cache_miss *miss,
                                       struct hg_cache_loan *loan, uint64_t *build_ns,
                                       struct hg_error *error)
{
    struct hg_program *own = NULL;
    struct hg_error failure = HG_ERROR_INIT;
    hg_mutex_unlock(&cache->lock);
    uint64_t start_ns = hg_clock_now_ns();
    enum hg_status status = miss->meanwhile(miss->key, miss->context, &own, &failure);
    *build_ns = hg_clock_now_ns() - start_ns;
    if (status == HG_OK) {
        HG_REQUIRE(own != NULL && hg_key_equal(&own->key, miss->key));
        *loan = (struct hg_cache_loan){.program = own, .section = HG_CACHE_COUNTED};
    } else if (error != NULL) {
        *error = failure;
    }
    return status;
}

/* Under the lock: what PROGRAM's caller gets of it, whose section began before it was stored. */
static void lend(const struct hg_cache_miss *miss, struct hg_program *program,
                 struct hg_cache_loan *loan)
{
    bool is_counted = miss->wants_count || miss->reader == NULL;
    loan->section = is_counted ? HG_CACHE_COUNTED : miss->opened;
    loan->program = is_counted ? hg_program_ref(program) : program;
}

/* Under the lock, after the build: keeps the program and tells everybody. */
static enum hg_status end_build(struct hg_cache *cache, const struct hg_cache_miss *miss,
                                const struct hg_cache_build *build, enum hg_status status,
                                struct hg_program *built, struct hg_cache_loan *loan,
                                struct hg_error *failure)
{
    struct hg_cache_region *region = &cache->figures.regions[miss->key->cache];
    bool is_kept = false;
    hg_cache_figure_add(status == HG_OK ? &region->builds : &region->build_failures, 1);
    if (status == HG_OK) {
        status = hg_cache_store(cache, miss->hash, built, &is_kept, failure);
    } else {
        hg_cache_ghost_add(&cache->ghost, miss->hash, HG_CACHE_MISS_FAILED);
    }
    answer_waiters(build, status, built, failure);
    if (is_kept) {
        lend(miss, built, loan);
    } else if (status == HG_OK) {
        /* The builder's reference is the caller's. */
        *loan = (struct hg_cache_loan){.program = built, .section = HG_CACHE_COUNTED};
    }
    return status;
}

/* Called with the lock held and gives it back; builds without it. */
static enum hg_status build_program(struct hg_cache *cache, const struct hg_cache_miss *miss,
                                    struct hg_cache_loan *loan, uint64_t *build_ns,
                                    struct hg_error *error)
{
    struct hg_cache_build build = {.key = miss->key, .next = cache->builds};
    struct hg_program *built = NULL;
    struct hg_error failure = HG_ERROR_INIT;

    /* Unlinked below. */
    /* cppcheck-suppress autoVariables */
    cache->builds = &build;
    hg_mutex_unlock(&cache->lock);
    uint64_t start_ns = hg_clock_now_ns();
    enum hg_status status = miss->build(miss->key, miss->context, &built, &failure);
    *build_ns = hg_clock_now_ns() - start_ns;
    HG_REQUIRE(status != HG_OK || (built != NULL && hg_key_equal(&built->key, miss->key)));
    hg_histogram_observe(&cache->figures.regions[miss->key->cache].build_times, *build_ns);

    hg_mutex_lock(&cache->lock);
    unlink_build(cache, &build);
    enum hg_status stored = end_build(cache, miss, &build, status, built, loan, &failure);
    struct hg_retired_batch *unused = hg_cache_collect(cache);
    hg_mutex_unlock(&cache->lock);

    hg_retired_free(unused);
    if (stored != HG_OK) {
        hg_program_unref(&built);
        if (error != NULL) {
            *error = failure;
        }
    }
    return stored;
}

/* Under the lock. A watched key that is not there is timed as well as one that is. */
static void count_miss(struct hg_cache *cache, const struct hg_cache_miss *miss)
{
    enum hg_cache_miss_reason reason = hg_cache_ghost_find(&cache->ghost, miss->hash);
    hg_cache_figure_add(&cache->figures.regions[miss->key->cache].misses[reason], 1);
    if (miss->reader == NULL) {
        return;
    }
    struct hg_cache_sampler *sampler = &miss->reader->sampler;
    (void)hg_cache_reuse_end(&cache->reuse, sampler, miss->hash);
    if (--sampler->countdown == 0) {
        (void)hg_cache_sampler_next(&cache->reuse, sampler);
        (void)hg_cache_reuse_watch(&cache->reuse, sampler, miss->hash);
    }
}

static enum hg_status find_or_build(struct hg_cache *cache, const struct hg_cache_miss *miss,
                                    struct hg_cache_loan *loan, struct hg_cache_result *how,
                                    struct hg_error *error)
{
    hg_mutex_lock(&cache->lock);
    struct hg_program *program = hg_cache_look(cache, miss->reader, miss->hash, miss->key);
    if (program != NULL) {
        lend(miss, program, loan);
        hg_mutex_unlock(&cache->lock);
        return HG_OK;
    }
    count_miss(cache, miss);
    struct hg_cache_build *running = find_build(cache, miss->key);
    if (running != NULL && miss->meanwhile != NULL) {
        how->outcome = HG_CACHE_BUSY;
        return build_for_itself(cache, miss, loan, &how->build_ns, error);
    }
    if (running != NULL) {
        how->outcome = HG_CACHE_WAIT;
        return wait_for_build(cache, running, loan, error);
    }
    how->outcome = HG_CACHE_BUILD;
    return build_program(cache, miss, loan, &how->build_ns, error);
}

enum hg_status hg_cache_resolve(struct hg_cache *cache, const struct hg_cache_miss *miss,
                                struct hg_cache_loan *loan, struct hg_cache_result *result,
                                struct hg_error *error)
{
    HG_REQUIRE(miss->key->cache < cache->figures.region_count);
    struct hg_cache_result how = {HG_CACHE_HIT, 0};
    struct hg_cache_loan lent;
    enum hg_status status = find_or_build(cache, miss, &lent, &how, error);
    if (status != HG_OK || lent.section == HG_CACHE_COUNTED) {
        hg_epoch_leave(miss->opened);
    }
    if (status != HG_OK) {
        return status;
    }
    *loan = lent;
    if (result != NULL) {
        *result = how;
    }
    return HG_OK;
}
