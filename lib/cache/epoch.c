/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a section that held X is over when passed() says so. Let S be the stamp of X.
 *
 * A reader that loaded X entered before X was unlinked was visible to it, with an epoch E that it
 * published before the load. The fence on all CPUs in advance() comes after X was unlinked; it
 * falls either after the reader published E, and then passed() sees E or what the reader published
 * later, or before, and then the reader's loads come after the fence and cannot see X. If E is at
 * least S the reader loaded the epoch after advance() had raised it, and so sees that X is
 * unlinked. Hence a reader that holds X shows an epoch that is not 0 and below S.
 */
#include "lib/cache/epoch.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/check.h"

_Atomic uint64_t hg_epoch_now = 1;
struct hg_epoch_reader hg_epoch_nobody = {.section.entered = UINT64_MAX};
_Thread_local struct hg_epoch_reader *hg_epoch_mine = &hg_epoch_nobody;

static struct hg_epoch_reader readers[HG_EPOCH_READERS_MAX];
static _Atomic uint32_t readers_used; /* records from here on were never owned */

/* This thread's record, also where hg_epoch_mine has to stay nobody's. */
static _Thread_local struct hg_epoch_reader *mine;

static struct {
    pthread_once_t once;
    bool has_membarrier;
    bool notices_ends;
    pthread_key_t key; /* its value is the thread's record, its destructor gives that back */
} threads = {.once = PTHREAD_ONCE_INIT};

static void give_back(void *record)
{
    struct hg_epoch_reader *reader = record;
    HG_REQUIRE(atomic_load_explicit(&reader->section.entered, memory_order_relaxed) == 0);
    hg_epoch_mine = &hg_epoch_nobody;
    mine = NULL;
    /* Release: pairs with the next owner's acquire. */
    atomic_store_explicit(&reader->is_owned, false, memory_order_release);
}

static long membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

static void start(void)
{
    threads.notices_ends = pthread_key_create(&threads.key, give_back) == 0;
    threads.has_membarrier = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void hg_epoch_start(void)
{
    HG_REQUIRE(pthread_once(&threads.once, start) == 0);
}

/* Acquire: pairs with the last owner's release. */
static bool claim(struct hg_epoch_reader *reader)
{
    bool expected = false;
    return !atomic_load_explicit(&reader->is_owned, memory_order_relaxed) &&
           atomic_compare_exchange_strong_explicit(&reader->is_owned, &expected, true,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* Before the record's first section, which passed() must not overlook. */
static void raise_used(uint32_t used)
{
    uint32_t seen = atomic_load_explicit(&readers_used, memory_order_relaxed);
    while (seen < used &&
           !atomic_compare_exchange_weak_explicit(&readers_used, &seen, used, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

/* Gives this thread a record; NULL if all are taken, or if its end cannot be noticed. */
static struct hg_epoch_reader *give_record(void)
{
    hg_epoch_start();
    if (!threads.notices_ends) {
        return NULL;
    }
    for (uint32_t i = 0; i < HG_EPOCH_READERS_MAX; i++) {
        struct hg_epoch_reader *reader = &readers[i];
        if (!claim(reader)) {
            continue;
        }
        reader->index = (uint16_t)i;
        reader->sampler = (struct hg_cache_sampler){.countdown = 1, .gap = 1, .random = i + 1};
        /* Relaxed, here and in forget(): whoever reads it wrote it. */
        atomic_store_explicit(&reader->hits_of, NULL, memory_order_relaxed);
        raise_used(i + 1);
        if (pthread_setspecific(threads.key, reader) != 0) {
            give_back(reader);
            return NULL;
        }
        mine = reader;
        hg_epoch_mine = threads.has_membarrier ? reader : &hg_epoch_nobody;
        return reader;
    }
    return NULL;
}

/*
 * A full fence. ThreadSanitizer does not know fences, and gcc refuses to compile them for it; a
 * read-modify-write of one object by all has the same effect on it.
 */
static void fence(void)
{
#ifdef __SANITIZE_THREAD__
    static _Atomic uint32_t meeting_point;
    atomic_fetch_add_explicit(&meeting_point, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

struct hg_epoch_reader *hg_epoch_enter(struct hg_cache_section **opened)
{
    struct hg_epoch_reader *reader = mine != NULL ? mine : give_record();
    *opened = reader != NULL ? hg_epoch_go_in(reader) : NULL;
    if (*opened != NULL && !threads.has_membarrier) {
        fence();
    }
    return reader;
}

void hg_epoch_forget(const struct hg_cache *cache)
{
    uint32_t used = atomic_load_explicit(&readers_used, memory_order_acquire);
    for (uint32_t i = 0; i < used; i++) {
        struct hg_cache *seen = atomic_load_explicit(&readers[i].hits_of, memory_order_relaxed);
        if (seen == cache) {
            /* Its owner may be about to look into another. */
            (void)!atomic_compare_exchange_strong_explicit(
                &readers[i].hits_of, &seen, NULL, memory_order_relaxed, memory_order_relaxed);
        }
    }
}

uint64_t hg_epoch_advance(void)
{
    HG_REQUIRE(pthread_once(&threads.once, start) == 0);
    /* Release: pairs with the acquire in enter. */
    uint64_t stamp = atomic_fetch_add_explicit(&hg_epoch_now, 1, memory_order_acq_rel) + 1;
    fence();
    if (threads.has_membarrier) {
        /* The kernel accepted the registration, so it knows the command. */
        HG_REQUIRE(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
    }
    return stamp;
}

uint64_t hg_epoch_passed(void)
{
    uint64_t oldest = UINT64_MAX;
    uint32_t used = atomic_load_explicit(&readers_used, memory_order_acquire);
    for (uint32_t i = 0; i < used; i++) {
        /* Acquire: pairs with leave, and with the next enter: what that section read is over. */
        uint64_t entered = atomic_load_explicit(&readers[i].section.entered, memory_order_acquire);
        if (entered != 0 && entered < oldest) {
            oldest = entered;
        }
    }
    return oldest;
}
