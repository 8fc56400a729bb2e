/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/retire.h"

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/cache/epoch.h"

/* Blocks are aligned to 16 bytes, so their addresses have room for what they are. */
enum { PROGRAM, TABLE, HUSK, KIND_MASK = 3 };

void hg_retired_init(struct hg_retired *retired)
{
    retired->open = NULL;
    retired->oldest = NULL;
    retired->end = &retired->oldest;
    atomic_init(&retired->bytes, 0);
}

bool hg_retired_reserve(struct hg_retired *retired)
{
    if (retired->open == NULL) {
        retired->open = hg_malloc(HG_TAG_CACHE, sizeof *retired->open);
        if (retired->open == NULL) {
            return false;
        }
        retired->open->next = NULL;
        retired->open->count = 0;
        retired->open->bytes = 0;
    }
    return true;
}

static void add(struct hg_retired *retired, const void *block, uintptr_t kind, uint64_t bytes)
{
    struct hg_retired_batch *batch = retired->open;
    HG_REQUIRE(batch->count < HG_RETIRED_BATCH);
    batch->items[batch->count++] = (uintptr_t)block | kind;
    batch->bytes += bytes;
    atomic_fetch_add_explicit(&retired->bytes, bytes, memory_order_relaxed);
    if (batch->count == HG_RETIRED_BATCH) {
        hg_retired_close(retired);
    }
}

void hg_retired_add_program(struct hg_retired *retired, struct hg_program *program)
{
    add(retired, program, PROGRAM, hg_program_bytes(program));
}

void hg_retired_add_table(struct hg_retired *retired, struct hg_cache_table *table,
                          uint64_t program_bytes)
{
    add(retired, table, TABLE, hg_cache_table_bytes(table) + program_bytes);
}

void hg_retired_add_husk(struct hg_retired *retired, struct hg_cache_table *table)
{
    add(retired, table, HUSK, hg_cache_table_bytes(table));
}

void hg_retired_close(struct hg_retired *retired)
{
    struct hg_retired_batch *batch = retired->open;
    if (batch == NULL || batch->count == 0) {
        return;
    }
    batch->stamp = hg_epoch_advance();
    *retired->end = batch;
    retired->end = &batch->next;
    retired->open = NULL;
}

struct hg_retired_batch *hg_retired_take(struct hg_retired *retired)
{
    if (retired->oldest == NULL) {
        return NULL;
    }
    uint64_t passed = hg_epoch_passed();
    struct hg_retired_batch *first = retired->oldest;
    struct hg_retired_batch **link = &retired->oldest;
    while (*link != NULL && (*link)->stamp <= passed) {
        atomic_fetch_sub_explicit(&retired->bytes, (*link)->bytes, memory_order_relaxed);
        link = &(*link)->next;
    }
    if (link == &retired->oldest) {
        return NULL;
    }
    /* Stamps rise along the list: what has passed is its beginning. */
    retired->oldest = *link;
    *link = NULL;
    if (retired->oldest == NULL) {
        retired->end = &retired->oldest;
    }
    return first;
}

static void free_item(uintptr_t item)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): its lowest bits say what it is. */
    void *block = (void *)(item & ~(uintptr_t)KIND_MASK);
    struct hg_program *program = block;
    switch (item & KIND_MASK) {
    case PROGRAM:
        hg_program_unref(&program);
        break;
    case TABLE:
        hg_cache_table_destroy(block);
        break;
    default:
        hg_cache_table_free(block);
        break;
    }
}

void hg_retired_free(struct hg_retired_batch *batches)
{
    while (batches != NULL) {
        struct hg_retired_batch *next = batches->next;
        for (uint64_t i = 0; i < batches->count; i++) {
            free_item(batches->items[i]);
        }
        hg_free(HG_TAG_CACHE, batches);
        batches = next;
    }
}

void hg_retired_fini(struct hg_retired *retired)
{
    hg_retired_free(retired->oldest);
    hg_retired_free(retired->open);
    hg_retired_init(retired);
}
