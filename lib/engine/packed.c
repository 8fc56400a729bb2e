/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each buffer has a list of its panels, short: they differ by the product's shape. All panels are
 * in one queue by age, from which SIEVE evicts (Zhang et al., NSDI 2024): a hand goes from the
 * oldest to the newest, spares once what was used since it last came by, and takes the others.
 *
 * The lock is held for looking and linking only. A mutex will do: what is looked up takes
 * microseconds to multiply.
 */
#include "lib/engine/packed.h"

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/internal.h"

#define PANELS_ALIGN 64u /* bytes: a line of the cache, and a vector */
/* Packing so many bytes takes a few microseconds: no longer than what else runs on the loop. */
#define PACKED_HERE_MAX 65536u
/* Panels that wait to be packed, at most: they do so in the queue of everybody's work. */
#define PACKING_MAX 16u

struct hg_packed {
    struct hg_panels panels; /* the data follows this struct */
    uint64_t bytes;          /* of all that was allocated */
    struct hg_buffer *buffer;
    struct hg_packed *next_of_buffer;
    struct hg_packed *newer;
    struct hg_packed *older;
    bool is_used;                /* since the hand came by */
    bool is_linked;              /* in the table */
    bool is_ready;               /* packed; guarded by the lock, too */
    _Atomic uint32_t references; /* the table's, launches', and the packer's */
    struct hg_errand errand;
};

void hg_packed_table_init(struct hg_packed_table *table, uint64_t bytes_max)
{
    hg_mutex_init(&table->lock, HG_RANK_PACKED);
    table->bytes_max = bytes_max;
}

void hg_packed_table_fini(struct hg_packed_table *table)
{
    HG_REQUIRE(table->newest == NULL);
    hg_mutex_fini(&table->lock);
}

const struct hg_panels *hg_packed_panels(const struct hg_packed *packed)
{
    return &packed->panels;
}

void hg_packed_put_back(struct hg_packed **packed)
{
    struct hg_packed *dropped = *packed;
    *packed = NULL;
    /* Release pairs with the acquire of the last one: every read happens before the free. */
    if (dropped != NULL &&
        atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel) == 1) {
        hg_free(HG_TAG_ENGINE, dropped);
    }
}

/* ---- the table (lock held) ------------------------------------------------------------------- */

static struct hg_packed *first_of(const struct hg_buffer *buffer)
{
    return atomic_load_explicit(&buffer->packed, memory_order_relaxed);
}

static struct hg_packed *look_up(const struct hg_buffer *buffer,
                                 const struct hg_panels_shape *shape)
{
    struct hg_packed *packed = first_of(buffer);
    while (packed != NULL && !hg_panels_same(&packed->panels.shape, shape)) {
        packed = packed->next_of_buffer;
    }
    return packed;
}

static void link_packed(struct hg_packed_table *table, struct hg_packed *packed)
{
    packed->is_linked = true;
    packed->next_of_buffer = first_of(packed->buffer);
    atomic_store_explicit(&packed->buffer->packed, packed, memory_order_relaxed);
    packed->older = table->newest;
    if (table->newest != NULL) {
        table->newest->newer = packed;
    } else {
        table->oldest = packed;
    }
    table->newest = packed;
    table->stats.entries++;
    table->stats.bytes += packed->bytes;
}

static void unlink_of_buffer(struct hg_packed *packed)
{
    struct hg_packed *next = packed->next_of_buffer;
    if (first_of(packed->buffer) == packed) {
        /* Release pairs with the acquire in forget: nothing of the buffer is touched after it. */
        atomic_store_explicit(&packed->buffer->packed, next, memory_order_release);
        return;
    }
    struct hg_packed *before = first_of(packed->buffer);
    while (before->next_of_buffer != packed) {
        before = before->next_of_buffer;
    }
    before->next_of_buffer = next;
}

/* Takes PACKED, with the table's reference to it, out. */
static void unlink_packed(struct hg_packed_table *table, struct hg_packed *packed)
{
    packed->is_linked = false;
    table->hand = table->hand == packed ? packed->newer : table->hand;
    *(packed->older != NULL ? &packed->older->newer : &table->oldest) = packed->newer;
    *(packed->newer != NULL ? &packed->newer->older : &table->newest) = packed->older;
    table->stats.entries--;
    table->stats.bytes -= packed->bytes;
    unlink_of_buffer(packed);
}

/* Whether panels of BYTES more may wait to be packed. What waits keeps its memory until then,
 * linked or not, so all of it has to be within the bound. */
static bool may_pack(const struct hg_packed_table *table, uint64_t bytes)
{
    return table->packing < PACKING_MAX && table->packing_bytes <= table->bytes_max - bytes;
}

static void begin_packing(struct hg_packed_table *table, const struct hg_packed *packed)
{
    table->packing++;
    table->packing_bytes += packed->bytes;
}

static void end_packing(struct hg_packed_table *table, const struct hg_packed *packed)
{
    table->packing--;
    table->packing_bytes -= packed->bytes;
}

/* Makes room for BYTES, which may be packed: what is ready can go, and is enough. Launches that
 * read what is evicted finish with it. */
static void evict_for(struct hg_packed_table *table, uint64_t bytes)
{
    while (table->oldest != NULL && table->stats.bytes > table->bytes_max - bytes) {
        struct hg_packed *packed = table->hand != NULL ? table->hand : table->oldest;
        table->hand = packed->newer;
        if (packed->is_used || !packed->is_ready) {
            packed->is_used = false;
            continue;
        }
        unlink_packed(table, packed);
        table->stats.evictions++;
        hg_packed_put_back(&packed);
    }
}

/* ---- packing --------------------------------------------------------------------------------- */

static void pack(struct hg_packed *packed)
{
    struct hg_packed_table *table = &packed->buffer->engine->packed;
    uint8_t *data = (uint8_t *)packed + hg_div_up_u64(sizeof *packed, PANELS_ALIGN) * PANELS_ALIGN;
    hg_panels_pack(&packed->panels.shape, packed->buffer->block.base, data);
    hg_mutex_lock(&table->lock);
    packed->is_ready = true;
    end_packing(table, packed);
    table->stats.builds++;
    hg_mutex_unlock(&table->lock);
}

static void pack_errand(struct hg_errand *errand)
{
    pack(errand->context);
}

static void errand_done(struct hg_errand *errand)
{
    struct hg_packed *packed = errand->context;
    struct hg_buffer *buffer = packed->buffer;
    hg_packed_put_back(&packed);
    hg_buffer_unref(&buffer);
}

/* Takes back what will not be packed. */
static void drop(struct hg_packed_table *table, struct hg_packed *packed)
{
    hg_mutex_lock(&table->lock);
    end_packing(table, packed);
    bool was_linked = packed->is_linked;
    if (was_linked) {
        unlink_packed(table, packed);
    }
    hg_mutex_unlock(&table->lock);
    if (was_linked) {
        hg_packed_put_back(&packed);
    }
}

/* Has a worker pack PACKED; the reference is its then. Where the queue is full a later launch tries
 * again. */
static void pack_later(struct hg_engine *engine, struct hg_packed *packed)
{
    struct hg_error ignored;
    struct hg_buffer *buffer = hg_buffer_ref(packed->buffer);
    packed->errand = (struct hg_errand){.run = pack_errand, .done = errand_done, .context = packed};
    if (hg_engine_run_errand(engine, &packed->errand, &ignored) != HG_OK) {
        drop(&engine->packed, packed);
        hg_packed_put_back(&packed);
        hg_buffer_unref(&buffer);
    }
}

/* Room for panels, with two references: the table's and the packer's. NULL if there is none. */
static struct hg_packed *create(struct hg_buffer *buffer, const struct hg_panels_shape *shape,
                                uint64_t bytes)
{
    struct hg_packed *packed = hg_aligned_alloc(HG_TAG_ENGINE, PANELS_ALIGN, bytes);
    if (packed == NULL) {
        return NULL;
    }
    const uint64_t header = hg_div_up_u64(sizeof *packed, PANELS_ALIGN) * PANELS_ALIGN;
    *packed = (struct hg_packed){
        .panels = {*shape, (const uint8_t *)packed + header}, .bytes = bytes, .buffer = buffer};
    atomic_init(&packed->references, 2);
    return packed;
}

/* Bytes to allocate for SHAPE's panels; 0 if they are not to be kept. */
static uint64_t bytes_for(const struct hg_packed_table *table, const struct hg_buffer *buffer,
                          const struct hg_panels_shape *shape)
{
    const uint64_t header = hg_div_up_u64(sizeof(struct hg_packed), PANELS_ALIGN) * PANELS_ALIGN;
    uint64_t bytes;
    if (hg_panels_extent(shape) > buffer->bytes ||
        !hg_add_u64(hg_panels_bytes(shape), header, &bytes) || bytes > table->bytes_max) {
        return 0;
    }
    return bytes;
}

/* Packs what was not found, or has it packed. */
static struct hg_packed *make(struct hg_engine *engine, struct hg_buffer *buffer,
                              const struct hg_panels_shape *shape)
{
    struct hg_packed_table *table = &engine->packed;
    const uint64_t bytes = bytes_for(table, buffer, shape);
    struct hg_packed *packed = bytes != 0 ? create(buffer, shape, bytes) : NULL;
    if (packed == NULL) {
        return NULL;
    }
    hg_mutex_lock(&table->lock);
    bool is_wanted = look_up(buffer, shape) == NULL && may_pack(table, bytes);
    if (is_wanted) {
        evict_for(table, bytes);
        link_packed(table, packed);
        begin_packing(table, packed);
    }
    hg_mutex_unlock(&table->lock);
    if (!is_wanted) { /* another thread was faster, or too much waits: a later launch tries again */
        hg_free(HG_TAG_ENGINE, packed);
        return NULL;
    }
    if (bytes > PACKED_HERE_MAX) {
        pack_later(engine, packed);
        return NULL;
    }
    pack(packed);
    return packed;
}

/* ---- using ----------------------------------------------------------------------------------- */

struct hg_packed *hg_packed_get(struct hg_engine *engine, struct hg_buffer *buffer,
                                const struct hg_panels_shape *shape)
{
    struct hg_packed_table *table = &engine->packed;
    hg_mutex_lock(&table->lock);
    struct hg_packed *found = look_up(buffer, shape);
    bool is_ready = found != NULL && found->is_ready;
    if (is_ready) {
        found->is_used = true;
        table->stats.hits++;
        /* Relaxed: the table's reference is there as long as the lock is held. */
        atomic_fetch_add_explicit(&found->references, 1, memory_order_relaxed);
    }
    hg_mutex_unlock(&table->lock);
    if (found != NULL) {
        return is_ready ? found : NULL;
    }
    return make(engine, buffer, shape);
}

struct hg_buffer *hg_packed_find_operand(const struct hg_claims *claims,
                                         const struct hg_launch *launch,
                                         struct hg_panels_shape *shape)
{
    if (!hg_panels_of(launch, shape)) {
        return NULL;
    }
    const void *base = launch->operands[shape->slot].base;
    for (uint32_t i = 0; i < claims->count; i++) {
        struct hg_buffer *buffer = claims->items[i].buffer;
        if (buffer->block.base == base) {
            return hg_buffer_is_constant(buffer) ? buffer : NULL;
        }
    }
    return NULL;
}

/* ---- the end --------------------------------------------------------------------------------- */

void hg_packed_forget(struct hg_buffer *buffer)
{
    struct hg_packed_table *table = &buffer->engine->packed;
    while (atomic_load_explicit(&buffer->packed, memory_order_acquire) != NULL) {
        hg_mutex_lock(&table->lock);
        struct hg_packed *packed = first_of(buffer); /* it may have been evicted meanwhile */
        if (packed != NULL) {
            unlink_packed(table, packed);
        }
        hg_mutex_unlock(&table->lock);
        hg_packed_put_back(&packed);
    }
}

void hg_packed_flush(struct hg_packed_table *table)
{
    hg_mutex_lock(&table->lock);
    while (table->newest != NULL) {
        struct hg_packed *packed = table->newest;
        unlink_packed(table, packed);
        hg_packed_put_back(&packed);
    }
    hg_mutex_unlock(&table->lock);
}

void hg_engine_packed_stats(struct hg_engine *engine, struct hg_packed_stats *stats)
{
    struct hg_packed_table *table = &engine->packed;
    hg_mutex_lock(&table->lock);
    *stats = table->stats;
    stats->bytes_max = table->bytes_max;
    hg_mutex_unlock(&table->lock);
}
