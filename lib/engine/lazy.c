/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/lazy.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"

/* The chunks that a range touches, and of these the ones that it covers whole. */
struct chunks {
    uint64_t first, end;
    uint64_t whole_first, whole_end;
};

static struct chunks chunks_of(const struct hg_lazy *lazy, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    struct chunks chunks = {
        .first = offset / HG_LAZY_CHUNK_BYTES,
        .end = hg_div_up_u64(end, HG_LAZY_CHUNK_BYTES),
        .whole_first = hg_div_up_u64(offset, HG_LAZY_CHUNK_BYTES),
        /* The last chunk is whole also where it is short. */
        .whole_end = end == lazy->bytes ? lazy->chunk_count : end / HG_LAZY_CHUNK_BYTES,
    };
    return chunks;
}

static bool is_dirty(const struct hg_lazy *lazy, uint64_t chunk)
{
    return (lazy->bits[chunk / 64] >> (chunk % 64) & 1) != 0;
}

/* Lock held. Release: whoever then reads 0 dirty chunks sees the memory as it was left. */
static void set_clean(struct hg_lazy *lazy, uint64_t chunk)
{
    lazy->bits[chunk / 64] &= ~(UINT64_C(1) << (chunk % 64));
    atomic_fetch_sub_explicit(&lazy->dirty, 1, memory_order_release);
}

static void zero_chunk(struct hg_lazy *lazy, uint64_t chunk)
{
    uint64_t offset = chunk * HG_LAZY_CHUNK_BYTES;
    uint64_t left = lazy->bytes - offset;
    hg_mutex_lock(&lazy->lock);
    if (is_dirty(lazy, chunk)) {
        memset(lazy->base + offset, 0, left < HG_LAZY_CHUNK_BYTES ? left : HG_LAZY_CHUNK_BYTES);
        set_clean(lazy, chunk);
    }
    hg_mutex_unlock(&lazy->lock);
}

struct hg_lazy *hg_lazy_create(void *base, uint64_t bytes)
{
    uint64_t chunk_count = hg_div_up_u64(bytes, HG_LAZY_CHUNK_BYTES);
    uint64_t word_count = hg_div_up_u64(chunk_count, 64);
    struct hg_lazy *lazy =
        hg_malloc(HG_TAG_SESSION, sizeof *lazy + word_count * sizeof lazy->bits[0]);
    if (lazy == NULL) {
        return NULL;
    }
    hg_mutex_init(&lazy->lock, HG_RANK_RUN);
    lazy->base = base;
    lazy->bytes = bytes;
    lazy->chunk_count = chunk_count;
    atomic_init(&lazy->dirty, chunk_count);
    memset(lazy->bits, 0xff, word_count * sizeof lazy->bits[0]);
    return lazy;
}

void hg_lazy_destroy(struct hg_lazy *lazy)
{
    if (lazy != NULL) {
        hg_mutex_fini(&lazy->lock);
        hg_free(HG_TAG_SESSION, lazy);
    }
}

bool hg_lazy_is_clean(const struct hg_lazy *lazy)
{
    return lazy == NULL || atomic_load_explicit(&lazy->dirty, memory_order_acquire) == 0;
}

void hg_lazy_before_read(struct hg_lazy *lazy, uint64_t offset, uint64_t length,
                         const _Atomic bool *cancelled)
{
    if (hg_lazy_is_clean(lazy) || length == 0) {
        return;
    }
    struct chunks chunks = chunks_of(lazy, offset, length);
    for (uint64_t chunk = chunks.first; chunk < chunks.end; chunk++) {
        if (cancelled != NULL && atomic_load_explicit(cancelled, memory_order_relaxed)) {
            return;
        }
        zero_chunk(lazy, chunk);
    }
}

void hg_lazy_before_write(struct hg_lazy *lazy, uint64_t offset, uint64_t length)
{
    if (hg_lazy_is_clean(lazy) || length == 0) {
        return;
    }
    struct chunks chunks = chunks_of(lazy, offset, length);
    if (chunks.first < chunks.whole_first) {
        zero_chunk(lazy, chunks.first);
    }
    if (chunks.whole_end < chunks.end) {
        zero_chunk(lazy, chunks.end - 1);
    }
}

void hg_lazy_after_write(struct hg_lazy *lazy, uint64_t offset, uint64_t length)
{
    if (hg_lazy_is_clean(lazy) || length == 0) {
        return;
    }
    struct chunks chunks = chunks_of(lazy, offset, length);
    hg_mutex_lock(&lazy->lock);
    for (uint64_t chunk = chunks.whole_first; chunk < chunks.whole_end; chunk++) {
        if (is_dirty(lazy, chunk)) {
            set_clean(lazy, chunk);
        }
    }
    hg_mutex_unlock(&lazy->lock);
}
