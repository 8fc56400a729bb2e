/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read sections, and when they have ended: what lets the cache free memory that readers without
 * locks may still look at.
 *
 *     reader:  enter ── load a pointer ── use it ── leave
 *     writer:  unlink ── stamp = advance() ┄┄ later: passed(stamp) ── free
 *
 * A section covers what its thread loaded since it entered, until it leaves. Who enters while
 * inside opens nothing, and closes nothing as he leaves: what was entered first is left last. A
 * thread that is outside of sections, asleep or not, holds nothing up, and nobody ever waits: a
 * writer asks whether sections of before its stamp are over, and asks again later if not.
 *
 * Entering costs two stores and no fence: advance() makes the fence run on all of the process's
 * CPUs, with membarrier(2). Where the kernel refuses that, readers run the fence themselves.
 *
 * Threads: any; a thread gets its record at its first section and gives it back when it ends. At
 * most HG_EPOCH_READERS_MAX threads have one at a time; the others have to use locks.
 * Process-wide state: the epoch and the records.
 * Fork: records of threads that the child does not have are never given back; do not fork without
 * exec from a process with several threads inside sections.
 */
#ifndef HG_LIB_CACHE_EPOCH_H
#define HG_LIB_CACHE_EPOCH_H

#include "lib/cache/cache.h"

#define HG_EPOCH_READERS_MAX 128

/* When this thread samples next; the owner's alone. See reuse.h. */
struct hg_cache_sampler {
    uint32_t countdown;  /* lookups until the next sample */
    uint32_t gap;        /* lookups between the last sample and the next */
    uint32_t random;     /* state of a generator, not 0 */
    uint64_t references; /* lookups so far, at the last sample */
};

/* One cache line: no two threads write to the same. */
struct hg_epoch_reader {
    _Alignas(64) struct hg_cache_section section;
    uint16_t index; /* of this record, below HG_EPOCH_READERS_MAX */
    _Atomic bool is_owned;
    struct hg_cache_sampler sampler;
    _Atomic(struct hg_cache *) hits_of; /* the cache that this thread looked into last, or NULL */
    _Atomic uint64_t *hits; /* this thread's counters there, one per region; see figures.h */
};
_Static_assert(sizeof(struct hg_epoch_reader) == 64, "one cache line");

/* From 1; epoch.c alone writes it. */
extern _Atomic uint64_t hg_epoch_now __attribute__((visibility("hidden")));
/* Stands for the record of a thread that has none; is always inside. */
extern struct hg_epoch_reader hg_epoch_nobody __attribute__((visibility("hidden")));
/* This thread's record. Nobody's before its first section; and always where entering takes a
 * fence. */
extern _Thread_local struct hg_epoch_reader *hg_epoch_mine
    __attribute__((tls_model("initial-exec")));

static inline bool hg_epoch_is_nobody(const struct hg_epoch_reader *reader)
{
    return reader == &hg_epoch_nobody;
}

/* Also of nobody. Relaxed: only this thread changes it. */
static inline bool hg_epoch_is_inside(const struct hg_epoch_reader *reader)
{
    return __builtin_expect(
        atomic_load_explicit(&reader->section.entered, memory_order_relaxed) != 0, 0);
}

/* Opens a section of this thread's, which is not inside, and gives it. */
static inline struct hg_cache_section *hg_epoch_open(struct hg_epoch_reader *reader)
{
    struct hg_cache_section *section = &reader->section;
    /* Acquire: pairs with advance(); whoever reads a stamp sees what was unlinked before it. */
    uint64_t now = atomic_load_explicit(&hg_epoch_now, memory_order_acquire);
    /* Release: a writer that sees this value has everything of earlier sections behind it. The
     * store must be seen by advance()'s caller, or else the section's loads see what was unlinked:
     * membarrier is the fence between this store and those loads. */
    atomic_store_explicit(&section->entered, now, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    return section;
}

/* The same, or NULL if it is inside: then there is nothing to leave. */
static inline struct hg_cache_section *hg_epoch_go_in(struct hg_epoch_reader *reader)
{
    return hg_epoch_is_inside(reader) ? NULL : hg_epoch_open(reader);
}

/* Opens a section; *OPENED is as go_in gives it. NULL, and no section, if this thread can have no
 * record. */
struct hg_epoch_reader *hg_epoch_enter(struct hg_cache_section **opened);

/* Leaves what an enter opened, if it did. */
static inline void hg_epoch_leave(struct hg_cache_section *opened)
{
    if (opened != NULL) {
        /* Release: pairs with the acquire in passed(); the section's reads are before the free. */
        atomic_store_explicit(&opened->entered, 0, memory_order_release);
    }
}

/* Tells the system that this process will use membarrier: once, best before it has other threads,
 * for which the kernel makes everybody wait some milliseconds. Sections do so too if nobody has. */
void hg_epoch_start(void);
/* No thread looked into CACHE: another may have its address. None is in it. */
void hg_epoch_forget(const struct hg_cache *cache);
/* The stamp of what the caller unlinked before the call. */
uint64_t hg_epoch_advance(void);
/* What has a stamp up to this may be freed. Only for stamps that were given before the call. */
uint64_t hg_epoch_passed(void);

#endif
